package main_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestCapture: bodies are kept for keys that wish it, sealed, cut at 64 KB; reading
// them is audited; a kept request can be made anew.
func TestCapture(t *testing.T) {
	g := whyGateway(t, faulty(t), "unknown_price: zero\n")
	post := func(key, model, text string) (id string) {
		t.Helper()
		raw, _ := json.Marshal(text)
		_, _, h := g.call("POST", "/v1/chat/completions", key, `{"model":"`+model+`","messages":[{"role":"user","content":`+string(raw)+`}]}`)
		return h.Get("X-Request-Id")
	}
	bodies := func(id string) (status int, out string) {
		t.Helper()
		for range 1000 { // bodies are kept behind the answer
			if status, out, _ = g.call("GET", "/v1/admin/usage/logs/"+id+"/bodies", g.admin, ""); status == 200 {
				return status, out
			}
			time.Sleep(20 * time.Millisecond)
		}
		return status, out
	}
	all := g.newKey(`{"name":"all","log_bodies":"all"}`)
	failed := g.newKey(`{"name":"failed","log_bodies":"errors"}`)
	none := g.newKey(`{"name":"none","log_bodies":"off"}`)
	const word = "xylophone-canary"

	id := post(all, "m", word)
	if status, out := bodies(id); status != 200 || !strings.Contains(out, word) || !strings.Contains(out, "Hello.") || !strings.Contains(out, `"path":"/v1/chat/completions"`) {
		t.Errorf("%d %s", status, out)
	}
	if status, out := bodies(post(failed, "broken", word)); status != 200 || !strings.Contains(out, word) || !strings.Contains(out, "on fire") {
		t.Errorf("%d %s", status, out)
	}
	quiet := post(failed, "m", word)
	silent := post(none, "broken", word)
	for _, id := range []string{quiet, silent} {
		if status, out, _ := g.call("GET", "/v1/admin/usage/logs/"+id+"/bodies", g.admin, ""); status != 404 || !strings.Contains(out, "--log-bodies") {
			t.Errorf("%d %s", status, out)
		}
	}
	long := post(all, "m", strings.Repeat("a", 100_000))
	var b struct {
		Request     string
		RequestSize int64 `json:"request_size"`
	}
	if _, out := bodies(long); json.Unmarshal([]byte(out), &b) != nil || len(b.Request) != 64<<10 || b.RequestSize < 100_000 {
		t.Errorf("%d of %d bytes are kept", len(b.Request), b.RequestSize)
	}
	if status, out, _ := g.call("GET", "/v1/admin/usage/logs/"+id+"/bodies", all, ""); status != 403 {
		t.Errorf("a caller's key read bodies: %d %s", status, out)
	}
	if _, out, _ := g.call("GET", "/v1/admin/audit?limit=50", g.admin, ""); strings.Count(out, `"bodies.read"`) < 3 || !strings.Contains(out, id) {
		t.Errorf("the audit trail does not tell who read bodies: %s", out)
	}
	file, err := os.ReadFile(filepath.Join(g.dir, "captures.db"))
	if err != nil || bytes.Contains(file, []byte(word)) || bytes.Contains(file, []byte("Hello.")) {
		t.Errorf("%v: the file of captures holds plain text", err)
	}
	out, err := g.run("ai-gateway logs replay " + id + " && ai-gateway logs show --bodies " + id)
	if err != nil || !strings.Contains(out, "Made anew as") || strings.Count(out, "Hello.") != 2 || !strings.Contains(out, word) {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err := g.run("ai-gateway logs replay " + long); err == nil || !strings.Contains(out, "65536 of") {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err := g.run("ai-gateway api-key update none --log-bodies all && ai-gateway api-key show none"); err != nil || !strings.Contains(out, "bodies kept") {
		t.Errorf("%v\n%s", err, out)
	}
}
