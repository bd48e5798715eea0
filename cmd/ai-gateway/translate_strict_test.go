package main_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// strictMessages refuses what Anthropic's API refuses in a request, by its
// reference and its recorded errors.
func strictMessages(body json.RawMessage) error {
	var top map[string]json.RawMessage
	if err := json.Unmarshal(body, &top); err != nil {
		return err
	}
	for name := range top {
		if !slices.Contains([]string{"model", "messages", "system", "max_tokens", "stream", "tools", "tool_choice", "temperature", "top_p", "top_k", "stop_sequences", "thinking", "output_config", "metadata", "service_tier", "cache_control"}, name) {
			return fmt.Errorf("%s: Extra inputs are not permitted", name)
		}
	}
	var maxTokens, budget int
	if json.Unmarshal(top["max_tokens"], &maxTokens) != nil || maxTokens < 0 { // 0 fills the cache
		return fmt.Errorf("max_tokens is %s", top["max_tokens"])
	}
	think := str(top["thinking"], "type")
	if json.Unmarshal(get(top["thinking"], "budget_tokens"), &budget); think == "enabled" && (budget < 1024 || budget >= maxTokens) {
		return fmt.Errorf("a budget of %d with max_tokens %d", budget, maxTokens)
	}
	if t := number(top["temperature"]); top["temperature"] != nil && (t[0] == '-' || t > "1" || think != "" && think != "disabled" && t != "1") {
		return fmt.Errorf("temperature %s, thinking %q", t, think)
	}
	if top["tool_choice"] != nil && len(list(body, "tools")) == 0 {
		return fmt.Errorf("tool_choice without tools")
	}
	for _, s := range list(body, "stop_sequences") {
		if strings.TrimSpace(str(s)) == "" {
			return fmt.Errorf("a blank stop sequence")
		}
	}
	for _, t := range list(body, "tools") {
		if str(t, "name") == "" || str(t, "input_schema", "type") != "object" {
			return fmt.Errorf("tool %.200s", t)
		}
	}
	for _, b := range list(body, "system") {
		if str(b, "type") != "text" || strings.TrimSpace(str(b, "text")) == "" {
			return fmt.Errorf("system block %.200s", b)
		}
	}
	return strictTurns(list(body, "messages"))
}

var validToolID = regexp.MustCompile(`^[a-zA-Z0-9_-]+$`)

// strictTurns: user and assistant take turns, each says something, and all calls
// of a turn are answered at the start of the next.
func strictTurns(turns []json.RawMessage) error {
	if len(turns) == 0 {
		return fmt.Errorf("messages: at least one is required")
	}
	last := ""
	var open []string
	for i, m := range turns {
		role := str(m, "role")
		if role == "system" {
			if last != "user" {
				return fmt.Errorf("messages.%d: a system turn behind %q", i, last)
			}
			continue
		}
		if role == last || role != "user" && role != "assistant" || i == 0 && role != "user" {
			return fmt.Errorf("messages.%d: role %q behind %q", i, role, last)
		}
		last = role
		blocks := list(m, "content")
		if len(blocks) == 0 {
			return fmt.Errorf("messages.%d: no content", i)
		}
		for j, b := range blocks {
			if strings.TrimSpace(str(b, "text")) == "" && str(b, "type") == "text" {
				return fmt.Errorf("messages.%d.content.%d: blank text", i, j)
			}
			if str(b, "type") == "tool_result" {
				n := slices.Index(open, str(b, "tool_use_id"))
				if n < 0 || j > 0 && str(blocks[j-1], "type") != "tool_result" {
					return fmt.Errorf("messages.%d.content.%d: a result of no open call, or not first", i, j)
				}
				open = slices.Delete(open, n, n+1)
			}
		}
		if role == "user" && len(open) > 0 {
			return fmt.Errorf("messages.%d: calls without results: %v", i, open)
		}
		for j, b := range blocks {
			if str(b, "type") == "tool_use" {
				id := str(b, "id")
				if role != "assistant" || !validToolID.MatchString(id) || slices.Contains(open, id) || len(get(b, "input")) == 0 || get(b, "input")[0] != '{' || str(b, "name") == "" {
					return fmt.Errorf("messages.%d.content.%d: call %.200s", i, j, b)
				}
				open = append(open, id)
			}
		}
	}
	if len(open) > 0 {
		return fmt.Errorf("the last calls have no results: %v", open)
	}
	end := list(turns[len(turns)-1], "content")
	if s := str(end[len(end)-1], "text"); last == "assistant" && s != strings.TrimRight(s, " \t\r\n") {
		return fmt.Errorf("the prefill ends in white space")
	}
	return nil
}

