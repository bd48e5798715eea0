package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

const chatPath = "/v1/chat/completions"

// A ChatRequest is a call of /v1/chat/completions.
type ChatRequest struct {
	Model           string          `json:"model"`
	Messages        []ChatMessage   `json:"messages"`
	Provider        string          `json:"provider,omitempty"`  // the gateway's own: provider or account
	Fallbacks       []string        `json:"fallbacks,omitempty"` // the gateway's own: "provider/model", …
	MaxTokens       int             `json:"max_tokens,omitempty"`
	Temperature     *float64        `json:"temperature,omitempty"`
	TopP            *float64        `json:"top_p,omitempty"`
	Stop            []string        `json:"stop,omitempty"`
	Tools           json.RawMessage `json:"tools,omitempty"`
	ToolChoice      json.RawMessage `json:"tool_choice,omitempty"`
	ResponseFormat  json.RawMessage `json:"response_format,omitempty"`
	ReasoningEffort string          `json:"reasoning_effort,omitempty"`
	User            string          `json:"user,omitempty"`
	// Extra are further members, by name; they do not replace the ones above.
	Extra map[string]json.RawMessage `json:"-"`
}

// wireRequest is a ChatRequest with what the way of calling decides.
type wireRequest struct {
	ChatRequest
	Stream        bool           `json:"stream,omitempty"`
	StreamOptions *streamOptions `json:"stream_options,omitempty"`
}

type streamOptions struct {
	IncludeUsage bool `json:"include_usage"`
}

// encode writes the request with its extra members.
func (r wireRequest) encode() (json.RawMessage, error) {
	b, err := json.Marshal(r)
	if err != nil || len(r.Extra) == 0 {
		return b, err
	}
	all := map[string]json.RawMessage{}
	for name, v := range r.Extra {
		all[name] = v
	}
	if err := json.Unmarshal(b, &all); err != nil {
		return nil, err
	}
	return json.Marshal(all)
}

// A ChatMessage is one message. Content is its text; Parts, if set, are sent instead.
type ChatMessage struct {
	Role       string
	Content    string
	Parts      []ChatPart
	Name       string
	Reasoning  string // reasoning_content
	Refusal    string
	ToolCalls  []ToolCall
	ToolCallID string
}

// A ChatPart is one part of a message that is more than text.
type ChatPart struct {
	Type     string    `json:"type"` // "text", "image_url", "file", "input_audio"
	Text     string    `json:"text,omitempty"`
	ImageURL *ImageURL `json:"image_url,omitempty"`
	File     *FilePart `json:"file,omitempty"`
}

// An ImageURL is an image by URL or "data:" URL.
type ImageURL struct {
	URL    string `json:"url"`
	Detail string `json:"detail,omitempty"`
}

// A FilePart is a file; FileData is a "data:" URL.
type FilePart struct {
	Filename string `json:"filename,omitempty"`
	FileData string `json:"file_data,omitempty"`
}

// A ToolCall is a call of a function that the model asks for. Arguments are JSON
// text, as the model wrote it.
type ToolCall struct {
	Index     int
	ID        string
	Name      string
	Arguments string
}

type wireToolCall struct {
	Index    int    `json:"index,omitempty"`
	ID       string `json:"id,omitempty"`
	Type     string `json:"type,omitempty"`
	Function struct {
		Name      string `json:"name,omitempty"`
		Arguments string `json:"arguments"`
	} `json:"function"`
}

// wireMessage is a message as it stands in JSON: also a delta of one.
type wireMessage struct {
	Role       string          `json:"role,omitempty"`
	Content    json.RawMessage `json:"content"`
	Name       string          `json:"name,omitempty"`
	Reasoning  string          `json:"reasoning_content,omitempty"`
	Reasoning2 string          `json:"reasoning,omitempty"` // as some upstreams name it; read only
	Refusal    string          `json:"refusal,omitempty"`
	ToolCalls  []wireToolCall  `json:"tool_calls,omitempty"`
	ToolCallID string          `json:"tool_call_id,omitempty"`
}

// MarshalJSON writes the message in OpenAI's form.
func (m ChatMessage) MarshalJSON() ([]byte, error) {
	w := wireMessage{Role: m.Role, Name: m.Name, Reasoning: m.Reasoning, Refusal: m.Refusal, ToolCallID: m.ToolCallID}
	var err error
	switch {
	case m.Parts != nil:
		w.Content, err = json.Marshal(m.Parts)
	case m.Content == "" && len(m.ToolCalls) > 0:
		w.Content = json.RawMessage("null")
	default:
		w.Content, err = json.Marshal(m.Content)
	}
	if err != nil {
		return nil, err
	}
	for _, t := range m.ToolCalls {
		c := wireToolCall{ID: t.ID, Type: "function"}
		c.Function.Name, c.Function.Arguments = t.Name, t.Arguments
		w.ToolCalls = append(w.ToolCalls, c)
	}
	return json.Marshal(w)
}

