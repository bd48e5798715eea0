package main_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestResponsesState: a request may go on from an earlier answer by its id, with
// vendors that keep answers and with those that do not; another key's id is unknown.
func TestResponsesState(t *testing.T) {
	up := startVendor(t)
	config := filepath.Join(t.TempDir(), "gateway.yaml")
	if err := os.WriteFile(config, fmt.Appendf(nil, sdkConfig, up.url), 0o600); err != nil {
		t.Fatal(err)
	}
	g := serve(t, "", nil, "--config", config)
	key, stranger := g.newKey(`{"name":"one"}`), g.newKey(`{"name":"two"}`)
	ask := func(key, body string) (int, json.RawMessage) {
		status, answer, _ := g.call("POST", "/v1/responses", key, body)
		if strings.HasPrefix(answer, "event:") {
			all := events(answer)
			return status, get(json.RawMessage(all[len(all)-1]), "response")
		}
		return status, json.RawMessage(answer)
	}
	for _, model := range []string{"claude-opus-4-8", "chat-alone"} {
		for _, stream := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s streamed %v", model, stream), func(t *testing.T) {
				status, first := ask(key, fmt.Sprintf(`{"model":%q,"stream":%v,"input":"one","instructions":"Be brief"}`, model, stream))
				id := str(first, "id")
				if status != 200 || !strings.HasPrefix(id, "resp_") || !strings.Contains(string(first), "sys=Be brief turns=1 last=one") {
					t.Fatalf("%d %s", status, first)
				}
				on := fmt.Sprintf(`{"model":%q,"previous_response_id":%q,"stream":%v,"input":[{"role":"user","content":"two"}]}`, model, id, stream)
				status, second := ask(key, on)
				if status != 200 || !strings.Contains(string(second), "turns=3 last=two") || str(second, "previous_response_id") != id {
					t.Fatalf("going on: %d %s", status, second)
				}
				status, third := ask(key, fmt.Sprintf(`{"model":"gpt-4.1","previous_response_id":%q,"input":"three"}`, str(second, "id")))
				if status != 200 || !strings.Contains(string(third), "turns=5 last=three") {
					t.Errorf("going on with a model of another vendor: %d %s", status, third)
				}
				if status, body := ask(stranger, on); status != 400 || str(body, "error", "code") != "previous_response_not_found" {
					t.Errorf("another key goes on: %d %s", status, body)
				}
				item := str(list(first, "output")[0], "id")
				status, again := ask(key, fmt.Sprintf(`{"model":%q,"stream":%v,"input":[{"role":"user","content":"one"},{"type":"item_reference","id":%q},{"role":"user","content":"two"}]}`, model, stream, item))
				if status != 200 || !strings.Contains(string(again), "turns=3 last=two") {
					t.Errorf("a reference to what was said: %d %s", status, again)
				}
				keptResponse(t, g, key, stranger, id, first)
			})
		}
	}
	t.Run("not stored", func(t *testing.T) {
		_, first := ask(key, `{"model":"claude-opus-4-8","store":false,"input":"one"}`)
		if status, body := ask(key, fmt.Sprintf(`{"model":"claude-opus-4-8","previous_response_id":%q,"input":"two"}`, str(first, "id"))); status != 400 || str(body, "error", "code") != "previous_response_not_found" {
			t.Errorf("%d %s", status, body)
		}
	})
	t.Run("kept by the vendor", func(t *testing.T) { vendorKeeps(t, g, up, ask, key, stranger) })
}

// keptResponse reads and removes what the gateway keeps.
func keptResponse(t *testing.T, g *gateway, key, stranger, id string, want json.RawMessage) {
	t.Helper()
	if status, body, _ := g.call("GET", "/v1/responses/"+id, key, ""); status != 200 || string(compact([]byte(body))) != string(compact(want)) {
		t.Errorf("read: %d %s", status, body)
	}
	if status, body, _ := g.call("GET", "/v1/responses/"+id+"/input_items", key, ""); status != 200 || str(list([]byte(body), "data")[0], "content") != "one" {
		t.Errorf("its input: %d %s", status, body)
	}
	for _, method := range []string{"GET", "DELETE"} {
		if status, body, _ := g.call(method, "/v1/responses/"+id, stranger, ""); status != 404 {
			t.Errorf("%s by another key: %d %s", method, status, body)
		}
	}
	if status, body, _ := g.call("POST", "/v1/responses/"+id+"/cancel", key, ""); status != 400 {
		t.Errorf("cancel: %d %s", status, body)
	}
	if status, body, _ := g.call("DELETE", "/v1/responses/"+id, key, ""); status != 200 || string(get([]byte(body), "deleted")) != "true" {
		t.Errorf("remove: %d %s", status, body)
	}
	if status, body, _ := g.call("GET", "/v1/responses/"+id, key, ""); status != 404 || str([]byte(body), "error", "message") == "" {
		t.Errorf("read once removed: %d %s", status, body)
	}
}

