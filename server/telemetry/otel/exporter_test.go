package otel

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/your-org/ai-api-gateway/server/telemetry/otel/oteltest"
	"github.com/your-org/ai-api-gateway/store"
)

// counted is what Options.Counted was told.
type counted struct {
	mu sync.Mutex
	n  map[string]int
}

func (c *counted) add(signal, result string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == nil {
		c.n = map[string]int{}
	}
	c.n[signal+" "+result] += n
}

func (c *counted) of(what string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n[what]
}

type logged struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// to returns options that tell all to the collector at url.
func to(url string) Options {
	return Options{Traces: Destination{URL: url + "/v1/traces"}, Metrics: Destination{URL: url + "/v1/metrics"}, Sampler: "always_on", Ratio: 1,
		Gzip: true, Timeout: 5 * time.Second, Every: time.Minute, Version: "test", Now: time.Now, Log: slog.New(slog.DiscardHandler)}
}

// run runs e until the function it returns is called, which waits for its end.
func run(t *testing.T, e *Exporter) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { e.RunTraces(ctx) })
	running.Go(func() { e.RunMetrics(ctx) })
	once := sync.OnceFunc(func() {
		cancel()
		running.Wait()
		e.Close()
	})
	t.Cleanup(once)
	return once
}

// one is a request that was answered at its second attempt.
func one(e *Exporter) {
	t := e.Begin(Asked{Parent: "00-" + callersTrace + "-" + callersSpan + "-01", State: "v=1", Method: "POST", Route: "/v1/chat/completions", Path: "/v1/chat/completions", Scheme: "http"})
	t.Attempt("https://api.openai.com/v1/chat/completions", Bounds{})
	t.Attempt("http://10.0.0.7:8000/v1/messages", Bounds{MaxTokens: 512, Choices: 2})
	if t.Recorded() {
		t.Response().Name("msg_1", "claude-x-20260101")
		t.Response().Ended("end_turn", "")
	}
	e.Request(t, &store.UsageRow{
		RequestID: "01REQUEST", ClientRequestID: "theirs", Time: at, KeyID: "key_1", KeyName: "team \"a\"", Group: "g", EndUser: "somebody@example.com",
		Operation: "chat", Dialect: "chat", Model: "smart", Provider: "anthropic", Account: "ant", UpstreamModel: "claude-x", Status: 200, Stream: true, EndReason: store.EndComplete,
		Attempts: []store.Attempt{
			{Provider: "openai", Account: "main", Model: "gpt-x", Status: 429, Outcome: "rate_limited", Start: time.Millisecond, Duration: 20 * time.Millisecond, Error: "what the upstream said",
				CostNano: 1000, Spent: &store.Spent{Tokens: store.Tokens{Input: 7}, UsageSource: store.SourceProviderPartial}},
			{Provider: "anthropic", Account: "ant", Model: "claude-x", Status: 200, Outcome: "ok", Start: 30 * time.Millisecond, Duration: 470 * time.Millisecond, CostNano: 1_234_567},
		},
		Tokens:      store.Tokens{Input: 100, CacheRead: 20, CacheWrite5m: 3, Output: 40, Reasoning: 5},
		UsageSource: store.SourceProvider, CostNano: 1_234_567, TTFT: 130 * time.Millisecond, Duration: 500 * time.Millisecond, Overhead: 2 * time.Millisecond,
		Metadata: map[string]string{"m": "metadata-value"}, Trace: []string{"a decision"},
	})
}

var at = time.Date(2026, 11, 26, 8, 0, 0, 123, time.UTC)

