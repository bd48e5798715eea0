package gemini

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/anthropic"
	"github.com/your-org/ai-api-gateway/providers/openai"
)

// Nothing of a request in another format is left out unsaid.
func TestLossIsReported(t *testing.T) {
	f := func(in providers.Ingress, members, unwanted string, want ...string) {
		t.Helper()
		r, err := in.DecodeRequest([]byte(`{"model":"m",` + members + `}`))
		if err != nil {
			t.Fatal(err)
		}
		r.Model = "gemini-2.5-flash"
		out, lost, err := GenerateEgress(AIStudio).AppendRequest(nil, r)
		if err != nil {
			t.Fatal(err)
		}
		if slices.Sort(lost); !slices.Equal(lost, want) {
			t.Errorf("%s: dropped %q, want %q", out, lost, want)
		}
		if unwanted != "" && strings.Contains(string(out), unwanted) {
			t.Errorf("%s holds %s", out, unwanted)
		}
	}
	messages, chat, responses := anthropic.MessagesIngress(), openai.ChatIngress(), openai.ResponsesIngress()
	const user = `"messages":[{"role":"user","content":"x"}]`
	f(messages, `"max_tokens":9,`+user+`,"tools":[{"name":"f","input_schema":{"type":"object"},"defer_loading":true,"allowed_callers":[]}]`, "defer", "tools.defer_loading")
	f(messages, `"max_tokens":9,`+user+`,"tools":[{"type":"web_search_20250305","name":"web_search"}]`, "web_search", "tools.web_search_20250305")
	f(messages, `"max_tokens":9,`+user+`,"metadata":{"user_id":"u"},"cache_control":{"type":"ephemeral"}`, "", "cache_control", "user")
	f(messages, `"max_tokens":9,"messages":[{"role":"user","content":[{"type":"text","text":"x","cache_control":{"type":"ephemeral"}}]},{"role":"assistant","content":[{"type":"thinking","thinking":"t","signature":"s"},{"type":"redacted_thinking","data":"d"},{"type":"text","text":"a","citations":[{"type":"char_location"}]}]}]`, "ephemeral", "cache_control", "messages.citations", "messages.redacted_thinking", "messages.thinking")
	f(chat, user+`,"logit_bias":{"1":2},"store":true,"verbosity":"low","prediction":{"type":"content"},"safety_identifier":"x","new_member":1`, "new_member", "logit_bias", "new_member", "prediction", "safety_identifier", "store", "verbosity")
	f(chat, user+`,"logit_bias":{},"store":false,"logprobs":true,"top_logprobs":2,"frequency_penalty":1`, "")
	f(chat, `"messages":[{"role":"user","name":"ann","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA","detail":"low"}}]}],"tools":[{"type":"function","function":{"name":"f","strict":true}}],"parallel_tool_calls":false`, "ann", "image_url.detail", "messages.name", "parallel_tool_calls", "tools.strict")
	f(chat, user+`,"tools":[{"type":"custom","custom":{"name":"f","format":{"type":"grammar","grammar":{"syntax":"lark","definition":"x"}}}}]`, "lark", "tools.format")
	f(responses, `"input":"x","truncation":"auto","tools":[{"type":"web_search"}]`, "web_search", "tools.web_search", "truncation")
}

// TestRulesAreTold: what the table says is dropped or refused is, by that name.
func TestRulesAreTold(t *testing.T) {
	values := map[string]string{"metadata": `{"a":"b"}`, "logit_bias": `{"1":2}`, "prediction": `{"type":"content"}`, "web_search_options": `{"search_context_size":"low"}`, "prompt_cache_options": `{"a":1}`, "audio": `{"voice":"a","format":"wav"}`, "store": "true"}
	tried := 0
	for _, rule := range Rules() {
		top := !strings.ContainsAny(rule.Member, ".<")
		if !top || rule.Is == providers.Carried || slices.Contains([]string{"file_id", "cache_control", "provider", "parallel_tool_calls"}, rule.Member) {
			continue
		}
		v := values[rule.Member]
		if v == "" {
			v = `"something"`
		}
		r, err := openai.ChatIngress().DecodeRequest([]byte(`{"model":"m","messages":[{"role":"user","content":"x"}],"` + rule.Member + `":` + v + `}`))
		if err != nil {
			t.Fatalf("%s: %v", rule.Member, err)
		}
		_, lost, err := GenerateEgress(AIStudio).AppendRequest(nil, r)
		var e *providers.Error
		switch {
		case rule.Is == providers.Refused && (!errors.As(err, &e) || !strings.HasPrefix(e.Param, rule.Member)):
			t.Errorf("%s is not refused: %v", rule.Member, err)
		case rule.Is == providers.Dropped && (err != nil || !slices.Contains(lost, rule.Member)):
			t.Errorf("%s is not reported: %q %v", rule.Member, lost, err)
		}
		tried++
	}
	if tried < 10 {
		t.Errorf("only %d rules were tried", tried)
	}
}
