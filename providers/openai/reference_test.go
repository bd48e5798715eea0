package openai

import (
	"encoding/json"
	"math/big"
	"testing"

	"github.com/your-org/ai-api-gateway/providers"
)

// referenceUsage reads usage by decoding everything, in its own way: whichever
// member a vendor uses, the buckets must add up to the vendor's own totals.
func referenceUsage(t *testing.T, data string, u *providers.Usage) {
	t.Helper()
	type details struct {
		Cached    int64 `json:"cached_tokens"`
		Written   int64 `json:"cache_write_tokens"`
		Audio     int64 `json:"audio_tokens"`
		Image     int64 `json:"image_tokens"`
		Reasoning int64 `json:"reasoning_tokens"`
	}
	type usage struct {
		Prompt     int64    `json:"prompt_tokens"`
		Completion int64    `json:"completion_tokens"`
		Total      int64    `json:"total_tokens"`
		In         details  `json:"prompt_tokens_details"`
		Out        *details `json:"completion_tokens_details"`
		Hit        int64    `json:"prompt_cache_hit_tokens"`
		Mistral    int64    `json:"num_cached_tokens"`
		Together   int64    `json:"cached_tokens"`
		Vercel     int64    `json:"cache_creation_input_tokens"`
		Cost       json.RawMessage
		Ticks      int64 `json:"cost_in_usd_ticks"`
	}
	var doc struct {
		Usage *usage
		Groq  struct{ Usage *usage } `json:"x_groq"`
	}
	if err := json.Unmarshal([]byte(data), &doc); err != nil {
		t.Fatal(err)
	}
	r := doc.Usage
	if r == nil {
		r = doc.Groq.Usage
	}
	if r == nil {
		return
	}
	*u = providers.Usage{}
	u.CacheRead = max(r.In.Cached, r.Hit, r.Mistral, r.Together)
	if u.CacheRead > r.Prompt {
		u.CacheRead, u.Clamped = r.Prompt, true
	}
	u.CacheWrite5m = max(r.In.Written, r.Vercel)
	u.InputAudio = r.In.Audio
	u.Input = r.Prompt - u.CacheRead - u.CacheWrite5m - u.InputAudio
	out := details{}
	if r.Out != nil {
		out = *r.Out
	}
	u.Reasoning, u.OutputAudio, u.OutputImage = out.Reasoning, out.Audio, out.Image
	u.Output = r.Completion - out.Audio - out.Image
	switch rest := r.Total - r.Prompt - r.Completion; {
	case r.Completion == 0 && r.Prompt == 0 && r.Out == nil: // embeddings with nothing but a total
		u.Input = r.Total
	case r.Total == 0: // nothing to go by
		u.Output -= out.Reasoning
	case rest > 0: // thinking beside the completion, told or not
		u.Reasoning = rest
	case out.Reasoning <= r.Completion:
		u.Output -= out.Reasoning
	}
	if r.Ticks > 0 {
		u.CostNano, u.HasCost = (r.Ticks+5)/10, true
	}
	if len(r.Cost) > 0 && string(r.Cost) != "null" {
		cost := string(r.Cost)
		if cost[0] == '{' {
			var parts struct {
				Total json.Number `json:"total_cost"`
			}
			if err := json.Unmarshal(r.Cost, &parts); err != nil {
				t.Fatal(err)
			}
			cost = string(parts.Total)
		}
		exact, ok := new(big.Rat).SetString(cost)
		if !ok {
			t.Fatalf("cost %s", cost)
		}
		exact.Mul(exact, big.NewRat(1e9, 1)).Add(exact, big.NewRat(1, 2))
		u.CostNano, u.HasCost = new(big.Int).Div(exact.Num(), exact.Denom()).Int64(), true
	}
}