// TestSpans holds what a collector gets of a request to the conventions.
func TestSpans(t *testing.T) {
	c := oteltest.New(t)
	o := to(c.URL)
	o.Resource = []Attribute{{"service.name", "ai-gateway"}, {"service.version", "1"}, {"service.name", "mine"}}
	o.Traces.Headers = []Header{{"Authorization", store.NewSecret("Bearer collectors-secret")}}
	var n counted
	o.Counted = n.add
	e := New(o)
	stop := run(t, e)
	one(e)
	list := c.Await(3)
	stop()
	r := c.Traces()[0]
	if got := oteltest.Attributes(r.Resource.Attributes); got["service.name"] != "mine" || got["service.version"] != "1" || len(got) != 2 {
		t.Errorf("resource: %v", got)
	}
	if s := r.ScopeSpans[0]; s.Scope.Name != scope || s.Scope.Version != "test" || s.SchemaUrl != conventions || r.SchemaUrl != conventions {
		t.Errorf("scope %v, schema %s", s.Scope, s.SchemaUrl)
	}
	whole, first, second := list[0], list[1], list[2]
	if fmt.Sprintf("%x %x", whole.TraceId, whole.ParentSpanId) != callersTrace+" "+callersSpan || whole.TraceState != "v=1" || whole.Kind.String() != "SPAN_KIND_SERVER" || whole.Flags != 0x301 {
		t.Errorf("the request's span: %v", whole)
	}
	if whole.Name != "chat smart" || whole.StartTimeUnixNano != uint64(at.UnixNano()) || whole.EndTimeUnixNano != uint64(at.Add(500*time.Millisecond).UnixNano()) || whole.Status != nil {
		t.Errorf("the request's span: %v", whole)
	}
	if ev := whole.Events; len(ev) != 1 || ev[0].Name != "ai_gateway.first_token" || ev[0].TimeUnixNano != uint64(at.Add(130*time.Millisecond).UnixNano()) {
		t.Errorf("events: %v", ev)
	}
	same(t, "the request", oteltest.Attributes(whole.Attributes), map[string]any{
		"gen_ai.operation.name": "chat", "gen_ai.provider.name": "anthropic", "gen_ai.request.model": "smart", "gen_ai.request.stream": true, "gen_ai.request.max_tokens": int64(512), "gen_ai.request.choice.count": int64(2),
		"http.request.method": "POST", "http.route": "/v1/chat/completions", "url.path": "/v1/chat/completions", "url.scheme": "http", "http.response.status_code": int64(200),
		"ai_gateway.request.id": "01REQUEST", "ai_gateway.request.client_id": "theirs", "ai_gateway.key.id": "key_1", "ai_gateway.key.name": "team \"a\"", "ai_gateway.key.group": "g",
		"ai_gateway.account": "ant", "ai_gateway.end_reason": "complete", "ai_gateway.usage_source": "provider", "ai_gateway.cost_usd": 0.001234567, "ai_gateway.overhead": 0.002, "ai_gateway.attempts": int64(2),
	})
	for i, s := range list[1:] {
		if fmt.Sprintf("%x", s.TraceId) != callersTrace || string(s.ParentSpanId) != string(whole.SpanId) || s.Kind.String() != "SPAN_KIND_CLIENT" || s.Flags != 0x101 {
			t.Errorf("attempt %d: %v", i, s)
		}
	}
	if first.Name != "chat gpt-x" || first.Status.GetCode().String() != "STATUS_CODE_ERROR" || first.Status.Message != "" || second.Name != "chat claude-x" || second.Status != nil {
		t.Errorf("attempts: %v, %v", first, second)
	}
	if first.StartTimeUnixNano != uint64(at.Add(time.Millisecond).UnixNano()) || first.EndTimeUnixNano != uint64(at.Add(21*time.Millisecond).UnixNano()) {
		t.Errorf("the first attempt's time: %v", first)
	}
	same(t, "the first attempt", oteltest.Attributes(first.Attributes), map[string]any{
		"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-x", "gen_ai.request.stream": true, "gen_ai.request.max_tokens": int64(512), "gen_ai.request.choice.count": int64(2),
		"gen_ai.usage.input_tokens": int64(7), "gen_ai.usage.output_tokens": int64(0), "ai_gateway.cost_usd": 0.000001,
		"server.address": "api.openai.com", "server.port": int64(443), "http.request.method": "POST", "http.response.status_code": int64(429), "error.type": "rate_limited",
		"ai_gateway.account": "main", "ai_gateway.attempt.outcome": "rate_limited", "ai_gateway.attempt.number": int64(1), "ai_gateway.attempt.fallback": false,
	})
	same(t, "the second attempt", oteltest.Attributes(second.Attributes), map[string]any{
		"gen_ai.operation.name": "chat", "gen_ai.provider.name": "anthropic", "gen_ai.request.model": "claude-x", "gen_ai.request.stream": true, "gen_ai.request.max_tokens": int64(512), "gen_ai.request.choice.count": int64(2),
		"gen_ai.response.id": "msg_1", "gen_ai.response.model": "claude-x-20260101", "gen_ai.response.finish_reasons": []any{"end_turn"}, "gen_ai.response.time_to_first_chunk": 0.1,
		"gen_ai.usage.input_tokens": int64(123), "gen_ai.usage.output_tokens": int64(45), "gen_ai.usage.cache_read.input_tokens": int64(20), "gen_ai.usage.cache_creation.input_tokens": int64(3), "gen_ai.usage.reasoning.output_tokens": int64(5),
		"server.address": "10.0.0.7", "server.port": int64(8000), "http.request.method": "POST", "http.response.status_code": int64(200),
		"ai_gateway.account": "ant", "ai_gateway.attempt.outcome": "ok", "ai_gateway.attempt.number": int64(2), "ai_gateway.attempt.fallback": true, "ai_gateway.cost_usd": 0.001234567,
	})
	for _, secret := range []string{"somebody@example.com", "what the upstream said", "metadata-value", "a decision", "collectors-secret"} {
		if strings.Contains(c.Bodies(), secret) {
			t.Errorf("a collector is told %q", secret)
		}
	}
	if h := c.Heads()[0]; h.Get("Authorization") != "Bearer collectors-secret" || h.Get("Content-Encoding") != "gzip" || h.Get("User-Agent") != "ai-gateway/test" {
		t.Errorf("headers: %v", h)
	}
	if n.of("traces sent") != 3 {
		t.Errorf("counted: %v", n.n)
	}
}

