package anthropic

import (
	"strings"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

func (ingress) DecodeRequest(body []byte) (*providers.Request, error) {
	r := &providers.Request{Origin: dialect}
	var err error
	messages := false
	wire.EachMember(body, func(name, v []byte) bool {
		if isNull(v) {
			return true
		}
		messages = messages || string(name) == "messages"
		err = requestMember(r, name, v)
		return err == nil
	})
	if err == nil && !messages {
		err = bad("messages", "Field required")
	}
	if err != nil {
		return nil, named(err)
	}
	return r, nil
}

func requestMember(r *providers.Request, name, v []byte) (err error) {
	switch string(name) {
	case "model":
		r.Model, err = modelName(v)
	case "messages":
		return decodeMessages(r, v)
	case "system":
		r.System, err = decodeContent(v)
		if e, ok := err.(*providers.Error); ok {
			e.Param = "system" + strings.TrimPrefix(e.Param, "content")
		}
	case "max_tokens":
		r.MaxTokens, err = integer(name, v)
	case "top_k":
		r.TopK, err = integer(name, v)
	case "temperature":
		r.Temperature, err = number(name, v)
	case "top_p":
		r.TopP, err = number(name, v)
	case "stream":
		r.Stream = isTrue(v)
	case "stop_sequences":
		r.Stop, err = stringList("stop_sequences", v)
	case "tools":
		return decodeTools(r, v)
	case "tool_choice":
		return decodeToolChoice(r, v)
	case "thinking":
		return decodeThinking(r, v)
	case "output_config":
		return decodeOutputConfig(r, v)
	case "metadata":
		decodeMetadata(r, v)
	case "service_tier":
		_, err = text(&r.ServiceTier, "service_tier", v)
	case "cache_control":
		r.Cache = v
	case "provider":
		if wire.IsObject(v) {
			r.Extra = member(r.Extra, name, v)
		}
	case "fallbacks":
		if _, theirs, _ := fallbackNames(v); theirs {
			r.Extra = member(r.Extra, name, v)
		}
	default:
		r.Extra = member(r.Extra, name, v)
	}
	return err
}

func integer(name, v []byte) (*int64, error) {
	n, ok := wire.Int(v)
	if !ok {
		return nil, bad(string(name), "must be an integer")
	}
	return &n, nil
}

func number(name, v []byte) (*float64, error) {
	var f float64
	if err := wire.Unmarshal(v, &f); err != nil {
		return nil, bad(string(name), "must be a number")
	}
	return &f, nil
}

func stringList(name string, v []byte) (list []string, err error) {
	if !wire.IsArray(v) {
		return nil, bad(name, "must be a list of strings")
	}
	list = []string{}
	wire.EachElement(v, func(elem []byte) bool {
		s, ok := wire.String(elem)
		if !ok {
			err = bad(name, "must be a list of strings")
			return false
		}
		list = append(list, s)
		return true
	})
	return list, err
}

func decodeMessages(r *providers.Request, v []byte) (err error) {
	if !wire.IsArray(v) {
		return bad("messages", "must be a list")
	}
	i := 0
	wire.EachElement(v, func(elem []byte) bool {
		if err = decodeMessage(r, elem); err != nil {
			err = within(err, "messages", i)
		}
		i++
		return err == nil
	})
	return err
}

// decodeMessage appends one message. A user message with tool results becomes a
// tool message, which holds them, and a user message with the rest; the API wants
// results first in any case.
func decodeMessage(r *providers.Request, raw []byte) error {
	if !wire.IsObject(raw) {
		return bad("", "must be an object")
	}
	m := providers.Message{}
	var err error
	content := false
	wire.EachMember(raw, func(name, v []byte) bool {
		switch string(name) {
		case "role":
			s, _ := wire.String(v)
			if m.Role = providers.Role(s); m.Role != providers.RoleUser && m.Role != providers.RoleAssistant && m.Role != providers.RoleSystem {
				err = bad("role", "must be user, assistant or system")
			}
		case "content":
			content = true
			m.Blocks, err = decodeContent(v)
		default:
			m.Extra = member(m.Extra, name, v)
		}
		return err == nil
	})
	switch {
	case err != nil:
		return err
	case m.Role == "":
		return bad("role", "Field required")
	case !content:
		return bad("content", "Field required")
	}
	if m.Role != providers.RoleUser {
		r.Messages = append(r.Messages, m)
		return nil
	}
	results, rest := splitResults(m.Blocks)
	if len(results) > 0 {
		tool := providers.Message{Role: providers.RoleTool, Blocks: results}
		if len(rest) == 0 {
			tool.Extra = m.Extra
		}
		r.Messages = append(r.Messages, tool)
	}
	if len(rest) > 0 || len(results) == 0 {
		m.Blocks = rest
		r.Messages = append(r.Messages, m)
	}
	return nil
}

// splitResults parts tool results from other blocks, each in their order.
func splitResults(blocks []providers.Block) (results, rest []providers.Block) {
	for _, b := range blocks {
		if b.Kind == providers.KindToolResult {
			results = append(results, b)
		} else {
			rest = append(rest, b)
		}
	}
	return results, rest
}

func decodeTools(r *providers.Request, v []byte) (err error) {
	if !wire.IsArray(v) {
		return bad("tools", "must be a list")
	}
	wire.EachElement(v, func(elem []byte) bool {
		var t providers.Tool
		if t, err = decodeTool(elem); err != nil {
			err = within(err, "tools", len(r.Tools))
			return false
		}
		r.Tools = append(r.Tools, t)
		return true
	})
	return err
}

// decodeTool reads a tool definition. A typed tool (web_search_20250305, …) is
// the vendor's own and kept whole; type custom is the usual client tool.
func decodeTool(raw []byte) (providers.Tool, error) {
	if !wire.IsObject(raw) {
		return providers.Tool{}, bad("", "must be an object")
	}
	if typ := stringAt(raw, "type"); typ != "" && typ != "custom" {
		return providers.Tool{Name: stringAt(raw, "name"), Raw: raw, Origin: dialect}, nil
	}
	t := providers.Tool{Origin: dialect}
	var err error
	wire.EachMember(raw, func(name, v []byte) bool {
		if isNull(v) {
			return true
		}
		switch string(name) {
		case "type":
		case "name":
			_, err = text(&t.Name, "name", v)
		case "description":
			_, err = text(&t.Description, "description", v)
		case "input_schema":
			t.Schema = v
		case "strict":
			strict := isTrue(v)
			t.Strict = &strict
		case "cache_control":
			t.Cache = v
		default:
			t.Extra = member(t.Extra, name, v)
		}
		return err == nil
	})
	if err == nil && t.Name == "" {
		err = bad("name", "Field required")
	}
	return t, err
}

func decodeToolChoice(r *providers.Request, v []byte) error {
	c := providers.ToolChoice{Raw: v}
	switch typ := stringAt(v, "type"); typ {
	case "auto":
		c.Mode = providers.ToolAuto
	case "any":
		c.Mode = providers.ToolRequired
	case "none":
		c.Mode = providers.ToolNone
	case "tool":
		c.Mode = providers.ToolNamed
		if c.Name = stringAt(v, "name"); c.Name == "" {
			return bad("tool_choice.name", "Field required")
		}
	default:
		return bad("tool_choice.type", "must be auto, any, tool or none")
	}
	r.ToolChoice = c
	if start, end, ok := wire.Path(v, "disable_parallel_tool_use"); ok && !isNull(v[start:end]) {
		parallel := !isTrue(v[start:end])
		r.ParallelTools = &parallel
	}
	return nil
}

// reasoning returns what r asks of thinking, made on first use.
func reasoning(r *providers.Request) *providers.Reasoning {
	if r.Reasoning == nil {
		r.Reasoning = &providers.Reasoning{}
	}
	return r.Reasoning
}

func decodeThinking(r *providers.Request, v []byte) (err error) {
	if !wire.IsObject(v) {
		return bad("thinking", "must be an object")
	}
	t := reasoning(r)
	wire.EachMember(v, func(name, v2 []byte) bool {
		if isNull(v2) {
			return true
		}
		switch string(name) {
		case "type":
			_, err = text(&t.Mode, "type", v2)
		case "budget_tokens":
			t.Budget, err = integer(name, v2)
		case "display":
			_, err = text(&t.Summary, "display", v2)
		default:
			t.Raw = v
		}
		return err == nil
	})
	if err != nil {
		return within(err, "thinking", -1)
	}
	switch t.Mode {
	case "enabled", "adaptive", "disabled":
		return nil
	}
	return bad("thinking.type", "must be enabled, adaptive or disabled")
}

// decodeOutputConfig reads effort and format; with anything else in it, the value
// is kept as it is too, for the same dialect.
func decodeOutputConfig(r *providers.Request, v []byte) (err error) {
	if !wire.IsObject(v) {
		return bad("output_config", "must be an object")
	}
	more := false
	wire.EachMember(v, func(name, v2 []byte) bool {
		if isNull(v2) {
			return true
		}
		switch string(name) {
		case "effort":
			_, err = text(&reasoning(r).Effort, "output_config.effort", v2)
		case "format":
			r.Format = &providers.Format{Kind: stringAt(v2, "type")}
			wire.EachMember(v2, func(name, v3 []byte) bool {
				switch string(name) {
				case "type":
				case "schema":
					r.Format.Schema = v3
				default:
					more = true
				}
				return true
			})
		default:
			more = true
		}
		return err == nil
	})
	if more {
		r.Extra = append(r.Extra, providers.Member{Name: "output_config", Value: v})
	}
	return err
}

// decodeMetadata reads the end user; other members are kept with the whole value.
func decodeMetadata(r *providers.Request, v []byte) {
	more := !wire.IsObject(v)
	wire.EachMember(v, func(name, v2 []byte) bool {
		s, ok := wire.String(v2)
		if string(name) == "user_id" && ok {
			r.User = s
		} else if !isNull(v2) {
			more = true
		}
		return true
	})
	if more {
		r.Extra = append(r.Extra, providers.Member{Name: "metadata", Value: v})
	}
}
