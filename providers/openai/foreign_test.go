package openai

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/your-org/ai-api-gateway/providers"
)

func ptr[T any](v T) *T { return &v }

func say(role providers.Role, blocks ...providers.Block) providers.Message {
	return providers.Message{Role: role, Blocks: blocks}
}

func said(s string) providers.Block {
	return providers.Block{Kind: providers.KindText, Text: s, Origin: providers.Messages}
}

// TestForeignRequests: what another dialect's request becomes, and what is reported as lost.
func TestForeignRequests(t *testing.T) {
	openRouter := providers.Quirks{ProviderObject: true, MaxTokensField: "max_tokens", ReasoningField: "reasoning"}
	deepSeek := providers.Quirks{MaxTokensField: "max_tokens", ReasoningField: "reasoning_content", ReasoningBack: true}
	f := func(q providers.Quirks, r providers.Request, want string, dropped ...string) {
		t.Helper()
		r.Origin = providers.Messages
		if r.Model == "" {
			r.Model = "m"
		}
		if r.Messages == nil {
			r.Messages = []providers.Message{say(providers.RoleUser, said("hi"))}
		}
		out, lost, err := ChatEgress(q).AppendRequest(nil, &r)
		if err != nil {
			t.Fatal(err)
		}
		if !json.Valid(out) || !strings.Contains(string(out), want) {
			t.Errorf("got  %s\nwant %s", out, want)
		}
		slices.Sort(lost)
		slices.Sort(dropped)
		if !slices.Equal(lost, dropped) {
			t.Errorf("%s: dropped %q, want %q", out, lost, dropped)
		}
	}
	type req = providers.Request
	msgs := func(m ...providers.Message) req { return req{Messages: m} }
	none := providers.Quirks{}
	mark := json.RawMessage(`{"type":"ephemeral","ttl":"1h"}`)
	marked := said("long")
	marked.Cache = mark

	f(none, req{System: []providers.Block{said("a"), said("b")}}, `"messages":[{"role":"system","content":"a\n\nb"},{"role":"user","content":"hi"}]`)
	f(none, req{System: []providers.Block{marked}}, `{"role":"system","content":[{"type":"text","text":"long","prompt_cache_breakpoint":{"mode":"explicit"}}]}`)
	f(openRouter, req{System: []providers.Block{marked}}, `"cache_control":{"type":"ephemeral","ttl":"1h"}`)
	f(deepSeek, req{System: []providers.Block{marked}}, `{"role":"system","content":"long"}`, "cache_control")
	f(none, req{Cache: mark}, `"hi"`, "cache_control")
	f(none, msgs(say(providers.RoleUser, said("a")), say(providers.RoleSystem, said("s")), say(providers.RoleUser, said("b"))), `{"role":"system","content":"s"},{"role":"user","content":"b"}`)
	f(none, msgs(say(providers.RoleUser, said("a"), said(""), said("b"))), `"content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]`)
	f(none, msgs(say(providers.RoleAssistant, said("a"), said("b"))), `{"role":"assistant","content":"ab"}`)

	// thinking
	think := providers.Block{Kind: providers.KindThinking, Text: "t", Signature: "S", SignatureOrigin: providers.Messages, Origin: providers.Messages}
	hidden := providers.Block{Kind: providers.KindRedacted, Data: []byte("E"), SignatureOrigin: providers.Messages, Origin: providers.Messages}
	f(none, msgs(say(providers.RoleAssistant, think, hidden, said("a"))), `{"role":"assistant","content":"a"}`, "messages.redacted_thinking", "messages.thinking")
	f(deepSeek, msgs(say(providers.RoleAssistant, think, said("a"))), `"reasoning_content":"t"`, "messages.signature")
	f(openRouter, msgs(say(providers.RoleAssistant, think, hidden, said("a"))),
		`"reasoning_details":[{"type":"reasoning.text","text":"t","signature":"S","format":"anthropic-claude-v1","index":0},{"type":"reasoning.encrypted","data":"E","format":"anthropic-claude-v1","index":1}]`)
	f(none, msgs(say(providers.RoleAssistant, think)), `"messages":[]`, "messages.thinking")

	// tools
	call := providers.Block{Kind: providers.KindToolCall, ID: "toolu_1", ToolName: "f", Args: json.RawMessage(`{"b": 1.0}`), Origin: providers.Messages}
	f(none, msgs(say(providers.RoleAssistant, call)), `"content":null,"tool_calls":[{"id":"toolu_1","type":"function","function":{"name":"f","arguments":"{\"b\": 1.0}"}}]`)
	google := call
	google.Signature, google.SignatureOrigin = "G", providers.Gemini
	f(none, msgs(say(providers.RoleAssistant, google)), `"name":"f","arguments":"{\"b\": 1.0}"}}]}`, "messages.signature")
	f(none, req{Model: "google/gemini-3-pro", Messages: msgs(say(providers.RoleAssistant, google)).Messages}, `"extra_content":{"google":{"thought_signature":"G"}}`)
	signedText := said("a")
	signedText.Signature, signedText.SignatureOrigin = "G", providers.Gemini
	f(none, msgs(say(providers.RoleAssistant, signedText)), `{"role":"assistant","content":"a"}`, "messages.signature")
	f(none, req{Model: "google/gemini-3-pro", Messages: msgs(say(providers.RoleAssistant, signedText)).Messages}, `"content":"a","extra_content":{"google":{"thought_signature":"G"}}`)
	image := providers.Block{Kind: providers.KindImage, MediaType: "image/png", Data: []byte{1, 2, 3}, Origin: providers.Messages}
	result := providers.Block{Kind: providers.KindToolResult, ID: "toolu_1", IsError: true, Result: []providers.Block{said("x"), image, said("y")}, Origin: providers.Messages}
	f(none, msgs(say(providers.RoleTool, result)),
		`{"role":"tool","tool_call_id":"toolu_1","content":"x\ny"},{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AQID"}}]}`, "messages.is_error")
	tool := providers.Tool{Name: "f", Schema: json.RawMessage(`{"type":"object","$defs":{}}`), Strict: ptr(true), Cache: mark, Origin: providers.Messages}
	search := providers.Tool{Name: "web_search", Raw: json.RawMessage(`{"type":"web_search_20250305","name":"web_search"}`), Origin: providers.Messages}
	f(none, req{Tools: []providers.Tool{tool, search}, ParallelTools: ptr(false)},
		`"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","$defs":{}},"strict":true}}],"parallel_tool_calls":false`, "cache_control", "tools.web_search_20250305")
	f(providers.Quirks{NoStrict: true, NoParallelTools: true, ProviderObject: true}, req{Tools: []providers.Tool{tool}, ParallelTools: ptr(false)}, `"cache_control":{"type":"ephemeral","ttl":"1h"}`, "parallel_tool_calls", "tools.strict")
	f(none, req{Tools: []providers.Tool{search}, ToolChoice: providers.ToolChoice{Mode: providers.ToolRequired}}, `"hi"}]}`, "tools.web_search_20250305")
	two := []providers.Tool{{Name: "f"}, {Name: "g"}}
	allowed := providers.ToolChoice{Mode: providers.ToolAllowed, Allowed: []string{"g"}, Required: true}
	f(none, req{Tools: two, ToolChoice: allowed}, `"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[{"type":"function","function":{"name":"g"}}]}}`)
	f(deepSeek, req{Tools: two, ToolChoice: allowed}, `"tools":[{"type":"function","function":{"name":"g"}}],"tool_choice":"required"`)
	f(none, req{Tools: two, ToolChoice: providers.ToolChoice{Mode: providers.ToolNamed, Name: "f"}}, `"tool_choice":{"type":"function","function":{"name":"f"}}`)

	// documents
	f(none, msgs(say(providers.RoleUser, providers.Block{Kind: providers.KindFile, Text: "plain", Filename: "n", Origin: providers.Messages})), `"text":"n\nplain"`)
	f(none, msgs(say(providers.RoleUser, providers.Block{Kind: providers.KindFile, MediaType: "application/pdf", Data: []byte("%PDF"), Origin: providers.Messages})), `"file":{"filename":"document.pdf","file_data":"data:application/pdf;base64,JVBERg=="}`)
	f(openRouter, msgs(say(providers.RoleUser, providers.Block{Kind: providers.KindFile, URL: "https://x/y.pdf", Origin: providers.Messages})), `"file_data":"https://x/y.pdf"`)
	f(none, msgs(say(providers.RoleUser, providers.Block{Kind: providers.KindAudio, MediaType: "audio/wav", Data: []byte{1}, Origin: providers.Gemini})), `"input_audio":{"data":"AQ==","format":"wav"}`)
	f(none, msgs(say(providers.RoleUser, said("a"), providers.Block{Kind: providers.KindOpaque, Raw: json.RawMessage(`{"type":"search_result"}`), Origin: providers.Messages})), `"content":"a"`, "messages.search_result")

	// the rest
	f(none, req{MaxTokens: ptr(int64(9)), TopK: ptr(int64(3)), Temperature: ptr(0.5), Stop: []string{"a"}}, `"max_completion_tokens":9,"temperature":0.5,"stop":["a"]`, "top_k")
	f(deepSeek, req{MaxTokens: ptr(int64(9)), TopK: ptr(int64(3))}, `"max_tokens":9,"top_k":3`)
	f(none, req{MaxTokens: ptr(int64(0))}, `"hi"`, "max_tokens")
	f(none, req{ServiceTier: "standard_only"}, `"service_tier":"default"`)
	f(none, req{Stream: true}, `"stream":true,"stream_options":{"include_usage":true}`)
	f(providers.Quirks{NoStreamUsage: true}, req{Stream: true}, `"stream":true}`)
	f(none, req{Reasoning: &providers.Reasoning{Mode: "enabled", Budget: ptr(int64(4096))}}, `"reasoning_effort":"medium"`)
	f(none, req{Reasoning: &providers.Reasoning{Mode: "adaptive", Effort: "max"}}, `"reasoning_effort":"max"`)
	f(none, req{Reasoning: &providers.Reasoning{Mode: "disabled"}}, `"hi"`, "thinking")
	f(providers.Quirks{Drop: []string{"reasoning_effort"}}, req{Reasoning: &providers.Reasoning{Effort: "low"}}, `"hi"`, "reasoning_effort")
	f(none, req{Format: &providers.Format{Kind: "json_schema", Schema: json.RawMessage(`{}`)}}, `"response_format":{"type":"json_schema","json_schema":{"name":"response","schema":{}}}`)
	f(none, req{Extra: []providers.Member{{Name: "inference_geo", Value: json.RawMessage(`"eu"`)}, {Name: "logit_bias", Value: json.RawMessage(`{}`)}, {Name: "metadata", Value: json.RawMessage(`{}`)}}}, `"logit_bias":{}`, "inference_geo", "metadata")
}

