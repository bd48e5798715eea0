package gemini

import (
	"slices"
	"strings"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

// A Host is where an upstream that speaks this format runs: they differ in what
// they take besides the common part.
type Host uint8

// Hosts.
const (
	AIStudio Host = iota // generativelanguage.googleapis.com
	Vertex               // aiplatform.googleapis.com
)

type egress struct{ host Host }

// GenerateEgress returns the dialect as an upstream speaks it.
//
// What DecodeResponse returns points into the body it was given.
func GenerateEgress(h Host) providers.Egress { return egress{h} }

func (egress) Dialect() providers.Dialect { return dialect }

// Inlines implements providers.Inliner: pictures and files on the web are fetched
// by the gateway, since the API reaches few of them. Addresses of Google's own
// stores, and videos of YouTube, are its to open.
func (egress) Inlines(b *providers.Block) bool {
	return b.Origin != dialect && !googles(b.URL) && (strings.HasPrefix(b.URL, "http://") || strings.HasPrefix(b.URL, "https://"))
}

func googles(url string) bool {
	for _, prefix := range [...]string{"gs://", "https://generativelanguage.googleapis.com/", "https://storage.googleapis.com/", "https://youtu.be/", "https://www.youtube.com/"} {
		if strings.HasPrefix(url, prefix) {
			return true
		}
	}
	return false
}

// A requestWriter writes one request. own: it came in this very format, so that
// everything is written back as it was and judged by the upstream alone.
type requestWriter struct {
	r       *providers.Request
	host    Host
	own     bool
	facts   facts
	dst     []byte
	names   map[string]string // of tools, by the id of their call
	dropped []string
	err     error
}

func (e egress) AppendRequest(dst []byte, r *providers.Request) (out []byte, dropped []string, err error) {
	w := &requestWriter{r: r, host: e.host, own: r.Origin == dialect, facts: factsOf(r.Model), dst: dst}
	w.dst = append(w.dst, '{')
	w.writeTools()
	turns, system := w.turns()
	w.writeSystem(system)
	w.writeTurns(turns)
	w.writeGeneration()
	w.writeServiceTier()
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

// writeServiceTier writes the tier in Google's words; Vertex has none in the body.
func (w *requestWriter) writeServiceTier() {
	tier := w.r.ServiceTier
	if !w.own {
		switch tier {
		case "", "auto":
			return
		case "default", "standard_only":
			tier = "standard"
		case "standard", "flex", "priority":
		default:
			w.drop("service_tier")
			return
		}
		if w.host == Vertex {
			if tier != "standard" {
				w.drop("service_tier")
			}
			return
		}
	}
	if tier != "" {
		w.dst = wire.PutString(w.dst, "serviceTier", tier)
	}
}

// writeExtra writes, for requests of this format, the members without a neutral
// field, but for those that stand inside others.
func (w *requestWriter) writeExtra() {
	for _, m := range w.r.Extra {
		switch {
		case m.Name == "provider":
			w.drop(m.Name)
		case w.own:
			if !strings.Contains(m.Name, ".") {
				w.dst = wire.PutMember(w.dst, m.Name, m.Value)
			}
		default:
			w.foreignExtra(m)
		}
	}
	if w.own {
		return
	}
	if w.r.User != "" {
		w.drop("user")
	}
	if len(w.r.Cache) > 0 {
		w.drop("cache_control")
	}
	if p := w.r.ParallelTools; p != nil && !*p && len(w.r.Tools) > 0 {
		w.drop("parallel_tool_calls")
	}
}

func (w *requestWriter) writeTools() {
	var declared, others []*providers.Tool
	for i := range w.r.Tools {
		t := &w.r.Tools[i]
		switch {
		case len(t.Raw) > 0 && !t.Custom && t.Origin == dialect:
			others = append(others, t)
		case len(t.Raw) > 0 && !t.Custom:
			w.drop("tools." + vendorTool(t))
		default:
			declared = append(declared, t)
		}
	}
	if len(declared)+len(others) > 0 {
		w.dst = append(wire.Key(w.dst, "tools"), '[')
		if len(declared) > 0 {
			w.dst = append(w.dst, `{"functionDeclarations":[`...)
			for _, t := range declared {
				w.writeTool(t)
			}
			w.dst = append(w.dst, "]}"...)
		}
		for _, t := range others {
			w.dst = wire.AppendRaw(wire.Comma(w.dst), t.Raw)
		}
		w.dst = append(w.dst, ']')
	}
	switch {
	case w.own && len(w.r.ToolChoice.Raw) > 0:
		w.dst = wire.PutRaw(w.dst, "toolConfig", w.r.ToolChoice.Raw)
	case len(declared) > 0:
		w.writeToolChoice()
	}
}

// vendorTool names another vendor's tool.
func vendorTool(t *providers.Tool) string {
	if typ := stringAt(t.Raw, "type"); typ != "" {
		return typ
	}
	if t.Name != "" {
		return t.Name
	}
	return "opaque"
}

// freeInput is the schema of a free-form tool of another format: one text.
const freeInput = `{"type":"object","properties":{"input":{"type":"string"}},"required":["input"]}`

func (w *requestWriter) writeTool(t *providers.Tool) {
	w.dst = wire.PutString(append(wire.Comma(w.dst), '{'), "name", t.Name)
	if t.Description != "" {
		w.dst = wire.PutString(w.dst, "description", t.Description)
	}
	schema := []byte(t.Schema)
	if t.Custom {
		schema = []byte(freeInput)
	}
	switch {
	case !w.own && (!wire.IsObject(schema) || noParameters(schema)): // an object without properties is refused in some versions
	case len(schema) == 0:
	case w.own || w.facts.jsonSchema:
		w.dst = wire.PutRaw(w.dst, "parametersJsonSchema", schema)
	default:
		w.dst = wire.PutRaw(w.dst, "parameters", openAPISchema(schema))
	}
	if w.own {
		for _, m := range t.Extra {
			w.dst = wire.PutMember(w.dst, m.Name, m.Value)
		}
	}
	w.dst = append(w.dst, '}')
	if len(t.Cache) > 0 {
		w.drop("cache_control")
	}
	if t.Strict != nil && *t.Strict {
		w.drop("tools.strict")
	}
}

// noParameters reports whether a schema is that of a function without any.
func noParameters(schema []byte) bool {
	properties := raw(schema, "properties")
	if properties != nil && strings.TrimSpace(strings.Trim(string(properties), "{} \t\r\n")) != "" {
		return false
	}
	for _, name := range [...]string{"$ref", "anyOf", "oneOf", "allOf", "patternProperties"} {
		if raw(schema, name) != nil {
			return false
		}
	}
	extra := raw(schema, "additionalProperties")
	return extra == nil || string(extra) == "false"
}

func (w *requestWriter) writeToolChoice() {
	c := w.r.ToolChoice
	mode := ""
	var allowed []string
	switch c.Mode {
	case providers.ToolAuto:
		mode = "AUTO"
	case providers.ToolNone:
		mode = "NONE"
	case providers.ToolRequired:
		mode = "ANY"
	case providers.ToolNamed:
		mode, allowed = "ANY", []string{c.Name}
	case providers.ToolAllowed:
		if mode, allowed = "VALIDATED", c.Allowed; c.Required { // AUTO does not take a list
			mode = "ANY"
		}
	default:
		return
	}
	w.dst = wire.PutString(append(wire.Key(w.dst, "toolConfig"), `{"functionCallingConfig":{`...), "mode", mode)
	if len(allowed) > 0 {
		w.dst = append(wire.Key(w.dst, "allowedFunctionNames"), '[')
		for _, name := range allowed {
			w.dst = wire.AppendString(wire.Comma(w.dst), name)
		}
		w.dst = append(w.dst, ']')
	}
	w.dst = append(w.dst, "}}"...)
}