func vendorKeeps(t *testing.T, g *gateway, up *vendor, ask func(key, body string) (int, json.RawMessage), key, stranger string) {
	for _, stream := range []bool{false, true} {
		status, first := ask(key, fmt.Sprintf(`{"model":"gpt-4.1","input":"one","stream":%v}`, stream))
		if status != 200 || str(first, "id") != "resp_1" {
			t.Fatalf("%d %s", status, first)
		}
		if status, body := ask(key, `{"model":"gpt-4.1","previous_response_id":"resp_1","input":"two"}`); status != 200 || !strings.Contains(string(body), "after resp_1") {
			t.Errorf("going on: %d %s", status, body)
		}
		if status, body := ask(stranger, `{"model":"gpt-4.1","previous_response_id":"resp_1","input":"two"}`); status != 400 || str(body, "error", "code") != "previous_response_not_found" {
			t.Errorf("another key goes on: %d %s", status, body)
		}
		if status, body := ask(key, `{"model":"claude-opus-4-8","previous_response_id":"resp_1","input":"two"}`); status != 400 || str(body, "error", "code") != "previous_response_not_found" {
			t.Errorf("going on elsewhere: %d %s", status, body)
		}
		for _, path := range []string{"GET /v1/responses/resp_1", "GET /v1/responses/resp_1/input_items", "POST /v1/responses/resp_1/cancel", "DELETE /v1/responses/resp_1"} {
			method, path, _ := strings.Cut(path, " ")
			if status, body, _ := g.call(method, path, stranger, ""); status != 404 {
				t.Errorf("%s %s by another key: %d %s", method, path, status, body)
			}
			if status, body, _ := g.call(method, path, key, ""); status != 200 || str([]byte(body), "asked") != method+strings.TrimPrefix(path, "/v1") {
				t.Errorf("%s %s: %d %s", method, path, status, body)
			}
		}
		if status, _, _ := g.call("GET", "/v1/responses/resp_1", key, ""); status != 404 {
			t.Errorf("read once removed: %d", status)
		}
	}
	for _, r := range up.refusals() {
		t.Errorf("the upstream refused: %.1000s", r)
	}
}

// TestResponsesTokens: a target that counts is asked; another's count is an
// estimate, and says so.
func TestResponsesTokens(t *testing.T) {
	up := startVendor(t)
	config := filepath.Join(t.TempDir(), "gateway.yaml")
	if err := os.WriteFile(config, fmt.Appendf(nil, sdkConfig, up.url), 0o600); err != nil {
		t.Fatal(err)
	}
	g := serve(t, "", nil, "--config", config)
	key := g.newKey(`{"name":"one"}`)
	for model, estimated := range map[string]string{"gpt-4.1": "", "claude-opus-4-8": "true", "chat-alone": "true"} {
		status, body, h := g.call("POST", "/v1/responses/input_tokens", key, fmt.Sprintf(`{"model":%q,"input":"How many?"}`, model))
		var n struct {
			Object string
			Tokens int `json:"input_tokens"`
		}
		if err := json.Unmarshal([]byte(body), &n); status != 200 || err != nil || n.Object != "response.input_tokens" || n.Tokens < 3 || h.Get("X-Gateway-Estimated") != estimated {
			t.Errorf("%s: %d %s, estimated %q", model, status, body, h.Get("X-Gateway-Estimated"))
		}
	}
	if status, body, _ := g.call("POST", "/v1/responses/compact", key, `{"model":"gpt-4.1","input":"one"}`); status != 200 || str([]byte(body), "object") != "response.compaction" {
		t.Errorf("compact: %d %s", status, body)
	}
	if status, body, _ := g.call("POST", "/v1/responses/compact", key, `{"model":"claude-opus-4-8","input":"one"}`); status < 400 || status > 501 || str([]byte(body), "error", "message") == "" {
		t.Errorf("compact where there is none: %d %s", status, body)
	}
}
