package main_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// anthropic is Anthropic's messages format.
type anthropic struct {
	w      http.ResponseWriter
	count  bool
	recent bool // a model that thinks adaptively alone and takes no sampling
}

type messagesRequest struct {
	Model         string
	Messages      []json.RawMessage
	MaxTokens     *int64 `json:"max_tokens"`
	System        json.RawMessage
	Stream        bool
	Temperature   *float64
	TopP          *float64 `json:"top_p"`
	TopK          *int64   `json:"top_k"`
	StopSequences []string `json:"stop_sequences"`
	Tools         []json.RawMessage
	ToolChoice    json.RawMessage `json:"tool_choice"`
	Thinking      json.RawMessage
	Metadata      json.RawMessage
	OutputConfig  json.RawMessage `json:"output_config"`
	CacheControl  json.RawMessage `json:"cache_control"`
	ServiceTier   string          `json:"service_tier"`
	ContextMgmt   json.RawMessage `json:"context_management"`
}

// A contentBlock has the members of all blocks a request may hold.
type contentBlock struct {
	Type         string
	Text         *string
	CacheControl json.RawMessage `json:"cache_control"`
	Citations    json.RawMessage
	ID, Name     string
	Input        json.RawMessage
	Caller       json.RawMessage
	ToolUseID    string `json:"tool_use_id"`
	Content      json.RawMessage
	IsError      *bool `json:"is_error"`
	Thinking     *string
	Signature    *string
	Data         string
	Source       *struct {
		Type      string
		MediaType string `json:"media_type"`
		Data, URL string
	}
}

type messagesTurn struct {
	role   string
	blocks []contentBlock
}

var toolUseID = regexp.MustCompile(`^[a-zA-Z0-9_-]+$`)

func (p *anthropic) read(r *http.Request, body []byte) (*ask, *refusal) {
	p.count = strings.HasSuffix(r.URL.Path, "/count_tokens")
	if r.Header.Get("x-api-key") != "sk-vendor-anthropic-secret" {
		return nil, &refusal{status: 401, typ: "authentication_error", words: "invalid x-api-key"}
	}
	version := r.Header.Get("anthropic-version")
	if version != "2023-06-01" && version != "2026-10-21" {
		return nil, refuse("anthropic-version: header is required")
	}
	var q messagesRequest
	if err := strict(body, &q); err != nil {
		return nil, refuse("%v: Extra inputs are not permitted", err)
	}
	a := &ask{model: q.Model, stream: q.Stream, choice: "auto", stop: q.StopSequences}
	p.recent = strings.Contains(q.Model, "opus-4-8")
	if version == "2026-10-21" && (q.Temperature != nil || q.TopP != nil || q.TopK != nil) {
		return nil, refuse("temperature, top_p, top_k: Extra inputs are not permitted") // gone with this version
	}
	if bad := p.readParams(&q, a, r.Header.Get("anthropic-beta")); bad != nil {
		return nil, bad
	}
	if bad := p.readTools(&q, a); bad != nil {
		return nil, bad
	}
	turns, bad := p.readTurns(&q, a)
	if bad != nil {
		return nil, bad
	}
	if a.thinks {
		bad = p.checkThinking(turns)
	}
	return a, bad
}

