package demo

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/your-org/ai-api-gateway/providers/wire"
)

type chatRequest struct {
	Model               string          `json:"model"`
	Messages            []chatMessage   `json:"messages"`
	Stream              bool            `json:"stream"`
	StreamOptions       *streamOptions  `json:"stream_options"`
	MaxTokens           *int            `json:"max_tokens"`
	MaxCompletionTokens *int            `json:"max_completion_tokens"`
	Stop                json.RawMessage `json:"stop"`
	Tools               []chatTool      `json:"tools"`
	ToolChoice          json.RawMessage `json:"tool_choice"`
	ResponseFormat      *responseFormat `json:"response_format"`
}

type streamOptions struct {
	IncludeUsage bool `json:"include_usage"`
}

type chatMessage struct {
	Role       string          `json:"role"`
	Content    json.RawMessage `json:"content"`
	ToolCallID string          `json:"tool_call_id"`
	ToolCalls  []struct {
		ID       string `json:"id"`
		Function struct {
			Name string `json:"name"`
		} `json:"function"`
	} `json:"tool_calls"`
}

type chatTool struct {
	Type     string       `json:"type"`
	Function chatFunction `json:"function"`
}

type chatFunction struct {
	Name        string          `json:"name"`
	Description string          `json:"description"`
	Parameters  json.RawMessage `json:"parameters"`
}

type responseFormat struct {
	Type       string `json:"type"`
	JSONSchema struct {
		Schema json.RawMessage `json:"schema"`
	} `json:"json_schema"`
}

func decodeChat(body []byte) (*ask, *refusal) {
	var q chatRequest
	if r := decode(body, &q); r != nil {
		return nil, r
	}
	if q.Model == "" {
		return nil, invalid("model", "you must provide a model parameter")
	}
	if len(q.Messages) == 0 {
		return nil, invalid("messages", "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.")
	}
	a := &ask{model: q.Model, stream: q.Stream, max: -1}
	a.usage = q.StreamOptions != nil && q.StreamOptions.IncludeUsage
	for _, n := range []*int{q.MaxTokens, q.MaxCompletionTokens} {
		if n == nil {
			continue
		}
		if *n < 1 {
			return nil, invalid("max_tokens", fmt.Sprintf("Invalid 'max_tokens': integer below minimum value. Expected a value >= 1, but got %d instead.", *n))
		}
		a.max = *n
	}
	var ok bool
	if a.stop, ok = strings1(q.Stop); !ok {
		return nil, invalid("stop", "Invalid type for 'stop': expected a string or an array of strings.")
	}
	for i, m := range q.Messages {
		if r := a.addChat(i, m); r != nil {
			return nil, r
		}
	}
	for _, t := range q.Tools {
		if t.Function.Name != "" {
			a.tools = append(a.tools, tool{t.Function.Name, t.Function.Description, t.Function.Parameters})
		}
	}
	a.choice = chatChoice(q.ToolChoice)
	if f := q.ResponseFormat; f != nil && f.Type != "text" {
		a.format, a.schema = f.Type, f.JSONSchema.Schema
	}
	return a, nil
}

func (a *ask) addChat(i int, m chatMessage) *refusal {
	t := turn{role: m.Role}
	var parts []struct {
		Type    string `json:"type"`
		Text    string `json:"text"`
		Refusal string `json:"refusal"`
	}
	switch {
	case len(m.Content) == 0 || string(m.Content) == "null":
	case wire.Unmarshal(m.Content, &t.text) == nil:
	case wire.Unmarshal(m.Content, &parts) == nil:
		t.text = ""
		for _, p := range parts {
			t.text += p.Text + p.Refusal
			if p.Type == "image_url" {
				t.images++
			}
		}
	default:
		return invalid(fmt.Sprintf("messages[%d].content", i), fmt.Sprintf("Invalid type for 'messages[%d].content': expected a string or an array of objects.", i))
	}
	switch m.Role {
	case "system", "developer":
		if len(a.turns) == 0 {
			a.system = strings.TrimPrefix(a.system+"\n"+t.text, "\n")
			return nil
		}
	case "user":
	case "assistant":
		t.calls = map[string]string{}
		for _, c := range m.ToolCalls {
			t.calls[c.ID] = c.Function.Name
		}
	case "tool", "function":
		if m.Role == "tool" && a.toolNamed(m.ToolCallID) == "" {
			return invalid(fmt.Sprintf("messages[%d].role", i), "Invalid parameter: messages with role 'tool' must be a response to a preceding message with 'tool_calls'.")
		}
		t.results, t.text = []result{{m.ToolCallID, t.text}}, ""
	default:
		return invalid(fmt.Sprintf("messages[%d].role", i), fmt.Sprintf("Invalid value: %q. Supported values are: 'system', 'assistant', 'user', 'function', 'tool', and 'developer'.", m.Role))
	}
	a.turns = append(a.turns, t)
	return nil
}

// chatChoice reads tool_choice: a word, or an object that names a function.
func chatChoice(raw json.RawMessage) string {
	var word string
	if wire.Unmarshal(raw, &word) == nil {
		return word
	}
	var named struct {
		Function struct {
			Name string `json:"name"`
		} `json:"function"`
	}
	if wire.Unmarshal(raw, &named) == nil && named.Function.Name != "" {
		return "=" + named.Function.Name
	}
	return ""
}
