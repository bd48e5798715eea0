package relay_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/your-org/ai-api-gateway/server/upstream"
	"github.com/your-org/ai-api-gateway/store"
)

func usageOf(text string) string {
	return `data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"m1","choices":[],"usage":` + text + `}` + "\n\n"
}

// TestUsageReports: row 45: what upstreams report, missing, late, odd or absurd.
func TestUsageReports(t *testing.T) {
	f := func(name string, source string, in, out int64, clamped bool, pieces ...string) {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, upstream.Timeouts{}, target{dialect: asChat, handler: answers(pieces...)})
			status, body, _ := b.post("/v1/chat/completions", streamAsk)
			r := b.book.row(t, 1)
			if status != 200 || strings.Count(body, "[DONE]") != 1 || r.UsageSource != source || in >= 0 && r.Tokens.Prompt() != in || out >= 0 && r.Tokens.Completion() != out ||
				(r.Flags&store.FlagClamped != 0) != clamped || r.CostNano < 0 || r.CostNano > 1e9 {
				t.Errorf("%d %s, source %s, %+v, flags %b, cost %d", status, body, r.UsageSource, r.Tokens, r.Flags, r.CostNano)
			}
		})
	}
	f("missing", store.SourceEstimated, -1, 1, false, first, hello, stopped, doneChunk)
	f("after the end", store.SourceEstimated, -1, 1, false, first, hello, stopped, doneChunk, usageChunk)
	f("zeros", store.SourceProvider, 0, 0, false, first, hello, stopped, usageOf(`{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}`), doneChunk)
	f("cumulative", store.SourceProvider, 10, 3, false, first, usageOf(`{"prompt_tokens":10,"completion_tokens":1,"total_tokens":11}`), hello,
		usageOf(`{"prompt_tokens":10,"completion_tokens":2,"total_tokens":12}`), stopped, usageOf(`{"prompt_tokens":10,"completion_tokens":3,"total_tokens":13}`), doneChunk)
	f("negative", store.SourceProvider, 0, 4, true, first, hello, stopped, usageOf(`{"prompt_tokens":-5,"completion_tokens":4,"total_tokens":-1}`), doneChunk)
	f("absurd", store.SourceEstimated, -1, 1, true, first, hello, stopped, usageOf(`{"prompt_tokens":1000000000000000000,"completion_tokens":4,"total_tokens":4}`), doneChunk)
}

// TestAfterTheEnd: row 46: what comes behind the end does not reach the caller, and
// a flood of nothing is bounded.
func TestAfterTheEnd(t *testing.T) {
	b := newBench(t, upstream.Timeouts{}, target{dialect: asChat, handler: answers(first, hello, stopped, usageChunk, doneChunk, doneChunk, hello, doneChunk)})
	if status, body, _ := b.post("/v1/chat/completions", streamAsk); status != 200 || strings.Count(body, "[DONE]") != 1 || strings.Count(body, "Hello") != 1 {
		t.Errorf("%d %s", status, body)
	}
	if testing.Short() {
		return
	}
	empty := chunk(`"delta":{"content":""},"finish_reason":null`)
	flood := func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "text/event-stream")
		out := bufio.NewWriterSize(w, 1<<20)
		_, _ = out.WriteString(first)
		for range 1_000_000 {
			if _, err := out.WriteString(empty); err != nil {
				return
			}
		}
		_, _ = out.WriteString(hello + stopped + usageChunk + doneChunk)
		_ = out.Flush()
	}
	b = newBench(t, upstream.Timeouts{}, target{dialect: asChat, handler: flood})
	status, body, _ := b.post("/v1/chat/completions", streamAsk)
	if status != 200 || strings.Count(body, "[DONE]") != 1 || strings.Count(body, "Hello") != 1 || strings.Contains(body, `"error"`) {
		t.Errorf("%d, %d bytes", status, len(body))
	}
}

// dialAsk opens a connection and asks on it, without waiting for the answer.
func dialAsk(t *testing.T, addr, body string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(c, "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: "+itoa(len(body))+"\r\n\r\n"+body)
	return c
}

// TestHangUpAfterTheEnd: row 57: who leaves after the end was sent had a whole answer.
func TestHangUpAfterTheEnd(t *testing.T) {
	b := newBench(t, upstream.Timeouts{}, target{dialect: asChat, handler: answers(first, hello, stopped, usageChunk, doneChunk)})
	c := dialAsk(t, b.addr, streamAsk)
	r := bufio.NewReader(c)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(line, "[DONE]") {
			break
		}
	}
	_ = c.Close()
	if row := b.book.row(t, 1); row.EndReason != store.EndComplete || row.UsageSource != store.SourceProvider {
		t.Errorf("%s, %s", row.EndReason, row.UsageSource)
	}
}

