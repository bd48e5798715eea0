package main_test

import (
	"encoding/json"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strconv"
	"testing"
	"time"
)

// The CPU a request may cost, as a ratio to a proxy with nothing on, measured in
// the same run. CI fails above twice the recorded figure, since machines are
// shared; the goals are printed beside what was measured.
var ratioGoals = []struct {
	name     string
	goal     float64 // what this stage promises
	recorded float64 // what was measured last (docs/performance.md)
	args     []string
	field    string
}{
	{"1 KB, closed, 64 connections", 1.8, 3.1, []string{"-mode", "closed", "-c", "64", "-model", "mock-b1024", "-prompt", "600"}, "CPUPerReqUS"},
	{"10 KB in and out, closed, 64", 1.8, 1.9, []string{"-mode", "closed", "-c", "64", "-model", "mock-b10240", "-prompt", "10240"}, "CPUPerReqUS"},
	{"per chunk, 200 streams", 1.3, 1.4, []string{"-mode", "stream", "-c", "200", "-model", "mock-n100-d20", "-chunks", "100"}, "CPUPerChunkUS"},
}

// TestCPURatio measures the gateway's CPU per request and per chunk, with key
// authentication and the durable ledger on, against the bare proxy.
func TestCPURatio(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute")
	}
	b := startBench(t)
	g, key := b.gateway(t)
	rounds, length := 3, "4s"
	if os.Getenv("AI_GATEWAY_LONG") != "" {
		rounds, length = 5, "10s"
	}
	for _, row := range ratioGoals {
		var ratios, ours, floor []float64
		for range rounds {
			least := b.measure(t, nil, "", row.field, length, row.args...)
			own := b.measure(t, g, key, row.field, length, row.args...)
			ratios, ours, floor = append(ratios, own/least), append(ours, own), append(floor, least)
		}
		got := median(ratios)
		t.Logf("%-30s gateway %6.1f µs, bare proxy %6.1f µs, ratio %.2f (goal %.1f)", row.name, median(ours), median(floor), got, row.goal)
		if got > 2*row.recorded {
			t.Errorf("%s: ratio %.2f is more than twice the recorded %.2f", row.name, got, row.recorded)
		}
	}
}

// A bench is the load generator, the mock upstream and the bare proxy, running.
type bench struct {
	dir              string
	mock, bare       string // addresses
	mockPID, barePID int
}

func startBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{dir: t.TempDir(), mock: freeAddr(t), bare: freeAddr(t)}
	build := exec.Command("go", "build", "-o", b.dir+"/", "./mockllm", "./llmload", "./bareproxy")
	build.Dir = shared(t, "bench")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("cannot build the bench: %v\n%s", err, out)
	}
	start := func(name string, args ...string) int {
		cmd := exec.Command(filepath.Join(b.dir, name), args...)
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
		return cmd.Process.Pid
	}
	b.mockPID = start("mockllm", "-addr", b.mock)
	b.barePID = start("bareproxy", "-addr", b.bare, "-up", b.mock)
	await(t, "http://"+b.mock+"/healthz")
	return b
}

// gateway starts a gateway before the mock and makes a key for it.
func (b *bench) gateway(t *testing.T, env ...string) (*gateway, string) {
	t.Helper()
	g := serve(t, "", append([]string{"OPENAI_API_KEY=sk-x", "AI_GATEWAY_PROVIDER_OPENAI_BASE_URL=http://" + b.mock + "/v1"}, env...))
	// the mock's models are the account's, by pattern
	if status, body, _ := g.call("POST", "/v1/admin/provider-accounts", g.admin, `{"provider":"custom","account_name":"bench","api_key":"sk-bench-key","base_url":"http://`+b.mock+`/v1","models":["mock-*"]}`); status != 201 {
		t.Fatalf("%d %s", status, body)
	}
	return g, g.newKey(`{"name":"bench"}`)
}

// measure loads a gateway, nil: the bare proxy, and returns a figure of the load generator.
func (b *bench) measure(t *testing.T, g *gateway, key, field, length string, args ...string) float64 {
	t.Helper()
	args = append([]string{"-json", "-aux", strconv.Itoa(b.mockPID), "-d", length, "-warmup", "1s"}, args...)
	if g == nil {
		args = append(args, "-url", "http://"+b.bare, "-pid", strconv.Itoa(b.barePID))
	} else {
		args = append(args, "-url", g.url, "-key", key, "-pid", strconv.Itoa(g.cmd.Process.Pid))
	}
	out, err := exec.Command(filepath.Join(b.dir, "llmload"), args...).Output()
	if err != nil {
		t.Fatalf("llmload: %v\n%s", err, out)
	}
	var all map[string]any
	if err := json.Unmarshal(out, &all); err != nil {
		t.Fatalf("llmload: %v\n%s", err, out)
	}
	if n, _ := all["Errors"].(float64); n > 0 {
		t.Errorf("%v errors under load: %s", n, out)
	}
	v, ok := all[field].(float64)
	if !ok || v <= 0 {
		t.Fatalf("llmload says no %s: %s", field, out)
	}
	return v
}

func median(v []float64) float64 {
	sort.Float64s(v)
	return v[len(v)/2]
}

func freeAddr(t testing.TB) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	return ln.Addr().String()
}

func await(t testing.TB, url string) {
	t.Helper()
	for range 200 {
		if resp, err := http.Get(url); err == nil {
			_ = resp.Body.Close()
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("%s does not answer", url)
}