func (p *anthropic) readParams(q *messagesRequest, a *ask, betas string) *refusal {
	most := int64(128000)
	if q.Model == "claude-sonnet-4-5" {
		most = 64000
	}
	switch {
	case q.Model == "":
		return refuse("model: Field required")
	case q.MaxTokens == nil && !p.count:
		return refuse("max_tokens: Field required")
	case q.MaxTokens != nil && (*q.MaxTokens < 1 || *q.MaxTokens > most):
		return refuse("max_tokens: %d > %d, which is the maximum allowed number of output tokens for %s", *q.MaxTokens, most, q.Model)
	case q.Temperature != nil && (*q.Temperature < 0 || *q.Temperature > 1):
		return refuse("temperature: range: 0..1")
	case q.ContextMgmt != nil && !strings.Contains(betas, "context-management"):
		return refuse("context_management: Extra inputs are not permitted")
	case p.recent && (q.Temperature != nil && *q.Temperature != 1 || q.TopP != nil && *q.TopP < 0.99 || q.TopK != nil):
		return refuse("`temperature`, `top_p` and `top_k` are not supported for this model.")
	case q.Temperature != nil && q.TopP != nil:
		return refuse("`temperature` and `top_p` cannot both be specified for this model. Please use only one.")
	}
	if q.MaxTokens != nil {
		a.maxTokens = *q.MaxTokens
	}
	for _, s := range q.StopSequences {
		if strings.TrimSpace(s) == "" {
			return refuse("stop_sequences: each stop sequence must contain non-whitespace")
		}
	}
	if bad := p.readThinking(q, a); bad != nil || q.OutputConfig == nil {
		return bad
	}
	var c struct {
		Effort string
		Format *struct {
			Type   string
			Schema json.RawMessage
		}
	}
	if err := strict(q.OutputConfig, &c); err != nil {
		return refuse("output_config.%v: Extra inputs are not permitted", err)
	}
	if c.Effort != "" && !(p.recent && slices.Contains([]string{"low", "medium", "high", "xhigh", "max"}, c.Effort)) {
		return refuse("This model does not support the effort parameter.")
	}
	if c.Format != nil {
		if c.Format.Type != "json_schema" || !closed(c.Format.Schema) {
			return refuse("output_config.format.schema: For 'object' type, 'additionalProperties' must be explicitly set to false")
		}
		a.schema = c.Format.Schema
	}
	return nil
}

func (p *anthropic) readThinking(q *messagesRequest, a *ask) *refusal {
	if q.Thinking == nil {
		return nil
	}
	var t struct {
		Type    string
		Budget  *int64 `json:"budget_tokens"`
		Display string
	}
	if err := strict(q.Thinking, &t); err != nil {
		return refuse("thinking: %v", err)
	}
	switch {
	case t.Type == "disabled" && !p.recent:
		return nil
	case t.Type == "adaptive" && p.recent && t.Budget == nil:
		a.thinks = true
		return nil
	case t.Type != "enabled" || p.recent || t.Display != "":
		return refuse("thinking: %s is not supported on this model", q.Thinking)
	}
	a.thinks = true
	switch {
	case t.Budget == nil || *t.Budget < 1024:
		return refuse("thinking.enabled.budget_tokens: Input should be greater than or equal to 1024")
	case !p.count && *t.Budget >= *q.MaxTokens:
		return refuse("`max_tokens` must be greater than `thinking.budget_tokens`.")
	case q.Temperature != nil && *q.Temperature != 1:
		return refuse("`temperature` may only be set to 1 when thinking is enabled.")
	case q.TopK != nil:
		return refuse("`top_k` must be unset when thinking is enabled.")
	}
	return nil
}

