package server

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/your-org/ai-api-gateway/server/telemetry/otel"
	"github.com/your-org/ai-api-gateway/server/telemetry/otel/oteltest"
	"github.com/your-org/ai-api-gateway/store"
)

const (
	theirTrace = "0af7651916cd43dd8448eb211c80319c"
	theirSpan  = "b7ad6b7169203331"
	theirs     = "00-" + theirTrace + "-" + theirSpan + "-01"
)

// traced is a bench whose requests a collector is told of.
type traced struct {
	*bench
	c    *oteltest.Collector
	seen int
	sent chan http.Header // to the upstream
}

func newTraced(t *testing.T, change func(*otel.Options)) *traced {
	t.Helper()
	c := oteltest.New(t)
	o := otel.Options{Traces: otel.Destination{URL: c.URL + "/v1/traces"}, Sampler: "parentbased_traceidratio", Ratio: 1, Gzip: true,
		Timeout: 5 * time.Second, Delay: 10 * time.Millisecond, Every: time.Minute, Version: "test", Now: time.Now, Log: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(&o)
	}
	e := otel.New(o)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { e.RunTraces(ctx); close(ended) }()
	b := newBench(t, func(o *Options) { o.Spans = e })
	t.Cleanup(func() { cancel(); <-ended; e.Close() })
	tr := &traced{bench: b, c: c, sent: make(chan http.Header, 64)}
	b.upstream = func(w http.ResponseWriter, r *http.Request) {
		tr.sent <- r.Header.Clone()
		scripted(w, r)
	}
	return tr
}

// told returns the n spans of the last request, its own first.
func (tr *traced) told(n int) []*tracev1.Span {
	tr.t.Helper()
	all := tr.c.Await(tr.seen + n)[tr.seen:]
	tr.seen += n
	if len(all) != n {
		tr.t.Fatalf("%d spans, want %d", len(all), n)
	}
	for _, s := range all[1:] {
		if string(s.TraceId) != string(all[0].TraceId) || string(s.ParentSpanId) != string(all[0].SpanId) || s.StartTimeUnixNano < all[0].StartTimeUnixNano || s.EndTimeUnixNano > all[0].EndTimeUnixNano+uint64(time.Millisecond) {
			tr.t.Errorf("%v is no part of %v", s, all[0])
		}
	}
	return all
}

func attributes(s *tracev1.Span) map[string]any { return oteltest.Attributes(s.Attributes) }

func hexOf(b []byte) string { return fmt.Sprintf("%x", b) }

