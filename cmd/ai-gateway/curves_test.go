package main_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/your-org/ai-api-gateway/cmd/bench"
	"github.com/your-org/ai-api-gateway/store/bolt"
	"github.com/your-org/ai-api-gateway/store/storetest"
)

// curveLoad has every answer of a curve's point measured alike.
func curveLoad(length time.Duration, bytes int) bench.Load {
	return bench.Load{Model: fmt.Sprintf("mock-b%d", bytes), Connections: 64, Body: bytes, For: length}
}

// TestCurves: what a request costs over cores, over the size of its body and over the
// rows that the store holds grows nowhere faster than they do. The long form
// (AI_GATEWAY_LONG=1) has ten million rows; AI_GATEWAY_TEST_ROWS_DIR names a data
// directory that holds them already.
func TestCurves(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute")
	}
	length, rounds, rows := 2*time.Second, 1, []int{0, 50_000}
	if os.Getenv("AI_GATEWAY_LONG") != "" {
		length, rounds, rows = 10*time.Second, 3, []int{0, 1_000_000, 10_000_000}
	}
	b := startBench(t)
	t.Logf("%d rounds of %v, medians; load of the machine %s", rounds, length, machineLoad())
	cores(t, b, length, rounds)
	bodies(t, b, length, rounds)
	storedRows(t, b, length, rounds, rows)
}

// cores measures with one and with two processors in use.
func cores(t *testing.T, b *benchmarks, length time.Duration, rounds int) {
	t.Helper()
	var cpu, served [2][]float64
	for n := range 2 {
		g, key := b.gateway(t, fmt.Sprint("GOMAXPROCS=", n+1))
		g.guard(key)
		for range rounds {
			l := curveLoad(length, 1024)
			l.Key = key
			r := underLoad(t, g, l)
			cpu[n], served[n] = append(cpu[n], *r.CPU), append(served[n], r.PerSecond)
		}
		g.stop()
		t.Logf("| GOMAXPROCS=%d | %.0f µs a request | %.0f requests a second |", n+1, median(cpu[n]), median(served[n]))
	}
	if one, two := median(cpu[0]), median(cpu[1]); two > 2*one {
		t.Errorf("a request costs %.0f µs on one processor and %.0f on two", one, two)
	}
}

// bodies measures requests and answers of 1 KB to 1 MB.
func bodies(t *testing.T, b *benchmarks, length time.Duration, rounds int) {
	t.Helper()
	g, key := b.gateway(t)
	g.guard(key)
	before := 0.0
	for _, kb := range []int{1, 10, 100, 1000} {
		var cpu, served []float64
		for range rounds {
			l := curveLoad(length, kb<<10)
			l.Key, l.Connections = key, 16
			r := underLoad(t, g, l)
			cpu, served = append(cpu, *r.CPU), append(served, r.PerSecond)
		}
		c := median(cpu)
		t.Logf("| %d KB in and out | %.0f µs a request | %.2f µs a KB | %.0f requests a second |", kb, c, c/float64(kb), median(served))
		if before > 0 && c > 10*before*1.5 { // half as much again for the noise of others
			t.Errorf("%d KB cost %.0f µs, a tenth of them %.0f", kb, c, before)
		}
		before = c
	}
	g.stop()
}