// TestRefused: what cannot be carried at all is an error that names it.
func TestRefused(t *testing.T) {
	f := func(b providers.Block, param string) {
		t.Helper()
		b.Origin = providers.Messages
		r := &providers.Request{Origin: providers.Messages, Model: "m", Messages: []providers.Message{say(providers.RoleUser, b)}}
		dst := []byte("kept")
		out, _, err := ChatEgress(providers.Quirks{}).AppendRequest(dst, r)
		var e *providers.Error
		if !errors.As(err, &e) || e.Kind != providers.KindInvalidRequest || e.Param != param || string(out) != "kept" {
			t.Errorf("%+v: %v, %s", b, err, out)
		}
	}
	f(providers.Block{Kind: providers.KindImage, FileID: "file_1"}, "image_url")
	f(providers.Block{Kind: providers.KindFile, FileID: "file_1"}, "file.file_id")
	f(providers.Block{Kind: providers.KindFile, URL: "https://x/y.pdf"}, "file")
	f(providers.Block{Kind: providers.KindAudio, MediaType: "audio/midi", Data: []byte{1}}, "input_audio")
}

// TestRules: the table and the writer agree, and no member has two rules.
func TestRules(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range Rules() {
		id := string(r.Origin) + " " + r.Member
		if seen[id] {
			t.Errorf("%s has two rules", id)
		}
		seen[id] = true
		if r.Is != Carried && r.Is != Dropped && r.Is != Refused {
			t.Errorf("%s: %q", r.Member, r.Is)
		}
		if r.Origin == "" || strings.ContainsAny(r.Member, ".<") {
			continue
		}
		req := &providers.Request{Origin: r.Origin, Model: "m", Extra: []providers.Member{{Name: r.Member, Value: json.RawMessage(`"v"`)}}}
		out, dropped, err := ChatEgress(providers.Quirks{}).AppendRequest(nil, req)
		if err != nil {
			t.Fatal(err)
		}
		name := r.As
		if name == "" {
			name = r.Member
		}
		if sent := strings.Contains(string(out), `"`+name+`":"v"`); sent != (r.Is == Carried) || sent == slices.Contains(dropped, r.Member) {
			t.Errorf("%s is %s: sent %v, reported %v", r.Member, r.Is, sent, dropped)
		}
	}
}

