package main_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A mended upstream answers 503 until it is repaired, and then slowly.
type mended struct {
	url   string
	pause time.Duration // before an answer

	mu               sync.Mutex
	up, answered     bool // repaired; it has answered since
	calls, good      int
	inFlight, probes int // since the repair; the most at once until it had answered
}

func startMended(t *testing.T, pause time.Duration) *mended {
	m := &mended{pause: pause}
	srv := httptest.NewServer(m)
	t.Cleanup(srv.Close)
	m.url = srv.URL
	return m
}

func (m *mended) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	w.Header().Set("Content-Type", "application/json")
	if r.Method != "POST" {
		_, _ = io.WriteString(w, `{"object":"list","data":[]}`)
		return
	}
	m.mu.Lock()
	m.calls++
	up := m.up
	if up {
		m.inFlight++
		if !m.answered {
			m.probes = max(m.probes, m.inFlight)
		}
	}
	m.mu.Unlock()
	if !up {
		w.WriteHeader(503)
		_, _ = io.WriteString(w, `{"error":{"message":"busy"}}`)
		return
	}
	time.Sleep(m.pause)
	m.mu.Lock()
	m.answered = true
	m.good++
	m.inFlight--
	m.mu.Unlock()
	_, _ = io.WriteString(w, `{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":11,"completion_tokens":7,"total_tokens":18}}`)
}

func (m *mended) repair()      { m.mu.Lock(); defer m.mu.Unlock(); m.up = true }
func (m *mended) count() int   { m.mu.Lock(); defer m.mu.Unlock(); return m.calls }
func (m *mended) answers() int { m.mu.Lock(); defer m.mu.Unlock(); return m.good }
func (m *mended) most() int    { m.mu.Lock(); defer m.mu.Unlock(); return m.probes }

// until waits for the m-th answer and reports whether it came in time.
func (m *mended) until(n int, d time.Duration) bool {
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if m.answers() >= n {
			return true
		}
	}
	return false
}

// before starts a gateway whose model "m" leads to all of the upstreams alike, with
// the settings a user has unless env says otherwise.
func before(t *testing.T, env []string, all ...*mended) *gateway {
	t.Helper()
	var text, targets strings.Builder
	text.WriteString("accounts:\n")
	for i, m := range all {
		fmt.Fprintf(&text, "  - {provider: custom, account_name: up%d, api_key: sk-vendor-secret, base_url: \"%s/v1\", models: [m]}\n", i, m.url)
		fmt.Fprintf(&targets, "up%d/m, ", i)
	}
	fmt.Fprintf(&text, "model_mappings: [{alias: any, targets: [%s]}]\n", strings.TrimSuffix(targets.String(), ", "))
	file := filepath.Join(t.TempDir(), "gateway.yaml")
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return serve(t, "", append([]string{"AI_GATEWAY_ADMIN_KEY=" + lifecycleKey, "AI_GATEWAY_LOG_LEVEL=error",
		"AI_GATEWAY_ROUTING_BREAKER_WINDOW=30s", "AI_GATEWAY_ROUTING_KEY_PAUSE=5m"}, env...), "--config", file)
}

const anyAsk = `{"model":"any","max_tokens":5,"messages":[{"role":"user","content":"hi"}]}`

// ask does one call; it may be used from any goroutine.
func (g *gateway) ask(client *http.Client) int {
	req, err := http.NewRequest("POST", g.url+"/v1/chat/completions", strings.NewReader(anyAsk))
	if err != nil {
		return 0
	}
	req.Header.Set("Authorization", "Bearer "+lifecycleKey)
	resp, err := client.Do(req)
	if err != nil {
		return 0
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

// TestRetryStorm (row 51): the only target answers nothing but 503, at 500 requests a
// second: it gets at most 1.2 attempts a request and 3, with the breaker and without.
func TestRetryStorm(t *testing.T) {
	t.Parallel()
	for name, env := range map[string][]string{"breaker": nil, "no breaker": {"AI_GATEWAY_ROUTING_BREAKER_WINDOW=1ms"}} {
		t.Run(name, func(t *testing.T) {
			m := startMended(t, 0)
			g := before(t, env, m)
			client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64, MaxConnsPerHost: 256}, Timeout: 30 * time.Second}
			defer client.CloseIdleConnections()
			const n = 1500
			var told atomic.Int64
			var wg sync.WaitGroup
			tick := time.NewTicker(2 * time.Millisecond)
			for range n {
				<-tick.C
				wg.Go(func() {
					if g.ask(client) == 503 {
						told.Add(1)
					}
				})
			}
			tick.Stop()
			wg.Wait()
			t.Logf("%d requests, %d attempts", n, m.count())
			if told.Load() != n || m.count()*5 > n*6+15 || m.count() == 0 {
				t.Errorf("%d of %d requests were told 503; the target was asked %d times", told.Load(), n, m.count())
			}
		})
	}
}

