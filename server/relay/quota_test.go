package relay_test

import (
	"context"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/your-org/ai-api-gateway/server/limits"
	"github.com/your-org/ai-api-gateway/server/upstream"
	"github.com/your-org/ai-api-gateway/store"
)

func (b *bench) limit(policies ...*store.Policy) {
	b.t.Helper()
	for _, p := range policies {
		p.ID = p.Name
		if err := p.Check(); err != nil {
			b.t.Fatal(err)
		}
	}
	if err := b.quota.Set(context.Background(), policies); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) states() []limits.State {
	return b.quota.States(func(*store.Policy) bool { return true }, time.Now())
}

// idle asserts that nothing is reserved.
func (b *bench) idle() {
	b.t.Helper()
	for _, s := range b.states() {
		if s.Reserved != 0 || s.Running != 0 {
			b.t.Errorf("%s/%s: %d reserved by %d", s.Limit.Kind, s.Limit.Window, s.Reserved, s.Running)
		}
	}
}

const chatAnswer = `{"id":"c1","object":"chat.completion","created":1,"model":"m1","choices":[{"index":0,"message":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":10,"completion_tokens":4,"total_tokens":14}}`

// sees answers as a chat upstream and keeps what it was sent.
type sees struct {
	mu     sync.Mutex
	bodies []string
	status int
}

func (s *sees) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	s.bodies = append(s.bodies, string(body))
	status := s.status
	s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	if status != 0 {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, `{"error":{"message":"no","type":"server_error","code":"x"}}`)
		return
	}
	switch {
	case strings.HasSuffix(r.URL.Path, "/messages"):
		_, _ = io.WriteString(w, `{"id":"m","type":"message","role":"assistant","model":"m1","content":[{"type":"text","text":"Hi"}],"stop_reason":"end_turn","usage":{"input_tokens":10,"output_tokens":4}}`)
	case strings.Contains(string(body), `"stream":true`):
		sse(w, first, hello, stopped, usageChunk, doneChunk)
	default:
		_, _ = io.WriteString(w, chatAnswer)
	}
}

func (s *sees) last() string { s.mu.Lock(); defer s.mu.Unlock(); return s.bodies[len(s.bodies)-1] }
func (s *sees) calls() int   { s.mu.Lock(); defer s.mu.Unlock(); return len(s.bodies) }

func budget(name string, scope store.PolicyScope, nano int64) *store.Policy {
	return &store.Policy{Name: name, Scope: scope, Limits: []store.PolicyLimit{{Kind: store.LimitCost, Limit: nano, Window: store.WindowMonth}}}
}

var ci = store.PolicyScope{APIKey: "ci"}

// TestBudgetDenial: what a caller is told, in both formats, and that no row is left.
func TestBudgetDenial(t *testing.T) {
	up := &sees{}
	b := newBench(t, upstream.Timeouts{}, target{dialect: asChat, handler: up.ServeHTTP})
	b.limit(budget("small", ci, 1_000))
	status, body, head := b.post("/v1/chat/completions", ask)
	if status != 429 || head.Get("X-Should-Retry") != "false" || head.Get("Retry-After") != "" ||
		!strings.Contains(body, `"type":"insufficient_quota"`) || !strings.Contains(body, `"code":"insufficient_quota"`) || !strings.Contains(body, `"param":null`) {
		t.Errorf("%d %s %v", status, body, head)
	}
	for _, part := range []string{`policy \"small\" (key ci)`, "limit $0.000001 per month", "spent $0", "reserved $0", "resets 20", "max_tokens", "default_max_tokens"} {
		if !strings.Contains(body, part) {
			t.Errorf("the denial does not say %s: %s", part, body)
		}
	}
	status, body, head = b.post("/v1/messages", `{"model":"m1","max_tokens":4096,"messages":[{"role":"user","content":"hi"}]}`)
	if status != 429 || head.Get("X-Should-Retry") != "false" || !strings.Contains(body, `"type":"rate_limit_error"`) || !strings.Contains(body, `"code":"insufficient_quota"`) {
		t.Errorf("%d %s", status, body)
	}
	if up.calls() != 0 || len(b.book.holds) != 0 {
		t.Errorf("%d calls, %d holds", up.calls(), len(b.book.holds))
	}
	for _, row := range b.book.rows {
		if row.EndReason != store.EndRejected || row.Charged() != 0 {
			t.Errorf("a denial has the row %+v", row)
		}
	}
	// A bound that fits is let through: 2 tokens out cost 4,000 nano-USD at most.
	b.limit(budget("small", ci, 100_000))
	if status, body, _ := b.post("/v1/chat/completions", `{"model":"m1","max_tokens":2,"messages":[{"role":"user","content":"hi"}]}`); status != 200 {
		t.Errorf("%d %s", status, body)
	}
	b.idle()
}

