package main_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// responsesAPI is OpenAI's Responses format.
type responsesAPI struct {
	w   http.ResponseWriter
	seq int
}

type responsesRequest struct {
	Model              string
	Input              json.RawMessage
	Instructions       string
	Stream             bool
	MaxOutputTokens    *int64 `json:"max_output_tokens"`
	Temperature        *float64
	TopP               *float64 `json:"top_p"`
	Tools              []json.RawMessage
	ToolChoice         json.RawMessage `json:"tool_choice"`
	ParallelToolCalls  *bool           `json:"parallel_tool_calls"`
	Text               json.RawMessage
	Reasoning          *struct{ Effort, Summary, Context string }
	Include            []string
	Store              *bool
	Metadata           json.RawMessage
	User               string
	PromptCacheKey     string          `json:"prompt_cache_key"`
	SafetyIdentifier   string          `json:"safety_identifier"`
	ServiceTier        string          `json:"service_tier"`
	Truncation         string          `json:"truncation"`
	PreviousResponseID string          `json:"previous_response_id"`
	ClientMetadata     json.RawMessage `json:"client_metadata"`
	StreamOptions      json.RawMessage `json:"stream_options"`
}

type responsesItem struct {
	Type, ID, Role, Status, Phase string
	Content                       json.RawMessage
	CallID                        string `json:"call_id"`
	Name, Namespace               string
	Arguments                     *string
	Input                         *string
	Output                        json.RawMessage
	Summary                       *[]struct{ Type, Text string }
	EncryptedContent              string          `json:"encrypted_content"`
	InternalMetadata              json.RawMessage `json:"internal_chat_message_metadata_passthrough"`
	ParsedArguments               json.RawMessage `json:"parsed_arguments"` // what its own SDK sends back
}

func (p *responsesAPI) read(r *http.Request, body []byte) (*ask, *refusal) {
	if r.Header.Get("Authorization") != "Bearer sk-vendor-openai-secret" {
		return nil, &refusal{status: 401, typ: "invalid_request_error", code: "invalid_api_key", words: "Incorrect API key provided"}
	}
	var q responsesRequest
	if err := strict(body, &q); err != nil {
		return nil, refuse("Unknown parameter: %v", err)
	}
	a := &ask{model: q.Model, system: q.Instructions, stream: q.Stream, choice: "auto", maxTokens: 16384}
	a.thinks = strings.HasPrefix(q.Model, "gpt-5")
	switch {
	case q.Model == "":
		return nil, refuse("Missing required parameter: 'model'.")
	case q.Temperature != nil && a.thinks:
		return nil, refuse("Unsupported parameter: 'temperature' is not supported with this model.")
	case q.Reasoning != nil && !a.thinks:
		return nil, refuse("Unsupported parameter: 'reasoning.effort' is not supported with this model.")
	case slices.Contains(q.Include, "reasoning.encrypted_content") && !a.thinks:
		return nil, refuse("Encrypted content is not supported with this model.")
	}
	if n := q.MaxOutputTokens; n != nil {
		if a.maxTokens = *n; *n < 16 {
			return nil, refuse("Invalid 'max_output_tokens': integer below minimum value. Expected a value >= 16, but got %d instead.", *n)
		}
	}
	if bad := p.readTools(&q, a); bad != nil {
		return nil, bad
	}
	if bad := p.readFormat(q.Text, a); bad != nil {
		return nil, bad
	}
	if q.PreviousResponseID != "" {
		a.system += " after " + q.PreviousResponseID
	}
	return a, p.readInput(q.Input, a)
}

func (p *responsesAPI) readFormat(text json.RawMessage, a *ask) *refusal {
	if text == nil {
		return nil
	}
	var t struct {
		Verbosity string
		Format    *struct {
			Type, Name, Description string
			Strict                  *bool
			Schema                  json.RawMessage
		}
	}
	if err := strict(text, &t); err != nil {
		return refuse("text: %v", err)
	}
	if f := t.Format; f != nil && f.Type == "json_schema" {
		if !toolName.MatchString(f.Name) || (f.Strict == nil || *f.Strict) && !closed(f.Schema) {
			return refuse("Invalid schema for response_format '%s'", f.Name)
		}
		a.schema = f.Schema
	}
	return nil
}

