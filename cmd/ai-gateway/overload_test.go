package main_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestOverload sends ten times the load of 5 MB bodies that a process of 256 MB can
// take: it refuses early, answers nearly as many as at its best, and does not grow.
func TestOverload(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	slow := http.NewServeMux() // an upstream that takes 300 ms, as models do
	slow.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		time.Sleep(300 * time.Millisecond)
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"id":"x","object":"chat.completion","created":1,"model":"gpt-4o","choices":[{"index":0,"message":{"role":"assistant","content":"ok"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}`)
	})
	srv := httptest.NewServer(slow)
	defer srv.Close()
	g := serve(t, "", []string{"AI_GATEWAY_ADMIN_KEY=" + lifecycleKey, "OPENAI_API_KEY=sk-upstream", "AI_GATEWAY_PROVIDER_OPENAI_BASE_URL=" + srv.URL + "/v1", "GOMEMLIMIT=256MiB"})
	body := []byte(`{"model":"gpt-4o","messages":[{"role":"user","content":"` + strings.Repeat("a", 5<<20) + `"}]}`)
	run := func(workers int, d time.Duration) (answered, refused, failed int64) {
		var ok, no, bad atomic.Int64
		client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: workers}, Timeout: time.Minute}
		var wg sync.WaitGroup
		until := time.Now().Add(d)
		for range workers {
			wg.Go(func() {
				for time.Now().Before(until) {
					req, _ := http.NewRequest("POST", g.url+"/v1/chat/completions", bytes.NewReader(body))
					req.Header.Set("Authorization", "Bearer "+lifecycleKey)
					resp, err := client.Do(req)
					if err != nil {
						bad.Add(1)
						continue
					}
					_, _ = io.Copy(io.Discard, resp.Body)
					_ = resp.Body.Close()
					switch {
					case resp.StatusCode == 200:
						ok.Add(1)
					case resp.StatusCode == 503 && resp.Header.Get("Retry-After") != "":
						no.Add(1)
						time.Sleep(time.Second) // as it was told
					default:
						bad.Add(1)
					}
				}
			})
		}
		wg.Wait()
		client.CloseIdleConnections()
		return ok.Load(), no.Load(), bad.Load()
	}
	run(8, 2*time.Second)
	var peak, most, refused, failed int64
	for range 4 { // what else runs on the machine makes one of the two look bad
		// Twelve bodies are what a quarter of the memory limit holds: more callers get no more answers.
		peak, _, _ = run(12, 8*time.Second)
		most, refused, failed = run(120, 8*time.Second)
		t.Logf("12 workers: %d answers; 120 workers: %d answers, %d refused with 503, %d failed", peak, most, refused, failed)
		if most*10 >= peak*9 {
			break
		}
	}
	rss := peakRSS(t, g.cmd.Process.Pid)
	t.Logf("goodput is %d %% of the peak; peak RSS %d MB", most*100/max(peak, 1), rss>>20)
	if refused == 0 {
		t.Error("nothing was refused")
	}
	least := int64(90)
	if os.Getenv("AI_GATEWAY_LONG") == "" {
		least = 70 // the callers and the upstream need the processors as well, and other tests do
	}
	if most*100 < peak*least {
		t.Errorf("goodput fell from %d to %d", peak, most)
	}
	if rss > 400<<20 {
		t.Errorf("the process grew to %d MB", rss>>20)
	}
	if status, b, _ := g.call("GET", "/readyz", "", ""); status != 200 {
		t.Errorf("after the overload: %d %s", status, b)
	}
}

// peakRSS reads the most memory a process has held, in bytes.
func peakRSS(t *testing.T, pid int) int64 {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "VmHWM:")
	kb, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kb << 10
}