func same(t *testing.T, what string, got, want map[string]any) {
	t.Helper()
	for k, v := range want {
		if fmt.Sprint(got[k]) != fmt.Sprint(v) || fmt.Sprintf("%T", got[k]) != fmt.Sprintf("%T", v) {
			t.Errorf("%s: %s is %#v, want %#v", what, k, got[k], v)
		}
	}
	for k, v := range got {
		if _, ok := want[k]; !ok {
			t.Errorf("%s: %s is %#v, and should not be there", what, k, v)
		}
	}
}

// TestFailures: what the conventions call an error is one, and what a caller did is none.
func TestFailures(t *testing.T) {
	f := func(name string, row store.UsageRow, wantError bool, want string) {
		t.Helper()
		c := oteltest.New(t)
		e := New(to(c.URL))
		stop := run(t, e)
		tr := e.Begin(Asked{})
		for range row.Attempts {
			tr.Attempt("http://up", Bounds{Choices: 1})
		}
		row.Time, row.Operation = at, "completions"
		e.Request(tr, &row)
		stop()
		s := c.Spans()[0]
		kind, _ := oteltest.Attributes(s.Attributes)["error.type"].(string)
		if (s.Status.GetCode() == statusError) != wantError || kind != want {
			t.Errorf("%s: %v, error.type %q", name, s.Status, kind)
		}
		if len(row.Attempts) == 0 && s.Name != "text_completion" {
			t.Errorf("%s: named %q", name, s.Name)
		}
	}
	cut := []store.Attempt{{Outcome: "cut", Status: 200}}
	f("refused", store.UsageRow{Status: 429, EndReason: store.EndRejected, Model: "whatever the caller wrote", Error: "rate_limited: too many requests"}, false, "rate_limited")
	f("all fail", store.UsageRow{Status: 502, EndReason: store.EndError, Provider: "openai", Error: "upstream_error: text", Attempts: cut}, true, "upstream_error")
	f("fails within a stream", store.UsageRow{Status: 200, EndReason: store.EndStreamError, Provider: "openai", Error: "upstream_cut: text", Attempts: cut}, true, "upstream_cut")
	f("without a word", store.UsageRow{Status: 503, EndReason: store.EndError}, true, "503")
	f("the caller left", store.UsageRow{Status: 499, EndReason: store.EndClientGone, Provider: "openai", Attempts: []store.Attempt{{Outcome: "cancelled"}}}, false, "")
}

// TestNotSampled: nothing is told of a trace that is not recorded, and nothing is kept.
func TestNotSampled(t *testing.T) {
	c := oteltest.New(t)
	o := to(c.URL)
	o.Sampler = "parentbased_always_off"
	e := New(o)
	stop := run(t, e)
	tr := e.Begin(Asked{})
	e.Request(tr, &store.UsageRow{Time: at})
	if len(e.queue) != 0 {
		t.Error("it waits")
	}
	one(e) // whose caller recorded it
	stop()
	if n := len(c.Spans()); n != 3 {
		t.Errorf("%d spans", n)
	}
	if New(Options{Now: time.Now}).Begin(Asked{}) != nil || (*Exporter)(nil).Begin(Asked{}) != nil {
		t.Error("a trace is begun where none is told")
	}
}

