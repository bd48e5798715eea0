package relay_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/your-org/ai-api-gateway/server/relay"
	"github.com/your-org/ai-api-gateway/server/upstream"
	"github.com/your-org/ai-api-gateway/store"
)

// broken streams these pieces and breaks off.
func broken(pieces ...string) http.HandlerFunc {
	return raw(sseHead+"Transfer-Encoding: chunked\r\n\r\n", chunked(strings.Join(pieces, "")), "40")
}

// early is a beginning of a stream that tells usage, of 10 tokens in and out more.
func (s *tongue) early() (first string, out int64) {
	switch s.dialect {
	case asChat: // as vendors do that tell it with each chunk
		return `data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"m1","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}],"usage":{"prompt_tokens":10,"completion_tokens":0,"total_tokens":10}}` + "\n\n", 0
	case asResponses:
		return strings.ReplaceAll(s.first, `"usage":null`, `"usage":{"input_tokens":10,"output_tokens":0,"total_tokens":10}`), 0
	case asMessages:
		return s.first, 1
	}
	return s.first, 4
}

// useless is a buffered answer that says nothing but what it used.
func (s *tongue) useless() string {
	switch s.dialect {
	case asMessages:
		return `{"id":"msg_1","type":"message","role":"assistant","model":"m1","usage":{"input_tokens":10,"output_tokens":4}}`
	case asResponses:
		return strings.Replace(replyHead, `"error":null`, `"error":{"code":"server_error","message":"Overloaded"}`, 1) + `"status":"failed","output":[],"usage":{"input_tokens":10,"output_tokens":4,"total_tokens":14}}`
	case asGemini:
		return `{"candidates":[],"usageMetadata":{"promptTokenCount":10,"candidatesTokenCount":4,"totalTokenCount":14}}`
	}
	return `{"id":"c1","object":"chat.completion","created":1,"model":"m1","choices":[],"usage":{"prompt_tokens":10,"completion_tokens":4,"total_tokens":14}}`
}

// TestSpent: an upstream has told what it used when it fails, another answers: the row
// is of the one that answered and costs what both charge, for callers of every format
// and upstreams of every format.
func TestSpent(t *testing.T) {
	failed := named("response.failed", `{"type":"response.failed","sequence_number":4,"response":`+replyHead+`"status":"failed","output":[],"usage":{"input_tokens":10,"output_tokens":0,"total_tokens":10}}}`)
	failed = strings.Replace(failed, `"error":null`, `"error":{"code":"server_error","message":"Overloaded"}`, 1)
	for i := range tongues {
		s := &tongues[i]
		first, out := s.early()
		type way struct {
			name     string
			stream   bool
			do       http.HandlerFunc
			out      int64
			timeouts upstream.Timeouts
		}
		ways := []way{
			{name: "cut", stream: true, do: broken(first), out: out},
			{name: "error event", stream: true, do: answers(first, s.errEvent), out: out},
			{name: "silence", stream: true, do: stalls(first), out: out, timeouts: upstream.Timeouts{FirstEvent: 300 * time.Millisecond}},
			{name: "an answer where a stream was asked for", stream: true, do: replies(200, s.whole), out: 4},
			{name: "useless", do: replies(200, s.useless()), out: 4},
		}
		if s.dialect == asResponses {
			ways = append(ways, way{name: "failed", stream: true, do: answers(s.first, failed)})
		}
		for _, w := range ways {
			for k := range callers {
				c := &callers[k]
				t.Run(fmt.Sprintf("%s/%s from %s", w.name, c.dialect, s.dialect), func(t *testing.T) {
					t.Parallel()
					b := newBench(t, w.timeouts, target{dialect: s.dialect, handler: w.do}, target{dialect: asChat, handler: good})
					b.limitAll()
					status, got, h := b.post(c.of(w.stream))
					if status != 200 || !strings.Contains(got, "Hello") || w.stream && !strings.Contains(got, c.end) {
						t.Fatalf("%d %s", status, got)
					}
					if cost := h.Get("X-Gateway-Cost-Usd"); !w.stream && cost != store.FormatUSD(10_000+2000*w.out+18_000) {
						t.Errorf("the answer's header says %s", cost)
					}
					b.wants([]spending{{"p0", 10, w.out}}, spending{"p1", 10, 4})
				})
			}
		}
	}
}

// spending is what one upstream told to have used.
type spending struct {
	account string
	in, out int64
}

func (s *spending) cost() int64 { return 1000*s.in + 2000*s.out }

