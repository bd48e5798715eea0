package main_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A doorkeeper is an upstream that answers when it is let.
type doorkeeper struct {
	url   string
	calls atomic.Int64
	mu    sync.Mutex
	open  chan struct{}
	fail  atomic.Bool
}

func newDoorkeeper(t *testing.T) *doorkeeper {
	t.Helper()
	k := &doorkeeper{open: make(chan struct{})}
	srv := httptest.NewServer(k)
	t.Cleanup(func() { k.release(); srv.Close() })
	k.url = srv.URL
	return k
}

// release lets out all that wait, and shuts the door again.
func (k *doorkeeper) release() {
	k.mu.Lock()
	defer k.mu.Unlock()
	close(k.open)
	k.open = make(chan struct{})
}

func (k *doorkeeper) door() chan struct{} { k.mu.Lock(); defer k.mu.Unlock(); return k.open }

// await waits until n calls have come to the door.
func (k *doorkeeper) await(t testing.TB, n int64) {
	t.Helper()
	for range 4000 {
		if k.calls.Load() >= n {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("%d calls came, want %d", k.calls.Load(), n)
}

func (k *doorkeeper) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	if r.Method != "POST" {
		_, _ = io.WriteString(w, `{"object":"list","data":[]}`)
		return
	}
	door := k.door()
	k.calls.Add(1)
	w.Header().Set("Content-Type", "application/json")
	if k.fail.Load() {
		w.WriteHeader(400)
		_, _ = io.WriteString(w, `{"error":{"message":"no","type":"invalid_request_error","param":null,"code":null}}`)
		return
	}
	if strings.Contains(string(body), `"stream":true`) {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"gpt-4\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"Hello\"}}]}\n\n")
		w.(http.Flusher).Flush()
	}
	select {
	case <-door:
	case <-r.Context().Done():
		return
	}
	if strings.Contains(string(body), `"stream":true`) {
		fmt.Fprint(w, "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"gpt-4\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"+
			"data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"gpt-4\",\"choices\":[],\"usage\":{\"prompt_tokens\":11,\"completion_tokens\":7,\"total_tokens\":18}}\n\ndata: [DONE]\n\n")
		return
	}
	_, _ = io.WriteString(w, `{"id":"c","object":"chat.completion","created":1,"model":"gpt-4","choices":[{"index":0,"message":{"role":"assistant","content":"Hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":11,"completion_tokens":7,"total_tokens":18}}`)
}

const gpt4Ask = `{"model":"gpt-4","max_tokens":100,"messages":[{"role":"user","content":"Hello"}]}`

// behind starts a gateway before the doorkeeper.
func behind(t *testing.T, k *doorkeeper, dir string) *gateway {
	return serve(t, dir, []string{"OPENAI_API_KEY=sk-upstream", "AI_GATEWAY_PROVIDER_OPENAI_BASE_URL=" + k.url + "/v1"})
}

// limitUse is what GET /v1/key says of a limit.
type limitUse struct {
	Policy, Kind, Window             string
	Limit, Used, Reserved, Remaining json.Number
	InFlight                         int64 `json:"in_flight"`
}

func (g *gateway) limits(key string) []limitUse {
	g.t.Helper()
	status, body, _ := g.call("GET", "/v1/key", key, "")
	var self struct{ Limits []limitUse }
	if status != 200 || json.Unmarshal([]byte(body), &self) != nil {
		g.t.Fatalf("GET /v1/key: %d %s", status, body)
	}
	return self.Limits
}

// keyed makes a key and returns it with its id.
func (g *gateway) keyed(name string) (key, id string) {
	key = g.newKey(`{"name":"` + name + `"}`)
	return key, key[len("sk-gw-") : len("sk-gw-")+8]
}

func (g *gateway) policy(body string) {
	g.t.Helper()
	if status, out, _ := g.call("POST", "/v1/admin/quota-policies", g.admin, body); status != 201 {
		g.t.Fatalf("cannot create a policy: %d %s", status, out)
	}
}

