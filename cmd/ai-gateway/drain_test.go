package main_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// An ending is what a caller has of a request: an id, a status and what came.
type ending struct {
	id     string
	status int
	body   string
	err    error
}

// many begins n requests at once and tells of each when it has ended.
func many(g *gateway, n int, body string) <-chan ending {
	out := make(chan ending, n)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: n}, Timeout: 2 * time.Minute}
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			req, _ := http.NewRequest("POST", g.url+"/v1/chat/completions", strings.NewReader(body))
			req.Header.Set("Authorization", "Bearer "+g.admin)
			resp, err := client.Do(req)
			if err != nil {
				out <- ending{err: err}
				return
			}
			defer func() { _ = resp.Body.Close() }()
			b, err := io.ReadAll(resp.Body)
			out <- ending{resp.Header.Get("X-Request-Id"), resp.StatusCode, string(b), err}
		})
	}
	go func() { wg.Wait(); client.CloseIdleConnections(); close(out) }()
	return out
}

// talker answers buffered requests after a while, and streams a word each 100 ms.
func talker(t *testing.T, words int) string {
	return startHandler(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		if !strings.Contains(string(b), `"stream":true`) {
			select {
			case <-time.After(time.Duration(words) * 100 * time.Millisecond):
			case <-r.Context().Done():
				return
			}
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"id":"x","object":"chat.completion","created":1,"model":"gpt-4","choices":[{"index":0,"message":{"role":"assistant","content":"ok"},"finish_reason":"stop"}],"usage":{"prompt_tokens":11,"completion_tokens":7,"total_tokens":18}}`)
			return
		}
		if !sayWords(w, r, words, 100*time.Millisecond) {
			return
		}
		_, _ = io.WriteString(w, "data: [DONE]\n\n")
	})
}

// TestTermination (row 80): SIGTERM with 200 streams and 50 buffered requests on the
// way lets all end; a second one cuts streams with an error event and buffered
// requests with an error. Each request has its one row either way.
func TestTermination(t *testing.T) {
	t.Parallel()
	const streamed, buffered = 200, 50
	f := func(name string, words int, twice bool) {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			env := []string{"OPENAI_API_KEY=sk-up", "AI_GATEWAY_PROVIDER_OPENAI_BASE_URL=" + talker(t, words) + "/v1", "AI_GATEWAY_LOG_LEVEL=error"}
			g := serve(t, dir, env, "--drain-timeout", "60s")
			streams := many(g, streamed, `{"model":"gpt-4","stream":true,"messages":[{"role":"user","content":"x"}]}`)
			answers := many(g, buffered, `{"model":"gpt-4","messages":[{"role":"user","content":"x"}]}`)
			for deadline := time.Now().Add(20 * time.Second); g.standing()["ai_gateway_inflight_requests"] < streamed+buffered; time.Sleep(20 * time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatalf("the load does not stand: %v", g.standing())
				}
			}
			time.Sleep(500 * time.Millisecond) // so that each stream has content
			if err := g.cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			if twice {
				time.Sleep(500 * time.Millisecond)
				_ = g.cmd.Process.Signal(syscall.SIGTERM)
			}
			var ids []string
			bad := 0
			for a := range streams {
				ids = append(ids, a.id)
				whole := strings.HasSuffix(a.body, "data: [DONE]\n\n") && strings.Count(a.body, "word ") == words
				told := strings.Contains(a.body, "server_shutting_down") && !strings.Contains(a.body, "[DONE]")
				if a.err != nil || a.status != 200 || twice && !told || !twice && !whole {
					bad++
					t.Logf("a stream ended as %d %v …%s", a.status, a.err, a.body[max(0, len(a.body)-200):])
				}
			}
			for a := range answers {
				ids = append(ids, a.id)
				if a.err != nil || !json.Valid([]byte(a.body)) || twice && (a.status != 503 || !strings.Contains(a.body, "server_shutting_down")) || !twice && a.status != 200 {
					bad++
					t.Logf("a buffered request ended as %d %v %.200s", a.status, a.err, a.body)
				}
			}
			if bad > 0 {
				t.Errorf("%d of %d ended badly", bad, streamed+buffered)
			}
			g.stopped = true
			if err := g.cmd.Wait(); err != nil {
				t.Errorf("exit: %v\n%s", err, g.log)
			}
			rowsOf(t, dir, env, ids, func(_ string, status int, end string) bool {
				return twice && status == 503 && end == "shutdown" || !twice && status == 200 && end == "complete"
			})
		})
	}
	f("once", 40, false)
	f("twice", 600, true)
}
