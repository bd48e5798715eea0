package relay_test

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/your-org/ai-api-gateway/server/routing"
	"github.com/your-org/ai-api-gateway/server/upstream"
	"github.com/your-org/ai-api-gateway/store"
)

// A fault is something an upstream does wrong, with what a caller must get of it
// (reliability.md 2.2). Faults come before any content unless begun is set.
type fault struct {
	row  string
	name string
	do   http.HandlerFunc
	url  string // of an upstream that do cannot be, see target.url

	// What the caller is told where no other target is there.
	status       int
	says         string
	streamStatus int    // 0: as status
	streamSays   string // "": as says
	// begun: content has come before the fault, so a stream ends with an error
	// event, whatever other target there is.
	begun  bool
	only   string        // "stream" or "buffered"; "": both
	billed bool          // the fault of a stream comes after a report of usage
	told   bool          // and that of a buffered answer
	large  bool          // needs much memory: tried alone, and for one dialect
	within time.Duration // 0: 2 s
	// final: another target would say the same, so none is asked.
	final bool
	// answers: it is no fault after all, and the caller gets the answer.
	answers bool
	idle    time.Duration // how long the upstream may be silent; 0: 5 s, or less where a timeout is wanted
}

func streams(r *http.Request) bool {
	b, _ := io.ReadAll(r.Body)
	return bytes.Contains(b, []byte(`"stream":true`))
}

// raw answers with these bytes, as they are, and ends the connection.
func raw(pieces ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		rawConn(w, r, func(c net.Conn) { writeAll(c, pieces...) })
	}
}

func writeAll(c net.Conn, pieces ...string) {
	for _, p := range pieces {
		_, _ = io.WriteString(c, p)
	}
}

func rawConn(w http.ResponseWriter, r *http.Request, do func(net.Conn)) {
	_, _ = io.Copy(io.Discard, r.Body)
	c, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(err)
	}
	defer func() { _ = c.Close() }()
	do(c)
}

// either answers a stream with one thing and a buffered request with another.
func either(stream, buffered http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(b))
		if asked(r.URL.Path, b) {
			stream(w, r)
			return
		}
		buffered(w, r)
	}
}

func silent(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	<-r.Context().Done()
}

func stalls(pieces ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		sse(w, pieces...)
		<-r.Context().Done()
	}
}

const (
	sseHead   = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
	jsonHead  = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
	overload  = `{"error":{"message":"Overloaded","type":"overloaded_error","code":null}}`
	wordTwo   = `data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"m1","choices":[{"index":0,"delta":{"content":" there"},"finish_reason":null}]}` + "\n\n"
	errEvent  = "data: " + overload + "\n\n"
	wordThree = wordTwo
)

func chunked(body string) string {
	return fmt.Sprintf("%x\r\n%s\r\n", len(body), body)
}

func resets(pieces ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		rawConn(w, r, func(c net.Conn) {
			writeAll(c, pieces...)
			if len(pieces) > 0 {
				time.Sleep(30 * time.Millisecond) // a reset overtakes what was not read
			}
			_ = c.(*net.TCPConn).SetLinger(0)
		})
	}
}

func tells(kind, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", kind)
		_, _ = io.WriteString(w, body)
	}
}

func status(code int, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
		_, _ = io.WriteString(w, body)
	}
}

// closedPort is an address at which nobody listens. The port of a listener that was
// closed would be given to another test's gateway, which would then ask itself.
const closedPort = "http://127.0.0.1:1"

func delayed(d time.Duration, h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(d)
		h(w, r)
	}
}

// drip writes text n bytes at a time.
func drip(text string, n int, pause time.Duration) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		rawConn(w, r, func(c net.Conn) {
			for left := text; len(left) > 0; {
				part := left[:min(n, len(left))]
				if _, err := io.WriteString(c, part); err != nil {
					return
				}
				left = left[len(part):]
				time.Sleep(pause)
			}
		})
	}
}

func good(w http.ResponseWriter, r *http.Request) {
	either(answers(first, hello, stopped, usageChunk, doneChunk), replies(200, whole))(w, r)
}

// TestFaults: rows 33 to 56, each streamed and not, with and without a second
// target, of callers in each of the four formats and upstreams in each.
func TestFaults(t *testing.T) {
	var mu sync.Mutex
	passed := map[string]int{}
	room := make(chan struct{}, 64) // most of them wait
	var wg sync.WaitGroup
	for i := range tongues {
		for _, f := range faults(t, &tongues[i]) {
			if f.large && (testing.Short() || i > 0) {
				continue
			}
			f.each(&tongues[i], func(name string, run func(t *testing.T)) {
				room <- struct{}{}
				wg.Go(func() {
					defer func() { <-room }()
					if t.Run(name, run) {
						mu.Lock()
						passed[f.row]++
						mu.Unlock()
					}
				})
				if f.large {
					wg.Wait()
				}
			})
		}
	}
	wg.Wait()
	for _, row := range slices.Sorted(maps.Keys(passed)) {
		t.Logf("row %s → %d passed", row, passed[row])
	}
}