// strictChat refuses what OpenAI's API refuses in a request.
func strictChat(body json.RawMessage, vendor string) error {
	var top map[string]json.RawMessage
	if err := json.Unmarshal(body, &top); err != nil {
		return err
	}
	known := []string{"model", "messages", "tools", "tool_choice", "parallel_tool_calls", "temperature", "top_p", "stop", "n", "seed", "stream", "stream_options", "user", "service_tier", "response_format", "reasoning_effort", "frequency_penalty", "presence_penalty", "logprobs", "top_logprobs", "modalities"}
	limit := "max_completion_tokens"
	if vendor != "openai" {
		limit = "max_tokens"
		known = append(known, "top_k")
	}
	for name := range top {
		if name != limit && !slices.Contains(known, name) {
			return fmt.Errorf("unknown member %q", name)
		}
	}
	switch {
	case top["stream_options"] != nil && string(top["stream"]) != "true":
		return fmt.Errorf("stream_options without stream")
	case (top["tool_choice"] != nil || top["parallel_tool_calls"] != nil) && len(list(body, "tools")) == 0:
		return fmt.Errorf("tool_choice or parallel_tool_calls without tools")
	case top["stop"] != nil && (len(list(body, "stop")) == 0 || len(list(body, "stop")) > 4):
		return fmt.Errorf("stop %s", top["stop"])
	}
	for _, t := range list(body, "tools") {
		if str(t, "type") != "function" || str(t, "function", "name") == "" || get(t, "input_schema") != nil {
			return fmt.Errorf("tool %.200s", t)
		}
	}
	return strictDialog(list(body, "messages"))
}

// strictDialog: every message says something, and the results of a turn's calls
// stand right behind it, all of them.
func strictDialog(messages []json.RawMessage) error {
	if len(messages) == 0 {
		return fmt.Errorf("messages is empty")
	}
	var open []string
	for i, m := range messages {
		role := str(m, "role")
		if role == "tool" {
			n := slices.Index(open, str(m, "tool_call_id"))
			if n < 0 {
				return fmt.Errorf("messages[%d]: a result of no open call", i)
			}
			if get(m, "content") == nil {
				return fmt.Errorf("messages[%d]: a result without content", i)
			}
			open = slices.Delete(open, n, n+1)
			continue
		}
		if len(open) > 0 {
			return fmt.Errorf("messages[%d]: %v have no result", i, open)
		}
		if !slices.Contains([]string{"system", "developer", "user", "assistant"}, role) {
			return fmt.Errorf("messages[%d]: role %q", i, role)
		}
		calls := list(m, "tool_calls")
		for _, c := range calls {
			if id := str(c, "id"); id == "" || slices.Contains(open, id) || str(c, "type") != "function" || !json.Valid([]byte(str(c, "function", "arguments"))) {
				return fmt.Errorf("messages[%d]: call %.200s", i, c)
			}
			open = append(open, str(c, "id"))
		}
		if str(m, "content") == "" && len(list(m, "content")) == 0 && len(calls) == 0 {
			return fmt.Errorf("messages[%d]: empty %s message", i, role)
		}
		for _, p := range list(m, "content") {
			typ := str(p, "type")
			if !slices.Contains([]string{"text", "image_url", "file", "input_audio"}, typ) || typ == "text" && str(p, "text") == "" || role != "user" && typ != "text" {
				return fmt.Errorf("messages[%d]: part %.200s", i, p)
			}
		}
	}
	if len(open) > 0 {
		return fmt.Errorf("the last calls have no results: %v", open)
	}
	return nil
}
