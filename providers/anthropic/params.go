package anthropic

import (
	"encoding/json"
	"strings"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

// Bounds of thinking (anthropic-sdk-go, ThinkingConfigEnabledParam) and of an
// answer for which neither the caller nor the catalogue says one. 4096 is what
// the smallest model of the vendor can write, so no model refuses it.
const (
	minBudget    = 1024
	leastDefault = 4096
)

// budgets are the thinking tokens of an effort, for models that take a budget.
var budgets = map[string]int64{"minimal": 1024, "low": 2048, "medium": 8192, "high": 16384, "xhigh": 24576, "max": 32000}

// A thinkingPlan is what a request says of thinking and length, after
// translation. The zero plan says nothing of thinking.
type thinkingPlan struct {
	mode      string // enabled, adaptive, disabled
	budget    int64
	effort    string
	display   string
	maxTokens int64
	off       bool // the caller's own member is not sent
}

func (p *thinkingPlan) on() bool { return p.mode == "enabled" || p.mode == "adaptive" }

// plan decides thinking and max_tokens together: a budget must stay below the bound.
func (w *requestWriter) plan() {
	p, r := &w.thinking, w.r
	p.maxTokens = leastDefault
	switch {
	case r.MaxTokens != nil:
		p.maxTokens = *r.MaxTokens
	case r.DefaultMaxTokens > 0:
		p.maxTokens = r.DefaultMaxTokens
	}
	if t := r.Reasoning; t != nil {
		if w.own {
			p.mode, p.effort, p.display = t.Mode, t.Effort, t.Summary
			if t.Budget != nil {
				p.budget = *t.Budget
			}
			if p.mode == "enabled" && !w.facts.adaptive && w.foreignThinking() && w.unsignedLoop() {
				*p = thinkingPlan{off: true, maxTokens: p.maxTokens}
				w.drop("thinking")
			}
			return
		}
		w.planForeign(t)
	}
}

func (w *requestWriter) planForeign(t *providers.Reasoning) {
	p := &w.thinking
	off := t.Mode == "disabled" || t.Effort == "none" || t.Budget != nil && *t.Budget == 0
	asked := t.Mode != "" || t.Effort != "" || t.Budget != nil
	switch {
	case !asked: // members that steer thinking in ways nobody else has
		wire.EachMember(t.Raw, func(name, v []byte) bool {
			w.drop(string(name))
			return true
		})
		return
	case off && !w.facts.thinking:
		return
	case off && w.facts.alwaysThinks:
		p.effort = "low"
		w.dropReasoning()
		return
	case off && w.facts.adaptiveOnly: // does not think unless asked to
		return
	case off:
		p.mode = "disabled"
		return
	case !w.facts.thinking, w.forcesTool(), !w.facts.adaptive && w.unsignedLoop():
		w.dropReasoning()
		return
	}
	if t.Summary != "" {
		p.display = "summarized"
	}
	if w.facts.adaptive {
		p.mode, p.effort = "adaptive", w.effort(t)
		return
	}
	p.display = "" // a member of newer models; the older ones always show their thinking
	p.mode, p.budget = "enabled", budgets[t.Effort]
	if t.Budget != nil && *t.Budget > 0 {
		p.budget = *t.Budget
	}
	if p.budget == 0 { // thinking without a measure: the middle
		p.budget = budgets["medium"]
	}
	p.budget = max(p.budget, minBudget)
	if w.r.MaxTokens == nil && w.r.DefaultMaxTokens <= 0 {
		p.maxTokens = p.budget + leastDefault
	}
	if p.budget >= p.maxTokens {
		p.budget = p.maxTokens - 1
	}
	if p.budget < minBudget {
		p.mode, p.budget = "", 0
		w.dropReasoning()
	}
}

// effort returns the nearest effort the model takes.
func (w *requestWriter) effort(t *providers.Reasoning) string {
	switch t.Effort {
	case "minimal":
		return "low"
	case "xhigh":
		if !w.facts.xhigh {
			return "high"
		}
	case "":
		switch {
		case t.Budget == nil || *t.Budget < 0:
			return ""
		case *t.Budget <= 2048:
			return "low"
		case *t.Budget <= 8192:
			return "medium"
		}
		return "high"
	}
	return t.Effort
}

// forcesTool reports whether a tool must be called, which excludes thinking.
func (w *requestWriter) forcesTool() bool {
	c := w.r.ToolChoice
	return len(w.r.Tools) > 0 && (c.Mode == providers.ToolRequired || c.Mode == providers.ToolNamed || c.Mode == providers.ToolAllowed && c.Required)
}

// unsignedLoop reports whether the conversation stands in a tool loop whose
// assistant turn has lost its thinking: models with budgets refuse to think on
// from there ("Expected `thinking` or `redacted_thinking`, but found `tool_use`").
func (w *requestWriter) unsignedLoop() bool {
	list := w.r.Messages
	i := len(list) - 1
	for i >= 0 && list[i].Role == providers.RoleTool {
		i--
	}
	if i < 0 || i == len(list)-1 || list[i].Role != providers.RoleAssistant {
		return false
	}
	for j := range list[i].Blocks {
		b := &list[i].Blocks[j]
		if (b.Kind == providers.KindThinking || b.Kind == providers.KindRedacted) && w.trusts(b.SignatureOrigin) {
			return false
		}
	}
	return true
}

// foreignThinking reports whether another vendor's thinking is left out of the conversation.
func (w *requestWriter) foreignThinking() bool {
	for i := range w.r.Messages {
		for j := range w.r.Messages[i].Blocks {
			b := &w.r.Messages[i].Blocks[j]
			if (b.Kind == providers.KindThinking || b.Kind == providers.KindRedacted) && !w.trusts(b.SignatureOrigin) {
				return true
			}
		}
	}
	return false
}

func (w *requestWriter) dropReasoning() {
	if w.r.Origin == providers.Chat {
		w.drop("reasoning_effort")
	} else {
		w.drop("reasoning")
	}
}

// sampling returns temperature, top_p and top_k as far as the model takes them.
func (w *requestWriter) sampling() (temperature, topP *float64, topK *int64) {
	temperature, topP, topK = w.r.Temperature, w.r.TopP, w.r.TopK
	if !w.own {
		one := 1.0
		if temperature != nil && *temperature > 1 {
			w.drop("temperature") // more than the format knows: sent as 1
			temperature = &one
		}
		thinks := w.thinking.on()
		if temperature != nil && *temperature != 1 && (w.facts.noSampling || thinks) {
			w.drop("temperature")
			temperature = nil
		}
		if topP != nil && *topP != 1 && (w.facts.noSampling || thinks && *topP < 0.95 || w.facts.oneSampling && temperature != nil) {
			w.drop("top_p")
			topP = nil
		}
		if topK != nil && (w.facts.noSampling || thinks) {
			w.drop("top_k")
			topK = nil
		}
		if w.facts.noSampling || w.facts.oneSampling && temperature != nil { // what is left is the default
			topP = nil
		}
		if w.facts.noSampling {
			temperature = nil
		}
	}
	return temperature, topP, topK
}

func (w *requestWriter) writeSampling() {
	temperature, topP, topK := w.sampling()
	if temperature != nil && w.allows("temperature") {
		w.dst = wire.PutFloat(w.dst, "temperature", *temperature)
	}
	if topP != nil && w.allows("top_p") {
		w.dst = wire.PutFloat(w.dst, "top_p", *topP)
	}
	if topK != nil && w.allows("top_k") {
		w.dst = wire.PutInt(w.dst, "top_k", *topK)
	}
}

func (w *requestWriter) writeThinking() {
	if raw := w.thinkingMember(); raw != nil && w.allows("thinking") {
		w.dst = wire.PutRaw(w.dst, "thinking", raw)
	}
	w.writeOutputConfig()
}

// thinkingMember returns the value of the member thinking; nil: it is left out.
func (w *requestWriter) thinkingMember() json.RawMessage {
	p, r := &w.thinking, w.r
	switch {
	case p.off:
		return nil
	case w.own && r.Reasoning != nil && len(r.Reasoning.Raw) > 0:
		return r.Reasoning.Raw
	case p.mode == "":
		return nil
	}
	v := wire.PutString([]byte("{"), "type", p.mode)
	if p.budget != 0 {
		v = wire.PutInt(v, "budget_tokens", p.budget)
	}
	if p.display != "" {
		v = wire.PutString(v, "display", p.display)
	}
	return append(v, '}')
}

func (w *requestWriter) writeOutputConfig() {
	if w.own && hasMember(w.r.Extra, "output_config") {
		return // written back whole with the other extra members
	}
	f := w.r.Format
	schema := f != nil && f.Kind == "json_schema" && len(f.Schema) > 0
	if w.thinking.effort == "" && !schema || !w.allows("output_config") {
		return
	}
	w.dst = append(wire.Key(w.dst, "output_config"), '{')
	if w.thinking.effort != "" {
		w.dst = wire.PutString(w.dst, "effort", w.thinking.effort)
	}
	if schema {
		w.dst = wire.PutString(append(wire.Key(w.dst, "format"), '{'), "type", "json_schema")
		answer := f.Schema
		if !w.own {
			answer = ClosedSchema(answer)
		}
		w.dst = append(wire.PutRaw(w.dst, "schema", answer), '}')
	}
	w.dst = append(w.dst, '}')
}

func (w *requestWriter) writeStop() {
	stop := w.r.Stop
	if !w.own {
		if stop = w.inkyStops(); len(stop) == 0 {
			return
		}
	}
	if stop == nil || !w.allows("stop_sequences") {
		return
	}
	w.dst = append(wire.Key(w.dst, "stop_sequences"), '[')
	for _, s := range stop {
		w.dst = wire.AppendString(wire.Comma(w.dst), s)
	}
	w.dst = append(w.dst, ']')
}

// inkyStops returns the stop sequences without those of white space alone, which
// the API refuses: "each stop sequence must contain non-whitespace".
func (w *requestWriter) inkyStops() []string {
	kept := make([]string, 0, len(w.r.Stop))
	for _, s := range w.r.Stop {
		if strings.TrimSpace(s) == "" {
			w.drop("stop")
			continue
		}
		kept = append(kept, s)
	}
	return kept
}

func (w *requestWriter) writeUser() {
	if w.r.User == "" || w.own && hasMember(w.r.Extra, "metadata") || !w.allows("metadata") {
		return
	}
	if !w.own && len(w.r.User) > 256 { // the API's limit of metadata.user_id
		w.drop("user")
		return
	}
	w.dst = append(wire.PutString(append(wire.Key(w.dst, "metadata"), '{'), "user_id", w.r.User), '}')
}

func (w *requestWriter) writeServiceTier() {
	tier := w.r.ServiceTier
	if !w.own {
		switch tier {
		case "", "auto", "standard_only":
		case "default", "standard":
			tier = "standard_only"
		default:
			w.drop("service_tier")
			return
		}
	}
	if tier != "" && w.allows("service_tier") {
		w.dst = wire.PutString(w.dst, "service_tier", tier)
	}
}

func hasMember(list []providers.Member, name string) bool {
	for i := range list {
		if list[i].Name == name {
			return true
		}
	}
	return false
}
