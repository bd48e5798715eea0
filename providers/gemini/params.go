package gemini

import (
	"strings"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

// budgets are the thinking tokens of an effort, and levels its level, as Google's
// OpenAI-compatible endpoint translates them.
var (
	budgets = map[string]int64{"minimal": 1024, "low": 1024, "medium": 8192, "high": 24576, "xhigh": 24576, "max": 24576}
	levels  = map[string]string{"minimal": "MINIMAL", "low": "LOW", "medium": "MEDIUM", "high": "HIGH", "xhigh": "HIGH", "max": "HIGH"}
)

// writeGeneration writes generationConfig, or nothing where nothing is said.
func (w *requestWriter) writeGeneration() {
	r := w.r
	outer := w.dst
	w.dst = append(make([]byte, 0, 256), '{')
	if r.MaxTokens != nil {
		w.dst = wire.PutInt(w.dst, "maxOutputTokens", *r.MaxTokens)
	}
	if r.Temperature != nil {
		w.dst = wire.PutFloat(w.dst, "temperature", *r.Temperature)
	}
	if r.TopP != nil {
		w.dst = wire.PutFloat(w.dst, "topP", *r.TopP)
	}
	if r.TopK != nil {
		w.dst = wire.PutInt(w.dst, "topK", *r.TopK)
	}
	if r.N > 1 || w.own && r.N > 0 {
		w.dst = wire.PutInt(w.dst, "candidateCount", r.N)
	}
	if r.Seed != nil {
		w.dst = wire.PutInt(w.dst, "seed", *r.Seed)
	}
	if r.Stop != nil && (w.own || len(r.Stop) > 0) {
		w.dst = append(wire.Key(w.dst, "stopSequences"), '[')
		for _, s := range r.Stop {
			w.dst = wire.AppendString(wire.Comma(w.dst), s)
		}
		w.dst = append(w.dst, ']')
	}
	w.writeThinking()
	w.writeFormat()
	w.configExtra()
	if config := w.dst; len(config) > 1 {
		outer = append(wire.PutRaw(outer, "generationConfig", config), '}')
	}
	w.dst = outer
}

func (w *requestWriter) writeThinking() {
	t := w.r.Reasoning
	if t == nil {
		return
	}
	if w.own {
		w.dst = wire.PutRaw(w.dst, "thinkingConfig", t.Raw)
		return
	}
	off := t.Mode == "disabled" || t.Effort == "none" || t.Budget != nil && *t.Budget == 0
	switch {
	case !off && t.Mode == "" && t.Effort == "" && t.Budget == nil: // members that steer thinking in ways nobody else has
		wire.EachMember(t.Raw, func(name, v []byte) bool {
			if !wire.Inert(v) {
				w.drop(string(name))
			}
			return true
		})
		return
	case !w.facts.thinks:
		if !off {
			w.dropReasoning()
		}
		return
	}
	w.dst = append(wire.Key(w.dst, "thinkingConfig"), '{')
	switch {
	case off:
		w.least()
	case t.Budget != nil && *t.Budget > 0:
		w.dst = wire.PutInt(w.dst, "thinkingBudget", min(max(*t.Budget, w.facts.minBudget), w.facts.maxBudget))
	case t.Effort != "" && w.facts.levels:
		w.dst = wire.PutString(w.dst, "thinkingLevel", w.level(t.Effort))
	case t.Effort != "":
		w.dst = wire.PutInt(w.dst, "thinkingBudget", budgets[t.Effort])
	}
	if !off && t.Summary != "omitted" {
		w.dst = wire.PutBool(w.dst, "includeThoughts", true)
	}
	w.dst = append(w.dst, '}')
}

// least turns thinking off, or as low as the model lets it be.
func (w *requestWriter) least() {
	switch {
	case w.facts.levels:
		w.dst = wire.PutString(w.dst, "thinkingLevel", w.level("minimal"))
		w.dropReasoning()
	case w.facts.never:
		w.dst = wire.PutInt(w.dst, "thinkingBudget", w.facts.minBudget)
		w.dropReasoning()
	default:
		w.dst = wire.PutInt(w.dst, "thinkingBudget", 0)
	}
}

// level returns the nearest level the model takes.
func (w *requestWriter) level(effort string) string {
	level := levels[effort]
	switch {
	case level == "":
		return "HIGH"
	case level == "MINIMAL" && !w.facts.minimal:
		return "LOW"
	case level == "MEDIUM" && !w.facts.medium:
		return "HIGH"
	}
	return level
}

func (w *requestWriter) dropReasoning() {
	switch w.r.Origin {
	case providers.Chat:
		w.drop("reasoning_effort")
	case providers.Messages:
		w.drop("thinking")
	default:
		w.drop("reasoning")
	}
}

func (w *requestWriter) writeFormat() {
	f := w.r.Format
	if f == nil {
		return
	}
	switch f.Kind {
	case "json_object":
		w.dst = wire.PutString(w.dst, "responseMimeType", "application/json")
	case "json_schema":
		w.dst = wire.PutString(w.dst, "responseMimeType", "application/json")
		switch {
		case len(f.Schema) == 0:
		case w.own || w.facts.jsonSchema:
			w.dst = wire.PutRaw(w.dst, "responseJsonSchema", f.Schema)
		default:
			w.dst = wire.PutRaw(w.dst, "responseSchema", openAPISchema(f.Schema))
		}
	}
}

// configExtra writes the members of generationConfig that have no neutral field:
// those of this format, and what chat requests have that means the same.
func (w *requestWriter) configExtra() {
	for _, m := range w.r.Extra {
		if w.own {
			if name, inside := strings.CutPrefix(m.Name, inConfig); inside {
				w.dst = wire.PutMember(w.dst, name, m.Value)
			}
			continue
		}
		if rule := providers.RuleOf(extraRules, w.r.Origin, m.Name); rule.Is == providers.Carried && !wire.Inert(m.Value) {
			w.carry(rule.As, m)
		}
	}
}

// carry writes a member of another format into generationConfig under its name here.
func (w *requestWriter) carry(as string, m providers.Member) {
	name, _ := strings.CutPrefix(as, inConfig)
	if name == "responseModalities" {
		w.dst = append(wire.Key(w.dst, name), '[')
		wire.EachElement(m.Value, func(elem []byte) bool {
			s, _ := wire.String(elem)
			w.dst = wire.AppendString(wire.Comma(w.dst), strings.ToUpper(s))
			return true
		})
		w.dst = append(w.dst, ']')
		return
	}
	w.dst = wire.PutRaw(w.dst, name, m.Value)
}