func (p *anthropic) readTools(q *messagesRequest, a *ask) *refusal {
	for i, raw := range q.Tools {
		var t struct {
			Type, Name, Description string
			InputSchema             json.RawMessage `json:"input_schema"`
			CacheControl            json.RawMessage `json:"cache_control"`
			Strict                  *bool           `json:"strict"`
			Eager                   *bool           `json:"eager_input_streaming"`
		}
		if err := strict(raw, &t); err != nil {
			return refuse("tools.%d.custom.%v: Extra inputs are not permitted", i, err)
		}
		var schema struct{ Type string }
		switch {
		case t.Type != "" && t.Type != "custom" || !toolName.MatchString(t.Name) || slices.Contains(a.tools, t.Name):
			return refuse("tools.%d: Tool names must be unique and match %s: %s", i, toolName, raw)
		case json.Unmarshal(t.InputSchema, &schema) != nil || schema.Type != "object":
			return refuse("tools.%d.custom.input_schema.type: Field required", i)
		case t.Strict != nil && *t.Strict && !closed(t.InputSchema):
			return refuse("tools.%d.custom: For 'object' type, 'additionalProperties' must be explicitly set to false", i)
		}
		a.tools = append(a.tools, t.Name)
	}
	if q.ToolChoice == nil {
		return nil
	}
	var c struct {
		Type, Name string
		Serial     *bool `json:"disable_parallel_tool_use"`
	}
	if err := strict(q.ToolChoice, &c); err != nil {
		return refuse("tool_choice: %v", err)
	}
	a.choice, a.serial = c.Type, c.Serial != nil && *c.Serial
	switch c.Type {
	case "auto":
	case "none":
		if c.Serial != nil {
			return refuse("tool_choice.none.disable_parallel_tool_use: Extra inputs are not permitted")
		}
	case "any":
		a.choice = "required"
	case "tool":
		a.choice = c.Name
		if !slices.Contains(a.tools, c.Name) {
			return refuse("Tool '%s' not found in provided tools", c.Name)
		}
	default:
		return refuse("tool_choice: Input tag '%s' found using 'type' does not match any of the expected tags", c.Type)
	}
	if len(q.Tools) == 0 {
		return refuse("tool_choice may only be specified while providing tools.")
	}
	if a.thinks && (c.Type == "any" || c.Type == "tool") {
		return refuse("Thinking may not be enabled when tool_choice forces tool use.")
	}
	return nil
}

// readTurns reads the messages; neighbours of one role count as one turn.
func (p *anthropic) readTurns(q *messagesRequest, a *ask) ([]messagesTurn, *refusal) {
	if len(q.System) > 0 {
		blocks, bad := p.blocks(q.System, "system")
		if bad != nil {
			return nil, bad
		}
		var texts []string
		for _, b := range blocks {
			if b.Type != "text" {
				return nil, refuse("system: Input tag '%s' is not text", b.Type)
			}
			texts = append(texts, *b.Text)
		}
		a.system = strings.Join(texts, "\n")
	}
	var turns []messagesTurn
	for i, raw := range q.Messages {
		var m struct {
			Role    string
			Content json.RawMessage
		}
		if err := strict(raw, &m); err != nil {
			return nil, refuse("messages.%d.%v: Extra inputs are not permitted", i, err)
		}
		if m.Role == "system" && p.recent && (len(turns) == 0 || turns[len(turns)-1].role != "user") {
			return nil, refuse("messages.%d: a system message must follow a user message", i)
		}
		if m.Role != "user" && m.Role != "assistant" && !(p.recent && m.Role == "system") {
			return nil, refuse(`messages: Unexpected role "%s". Allowed roles are "user" or "assistant"`, m.Role)
		}
		blocks, bad := p.blocks(m.Content, fmt.Sprintf("messages.%d", i))
		if bad != nil {
			return nil, bad
		}
		if n := len(turns); n > 0 && turns[n-1].role == m.Role {
			turns[n-1].blocks = append(turns[n-1].blocks, blocks...)
			continue
		}
		turns = append(turns, messagesTurn{m.Role, blocks})
	}
	if len(turns) == 0 || turns[0].role != "user" {
		return nil, refuse("messages: first message must use the user role")
	}
	if last := turns[len(turns)-1]; last.role == "assistant" && (a.thinks || p.recent) {
		return nil, refuse("This model does not support assistant message prefill. The conversation must end with a user message.")
	}
	var open []string // calls of the turn before
	ids := map[string]bool{}
	for i := range turns {
		s, bad := p.turn(&turns[i], &open, ids, i)
		if bad != nil {
			return nil, bad
		}
		a.turns = append(a.turns, s)
	}
	if len(open) > 0 {
		return nil, refuse("`tool_use` ids were found without `tool_result` blocks immediately after: %v", open)
	}
	return turns, nil
}

