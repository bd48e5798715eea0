package gemini

import (
	"strings"
	"testing"

	"github.com/your-org/ai-api-gateway/providers"
)

// TestDescribe: what answers say of themselves.
func TestDescribe(t *testing.T) {
	f := func(want string, data ...string) {
		t.Helper()
		var d providers.Description
		for _, ev := range data {
			GenerateEgress(AIStudio).(providers.Describer).Describe([]byte(ev), &d)
		}
		if got := strings.Join([]string{d.ID, d.Model, strings.Join(d.Finish, ",")}, "|"); got != want {
			t.Errorf("%s: %q, want %q", data, got, want)
		}
	}
	f("r1|gemini-x|STOP", `{"candidates":[{"content":{"parts":[{"text":"x"}]}}],"modelVersion":"gemini-x","responseId":"r1"}`, `{"candidates":[{"finishReason":"STOP"}],"modelVersion":"gemini-x","responseId":"r1"}`)
	f("|gemini-x|SAFETY", `{"promptFeedback":{"blockReason":"SAFETY"},"modelVersion":"gemini-x"}`)
	f("||", `{}`, `[]`, `x`)
}
