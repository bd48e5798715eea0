package main_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestRow61Idempotency: one call to the upstream for one Idempotency-Key, whoever
// asks again, when, and how often.
func TestRow61Idempotency(t *testing.T) {
	k := newDoorkeeper(t)
	g := behind(t, k, "")
	key := g.newKey(`{"name":"once"}`)
	other := g.newKey(`{"name":"other"}`)
	type reply struct {
		status int
		body   string
		head   http.Header
	}
	ask := func(g *gateway, key, once, body string) reply {
		status, text, head := g.call("POST", "/v1/chat/completions", key, body, "Idempotency-Key", once)
		return reply{status, text, head}
	}
	// let runs f with the door open.
	let := func(f func() reply) reply {
		done := make(chan reply, 1)
		go func() { done <- f() }()
		for {
			select {
			case r := <-done:
				return r
			case <-time.After(20 * time.Millisecond):
				k.release()
			}
		}
	}
	stream := strings.Replace(gpt4Ask, "{", `{"stream":true,`, 1)

	// Ten at once: one is served, the others are told; then all get its answer.
	var wg sync.WaitGroup
	replies := make([]reply, 10)
	var answered atomic.Int64
	for i := range replies {
		wg.Go(func() {
			replies[i] = ask(g, key, "ten", gpt4Ask)
			answered.Add(1)
		})
	}
	k.await(t, 1)
	eventually(t, 20*time.Second, func() (bool, string) { return answered.Load() == 9, fmt.Sprintf("%d were told", answered.Load()) })
	k.release()
	wg.Wait()
	served, told := reply{}, 0
	for _, r := range replies {
		switch {
		case r.status == 200 && r.head.Get("Idempotent-Replayed") == "":
			served = r
		case r.status == 409 && strings.Contains(r.body, "idempotency_in_flight") && r.head.Get("Retry-After") == "1":
			told++
		default:
			t.Errorf("%d %s", r.status, r.body)
		}
	}
	if told != 9 || k.calls.Load() != 1 {
		t.Fatalf("%d were told, %d calls", told, k.calls.Load())
	}
	same := func(what string, r, want reply) {
		t.Helper()
		if r.status != want.status || r.body != want.body || r.head.Get("Content-Type") != want.head.Get("Content-Type") || r.head.Get("Idempotent-Replayed") != "true" || r.head.Get("X-Gateway-Replay-Of") != want.head.Get("X-Request-Id") {
			t.Errorf("%s: %d %s %v, want %d %s", what, r.status, r.body, r.head, want.status, want.body)
		}
	}
	same("again", ask(g, key, "ten", gpt4Ask), served)
	if r := ask(g, key, "ten", strings.Replace(gpt4Ask, "Hello", "Bye", 1)); r.status != 422 || !strings.Contains(r.body, "idempotency_mismatch") || r.head.Get("X-Should-Retry") != "false" {
		t.Errorf("another body: %d %s", r.status, r.body)
	}
	if r := let(func() reply { return ask(g, other, "ten", gpt4Ask) }); r.status != 200 || r.head.Get("Idempotent-Replayed") != "" || k.calls.Load() != 2 {
		t.Errorf("another API key: %d %s", r.status, r.body)
	}
	streamed := let(func() reply { return ask(g, key, "stream", stream) })
	if !strings.HasSuffix(streamed.body, "data: [DONE]\n\n") || k.calls.Load() != 3 {
		t.Fatalf("%d %s", streamed.status, streamed.body)
	}
	same("a stream", ask(g, key, "stream", stream), streamed)

	// A failure is not kept.
	k.fail.Store(true)
	if r := ask(g, key, "bad", gpt4Ask); r.status != 400 {
		t.Errorf("%d %s", r.status, r.body)
	}
	k.fail.Store(false)
	if r := let(func() reply { return ask(g, key, "bad", gpt4Ask) }); r.status != 200 || k.calls.Load() != 5 {
		t.Errorf("after a failure: %d %s", r.status, r.body)
	}

	// A caller who leaves finds his answer when he comes back.
	for i, body := range []string{gpt4Ask, stream} {
		once := []string{"left", "left-stream"}[i]
		before := k.calls.Load()
		req, err := http.NewRequest("POST", g.url+"/v1/chat/completions", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+key)
		req.Header.Set("Idempotency-Key", once)
		ctx, leave := context.WithCancel(context.Background())
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			if resp, err := http.DefaultClient.Do(req.WithContext(ctx)); err == nil { // the stream has begun
				_ = resp.Body.Close()
			}
		}()
		k.await(t, before+1)
		leave()
		<-gone
		time.Sleep(300 * time.Millisecond)
		k.release()
		var back reply
		for range 1000 { // 20 s
			if back = ask(g, key, once, body); back.status != 409 {
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
		if back.status != 200 || back.head.Get("Idempotent-Replayed") != "true" || !strings.Contains(back.body, "Hello") || k.calls.Load() != before+1 {
			t.Errorf("%s: %d %s, %d calls", once, back.status, back.body, k.calls.Load()-before)
		}
	}

	// A kill forgets nothing that was answered.
	calls := k.calls.Load()
	g.kill()
	g = behind(t, k, g.dir)
	same("after a restart", ask(g, key, "ten", gpt4Ask), served)
	same("a stream after a restart", ask(g, key, "stream", stream), streamed)
	if r := ask(g, key, "ten", stream); r.status != 422 {
		t.Errorf("another body after a restart: %d %s", r.status, r.body)
	}
	if k.calls.Load() != calls {
		t.Errorf("%d calls after the restart", k.calls.Load()-calls)
	}
	// Each served request has one row, replays have none: ten, other, stream, bad twice, left, left-stream.
	if _, logs, _ := g.call("GET", "/v1/admin/usage/logs?limit=100", g.admin, ""); strings.Count(logs, `"request_id"`) != 7 {
		t.Errorf("%d rows: %s", strings.Count(logs, `"request_id"`), logs)
	}
	if r := ask(g, key, strings.Repeat("x", 256), gpt4Ask); r.status != 400 {
		t.Errorf("a key of 256 characters: %d %s", r.status, r.body)
	}
}