func (p *responsesAPI) readTools(q *responsesRequest, a *ask) *refusal {
	for i, raw := range q.Tools {
		var t struct {
			Type, Name, Description string
			Parameters              json.RawMessage
			Strict                  *bool
			Format                  json.RawMessage
			Tools                   []json.RawMessage
			External                *bool `json:"external_web_access"`
			Defer                   *bool `json:"defer_loading"`
		}
		if err := strict(raw, &t); err != nil {
			return refuse("tools[%d]: %v", i, err)
		}
		switch {
		case t.Type == "web_search":
			continue
		case !toolName.MatchString(t.Name):
			return refuse("Invalid 'tools[%d].name': %s", i, raw)
		case t.Type == "function" && (t.Strict == nil || *t.Strict) && !closed(t.Parameters): // silence means strict
			return refuse("Invalid schema for function '%s': 'additionalProperties' is required to be supplied and to be false.", t.Name)
		case t.Type != "function" && t.Type != "custom" && t.Type != "namespace":
			return refuse("Invalid value: '%s' for 'tools[%d].type'", t.Type, i)
		}
		a.tools = append(a.tools, t.Name)
	}
	a.serial = q.ParallelToolCalls != nil && !*q.ParallelToolCalls
	if q.ToolChoice == nil || json.Unmarshal(q.ToolChoice, &a.choice) == nil {
		if !slices.Contains([]string{"auto", "none", "required"}, a.choice) {
			return refuse("Invalid value: '%s' for 'tool_choice'", a.choice)
		}
		return nil
	}
	var named struct{ Type, Name string }
	if err := strict(q.ToolChoice, &named); err != nil || named.Type != "function" || !slices.Contains(a.tools, named.Name) {
		return refuse("Tool choice %s not found in 'tools' parameter.", q.ToolChoice)
	}
	a.choice = named.Name
	return nil
}

func (p *responsesAPI) readInput(input json.RawMessage, a *ask) *refusal {
	var one string
	if json.Unmarshal(input, &one) == nil && input != nil {
		a.turns = append(a.turns, said{role: "user", text: one})
		return nil
	}
	var items []json.RawMessage
	if json.Unmarshal(input, &items) != nil || len(items) == 0 {
		return refuse("Missing required parameter: 'input'.")
	}
	open := map[string]bool{}
	for i, raw := range items {
		var it responsesItem
		if err := strict(raw, &it); err != nil {
			return refuse("Unknown parameter: 'input[%d]': %v", i, err)
		}
		if bad := p.readItem(&it, i, a, open); bad != nil {
			return bad
		}
	}
	for id := range open {
		return refuse("No tool output found for function call %s.", id)
	}
	return nil
}

func (p *responsesAPI) readItem(it *responsesItem, i int, a *ask, open map[string]bool) *refusal {
	switch it.Type {
	case "", "message":
		text, media, bad := p.content(it.Content, it.Role, i)
		if bad != nil {
			return bad
		}
		switch it.Role {
		case "system", "developer":
			a.system = strings.TrimPrefix(a.system+"\n"+text, "\n")
		case "user", "assistant":
			a.turns = append(a.turns, said{role: it.Role, text: text, media: media})
		default:
			return refuse("Invalid value: '%s' for 'input[%d].role'", it.Role, i)
		}
	case "item_reference": // to what it has said
		if it.ID != "msg_1" && it.ID != "rs_1" {
			return refuse("Item with id '%s' not found.", it.ID)
		}
	case "reasoning":
		if it.Summary == nil {
			return refuse("Missing required parameter: 'input[%d].summary'.", i)
		}
		if it.EncryptedContent != signature("reasoning") {
			return &refusal{status: 400, typ: "invalid_request_error", code: "invalid_encrypted_content", words: "The encrypted content could not be verified."}
		}
	case "function_call":
		if it.CallID == "" || it.Name == "" || it.Arguments == nil {
			return refuse("Missing required parameter in 'input[%d]'", i)
		}
		open[it.CallID] = true
		a.turns = append(a.turns, said{role: "assistant", calls: []toolCall{{it.CallID, it.Name, *it.Arguments}}})
	case "function_call_output":
		if !open[it.CallID] {
			return refuse("No tool call found for function call output with call_id %s.", it.CallID)
		}
		delete(open, it.CallID)
		text, _, bad := p.content(it.Output, "tool", i)
		if bad != nil {
			return bad
		}
		a.turns = append(a.turns, said{role: "tool", results: []toolResult{{it.CallID, text}}})
	default:
		return refuse("Invalid value: '%s' for 'input[%d].type'", it.Type, i)
	}
	return nil
}

