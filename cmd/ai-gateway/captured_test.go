package main_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const capturedConfig = `
accounts:
  - {provider: openai, account_name: openai, api_key: sk-vendor-secret, base_url: "%[1]s/openai/v1", models: ["gpt-*", "o*", "text-embedding-*", "*"]}
  - {provider: anthropic, account_name: anthropic, api_key: sk-vendor-secret, base_url: "%[1]s/messages", models: ["claude-*"]}
  - {provider: gemini, account_name: gemini, api_key: sk-vendor-secret, base_url: "%[1]s/gemini", models: ["gemini-*"]}
`

// mayPass are the headers an upstream may see; all others are the caller's alone.
var mayPass = []string{"Content-Type", "Accept", "Anthropic-Version", "Anthropic-Beta", "Openai-Beta", "User-Agent", // the caller's
	"Accept-Encoding", "Via", "Content-Length", "Authorization", "X-Api-Key", "X-Goog-Api-Key"} // the gateway's own

// TestCapturedClients sends the requests that unmodified clients sent, header by
// header, at the addresses they used: each is understood, and none of their own
// headers reaches an upstream.
func TestCapturedClients(t *testing.T) {
	file, err := os.Open(filepath.Join(shared(t, "cassettes/clients"), "captures.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	up := startMatrixUpstream(t)
	config := filepath.Join(t.TempDir(), "gateway.yaml")
	if err := os.WriteFile(config, fmt.Appendf(nil, capturedConfig, up.url), 0o600); err != nil {
		t.Fatal(err)
	}
	g := serve(t, "", nil, "--config", config)
	key := g.newKey(`{"name":"captured"}`)
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	n := 0
	for ; lines.Scan(); n++ {
		var c struct {
			M, U string
			H    map[string]string
			Keys []string
		}
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		if first, rest, _ := strings.Cut(strings.TrimPrefix(c.U, "/"), "/"); !slices.Contains([]string{"openai", "anthropic", "genai"}, first) {
			c.U = "/" + rest // the recorder's own name for the client
		}
		up.mu.Lock()
		up.got = nil
		up.mu.Unlock()
		req, _ := http.NewRequest(c.M, g.url+strings.ReplaceAll(c.U, "<dummy>", key), strings.NewReader(bodyFor(c.M, c.U, slices.Contains(c.Keys, "stream"))))
		for name, value := range c.H {
			switch name {
			case "host", "connection", "content-length", "accept-encoding":
			default:
				req.Header.Set(name, strings.ReplaceAll(value, "<dummy>", key))
			}
		}
		for _, name := range []string{"Authorization", "X-Api-Key", "X-Goog-Api-Key"} {
			if v := req.Header.Get(name); v != "" && !strings.Contains(v, key) {
				req.Header.Set(name, strings.TrimPrefix("Bearer ", strings.Repeat("Bearer ", 1-strings.Count(name, "Auth")))+key)
			}
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatalf("%s %s: %v", c.M, c.U, err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != 200 && !(c.M == "HEAD" && resp.StatusCode == 404) {
			t.Errorf("%s %s of %s: %d", c.M, c.U, c.H["user-agent"], resp.StatusCode)
		}
		up.mu.Lock()
		for name, values := range up.got {
			if !slices.Contains(mayPass, name) || strings.Contains(strings.Join(values, " "), key) {
				t.Errorf("%s %s of %s: the upstream saw %s: %q", c.M, c.U, c.H["user-agent"], name, values)
			}
		}
		if c.M == "POST" && up.got == nil && !strings.Contains(c.U, "ount") {
			t.Errorf("%s %s did not reach the upstream", c.M, c.U)
		}
		up.mu.Unlock()
	}
	if n < 30 {
		t.Errorf("only %d requests were tried", n)
	}
	t.Logf("%d captured requests", n)
}

// bodyFor is a request for an address; captures hold no bodies.
func bodyFor(method, address string, stream bool) string {
	if method != "POST" {
		return ""
	}
	path, _, _ := strings.Cut(address, "?")
	switch {
	case strings.Contains(path, ":countTokens"), strings.Contains(path, "enerateContent"):
		return `{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}`
	case strings.HasSuffix(path, "/embeddings"):
		return `{"model":"text-embedding-3-small","input":"hi"}`
	case strings.HasSuffix(path, "/responses"):
		return fmt.Sprintf(`{"model":"gpt-5","input":"hi","stream":%v}`, stream)
	case strings.Contains(path, "/messages"):
		if strings.HasSuffix(path, "count_tokens") {
			return `{"model":"claude-opus-4-8","messages":[{"role":"user","content":"hi"}]}`
		}
		return fmt.Sprintf(`{"model":"claude-opus-4-8","max_tokens":50,"messages":[{"role":"user","content":"hi"}],"stream":%v}`, stream)
	}
	return fmt.Sprintf(`{"model":"gpt-5","messages":[{"role":"user","content":"hi"}],"stream":%v}`, stream)
}
