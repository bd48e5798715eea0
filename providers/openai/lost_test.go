package openai

import (
	"slices"
	"strings"
	"testing"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/anthropic"
)

// Nothing of an Anthropic request is left out unsaid, and what is left out leaves
// no empty message behind.
func TestLossIsReported(t *testing.T) {
	f := func(members, unwanted string, want ...string) {
		t.Helper()
		r, err := anthropic.MessagesIngress().DecodeRequest([]byte(`{"model":"m","max_tokens":9,` + members + `}`))
		if err != nil {
			t.Fatal(err)
		}
		out, lost, err := ChatEgress(providers.Quirks{}).AppendRequest(nil, r)
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
	const user = `"messages":[{"role":"user","content":"x"}]`
	f(user+`,"thinking":{"type":"adaptive"}`, "reasoning", "thinking")
	f(user+`,"thinking":{"type":"adaptive"},"output_config":{"effort":"low"}`, "")
	f(user+`,"tools":[{"name":"f","input_schema":{"type":"object"},"defer_loading":true,"allowed_callers":[]}]`, "", "tools.defer_loading")
	f(`"messages":[{"role":"user","content":"x"},{"role":"system","content":[{"type":"tool_addition","tool":{}}]}]`, `"system"`, "messages.tool_addition")
	f(`"messages":[{"role":"user","content":[{"type":"document","source":{"type":"text","media_type":"text/plain","data":"d"},"citations":{"enabled":true}},{"type":"document","source":{"type":"text","media_type":"text/plain","data":"d"},"context":"c","citations":{"enabled":false}}]}]`, "", "messages.citations", "messages.context")
	f(`"messages":[{"role":"user","content":"x"},{"role":"assistant","content":[{"type":"text","text":"a","citations":[{"type":"char_location"}]},{"type":"text","text":"b"}]}]`, "", "messages.citations")
	f(`"messages":[{"role":"user","content":"x"},{"role":"assistant","content":[{"type":"tool_use","id":"t","name":"f","input":{},"caller":{"type":"direct"}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":"r"}]}]`, "caller")
	f(`"messages":[{"role":"user","content":"x"},{"role":"assistant","content":[{"type":"tool_use","id":"t","name":"f","input":{},"cache_control":{"type":"ephemeral"}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":"r"}]}]`, "ephemeral", "cache_control")
}