// limitAll has policies count money and tokens of the key and of three accounts.
func (b *bench) limitAll() {
	all := []store.PolicyLimit{{Kind: store.LimitCost, Limit: 1e12, Window: store.WindowMonth}, {Kind: store.LimitTokens, Limit: 1e9, Window: store.WindowDay},
		{Kind: store.LimitRequests, Limit: 1e6, Window: store.WindowDay}, {Kind: store.LimitConcurrency, Limit: 1000}, {Kind: store.LimitTokens, Limit: 1e9, Window: store.WindowMinute}}
	policies := []*store.Policy{{Name: "ci", Scope: ci, Limits: all}}
	for _, a := range []string{"p0", "p1", "p2"} {
		policies = append(policies, &store.Policy{Name: a, Scope: store.PolicyScope{Account: a}, Limits: all})
	}
	b.limit(policies...)
}

// used is what the limits of a policy have counted, by kind.
func (b *bench) used(policy, kind, window string) int64 {
	for _, s := range b.states() {
		if s.Policy.Name == policy && s.Limit.Kind == kind && s.Limit.Window == window {
			return s.Used
		}
	}
	b.t.Fatalf("no limit of %s for %s", kind, policy)
	return 0
}

// wants asserts of the only row that attempts before its last spent that much, and that
// it is of the last; and that the limits of each account count what it spent, those of
// the key all of it, and the request once.
func (b *bench) wants(before []spending, last spending) {
	t := b.t
	t.Helper()
	r := b.book.row(t, 1)
	sum, tokens := last.cost(), last.in+last.out
	of := map[string]spending{last.account: last}
	for _, s := range before {
		sum, tokens = sum+s.cost(), tokens+s.in+s.out
		o := of[s.account]
		of[s.account] = spending{s.account, o.in + s.in, o.out + s.out}
	}
	if r.CostNano != sum || r.Tokens.Prompt() != last.in || r.Tokens.Completion() != last.out || r.Account != last.account {
		t.Errorf("cost %d, want %d; tokens %+v of %q; attempts %+v", r.CostNano, sum, r.Tokens, r.Account, r.Attempts)
	}
	var got []spending
	r.Shares(func(s store.Share) {
		if s.Attempt > 0 {
			got = append(got, spending{s.Account, s.Sum.Tokens.Prompt(), s.Sum.Tokens.Completion()})
			if s.UsageSource != store.SourceProviderPartial || s.PriceSource == "" || s.AccountID != s.Account || s.Model != "m1" {
				t.Errorf("spent %+v", s)
			}
		} else if s.Sum.CostNano != last.cost() {
			t.Errorf("the last attempt costs %d, want %d", s.Sum.CostNano, last.cost())
		}
	})
	if fmt.Sprint(got) != fmt.Sprint(before) {
		t.Errorf("before the last %v, want %v", got, before)
	}
	if fault := (store.Corrections{}).Row(&r); fault != "" {
		t.Error(fault)
	}
	b.idle()
	if got := [3]int64{b.used("ci", store.LimitCost, store.WindowMonth), b.used("ci", store.LimitTokens, store.WindowDay), b.used("ci", store.LimitRequests, store.WindowDay)}; got != [3]int64{sum, tokens, 1} {
		t.Errorf("the key has used %v, want %d, %d, 1", got, sum, tokens)
	}
	for _, a := range []string{"p0", "p1", "p2"} {
		s, requests := of[a], int64(0)
		if a == last.account {
			requests = 1
		}
		got := [3]int64{b.used(a, store.LimitCost, store.WindowMonth), b.used(a, store.LimitTokens, store.WindowDay), b.used(a, store.LimitRequests, store.WindowDay)}
		if got != [3]int64{s.cost(), s.in + s.out, requests} {
			t.Errorf("account %s has used %v, want %d, %d, %d", a, got, s.cost(), s.in+s.out, requests)
		}
	}
}

