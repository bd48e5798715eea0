//go:build unix

package main_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/your-org/ai-api-gateway/store/postgres/postgrestest"
)

// TestFleetShortLimits: limits of a minute and of what runs at a time hold for three
// gateways together, as for one, also when one of them dies; without the database each
// has its part.
func TestFleetShortLimits(t *testing.T) {
	t.Parallel()
	server := postgrestest.Start(t)
	db := server.Database(t)
	var mu sync.Mutex
	running, most := 0, 0
	up := startHandler(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		mu.Lock()
		running++
		most = max(most, running)
		mu.Unlock()
		select {
		case <-time.After(80 * time.Millisecond):
		case <-r.Context().Done():
		}
		mu.Lock()
		running--
		mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"id":"x","object":"chat.completion","created":1,"model":"gpt-4","choices":[{"index":0,"message":{"role":"assistant","content":"ok"},"finish_reason":"stop"}],"usage":{"prompt_tokens":11,"completion_tokens":7,"total_tokens":18}}`)
	})
	nodes := []*gateway{node(t, db, ""), node(t, db, ""), node(t, db, "")}
	if status, body, _ := nodes[0].call("POST", "/v1/admin/provider-accounts", fleetAdmin, fmt.Sprintf(`{"provider":"openai","account_name":"mine","api_key":"sk-x-secret-1","base_url":%q}`, up+"/v1")); status != 201 {
		t.Fatalf("account: %d %s", status, body)
	}
	limited := func(name, limit string) string {
		t.Helper()
		key := nodes[0].newKey(fmt.Sprintf(`{"name":%q}`, name))
		if status, body, _ := nodes[0].call("POST", "/v1/admin/quota-policies", fleetAdmin, fmt.Sprintf(`{"name":%q,"scope":{"api_key":%q},"limits":[%s]}`, name, keyID(t, nodes[0], name), limit)); status != 201 {
			t.Fatalf("policy: %d %s", status, body)
		}
		for _, n := range nodes {
			eventually(t, 5*time.Second, func() (bool, string) {
				_, body, _ := n.call("GET", "/v1/admin/quota-policies", fleetAdmin, "")
				status, _, _ := n.call("GET", "/v1/key", key, "")
				return status == 200 && strings.Contains(body, `"`+name+`"`), body
			})
		}
		return key
	}
	const perMinute, burst = 240, 24
	minute, slots := limited("minute", fmt.Sprintf(`{"kind":"requests","limit":%d,"window":"minute"}`, perMinute)), limited("slots", `{"kind":"concurrency","limit":5}`)
	load := func(key string, d time.Duration, nodes ...*gateway) *crowd {
		t.Helper()
		c := &crowd{stop: make(chan struct{})}
		for _, n := range nodes {
			c.call(n, key, fleetCall, 8, 20*time.Millisecond)
		}
		time.Sleep(d)
		c.end()
		if len(c.failed) > 0 {
			t.Errorf("%d calls failed: %.300s", len(c.failed), c.failed[0])
		}
		return c
	}
	start := time.Now()
	c := load(minute, 10*time.Second, nodes...)
	bound := burst + int(time.Since(start)+time.Second)*perMinute/int(time.Minute)
	if got := len(c.whole); got > bound || got < bound*3/4 {
		t.Errorf("%d calls of at most %d were admitted in %v", got, bound, time.Since(start))
	}
	t.Logf("%d requests a minute at three gateways: %d admitted in %v (one alone would admit %d), %d denied, p99 %v", perMinute, len(c.whole), time.Since(start).Round(100*time.Millisecond), bound-perMinute/60, c.denied, quantileOf(c.took, 0.99).Round(time.Millisecond))

	mu.Lock()
	most = 0
	mu.Unlock()
	c = load(slots, 8*time.Second, nodes...)
	mu.Lock()
	if most > 5 || most < 4 {
		t.Errorf("%d ran at a time, of 5", most)
	}
	t.Logf("5 at a time at three gateways: %d at most, %d served, %d denied", most, len(c.whole), c.denied)
	most = 0
	mu.Unlock()

	nodes[2].kill()
	time.Sleep(16 * time.Second) // what it had is free then
	load(slots, 5*time.Second, nodes[0])
	mu.Lock()
	if most != 5 {
		t.Errorf("after one has died, %d run at a time at another, of 5", most)
	}
	most = 0
	mu.Unlock()

	server.Kill()
	start = time.Now()
	c = load(minute, 10*time.Second, nodes[:2]...)
	if got := len(c.whole); got > bound || got < 15 {
		t.Errorf("without the database %d calls were admitted in %v", got, time.Since(start))
	}
	t.Logf("without the database: %d admitted in %v, %d denied, p99 %v", len(c.whole), time.Since(start).Round(100*time.Millisecond), c.denied, quantileOf(c.took, 0.99).Round(time.Millisecond))
	if err := server.Run(); err != nil {
		t.Fatal(err)
	}
}
