package openai

import (
	"crypto/sha256"
	"slices"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

type chatEgress struct{ quirks providers.Quirks }

// ChatEgress returns chat completions as a vendor with those quirks speaks them.
// What DecodeResponse returns points into the body it was given.
func ChatEgress(q providers.Quirks) providers.Egress { return chatEgress{q} }

func (chatEgress) Dialect() providers.Dialect { return dialect }

// A requestWriter writes one request. own: it came in this format, so that what
// has no neutral field, and how members were spelt, is written back.
type requestWriter struct {
	r       *providers.Request
	q       *providers.Quirks
	own     bool
	dst     []byte
	dropped []string
	err     *providers.Error
}

// AppendRequest writes r. It always asks for the usage of a stream, unless the vendor refuses that.
func (e chatEgress) AppendRequest(dst []byte, r *providers.Request) ([]byte, []string, error) {
	w := &requestWriter{r: r, q: &e.quirks, own: r.Origin == dialect, dst: dst}
	w.dst = append(w.dst, '{')
	if r.Model != "" {
		w.dst = wire.PutString(w.dst, "model", r.Model)
	}
	w.writeMessages()
	w.writeTools()
	w.writeLimits()
	w.writeReasoning()
	w.writeFormat()
	if r.User != "" && w.allows("user") {
		w.dst = wire.PutString(w.dst, "user", r.User)
	}
	if tier := serviceTier(r); tier != "" && w.allows("service_tier") {
		w.dst = wire.PutString(w.dst, "service_tier", tier)
	}
	w.writeStream()
	w.writeExtra()
	w.reportLost()
	if w.err != nil {
		return dst, nil, named(w.err)
	}
	return append(w.dst, '}'), w.dropped, nil
}

// drop records, once, the name of something that is not sent.
func (w *requestWriter) drop(name string) {
	if !slices.Contains(w.dropped, name) {
		w.dropped = append(w.dropped, name)
	}
}

// fail keeps the first reason why the request cannot be served.
func (w *requestWriter) fail(param, message string) {
	if w.err == nil {
		w.err = bad(param, message)
	}
}

// allows reports whether the vendor takes a member; if not, that is recorded.
func (w *requestWriter) allows(name string) bool {
	if slices.Contains(w.q.Drop, name) {
		w.drop(name)
		return false
	}
	return true
}

// openAI reports whether the upstream is OpenAI's own API, which alone has the
// newest members and refuses those of other vendors.
func (w *requestWriter) openAI() bool { return w.q.MaxTokensField == "" }

func (w *requestWriter) writeLimits() {
	r := w.r
	if r.MaxTokens != nil {
		name := "max_completion_tokens"
		if w.q.MaxTokensField != "" {
			name = w.q.MaxTokensField
		}
		if n := *r.MaxTokens; n == 0 && !w.own { // Anthropic: warm the cache, answer nothing
			w.drop("max_tokens")
		} else if w.allows(name) {
			w.dst = wire.PutInt(w.dst, name, n)
		}
	}
	if r.Temperature != nil && w.allows("temperature") {
		w.dst = wire.PutFloat(w.dst, "temperature", *r.Temperature)
	}
	if r.TopP != nil && w.allows("top_p") {
		w.dst = wire.PutFloat(w.dst, "top_p", *r.TopP)
	}
	if r.TopK != nil {
		if !w.own && w.openAI() {
			w.drop("top_k")
		} else if w.allows("top_k") {
			w.dst = wire.PutInt(w.dst, "top_k", *r.TopK)
		}
	}
	if r.Stop != nil && (w.own || len(r.Stop) > 0) && w.allows("stop") {
		w.dst = append(wire.Key(w.dst, "stop"), '[')
		for _, s := range r.Stop {
			w.dst = wire.AppendString(wire.Comma(w.dst), s)
		}
		w.dst = append(w.dst, ']')
	}
	if r.N != 0 && (w.own || r.N > 1) && w.allows("n") {
		w.dst = wire.PutInt(w.dst, "n", r.N)
	}
	if r.Seed != nil && w.allows("seed") {
		w.dst = wire.PutInt(w.dst, "seed", *r.Seed)
	}
}

// serviceTier turns Anthropic's word for "no priority capacity" into OpenAI's.
func serviceTier(r *providers.Request) string {
	if r.ServiceTier == "standard_only" {
		return "default"
	}
	return r.ServiceTier
}

// writeReasoning writes what the caller asked of thinking; of a foreign request
// the effort, or the effort that stands for its budget. Thinking that is switched
// on or off without a measure is not sent: there is no word for it, and models
// without thinking refuse the member.
func (w *requestWriter) writeReasoning() {
	t := w.r.Reasoning
	if t == nil {
		return
	}
	if w.own {
		wire.EachMember(t.Raw, func(name, v []byte) bool {
			if w.allows(string(name)) {
				w.dst = wire.PutRaw(w.dst, string(name), v)
			}
			return true
		})
		return
	}
	if t.Summary != "" && t.Summary != "omitted" {
		w.drop("reasoning.summary")
	}
	effort := t.Effort
	if effort == "" && t.Budget != nil && t.Mode != "disabled" {
		effort = effortFor(*t.Budget)
	}
	switch {
	case effort == "" && t.Mode != "": // on or off without a measure
		w.drop("thinking")
	case effort != "" && w.allows("reasoning_effort"):
		w.dst = wire.PutString(w.dst, "reasoning_effort", effort)
	}
}

// effortFor returns the effort that a budget of thinking tokens comes closest to.
// The borders lie between the budgets OpenRouter and LiteLLM give each effort.
func effortFor(budget int64) string {
	switch {
	case budget <= 0:
		return "none"
	case budget < 1536:
		return "low"
	case budget < 12_288:
		return "medium"
	}
	return "high"
}

func (w *requestWriter) writeFormat() {
	f := w.r.Format
	if f == nil || w.own && find(w.r.Extra, "response_format") != nil || !w.allows("response_format") {
		return
	}
	w.dst = append(wire.Key(w.dst, "response_format"), '{')
	w.dst = wire.PutString(w.dst, "type", f.Kind)
	if f.Kind == "json_schema" {
		w.dst = append(wire.Key(w.dst, "json_schema"), '{')
		if name := f.Name; name != "" || !w.own {
			if name == "" {
				name = "response" // OpenAI requires one
			}
			w.dst = wire.PutString(w.dst, "name", name)
		}
		if f.Description != "" {
			w.dst = wire.PutString(w.dst, "description", f.Description)
		}
		if f.Strict != nil {
			if w.q.NoStrict {
				w.drop("response_format.strict")
			} else {
				w.dst = wire.PutBool(w.dst, "strict", *f.Strict)
			}
		}
		if f.Schema != nil {
			w.dst = wire.PutRaw(w.dst, "schema", f.Schema)
		}
		w.dst = append(w.dst, '}')
	}
	w.dst = append(w.dst, '}')
}

func (w *requestWriter) writeStream() {
	options := find(w.r.Extra, "stream_options")
	if !w.own {
		options = nil
	}
	if !w.r.Stream {
		if options != nil {
			w.dst = wire.PutRaw(w.dst, "stream_options", options)
		}
		return
	}
	w.dst = wire.PutBool(w.dst, "stream", true)
	if w.q.NoStreamUsage || slices.Contains(w.q.Drop, "stream_options") {
		return
	}
	w.dst = append(wire.Key(w.dst, "stream_options"), `{"include_usage":true`...)
	wire.EachMember(options, func(name, v []byte) bool {
		if string(name) != "include_usage" {
			w.dst = putMember(w.dst, providers.Member{Name: string(name), Value: v})
		}
		return true
	})
	w.dst = append(w.dst, '}')
}

// openAIAlone are members that OpenAI's own API has, and stricter vendors refuse.
var openAIAlone = []string{"prompt_cache_key", "prompt_cache_retention", "prompt_cache_options", "safety_identifier", "moderation", "verbosity"}

func (w *requestWriter) writeExtra() {
	for _, m := range w.r.Extra {
		switch {
		case w.own && m.Name == "stream_options":
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
			name := foreignExtra(w.r.Origin, m.Name)
			if name == "" || slices.Contains(openAIAlone, name) && !w.openAI() {
				w.drop(m.Name)
			} else if w.allows(name) {
				w.dst = putMember(w.dst, providers.Member{Name: name, Value: m.Value})
			}
		}
	}
	if !w.own && len(w.r.Cache) > 0 {
		w.drop("cache_control")
	}
}

// callID returns a tool-call id in the form the vendor wants, the same for a call and its result.
func (w *requestWriter) callID(id string) string {
	if w.q.ToolIDs != "mistral9" || nineAlphanumerics(id) {
		return id
	}
	const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	sum := sha256.Sum256([]byte(id))
	out := make([]byte, 9)
	for i := range out {
		out[i] = alphabet[int(sum[i])%len(alphabet)]
	}
	return string(out)
}

func nineAlphanumerics(id string) bool {
	for i := 0; i < len(id); i++ {
		c := id[i] | 0x20
		if (c < 'a' || c > 'z') && (id[i] < '0' || id[i] > '9') {
			return false
		}
	}
	return len(id) == 9
}
