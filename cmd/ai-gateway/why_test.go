package main_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// faulty is an upstream that does what each model's name says.
func faulty(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		var req struct{ Model string }
		_ = json.Unmarshal(b, &req)
		w.Header().Set("Content-Type", "application/json")
		switch {
		case r.Method != "POST":
			w.WriteHeader(404)
		case strings.HasPrefix(req.Model, "limited"):
			w.Header().Set("Retry-After", "90")
			w.WriteHeader(429)
			_, _ = io.WriteString(w, `{"error":{"message":"slow down please","type":"requests","code":"rate_limit_exceeded"}}`)
		case strings.HasPrefix(req.Model, "broken"):
			w.WriteHeader(503)
			_, _ = io.WriteString(w, `{"error":{"message":"on fire"}}`)
		default:
			fmt.Fprintf(w, `{"id":"c","object":"chat.completion","created":1,"model":%q,"choices":[{"index":0,"message":{"role":"assistant","content":"Hello."},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}`, req.Model)
		}
	})}
	go func() { _ = srv.Serve(ln) }()
	t.Cleanup(func() { _ = srv.Close() })
	return "http://" + ln.Addr().String()
}

// whyGateway serves accounts at url with these settings.
func whyGateway(t *testing.T, url, settings string, env ...string) *gateway {
	t.Helper()
	file := filepath.Join(t.TempDir(), "gateway.yaml")
	text := settings + fmt.Sprintf("accounts:\n  - {provider: custom, account_name: up, api_key: sk-vendor-secret, base_url: \"%s/v1\", models: [\"*\"]}\n", url)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return serve(t, "", env, "--config", file)
}

