package relay_test

import (
	"net/http"
	"reflect"
	"sync/atomic"
	"testing"
	"time"

	"github.com/your-org/ai-api-gateway/server/routing"
	"github.com/your-org/ai-api-gateway/server/upstream"
)

// TestAllowances: what an upstream says is left of its limits is known of its target,
// is looked at once a second at most, and stays when an answer says nothing.
func TestAllowances(t *testing.T) {
	var left atomic.Pointer[string]
	say := func(s string) { left.Store(&s) }
	b := newBench(t, upstream.Timeouts{}, target{dialect: asChat, handler: func(w http.ResponseWriter, r *http.Request) {
		if n := *left.Load(); n != "" {
			w.Header().Set("X-RateLimit-Limit-Requests", "100")
			w.Header().Set("X-RateLimit-Remaining-Requests", n)
		}
		status(200, `{"id":"1","object":"chat.completion","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}`)(w, r)
	}})
	now := func() []routing.Allowance {
		t.Helper()
		b.post("/v1/chat/completions", ask)
		states := b.table.Health().States(time.Now())
		if len(states) != 1 {
			t.Fatalf("got %+v", states)
		}
		if len(states[0].Allowed) > 0 && time.Since(states[0].AllowedAt) > time.Minute {
			t.Errorf("heard at %v", states[0].AllowedAt)
		}
		return states[0].Allowed
	}
	want := []routing.Allowance{{Kind: "requests", Limit: 100, Left: 99}}
	start := time.Now()
	say("99")
	if got := now(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
	say("98")
	if got := now(); time.Since(start) < time.Second && !reflect.DeepEqual(got, want) {
		t.Errorf("looked again within a second: %+v", got)
	}
	time.Sleep(1100 * time.Millisecond) // of the bound, which is real time here
	say("")
	if got := now(); len(got) != 1 || got[0].Limit != 100 {
		t.Errorf("an answer that says nothing leaves %+v", got)
	}
}
