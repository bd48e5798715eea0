package main_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/your-org/ai-api-gateway/server/api"
)

var updateScreens = flag.Bool("update-screens", false, "write the golden screens of the terminal interface anew")

// A screen is the real program in a real terminal (tmux).
type screen struct {
	t      *testing.T
	g      *gateway
	socket string
}

// openTUI starts `ai-gateway tui` in a terminal of w by h cells.
func openTUI(t *testing.T, g *gateway, w, h int, args string) *screen {
	t.Helper()
	if _, err := exec.LookPath("tmux"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("tmux is missing: apt-get install tmux")
		}
		t.Skip("tmux is missing: apt-get install tmux")
	}
	s := &screen{t: t, g: g, socket: filepath.Join(t.TempDir(), "tmux")}
	t.Cleanup(func() { _, _ = s.tmux("kill-server") })
	if out, err := s.tmux("-f", "/dev/null", "new-session", "-d", "-x", fmt.Sprint(w), "-y", fmt.Sprint(h), "ai-gateway tui "+args+"; sleep 60"); err != nil {
		t.Fatalf("tmux: %v\n%s", err, out)
	}
	_, _ = s.tmux("set", "-g", "set-clipboard", "on")
	return s
}

func (s *screen) tmux(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c := exec.CommandContext(ctx, "tmux", append([]string{"-u", "-S", s.socket}, args...)...)
	c.Env = append(append([]string{}, s.g.env...), "TERM=xterm-256color", "LC_ALL=C.UTF-8", "AI_GATEWAY_API_KEY="+s.g.admin, "AI_GATEWAY_BASE_URL="+s.g.url)
	out, err := c.CombinedOutput()
	return string(out), err
}

// keys presses keys, by tmux's names; text is typed as it stands.
func (s *screen) keys(names ...string) {
	s.t.Helper()
	for _, n := range names {
		if out, err := s.tmux("send-keys", n); err != nil {
			s.t.Fatalf("send-keys %s: %v\n%s", n, err, out)
		}
	}
}

func (s *screen) text() string {
	out, err := s.tmux("capture-pane", "-p")
	if err != nil {
		s.t.Fatalf("capture-pane: %v\n%s", err, out)
	}
	return out
}

// await waits until the screen shows all of want, and returns it.
func (s *screen) await(want ...string) string {
	s.t.Helper()
	last := ""
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		last = s.text()
		all := true
		for _, w := range want {
			all = all && strings.Contains(last, w)
		}
		if all {
			return last
		}
	}
	s.t.Fatalf("the screen does not show %q:\n%s", want, last)
	return ""
}

// volatile is what differs from run to run on a screen, and what stands for it.
var volatile = []struct {
	is *regexp.Regexp
	as string
}{
	{regexp.MustCompile(`/(tmp|var|private)/.*`), "PATH"},
	{regexp.MustCompile(`…?127\.0\.0\.1:\d+`), "HOST"},
	{regexp.MustCompile(`sk-gw-[a-z0-9]+`), "sk-gw-KEY"},
	{regexp.MustCompile(`\b([0-9A-HJKMNP-TV-Z]{26}|[0-9A-HJKMNP-TV-Z]{8})\b`), "ID"},
	{regexp.MustCompile(`\d+d\d+h|(\d+h)?(\d+m)?\d+s\b`), "#"},
	{regexp.MustCompile(`\d[\d.,:]*[kM]?( ?ms| s\b|%)?`), "#"},
	{regexp.MustCompile(`[▁▂▃▄▅▆▇█▌▍▎▏▊▋▉·]+`), "▇"},
	{regexp.MustCompile(`[▲▼]#`), "▲#"},
	{regexp.MustCompile(`\bnow\b|# min ago|刚刚|# 分钟前`), "AGO"},
	{regexp.MustCompile(` +`), " "},
}

func masked(screen string) string {
	var out []string
	for i, l := range strings.Split(screen, "\n") {
		if i == 0 { // of the head, the figures decide what has room
			l = l[max(0, strings.LastIndexAny(l, "●✗○")):]
		}
		for _, v := range volatile {
			l = v.is.ReplaceAllString(l, v.as)
		}
		if l = strings.TrimSpace(l); l == "▇" || l == "" {
			continue // the rows of a chart
		}
		out = append(out, l)
	}
	return strings.Join(out, "\n")
}

// golden compares the screen with the one that is kept: its words, order and signs,
// not its figures.
func (s *screen) golden(name string) {
	s.t.Helper()
	file := filepath.Join("testdata", "tui", name+".txt")
	if *updateScreens {
		time.Sleep(1500 * time.Millisecond)
		_ = os.MkdirAll(filepath.Dir(file), 0o755)
		if err := os.WriteFile(file, []byte(s.text()), 0o644); err != nil {
			s.t.Fatal(err)
		}
		return
	}
	b, err := os.ReadFile(file)
	if err != nil {
		s.t.Fatalf("%v: go test ./cmd/ai-gateway -run TestTUIScreens -update-screens", err)
	}
	want, last := masked(string(b)), ""
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		last = s.text()
		if masked(last) == want {
			return
		}
	}
	s.t.Errorf("%s is not as it is kept (-update-screens writes it anew):\n%s\nthe screen:\n%s", name, differing(want, masked(last)), last)
}

