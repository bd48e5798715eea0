package main_test

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestKill9 kills the serving binary in a loop under 32-way load. Every answer
// that a client saw whole must have its row after the restart, and none two.
func TestKill9(t *testing.T) {
	loops := 10
	if os.Getenv("CI") == "true" || os.Getenv("AI_GATEWAY_LONG") != "" {
		loops = 50
	}
	if testing.Short() {
		loops = 2
	}
	dir := t.TempDir()
	const adminKey = "test-admin-key-of-more-than-32-characters"
	env := []string{"AI_GATEWAY_ADMIN_KEY=" + adminKey}
	whole := map[string]bool{}
	var requests int
	for loop := range loops {
		g := serve(t, dir, env)
		g.admin = adminKey
		seen, sent := load(g, adminKey, time.Duration(100+rand.IntN(400))*time.Millisecond)
		for _, id := range seen {
			whole[id] = true
		}
		requests += sent
		if loop%10 == 9 || loop == loops-1 {
			compareRows(t, dir, env, adminKey, whole)
		}
	}
	t.Logf("%d kills, %d requests, %d answers seen whole, each with exactly one row", loops, requests, len(whole))
	if len(whole) < loops {
		t.Errorf("only %d answers were seen whole: the load was none", len(whole))
	}
}

// load runs 32 clients until the gateway is killed after d, and returns the ids
// of the answers seen whole.
func load(g *gateway, key string, d time.Duration) (seen []string, sent int) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	transport := &http.Transport{MaxIdleConnsPerHost: 32}
	client := &http.Client{Transport: transport, Timeout: 10 * time.Second}
	stop := make(chan struct{})
	for i := range 32 {
		wg.Go(func() {
			stream := i%2 == 0
			for {
				select {
				case <-stop:
					return
				default:
				}
				body := fmt.Sprintf(`{"model":"demo-fast","stream":%v,"messages":[{"role":"user","content":"count to five"}]}`, stream)
				req, _ := http.NewRequest("POST", g.url+"/v1/chat/completions", strings.NewReader(body))
				req.Header.Set("Authorization", "Bearer "+key)
				resp, err := client.Do(req)
				mu.Lock()
				sent++
				mu.Unlock()
				if err != nil {
					return
				}
				b, err := io.ReadAll(resp.Body)
				_ = resp.Body.Close()
				// A stream is whole for a client that holds its terminal event, however the connection ends.
				if resp.StatusCode == 200 && (stream && strings.Contains(string(b), "data: [DONE]") || !stream && err == nil && json.Valid(b)) {
					mu.Lock()
					seen = append(seen, resp.Header.Get("X-Request-Id"))
					mu.Unlock()
				}
			}
		})
	}
	time.Sleep(d)
	g.kill()
	close(stop)
	wg.Wait()
	transport.CloseIdleConnections()
	return seen, sent
}

// compareRows restarts the gateway and counts the rows of each request.
func compareRows(t *testing.T, dir string, env []string, key string, whole map[string]bool) {
	t.Helper()
	g := serve(t, dir, env)
	defer g.stop()
	rows := map[string]int{}
	recovered := 0
	for cursor := ""; ; {
		status, body, _ := g.call("GET", "/v1/admin/usage/logs?limit=1000&cursor="+cursor, key, "")
		var page struct {
			Data []struct {
				RequestID string `json:"request_id"`
				EndReason string `json:"end_reason"`
			}
			Next string `json:"next_cursor"`
		}
		if status != 200 || json.Unmarshal([]byte(body), &page) != nil {
			t.Fatalf("logs: %d %.300s", status, body)
		}
		for _, r := range page.Data {
			rows[r.RequestID]++
			if r.EndReason == "crash_recovered" {
				recovered++
				if whole[r.RequestID] {
					t.Errorf("%s was seen whole, its row says %s", r.RequestID, r.EndReason)
				}
			}
		}
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	for id := range whole {
		if rows[id] != 1 {
			t.Errorf("request %s was seen whole and has %d rows", id, rows[id])
		}
	}
	for id, n := range rows {
		if n > 1 {
			t.Errorf("request %s has %d rows", id, n)
		}
	}
	status, body, _ := g.call("GET", "/v1/admin/usage?last=30d", key, "")
	var sums struct{ Total struct{ Requests int } }
	if status != 200 || json.Unmarshal([]byte(body), &sums) != nil || sums.Total.Requests != len(rows) {
		t.Errorf("the roll-ups count %d requests, the rows are %d: %.200s", sums.Total.Requests, len(rows), body)
	}
	t.Logf("%d rows, %d recovered after a crash, %d seen whole", len(rows), recovered, len(whole))
}
