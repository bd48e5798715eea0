package main_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestLoopToItself: an account whose base_url is the gateway itself gets the caller
// a 508 in his own shape, after one round and no more.
func TestLoopToItself(t *testing.T) {
	const own = "an-admin-key-that-is-no-key-of-the-gateways"
	g := serve(t, "", []string{"AI_GATEWAY_ADMIN_KEY=" + own})
	for _, body := range []string{
		`{"provider":"openai","account_name":"mirror","api_key":"` + own + `","base_url":"` + g.url + `/v1","models":["loop-chat"]}`,
		`{"provider":"anthropic","account_name":"mirror-2","api_key":"` + own + `","base_url":"` + g.url + `","models":["loop-msg"]}`,
	} {
		if status, out, _ := g.call("POST", "/v1/admin/provider-accounts", own, body); status != 201 {
			t.Fatalf("%d %s", status, out)
		}
	}
	served := func() string {
		_, out, _ := g.call("GET", "/metrics", "", "")
		return out
	}
	for path, model := range map[string]string{"/v1/chat/completions": "loop-chat", "/v1/messages": "loop-msg"} {
		for _, stream := range []bool{false, true} {
			start := time.Now()
			status, out, _ := g.call("POST", path, own, fmt.Sprintf(`{"model":%q,"stream":%v,"max_tokens":5,"messages":[{"role":"user","content":"x"}]}`, model, stream))
			var e struct {
				Type  string
				Error struct{ Message string }
			}
			if status != 508 || json.Unmarshal([]byte(out), &e) != nil || !strings.Contains(e.Error.Message, "base_url leads back to this gateway") || (path == "/v1/messages") != (e.Type == "error") {
				t.Errorf("%s, stream %v: %d %s", path, stream, status, out)
			}
			if d := time.Since(start); d > 20*time.Second {
				t.Errorf("%s, stream %v: it took %v", path, stream, d)
			}
		}
	}
	_, logs, _ := g.call("GET", "/v1/admin/usage/logs?limit=100", own, "")
	var page struct {
		Data []struct {
			Status   int
			Attempts []json.RawMessage
		}
	}
	if err := json.Unmarshal([]byte(logs), &page); err != nil || len(page.Data) != 4 {
		t.Errorf("%d rows of 4 requests: %s", len(page.Data), logs)
	}
	for _, row := range page.Data {
		if row.Status != 508 || len(row.Attempts) != 1 {
			t.Errorf("row: %+v", row)
		}
	}
	if strings.Contains(served(), "ai_gateway_panics_total 1") {
		t.Error("a panic was contained")
	}
}

// TestMetricNames: /metrics is open to this machine and has the names that are documented.
func TestMetricNames(t *testing.T) {
	g := serve(t, "", nil)
	for _, stream := range []string{"false", "true"} {
		if status, out, _ := g.call("POST", "/v1/chat/completions", g.admin, `{"model":"demo-fast","stream":`+stream+`,"messages":[{"role":"user","content":"x"}]}`); status != 200 {
			t.Fatalf("%d %s", status, out)
		}
	}
	status, out, head := g.call("GET", "/metrics", "", "")
	if status != 200 || !strings.HasPrefix(head.Get("Content-Type"), "text/plain") {
		t.Fatalf("%d %s", status, head.Get("Content-Type"))
	}
	for _, series := range []string{
		`ai_gateway_requests_total{model="other",operation="chat",provider="demo",status="200"} 2`,
		"ai_gateway_request_duration_seconds_count{", "ai_gateway_overhead_seconds_count 2", "ai_gateway_time_to_first_token_seconds_count{",
		`ai_gateway_tokens_total{type="`, "ai_gateway_cost_usd_total ", "ai_gateway_inflight_requests 0", `ai_gateway_attempts_total{outcome="ok"} 2`,
		"ai_gateway_ledger_queue", fmt.Sprintf("ai_gateway_ledger_fsync_seconds_count %v\n", g.counted("ai_gateway_ledger_commits_total")), "ai_gateway_ledger_failures_total 0", "ai_gateway_ledger_entries_total ", "ai_gateway_ledger_commits_total", "ai_gateway_build_info{version=", "ai_gateway_panics_total 0",
	} {
		if !strings.Contains(out, series) {
			t.Errorf("/metrics has no %q", series)
		}
	}
	if n := g.counted("ai_gateway_ledger_entries_total"); n < 2 || n > 4 { // two rows, and the holds of requests that a commit found open
		t.Errorf("%v entries of the log", n)
	}
	if t.Failed() {
		for line := range strings.Lines(out) {
			if strings.HasPrefix(line, "ai_gateway") {
				t.Log(line)
			}
		}
	}
	if strings.Contains(out, "sk-gw-") {
		t.Error("/metrics holds a key")
	}
}

