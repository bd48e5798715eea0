package bedrock

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/openai"
)

// A probe is what shows that a rule holds: chat members, and what must be found in
// the request that comes of them.
type probe struct {
	members string
	sent    string // must stand in the written request; empty: nothing of it
	dropped string // must be reported
	refused string // the parameter named by the 400
}

const (
	probeUser  = `"messages":[{"role":"user","content":"hi"}]`
	probeTools = `"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"},"strict":true}}]`
	claude     = `"model":"us.anthropic.claude-sonnet-4-5-20250929-v1:0",`
	nova       = `"model":"us.amazon.nova-2-lite-v1:0",`
	llama      = `"model":"meta.llama4-maverick-17b-instruct-v1:0",`
)

func part(p string) string {
	return `"messages":[{"role":"user","content":[{"type":"text","text":"hi"},` + p + `]}]`
}

func assistant(members string) string {
	return `"messages":[{"role":"user","content":"hi"},{"role":"assistant",` + members + `},{"role":"user","content":"on"}]`
}

var probes = map[string][]probe{
	"model":    {{members: probeUser, sent: `{"messages":[{"role":"user","content":[{"text":"hi"}]}]}`}},
	"stream":   {{members: probeUser + `,"stream":true`, sent: `{"messages":[{"role":"user","content":[{"text":"hi"}]}]}`}},
	"system":   {{members: `"messages":[{"role":"developer","content":"be"},{"role":"user","content":"hi"}]`, sent: `"system":[{"text":"be"}]`}},
	"messages": {{members: `"messages":[{"role":"user","content":"a"},{"role":"user","content":"b"}]`, sent: `{"role":"user","content":[{"text":"a"},{"text":"b"}]}`}, {members: `"messages":[{"role":"assistant","content":"a"}]`, sent: `[{"role":"user","content":[{"text":"Begin."}]},{"role":"assistant"`}},
	"messages.system": {{members: `"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"},{"role":"system","content":"be"},{"role":"user","content":"c"}]`,
		sent: `{"role":"user","content":[{"text":"<system>\nbe\n</system>"},{"text":"c"}]}`}},
	"messages.name": {{members: `"messages":[{"role":"user","name":"bob","content":"hi"}]`, dropped: "messages.name"}},
	"messages.thinking": {
		{members: claude + assistant(`"content":"a","reasoning_details":[{"type":"reasoning.text","text":"t","signature":"S","format":"anthropic-claude-v1","index":0}]`), sent: `{"reasoningContent":{"reasoningText":{"text":"t","signature":"S"}}}`},
		{members: claude + assistant(`"content":"a","reasoning_details":[{"type":"reasoning.encrypted","data":"EqADCg==","format":"anthropic-claude-v1"}]`), sent: `{"reasoningContent":{"redactedContent":"RXFBRENnPT0="}}`},
		{members: claude + assistant(`"content":"a","reasoning_details":[{"type":"reasoning.encrypted","data":"RXFBRENnPT0=","format":"anthropic-claude-v1"}]`), sent: `{"reasoningContent":{"redactedContent":"RXFBRENnPT0="}}`},
		{members: llama + assistant(`"content":"a","reasoning_details":[{"type":"reasoning.encrypted","data":"EqADCg==","format":"anthropic-claude-v1"}]`), dropped: "messages.thinking"},
		{members: llama + assistant(`"content":"a","reasoning_details":[{"type":"reasoning.text","text":"t","signature":"S","format":"anthropic-claude-v1","index":0}]`), dropped: "messages.thinking"},
		{members: assistant(`"content":"a","reasoning_content":"secret thought"`), dropped: "messages.thinking"}},
	"messages.signature":       {{members: assistant(`"content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"},"extra_content":{"google":{"thought_signature":"G"}}}]`), dropped: "messages.signature"}, {members: assistant(`"content":"a","extra_content":{"google":{"thought_signature":"G"}}`), dropped: "messages.signature"}},
	"messages.<any other>":     {{members: assistant(`"content":"a","annotations":[{"type":"url_citation","url_citation":{"url":"https://x","start_index":0,"end_index":1}}]`), dropped: "messages.annotations"}},
	"messages.assistant_media": {{members: assistant(`"content":"a","images":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AQID"}}]`), dropped: "messages.assistant_media"}},
	"image_url": {
		{members: part(`{"type":"image_url","image_url":{"url":"data:image/jpeg;base64,AQID"}}`), sent: `{"image":{"format":"jpeg","source":{"bytes":"AQID"}}}`},
		{members: part(`{"type":"image_url","image_url":{"url":"s3://bucket/a.png"}}`), sent: `{"image":{"format":"png","source":{"s3Location":{"uri":"s3://bucket/a.png"}}}}`},
		{members: part(`{"type":"image_url","image_url":{"url":"data:image/tiff;base64,AQID"}}`), refused: "image_url"}},
	"image_url.detail": {{members: part(`{"type":"image_url","image_url":{"url":"data:image/png;base64,AQID","detail":"high"}}`), dropped: "image_url.detail"}},
	"file": {
		{members: part(`{"type":"file","file":{"filename":"My  report (v1).pdf","file_data":"data:application/pdf;base64,JVBERg=="}}`), sent: `{"document":{"format":"pdf","name":"My report (v1)","source":{"bytes":"JVBERg=="}}}`},
		{members: `"messages":[{"role":"user","content":[{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,JVBERg=="}},{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,JVBERg=="}}]}]`,
			sent: `"name":"a-2","source":{"bytes":"JVBERg=="}}},{"text":"Attached: a"}`},
		{members: part(`{"type":"file","file":{"file_data":"data:application/zip;base64,/w=="}}`), refused: "file"}},
	"file.file_id":        {{members: part(`{"type":"file","file":{"file_id":"file-1"}}`), refused: "file.file_id"}},
	"input_audio":         {{members: part(`{"type":"input_audio","input_audio":{"data":"AQ==","format":"wav"}}`), sent: `{"audio":{"format":"wav","source":{"bytes":"AQ=="}}}`}},
	"cache_control":       {{members: claude + part(`{"type":"text","text":"x","cache_control":{"type":"ephemeral","ttl":"1h"}}`), sent: `{"text":"x"},{"cachePoint":{"type":"default","ttl":"1h"}}`}, {members: llama + part(`{"type":"text","text":"x","cache_control":{"type":"ephemeral"}}`), dropped: "cache_control"}},
	"tools":               {{members: probeUser + "," + probeTools, sent: `"toolConfig":{"tools":[{"toolSpec":{"name":"f","inputSchema":{"json":{"type":"object"}}`}},
	"tools.strict":        {{members: claude + probeUser + "," + probeTools, sent: `"strict":true`}, {members: llama + probeUser + "," + probeTools, dropped: "tools.strict"}},
	"tool_choice":         {{members: probeUser + "," + probeTools + `,"tool_choice":"required"`, sent: `"toolChoice":{"any":{}}`}},
	"parallel_tool_calls": {{members: probeUser + "," + probeTools + `,"parallel_tool_calls":false`, dropped: "parallel_tool_calls"}},
	"tool_call_id": {{members: `"messages":[{"role":"user","content":"x"},{"role":"assistant","tool_calls":[{"id":"a:b","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"a:b","content":"r"}]`,
		sent: `{"toolResult":{"toolUseId":"` + validID("a:b") + `","content":[{"text":"r"}]}}`}},
	"max_tokens":       {{members: probeUser + `,"max_tokens":7`, sent: `"inferenceConfig":{"maxTokens":7}`}},
	"temperature":      {{members: probeUser + `,"temperature":0.5`, sent: `"temperature":0.5`}, {members: probeUser + `,"temperature":1.5`, sent: `"temperature":1`, dropped: "temperature"}},
	"top_p":            {{members: probeUser + `,"top_p":0.5`, sent: `"topP":0.5`}},
	"top_k":            {{members: claude + probeUser + `,"top_k":5`, sent: `"additionalModelRequestFields":{"top_k":5}`}, {members: nova + probeUser + `,"top_k":5`, sent: `{"inferenceConfig":{"topK":5}}`}, {members: llama + probeUser + `,"top_k":5`, dropped: "top_k"}},
	"stop":             {{members: claude + probeUser + `,"stop":["a","b"]`, sent: `"stopSequences":["a","b"]},"additionalModelResponseFieldPaths":["/stop_sequence"]`}},
	"n":                {{members: probeUser + `,"n":2`, refused: "n"}},
	"seed":             {{members: probeUser + `,"seed":2`, dropped: "seed"}},
	"user":             {{members: probeUser + `,"user":"u"`, dropped: "user"}},
	"service_tier":     {{members: probeUser + `,"service_tier":"flex"`, sent: `"serviceTier":{"type":"flex"}`}, {members: probeUser + `,"service_tier":"turbo"`, dropped: "service_tier"}},
	"response_format":  {{members: claude + probeUser + `,"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"object"}}}`, sent: `"schema":"{\"type\":\"object\",\"additionalProperties\":false}"`}, {members: probeUser + `,"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"object"}}}`, sent: `"outputConfig":{"textFormat":{"type":"json_schema","structure":{"jsonSchema":{"schema":"{\"type\":\"object\"}","name":"n"}}}}`}, {members: probeUser + `,"response_format":{"type":"json_object"}`, sent: jsonOnly, dropped: "response_format"}},
	"reasoning_effort": {{members: claude + probeUser + `,"reasoning_effort":"low"`, sent: `"thinking":{"type":"enabled","budget_tokens":2048}`}, {members: nova + probeUser + `,"reasoning_effort":"high"`, sent: `"reasoningConfig":{"type":"enabled","maxReasoningEffort":"high"}`}, {members: nova + probeUser + `,"reasoning_effort":"high","max_tokens":9`, sent: `"maxReasoningEffort":"medium"`, dropped: "reasoning_effort"}, {members: `"model":"openai.gpt-oss-120b-1:0",` + probeUser + `,"reasoning_effort":"medium"`, sent: `{"reasoning_effort":"medium"}`}, {members: llama + probeUser + `,"reasoning_effort":"low"`, dropped: "reasoning_effort"}},
	"modalities":       {{members: probeUser + `,"modalities":["text","audio"]`, refused: "modalities"}},
	"audio":            {{members: probeUser + `,"audio":{"voice":"x"}`, refused: "audio"}},
	"<any other>":      {{members: probeUser + `,"logit_bias":{"1":2}`, dropped: "logit_bias"}},
}

