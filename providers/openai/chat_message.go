package openai

import (
	"encoding/json"
	"strings"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

// decodeMessages reads the conversation. System and developer messages at its
// start go to Request.System; tool messages that follow each other become one.
func decodeMessages(r *providers.Request, v []byte) (err error) {
	if !wire.IsArray(v) {
		return bad("messages", "must be a list")
	}
	i := 0
	wire.EachElement(v, func(elem []byte) bool {
		if err = decodeMessage(r, elem); err != nil {
			err = within(err, index("messages", i))
		}
		i++
		return err == nil
	})
	return err
}

func decodeMessage(r *providers.Request, raw []byte) error {
	if !wire.IsObject(raw) {
		return bad("", "must be an object")
	}
	switch role := textAt(raw, "role"); role {
	case "system", "developer":
		blocks, err := systemBlocks(raw)
		if err != nil {
			return err
		}
		if len(r.Messages) == 0 {
			r.System = append(r.System, blocks...)
		} else {
			r.Messages = append(r.Messages, providers.Message{Role: providers.RoleSystem, Blocks: blocks})
		}
	case "user":
		m, err := turn(raw, providers.RoleUser)
		r.Messages = append(r.Messages, m)
		return err
	case "assistant":
		m, err := turn(raw, providers.RoleAssistant)
		r.Messages = append(r.Messages, m)
		return err
	case "tool", "function":
		b, err := toolResult(raw, role)
		if err != nil {
			return err
		}
		if n := len(r.Messages); n > 0 && r.Messages[n-1].Role == providers.RoleTool {
			r.Messages[n-1].Blocks = append(r.Messages[n-1].Blocks, b)
		} else {
			r.Messages = append(r.Messages, providers.Message{Role: providers.RoleTool, Blocks: []providers.Block{b}})
		}
	case "":
		return bad("role", "is required")
	default:
		return bad("role", "must be system, developer, user, assistant or tool")
	}
	return nil
}

// systemBlocks reads a system or developer message. Its first block keeps the
// message in Raw, so that its role and other members, and where it ends, are known
// when it is written again; the text is always taken from the blocks.
func systemBlocks(raw []byte) ([]providers.Block, error) {
	blocks, err := content(at(raw, "content"))
	if err != nil {
		return nil, err
	}
	if len(blocks) == 0 {
		blocks = []providers.Block{{Kind: providers.KindText, Origin: dialect}}
	}
	blocks[0].Raw = raw
	if mark := at(raw, "cache_control"); mark != nil {
		blocks[len(blocks)-1].Cache = mark
	}
	return blocks, nil
}

// toolResult reads a tool message; one of role function, the form before tools, has no id.
func toolResult(raw []byte, role string) (providers.Block, error) {
	b := providers.Block{Kind: providers.KindToolResult, Origin: dialect}
	var err error
	wire.EachMember(raw, func(name, v []byte) bool {
		if isNull(v) {
			return true
		}
		switch string(name) {
		case "role":
		case "tool_call_id":
			b.ID = text(v)
		case "name":
			b.ToolName = text(v)
		case "content":
			b.Result, err = content(v)
		case "cache_control":
			b.Cache = v
		default:
			b.Extra = keep(b.Extra, string(name), v)
		}
		return err == nil
	})
	if err == nil && role == "function" {
		b.Extra = keep(b.Extra, "role", json.RawMessage(`"function"`))
	} else if err == nil && b.ID == "" {
		err = bad("tool_call_id", "is required")
	}
	return b, err
}

// turn reads a user's or an assistant's message of a request.
func turn(raw []byte, role providers.Role) (providers.Message, error) {
	m := providers.Message{Role: role}
	g := gather{}
	var err error
	wire.EachMember(raw, func(name, v []byte) bool {
		if isNull(v) {
			return true
		}
		switch string(name) {
		case "role":
		case "name":
			m.Name = text(v)
		case "cache_control":
			g.mark = v
		default:
			var known bool
			if known, err = g.member(string(name), v, false); !known {
				m.Extra = keep(m.Extra, string(name), v)
			}
		}
		return err == nil
	})
	if err != nil {
		return m, err
	}
	m.Blocks = g.blocks()
	signText(m.Blocks, find(m.Extra, "extra_content"))
	if g.mark != nil && !markLast(m.Blocks, g.mark) {
		m.Extra = keep(m.Extra, "cache_control", g.mark)
	}
	return m, nil
}

// markLast puts a mark of the message as a whole on its only block, if that was
// a bare string, which has no place for one of its own.
func markLast(blocks []providers.Block, mark json.RawMessage) bool {
	if len(blocks) == 1 && bare(&blocks[0]) {
		blocks[0].Cache = mark
		return true
	}
	return false
}

// bare reports whether the block was a string instead of a part in a list.
func bare(b *providers.Block) bool {
	return b.Kind == providers.KindText && b.Origin == dialect && len(b.Raw) == 2 && b.Raw[0] == '"'
}

// gather collects the blocks of a message in the order they mean: thinking,
// content, refusal, media, tool calls, wherever the members stand in the object.
type gather struct {
	answer    string // id of the answer it is part of
	reasoning reasoning
	content   []providers.Block
	after     []providers.Block
	calls     []providers.Block
	mark      json.RawMessage
}

func (g *gather) blocks() []providers.Block {
	out := g.reasoning.blocks()
	out = append(out, g.content...)
	out = append(out, g.after...)
	return append(out, g.calls...)
}

// member takes a member that a message of a request and one of an answer share.
func (g *gather) member(name string, v []byte, answer bool) (known bool, err error) {
	switch name {
	case "content":
		if answer && string(v) == `""` { // no text beside calls or thinking, whatever the vendor writes for it
			return true, nil
		}
		g.content, err = content(v)
		return true, err
	case "reasoning_content", "reasoning", "reasoning_details", "thinking_blocks":
		return g.reasoning.member(name, v), nil
	case "refusal":
		s, ok := wire.String(v)
		if !ok || s == "" {
			return false, nil
		}
		g.after = append(g.after, providers.Block{Kind: providers.KindRefusal, Text: s, Origin: dialect})
		return true, nil
	case "audio":
		b, ok := audioAnswer(v)
		if ok {
			g.after = append(g.after, b)
		}
		return ok, nil
	case "images":
		list, ok := imageAnswers(v)
		g.after = append(g.after, list...)
		return ok, nil
	case "function_call": // of an answer before there were tools
		if !answer || textAt(v, "name") == "" {
			return false, nil
		}
		b, err := toolCall(legacyCall(v, g.answer), true)
		b.Extra = nil
		g.calls = append(g.calls, b)
		return true, err
	case "tool_calls":
		if !wire.IsArray(v) {
			return true, bad("tool_calls", "must be a list")
		}
		if at(v, "0") == nil {
			return false, nil
		}
		wire.EachElement(v, func(elem []byte) bool {
			var b providers.Block
			if b, err = toolCall(elem, answer); err != nil {
				err = within(err, index("tool_calls", len(g.calls)))
				return false
			}
			if answer && b.ID == "" {
				b.ID = missingID(g.answer, len(g.calls))
			}
			g.calls = append(g.calls, b)
			return true
		})
		return true, err
	}
	return false, nil
}

// toolCall reads one call. The arguments' text is kept as it is, precision and
// key order included, even where it is no JSON; none becomes {}.
func toolCall(raw []byte, answer bool) (providers.Block, error) {
	b := providers.Block{Kind: providers.KindToolCall, Origin: dialect}
	if !wire.IsObject(raw) {
		return b, bad("", "must be an object")
	}
	b.Custom = textAt(raw, "type") == "custom"
	wire.EachMember(raw, func(name, v []byte) bool {
		if isNull(v) {
			return true
		}
		switch string(name) {
		case "type":
		case "id":
			b.ID = text(v)
		case "function":
			if !b.Custom {
				b.ToolName = textAt(v, "name")
				b.Args = arguments(at(v, "arguments"))
			}
		case "custom":
			if b.Custom {
				b.ToolName, b.Text = textAt(v, "name"), textAt(v, "input")
			} else { // one vendor sends an empty one with each call
				b.Extra = keep(b.Extra, "custom", v)
			}
		case "cache_control":
			b.Cache = v
		case "extra_content": // Google: {"google":{"thought_signature":"…"}}
			b.Signature, b.SignatureOrigin = textAt(v, "google", "thought_signature"), providers.Gemini
			b.Extra = keep(b.Extra, "extra_content", v)
		default:
			b.Extra = keep(b.Extra, string(name), v)
		}
		return true
	})
	if b.Signature == "" {
		b.SignatureOrigin = ""
	}
	if b.ToolName == "" && !answer {
		return b, bad("function.name", "is required")
	}
	if b.Args == nil && !b.Custom {
		b.Args = json.RawMessage("{}")
	}
	return b, nil
}

// arguments returns the text of a call's arguments; vendors that send an object instead of text are read too.
func arguments(v []byte) json.RawMessage {
	if !isText(v) {
		if wire.IsObject(v) {
			return v
		}
		return nil
	}
	if s := text(v); strings.TrimSpace(s) != "" {
		return json.RawMessage(s)
	}
	return nil
}