// answers makes an exporter whose messages are answered by f, in the time of synctest.
func answers(o Options, f func(ctx context.Context) (Reply, error)) *Exporter {
	e := New(o)
	e.post = func(ctx context.Context, to Destination, _ bool, _ []byte) (Reply, error) {
		if strings.HasSuffix(to.URL, "/v1/metrics") {
			return Reply{Status: 200}, nil
		}
		return f(ctx)
	}
	return e
}

// TestRetries: a message is sent again only where OTLP allows it, after the time the
// collector names or a growing one, and given up after a minute.
func TestRetries(t *testing.T) {
	f := func(name string, r Reply, err error, wantCalls [2]int, wantFirst time.Duration, word string) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			var calls []time.Time
			var n counted
			log := &logged{}
			o := to("http://collector")
			o.Counted, o.Log = n.add, slog.New(slog.NewTextHandler(log, nil))
			e := answers(o, func(context.Context) (Reply, error) {
				calls = append(calls, time.Now())
				return r, err
			})
			stop := run(t, e)
			one(e)
			time.Sleep(3 * time.Minute)
			synctest.Wait()
			if len(calls) < wantCalls[0] || len(calls) > wantCalls[1] {
				t.Errorf("%s: sent %d times", name, len(calls))
			}
			if wantFirst > 0 && len(calls) > 1 && calls[1].Sub(calls[0]) != wantFirst {
				t.Errorf("%s: sent again after %v", name, calls[1].Sub(calls[0]))
			}
			for i := 2; i < len(calls); i++ {
				if calls[i].Sub(calls[i-1]) > maxPause && wantFirst == 0 {
					t.Errorf("%s: paused %v", name, calls[i].Sub(calls[i-1]))
				}
			}
			state, _ := e.States()
			if word == "" && (n.of("traces sent") != 3 || state.Sent != 3 || state.LastError != "") {
				t.Errorf("%s: %v, %+v", name, n.n, state)
			}
			if word != "" && (n.of("traces failed") != 3 || state.Failed != 3 || !strings.Contains(state.LastError, word) || strings.Count(log.String(), "cannot tell") != 1) {
				t.Errorf("%s: %v, %+v, log %s", name, n.n, state, log)
			}
			stop()
		})
	}
	f("taken", Reply{Status: 200}, nil, [2]int{1, 1}, 0, "")
	for _, status := range []int{429, 502, 503, 504} {
		f(fmt.Sprint(status), Reply{Status: status}, nil, [2]int{5, 12}, 0, fmt.Sprint(status))
	}
	f("a time is named", Reply{Status: 503, RetryAfter: 25 * time.Second}, nil, [2]int{3, 3}, 25*time.Second, "503")
	f("a long time is named", Reply{Status: 429, RetryAfter: time.Hour}, nil, [2]int{1, 2}, time.Minute, "429")
	for _, status := range []int{301, 307, 400, 401, 403, 404, 413, 500} {
		f(fmt.Sprint(status), Reply{Status: status}, nil, [2]int{1, 1}, 0, fmt.Sprint(status))
	}
	f("it is away", Reply{}, errors.New("connection refused"), [2]int{5, 12}, 0, "connection refused")
}

// TestPartial: what a collector rejects is counted and said once, and not sent again.
func TestPartial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var inner []byte
		inner = protowire.AppendVarint(protowire.AppendTag(inner, 1, protowire.VarintType), 2)
		inner = protowire.AppendString(protowire.AppendTag(inner, 2, protowire.BytesType), "too old")
		body := message(nil, 1, func(b []byte) []byte { return append(b, inner...) })
		calls, log := 0, &logged{}
		o := to("http://collector")
		o.Log = slog.New(slog.NewTextHandler(log, nil))
		e := answers(o, func(context.Context) (Reply, error) {
			calls++
			return Reply{Status: 200, Body: body}, nil
		})
		stop := run(t, e)
		for range 3 {
			one(e)
			time.Sleep(time.Minute)
		}
		stop()
		if s, _ := e.States(); calls != 3 || s.Sent != 3 || s.Rejected != 6 || strings.Count(log.String(), "too old") != 1 {
			t.Errorf("%d messages, %+v, log %s", calls, s, log)
		}
	})
	for _, junk := range []string{"", "\x0a", "\x0a\x05", "\x0a\x02\x08", "{}", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"} {
		if n, why := partial([]byte(junk)); n != 0 || why != "" {
			t.Errorf("%q rejects %d: %s", junk, n, why)
		}
	}
}