// unprobed are rules that another rule's probe shows, or that only callers of other
// formats meet; TestBedrockRequests of cmd/ai-gateway sees those.
var unprobed = []string{"messages.redacted_thinking", "messages.citations", "messages.<vendor block>", "is_error", "tools.<vendor tool>", "tools.<any other>", "thinking", "provider", "response_modalities"}

func TestRules(t *testing.T) {
	for _, r := range Rules() {
		if probes[r.Member] == nil && !slices.Contains(unprobed, r.Member) {
			t.Errorf("nothing shows the rule of %s", r.Member)
		}
	}
	for member, list := range probes {
		for _, p := range list {
			body := "{" + p.members + "}"
			if !strings.Contains(body, `"model"`) {
				body = `{"model":"` + "amazon.titan" + `",` + body[1:]
			}
			r, err := openai.ChatIngress().DecodeRequest([]byte(body))
			if err != nil {
				t.Fatalf("%s: %s: %v", member, body, err)
			}
			out, dropped, err := egress{}.AppendRequest(nil, r)
			var e *providers.Error
			switch {
			case p.refused != "":
				if !errors.As(err, &e) || e.Param != p.refused || e.HTTPStatus() != 400 {
					t.Errorf("%s: %v, want a refusal of %s", member, err, p.refused)
				}
			case err != nil:
				t.Errorf("%s: %v", member, err)
			case !strings.Contains(string(out), p.sent):
				t.Errorf("%s: sent %s\nwant %s", member, out, p.sent)
			case p.dropped != "" && !slices.Contains(dropped, p.dropped), p.dropped == "" && slices.Contains(dropped, member):
				t.Errorf("%s: dropped %v, want %q", member, dropped, p.dropped)
			}
		}
	}
}
