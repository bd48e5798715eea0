package server

import (
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/server/relay"
	"github.com/your-org/ai-api-gateway/server/routing"
)

// A modelRow is one entry of GET /v1/models in OpenAI's shape, with what clients
// of other gateways look for besides.
type modelRow struct {
	ID        string `json:"id"`
	Object    string `json:"object"`
	Created   int64  `json:"created"`
	OwnedBy   string `json:"owned_by"`
	Context   int64  `json:"context_window,omitempty"`
	MaxOutput int64  `json:"max_output_tokens,omitempty"`
}

// anthropicModel is the same in Anthropic's shape.
type anthropicModel struct {
	Type        string `json:"type"`
	ID          string `json:"id"`
	DisplayName string `json:"display_name"`
	CreatedAt   string `json:"created_at"`
}

func (s *Server) listModels(c *call) {
	if c.fromGoogle() {
		s.listGemini(c)
		return
	}
	models := s.table.Load().Models(allowModels(c))
	if len(c.ctx.Request.Header.Peek("Anthropic-Version")) > 0 {
		s.listAnthropic(c, models)
		return
	}
	rows := make([]modelRow, 0, len(models))
	for _, m := range models {
		rows = append(rows, s.row(m))
	}
	list := struct {
		Object string     `json:"object"`
		Data   []modelRow `json:"data"`
		// Codex asks with its version and wants the presets it may offer here; those
		// of its own stand where there are none.
		Models *[]struct{} `json:"models,omitempty"`
	}{Object: "list", Data: rows}
	if c.ctx.QueryArgs().Has("client_version") {
		list.Models = &[]struct{}{}
	}
	writeJSON(c, 200, list)
}

func (s *Server) row(m routing.ModelInfo) modelRow {
	return modelRow{ID: m.ID, Object: "model", Created: s.started.Unix(), OwnedBy: m.OwnedBy, Context: m.Context, MaxOutput: m.MaxOutput}
}

func (s *Server) listAnthropic(c *call, models []routing.ModelInfo) {
	limit := 20
	if n, err := strconv.Atoi(string(c.ctx.QueryArgs().Peek("limit"))); err == nil && n > 0 && n <= 1000 {
		limit = n
	}
	if after := string(c.ctx.QueryArgs().Peek("after_id")); after != "" {
		if i := slices.IndexFunc(models, func(m routing.ModelInfo) bool { return m.ID == after }); i >= 0 {
			models = models[i+1:]
		}
	}
	more := len(models) > limit
	if more {
		models = models[:limit]
	}
	page := struct {
		Data    []anthropicModel `json:"data"`
		HasMore bool             `json:"has_more"`
		FirstID *string          `json:"first_id"`
		LastID  *string          `json:"last_id"`
	}{Data: []anthropicModel{}, HasMore: more}
	for _, m := range models {
		page.Data = append(page.Data, s.anthropicRow(m))
	}
	if n := len(page.Data); n > 0 {
		page.FirstID, page.LastID = &page.Data[0].ID, &page.Data[n-1].ID
	}
	writeJSON(c, 200, page)
}

func (s *Server) anthropicRow(m routing.ModelInfo) anthropicModel {
	return anthropicModel{Type: "model", ID: m.ID, DisplayName: m.ID, CreatedAt: s.started.UTC().Format(time.RFC3339)}
}

func (s *Server) showModel(c *call) {
	if c.fromGoogle() {
		s.showGemini(c)
		return
	}
	id := c.params["id"]
	if at := modelTail(c.ctx.RequestURI()); at > 0 {
		raw, _, _ := strings.Cut(string(c.ctx.RequestURI()[at:]), "?")
		if un, err := url.PathUnescape(raw); err == nil {
			id = un
		}
	}
	if len(id) > 256 {
		id = id[:256]
	}
	t := s.table.Load()
	models := t.Models(allowModels(c))
	i := slices.IndexFunc(models, func(m routing.ModelInfo) bool { return m.ID == id })
	var found routing.ModelInfo
	if i >= 0 {
		found = models[i]
	} else { // not listed, but perhaps routable
		plan, err := t.Plan(routing.Ask{Op: providers.OpChat, Dialect: providers.Chat, Model: id, Allow: allowModels(c)})
		if err != nil {
			c.fail(err)
			return
		}
		found = routing.ModelInfo{ID: id, OwnedBy: plan.Targets[0].Account.Provider.Name}
	}
	if len(c.ctx.Request.Header.Peek("Anthropic-Version")) > 0 {
		writeJSON(c, 200, s.anthropicRow(found))
		return
	}
	writeJSON(c, 200, s.row(found))
}

// estimateTokens answers count_tokens for targets that have no such call. The
// estimate never understates, and says that it is one.
func (s *Server) estimateTokens(c *call, job *relay.Job) {
	defer job.Drop()
	defer job.Release()
	if c.route.gemini {
		s.estimateGemini(c, job)
		return
	}
	c.ctx.Response.Header.Set("X-Gateway-Estimated", "true")
	if job.Op == providers.OpInputTokens {
		writeJSON(c, 200, struct {
			Object      string `json:"object"`
			InputTokens int64  `json:"input_tokens"`
		}{"response.input_tokens", s.o.Surfaces.InputTokens(job.Body)})
		return
	}
	n := s.o.Surfaces.CountTokens(job.Body)
	writeJSON(c, 200, struct {
		InputTokens int64 `json:"input_tokens"`
	}{n})
}

func writeJSON(c *call, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic("BUG: cannot encode an answer: " + err.Error())
	}
	c.ctx.Response.Header.Set("X-Request-Id", c.id)
	c.ctx.Response.Header.SetContentType("application/json")
	c.ctx.SetStatusCode(status)
	c.ctx.Response.SetBody(append(b, '\n'))
}
