package anthropic

import (
	"slices"
	"strings"
	"testing"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/openai"
)

// Nothing of a chat request that says something is left out unsaid.
func TestLossIsReported(t *testing.T) {
	f := func(members string, want ...string) {
		t.Helper()
		r, err := openai.ChatIngress().DecodeRequest([]byte(`{"model":"m",` + members + `}`))
		if err != nil {
			t.Fatal(err)
		}
		r.Model = "claude-sonnet-4-5"
		out, lost, err := MessagesEgress(providers.Quirks{}).AppendRequest(nil, r)
		if err != nil {
			t.Fatal(err)
		}
		if slices.Sort(lost); !slices.Equal(lost, want) {
			t.Errorf("%s: dropped %q, want %q", out, lost, want)
		}
	}
	const user = `"messages":[{"role":"user","content":"x"}]`
	f(user+`,"thinking":{"clear_thinking":false}`, "thinking")
	f(user+`,"reasoning":{"exclude":true}`, "reasoning")
	f(user + `,"reasoning_effort":"none"`)
	f(user + `,"tools":[{"type":"custom","custom":{"name":"f","format":{"type":"text"}}}]`)
	f(user+`,"tools":[{"type":"custom","custom":{"name":"f","format":{"type":"grammar","grammar":{"syntax":"lark","definition":"start: \"a\""}}}}]`, "tools.format")
	f(user+`,"tools":[{"type":"function","function":{"name":"f","description":"","examples":[1]},"defer":true}]`, "tools.defer", "tools.examples")
	f(`"messages":[{"role":"user","content":"x","weight":2},{"role":"assistant","content":"a","prefix":true,"annotations":[]}]`, "messages.weight")
	f(`"messages":[{"role":"user","content":[{"type":"text","text":"x","hint":"y"}]}]`, "messages.hint")
}

// A conversation that starts with the assistant's greeting begins with a user's turn.
func TestAssistantFirst(t *testing.T) {
	r := chatRequest(func(r *providers.Request) {
		r.Messages = []providers.Message{say(providers.RoleAssistant, "Hello!"), say(providers.RoleUser, "Hi.")}
	})
	out, _, err := MessagesEgress(providers.Quirks{}).AppendRequest(nil, r)
	const want = `"messages":[{"role":"user","content":[{"type":"text","text":"Begin."}]},{"role":"assistant","content":[{"type":"text","text":"Hello!"}]},{"role":"user",`
	if err != nil || !strings.Contains(string(out), want) {
		t.Errorf("%s, %v", out, err)
	}
}
