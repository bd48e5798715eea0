package main_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestReloadWhileSettling (row 96): prices change, are changed wrongly, and the file is
// reloaded while requests run and settle: each row costs what one list of prices says,
// whole, and names that list; nothing is free.
func TestReloadWhileSettling(t *testing.T) {
	up := startUpstream(t)
	file := filepath.Join(t.TempDir(), "gateway.yaml")
	if err := os.WriteFile(file, []byte("log: {level: error}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	g := serve(t, "", []string{"AI_GATEWAY_ADMIN_KEY=" + lifecycleKey, "OPENAI_API_KEY=sk-upstream", "AI_GATEWAY_PROVIDER_OPENAI_BASE_URL=" + up.url + "/v1"}, "--config", file)
	price := func(rate string) int { // of input and output alike
		status, _, _ := g.call("POST", "/v1/admin/prices", lifecycleKey, `{"prices":[{"provider":"openai","model":"gpt-4","rates":{"input":`+rate+`,"output":`+rate+`}}]}`)
		return status
	}
	if status := price("1"); status != 200 {
		t.Fatalf("status %d", status)
	}
	stop := make(chan struct{})
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}, Timeout: 30 * time.Second}
	var wg sync.WaitGroup
	for i := range 8 {
		body := strings.Replace(gpt4Ask, "{", fmt.Sprintf(`{"stream":%v,`, i%2 == 0), 1)
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if status, text, err := askWith(client, g.url, body); err != nil || status != 200 {
					t.Errorf("%d %v %s", status, err, text)
					return
				}
			}
		})
	}
	const lists = 40
	for p := 2; p <= lists; p++ {
		if status := price(fmt.Sprint(p)); status != 200 {
			t.Errorf("price %d: status %d", p, status)
		}
		if status := price([]string{"-1", "NaN", "1e30", `"x"`}[p%4]); status != 400 { // the list before it holds
			t.Errorf("a malformed price: status %d", status)
		}
		if err := g.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		time.Sleep(15 * time.Millisecond)
	}
	close(stop)
	wg.Wait()
	out, err := g.run("ai-gateway logs export --format jsonl")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	costs, versions, rows := map[string]bool{}, map[string]string{}, 0
	for line := range strings.Lines(out) {
		var r struct {
			ID      string      `json:"request_id"`
			Cost    json.Number `json:"cost_usd"`
			Version string      `json:"price_version"`
			Source  string      `json:"price_source"`
		}
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		rows++
		usd, _ := r.Cost.Float64()
		each := usd * 1e6 / 18 // 11 tokens in, 7 out
		if p := int(each + 0.5); p < 1 || p > lists || each-float64(p) > 1e-6 || float64(p)-each > 1e-6 || r.Source != "override" || r.Version == "" {
			t.Errorf("%s costs %s by %s of %s", r.ID, r.Cost, r.Source, r.Version)
		}
		if was := versions[r.Version]; was != "" && was != r.Cost.String() {
			t.Errorf("%s costs %s by version %s, by which another costs %s", r.ID, r.Cost, r.Version, was)
		}
		versions[r.Version] = r.Cost.String()
		costs[r.Cost.String()] = true
	}
	t.Logf("%d rows, %d prices", rows, len(costs))
	if rows != up.count() || len(costs) < 5 {
		t.Errorf("%d rows of %d requests, %d prices", rows, up.count(), len(costs))
	}
	if out, err := g.run("ai-gateway ledger verify"); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// askWith sends a chat as the test's admin and reads its answer whole.
func askWith(client *http.Client, url, body string) (int, string, error) {
	req, err := http.NewRequest("POST", url+"/v1/chat/completions", strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Authorization", "Bearer "+lifecycleKey)
	resp, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err
}
