package relay_test

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
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
	within time.Duration // 0: 2 s
	// final: another target would say the same, so none is asked.
	final bool
	// answers: it is no fault after all, and the caller gets the answer.
	answers bool
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
		if bytes.Contains(b, []byte(`"stream":true`)) {
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

func closedPort(t *testing.T) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	return "http://" + ln.Addr().String()
}

func faults(t *testing.T) []fault {
	untrusted := httptest.NewUnstartedServer(http.HandlerFunc(silent))
	untrusted.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	untrusted.Config.ErrorLog = log.New(io.Discard, "", 0)
	untrusted.StartTLS()
	t.Cleanup(untrusted.Close)
	words := first + hello + wordTwo + wordThree
	const unreachable, bad, cut, idle = "upstream_unreachable", "bad_upstream_response", "upstream_cut", "upstream_idle_timeout"
	big := `{"id":"c1","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"` + strings.Repeat("x", 70<<20) + `"}}]}`
	var followed atomic.Int64
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { followed.Add(1) }))
	t.Cleanup(func() {
		elsewhere.Close()
		if n := followed.Load(); n > 0 {
			t.Errorf("row 52: %d redirects were followed", n)
		}
	})
	return []fault{
		{row: "33", name: "refused", url: closedPort(t), status: 502, says: unreachable, within: 3500 * time.Millisecond},
		{row: "33", name: "NXDOMAIN", url: "http://no-such-host.invalid", status: 502, says: unreachable, within: 3500 * time.Millisecond},
		{row: "33", name: "TLS with a certificate nobody signed", url: untrusted.URL, status: 502, says: unreachable, within: 3500 * time.Millisecond},
		{row: "34", name: "accepts and is silent", do: silent, status: 504, says: "upstream_timeout"},
		{row: "35", name: "header, then silence", do: func(w http.ResponseWriter, r *http.Request) {
			rawConn(w, r, func(c net.Conn) {
				writeAll(c, sseHead+"Transfer-Encoding: chunked\r\n\r\n")
				_, _ = c.Read(make([]byte, 1))
			})
		}, status: 504, says: idle},
		{row: "35", name: "preamble, then silence", do: stalls(first), only: "stream", status: 504, says: idle},
		{row: "36", name: "stalls after three chunks", do: stalls(words), only: "stream", begun: true, says: idle},
		{row: "37", name: "reset after three chunks", do: resets(sseHead+"\r\n", words), only: "stream", begun: true, says: cut},
		{row: "37", name: "reset at once", do: resets(), status: 502, says: cut},
		{row: "37", name: "ends without terminal event", do: answers(words), only: "stream", begun: true, says: cut},
		{row: "37", name: "chunked body truncated", do: either(
			raw(sseHead+"Transfer-Encoding: chunked\r\n\r\n", chunked(words), "400\r\ndata: {"),
			raw(jsonHead+"Transfer-Encoding: chunked\r\n\r\n", chunked(whole[:90]))), begun: true, status: 502, says: cut},
		{row: "37", name: "content-length longer than the body", do: either(
			raw(sseHead+"Content-Length: 99999\r\n\r\n", words),
			raw(jsonHead+fmt.Sprintf("Content-Length: %d\r\n\r\n", len(whole)+5), whole)), begun: true, status: 502, says: cut},
		{row: "38", name: "empty object", do: tells("application/json", "{}"), status: 502, says: bad},
		{row: "38", name: "no choices", do: tells("application/json", `{"id":"c1","object":"chat.completion"}`), status: 502, says: bad},
		{row: "38", name: "a page", do: tells("text/html", "<html>502</html>"), status: 502, says: bad},
		{row: "38", name: "a page as JSON", do: tells("application/json", "<html>502</html>"), status: 502, says: bad},
		{row: "38", name: "empty body", do: either(tells("text/event-stream", ""), tells("application/json", "")), status: 502, says: bad, streamSays: cut},
		{row: "38", name: "gzip garbage", do: status(200, "\x1f\x8b\x08garbage", "Content-Encoding", "gzip"), status: 502, says: bad, streamSays: " "},
		{row: "38", name: "70 MB of JSON", do: tells("application/json", big), only: "buffered", status: 502, says: bad, within: 20 * time.Second},
		{row: "44", name: "error event first", do: either(answers(errEvent), status(200, overload)), status: 502, streamStatus: 503, says: "Overloaded"},
		{row: "44", name: "error event after the preamble", do: answers(first, errEvent, doneChunk), only: "stream", status: 503, says: "Overloaded"},
		{row: "44", name: "error event in the middle", do: answers(first, hello, errEvent, doneChunk), only: "stream", begun: true, says: "Overloaded"},
		{row: "44", name: "error as JSON where a stream was asked for", do: status(200, overload), only: "stream", status: 503, says: "Overloaded"},
		{row: "47", name: "429", do: status(429, `{"error":{"message":"slow down","type":"requests","code":"rate_limit_exceeded"}}`, "Retry-After", "120"), status: 429, says: "slow down"},
		{row: "48", name: "401", do: status(401, `{"error":{"message":"bad key sk-secret-of-p0"}}`), status: 502, says: "upstream_auth_failed"},
		{row: "48", name: "403", do: status(403, `{"error":{"message":"key sk-secret-of-p0 is disabled"}}`), status: 502, says: "upstream_auth_failed"},
		{row: "48", name: "region", do: status(403, `{"error":{"message":"Country, region, or territory not supported","code":"unsupported_country_region_territory"}}`), status: 502, says: "upstream_region_blocked"},
		{row: "48", name: "credit used up", do: status(429, `{"error":{"message":"You exceeded your current quota","type":"insufficient_quota","code":"insufficient_quota"}}`), status: 429, says: "insufficient_quota"},
		{row: "49", name: "500", do: status(500, `{"error":{"message":"boom"}}`), status: 500, says: "boom"},
		{row: "49", name: "503", do: status(503, `{"error":{"message":"busy"}}`), status: 503, says: "busy"},
		{row: "49", name: "529", do: status(529, overload), status: 529, says: "Overloaded"},
		{row: "49", name: "404 of an unknown model", do: status(404, `{"error":{"message":"The model m1 does not exist","code":"model_not_found"}}`), status: 404, says: "model_not_found"},
		{row: "49", name: "400", do: status(400, `{"error":{"message":"temperature is too high","type":"invalid_request_error"}}`), status: 400, says: "temperature", final: true},
		{row: "49", name: "413", do: status(413, `{"error":{"message":"too much"}}`), status: 413, says: "too much", final: true},
		{row: "52", name: "302 to elsewhere", do: status(302, "", "Location", elsewhere.URL+"/v1/chat/completions"), status: 502, says: "upstream_redirect"},
		{row: "52", name: "307 to the metadata service", do: status(307, "", "Location", "http://169.254.169.254/latest"), status: 502, says: "upstream_redirect"},
		{row: "55", name: "two framings", do: raw("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", whole), status: 502, says: bad},
		{row: "55", name: "a header of 1 MB", do: raw("HTTP/1.1 200 OK\r\nX-Big: "+strings.Repeat("x", 1<<20)+"\r\n\r\n", whole), status: 502, says: bad},
		{row: "56", name: "slow, but in time", do: either(delayed(200*time.Millisecond, answers(first, hello, stopped, usageChunk, doneChunk)), delayed(200*time.Millisecond, replies(200, whole))), answers: true, within: 3 * time.Second},
		{row: "56", name: "one byte at a time", do: either(drip(sseHead+"Connection: close\r\n\r\n"+first+hello+stopped+usageChunk+doneChunk, 1, 0), drip(jsonHead+"Connection: close\r\n\r\n"+whole, 1, 0)), answers: true, within: 5 * time.Second},
		{row: "56", name: "1 KB a second", do: either(drip(sseHead+"Connection: close\r\n\r\n"+first+hello+stopped+usageChunk+doneChunk, 100, 100*time.Millisecond), drip(jsonHead+"Connection: close\r\n\r\n"+whole, 100, 100*time.Millisecond)), answers: true, within: 5 * time.Second},
		{row: "56", name: "closes after 100 bytes", do: either(drip((sseHead + "\r\n" + first)[:100], 100, 0), drip((jsonHead + "\r\n" + whole)[:100], 100, 0)), status: 502, says: " "},
		{row: "56", name: "answers and does not close", do: either(
			func(w http.ResponseWriter, r *http.Request) {
				rawConn(w, r, func(c net.Conn) {
					writeAll(c, sseHead+"\r\n", first+hello+stopped+usageChunk+doneChunk)
					_, _ = c.Read(make([]byte, 1))
				})
			},
			func(w http.ResponseWriter, r *http.Request) {
				rawConn(w, r, func(c net.Conn) {
					writeAll(c, jsonHead+fmt.Sprintf("Content-Length: %d\r\n\r\n", len(whole)), whole)
					_, _ = c.Read(make([]byte, 1))
				})
			}), answers: true},
	}
}

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

