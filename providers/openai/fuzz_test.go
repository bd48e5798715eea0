package openai

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/providertest"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

func FuzzChatRequest(f *testing.F) {
	f.Add([]byte(`{"model":"m","messages":[{"role":"system","content":"s"},{"role":"user","content":[{"type":"text","text":"t"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}]},{"role":"assistant","reasoning_details":[{"type":"reasoning.encrypted","data":"x"}],"tool_calls":[{"id":"1","function":{"name":"f","arguments":"{"}}]},{"role":"tool","tool_call_id":"1","content":"r"}]}`))
	f.Add([]byte(`{"model":"m","messages":[],"tools":[{"type":"custom","custom":{"name":"x"}}],"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[{"name":"x"}]}},"reasoning":{"effort":"low"},"stop":["a"],"response_format":{"type":"json_schema","json_schema":{"schema":{}}}}`))
	f.Add([]byte(`{"model":"dear","MODEL":"cheap","messages":[]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		p, peekErr := ChatIngress().Peek(body)
		r, err := ChatIngress().DecodeRequest(body)
		if peekErr == nil && p.Model == "" {
			t.Fatal("a request without a model passed")
		}
		if _, malformed := wire.Fields(body, nil, nil); err != nil || malformed != nil { // of one that is malformed anything may come
			return
		}
		for _, q := range []providers.Quirks{{}, {ProviderObject: true, MaxTokensField: "max_tokens"}, {ToolIDs: "mistral9", NoNames: true, NoStrict: true, NoDeveloper: true, ReasoningBack: true, ReasoningField: "reasoning"}} {
			out, _, err := ChatEgress(q).AppendRequest(nil, r)
			if err != nil {
				t.Fatalf("a chat request cannot be written as one: %v", err)
			}
			if !json.Valid(out) {
				t.Fatalf("wrote %s", out)
			}
			again, err := ChatIngress().DecodeRequest(out)
			if err != nil {
				t.Fatalf("cannot read what was written: %v\n%s", err, out)
			}
			if len(again.Tools) != len(r.Tools) || len(again.Messages) != len(r.Messages) && q.ProviderObject {
				t.Fatalf("%d tools and %d messages became %d and %d", len(r.Tools), len(r.Messages), len(again.Tools), len(again.Messages))
			}
		}
		foreign := *r
		foreign.Origin = providers.Responses
		if out, _, err := ChatEgress(providers.Quirks{}).AppendRequest(nil, &foreign); err == nil && !json.Valid(out) {
			t.Fatalf("wrote %s", out)
		}
	})
}

func FuzzChatResponse(f *testing.F) {
	f.Add([]byte(`{"id":"1","choices":[{"index":0,"message":{"content":"a","reasoning":"r","tool_calls":[{"id":"1","function":{"name":"f","arguments":""}}],"annotations":[{}],"audio":{"id":"a","data":"AAAA"}},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":2}}`))
	f.Add([]byte(`{"choices":[{"message":{"content":[{"type":"thinking","thinking":[{"type":"text","text":"x"}]},{"type":"text","text":"y"}]}}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := ChatEgress(providers.Quirks{}).DecodeResponse(body)
		if _, malformed := wire.Fields(body, nil, nil); err != nil || malformed != nil { // of one that is malformed anything may come
			return
		}
		for _, origin := range []providers.Dialect{providers.Chat, providers.Messages} {
			r.Origin = origin
			out, err := ChatIngress().AppendResponse(nil, r)
			if err != nil {
				t.Fatal(err)
			}
			if !json.Valid(out) {
				t.Fatalf("wrote %s", out)
			}
		}
	})
}

func FuzzChatStream(f *testing.F) {
	f.Add(sse(delta(`{"role":"assistant","content":"a"}`), delta(`{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{"}}]}`), stopped, ended), uint64(1))
	f.Add([]byte("event: error\ndata: {}\n\n"), uint64(2))
	f.Add([]byte(": x\r\n\r\ndata: {\"choices\":[{\"delta\":{\"reasoning_details\":[{\"type\":\"reasoning.encrypted\",\"data\":\"d\"}]}}]}\r\n\r\n"), uint64(3))
	f.Fuzz(func(t *testing.T, body []byte, seed uint64) {
		q := ChatEgress(providers.Quirks{NoDone: seed%2 == 0})
		want, err1 := providertest.Decode(q.NewDecoder(), [][]byte{body})
		got, err2 := providertest.Decode(q.NewDecoder(), providertest.Cuts(body, seed))
		if (err1 == nil) != (err2 == nil) || len(withoutPings(got)) != len(withoutPings(want)) {
			t.Fatalf("%d events and %v whole, %d and %v cut", len(want), err1, len(got), err2)
		}
		out := providertest.Encode(ChatIngress().NewEncoder(providers.EncodeOptions{IncludeUsage: true}), want)
		for _, data := range payloads(string(out)) {
			if data != ended && !json.Valid([]byte(data)) {
				t.Fatalf("wrote %s", data)
			}
		}
	})
}

func FuzzUsage(f *testing.F) {
	f.Add([]byte(`{"usage":{"prompt_tokens":-1,"completion_tokens":1e30,"total_tokens":9,"cost":{"total_cost":1e300},"prompt_tokens_details":{"cached_tokens":7},"completion_tokens_details":{"reasoning_tokens":3}}}`))
	f.Add([]byte(`{"x_groq":{"usage":{"prompt_tokens":1}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var u providers.Usage
		q := ChatEgress(providers.Quirks{})
		told := q.Usage(data, &u)
		for _, n := range []int64{u.Input, u.InputAudio, u.InputImage, u.CacheRead, u.CacheWrite5m, u.CacheWrite1h, u.Output, u.OutputAudio, u.OutputImage, u.Reasoning, u.CostNano} {
			if n < 0 || n > providers.MaxTokensPlausible*1e6 {
				t.Fatalf("%+v", u)
			}
		}
		if told && json.Valid(data) && q.Frame("", data)&providers.FrameUsage == 0 {
			t.Fatal("the frame search did not see the usage")
		}
		if s := q.ModelSpan(data); s.Found() && data[s.Start] != '"' {
			t.Fatalf("model span %v", s)
		}
	})
}

func FuzzError(f *testing.F) {
	f.Add(429, []byte(`[{"error":{"message":"try again in 1h","code":429,"metadata":{"raw":"{\"error\":{\"metadata\":{\"raw\":\"x\"}}}"},"details":[{"retryDelay":"9s"}]}}]`))
	f.Add(0, []byte(`{"error":"x","code":"y"}`))
	f.Add(502, []byte("<html>"))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		e := ChatEgress(providers.Quirks{}).DecodeError(status, body)
		if e.Kind == "" || e.Message == "" || e.RetryAfter < 0 || e.RetryAfter > maxRetryAfter || !bytes.Equal(e.Raw, body) {
			t.Fatalf("%+v", e)
		}
		if out := ChatIngress().AppendError(nil, e); !json.Valid(out) {
			t.Fatalf("wrote %s", out)
		}
	})
}
