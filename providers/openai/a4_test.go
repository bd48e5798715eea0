package openai

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/anthropic"
)

// What gateways are known to get wrong with upstreams and callers of this format,
// a test each; the numbers are rows of the project's list of such bugs. The rows of
// Anthropic callers of chat upstreams are in the anthropic package.

// a4Chat gives a chat caller the stream of an Anthropic upstream.
func a4Chat(t *testing.T, o providers.EncodeOptions, payloads ...string) (out []string, raw string) {
	t.Helper()
	d := anthropic.MessagesEgress(providers.Quirks{}).NewDecoder()
	e := ChatIngress().NewEncoder(o)
	var b []byte
	var ev providers.Event
	failed := false
	for _, p := range payloads {
		var head struct{ Type string }
		_ = json.Unmarshal([]byte(p), &head)
		d.Feed([]byte("event: " + head.Type + "\ndata: " + p + "\n\n"))
		for d.Next(&ev) {
			failed = failed || ev.Kind == providers.EventError
			if ev.Kind != providers.EventEnd {
				b = e.Append(b, &ev)
			}
		}
	}
	switch end := d.End(); {
	case failed: // told already
	case end != nil:
		b = e.Fail(b, &providers.Error{Kind: providers.KindUpstream, Message: end.Error()})
	default:
		b = e.End(b)
	}
	for _, part := range strings.Split(strings.TrimSpace(string(b)), "\n\n") {
		out = append(out, strings.TrimPrefix(part, "data: "))
	}
	return out, string(b)
}

const (
	a4Start = `{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"claude","content":[],"usage":{"input_tokens":10,"cache_creation_input_tokens":30,"cache_read_input_tokens":60,"output_tokens":1}}}`
	a4Text  = `{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`
	a4Hello = `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hello"}}`
	a4Stop  = `{"type":"content_block_stop","index":0}`
	a4Delta = `{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":7}}`
	a4End   = `{"type":"message_stop"}`
)

// The usage chunk has empty choices, holds the cache, and comes only if asked for.
func TestA4Row09_UsageChunkHasNoChoices(t *testing.T) {
	out, _ := a4Chat(t, providers.EncodeOptions{IncludeUsage: true}, a4Start, a4Text, a4Hello, a4Stop, a4Delta, a4End)
	last := out[len(out)-2]
	for _, want := range []string{`"choices":[]`, `"prompt_tokens":100,"completion_tokens":7,"total_tokens":107`, `"cached_tokens":60`} {
		if !strings.Contains(last, want) {
			t.Errorf("%s lacks %s", last, want)
		}
	}
	if out[len(out)-1] != "[DONE]" {
		t.Errorf("the last is %s", out[len(out)-1])
	}
	if _, raw := a4Chat(t, providers.EncodeOptions{}, a4Start, a4Text, a4Hello, a4Stop, a4Delta, a4End); strings.Contains(raw, `"choices":[]`) || strings.Contains(raw, `"prompt_tokens"`) {
		t.Errorf("usage that nobody asked for: %s", raw)
	}
}

// Usage is taken from whatever chunk has it: with choices, before the finish, after it.
func TestA4Row09_UsageInAChunkWithChoicesCounts(t *testing.T) {
	const usage = `"usage":{"prompt_tokens":100,"completion_tokens":7,"prompt_tokens_details":{"cached_tokens":60}}`
	for _, chunks := range [][]string{
		{`{"id":"1","choices":[{"index":0,"delta":{"content":"a"}}]}`, `{"id":"1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],` + usage + `}`},
		{`{"id":"1","choices":[{"index":0,"delta":{"content":"a"}}],` + usage + `}`, `{"id":"1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`},
		{`{"id":"1","choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}]}`, `{"id":"1","choices":[{"index":0,"delta":{"content":""}}],` + usage + `}`},
	} {
		q := ChatEgress(providers.Quirks{})
		var relayed, translated providers.Usage
		d := q.NewDecoder()
		var ev providers.Event
		for _, c := range append(chunks, "[DONE]") {
			if info := q.Frame("", []byte(c)); info&providers.FrameUsage != 0 {
				q.Usage([]byte(c), &relayed)
				if info&providers.FrameUsageOnly != 0 {
					t.Errorf("%s would be cut", c)
				}
			}
			d.Feed([]byte("data: " + c + "\n\n"))
			for d.Next(&ev) {
				if ev.Kind == providers.EventUsage {
					translated = ev.Usage
				}
			}
		}
		for name, u := range map[string]providers.Usage{"relayed": relayed, "translated": translated} {
			if u.Prompt() != 100 || u.CacheRead != 60 || u.Completion() != 7 {
				t.Errorf("%s of %v: %+v", name, chunks, u)
			}
		}
	}
}

