package main_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// standing is what a gateway holds at a moment: goroutines and descriptors.
func (g *gateway) standing() map[string]float64 {
	g.t.Helper()
	out := map[string]float64{}
	_, text, _ := g.call("GET", "/metrics", g.admin, "")
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch name {
		case "go_goroutines", "process_open_fds", "ai_gateway_inflight_requests", "ai_gateway_ledger_open_holds", "ai_gateway_ledger_reserved_usd", "ai_gateway_panics_total":
			out[name], _ = strconv.ParseFloat(value, 64)
		}
	}
	return out
}

// settles requires that the gateway holds no more than before, within the patience,
// and that nothing is in flight or reserved.
func (g *gateway) settles(before map[string]float64, patience time.Duration) {
	g.t.Helper()
	var now map[string]float64
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		now = g.standing()
		if now["go_goroutines"] <= before["go_goroutines"]+5 && now["process_open_fds"] <= before["process_open_fds"]+5 &&
			now["ai_gateway_inflight_requests"] == 0 && now["ai_gateway_ledger_open_holds"] == 0 && now["ai_gateway_ledger_reserved_usd"] == 0 && now["ai_gateway_panics_total"] == 0 && len(now) == 6 {
			return
		}
	}
	g.t.Errorf("it held %v and holds %v after %v", before, now, patience)
}

// fdsOf counts the descriptors of a process.
func fdsOf(t *testing.T, g *gateway) int {
	t.Helper()
	names, err := os.ReadDir(filepath.Join("/proc", strconv.Itoa(g.cmd.Process.Pid), "fd"))
	if runtime.GOOS != "linux" {
		t.Skip("SKIPPED: only Linux has /proc")
	}
	if err != nil {
		t.Fatalf("the gateway has ended: %v", err)
	}
	return len(names)
}

// TestIdleConnections (row 15): 5,000 connections that say nothing are taken, others
// are served meanwhile, and all is given back.
func TestIdleConnections(t *testing.T) {
	t.Parallel()
	n := 5000
	if testing.Short() {
		n = 500
	}
	g := serve(t, "", nil, "--timeouts-read-header", "5s")
	addr := strings.TrimPrefix(g.url, "http://")
	before, memory := g.standing(), rss(t, g)
	var open []net.Conn
	defer func() {
		for _, c := range open {
			_ = c.Close()
		}
	}()
	for range n {
		c, err := net.DialTimeout("tcp", addr, 5*time.Second)
		if err != nil {
			t.Skipf("this machine opens only %d connections: %v", len(open), err)
		}
		open = append(open, c)
	}
	if fds := fdsOf(t, g); fds < n/2 {
		t.Logf("%d descriptors are open of %d connections", fds, n)
	}
	if status, body, _ := g.call("POST", "/v1/chat/completions", g.admin, `{"model":"demo-fast","messages":[{"role":"user","content":"hi"}]}`); status != 200 {
		t.Errorf("beside %d idle connections: %d %s", n, status, body)
	}
	if grown := rss(t, g) - memory; grown > int64(n)*64<<10 {
		t.Errorf("%d idle connections take %d KB", n, grown>>10)
	}
	_ = open[0].SetReadDeadline(time.Now().Add(20 * time.Second))
	if b, err := io.ReadAll(open[0]); err != nil {
		t.Errorf("a connection that says nothing is kept: %v %q", err, b)
	}
	g.settles(before, time.Minute) // the server looks every 10 s for goroutines that had nothing to do for 10 s
}

// TestPipelined (row 17): a thousand requests on one connection whose caller leaves:
// they are answered or dropped, and nothing stays.
func TestPipelined(t *testing.T) {
	g := serve(t, "", nil)
	addr := strings.TrimPrefix(g.url, "http://")
	ask := `{"model":"demo-fast","messages":[{"role":"user","content":"hi"}]}`
	one := "POST /v1/chat/completions HTTP/1.1\r\nHost: " + addr + "\r\nAuthorization: Bearer " + g.admin + "\r\nContent-Type: application/json\r\nContent-Length: " + strconv.Itoa(len(ask)) + "\r\n\r\n" + ask
	flood := func() {
		for range 5 {
			c, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			_ = c.SetWriteDeadline(time.Now().Add(10 * time.Second))
			_, _ = io.WriteString(c, strings.Repeat(one, 1000))
			_ = c.Close()
		}
	}
	flood() // pools fill
	time.Sleep(2 * time.Second)
	before := g.standing()
	flood()
	g.settles(before, time.Minute)
}

