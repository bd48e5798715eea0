package relay_test

import (
	"io"
	"net/http"
	"sync"
	"testing"

	"github.com/your-org/ai-api-gateway/server/upstream"
	"github.com/your-org/ai-api-gateway/store"
)

// TestKeyPool: all keys of an account are used, in proportion to their weights.
func TestKeyPool(t *testing.T) {
	var mu sync.Mutex
	used := map[string]int{}
	b := newBench(t, upstream.Timeouts{}, target{dialect: asChat, handler: func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		used[r.Header.Get("Authorization")]++
		mu.Unlock()
		replies(200, whole)(w, r)
		_, _ = io.Copy(io.Discard, r.Body)
	}})
	a := b.table.Accounts()[0]
	a.Secrets = []store.SecretString{store.NewSecret("sk-key-a"), store.NewSecret("sk-key-b"), store.NewSecret("sk-key-c")}
	a.Account.Secrets = []store.Secret{{Weight: 0}, {Weight: 8}, {Weight: 1}} // 0 counts as 1
	const n = 500
	for range n {
		if status, out, _ := b.post("/v1/chat/completions", ask); status != 200 {
			t.Fatalf("%d %s", status, out)
		}
	}
	// 50, 400 and 50 are expected; the bounds are more than five standard deviations away
	if ka, kb, kc := used["Bearer sk-key-a"], used["Bearer sk-key-b"], used["Bearer sk-key-c"]; ka+kb+kc != n || ka < 10 || ka > 95 || kc < 10 || kc > 95 {
		t.Errorf("used: %v", used)
	}
}
