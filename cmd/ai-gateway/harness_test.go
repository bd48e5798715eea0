package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

var (
	buildOnce sync.Once
	binDir    string
	buildErr  error
)

// TestMain removes what the tests built. Tests that mostly wait run beside each other
// (t.Parallel), after all others: those that measure are alone in this package. Four at
// a time fill two processors; -parallel says otherwise.
func TestMain(m *testing.M) {
	if runtime.GOMAXPROCS(0) < 4 {
		_ = flag.Set("test.parallel", "4")
	}
	code := m.Run()
	tellLooked()
	if binDir != "" {
		_ = os.RemoveAll(binDir)
	}
	os.Exit(code)
}

// binary builds ai-gateway once and returns the folder it is in. The binary bears no
// stamp of the checkout: what it says of its version is the same in each.
func binary(t testing.TB) string {
	t.Helper()
	if dir := os.Getenv("AI_GATEWAY_TEST_BINARY"); dir != "" { // the folder of a binary built elsewhere
		return dir
	}
	buildOnce.Do(func() {
		if binDir, buildErr = os.MkdirTemp("", "ai-gateway-bin"); buildErr != nil {
			return
		}
		buildErr = build(binDir + "/")
	})
	if buildErr != nil {
		t.Fatal(buildErr)
	}
	return binDir
}

// build builds the program to out.
func build(out string, flags ...string) error {
	cmd := exec.Command("go", append(append([]string{"build", "-buildvcs=false", "-o", out}, flags...), ".")...)
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %v\n%s", err, text)
	}
	return nil
}

