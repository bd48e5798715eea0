package bedrock

import (
	"encoding/json"
	"slices"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

// freeInput is the schema of a free-form tool of another format: one text.
const freeInput = `{"type":"object","properties":{"input":{"type":"string"}},"required":["input"],"additionalProperties":false}`

// writeTools writes toolConfig. The API refuses a conversation that has used tools
// without one, and a choice that forbids them does not exist.
func (w *requestWriter) writeTools() {
	c := w.r.ToolChoice
	used := w.usedTools()
	tools := slices.DeleteFunc(slices.Clone(w.r.Tools), w.unusable)
	if c.Mode == providers.ToolNone && len(used) == 0 {
		tools = nil
	}
	if w.r.ParallelTools != nil && !*w.r.ParallelTools && len(tools) > 0 {
		w.drop("parallel_tool_calls")
	}
	choose := len(tools) > 0
	if !choose { // what the conversation has used must be defined
		for _, name := range used {
			tools = append(tools, providers.Tool{Name: name})
		}
	}
	if len(tools) == 0 {
		return
	}
	w.dst = append(wire.Key(open(w.dst, "toolConfig"), "tools"), '[')
	for i := range tools {
		w.writeTool(&tools[i])
	}
	w.dst = append(w.dst, ']')
	if choose {
		w.writeToolChoice()
	}
	w.dst = append(w.dst, '}')
}

// usedTools returns the names of the tools that the conversation has called.
func (w *requestWriter) usedTools() (names []string) {
	for i := range w.r.Messages {
		for j := range w.r.Messages[i].Blocks {
			b := &w.r.Messages[i].Blocks[j]
			if b.Kind == providers.KindToolCall && b.ToolName != "" && !slices.Contains(names, b.ToolName) {
				names = append(names, b.ToolName)
			}
		}
	}
	return names
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
	w.dst = wire.PutString(open(append(wire.Comma(w.dst), '{'), "toolSpec"), "name", t.Name)
	if !blank(t.Description) {
		w.dst = wire.PutString(w.dst, "description", t.Description)
	}
	schema := t.Schema
	if t.Custom {
		schema = json.RawMessage(freeInput)
	}
	w.dst = append(appendSchema(wire.Key(open(w.dst, "inputSchema"), "json"), schema), '}')
	if t.Strict != nil && *t.Strict {
		if w.claude && w.host.Strict {
			w.dst = append(wire.Key(w.dst, "strict"), "true"...)
		} else {
			w.drop("tools.strict")
		}
	}
	w.dst = append(w.dst, "}}"...)
	if len(t.Cache) > 0 {
		w.cachePoint(t.Cache, w.claude && w.host.Caches)
	}
}

// appendSchema writes the schema of a tool's input. The API requires type
// "object" at its root, also of a tool without parameters.
func appendSchema(dst []byte, schema json.RawMessage) []byte {
	if !wire.IsObject(schema) {
		return append(dst, `{"type":"object"}`...)
	}
	if _, _, ok := wire.Path(schema, "type"); ok {
		return append(dst, schema...)
	}
	dst = append(dst, `{"type":"object"`...)
	wire.EachMember(schema, func(name, v []byte) bool {
		dst = append(wire.AppendString(append(dst, ','), name), ':')
		dst = append(dst, v...)
		return true
	})
	return append(dst, '}')
}

// writeToolChoice writes what is not the default: many models refuse the member.
func (w *requestWriter) writeToolChoice() {
	c := w.r.ToolChoice
	switch {
	case c.Mode == providers.ToolNamed:
		w.dst = append(wire.PutString(open(open(w.dst, "toolChoice"), "tool"), "name", c.Name), "}}"...)
	case c.Mode == providers.ToolRequired, c.Mode == providers.ToolAllowed && c.Required:
		w.dst = append(wire.Key(w.dst, "toolChoice"), `{"any":{}}`...)
	}
}
