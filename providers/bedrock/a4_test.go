package bedrock

import (
	"strings"
	"testing"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/anthropic"
	"github.com/your-org/ai-api-gateway/providers/openai"
	"github.com/your-org/ai-api-gateway/providers/providertest"
)

// converted encodes a chat request for Converse.
func converted(t *testing.T, in providers.Ingress, body string) (string, []string) {
	t.Helper()
	r, err := in.DecodeRequest([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	out, dropped, err := egress{}.AppendRequest(nil, r)
	if err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return string(out), dropped
}

// TestA4Row15EmptyText: the API refuses empty text blocks (litellm#20364, #26554).
func TestA4Row15EmptyText(t *testing.T) {
	f := func(in providers.Ingress, body, want string) {
		t.Helper()
		if got, _ := converted(t, in, body); got != want {
			t.Errorf("%s\n got %s\nwant %s", body, got, want)
		}
	}
	chat, messages := openai.ChatIngress(), anthropic.MessagesIngress()
	f(chat, `{"model":"m","messages":[{"role":"system","content":" "},{"role":"user","content":"hi"},{"role":"assistant","content":"","tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":""}}]},{"role":"tool","tool_call_id":"a","content":""}],"tools":[{"type":"function","function":{"name":"f"}}]}`,
		`{"messages":[{"role":"user","content":[{"text":"hi"}]},{"role":"assistant","content":[{"toolUse":{"toolUseId":"a","name":"f","input":{}}}]},{"role":"user","content":[{"toolResult":{"toolUseId":"a","content":[]}}]}],"toolConfig":{"tools":[{"toolSpec":{"name":"f","inputSchema":{"json":{"type":"object"}}}}]}}`)
	f(chat, `{"model":"m","messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"\n"},{"role":"user","content":[{"type":"text","text":""},{"type":"text","text":"on"}]}]}`,
		`{"messages":[{"role":"user","content":[{"text":"hi"},{"text":"on"}]}]}`)
	f(messages, `{"model":"m","max_tokens":5,"messages":[{"role":"user","content":[{"type":"text","text":"hi"},{"type":"text","text":" \n"}]},{"role":"assistant","content":[{"type":"text","text":""},{"type":"tool_use","id":"a","name":"f","input":{"x":1.10}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"a","content":[{"type":"text","text":""},{"type":"text","text":"4"}],"is_error":true}]}]}`,
		`{"messages":[{"role":"user","content":[{"text":"hi"}]},{"role":"assistant","content":[{"toolUse":{"toolUseId":"a","name":"f","input":{"x":1.10}}}]},{"role":"user","content":[{"toolResult":{"toolUseId":"a","content":[{"text":"4"}],"status":"error"}}]}],"toolConfig":{"tools":[{"toolSpec":{"name":"f","inputSchema":{"json":{"type":"object"}}}}]},"inferenceConfig":{"maxTokens":5}}`)
	if _, _, err := (egress{}).AppendRequest(nil, &providers.Request{Messages: []providers.Message{{Role: providers.RoleUser, Blocks: []providers.Block{{Kind: providers.KindText}}}}}); err == nil {
		t.Error("a request without any content is sent")
	}
}

// TestA4Row11ToolChoiceNone: this format has no such choice, and demands the
// definition of tools that were used (litellm#24443, #32505).
func TestA4Row11ToolChoiceNone(t *testing.T) {
	const tools = `"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}],"tool_choice":"none"`
	got, dropped := converted(t, openai.ChatIngress(), `{"model":"m","messages":[{"role":"user","content":"hi"}],`+tools+`}`)
	if strings.Contains(got, "tool") || len(dropped) > 0 {
		t.Errorf("before any use: %s, dropped %v", got, dropped)
	}
	const history = `"messages":[{"role":"user","content":"hi"},{"role":"assistant","tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"a","content":"4"}]`
	got, dropped = converted(t, openai.ChatIngress(), `{"model":"m",`+history+`,`+tools+`}`)
	if !strings.Contains(got, `"toolConfig":{"tools":[{"toolSpec":{"name":"f"`) || strings.Contains(got, "toolChoice") || !strings.Contains(got, `"system":[{"text":"`+noTools+`"}]`) || strings.Join(dropped, " ") != "tool_choice" {
		t.Errorf("after a use: %s, dropped %v", got, dropped)
	}
	got, _ = converted(t, openai.ChatIngress(), `{"model":"m",`+history+`}`)
	if !strings.Contains(got, `"toolConfig":{"tools":[{"toolSpec":{"name":"f","inputSchema":{"json":{"type":"object"}}}}]}`) {
		t.Errorf("tools are named by the conversation alone: %s", got)
	}
	for choice, want := range map[string]string{
		`"auto"`: `]}}`, `"required"`: `"toolChoice":{"any":{}}`, `{"type":"function","function":{"name":"f"}}`: `"toolChoice":{"tool":{"name":"f"}}`,
		`{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[{"type":"function","function":{"name":"f"}}]}}`: `"toolChoice":{"any":{}}`,
	} {
		got, _ := converted(t, openai.ChatIngress(), `{"model":"m","messages":[{"role":"user","content":"hi"}],"tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":`+choice+`}`)
		if !strings.Contains(got, want) {
			t.Errorf("%s: %s", choice, got)
		}
	}
}

// TestA4Row21CachedInput: behind this format OpenAI's models count cached tokens
// in inputTokens, others do not (bifrost#6942).
func TestA4Row21CachedInput(t *testing.T) {
	f := func(usage string, want providers.Usage) {
		t.Helper()
		var u providers.Usage
		if !(egress{}).Usage([]byte(`{"usage":`+usage+`}`), &u) || u != want {
			t.Errorf("%s: %+v, want %+v", usage, u, want)
		}
		events, err := providertest.Decode(egress{}.NewDecoder(), [][]byte{frames(`messageStart {}`, `contentBlockDelta {"contentBlockIndex":0,"delta":{"text":"x"}}`, `messageStop {"stopReason":"end_turn"}`, `metadata {"usage":`+usage+`}`)})
		if ev := events[len(events)-2]; err != nil || ev.Kind != providers.EventUsage || ev.Usage != want {
			t.Errorf("streamed %s: %+v, %v", usage, ev.Usage, err)
		}
	}
	f(`{"inputTokens":1000,"outputTokens":20,"totalTokens":1020,"cacheReadInputTokens":900,"cacheWriteInputTokens":0}`, providers.Usage{Input: 100, CacheRead: 900, Output: 20})
	f(`{"inputTokens":12,"outputTokens":185,"totalTokens":1225,"cacheReadInputTokens":1028,"cacheWriteInputTokens":0}`, providers.Usage{Input: 12, CacheRead: 1028, Output: 185})
	f(`{"inputTokens":3,"outputTokens":121,"totalTokens":2072,"cacheReadInputTokens":1712,"cacheWriteInputTokens":236,"cacheDetails":[{"inputTokens":200,"ttl":"1h"},{"inputTokens":36,"ttl":"5m"}]}`, providers.Usage{Input: 3, CacheRead: 1712, CacheWrite1h: 200, CacheWrite5m: 36, Output: 121})
	f(`{"inputTokens":5,"outputTokens":7,"totalTokens":12}`, providers.Usage{Input: 5, Output: 7})
}
