package relay_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/your-org/ai-api-gateway/server/upstream"
	"github.com/your-org/ai-api-gateway/store"
)

// TestStop: what is in flight at the end of the gateway is told so, whether its
// answer has begun or not, gets its row, and goes to no other target.
func TestStop(t *testing.T) {
	f := func(name, path, ask string, begun bool, status int) {
		t.Helper()
		reached := make(chan struct{}, 10)
		slow := func(w http.ResponseWriter, r *http.Request) {
			if begun {
				sse(w, first, hello)
			}
			reached <- struct{}{}
			<-r.Context().Done()
		}
		b := newBench(t, upstream.Timeouts{}, target{dialect: asChat, handler: slow}, target{dialect: asChat, handler: slow})
		type answered struct {
			status int
			body   string
		}
		got := make(chan answered, 1)
		go func() {
			s, body, _ := b.post(path, ask)
			got <- answered{s, body}
		}()
		<-reached
		time.Sleep(150 * time.Millisecond) // past the moment from which callers are watched
		if n := b.relay.InFlight(); n != 1 {
			t.Errorf("%s: %d in flight", name, n)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := b.relay.Stop(ctx); err != nil || b.relay.InFlight() != 0 {
			t.Errorf("%s: %v, %d in flight", name, err, b.relay.InFlight())
		}
		if a := <-got; a.status != status || !strings.Contains(a.body, "shutting down") || strings.Contains(a.body, "[DONE]") || strings.Contains(a.body, "Hello") != begun {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
		row := b.book.row(t, 1)
		if row.EndReason != store.EndShutdown || row.Status != 503 || len(row.Attempts) != 1 || row.Attempts[0].Outcome != "cancelled" {
			t.Errorf("%s: row %+v", name, row)
		}
		// and what comes later is refused at once
		if s, body, _ := b.post(path, ask); s != 503 || !strings.Contains(body, "shutting down") {
			t.Errorf("%s, afterwards: %d %s", name, s, body)
		}
		if len(reached) != 0 {
			t.Errorf("%s: another target was tried", name)
		}
	}
	const messages = `{"model":"m1","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}`
	f("buffered", "/v1/chat/completions", ask, false, 503)
	f("buffered, translated", "/v1/messages", messages, false, 503)
	f("stream without content", "/v1/chat/completions", streamAsk, false, 503)
	f("stream with content", "/v1/chat/completions", streamAsk, true, 200)
	f("stream with content, translated", "/v1/messages", strings.Replace(messages, `"m1"`, `"m1","stream":true`, 1), true, 200)
}