// TestSpentThrice: two attempts have told what they used, the third answers, or none does.
func TestSpentThrice(t *testing.T) {
	messages, gemini := &tongues[1], &tongues[3]
	for _, stream := range []bool{true, false} {
		one, two := broken(messages.first), answers(gemini.first, gemini.errEvent)
		before := []spending{{"p0", 10, 1}, {"p1", 10, 4}}
		if !stream {
			one, two, before[0].out = replies(200, messages.useless()), replies(200, gemini.useless()), 4
		}
		b := newBench(t, upstream.Timeouts{}, target{dialect: asMessages, handler: one}, target{dialect: asGemini, handler: two}, target{dialect: asChat, handler: good})
		b.limitAll()
		if status, got, _ := b.post(callers[0].of(stream)); status != 200 || !strings.Contains(got, "Hello") {
			t.Errorf("%d %s", status, got)
		}
		b.wants(before, spending{"p2", 10, 4})

		b = newBench(t, upstream.Timeouts{}, target{dialect: asMessages, handler: one}, target{dialect: asGemini, handler: two}, target{dialect: asChat, handler: status(401, `{"error":{"message":"no"}}`)})
		b.limitAll()
		if status, got, _ := b.post(callers[1].of(stream)); status != 502 {
			t.Errorf("%d %s", status, got)
		}
		b.wants(before, spending{"p2", 0, 0})
		if r := b.book.row(t, 1); r.EndReason != store.EndError || r.Status != 502 || r.UsageSource != store.SourceNone {
			t.Errorf("row %+v", r)
		}
	}
}

// TestSpentAgain: the same target is tried twice, and has told what it used both times.
func TestSpentAgain(t *testing.T) {
	s := &tongues[1]
	var calls sync.Map
	b := newBench(t, upstream.Timeouts{}, target{dialect: asMessages, handler: func(w http.ResponseWriter, r *http.Request) {
		if _, again := calls.LoadOrStore("called", true); !again {
			broken(s.first)(w, r)
			return
		}
		answers(s.pieces())(w, r)
	}})
	b.limitAll()
	status, got, _ := b.post(callers[1].of(true))
	if r := b.book.row(t, 1); len(r.Attempts) == 1 { // a cut answer is not asked for again where there is no other target
		if status != 502 || r.CostNano != 12_000 {
			t.Errorf("%d %s, cost %d", status, got, r.CostNano)
		}
		return
	}
	b.wants([]spending{{"p0", 10, 1}}, spending{"p0", 10, 4})
}

// TestSpentAndGone: the caller leaves while the second attempt runs, before or after it
// has told what it used.
func TestSpentAndGone(t *testing.T) {
	s := &tongues[1]
	for _, told := range []bool{false, true} {
		reached := make(chan struct{})
		second := func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			if told {
				sse(w, s.first)
			}
			close(reached)
			<-r.Context().Done()
		}
		b := newBench(t, upstream.Timeouts{}, target{dialect: asMessages, handler: broken(s.first)}, target{dialect: asMessages, handler: second})
		b.limitAll()
		ctx, leave := context.WithCancel(context.Background())
		path, body := callers[0].of(true)
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, b.url+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			<-reached
			time.Sleep(time.Second) // what it has told is read by then
			leave()
		}()
		if resp, err := http.DefaultClient.Do(req); err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		}
		last := spending{"p1", 0, 0}
		if told {
			last = spending{"p1", 10, 1}
		}
		b.wants([]spending{{"p0", 10, 1}}, last)
		if r := b.book.row(t, 1); r.EndReason != store.EndClientGone || r.Attempts[1].Outcome != "cancelled" {
			t.Errorf("row %+v", r)
		}
	}
}

// TestSpentBehindHeartbeats: the 200 has gone out, with nothing but pings, when the
// first attempt fails.
func TestSpentBehindHeartbeats(t *testing.T) {
	t.Parallel()
	s := &tongues[1]
	b := newBench(t, upstream.Timeouts{FirstEvent: 8 * time.Second}, target{dialect: asMessages, handler: stalls(s.first)}, target{dialect: asChat, handler: good})
	b.limitAll()
	if status, got, h := b.post(callers[0].of(true)); status != 200 || !strings.Contains(got, ": ping") || !strings.Contains(got, "[DONE]") || h.Get("X-Gateway-Provider") != "" {
		t.Errorf("%d %v %s", status, h, got)
	}
	b.wants([]spending{{"p0", 10, 1}}, spending{"p1", 10, 4})
}