// reservation runs one call without limits and returns what would be reserved for it.
func (g *gateway) reservation(k *doorkeeper) (nano int64) {
	g.t.Helper()
	key, id := g.keyed("probe")
	g.policy(`{"name":"probe","scope":{"api_key":"` + id + `"},"limits":[{"kind":"cost_usd","limit":1000}]}`)
	before := k.calls.Load()
	done := make(chan struct{})
	go func() { defer close(done); g.call("POST", "/v1/chat/completions", key, gpt4Ask) }()
	for range 2000 { // 20 s
		if l := g.limits(key)[0]; l.Reserved != "0" {
			usd, _ := l.Reserved.Float64()
			nano = int64(usd*1e9 + 0.5)
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	k.await(g.t, before+1)
	k.release()
	<-done
	if nano == 0 {
		g.t.Fatal("nothing was reserved")
	}
	return nano
}

// TestLimitsHoldTogether: a limit worth three requests, against 40 and 512 at once,
// lets three through, whatever it counts.
func TestLimitsHoldTogether(t *testing.T) {
	k := newDoorkeeper(t)
	g := behind(t, k, "")
	nano := g.reservation(k)
	tokens := 100 + len(gpt4Ask)/3 + len(gpt4Ask)/15 + 1 // of the answer, and of a question of so many bytes
	for _, together := range []int{40, 512} {
		for _, c := range []struct{ name, limit, code string }{
			{"budget", fmt.Sprintf(`{"kind":"cost_usd","window":"month","limit":%d.%09d}`, (4*nano-1)/1e9, (4*nano-1)%1e9), "insufficient_quota"},
			{"tokens", fmt.Sprintf(`{"kind":"tokens","window":"day","limit":%d}`, 4*tokens-1), "insufficient_quota"},
			{"requests", `{"kind":"requests","window":"day","limit":3}`, "rate_limit_exceeded"},
			{"rpm", `{"kind":"requests","window":"minute","limit":1,"burst":3}`, "rate_limit_exceeded"},
			{"tpm", fmt.Sprintf(`{"kind":"tokens","window":"minute","limit":1,"burst":%d}`, 4*tokens-1), "rate_limit_exceeded"},
			{"concurrency", `{"kind":"concurrency","limit":3}`, "rate_limit_exceeded"},
		} {
			name := fmt.Sprintf("%s-%d", c.name, together)
			t.Run(name, func(t *testing.T) {
				key, id := g.keyed(name)
				g.policy(`{"name":"` + name + `","scope":{"api_key":"` + id + `"},"limits":[` + c.limit + `]}`)
				before := k.calls.Load()
				var passed, denied, answered atomic.Int64
				var wg sync.WaitGroup
				for range together {
					wg.Go(func() {
						status, body, head := g.call("POST", "/v1/chat/completions", key, gpt4Ask)
						answered.Add(1)
						switch {
						case status == 200:
							passed.Add(1)
						case status == 429 && strings.Contains(body, `"code":"`+c.code+`"`) && (head.Get("X-Should-Retry") == "false") == (c.code == "insufficient_quota") && (c.code == "insufficient_quota" || head.Get("Retry-After") != ""):
							denied.Add(1)
						default:
							t.Errorf("%d %s %v", status, body, head)
						}
					})
				}
				for deadline := time.Now().Add(30 * time.Second); answered.Load() < int64(together-3) && time.Now().Before(deadline); {
					time.Sleep(5 * time.Millisecond)
				}
				k.release()
				wg.Wait()
				if passed.Load() != 3 || denied.Load() != int64(together-3) || k.calls.Load()-before != 3 {
					t.Errorf("%d passed, %d were denied, %d reached the upstream", passed.Load(), denied.Load(), k.calls.Load()-before)
				}
				for _, l := range g.limits(key) {
					used, _ := l.Used.Float64()
					limit, _ := l.Limit.Float64()
					if l.Window != "minute" && used > limit || l.Reserved != "0" || l.InFlight != 0 {
						t.Errorf("%+v", l)
					}
				}
			})
		}
	}
}

// TestNothingStaysReserved: calls that fail and calls whose callers leave give back
// all that was reserved for them. AI_GATEWAY_TEST_CALLS sets how many; .ci/long takes 10,000.
func TestNothingStaysReserved(t *testing.T) {
	calls := 2_000
	if v := os.Getenv("AI_GATEWAY_TEST_CALLS"); v != "" {
		if _, err := fmt.Sscan(v, &calls); err != nil {
			t.Fatal(err)
		}
	}
	k := newDoorkeeper(t)
	g := behind(t, k, "")
	key, id := g.keyed("leaky")
	g.policy(`{"name":"leaky","scope":{"api_key":"` + id + `"},"limits":[{"kind":"cost_usd","limit":1000000},{"kind":"tokens","window":"day","limit":1000000000},{"kind":"concurrency","limit":64}]}`)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	send := func(ctx context.Context, body string) {
		req, err := http.NewRequestWithContext(ctx, "POST", g.url+"/v1/chat/completions", strings.NewReader(body))
		if err != nil {
			t.Error(err)
			return
		}
		req.Header.Set("Authorization", "Bearer "+key)
		resp, err := client.Do(req)
		if err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		}
	}
	each := func(n int, f func(i int)) {
		var wg sync.WaitGroup
		var next atomic.Int64
		for range 32 {
			wg.Go(func() {
				for i := next.Add(1); i <= int64(n); i = next.Add(1) {
					f(int(i))
				}
			})
		}
		wg.Wait()
	}
	k.fail.Store(true)
	each(calls*3/4, func(int) { send(context.Background(), gpt4Ask) })
	k.fail.Store(false)
	each(calls/4, func(i int) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(1+i%20)*time.Millisecond)
		defer cancel()
		send(ctx, strings.Replace(gpt4Ask, `{`, [...]string{`{"stream":true,`, `{`}[i%2], 1))
	})
	var left []limitUse
	for range 500 {
		left = nil
		for _, l := range g.limits(key) {
			if l.Reserved != "0" || l.InFlight != 0 {
				left = append(left, l)
			}
		}
		if left == nil {
			t.Logf("%d calls, nothing is reserved: %+v", calls, g.limits(key))
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Errorf("still reserved: %+v", left)
}

// TestOneDollarKey: a fresh key with a budget of 1 USD passes ordinary calls that
// bound no output, on the models people start with.
func TestOneDollarKey(t *testing.T) {
	up := startUpstream(t)
	g := serve(t, "", []string{"OPENAI_API_KEY=sk-a", "ANTHROPIC_API_KEY=sk-b", "AI_GATEWAY_PROVIDER_OPENAI_BASE_URL=" + up.url + "/v1", "AI_GATEWAY_PROVIDER_ANTHROPIC_BASE_URL=" + up.url})
	for _, mode := range []string{"normal", "strict"} {
		for _, model := range []string{"gpt-4", "gpt-4o", "gpt-4o-mini", "gpt-5", "claude-3-opus-20240229", "claude-sonnet-4-5", "claude-opus-4-1"} {
			key, id := g.keyed(mode + model)
			g.policy(`{"name":"` + mode + " " + model + `","scope":{"api_key":"` + id + `"},"mode":"` + mode + `","limits":[{"kind":"cost_usd","limit":1,"window":"month"}]}`)
			body := `{"model":"` + model + `","messages":[{"role":"user","content":"Hello, who are you?"}]}`
			if status, text, _ := g.call("POST", "/v1/chat/completions", key, body); status != 200 {
				t.Errorf("%s, %s: %d %s", model, mode, status, text)
			}
			if l := g.limits(key)[0]; l.Reserved != "0" || l.Used == "0" {
				t.Errorf("%s, %s: %+v", model, mode, l)
			}
		}
	}
}

// TestBudgetSurvives: what was used counts after a stop and after a kill, and what a
// kill cut is charged as it was reserved.
func TestBudgetSurvives(t *testing.T) {
	k := newDoorkeeper(t)
	g := behind(t, k, "")
	key, id := g.keyed("lasting")
	nano := g.reservation(k)
	limit := 3*nano + nano/2
	g.policy(fmt.Sprintf(`{"name":"lasting","scope":{"api_key":"%s"},"limits":[{"kind":"cost_usd","window":"month","limit":%d.%09d},{"kind":"tokens","window":"day","limit":1000000}]}`, id, limit/1e9, limit%1e9))
	ask := func(g *gateway) (int, string) {
		status, body, _ := g.call("POST", "/v1/chat/completions", key, gpt4Ask)
		return status, body
	}
	before := k.calls.Load()
	go ask(g)
	k.await(t, before+1)
	k.release()
	for range 4000 { // 20 s
		if g.limits(key)[0].Used != "0" {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	spent, tokens := g.limits(key)[0].Used, g.limits(key)[1].Used
	if spent == "0" {
		t.Fatal("nothing was used")
	}
	g.stop()

	g = behind(t, k, g.dir)
	if l := g.limits(key); l[0].Used != spent || l[1].Used != tokens || tokens != "18" {
		t.Errorf("used %s and %s tokens before the stop, %s and %s after it", spent, tokens, l[0].Used, l[1].Used)
	}
	gone := make(chan struct{}, 2)
	for range 2 { // in flight when it dies
		go func() {
			req, _ := http.NewRequest("POST", g.url+"/v1/chat/completions", strings.NewReader(gpt4Ask))
			req.Header.Set("Authorization", "Bearer "+key)
			if resp, err := http.DefaultClient.Do(req); err == nil {
				_ = resp.Body.Close()
			}
			gone <- struct{}{}
		}()
	}
	k.await(t, before+3)
	g.durable(2)
	reserved := g.limits(key)[1].Reserved
	g.kill()
	<-gone
	<-gone

	g = behind(t, k, g.dir)
	l := g.limits(key)[0]
	earlier, _ := spent.Float64()
	now, _ := l.Used.Float64()
	if got, want := int64((now-earlier)*1e9+0.5), 2*nano; got != want || l.Reserved != "0" {
		t.Errorf("the kill is charged with %d, want the %d that were reserved: %+v", got, want, l)
	}
	all, _ := g.limits(key)[1].Used.Int64()
	if cut, _ := reserved.Int64(); cut < 200 || all != 18+cut { // 100 of each answer, and the questions
		t.Errorf("the kill is charged with %d tokens, %d were reserved", all-18, cut)
	}
	if out, err := g.run("ai-gateway ledger verify"); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	done := make(chan int)
	go func() { status, _ := ask(g); done <- status }()
	k.await(t, before+4)
	if status, body := ask(g); status != 429 || !strings.Contains(body, "insufficient_quota") {
		t.Errorf("beyond the budget: %d %s", status, body)
	}
	k.release()
	if status := <-done; status != 200 {
		t.Errorf("within the budget: %d", status)
	}
}

// TestRow69WhileStreaming: a stream ends normally though its budget is lowered below
// what is spent, its policy is deleted or its key revoked; the next call is refused.
func TestRow69WhileStreaming(t *testing.T) {
	k := newDoorkeeper(t)
	g := behind(t, k, "")
	for _, c := range []struct{ name, method, path, body, want string }{
		{"lowered", "PATCH", "/v1/admin/quota-policies/lowered", `{"limits":[{"kind":"cost_usd","limit":0.000000001}]}`, "insufficient_quota"},
		{"revoked", "PATCH", "/v1/admin/api-keys/ID", `{"revoked":true}`, "invalid_api_key"},
		{"deleted", "DELETE", "/v1/admin/quota-policies/deleted", ``, ""},
	} {
		key, id := g.keyed(c.name)
		g.policy(`{"name":"` + c.name + `","scope":{"api_key":"` + id + `"},"limits":[{"kind":"cost_usd","limit":1}]}`)
		before := k.calls.Load()
		done := make(chan string)
		go func() {
			_, body, _ := g.call("POST", "/v1/chat/completions", key, strings.Replace(gpt4Ask, "{", `{"stream":true,`, 1))
			done <- body
		}()
		k.await(t, before+1)
		if status, body, _ := g.call(c.method, strings.Replace(c.path, "ID", id, 1), g.admin, c.body); status != 200 {
			t.Fatalf("%s: %d %s", c.name, status, body)
		}
		next := make(chan string)
		go func() {
			_, body, _ := g.call("POST", "/v1/chat/completions", key, gpt4Ask)
			next <- body
		}()
		if c.want != "" {
			if body := <-next; !strings.Contains(body, c.want) {
				t.Errorf("%s: the next call gets %s", c.name, body)
			}
		}
		k.release()
		if body := <-done; !strings.HasSuffix(body, "data: [DONE]\n\n") {
			t.Errorf("%s: the stream ends as %q", c.name, body)
		}
		if c.want == "" {
			for stop := false; !stop; {
				select {
				case body := <-next:
					stop = true
					if !strings.Contains(body, "chat.completion") {
						t.Errorf("%s: the next call gets %s", c.name, body)
					}
				case <-time.After(50 * time.Millisecond):
					k.release()
				}
			}
		}
	}
}