// TestForeignAnswer: another vendor's answer as a chat caller sees it.
func TestForeignAnswer(t *testing.T) {
	think := providers.Block{Kind: providers.KindThinking, Text: "t", Signature: "S", SignatureOrigin: providers.Messages}
	cited := said("é fact")
	cited.Citations = json.RawMessage(`[{"type":"web_search_result_location","url":"https://x","title":"X","cited_text":"c"},{"type":"char_location"}]`)
	r := &providers.Response{ID: "msg_1", Model: "alias", Created: 7, Origin: providers.Messages, HasUsage: true, ServiceTier: "standard",
		Usage: providers.Usage{Input: 1, CacheRead: 2, CacheWrite1h: 3, Output: 4, Reasoning: 5},
		Extra: []providers.Member{{Name: "container", Value: json.RawMessage(`{}`)}},
		Choices: []providers.Choice{{Finish: providers.FinishRefusal, RawFinish: "refusal", Blocks: []providers.Block{
			think, said("a "), cited,
			{Kind: providers.KindOpaque, Raw: json.RawMessage(`{"type":"server_tool_use"}`), Origin: providers.Messages},
			{Kind: providers.KindToolCall, ID: "toolu_1", ToolName: "f", Args: json.RawMessage(`{}`)},
			{Kind: providers.KindImage, MediaType: "image/png", Data: []byte{1}},
		}}}}
	out, err := ChatIngress().AppendResponse(nil, r)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"id":"msg_1","object":"chat.completion","created":7,"model":"alias","choices":[{"index":0,"message":{"role":"assistant","content":"a é fact","refusal":null,` +
		`"reasoning_content":"t","reasoning_details":[{"type":"reasoning.text","text":"t","signature":"S","format":"anthropic-claude-v1","index":0}],"thinking_blocks":[{"type":"thinking","thinking":"t","signature":"S"}],` +
		`"images":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AQ=="}}],` +
		`"annotations":[{"type":"url_citation","url_citation":{"url":"https://x","title":"X","start_index":2,"end_index":8}}],` +
		`"tool_calls":[{"id":"toolu_1","type":"function","function":{"name":"f","arguments":"{}"}}]},"logprobs":null,"finish_reason":"content_filter"}],` +
		`"usage":{"prompt_tokens":6,"completion_tokens":9,"total_tokens":15,"prompt_tokens_details":{"cached_tokens":2,"audio_tokens":0,"cache_write_tokens":3},"completion_tokens_details":{"reasoning_tokens":5,"audio_tokens":0}},"service_tier":"default"}`
	if string(out) != want {
		t.Errorf("got  %s\nwant %s", out, want)
	}
}
