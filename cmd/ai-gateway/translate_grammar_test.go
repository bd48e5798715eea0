package main_test

import (
	"encoding/json"
	"fmt"
	"strings"
)

// checkStream judges a stream a caller got by what strict clients of its format
// demand. ended: it is whole; else it must end in an error event and in nothing after.
func checkStream(chat bool, sse string, ended bool) error {
	if chat {
		return checkChatStream(sse, ended)
	}
	return checkMessagesStream(sse, ended)
}

func checkChatStream(sse string, ended bool) error {
	evs := events(sse)
	if len(evs) == 0 {
		return fmt.Errorf("no events")
	}
	last := evs[len(evs)-1]
	if !ended {
		if strings.Contains(sse, "[DONE]") || get(json.RawMessage(last), "error") == nil {
			return fmt.Errorf("does not end in an error: …%.300q", tail(sse))
		}
		evs = evs[:len(evs)-1]
	} else if last != "[DONE]" {
		return fmt.Errorf("does not end in [DONE]: …%.300q", tail(sse))
	} else {
		evs = evs[:len(evs)-1]
	}
	begun, calls, finished := map[string]bool{}, map[string]int{}, false
	for i, ev := range evs {
		c := json.RawMessage(ev)
		if str(c, "id") == "" || str(c, "object") != "chat.completion.chunk" || get(c, "created") == nil || str(c, "model") == "" || get(c, "choices") == nil {
			return fmt.Errorf("chunk %d lacks a member: %.200s", i, ev)
		}
		choices := list(c, "choices")
		if get(c, "usage") != nil && (len(choices) != 0 || i != len(evs)-1) {
			return fmt.Errorf("usage in chunk %d of %d", i, len(evs))
		}
		for _, ch := range choices {
			n := string(get(ch, "index"))
			if !begun[n] && (str(ch, "delta", "role") != "assistant" || finished) {
				return fmt.Errorf("the first chunk of choice %s has no role", n)
			}
			begun[n] = true
			finished = finished || str(ch, "finish_reason") != ""
			for _, call := range list(ch, "delta", "tool_calls") {
				if err := checkFragment(call, calls, n); err != nil {
					return fmt.Errorf("chunk %d: %w", i, err)
				}
			}
		}
	}
	if ended && !finished {
		return fmt.Errorf("no finish_reason")
	}
	return nil
}

// checkFragment: a call's first fragment has index, id, type, name and empty
// arguments; the others its index alone.
func checkFragment(call json.RawMessage, calls map[string]int, choice string) error {
	var index int
	if json.Unmarshal(get(call, "index"), &index) != nil {
		return fmt.Errorf("a fragment without index: %s", call)
	}
	switch n := calls[choice]; {
	case index == n:
		calls[choice]++
		name, args := chatCall(call)
		if name == "" || str(call, "type") == "" || args != "" && args != `{"input":""}` {
			return fmt.Errorf("a call starts with %s", call)
		}
	case index > n:
		return fmt.Errorf("call %d comes before call %d", index, n)
	case get(call, "id") != nil:
		return fmt.Errorf("a fragment repeats the id: %s", call)
	}
	return nil
}

func checkMessagesStream(sse string, ended bool) error {
	next, open := 0, ""
	last, blocks := "", map[string]string{"text_delta": "text", "thinking_delta": "thinking", "signature_delta": "thinking", "input_json_delta": "tool_use", "citations_delta": "text"}
	for i, ev := range events(sse) {
		e := json.RawMessage(ev)
		typ := str(e, "type")
		if !strings.Contains(sse, "event: "+typ+"\ndata: ") {
			return fmt.Errorf("event %d has no event name", i)
		}
		switch typ {
		case "ping":
			continue
		case "message_start":
			if last != "" || str(e, "message", "id") == "" || str(e, "message", "role") != "assistant" || get(e, "message", "usage") == nil {
				return fmt.Errorf("message_start as event %d: %.200s", i, ev)
			}
		case "content_block_start":
			if open != "" || string(get(e, "index")) != fmt.Sprint(next) {
				return fmt.Errorf("block %s starts while %q is open, %d is next", get(e, "index"), open, next)
			}
			open = str(e, "content_block", "type")
		case "content_block_delta":
			d := str(e, "delta", "type")
			if string(get(e, "index")) != fmt.Sprint(next) || blocks[d] != open {
				return fmt.Errorf("a %s in block %d of type %q", d, next, open)
			}
		case "content_block_stop":
			if open == "" || string(get(e, "index")) != fmt.Sprint(next) {
				return fmt.Errorf("block %s stops, open is %q", get(e, "index"), open)
			}
			open = ""
			next++
		case "message_delta":
			if open != "" || str(e, "delta", "stop_reason") == "" || get(e, "usage", "output_tokens") == nil {
				return fmt.Errorf("message_delta: %.200s", ev)
			}
		case "message_stop":
			if last != "message_delta" {
				return fmt.Errorf("message_stop after %s", last)
			}
		case "error":
		default:
			return fmt.Errorf("event %q", typ)
		}
		if last == "message_stop" || last == "error" {
			return fmt.Errorf("%s after %s", typ, last)
		}
		last = typ
	}
	if want := map[bool]string{true: "message_stop", false: "error"}[ended]; last != want {
		return fmt.Errorf("ends in %q, want %q: …%.300q", last, want, tail(sse))
	}
	return nil
}

func tail(s string) string { return s[max(0, len(s)-300):] }
