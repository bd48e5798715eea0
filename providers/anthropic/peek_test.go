package anthropic

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/your-org/ai-api-gateway/providers"
)

func TestPeek(t *testing.T) {
	const body = `{"provider": "claude", "model": "a/b\u00e9", "max_tokens": 5, "stream": true, "metadata": {"user_id": "u\u0000\n1"},
		"tools": [{}, {}], "messages": [{"role": "user"}], "fallbacks": ["x/y", "z"]}`
	p, err := MessagesIngress().Peek([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	if p.Model != "a/bé" || body[p.ModelSpan.Start:p.ModelSpan.End] != `"a/b\u00e9"` || !p.Stream || p.MaxTokens != 5 ||
		body[p.MaxTokensSpan.Start:p.MaxTokensSpan.End] != "5" || p.User != "u1" || p.Provider != "claude" ||
		strings.Join(p.Fallbacks, " ") != "x/y z" || p.Messages != 1 || p.Tools != 2 || len(p.Own) != 2 {
		t.Errorf("%+v", p)
	}
	if cut := body[p.Own[0].Cut.Start:p.Own[0].Cut.End]; cut != `"provider": "claude",` {
		t.Errorf("cut %q", cut)
	}
	p, err = MessagesIngress().Peek([]byte(`{"model":"m","provider":{"order":[]},"fallbacks":[{"model":"claude-x"}]}`))
	if err != nil || !p.ProviderObject || p.Provider != "" || p.Fallbacks != nil || len(p.Own) != 1 {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestPeekRefuses(t *testing.T) {
	f := func(body string, status int, words ...string) {
		t.Helper()
		_, err := MessagesIngress().Peek([]byte(body))
		var e *providers.Error
		if !errors.As(err, &e) {
			t.Errorf("%.60s: %v", body, err)
			return
		}
		if e.HTTPStatus() != status {
			t.Errorf("%.60s: status %d, expected %d", body, e.HTTPStatus(), status)
		}
		for _, w := range words {
			if !strings.Contains(e.Message, w) {
				t.Errorf("%.60s: %q lacks %q", body, e.Message, w)
			}
		}
	}
	f(``, 400, "byte 0")
	f(`null`, 400, "byte 0")
	f(`[]`, 400, "byte 0")
	f(`{"model":"m"`, 400, "byte 12")
	f(`{"model":"m"} x`, 400, "byte 14")
	f("\xef\xbb\xbf{}", 400, "byte 0")
	f(`{}`, 400, "model")
	f(`{"model":""}`, 400, "model")
	f(`{"model":5}`, 400, "model", "string")
	f(`{"model":"a\ud800"}`, 400, "model")
	f(`{"model":"a\n"}`, 400, "model")
	f(`{"model":"`+strings.Repeat("m", 10_000)+`"}`, 404, "model")
	f(`{"model":"dear","MODEL":"cheap"}`, 400, "MODEL")
	f(`{"model":"dear","model":"cheap"}`, 400, "duplicate")
	f(`{"m\u006fdel":"cheap"}`, 400, "escapes")
	f(`{"model":"m","stream":1}`, 400, "stream")
	f(`{"model":"m","max_tokens":-1}`, 400, "max_tokens")
	f(`{"model":"m","provider":1}`, 400, "provider")
	f(`{"model":"m","fallbacks":"x"}`, 400, "fallbacks")
	f(`{"model":"m","messages":{}}`, 400, "messages")
	f(`{"model":"m","messages":[`+strings.Repeat(`1,`, 100_000)+`1]}`, 400, "messages", "100000")
	f(`{"model":"m","tools":[`+strings.Repeat(`1,`, 4_096)+`1]}`, 400, "tools", "4096")
	f(`{"model":"m","x":`+strings.Repeat("[", 10_000)+`}`, 400, "byte")
	for _, name := range []string{"api_base", "base_url", "api_key", "custom_llm_provider", "extra_headers", "organization"} {
		f(fmt.Sprintf(`{"model":"m",%q:"x"}`, name), 400, name)
		if _, err := MessagesIngress().Peek([]byte(fmt.Sprintf(`{"model":"m",%q:"x"}`, name))); err.(*providers.Error).Code != "unsupported_parameter" {
			t.Errorf("%s: code %q", name, err.(*providers.Error).Code)
		}
	}
}

func TestDecodeRequestRefuses(t *testing.T) {
	f := func(body, param string) {
		t.Helper()
		_, err := MessagesIngress().DecodeRequest([]byte(body))
		var e *providers.Error
		if !errors.As(err, &e) || e.HTTPStatus() != 400 || e.Param != param {
			t.Errorf("%s: %v, expected a 400 naming %q", body, err, param)
		}
	}
	f(`{"model":"m"}`, "messages")
	f(`{"messages":[{"role":"user"}]}`, "messages.0.content")
	f(`{"messages":[{"content":"x"}]}`, "messages.0.role")
	f(`{"messages":[{"role":"user","content":"x"},{"role":"tool","content":"x"}]}`, "messages.1.role")
	f(`{"messages":[{"role":"user","content":[{"type":"text","text":"x"},{"text":"x"}]}]}`, "messages.0.content.1.type")
	f(`{"messages":[{"role":"user","content":[{"type":"text","text":1}]}]}`, "messages.0.content.0.text")
	f(`{"messages":[{"role":"user","content":[{"type":"image","source":{"type":"base64","data":"%"}}]}]}`, "messages.0.content.0.source.data")
	f(`{"messages":[{"role":"user","content":[{"type":"tool_result","content":[{"type":"image","source":1}]}]}]}`, "messages.0.content.0.content.0.source")
	f(`{"messages":[{"role":"assistant","content":[{"type":"tool_use","input":"x"}]}]}`, "messages.0.content.0.input")
	f(`{"messages":[],"system":5}`, "system")
	f(`{"messages":[],"system":[5]}`, "system.0")
	f(`{"messages":[],"tools":[{"description":"x"}]}`, "tools.0.name")
	f(`{"messages":[],"tool_choice":{"type":"tool"}}`, "tool_choice.name")
	f(`{"messages":[],"tool_choice":{"type":"some"}}`, "tool_choice.type")
	f(`{"messages":[],"thinking":{"type":"on"}}`, "thinking.type")
	f(`{"messages":[],"thinking":{"type":"enabled","budget_tokens":"x"}}`, "thinking.budget_tokens")
	f(`{"messages":[],"temperature":"x"}`, "temperature")
	f(`{"messages":[],"stop_sequences":[1]}`, "stop_sequences")
}

var bigBody = []byte(`{"model":"claude-sonnet-4-5","max_tokens":1024,"stream":true,"metadata":{"user_id":"u"},"messages":[` +
	strings.Repeat(`{"role":"user","content":[{"type":"text","text":"`+strings.Repeat("Lorem ipsum dolor sit amet. ", 30)+`"}]},`, 20) +
	`{"role":"user","content":"x"}]}`)

func TestHotPathAllocations(t *testing.T) {
	e, in := MessagesEgress(providers.Quirks{}), MessagesIngress()
	delta := []byte(`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hello"}}`)
	odd := []byte(`{"index":0, "content_block":{"text":"","type":"text"}, "type":"content_block_start"}`)
	start := []byte(`{"type":"message_start","message":{"id":"msg_1","model":"claude-x","content":[],"usage":{"input_tokens":25,"cache_creation":{"ephemeral_5m_input_tokens":1},"output_tokens":1}}}`)
	f := func(name string, most float64, run func()) {
		t.Helper()
		if n := testing.AllocsPerRun(100, run); n > most {
			t.Errorf("%s: %v allocations, at most %v expected", name, n, most)
		}
	}
	f("Frame by name", 0, func() { e.Frame("content_block_delta", delta) })
	f("Frame by type", 0, func() { e.Frame("", delta); e.Frame("", odd); e.Frame("", start) })
	f("Usage", 0, func() { var u providers.Usage; e.Usage(start, &u) })
	f("ModelSpan", 0, func() { e.ModelSpan(start) })
	f("Peek", 2, func() { // the model's and the user's name
		if _, err := in.Peek(bigBody); err != nil {
			t.Fatal(err)
		}
	})
}

func BenchmarkFrame(b *testing.B) {
	e := MessagesEgress(providers.Quirks{})
	delta := []byte(`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hello"}}`)
	b.ReportAllocs()
	for b.Loop() {
		e.Frame("content_block_delta", delta)
		e.Frame("", delta)
	}
}

func BenchmarkPeek(b *testing.B) {
	in := MessagesIngress()
	b.ReportAllocs()
	b.SetBytes(int64(len(bigBody)))
	for b.Loop() {
		if _, err := in.Peek(bigBody); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkTranslateStream(b *testing.B) {
	var sse strings.Builder
	sse.WriteString("event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"model\":\"m\",\"content\":[],\"usage\":{\"input_tokens\":1}}}\n\n")
	sse.WriteString("event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n")
	for range 200 {
		sse.WriteString("event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hello \"}}\n\n")
	}
	sse.WriteString("event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n")
	data := []byte(sse.String())
	out := make([]byte, 0, 2*len(data))
	b.ReportAllocs()
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		d, e := MessagesEgress(providers.Quirks{}).NewDecoder(), MessagesIngress().NewEncoder(providers.EncodeOptions{})
		d.Feed(data)
		var ev providers.Event
		out = out[:0]
		for d.Next(&ev) {
			out = e.Append(out, &ev)
		}
		out = e.End(out)
	}
}
