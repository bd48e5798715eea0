package openai

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/providertest"
)

// sse makes a stream of data lines.
func sse(payloads ...string) []byte {
	var b strings.Builder
	for _, p := range payloads {
		b.WriteString("data: " + p + "\n\n")
	}
	return []byte(b.String())
}

func delta(delta string) string {
	return `{"id":"1","created":1,"model":"m","choices":[{"index":0,"delta":` + delta + `,"finish_reason":null}]}`
}

const (
	stopped = `{"id":"1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`
	ended   = "[DONE]"
)

func TestDecoderEnd(t *testing.T) {
	f := func(q providers.Quirks, want error, payloads ...string) {
		t.Helper()
		events, err := providertest.Decode(ChatEgress(q).NewDecoder(), [][]byte{sse(payloads...)})
		if !errors.Is(err, want) || want == nil && err != nil {
			t.Errorf("%v: end is %v, want %v (%d events)", payloads, err, want, len(events))
		}
	}
	usage := `{"id":"1","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}}`
	noDone := providers.Quirks{NoDone: true}
	f(providers.Quirks{}, nil, delta(`{"content":"a"}`), stopped, usage, ended)
	f(providers.Quirks{}, io.ErrUnexpectedEOF, delta(`{"content":"a"}`), stopped, usage)
	f(noDone, nil, delta(`{"content":"a"}`), stopped, usage)
	f(noDone, io.ErrUnexpectedEOF, delta(`{"content":"a"}`), usage)
	f(noDone, io.ErrUnexpectedEOF)
	f(noDone, io.ErrUnexpectedEOF, stopped, `{"id":"1","choices":[{"index":1,"delta":{"content":"b"}}]}`)
	f(providers.Quirks{}, nil, ended)

	// an event of the terminal kind counts without its blank line too
	events, err := providertest.Decode(ChatEgress(providers.Quirks{}).NewDecoder(), [][]byte{append(sse(delta(`{"content":"a"}`), stopped), "data: [DONE]"...)})
	if err != nil || events[len(events)-1].Kind != providers.EventEnd {
		t.Errorf("a last line without its end: %v, %v", err, events)
	}
}

func TestDecoderErrors(t *testing.T) {
	f := func(kind providers.ErrorKind, raw string) {
		t.Helper()
		events, err := providertest.Decode(ChatEgress(providers.Quirks{}).NewDecoder(), [][]byte{[]byte(raw)})
		var e *providers.Error
		if !errors.As(err, &e) || e.Kind != kind || len(events) == 0 || events[len(events)-1].Kind != providers.EventError {
			t.Errorf("%q: %v, %+v", raw, err, events)
		}
	}
	ok := string(sse(delta(`{"content":"a"}`)))
	tail := string(sse(stopped, ended))
	f(providers.KindOverloaded, ok+"data: {\"error\":{\"code\":503,\"message\":\"x\"}}\n\n"+tail)
	f(providers.KindUpstream, ok+"event: error\ndata: {\"message\":\"x\"}\n\n"+tail)
	f(providers.KindUpstream, ok+"event: error\ndata: plain words\n\n"+tail)
	f(providers.KindUpstream, ok+"data: {\"choices\":[\n\n"+tail)
	f(providers.KindUpstream, ok+"data: hello\n\n"+tail)
	f(providers.KindUpstream, ok+"data: "+strings.Repeat("x", 17<<20))
}

