package main_test

import (
	"encoding/json"
	"fmt"
	"strings"
)

// What an answer says, read apart from the gateway's own code: plain maps, the
// members the formats' references name, and nothing else.
type told struct {
	Text, Reasoning string
	Calls           []toldCall
	Finish          string // the format's word
	Refused         bool   // it declines, in chat's member for that
	Error           bool   // the stream or the body reports an error
}

type toldCall struct{ Name, Args string } // Args: compact JSON, keys as they came

func get(raw json.RawMessage, path ...string) json.RawMessage {
	for _, name := range path {
		var m map[string]json.RawMessage
		if json.Unmarshal(raw, &m) != nil {
			return nil
		}
		raw = m[name]
	}
	if string(raw) == "null" {
		return nil
	}
	return raw
}

func str(raw json.RawMessage, path ...string) string {
	var s string
	_ = json.Unmarshal(get(raw, path...), &s)
	return s
}

func list(raw json.RawMessage, path ...string) []json.RawMessage {
	var l []json.RawMessage
	_ = json.Unmarshal(get(raw, path...), &l)
	return l
}

// plainArgs compacts the arguments of a call; none are {}.
func plainArgs(s string) string {
	if strings.TrimSpace(s) == "" {
		return "{}"
	}
	return string(compact([]byte(s)))
}

// tell reads an answer of that format, streamed or whole.
func tell(chat bool, payload string, stream bool) told {
	switch {
	case chat && stream:
		return tellChatStream(payload)
	case chat:
		return tellChat([]byte(payload))
	case stream:
		return tellMessagesStream(payload)
	}
	return tellMessages([]byte(payload))
}

func tellChat(body json.RawMessage) (t told) {
	choices := list(body, "choices")
	if len(choices) == 0 {
		t.Error = true
		return t
	}
	c := choices[0]
	m := get(c, "message")
	t.Finish = str(c, "finish_reason")
	t.chatContent(get(m, "content"))
	t.Text += str(m, "refusal") + str(m, "audio", "transcript")
	t.Refused = str(m, "refusal") != ""
	t.Reasoning += chatReasoning(m)
	for _, call := range list(m, "tool_calls") {
		name, args := chatCall(call)
		t.Calls = append(t.Calls, toldCall{name, plainArgs(args)})
	}
	if f := get(m, "function_call"); f != nil && str(f, "name") != "" {
		t.Calls = append(t.Calls, toldCall{str(f, "name"), plainArgs(str(f, "arguments"))})
	}
	return t
}

// chatContent reads a string, or a list of parts.
func (t *told) chatContent(raw json.RawMessage) {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		t.Text += s
		return
	}
	for _, part := range list(raw) {
		switch str(part, "type") {
		case "thinking":
			if s := str(part, "thinking"); s != "" {
				t.Reasoning += s
			}
			for _, p := range list(part, "thinking") {
				t.Reasoning += str(p, "text")
			}
		default:
			t.Text += str(part, "text") + str(part, "refusal")
		}
	}
}

// chatReasoning reads thinking from the first of the members vendors put it in.
func chatReasoning(m json.RawMessage) string {
	for _, name := range []string{"reasoning_content", "reasoning"} {
		if s := str(m, name); s != "" {
			return s
		}
	}
	out := ""
	for _, d := range list(m, "reasoning_details") {
		out += str(d, "text") + str(d, "summary")
	}
	return out
}

func chatCall(call json.RawMessage) (name, args string) {
	if c := get(call, "custom"); str(call, "type") == "custom" && c != nil {
		q, _ := json.Marshal(str(c, "input"))
		return str(c, "name"), `{"input":` + string(q) + `}`
	}
	f := get(call, "function")
	if a := get(f, "arguments"); len(a) > 0 && a[0] == '{' {
		return str(f, "name"), string(a)
	}
	return str(f, "name"), str(f, "arguments")
}

func tellChatStream(sse string) (t told) {
	type call struct{ index, id, name, args string }
	var calls []*call
	for _, ev := range events(sse) {
		if ev == "[DONE]" {
			continue
		}
		chunk := json.RawMessage(ev)
		if get(chunk, "error") != nil {
			t.Error = true
		}
		for _, c := range list(chunk, "choices") {
			if n := string(get(c, "index")); n != "" && n != "0" {
				continue
			}
			if s := str(c, "finish_reason"); s != "" && t.Finish == "" {
				t.Finish = s
			}
			d := get(c, "delta")
			t.chatContent(get(d, "content"))
			t.Text += str(d, "refusal") + str(d, "audio", "transcript")
			t.Refused = t.Refused || str(d, "refusal") != ""
			t.Reasoning += chatReasoning(d)
			for _, part := range list(d, "tool_calls") {
				index, id := string(get(part, "index")), str(part, "id")
				name, args := chatCall(part)
				var at *call
				for _, o := range calls {
					same := index != "" && o.index == index && (id == "" || o.id == "" || id == o.id || name == "")
					if same || index == "" && id != "" && o.id == id {
						at = o
					}
				}
				if at == nil && index == "" && id == "" && len(calls) > 0 {
					at = calls[len(calls)-1]
				}
				if at == nil {
					at = &call{index: index, id: id}
					calls = append(calls, at)
				}
				if at.name == "" {
					at.name = name
				}
				at.args += args
			}
		}
	}
	for _, c := range calls {
		t.Calls = append(t.Calls, toldCall{c.name, plainArgs(c.args)})
	}
	return t
}