func (p *responsesAPI) content(raw json.RawMessage, role string, i int) (text string, media []string, bad *refusal) {
	if json.Unmarshal(raw, &text) == nil && raw != nil {
		return text, nil, nil
	}
	var parts []json.RawMessage
	if json.Unmarshal(raw, &parts) != nil {
		return "", nil, refuse("Invalid type for 'input[%d].content'", i)
	}
	for _, raw := range parts {
		var c struct {
			Type, Text, Detail, Refusal   string
			ImageURL                      string          `json:"image_url"`
			Breakpoint                    json.RawMessage `json:"prompt_cache_breakpoint"`
			Annotations, Logprobs, Parsed json.RawMessage
		}
		if err := strict(raw, &c); err != nil {
			return "", nil, refuse("input[%d].content: %v", i, err)
		}
		switch {
		case c.Type == "input_text" && role != "assistant", c.Type == "output_text" && role == "assistant":
			text += c.Text
		case c.Type == "refusal" && role == "assistant":
			text += c.Refusal
		case c.Type == "input_image" && role != "assistant":
			kind, data, ok := strings.Cut(strings.TrimPrefix(c.ImageURL, "data:"), ";base64,")
			b, err := base64.StdEncoding.DecodeString(data)
			if !ok || err != nil {
				return "", nil, refuse("Invalid image URL: %.60s", c.ImageURL)
			}
			media = append(media, fmt.Sprintf("%s %d", kind, len(b)))
		default:
			return "", nil, refuse("Invalid value: '%s' in 'input[%d].content' of role %s", c.Type, i, role)
		}
	}
	return text, media, nil
}

func (p *responsesAPI) fail(r *refusal) { (&openAI{w: p.w}).fail(r) }

// items are the output of a reply.
func (p *responsesAPI) items(a *ask, r *reply) (out []members) {
	if r.thinking != "" {
		out = append(out, members{"type": "reasoning", "id": "rs_1", "summary": []members{{"type": "summary_text", "text": r.thinking}}, "encrypted_content": signature("reasoning")})
	}
	if r.text != "" {
		part := members{"type": "output_text", "text": r.text, "annotations": []int{}, "logprobs": []int{}}
		if r.refused {
			part = members{"type": "refusal", "refusal": r.text}
		}
		out = append(out, members{"type": "message", "id": "msg_1", "status": "completed", "role": "assistant", "content": []members{part}})
	}
	for _, c := range r.calls {
		out = append(out, members{"type": "function_call", "id": "fc_" + c.id, "status": "completed", "call_id": "call_" + c.id, "name": c.name, "arguments": c.args})
	}
	return out
}

func (p *responsesAPI) response(a *ask, r *reply, status string, output []members) members {
	m := members{"id": "resp_1", "object": "response", "created_at": 1_700_000_000, "status": status, "model": a.model, "output": output, "error": nil, "incomplete_details": nil,
		"instructions": nil, "metadata": members{}, "parallel_tool_calls": true, "temperature": 1, "top_p": 1, "tool_choice": "auto", "tools": []int{}, "usage": nil}
	if output == nil {
		m["output"] = []int{}
	}
	if status != "in_progress" {
		m["usage"] = members{"input_tokens": usedInput, "input_tokens_details": members{"cached_tokens": usedCached}, "output_tokens": usedOutput,
			"output_tokens_details": members{"reasoning_tokens": 0}, "total_tokens": usedInput + usedOutput}
	}
	if status == "incomplete" {
		m["incomplete_details"] = members{"reason": "max_output_tokens"}
	}
	return m
}

