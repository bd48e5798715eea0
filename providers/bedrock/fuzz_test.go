package bedrock

import (
	"encoding/json"
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/anthropic"
	"github.com/your-org/ai-api-gateway/providers/openai"
	"github.com/your-org/ai-api-gateway/providers/providertest"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

const fuzzChat = `{"model":"us.anthropic.claude-sonnet-4-5","messages":[{"role":"system","content":"s"},{"role":"user","content":[{"type":"text","text":"a","cache_control":{"type":"ephemeral"}},{"type":"image_url","image_url":{"url":"data:image/png;base64,cG5n"}},{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,JVBERg=="}}]},{"role":"assistant","content":"","tool_calls":[{"id":"t","type":"function","function":{"name":"f","arguments":"{\"a\":1.0}"}}]},{"role":"tool","tool_call_id":"t","content":"x"}],"tools":[{"type":"function","function":{"name":"f","parameters":{}}}],"tool_choice":"none","stop":["x"],"reasoning_effort":"low","response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{}}}}`

// Whatever a caller of another format says, what is written is JSON that the API
// takes in form: roles alternate, a user begins, no text is blank.
func FuzzRequest(f *testing.F) {
	f.Add([]byte(fuzzChat), true)
	f.Add([]byte(`{"model":"m","max_tokens":1,"messages":[{"role":"assistant","content":" x "},{"role":"user","content":[{"type":"tool_result","tool_use_id":"t"}]}]}`), false)
	f.Fuzz(func(t *testing.T, body []byte, chat bool) {
		in := anthropic.MessagesIngress()
		if chat {
			in = openai.ChatIngress()
		}
		r, err := in.DecodeRequest(body)
		if err != nil {
			return
		}
		out, _, err := egress{}.AppendRequest(nil, r)
		if err != nil {
			return
		}
		var q struct {
			Messages []struct {
				Role    string
				Content []map[string]json.RawMessage
			}
		}
		if _, bad := wire.Fields(out, nil, nil); bad != nil {
			t.Fatalf("%s is written as %s: %v", body, out, bad)
		}
		if err := json.Unmarshal(out, &q); err != nil || len(q.Messages) == 0 {
			return // nested deeper than this reader goes
		}
		for i, m := range q.Messages {
			if want := [2]string{"user", "assistant"}[i%2]; m.Role != want || len(m.Content) == 0 {
				t.Fatalf("%s is written as %s: message %d is the %s's", body, out, i, m.Role)
			}
			for _, b := range m.Content {
				var text string
				if b["text"] != nil && (json.Unmarshal(b["text"], &text) != nil || strings.TrimSpace(text) == "") {
					t.Fatalf("%s is written as %s: message %d has blank text", body, out, i)
				}
			}
		}
	})
}

func FuzzDecodeResponse(f *testing.F) {
	f.Add([]byte(`{"output":{"message":{"role":"assistant","content":[{"text":"a"},{"toolUse":{"toolUseId":"t","name":"f","input":{"a":1}}},{"reasoningContent":{"reasoningText":{"text":"t","signature":"s"}}},{"citationsContent":{"content":[{"text":"c"}],"citations":[{"location":{"documentChar":{"documentIndex":0,"start":1,"end":2}},"sourceContent":[{"text":"q"}],"title":"t"}]}}]}},"stopReason":"tool_use","usage":{"inputTokens":5,"outputTokens":2,"totalTokens":7,"cacheReadInputTokens":3}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var u providers.Usage
		egress{}.Usage(body, &u)
		if u.Prompt() < 0 || u.Completion() < 0 || u.Input < 0 || u.CacheRead < 0 || u.CacheWrite5m < 0 || u.CacheWrite1h < 0 {
			t.Fatalf("%s: %+v", body, u)
		}
		r, err := egress{}.DecodeResponse(body)
		if err != nil {
			return
		}
		for _, in := range []providers.Ingress{openai.ChatIngress(), anthropic.MessagesIngress()} {
			out, err := in.AppendResponse(nil, r)
			if _, bad := wire.Fields(out, nil, nil); err == nil && bad != nil {
				t.Fatalf("%s becomes %s", body, out)
			}
		}
	})
}

// FuzzStream: a stream gives the same events however it is cut, its blocks are
// opened once and closed, and it ends well only behind messageStop.
func FuzzStream(f *testing.F) {
	f.Add(frames(`messageStart {"role":"assistant"}`, `contentBlockDelta {"contentBlockIndex":0,"delta":{"text":"a"}}`, `contentBlockStop {"contentBlockIndex":0}`, `contentBlockStart {"contentBlockIndex":1,"start":{"toolUse":{"toolUseId":"t","name":"f"}}}`, `contentBlockDelta {"contentBlockIndex":1,"delta":{"toolUse":{"input":"{}"}}}`, `messageStop {"stopReason":"tool_use"}`, `metadata {"usage":{"inputTokens":1,"outputTokens":2,"totalTokens":3}}`), "contentBlockDelta", []byte(`{"contentBlockIndex":0,"delta":{"reasoningContent":{"text":"t"}}}`), uint64(1))
	f.Add([]byte{}, "messageStop", []byte(`{"stopReason":"malformed_tool_use"}`), uint64(2))
	f.Fuzz(func(t *testing.T, b []byte, name string, payload []byte, seed uint64) {
		if len(b) > 1<<15 || len(name) > 200 {
			t.Skip()
		}
		b = append(wire.AppendFrame(nil, payload, ":message-type", "event", ":event-type", name), b...)
		want, wantErr := providertest.Decode(egress{}.NewDecoder(), [][]byte{b})
		got, err := providertest.Decode(egress{}.NewDecoder(), providertest.Cuts(b, seed))
		if (err == nil) != (wantErr == nil) || !reflect.DeepEqual(got, want) {
			t.Fatalf("%d events and %v, cut %d events and %v", len(want), wantErr, len(got), err)
		}
		open, finished := map[int]bool{}, false
		for _, ev := range want {
			switch ev.Kind {
			case providers.EventBlockStart:
				if open[ev.Index] {
					t.Fatalf("block %d is opened twice", ev.Index)
				}
				open[ev.Index] = true
			case providers.EventBlockDelta, providers.EventBlockStop:
				if !open[ev.Index] {
					t.Fatalf("block %d is not open", ev.Index)
				}
				if ev.Kind == providers.EventBlockStop {
					open[ev.Index] = false
				}
			case providers.EventFinish:
				finished = true
			}
		}
		if wantErr == nil && !finished {
			t.Fatal("it ends well without a stop reason")
		}
		if wantErr == io.EOF {
			t.Fatal("an end of the input is no reason")
		}
		for _, in := range []providers.Ingress{openai.ChatIngress(), anthropic.MessagesIngress()} {
			providertest.Encode(in.NewEncoder(providers.EncodeOptions{RequestID: "r", Created: 1}), want)
		}
	})
}

func FuzzDecodeError(f *testing.F) {
	f.Add(400, "ValidationException:http://x", []byte(`{"message":"Input is too long"}`))
	f.Add(0, "throttlingException", []byte(`{}`))
	f.Fuzz(func(t *testing.T, status int, typ string, body []byte) {
		e := decodeError(status, typ, body)
		if e.Kind == "" || e.Message == "" || e.HTTPStatus() < 400 {
			t.Fatalf("%d %q %s: %+v", status, typ, body, e)
		}
	})
}
