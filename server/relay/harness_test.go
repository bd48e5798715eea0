package relay_test

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/anthropic"
	"github.com/your-org/ai-api-gateway/providers/gemini"
	"github.com/your-org/ai-api-gateway/providers/openai"
	"github.com/your-org/ai-api-gateway/server/limits"
	"github.com/your-org/ai-api-gateway/server/media"
	"github.com/your-org/ai-api-gateway/server/relay"
	"github.com/your-org/ai-api-gateway/server/routing"
	"github.com/your-org/ai-api-gateway/server/telemetry"
	"github.com/your-org/ai-api-gateway/server/telemetry/otel"
	"github.com/your-org/ai-api-gateway/server/upstream"
	"github.com/your-org/ai-api-gateway/store"
)

// book is a ledger in memory: it can be slow, and it can fail.
type book struct {
	mu    sync.Mutex
	holds map[string]store.Hold
	rows  []store.UsageRow
	slow  time.Duration
	err   error
	at    []time.Time // when each settle returned
}

func (b *book) Hold(id string, h *store.Hold, _ time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.holds[id] = *h
	return nil
}

func (b *book) Attempt(id string, a *store.Attempt) {
	b.mu.Lock()
	defer b.mu.Unlock()
	h := b.holds[id]
	h.Attempts = append(h.Attempts, *a)
	b.holds[id] = h
}

func (b *book) Settle(row *store.UsageRow) error {
	time.Sleep(b.slow)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.at = append(b.at, time.Now())
	if b.err != nil {
		return b.err
	}
	delete(b.holds, row.RequestID)
	c := *row
	c.Attempts = append([]store.Attempt(nil), row.Attempts...)
	b.rows = append(b.rows, c)
	return nil
}

func (b *book) Void(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.holds, id)
}

// row waits for the n-th row.
func (b *book) row(t *testing.T, n int) store.UsageRow {
	t.Helper()
	for range 2000 { // 20 s
		b.mu.Lock()
		if len(b.rows) >= n {
			r := b.rows[n-1]
			b.mu.Unlock()
			return r
		}
		b.mu.Unlock()
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("no %dth row", n)
	return store.UsageRow{}
}

type noFacts struct{}

func (noFacts) Find(string, string) (*providers.Model, bool) {
	return &providers.Model{ID: "m", Priced: true, Price: providers.Price{Input: 1_000_000_000, Output: 2_000_000_000}}, true
}
func (noFacts) Providers(string) []string      { return nil }
func (noFacts) Known(string) []string          { return nil }
func (noFacts) Dearest(string) providers.Price { return providers.Price{} }
func (noFacts) Version() string                { return "test" }

// bench is a relay with scripted upstreams, served on loopback.
type bench struct {
	t     *testing.T
	url   string
	addr  string
	book  *book
	table *routing.Table
	relay *relay.Relay
	spans *otel.Exporter
	quota *limits.Limiter
	files string // address of the server that stands for the internet, see inline_test.go
	count int
	mu    sync.Mutex
}

// dialect words of a target in newBench.
const (
	asChat      = "chat"
	asMessages  = "messages"
	asResponses = "responses"
	asGemini    = "gemini"
	asBytes     = "bytes" // messages, with media as bytes only
)

type target struct {
	dialect string
	handler http.HandlerFunc
	url     string // of an upstream elsewhere; "": handler is served
}

func newBench(t *testing.T, timeouts upstream.Timeouts, targets ...target) *bench {
	t.Helper()
	b := &bench{t: t, book: &book{holds: map[string]store.Hold{}}}
	var accounts []*routing.Account
	for i, tg := range targets {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		srv := &http.Server{Handler: tg.handler}
		go func() { _ = srv.Serve(ln) }()
		t.Cleanup(func() { _ = srv.Close() })
		base := cmp.Or(tg.url, "http://"+ln.Addr().String())
		p := &providers.Provider{Name: fmt.Sprintf("p%d", i), BaseURL: base, Ops: []providers.Op{providers.OpEmbeddings}}
		switch tg.dialect {
		case asMessages, asBytes:
			p.Speaks = []providers.Egress{anthropic.MessagesEgress(providers.Quirks{})}
			if tg.dialect == asBytes {
				p.Speaks[0] = bytesOnly{p.Speaks[0]}
			}
			p.URL, p.Sign = anthropic.URL, anthropic.Sign
		case asGemini:
			p.Speaks = []providers.Egress{gemini.GenerateEgress(gemini.AIStudio)}
			p.URL, p.Sign = gemini.URL, gemini.Sign
		case asResponses:
			p.Speaks = []providers.Egress{openai.ResponsesEgress(providers.Quirks{})}
		default:
			p.Speaks = []providers.Egress{openai.ChatEgress(providers.Quirks{})}
		}
		accounts = append(accounts, &routing.Account{Account: &store.Account{ID: p.Name, Name: p.Name, Enabled: true, Priority: i}, Provider: p, Secrets: []store.SecretString{store.NewSecret("sk-secret-of-" + p.Name)}})
	}
	var err error
	if b.table, err = routing.Build(routing.Source{Catalogue: noFacts{}, Accounts: accounts}); err != nil {
		t.Fatal(err)
	}
	b.quota = limits.New(limits.Options{Now: time.Now})
	client := upstream.New(upstream.Options{InstanceID: "test"})
	b.spans = tracing(t)
	b.relay = relay.New(relay.Options{
		Upstream: client, Ledger: b.book, Metrics: telemetry.NewMetrics("test"), Spans: b.spans, Now: time.Now,
		Limits:   b.quota,
		Timeouts: func(bool) upstream.Timeouts { return timeouts.Or(upstream.StreamDefaults) },
		Media:    media.New(b.dialFiles),
		Panicked: func(where string, v any) { t.Errorf("panic in %s: %v", where, v) },
	})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &fasthttp.Server{Handler: b.serve, NoDefaultServerHeader: true, MaxIdleWorkerDuration: 500 * time.Millisecond}
	go func() { _ = srv.Serve(ln) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = srv.ShutdownWithContext(ctx)
		b.relay.Close()
		client.Close()
	})
	b.addr = ln.Addr().String()
	b.url = "http://" + b.addr
	return b
}