// TestOwnUsageOnly: a plain key sees its own use and nobody else's, and the rows
// keep the caller's request id.
func TestOwnUsageOnly(t *testing.T) {
	g := serve(t, "", nil)
	ask := `{"model":"demo-fast","messages":[{"role":"user","content":"x"}]}`
	one, two := g.newKey(`{"name":"one"}`), g.newKey(`{"name":"two"}`)
	for i, key := range []string{one, two, two, two} {
		if status, out, _ := g.call("POST", "/v1/chat/completions", key, ask, "X-Request-Id", fmt.Sprintf("trace-%d", i)); status != 200 {
			t.Fatalf("%d %s", status, out)
		}
	}
	f := func(key, query string, want int) {
		t.Helper()
		status, out, _ := g.call("GET", "/v1/admin/usage?last=1d"+query, key, "")
		var sums struct{ Total struct{ Requests int } }
		if status != 200 || json.Unmarshal([]byte(out), &sums) != nil || sums.Total.Requests != want {
			t.Errorf("usage%s: %d %s, want %d requests", query, status, out, want)
		}
	}
	f(one, "", 1)
	f(two, "", 3)
	f(g.admin, "", 4)
	status, out, _ := g.call("GET", "/v1/admin/usage?last=1d&group_by=key", one, "")
	if status != 200 || strings.Contains(out, `"two"`) {
		t.Errorf("one sees two: %d %s", status, out)
	}
	for _, path := range []string{"/v1/admin/usage/logs", "/v1/admin/api-keys", "/v1/admin/audit", "/v1/admin/config"} {
		if status, out, _ := g.call("GET", path, one, ""); status != 403 || !strings.Contains(out, "missing_scope") {
			t.Errorf("%s with a plain key: %d %s", path, status, out)
		}
	}
	_, logs, _ := g.call("GET", "/v1/admin/usage/logs", g.admin, "")
	for i := range 4 {
		if !strings.Contains(logs, fmt.Sprintf(`"client_request_id":"trace-%d"`, i)) {
			t.Errorf("the rows do not keep trace-%d: %.600s", i, logs)
		}
	}
}

// slowUpstream streams a word each 100 ms, as many as it is told, and then ends well.
func slowUpstream(t *testing.T, words int) string {
	t.Helper()
	up := startUpstream(t)
	inner := http.HandlerFunc(up.serve)
	return startHandler(t, func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/chat/completions") {
			inner.ServeHTTP(w, r)
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		if !sayWords(w, r, words, 100*time.Millisecond) {
			return
		}
		_, _ = io.WriteString(w, "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"gpt-4\",\"choices\":[],\"usage\":{\"prompt_tokens\":11,\"completion_tokens\":7,\"total_tokens\":18}}\n\ndata: [DONE]\n\n")
	})
}

// streams begins n streams and waits until each has content. The bodies come when they end.
func streams(t *testing.T, g *gateway, key string, n int) (bodies <-chan string, ids []string) {
	t.Helper()
	out := make(chan string, n)
	var begun sync.WaitGroup
	var mu sync.Mutex
	for range n {
		begun.Add(1)
		go func() {
			var once sync.Once
			defer once.Do(begun.Done)
			req, _ := http.NewRequest("POST", g.url+"/v1/chat/completions", strings.NewReader(`{"model":"gpt-4","stream":true,"messages":[{"role":"user","content":"x"}]}`))
			req.Header.Set("Authorization", "Bearer "+key)
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				out <- err.Error()
				return
			}
			defer func() { _ = resp.Body.Close() }()
			mu.Lock()
			ids = append(ids, resp.Header.Get("X-Request-Id"))
			mu.Unlock()
			r := bufio.NewReader(resp.Body)
			line, _ := r.ReadString('\n')
			once.Do(begun.Done)
			rest, _ := io.ReadAll(r)
			out <- line + string(rest)
		}()
	}
	begun.Wait()
	return out, ids
}