// differing lists the lines of two screens that are not the same.
func differing(want, got string) string {
	a, b := strings.Split(want, "\n"), strings.Split(got, "\n")
	var out []string
	for i := range max(len(a), len(b)) {
		x, y := "", ""
		if i < len(a) {
			x = a[i]
		}
		if i < len(b) {
			y = b[i]
		}
		if x != y {
			out = append(out, "kept: "+x, "is:   "+y)
		}
	}
	return strings.Join(out, "\n")
}

// tuiGateway is a gateway with accounts, keys, a budget, an alias, requests of all
// kinds, and a slow upstream. stopped tells when the upstream saw a caller go.
func tuiGateway(t *testing.T) (g *gateway, stopped chan time.Time) {
	stopped = make(chan time.Time, 16)
	up := startHandler(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if strings.Contains(string(body), `"stream":true`) {
			if !sayWords(w, r, 6000, 50*time.Millisecond) {
				stopped <- time.Now()
			}
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if strings.Contains(string(body), "break") {
			w.WriteHeader(500)
			_, _ = io.WriteString(w, `{"error":{"message":"the model is overloaded","type":"server_error"}}`)
			return
		}
		_, _ = io.WriteString(w, `{"id":"x","object":"chat.completion","created":1,"model":"gpt-4o","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1200,"completion_tokens":340,"total_tokens":1540}}`)
	})
	g = serve(t, "", []string{"AI_GATEWAY_ADMIN_KEY=" + lifecycleKey, "OPENAI_API_KEY=sk-x", "AI_GATEWAY_PROVIDER_OPENAI_BASE_URL=" + up + "/v1"})
	g.admin = lifecycleKey
	app := g.newKey(`{"name":"app"}`)
	g.newKey(`{"name":"研发","group":"team","models":["gpt-4o*"]}`)
	post := func(path, body string) {
		t.Helper()
		if status, out, _ := g.call("POST", path, lifecycleKey, body); status >= 300 {
			t.Fatalf("%s: %d %s", path, status, out)
		}
	}
	post("/v1/admin/model-mappings", `{"alias":"fast","targets":[{"provider":"demo","model":"demo-fast"}]}`)
	var keys api.KeysReply
	_, out, _ := g.call("GET", "/v1/admin/api-keys", lifecycleKey, "")
	if err := json.Unmarshal([]byte(out), &keys); err != nil {
		t.Fatal(err)
	}
	for _, k := range keys.Data {
		if k.Name == "app" {
			post("/v1/admin/quota-policies", `{"name":"app","scope":{"api_key":"`+k.ID+`"},"limits":[{"kind":"cost_usd","limit":0.1,"window":"month"}]}`)
		}
	}
	for _, model := range strings.Fields("gpt-4o fast demo-fast gpt-4o gpt-4o break demo-cut fast demo-fast demo-fast demo-fast gpt-4o") {
		text := "hi"
		if model == "break" {
			model, text = "gpt-4o", "break"
		}
		g.call("POST", "/v1/chat/completions", app, `{"model":"`+model+`","messages":[{"role":"user","content":"`+text+`"}]}`)
	}
	return g, stopped
}

// hold keeps n streams in flight until the test ends.
func hold(t *testing.T, g *gateway, n int) {
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	for range n {
		go func() {
			req, _ := http.NewRequestWithContext(ctx, "POST", g.url+"/v1/chat/completions", strings.NewReader(`{"model":"gpt-4o","stream":true,"messages":[{"role":"user","content":"hi"}]}`))
			req.Header.Set("Authorization", "Bearer "+lifecycleKey)
			if resp, err := http.DefaultClient.Do(req); err == nil {
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
			}
		}()
	}
}

// demoLoad asks the demo upstream, ten times a second, until the test ends.
func demoLoad(t *testing.T, g *gateway) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	t.Cleanup(func() { cancel(); <-ended })
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			req, _ := http.NewRequestWithContext(ctx, "POST", g.url+"/v1/chat/completions", strings.NewReader(`{"model":"demo-fast","messages":[{"role":"user","content":"hi"}]}`))
			req.Header.Set("Authorization", "Bearer "+lifecycleKey)
			if resp, err := http.DefaultClient.Do(req); err == nil {
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
			}
			time.Sleep(100 * time.Millisecond)
		}
	}()
}

