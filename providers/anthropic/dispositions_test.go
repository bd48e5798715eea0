package anthropic

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/openai"
)

// A probe is what shows that a rule holds: chat members in place of the usual
// ones, and what must be found in the request that comes of them.
type probe struct {
	members string // of the chat request; "messages" alone replaces the usual ones
	sent    string // must stand in the written request; empty: nothing of it
	dropped string // must be reported
	refused string // the parameter named by the 400
}

const (
	probeUser  = `"messages":[{"role":"user","content":"hi"}]`
	probeTools = `"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"},"strict":true}}]`
)

func userPart(part string) string {
	return `"messages":[{"role":"user","content":[{"type":"text","text":"hi"},` + part + `]}]`
}

func assistantTurn(members string) string {
	return `"messages":[{"role":"user","content":"hi"},{"role":"assistant",` + members + `},{"role":"user","content":"on"}]`
}

// probes has one or more for every rule but those of single vendors' members.
var probes = map[string][]probe{
	"model":    {{members: probeUser, sent: `"model":"claude-sonnet-4-5"`}},
	"system":   {{members: `"messages":[{"role":"developer","content":"be"},{"role":"user","content":"hi"}]`, sent: `"system":[{"type":"text","text":"be"}]`}},
	"messages": {{members: probeUser, sent: `"text":"hi"`}},
	"messages.system": {{members: `"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"},{"role":"system","content":"be"},{"role":"user","content":"c"}]`,
		sent: `{"role":"user","content":[{"type":"text","text":"<system>\nbe\n</system>"},{"type":"text","text":"c"}]}`}},
	"messages.name": {{members: `"messages":[{"role":"user","name":"bob","content":"hi"}]`, dropped: "messages.name"}},
	"messages.thinking": {
		{members: assistantTurn(`"content":"a","reasoning_details":[{"type":"reasoning.text","text":"t","signature":"S","format":"anthropic-claude-v1","index":0}]`), sent: `{"type":"thinking","thinking":"t","signature":"S"}`},
		{members: assistantTurn(`"content":"a","reasoning_content":"secret thought"`), dropped: "messages.thinking"}},
	"messages.signature":       {{members: assistantTurn(`"content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"},"extra_content":{"google":{"thought_signature":"G"}}}]`), dropped: "messages.signature"}, {members: assistantTurn(`"content":"a","extra_content":{"google":{"thought_signature":"G"}}`), dropped: "messages.signature"}},
	"messages.<any other>":     {{members: assistantTurn(`"content":"a","annotations":[{"type":"url_citation","url_citation":{"url":"https://x","start_index":0,"end_index":1}}]`), dropped: "messages.annotations"}},
	"messages.assistant_media": {{members: assistantTurn(`"content":"a","images":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AQID"}}]`), dropped: "messages.assistant_media"}},
	"image_url":                {{members: userPart(`{"type":"image_url","image_url":{"url":"https://x/y.png"}}`), sent: `{"type":"image","source":{"type":"url","url":"https://x/y.png"}}`}},
	"image_url.detail":         {{members: userPart(`{"type":"image_url","image_url":{"url":"https://x/y.png","detail":"high"}}`), dropped: "image_url.detail"}},
	"file": {
		{members: userPart(`{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,JVBERg=="}}`), sent: `"media_type":"application/pdf","data":"JVBERg=="`},
		{members: userPart(`{"type":"file","file":{"file_data":"data:application/zip;base64,/w=="}}`), refused: "file"}},
	"file.file_id":        {{members: userPart(`{"type":"file","file":{"file_id":"file-1"}}`), refused: "file.file_id"}},
	"input_audio":         {{members: userPart(`{"type":"input_audio","input_audio":{"data":"AQ==","format":"wav"}}`), refused: "input_audio"}},
	"cache_control":       {{members: `"messages":[{"role":"user","content":[{"type":"text","text":"hi","cache_control":{"type":"ephemeral"}}]}]`, sent: `"cache_control":{"type":"ephemeral"}`}},
	"tools":               {{members: probeUser + "," + probeTools, sent: `"tools":[{"name":"f","input_schema":{"type":"object"}`}},
	"tools.strict":        {{members: probeUser + "," + probeTools, sent: `"strict":true`}, {members: `"model":"claude-3-haiku-20240307",` + probeUser + "," + probeTools, dropped: "tools.strict"}},
	"tool_choice":         {{members: probeUser + "," + probeTools + `,"tool_choice":"required"`, sent: `"tool_choice":{"type":"any"}`}},
	"parallel_tool_calls": {{members: probeUser + "," + probeTools + `,"parallel_tool_calls":false`, sent: `"tool_choice":{"type":"auto","disable_parallel_tool_use":true}`}},
	"tool_call_id": {
		{members: `"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"c1","content":"x"}]`, sent: `"tool_use_id":"c1"`},
		{members: assistantTurn(`"content":null,"tool_calls":[{"id":"","type":"function","function":{"name":"f","arguments":"{}"}}]`), refused: "tool_call_id"}},
	"max_tokens": {{members: probeUser + `,"max_tokens":9`, sent: `"max_tokens":9`}, {members: probeUser, sent: `"max_tokens":4096`}},
	"temperature": {{members: probeUser + `,"temperature":0.5`, sent: `"temperature":0.5`}, {members: probeUser + `,"temperature":1.5`, sent: `"temperature":1`, dropped: "temperature"},
		{members: `"model":"claude-opus-4-7",` + probeUser + `,"temperature":0.5`, dropped: "temperature"}},
	"top_p":            {{members: probeUser + `,"top_p":0.5`, sent: `"top_p":0.5`}, {members: probeUser + `,"top_p":0.5,"temperature":0.5`, dropped: "top_p", sent: `"temperature":0.5`}},
	"top_k":            {{members: probeUser + `,"top_k":5`, sent: `"top_k":5`}, {members: `"model":"claude-opus-4-7",` + probeUser + `,"top_k":5`, dropped: "top_k"}},
	"stop":             {{members: probeUser + `,"stop":["END"]`, sent: `"stop_sequences":["END"]`}, {members: probeUser + `,"stop":"\n"`, dropped: "stop"}},
	"n":                {{members: probeUser + `,"n":2`, refused: "n"}, {members: probeUser + `,"n":1`, sent: `"text":"hi"`}},
	"seed":             {{members: probeUser + `,"seed":4`, dropped: "seed"}},
	"stream":           {{members: probeUser + `,"stream":true`, sent: `"stream":true`}},
	"user":             {{members: probeUser + `,"user":"u"`, sent: `"metadata":{"user_id":"u"}`}, {members: probeUser + `,"user":"` + strings.Repeat("u", 257) + `"`, dropped: "user"}},
	"service_tier":     {{members: probeUser + `,"service_tier":"default"`, sent: `"service_tier":"standard_only"`}, {members: probeUser + `,"service_tier":"flex"`, dropped: "service_tier"}},
	"response_format":  {{members: probeUser + `,"response_format":{"type":"json_schema","json_schema":{"name":"x","schema":{"type":"object"}}}`, sent: `"output_config":{"format":{"type":"json_schema","schema":{"type":"object","additionalProperties":false}}}`}, {members: probeUser + `,"response_format":{"type":"json_object"}`, sent: "valid JSON object", dropped: "response_format"}},
	"reasoning_effort": {{members: probeUser + `,"reasoning_effort":"low","max_tokens":9000`, sent: `"thinking":{"type":"enabled","budget_tokens":2048}`}, {members: probeUser + `,"reasoning_effort":"low","max_tokens":500`, dropped: "reasoning_effort", sent: `"max_tokens":500`}},
	"provider":         {{members: probeUser + `,"provider":{"order":["x"]}`, dropped: "provider"}},
	"modalities":       {{members: probeUser + `,"modalities":["text","audio"]`, refused: "modalities"}, {members: probeUser + `,"modalities":["text"]`, sent: `"text":"hi"`}},

	"response_modalities": {{members: probeUser + `,"response_modalities":["text"]`, sent: `"text":"hi"`}},
	"audio":               {{members: probeUser + `,"audio":{"voice":"x","format":"wav"}`, refused: "audio"}},
	"tools.<any other>":   {{members: probeUser + `,"tools":[{"type":"custom","custom":{"name":"f","format":{"type":"grammar","grammar":{"syntax":"lark","definition":"x"}}}}]`, sent: `"name":"f"`, dropped: "tools.format"}},
	"tools.<vendor tool>": {{members: probeUser + `,"tools":[{"type":"web_search"}]`, dropped: "tools.web_search"}},
	"<any other>":         {{members: probeUser + `,"never_heard_of":{"a":1}`, dropped: "never_heard_of"}},
}

