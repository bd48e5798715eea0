package relay_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/your-org/ai-api-gateway/server/upstream"
	"github.com/your-org/ai-api-gateway/store"
)

func answers(pieces ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		sse(w, pieces...)
	}
}

const whole = `{"id":"c1","object":"chat.completion","created":1,"model":"m1","choices":[{"index":0,"message":{"role":"assistant","content":"Hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":10,"completion_tokens":4,"total_tokens":14}}`

func replies(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// TestSettledBeforeTheEnd: with a log that takes 300 ms, nothing from the finish
// reason on is with the caller before the row is durable, while the content is.
func TestSettledBeforeTheEnd(t *testing.T) {
	b := newBench(t, upstream.Timeouts{}, target{dialect: asChat, handler: answers(first, hello, stopped, usageChunk, doneChunk)})
	b.book.slow = time.Second
	start := time.Now()
	var content, end time.Time
	err := lines(t, b.url, "/v1/chat/completions", streamAsk, func(line string) {
		if strings.Contains(line, "Hello") {
			content = time.Now()
		}
		if strings.Contains(line, "[DONE]") || strings.Contains(line, `"stop"`) {
			if end.IsZero() {
				end = time.Now()
			}
		}
	})
	if err != nil || end.IsZero() || content.IsZero() {
		t.Fatalf("err %v, content %v, end %v", err, content, end)
	}
	b.book.mu.Lock()
	settled := b.book.at[0]
	b.book.mu.Unlock()
	if !content.Before(settled) {
		t.Errorf("the content waited for the ledger, %v in all", content.Sub(start))
	}
	if end.Before(settled) {
		t.Errorf("the end was with the caller %v before its entry was durable", settled.Sub(end))
	}
	status, body, h := b.post("/v1/chat/completions", ask)
	_ = body
	if status != 502 { // the upstream streams whatever it is asked: a buffered answer of that kind is none
		t.Errorf("status %d %v", status, h)
	}
}

// TestBufferedWaitsForTheLedger is the same for a buffered answer.
func TestBufferedWaitsForTheLedger(t *testing.T) {
	b := newBench(t, upstream.Timeouts{}, target{dialect: asChat, handler: replies(200, whole)})
	b.book.slow = 200 * time.Millisecond
	start := time.Now()
	status, body, h := b.post("/v1/chat/completions", ask)
	if status != 200 || body != whole || time.Since(start) < 200*time.Millisecond {
		t.Errorf("%d %q after %v", status, body, time.Since(start))
	}
	if h.Get("X-Gateway-Cost-Usd") != "0.000018" {
		t.Errorf("cost %q", h.Get("X-Gateway-Cost-Usd"))
	}
	if r := b.book.row(t, 1); r.CostNano != 18_000 || r.Tokens.Prompt() != 10 || r.Tokens.Completion() != 4 || r.UsageSource != store.SourceProvider {
		t.Errorf("row %+v", r)
	}
}

// TestLedgerFailure: no answer is released that is not accounted.
func TestLedgerFailure(t *testing.T) {
	b := newBench(t, upstream.Timeouts{}, target{dialect: asChat, handler: func(w http.ResponseWriter, r *http.Request) {
		if body, _ := io.ReadAll(r.Body); strings.Contains(string(body), `"stream":true`) {
			sse(w, first, hello, stopped, usageChunk, doneChunk)
			return
		}
		replies(200, whole)(w, r)
	}})
	b.book.err = errors.New("disk on fire")
	if status, body, _ := b.post("/v1/chat/completions", ask); status != 503 || !strings.Contains(body, "ledger_unavailable") || strings.Contains(body, "Hello") {
		t.Errorf("%d %s", status, body)
	}
	if status, body, _ := b.post("/v1/chat/completions", streamAsk); status != 200 || !strings.Contains(body, "ledger_unavailable") || strings.Contains(body, "[DONE]") || strings.Contains(body, `"stop"`) {
		t.Errorf("%d %s", status, body)
	}
}

// TestStreamFaults are the ways in which a stream fails, and what the caller is told.
func TestStreamFaults(t *testing.T) {
	f := func(name string, h http.HandlerFunc, wantStatus int, want string, end string) {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, upstream.Timeouts{Idle: 300 * time.Millisecond, FirstEvent: 300 * time.Millisecond, Header: 300 * time.Millisecond}, target{dialect: asChat, handler: h})
			status, body, _ := b.post("/v1/chat/completions", streamAsk)
			if status != wantStatus || !strings.Contains(body, want) || strings.Contains(body, "[DONE]") {
				t.Errorf("%d %q, want %d with %q and no [DONE]", status, body, wantStatus, want)
			}
			if r := b.book.row(t, 1); r.EndReason != end {
				t.Errorf("end reason %q, want %q", r.EndReason, end)
			}
			if len(b.book.rows) != 1 || len(b.book.holds) != 0 {
				t.Errorf("%d rows, %d holds", len(b.book.rows), len(b.book.holds))
			}
		})
	}
	cut := func(pieces ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			sse(w, pieces...)
			panic(http.ErrAbortHandler)
		}
	}
	hang := func(pieces ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			sse(w, pieces...)
			<-r.Context().Done()
		}
	}
	f("cut after content", cut(first, hello), 200, `"upstream_cut"`, store.EndStreamError)
	f("clean end without the terminal event", answers(first, hello), 200, `"upstream_cut"`, store.EndStreamError)
	f("cut before content", cut(first), 502, `"upstream_cut"`, store.EndError)
	f("cut after the finish reason", cut(first, hello, stopped), 200, `"upstream_cut"`, store.EndStreamError)
	f("stall after content", hang(first, hello), 200, `"upstream_idle_timeout"`, store.EndStreamError)
	f("silence after the header", hang(first), 504, "", store.EndError)
	f("no header", func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	}, 504, `"upstream_timeout"`, store.EndError)
	f("error first", answers("data: {\"error\":{\"message\":\"overloaded now\",\"type\":\"server_error\"}}\n\n"), 502, "overloaded now", store.EndError)
	f("error in the middle", answers(first, hello, "data: {\"error\":{\"message\":\"overloaded now\",\"type\":\"server_error\"}}\n\n"), 200, "overloaded now", store.EndStreamError)
	f("JSON error in a 200", replies(200, `{"error":{"message":"not today","type":"server_error"}}`), 502, "not today", store.EndError)
	f("html", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<html>")
	}, 502, "bad_upstream_response", store.EndError)
	f("empty stream", answers(), 502, "upstream_cut", store.EndError)
	f("401", replies(401, `{"error":{"message":"bad key sk-secret-of-p0"}}`), 502, "upstream_auth_failed", store.EndError)
}

