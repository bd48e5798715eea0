package anthropic

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/your-org/ai-api-gateway/providers"
)

func textBlock(s string) providers.Block { return providers.Block{Kind: providers.KindText, Text: s} }

func say(role providers.Role, text string) providers.Message {
	return providers.Message{Role: role, Blocks: []providers.Block{textBlock(text)}}
}

func ptr[T any](v T) *T { return &v }

func call(id, name, args string) providers.Block {
	return providers.Block{Kind: providers.KindToolCall, ID: id, ToolName: name, Args: json.RawMessage(args)}
}

func result(id string, parts ...providers.Block) providers.Message {
	return providers.Message{Role: providers.RoleTool, Blocks: []providers.Block{{Kind: providers.KindToolResult, ID: id, Result: parts}}}
}

// chatRequest returns a request as the chat dialect would decode it, changed by edit.
func chatRequest(edit func(r *providers.Request)) *providers.Request {
	r := &providers.Request{Origin: providers.Chat, Model: "claude-sonnet-4-5", MaxTokens: ptr[int64](2000),
		Messages: []providers.Message{say(providers.RoleUser, "hi")}}
	if edit != nil {
		edit(r)
	}
	return r
}

// rest returns the members of a request body that edit of chatRequest caused.
func rest(t *testing.T, body []byte) string {
	t.Helper()
	var m map[string]json.RawMessage
	if err := json.Unmarshal(body, &m); err != nil {
		t.Fatalf("request is no JSON: %v: %s", err, body)
	}
	for name, usual := range map[string]string{"model": `"claude-sonnet-4-5"`, "max_tokens": "2000",
		"messages": `[{"role":"user","content":[{"type":"text","text":"hi"}]}]`} {
		if string(m[name]) == usual {
			delete(m, name)
		}
	}
	out, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestRequestFromChat(t *testing.T) {
	f := func(name string, edit func(r *providers.Request), want string, wantDropped ...string) {
		t.Helper()
		got, dropped, err := MessagesEgress(providers.Quirks{Drop: []string{"top_k"}}).AppendRequest(nil, chatRequest(edit))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
		if d := differ(t, []byte(rest(t, got)), []byte(want)); d != "" {
			t.Errorf("%s: %s\n got %s\nwant %s", name, d, rest(t, got), want)
		}
		if !slices.Equal(dropped, wantDropped) {
			t.Errorf("%s: dropped %q, expected %q", name, dropped, wantDropped)
		}
	}
	f("plain", nil, `{}`)
	f("system", func(r *providers.Request) {
		r.System = []providers.Block{textBlock("a"), textBlock(" "), textBlock("b")}
	}, `{"system":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}`)
	f("only system", func(r *providers.Request) { r.Messages, r.System = nil, []providers.Block{textBlock("be")} },
		`{"messages":[{"role":"user","content":[{"type":"text","text":"be"}]}]}`)
	f("system in between", func(r *providers.Request) {
		r.Messages = append(r.Messages, say(providers.RoleAssistant, "yes"), say(providers.RoleSystem, "be brief"), say(providers.RoleUser, "go"))
	}, `{"messages":[{"role":"user","content":[{"type":"text","text":"hi"}]},{"role":"assistant","content":[{"type":"text","text":"yes"}]},
		{"role":"user","content":[{"type":"text","text":"<system>\nbe brief\n</system>"},{"type":"text","text":"go"}]}]}`)
	f("system where the model takes it", func(r *providers.Request) {
		r.Model = "claude-opus-4-8"
		r.Messages = append(r.Messages, say(providers.RoleSystem, "be brief"))
	}, `{"model":"claude-opus-4-8","messages":[{"role":"user","content":[{"type":"text","text":"hi"}]},{"role":"system","content":[{"type":"text","text":"be brief"}]}]}`)
	f("sampling", func(r *providers.Request) {
		r.Temperature, r.TopP, r.TopK = ptr(1.7), ptr(0.5), ptr[int64](4)
		r.Stop, r.Seed, r.User = []string{"END", "\n"}, ptr[int64](7), "u-1"
	}, `{"temperature":1,"stop_sequences":["END"],"metadata":{"user_id":"u-1"}}`, "temperature", "top_p", "top_k", "stop", "seed")
	f("sampling a new model refuses", func(r *providers.Request) { r.Model, r.Temperature = "claude-opus-4-7", ptr(0.2) },
		`{"model":"claude-opus-4-7"}`, "temperature")
	f("extra members", func(r *providers.Request) {
		r.Extra = []providers.Member{{Name: "logit_bias", Value: json.RawMessage(`{"1":2}`)}, {Name: "logprobs", Value: json.RawMessage(`false`)},
			{Name: "presence_penalty", Value: json.RawMessage(`0.5`)}, {Name: "modalities", Value: json.RawMessage(`["text"]`)}}
	}, `{}`, "logit_bias", "presence_penalty")
	f("tiers", func(r *providers.Request) { r.ServiceTier = "default" }, `{"service_tier":"standard_only"}`)
	f("tier unknown here", func(r *providers.Request) { r.ServiceTier = "flex" }, `{}`, "service_tier")
	f("json schema", func(r *providers.Request) {
		r.Format = &providers.Format{Kind: "json_schema", Name: "x", Schema: json.RawMessage(`{"type":"object","b":1,"a":2}`), Strict: ptr(true)}
	}, `{"output_config":{"format":{"type":"json_schema","schema":{"type":"object","b":1,"a":2,"additionalProperties":false}}}}`)
	f("json object", func(r *providers.Request) { r.Format = &providers.Format{Kind: "json_object"} },
		`{"system":[{"type":"text","text":"Answer with one valid JSON object and nothing else."}]}`, "response_format")
	f("cache mark", func(r *providers.Request) {
		r.Messages[0].Blocks[0].Cache = json.RawMessage(`{"type":"ephemeral","ttl":"1h"}`)
	}, `{"messages":[{"role":"user","content":[{"type":"text","text":"hi","cache_control":{"type":"ephemeral","ttl":"1h"}}]}]}`)
	f("names", func(r *providers.Request) { r.Messages[0].Name = "bob" }, `{}`, "messages.name")
	f("media", func(r *providers.Request) {
		r.Messages[0].Blocks = []providers.Block{
			{Kind: providers.KindImage, URL: "https://e.example/a.png", Detail: "high"},
			{Kind: providers.KindImage, MediaType: "image/png", Data: []byte("png")},
			{Kind: providers.KindFile, MediaType: "application/pdf", Data: []byte("pdf"), Filename: "a.pdf"},
			{Kind: providers.KindFile, MediaType: "text/csv", Data: []byte("a,b")},
		}
	}, `{"messages":[{"role":"user","content":[{"type":"image","source":{"type":"url","url":"https://e.example/a.png"}},
		{"type":"image","source":{"type":"base64","media_type":"image/png","data":"cG5n"}},
		{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"cGRm"},"title":"a.pdf"},
		{"type":"document","source":{"type":"text","media_type":"text/plain","data":"a,b"}}]}]}`, "image_url.detail")
	f("prefill", func(r *providers.Request) { r.Messages = append(r.Messages, say(providers.RoleAssistant, "So: \n")) },
		`{"messages":[{"role":"user","content":[{"type":"text","text":"hi"}]},{"role":"assistant","content":[{"type":"text","text":"So:"}]}]}`)
	f("foreign thinking and refusals", func(r *providers.Request) {
		r.Messages = append(r.Messages, providers.Message{Role: providers.RoleAssistant, Blocks: []providers.Block{
			{Kind: providers.KindThinking, Text: "hm", Signature: "x", SignatureOrigin: providers.Gemini},
			{Kind: providers.KindThinking, Text: "ours", Signature: "sig", SignatureOrigin: providers.Messages},
			{Kind: providers.KindRefusal, Text: "no", Origin: providers.Chat, Citations: json.RawMessage(`[{"type":"url_citation"}]`)}}}, say(providers.RoleUser, "why"))
	}, `{"messages":[{"role":"user","content":[{"type":"text","text":"hi"}]},{"role":"assistant","content":[
		{"type":"thinking","thinking":"ours","signature":"sig"},{"type":"text","text":"no"}]},{"role":"user","content":[{"type":"text","text":"why"}]}]}`, "messages.thinking", "messages.citations")
}

func TestToolsFromChat(t *testing.T) {
	weather := providers.Tool{Name: "weather", Description: "w", Schema: json.RawMessage(`{"type":"object","properties":{"z":{},"a":{}}}`)}
	clock := providers.Tool{Name: "clock"}
	const weatherJSON = `{"name":"weather","description":"w","input_schema":{"type":"object","properties":{"z":{},"a":{}}}}`
	const clockJSON = `{"name":"clock","input_schema":{"type":"object"}}`
	f := func(name string, edit func(r *providers.Request), want string, wantDropped ...string) {
		t.Helper()
		got, dropped, err := MessagesEgress(providers.Quirks{}).AppendRequest(nil, chatRequest(func(r *providers.Request) {
			r.Tools = []providers.Tool{weather, clock}
			edit(r)
		}))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
		if d := differ(t, []byte(rest(t, got)), []byte(want)); d != "" {
			t.Errorf("%s: %s\n got %s\nwant %s", name, d, rest(t, got), want)
		}
		if !slices.Equal(dropped, wantDropped) {
			t.Errorf("%s: dropped %q, expected %q", name, dropped, wantDropped)
		}
	}
	both := `"tools":[` + weatherJSON + `,` + clockJSON + `]`
	choice := func(c providers.ToolChoice) func(r *providers.Request) {
		return func(r *providers.Request) { r.ToolChoice = c }
	}
	f("not said", choice(providers.ToolChoice{}), `{`+both+`}`)
	f("required", choice(providers.ToolChoice{Mode: providers.ToolRequired}), `{`+both+`,"tool_choice":{"type":"any"}}`)
	f("none", choice(providers.ToolChoice{Mode: providers.ToolNone}), `{`+both+`,"tool_choice":{"type":"none"}}`)
	f("named", choice(providers.ToolChoice{Mode: providers.ToolNamed, Name: "clock"}), `{`+both+`,"tool_choice":{"type":"tool","name":"clock"}}`)
	f("allowed", choice(providers.ToolChoice{Mode: providers.ToolAllowed, Allowed: []string{"clock"}, Required: true}),
		`{"tools":[`+clockJSON+`],"tool_choice":{"type":"any"}}`)
	f("serial", func(r *providers.Request) { r.ParallelTools = ptr(false) }, `{`+both+`,"tool_choice":{"type":"auto","disable_parallel_tool_use":true}}`)
	f("serial and none", func(r *providers.Request) {
		r.ParallelTools, r.ToolChoice.Mode = ptr(false), providers.ToolNone
	}, `{`+both+`,"tool_choice":{"type":"none"}}`)
	f("choice without tools", func(r *providers.Request) { r.Tools, r.ToolChoice.Mode = nil, providers.ToolAuto }, `{}`)
	f("another vendor's tool", func(r *providers.Request) {
		r.Tools = []providers.Tool{{Raw: json.RawMessage(`{"type":"web_search"}`), Origin: providers.Responses}, clock}
	}, `{"tools":[`+clockJSON+`]}`, "tools.web_search")
	f("schema without type", func(r *providers.Request) {
		r.Tools = []providers.Tool{{Name: "x", Schema: json.RawMessage(`{"properties":{}}`)}}
	}, `{"tools":[{"name":"x","input_schema":{"type":"object","properties":{}}}]}`)

	// All results of one round in one user message, results first; ids in the API's alphabet on both sides.
	f("results", func(r *providers.Request) {
		r.Tools = nil
		r.Messages = append(r.Messages,
			providers.Message{Role: providers.RoleAssistant, Blocks: []providers.Block{textBlock(""), call("functions.a:0", "weather", ""), call("call_2", "clock", `oops`)}},
			say(providers.RoleUser, "wait"),
			result("functions.a:0", textBlock("rain")),
			result("call_2", textBlock("see"), providers.Block{Kind: providers.KindImage, MediaType: "image/png", Data: []byte("png")}))
	}, `{"messages":[{"role":"user","content":[{"type":"text","text":"hi"}]},
		{"role":"assistant","content":[{"type":"tool_use","id":"functions_a_0_ac78e4a1","name":"weather","input":{}},{"type":"tool_use","id":"call_2","name":"clock","input":{"input":"oops"}}]},
		{"role":"user","content":[{"type":"tool_result","tool_use_id":"functions_a_0_ac78e4a1","content":"rain"},
			{"type":"tool_result","tool_use_id":"call_2","content":[{"type":"text","text":"see"},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"cG5n"}}]},
			{"type":"text","text":"wait"}]}]}`)
}

func TestThinkingFromChat(t *testing.T) {
	f := func(name, model string, reasoning providers.Reasoning, edit func(r *providers.Request), want string, wantDropped ...string) {
		t.Helper()
		got, dropped, err := MessagesEgress(providers.Quirks{}).AppendRequest(nil, chatRequest(func(r *providers.Request) {
			r.Model, r.Reasoning = model, &reasoning
			if edit != nil {
				edit(r)
			}
		}))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
		var m struct {
			MaxTokens    json.RawMessage `json:"max_tokens"`
			Thinking     json.RawMessage `json:"thinking,omitempty"`
			OutputConfig json.RawMessage `json:"output_config,omitempty"`
		}
		if err := json.Unmarshal(got, &m); err != nil {
			t.Fatal(err)
		}
		out, _ := json.Marshal(m)
		if d := differ(t, out, []byte(want)); d != "" {
			t.Errorf("%s: %s\n got %s\nwant %s", name, d, out, want)
		}
		if !slices.Equal(dropped, wantDropped) {
			t.Errorf("%s: dropped %q, expected %q", name, dropped, wantDropped)
		}
	}
	max := func(n int64) func(r *providers.Request) {
		return func(r *providers.Request) { r.MaxTokens = &n }
	}
	unsaid := func(r *providers.Request) { r.MaxTokens = nil }
	effort := func(e string) providers.Reasoning { return providers.Reasoning{Effort: e} }
	f("budget by effort", "claude-sonnet-4-5", effort("medium"), max(20000), `{"max_tokens":20000,"thinking":{"type":"enabled","budget_tokens":8192}}`)
	f("budget below max_tokens", "claude-sonnet-4-5", effort("high"), max(2000), `{"max_tokens":2000,"thinking":{"type":"enabled","budget_tokens":1999}}`)
	f("no room for thinking", "claude-sonnet-4-5", effort("high"), max(1024), `{"max_tokens":1024}`, "reasoning_effort")
	f("no bound said", "claude-sonnet-4-5", effort("low"), unsaid, `{"max_tokens":6144,"thinking":{"type":"enabled","budget_tokens":2048}}`)
	f("bound of the model", "claude-sonnet-4-5", effort("low"), func(r *providers.Request) { r.MaxTokens, r.DefaultMaxTokens = nil, 64000 },
		`{"max_tokens":64000,"thinking":{"type":"enabled","budget_tokens":2048}}`)
	f("adaptive", "claude-opus-4-6", effort("xhigh"), nil, `{"max_tokens":2000,"thinking":{"type":"adaptive"},"output_config":{"effort":"high"}}`)
	f("adaptive, newer", "us.anthropic.claude-opus-4-7-v1:0", effort("xhigh"), nil, `{"max_tokens":2000,"thinking":{"type":"adaptive"},"output_config":{"effort":"xhigh"}}`)
	f("minimal", "claude-opus-4-6", effort("minimal"), nil, `{"max_tokens":2000,"thinking":{"type":"adaptive"},"output_config":{"effort":"low"}}`)
	f("summary", "claude-opus-5", providers.Reasoning{Effort: "high", Summary: "auto"}, nil, `{"max_tokens":2000,"thinking":{"type":"adaptive","display":"summarized"},"output_config":{"effort":"high"}}`)
	f("none", "claude-sonnet-4-5", effort("none"), nil, `{"max_tokens":2000,"thinking":{"type":"disabled"}}`)
	f("none, adaptive only", "claude-opus-4-7", effort("none"), nil, `{"max_tokens":2000}`)
	f("none, always thinks", "claude-fable-5", effort("none"), nil, `{"max_tokens":2000,"output_config":{"effort":"low"}}`, "reasoning_effort")
	f("a model that cannot", "claude-3-5-haiku-latest", effort("low"), nil, `{"max_tokens":2000}`, "reasoning_effort")
	f("budget of another format", "claude-opus-4-6", providers.Reasoning{Budget: ptr[int64](5000)}, nil, `{"max_tokens":2000,"thinking":{"type":"adaptive"},"output_config":{"effort":"medium"}}`)
	f("forced tool", "claude-sonnet-4-5", effort("low"), func(r *providers.Request) {
		r.Tools, r.ToolChoice.Mode = []providers.Tool{{Name: "x"}}, providers.ToolRequired
	}, `{"max_tokens":2000}`, "reasoning_effort")
	f("tool loop without its thinking", "claude-sonnet-4-5", effort("low"), func(r *providers.Request) {
		r.Messages = append(r.Messages, providers.Message{Role: providers.RoleAssistant, Blocks: []providers.Block{call("c", "x", "{}")}}, result("c", textBlock("1")))
	}, `{"max_tokens":2000}`, "reasoning_effort")
	f("another vendor behind the format", "kimi-k2", effort("low"), max(9000), `{"max_tokens":9000,"thinking":{"type":"enabled","budget_tokens":2048}}`)
}

func TestRequestsRefused(t *testing.T) {
	f := func(name string, edit func(r *providers.Request), param string) {
		t.Helper()
		_, _, err := MessagesEgress(providers.Quirks{}).AppendRequest(nil, chatRequest(edit))
		var e *providers.Error
		if !errors.As(err, &e) || e.HTTPStatus() != 400 || e.Param != param || !strings.HasPrefix(e.Message, param+": ") {
			t.Errorf("%s: %v, expected a 400 naming %s", name, err, param)
		}
	}
	f("n", func(r *providers.Request) { r.N = 2 }, "n")
	f("audio in", func(r *providers.Request) {
		r.Messages[0].Blocks[0] = providers.Block{Kind: providers.KindAudio, Data: []byte("x")}
	}, "input_audio")
	f("audio out", func(r *providers.Request) {
		r.Extra = []providers.Member{{Name: "modalities", Value: json.RawMessage(`["text","audio"]`)}}
	}, "modalities")
	f("file of another vendor", func(r *providers.Request) {
		r.Messages[0].Blocks[0] = providers.Block{Kind: providers.KindFile, FileID: "file-1"}
	}, "file.file_id")
	f("binary file", func(r *providers.Request) {
		r.Messages[0].Blocks[0] = providers.Block{Kind: providers.KindFile, MediaType: "application/zip", Data: []byte{0xff}}
	}, "file")
	f("call without id", func(r *providers.Request) {
		r.Messages = append(r.Messages, providers.Message{Role: providers.RoleAssistant, Blocks: []providers.Block{call("", "x", "{}")}})
	}, "tool_call_id")
}

func TestModelFacts(t *testing.T) {
	f := func(model, family string, version int) {
		t.Helper()
		if fam, v := parseModel(model); fam != family || v != version {
			t.Errorf("%s: %q %d, expected %q %d", model, fam, v, family, version)
		}
	}
	f("claude-opus-4-6", "opus", 406)
	f("claude-3-5-sonnet-20241022", "sonnet", 305)
	f("claude-3-opus-20240229", "opus", 300)
	f("claude-sonnet-4-20250514", "sonnet", 400)
	f("claude-sonnet-4-0", "sonnet", 400)
	f("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "sonnet", 405)
	f("anthropic/claude-4.7-opus", "opus", 407)
	f("claude-haiku-4-5@20251001", "haiku", 405)
	f("claude-fable-5", "fable", 500)
	f("claude-2.1", "", 201)
	f("kimi-k2", "", 0)
}