// TestOneAlwaysFails: two targets, one always failing: no error in 1,000 requests.
func TestOneAlwaysFails(t *testing.T) {
	bad, good := startMended(t, 0), startMended(t, 0)
	good.repair()
	g := before(t, nil, bad, good)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}, Timeout: 30 * time.Second}
	defer client.CloseIdleConnections()
	var failed atomic.Int64
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			for range 100 {
				if g.ask(client) != 200 {
					failed.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if failed.Load() != 0 || bad.count() == 0 {
		t.Errorf("%d of 1,000 requests failed; the broken target was asked %d times", failed.Load(), bad.count())
	}
}

// TestRepairedTarget: with the breaker as it comes, a target that failed and works
// again is back within 12 s, whether or not there is another, and nobody notices.
func TestRepairedTarget(t *testing.T) {
	for _, others := range []bool{false, true} {
		t.Run(fmt.Sprintf("others %v", others), func(t *testing.T) {
			t.Parallel()
			m, all := startMended(t, 0), []*mended(nil)
			all = append(all, m)
			if others {
				other := startMended(t, 0)
				other.repair()
				all = append(all, other)
			}
			g := before(t, nil, all...)
			client := &http.Client{Timeout: 30 * time.Second}
			defer client.CloseIdleConnections()
			for range 40 { // its breaker opens
				if status := g.ask(client); others && status != 200 {
					t.Fatalf("status %d though another target works", status)
				}
			}
			if m.count() < 5 {
				t.Fatalf("it was asked only %d times", m.count())
			}
			m.repair()
			repaired := time.Now()
			for m.answers() < 2 && time.Since(repaired) < 30*time.Second { // the probe, and what follows it
				if status := g.ask(client); others && status != 200 {
					t.Errorf("status %d though another target works", status)
				}
				time.Sleep(20 * time.Millisecond)
			}
			took := time.Since(repaired)
			t.Logf("back after %v", took.Round(time.Millisecond))
			if took > 12*time.Second {
				t.Errorf("back after %v only", took)
			}
		})
	}
}

// TestRepairedOneAtATime: three targets are down and are repaired one after the other,
// under the load of 24 callers: each sees one request at a time until it has answered.
func TestRepairedOneAtATime(t *testing.T) {
	t.Parallel()
	all := []*mended{startMended(t, 300*time.Millisecond), startMended(t, 300*time.Millisecond), startMended(t, 300*time.Millisecond)}
	g := before(t, []string{"AI_GATEWAY_ROUTING_BREAKER_OPEN=1s", "AI_GATEWAY_ROUTING_PROBE_EVERY=200ms"}, all...)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 24}, Timeout: 30 * time.Second}
	defer client.CloseIdleConnections()
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 24 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(10 * time.Millisecond):
					g.ask(client)
				}
			}
		})
	}
	for i, m := range all {
		time.Sleep(2 * time.Second) // its breaker is open
		if i == 0 && m.count() < 5 {
			t.Errorf("the first target was asked only %d times before", m.count())
		}
		m.repair()
		if !m.until(3, 20*time.Second) {
			t.Errorf("target %d does not come back", i)
		}
		if most := m.most(); most != 1 {
			t.Errorf("target %d had %d requests in flight before it had answered", i, most)
		}
	}
	close(stop)
	wg.Wait()
}

// TestEmptyDeltas (row 46): a million deltas of nothing come before the content: the
// answer is whole, ends once, and little of it is held.
func TestEmptyDeltas(t *testing.T) {
	if testing.Short() {
		t.Skip("relays 150 MB")
	}
	piece := func(choice string) string {
		return `data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,` + choice + "}]}\n\n"
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "text/event-stream")
		out := bufio.NewWriterSize(w, 64<<10)
		_, _ = out.WriteString(piece(`"delta":{"role":"assistant","content":""}`))
		empty := piece(`"delta":{"content":""},"finish_reason":null`)
		for range 1_000_000 {
			if _, err := out.WriteString(empty); err != nil {
				return
			}
		}
		_, _ = out.WriteString(piece(`"delta":{"content":"Hello"}`) + piece(`"delta":{},"finish_reason":"stop"`) + "data: [DONE]\n\n")
		_ = out.Flush()
	}))
	t.Cleanup(srv.Close)
	for _, path := range []string{"/v1/chat/completions", "/v1/messages"} {
		g := before(t, []string{"GOMEMLIMIT=128MiB"}, &mended{url: srv.URL})
		req, err := http.NewRequest("POST", g.url+path, strings.NewReader(strings.Replace(anyAsk, "{", `{"stream":true,`, 1)))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+lifecycleKey)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		ends, hellos, errs, lines := 0, 0, 0, bufio.NewScanner(resp.Body)
		for lines.Scan() {
			line := lines.Text()
			for _, c := range []struct {
				word string
				n    *int
			}{{"[DONE]", &ends}, {`"message_stop"`, &ends}, {"Hello", &hellos}, {`"error"`, &errs}} {
				if strings.HasPrefix(line, "data:") && strings.Contains(line, c.word) {
					*c.n++
				}
			}
		}
		_ = resp.Body.Close()
		grown := peakRSS(t, g.cmd.Process.Pid) >> 20
		t.Logf("%s: peak RSS %d MB", path, grown)
		if ends != 1 || hellos != 1 || errs != 0 || lines.Err() != nil || grown > 256 {
			t.Errorf("%s: %d ends, %d contents, %d errors, %v, peak RSS %d MB", path, ends, hellos, errs, lines.Err(), grown)
		}
	}
}