// TestBufferedFaults: a 200 that is no answer never becomes one.
func TestBufferedFaults(t *testing.T) {
	f := func(name, body string, status, want int, says string) {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, upstream.Timeouts{}, target{dialect: asChat, handler: replies(status, body)})
			got, out, _ := b.post("/v1/chat/completions", ask)
			if got != want || !strings.Contains(out, says) || strings.Contains(out, "sk-secret") {
				t.Errorf("%d %s, want %d with %q", got, out, want, says)
			}
			if r := b.book.row(t, 1); r.EndReason != store.EndError || r.CostNano != 0 {
				t.Errorf("row %+v", r)
			}
		})
	}
	f("empty object", "{}", 200, 502, "bad_upstream_response")
	f("empty", "", 200, 502, "bad_upstream_response")
	f("array", "[]", 200, 502, "bad_upstream_response")
	f("html", "<html></html>", 200, 502, "bad_upstream_response")
	f("truncated", whole[:len(whole)-20], 200, 502, "bad_upstream_response")
	f("no choices", `{"id":"x","object":"chat.completion"}`, 200, 502, "bad_upstream_response")
	f("redirect", `{}`, 302, 502, "redirect")
	f("401", `{"error":{"message":"bad key sk-secret-of-p0"}}`, 401, 502, "upstream_auth_failed")
	f("400 keeps its words", `{"error":{"message":"max_tokens is too large","type":"invalid_request_error","param":"max_tokens","code":null}}`, 400, 400, "max_tokens is too large")
	f("secret in a message", `{"error":{"message":"what is sk-secret-of-p0","type":"server_error"}}`, 500, 500, "what is")
	f("429", `{"error":{"message":"slow down","type":"requests","code":"rate_limit_exceeded"}}`, 429, 429, "slow down")
}

// TestTranslatedDate: a chat answer is dated even where its upstream dates nothing.
func TestTranslatedDate(t *testing.T) {
	b := newBench(t, upstream.Timeouts{}, target{dialect: asMessages, handler: replies(200, `{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"hi"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":1,"output_tokens":1}}`)})
	before := time.Now().Unix()
	status, body, _ := b.post("/v1/chat/completions", ask)
	var got struct{ Created int64 }
	if err := json.Unmarshal([]byte(body), &got); err != nil || status != 200 || got.Created < before || got.Created > time.Now().Unix() {
		t.Errorf("%v %d %s, want it dated now", err, status, body)
	}
}