// A gateway is the real binary, serving.
type gateway struct {
	t       testing.TB
	cmd     *exec.Cmd
	dir     string // data
	home    string
	url     string
	admin   string // the first admin key
	env     []string
	log     *syncBuffer
	stopped bool
	secrets canaries
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// serve starts a gateway on a free port. An empty dir is a fresh one.
func serve(t testing.TB, dir string, env []string, args ...string) *gateway {
	t.Helper()
	if dir == "" {
		dir = t.TempDir()
	}
	home := t.TempDir()
	passMidnight()
	env = lengthen(env)
	g := &gateway{t: t, dir: dir, home: home, log: &syncBuffer{}}
	g.env = append([]string{
		"PATH=" + binary(t) + ":" + os.Getenv("PATH"), "HOME=" + home, "XDG_CONFIG_HOME=" + home + "/config", "XDG_DATA_HOME=" + home + "/data", "TZ=UTC", "AI_GATEWAY_DATA_DIR=" + dir, "AI_GATEWAY_DRAIN_DELAY=0s",
		// Most tests script failures one after the other and want to see each.
		"AI_GATEWAY_ROUTING_BREAKER_WINDOW=1ms", "AI_GATEWAY_ROUTING_KEY_PAUSE=1ms",
	}, env...)
	g.cmd = exec.Command(filepath.Join(binary(t), "ai-gateway"), append([]string{"serve", "--listen", "127.0.0.1:0"}, args...)...)
	g.cmd.Env = g.env
	g.cmd.Dir = home
	g.secrets.learnStart(env, args)
	g.cmd.Stderr, g.cmd.Stdout = g.log, g.log
	_ = os.Remove(filepath.Join(dir, "local.json"))
	if err := g.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	g.lookAtDatabaseInTheEnd()
	t.Cleanup(g.stop)
	g.await()
	if b, err := os.ReadFile(filepath.Join(dir, "first-admin-key")); err == nil {
		g.admin = strings.TrimSpace(string(b))
		g.secrets.learn(g.admin, "the first admin key", "first-admin-key")
	}
	return g
}

// passMidnight waits for the next day where this one is about to end, in UTC: what
// gateways count by the day or the month begins anew then, also in the middle of a test.
func passMidnight() {
	now := time.Now().UTC()
	if left := now.Truncate(24 * time.Hour).Add(24 * time.Hour).Sub(now); left < 30*time.Second {
		time.Sleep(left)
	}
}

// durable waits until as many requests are in flight, and all that the ledger took is on disk.
func (g *gateway) durable(inFlight float64) {
	g.t.Helper()
	eventually(g.t, 20*time.Second, func() (bool, string) {
		holds, queue := g.counted("ai_gateway_ledger_open_holds"), g.counted("ai_gateway_ledger_queue")
		return holds == inFlight && queue == 0, fmt.Sprintf("%v holds, %v entries are not on disk", holds, queue)
	})
}

// await waits until the gateway answers.
func (g *gateway) await() {
	g.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for time.Now().Before(deadline) {
		var local struct{ URL, Token string }
		if b, err := os.ReadFile(filepath.Join(g.dir, "local.json")); err == nil && json.Unmarshal(b, &local) == nil && local.URL != "" {
			g.url = local.URL
			g.secrets.learn(local.Token, "the command line on this machine", "local.json")
			if resp, err := http.Get(g.url + "/readyz"); err == nil {
				_ = resp.Body.Close()
				if resp.StatusCode == 200 {
					return
				}
			}
		}
		if g.cmd.ProcessState != nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	g.t.Fatalf("the gateway did not become ready:\n%s", g.log)
}

// stop ends it with SIGTERM and fails the test if it does not end well.
func (g *gateway) stop() {
	if g.stopped {
		return
	}
	g.stopped = true
	g.lookAtPages()
	defer g.lookAtRest()
	_ = g.cmd.Process.Signal(syscall.SIGTERM)
	done := make(chan error, 1)
	go func() { done <- g.cmd.Wait() }()
	select {
	case err := <-done:
		if err != nil {
			g.t.Errorf("the gateway ended with %v:\n%s", err, g.log)
		}
	case <-time.After(45 * time.Second):
		_ = g.cmd.Process.Kill()
		g.t.Errorf("the gateway did not end within 45 s of SIGTERM:\n%s", g.log)
	}
}

// kill ends it with SIGKILL.
func (g *gateway) kill() {
	g.stopped = true
	_ = g.cmd.Process.Kill()
	_ = g.cmd.Wait()
	g.lookAtRest()
}

// run runs a shell script with the gateway's binary on the PATH.
func (g *gateway) run(script string, env ...string) (string, error) {
	return g.runIn("bash", script, env...)
}

// runIn runs a script in bash or zsh; the first failure ends it.
func (g *gateway) runIn(shell, script string, env ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, shell, "-euo", "pipefail", "-c", script)
	cmd.Env = append(append([]string{}, g.env...), env...)
	cmd.Dir = g.home
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// call does one HTTP request and returns status and body.
func (g *gateway) call(method, path, key, body string, header ...string) (int, string, http.Header) {
	g.t.Helper()
	req, err := http.NewRequest(method, g.url+path, strings.NewReader(body))
	if err != nil {
		g.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		g.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		g.t.Fatalf("%s %s: %v", method, path, err)
	}
	g.answered(method, path, body, resp, b)
	return resp.StatusCode, string(b), resp.Header
}

// newKey makes an API key through the admin API.
func (g *gateway) newKey(body string) string {
	g.t.Helper()
	status, out, _ := g.call("POST", "/v1/admin/api-keys", g.admin, body)
	var made struct{ Key string }
	if status != 201 || json.Unmarshal([]byte(out), &made) != nil || made.Key == "" {
		g.t.Fatalf("cannot create a key: %d %s", status, out)
	}
	return made.Key
}

// An upstream is a provider of our own: it speaks OpenAI's and Anthropic's
// formats and keeps what it was sent.
type upstream struct {
	url string
	mu  sync.Mutex
	got []received
}

type received struct {
	path, body string
	header     http.Header
}

func (u *upstream) last() received {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.got) == 0 {
		return received{}
	}
	return u.got[len(u.got)-1]
}

func (u *upstream) count() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.got)
}

func startUpstream(t testing.TB) *upstream {
	t.Helper()
	u := &upstream{}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(u.serve)}
	go func() { _ = srv.Serve(ln) }()
	t.Cleanup(func() { _ = srv.Close() })
	u.url = "http://" + ln.Addr().String()
	return u
}

