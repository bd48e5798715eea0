package openai

import (
	"encoding/json"
	"fmt"
	"hash/fnv"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

// decodeFlatTools reads the tools, which are flat here. The functions of a
// namespace (Codex sends such) become tools of their own, for formats that know none.
func decodeFlatTools(r *providers.Request, v []byte) (err error) {
	if !wire.IsArray(v) {
		return bad("tools", "must be a list")
	}
	r.Tools = []providers.Tool{}
	n := 0
	wire.EachElement(v, func(elem []byte) bool {
		if textAt(elem, "type") == "namespace" {
			err = namespaceTools(r, elem)
		} else {
			var t providers.Tool
			if t, err = flatTool(elem); err == nil {
				r.Tools = append(r.Tools, t)
			}
		}
		if err != nil {
			err = within(err, index("tools", n))
		}
		n++
		return err == nil
	})
	return err
}

func namespaceTools(r *providers.Request, group []byte) (err error) {
	space, any := textAt(group, "name"), false
	n := 0
	wire.EachElement(at(group, "tools"), func(elem []byte) bool {
		var t providers.Tool
		if t, err = flatTool(elem); err != nil {
			err = within(err, index("tools", n))
			return false
		}
		n++
		if t.Name == "" || t.Raw != nil && !t.Custom {
			return true
		}
		t.Name, t.Group, any = flatName(space, t.Name), group, true
		r.Tools = append(r.Tools, t)
		return true
	})
	if err == nil && !any { // nothing in it that others could call
		r.Tools = append(r.Tools, providers.Tool{Raw: group, Origin: responses})
	}
	return err
}

// maxToolName is the longest name of a tool that all formats take.
const maxToolName = 64

// flatName is the name of a namespace's tool where there are no namespaces.
func flatName(space, name string) string {
	if space == "" || name == "" {
		return name
	}
	flat := space + "__" + name
	if len(flat) <= maxToolName {
		return flat
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(flat)) // never fails
	return clip(flat, maxToolName-9) + fmt.Sprintf("_%08x", h.Sum32())
}

// flatTool reads one tool. One that is no function and not free-form is its vendor's own.
func flatTool(raw []byte) (providers.Tool, error) {
	t := providers.Tool{Origin: responses}
	if !wire.IsObject(raw) {
		return t, bad("", "must be an object")
	}
	switch typ := textAt(raw, "type"); typ {
	case "function":
		if at(raw, "function") != nil { // chat's form
			raw = at(raw, "function")
		}
	case "custom":
		t.Custom, t.Raw = true, raw
	case "":
		return t, bad("type", "is required")
	default:
		t.Raw = raw
		t.Name = textAt(raw, "name")
		return t, nil
	}
	wire.EachMember(raw, func(name, v []byte) bool {
		if isNull(v) {
			return true
		}
		switch string(name) {
		case "type":
		case "name":
			t.Name = text(v)
		case "description":
			t.Description = text(v)
		case "parameters":
			t.Schema = v
		case "strict":
			strict := isTrue(v)
			t.Strict = &strict
		case "cache_control":
			t.Cache = v
		case "format":
			if !t.Custom {
				t.Extra = keep(t.Extra, "format", v)
			}
		default:
			t.Extra = keep(t.Extra, string(name), v)
		}
		return true
	})
	if t.Name == "" {
		return t, bad("name", "is required")
	}
	return t, nil
}

// decodeFlatChoice reads tool_choice in all its forms, and those of chat
// completions and Anthropic, which clients of several formats send.
func decodeFlatChoice(r *providers.Request, v []byte) error {
	c := providers.ToolChoice{Raw: v}
	if isText(v) || at(v, "allowed_tools") != nil || at(v, "function") != nil || at(v, "custom") != nil {
		return decodeToolChoice(r, v)
	}
	if !wire.IsObject(v) {
		return bad("tool_choice", "must be none, auto, required or an object")
	}
	typ := textAt(v, "type")
	if typ == "" && at(v, "tools") != nil {
		typ = "allowed_tools" // recorded without its type
	}
	switch typ {
	case "auto", "none", "required":
		c.Mode = providers.ToolMode(typ)
	case "any":
		c.Mode = providers.ToolRequired
	case "allowed_tools":
		c.Mode, c.Required = providers.ToolAllowed, textAt(v, "mode") == "required"
		wire.EachElement(at(v, "tools"), func(tool []byte) bool {
			if name := flatName(textAt(tool, "namespace"), toolName(tool)); name != "" {
				c.Allowed = append(c.Allowed, name)
			}
			return true
		})
		if len(c.Allowed) == 0 { // vendor's tools alone
			c.Mode = providers.ToolAuto
		}
	case "function", "custom", "tool":
		c.Mode, c.Name = providers.ToolNamed, flatName(textAt(v, "namespace"), toolName(v))
		if c.Name == "" {
			return bad("tool_choice.name", "is required")
		}
	default: // one of the vendor's own tools
		c.Mode = providers.ToolAuto
	}
	r.ToolChoice = c
	return nil
}

func (w *responsesWriter) writeTools() {
	r := w.r
	if r.Tools == nil || !w.own && len(r.Tools) == 0 {
		return
	}
	start := len(w.dst)
	w.dst = append(wire.Key(w.dst, "tools"), '[')
	sent := 0
	var group json.RawMessage
	for i := range r.Tools {
		t := &r.Tools[i]
		switch {
		case w.own && t.Group != nil:
			if len(group) == 0 || &group[0] != &t.Group[0] { // once for all of them
				w.dst = wire.AppendRaw(wire.Comma(w.dst), t.Group)
			}
			sent++
		default:
			if w.writeTool(t) {
				sent++
			}
		}
		group = t.Group
	}
	w.dst = append(w.dst, ']')
	if sent == 0 && !w.own {
		w.dst = w.dst[:start]
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

// writeTool writes one tool; it reports false for another vendor's own, which means nothing here.
func (w *responsesWriter) writeTool(t *providers.Tool) bool {
	own := t.Origin == responses
	switch {
	case own && t.Raw != nil:
		w.dst = wire.AppendRaw(wire.Comma(w.dst), t.Raw)
		return true
	case t.Custom:
		w.dst = append(wire.Comma(w.dst), `{"type":"custom"`...)
		w.dst = wire.PutString(w.dst, "name", t.Name)
		if t.Description != "" {
			w.dst = wire.PutString(w.dst, "description", t.Description)
		}
		w.dst = append(putFlatGrammar(w.dst, at(t.Raw, "custom", "format")), '}')
		return true
	case t.Raw != nil && t.Schema == nil:
		name := textAt(t.Raw, "type")
		if name == "" {
			name = t.Name
		}
		w.drop("tools." + name)
		return false
	}
	w.dst = append(wire.Comma(w.dst), `{"type":"function"`...)
	w.dst = wire.PutString(w.dst, "name", t.Name)
	if t.Description != "" {
		w.dst = wire.PutString(w.dst, "description", t.Description)
	}
	switch {
	case t.Schema != nil:
		w.dst = wire.PutRaw(w.dst, "parameters", t.Schema)
	case !own:
		w.dst = append(wire.Key(w.dst, "parameters"), `{"type":"object","properties":{}}`...)
	}
	switch {
	case t.Strict != nil:
		w.dst = wire.PutBool(w.dst, "strict", *t.Strict)
	case !own: // here alone silence means strict
		w.dst = wire.PutBool(w.dst, "strict", false)
	}
	if own {
		if len(t.Cache) > 0 {
			w.dst = wire.PutRaw(w.dst, "cache_control", t.Cache)
		}
		w.dst = putMembers(w.dst, t.Extra)
	} else if len(t.Cache) > 0 {
		w.drop("cache_control")
	}
	w.dst = append(w.dst, '}')
	return true
}

// putFlatGrammar writes the format of a free-form tool, whose grammar is nested in chat completions.
func putFlatGrammar(dst []byte, format json.RawMessage) []byte {
	grammar := at(format, "grammar")
	switch {
	case format == nil:
		return dst
	case grammar == nil:
		return wire.PutRaw(dst, "format", format)
	}
	dst = append(wire.Key(dst, "format"), `{"type":"grammar"`...)
	return append(putObjectMembers(dst, grammar), '}')
}

func (w *responsesWriter) writeToolChoice() {
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
		w.dst = append(wire.Key(w.dst, "tool_choice"), '{')
		w.dst = append(w.putToolRef(w.dst, c.Name), '}')
	case providers.ToolAllowed:
		mode := "auto"
		if c.Required {
			mode = "required"
		}
		w.dst = append(wire.Key(w.dst, "tool_choice"), `{"type":"allowed_tools"`...)
		w.dst = append(wire.Key(wire.PutString(w.dst, "mode", mode), "tools"), '[')
		for _, name := range c.Allowed {
			w.dst = append(wire.Comma(w.dst), '{')
			w.dst = append(w.putToolRef(w.dst, name), '}')
		}
		w.dst = append(w.dst, "]}"...)
	default:
		w.dst = wire.PutString(w.dst, "tool_choice", string(c.Mode))
	}
}

// putToolRef writes the members that name a tool.
func (w *responsesWriter) putToolRef(dst []byte, name string) []byte {
	kind := "function"
	for i := range w.r.Tools {
		if t := &w.r.Tools[i]; t.Name == name && t.Custom {
			kind = "custom"
		}
	}
	return wire.PutString(wire.PutString(dst, "type", kind), "name", name)
}
