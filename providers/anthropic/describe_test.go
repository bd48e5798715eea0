package anthropic

import (
	"strings"
	"testing"

	"github.com/your-org/ai-api-gateway/providers"
)

// TestDescribe: what answers say of themselves, whole and in events.
func TestDescribe(t *testing.T) {
	f := func(want string, data ...string) {
		t.Helper()
		var d providers.Description
		for _, ev := range data {
			MessagesEgress(providers.Quirks{}).(providers.Describer).Describe([]byte(ev), &d)
		}
		if got := strings.Join([]string{d.ID, d.Model, strings.Join(d.Finish, ",")}, "|"); got != want {
			t.Errorf("%s: %q, want %q", data, got, want)
		}
	}
	f("msg_1|claude-x|tool_use", `{"id":"msg_1","type":"message","model":"claude-x","content":[{"type":"text","text":"x"}],"stop_reason":"tool_use"}`)
	f("msg_1|claude-x|end_turn", `{"type":"message_start","message":{"id":"msg_1","model":"claude-x","stop_reason":null}}`, `{"type":"message_delta","delta":{"stop_reason":"end_turn"}}`)
	f("||", `{"type":"ping"}`, `not json`)
}
