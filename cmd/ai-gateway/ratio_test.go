package main_test

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strconv"
	"testing"
	"time"
)

// benchmarks are the load generator, the mock upstream and the bare proxy, running.
type benchmarks struct {
	dir              string
	mock, bare       string // addresses
	mockPID, barePID int
}

func startBench(t *testing.T) *benchmarks {
	t.Helper()
	b := &benchmarks{dir: t.TempDir(), mock: freeAddr(t), bare: freeAddr(t)}
	build := exec.Command("go", "build", "-o", b.dir+"/", "./mockllm", "./llmload", "./bareproxy")
	build.Dir = shared(t, "bench")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("cannot build the bench: %v\n%s", err, out)
	}
	b.mockPID = b.start(t, "mockllm", "-addr", b.mock)
	b.barePID = b.start(t, "bareproxy", "-addr", b.bare, "-up", b.mock)
	await(t, "http://"+b.mock+"/healthz")
	return b
}

// start runs one of the bench's programs until the test ends, and returns its process.
func (b *benchmarks) start(t *testing.T, name string, args ...string) int {
	t.Helper()
	cmd := exec.Command(filepath.Join(b.dir, name), args...)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return cmd.Process.Pid
}

// gateway starts a gateway before the mock and makes a key for it.
func (b *benchmarks) gateway(t *testing.T, env ...string) (*gateway, string) {
	t.Helper()
	g := serve(t, "", append([]string{"OPENAI_API_KEY=sk-x", "AI_GATEWAY_PROVIDER_OPENAI_BASE_URL=http://" + b.mock + "/v1"}, env...))
	b.connect(t, g)
	return g, g.newKey(`{"name":"bench"}`)
}

// connect makes the mock's models those of accounts, by pattern: of OpenAI's format
// mock-*, of Anthropic's claude-mock-*.
func (b *benchmarks) connect(t *testing.T, g *gateway) {
	t.Helper()
	for _, account := range []string{
		`{"provider":"custom","account_name":"bench","api_key":"sk-bench-key","base_url":"http://` + b.mock + `/v1","models":["mock-*"]}`,
		`{"provider":"anthropic","account_name":"bench-messages","api_key":"sk-bench-key","base_url":"http://` + b.mock + `","models":["claude-mock-*"]}`,
	} {
		if status, body, _ := g.call("POST", "/v1/admin/provider-accounts", g.admin, account); status != 201 {
			t.Fatalf("%d %s", status, body)
		}
	}
}

// guard puts limits and budgets on a key and on all.
func (g *gateway) guard(key string) {
	id := key[len("sk-gw-") : len("sk-gw-")+8]
	g.policy(`{"name":"of-the-key","scope":{"api_key":"` + id + `"},"limits":[` +
		`{"kind":"requests","window":"minute","limit":100000000},{"kind":"tokens","window":"minute","limit":100000000000},` +
		`{"kind":"concurrency","limit":100000},{"kind":"cost_usd","window":"month","limit":1000000}]}`)
	g.policy(`{"name":"of-all","scope":{"global":true},"limits":[{"kind":"requests","window":"day","limit":1000000000},{"kind":"cost_usd","window":"day","limit":1000000}]}`)
}

// A loaded is what the load generator says of one measurement.
type loaded struct {
	OK, Errors                 int64
	RPS                        float64
	CPUPerReqUS, CPUPerChunkUS float64
	Latency, First             struct{ P50, P99, Max float64 } // ms
	RSSBeforeKB, RSSPeakKB     float64
	ForeignCores               float64 // used by others meanwhile
}

// load loads what is at url, of that process, and returns what the generator says of it.
func (b *benchmarks) load(t *testing.T, url, key string, pid int, length string, args ...string) loaded {
	t.Helper()
	args = append([]string{"-json", "-aux", strconv.Itoa(b.mockPID), "-d", length, "-warmup", "1s", "-url", url, "-key", key, "-pid", strconv.Itoa(pid)}, args...)
	out, err := exec.Command(filepath.Join(b.dir, "llmload"), args...).Output()
	var r loaded
	if err != nil || json.Unmarshal(out, &r) != nil {
		t.Fatalf("llmload: %v\n%s", err, out)
	}
	if r.Errors > 0 {
		t.Errorf("%d errors under load: %s", r.Errors, out)
	}
	return r
}

// measure loads a gateway, nil: the bare proxy, and returns the CPU of a request.
func (b *benchmarks) measure(t *testing.T, g *gateway, key, length string, args ...string) float64 {
	t.Helper()
	url, pid := "http://"+b.bare, b.barePID
	if g != nil {
		url, pid = g.url, g.cmd.Process.Pid
	}
	v := b.load(t, url, key, pid, length, args...).CPUPerReqUS
	if v <= 0 {
		t.Fatal("the load generator tells of no CPU")
	}
	return v
}

func median(v []float64) float64 {
	sort.Float64s(v)
	return v[len(v)/2]
}

func await(t testing.TB, url string) {
	t.Helper()
	for range 1000 { // 20 s
		if resp, err := http.Get(url); err == nil {
			_ = resp.Body.Close()
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("%s does not answer", url)
}
