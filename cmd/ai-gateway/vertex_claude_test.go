package main_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestRecordedVertexClaude replays every recorded exchange with Claude on Vertex AI
// for a caller of messages: the upstream is asked at the recorded address with the
// recorded members, the caller gets the recorded bytes, the row the recorded usage.
func TestRecordedVertexClaude(t *testing.T) {
	recs := recordings(t, "vertex_anthropic", "vertex_anthropic_stream")
	if len(recs) < 6 {
		t.Fatalf("only %d recordings", len(recs))
	}
	up := startStage(t)
	file := filepath.Join(t.TempDir(), "gateway.yaml")
	text := fmt.Sprintf("accounts:\n  - {provider: vertex, account_name: claude, api_key: sk-replayed-secret, base_url: %q, models: [\"claude-*\"], options: {project: PROJECT, region: us-east5}}\n", up.url)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	g := serve(t, "", nil, "--config", file)
	key := g.newKey(`{"name":"vertex"}`)
	for i, r := range recs {
		r.Endpoint = "anthropic_messages"
		_, name, _ := strings.Cut(r.Request.Path, "/models/")
		model, _, _ := strings.Cut(name, ":")
		var ask map[string]json.RawMessage
		if err := json.Unmarshal(r.Request.Body, &ask); err != nil {
			t.Fatal(err)
		}
		delete(ask, "anthropic_version") // Vertex's own
		ask["model"], _ = json.Marshal(model)
		body, err := json.Marshal(ask)
		if err != nil {
			t.Fatal(err)
		}
		sc := &scene{rec: r, seed: uint64(i)}
		got, err := play(g, up, key, "/v1/messages", string(body), sc)
		if err != nil {
			t.Fatal(err)
		}
		fail := func(f string, a ...any) { t.Errorf("%s: %s", r.ID, fmt.Sprintf(f, a...)) }
		if got.status != 200 || got.body != string(r.payload()) {
			fail("%d\ngot  %.600q\nwant %.600q", got.status, got.body, r.payload())
		}
		if sc.path != r.Request.Path {
			fail("asked at %s, recorded %s", sc.path, r.Request.Path)
		}
		var sent, want any
		_, _ = json.Unmarshal(sc.got, &sent), json.Unmarshal(r.Request.Body, &want)
		if fmt.Sprint(sent) != fmt.Sprint(want) {
			fail("sent %.600s\nrecorded %.600s", sc.got, r.Request.Body)
		}
		usageRow(g, r, got.header.Get("X-Request-Id"), fail)
	}
	t.Logf("%d exchanges with Claude on Vertex AI, byte for byte", len(recs))
}
