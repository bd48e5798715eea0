package anthropic

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

const fuzzRequest = `{"model":"m","max_tokens":1,"system":[{"type":"text","text":"s"}],"messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":"x","is_error":true},{"type":"text","text":"a","cache_control":{"type":"ephemeral"}},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"cG5n"}}]},{"role":"assistant","content":[{"type":"thinking","thinking":"","signature":"gwsig1.gemini.x"},{"type":"tool_use","id":"t","name":"f","input":{"a":1.0}}]}],"tools":[{"name":"f","input_schema":{}},{"type":"bash_1","name":"bash"}],"tool_choice":{"type":"auto","disable_parallel_tool_use":true},"thinking":{"type":"enabled","budget_tokens":1024},"output_config":{"effort":"low"},"metadata":{"user_id":"u"},"stop_sequences":["x"],"x":null}`

const fuzzStream = `event: message_start
data: {"type":"message_start","message":{"id":"i","model":"m","content":[],"usage":{"input_tokens":5,"output_tokens":1}}}

event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"t","name":"f","input":{}}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{}"}}

event: content_block_delta
data: {"type":"content_block_delta","index":1,"delta":{"type":"citations_delta","citation":{"type":"x"}}}

event: content_block_stop
data: {"type":"content_block_stop","index":0}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"output_tokens":4}}

event: message_stop
data: {"type":"message_stop"}

`

