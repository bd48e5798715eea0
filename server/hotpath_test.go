package server

import (
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/your-org/ai-api-gateway/server/limits"
	"github.com/your-org/ai-api-gateway/server/relay"
	"github.com/your-org/ai-api-gateway/server/telemetry"
	"github.com/your-org/ai-api-gateway/server/telemetry/otel"
	"github.com/your-org/ai-api-gateway/server/upstream"
	"github.com/your-org/ai-api-gateway/store"
)

// A caller is a connection that sends the same request n times, each when the
// answer to the last has been written, and counts the answers.
type caller struct {
	request []byte
	n       int
	pending []byte
	wrote   int
	bad     []byte // the first answer that is not a 200
	wait    func() // done where a real connection would wait
}

func (c *caller) Read(p []byte) (int, error) {
	if len(c.pending) == 0 {
		if c.n == 0 {
			return 0, io.EOF
		}
		c.n--
		c.pending = c.request
		c.wait()
	}
	k := copy(p, c.pending)
	c.pending = c.pending[k:]
	return k, nil
}

func (c *caller) Write(p []byte) (int, error) {
	if c.wrote++; c.bad == nil && bytes.HasPrefix(p, []byte("HTTP/1.1 ")) && !bytes.HasPrefix(p, []byte("HTTP/1.1 200")) {
		c.bad = bytes.Clone(p)
	}
	return len(p), nil
}

func (c *caller) Close() error                     { return nil }
func (c *caller) LocalAddr() net.Addr              { return here }
func (c *caller) RemoteAddr() net.Addr             { return here }
func (c *caller) SetDeadline(time.Time) error      { return nil }
func (c *caller) SetReadDeadline(time.Time) error  { return nil }
func (c *caller) SetWriteDeadline(time.Time) error { return nil }

var here = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}

// A vendor is an upstream's connection: each write is answered, piece by piece.
type vendor struct {
	caller
	pieces []string
	next   int
}

func (v *vendor) Write(p []byte) (int, error) {
	v.next = 0
	return len(p), nil
}

func (v *vendor) Read(p []byte) (int, error) {
	if v.next == len(v.pieces) {
		return 0, io.EOF
	}
	if v.next == 0 {
		v.wait()
	}
	v.next++
	return copy(p, v.pieces[v.next-1]), nil
}

// noLedger takes every entry.
type noLedger struct{}

func (noLedger) Hold(string, *store.Hold, time.Time) error { return nil }
func (noLedger) Settle(*store.UsageRow) error              { return nil }
func (noLedger) Attempt(string, *store.Attempt)            {}
func (noLedger) Void(string)                               {}

// hotPath is a server without sockets: serve answers a request n times, from
// fasthttp's parser through key, plan, upstream's exchange and answer.
func hotPath(tb testing.TB, body string, pieces ...string) (serve func(n int)) {
	tb.Helper()
	return pathWaiting(tb, func() {}, nil, body, pieces...)
}

// pathWaiting is hotPath with something done at each of a request's two waits, for
// the caller and for the upstream, and with quota policies.
func pathWaiting(tb testing.TB, wait func(), policies []*store.Policy, body string, pieces ...string) (serve func(n int)) {
	tb.Helper()
	return pathTold(tb, nil, policies, wait, body, pieces...)
}