func (p *anthropic) blocks(content json.RawMessage, where string) ([]contentBlock, *refusal) {
	var text string
	if json.Unmarshal(content, &text) == nil {
		if strings.TrimSpace(text) == "" {
			return nil, refuse("%s: text content blocks must contain non-whitespace text", where)
		}
		return []contentBlock{{Type: "text", Text: &text}}, nil
	}
	var raws []json.RawMessage
	if json.Unmarshal(content, &raws) != nil || len(raws) == 0 {
		return nil, refuse("%s.content: all messages must have non-empty content", where)
	}
	list := make([]contentBlock, len(raws))
	for i, raw := range raws {
		if err := strict(raw, &list[i]); err != nil {
			return nil, refuse("%s.content.%d.%v: Extra inputs are not permitted", where, i, err)
		}
		if b := &list[i]; b.Type == "text" && (b.Text == nil || strings.TrimSpace(*b.Text) == "") {
			return nil, refuse("%s: text content blocks must be non-empty", where)
		}
	}
	return list, nil
}

func (p *anthropic) turn(t *messagesTurn, open *[]string, ids map[string]bool, n int) (said, *refusal) {
	s := said{role: t.role}
	pending := *open
	*open = nil
	results := true // only results so far
	for i := range t.blocks {
		b := &t.blocks[i]
		at := fmt.Sprintf("messages.%d.content.%d", n, i)
		results = results && b.Type == "tool_result"
		switch {
		case b.Type == "text":
			s.text += *b.Text
		case b.Type == "image" && t.role == "user" && b.Source != nil && b.Source.Type == "base64":
			data, err := base64.StdEncoding.DecodeString(b.Source.Data)
			if err != nil {
				return s, refuse("%s.image.source.base64: invalid base64 data", at)
			}
			s.media = append(s.media, fmt.Sprintf("%s %d", b.Source.MediaType, len(data)))
		case b.Type == "tool_use" && t.role == "assistant":
			if !toolUseID.MatchString(b.ID) || ids[b.ID] || !toolName.MatchString(b.Name) || len(b.Input) == 0 || b.Input[0] != '{' {
				return s, refuse("%s.tool_use: invalid id, name or input: %+v", at, b)
			}
			ids[b.ID] = true
			*open = append(*open, b.ID)
			s.calls = append(s.calls, toolCall{b.ID, b.Name, string(b.Input)})
		case b.Type == "tool_result" && t.role == "user":
			k := slices.Index(pending, b.ToolUseID)
			if k < 0 || !results {
				return s, refuse("%s: unexpected `tool_use_id` found in `tool_result` blocks: %s. Each `tool_result` block must have a corresponding `tool_use` block in the previous message.", at, b.ToolUseID)
			}
			pending = slices.Delete(slices.Clone(pending), k, k+1)
			text := ""
			if len(b.Content) > 0 {
				inner, bad := p.blocks(b.Content, at)
				if bad != nil {
					return s, bad
				}
				for _, c := range inner {
					if c.Type == "text" {
						text += *c.Text
					}
				}
			}
			s.results = append(s.results, toolResult{b.ToolUseID, text})
		case (b.Type == "thinking" || b.Type == "redacted_thinking") && t.role == "assistant":
		default:
			return s, refuse("%s: Input tag '%s' is not for role %s", at, b.Type, t.role)
		}
	}
	if len(pending) > 0 {
		return s, refuse("messages.%d: `tool_use` ids were found without `tool_result` blocks immediately after: %v", n, pending)
	}
	return s, nil
}

// checkThinking: thinking comes back unchanged, and a turn of the running tool loop begins with it.
func (p *anthropic) checkThinking(turns []messagesTurn) *refusal {
	for i := range turns {
		t := &turns[i]
		calls := false
		for j := range t.blocks {
			b := &t.blocks[j]
			calls = calls || b.Type == "tool_use"
			if b.Type == "thinking" && (b.Thinking == nil || b.Signature == nil || *b.Signature != signature(*b.Thinking)) {
				return refuse("messages.%d.content.%d: Invalid `signature` in `thinking` block", i, j)
			}
		}
		if i == len(turns)-2 && t.role == "assistant" && calls && t.blocks[0].Type != "thinking" {
			return refuse("messages.%d.content.0.type: Expected `thinking` or `redacted_thinking`, but found `%s`.", i, t.blocks[0].Type)
		}
	}
	return nil
}
