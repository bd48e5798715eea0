package openai

import (
	"strings"
	"testing"

	"github.com/your-org/ai-api-gateway/providers"
)

// TestDescribe: what answers say of themselves, whole and in events.
func TestDescribe(t *testing.T) {
	f := func(e providers.Egress, want string, data ...string) {
		t.Helper()
		var d providers.Description
		for _, ev := range data {
			e.(providers.Describer).Describe([]byte(ev), &d)
		}
		if got := strings.Join([]string{d.ID, d.Model, strings.Join(d.Finish, ",")}, "|"); got != want {
			t.Errorf("%s: %q, want %q", data, got, want)
		}
	}
	chat, responses, relay := ChatEgress(providers.Quirks{}), ResponsesEgress(providers.Quirks{}), RelayEgress(providers.OpCompletions)
	f(chat, "c1|gpt-x|stop,length", `{"id":"c1","model":"gpt-x","choices":[{"message":{"content":"{\"id\":\"no\"}"},"finish_reason":"stop"},{"finish_reason":"length"}]}`)
	f(chat, "c1|gpt-x|tool_calls", `{"id":"c1","model":"gpt-x","choices":[{"delta":{"content":"a"},"finish_reason":null}]}`, `{"id":"c1","model":"gpt-x","choices":[{"delta":{},"finish_reason":"tool_calls"}]}`)
	f(chat, "||", `{"choices":null}`, `[DONE]`, `{}`, ``)
	f(relay, "cmpl-1|m|length", `{"id":"cmpl-1","model":"m","choices":[{"text":"x","finish_reason":"length"}]}`)
	f(relay, "|m|", `{"object":"list","model":"m","data":[{"embedding":[1]}]}`)
	f(responses, "resp_1|gpt-x|completed", `{"id":"resp_1","model":"gpt-x","status":"completed","output":[]}`)
	f(responses, "resp_1|gpt-x|max_output_tokens", `{"type":"response.created","response":{"id":"resp_1","model":"gpt-x","status":"in_progress"}}`, `{"type":"response.incomplete","response":{"id":"resp_1","model":"gpt-x","status":"incomplete","incomplete_details":{"reason":"max_output_tokens"}}}`)
	many := `{"id":"c","choices":[` + strings.Repeat(`{"finish_reason":"stop"},`, 40) + `{"finish_reason":"stop"}]}`
	f(chat, "c||"+strings.TrimSuffix(strings.Repeat("stop,", 16), ","), many)
}