// TestComeAndGo (row 62): 10,000 callers who ask and leave within ten seconds leave
// no goroutine, descriptor or reservation behind.
func TestComeAndGo(t *testing.T) {
	n := 10_000
	if testing.Short() {
		n = 1000
	}
	up := slowUpstream(t, 50)
	g := serve(t, "", []string{"OPENAI_API_KEY=sk-up", "AI_GATEWAY_PROVIDER_OPENAI_BASE_URL=" + up + "/v1", "AI_GATEWAY_LOG_LEVEL=error"})
	addr := strings.TrimPrefix(g.url, "http://")
	before := g.standing()
	ask := `{"model":"gpt-4","stream":true,"messages":[{"role":"user","content":"x"}]}`
	send := "POST /v1/chat/completions HTTP/1.1\r\nHost: " + addr + "\r\nAuthorization: Bearer " + g.admin + "\r\nContent-Type: application/json\r\nContent-Length: " + strconv.Itoa(len(ask)) + "\r\n\r\n" + ask
	start := time.Now()
	var wg sync.WaitGroup
	for worker := range 20 {
		wg.Go(func() {
			for i := range n / 20 {
				c, err := net.DialTimeout("tcp", addr, 5*time.Second)
				if err != nil {
					continue
				}
				switch (worker + i) % 4 {
				case 0: // connects only
				case 1:
					_, _ = io.WriteString(c, send[:len(send)/2])
				case 2:
					_, _ = io.WriteString(c, send)
				case 3: // resets
					_, _ = io.WriteString(c, send)
					_ = c.(*net.TCPConn).SetLinger(0)
				}
				_ = c.Close()
			}
		})
	}
	wg.Wait()
	took := time.Since(start)
	g.settles(before, time.Minute)
	t.Logf("%d callers came and went in %v: %v before, %v after", n, took, before, g.standing())
	if status, body, _ := g.call("POST", "/v1/admin/ledger/verify", g.admin, ""); status != 200 || !strings.Contains(body, `"clean":true`) {
		t.Errorf("verify: %d %s", status, body)
	}
}

// TestNeverReaders (row 59): callers who ask for a long stream and read nothing of
// it are cut, hold little meanwhile, and keep nobody up.
func TestNeverReaders(t *testing.T) {
	t.Parallel()
	n := 300
	if os.Getenv("AI_GATEWAY_LONG") != "" {
		n = 2000
	}
	word := strings.Repeat("x", 1000)
	up := startHandler(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if !strings.Contains(string(body), `"stream":true`) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"id":"x","object":"chat.completion","created":1,"model":"gpt-4","choices":[{"index":0,"message":{"role":"assistant","content":"ok"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}`)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		for r.Context().Err() == nil {
			if _, err := fmt.Fprintf(w, "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"gpt-4\",\"choices\":[{\"index\":0,\"delta\":{\"content\":%q}}]}\n\n", word); err != nil {
				return
			}
		}
	})
	g := serve(t, "", []string{"OPENAI_API_KEY=sk-up", "AI_GATEWAY_PROVIDER_OPENAI_BASE_URL=" + up + "/v1", "AI_GATEWAY_LOG_LEVEL=error", "AI_GATEWAY_TIMEOUTS_WRITE=10s"})
	addr := strings.TrimPrefix(g.url, "http://")
	before, memory := g.standing(), rss(t, g)
	ask := `{"model":"gpt-4","stream":true,"messages":[{"role":"user","content":"x"}]}`
	send := "POST /v1/chat/completions HTTP/1.1\r\nHost: " + addr + "\r\nAuthorization: Bearer " + g.admin + "\r\nContent-Type: application/json\r\nContent-Length: " + strconv.Itoa(len(ask)) + "\r\n\r\n" + ask
	var open []net.Conn
	defer func() {
		for _, c := range open {
			_ = c.Close()
		}
	}()
	for range n {
		c, err := net.DialTimeout("tcp", addr, 5*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		_ = c.(*net.TCPConn).SetReadBuffer(4096)
		_, _ = io.WriteString(c, send)
		open = append(open, c)
	}
	peak, fastest := int64(0), time.Hour
	for range 20 {
		start := time.Now()
		status, body, _ := g.call("POST", "/v1/chat/completions", g.admin, plainAsk)
		took := time.Since(start)
		if fastest = min(fastest, took); status != 200 || took > 30*time.Second { // what they asked for comes in at first, all at once
			t.Fatalf("beside %d who do not read: %d after %v: %.200s", n, status, took, body)
		}
		peak = max(peak, rss(t, g)-memory)
		time.Sleep(200 * time.Millisecond)
	}
	t.Logf("%d callers who do not read took %d KB each; beside them a call takes %v", n, peak/int64(n)>>10, fastest)
	if fastest > time.Second {
		t.Errorf("beside %d who do not read every call takes %v or more", n, fastest)
	}
	most := int64(n) * 64 << 10
	if n < 1000 {
		most += 12 << 20 // what a process that begins to work takes once
	}
	if peak > most {
		t.Errorf("they took %d MB, at most %d MB is wanted", peak>>20, most>>20)
	}
	g.settles(before, 90*time.Second) // their connections are open still: the gateway has cut them
}