func TestA4Row11_ToolChoiceBothWays(t *testing.T) {
	f := func(own, want string) {
		t.Helper()
		body := `{"model":"m","max_tokens":9,"tools":[{"name":"f","input_schema":{"type":"object"}}],"tool_choice":` + own + `,"messages":[{"role":"user","content":"x"}]}`
		r, err := anthropic.MessagesIngress().DecodeRequest([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		out, dropped, err := ChatEgress(providers.Quirks{}).AppendRequest(nil, r)
		if err != nil || len(dropped) > 0 || !strings.Contains(string(out), `"tool_choice":`+want) {
			t.Errorf("%s became %s, %q, %v", own, out, dropped, err)
		}
		r, err = ChatIngress().DecodeRequest(out)
		if err != nil {
			t.Fatal(err)
		}
		back, _, err := anthropic.MessagesEgress(providers.Quirks{}).AppendRequest(nil, r)
		if err != nil || !strings.Contains(string(back), `"tool_choice":`+own) {
			t.Errorf("%s came back as %s, %v", own, back, err)
		}
	}
	f(`{"type":"none"}`, `"none"`)
	f(`{"type":"auto"}`, `"auto"`)
	f(`{"type":"any"}`, `"required"`)
	f(`{"type":"tool","name":"f"}`, `{"type":"function","function":{"name":"f"}}`)
	f(`{"type":"auto","disable_parallel_tool_use":true}`, `"auto"`)
}

// A call without arguments that Anthropic streams as no text at all is {} for a chat caller.
func TestA4Row14_NoArgumentsFromAnthropic(t *testing.T) {
	for _, deltas := range [][]string{nil, {`""`}, {`"{}"`}} {
		list := []string{a4Start, `{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"toolu_1","name":"f","input":{}}}`}
		for _, d := range deltas {
			list = append(list, `{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":`+d+`}}`)
		}
		out, raw := a4Chat(t, providers.EncodeOptions{}, append(list, a4Stop, strings.Replace(a4Delta, "end_turn", "tool_use", 1), a4End)...)
		args := ""
		for _, c := range out {
			var chunk struct {
				Choices []struct {
					Delta struct {
						ToolCalls []struct{ Function struct{ Arguments string } } `json:"tool_calls"`
					}
				}
			}
			if json.Unmarshal([]byte(c), &chunk) == nil && len(chunk.Choices) > 0 && len(chunk.Choices[0].Delta.ToolCalls) > 0 {
				args += chunk.Choices[0].Delta.ToolCalls[0].Function.Arguments
			}
		}
		if args != "{}" {
			t.Errorf("%q: arguments %q in %s", deltas, args, raw)
		}
	}
}

// A stream that an error or a cut ends has no [DONE] and no finish reason.
func TestA4Row16_MidStreamErrorsAreErrors(t *testing.T) {
	for _, rest := range [][]string{{`{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`}, {}} {
		out, raw := a4Chat(t, providers.EncodeOptions{IncludeUsage: true}, append([]string{a4Start, a4Text, a4Hello}, rest...)...)
		if !strings.HasPrefix(out[len(out)-1], `{"error":{`) || strings.Contains(raw, "[DONE]") || strings.Contains(raw, `"finish_reason":"`) || strings.Count(raw, `{"error":{`) != 1 {
			t.Errorf("%s", raw)
		}
	}
}

// Cache marks of an Anthropic request reach upstreams that have a place for them.
func TestA4Row20_CacheMarksToChatUpstreams(t *testing.T) {
	body := `{"model":"m","max_tokens":9,"system":[{"type":"text","text":"s","cache_control":{"type":"ephemeral"}}],"messages":[{"role":"user","content":[{"type":"text","text":"x","cache_control":{"type":"ephemeral"}}]}]}`
	f := func(q providers.Quirks, want string, dropped bool) {
		t.Helper()
		r, err := anthropic.MessagesIngress().DecodeRequest([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		out, lost, err := ChatEgress(q).AppendRequest(nil, r)
		if err != nil || want != "" && strings.Count(string(out), want) != 2 || dropped != (len(lost) > 0) || dropped && strings.Contains(string(out), "cache") {
			t.Errorf("%s, dropped %q, %v", out, lost, err)
		}
	}
	f(providers.Quirks{}, `"prompt_cache_breakpoint":{"mode":"explicit"}`, false)
	f(providers.Quirks{ProviderObject: true, MaxTokensField: "max_tokens"}, `"cache_control":{"type":"ephemeral"}`, false)
	f(providers.Quirks{MaxTokensField: "max_tokens"}, "", true)
}
