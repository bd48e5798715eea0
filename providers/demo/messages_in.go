package demo

import (
	"encoding/json"
	"fmt"

	"github.com/your-org/ai-api-gateway/providers/wire"
)

type messagesRequest struct {
	Model     string          `json:"model"`
	System    json.RawMessage `json:"system"`
	Messages  []messagesTurn  `json:"messages"`
	MaxTokens *int            `json:"max_tokens"`
	Stream    bool            `json:"stream"`
	Stop      []string        `json:"stop_sequences"`
	Tools     []struct {
		Name        string          `json:"name"`
		Description string          `json:"description"`
		InputSchema json.RawMessage `json:"input_schema"`
	} `json:"tools"`
	ToolChoice struct {
		Type string `json:"type"`
		Name string `json:"name"`
	} `json:"tool_choice"`
	OutputConfig struct {
		Format struct {
			Type   string          `json:"type"`
			Schema json.RawMessage `json:"schema"`
		} `json:"format"`
	} `json:"output_config"`
}

type messagesTurn struct {
	Role    string          `json:"role"`
	Content json.RawMessage `json:"content"`
}

type messagesBlock struct {
	Type      string          `json:"type"`
	Text      string          `json:"text"`
	ID        string          `json:"id"`
	Name      string          `json:"name"`
	ToolUseID string          `json:"tool_use_id"`
	Content   json.RawMessage `json:"content"`
}

// decodeMessages reads an Anthropic request. counting: for count_tokens, which needs no max_tokens.
func decodeMessages(body []byte, counting bool) (*ask, *refusal) {
	var q messagesRequest
	if r := decode(body, &q); r != nil {
		return nil, r
	}
	switch {
	case q.Model == "":
		return nil, invalid("model", "model: Field required")
	case len(q.Messages) == 0:
		return nil, invalid("messages", "messages: at least one message is required")
	case q.MaxTokens == nil && !counting:
		return nil, invalid("max_tokens", "max_tokens: Field required")
	case q.MaxTokens != nil && *q.MaxTokens < 0:
		return nil, invalid("max_tokens", "max_tokens: Input should be greater than or equal to 0")
	}
	a := &ask{model: q.Model, stream: q.Stream, usage: true, stop: q.Stop, max: -1}
	if q.MaxTokens != nil {
		a.max = *q.MaxTokens
	}
	system, r := blocksOf("system", q.System)
	if r != nil {
		return nil, r
	}
	for _, b := range system {
		a.system += b.Text
	}
	for i, m := range q.Messages {
		if r := a.addMessages(i, m); r != nil {
			return nil, r
		}
	}
	for _, t := range q.Tools {
		if len(t.InputSchema) > 0 {
			a.tools = append(a.tools, tool{t.Name, t.Description, t.InputSchema})
		}
	}
	switch c := q.ToolChoice; c.Type {
	case "any":
		a.choice = "required"
	case "tool":
		a.choice = "=" + c.Name
	default:
		a.choice = c.Type
	}
	if f := q.OutputConfig.Format; f.Type == "json_schema" {
		a.format, a.schema = f.Type, f.Schema
	}
	return a, nil
}

func (a *ask) addMessages(i int, m messagesTurn) *refusal {
	if m.Role != "user" && m.Role != "assistant" && m.Role != "system" {
		return invalid("messages", fmt.Sprintf("messages.%d.role: Input should be 'user', 'assistant' or 'system'", i))
	}
	name := fmt.Sprintf("messages.%d.content", i)
	blocks, r := blocksOf(name, m.Content)
	if r != nil {
		return r
	}
	t := turn{role: m.Role, calls: map[string]string{}}
	for k, b := range blocks {
		switch b.Type {
		case "text":
			t.text += b.Text
		case "image":
			t.images++
		case "tool_use":
			t.calls[b.ID] = b.Name
		case "tool_result":
			if a.toolNamed(b.ToolUseID) == "" {
				return invalid("messages", fmt.Sprintf("%s.%d: unexpected `tool_use_id` found in `tool_result` blocks: %s. Each `tool_result` block must have a corresponding `tool_use` block in the previous message.", name, k, b.ToolUseID))
			}
			inner, r := blocksOf(name, b.Content)
			if r != nil {
				return r
			}
			text := ""
			for _, p := range inner {
				text += p.Text
			}
			t.results = append(t.results, result{b.ToolUseID, text})
		}
	}
	a.turns = append(a.turns, t)
	return nil
}

// blocksOf reads content that is a string or a list of blocks.
func blocksOf(name string, raw json.RawMessage) ([]messagesBlock, *refusal) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	var text string
	if wire.Unmarshal(raw, &text) == nil {
		return []messagesBlock{{Type: "text", Text: text}}, nil
	}
	var blocks []messagesBlock
	if err := wire.Unmarshal(raw, &blocks); err != nil {
		return nil, invalid("messages", name+": Input should be a valid string or list")
	}
	return blocks, nil
}