// callers are the ways to ask: the upstream's own format, and a foreign one.
var callers = []struct{ name, path, ask, stream string }{
	{"relayed", "/v1/chat/completions", ask, streamAsk},
	{"translated", "/v1/messages", `{"model":"m1","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}`, `{"model":"m1","max_tokens":9,"stream":true,"messages":[{"role":"user","content":"hi"}]}`},
}

func good(w http.ResponseWriter, r *http.Request) {
	either(answers(first, hello, stopped, usageChunk, doneChunk), replies(200, whole))(w, r)
}

// TestFaults: rows 33 to 56, each streamed and not, with and without a second
// target, relayed and translated.
func TestFaults(t *testing.T) {
	timeouts := upstream.Timeouts{Idle: 400 * time.Millisecond, FirstEvent: 400 * time.Millisecond, Header: 400 * time.Millisecond}
	var mu sync.Mutex
	passed := map[string]int{}
	t.Run("rows", func(t *testing.T) { runFaults(t, timeouts, func(row string) { mu.Lock(); passed[row]++; mu.Unlock() }) })
	for _, row := range slices.Sorted(maps.Keys(passed)) {
		t.Logf("row %s → %d passed", row, passed[row])
	}
}

func runFaults(t *testing.T, timeouts upstream.Timeouts, passed func(row string)) {
	for _, f := range faults(t) {
		if f.name == "70 MB of JSON" && testing.Short() {
			continue
		}
		for _, caller := range callers {
			for _, stream := range []bool{false, true} {
				if f.only == "stream" && !stream || f.only == "buffered" && stream {
					continue
				}
				for _, second := range []bool{false, true} {
					t.Run(fmt.Sprintf("%s %s/%s/stream=%v/second=%v", f.row, f.name, caller.name, stream, second), func(t *testing.T) {
						if f.name != "70 MB of JSON" {
							t.Parallel()
						}
						targets := []target{{dialect: asChat, handler: f.do, url: f.url}}
						if second {
							targets = append(targets, target{dialect: asChat, handler: good})
						}
						b := newBench(t, timeouts, targets...)
						body := caller.ask
						if stream {
							body = caller.stream
						}
						f.check(t, b, caller.path, body, stream, second)
						if !t.Failed() {
							passed(f.row)
						}
					})
				}
			}
		}
	}
}

