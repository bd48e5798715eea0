package relay_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/server/relay"
	"github.com/your-org/ai-api-gateway/server/routing"
	"github.com/your-org/ai-api-gateway/server/telemetry"
	"github.com/your-org/ai-api-gateway/server/upstream"
	"github.com/your-org/ai-api-gateway/store"
)

// bomb is an upstream's dialect with a defect: it panics on what holds the word.
type bomb struct {
	providers.Egress
	word string
}

func (b bomb) check(data []byte) {
	if strings.Contains(string(data), b.word) {
		panic("defect at " + b.word)
	}
}

func (b bomb) Frame(event string, data []byte) providers.FrameInfo {
	b.check(data)
	return b.Egress.Frame(event, data)
}

func (b bomb) ReadAnswer(body []byte, u *providers.Usage) (providers.Answer, *providers.Error) {
	b.check(body)
	return b.Egress.(providers.AnswerReader).ReadAnswer(body, u)
}

func (b bomb) AppendRequest(dst []byte, r *providers.Request) ([]byte, []string, error) {
	out, dropped, err := b.Egress.AppendRequest(dst, r)
	b.check(out)
	return out, dropped, err
}

// panics counts what was contained.
type panics struct {
	mu   sync.Mutex
	seen []string
}

func (p *panics) told(where string, v any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen = append(p.seen, fmt.Sprint(where, ": ", v))
}

func (p *panics) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.seen)
}

// mine gives the bench a relay of its own making and its targets a defect.
func (b *bench) mine(o relay.Options, word string) {
	b.t.Helper()
	client := upstream.New(upstream.Options{InstanceID: "test"})
	b.t.Cleanup(client.Close)
	b.mineWith(o, word, client)
}

// mineWith is mine over a client of the test's own, which the test closes.
func (b *bench) mineWith(o relay.Options, word string, client *upstream.Client) {
	b.t.Helper()
	o.Upstream, o.Ledger, o.Metrics, o.Now = client, b.book, telemetry.NewMetrics("test"), time.Now
	if o.Timeouts == nil {
		o.Timeouts = func(bool) upstream.Timeouts { return upstream.StreamDefaults }
	}
	b.relay.Close()
	b.relay = relay.New(o)
	if word != "" {
		for _, a := range b.table.Accounts() {
			a.Provider.Speaks[0] = bomb{a.Provider.Speaks[0], word}
		}
	}
}

// TestPanicInStream: a panic after content has gone out ends that stream with an
// error event in the caller's format, no terminal event, and one row.
func TestPanicInStream(t *testing.T) {
	gone := make(chan struct{}, 1) // content has gone out
	b := newBench(t, upstream.Timeouts{}, target{dialect: asChat, handler: func(w http.ResponseWriter, r *http.Request) {
		sse(w, first, hello)
		<-gone
		sse(w, stopped, usageChunk, doneChunk)
	}})
	var seen panics
	b.mine(relay.Options{Panicked: seen.told}, `"stop"`)
	for n := 1; n <= 3; n++ {
		status, body := b.postSeeing("/v1/chat/completions", streamAsk, "Hello", gone)
		if status != 200 || !strings.Contains(body, "Hello") || !strings.Contains(body, `"error"`) || strings.Contains(body, "[DONE]") || strings.Contains(body, "defect") {
			t.Errorf("%d %s", status, body)
		}
		if row := b.book.row(t, n); row.EndReason != store.EndStreamError || row.Status != 500 || row.RequestID != fmt.Sprintf("req-%d", n) {
			t.Errorf("row %d: %+v", n, row)
		}
	}
	if seen.count() != 3 {
		t.Errorf("contained: %q", seen.seen)
	}
	time.Sleep(50 * time.Millisecond)
	b.book.mu.Lock()
	defer b.book.mu.Unlock()
	if len(b.book.rows) != 3 || len(b.book.holds) != 0 {
		t.Errorf("%d rows, %d holds left", len(b.book.rows), len(b.book.holds))
	}
}

// TestPanicBeforeTheAnswer: where nothing has gone out yet, the caller gets a 500
// in his own shape, and the request its one row.
func TestPanicBeforeTheAnswer(t *testing.T) {
	f := func(name, word, path, body string, targets ...target) {
		t.Helper()
		b := newBench(t, upstream.Timeouts{}, targets...)
		var seen panics
		b.mine(relay.Options{Panicked: seen.told}, word)
		for n := 1; n <= 2; n++ {
			status, out, head := b.post(path, body)
			if status != 500 || !strings.Contains(out, "internal error") || strings.Contains(out, "defect") || head.Get("X-Request-Id") == "" {
				t.Errorf("%s: %d %s", name, status, out)
			}
			if anthropic := strings.HasPrefix(out, `{"type":"error"`); anthropic != (path == "/v1/messages") {
				t.Errorf("%s: not the caller's shape: %s", name, out)
			}
			if row := b.book.row(t, n); row.Status != 500 || row.EndReason != store.EndError {
				t.Errorf("%s: row %+v", name, row)
			}
		}
		if seen.count() != 2 || len(b.book.holds) != 0 {
			t.Errorf("%s: contained %q, holds %v", name, seen.seen, b.book.holds)
		}
	}
	const messages = `{"model":"m1","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}`
	f("first event of a stream", `"assistant"`, "/v1/chat/completions", streamAsk, target{dialect: asChat, handler: answers(first, hello, stopped, doneChunk)})
	f("a whole answer", "chat.completion", "/v1/chat/completions", ask, target{dialect: asChat, handler: replies(200, whole)})
	f("the translation of a request", `"hi"`, "/v1/messages", messages, target{dialect: asChat, handler: replies(200, whole)})
}