// Whatever a request is, writing it and reading it again changes nothing more.
func FuzzDecodeRequest(f *testing.F) {
	f.Add([]byte(fuzzRequest))
	f.Add([]byte(`{"messages":[{"role":"user","content":""}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := MessagesIngress().DecodeRequest(body)
		if _, malformed := wire.Fields(body, nil, nil); err != nil || malformed != nil { // of one that is malformed anything may come
			return
		}
		e := MessagesEgress(providers.Quirks{})
		first, _, err := e.AppendRequest(nil, r)
		if err != nil {
			return
		}
		if !json.Valid(first) {
			t.Fatalf("%s is written as %s", body, first)
		}
		r, err = MessagesIngress().DecodeRequest(first)
		if err != nil {
			t.Fatalf("%s is written as %s, which is refused: %v", body, first, err)
		}
		second, _, err := e.AppendRequest(nil, r)
		if err != nil || !bytes.Equal(first, second) {
			t.Fatalf("%s\nis written as %s\nand then   %s, %v", body, first, second, err)
		}
		r.Origin = providers.Chat // the same content from another format stays valid JSON
		if out, _, err := e.AppendRequest(nil, r); err == nil && !json.Valid(out) {
			t.Fatalf("%s is translated to %s", body, out)
		}
	})
}

func FuzzPeek(f *testing.F) {
	f.Add([]byte(fuzzRequest))
	f.Add([]byte(`{"model":"m","provider":"p","fallbacks":["a"]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		p, err := MessagesIngress().Peek(body)
		if err != nil {
			return
		}
		var m map[string]json.RawMessage
		if err := json.Unmarshal(body, &m); err != nil {
			return // nested deeper than one of the two allows
		}
		if got := body[p.ModelSpan.Start:p.ModelSpan.End]; !bytes.Equal(got, m["model"]) {
			t.Fatalf("model %s, encoding/json reads %s", got, m["model"])
		}
		if n := EstimateTokens(body); n <= 0 {
			t.Fatalf("%d tokens", n)
		}
	})
}

func FuzzDecodeResponse(f *testing.F) {
	f.Add([]byte(`{"id":"m","model":"x","content":[{"type":"text","text":"a","citations":[]},{"type":"tool_use","input":{}}],"stop_reason":"end_turn","usage":{"input_tokens":1}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := MessagesEgress(providers.Quirks{}).DecodeResponse(body)
		if _, malformed := wire.Fields(body, nil, nil); err != nil || malformed != nil { // of one that is malformed anything may come
			return
		}
		out, err := MessagesIngress().AppendResponse(nil, r)
		if err != nil || !json.Valid(out) {
			t.Fatalf("%s is written as %s, %v", body, out, err)
		}
		r.Origin = providers.Chat
		if out, _ = MessagesIngress().AppendResponse(nil, r); !json.Valid(out) {
			t.Fatalf("%s is translated to %s", body, out)
		}
	})
}

// Streams mean the same however they are cut, and what clients get is in order.
func FuzzDecodeStream(f *testing.F) {
	f.Add(fuzzStream, uint16(40))
	f.Add(strings.ReplaceAll(fuzzStream, "\n", "\r\n"), uint16(7))
	f.Add("data: {\"type\":\"error\",\"error\":{}}\n\n", uint16(3))
	f.Fuzz(func(t *testing.T, sse string, cut uint16) {
		whole, err := decodeStream(sse)
		parts, _ := decodeStream(sse, min(int(cut), len(sse)))
		if !reflect.DeepEqual(whole, parts) {
			t.Fatalf("%q cut at %d:\n%s\n%s", sse, cut, story(whole, nil), story(parts, nil))
		}
		for i := range whole {
			u := whole[i].Usage
			if u.Input < 0 || u.CacheRead < 0 || u.CacheWrite5m < 0 || u.CacheWrite1h < 0 || u.Output < 0 || u.Reasoning < 0 {
				t.Fatalf("negative usage %+v", u)
			}
		}
		if err == nil {
			outlineShape(t, encodeStream(whole, providers.EncodeOptions{}))
		}
	})
}

// outlineShape checks the order of events only: content of unknown kinds may be anything.
func outlineShape(t *testing.T, sse string) {
	t.Helper()
	open, next := -1, 0
	list := payloads(t, sse)
	for i, p := range list {
		var e struct {
			Type  string
			Index int
		}
		if err := json.Unmarshal(p, &e); err != nil {
			t.Fatalf("%s: %v", p, err)
		}
		switch e.Type {
		case "content_block_start":
			if open != -1 || e.Index != next {
				t.Fatalf("block %d starts, %d is open, %d is next:\n%s", e.Index, open, next, sse)
			}
			open = next
		case "content_block_delta":
			if e.Index != open {
				t.Fatalf("delta of %d, %d is open:\n%s", e.Index, open, sse)
			}
		case "content_block_stop":
			if e.Index != open {
				t.Fatalf("stop of %d, %d is open:\n%s", e.Index, open, sse)
			}
			open, next = -1, next+1
		case "message_start":
			if i != 0 {
				t.Fatalf("message_start at %d", i)
			}
		case "message_stop":
			if i != len(list)-1 || open != -1 {
				t.Fatalf("message_stop at %d of %d, %d is open", i, len(list), open)
			}
		}
	}
}

// Any order of events becomes a stream in order: every four bytes are one event.
func FuzzEncodeStream(f *testing.F) {
	f.Add([]byte("\x02\x00\x01a\x03\x00\x01b\x02\x01\x07c\x03\x00\x05d\x04\x01\x00\x00"))
	f.Fuzz(func(t *testing.T, program []byte) {
		var events []providers.Event
		for ; len(program) >= 4 && len(events) < 200; program = program[4:] {
			ev := providers.Event{Kind: providers.EventKind(program[0]%9) + 1, Index: int(program[1] % 8)}
			ev.Block = providers.Block{Kind: providers.BlockKind(program[2]%11) + 0, Text: string(rune(program[3])), Custom: program[3]%2 == 0}
			if program[3]%5 == 0 {
				ev.Block.Signature, ev.Block.Data = "s", []byte("d")
			}
			if ev.Kind == providers.EventError {
				continue
			}
			events = append(events, ev)
		}
		outlineShape(t, encodeStream(events, providers.EncodeOptions{}))
	})
}

func FuzzDecodeError(f *testing.F) {
	f.Add(400, []byte(`{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long"}}`))
	f.Add(0, []byte(`[{"error":{"message":"x"}}]`))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		e := MessagesEgress(providers.Quirks{}).DecodeError(status, body)
		if e.Kind == "" || e.Message == "" {
			t.Fatalf("%d %q: %+v", status, body, e)
		}
		if out := MessagesIngress().AppendError(nil, e); !json.Valid(out) {
			t.Fatalf("%d %q is written as %s", status, body, out)
		}
	})
}

func FuzzUsage(f *testing.F) {
	f.Add([]byte(`{"usage":{"input_tokens":1,"cache_creation_input_tokens":5,"cache_creation":{"ephemeral_1h_input_tokens":9},"output_tokens":-1}}`), []byte(`{"usage":{"output_tokens":1e400}}`))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		var u providers.Usage
		e := MessagesEgress(providers.Quirks{})
		e.Usage(a, &u)
		e.Usage(b, &u)
		if u.Input < 0 || u.CacheRead < 0 || u.CacheWrite5m < 0 || u.CacheWrite1h < 0 || u.Output < 0 || u.Reasoning < 0 {
			t.Fatalf("%s then %s: %+v", a, b, u)
		}
		e.Frame("", a)
		if s := e.ModelSpan(a); s.End > len(a) || s.Start > s.End {
			t.Fatalf("span %+v of %d bytes", s, len(a))
		}
	})
}