// TestDrain: at SIGTERM the gateway is unready but takes requests for the drain
// delay, lets what runs end, writes its rows, and ends with 0.
func TestDrain(t *testing.T) {
	up := slowUpstream(t, 25)
	dir := t.TempDir()
	env := []string{"OPENAI_API_KEY=sk-up", "AI_GATEWAY_PROVIDER_OPENAI_BASE_URL=" + up + "/v1"}
	g := serve(t, dir, env, "--drain-delay", "4s", "--drain-timeout", "20s")
	const n = 30
	bodies, ids := streams(t, g, g.admin, n)
	if err := g.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	unready := false
	for start := time.Now(); time.Since(start) < 3*time.Second; {
		if status, out, _ := g.call("GET", "/readyz", "", ""); status == 503 && strings.Contains(out, "draining") {
			unready = true
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if !unready {
		t.Error("readyz did not turn 503")
	}
	if status, out, _ := g.call("POST", "/v1/chat/completions", g.admin, `{"model":"demo-fast","messages":[{"role":"user","content":"x"}]}`); status != 200 {
		t.Errorf("a request within the drain delay: %d %s", status, out)
	}
	if status, _, _ := g.call("GET", "/livez", "", ""); status != 200 {
		t.Errorf("livez: %d", status)
	}
	for range n {
		if body := <-bodies; strings.Count(body, "word ") != 25 || !strings.HasSuffix(body, "data: [DONE]\n\n") {
			t.Errorf("a stream was cut: …%s", body[max(0, len(body)-300):])
		}
	}
	g.stopped = true
	if err := g.cmd.Wait(); err != nil {
		t.Errorf("exit: %v\n%s", err, g.log)
	}
	if _, err := os.Stat(dir + "/local.json"); !os.IsNotExist(err) {
		t.Errorf("local.json is still there: %v", err)
	}
	rowsOf(t, dir, env, ids, func(id string, status int, end string) bool { return status == 200 && end == "complete" })
}

// TestSecondSignal: a second SIGTERM cuts what still runs, with its rows written.
func TestSecondSignal(t *testing.T) {
	up := slowUpstream(t, 600)
	dir := t.TempDir()
	env := []string{"OPENAI_API_KEY=sk-up", "AI_GATEWAY_PROVIDER_OPENAI_BASE_URL=" + up + "/v1"}
	g := serve(t, dir, env, "--drain-timeout", "40s")
	const n = 10
	bodies, ids := streams(t, g, g.admin, n)
	_ = g.cmd.Process.Signal(syscall.SIGTERM)
	time.Sleep(500 * time.Millisecond)
	select {
	case b := <-bodies:
		t.Fatalf("the first signal cut a stream: %.300s", b)
	default:
	}
	start := time.Now()
	_ = g.cmd.Process.Signal(syscall.SIGTERM)
	for range n {
		body := <-bodies
		if last := body[max(0, len(body)-300):]; strings.Contains(body, "[DONE]") || !strings.Contains(last, "server_shutting_down") {
			t.Errorf("a cut stream ends with %s", last)
		}
	}
	g.stopped = true
	if err := g.cmd.Wait(); err != nil {
		t.Errorf("exit: %v\n%s", err, g.log)
	}
	if d := time.Since(start); d > 5*time.Second {
		t.Errorf("it took %v to end", d)
	}
	rowsOf(t, dir, env, ids, func(id string, status int, end string) bool { return end == "shutdown" && status == 503 })
}

// rowsOf starts the gateway again and requires one row of each id that fits.
func rowsOf(t *testing.T, dir string, env []string, ids []string, fits func(id string, status int, end string) bool) {
	t.Helper()
	g := serve(t, dir, env)
	_, out, _ := g.call("GET", "/v1/admin/usage/logs?limit=1000", g.admin, "")
	var page struct {
		Data []struct {
			RequestID string `json:"request_id"`
			EndReason string `json:"end_reason"`
			Status    int
		}
	}
	if err := json.Unmarshal([]byte(out), &page); err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for _, row := range page.Data {
		count[row.RequestID]++
		for _, id := range ids {
			if row.RequestID == id && !fits(id, row.Status, row.EndReason) {
				t.Errorf("row %+v", row)
			}
		}
	}
	for _, id := range ids {
		if id == "" || count[id] != 1 {
			t.Errorf("request %q has %d rows", id, count[id])
		}
	}
}

// startHandler serves h on loopback and returns its URL.
func startHandler(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return srv.URL
}
