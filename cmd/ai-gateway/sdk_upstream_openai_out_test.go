package main_test

import (
	"encoding/json"
	"fmt"
	"net/http"
)

type members = map[string]any // of a scripted answer

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	_ = e.Encode(v)
}

func (o *openAI) fail(r *refusal) {
	switch {
	case r.status == 429:
		r.typ, r.code, r.words = "requests", "rate_limit_exceeded", "Rate limit reached for this model. Please try again in "+o.w.Header().Get("retry-after")+"s."
	case r.scripted:
		r.typ, r.code, r.words = "invalid_request_error", "context_length_exceeded", tooLongOpenAI
	}
	var code any
	if r.code != "" {
		code = r.code
	}
	writeJSON(o.w, r.status, members{"error": members{"message": r.words, "type": r.typ, "param": nil, "code": code}})
}

func chatUsage() members {
	return members{"prompt_tokens": usedInput, "completion_tokens": usedOutput, "total_tokens": usedInput + usedOutput,
		"prompt_tokens_details": members{"cached_tokens": usedCached}, "completion_tokens_details": members{"reasoning_tokens": 0}}
}

func (o *openAI) finish(r *reply) string {
	switch {
	case r.long:
		return "length"
	case len(r.calls) > 0:
		return "tool_calls"
	}
	return "stop"
}

func (o *openAI) call(c toolCall) members {
	return members{"id": "call_" + c.id, "type": "function", "function": members{"name": c.name, "arguments": c.args}}
}

func (o *openAI) whole(a *ask, r *reply) {
	m := members{"role": "assistant", "content": nil, "refusal": nil}
	if r.text != "" {
		m["content"] = r.text
	}
	if r.refused {
		m["content"], m["refusal"] = nil, r.text
	}
	if o.deepseek {
		m["reasoning_content"] = r.thinking
	}
	if len(r.calls) > 0 {
		var calls []members
		for _, c := range r.calls {
			calls = append(calls, o.call(c))
		}
		m["tool_calls"] = calls
	}
	writeJSON(o.w, 200, members{"id": "chatcmpl-1", "object": "chat.completion", "created": 1_700_000_000, "model": a.model, "service_tier": "default",
		"choices": []members{{"index": 0, "message": m, "logprobs": nil, "finish_reason": o.finish(r)}}, "usage": chatUsage()})
}

func (o *openAI) send(a *ask, choices []members, usage any) {
	c := members{"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": a.model, "choices": choices}
	if a.usage {
		c["usage"] = usage
	}
	b, _ := json.Marshal(c)
	fmt.Fprintf(o.w, "data: %s\n\n", b)
	o.w.(http.Flusher).Flush()
}

func (o *openAI) delta(a *ask, d members, finish any) {
	o.send(a, []members{{"index": 0, "delta": d, "logprobs": nil, "finish_reason": finish}}, nil)
}

func (o *openAI) stream(a *ask, r *reply, trouble string) {
	o.delta(a, members{"role": "assistant", "content": ""}, nil)
	if o.deepseek {
		for _, p := range pieces(r.thinking) {
			o.delta(a, members{"content": nil, "reasoning_content": p}, nil)
		}
	}
	member := "content"
	if r.refused {
		member = "refusal"
	}
	for i, p := range pieces(r.text) {
		o.delta(a, members{member: p}, nil)
		switch {
		case i == 1 && trouble == "broken":
			fmt.Fprint(o.w, `data: {"error":{"message":"The server had an error while processing your request.","type":"server_error","param":null,"code":null}}`+"\n\n")
			return
		case i == 1 && trouble == "cut":
			return
		}
	}
	for i, c := range r.calls {
		d := o.call(c)
		d["index"] = i
		d["function"] = members{"name": c.name, "arguments": ""}
		o.delta(a, members{"tool_calls": []members{d}}, nil)
		for _, p := range pieces(c.args) {
			o.delta(a, members{"tool_calls": []members{{"index": i, "function": members{"arguments": p}}}}, nil)
		}
	}
	o.delta(a, members{}, o.finish(r))
	if a.usage {
		o.send(a, []members{}, chatUsage())
	}
	fmt.Fprint(o.w, "data: [DONE]\n\n")
}
