package anthropic

import (
	"encoding/json"
	"slices"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

// freeInput is the schema of a free-form tool of another format: one text.
const freeInput = `{"type":"object","properties":{"input":{"type":"string"}},"required":["input"],"additionalProperties":false}`

func (w *requestWriter) writeTools() {
	tools := w.r.Tools
	if !w.own {
		tools = slices.DeleteFunc(slices.Clone(tools), w.unusable)
	}
	if len(tools) > 0 || w.own && tools != nil {
		if !w.allows("tools") {
			return
		}
		w.dst = append(wire.Key(w.dst, "tools"), '[')
		for i := range tools {
			w.writeTool(&tools[i])
		}
		w.dst = append(w.dst, ']')
	}
	if w.own && len(w.r.ToolChoice.Raw) > 0 {
		if w.allows("tool_choice") {
			w.dst = wire.PutRaw(w.dst, "tool_choice", w.r.ToolChoice.Raw)
		}
	} else if len(tools) > 0 { // the API refuses a choice without tools
		w.writeToolChoice()
	}
}

// unusable reports whether a tool is left out: another vendor's own, or one the caller's choice excludes.
func (w *requestWriter) unusable(t providers.Tool) bool {
	if len(t.Raw) > 0 && !t.Custom {
		name := stringAt(t.Raw, "type")
		if name == "" {
			name = t.Name
		}
		w.drop("tools." + name)
		return true
	}
	c := w.r.ToolChoice
	return c.Mode == providers.ToolAllowed && !slices.Contains(c.Allowed, t.Name)
}

func (w *requestWriter) writeTool(t *providers.Tool) {
	if t.Origin == dialect && len(t.Raw) > 0 {
		w.dst = wire.AppendRaw(wire.Comma(w.dst), t.Raw)
		return
	}
	w.dst = wire.PutString(append(wire.Comma(w.dst), '{'), "name", t.Name)
	if t.Description != "" {
		w.dst = wire.PutString(w.dst, "description", t.Description)
	}
	switch {
	case t.Custom:
		w.dst = wire.PutRaw(w.dst, "input_schema", json.RawMessage(freeInput))
	case !w.own || len(t.Schema) > 0:
		w.dst = appendSchema(wire.Key(w.dst, "input_schema"), t.Schema, w.own)
	}
	if t.Strict != nil {
		switch {
		case w.own || *t.Strict && w.facts.strict:
			w.dst = wire.PutBool(w.dst, "strict", *t.Strict)
		case *t.Strict:
			w.drop("tools.strict")
		}
	}
	if len(t.Cache) > 0 {
		w.dst = wire.PutRaw(w.dst, "cache_control", t.Cache)
	}
	if t.Origin == dialect {
		w.dst = putMembers(w.dst, t.Extra)
	}
	w.dst = append(w.dst, '}')
}

// appendSchema writes the schema of a tool's input. The API requires type
// "object" at its root, also of a tool without parameters.
func appendSchema(dst []byte, schema json.RawMessage, own bool) []byte {
	if own {
		return wire.AppendRaw(dst, schema)
	}
	if !wire.IsObject(schema) {
		return append(dst, `{"type":"object"}`...)
	}
	if _, _, ok := wire.Path(schema, "type"); ok {
		return wire.AppendRaw(dst, schema)
	}
	dst = append(dst, `{"type":"object"`...)
	wire.EachMember(schema, func(name, v []byte) bool {
		dst = wire.AppendString(append(dst, ','), name)
		dst = wire.AppendRaw(append(dst, ':'), v)
		return true
	})
	return append(dst, '}')
}

func (w *requestWriter) writeToolChoice() {
	c := w.r.ToolChoice
	var typ string
	switch c.Mode {
	case providers.ToolAuto:
		typ = "auto"
	case providers.ToolNone:
		typ = "none"
	case providers.ToolRequired:
		typ = "any"
	case providers.ToolNamed:
		typ = "tool"
	case providers.ToolAllowed:
		if typ = "auto"; c.Required {
			typ = "any"
		}
	}
	serial := w.r.ParallelTools != nil && !*w.r.ParallelTools && typ != "none"
	if typ == "" {
		if !serial {
			return
		}
		typ = "auto"
	}
	if !w.allows("tool_choice") {
		return
	}
	w.dst = wire.PutString(append(wire.Key(w.dst, "tool_choice"), '{'), "type", typ)
	if typ == "tool" {
		w.dst = wire.PutString(w.dst, "name", c.Name)
	}
	if serial {
		w.dst = wire.PutBool(w.dst, "disable_parallel_tool_use", true)
	}
	w.dst = append(w.dst, '}')
}