// TestTracedAnswers: what an answer says of itself and what it used stands at the span
// of its attempt, buffered and streamed, relayed and translated.
func TestTracedAnswers(t *testing.T) {
	tr := newTraced(t, nil)
	key := tr.key([]string{"chat", "embeddings"}, func(k *store.Key) { k.Name, k.Group = "team", "g1" })
	messages := func(w http.ResponseWriter, r *http.Request) {
		if body, _ := io.ReadAll(r.Body); !strings.Contains(string(body), `"stream":true`) {
			scripted(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, `event: message_start
data: {"type":"message_start","message":{"id":"msg_9","type":"message","role":"assistant","model":"claude-x-1","content":[],"stop_reason":null,"usage":{"input_tokens":9,"cache_read_input_tokens":2,"output_tokens":1}}}

event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"the-answers-text"}}

event: content_block_stop
data: {"type":"content_block_stop","index":0}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"max_tokens"},"usage":{"output_tokens":7}}

event: message_stop
data: {"type":"message_stop"}

`)
	}
	chat := func(w http.ResponseWriter, r *http.Request) {
		if body, _ := io.ReadAll(r.Body); !strings.Contains(string(body), `"stream":true`) {
			scripted(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		for _, data := range []string{
			`{"id":"c7","object":"chat.completion.chunk","created":1,"model":"gpt-x-7","choices":[{"index":0,"delta":{"role":"assistant","content":"the-answers-text"},"finish_reason":null}]}`,
			`{"id":"c7","object":"chat.completion.chunk","created":1,"model":"gpt-x-7","choices":[{"index":0,"delta":{},"finish_reason":"length"}]}`,
			`{"id":"c7","object":"chat.completion.chunk","created":1,"model":"gpt-x-7","choices":[],"usage":{"prompt_tokens":11,"completion_tokens":7,"total_tokens":18}}`, "[DONE]"} {
			_, _ = io.WriteString(w, "data: "+data+"\n\n")
		}
	}
	f := func(name, path, body string, up http.HandlerFunc, want map[string]any) {
		t.Helper()
		tr.upstream = up
		a := tr.call("POST", path, key, body)
		if a.status != 200 {
			t.Fatalf("%s: %v", name, a)
		}
		spans := tr.told(2)
		whole, attempt := attributes(spans[0]), attributes(spans[1])
		stream := strings.Contains(body, "stream")
		if whole["http.route"] != path || whole["http.response.status_code"] != int64(200) || whole["ai_gateway.key.name"] != "team" || whole["ai_gateway.key.group"] != "g1" || whole["ai_gateway.request.id"] != a.head.Get("X-Request-Id") {
			t.Errorf("%s: %v", name, whole)
		}
		for k := range whole {
			if strings.HasPrefix(k, "gen_ai.usage") || strings.HasPrefix(k, "gen_ai.response") {
				t.Errorf("%s: %s stands at the request, too", name, k)
			}
		}
		for k, v := range want {
			if fmt.Sprint(attempt[k]) != fmt.Sprint(v) {
				t.Errorf("%s: %s is %v, want %v", name, k, attempt[k], v)
			}
		}
		if _, ok := attempt["gen_ai.response.time_to_first_chunk"]; ok != stream || (len(spans[0].Events) == 1) != stream || (attempt["gen_ai.request.stream"] == true) != stream {
			t.Errorf("%s: %v, %v", name, attempt, spans[0].Events)
		}
		if attempt["server.address"] != "127.0.0.1" || attempt["server.port"] == int64(0) || attempt["ai_gateway.attempt.outcome"] != "ok" {
			t.Errorf("%s: %v", name, attempt)
		}
	}
	said := func(provider, id, model, why string, in, out int) map[string]any {
		return map[string]any{"gen_ai.provider.name": provider, "gen_ai.response.id": id, "gen_ai.response.model": model, "gen_ai.response.finish_reasons": []any{why}, "gen_ai.usage.input_tokens": in, "gen_ai.usage.output_tokens": out}
	}
	const hi = `"messages":[{"role":"user","content":"the-prompts-text"}]}`
	f("chat", "/v1/chat/completions", `{"model":"gpt-x",`+hi, chat, said("openai", "c1", "gpt-x", "stop", 10, 4))
	f("chat streamed", "/v1/chat/completions", `{"model":"fast","stream":true,`+hi, chat, said("openai", "c7", "gpt-x-7", "length", 11, 7))
	f("messages", "/v1/messages", `{"model":"claude-x","max_tokens":9,`+hi, messages, said("anthropic", "msg_1", "claude-x", "end_turn", 9, 5))
	f("messages streamed", "/v1/messages", `{"model":"claude-x","max_tokens":9,"stream":true,`+hi, messages, said("anthropic", "msg_9", "claude-x-1", "max_tokens", 11, 7))
	f("translated", "/v1/chat/completions", `{"model":"claude-x",`+hi, messages, said("anthropic", "msg_1", "claude-x", "end_turn", 9, 5))
	f("translated and streamed", "/v1/chat/completions", `{"model":"claude-x","stream":true,`+hi, messages, said("anthropic", "msg_9", "claude-x-1", "max_tokens", 11, 7))
	f("embeddings", "/v1/embeddings", `{"model":"gpt-x","input":"the-prompts-text"}`, scripted, map[string]any{"gen_ai.operation.name": "embeddings", "gen_ai.response.model": "gpt-x", "gen_ai.usage.input_tokens": 3})
	for _, secret := range []string{"the-prompts-text", "the-answers-text", key, key[len("sk-gw-"):], "sk-vendor-secret"} {
		if strings.Contains(tr.c.Bodies(), secret) {
			t.Errorf("the collector is told %q", secret)
		}
	}
}

// TestTracedPlan: attempts that failed, refusals and callers who leave have their spans.
func TestTracedPlan(t *testing.T) {
	tr := newTraced(t, nil)
	key := tr.key([]string{"chat"})
	tr.upstream = func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/chat/completions") {
			w.WriteHeader(500)
			return
		}
		scripted(w, r)
	}
	if a := tr.call("POST", "/v1/chat/completions", key, `{"model":"gpt-x","fallbacks":["claude-x"],"messages":[{"role":"user","content":"hi"}]}`); a.status != 200 {
		t.Fatal(a)
	}
	all := tr.c.Await(3) // the spans of a request come together; the first target may be asked twice
	whole, first, last := all[0], all[1], all[len(all)-1]
	if whole.Name != "chat gpt-x" || whole.Status != nil || attributes(whole)["gen_ai.provider.name"] != "anthropic" || attributes(whole)["ai_gateway.attempts"] != int64(len(all)-1) {
		t.Errorf("%v", whole)
	}
	if a := attributes(first); first.Name != "chat gpt-x" || first.Status == nil || a["error.type"] != "500" || a["http.response.status_code"] != int64(500) || a["ai_gateway.attempt.fallback"] != false || a["gen_ai.usage.input_tokens"] != nil {
		t.Errorf("%v", first)
	}
	if a := attributes(last); last.Name != "chat claude-x" || last.Status != nil || a["ai_gateway.attempt.fallback"] != true || a["gen_ai.usage.input_tokens"] != int64(9) {
		t.Errorf("%v", last)
	}
	tr.seen = len(all)

	if a := tr.call("POST", "/v1/chat/completions", key, `{"model":"nobody-serves-this","messages":[{"role":"user","content":"hi"}]}`); a.status != 404 {
		t.Fatal(a)
	}
	refused := tr.told(1)[0]
	if a := attributes(refused); refused.Name != "chat" || refused.Status != nil || a["error.type"] != "model_not_found" || a["http.response.status_code"] != int64(404) || a["ai_gateway.end_reason"] != "rejected" {
		t.Errorf("%v", refused)
	}

	began := make(chan struct{})
	tr.upstream = func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // or the end of the connection is not seen
		close(began)
		<-r.Context().Done()
	}
	ctx, cancel := context.WithCancel(context.Background())
	req, _ := http.NewRequestWithContext(ctx, "POST", tr.url+"/v1/chat/completions", strings.NewReader(chatAsk))
	req.Header.Set("Authorization", "Bearer "+key)
	go func() { <-began; cancel() }()
	if _, err := http.DefaultClient.Do(req); err == nil {
		t.Fatal("an answer came")
	}
	left := tr.told(2)
	if a, b := attributes(left[0]), attributes(left[1]); left[0].Status != nil || a["http.response.status_code"] != int64(499) || a["error.type"] != nil || a["ai_gateway.end_reason"] != "client_gone" || b["ai_gateway.attempt.outcome"] != "cancelled" || left[1].Status != nil {
		t.Errorf("%v", left)
	}
}

