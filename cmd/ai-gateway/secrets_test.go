package main_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestSecretsRotate changes the master key: accounts work on, the old key opens
// nothing any more, and a rotation that was cut short is finished at the next start.
func TestSecretsRotate(t *testing.T) {
	up := startUpstream(t)
	dir := t.TempDir()
	g := serve(t, dir, nil)
	sh := func(script string) string {
		t.Helper()
		out, err := g.run(script)
		if err != nil {
			t.Fatalf("%s: %v\n%s", script, err, out)
		}
		return out
	}
	sh(`ai-gateway providers add openai --api-key sk-vendor-secret --base-url ` + up.url + `/v1`)
	works := func() {
		t.Helper()
		sh(`ai-gateway chat --model gpt-4o hello`)
		if got := up.last().header.Get("Authorization"); got != "Bearer sk-vendor-secret" {
			t.Errorf("the upstream was called with %q", got)
		}
	}
	works()
	// What lies beside the store is sealed with the same key: a captured body and an answer that is kept.
	key := g.newKey(`{"name":"kept","log_bodies":"all"}`)
	again := func() (id string) {
		t.Helper()
		status, body, head := g.call("POST", "/v1/chat/completions", key, `{"model":"gpt-4o","messages":[{"role":"user","content":"word-of-the-caller"}]}`, "Idempotency-Key", "once")
		if status != 200 || !strings.Contains(body, "Hello there.") {
			t.Errorf("%d %s", status, body)
		}
		return head.Get("X-Request-Id")
	}
	request, called := again(), up.count()
	captured := func() {
		t.Helper()
		var out string
		for range 1000 { // bodies are kept behind the answer
			if _, out, _ = g.call("GET", "/v1/admin/usage/logs/"+request+"/bodies", g.admin, ""); strings.Contains(out, "word-of-the-caller") {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
		t.Errorf("the captured bodies: %s", out)
	}
	captured()
	if out, err := g.run(`ai-gateway secrets rotate`); err == nil || !strings.Contains(out, "stop it first") {
		t.Errorf("rotating under a running gateway: %v\n%s", err, out)
	}
	g.stop()
	file := filepath.Join(dir, "master.key")
	before, _ := os.ReadFile(file)
	sh(`ai-gateway secrets rotate`)
	after, _ := os.ReadFile(file)
	kept, _ := filepath.Glob(file + ".old-*")
	if string(before) == string(after) || len(kept) != 1 {
		t.Fatalf("the key was not changed, or the old one not kept: %v", kept)
	}
	admin := g.admin
	g = serve(t, dir, nil)
	g.admin = admin
	captured()
	if again(); up.count() != called {
		t.Error("an answer that was kept is not found: the upstream was called again")
	}
	works()
	g.stop()

	// The key before opens nothing now.
	if err := os.WriteFile(file, before, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := g.run(`ai-gateway serve --listen 127.0.0.1:0`); err == nil || !strings.Contains(out, "not the one of this store") {
		t.Errorf("served with the old key: %v\n%s", err, out)
	}
	// As if the rotation had ended before the files were renamed.
	if err := os.WriteFile(file+".new", after, 0o600); err != nil {
		t.Fatal(err)
	}
	g = serve(t, dir, nil)
	works()
	g.stop()
	if now, _ := os.ReadFile(file); string(now) != string(after) {
		t.Error("the cut rotation was not finished")
	}

	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if out, err := g.run(`ai-gateway secrets forget`); err == nil || !strings.Contains(out, "--yes") {
		t.Errorf("forgot without --yes: %v\n%s", err, out)
	}
	sh(`ai-gateway secrets forget --yes`)
	g = serve(t, dir, nil)
	if out := sh(`ai-gateway providers list`); !strings.Contains(out, "openai") {
		t.Errorf("the account is gone:\n%s", out)
	}
}
