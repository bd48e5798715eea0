package main_test

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestChecksTell proves that the checks of translated traffic see what is wrong.
func TestChecksTell(t *testing.T) {
	const sent = `{"model":"m","temperature":0.5,"stop":["a"],"messages":[{"role":"system","content":"s"},{"role":"user","content":[{"type":"text","text":"u"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}]},
		{"role":"assistant","content":"t","tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{\"b\":1,\"a\":2}"}},{"id":"2","type":"function","function":{"name":"g","arguments":""}}]},
		{"role":"tool","tool_call_id":"1","content":"r1"},{"role":"tool","tool_call_id":"2","content":"r2"}],
		"tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object","properties":{"b":{},"a":{}}}}}],"seed":1}`
	const got = `{"model":"m","max_tokens":9,"temperature":0.5,"stop_sequences":["a"],"system":[{"type":"text","text":"s"}],"messages":[{"role":"user","content":[{"type":"text","text":"u"},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAA"}}]},
		{"role":"assistant","content":[{"type":"text","text":"t"},{"type":"tool_use","id":"x","name":"f","input":{"b":1,"a":2}},{"type":"tool_use","id":"y","name":"g","input":{}}]},
		{"role":"user","content":[{"type":"tool_result","tool_use_id":"x","content":"r1"},{"type":"tool_result","tool_use_id":"y","content":"r2"}]}],
		"tools":[{"name":"f","description":"d","input_schema":{"type":"object","properties":{"b":{},"a":{}}}}]}`
	check := func(body string, dropped ...string) error {
		if err := strictMessages(json.RawMessage(body)); err != nil {
			return err
		}
		return messagesInventory(json.RawMessage(body)).missing(chatInventory(json.RawMessage(sent)), dropped, false)
	}
	if err := check(got, "seed"); err != nil {
		t.Fatalf("what is whole is refused: %v", err)
	}
	if check(got) == nil {
		t.Error("a parameter lost unsaid is not seen")
	}
	f := func(old, changed string) {
		t.Helper()
		bad := strings.Replace(got, old, changed, 1)
		if bad == got {
			t.Fatalf("%s does not occur", old)
		}
		if check(bad, "seed") == nil {
			t.Errorf("%s instead of %s is not seen", changed, old)
		}
	}
	f(`"text":"u"`, `"text":"v"`)
	f(`"text":"u"`, `"text":" "`)
	f(`AAAA`, `AAAB`)
	f(`{"b":1,"a":2}`, `{"a":2,"b":1}`)
	f(`{"b":{},"a":{}}`, `{"a":{},"b":{}}`)
	f(`"description":"d"`, `"description":""`)
	f(`"tool_use_id":"x"`, `"tool_use_id":"z"`)
	f(`"content":"r1"`, `"content":"r3"`)
	f(`"max_tokens":9,`, ``)
	f(`"temperature":0.5,`, ``)
	f(`"temperature":0.5,`, `"temperature":0.4,`)
	f(`["a"]`, `["b"]`)
	f(`"model":"m",`, `"model":"m","top_k":3,`)
	f(`"model":"m",`, `"model":"m","n":1,`)
	f(`"name":"f","input"`, `"name":"h","input"`)
	f(`{"type":"tool_result","tool_use_id":"y","content":"r2"}`, `{"type":"text","text":"r2"}`)

	stream := func(body string, want bool) {
		t.Helper()
		if err := checkStream(strings.Contains(body, `"object"`), body, true); (err == nil) != want {
			t.Errorf("%s: %v", body, err)
		}
	}
	const chunk = "data: {\"id\":\"1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"a\"},\"finish_reason\":\"stop\"}]}\n\n"
	stream(chunk+"data: [DONE]\n\n", true)
	stream(chunk, false)
	stream(strings.Replace(chunk, `"role":"assistant",`, "", 1)+"data: [DONE]\n\n", false)
	stream(strings.Replace(chunk, `"content":"a"`, `"tool_calls":[{"index":1,"id":"c","type":"function","function":{"name":"f","arguments":""}}]`, 1)+"data: [DONE]\n\n", false)
	const start, stop = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"role\":\"assistant\",\"usage\":{}}}\n\n", "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":1}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"
	const open, end = "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\"}}\n\n", "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n"
	stream(start+open+end+stop, true)
	stream(start+start+open+end+stop, false)
	stream(start+open+stop, false)
	stream(start+open+end+open+end+stop, false)
	stream(start+open+end, false)
	stream(start+open+strings.NewReplacer("_stop", "_delta", `"index":0`, `"index":0,"delta":{"type":"thinking_delta","thinking":"x"}`).Replace(end)+end+stop, false)
}
