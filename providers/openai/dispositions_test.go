package openai

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/anthropic"
)

// A probe shows that a rule holds for an Anthropic request: its members, the
// vendor, and what must come of them.
type probe struct {
	members string
	vendor  providers.Quirks
	sent    string
	dropped string
	refused string
}

const probeUser = `"messages":[{"role":"user","content":"hi"}]`

func userPart(part string) string {
	return `"messages":[{"role":"user","content":[{"type":"text","text":"hi"},` + part + `]}]`
}

func assistantPart(part string) string {
	return `"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":[` + part + `,{"type":"text","text":"a"}]},{"role":"user","content":"on"}]`
}

// probes are for the rules of what an Anthropic request may hold.
var probes = map[string][]probe{
	"model":                   {{members: probeUser, sent: `"model":"m"`}},
	"system":                  {{members: `"system":"be",` + probeUser, sent: `{"role":"system","content":"be"}`}},
	"messages":                {{members: probeUser, sent: `{"role":"user","content":"hi"}`}},
	"messages.is_error":       {{members: `"messages":[{"role":"user","content":"x"},{"role":"assistant","content":[{"type":"tool_use","id":"t","name":"f","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","is_error":true,"content":"no"}]}]`, sent: `"tool_call_id":"t","content":"no"`, dropped: "messages.is_error"}},
	"messages.thinking":       {{members: assistantPart(`{"type":"thinking","thinking":"t","signature":"S"}`), vendor: providers.Quirks{ReasoningField: "reasoning_content", ReasoningBack: true}, sent: `"reasoning_content":"t"`, dropped: "messages.signature"}, {members: assistantPart(`{"type":"thinking","thinking":"t","signature":"S"}`), dropped: "messages.thinking"}},
	"messages.<vendor block>": {{members: userPart(`{"type":"container_upload","file_id":"f"}`), dropped: "messages.container_upload"}},
	"messages.file_id":        {{members: userPart(`{"type":"document","source":{"type":"file","file_id":"file_1"}}`), refused: "file.file_id"}},
	"messages.file_url":       {{members: userPart(`{"type":"document","source":{"type":"url","url":"https://x/y.pdf"}}`), vendor: providers.Quirks{ProviderObject: true, MaxTokensField: "max_tokens"}, sent: `"file_data":"https://x/y.pdf"`}, {members: userPart(`{"type":"document","source":{"type":"url","url":"https://x/y.pdf"}}`), refused: "file"}},
	"cache_control":           {{members: `"system":[{"type":"text","text":"s","cache_control":{"type":"ephemeral"}}],` + probeUser, sent: `"prompt_cache_breakpoint":{"mode":"explicit"}`}, {members: `"system":[{"type":"text","text":"s","cache_control":{"type":"ephemeral"}}],` + probeUser, vendor: providers.Quirks{MaxTokensField: "max_tokens"}, dropped: "cache_control"}},
	"tools":                   {{members: probeUser + `,"tools":[{"name":"f","input_schema":{"type":"object"}}]`, sent: `"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}]`}},
	"tools.strict":            {{members: probeUser + `,"tools":[{"name":"f","input_schema":{"type":"object"},"strict":true}]`, sent: `"strict":true`}, {members: probeUser + `,"tools":[{"name":"f","input_schema":{"type":"object"},"strict":true}]`, vendor: providers.Quirks{NoStrict: true}, dropped: "tools.strict"}},
	"tools.<vendor tool>":     {{members: probeUser + `,"tools":[{"type":"web_search_20250305","name":"web_search"}]`, dropped: "tools.web_search_20250305"}},
	"tool_choice":             {{members: probeUser + `,"tools":[{"name":"f","input_schema":{"type":"object"}}],"tool_choice":{"type":"any"}`, sent: `"tool_choice":"required"`}},
	"parallel_tool_calls":     {{members: probeUser + `,"tools":[{"name":"f","input_schema":{"type":"object"}}],"tool_choice":{"type":"auto","disable_parallel_tool_use":true}`, sent: `"parallel_tool_calls":false`}},
	"max_tokens":              {{members: probeUser + `,"max_tokens":9`, sent: `"max_completion_tokens":9`}, {members: probeUser + `,"max_tokens":9`, vendor: providers.Quirks{MaxTokensField: "max_tokens"}, sent: `"max_tokens":9`}},
	"temperature":             {{members: probeUser + `,"temperature":0.5`, sent: `"temperature":0.5`}},
	"top_p":                   {{members: probeUser + `,"top_p":0.5`, sent: `"top_p":0.5`}},
	"top_k":                   {{members: probeUser + `,"top_k":5`, vendor: providers.Quirks{MaxTokensField: "max_tokens"}, sent: `"top_k":5`}, {members: probeUser + `,"top_k":5`, dropped: "top_k"}},
	"stop":                    {{members: probeUser + `,"stop_sequences":["END"]`, sent: `"stop":["END"]`}},
	"stream":                  {{members: probeUser + `,"stream":true`, sent: `"stream":true,"stream_options":{"include_usage":true}`}},
	"user":                    {{members: probeUser + `,"metadata":{"user_id":"u"}`, sent: `"user":"u"`}},
	"service_tier":            {{members: probeUser + `,"service_tier":"standard_only"`, sent: `"service_tier":"default"`}},
	"response_format":         {{members: probeUser + `,"output_config":{"format":{"type":"json_schema","schema":{"type":"object"}}}`, sent: `"response_format":{"type":"json_schema"`}},
	"reasoning_effort":        {{members: probeUser + `,"output_config":{"effort":"high"}`, sent: `"reasoning_effort":"high"`}},
	"thinking":                {{members: probeUser + `,"thinking":{"type":"enabled","budget_tokens":4096}`, sent: `"reasoning_effort":"medium"`}, {members: probeUser + `,"thinking":{"type":"disabled"}`, dropped: "thinking"}},
	"provider":                {{members: probeUser + `,"provider":{"order":["x"]}`, dropped: "provider"}},
	"<any other>":             {{members: probeUser + `,"context_management":{"edits":[]}`, dropped: "context_management"}},
}

