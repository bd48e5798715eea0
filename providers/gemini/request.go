package gemini

import (
	"fmt"
	"slices"
	"strings"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

func (ingress) DecodeRequest(body []byte) (*providers.Request, error) {
	d := &requestReader{r: &providers.Request{Origin: dialect}}
	var err error
	contents := false
	eachMember(body, func(name string, v []byte) bool {
		contents = contents || name == "contents"
		err = d.member(name, v)
		return err == nil
	})
	if err == nil && !contents {
		err = bad("contents", "contents is not specified")
	}
	if err != nil {
		return nil, named(err)
	}
	return d.r, nil
}

// A requestReader reads one request. Calls have ids in other formats, and results
// name the call they answer, while here both may be left out: then the order tells.
type requestReader struct {
	r       *providers.Request
	calls   int // so far
	pending []pendingCall
}

// A pendingCall is a call of the latest model turn that no result has answered.
type pendingCall struct {
	id, name string
	made     bool // the id is ours
}

func (d *requestReader) member(name string, v []byte) (err error) {
	r := d.r
	switch name {
	case "model", "fallbacks": // the address says the model; the other is the gateway's own
	case "provider":
		if wire.IsObject(v) {
			r.Extra = member(r.Extra, name, v)
		}
	case "contents":
		return d.contents(v)
	case "systemInstruction":
		r.System, err = decodeSystem(v)
	case "tools":
		return d.tools(v)
	case "toolConfig":
		return decodeToolConfig(r, v)
	case "generationConfig":
		return decodeGeneration(r, v)
	case "serviceTier":
		r.ServiceTier, _ = wire.String(v)
	default:
		r.Extra = member(r.Extra, name, v)
	}
	return err
}

// decodeSystem reads systemInstruction: a content, or, as SDKs let people write it, a text.
func decodeSystem(v []byte) ([]providers.Block, error) {
	if s, ok := wire.String(v); ok {
		return []providers.Block{{Kind: providers.KindText, Text: s, Origin: dialect}}, nil
	}
	if !wire.IsObject(v) {
		return nil, bad("systemInstruction", "must be a content")
	}
	parts := at(v, "parts")
	if parts == nil {
		return nil, nil
	}
	blocks, err := decodeParts(parts)
	return blocks, within(err, "systemInstruction", -1)
}

func (d *requestReader) contents(v []byte) (err error) {
	if wire.IsObject(v) { // one content
		return within(d.content(v), "contents", 0)
	}
	if s, ok := wire.String(v); ok {
		d.r.Messages = append(d.r.Messages, providers.Message{Role: providers.RoleUser, Blocks: []providers.Block{{Kind: providers.KindText, Text: s, Origin: dialect}}})
		return nil
	}
	if !wire.IsArray(v) {
		return bad("contents", "must be a list")
	}
	i := 0
	wire.EachElement(v, func(elem []byte) bool {
		err = within(d.content(elem), "contents", i)
		i++
		return err == nil
	})
	return err
}

// content appends one turn. One with results becomes a tool message, which holds
// them, and a user message with the rest.
func (d *requestReader) content(raw []byte) error {
	if !wire.IsObject(raw) {
		return bad("", "must be an object")
	}
	m := providers.Message{}
	switch role := stringAt(raw, "role"); role {
	case "", "user", "function", "tool":
		m.Role = providers.RoleUser
	case "model":
		m.Role = providers.RoleAssistant
	case "system": // what the API itself refuses, but some clients send
		m.Role = providers.RoleSystem
	default:
		return bad("role", "Please use a valid role: user, model.")
	}
	if parts := at(raw, "parts"); parts != nil {
		var err error
		if m.Blocks, err = decodeParts(parts); err != nil {
			return err
		}
	}
	if m.Role == providers.RoleAssistant {
		d.pending = nil
		m.Blocks = joinThoughts(m.Blocks)
		for i := range m.Blocks {
			d.call(&m.Blocks[i])
		}
		d.r.Messages = append(d.r.Messages, m)
		return nil
	}
	var results, rest []providers.Block
	for i := range m.Blocks {
		b := &m.Blocks[i]
		if b.Kind != providers.KindToolResult {
			rest = append(rest, *b)
			continue
		}
		if err := d.answer(b); err != nil {
			return within(err, "parts", i)
		}
		results = append(results, *b)
	}
	if len(results) > 0 {
		d.r.Messages = append(d.r.Messages, providers.Message{Role: providers.RoleTool, Blocks: results})
	}
	if len(rest) > 0 || len(results) == 0 {
		m.Blocks, m.Continues = rest, len(results) > 0
		d.r.Messages = append(d.r.Messages, m)
	}
	return nil
}

// joinThoughts puts thinking together that came in the pieces of a stream, the
// proof of another vendor behind its text: they are one block there.
func joinThoughts(blocks []providers.Block) []providers.Block {
	out := blocks[:0]
	for _, b := range blocks {
		if n := len(out); b.Kind == providers.KindThinking && b.SignatureOrigin != dialect && n > 0 {
			if last := &out[n-1]; last.Kind == providers.KindThinking && last.Signature == "" && len(last.Extra) == 0 {
				last.Text += b.Text
				last.Signature, last.SignatureOrigin = b.Signature, b.SignatureOrigin
				continue
			}
		}
		out = append(out, b)
	}
	return out
}

// call gives a call of the model an id if it has none.
func (d *requestReader) call(b *providers.Block) {
	if b.Kind != providers.KindToolCall {
		return
	}
	made := b.ID == ""
	if made {
		b.ID = callID("", b.ToolName, b.Args, d.calls)
	}
	d.calls++
	d.pending = append(d.pending, pendingCall{b.ID, b.ToolName, made})
}

// answer finds the call a result answers: by its id, else the first of its name.
func (d *requestReader) answer(b *providers.Block) error {
	i := slices.IndexFunc(d.pending, func(c pendingCall) bool { return b.ID != "" && c.id == b.ID })
	if i < 0 {
		i = slices.IndexFunc(d.pending, func(c pendingCall) bool { return c.name == b.ToolName && (b.ID == "" || c.made) })
	}
	if i < 0 {
		return bad("functionResponse", fmt.Sprintf("no functionCall %q of the turn before is left for it to answer", b.ToolName))
	}
	b.ID, b.ToolName = d.pending[i].id, d.pending[i].name
	d.pending = slices.Delete(d.pending, i, i+1)
	return nil
}

// tools reads the list of tools. An entry holds declarations, tools of the
// vendor's own by their name, or both.
func (d *requestReader) tools(v []byte) (err error) {
	if wire.IsObject(v) {
		return within(d.tool(v), "tools", 0)
	}
	if !wire.IsArray(v) {
		return bad("tools", "must be a list")
	}
	i := 0
	wire.EachElement(v, func(elem []byte) bool {
		err = within(d.tool(elem), "tools", i)
		i++
		return err == nil
	})
	return err
}

func (d *requestReader) tool(elem []byte) (err error) {
	if !wire.IsObject(elem) {
		return bad("", "must be an object")
	}
	eachMember(elem, func(name string, v []byte) bool {
		if name != "functionDeclarations" {
			raw := append(wire.PutRaw([]byte("{"), name, v), '}')
			d.r.Tools = append(d.r.Tools, providers.Tool{Name: name, Raw: raw, Origin: dialect})
			return true
		}
		if !wire.IsArray(v) {
			err = bad(name, "must be a list")
			return false
		}
		i := 0
		wire.EachElement(v, func(decl []byte) bool {
			var t providers.Tool
			if t, err = decodeDeclaration(decl); err != nil {
				err = within(err, name, i)
				return false
			}
			d.r.Tools = append(d.r.Tools, t)
			i++
			return true
		})
		return err == nil
	})
	return err
}

func decodeDeclaration(raw []byte) (providers.Tool, error) {
	t := providers.Tool{Origin: dialect}
	if !wire.IsObject(raw) {
		return t, bad("", "must be an object")
	}
	eachMember(raw, func(name string, v []byte) bool {
		switch name {
		case "name":
			t.Name, _ = wire.String(v)
		case "description":
			t.Description, _ = wire.String(v)
		case "parametersJsonSchema":
			t.Schema = v
		case "parameters":
			if t.Schema == nil {
				t.Schema = jsonSchema(v)
			}
		default:
			t.Extra = member(t.Extra, name, v)
		}
		return true
	})
	if t.Name == "" {
		return t, bad("name", "must name the function")
	}
	return t, nil
}

func decodeToolConfig(r *providers.Request, v []byte) error {
	if !wire.IsObject(v) {
		return bad("toolConfig", "must be an object")
	}
	c := providers.ToolChoice{Raw: v}
	calling := at(v, "functionCallingConfig")
	wire.EachElement(at(calling, "allowedFunctionNames"), func(elem []byte) bool {
		if s, ok := wire.String(elem); ok {
			c.Allowed = append(c.Allowed, s)
		}
		return true
	})
	switch mode := strings.ToUpper(stringAt(calling, "mode")); mode {
	case "", "MODE_UNSPECIFIED":
	case "AUTO", "VALIDATED": // the latter also holds calls to their schema
		c.Mode = providers.ToolAuto
		if len(c.Allowed) > 0 {
			c.Mode = providers.ToolAllowed
		}
	case "ANY":
		switch c.Mode = providers.ToolRequired; len(c.Allowed) {
		case 0:
		case 1:
			c.Mode, c.Name = providers.ToolNamed, c.Allowed[0]
		default:
			c.Mode, c.Required = providers.ToolAllowed, true
		}
	case "NONE":
		c.Mode = providers.ToolNone
	default:
		return bad("toolConfig.functionCallingConfig.mode", "must be AUTO, ANY, NONE or VALIDATED")
	}
	r.ToolChoice = c
	eachMember(v, func(name string, x []byte) bool {
		if name != "functionCallingConfig" {
			r.Extra = member(r.Extra, "toolConfig."+name, x)
		}
		return true
	})
	return nil
}
