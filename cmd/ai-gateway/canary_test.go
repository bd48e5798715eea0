package main_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCanarySecrets puts secrets that can be told apart into every field that takes
// one, has upstreams send them back, reads everything the gateway shows, and looks
// for them: in its answers, its log, its metrics and its files.
func TestCanarySecrets(t *testing.T) {
	canaries := map[string]string{ // by where it was put
		"account":     "sk-canary-account-7f3a9c1e5b",
		"pool":        "sk-canary-pool-2d8b4e6f0a",
		"environment": "sk-canary-environment-9e1c3a5d7f",
		"header":      "canary-header-4b6d8f0a2c",
		"proxy":       "canary-proxy-5c7e9a1b3d",
		"admin":       "canary-admin-key-of-32-characters-or-more",
	}
	// An upstream that repeats what it was sent, in an error and in a header.
	up := startHandler(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if strings.Contains(string(body), "fail") {
			w.Header().Set("X-Echo", r.Header.Get("Authorization"))
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(400)
			_ = json.NewEncoder(w).Encode(map[string]any{"error": map[string]any{"type": "invalid_request_error", "message": "bad request with " + r.Header.Get("Authorization") + " and " + r.Header.Get("X-Extra-Token")}})
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"id":"x","object":"chat.completion","created":1,"model":"gpt-4o","choices":[{"index":0,"message":{"role":"assistant","content":"ok"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}`)
	})
	dir := t.TempDir()
	g := serve(t, dir, []string{
		"AI_GATEWAY_ADMIN_KEY=" + canaries["admin"], "AI_GATEWAY_LOG_LEVEL=debug",
		"OPENAI_API_KEY=" + canaries["environment"], "AI_GATEWAY_PROVIDER_OPENAI_BASE_URL=" + up + "/v1",
	})
	g.admin = canaries["admin"]
	var shown strings.Builder
	call := func(method, path, key, body string, header ...string) string {
		t.Helper()
		status, out, head := g.call(method, path, key, body, header...)
		fmt.Fprintf(&shown, "%d\n%s\n%v\n", status, out, head)
		return out
	}
	call("POST", "/v1/admin/provider-accounts", g.admin, fmt.Sprintf(`{"provider":"custom","account_name":"one","base_url":%q,"api_key":%q,"headers":{"x-extra-token":%q},"models":["m-one"],"no_such_member":"all"}`, up+"/v1", canaries["account"], canaries["header"]))
	call("POST", "/v1/admin/provider-accounts", g.admin, fmt.Sprintf(`{"provider":"custom","account_name":"one","base_url":%q,"api_key":%q,"headers":{"x-extra-token":%q},"models":["m-one"]}`, up+"/v1", canaries["account"], canaries["header"]))
	call("POST", "/v1/admin/provider-accounts", g.admin, fmt.Sprintf(`{"provider":"custom","account_name":"two","base_url":%q,"api_keys":[{"key":%q,"weight":2}],"models":["m-two"],"proxy":"http://user:%s@127.0.0.1:1"}`, up+"/v1", canaries["pool"], canaries["proxy"]))
	key := g.newKey(`{"name":"canary"}`)
	canaries["gateway key"] = key
	for _, model := range []string{"m-one", "m-two", "gpt-4o", "no-such-model"} {
		for _, content := range []string{"hi", "fail"} {
			for _, path := range []string{"/v1/chat/completions", "/v1/messages", "/v1/responses"} {
				for _, stream := range []bool{false, true} {
					call("POST", path, key, fmt.Sprintf(`{"model":%q,"stream":%v,"max_tokens":20,"input":%q,"messages":[{"role":"user","content":%q}]}`, model, stream, content, content))
				}
			}
		}
	}
	call("GET", "/v1/models?api_key="+key, "", "")
	call("GET", "/v1/models?key="+key, "", "")
	call("POST", "/v1/chat/completions", canaries["account"], `{"model":"m-one","messages":[]}`) // a vendor's key where ours belongs
	call("POST", "/admin/session", "", fmt.Sprintf(`{"key":%q}`, key))
	var accounts struct{ Data []struct{ ID string } }
	_ = json.Unmarshal([]byte(call("GET", "/v1/admin/provider-accounts", g.admin, "")), &accounts)
	for _, a := range accounts.Data {
		call("GET", "/v1/admin/provider-accounts/"+a.ID, g.admin, "")
		call("POST", "/v1/admin/provider-accounts/"+a.ID+"/test", g.admin, `{"model":"fail"}`)
	}
	for _, path := range []string{"/v1/admin/api-keys", "/v1/admin/providers", "/v1/admin/models", "/v1/admin/model-mappings", "/v1/admin/quota-policies", "/v1/admin/config", "/v1/admin/audit?limit=200",
		"/v1/admin/usage", "/v1/admin/usage/logs?limit=200", "/v1/admin/explain?model=m-one", "/metrics", "/health", "/readyz", "/v1/key", "/v1/models"} {
		call("GET", path, g.admin, "")
	}
	var rows struct {
		Data []struct {
			RequestID string `json:"request_id"`
		}
	}
	_ = json.Unmarshal([]byte(call("GET", "/v1/admin/usage/logs?limit=200", g.admin, "")), &rows)
	for _, r := range rows.Data {
		call("GET", "/v1/admin/usage/logs/"+r.RequestID, g.admin, "")
	}
	for _, verb := range []string{"providers list", "api-key list", "logs", "config server show --origin", "route explain m-one", "whoami"} {
		out, _ := g.run("ai-gateway " + verb)
		shown.WriteString(out)
	}
	g.stop()
	places := map[string]string{"answers": shown.String(), "log": g.log.String()}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			b, err := os.ReadFile(path)
			places[path] = string(b)
			return err
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for where, secret := range canaries {
		for place, text := range places {
			if i := strings.Index(text, secret); i >= 0 {
				t.Errorf("the secret of %s is in %s: …%q…", where, place, text[max(0, i-200):min(len(text), i+80)])
			}
		}
	}
	if len(rows.Data) < 20 || len(places) < 4 {
		t.Errorf("only %d rows and %d places were looked at", len(rows.Data), len(places))
	}
}
