package openai

import (
	"slices"
	"strings"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

type responsesEgress struct{ quirks providers.Quirks }

// ResponsesEgress returns Responses as a vendor with those quirks speaks it. Of the
// quirks it honours Drop, ProviderObject and NoParallelTools.
// What DecodeResponse returns points into the body it was given.
func ResponsesEgress(q providers.Quirks) providers.Egress { return responsesEgress{q} }

func (responsesEgress) Dialect() providers.Dialect { return responses }

// A responsesWriter writes one request. own: it came in this format, so that what
// has no neutral field, and how members were spelt, is written back.
type responsesWriter struct {
	r       *providers.Request
	q       *providers.Quirks
	own     bool
	custom  map[string]bool // calls of free-form tools, by their id
	dst     []byte
	dropped []string
	err     *providers.Error
}

// AppendRequest writes r. A foreign request is not stored by the vendor, since its
// caller has no way to ask for it again.
func (e responsesEgress) AppendRequest(dst []byte, r *providers.Request) ([]byte, []string, error) {
	w := &responsesWriter{r: r, q: &e.quirks, own: r.Origin == responses, dst: dst}
	w.dst = append(w.dst, '{')
	if r.Model != "" {
		w.dst = wire.PutString(w.dst, "model", r.Model)
	}
	w.writeInput()
	w.writeTools()
	w.writeLimits()
	w.writeReasoning()
	w.writeText()
	if r.User != "" && w.allows("user") {
		w.dst = wire.PutString(w.dst, "user", r.User)
	}
	if tier := serviceTier(r); tier != "" && w.allows("service_tier") {
		w.dst = wire.PutString(w.dst, "service_tier", tier)
	}
	if r.Stream {
		w.dst = wire.PutBool(w.dst, "stream", true)
	}
	if !w.own {
		w.dst = wire.PutBool(w.dst, "store", false)
	}
	w.writeExtra()
	w.reportLost()
	if w.err != nil {
		return dst, nil, named(w.err)
	}
	return append(w.dst, '}'), w.dropped, nil
}

// drop records, once, the name of something that is not sent.
func (w *responsesWriter) drop(name string) {
	if !slices.Contains(w.dropped, name) {
		w.dropped = append(w.dropped, name)
	}
}

// fail keeps the first reason why the request cannot be served.
func (w *responsesWriter) fail(param, message string) {
	if w.err == nil {
		w.err = bad(param, message)
	}
}

// allows reports whether the vendor takes a member; if not, that is recorded.
func (w *responsesWriter) allows(name string) bool {
	if slices.Contains(w.q.Drop, name) {
		w.drop(name)
		return false
	}
	return true
}

// minOutput is the least bound of the output that the API takes.
const minOutput = 16

func (w *responsesWriter) writeLimits() {
	r := w.r
	if r.MaxTokens != nil {
		n := *r.MaxTokens
		if n < minOutput && !w.own { // also Anthropic's 0, which warms the cache
			w.drop("max_tokens")
			n = minOutput
		}
		if w.allows("max_output_tokens") {
			w.dst = wire.PutInt(w.dst, "max_output_tokens", n)
		}
	}
	if r.Temperature != nil && w.allows("temperature") {
		w.dst = wire.PutFloat(w.dst, "temperature", *r.Temperature)
	}
	if r.TopP != nil && w.allows("top_p") {
		w.dst = wire.PutFloat(w.dst, "top_p", *r.TopP)
	}
	if r.TopK != nil {
		if w.own && w.allows("top_k") {
			w.dst = wire.PutInt(w.dst, "top_k", *r.TopK)
		} else if !w.own {
			w.drop("top_k")
		}
	}
	if r.Seed != nil {
		if w.own && w.allows("seed") {
			w.dst = wire.PutInt(w.dst, "seed", *r.Seed)
		} else if !w.own {
			w.drop("seed")
		}
	}
	if len(r.Stop) > 0 {
		w.fail("stop", "is not supported by this model's API, and an answer without it would not end where it should")
	}
	if r.N > 1 {
		w.fail("n", "this model gives one answer a request")
	}
}

// thinkers are the models, by the start of their name, that take include with
// encrypted reasoning; others answer 400.
var thinkers = []string{"o1", "o3", "o4", "gpt-5", "gpt-6", "codex", "gpt-oss", "grok-4", "deepseek"}

// reasons reports whether a model is known to think.
func reasons(model string) bool {
	if i := strings.LastIndexByte(model, '/'); i >= 0 {
		model = model[i+1:]
	}
	model = strings.TrimPrefix(model, "openai.")
	if strings.Contains(model, "chat-latest") || strings.Contains(model, "non-reasoning") {
		return false
	}
	return slices.ContainsFunc(thinkers, func(p string) bool { return strings.HasPrefix(model, p) })
}

// writeReasoning writes what the caller asked of thinking; of a foreign request
// the effort, or the one that stands for its budget. Its encrypted form is asked
// for where the model has one, so that it can be sent back.
func (w *responsesWriter) writeReasoning() {
	t := w.r.Reasoning
	if w.own {
		if t != nil && t.Raw != nil && w.allows("reasoning") {
			w.dst = putObjectMembers(w.dst, t.Raw)
		}
		if t != nil && t.Include && find(w.r.Extra, "include") == nil && w.allows("include") {
			w.dst = append(wire.Key(w.dst, "include"), `["`+encryptedReasoning+`"]`...)
		}
		return
	}
	effort, summary := "", ""
	if t != nil {
		if effort = t.Effort; effort == "" && t.Budget != nil && t.Mode != "disabled" {
			effort = effortFor(*t.Budget)
		}
		switch t.Summary {
		case "", "omitted":
		case "concise", "detailed":
			summary = t.Summary
		default:
			summary = "auto"
		}
		if effort == "" && (t.Mode != "" || summary == "" && t.Summary == "" && !saysNothing(t.Raw)) { // without a measure, or in ways nobody else has
			w.drop("thinking")
		}
	}
	if (effort != "" || summary != "") && w.allows("reasoning") {
		w.dst = append(wire.Key(w.dst, "reasoning"), '{')
		if effort != "" {
			w.dst = wire.PutString(w.dst, "effort", effort)
		}
		if summary != "" {
			w.dst = wire.PutString(w.dst, "summary", summary)
		}
		w.dst = append(w.dst, '}')
	}
	w.writeInclude()
}

// writeInclude asks for what a foreign caller gets without asking in its own format.
func (w *responsesWriter) writeInclude() {
	logprobs := isTrue(find(w.r.Extra, "logprobs")) && w.r.Origin == dialect
	thinks := reasons(w.r.Model)
	if !logprobs && !thinks || !w.allows("include") {
		return
	}
	w.dst = append(wire.Key(w.dst, "include"), '[')
	if thinks {
		w.dst = wire.AppendString(wire.Comma(w.dst), encryptedReasoning)
	}
	if logprobs {
		w.dst = wire.AppendString(wire.Comma(w.dst), "message.output_text.logprobs")
	}
	w.dst = append(w.dst, ']')
}

// writeText writes text{format, verbosity}.
func (w *responsesWriter) writeText() {
	f, verbosity := w.r.Format, find(w.r.Extra, "verbosity")
	if w.own && find(w.r.Extra, "text") != nil || f == nil && verbosity == nil || !w.allows("text") {
		return
	}
	w.dst = append(wire.Key(w.dst, "text"), '{')
	if f != nil {
		w.dst = append(wire.Key(w.dst, "format"), '{')
		w.dst = wire.PutString(w.dst, "type", f.Kind)
		if f.Kind == "json_schema" {
			w.writeSchema(f)
		}
		w.dst = append(w.dst, '}')
	}
	if verbosity != nil {
		w.dst = wire.PutRaw(w.dst, "verbosity", verbosity)
	}
	w.dst = append(w.dst, '}')
}

func (w *responsesWriter) writeSchema(f *providers.Format) {
	if name := f.Name; name != "" || !w.own {
		if name == "" {
			name = "response" // required
		}
		w.dst = wire.PutString(w.dst, "name", name)
	}
	if f.Description != "" {
		w.dst = wire.PutString(w.dst, "description", f.Description)
	}
	if f.Strict != nil {
		w.dst = wire.PutBool(w.dst, "strict", *f.Strict)
	}
	if f.Schema != nil {
		w.dst = wire.PutRaw(w.dst, "schema", f.Schema)
	}
}

func (w *responsesWriter) writeExtra() {
	hasText := find(w.r.Extra, "text") != nil
	for _, m := range w.r.Extra {
		switch {
		case m.Name == "verbosity" && (!w.own || !hasText): // written in text
		case m.Name == "verbosity", w.own && strings.HasPrefix(m.Name, inReasoning): // written with the whole
		case m.Name == "provider":
			if w.q.ProviderObject && w.own {
				w.dst = putMember(w.dst, m)
			} else {
				w.drop(m.Name)
			}
		case w.own:
			if w.allows(m.Name) {
				w.dst = putMember(w.dst, m)
			}
		default:
			w.foreignExtra(m)
		}
	}
	if !w.own && len(w.r.Cache) > 0 {
		w.drop("cache_control")
	}
}

// foreignExtra does with a member of another dialect, that has no neutral field,
// what the rules say.
func (w *responsesWriter) foreignExtra(m providers.Member) {
	r := providers.RuleOf(responsesExtraRules, w.r.Origin, m.Name)
	switch {
	case r.Is == Refused && (r.When == "" || strings.Contains(string(m.Value), `"audio"`)):
		w.fail(m.Name, "this model cannot answer with audio")
	case r.Is == Carried && r.As == "include", saysNothing(m.Value):
	case r.Is == Carried && r.When == "":
		name := m.Name
		if r.As != "" {
			name = r.As
		}
		if w.allows(name) {
			w.dst = putMember(w.dst, providers.Member{Name: name, Value: m.Value})
		}
	default:
		w.drop(m.Name)
	}
}