// check makes one request and judges what comes of it.
func (f *fault) check(t *testing.T, b *bench, path, body string, stream, second bool) {
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
	ended := strings.Contains(got, "[DONE]") || strings.Contains(got, "message_stop")
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
	case begun:
		if status != 200 || !strings.Contains(got, "Hello") || !strings.Contains(got, f.says) || ended || !strings.Contains(got, "error") {
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
		if want == 529 && path == "/v1/chat/completions" && r.Status == 503 {
			want = 503
		}
		if status != want && !(f.row == "44" && status >= 500) || !strings.Contains(got, words) || ended || status == 200 {
			t.Errorf("%d %s, want %d with %q", status, got, want, words)
		}
		if r.CostNano != 0 || r.EndReason != store.EndError || len(r.Attempts) > 2 {
			t.Errorf("cost %d, end reason %q, attempts %+v", r.CostNano, r.EndReason, r.Attempts)
		}
	}
}

// TestRetryAfterOfUpstreams: row 47, over the wire.
func TestRetryAfterOfUpstreams(t *testing.T) {
	f := func(value, want string, least, most time.Duration) {
		t.Helper()
		var calls atomic.Int64
		limited := status(429, `{"error":{"message":"slow down","type":"requests","code":"rate_limit_exceeded"}}`, "Retry-After", value)
		b := newBench(t, upstream.Timeouts{}, target{dialect: asChat, handler: func(w http.ResponseWriter, r *http.Request) {
			calls.Add(1)
			limited(w, r)
		}})
		status, got, h := b.post("/v1/chat/completions", ask)
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
