package main_test

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestNotifications: what somebody should look at reaches the webhook once; its address
// is shown nowhere; addresses inside the machine's network service and redirects are
// not gone to; a reload changes whom is told.
func TestNotifications(t *testing.T) {
	const secret = "hook-secret-7d1f"
	var mu sync.Mutex
	var told []string
	hook := startHandler(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		switch r.URL.Path {
		case "/moved/" + secret:
			http.Redirect(w, r, "/to/"+secret, http.StatusTemporaryRedirect)
			return
		case "/refuses/" + secret:
			_, _ = io.WriteString(w, `{"errcode":310000,"errmsg":"sign not match"}`)
			return
		}
		told = append(told, r.URL.Path+" "+string(b))
		_, _ = io.WriteString(w, "ok")
	})
	broken := startHandler(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if r.URL.Path == "/refused/chat/completions" {
			w.WriteHeader(401)
			return
		}
		w.WriteHeader(500)
	})
	count := func(word string) (n int) {
		mu.Lock()
		defer mu.Unlock()
		for _, m := range told {
			n += strings.Count(m, word)
		}
		return n
	}
	file := filepath.Join(t.TempDir(), "gateway.yaml")
	write := func(path, template string) {
		t.Helper()
		config := "notifications:\n  webhook: " + hook + path + secret + "\n  template: " + template + `
accounts:
- {name: down, provider: custom, base_url: "` + broken + `/down", api_key: sk-one, models: [m-down]}
- {name: refused, provider: custom, base_url: "` + broken + `/refused", api_key: sk-two, models: [m-refused]}
`
		if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("/to/", "json")
	g := serve(t, "", []string{"AI_GATEWAY_CONFIG=" + file, "AI_GATEWAY_ROUTING_BREAKER_WINDOW=30s", "AI_GATEWAY_ROUTING_KEY_PAUSE=5m", "AI_GATEWAY_LOG_LEVEL=debug"})
	var shown strings.Builder
	call := func(method, path, body string) string {
		t.Helper()
		_, out, _ := g.call(method, path, g.admin, body)
		shown.WriteString(out)
		return out
	}
	awaits := func(word string, want int) {
		t.Helper()
		for range 600 { // 30 s
			if count(word) >= want {
				break
			}
			time.Sleep(50 * time.Millisecond)
		}
		if got := count(word); got != want {
			t.Errorf("%d of %d messages tell of %q: %q", got, want, word, told)
		}
	}
	if out := call("POST", "/v1/admin/notifications/test", ""); !strings.Contains(out, `"ok":true`) {
		t.Errorf("test: %s", out)
	}
	awaits(`"kind":"test"`, 1)
	for range 12 {
		call("POST", "/v1/chat/completions", `{"model":"m-down","messages":[{"role":"user","content":"x"}]}`)
		call("POST", "/v1/chat/completions", `{"model":"m-refused","messages":[{"role":"user","content":"x"}]}`)
	}
	awaits(`"kind":"breaker"`, 1)
	awaits(`"kind":"account"`, 1)
	if n := g.counted(`ai_gateway_notifications_total{result="sent"}`); n < 2 {
		t.Errorf("%v are counted", n)
	}
	for path, want := range map[string]string{"/moved/": "answered 307", "/refuses/": "310000 sign not match", "/slack/": `"ok":true`} {
		write(path, "slack")
		_ = g.cmd.Process.Signal(syscall.SIGHUP)
		out := ""
		for range 600 { // 30 s
			if out = call("POST", "/v1/admin/notifications/test", ""); strings.Contains(out, want) {
				break
			}
			time.Sleep(50 * time.Millisecond)
		}
		if !strings.Contains(out, want) {
			t.Errorf("%s: %s, want %s", path, out, want)
		}
	}
	if count(`{"text":"ai-gateway `) == 0 {
		t.Errorf("nothing came in Slack's form: %q", told)
	}
	for _, path := range []string{"/v1/admin/notifications", "/v1/admin/settings", "/v1/admin/config", "/v1/admin/audit", "/metrics"} {
		call("GET", path, "")
	}
	for where, text := range map[string]string{"answers": shown.String(), "the log": g.log.String()} {
		if strings.Contains(text, secret) {
			t.Errorf("%s hold the secret of the address", where)
		}
	}
	if out, err := g.run("ai-gateway serve --check --notifications-webhook http://169.254.169.254/" + secret); err == nil || strings.Contains(out, secret) {
		t.Errorf("the metadata service as webhook: %v %s", err, out)
	}
}