// TestSpentOfStrictBudget: a strict budget is not passed by attempts that follow each
// other; one that is not strict is, by what those before the last used.
func TestSpentOfStrictBudget(t *testing.T) {
	f := func(mode string, attempts int) {
		t.Helper()
		s := &tongues[1]
		b := newBench(t, upstream.Timeouts{}, target{dialect: asMessages, handler: broken(s.first)}, target{dialect: asChat, handler: good})
		path, body := "/v1/chat/completions", `{"model":"m1","stream":true,"max_tokens":9,"messages":[{"role":"user","content":"hi"}]}`
		need := int64(len(body))*1000 + 9*2000 // as it is reserved for
		p := budget("tight", ci, need)
		p.Mode = mode
		b.limit(p)
		status, got, _ := b.post(path, body)
		r := b.book.row(t, 1)
		if len(r.Attempts) != attempts || r.Attempts[0].Spent == nil || r.Attempts[0].CostNano != 12_000 {
			t.Errorf("%s: %d %s, %+v", mode, status, got, r)
		}
		if used := b.used("tight", store.LimitCost, store.WindowMonth); used != r.CostNano || mode == store.ModeStrict && used > need {
			t.Errorf("%s: %d used of %d, the row says %d", mode, used, need, r.CostNano)
		}
		if mode == store.ModeStrict && (status != 429 || !strings.Contains(got, "insufficient_quota") || r.CostNano != 12_000 || r.EndReason != store.EndError) {
			t.Errorf("%d %s, %+v", status, got, r)
		}
		b.idle()
	}
	f(store.ModeStrict, 1)
	f("", 2)
}

// A bill is what upstreams told to have used, by account.
type bill struct {
	mu sync.Mutex
	of map[string]spending
}

func (l *bill) tell(account string, in, out int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	o := l.of[account]
	l.of[account] = spending{account, o.in + in, o.out + out}
}

// faulty answers as s or fails in some way, and bills what it has told.
func (l *bill) faulty(account string, s *tongue, rnd func(int) int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		if !asked(r.URL.Path, body) {
			l.buffered(account, s, rnd(6))(w, r)
			return
		}
		// Pieces that are sent before the end, and what they have told.
		pieces := []string{s.first, s.hello, s.word, s.stopped, s.done}
		n := rnd(6)
		out, known := int64(0), false
		switch {
		case s.dialect == asGemini && n > 0:
			out, known = 4, true
		case s.dialect == asMessages && n > 0:
			out, known = max(1, int64(min(n, 3)-1)), true // counted by events where more came than was told
			if n > 3 {
				out = 4
			}
		case n == 5:
			out, known = 4, true
		}
		if known {
			l.tell(account, 10, out)
		}
		text := strings.Join(pieces[:n], "")
		switch {
		case n == 5:
			answers(text)(w, r)
		case n == 0 && rnd(2) == 0:
			status(500, `{"error":{"message":"boom"}}`)(w, r)
		case rnd(2) == 0:
			broken(text)(w, r)
		default:
			answers(text, s.errEvent)(w, r)
		}
	}
}

func (l *bill) buffered(account string, s *tongue, n int) http.HandlerFunc {
	switch n {
	case 0:
		return status(503, `{"error":{"message":"busy"}}`)
	case 1:
		l.tell(account, 10, 4)
		return replies(200, s.useless())
	case 2:
		l.tell(account, 10, 4)
		return raw(jsonHead+fmt.Sprintf("Content-Length: %d\r\n\r\n", len(s.whole)+5), s.whole)
	case 3:
		return replies(200, s.overload)
	}
	l.tell(account, 10, 4)
	return replies(200, s.whole)
}

