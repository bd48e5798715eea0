package main_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/your-org/ai-api-gateway/server/api"
)

// watch collects live events until the test ends.
func watch(t *testing.T, g *gateway) <-chan api.LiveEvent {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	events := make(chan api.LiveEvent, 1000)
	c := &api.Client{BaseURL: g.url, Key: lifecycleKey}
	go func() {
		_ = c.Live(ctx, func(e api.LiveEvent) error {
			events <- e
			return nil
		})
	}()
	return events
}

// nextEvent returns the next event of that type.
func nextEvent(t *testing.T, events <-chan api.LiveEvent, kind string) api.LiveEvent {
	t.Helper()
	deadline := time.After(15 * time.Second)
	for {
		select {
		case e := <-events:
			if e.Type == kind {
				return e
			}
		case <-deadline:
			t.Fatalf("no event %q came", kind)
		}
	}
}

// TestLive: who watches sees a request begin, answer and end with its row; what was
// in flight before comes first; a cancelled one stops its upstream at once, tells
// its caller, and has its row.
func TestLive(t *testing.T) {
	stopped := make(chan time.Time, 1)
	up := startHandler(t, func(w http.ResponseWriter, r *http.Request) {
		if !sayWords(w, r, 600, 50*time.Millisecond) {
			stopped <- time.Now()
		}
	})
	g := serve(t, "", []string{"AI_GATEWAY_ADMIN_KEY=" + lifecycleKey, "OPENAI_API_KEY=sk-x", "AI_GATEWAY_PROVIDER_OPENAI_BASE_URL=" + up + "/v1"})
	type ended struct {
		body string
		err  error
	}
	answer := make(chan ended, 1)
	go func() {
		req, _ := http.NewRequest("POST", g.url+"/v1/chat/completions", strings.NewReader(`{"model":"gpt-4o","stream":true,"messages":[{"role":"user","content":"hi"}]}`))
		req.Header.Set("Authorization", "Bearer "+lifecycleKey)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			answer <- ended{err: err}
			return
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		answer <- ended{string(b), err}
	}()
	var list api.InFlightReply
	for range 1000 { // 20 s
		_, body, _ := g.call("GET", "/v1/admin/requests", lifecycleKey, "")
		if json.Unmarshal([]byte(body), &list) == nil && len(list.Data) == 1 && list.Data[0].TTFTMs != nil {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if len(list.Data) != 1 || list.Data[0].Provider != "openai" || list.Data[0].Model != "gpt-4o" || !list.Data[0].Stream {
		t.Fatalf("in flight: %+v", list)
	}
	id := list.Data[0].RequestID
	events := watch(t, g)
	if e := nextEvent(t, events, api.LiveStarted); e.RequestID != id {
		t.Errorf("the request in flight comes first, not %+v", e)
	}
	status, body, _ := g.call("POST", "/v1/chat/completions", lifecycleKey, `{"model":"demo-fast","messages":[{"role":"user","content":"hi"}]}`)
	if status != 200 {
		t.Fatal(status, body)
	}
	if e := nextEvent(t, events, api.LiveStarted); e.Model != "demo-fast" || e.KeyName != "admin" {
		t.Errorf("started: %+v", e)
	}
	if e := nextEvent(t, events, api.LiveFinished); e.Row == nil || e.Row.Status != 200 || e.Row.Provider != "demo" || e.Row.CompletionTokens == 0 || len(e.Row.Attempts) != 1 {
		t.Errorf("finished: %+v", e)
	}

	if status, body, _ := g.call("POST", "/v1/admin/requests/"+id+"/cancel", g.newKeyAs(lifecycleKey, `{"name":"v","scopes":["viewer"]}`), ""); status != 403 {
		t.Errorf("a viewer cancelled: %d %s", status, body)
	}
	asked := time.Now()
	if status, body, _ := g.call("POST", "/v1/admin/requests/"+id+"/cancel", lifecycleKey, ""); status != 200 {
		t.Fatalf("cancel: %d %s", status, body)
	}
	select {
	case at := <-stopped:
		if at.Sub(asked) > 5*time.Second {
			t.Errorf("the upstream was stopped after %v", at.Sub(asked))
		}
	case <-time.After(20 * time.Second):
		t.Error("the upstream was not stopped")
	}
	got := <-answer
	if got.err != nil || !strings.Contains(got.body, `"request_cancelled"`) || strings.Contains(got.body, "[DONE]") {
		t.Errorf("the caller was told: %v …%s", got.err, got.body[max(0, len(got.body)-300):])
	}
	if e := nextEvent(t, events, api.LiveFinished); e.RequestID != id || e.Row.EndReason != "cancelled" || e.Row.CompletionTokens == 0 {
		t.Errorf("finished: %+v %+v", e, e.Row)
	}
	if status, body, _ := g.call("POST", "/v1/admin/requests/"+id+"/cancel", lifecycleKey, ""); status != 404 {
		t.Errorf("cancelled twice: %d %s", status, body)
	}
	if _, body, _ := g.call("GET", "/v1/admin/audit", lifecycleKey, ""); !strings.Contains(body, "request.cancel") {
		t.Errorf("the audit trail does not know of it: %s", body)
	}
}

// newKeyAs makes an API key with the rights of key.
func (g *gateway) newKeyAs(key, body string) string {
	g.t.Helper()
	was := g.admin
	g.admin = key
	defer func() { g.admin = was }()
	return g.newKey(body)
}