// soon is how long what is to run out does, and what is to come in time may take: a
// busy machine may stand still for the better part of a second.
const soon = 2 * time.Second

// each gives the test of every way in which the fault can meet a caller.
func (f fault) each(s *tongue, do func(name string, run func(t *testing.T))) {
	short := upstream.Timeouts{Idle: soon, FirstEvent: soon, Header: soon}
	for i := range callers {
		c := &callers[i]
		for _, stream := range []bool{false, true} {
			if f.only == "stream" && !stream || f.only == "buffered" && stream {
				continue
			}
			for _, second := range []bool{false, true} {
				timeouts := upstream.Timeouts{Header: 5 * time.Second, FirstEvent: 5 * time.Second, Idle: cmp.Or(f.idle, 5*time.Second)} // the machine may be busy
				if f.status == 504 || strings.Contains(f.says, "timeout") {
					timeouts = short
				}
				do(fmt.Sprintf("%s %s/%s from %s/stream=%v/second=%v", f.row, f.name, c.dialect, s.dialect, stream, second), func(t *testing.T) {
					targets := []target{{dialect: s.dialect, handler: f.do, url: f.url}}
					if second {
						targets = append(targets, target{dialect: asChat, handler: good})
					}
					f.check(t, newBench(t, timeouts, targets...), c, stream, second)
				})
			}
		}
	}
}

// mentions reports whether an answer says it, in whatever case: Google's reasons are in capitals.
func mentions(got, words string) bool {
	return strings.Contains(strings.ToLower(got), strings.ToLower(words))
}

// check makes one request and judges what comes of it.
func (f *fault) check(t *testing.T, b *bench, c *asker, stream, second bool) {
	path, body := c.of(stream)
	start := time.Now()
	status, got, header := b.post(path, body)
	took := time.Since(start)
	within := f.within
	if within == 0 {
		within = 2 * time.Second
	}
	if took > 5*within { // the machine may be busy
		t.Errorf("took %v, at most %v", took, within)
	}
	if strings.Contains(got, "sk-secret") {
		t.Errorf("a secret is in %s", got)
	}
	r := b.book.row(t, 1)
	b.book.mu.Lock()
	rows, holds := len(b.book.rows), len(b.book.holds)
	b.book.mu.Unlock()
	if rows != 1 || holds != 0 {
		t.Errorf("%d rows, %d holds", rows, holds)
	}
	begun := f.begun && stream
	ended := strings.Contains(got, c.end)
	switch {
	case f.answers || second && !begun && !f.final:
		if status != 200 || !strings.Contains(got, "Hello") || stream && !ended {
			t.Fatalf("%d %s, an answer is wanted", status, got)
		}
		if r.EndReason != store.EndComplete {
			t.Errorf("end reason %q", r.EndReason)
		}
		if !f.answers && (header.Get("X-Gateway-Provider") != "p1" || len(r.Attempts) != 2 || r.Attempts[1].Outcome != "ok" || header.Get("X-Gateway-Attempts") != "2") {
			t.Errorf("header %v, attempts %+v", header, r.Attempts)
		}
		if !f.answers {
			f.paid(t, &r, stream)
		}
	case begun:
		if status != 200 || !strings.Contains(got, "Hello") || !mentions(got, f.says) || ended || strings.Count(got, c.errorEvent) != 1 {
			t.Errorf("%d %s, an error event with %q is wanted, and no end", status, got, f.says)
		}
		if r.EndReason != store.EndStreamError || r.Tokens.Completion() == 0 || len(r.Attempts) != 1 {
			t.Errorf("end reason %q, tokens %+v, attempts %d", r.EndReason, r.Tokens, len(r.Attempts))
		}
	default:
		want, words := f.status, f.says
		if stream && f.streamStatus != 0 {
			want = f.streamStatus
		}
		if stream && f.streamSays != "" {
			words = f.streamSays
		}
		if want == 529 && c.dialect != asMessages && r.Status == 503 {
			want = 503
		}
		if status != want && !(f.row == "44" && status >= 500) || !mentions(got, words) || ended || status == 200 || !strings.HasPrefix(got, c.errorPrefix) {
			t.Errorf("%d %s, want %d with %q", status, got, want, words)
		}
		if (r.CostNano != 0) != f.costs(stream) || r.EndReason != store.EndError || len(r.Attempts) > 2 {
			t.Errorf("cost %d, end reason %q, attempts %+v", r.CostNano, r.EndReason, r.Attempts)
		}
	}
}

// costs reports whether the fault has cost something: its vendor had told usage.
func (f *fault) costs(stream bool) bool { return stream && f.billed || !stream && f.told }

