package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/your-org/ai-api-gateway/store"
)

const address = "https://hooks.example.com/services/secret-token?key=other-secret"

// hook is a webhook: it fails as often as it is told to, and keeps what it took.
type hook struct {
	mu    sync.Mutex
	fails int
	got   []string
	hang  bool
}

func (h *hook) post(ctx context.Context, url string, body []byte) (int, []byte, error) {
	if h.hang {
		<-ctx.Done()
		return 0, nil, fmt.Errorf("cannot post to %s: %w", url, ctx.Err())
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.fails > 0 {
		h.fails--
		return 0, nil, errors.New("cannot dial " + url)
	}
	h.got = append(h.got, string(body))
	return 200, []byte(`{"ok":true}`), nil
}

func (h *hook) take() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	got := h.got
	h.got = nil
	return got
}

func running(t *testing.T, h *hook, s Settings) (*Notifier, context.CancelFunc) {
	n := New(Options{Post: h.post, Gateway: "gw", Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	n.Configure(s)
	ctx, cancel := context.WithCancel(t.Context())
	go n.Run(ctx)
	return n, cancel
}

func TestTell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hook{}
		n, cancel := running(t, h, Settings{})
		defer cancel()
		n.Tell(Breaker, "a", "nobody is told")
		synctest.Wait()
		s := Settings{URL: store.NewSecret(address), Template: "json", Events: []string{Breaker, Budget}, Repeat: time.Hour}
		n.Configure(s)
		n.Tell(Account, "a", "not wished")
		n.Tell(Breaker, "a", "first")
		n.Tell(Breaker, "a", "the same matter")
		synctest.Wait()
		time.Sleep(59 * time.Minute)
		n.Tell(Breaker, "a", "still the same")
		synctest.Wait()
		time.Sleep(2 * time.Minute)
		n.Tell(Breaker, "a", "again")
		n.Tell(Breaker, "b", "another")
		synctest.Wait()
		var told []string
		for _, body := range h.take() {
			var m struct {
				Gateway string
				Events  []Event
			}
			if err := json.Unmarshal([]byte(body), &m); err != nil || m.Gateway != "gw" {
				t.Fatalf("%v: %s", err, body)
			}
			for _, e := range m.Events {
				told = append(told, e.Message)
			}
		}
		if got := strings.Join(told, ","); got != "first,again,another" {
			t.Errorf("told %s", got)
		}
	})
}

// TestTries: a message is tried three times; a failure is told without the address; what
// waits when a webhook hangs is bounded, and the end of the process too.
func TestTries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hook{fails: 2}
		n, cancel := running(t, h, Settings{URL: store.NewSecret(address), Template: "json"})
		n.Tell(Ledger, "x", "one")
		time.Sleep(time.Minute)
		if got := h.take(); len(got) != 1 || n.State().Sent != 1 || n.State().LastError != "" {
			t.Errorf("after two failures: %q, %+v", got, n.State())
		}
		h.fails = 3
		n.Tell(Ledger, "y", "two")
		time.Sleep(time.Minute)
		if s := n.State(); s.Failed != 1 || s.LastError != "cannot dial https://hooks.example.com/…" {
			t.Errorf("after three failures: %+v", s)
		}
		h.hang = true
		for i := range 2 * maxQueue {
			n.Tell(Ledger, fmt.Sprint(i), "many")
		}
		synctest.Wait()
		if s := n.State(); s.Dropped == 0 || s.Waiting > maxQueue {
			t.Errorf("of %d: %+v", 2*maxQueue, s)
		}
		start := time.Now()
		cancel()
		synctest.Wait()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if s := n.State(); s.Waiting != 0 || strings.Contains(s.LastError, "secret") {
			t.Errorf("after the end, %v: %+v", time.Since(start), s)
		}
	})
}

// TestEndInterrupts: what is being told when the process ends is told once more.
func TestEndInterrupts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hook{hang: true}
		n, cancel := running(t, h, Settings{URL: store.NewSecret(address), Template: "json"})
		n.Tell(Ledger, "x", "one")
		synctest.Wait()
		h.hang = false
		cancel()
		synctest.Wait()
		if got, s := h.take(), n.State(); len(got) != 1 || s.Sent != 1 || s.Failed != 0 {
			t.Errorf("%q, %+v", got, s)
		}
	})
}

func TestTemplates(t *testing.T) {
	at := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	batch := []Event{{Kind: Breaker, Object: "a/m", Message: "it fails:\n\"reset\"", Time: at}}
	f := func(template, want string) {
		t.Helper()
		got, err := encode(template, "gw", batch)
		if err != nil || string(got) != want {
			t.Errorf("%s: %s, %v, want %s", template, got, err, want)
		}
	}
	f("json", `{"events":[{"kind":"breaker","object":"a/m","message":"it fails:\n\"reset\"","time":"2026-11-23T08:00:00Z"}],"gateway":"gw"}`)
	f("slack", `{"text":"ai-gateway gw\n[breaker] it fails: \"reset\""}`)
	f("feishu", `{"content":{"text":"ai-gateway gw\n[breaker] it fails: \"reset\""},"msg_type":"text"}`)
	f("dingtalk", `{"msgtype":"text","text":{"content":"ai-gateway gw\n[breaker] it fails: \"reset\""}}`)
	f("wecom", `{"msgtype":"text","text":{"content":"ai-gateway gw\n[breaker] it fails: \"reset\""}}`)
	for range 300 {
		batch = append(batch, batch[0])
	}
	if s := text("gw", batch); len(s) > maxText || !strings.HasSuffix(s, "more") {
		t.Errorf("%d bytes: …%s", len(s), s[len(s)-40:])
	}
}

// TestJudge: chats answer 200 to what they refuse.
func TestJudge(t *testing.T) {
	f := func(status int, answer, want string) {
		t.Helper()
		if got := fmt.Sprint(judge(status, []byte(answer))); !strings.Contains(got, want) {
			t.Errorf("%d %s: %s, want %s", status, answer, got, want)
		}
	}
	f(200, "ok", "<nil>")
	f(204, "", "<nil>")
	f(200, `{"errcode":0,"errmsg":"ok"}`, "<nil>")
	f(200, `{"StatusCode":0,"code":0,"msg":"success"}`, "<nil>")
	f(200, `{"errcode":310000,"errmsg":"keywords not in content"}`, "code 310000 keywords")
	f(200, `{"code":19024,"msg":"Key Words Not Found"}`, "code 19024 Key Words")
	f(302, "", "answered 302")
	f(404, "no_team", "answered 404")
}
