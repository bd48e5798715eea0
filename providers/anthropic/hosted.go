package anthropic

import (
	"encoding/json"

	"github.com/your-org/ai-api-gateway/providers"
)

// A Hosted is what a request says of thinking, length and sampling to a Claude
// model that somebody else hosts behind a request format of his own (Bedrock's
// Converse): what such a model takes does not depend on the format around it.
type Hosted struct {
	MaxTokens   *int64          // nil: not said
	Thinking    json.RawMessage // value of the member thinking; nil: none
	Effort      string          // "": not said
	Temperature *float64
	TopP        *float64
	TopK        *int64
	Stop        []string
	Strict      bool // the model takes strict tools
	Caches      bool // the model takes cache marks
	Dropped     []string
}

// Host returns what r says to the Claude model it names, and whether it names one.
// host is the dialect of the host: thinking that it signed is as good as thinking
// signed by Anthropic.
func Host(r *providers.Request, host providers.Dialect) (h Hosted, claude bool) {
	w := &requestWriter{r: r, quirks: &providers.Quirks{}, own: r.Origin == dialect, host: host, facts: factsOf(r.Model)}
	if !w.facts.claude {
		return Hosted{}, false
	}
	family, version := parseModel(r.Model)
	w.plan()
	h.Strict = w.facts.strict
	h.Caches = version >= 307 || family == "haiku" && version >= 305
	h.Thinking, h.Effort = w.thinkingMember(), w.thinking.effort
	if r.MaxTokens != nil || w.thinking.budget != 0 {
		h.MaxTokens = &w.thinking.maxTokens
	}
	h.Temperature, h.TopP, h.TopK = w.sampling()
	h.Stop = w.inkyStops()
	h.Dropped = w.dropped
	return h, true
}

// trusts reports whether thinking signed by origin is taken back.
func (w *requestWriter) trusts(origin providers.Dialect) bool {
	return origin == dialect || origin == w.host && origin != ""
}