// paid asserts that a row has what both upstreams told: of p0 what the fault cost,
// and of p1 an answer of 10 tokens in and 4 out.
func (f *fault) paid(t *testing.T, r *store.UsageRow, stream bool) {
	t.Helper()
	first := r.Attempts[0]
	if f.costs(stream) {
		if s := first.Spent; s == nil || s.Tokens.Input != 10 || s.AccountID != "p0" || s.UsageSource != store.SourceProviderPartial ||
			first.CostNano != 1000*s.Tokens.Input+2000*s.Tokens.Output || s.PriceVersion == "" || s.PriceSource == "" {
			t.Errorf("the first attempt has %+v of %+v", s, first)
		}
	} else if first.Spent != nil || first.CostNano != 0 {
		t.Errorf("the first attempt, which told nothing, has %+v of %+v", first.Spent, first)
	}
	if r.Attempts[1].CostNano != 18_000 || r.CostNano != first.CostNano+18_000 || r.Tokens.Input != 10 || r.Tokens.Output != 4 || r.Account != "p1" {
		t.Errorf("cost %d of %+v, tokens %+v of %q", r.CostNano, r.Attempts, r.Tokens, r.Account)
	}
}

// TestRetryAfterOfUpstreams: row 47, over the wire.
func TestRetryAfterOfUpstreams(t *testing.T) {
	f := func(value, want string, least, most time.Duration) {
		t.Helper()
		asked := time.Now()
		var calls atomic.Int64
		limited := status(429, `{"error":{"message":"slow down","type":"requests","code":"rate_limit_exceeded"}}`, "Retry-After", value)
		b := newBench(t, upstream.Timeouts{}, target{dialect: asChat, handler: func(w http.ResponseWriter, r *http.Request) {
			calls.Add(1)
			limited(w, r)
		}})
		status, got, h := b.post("/v1/chat/completions", ask)
		if _, err := http.ParseTime(value); err == nil { // a date draws nearer while it is on its way
			left, _ := strconv.Atoi(h.Get("Retry-After"))
			if passed := int(time.Since(asked).Seconds()) + 1; left > 90 || left < 89-passed {
				t.Errorf("%q: Retry-After %q after %d s, want about %q", value, h.Get("Retry-After"), passed, want)
			}
			want = h.Get("Retry-After")
		}
		if status != 429 || !strings.Contains(got, "slow down") || h.Get("Retry-After") != want {
			t.Errorf("%q: %d %s, Retry-After %q, want %q", value, status, got, h.Get("Retry-After"), want)
		}
		var until time.Duration
		for _, s := range b.table.Health().States(time.Now()) {
			until = time.Until(s.Until)
		}
		if until < least-2*time.Second || until > most {
			t.Errorf("%q: rests for %v, want %v to %v", value, until, least, most)
		}
		before := calls.Load()
		if status, got, h = b.post("/v1/chat/completions", ask); least > 4*time.Second && (status != 429 || calls.Load() != before || h.Get("Retry-After") == "") {
			t.Errorf("%q: %d %s while it rests, %d calls", value, status, got, calls.Load()-before)
		}
	}
	f("120", "120", 120*time.Second, 120*time.Second)
	f(time.Now().Add(90*time.Second).UTC().Format(http.TimeFormat), "90", 88*time.Second, 90*time.Second)
	f("1e12", "300", routing.MaxPause, routing.MaxPause)
	f("-1", "", 0, time.Second)
	f("abc", "", 0, time.Second)
}

// TestWaitsShortly: a Retry-After of two seconds or less is waited for, once.
func TestWaitsShortly(t *testing.T) {
	var calls atomic.Int64
	b := newBench(t, upstream.Timeouts{}, target{dialect: asChat, handler: func(w http.ResponseWriter, r *http.Request) {
		if calls.Add(1) == 1 {
			status(429, `{"error":{"message":"slow down"}}`, "Retry-After", "1")(w, r)
			return
		}
		good(w, r)
	}})
	start := time.Now()
	status, got, _ := b.post("/v1/chat/completions", streamAsk)
	if took := time.Since(start); status != 200 || calls.Load() != 2 || took < time.Second {
		t.Errorf("%d %s after %v and %d calls", status, got, took, calls.Load())
	}
}

// TestUpstreamHeaders: row 55: of an upstream's headers only those on the list come back.
func TestUpstreamHeaders(t *testing.T) {
	b := newBench(t, upstream.Timeouts{}, target{dialect: asChat, handler: either(answers(first, hello, stopped, usageChunk, doneChunk), status(200, whole,
		"Set-Cookie", "a=b", "X-Gateway-Provider", "evil", "X-Gateway-Cost-Usd", "0", "Server", "evil", "X-Request-Id", "theirs", "Strict-Transport-Security", "x", "Access-Control-Allow-Origin", "*"))})
	_, _, h := b.post("/v1/chat/completions", ask)
	if h.Get("Set-Cookie") != "" || h.Get("X-Gateway-Provider") != "p0" || h.Get("X-Gateway-Cost-Usd") == "0" || h.Get("Server") != "" || h.Get("X-Request-Id") == "theirs" ||
		h.Get("X-Upstream-Request-Id") != "theirs" || h.Get("Strict-Transport-Security") != "" || h.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("header %v", h)
	}
}