// pathTold is pathWaiting with a collector that is told of each request; nil: none is.
func pathTold(tb testing.TB, spans *otel.Exporter, policies []*store.Policy, wait func(), body string, pieces ...string) (serve func(n int)) {
	tb.Helper()
	keys := store.NewKeyIndex(nil)
	full, id, hash, err := store.MintKey(rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	keys.Put(&store.Key{ID: id, Name: "bench", Hash: hash, CreatedAt: time.Now()})
	client := upstream.New(upstream.Options{InstanceID: instance, Dial: map[string]func() (net.Conn, error){
		"http://vendor": func() (net.Conn, error) { return &vendor{caller: caller{wait: wait}, pieces: pieces}, nil },
	}})
	metrics := telemetry.NewMetrics("test")
	if spans != nil {
		metrics.GenAI = telemetry.NewGenAI()
	}
	limiter := limits.New(limits.Options{Now: time.Now})
	if err := limiter.Set(tb.Context(), policies); err != nil {
		tb.Fatal(err)
	}
	rl := relay.New(relay.Options{
		Limits: limiter, Upstream: client, Ledger: noLedger{}, Metrics: metrics, Spans: spans, Now: time.Now,
		Timeouts: func(bool) upstream.Timeouts { return upstream.StreamDefaults },
	})
	tb.Cleanup(func() { rl.Close(); client.Close() })
	s := New(Options{
		Version: "test", Instance: instance, Relay: rl, Keys: keys, Metrics: metrics, Spans: spans, Log: slog.New(slog.DiscardHandler),
		Now: time.Now, NewID: NewULID(), MaxBody: 1 << 20,
		Surfaces: allSurfaces(),
	})
	s.http.MaxRequestsPerConn = 0
	s.SetTable(benchTable(tb, "http://vendor"))
	c := &caller{wait: wait, request: []byte("POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nUser-Agent: OpenAI/Python 2.8.1\r\n" +
		"Authorization: Bearer " + full + "\r\nContent-Type: application/json\r\nAccept: application/json\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body)}
	l := listener{open: &s.conns, patience: patience{time.Minute, time.Minute, time.Minute}, server: s}
	return func(n int) {
		c.n, c.wrote = n, 0
		if err := s.http.ServeConn(l.wrap(c)); err != nil {
			tb.Fatal(err)
		}
		if c.bad != nil || c.wrote < n {
			tb.Fatalf("%d requests, %d writes, %s", n, c.wrote, c.bad)
		}
	}
}

// sixLimits are limits as an owner of a gateway sets them, which nothing reaches.
var sixLimits = []*store.Policy{
	{ID: "p1", Name: "two of them", Limits: []store.PolicyLimit{
		{Kind: store.LimitRequests, Window: store.WindowDay, Limit: 1e12}, {Kind: store.LimitCost, Window: store.WindowDay, Limit: 1e18},
	}},
	{ID: "p2", Name: "four of them", Limits: []store.PolicyLimit{
		{Kind: store.LimitRequests, Window: store.WindowMinute, Limit: 1e8}, {Kind: store.LimitTokens, Window: store.WindowMinute, Limit: 1e11},
		{Kind: store.LimitConcurrency, Limit: 1e5}, {Kind: store.LimitCost, Window: store.WindowMonth, Limit: 1e18},
	}},
}

// wordyBody is a request whose text holds quotes and line ends, as agents' do.
func wordyBody(bytes int) string {
	const words = `Summarise the following paragraph for a reader in a hurry: \"alpha\" beta, gamma; 42% of delta.\n`
	return `{"model":"gpt-x","messages":[{"role":"user","content":"` + strings.Repeat(words, bytes/len(words)) + `"}]}`
}

func chatBody(bytes int) string {
	return `{"model":"gpt-x","messages":[{"role":"user","content":"` + strings.Repeat("tell me more. ", bytes/14) + `"}]}`
}

// chatStream is a streamed answer of n chunks as an upstream sends it, each in a
// piece of its own.
func chatStream(n int) []string {
	head := "HTTP/1.1 200 OK\r\nServer: vendor\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
	pieces := []string{head}
	event := func(inner string) {
		data := `data: {"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1700000000,"model":"gpt-x","choices":[` + inner + "}\n\n"
		pieces = append(pieces, strconv.FormatInt(int64(len(data)), 16)+"\r\n"+data+"\r\n")
	}
	for range n {
		event(`{"index":0,"delta":{"content":"tok @1700000000000000000 "},"finish_reason":null}]`)
	}
	event(`{"index":0,"delta":{},"finish_reason":"stop"}]`)
	event(`],"usage":{"prompt_tokens":200,"completion_tokens":100,"total_tokens":300}`)
	return append(pieces, "e\r\ndata: [DONE]\n\n\r\n", "0\r\n\r\n")
}

func chatAnswer(bytes int) string {
	body := `{"id":"c1","object":"chat.completion","created":1,"model":"gpt-x","choices":[{"index":0,"message":{"role":"assistant","content":"` +
		strings.Repeat("The quick brown fox. ", bytes/21) + `"},"finish_reason":"stop"}],"usage":{"prompt_tokens":10,"completion_tokens":4,"total_tokens":14}}`
	return "HTTP/1.1 200 OK\r\nServer: vendor\r\nDate: Mon, 02 Nov 2026 00:00:00 GMT\r\nContent-Type: application/json\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body
}

func BenchmarkHotPath(b *testing.B) {
	serve := hotPath(b, chatBody(600), chatAnswer(1024))
	serve(10)
	b.ReportAllocs()
	b.ResetTimer()
	serve(b.N)
}

// The same, when at each wait something else has used the core's caches, as the
// kernel, the caller and the upstream do on a machine that they share: 2 MiB are read
// then, and not counted. cold-ns/op is what the request took.
func BenchmarkHotPathCold(b *testing.B) {
	other, sum, took := make([]byte, 2<<20), 0, time.Duration(0)
	serve := pathWaiting(b, func() {
		start := time.Now()
		for i := 0; i < len(other); i += 64 {
			sum += int(other[i])
			other[i]++
		}
		took += time.Since(start)
	}, nil, chatBody(600), chatAnswer(1024))
	serve(10)
	took = 0
	b.ResetTimer()
	serve(b.N)
	b.ReportMetric(float64((b.Elapsed()-took).Nanoseconds())/float64(b.N), "cold-ns/op")
	if sum == 0 && b.N > 1 {
		b.Fatal("nothing was read between")
	}
}

// The same with six limits of the key and of all, and a text in which quotes are many.
func BenchmarkHotPathLimited(b *testing.B) {
	f := func(name string, size int, policies []*store.Policy) {
		b.Run(name, func(b *testing.B) {
			serve := pathWaiting(b, func() {}, policies, wordyBody(size), chatAnswer(max(size, 1024)))
			serve(10)
			b.ReportAllocs()
			b.ResetTimer()
			serve(b.N)
		})
	}
	f("1KB", 600, sixLimits)
	f("1KB/none", 600, nil)
	f("10KB", 10<<10, sixLimits)
	f("10KB/none", 10<<10, nil)
}

func BenchmarkHotPath10K(b *testing.B) {
	serve := hotPath(b, chatBody(10<<10), chatAnswer(10<<10))
	serve(10)
	b.ReportAllocs()
	b.ResetTimer()
	serve(b.N)
}

// The same with every request told to an OpenTelemetry collector that takes all.
func BenchmarkHotPathTold(b *testing.B) {
	c := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	defer c.Close()
	e := otel.New(otel.Options{Traces: otel.Destination{URL: c.URL + "/v1/traces"}, Sampler: "always_on", Gzip: true, Timeout: time.Second, Version: "test", Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { e.RunTraces(ctx) })
	defer func() { cancel(); running.Wait(); e.Close() }()
	serve := pathTold(b, e, nil, func() {}, chatBody(600), chatAnswer(1024))
	serve(10)
	b.ReportAllocs()
	b.ResetTimer()
	serve(b.N)
	traces, _ := e.States()
	b.ReportMetric(100*float64(traces.Dropped)/float64(2*b.N), "%dropped")
}

// One operation is one chunk of a stream.
func BenchmarkHotPathChunk(b *testing.B) {
	const chunks = 1000
	body := `{"stream":true,` + chatBody(600)[1:]
	serve := hotPath(b, body, chatStream(chunks)...)
	serve(2)
	b.ReportAllocs()
	b.ResetTimer()
	serve(b.N/chunks + 1)
}

// What a request and a chunk may allocate: much of what they cost is the collector's.
func TestHotPathAllocates(t *testing.T) {
	if raceOn {
		t.Skip("allocations are counted without the race detector")
	}
	const n = 200
	f := func(name string, most float64, serve func(n int)) {
		t.Helper()
		serve(n)
		if got := testing.AllocsPerRun(5, func() { serve(n) }) / n; got > most {
			t.Errorf("%s allocates %.1f times, want at most %.1f", name, got, most)
		}
	}
	f("a request", 3, hotPath(t, chatBody(600), chatAnswer(1024)))
	f("a request of 10 KB", 3, hotPath(t, chatBody(10<<10), chatAnswer(10<<10)))
	f("a limited request", 3, pathWaiting(t, func() {}, sixLimits, chatBody(600), chatAnswer(1024)))
	stream := hotPath(t, `{"stream":true,`+chatBody(600)[1:], chatStream(n)...)
	f("a chunk", 0.2, func(int) { stream(1) })
}