// TestSpentAddsUp: whatever upstreams do, the rows come to what they told to have used,
// account by account, and so do the limits.
func TestSpentAddsUp(t *testing.T) {
	rounds := uint64(12)
	if testing.Short() {
		rounds = 2
	}
	var spent, failed sync.Map
	for round := range rounds {
		t.Run(fmt.Sprint(round), func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			source := rand.New(rand.NewPCG(round, 11))
			rnd := func(n int) int {
				mu.Lock()
				defer mu.Unlock()
				return source.IntN(n)
			}
			log := &bill{of: map[string]spending{}}
			var targets []target
			for i := range 3 {
				s := &tongues[rnd(len(tongues))]
				targets = append(targets, target{dialect: s.dialect, handler: log.faulty(fmt.Sprintf("p%d", i), s, rnd)})
			}
			for range 6 { // few at a bench: breakers open
				b := newBench(t, upstream.Timeouts{}, targets...)
				b.limitAll()
				log.of = map[string]spending{}
				const requests = 8
				var wg sync.WaitGroup
				for i := range requests {
					c, stream := &callers[rnd(len(callers))], rnd(3) > 0
					wg.Go(func() {
						path, body := c.of(stream)
						resp, err := http.Post(b.url+path, "application/json", strings.NewReader(body))
						if err != nil {
							t.Error(i, err)
							return
						}
						_, _ = io.Copy(io.Discard, resp.Body)
						_ = resp.Body.Close()
					})
				}
				wg.Wait()
				b.book.row(t, requests)
				got, costs, whole := map[string]spending{}, map[string]int64{}, int64(0)
				for i := range b.book.rows {
					r := &b.book.rows[i]
					if fault := (store.Corrections{}).Row(r); fault != "" {
						t.Errorf("%s: %+v", fault, r)
					}
					whole += r.CostNano
					r.Shares(func(s store.Share) {
						costs[s.Account] += s.Sum.CostNano
						if s.UsageSource == store.SourceProvider || s.UsageSource == store.SourceProviderPartial {
							o := got[s.Account]
							got[s.Account] = spending{s.Account, o.in + s.Sum.Tokens.Prompt(), o.out + s.Sum.Tokens.Completion()}
						}
						if s.Attempt > 0 {
							spent.Store(r.RequestID+fmt.Sprint(round), true)
						}
					})
					if r.Failed() {
						failed.Store(r.RequestID+fmt.Sprint(round), true)
					}
				}
				if fmt.Sprint(got) != fmt.Sprint(log.of) {
					t.Errorf("the rows say %v, the upstreams %v", got, log.of)
				}
				b.idle()
				if used := b.used("ci", store.LimitCost, store.WindowMonth); used != whole {
					t.Errorf("the key has used %d, its rows cost %d", used, whole)
				}
				for _, a := range []string{"p0", "p1", "p2"} {
					if used := b.used(a, store.LimitCost, store.WindowMonth); used != costs[a] {
						t.Errorf("account %s has used %d, its attempts cost %d", a, used, costs[a])
					}
				}
			}
		})
	}
	t.Cleanup(func() {
		count := func(m *sync.Map) (n int) {
			m.Range(func(any, any) bool { n++; return true })
			return n
		}
		if s, f := count(&spent), count(&failed); s < 5 || f < 5 {
			t.Errorf("%d requests had an attempt that spent something before the last, %d failed: it shows too little", s, f)
		}
	})
}

// TestSpentThenUnfit: after an attempt that has told what it used, the last target may
// not be used, since its account is at its limit: the row is of that one and costs what
// the first did.
func TestSpentThenUnfit(t *testing.T) {
	s := &tongues[1]
	b := newBench(t, upstream.Timeouts{}, target{dialect: asMessages, handler: broken(s.first)}, target{dialect: asChat, handler: good})
	b.limit(budget("key", ci, 1e12), budget("first", store.PolicyScope{Account: "p0"}, 1e12), budget("second", store.PolicyScope{Account: "p1"}, 10))
	status, got, _ := b.post(callers[0].of(true))
	r := b.book.row(t, 1)
	if status == 200 || r.CostNano != 12_000 || len(r.Attempts) != 1 || r.Attempts[0].Spent == nil || r.Attempts[0].CostNano != 12_000 || r.Account != "p1" || r.Tokens != (store.Tokens{}) {
		t.Errorf("%d %s, %+v", status, got, r)
	}
	if fault := (store.Corrections{}).Row(&r); fault != "" {
		t.Error(fault)
	}
	b.idle()
	for policy, want := range map[string]int64{"key": 12_000, "first": 12_000, "second": 0} {
		if used := b.used(policy, store.LimitCost, store.WindowMonth); used != want {
			t.Errorf("%s has used %d, want %d", policy, used, want)
		}
	}
}

// TestSpentThenPanic: a defect in the attempt that follows, after it has told what it
// used, too: the row adds up.
func TestSpentThenPanic(t *testing.T) {
	s := &tongues[1]
	b := newBench(t, upstream.Timeouts{}, target{dialect: asMessages, handler: broken(s.first)}, target{dialect: asMessages, handler: answers(s.first, strings.ReplaceAll(s.hello, "Hello", "boom"), s.stopped, s.done)})
	var seen panics
	b.mine(relay.Options{Panicked: seen.told}, "boom")
	status, got, _ := b.post(callers[1].of(true))
	r := b.book.row(t, 1)
	if status != 500 || seen.count() != 1 || r.CostNano != 24_000 || len(r.Attempts) != 2 || r.Attempts[0].CostNano != 12_000 || r.Attempts[1].CostNano != 12_000 || r.Attempts[1].Account != "p1" {
		t.Errorf("%d %s, %+v", status, got, r)
	}
	if fault := (store.Corrections{}).Row(&r); fault != "" {
		t.Error(fault)
	}
}