var openAIDuration = regexp.MustCompile(`^(\d+ms|(\d+h)?(\d+m)?\d+(\.\d+)?s)$`)

// TestRateHeaders: every answer tells where its limits stand.
func TestRateHeaders(t *testing.T) {
	up := &sees{}
	b := newBench(t, upstream.Timeouts{}, target{dialect: asChat, handler: up.ServeHTTP})
	b.limit(&store.Policy{Name: "rates", Scope: ci, Limits: []store.PolicyLimit{
		{Kind: store.LimitRequests, Limit: 60, Window: store.WindowMinute, Burst: 3}, {Kind: store.LimitTokens, Limit: 100_000, Window: store.WindowMinute}}})
	check := func(h http.Header, requests string) {
		t.Helper()
		if h.Get("X-Ratelimit-Limit-Requests") != "60" || h.Get("X-Ratelimit-Remaining-Requests") != requests || h.Get("X-Ratelimit-Limit-Tokens") != "100000" ||
			!openAIDuration.MatchString(h.Get("X-Ratelimit-Reset-Requests")) || !openAIDuration.MatchString(h.Get("X-Ratelimit-Reset-Tokens")) {
			t.Errorf("headers: %v", h)
		}
	}
	status, _, head := b.post("/v1/chat/completions", ask)
	if check(head, "2"); status != 200 {
		t.Error(status)
	}
	status, _, head = b.post("/v1/chat/completions", streamAsk)
	if check(head, "1"); status != 200 {
		t.Error(status)
	}
	up.status = 500
	status, _, head = b.post("/v1/chat/completions", ask)
	if check(head, "0"); status < 500 {
		t.Error(status)
	}
	status, body, head := b.post("/v1/chat/completions", ask)
	check(head, "0")
	if status != 429 || head.Get("Retry-After") != "1" || head.Get("Retry-After-Ms") == "" || head.Get("X-Should-Retry") != "" ||
		!strings.Contains(body, `"type":"requests"`) || !strings.Contains(body, `"code":"rate_limit_exceeded"`) {
		t.Errorf("%d %s %v", status, body, head)
	}
	b.limit(&store.Policy{Name: "rates", Scope: ci, Limits: []store.PolicyLimit{{Kind: store.LimitTokens, Limit: 1000, Window: store.WindowMinute}}})
	status, body, head = b.post("/v1/chat/completions", ask)
	if status != 400 || !strings.Contains(body, "1000 tokens per minute") || !strings.Contains(body, "invalid_request_error") || head.Get("X-Should-Retry") != "false" {
		t.Errorf("%d %s", status, body)
	}
	b.limit()
	up.status = 0
	if _, _, head = b.post("/v1/chat/completions", ask); head.Get("X-Ratelimit-Limit-Requests") != "" {
		t.Errorf("limits are told where there are none: %v", head)
	}
}

