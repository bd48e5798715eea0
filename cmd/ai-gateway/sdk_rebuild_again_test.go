package main_test

import (
	"encoding/json"
	"fmt"
	"strings"
)

// proofs are the signatures and the opaque thinking that a recorded answer holds: a
// conversation that goes on has to bring them back. For callers of other formats that
// is without what has no place there: those of parts they are not shown (code that
// Google ran), of a text's all but the last for chat and messages, and all for
// Responses, whose messages have none. Google demands those of calls alone.
func (c haul) proofs() (out []string) {
	r, texts := c.rec, []string{}
	add := func(list ...string) {
		for _, s := range list {
			if s != "" {
				out = append(out, s)
			}
		}
	}
	evs, in := events(r.Response.SSE), "delta"
	if sourceOf(r) == "converse" && r.Response.SSE != "" {
		for _, e := range converseStream(r.Response.SSE) {
			d := get(e.payload, "delta", "reasoningContent")
			add(str(d, "signature"), str(d, "redactedContent"))
		}
		return out
	}
	if r.Response.SSE == "" {
		evs, in = []string{string(r.Response.Body)}, "message"
		add(wholeProofs(r)...)
	}
	for _, ev := range evs {
		e := json.RawMessage(ev)
		switch sourceOf(r) {
		case "messages":
			add(str(e, "delta", "signature"), str(e, "content_block", "signature"), str(e, "content_block", "data"))
		case "gemini":
			for _, cand := range list(e, "candidates") {
				for _, p := range list(cand, "content", "parts") {
					switch s := str(p, "thoughtSignature"); {
					case get(p, "functionCall") != nil || string(get(p, "thought")) == "true" || c.to == "gemini":
						add(s)
					case s != "" && get(p, "text") != nil:
						texts = append(texts, s)
					}
				}
			}
		case "responses":
			if c.to == "responses" { // whose SDKs keep the last event
				for _, item := range list(e, "response", "output") {
					add(str(item, "encrypted_content"))
				}
			} else if str(e, "type") == "response.output_item.done" {
				add(str(e, "item", "encrypted_content"))
			}
		case "chat":
			for _, choice := range list(e, "choices") {
				for _, d := range list(choice, in, "reasoning_details") {
					add(str(d, "signature"), str(d, "data"))
				}
				for _, call := range list(choice, in, "tool_calls") {
					add(str(call, "extra_content", "google", "thought_signature"))
				}
			}
		}
	}
	if n := len(texts); n > 0 && c.to != "responses" {
		add(texts[n-1])
	}
	return out
}

// wholeProofs are those of a whole answer, for the formats whose streams have another shape.
func wholeProofs(r *recording) (out []string) {
	switch sourceOf(r) {
	case "converse":
		for _, b := range list(r.Response.Body, "output", "message", "content") {
			d := get(b, "reasoningContent")
			out = append(out, str(d, "reasoningText", "signature"), str(d, "redactedContent"))
		}
	case "messages":
		for _, b := range list(r.Response.Body, "content") {
			out = append(out, str(b, "signature"), str(b, "data"))
		}
	case "responses":
		for _, item := range list(r.Response.Body, "output") {
			out = append(out, str(item, "encrypted_content"))
		}
	}
	return out
}

// wrote marshals what a caller would write.
func wrote(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return string(b)
}

type dict = map[string]any

// goesOn is a caller's next request after the answer body: that answer, as his SDK
// has it, with a result for each of its calls, or another word of his.
func (c haul) goesOn(body json.RawMessage) dict {
	turns := []any{dict{"role": "user", "content": "Go on."}}
	said := dict{"role": "user", "content": "And?"}
	switch c.to {
	case "chat":
		m := list(body, "choices")[0]
		turns = append(turns, get(m, "message"))
		calls := list(m, "message", "tool_calls")
		for _, call := range calls {
			turns = append(turns, dict{"role": "tool", "tool_call_id": str(call, "id"), "content": "done"})
		}
		if len(calls) == 0 {
			turns = append(turns, said)
		}
		return dict{"messages": turns}
	case "messages":
		turns = append(turns, dict{"role": "assistant", "content": get(body, "content")})
		var results []any
		for _, b := range list(body, "content") {
			if str(b, "type") == "tool_use" {
				results = append(results, dict{"type": "tool_result", "tool_use_id": str(b, "id"), "content": "done"})
			}
		}
		if results != nil {
			said["content"] = results
		}
		return dict{"messages": append(turns, said), "max_tokens": 4096}
	case "responses":
		called := false
		for _, item := range list(body, "output") {
			turns = append(turns, item)
		}
		for _, item := range list(body, "output") {
			if typ := str(item, "type"); typ == "function_call" || typ == "custom_tool_call" {
				called = true
				turns = append(turns, dict{"type": typ + "_output", "call_id": str(item, "call_id"), "output": "done"})
			}
		}
		if !called {
			turns = append(turns, said)
		}
		return dict{"input": turns, "store": false}
	}
	content := get(list(body, "candidates")[0], "content")
	var results []any
	for _, p := range list(content, "parts") {
		if call := get(p, "functionCall"); call != nil {
			results = append(results, dict{"functionResponse": dict{"id": str(call, "id"), "name": str(call, "name"), "response": dict{"output": "done"}}})
		}
	}
	if results == nil {
		results = []any{dict{"text": "And?"}}
	}
	return dict{"contents": []any{dict{"role": "user", "parts": []any{dict{"text": "Go on."}}}, content, dict{"role": "user", "parts": results}}}
}

// toolsOf declares the tools that a recorded answer calls, as the caller's format has it.
func (c haul) toolsOf() (list []any) {
	schema, seen := dict{"type": "object"}, map[string]bool{}
	for _, call := range tells(c.rec).Calls {
		if seen[call.Name] {
			continue
		}
		seen[call.Name] = true
		switch c.to {
		case "chat":
			list = append(list, dict{"type": "function", "function": dict{"name": call.Name, "parameters": schema}})
		case "messages":
			list = append(list, dict{"name": call.Name, "input_schema": schema})
		case "responses":
			list = append(list, dict{"type": "function", "name": call.Name, "parameters": schema})
		case "gemini":
			list = append(list, dict{"functionDeclarations": []any{dict{"name": call.Name, "parametersJsonSchema": schema}}})
		}
	}
	return list
}

// comesBack goes on with the conversation and looks whether the upstream gets back
// every proof it gave.
func (c haul) comesBack(g *gateway, up *stage, key string, body json.RawMessage) error {
	sc := &scene{}
	got, err := c.send(g, up, key, sc, c.goesOn(body))
	if err != nil || got.status != 200 {
		return fmt.Errorf("the next turn: status %d, %v, %.300s", got.status, err, got.body)
	}
	plain := strings.NewReplacer("-", "+", "_", "/") // either alphabet of base64
	sent := plain.Replace(string(sc.got))
	for _, p := range c.proofs() {
		if !strings.Contains(sent, plain.Replace(strings.Trim(wrote(p), `"`))) {
			return fmt.Errorf("the next turn lacks %.40q…, dropped %q: %.1500s", p, got.header.Get("X-Gateway-Dropped-Params"), sc.got)
		}
	}
	return nil
}