// TestUnknownPriceDenied: under unknown_price: deny a model without a price is not sent anywhere.
func TestUnknownPriceDenied(t *testing.T) {
	f := func(policy string, local bool, want int) {
		t.Helper()
		b := newBench(t, upstream.Timeouts{}, target{dialect: asChat, handler: replies(200, whole)})
		b.mine(relay.Options{UnknownPrice: policy, Panicked: func(where string, v any) { t.Error(where, v) }}, "")
		for _, a := range b.table.Accounts() {
			a.Provider.Local = local
		}
		b.table = unpriced(t, b.table.Accounts())
		status, out, _ := b.post("/v1/chat/completions", ask)
		if status != want || want == 403 && !strings.Contains(out, "price_unknown") {
			t.Errorf("%s, local %v: %d %s", policy, local, status, out)
		}
		if row := b.book.row(t, 1); row.Status != want || want == 403 && (len(row.Attempts) != 0 || row.CostNano != 0) {
			t.Errorf("%s: row %+v", policy, row)
		}
	}
	f("deny", false, 403)
	f("deny", true, 200)
	f("dearest", false, 200)
	f("zero", false, 200)
}

// TestAccountTimeouts: an account's own timers hold in place of the general ones.
func TestAccountTimeouts(t *testing.T) {
	silent := func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	f := func(timers map[string]string, body string, quick bool) {
		t.Helper()
		general := time.Second
		if quick {
			general = 20 * time.Second
		}
		b := newBench(t, upstream.Timeouts{}, target{dialect: asChat, handler: silent})
		b.mine(relay.Options{
			Timeouts: func(bool) upstream.Timeouts {
				return upstream.Timeouts{Header: general, Total: 2 * general}.Or(upstream.StreamDefaults)
			},
			Panicked: func(where string, v any) { t.Error(where, v) },
		}, "")
		for _, a := range b.table.Accounts() {
			a.Timeouts = timers
		}
		start := time.Now()
		status, out, _ := b.post("/v1/chat/completions", body)
		if took := time.Since(start); status != 504 || (took < general*7/10) != quick {
			t.Errorf("%v: %d after %v: %s", timers, status, took, out)
		}
	}
	f(nil, ask, false)
	f(map[string]string{"ttfb": "100ms"}, ask, true)
	f(map[string]string{"ttfb": "100ms"}, streamAsk, false)
	f(map[string]string{"ttfb_stream": "100ms"}, streamAsk, true)
	f(map[string]string{"total": "100ms"}, ask, true)
	f(map[string]string{"total_stream": "100ms"}, ask, false)
}

// TestHeartbeat: a stream that is silent gets a ping as often as is set.
func TestHeartbeat(t *testing.T) {
	pings, paused := make(chan struct{}, 100), time.Duration(0)
	pause := func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		sse(w, first, hello)
		for range 3 {
			<-pings
		}
		paused = time.Since(start)
		sse(w, stopped, doneChunk)
	}
	b := newBench(t, upstream.Timeouts{}, target{dialect: asChat, handler: pause})
	b.mine(relay.Options{Heartbeat: 100 * time.Millisecond, Panicked: func(where string, v any) { t.Error(where, v) }}, "")
	start := time.Now()
	_, body := b.postSeeing("/v1/chat/completions", streamAsk, ": ping", pings)
	if n := strings.Count(body, ": ping"); paused < 250*time.Millisecond || n > int(time.Since(start)/(100*time.Millisecond)) || !strings.HasSuffix(body, doneChunk) {
		t.Errorf("%d pings in a pause of %v: %q", n, paused, body)
	}
}

// unknownFacts is a catalogue that knows no prices.
type unknownFacts struct{ noFacts }

func (unknownFacts) Find(string, string) (*providers.Model, bool) { return nil, false }

func unpriced(t *testing.T, accounts []*routing.Account) *routing.Table {
	t.Helper()
	for _, a := range accounts {
		a.Models = []store.AccountModel{{Name: "*"}}
	}
	table, err := routing.Build(routing.Source{Catalogue: unknownFacts{}, Accounts: accounts})
	if err != nil {
		t.Fatal(err)
	}
	return table
}
