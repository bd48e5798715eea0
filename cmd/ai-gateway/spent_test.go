//go:build unix

package main_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/your-org/ai-api-gateway/store/postgres/postgrestest"
)

// cutting is Anthropic, which says what it has read and then breaks off.
func cutting(t *testing.T) string {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude-3-opus-20240229\",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{\"input_tokens\":1000,\"output_tokens\":1}}}\n\n")
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

// TestSpentAttempts follows the money of attempts that failed after they had told what
// they used, through the whole program: an answer of another target, a repeated call,
// kill -9, new prices, and a move to Postgres. What each account is charged is at every
// step the sum over the calls that were made there.
func TestSpentAttempts(t *testing.T) {
	var hang atomic.Bool
	hung := make(chan struct{}, 1)
	plain := startUpstream(t)
	second := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if hang.Load() && r.Method == "POST" {
			_, _ = io.Copy(io.Discard, r.Body)
			hung <- struct{}{}
			<-r.Context().Done()
			return
		}
		plain.serve(w, r)
	}))
	t.Cleanup(second.Close)
	dir := t.TempDir()
	g := serve(t, dir, nil)
	admin := g.admin
	must := func(path, body string) {
		t.Helper()
		if status, out, _ := g.call("POST", path, admin, body); status != 201 {
			t.Fatalf("%s: %d %s", path, status, out)
		}
	}
	must("/v1/admin/provider-accounts", fmt.Sprintf(`{"provider":"anthropic","account_name":"first","api_key":"sk-ant-secret-1234","base_url":%q}`, cutting(t)))
	must("/v1/admin/provider-accounts", fmt.Sprintf(`{"provider":"openai","account_name":"second","api_key":"sk-secret-12345678","base_url":%q}`, second.URL+"/v1"))
	must("/v1/admin/model-mappings", `{"alias":"steady","targets":[{"account":"first","model":"claude-3-opus-20240229"},{"account":"second","model":"gpt-4","priority":1}]}`)
	must("/v1/admin/quota-policies", `{"name":"at-first","scope":{"account":"first"},"limits":[{"kind":"cost_usd","limit":100,"window":"month"}]}`)
	key := g.newKey(`{"name":"team","markup":"1.1"}`)
	ask := func(header ...string) {
		t.Helper()
		status, out, _ := g.call("POST", "/v1/chat/completions", key, `{"model":"steady","stream":true,"messages":[{"role":"user","content":"hi"}]}`, header...)
		if status != 200 || !strings.Contains(out, "there.") {
			t.Fatalf("%d %s", status, out)
		}
	}
	// wants asserts the sums of both accounts, and that the ledger is clean and the budget follows.
	wants := func(first, second string, requests int) {
		t.Helper()
		status, out, _ := g.call("GET", "/v1/admin/usage?last=1d&group_by=account", admin, "")
		var got struct {
			Data []struct {
				Account  string
				Requests int
				Cost     json.Number `json:"cost_usd"`
			}
		}
		if status != 200 || json.Unmarshal([]byte(out), &got) != nil {
			t.Fatalf("%d %s", status, out)
		}
		have := map[string]string{}
		for _, x := range got.Data {
			have[x.Account] = fmt.Sprintf("%d %s", x.Requests, x.Cost)
		}
		if have["first"] != "0 "+first || have["second"] != fmt.Sprintf("%d %s", requests, second) {
			t.Errorf("by account %v, want %s and %d for %s", have, first, requests, second)
		}
		if out, err := g.run("ai-gateway ledger verify"); err != nil || !strings.Contains(out, "clean") {
			t.Errorf("%v %s", err, out)
		}
		if _, out, _ = g.call("GET", "/v1/admin/quota-policies", admin, ""); !strings.Contains(out, `"used":`+first+`,`) {
			t.Errorf("the account's budget has not used %s: %s", first, out)
		}
	}
	// 1,000 tokens in at 15 USD and 1 out at 75; 11 in at 30 and 7 out at 60.
	ask()
	wants("0.015075", "0.00075", 1)
	out, err := g.run("ai-gateway logs show $(ai-gateway logs -n 1 -o jsonl | sed 's/.*\"request_id\":\"\\([^\"]*\\)\".*/\\1/')")
	t.Logf("logs show:\n%s", out)
	for _, want := range []string{"it told of 1000 tokens in, 1 out (provider_partial), 0.015075 USD", "answered HTTP 200", "0.015825 USD"} {
		if err != nil || !strings.Contains(out, want) {
			t.Errorf("%v, %q is missing in %s", err, want, out)
		}
	}
	if out, err = g.run("ai-gateway logs export | tail -1"); err != nil || !strings.Contains(out, ",0.015825,0.0174075,") || !strings.HasSuffix(strings.TrimSpace(out), ",0.015075,") { // and no node
		t.Errorf("%v %s", err, out)
	}

	ask("Idempotency-Key", "once")
	ask("Idempotency-Key", "once") // from what is kept: no attempt is made
	wants("0.03015", "0.0015", 2)

	hang.Store(true)
	go func() { // its answer never comes
		req, _ := http.NewRequest("POST", g.url+"/v1/chat/completions", strings.NewReader(`{"model":"steady","stream":true,"messages":[{"role":"user","content":"hi"}]}`))
		req.Header.Set("Authorization", "Bearer "+key)
		if resp, err := http.DefaultClient.Do(req); err == nil {
			_ = resp.Body.Close()
		}
	}()
	<-hung
	g.durable(1)
	g.kill()
	hang.Store(false)
	g = serve(t, dir, nil)
	// The crash row is of the first of its targets, which is the first account, too.
	open := func(want ...string) {
		t.Helper()
		_, out, _ := g.call("GET", "/v1/admin/usage/logs?end_reason=crash_recovered", admin, "")
		for _, w := range want {
			if !strings.Contains(out, w) {
				t.Errorf("%s is missing in %s", w, out)
			}
		}
	}
	open(`"cost_usd":0.015075,`, `"unconfirmed_usd":0.`, `"outcome":"cut"`)
	if out, err := g.run("ai-gateway ledger verify"); err != nil || !strings.Contains(out, "clean: 3 rows") {
		t.Errorf("%v %s", err, out)
	}
	if out, err := g.run("ai-gateway ledger resolve --all --release --yes"); err != nil {
		t.Errorf("%v %s", err, out)
	}
	open(`"cost_usd":0.015075,`, `"charged_usd":0.0165825,`, `"crash_recovered","resolved"`)

	sums := func() string {
		t.Helper()
		_, out, _ := g.call("GET", "/v1/admin/usage?last=1d&group_by=account,provider,key,end_reason", admin, "")
		sums, _, _ := strings.Cut(out, `"since"`)
		return sums
	}
	reprice := func(output string) {
		t.Helper()
		if out, err := g.run("ai-gateway models price set claude-3-opus-20240229 --provider anthropic --input 30 --output " + output + " --yes && ai-gateway usage rerate --since 2020-01-01 --account first --yes && ai-gateway ledger verify"); err != nil || !strings.Contains(out, "clean") {
			t.Errorf("%v %s", err, out)
		}
	}
	reprice("75") // of the first account alone: two attempts before the last, and that of the crash
	if got := sums(); strings.Count(got, `"cost_usd":0.06015,`) != 1 || strings.Count(got, `"cost_usd":0.030075,`) != 1 || strings.Count(got, `"cost_usd":0.0015,`) != 1 {
		t.Errorf("priced anew: %s", got)
	}
	before := sums()
	g.stop()

	db := postgrestest.Start(t).Database(t)
	if out, err := g.run("ai-gateway store migrate --data-dir " + dir + " --to '" + db + "'"); err != nil || !strings.Contains(out, "proven: 3") {
		t.Fatalf("%v %s", err, out)
	}
	g = serve(t, dir, []string{"AI_GATEWAY_DATABASE_URL=" + db})
	g.admin = admin
	if after := sums(); after != before {
		t.Errorf("moved to Postgres the sums were %s, are %s", before, after)
	}
	ask()
	reprice("150")
	if got := sums(); strings.Count(got, `"cost_usd":0.09045,`) != 1 || strings.Count(got, `"cost_usd":0.00225,`) != 1 {
		t.Errorf("priced anew on Postgres: %s", got)
	}
}