func (u *upstream) serve(w http.ResponseWriter, r *http.Request) {
	b, _ := io.ReadAll(r.Body)
	if r.Method == "POST" {
		u.mu.Lock()
		u.got = append(u.got, received{r.URL.Path, string(b), r.Header.Clone()})
		u.mu.Unlock()
	}
	var req struct {
		Model  string
		Stream bool
	}
	_ = json.Unmarshal(b, &req)
	w.Header().Set("Content-Type", "application/json")
	switch {
	case strings.HasSuffix(r.URL.Path, "/chat/completions") && req.Stream:
		w.Header().Set("Content-Type", "text/event-stream")
		for _, piece := range []string{`"delta":{"role":"assistant","content":""}`, `"delta":{"content":"Hello "}`, `"delta":{"content":"there."}`, `"delta":{},"finish_reason":"stop"`} {
			fmt.Fprintf(w, "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":%q,\"choices\":[{\"index\":0,%s}]}\n\n", req.Model, piece)
			w.(http.Flusher).Flush()
		}
		fmt.Fprintf(w, "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":%q,\"choices\":[],\"usage\":{\"prompt_tokens\":11,\"completion_tokens\":7,\"total_tokens\":18}}\n\ndata: [DONE]\n\n", req.Model)
	case strings.HasSuffix(r.URL.Path, "/chat/completions"):
		fmt.Fprintf(w, `{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":%q,"choices":[{"index":0,"message":{"role":"assistant","content":"Hello there."},"finish_reason":"stop"}],"usage":{"prompt_tokens":11,"completion_tokens":7,"total_tokens":18}}`, req.Model)
	case strings.HasSuffix(r.URL.Path, "/messages"):
		fmt.Fprintf(w, `{"id":"msg_1","type":"message","role":"assistant","model":%q,"content":[{"type":"text","text":"Hello from Claude."}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":9,"output_tokens":5}}`, req.Model)
	case strings.HasSuffix(r.URL.Path, "/embeddings"):
		fmt.Fprintf(w, `{"object":"list","model":%q,"data":[{"object":"embedding","index":0,"embedding":[0.1,0.2]}],"usage":{"prompt_tokens":3,"total_tokens":3}}`, req.Model)
	case strings.HasSuffix(r.URL.Path, "/models"):
		_, _ = io.WriteString(w, `{"object":"list","data":[{"id":"gpt-4","object":"model","created":1,"owned_by":"openai"}]}`)
	default:
		w.WriteHeader(404)
		_, _ = io.WriteString(w, `{"error":{"message":"no such path","type":"invalid_request_error","param":null,"code":null}}`)
	}
}

// shared returns a folder of the test data; the test skips where there is none.
func shared(t testing.TB, sub string) string {
	t.Helper()
	dir := os.Getenv("AI_GATEWAY_SHARED")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared")
	}
	dir, _ = filepath.Abs(filepath.Join(dir, sub))
	if _, err := os.Stat(dir); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("the shared test data is missing: %v", err)
		}
		t.Skipf("SKIPPED: the shared test data is missing: %v", err)
	}
	return dir
}

// tool returns the value of an environment variable that names a tool's place.
func tool(t testing.TB, name, what string) string {
	t.Helper()
	v := os.Getenv(name)
	if v == "" {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is not set: it names %s", name, what)
		}
		t.Skipf("SKIPPED: %s is not set: it names %s (.ci/run installs it)", name, what)
	}
	return v
}

// freeAddr returns an address of this machine on which nobody listens and which
// nobody is given: its port is below those that a kernel hands out by itself, so
// that between here and its use no other test's server or connection can get it.
func freeAddr(t testing.TB) string {
	t.Helper()
	for range 100 {
		addr := fmt.Sprintf("127.0.0.1:%d", 10_000+rand.IntN(20_000))
		if ln, err := net.Listen("tcp", addr); err == nil {
			_ = ln.Close()
			return addr
		}
	}
	t.Fatal("no port is free")
	return ""
}

// asks sends a chat of 11 tokens in and 7 out, and returns status and body.
func (g *gateway) asks(key, model string) (int, string) {
	g.t.Helper()
	status, out, _ := g.call("POST", "/v1/chat/completions", key, fmt.Sprintf(`{"model":%q,"max_tokens":7,"messages":[{"role":"user","content":"hi"}]}`, model))
	return status, out
}

// eventually waits until what is true, and fails with its words if it does not become so.
func eventually(t testing.TB, within time.Duration, what func() (bool, string)) {
	t.Helper()
	var why string
	for until := time.Now().Add(within); time.Now().Before(until); time.Sleep(20 * time.Millisecond) {
		var ok bool
		if ok, why = what(); ok {
			return
		}
	}
	t.Fatalf("not within %v: %s", within, why)
}
