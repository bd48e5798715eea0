package main_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// soakModels are what callers ask for, mostly what works; the rest are upstreams
// that fail in every way the built-in provider knows.
var soakModels = []string{
	"demo-fast", "demo-fast", "demo-fast", "demo-fast", "demo-tools", "demo-thinking", "demo", "demo-big", "demo-no-usage", "demo-bigline",
	"demo-error-500", "demo-error-429", "demo-error-529", "demo-ratelimit", "demo-error-first", "demo-error-stream", "demo-cut", "demo-truncate", "demo-empty", "demo-garbage", "demo-html", "demo-no-done", "demo-stall",
}

// TestSoak (reliability.md, row 84) runs mixed faults and hang-ups for a while: no
// memory, goroutine, descriptor or reservation may stay behind.
func TestSoak(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute")
	}
	length, rest, long := 20*time.Second, 5*time.Second, os.Getenv("AI_GATEWAY_LONG") != ""
	if long {
		length, rest = 10*time.Minute, 60*time.Second
	} else {
		t.Parallel() // the slope of its memory is not judged
	}
	g := serve(t, "", []string{"AI_GATEWAY_ADMIN_KEY=" + lifecycleKey, "AI_GATEWAY_LOG_LEVEL=error", "GOMEMLIMIT=256MiB"})
	transport := &http.Transport{MaxIdleConnsPerHost: 16, IdleConnTimeout: time.Second}
	client := &http.Client{Transport: transport, Timeout: 30 * time.Second}
	var calls, whole atomic.Int64
	run := func(d time.Duration) {
		var wg sync.WaitGroup
		until := time.Now().Add(d)
		for range 12 {
			wg.Go(func() {
				for time.Now().Before(until) {
					calls.Add(1)
					if soakCall(client, g.url) {
						whole.Add(1)
					}
					time.Sleep(time.Duration(rand.IntN(20)) * time.Millisecond)
				}
			})
		}
		wg.Wait()
		transport.CloseIdleConnections()
	}
	run(3 * time.Second) // pools and caches fill
	time.Sleep(rest / 2)
	before := g.metrics("go_goroutines", "process_open_fds")
	samples := make(chan [][2]float64, 1)
	stop := make(chan struct{})
	go func() { samples <- g.sampleRSS(stop, length/5) }()
	run(length)
	close(stop)
	slope := slopeOf(<-samples)
	var after map[string]float64
	for range 5 { // connections of callers and upstreams end by their own timers
		time.Sleep(rest)
		if after = g.metrics("go_goroutines", "process_open_fds"); after["go_goroutines"] <= before["go_goroutines"]+5 && after["process_open_fds"] <= before["process_open_fds"]+5 {
			break
		}
	}
	end := g.metrics("ai_gateway_inflight_requests", "ai_gateway_panics_total", "ai_gateway_ledger_reserved_usd", "ai_gateway_ledger_open_holds")
	t.Logf("%d calls in %v, %d whole; RSS slope %.2f MB/min; goroutines %v → %v, descriptors %v → %v; %v", calls.Load(), length, whole.Load(), slope/(1<<20),
		before["go_goroutines"], after["go_goroutines"], before["process_open_fds"], after["process_open_fds"], end)
	for name, most := range before {
		if after[name] > most+5 {
			t.Errorf("%s was %v and is %v", name, most, after[name])
		}
	}
	for name, v := range end {
		if v != 0 {
			t.Errorf("%s is %v after all has ended", name, v)
		}
	}
	if len(end) != 4 {
		t.Errorf("metrics are missing: %v", end)
	}
	if long && slope > 0.5*(1<<20) { // within seconds the collector's own ups and downs hide all else
		t.Errorf("memory grows by %.2f MB a minute", slope/(1<<20))
	}
	if whole.Load()*3 < calls.Load() {
		t.Errorf("only %d of %d calls were answered", whole.Load(), calls.Load())
	}
	if out, err := g.run("ai-gateway ledger verify"); err != nil || !strings.HasPrefix(out, "clean: ") {
		t.Errorf("ledger verify: %v %s", err, out)
	} else {
		t.Logf("ledger verify: %s", strings.TrimSpace(out))
	}
}

// soakCall does one call; one in five hangs up on the way. It reports whether the
// answer was whole.
func soakCall(client *http.Client, url string) bool {
	model, stream, path := soakModels[rand.IntN(len(soakModels))], rand.IntN(2) == 0, "/v1/chat/completions"
	body := fmt.Sprintf(`{"model":%q,"stream":%v,"max_tokens":200,"messages":[{"role":"user","content":"tell me a story"}]}`, model, stream)
	if rand.IntN(3) == 0 {
		path = "/v1/messages"
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	hangUp := rand.IntN(5) == 0 || model == "demo-stall"
	if hangUp {
		time.AfterFunc(time.Duration(rand.IntN(300))*time.Millisecond, cancel)
	}
	req, _ := http.NewRequestWithContext(ctx, "POST", url+path, strings.NewReader(body))
	req.Header.Set("Authorization", "Bearer "+lifecycleKey)
	resp, err := client.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return err == nil && resp.StatusCode == 200 && (!stream || strings.Contains(string(b), "[DONE]") || strings.Contains(string(b), "message_stop"))
}

// metrics reads single values of /metrics.
func (g *gateway) metrics(names ...string) map[string]float64 {
	g.t.Helper()
	_, body, _ := g.call("GET", "/metrics", lifecycleKey, "")
	out := map[string]float64{}
	for sc := bufio.NewScanner(strings.NewReader(body)); sc.Scan(); {
		name, value, ok := strings.Cut(sc.Text(), " ")
		for _, n := range names {
			if v, err := strconv.ParseFloat(value, 64); ok && name == n && err == nil {
				out[n] = v
			}
		}
	}
	return out
}

// sampleRSS reads the resident memory each second until stop, from after on; in
// seconds and bytes.
func (g *gateway) sampleRSS(stop <-chan struct{}, after time.Duration) (out [][2]float64) {
	start := time.Now()
	for tick := time.NewTicker(time.Second); ; {
		select {
		case <-stop:
			tick.Stop()
			return out
		case <-tick.C:
			if at := time.Since(start); at >= after {
				out = append(out, [2]float64{at.Seconds(), float64(rssOf(g.cmd.Process.Pid))})
			}
		}
	}
}

// rssOf reads the resident memory of a process, in bytes, with the pages of the files
// it maps; 0 if it cannot be read.
func rssOf(pid int) int64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, rest, ok := strings.Cut(string(b), "VmRSS:")
	if !ok {
		return 0
	}
	kb, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	return kb << 10
}

// slopeOf fits a line by least squares and returns its rise a minute.
func slopeOf(points [][2]float64) float64 {
	var n, sx, sy, sxx, sxy float64
	for _, p := range points {
		n, sx, sy, sxx, sxy = n+1, sx+p[0], sy+p[1], sxx+p[0]*p[0], sxy+p[0]*p[1]
	}
	if d := n*sxx - sx*sx; d != 0 {
		return (n*sxy - sx*sy) / d * 60
	}
	return 0
}