// storedRows measures over stores that hold rows already.
func storedRows(t *testing.T, b *benchmarks, length time.Duration, rounds int, counts []int) {
	t.Helper()
	first := 0.0
	for _, n := range counts {
		dir := t.TempDir()
		switch {
		case n == slices.Max(counts) && os.Getenv("AI_GATEWAY_LONG") != "":
			dir = manyRows(t, n)
		case n > 0:
			s, err := bolt.Open(context.Background(), dir, bolt.Options{})
			if err != nil {
				t.Fatal(err)
			}
			storetest.Fill(t, s, n, time.Now().UTC().Truncate(time.Minute))
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
		g := serve(t, dir, []string{"AI_GATEWAY_ADMIN_KEY=" + lifecycleKey})
		g.admin = lifecycleKey
		b.connectOnce(t, g)
		key := g.newKey(`{"name":"bench"}`)
		var cpu, served []float64
		for range rounds {
			l := curveLoad(length, 1024)
			l.Key = key
			r := underLoad(t, g, l)
			cpu, served = append(cpu, *r.CPU), append(served, r.PerSecond)
		}
		g.stop()
		c := median(cpu)
		if first == 0 {
			first = c
		}
		t.Logf("| %d rows stored | %.0f µs a request | %.0f requests a second |", n, c, median(served))
		if c > 2*first {
			t.Errorf("with %d rows a request costs %.0f µs, with none %.0f", n, c, first)
		}
	}
}

// connectOnce is connect for a folder that may have been connected before, to another mock.
func (b *benchmarks) connectOnce(t *testing.T, g *gateway) {
	t.Helper()
	if status, _, _ := g.call("GET", "/v1/admin/provider-accounts/bench", g.admin, ""); status != 200 {
		b.connect(t, g)
		return
	}
	if status, out, _ := g.call("PATCH", "/v1/admin/provider-accounts/bench", g.admin, `{"base_url":"http://`+b.mock+`/v1"}`); status != 200 {
		t.Fatal(status, out)
	}
}

// watched are what the pages of the admin ask for.
var watched = []string{"/v1/admin/overview?last=24h", "/v1/admin/usage/logs?limit=50", "/v1/admin/provider-accounts", "/v1/admin/api-keys?limit=100&limits=true", "/v1/admin/status", "/v1/admin/usage?last=24h&group_by=model"}

// watchEvery is how often an open page asks again.
const watchEvery = 5 * time.Second

// TestWatchedLoad measures, at 1,000 requests a second, what three live feeds and
// three open admin pages make the gateway take more, in interleaved pairs, five of ten
// seconds in the long form (AI_GATEWAY_LONG=1).
func TestWatchedLoad(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	pairs, length := 2, 3*time.Second
	if os.Getenv("AI_GATEWAY_LONG") != "" {
		pairs, length = 5, 10*time.Second
	}
	b := startBench(t)
	g, key := b.gateway(t)
	g.guard(key)
	load := bench.Load{Key: key, Model: "mock-b1024", Connections: 256, Rate: 1000, Body: 600, For: length}
	var ratios, with, without, p99With, p99Without []float64
	for range pairs {
		alone := underLoad(t, g, load)
		stop := g.watchAll(t)
		seen := underLoad(t, g, load)
		calls, events := stop()
		if calls < 3*len(watched) || events < 1000 {
			t.Errorf("%d calls were answered and %d events came", calls, events)
		}
		with, without, ratios = append(with, *seen.CPU), append(without, *alone.CPU), append(ratios, *seen.CPU / *alone.CPU)
		p99With, p99Without = append(p99With, seen.Latency.P99), append(p99Without, alone.Latency.P99)
	}
	t.Logf("| 1,000 a second, medians of %d pairs, load %s | alone | three live feeds and three pages |", pairs, machineLoad())
	t.Logf("| CPU a request | %.0f µs | %.0f µs, ratio %.2f |", median(without), median(with), median(ratios))
	t.Logf("| p99 | %.2f ms | %.2f ms |", median(p99Without), median(p99With))
	if median(ratios) > 2 {
		t.Errorf("a request costs %.2f times as much while others watch", median(ratios))
	}
}

// watchAll opens three live feeds and asks as three open pages do, until stop is called,
// which tells of the calls answered and of the events that came.
func (g *gateway) watchAll(t *testing.T) (stop func() (calls, events int)) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var mu sync.Mutex
	var all sync.WaitGroup
	calls, events := 0, 0
	get := func(path string) (*http.Response, error) {
		req, err := http.NewRequestWithContext(ctx, "GET", g.url+path, nil)
		if err != nil {
			return nil, err
		}
		req.Header.Set("Authorization", "Bearer "+g.admin)
		return http.DefaultClient.Do(req)
	}
	for range 3 {
		all.Go(func() {
			resp, err := get("/v1/admin/requests/live")
			if err != nil {
				return
			}
			defer func() { _ = resp.Body.Close() }()
			buf := make([]byte, 64<<10)
			for {
				n, err := resp.Body.Read(buf)
				mu.Lock()
				events += strings.Count(string(buf[:n]), "data: ")
				mu.Unlock()
				if err != nil {
					return
				}
			}
		})
		all.Go(func() {
			for ctx.Err() == nil {
				for _, path := range watched {
					resp, err := get(path)
					if err != nil {
						return
					}
					_, _ = io.Copy(io.Discard, resp.Body)
					_ = resp.Body.Close()
					if resp.StatusCode == 200 {
						mu.Lock()
						calls++
						mu.Unlock()
					}
				}
				select {
				case <-ctx.Done():
				case <-time.After(watchEvery):
				}
			}
		})
	}
	return func() (int, int) {
		cancel()
		all.Wait()
		return calls, events
	}
}
