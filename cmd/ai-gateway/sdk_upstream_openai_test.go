package main_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// openAI is OpenAI's chat format, and DeepSeek's where it differs.
type openAI struct {
	w        http.ResponseWriter
	deepseek bool
}

type chatRequest struct {
	Model               string
	Messages            []json.RawMessage
	Stream              bool
	StreamOptions       json.RawMessage `json:"stream_options"`
	MaxTokens           *int64          `json:"max_tokens"`
	MaxCompletionTokens *int64          `json:"max_completion_tokens"`
	Temperature         *float64
	TopP                *float64 `json:"top_p"`
	N                   *int
	Stop                json.RawMessage
	Tools               []json.RawMessage
	ToolChoice          json.RawMessage `json:"tool_choice"`
	ParallelToolCalls   *bool           `json:"parallel_tool_calls"`
	ResponseFormat      json.RawMessage `json:"response_format"`
	ReasoningEffort     string          `json:"reasoning_effort"`
	Verbosity           string
	User                string
	Metadata            json.RawMessage
	Store               *bool
	Seed                *int64
	PromptCacheKey      string          `json:"prompt_cache_key"`
	SafetyIdentifier    string          `json:"safety_identifier"`
	ServiceTier         string          `json:"service_tier"`
	FrequencyPenalty    *float64        `json:"frequency_penalty"`
	PresencePenalty     *float64        `json:"presence_penalty"`
	LogitBias           json.RawMessage `json:"logit_bias"`
	Logprobs            *bool
	TopLogprobs         *int            `json:"top_logprobs"`
	Thinking            json.RawMessage // DeepSeek's alone
}

type chatTurn struct {
	Role             string
	Content          json.RawMessage
	Name             string
	Refusal, Parsed  json.RawMessage
	Annotations      json.RawMessage
	Audio            json.RawMessage
	FunctionCall     json.RawMessage `json:"function_call"`
	ToolCallID       *string         `json:"tool_call_id"`
	ReasoningContent *string         `json:"reasoning_content"` // DeepSeek's alone
	ToolCalls        *[]struct {
		ID       string
		Type     string
		Index    *int
		Function struct {
			Name      string
			Arguments *string
			Parsed    json.RawMessage `json:"parsed_arguments"` // what its own SDK sends back
		}
	} `json:"tool_calls"`
}

func (o *openAI) read(r *http.Request, body []byte) (*ask, *refusal) {
	if r.Header.Get("Authorization") != "Bearer sk-vendor-openai-secret" {
		return nil, &refusal{status: 401, typ: "invalid_request_error", code: "invalid_api_key", words: "Incorrect API key provided"}
	}
	var q chatRequest
	if err := strict(body, &q); err != nil {
		return nil, refuse("Unrecognized request argument supplied: %v", err)
	}
	a := &ask{model: q.Model, stream: q.Stream, thinks: o.deepseek, choice: "auto", maxTokens: 16384}
	if bad := o.readParams(&q, a); bad != nil {
		return nil, bad
	}
	if bad := o.readTools(&q, a); bad != nil {
		return nil, bad
	}
	return a, o.readTurns(&q, a)
}

