package openai

import (
	"encoding/json"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

type chatIngress struct{}

// ChatIngress returns chat completions as callers speak them at /v1/chat/completions.
// What DecodeRequest returns points into the body it was given.
func ChatIngress() providers.Ingress { return chatIngress{} }

func (chatIngress) Dialect() providers.Dialect { return dialect }

func (chatIngress) Peek(body []byte) (p providers.Peek, err error) {
	err = peek(&p, body, true)
	return p, err
}

// DecodeRequest reads a request. Members without a neutral field go to Extra;
// one that is null says nothing and is left out, as the gateway's own members are.
func (chatIngress) DecodeRequest(body []byte) (*providers.Request, error) {
	r := &providers.Request{Origin: dialect}
	var err error
	messages := false
	wire.EachMember(body, func(name, v []byte) bool {
		if string(name) == "messages" {
			messages = true
		}
		if !isNull(v) {
			err = requestMember(r, string(name), v)
		}
		return err == nil
	})
	if err == nil && !messages {
		err = missing("messages")
	}
	if err != nil {
		return nil, named(err)
	}
	return r, nil
}

func requestMember(r *providers.Request, name string, v []byte) error {
	switch name {
	case "model":
		model, e := modelName(v)
		if e != nil {
			return e
		}
		r.Model = model
	case "messages":
		return decodeMessages(r, v)
	case "tools":
		return decodeTools(r, v)
	case "tool_choice":
		return decodeToolChoice(r, v)
	case "parallel_tool_calls":
		return boolean(&r.ParallelTools, name, v)
	case "max_completion_tokens":
		return integer(&r.MaxTokens, name, v)
	case "max_tokens":
		if r.MaxTokens != nil { // the newer name came first and wins
			return nil
		}
		return integer(&r.MaxTokens, name, v)
	case "temperature":
		return number(&r.Temperature, name, v)
	case "top_p":
		return number(&r.TopP, name, v)
	case "top_k":
		return integer(&r.TopK, name, v)
	case "seed":
		return integer(&r.Seed, name, v)
	case "n":
		var n *int64
		if err := integer(&n, name, v); err != nil {
			return err
		}
		r.N = *n
	case "stop":
		return decodeStop(r, v)
	case "stream":
		if !isBool(v) {
			return bad(name, "must be a boolean")
		}
		r.Stream = isTrue(v)
	case "stream_options":
		decodeStreamOptions(r, v)
	case "user":
		if !isText(v) {
			return bad(name, "must be a string")
		}
		r.User = text(v)
	case "service_tier":
		if !isText(v) {
			return bad(name, "must be a string")
		}
		r.ServiceTier = text(v)
	case "response_format":
		return decodeFormat(r, v)
	case "reasoning_effort", "reasoning", "thinking", "enable_thinking":
		return decodeReasoning(r, name, v)
	case "provider":
		if wire.IsObject(v) { // OpenRouter's routing preferences
			r.Extra = keep(r.Extra, name, v)
		}
	case "fallbacks":
	default:
		r.Extra = keep(r.Extra, name, v)
	}
	return nil
}

func integer(dst **int64, name string, v []byte) error {
	n, ok := wire.Int(v)
	if !ok {
		return bad(name, "must be an integer")
	}
	*dst = &n
	return nil
}

func number(dst **float64, name string, v []byte) error {
	var f float64
	if err := wire.Unmarshal(v, &f); err != nil {
		return bad(name, "must be a number")
	}
	*dst = &f
	return nil
}

func boolean(dst **bool, name string, v []byte) error {
	if !isBool(v) {
		return bad(name, "must be a boolean")
	}
	b := isTrue(v)
	*dst = &b
	return nil
}

func decodeStop(r *providers.Request, v []byte) (err error) {
	if isText(v) {
		r.Stop = []string{text(v)}
		return nil
	}
	if !wire.IsArray(v) {
		return bad("stop", "must be a string or a list of strings")
	}
	r.Stop = []string{}
	wire.EachElement(v, func(elem []byte) bool {
		if !isText(elem) {
			err = bad("stop", "must be a string or a list of strings")
			return false
		}
		r.Stop = append(r.Stop, text(elem))
		return true
	})
	return err
}

// decodeStreamOptions takes include_usage; other options are kept with the whole value.
func decodeStreamOptions(r *providers.Request, v []byte) {
	r.IncludeUsage = isTrue(at(v, "include_usage"))
	more := false
	wire.EachMember(v, func(name, v []byte) bool {
		more = more || string(name) != "include_usage" && !isNull(v)
		return true
	})
	if more {
		r.Extra = keep(r.Extra, "stream_options", v)
	}
}

func decodeFormat(r *providers.Request, v []byte) error {
	if !wire.IsObject(v) {
		return bad("response_format", "must be an object")
	}
	f := &providers.Format{Kind: textAt(v, "type")}
	more := false // something in it has no neutral field
	wire.EachMember(v, func(name, v []byte) bool {
		more = more || string(name) != "type" && string(name) != "json_schema" && !isNull(v)
		return true
	})
	switch f.Kind {
	case "text", "json_object":
	case "json_schema":
		wire.EachMember(at(v, "json_schema"), func(name, v []byte) bool {
			if isNull(v) {
				return true
			}
			switch string(name) {
			case "name":
				f.Name = text(v)
			case "description":
				f.Description = text(v)
			case "schema":
				f.Schema = v
			case "strict":
				strict := isTrue(v)
				f.Strict = &strict
			default:
				more = true
			}
			return true
		})
	default:
		more, f = true, nil
	}
	r.Format = f
	if more {
		r.Extra = keep(r.Extra, "response_format", v)
	}
	return nil
}

// decodeReasoning reads the members with which vendors steer thinking: OpenAI's
// reasoning_effort, OpenRouter's reasoning, DeepSeek's and Zhipu's thinking, Qwen's
// enable_thinking. As they came, they stand together in Reasoning.Raw.
func decodeReasoning(r *providers.Request, name string, v []byte) error {
	t := r.Reasoning
	if t == nil {
		t = &providers.Reasoning{Raw: json.RawMessage("{")}
		r.Reasoning = t
	} else {
		t.Raw = t.Raw[:len(t.Raw)-1]
	}
	t.Raw = append(wire.PutRaw(t.Raw, name, v), '}')
	switch name {
	case "reasoning_effort":
		if !isText(v) {
			return bad(name, "must be a string")
		}
		t.Effort = text(v)
	case "reasoning":
		if t.Effort == "" {
			t.Effort = textAt(v, "effort")
		}
		if n, ok := wire.Int(at(v, "max_tokens")); ok {
			t.Budget = &n
		}
		t.Summary = textAt(v, "summary")
		if on := at(v, "enabled"); on != nil {
			t.Mode = enabled(isTrue(on))
		}
	case "thinking":
		switch mode := textAt(v, "type"); mode {
		case "enabled", "disabled", "adaptive":
			t.Mode = mode
		case "auto": // Doubao
			t.Mode = "adaptive"
		}
		if n, ok := wire.Int(at(v, "budget_tokens")); ok {
			t.Budget = &n
		}
	case "enable_thinking":
		t.Mode = enabled(isTrue(v))
	}
	if t.Effort == "none" {
		t.Mode = "disabled"
	}
	return nil
}

func enabled(on bool) string {
	if on {
		return "enabled"
	}
	return "disabled"
}

func decodeToolChoice(r *providers.Request, v []byte) error {
	c := providers.ToolChoice{Raw: v}
	if isText(v) {
		switch word := text(v); word {
		case "auto", "none", "required":
			c.Mode = providers.ToolMode(word)
		case "any": // Mistral
			c.Mode = providers.ToolRequired
		default:
			return bad("tool_choice", "must be none, auto, required or an object")
		}
		r.ToolChoice = c
		return nil
	}
	if !wire.IsObject(v) {
		return bad("tool_choice", "must be none, auto, required or an object")
	}
	switch textAt(v, "type") {
	case "allowed_tools":
		c.Mode = providers.ToolAllowed
		c.Required = textAt(v, "allowed_tools", "mode") == "required"
		wire.EachElement(at(v, "allowed_tools", "tools"), func(tool []byte) bool {
			if name := toolName(tool); name != "" {
				c.Allowed = append(c.Allowed, name)
			}
			return true
		})
		if len(c.Allowed) == 0 {
			return bad("tool_choice.allowed_tools.tools", "must name at least one tool")
		}
	default:
		c.Mode, c.Name = providers.ToolNamed, toolName(v)
		if c.Name == "" {
			return bad("tool_choice.function.name", "is required")
		}
	}
	r.ToolChoice = c
	return nil
}

// toolName finds the name in {"type":"function","function":{"name":…}}, in a custom tool's form, or flat.
func toolName(v []byte) string {
	for _, path := range [][]string{{"function", "name"}, {"custom", "name"}, {"name"}} {
		if s := textAt(v, path...); s != "" {
			return s
		}
	}
	return ""
}

func decodeTools(r *providers.Request, v []byte) (err error) {
	if !wire.IsArray(v) {
		return bad("tools", "must be a list")
	}
	r.Tools = []providers.Tool{}
	wire.EachElement(v, func(elem []byte) bool {
		var t providers.Tool
		if t, err = decodeTool(elem); err != nil {
			err = within(err, index("tools", len(r.Tools)))
			return false
		}
		r.Tools = append(r.Tools, t)
		return true
	})
	return err
}

// decodeTool reads a tool. A missing type means function; a type that is neither
// function nor custom is the vendor's own tool and kept whole. Members inside
// function that have no field are kept as "function.<name>".
func decodeTool(raw []byte) (providers.Tool, error) {
	t := providers.Tool{Origin: dialect}
	if !wire.IsObject(raw) {
		return t, bad("", "must be an object")
	}
	switch textAt(raw, "type") {
	case "function", "":
	case "custom":
		t.Custom, t.Raw = true, raw
		t.Name, t.Description = textAt(raw, "custom", "name"), textAt(raw, "custom", "description")
		if t.Name == "" {
			return t, bad("custom.name", "is required")
		}
		return t, nil
	default:
		t.Name, t.Raw = textAt(raw, "name"), raw
		return t, nil
	}
	wire.EachMember(raw, func(name, v []byte) bool {
		switch string(name) {
		case "type":
		case "function":
			toolFunction(&t, v)
		case "cache_control":
			if !isNull(v) {
				t.Cache = v
			}
		default:
			t.Extra = keep(t.Extra, string(name), v)
		}
		return true
	})
	if t.Name == "" {
		return t, bad("function.name", "is required")
	}
	return t, nil
}

func toolFunction(t *providers.Tool, fn []byte) {
	wire.EachMember(fn, func(name, v []byte) bool {
		if isNull(v) {
			return true
		}
		switch string(name) {
		case "name":
			t.Name = text(v)
		case "description":
			if t.Description = text(v); t.Description == "" {
				t.Extra = keep(t.Extra, "function.description", v)
			}
		case "parameters":
			t.Schema = v
		case "strict":
			strict := isTrue(v)
			t.Strict = &strict
		default:
			t.Extra = keep(t.Extra, "function."+string(name), v)
		}
		return true
	})
}