// TestDecoderShapes: the ways vendors deviate, and the events they become.
func TestDecoderShapes(t *testing.T) {
	f := func(want message, payloads ...string) {
		t.Helper()
		events, err := providertest.Decode(ChatEgress(providers.Quirks{}).NewDecoder(), [][]byte{sse(append(payloads, ended)...)})
		if err == nil {
			err = wellFormed(events, true)
		}
		if got := fromEvents(events, 0); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%v:\n got %+v %v\nwant %+v", payloads, got, err, want)
		}
	}
	call := func(s string) string { return delta(`{"tool_calls":[` + s + `]}`) }
	// Azure: nothing but filter results first, ids that change
	f(message{Text: "a", Finish: "stop"}, `{"id":"","model":"","choices":[],"prompt_filter_results":[]}`, delta(`{"role":"assistant","content":"a"}`), stopped)
	// two vendors' members for one text
	f(message{Thinking: "t", Text: "a", Finish: "stop"}, delta(`{"reasoning":"t","reasoning_content":"t","reasoning_details":[{"type":"reasoning.text","text":"t"}]}`), delta(`{"content":"a"}`), stopped)
	f(message{Thinking: "ts", Finish: "stop"}, delta(`{"reasoning_details":[{"type":"reasoning.text","text":"t"},{"type":"reasoning.summary","summary":"s"}]}`), stopped)
	// every whole call has index 0; another id and name is another call
	f(message{Calls: []string{"a f {\"x\":1}", "b g {}"}, Finish: "tool_calls"}, call(`{"index":0,"id":"a","function":{"name":"f","arguments":"{\"x\":1}"}}`), call(`{"index":0,"id":"b","function":{"name":"g","arguments":""}}`),
		`{"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}`)
	// no index at all
	f(message{Calls: []string{"a f {\"x\":1}"}, Finish: "stop"}, call(`{"id":"a","function":{"name":"f","arguments":"{\"x\""}}`), call(`{"function":{"arguments":":1}"}}`), stopped)
	// interleaved parallel calls
	f(message{Calls: []string{"a f 12", "b g 34"}, Finish: "stop"}, call(`{"index":0,"id":"a","function":{"name":"f","arguments":"1"}},{"index":1,"id":"b","function":{"name":"g","arguments":"3"}}`),
		call(`{"index":1,"function":{"arguments":"4"}},{"index":0,"function":{"arguments":"2"}}`), stopped)
	// the name after the id
	f(message{Calls: []string{"a f {}"}, Finish: "stop"}, call(`{"index":0,"id":"a","function":{"arguments":"{"}}`), call(`{"index":0,"function":{"name":"f"}}`), call(`{"index":0,"function":{"arguments":"}"}}`), stopped)
	// calls without ids, which their results are told by
	f(message{Calls: []string{"call_1_0 f {}", "call_1_1 g {}"}, Finish: "stop"}, call(`{"index":0,"function":{"name":"f","arguments":"{}"}},{"index":1,"function":{"name":"g","arguments":"{}"}}`), stopped)
	// characters of which each fragment has one half
	f(message{Thinking: "😀", Text: "a😀b😀", Finish: "stop"}, delta(`{"reasoning_content":"\ud83d"}`), delta(`{"reasoning_content":"\ude00"}`), delta(`{"content":"a\ud83d"}`), delta(`{"content":"\ude00b\ud83d"}`), delta(`{"content":""}`), delta(`{"content":"\ude00"}`), stopped)
	// arguments as an object
	f(message{Calls: []string{"a f {\"x\": 1}"}, Finish: "stop"}, call(`{"index":0,"id":"a","function":{"name":"f","arguments":{"x": 1}}}`), stopped)
	// arguments of nothing but space are none
	f(message{Calls: []string{"a f {}"}, Finish: "tool_calls"}, call(`{"index":0,"id":"a","function":{"name":"f","arguments":" "}}`), call(`{"index":0,"function":{"arguments":"\n"}}`), `{"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}`)
	// the one call an answer could have before there were tools
	f(message{Calls: []string{"call_1 f {\"x\":1}"}, Finish: "function_call"}, delta(`{"content":null,"function_call":{"name":"f","arguments":""}}`), delta(`{"function_call":{"arguments":"{\"x\""}}`), delta(`{"function_call":{"arguments":":1}"}}`), `{"choices":[{"index":0,"delta":{},"finish_reason":"function_call"}]}`)
	f(message{Calls: []string{"call_gen-7 f {}"}, Finish: "function_call"}, `{"id":"gen-7","choices":[{"index":0,"delta":{"function_call":{"name":"f","arguments":"{}"}}}]}`, `{"id":"gen-7","choices":[{"index":0,"delta":{},"finish_reason":"function_call"}]}`)
	// a finish repeated, text behind it in the usage chunk
	f(message{Text: "a", Finish: "stop"}, delta(`{"content":"a"}`), stopped, stopped, `{"choices":[{"index":0,"delta":{"content":""},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1}}`)
	// no reason at all
	f(message{Text: "a"}, delta(`{"content":"a"}`), `{"choices":[{"index":0,"delta":{},"finish_reason":""}]}`)
	f(message{Refusal: "no", Finish: "stop"}, delta(`{"content":null,"refusal":"no"}`), stopped)
}