// TestPauseEndsWithTheCaller: who leaves while a retry waits is let go at once, and
// the target hears of no second attempt.
func TestPauseEndsWithTheCaller(t *testing.T) {
	var calls atomic.Int64
	b := newBench(t, upstream.Timeouts{}, target{dialect: asChat, handler: func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		status(429, `{"error":{"message":"slow down"}}`, "Retry-After", "2")(w, r)
	}})
	c := dialAsk(t, b.addr, streamAsk)
	for range 4000 { // 20 s
		if calls.Load() > 0 {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	time.Sleep(50 * time.Millisecond)
	left := time.Now()
	_ = c.Close()
	row := b.book.row(t, 1)
	if took := time.Since(left); row.EndReason != store.EndClientGone || took > 10*time.Second || calls.Load() != 1 {
		t.Errorf("%s after %v and %d calls", row.EndReason, took, calls.Load())
	}
}

// TestManyHangUps: row 62, in short: callers who come and go leave nothing behind.
func TestManyHangUps(t *testing.T) {
	n := 2000
	if testing.Short() {
		n = 200
	}
	b := newBench(t, upstream.Timeouts{}, target{dialect: asChat, handler: stalls(first)})
	c := dialAsk(t, b.addr, streamAsk)
	_ = c.Close()
	b.book.row(t, 1)
	before := runtime.NumGoroutine()
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			for range n / 20 {
				c, err := net.Dial("tcp", b.addr)
				if err != nil {
					continue
				}
				_, _ = io.WriteString(c, "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: "+itoa(len(streamAsk))+"\r\n\r\n"+streamAsk)
				_ = c.Close()
			}
		})
	}
	wg.Wait()
	for range 1000 { // 10 s
		b.book.mu.Lock()
		open := len(b.book.holds)
		b.book.mu.Unlock()
		if open == 0 && b.relay.InFlight() == 0 && runtime.NumGoroutine() <= before+5 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	b.book.mu.Lock()
	defer b.book.mu.Unlock()
	t.Errorf("%d holds, %d in flight, %d goroutines over what was before", len(b.book.holds), b.relay.InFlight(), runtime.NumGoroutine()-before)
}

// TestOneAlwaysFailingOverTheWire: two targets, one always failing: no error in a
// thousand requests, 16 at a time, streamed and not.
func TestOneAlwaysFailingOverTheWire(t *testing.T) {
	var bad atomic.Int64
	broken := status(503, `{"error":{"message":"busy"}}`)
	b := newBench(t, upstream.Timeouts{}, target{dialect: asChat, handler: func(w http.ResponseWriter, r *http.Request) { bad.Add(1); broken(w, r) }}, target{dialect: asChat, handler: good})
	var failed atomic.Int64
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for n := range 63 {
				body := ask
				if (i+n)%2 == 0 {
					body = streamAsk
				}
				resp, err := http.Post(b.url+"/v1/chat/completions", "application/json", strings.NewReader(body))
				if err != nil {
					failed.Add(1)
					continue
				}
				out, err := io.ReadAll(resp.Body)
				_ = resp.Body.Close()
				if err != nil || resp.StatusCode != 200 || !strings.Contains(string(out), "Hello") {
					failed.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if failed.Load() != 0 || bad.Load() > 40 {
		t.Errorf("%d of 1008 requests failed; the broken target was asked %d times", failed.Load(), bad.Load())
	}
}

// TestNeverReading: row 59, in short: callers who do not read hold little, and
// others are served meanwhile.
func TestNeverReading(t *testing.T) {
	word := chunk(`"delta":{"content":"` + strings.Repeat("x", 1000) + `"},"finish_reason":null`)
	patient := upstream.Timeouts{Dial: time.Minute, Header: time.Minute, FirstEvent: time.Minute, Idle: time.Minute} // they all come at once
	b := newBench(t, patient, target{dialect: asChat, handler: func(w http.ResponseWriter, r *http.Request) {
		if streams(r) {
			w.Header().Set("Content-Type", "text/event-stream")
			for r.Context().Err() == nil {
				if _, err := io.WriteString(w, word); err != nil {
					return
				}
			}
			return
		}
		replies(200, whole)(w, r)
	}})
	const n = 50
	var conns []net.Conn
	for range n {
		c := dialAsk(t, b.addr, streamAsk)
		_ = c.(*net.TCPConn).SetReadBuffer(4096)
		conns = append(conns, c)
	}
	var mem runtime.MemStats
	for end := time.Now().Add(20 * time.Second); b.relay.InFlight() != n; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d of %d are in flight", b.relay.InFlight(), n)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&mem)
	before := mem.HeapInuse
	time.Sleep(300 * time.Millisecond) // what the upstream sends has nowhere to go
	runtime.GC()
	runtime.ReadMemStats(&mem)
	if grown := int64(mem.HeapInuse) - int64(before); grown > n*128<<10 {
		t.Errorf("%d callers who do not read hold %d bytes more", n, grown)
	}
	if status, body, _ := b.post("/v1/chat/completions", ask); status != 200 {
		t.Errorf("others get %d %s", status, body)
	}
	for _, c := range conns {
		_ = c.Close()
	}
	for i := 1; i <= n+1; i++ {
		if r := b.book.row(t, i); r.EndReason != store.EndClientGone && r.EndReason != store.EndComplete {
			t.Errorf("end reason %s: %+v", r.EndReason, r.Attempts)
		}
	}
}