// TestTraceContext: a valid traceparent is gone on from, its decision counts, and
// upstreams are told of the trace only where that is wished.
func TestTraceContext(t *testing.T) {
	off := newTraced(t, nil)
	key := off.key([]string{"chat"})
	off.call("POST", "/v1/chat/completions", key, chatAsk, "Traceparent", theirs, "Tracestate", "v=1")
	s := off.told(2)
	if hexOf(s[0].TraceId) != theirTrace || hexOf(s[0].ParentSpanId) != theirSpan || s[0].TraceState != "v=1" || s[1].TraceState != "v=1" || s[0].Kind != tracev1.Span_SPAN_KIND_SERVER || s[1].Kind != tracev1.Span_SPAN_KIND_CLIENT {
		t.Errorf("%v", s)
	}
	if h := <-off.sent; h.Get("Traceparent") != "" || h.Get("Tracestate") != "" {
		t.Errorf("the upstream is told: %v", h)
	}
	off.call("POST", "/v1/chat/completions", key, chatAsk, "Traceparent", "00-nonsense", "Tracestate", "v=1")
	if s := off.told(2); len(s[0].ParentSpanId) != 0 || s[0].TraceState != "" || hexOf(s[0].TraceId) == theirTrace {
		t.Errorf("after nonsense: %v", s)
	}
	off.call("POST", "/v1/chat/completions", key, chatAsk, "Traceparent", strings.TrimSuffix(theirs, "1")+"0")
	off.call("POST", "/v1/chat/completions", key, chatAsk, "X-Request-Id", "the-next-one")
	if s := off.told(2); attributes(s[0])["ai_gateway.request.client_id"] != "the-next-one" {
		t.Errorf("what the caller does not record is told: %v", s)
	}

	on := newTraced(t, func(o *otel.Options) { o.Propagate = true })
	key = on.key([]string{"chat"})
	on.call("POST", "/v1/chat/completions", key, chatAsk, "Traceparent", theirs, "Tracestate", "v=1")
	s = on.told(2)
	if h := <-on.sent; h.Get("Traceparent") != "00-"+theirTrace+"-"+hexOf(s[1].SpanId)+"-01" || h.Get("Tracestate") != "v=1" {
		t.Errorf("the upstream is told: %v", h)
	}
	on.call("POST", "/v1/messages", key, messagesAsk, "Traceparent", strings.TrimSuffix(theirs, "1")+"0")
	if h := <-on.sent; !strings.HasPrefix(h.Get("Traceparent"), "00-"+theirTrace+"-") || !strings.HasSuffix(h.Get("Traceparent"), "-00") {
		t.Errorf("of what is not recorded the upstream is told %q", h.Get("Traceparent"))
	}
}

// TestTracedLimits: a request that a limit refuses has a span, too.
func TestTracedLimits(t *testing.T) {
	tr := newTraced(t, nil)
	key := tr.key([]string{"chat"})
	one := &store.Policy{ID: "p", Name: "p", Scope: store.PolicyScope{Global: true}, Limits: []store.PolicyLimit{{Kind: store.LimitRequests, Limit: 1, Window: store.WindowMinute}}}
	if err := tr.quota.Set(context.Background(), []*store.Policy{one}); err != nil {
		t.Fatal(err)
	}
	tr.call("POST", "/v1/chat/completions", key, chatAsk)
	tr.told(2)
	if a := tr.call("POST", "/v1/chat/completions", key, chatAsk); a.status != 429 {
		t.Fatal(a)
	}
	s := tr.told(1)[0]
	if a := attributes(s); a["http.response.status_code"] != int64(429) || a["error.type"] == nil || a["ai_gateway.key.id"] == nil || s.Name != "chat" || s.Status != nil {
		t.Errorf("%v", s)
	}
}
