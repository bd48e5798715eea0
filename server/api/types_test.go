package api

import (
	"encoding/json"
	"reflect"
	"testing"
)

func TestAccountModels(t *testing.T) {
	f := func(in string, want AccountModels, out string) {
		t.Helper()
		var m AccountModels
		if err := json.Unmarshal([]byte(in), &m); err != nil {
			t.Fatalf("%s: %v", in, err)
		}
		b, _ := json.Marshal(m)
		if !reflect.DeepEqual(m, want) || string(b) != out {
			t.Errorf("%s = %v, written %s; want %v, %s", in, m, b, want, out)
		}
	}
	f(`["b","a*"]`, AccountModels{{"b", ""}, {"a*", ""}}, `["b","a*"]`)
	f(`{"z":"deploy","a":"a"}`, AccountModels{{"z", "deploy"}, {"a", ""}}, `{"z":"deploy","a":"a"}`)
	f(`[]`, AccountModels{}, `[]`)
	f(`{}`, AccountModels{}, `[]`)
	f(`null`, nil, `[]`)

	bad := func(in string) {
		t.Helper()
		var m AccountModels
		if json.Unmarshal([]byte(in), &m) == nil {
			t.Errorf("%s was read as %v, want an error", in, m)
		}
	}
	bad(`"gpt-4"`)
	bad(`[1]`)
	bad(`[["a"]]`)
	bad(`{"a":{}}`)
	bad(`{"a":"x","a":"y"}`)
	bad(`["a","a"]`)
}

func TestUsageGroup(t *testing.T) {
	in := UsageGroup{Group: map[string]string{"model": "gpt-4o", "day": "2026-11-01", "account": ""}, KeyName: "ci",
		UsageSums: UsageSums{Requests: 3, PromptTokens: 10, CostUSD: 12_500_000}}
	b, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"day":"2026-11-01","model":"gpt-4o","account":"","key_name":"ci","requests":3,"errors":0,"estimated":0,"prompt_tokens":10,"completion_tokens":0,` +
		`"cache_read_tokens":0,"cache_write_tokens":0,"reasoning_tokens":0,"cost_usd":0.0125,"charged_usd":0,"duration_ms":0}`
	if string(b) != want {
		t.Errorf("got  %s\nwant %s", b, want)
	}
	var out UsageGroup
	if err := json.Unmarshal(b, &out); err != nil || !reflect.DeepEqual(in, out) {
		t.Errorf("read back as %+v, %v", out, err)
	}
	empty, _ := json.Marshal(UsageGroup{})
	if !json.Valid(empty) {
		t.Errorf("a group without members is written %s", empty)
	}
}

func TestChatMessage(t *testing.T) {
	f := func(m ChatMessage, want string) {
		t.Helper()
		b, err := json.Marshal(m)
		if err != nil || string(b) != want {
			t.Errorf("got %s, %v; want %s", b, err, want)
		}
	}
	f(ChatMessage{Role: "user", Content: "hi"}, `{"role":"user","content":"hi"}`)
	f(ChatMessage{Role: "user", Parts: []ChatPart{{Type: "image_url", ImageURL: &ImageURL{URL: "data:x"}}}},
		`{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:x"}}]}`)
	f(ChatMessage{Role: "assistant", ToolCalls: []ToolCall{{ID: "c1", Name: "f", Arguments: "{}"}}},
		`{"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{}"}}]}`)
	f(ChatMessage{Role: "tool", ToolCallID: "c1", Content: "5"}, `{"role":"tool","content":"5","tool_call_id":"c1"}`)

	var m ChatMessage
	if err := json.Unmarshal([]byte(`{"role":"assistant","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}],"reasoning":"r"}`), &m); err != nil || m.Content != "ab" || m.Reasoning != "r" {
		t.Errorf("got %+v, %v", m, err)
	}
}