// TestFinishByContent: a vendor that says stop behind a tool call means tool_calls.
func TestFinishByContent(t *testing.T) {
	events, _ := providertest.Decode(ChatEgress(providers.Quirks{}).NewDecoder(), [][]byte{sse(
		delta(`{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}]}`), stopped, ended)})
	for _, e := range events {
		if e.Kind == providers.EventFinish && e.Finish != providers.FinishToolCalls {
			t.Errorf("finish %s", e.Finish)
		}
	}
	f := func(word string, want providers.Finish) {
		t.Helper()
		if got := finish(word, false, ""); got != want {
			t.Errorf("%q: got %s, want %s", word, got, want)
		}
	}
	f("stop", providers.FinishStop)
	f("eos", providers.FinishStop)
	f("", providers.FinishStop)
	f("length", providers.FinishLength)
	f("model_length", providers.FinishContext)
	f("function_call", providers.FinishToolCalls)
	f("content_filter", providers.FinishContentFilter)
	f("sensitive", providers.FinishContentFilter)
	f("error", providers.FinishOther)
}

// TestSignatureStream: thinking that Anthropic signed reaches a chat caller with
// its proof, and comes back from the message a client puts together.
func TestSignatureStream(t *testing.T) {
	events := []providers.Event{
		{Kind: providers.EventStart, ID: "msg_1", Model: "claude", Usage: providers.Usage{Input: 9}},
		{Kind: providers.EventBlockStart, Index: 0, Block: providers.Block{Kind: providers.KindThinking}},
		{Kind: providers.EventBlockDelta, Index: 0, Block: providers.Block{Kind: providers.KindThinking, Text: "Let me "}},
		{Kind: providers.EventBlockDelta, Index: 0, Block: providers.Block{Kind: providers.KindThinking, Text: "think"}},
		{Kind: providers.EventBlockDelta, Index: 0, Block: providers.Block{Kind: providers.KindThinking, Signature: "SIG", SignatureOrigin: providers.Messages}},
		{Kind: providers.EventBlockStop, Index: 0},
		{Kind: providers.EventBlockStart, Index: 1, Block: providers.Block{Kind: providers.KindRedacted}},
		{Kind: providers.EventBlockDelta, Index: 1, Block: providers.Block{Kind: providers.KindRedacted, Data: []byte("ENC"), SignatureOrigin: providers.Messages}},
		{Kind: providers.EventBlockStop, Index: 1},
		{Kind: providers.EventBlockStart, Index: 2, Block: providers.Block{Kind: providers.KindToolCall, ID: "toolu_1", ToolName: "now"}},
		{Kind: providers.EventBlockStop, Index: 2},
		{Kind: providers.EventUsage, Usage: providers.Usage{Input: 9, Output: 4}},
		{Kind: providers.EventFinish, Finish: providers.FinishToolCalls, RawFinish: "tool_use"},
	}
	for i := range events {
		events[i].Origin = providers.Messages
	}
	out := providertest.Encode(ChatIngress().NewEncoder(providers.EncodeOptions{Model: "alias", IncludeUsage: true, Created: 5}), events)
	var thinking []json.RawMessage
	var plain, usage string
	details := map[int]map[string]string{}
	for _, data := range payloads(string(out)) {
		if data == ended {
			continue
		}
		var chunk struct {
			Model   string
			Created int64
			Usage   json.RawMessage
			Choices []struct {
				Delta struct {
					Plain    string                       `json:"reasoning_content"`
					Details  []map[string]json.RawMessage `json:"reasoning_details"`
					Thinking []json.RawMessage            `json:"thinking_blocks"`
				}
			}
		}
		if err := json.Unmarshal([]byte(data), &chunk); err != nil {
			t.Fatal(err)
		}
		if chunk.Model != "alias" || chunk.Created != 5 {
			t.Errorf("chunk %s", data)
		}
		if chunk.Usage != nil {
			usage = string(chunk.Usage)
		}
		for _, c := range chunk.Choices {
			plain += c.Delta.Plain
			thinking = append(thinking, c.Delta.Thinking...)
			for _, d := range c.Delta.Details { // as a client merges them: by index, strings joined
				var n int
				if err := json.Unmarshal(d["index"], &n); err != nil {
					t.Fatal(err)
				}
				if details[n] == nil {
					details[n] = map[string]string{}
				}
				for k, v := range d {
					var s string
					if json.Unmarshal(v, &s) != nil {
						continue
					}
					if k == "text" || k == "signature" || k == "data" {
						s = details[n][k] + s
					}
					details[n][k] = s
				}
			}
		}
	}
	if plain != "Let me think" || !strings.Contains(usage, `"total_tokens":13`) {
		t.Errorf("reasoning %q, usage %s", plain, usage)
	}
	want := map[int]map[string]string{
		0: {"type": "reasoning.text", "text": "Let me think", "signature": "SIG", "format": "anthropic-claude-v1"},
		1: {"type": "reasoning.encrypted", "data": "ENC", "format": "anthropic-claude-v1"},
	}
	if !reflect.DeepEqual(details, want) {
		t.Errorf("details %v", details)
	}
	list, _ := json.Marshal([]map[string]string{details[0], details[1]})
	blocks, _ := json.Marshal(thinking)
	for _, member := range []string{`"reasoning_details":` + string(list), `"thinking_blocks":` + string(blocks)} {
		body := fmt.Sprintf(`{"model":"m","messages":[{"role":"assistant","content":null,"reasoning_content":"Let me think",%s,"tool_calls":[{"id":"toolu_1","type":"function","function":{"name":"now","arguments":"{}"}}]}]}`, member)
		r, err := ChatIngress().DecodeRequest([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		b := r.Messages[0].Blocks
		if len(b) != 3 || b[0].Kind != providers.KindThinking || b[0].Text != "Let me think" || b[0].Signature != "SIG" || b[0].SignatureOrigin != providers.Messages ||
			b[1].Kind != providers.KindRedacted || string(b[1].Data) != "ENC" || b[1].SignatureOrigin != providers.Messages || b[2].Kind != providers.KindToolCall {
			t.Errorf("%s came back as %+v", member, b)
		}
	}
}

func TestEncoderHidesUsage(t *testing.T) {
	events := []providers.Event{{Kind: providers.EventStart}, {Kind: providers.EventUsage, Usage: providers.Usage{Input: 1}}, {Kind: providers.EventFinish, Finish: providers.FinishStop}}
	out := string(providertest.Encode(ChatIngress().NewEncoder(providers.EncodeOptions{RequestID: "R"}), events))
	if strings.Contains(out, `"usage"`) || !strings.HasSuffix(out, "data: [DONE]\n\n") || !strings.Contains(out, `"id":"chatcmpl-R"`) {
		t.Errorf("got %s", out)
	}
	fail := string(ChatIngress().NewEncoder(providers.EncodeOptions{}).Fail(nil, &providers.Error{Kind: providers.KindUpstream, Message: "m"}))
	if strings.Contains(fail, "[DONE]") || !strings.HasPrefix(fail, `data: {"error":{`) {
		t.Errorf("got %s", fail)
	}
}

// TestEveryCut feeds one stream with runes of every length cut at each byte.
func TestEveryCut(t *testing.T) {
	body := sse(delta(`{"content":"aé€😀\u2028"}`), delta(`{"tool_calls":[{"index":0,"id":"x","function":{"name":"f","arguments":"{\"é\":\"😀\"}"}}]}`), stopped, ended)
	want, err := providertest.Decode(ChatEgress(providers.Quirks{}).NewDecoder(), [][]byte{body})
	if err != nil {
		t.Fatal(err)
	}
	for _, eol := range []string{"\n", "\r\n", "\r"} {
		text := []byte(strings.ReplaceAll(string(body), "\n", eol))
		for i := range text {
			got, err := providertest.Decode(ChatEgress(providers.Quirks{}).NewDecoder(), [][]byte{text[:i], text[i:]})
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Fatalf("line end %q cut at %d: %v, %+v", eol, i, err, got)
			}
		}
	}
}