// TestRulesHold: the table says what the writer does, for every row of it.
func TestRulesHold(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range Rules() {
		if seen[r.Member] {
			t.Errorf("%s has two rules", r.Member)
		}
		seen[r.Member] = true
		list := probes[r.Member]
		if list == nil && r.Is == providers.Dropped && r.When == "" {
			list = []probe{{members: probeUser + `,"` + r.Member + `":{"a":1}`, dropped: r.Member}}
		}
		if list == nil {
			t.Errorf("%s has no probe", r.Member)
		}
		if list != nil && (r.Is == providers.Refused) != (list[0].refused != "") || list != nil && r.Is == providers.Dropped && list[0].dropped == "" || r.Is == providers.Carried && list[0].sent == "" {
			t.Errorf("%s: the probe shows something else than %s", r.Member, r.Is)
		}
		for _, p := range list {
			p.check(t, r.Member)
		}
	}
	for member := range probes {
		if !seen[member] {
			t.Errorf("%s has a probe and no rule", member)
		}
	}
}

func (p *probe) check(t *testing.T, member string) {
	t.Helper()
	body := `{` + p.members + `}`
	if !strings.Contains(body, `"model":`) {
		body = `{"model":"claude-sonnet-4-5",` + p.members + `}`
	}
	req, err := openai.ChatIngress().DecodeRequest([]byte(body))
	if err != nil {
		t.Errorf("%s: %s: %v", member, body, err)
		return
	}
	out, dropped, err := MessagesEgress(providers.Quirks{}).AppendRequest(nil, req)
	if p.refused != "" {
		var e *providers.Error
		if !errors.As(err, &e) || e.HTTPStatus() != 400 || e.Param != p.refused || !strings.Contains(e.Message, p.refused) {
			t.Errorf("%s: %s: %v, expected a 400 that names it", member, body, err)
		}
		return
	}
	if err != nil {
		t.Errorf("%s: %s: %v", member, body, err)
		return
	}
	if !strings.Contains(string(out), p.sent) {
		t.Errorf("%s: %s\nbecame %s\nwithout %s", member, body, out, p.sent)
	}
	if p.dropped == "" && len(dropped) > 0 || p.dropped != "" && !slices.Equal(dropped, []string{p.dropped}) {
		t.Errorf("%s: %s\nreports %q, expected %q", member, body, dropped, p.dropped)
	}
}