func (o *openAI) readParams(q *chatRequest, a *ask) *refusal {
	reasons := strings.HasPrefix(q.Model, "gpt-5")
	switch {
	case q.Model == "":
		return refuse("you must provide a model parameter")
	case len(q.Messages) == 0:
		return refuse("[] is too short - 'messages'")
	case q.MaxTokens != nil && q.MaxCompletionTokens != nil:
		return refuse("Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.")
	case q.MaxTokens != nil && reasons:
		return refuse("Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.")
	case q.MaxCompletionTokens != nil && o.deepseek:
		return refuse("max_completion_tokens is unknown here")
	case q.Temperature != nil && (*q.Temperature < 0 || *q.Temperature > 2 || reasons && *q.Temperature != 1):
		return refuse("Unsupported value: 'temperature' does not support %v with this model.", *q.Temperature)
	case q.ReasoningEffort != "" && !reasons && !o.deepseek:
		return refuse("Unrecognized request argument supplied: reasoning_effort")
	case q.Thinking != nil && !o.deepseek:
		return refuse("Unrecognized request argument supplied: thinking")
	case q.StreamOptions != nil && !q.Stream:
		return refuse("The 'stream_options' parameter is only allowed when 'stream' is enabled.")
	}
	if q.StreamOptions != nil {
		var so struct {
			Usage       bool  `json:"include_usage"`
			Obfuscation *bool `json:"include_obfuscation"`
		}
		if err := strict(q.StreamOptions, &so); err != nil {
			return refuse("stream_options: %v", err)
		}
		a.usage = so.Usage
	}
	for _, n := range []*int64{q.MaxTokens, q.MaxCompletionTokens} {
		if n != nil {
			if a.maxTokens = *n; *n < 1 {
				return refuse("Invalid 'max_tokens': integer below minimum value.")
			}
		}
	}
	if len(q.Stop) > 0 {
		var one string
		if json.Unmarshal(q.Stop, &one) == nil {
			a.stop = []string{one}
		} else if json.Unmarshal(q.Stop, &a.stop) != nil || len(a.stop) > 4 {
			return refuse("Invalid type for 'stop': %s", q.Stop)
		}
	}
	if q.ResponseFormat == nil {
		return nil
	}
	var f struct {
		Type   string
		Schema *struct {
			Name, Description string
			Strict            *bool
			Schema            json.RawMessage
		} `json:"json_schema"`
	}
	switch err := strict(q.ResponseFormat, &f); {
	case err != nil || f.Type != "text" && f.Type != "json_object" && f.Type != "json_schema":
		return refuse("Invalid 'response_format': %s", q.ResponseFormat)
	case f.Type != "json_schema":
		return nil
	case f.Schema == nil || !toolName.MatchString(f.Schema.Name):
		return refuse("Missing required parameter: 'response_format.json_schema.name'.")
	case f.Schema.Strict != nil && *f.Schema.Strict && !closed(f.Schema.Schema):
		return refuse("Invalid schema for response_format: 'additionalProperties' is required to be supplied and to be false.")
	}
	a.schema = f.Schema.Schema
	return nil
}

func (o *openAI) readTools(q *chatRequest, a *ask) *refusal {
	if q.Tools != nil && len(q.Tools) == 0 {
		return refuse("[] is too short - 'tools'")
	}
	for i, raw := range q.Tools {
		var t struct {
			Type     string
			Function struct {
				Name, Description string
				Parameters        json.RawMessage
				Strict            *bool
			}
		}
		if err := strict(raw, &t); err != nil {
			return refuse("tools[%d]: %v", i, err)
		}
		var schema struct{ Type string }
		switch {
		case t.Type != "function" || !toolName.MatchString(t.Function.Name):
			return refuse("Invalid 'tools[%d].function.name': %s", i, raw)
		case len(t.Function.Parameters) > 0 && (json.Unmarshal(t.Function.Parameters, &schema) != nil || schema.Type != "object"):
			return refuse("Invalid schema for function '%s': schema must be of type \"object\"", t.Function.Name)
		case t.Function.Strict != nil && *t.Function.Strict && !closed(t.Function.Parameters):
			return refuse("Invalid schema for function '%s': 'additionalProperties' is required to be supplied and to be false.", t.Function.Name)
		}
		a.tools = append(a.tools, t.Function.Name)
	}
	if len(q.Tools) == 0 && (q.ToolChoice != nil || q.ParallelToolCalls != nil) {
		return refuse("'tool_choice' and 'parallel_tool_calls' are only allowed when 'tools' are specified.")
	}
	a.serial = q.ParallelToolCalls != nil && !*q.ParallelToolCalls
	if q.ToolChoice == nil || json.Unmarshal(q.ToolChoice, &a.choice) == nil {
		if !slices.Contains([]string{"auto", "none", "required"}, a.choice) {
			return refuse("Invalid value: '%s' for 'tool_choice'", a.choice)
		}
		return nil
	}
	var named struct {
		Type     string
		Function struct{ Name string }
	}
	if err := strict(q.ToolChoice, &named); err != nil || named.Type != "function" || !slices.Contains(a.tools, named.Function.Name) {
		return refuse("Tool choice %s not found in 'tools' parameter.", q.ToolChoice)
	}
	a.choice = named.Function.Name
	return nil
}