// UnmarshalJSON reads a message in OpenAI's form. Content given in parts is read
// into Parts, and their text into Content.
func (m *ChatMessage) UnmarshalJSON(data []byte) error {
	var w wireMessage
	if err := json.Unmarshal(data, &w); err != nil {
		return err
	}
	*m = ChatMessage{Role: w.Role, Name: w.Name, Reasoning: w.Reasoning + w.Reasoning2, Refusal: w.Refusal, ToolCallID: w.ToolCallID}
	for i, t := range w.ToolCalls {
		m.ToolCalls = append(m.ToolCalls, ToolCall{Index: i, ID: t.ID, Name: t.Function.Name, Arguments: t.Function.Arguments})
	}
	var err error
	m.Content, m.Parts, err = readContent(w.Content)
	return err
}

func readContent(raw json.RawMessage) (text string, parts []ChatPart, err error) {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 {
		return "", nil, nil
	}
	if raw[0] != '[' {
		err = json.Unmarshal(raw, &text) // null leaves it empty
		return text, nil, err
	}
	if err = json.Unmarshal(raw, &parts); err != nil {
		return "", nil, err
	}
	for _, p := range parts {
		text += p.Text
	}
	return text, parts, nil
}

// ChatUsage is what one call used. PromptTokens include cached ones,
// CompletionTokens include reasoning.
type ChatUsage struct {
	PromptTokens     int64
	CompletionTokens int64
	CachedTokens     int64
	ReasoningTokens  int64
}

// UnmarshalJSON reads OpenAI's usage object.
func (u *ChatUsage) UnmarshalJSON(data []byte) error {
	var w struct {
		Prompt     int64 `json:"prompt_tokens"`
		Completion int64 `json:"completion_tokens"`
		PromptMore struct {
			Cached int64 `json:"cached_tokens"`
		} `json:"prompt_tokens_details"`
		CompletionMore struct {
			Reasoning int64 `json:"reasoning_tokens"`
		} `json:"completion_tokens_details"`
	}
	if err := json.Unmarshal(data, &w); err != nil {
		return err
	}
	*u = ChatUsage{w.Prompt, w.Completion, w.PromptMore.Cached, w.CompletionMore.Reasoning}
	return nil
}

// A Gateway is what the gateway says of a call in its headers. Members it did
// not tell are zero; streams tell less, the request's log row holds the rest.
type Gateway struct {
	RequestID  string
	Provider   string
	Account    string
	Model      string // the upstream's
	Attempts   int
	OverheadUs int64
	CostUSD    *USD
	Dropped    string // members of the request that could not be passed on
}

func gatewayOf(h http.Header) Gateway {
	g := Gateway{RequestID: h.Get("X-Request-Id"), Provider: h.Get("X-Gateway-Provider"), Account: h.Get("X-Gateway-Account"),
		Model: h.Get("X-Gateway-Model"), Dropped: h.Get("X-Gateway-Dropped-Params")}
	g.Attempts, _ = strconv.Atoi(h.Get("X-Gateway-Attempts"))
	g.OverheadUs, _ = strconv.ParseInt(h.Get("X-Gateway-Overhead-Us"), 10, 64)
	if cost, err := ParseUSD(strings.TrimSpace(h.Get("X-Gateway-Cost-Usd"))); err == nil {
		g.CostUSD = &cost
	}
	return g
}

// A ChatReply is a whole answer: of a buffered call, or gathered from a stream.
type ChatReply struct {
	ID           string
	Model        string
	Message      ChatMessage
	FinishReason string
	Usage        *ChatUsage // nil: not told
	Gateway      Gateway
}

// Chat makes one buffered call.
func (c *Client) Chat(ctx context.Context, r ChatRequest) (*ChatReply, error) {
	body, err := wireRequest{ChatRequest: r}.encode()
	if err != nil {
		return nil, fmt.Errorf("cannot encode the request: %w", err)
	}
	var w struct {
		ID      string `json:"id"`
		Model   string `json:"model"`
		Choices []struct {
			Message ChatMessage `json:"message"`
			Finish  string      `json:"finish_reason"`
		} `json:"choices"`
		Usage *ChatUsage `json:"usage"`
	}
	head, err := c.answer(ctx, "POST", chatPath, nil, body, &w)
	if err != nil {
		return nil, err
	}
	if len(w.Choices) == 0 {
		return nil, errors.New("the answer holds no choice; is this the gateway's address?")
	}
	return &ChatReply{ID: w.ID, Model: w.Model, Message: w.Choices[0].Message, FinishReason: w.Choices[0].Finish,
		Usage: w.Usage, Gateway: gatewayOf(head)}, nil
}