// TestRulesHold: the table says what the writer does with Anthropic requests.
func TestRulesHold(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range Rules() {
		seen[r.Member] = true
		for i, p := range probes[r.Member] {
			if i == 0 && (r.Is == Refused) != (p.refused != "" && p.sent == "") && r.Is != Carried || i == 0 && r.Is == Carried && p.sent == "" || i == 0 && r.Is == Dropped && p.dropped == "" {
				t.Errorf("%s: the probe shows something else than %s", r.Member, r.Is)
			}
			req, err := anthropic.MessagesIngress().DecodeRequest([]byte(`{"model":"m",` + p.members + `}`))
			if err != nil {
				t.Errorf("%s: %v", r.Member, err)
				continue
			}
			out, dropped, err := ChatEgress(p.vendor).AppendRequest(nil, req)
			var e *providers.Error
			switch {
			case p.refused != "":
				if !errors.As(err, &e) || e.HTTPStatus() != 400 || e.Param != p.refused {
					t.Errorf("%s: %v, expected a 400 that names %s", r.Member, err, p.refused)
				}
			case err != nil || !strings.Contains(string(out), p.sent):
				t.Errorf("%s: %s\nbecame %s, %v\nwithout %s", r.Member, p.members, out, err, p.sent)
			case p.dropped == "" && len(dropped) > 0 || p.dropped != "" && !slices.Equal(dropped, []string{p.dropped}):
				t.Errorf("%s: %s\nreports %q, expected %q", r.Member, p.members, dropped, p.dropped)
			}
		}
	}
	for member := range probes {
		if !seen[member] {
			t.Errorf("%s has a probe and no rule", member)
		}
	}
}