// TestWhy: five refusals; `route explain` and `logs show` name the cause and the
// command that mends it, and that command mends it.
func TestWhy(t *testing.T) {
	url := faulty(t)
	g := whyGateway(t, url, "unknown_price: zero\n")
	ask := func(g *gateway, key, model string) (int, string) {
		t.Helper()
		status, body, h := g.call("POST", "/v1/chat/completions", key, fmt.Sprintf(`{"model":%q,"max_tokens":5,"messages":[{"role":"user","content":"hi"}]}`, model))
		if h.Get("X-Request-Id") == "" {
			t.Fatalf("no request id: %d %s", status, body)
		}
		return status, h.Get("X-Request-Id")
	}
	// why holds both explanations to name the cause and the remedy.
	why := func(g *gateway, name, keyName, key, model string, status int, words ...string) {
		t.Helper()
		got, id := ask(g, key, model)
		if got != status {
			t.Errorf("%s: status %d, want %d", name, got, status)
		}
		for what, script := range map[string]string{
			"explain": "ai-gateway route explain " + model + " --key " + keyName + " 2>&1 || true",
			"show":    "ai-gateway logs show " + id + " 2>&1",
		} {
			out, err := g.run(script)
			if err != nil {
				t.Errorf("%s, %s: %v\n%s", name, what, err, out)
			}
			for _, w := range words {
				if !strings.Contains(out, w) {
					t.Errorf("%s, %s does not say %q:\n%s", name, what, w, out)
				}
			}
		}
	}
	mend := func(g *gateway, name, key, model, script string) {
		t.Helper()
		if out, err := g.run(script); err != nil {
			t.Fatalf("%s: %s: %v\n%s", name, script, err, out)
		}
		if got, id := ask(g, key, model); got != 200 {
			out, _ := g.run("ai-gateway logs show " + id)
			t.Errorf("%s: still %d after %s\n%s", name, got, script, out)
		}
	}

	scoped := g.newKey(`{"name":"scoped","scopes":["embeddings"]}`)
	why(g, "scope", "scoped", scoped, "m", 403, "missing_scope", `lacks the scope "chat"`, "ai-gateway api-key update")
	mend(g, "scope", scoped, "m", "ai-gateway api-key update scoped --scopes embeddings,chat")

	listed := g.newKey(`{"name":"listed","models":["other"]}`)
	why(g, "allow list", "listed", listed, "m", 403, "model_not_allowed", "ai-gateway api-key update")
	mend(g, "allow list", listed, "m", "ai-gateway api-key update listed --models other,m")

	poor := g.newKey(`{"name":"poor"}`)
	if out, err := g.run("ai-gateway quota set pennies --key poor --tokens 10/day"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	why(g, "budget", "poor", poor, "m", 429, "insufficient_quota", "pennies", "ai-gateway quota set 'pennies' --tokens N/day")
	mend(g, "budget", poor, "m", "ai-gateway quota set pennies --tokens 1000000/day")

	daily := g.newKey(`{"name":"daily"}`)
	if out, err := g.run("ai-gateway quota set once --key daily --requests 1/day"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if got, _ := ask(g, daily, "m"); got != 200 {
		t.Errorf("the first of a day became %d", got)
	}
	why(g, "requests a day", "daily", daily, "m", 429, "rate_limit_exceeded", "once", "ai-gateway quota")

	plain := g.newKey(`{"name":"plain"}`)
	if got, _ := ask(g, plain, "limited-1"); got != 429 {
		t.Errorf("the upstream's 429 became %d", got)
	}
	why(g, "cooldown", "plain", plain, "limited-1", 429, "slow down please", "cooling down", "ai-gateway providers reset up")
	out, err := g.run("ai-gateway providers list && ai-gateway providers reset up && ai-gateway providers reset up")
	if err != nil || !strings.Contains(out, "in part cooling until") || !strings.Contains(out, "is asked again") || !strings.Contains(out, "Nothing held") {
		t.Errorf("%v\n%s", err, out)
	}

	deny := whyGateway(t, url, "unknown_price: deny\n")
	other := deny.newKey(`{"name":"other"}`)
	why(deny, "price", "other", other, "nobody-knows", 403, "price", "unknown_price", "ai-gateway models price set 'nobody-knows' --provider custom --input USD --output USD")
	mend(deny, "price", other, "nobody-knows", "ai-gateway models price set 'nobody-knows' --provider custom --input 1 --output 2 --yes")
}

// TestTargetState: the state of an account shows in the admin API and the metrics,
// and a broken one is held back over the wire.
func TestTargetState(t *testing.T) {
	g := whyGateway(t, faulty(t), "unknown_price: zero\n", "AI_GATEWAY_ROUTING_BREAKER_WINDOW=30s", "AI_GATEWAY_ROUTING_BREAKER_OPEN=10s")
	key := g.newKey(`{"name":"plain"}`)
	var last string
	var h http.Header
	var status int
	for range 6 {
		status, last, h = g.call("POST", "/v1/chat/completions", key, `{"model":"broken-1","messages":[{"role":"user","content":"hi"}]}`)
	}
	if status != 503 || !strings.Contains(last, "all_targets_down") || h.Get("Retry-After") == "" {
		t.Errorf("%d %s %v", status, last, h)
	}
	_, acc, _ := g.call("GET", "/v1/admin/provider-accounts/up", g.admin, "")
	var v struct {
		Health struct {
			State         string
			CooldownUntil string `json:"cooldown_until"`
			LastError     string `json:"last_error"`
			Targets       []struct{ State, Model string }
		}
	}
	if err := json.Unmarshal([]byte(acc), &v); err != nil || v.Health.State != "open" || v.Health.CooldownUntil == "" || v.Health.LastError != "on fire" || len(v.Health.Targets) != 1 {
		t.Errorf("%v %s", err, acc)
	}
	if _, m, _ := g.call("GET", "/metrics", "", ""); !strings.Contains(m, `ai_gateway_target_state{account="up"} 2`) || !strings.Contains(m, `ai_gateway_target_state{account="demo"} 0`) ||
		!strings.Contains(m, `ai_gateway_attempts_total{outcome="http_error"} 5`) {
		t.Errorf("metrics:\n%s", m)
	}
	if status, out, _ := g.call("POST", "/v1/admin/provider-accounts/up/reset", g.admin, ""); status != 200 || !strings.Contains(out, `"reset":true`) {
		t.Errorf("%d %s", status, out)
	}
	for i := 0; i < 100 && !strings.Contains(g.log.String(), "a target is failing"); i++ {
		time.Sleep(50 * time.Millisecond) // log lines are written together
	}
	if !strings.Contains(g.log.String(), "a target is failing") || strings.Count(g.log.String(), "a target is failing") != 1 {
		t.Errorf("the log does not say once that the target failed:\n%s", g.log)
	}
}

// TestRouteSet: what `route set` writes is what routing does.
func TestRouteSet(t *testing.T) {
	g := whyGateway(t, faulty(t), "unknown_price: zero\n")
	key := g.newKey(`{"name":"plain"}`)
	out, err := g.run("ai-gateway route set x up/broken-1 up/broken-2 --strategy priority --on-error good-1,good-2 --on-context-window large && ai-gateway route list && ai-gateway route explain x")
	if err != nil || !strings.Contains(out, "priority") || !strings.Contains(out, "context_window: large; error: good-1, good-2") ||
		!strings.Contains(out, "when all before it fail") || !strings.Contains(out, "when the prompt does not fit") {
		t.Errorf("%v\n%s", err, out)
	}
	status, body, h := g.call("POST", "/v1/chat/completions", key, `{"model":"x","messages":[{"role":"user","content":"hi"}]}`)
	if status != 200 || h.Get("X-Gateway-Model") != "good-1" || h.Get("X-Gateway-Attempts") != "3" || !strings.Contains(body, `"model":"x"`) {
		t.Errorf("%d %s %v", status, body, h)
	}
	out, err = g.run("ai-gateway logs show " + h.Get("X-Request-Id"))
	if err != nil || !strings.Contains(out, "strategy priority") || strings.Count(out, "went on to account") != 2 || !strings.Contains(out, "█") || strings.Count(out, "on fire") < 2 {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err := g.run("ai-gateway route set x up/m --strategy sideways"); err == nil || !strings.Contains(out, "least_busy") {
		t.Errorf("%v\n%s", err, out)
	}
}