func (b *bench) serve(ctx *fasthttp.RequestCtx) {
	in := callerOf(string(ctx.Path())).in()
	body := append([]byte(nil), ctx.PostBody()...)
	peek, verb, err := peekOf(ctx, in, body)
	if err != nil {
		var e *providers.Error
		errors.As(err, &e)
		relay.WriteError(ctx, in, e)
		return
	}
	who := limits.Who{KeyID: "ci", Group: "team", Model: peek.Model}
	lease, denied := b.relay.Admit(who, time.Now())
	if denied != nil {
		b.relay.WriteRates(ctx, who, time.Now())
		relay.WriteError(ctx, in, denied)
		return
	}
	plan, perr := b.table.Plan(routing.Ask{Op: providers.OpChat, Dialect: in.Dialect(), Model: peek.Model})
	if perr != nil {
		relay.WriteError(ctx, in, perr)
		return
	}
	b.mu.Lock()
	b.count++
	id := fmt.Sprintf("req-%d", b.count)
	b.mu.Unlock()
	b.relay.Do(ctx, &relay.Job{ID: id, Op: providers.OpChat, Path: verb, In: in, Peek: peek, KeyID: "ci", Group: "team", Lease: lease, Body: body, Plan: plan, Accepted: time.Now(), Conn: ctx.Conn(), Trace: b.spans.Begin(otel.Asked{})})
}

// post sends one request and returns the answer.
func (b *bench) post(path, body string) (int, string, http.Header) {
	b.t.Helper()
	resp, err := http.Post(b.url+path, "application/json", strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	out, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatalf("the answer broke off: %v after %q", err, out)
	}
	return resp.StatusCode, string(out), resp.Header
}

// postSeeing is post of a request for a stream; seen hears of every line with the word,
// so that an upstream can go on when the caller has what it sent.
func (b *bench) postSeeing(path, body, word string, seen chan<- struct{}) (int, string) {
	b.t.Helper()
	resp, err := http.Post(b.url+path, "application/json", strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var out strings.Builder
	for r := bufio.NewReader(resp.Body); ; {
		line, err := r.ReadString('\n')
		out.WriteString(line)
		if strings.Contains(line, word) {
			select {
			case seen <- struct{}{}:
			default:
			}
		}
		if err == io.EOF {
			return resp.StatusCode, out.String()
		}
		if err != nil {
			b.t.Fatalf("the answer broke off: %v after %q", err, out.String())
		}
	}
}

// sse writes event stream pieces, each flushed.
func sse(w http.ResponseWriter, pieces ...string) {
	w.Header().Set("Content-Type", "text/event-stream")
	for _, p := range pieces {
		_, _ = io.WriteString(w, p)
		w.(http.Flusher).Flush()
	}
}

func chunk(inner string) string {
	return `data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"m1","choices":[{"index":0,` + inner + `}]}` + "\n\n"
}

const (
	usageChunk = `data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"m1","choices":[],"usage":{"prompt_tokens":10,"completion_tokens":4,"total_tokens":14}}` + "\n\n"
	doneChunk  = "data: [DONE]\n\n"
)

var (
	first   = chunk(`"delta":{"role":"assistant","content":""},"finish_reason":null`)
	hello   = chunk(`"delta":{"content":"Hello"},"finish_reason":null`)
	stopped = chunk(`"delta":{},"finish_reason":"stop"`)
)

const streamAsk = `{"model":"m1","stream":true,"messages":[{"role":"user","content":"hi"}]}`
const ask = `{"model":"m1","messages":[{"role":"user","content":"hi"}]}`

// lines reads an event stream line by line with the time each came.
func lines(t *testing.T, url, path, body string, each func(line string)) error {
	t.Helper()
	resp, err := http.Post(url+path, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	r := bufio.NewReader(resp.Body)
	for {
		line, err := r.ReadString('\n')
		if line != "" {
			each(line)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
