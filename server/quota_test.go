package server

import (
	"context"
	"testing"

	"github.com/your-org/ai-api-gateway/store"
)

// TestEveryRelayIsMetered walks the route table: no route that reaches an upstream
// passes a limit by.
func TestEveryRelayIsMetered(t *testing.T) {
	b := newBench(t)
	none := &store.Policy{ID: "none", Name: "none", Scope: store.PolicyScope{Global: true}, Limits: []store.PolicyLimit{{Kind: store.LimitRequests, Window: store.WindowMinute, Limit: 0}}}
	if err := b.quota.Set(context.Background(), []*store.Policy{none}); err != nil {
		t.Fatal(err)
	}
	const body = `{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"hi"}],"input":"x","prompt":"x","query":"q","documents":["a"],
		"contents":[{"role":"user","parts":[{"text":"x"}]}],"content":{"parts":[{"text":"x"}]},"requests":[{"model":"models/m","content":{"parts":[{"text":"x"}]}}]}`
	key, walked := b.key(nil), 0
	for _, r := range b.s.routes.all {
		if r.meter != MeterLedger {
			continue
		}
		walked++
		if got := b.call(r.method, concrete(r.path), key, body); got.status != 429 || got.head.Get("X-Should-Retry") != "false" || got.head.Get("X-Ratelimit-Limit-Requests") != "0" {
			t.Errorf("%s %s: %v", r.method, r.path, got)
		}
	}
	if walked < 14 || b.calls() != 0 || len(b.rows.served()) != 0 {
		t.Errorf("%d routes, %d calls reached the upstream, %d rows were written", walked, b.calls(), len(b.rows.served()))
	}
}