// TestStrictBound: a strict budget tells the upstream to bound what the caller does not.
func TestStrictBound(t *testing.T) {
	up, other := &sees{}, &sees{}
	b := newBench(t, upstream.Timeouts{}, target{dialect: asChat, handler: up.ServeHTTP}, target{dialect: asMessages, handler: other.ServeHTTP})
	strict := budget("strict", ci, 1_000_000_000)
	strict.Mode, strict.DefaultMaxTokens = store.ModeStrict, 77
	b.limit(strict)
	f := func(body, want string) {
		t.Helper()
		if status, text, _ := b.post("/v1/chat/completions", body); status != 200 || !strings.Contains(up.last(), want) {
			t.Errorf("%s\n%d %s\nwas sent %s", body, status, text, up.last())
		}
		b.idle()
	}
	f(ask, `{"max_completion_tokens":77,"model":"m1","messages":[`)
	f(streamAsk, `"max_completion_tokens":77,`)
	f(`{"model":"m1","max_tokens":5,"messages":[{"role":"user","content":"hi"}]}`, `{"model":"m1","max_tokens":5,"messages":[{"role":"user","content":"hi"}]}`)
	f(`{"model":"m1","max_completion_tokens":null,"messages":[{"role":"user","content":"hi"}]}`, `{"model":"m1","max_completion_tokens":77,"messages":[`)
	f(`{"model":"m1","max_tokens":null,"messages":[{"role":"user","content":"hi"}]}`, `{"max_completion_tokens":77,"model":"m1","max_tokens":null,`)
	up.status = 500 // the other speaks Messages
	if status, text, _ := b.post("/v1/chat/completions", ask); status != 200 || !strings.Contains(other.last(), `"max_tokens":77`) {
		t.Errorf("%d %s, was sent %s", status, text, other.last())
	}
	// In normal mode the caller's bytes stay as they are.
	up.status = 0
	strict.Mode = ""
	b.limit(strict)
	f(ask, ask)
	// What is reserved bounds what is billed: no text has more tokens than bytes.
	if row := b.book.row(t, 1); row.ReservedNano < row.CostNano || row.ReservedNano != int64(len(ask))*1000+77*2000 {
		t.Errorf("reserved %d for %d", row.ReservedNano, row.CostNano)
	}
}

// TestAccountLimit: an account at its limit is passed over, and told only when no
// other is left.
func TestAccountLimit(t *testing.T) {
	one, two := &sees{}, &sees{}
	b := newBench(t, upstream.Timeouts{}, target{dialect: asChat, handler: one.ServeHTTP}, target{dialect: asChat, handler: two.ServeHTTP})
	first := &store.Policy{Name: "first", Scope: store.PolicyScope{Account: "p0"}, Limits: []store.PolicyLimit{{Kind: store.LimitRequests, Limit: 1, Window: store.WindowDay}}}
	b.limit(first)
	for i := range 3 {
		if status, body, _ := b.post("/v1/chat/completions", ask); status != 200 {
			t.Errorf("%d: %d %s", i, status, body)
		}
	}
	if one.calls() != 1 || two.calls() != 2 {
		t.Errorf("%d and %d calls", one.calls(), two.calls())
	}
	second := budget("second", store.PolicyScope{Account: "p1", Model: "m*"}, 10)
	b.limit(first, second)
	status, body, _ := b.post("/v1/chat/completions", ask)
	if status != 429 || !strings.Contains(body, "account p1") || one.calls() != 1 || two.calls() != 2 {
		t.Errorf("%d %s, %d and %d calls", status, body, one.calls(), two.calls())
	}
	b.idle()
	if row := b.book.row(t, 4); row.Status != 429 || row.CostNano != 0 {
		t.Errorf("row %+v", row)
	}
}

// TestQuotaFollowsTheRow: what is counted is what the row says, however it ends.
func TestQuotaFollowsTheRow(t *testing.T) {
	up := &sees{}
	b := newBench(t, upstream.Timeouts{}, target{dialect: asChat, handler: up.ServeHTTP})
	p := budget("p", ci, 1_000_000_000)
	p.Limits = append(p.Limits, store.PolicyLimit{Kind: store.LimitTokens, Limit: 1_000_000, Window: store.WindowDay}, store.PolicyLimit{Kind: store.LimitConcurrency, Limit: 4})
	b.limit(p)
	for range 20 {
		b.post("/v1/chat/completions", ask)
		b.post("/v1/chat/completions", streamAsk)
		b.post("/v1/messages", `{"model":"m1","max_tokens":10,"messages":[{"role":"user","content":"hi"}]}`)
		up.mu.Lock()
		up.status = 500 - up.status
		up.mu.Unlock()
	}
	b.book.row(t, 60)
	var cost, tokens int64
	for _, row := range b.book.rows {
		cost, tokens = cost+row.CostNano, tokens+row.Tokens.Prompt()+row.Tokens.Completion()
	}
	b.idle()
	for _, s := range b.states() {
		if want := map[string]int64{store.LimitCost: cost, store.LimitTokens: tokens, store.LimitConcurrency: 0}[s.Limit.Kind]; s.Used != want {
			t.Errorf("%s: %d is counted, the rows say %d", s.Limit.Kind, s.Used, want)
		}
	}
	if cost == 0 || tokens == 0 {
		t.Error("nothing was used")
	}
}