// TestTUIScreens: every page, in a real terminal of two sizes and in both languages,
// while the gateway is under load, is as it is kept in testdata/tui.
func TestTUIScreens(t *testing.T) {
	for _, size := range [][2]int{{80, 24}, {160, 45}} {
		for _, lang := range []struct{ flag, name, live string }{{"en", "en", "live"}, {"zh", "zh-CN", "在线"}} {
			t.Run(fmt.Sprintf("%dx%d-%s", size[0], size[1], lang.name), func(t *testing.T) {
				g, _ := tuiGateway(t)
				hold(t, g, 2)
				demoLoad(t, g)
				name := func(page string) string { return fmt.Sprintf("%s-%dx%d-%s", page, size[0], size[1], lang.name) }
				s := openTUI(t, g, size[0], size[1], "--lang "+lang.flag)
				s.await("● "+lang.live, "demo-fast")
				s.keys("/", "model:gpt*", "Enter")
				s.golden(name("live"))
				s.keys("j", "j", "j", "Enter")
				s.golden(name("detail"))
				s.keys("Escape")
				time.Sleep(200 * time.Millisecond) // a terminal's Escape is known only by what does not follow
				for i, page := range []string{"usage", "providers", "keys"} {
					s.keys(fmt.Sprint(i + 2))
					s.golden(name(page))
				}
				s.keys("6", "/", "demo-e", "Enter")
				s.golden(name("models"))
				s.keys("7")
				s.golden(name("health"))
				s.keys("1", "hello 你好", "Enter")
				s.await("tok/s")
				s.golden(name("chat"))
				s.keys("Escape")
				time.Sleep(200 * time.Millisecond)
				s.keys("?")
				s.golden(name("help"))
				s.keys("C-c")
			})
		}
	}
}

// cancelledAt is when the gateway was asked to cancel a request, by its audit log.
func cancelledAt(t *testing.T, g *gateway, id string) (at time.Time) {
	t.Helper()
	eventually(t, 10*time.Second, func() (bool, string) {
		_, out, _ := g.call("GET", "/v1/admin/audit?limit=50", lifecycleKey, "")
		var log api.AuditReply
		if err := json.Unmarshal([]byte(out), &log); err != nil {
			return false, err.Error()
		}
		for _, e := range log.Data {
			if e.Action == "request.cancel" && e.Object == id {
				at = e.Time
				return true, ""
			}
		}
		return false, out
	})
	return at
}

// TestTUICancel: a request cancelled on Live stops its upstream within a second and
// has its row; ids are copied to the terminal's clipboard; a terminal made too small
// says so and goes on when it is large again; a gateway that goes away and comes
// back is told of.
func TestTUICancel(t *testing.T) {
	g, stopped := tuiGateway(t)
	hold(t, g, 1)
	s := openTUI(t, g, 80, 24, "")
	s.await("● live", "answering")
	s.keys("/", "phase:answering", "Enter")
	s.await("1 shown")
	s.keys("y")
	s.await("Copied: ")
	id := ""
	for range 200 {
		if out, err := s.tmux("show-buffer"); err == nil && len(out) == 26 {
			id = out
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	if id == "" {
		t.Error("the id is not on the terminal's clipboard")
	}
	s.keys("X")
	s.await("Its upstream stops at once")
	pressed := time.Now()
	s.keys("y")
	var at time.Time
	select {
	case at = <-stopped:
	case <-time.After(20 * time.Second):
		t.Fatal("the upstream was not stopped:\n" + s.text())
	}
	if asked := cancelledAt(t, g, id); at.Sub(asked) > time.Second || at.Sub(pressed) > 5*time.Second { // between key and gateway the terminal's programs wait for their turn
		t.Errorf("the upstream was stopped %v after the gateway was asked to, %v after the key", at.Sub(asked), at.Sub(pressed))
	} else {
		t.Logf("the upstream was stopped %v after the gateway was asked to, %v after the key", at.Sub(asked), at.Sub(pressed))
	}
	s.await("Cancelled")
	s.keys("Escape")
	s.await("cancelled")
	var row api.LogReply
	status, out, _ := g.call("GET", "/v1/admin/usage/logs/"+id, lifecycleKey, "")
	if err := json.Unmarshal([]byte(out), &row); err != nil || status != 200 || row.EndReason != "cancelled" || row.CompletionTokens == 0 || row.CostUSD == 0 {
		t.Errorf("the row: %d %s", status, out)
	}

	_, _ = s.tmux("resize-window", "-x", "20", "-y", "5")
	s.await("enlarge")
	s.keys("1", "x", "Enter", "?", ":", "Tab")
	_, _ = s.tmux("resize-window", "-x", "80", "-y", "24")
	s.await("5 Live", "in flight")

	g.stop()
	s.await("reconnecting", "ai-gateway serve")
	back := serve(t, g.dir, []string{"AI_GATEWAY_ADMIN_KEY=" + lifecycleKey, "OPENAI_API_KEY=sk-x"}, "--listen", strings.TrimPrefix(g.url, "http://"))
	_ = back
	s.await("● live", "Connected again")
	s.keys("q")
}
