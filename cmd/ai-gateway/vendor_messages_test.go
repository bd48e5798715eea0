package main_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestVendorMessages replays every recorded answer of Anthropic's format behind a
// vendor that has an endpoint for it beside its own: callers of that format get the
// recorded bytes, and callers of chat completions do not go there.
func TestVendorMessages(t *testing.T) {
	recs := recordings(t, "anthropic_messages")
	up := startStage(t)
	file := filepath.Join(t.TempDir(), "gateway.yaml")
	text := fmt.Sprintf("accounts:\n  - {provider: moonshot, account_name: both, api_key: sk-replayed-secret, base_url: %q, options: {messages_base_url: %q}, models: [\"*\"]}\n", up.url+"/v1", up.url+"/anthropic")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	g := serve(t, "", nil, "--config", file)
	key := g.newKey(`{"name":"vendor"}`)
	score := newScoreboard()
	inParallel(len(recs), func(i int) {
		r := recs[i]
		if len(r.Request.Body) == 0 || r.Response.Status >= 400 { // an account whose key was refused is not asked again
			return
		}
		sc := &scene{rec: r, seed: uint64(i)}
		body := strings.TrimSuffix(strings.TrimSpace(string(r.Request.Body)), "}") + `,"provider":"both"}`
		got, err := play(g, up, key, "/v1/messages", body, sc)
		if err == nil && sc.path != "/anthropic/v1/messages" {
			err = fmt.Errorf("asked at %q: %d %.300s", sc.path, got.status, got.body)
		}
		fail := func(f string, a ...any) { err = fmt.Errorf(f, a...) }
		if err == nil && relayed(r, got.status, got.body, got.header, sc.got, fail) {
			usageRow(g, r, got.header.Get("X-Request-Id"), fail)
		}
		score.add(r.Provider, r.ID, err)
	})
	score.print(t, "recorded messages behind a vendor's own endpoint for them", 150)

	sc := &scene{}
	if got, err := play(g, up, key, "/v1/chat/completions", `{"model":"m","provider":"both","messages":[{"role":"user","content":"hi"}]}`, sc); err != nil || got.status != 200 || sc.path != "/v1/chat/completions" {
		t.Errorf("a caller of chat completions: asked at %s, %d, %v", sc.path, got.status, err)
	}
}
