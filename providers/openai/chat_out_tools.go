package openai

import (
	"slices"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

func (w *requestWriter) writeTools() {
	r := w.r
	if r.Tools == nil && !w.own {
		return
	}
	sent := 0
	if r.Tools != nil && (w.own || len(r.Tools) > 0) {
		start := len(w.dst)
		w.dst = append(wire.Key(w.dst, "tools"), '[')
		for i := range r.Tools {
			if !w.barred(&r.Tools[i]) && w.writeTool(&r.Tools[i]) {
				sent++
			}
		}
		w.dst = append(w.dst, ']')
		if sent == 0 && !w.own {
			w.dst = w.dst[:start]
		}
	}
	if sent == 0 && !w.own {
		return
	}
	w.writeToolChoice()
	if r.ParallelTools != nil {
		if w.q.NoParallelTools {
			if !*r.ParallelTools {
				w.drop("parallel_tool_calls")
			}
		} else if w.allows("parallel_tool_calls") {
			w.dst = wire.PutBool(w.dst, "parallel_tool_calls", *r.ParallelTools)
		}
	}
}

// barred reports whether the choice leaves a function out. Only OpenAI knows
// allowed_tools; elsewhere the other tools are not sent.
func (w *requestWriter) barred(t *providers.Tool) bool {
	c := &w.r.ToolChoice
	if t.Raw != nil && t.Schema == nil && !t.Custom { // another vendor's own, which is reported
		return false
	}
	return c.Mode == providers.ToolAllowed && !w.own && !w.openAI() && !slices.Contains(c.Allowed, t.Name)
}

// writeTool writes one tool; it reports false for another vendor's own tool, which means nothing here.
func (w *requestWriter) writeTool(t *providers.Tool) bool {
	own := t.Origin == dialect
	switch {
	case own && t.Raw != nil:
		w.dst = wire.AppendRaw(wire.Comma(w.dst), t.Raw)
		return true
	case t.Custom:
		w.writeFreeTool(t)
		return true
	case t.Raw != nil && t.Schema == nil:
		name := textAt(t.Raw, "type")
		if name == "" {
			name = t.Name
		}
		w.drop("tools." + name)
		return false
	}
	w.dst = append(wire.Comma(w.dst), `{"type":"function","function":{`...)
	w.dst = wire.PutString(w.dst, "name", t.Name)
	if t.Description != "" {
		w.dst = wire.PutString(w.dst, "description", t.Description)
	}
	if t.Schema != nil {
		w.dst = wire.PutRaw(w.dst, "parameters", t.Schema)
	}
	if t.Strict != nil {
		if w.q.NoStrict {
			w.drop("tools.strict")
		} else {
			w.dst = wire.PutBool(w.dst, "strict", *t.Strict)
		}
	}
	if own {
		for _, m := range t.Extra {
			if name, inside := cutPrefix(m.Name, "function."); inside {
				w.dst = putMember(w.dst, providers.Member{Name: name, Value: m.Value})
			}
		}
	}
	w.dst = append(w.dst, '}')
	if len(t.Cache) > 0 {
		if own || w.q.ProviderObject {
			w.dst = wire.PutRaw(w.dst, "cache_control", t.Cache)
		} else {
			w.drop("cache_control")
		}
	}
	if own {
		for _, m := range t.Extra {
			if _, inside := cutPrefix(m.Name, "function."); !inside {
				w.dst = putMember(w.dst, m)
			}
		}
	}
	w.dst = append(w.dst, '}')
	return true
}

func cutPrefix(s, prefix string) (string, bool) {
	if len(s) >= len(prefix) && s[:len(prefix)] == prefix {
		return s[len(prefix):], true
	}
	return s, false
}

func (w *requestWriter) writeToolChoice() {
	c := &w.r.ToolChoice
	if c.Mode == "" || !w.allows("tool_choice") {
		return
	}
	if w.own && c.Raw != nil {
		w.dst = wire.PutRaw(w.dst, "tool_choice", c.Raw)
		return
	}
	switch c.Mode {
	case providers.ToolNamed:
		w.dst = append(wire.Key(w.dst, "tool_choice"), `{"type":"function","function":{`...)
		w.dst = append(wire.PutString(w.dst, "name", c.Name), "}}"...)
	case providers.ToolAllowed:
		mode := "auto"
		if c.Required {
			mode = "required"
		}
		if !w.openAI() {
			w.dst = wire.PutString(w.dst, "tool_choice", mode)
			return
		}
		w.dst = append(wire.Key(w.dst, "tool_choice"), `{"type":"allowed_tools","allowed_tools":{`...)
		w.dst = wire.PutString(w.dst, "mode", mode)
		w.dst = append(wire.Key(w.dst, "tools"), '[')
		for _, name := range c.Allowed {
			w.dst = append(wire.Comma(w.dst), `{"type":"function","function":{`...)
			w.dst = append(wire.PutString(w.dst, "name", name), "}}"...)
		}
		w.dst = append(w.dst, "]}}"...)
	default:
		w.dst = wire.PutString(w.dst, "tool_choice", string(c.Mode))
	}
}

// freeSchema is the schema that stands for free-form input.
const freeSchema = `{"type":"object","properties":{"input":{"type":"string"}},"required":["input"],"additionalProperties":false}`

// writeFreeTool writes a foreign free-form tool; for vendors that know none, as a function of one text.
func (w *requestWriter) writeFreeTool(t *providers.Tool) {
	format := at(t.Raw, "format")
	if !w.openAI() {
		if kind := textAt(format, "type"); kind != "" && kind != "text" {
			w.drop("tools.format")
		}
		w.dst = append(wire.Comma(w.dst), `{"type":"function","function":{`...)
	} else {
		w.dst = append(wire.Comma(w.dst), `{"type":"custom","custom":{`...)
	}
	w.dst = wire.PutString(w.dst, "name", t.Name)
	if t.Description != "" {
		w.dst = wire.PutString(w.dst, "description", t.Description)
	}
	switch {
	case !w.openAI():
		w.dst = wire.PutRaw(w.dst, "parameters", []byte(freeSchema))
	case textAt(format, "type") == "grammar": // nested here
		w.dst = append(wire.Key(w.dst, "format"), `{"type":"grammar","grammar":{`...)
		wire.EachMember(format, func(name, v []byte) bool {
			if string(name) != "type" {
				w.dst = putMember(w.dst, providers.Member{Name: string(name), Value: v})
			}
			return true
		})
		w.dst = append(w.dst, "}}"...)
	case format != nil:
		w.dst = wire.PutRaw(w.dst, "format", format)
	}
	w.dst = append(w.dst, "}}"...)
}