func (o *openAI) readTurns(q *chatRequest, a *ask) *refusal {
	open := map[string]bool{} // calls without a result yet
	var order []string
	lastUser := 0
	turns := make([]chatTurn, len(q.Messages))
	for i, raw := range q.Messages {
		if err := strict(raw, &turns[i]); err != nil {
			return refuse("Additional properties are not allowed - 'messages.%d': %v", i, err)
		}
		if turns[i].Role == "user" {
			lastUser = i
		}
	}
	for i := range turns {
		m := &turns[i]
		if len(open) > 0 && m.Role != "tool" {
			return refuse("An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. The following tool_call_ids did not have response messages: %v", order)
		}
		text, media, bad := o.content(m, i)
		if bad != nil {
			return bad
		}
		if m.ReasoningContent != nil && (!o.deepseek || m.Role != "assistant") {
			return refuse("Additional properties are not allowed ('reasoning_content' was unexpected) - 'messages.%d'", i)
		}
		switch m.Role {
		case "system", "developer":
			a.system = strings.TrimPrefix(a.system+"\n"+text, "\n")
		case "user":
			a.turns = append(a.turns, said{role: "user", text: text, media: media})
		case "assistant":
			t := said{role: "assistant", text: text}
			if m.ToolCalls != nil {
				if len(*m.ToolCalls) == 0 {
					return refuse("[] is too short - 'messages.%d.tool_calls'", i)
				}
				if o.deepseek && i > lastUser && (m.ReasoningContent == nil || *m.ReasoningContent == "") {
					return refuse("Missing `reasoning_content` field in the assistant message at message index %d", i)
				}
			} else if m.Content == nil || string(m.Content) == "null" {
				return refuse("Invalid value for 'content': expected a string, got null - 'messages.%d'", i)
			}
			if m.ToolCalls != nil {
				for _, c := range *m.ToolCalls {
					if c.ID == "" || len(c.ID) > 40 || open[c.ID] || c.Type != "function" || !toolName.MatchString(c.Function.Name) || c.Function.Arguments == nil || !json.Valid([]byte(*c.Function.Arguments)) {
						return refuse("Invalid 'messages[%d].tool_calls': %+v", i, c)
					}
					open[c.ID] = true
					order = append(order, c.ID)
					t.calls = append(t.calls, toolCall{c.ID, c.Function.Name, *c.Function.Arguments})
				}
			}
			a.turns = append(a.turns, t)
		case "tool":
			if m.ToolCallID == nil || !open[*m.ToolCallID] {
				return refuse("messages with role 'tool' must be a response to a preceeding message with 'tool_calls' - 'messages.%d'", i)
			}
			delete(open, *m.ToolCallID)
			a.turns = append(a.turns, said{role: "tool", results: []toolResult{{*m.ToolCallID, text}}})
		default:
			return refuse("Invalid value: '%s'. Supported values are: 'system', 'assistant', 'user', 'function', 'tool', and 'developer'. - 'messages[%d].role'", m.Role, i)
		}
	}
	if len(open) > 0 {
		return refuse("An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id': %v", order)
	}
	return nil
}

func (o *openAI) content(m *chatTurn, i int) (text string, media []string, bad *refusal) {
	if m.Content == nil || string(m.Content) == "null" {
		if m.Role != "assistant" {
			return "", nil, refuse("Invalid type for 'messages[%d].content': expected one of a string or array of objects, but got null instead.", i)
		}
		return "", nil, nil
	}
	if json.Unmarshal(m.Content, &text) == nil {
		return text, nil, nil
	}
	var parts []json.RawMessage
	if json.Unmarshal(m.Content, &parts) != nil || len(parts) == 0 {
		return "", nil, refuse("Invalid type for 'messages[%d].content'", i)
	}
	for _, raw := range parts {
		var p struct {
			Type, Text string
			ImageURL   *struct{ URL, Detail string } `json:"image_url"`
			Breakpoint json.RawMessage               `json:"prompt_cache_breakpoint"`
		}
		if err := strict(raw, &p); err != nil {
			return "", nil, refuse("messages[%d].content: %v", i, err)
		}
		switch {
		case p.Type == "text":
			text += p.Text
		case p.Type == "image_url" && m.Role == "user" && p.ImageURL != nil:
			kind, data, ok := strings.Cut(strings.TrimPrefix(p.ImageURL.URL, "data:"), ";base64,")
			b, err := base64.StdEncoding.DecodeString(data)
			if !ok || err != nil {
				return "", nil, refuse("Invalid image URL: %.60s", p.ImageURL.URL)
			}
			media = append(media, fmt.Sprintf("%s %d", kind, len(b)))
		default:
			return "", nil, refuse("Invalid value: '%s' in 'messages[%d].content' of role %s", p.Type, i, m.Role)
		}
	}
	return text, media, nil
}