func tellMessages(body json.RawMessage) (t told) {
	if get(body, "content") == nil {
		t.Error = true
		return t
	}
	t.Finish = str(body, "stop_reason")
	for _, b := range list(body, "content") {
		t.messagesBlock(b)
	}
	return t
}

// messagesBlock reads one whole block.
func (t *told) messagesBlock(b json.RawMessage) {
	switch str(b, "type") {
	case "text":
		t.Text += str(b, "text")
	case "thinking":
		t.Reasoning += str(b, "thinking")
	case "tool_use":
		t.Calls = append(t.Calls, toldCall{str(b, "name"), plainArgs(string(get(b, "input")))})
	}
}

func tellMessagesStream(sse string) (t told) {
	args, whole := map[string]string{}, map[string]string{}
	open := map[string]int{} // index → call
	for _, ev := range events(sse) {
		e := json.RawMessage(ev)
		index := string(get(e, "index"))
		switch str(e, "type") {
		case "error":
			t.Error = true
		case "message_start":
			for _, b := range list(e, "message", "content") {
				t.messagesBlock(b)
			}
			t.Finish = str(e, "message", "stop_reason")
		case "content_block_start":
			b := get(e, "content_block")
			delete(open, index)
			if str(b, "type") == "tool_use" {
				open[index], args[index] = len(t.Calls), ""
				whole[index] = string(get(b, "input"))
				t.Calls = append(t.Calls, toldCall{Name: str(b, "name")})
				continue
			}
			t.messagesBlock(b)
		case "content_block_delta":
			d := get(e, "delta")
			t.Text += str(d, "text")
			t.Reasoning += str(d, "thinking")
			args[index] += str(d, "partial_json")
		case "content_block_stop":
			if i, ok := open[index]; ok {
				if args[index] == "" {
					args[index] = whole[index]
				}
				t.Calls[i].Args = plainArgs(args[index])
				delete(open, index)
			}
		case "message_delta":
			if s := str(e, "delta", "stop_reason"); s != "" {
				t.Finish = s
			}
		}
	}
	return t
}

// finishes are the caller's words for what the upstream said.
var chatToMessages = map[string]string{
	"stop": "end_turn", "eos": "end_turn", "": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "function_call": "tool_use", "content_filter": "refusal",
}

var messagesToChat = map[string]string{
	"end_turn": "stop", "stop_sequence": "stop", "": "stop", "pause_turn": "stop", "max_tokens": "length", "model_context_window_exceeded": "length",
	"tool_use": "tool_calls", "refusal": "content_filter", "compaction": "stop",
}

// as returns what a caller of the other format must be told.
func (t told) as(toChat bool) told {
	table := chatToMessages
	if toChat {
		table = messagesToChat
	}
	word, known := table[t.Finish]
	switch {
	case !known:
		word = "no word for " + t.Finish
	case len(t.Calls) > 0 && word == "end_turn":
		word = "tool_use"
	case t.Refused && word == "end_turn": // the other format says so in its reason alone
		word = "refusal"
	}
	t.Finish = word
	return t
}

// differs says in what two answers differ, "" if in nothing.
func (t told) differs(want told) string {
	switch {
	case t.Text != want.Text:
		return fmt.Sprintf("text %.200q, want %.200q", t.Text, want.Text)
	case t.Reasoning != want.Reasoning:
		return fmt.Sprintf("reasoning %.200q, want %.200q", t.Reasoning, want.Reasoning)
	case fmt.Sprint(t.Calls) != fmt.Sprint(want.Calls):
		return fmt.Sprintf("calls %.300q, want %.300q", fmt.Sprint(t.Calls), fmt.Sprint(want.Calls))
	case t.Finish != want.Finish:
		return fmt.Sprintf("finish %q, want %q", t.Finish, want.Finish)
	case t.Error != want.Error:
		return fmt.Sprintf("error reported %v, want %v", t.Error, want.Error)
	}
	return ""
}