// TestNextTarget: what fails before any content is answered by the next target, unseen.
func TestNextTarget(t *testing.T) {
	bad := map[string]http.HandlerFunc{
		"500":         replies(500, `{"error":{"message":"no"}}`),
		"error first": answers(first, "data: {\"error\":{\"message\":\"no\"}}\n\n"),
		"cut":         func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"html":        func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") },
	}
	for name, h := range bad {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, upstream.Timeouts{}, target{dialect: asChat, handler: h}, target{dialect: asChat, handler: answers(first, hello, stopped, usageChunk, doneChunk)})
			status, body, hdr := b.post("/v1/chat/completions", streamAsk)
			if status != 200 || body != first+hello+stopped+doneChunk || hdr.Get("X-Gateway-Attempts") != "2" || hdr.Get("X-Gateway-Provider") != "p1" {
				t.Errorf("%d %q %v", status, body, hdr)
			}
			if r := b.book.row(t, 1); len(r.Attempts) != 2 || r.Attempts[1].Outcome != "ok" || r.Provider != "p1" {
				t.Errorf("attempts %+v", r.Attempts)
			}
		})
	}
}

// TestHangUp: a caller who leaves stops the upstream, and is accounted once.
func TestHangUp(t *testing.T) {
	f := func(name, body string, pieces ...string) {
		t.Run(name, func(t *testing.T) {
			var gone atomic.Int64
			asked := make(chan struct{})
			b := newBench(t, upstream.Timeouts{}, target{dialect: asChat, handler: func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				if len(pieces) > 0 {
					sse(w, pieces...)
				}
				close(asked)
				<-r.Context().Done()
				gone.Store(time.Now().UnixNano())
			}})
			c, err := net.Dial("tcp", b.addr)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.WriteString(c, "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: "+itoa(len(body))+"\r\n\r\n"+body)
			<-asked
			if len(pieces) > 0 {
				for r := bufio.NewReader(c); ; {
					line, err := r.ReadString('\n')
					if err != nil {
						t.Fatal(err)
					}
					if strings.Contains(line, "Hello") {
						break
					}
				}
			}
			time.Sleep(300 * time.Millisecond) // so that it is watched
			left := time.Now()
			_ = c.Close()
			r := b.book.row(t, 1)
			if r.EndReason != store.EndClientGone {
				t.Errorf("end reason %q", r.EndReason)
			}
			for range 500 {
				if gone.Load() != 0 {
					break
				}
				time.Sleep(10 * time.Millisecond)
			}
			if took := time.Duration(gone.Load() - left.UnixNano()); gone.Load() == 0 || took > 5*time.Second {
				t.Errorf("the upstream was stopped after %v", took)
			}
			if len(pieces) > 0 && r.Tokens.Completion() == 0 {
				t.Errorf("nothing is counted of what was sent: %+v", r.Tokens)
			}
		})
	}
	f("buffered", ask)
	f("before the first byte", streamAsk)
	f("in the middle", streamAsk, first, hello)
}

// TestEarlyCommit: a stream without content gets its 200 and a heartbeat after a
// while, and another target may still take over.
func TestEarlyCommit(t *testing.T) {
	if testing.Short() {
		t.Skip("takes 5 s")
	}
	told := make(chan struct{})
	b := newBench(t, upstream.Timeouts{}, target{dialect: asChat, handler: func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-told // and no sooner: the 200 comes though nothing has
		w.WriteHeader(503)
	}}, target{dialect: asChat, handler: answers(first, hello, stopped, usageChunk, doneChunk)})
	start := time.Now()
	resp, err := http.Post(b.url+"/v1/chat/completions", "application/json", strings.NewReader(streamAsk))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	close(told)
	if took := time.Since(start); resp.StatusCode != 200 || took < 4500*time.Millisecond || took > 20*time.Second {
		t.Errorf("status %d after %v", resp.StatusCode, took)
	}
	if resp.Header.Get("X-Gateway-Provider") != "" {
		t.Error("an early header names a provider that did not answer")
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil || !strings.HasPrefix(string(body), ": ping\n\n") || !strings.HasSuffix(string(body), hello+stopped+doneChunk) {
		t.Errorf("%v %q", err, body)
	}
}

func itoa(n int) string {
	if n == 0 {
		return "0"
	}
	var b []byte
	for ; n > 0; n /= 10 {
		b = append([]byte{byte('0' + n%10)}, b...)
	}
	return string(b)
}
