package main_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestOneAlwaysFailsEveryWay: of two targets, of three, and of two keys, one works: no
// error in 1,000 requests of a format and a way to be answered each.
func TestOneAlwaysFailsEveryWay(t *testing.T) {
	var asked, refused atomic.Int64
	works := startHandler(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		if r.Method != "POST" {
			w.WriteHeader(404)
			return
		}
		if r.Header.Get("Authorization") == "Bearer sk-key-that-is-revoked" {
			refused.Add(1)
			w.WriteHeader(401)
			return
		}
		if strings.Contains(string(b), `"stream":true`) {
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = io.WriteString(w, brokenChatWord+`data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`+"\n\ndata: [DONE]\n\n")
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, brokenChatWhole)
	})
	fails := startHandler(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		switch asked.Add(1) % 3 { // each in its way
		case 0:
			w.WriteHeader(503)
		case 1:
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = io.WriteString(w, "data: "+brokenError+"\n\n")
		default:
			panic(http.ErrAbortHandler)
		}
	})
	account := func(name, url, keys string) string {
		return fmt.Sprintf("  - {provider: custom, account_name: %s, %s, base_url: \"%s/v1\", models: [m]}\n", name, keys, url)
	}
	const one = "api_key: sk-vendor-secret"
	file := filepath.Join(t.TempDir(), "gateway.yaml")
	text := "accounts:\n" + account("good", works, one) + account("bad-1", fails, one) + account("bad-2", fails, one) +
		account("pool", works, "api_keys: [{key: sk-key-that-is-revoked}, {key: sk-key-that-works}]") +
		"model_mappings: [{alias: two, targets: [bad-1/m, good/m]}, {alias: three, targets: [bad-1/m, bad-2/m, good/m]}, {alias: keys, targets: [pool/m]}]\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	g := serve(t, "", []string{"AI_GATEWAY_ADMIN_KEY=" + lifecycleKey, "AI_GATEWAY_LOG_LEVEL=error", "AI_GATEWAY_ROUTING_BREAKER_WINDOW=30s", "AI_GATEWAY_ROUTING_KEY_PAUSE=5m"}, "--config", file)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}, Timeout: 30 * time.Second}
	defer client.CloseIdleConnections()
	ways := []struct{ path, ask, end string }{
		{"/v1/chat/completions", `{"model":%q,"messages":[{"role":"user","content":"hi"}]}`, `"finish_reason":"stop"`},
		{"/v1/chat/completions", `{"model":%q,"stream":true,"messages":[{"role":"user","content":"hi"}]}`, "[DONE]"},
		{"/v1/messages", `{"model":%q,"max_tokens":9,"messages":[{"role":"user","content":"hi"}]}`, "end_turn"},
		{"/v1/messages", `{"model":%q,"max_tokens":9,"stream":true,"messages":[{"role":"user","content":"hi"}]}`, "message_stop"},
		{"/v1/responses", `{"model":%q,"stream":true,"input":"hi"}`, "response.completed"},
		{"/v1beta/models/%s:generateContent", `{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}`, "STOP"},
		{"/v1beta/models/%s:streamGenerateContent?alt=sse", `{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}`, "STOP"},
	}
	for _, model := range []string{"two", "three", "keys"} {
		for _, way := range ways {
			path, body := way.path, way.ask
			if strings.Contains(path, "%s") {
				path = fmt.Sprintf(path, model)
			} else {
				body = fmt.Sprintf(body, model)
			}
			var failed atomic.Int64
			var wg sync.WaitGroup
			for range 10 {
				wg.Go(func() {
					for range 100 {
						req, _ := http.NewRequest("POST", g.url+path, strings.NewReader(body))
						req.Header.Set("Authorization", "Bearer "+lifecycleKey)
						resp, err := client.Do(req)
						if err != nil {
							failed.Add(1)
							continue
						}
						got, err := io.ReadAll(resp.Body)
						_ = resp.Body.Close()
						if err != nil || resp.StatusCode != 200 || !strings.Contains(string(got), way.end) || strings.Contains(string(got), `"error":{`) {
							if failed.Add(1) == 1 {
								t.Logf("%s, %s: %d %.300s", model, path, resp.StatusCode, got)
							}
						}
					}
				})
			}
			wg.Wait()
			if failed.Load() != 0 {
				t.Errorf("%s, %s: %d of 1,000 failed", model, path, failed.Load())
			}
		}
	}
	t.Logf("21,000 requests; the broken targets were asked %d times, the revoked key was tried %d times", asked.Load(), refused.Load())
	if asked.Load() == 0 || refused.Load() == 0 {
		t.Error("what is broken was never asked")
	}
}
