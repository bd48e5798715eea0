package main_test

import (
	"encoding/json"
	"fmt"
	"net/http"
)

func (p *anthropic) fail(r *refusal) {
	switch {
	case r.status == 429:
		r.typ, r.words = "rate_limit_error", "This request would exceed your organization's rate limit."
	case r.scripted:
		r.typ, r.words = "invalid_request_error", tooLongAnthropic
	}
	writeJSON(p.w, r.status, members{"type": "error", "error": members{"type": r.typ, "message": r.words}, "request_id": "req_upstream"})
}

func (p *anthropic) finish(r *reply) (reason string, sequence any) {
	switch {
	case r.long:
		return "max_tokens", nil
	case r.refused:
		return "refusal", nil
	case r.stopped != "":
		return "stop_sequence", r.stopped
	case len(r.calls) > 0:
		return "tool_use", nil
	}
	return "end_turn", nil
}

func messagesUsage(out int) members {
	return members{"input_tokens": usedInput - usedCached, "cache_read_input_tokens": usedCached, "cache_creation_input_tokens": 0, "output_tokens": out, "service_tier": "standard"}
}

func (p *anthropic) whole(a *ask, r *reply) {
	var content []members
	if r.thinking != "" {
		content = append(content, members{"type": "thinking", "thinking": r.thinking, "signature": signature(r.thinking)})
	}
	if r.text != "" {
		content = append(content, members{"type": "text", "text": r.text})
	}
	for _, c := range r.calls {
		content = append(content, members{"type": "tool_use", "id": "toolu_" + c.id, "name": c.name, "input": json.RawMessage(c.args)})
	}
	reason, seq := p.finish(r)
	writeJSON(p.w, 200, members{"id": "msg_1", "type": "message", "role": "assistant", "model": a.model, "content": content, "stop_reason": reason, "stop_sequence": seq, "usage": messagesUsage(usedOutput)})
}

func (p *anthropic) event(name string, m members) {
	m["type"] = name
	b, _ := json.Marshal(m)
	fmt.Fprintf(p.w, "event: %s\ndata: %s\n\n", name, b)
	p.w.(http.Flusher).Flush()
}

// block sends one block: its start, its deltas, its end.
func (p *anthropic) block(i *int, start members, deltas ...members) {
	p.event("content_block_start", members{"index": *i, "content_block": start})
	if *i == 0 {
		p.event("ping", members{})
	}
	for _, d := range deltas {
		p.event("content_block_delta", members{"index": *i, "delta": d})
	}
	p.event("content_block_stop", members{"index": *i})
	*i++
}

func (p *anthropic) stream(a *ask, r *reply, trouble string) {
	p.event("message_start", members{"message": members{"id": "msg_1", "type": "message", "role": "assistant", "model": a.model, "content": []members{}, "stop_reason": nil, "stop_sequence": nil, "usage": messagesUsage(1)}})
	i := 0
	if trouble == "broken" || trouble == "cut" {
		p.event("content_block_start", members{"index": 0, "content_block": members{"type": "text", "text": ""}})
		for _, s := range pieces(r.text)[:2] {
			p.event("content_block_delta", members{"index": 0, "delta": members{"type": "text_delta", "text": s}})
		}
		if trouble == "broken" {
			p.event("error", members{"error": members{"type": "overloaded_error", "message": "Overloaded"}})
		}
		return
	}
	var deltas []members
	if r.thinking != "" {
		for _, s := range pieces(r.thinking) {
			deltas = append(deltas, members{"type": "thinking_delta", "thinking": s})
		}
		deltas = append(deltas, members{"type": "signature_delta", "signature": signature(r.thinking)})
		p.block(&i, members{"type": "thinking", "thinking": "", "signature": ""}, deltas...)
	}
	if r.text != "" {
		deltas = nil
		for _, s := range pieces(r.text) {
			deltas = append(deltas, members{"type": "text_delta", "text": s})
		}
		p.block(&i, members{"type": "text", "text": ""}, deltas...)
	}
	for _, c := range r.calls {
		deltas = nil
		if c.args != "{}" { // a call without arguments streams none
			for _, s := range pieces(c.args) {
				deltas = append(deltas, members{"type": "input_json_delta", "partial_json": s})
			}
		}
		p.block(&i, members{"type": "tool_use", "id": "toolu_" + c.id, "name": c.name, "input": members{}}, deltas...)
	}
	reason, seq := p.finish(r)
	p.event("message_delta", members{"delta": members{"stop_reason": reason, "stop_sequence": seq}, "usage": messagesUsage(usedOutput)})
	p.event("message_stop", members{})
}
