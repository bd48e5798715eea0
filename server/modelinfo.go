package server

import (
	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/server/routing"
)

// A modelInfoRow is one entry of GET /v1/model/info in LiteLLM's shape, from which
// Cline and others read context windows and prices. Members whose value is not
// known are left out.
type modelInfoRow struct {
	Name   string `json:"model_name"`
	Params struct {
		Model string `json:"model"`
	} `json:"litellm_params"`
	Info modelInfo `json:"model_info"`
}

type modelInfo struct {
	ID        string `json:"id"`
	Mode      string `json:"mode,omitempty"`
	Provider  string `json:"litellm_provider,omitempty"`
	MaxTokens int64  `json:"max_tokens,omitempty"`
	MaxInput  int64  `json:"max_input_tokens,omitempty"`
	MaxOutput int64  `json:"max_output_tokens,omitempty"`
	// US dollars a token.
	Input      *float64 `json:"input_cost_per_token,omitempty"`
	Output     *float64 `json:"output_cost_per_token,omitempty"`
	CacheRead  *float64 `json:"cache_read_input_token_cost,omitempty"`
	CacheWrite *float64 `json:"cache_creation_input_token_cost,omitempty"`
	Caching    *bool    `json:"supports_prompt_caching,omitempty"`
}

func (s *Server) listModelInfo(c *call) {
	t := s.table.Load()
	models := t.Models(allowModels(c))
	rows := make([]modelInfoRow, 0, len(models))
	for _, m := range models {
		row := modelInfoRow{Name: m.ID, Info: modelInfo{ID: m.ID, Provider: m.OwnedBy, MaxInput: m.Context, MaxOutput: m.MaxOutput, MaxTokens: m.MaxOutput}}
		row.Params.Model = m.ID
		if plan, err := t.Plan(routing.Ask{Model: m.ID}); err == nil {
			target := &plan.Targets[0]
			row.Params.Model = target.Account.Provider.Name + "/" + target.Model
			row.Info.Provider = target.Account.Provider.Name
			if e := target.Entry; e != nil {
				row.Info.describe(e)
			}
		}
		rows = append(rows, row)
	}
	writeJSON(c, 200, struct {
		Data []modelInfoRow `json:"data"`
	}{rows})
}

func (i *modelInfo) describe(e *providers.Model) {
	i.MaxInput, i.MaxOutput, i.MaxTokens = e.Context, e.MaxOutput, e.MaxOutput
	switch e.Op {
	case providers.OpChat:
		i.Mode = "chat"
	case providers.OpEmbeddings:
		i.Mode = "embedding"
	}
	if !e.Priced {
		return
	}
	usd := func(r providers.Rate) *float64 { v := float64(r) / 1e15; return &v } // nano-USD a million
	i.Input, i.Output = usd(e.Price.Input), usd(e.Price.Output)
	caches := e.Price.CacheRead != e.Price.Input || e.Price.CacheWrite5m != e.Price.Input
	if i.Caching = &caches; caches {
		i.CacheRead, i.CacheWrite = usd(e.Price.CacheRead), usd(e.Price.CacheWrite5m)
	}
}