// TestHangs: a collector that hangs holds up neither a request nor the end, and what
// does not fit in the queue is counted.
func TestHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n counted
		log := &logged{}
		o := to("http://collector")
		o.Counted, o.Log = n.add, slog.New(slog.NewTextHandler(log, nil))
		e := answers(o, func(ctx context.Context) (Reply, error) {
			<-ctx.Done()
			return Reply{}, ctx.Err()
		})
		stop := run(t, e)
		start := time.Now()
		one(e)
		time.Sleep(usualDelay) // its message is on the way
		synctest.Wait()
		for range maxQueue + 1000 {
			one(e)
		}
		if d := time.Since(start) - usualDelay; d != 0 {
			t.Errorf("requests waited %v", d)
		}
		if s, _ := e.States(); n.of("traces dropped") != 3*1000 || s.Dropped != 3*1000 || s.Waiting != maxQueue+1 {
			t.Errorf("counted %v, %+v", n.n, s)
		}
		if strings.Count(log.String(), "traces are dropped") != 1 {
			t.Errorf("log: %s", log)
		}
		start = time.Now()
		stop()
		if d := time.Since(start); d > flushFor {
			t.Errorf("the end took %v", d)
		}
		s, _ := e.States()
		if s.Waiting != 0 || s.Failed != 3*(maxQueue+1) {
			t.Errorf("after the end: %+v", s)
		}
	})
}

// TestFlush: what waits at the end is told, also what a collector had refused just before.
func TestFlush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		status := 503
		e := answers(to("http://collector"), func(context.Context) (Reply, error) { return Reply{Status: status}, nil })
		stop := run(t, e)
		one(e)
		time.Sleep(usualDelay + time.Millisecond)
		synctest.Wait()
		status = 200
		for range maxBatch + 5 {
			one(e)
		}
		stop()
		if s, _ := e.States(); s.Sent != 3*(maxBatch+6) || s.Failed != 0 || s.LastError != "" {
			t.Errorf("%+v", s)
		}
	})
}

// TestEndWaits: a message that is on its way at the end comes once; what is told too
// slowly for the end is told again.
func TestEndWaits(t *testing.T) {
	f := func(slow time.Duration, calls int) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			came := 0
			e := answers(to("http://collector"), func(ctx context.Context) (Reply, error) {
				if came++; came > 1 {
					return Reply{Status: 200}, nil
				}
				select {
				case <-time.After(slow):
					return Reply{Status: 200}, nil
				case <-ctx.Done():
					return Reply{}, ctx.Err()
				}
			})
			stop := run(t, e)
			one(e)
			time.Sleep(usualDelay + time.Millisecond)
			start := time.Now()
			stop()
			if s, _ := e.States(); came != calls || s.Sent != 3 || s.Failed != 0 || time.Since(start) > flushFor {
				t.Errorf("a collector that takes %v was told %d times, the end took %v: %+v", slow, came, time.Since(start), s)
			}
		})
	}
	f(time.Second, 1)
	f(time.Minute, 2)
}

// TestRedirect: a redirect is not followed, for its target would get the headers; an
// error tells no header, and a collector that is nowhere is only a failure.
func TestRedirect(t *testing.T) {
	elsewhere := oteltest.New(t)
	c := oteltest.New(t)
	c.Answer(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, elsewhere.URL+r.URL.Path, http.StatusTemporaryRedirect)
	})
	o := to(c.URL)
	o.Traces.Headers = []Header{{"Api-Key", store.NewSecret("collectors-secret")}}
	e := New(o)
	stop := run(t, e)
	one(e)
	stop()
	if s, _ := e.States(); s.Failed != 3 || !strings.Contains(s.LastError, "307") || !strings.Contains(s.LastError, "redirect") || elsewhere.Calls() != 0 {
		t.Errorf("%+v, %d calls elsewhere", s, elsewhere.Calls())
	}
	o.Traces.URL = "http://127.0.0.1:1/v1/traces"
	e = New(o)
	stop = run(t, e)
	one(e)
	stop()
	if s, _ := e.States(); s.Failed != 3 || !strings.Contains(s.LastError, "refused") || strings.Contains(s.LastError, "secret") {
		t.Errorf("%+v", s)
	}
}
