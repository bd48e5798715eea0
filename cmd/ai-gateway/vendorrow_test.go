package main_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// startOddVendor is an OpenAI-like upstream with ways of its own: it bounds output
// by max_output, wants safe_mode and a tenant's header, refuses seed and user, and
// ends its streams without [DONE].
func startOddVendor(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fail := func(why string) {
			w.WriteHeader(400)
			fmt.Fprintf(w, `{"error":{"message":%q,"type":"invalid_request_error","param":null,"code":null}}`, why)
		}
		var req map[string]json.RawMessage
		b, _ := io.ReadAll(r.Body)
		switch {
		case r.URL.Path == "/compat/v2/models":
			_, _ = io.WriteString(w, `{"object":"list","data":[{"id":"odd-1","object":"model"}]}`)
			return
		case r.URL.Path != "/compat/v2/chat/completions":
			fail("unknown path " + r.URL.Path)
			return
		case r.Header.Get("Authorization") != "Bearer odd-secret-1234" || r.Header.Get("X-Tenant") != "t7":
			fail("who are you?")
			return
		case json.Unmarshal(b, &req) != nil:
			fail("no JSON")
			return
		case string(req["safe_mode"]) != "true" || string(req["max_output"]) != "77" || string(req["model"]) != `"odd-1"`:
			fail("safe_mode, max_output or model is missing: " + string(b))
			return
		}
		for _, name := range []string{"seed", "user", "max_tokens", "max_completion_tokens", "provider"} {
			if req[name] != nil {
				fail("unknown member " + name)
				return
			}
		}
		const usage = `"usage":{"prompt_tokens":21,"completion_tokens":4,"total_tokens":25}`
		if string(req["stream"]) != "true" {
			_, _ = io.WriteString(w, `{"id":"o1","object":"chat.completion","created":1,"model":"odd-1","choices":[{"index":0,"message":{"role":"assistant","content":"Odd but fine.","reasoning_content":"Hm."},"finish_reason":"stop"}],`+usage+`}`)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		for _, part := range []string{`"delta":{"role":"assistant","reasoning_content":"Hm."},"finish_reason":null}]`, `"delta":{"content":"Odd but fine."},"finish_reason":null}]`, `"delta":{},"finish_reason":"stop"}],` + usage} {
			fmt.Fprintf(w, "data: {\"id\":\"o1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"odd-1\",\"choices\":[{\"index\":0,%s}\n\n", part)
		}
	})}
	go func() { _ = srv.Serve(ln) }()
	t.Cleanup(func() { _ = srv.Close() })
	return "http://" + ln.Addr().String() + "/compat/v2/"
}

// TestVendorFromConfiguration adds a vendor that no table knows, with its own
// ways, without a line of code: by the configuration file, and by the admin API
// while the gateway runs.
func TestVendorFromConfiguration(t *testing.T) {
	base := startOddVendor(t)
	byFile := ccGateway(t, fmt.Sprintf(`  - provider: custom
    account_name: odd
    api_key: odd-secret-1234
    base_url: %q
    models: {"house-model": "odd-1"}
    headers: {X-Tenant: t7}
    params:
      set: {safe_mode: true}
      drop: [seed, user]
      rename: {max_tokens: max_output, max_completion_tokens: max_output}
`, base))
	talkToOdd(t, "file", byFile)

	byAPI := serve(t, "", nil)
	if status, _, _ := byAPI.call("POST", "/v1/chat/completions", byAPI.admin, `{"model":"house-model","messages":[{"role":"user","content":"hi"}]}`); status != 404 {
		t.Errorf("before the account is there: %d", status)
	}
	status, body, _ := byAPI.call("POST", "/v1/admin/provider-accounts", byAPI.admin, fmt.Sprintf(`{"provider":"custom","account_name":"odd","api_key":"odd-secret-1234","base_url":%q,"models":{"house-model":"odd-1"},
		"headers":{"X-Tenant":"t7"},"params":{"set":{"safe_mode":true},"drop":["seed","user"],"rename":{"max_tokens":"max_output","max_completion_tokens":"max_output"}}}`, base))
	if status != 201 {
		t.Fatalf("cannot add the account: %d %s", status, body)
	}
	talkToOdd(t, "API", byAPI)
}

func talkToOdd(t *testing.T, how string, g *gateway) {
	t.Helper()
	key := g.newKey(`{"name":"odd"}`)
	f := func(path, body, wantDropped string, want ...string) {
		t.Helper()
		status, got, h := g.call("POST", path, key, body)
		for _, w := range want {
			if status != 200 || !strings.Contains(got, w) {
				t.Errorf("by %s, %s: %d, no %q in %.900s", how, path, status, w, got)
			}
		}
		if d := h.Get("X-Gateway-Dropped-Params"); d != wantDropped {
			t.Errorf("by %s, %s: dropped %q, want %q", how, path, d, wantDropped)
		}
		_, row, _ := g.call("GET", "/v1/admin/usage/logs/"+h.Get("X-Request-Id"), g.admin, "")
		for _, w := range []string{`"prompt_tokens":21`, `"completion_tokens":4`, `"usage_source":"provider"`, `"provider":"custom"`, `"account":"odd"`} {
			if !strings.Contains(strings.ReplaceAll(row, `": `, `":`), w) {
				t.Errorf("by %s: the row lacks %s: %s", how, w, row)
			}
		}
	}
	f("/v1/chat/completions", `{"model":"house-model","seed":1,"max_tokens":77,"messages":[{"role":"user","content":"hi"}]}`, "seed", `"content":"Odd but fine."`, `"model":"house-model"`)
	f("/v1/chat/completions", `{"model":"house-model","stream":true,"stream_options":{"include_usage":true},"user":"u","max_completion_tokens":77,"messages":[{"role":"user","content":"hi"}]}`, "user", `Odd but fine.`, `"model":"house-model"`)
	f("/v1/messages", `{"model":"house-model","max_tokens":77,"messages":[{"role":"user","content":"hi"}]}`, "", `"text":"Odd but fine."`, `"thinking":"Hm."`, `"input_tokens":21`, `"model":"house-model"`)
	f("/v1/messages", `{"model":"house-model","stream":true,"max_tokens":77,"messages":[{"role":"user","content":"hi"}]}`, "", `Odd but fine.`, `"thinking_delta"`, `message_stop`)
	if status, body, _ := g.call("GET", "/v1/models", key, ""); status != 200 || !strings.Contains(body, `"house-model"`) {
		t.Errorf("by %s: the listing lacks the model: %.400s", how, body)
	}
}