func (p *responsesAPI) status(r *reply) string {
	if r.long {
		return "incomplete"
	}
	return "completed"
}

func (p *responsesAPI) whole(a *ask, r *reply) {
	writeJSON(p.w, 200, p.response(a, r, p.status(r), p.items(a, r)))
}

func (p *responsesAPI) send(typ string, m members) {
	m["type"], m["sequence_number"] = typ, p.seq
	p.seq++
	b, _ := json.Marshal(m)
	fmt.Fprintf(p.w, "event: %s\ndata: %s\n\n", typ, b)
	p.w.(http.Flusher).Flush()
}

func (p *responsesAPI) stream(a *ask, r *reply, trouble string) {
	p.send("response.created", members{"response": p.response(a, r, "in_progress", nil)})
	p.send("response.in_progress", members{"response": p.response(a, r, "in_progress", nil)})
	items := p.items(a, r)
	for i, item := range items {
		about := func(more members) members {
			more["item_id"], more["output_index"] = item["id"], i
			return more
		}
		begun := members{}
		for k, v := range item {
			begun[k] = v
		}
		switch item["type"] {
		case "reasoning":
			begun["summary"], begun["encrypted_content"] = []int{}, "partial"
			p.send("response.output_item.added", members{"item": begun, "output_index": i})
			p.send("response.reasoning_summary_part.added", about(members{"summary_index": 0, "part": members{"type": "summary_text", "text": ""}}))
			for _, s := range pieces(r.thinking) {
				p.send("response.reasoning_summary_text.delta", about(members{"summary_index": 0, "delta": s}))
			}
			p.send("response.reasoning_summary_text.done", about(members{"summary_index": 0, "text": r.thinking}))
			p.send("response.reasoning_summary_part.done", about(members{"summary_index": 0, "part": members{"type": "summary_text", "text": r.thinking}}))
		case "message":
			begun["content"], begun["status"] = []int{}, "in_progress"
			p.send("response.output_item.added", members{"item": begun, "output_index": i})
			part := item["content"].([]members)[0]
			if !p.streamText(about, part, r, trouble) {
				return
			}
		default:
			args := item["arguments"].(string)
			begun["arguments"], begun["status"] = "", "in_progress"
			p.send("response.output_item.added", members{"item": begun, "output_index": i})
			for _, s := range pieces(args) {
				p.send("response.function_call_arguments.delta", about(members{"delta": s}))
			}
			p.send("response.function_call_arguments.done", about(members{"arguments": args, "name": item["name"]}))
		}
		p.send("response.output_item.done", members{"item": item, "output_index": i})
	}
	p.send("response."+p.status(r), members{"response": p.response(a, r, p.status(r), items)})
}

// streamText streams a part of a message; false: the stream breaks off in it.
func (p *responsesAPI) streamText(about func(members) members, part members, r *reply, trouble string) bool {
	kind, member, first := "output_text", "text", members{"type": "output_text", "text": "", "annotations": []int{}, "logprobs": []int{}}
	if r.refused {
		kind, member, first = "refusal", "refusal", members{"type": "refusal", "refusal": ""}
	}
	p.send("response.content_part.added", about(members{"content_index": 0, "part": first}))
	for n, s := range pieces(r.text) {
		p.send("response."+kind+".delta", about(members{"content_index": 0, "delta": s, "logprobs": []int{}}))
		switch {
		case n == 1 && trouble == "broken":
			p.send("error", members{"code": "server_error", "message": "The server had an error while processing your request.", "param": nil})
			return false
		case n == 1 && trouble == "cut":
			return false
		}
	}
	p.send("response."+kind+".done", about(members{"content_index": 0, member: r.text, "logprobs": []int{}}))
	p.send("response.content_part.done", about(members{"content_index": 0, "part": part}))
	return true
}
