package openai

import (
	"fmt"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

// responses is the dialect of the files responses_*.go: OpenAI's Responses API
// (openai-openapi 2.3.0, CreateResponse and ResponseStreamEvent), as OpenAI, Azure,
// xAI, DeepSeek, OpenRouter and AWS's mantle serve it.
const responses = providers.Responses

type responsesIngress struct{}

// ResponsesIngress returns Responses as callers speak it at /v1/responses. What
// DecodeRequest returns points into the body it was given.
func ResponsesIngress() providers.Ingress { return responsesIngress{} }

func (responsesIngress) Dialect() providers.Dialect { return responses }

// maxItems bounds the input of a request.
const maxItems = maxMessages

// peekedResponses are the members Peek looks for; the refused ones follow.
var peekedResponses = wire.NewNames(append([]string{
	"model", "stream", "max_output_tokens", "user", "provider", "fallbacks", "input", "tools", "prompt",
}, refused...)...)

// Peek finds what routing needs. The input may be absent: a stored prompt or an
// earlier response can stand for it.
func (responsesIngress) Peek(body []byte) (providers.Peek, error) {
	var p providers.Peek
	var buf [20]wire.Field
	fields, ascii, err := peekedResponses.Survey(body, buf[:0], nil)
	if err != nil {
		return p, syntax(err)
	}
	p.ASCII = ascii
	prompt := false // a stored prompt, which may name the model
	for i := range fields {
		f := &fields[i]
		v := body[f.Start:f.End]
		prompt = prompt || f.Name == "prompt" && wire.IsObject(v)
		if f.Name == "prompt" || f.Name == "model" && isNull(v) {
			continue
		}
		if e := peekResponses(&p, f, v); e != nil {
			return p, named(e)
		}
	}
	if !p.ModelSpan.Found() && !prompt {
		return p, named(missing("model"))
	}
	return p, nil
}

func peekResponses(p *providers.Peek, f *wire.Field, v []byte) *providers.Error {
	switch f.Name {
	case "input":
		switch {
		case isNull(v), isText(v):
			return nil
		case !wire.IsArray(v):
			return bad("input", "must be a string or a list of items")
		}
		return count(&p.Messages, f, v, true, maxItems)
	case "max_output_tokens":
		if isNull(v) {
			return nil
		}
		n, ok := wire.Int(v)
		if !ok || n < 0 {
			return bad(f.Name, "must be an integer of at least 0")
		}
		p.MaxTokens, p.MaxTokensSpan = n, providers.Span{Start: f.Start, End: f.End}
		return nil
	}
	return peekField(p, f, v, true)
}

// DecodeRequest reads a request. Members without a neutral field go to Extra,
// under the names chat completions have for them where those differ (verbosity);
// one that is null says nothing and is left out, as the gateway's own members are.
func (responsesIngress) DecodeRequest(body []byte) (*providers.Request, error) {
	r := &providers.Request{Origin: responses}
	var err error
	var input []byte
	wire.EachMember(body, func(name, v []byte) bool {
		switch {
		case isNull(v):
		case string(name) == "input":
			input = v
		default:
			err = responsesMember(r, string(name), v)
		}
		return err == nil
	})
	if err == nil {
		err = decodeInput(r, input)
	}
	if err != nil {
		return nil, named(err)
	}
	return r, nil
}

func responsesMember(r *providers.Request, name string, v []byte) error {
	switch name {
	case "instructions":
		if !isText(v) {
			return bad(name, "must be a string")
		}
		if s := text(v); s != "" {
			r.System = append([]providers.Block{{Kind: providers.KindText, Text: s, Raw: asString, Origin: responses}}, r.System...)
		}
	case "max_output_tokens":
		return integer(&r.MaxTokens, name, v)
	case "tools":
		return decodeFlatTools(r, v)
	case "tool_choice":
		return decodeFlatChoice(r, v)
	case "text":
		return decodeText(r, v)
	case "reasoning":
		return decodeThinking(r, v)
	case "include":
		decodeInclude(r, v)
	case "model", "parallel_tool_calls", "temperature", "top_p", "top_k", "seed", "stream", "user", "service_tier", "fallbacks", "provider":
		return requestMember(r, name, v)
	default:
		r.Extra = keep(r.Extra, name, v)
	}
	return nil
}

// decodeText reads text{format, verbosity}. What else is in it is kept as a whole.
func decodeText(r *providers.Request, v []byte) error {
	if !wire.IsObject(v) {
		return bad("text", "must be an object")
	}
	more := false
	wire.EachMember(v, func(name, v []byte) bool {
		if isNull(v) {
			return true
		}
		switch string(name) {
		case "verbosity":
			r.Extra = keep(r.Extra, "verbosity", v)
		case "format":
			f, odd := flatFormat(v)
			r.Format, more = f, more || odd
		default:
			more = true
		}
		return true
	})
	if more {
		r.Extra = keep(r.Extra, "text", v)
	}
	return nil
}

// flatFormat reads {"type":"json_schema","name","schema","strict"}. odd: it has something without a neutral field.
func flatFormat(v []byte) (f *providers.Format, odd bool) {
	f = &providers.Format{Kind: textAt(v, "type")}
	switch f.Kind {
	case "text", "json_object", "json_schema":
	default:
		return nil, true
	}
	wire.EachMember(v, func(name, v []byte) bool {
		if isNull(v) {
			return true
		}
		switch string(name) {
		case "type":
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
			odd = true
		}
		return true
	})
	return f, odd
}

// reasoningOf returns what the caller asked of thinking, made on first use.
func reasoningOf(r *providers.Request) *providers.Reasoning {
	if r.Reasoning == nil {
		r.Reasoning = &providers.Reasoning{}
	}
	return r.Reasoning
}

// inReasoning marks a member of reasoning in Request.Extra.
const inReasoning = "reasoning."

func decodeThinking(r *providers.Request, v []byte) error {
	if !wire.IsObject(v) {
		return bad("reasoning", "must be an object")
	}
	t := reasoningOf(r)
	t.Raw = append(wire.PutRaw([]byte("{"), "reasoning", v), '}')
	wire.EachMember(v, func(name, v []byte) bool {
		switch string(name) {
		case "effort", "summary", "generate_summary":
		default:
			r.Extra = keep(r.Extra, inReasoning+string(name), v)
		}
		return true
	})
	t.Effort = textAt(v, "effort")
	if t.Summary = textAt(v, "summary"); t.Summary == "" {
		t.Summary = textAt(v, "generate_summary") // its former name
	}
	if t.Effort == "none" {
		t.Mode = "disabled"
	}
	return nil
}

// encryptedReasoning is the member of include that asks for reasoning which can be sent back.
const encryptedReasoning = "reasoning.encrypted_content"

// decodeInclude notes that encrypted reasoning is wanted; anything else asked for is kept with the whole list.
func decodeInclude(r *providers.Request, v []byte) {
	more := !wire.IsArray(v)
	wire.EachElement(v, func(elem []byte) bool {
		if text(elem) == encryptedReasoning {
			reasoningOf(r).Include = true
		} else {
			more = true
		}
		return true
	})
	if more {
		r.Extra = keep(r.Extra, "include", v)
	}
}

// bound are members that lean on what the vendor keeps.
var bound = wire.NewNames("prompt", "conversation", "background", "previous_response_id")

// Unbound implements providers.Bound.
func (responsesIngress) Unbound(body []byte) *providers.Error {
	fields, err := bound.Fields(body, nil)
	if err != nil {
		return syntax(err)
	}
	for _, f := range fields {
		v := body[f.Start:f.End]
		if isNull(v) || string(v) == "false" {
			continue
		}
		e := bad(f.Name, fmt.Sprintf("cannot be used with this model: it is served by a provider that keeps no %s", keptName(f.Name)))
		if f.Name == "previous_response_id" {
			e.Code = "previous_response_not_found"
		} else {
			e.Code = "unsupported_parameter"
		}
		return named(e).(*providers.Error)
	}
	return nil
}

func keptName(member string) string {
	switch member {
	case "prompt":
		return "prompts"
	case "conversation":
		return "conversations"
	}
	return "responses of that kind"
}
