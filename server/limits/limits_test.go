package limits

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/your-org/ai-api-gateway/store"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// A desk is a limiter with a clock that only the test moves, and rows it can read back.
type desk struct {
	t      *testing.T
	l      *Limiter
	mu     sync.Mutex
	now    time.Time
	totals []store.Total
	asked  []store.TotalsQuery
	log    bytes.Buffer
}

func newDesk(t *testing.T, policies ...*store.Policy) *desk {
	t.Helper()
	d := &desk{t: t, now: noon}
	d.l = New(Options{Now: d.clock, Log: slog.New(slog.NewTextHandler(&d.log, nil)),
		Totals: func(_ context.Context, q store.TotalsQuery) ([]store.Total, error) {
			d.asked = append(d.asked, q)
			return d.totals, nil
		},
		Upstream: func(model, account string) string { return strings.TrimPrefix(model, "alias-") },
	})
	d.set(policies...)
	return d
}

func (d *desk) clock() time.Time { d.mu.Lock(); defer d.mu.Unlock(); return d.now }
func (d *desk) tick(by time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.now = d.now.Add(by)
}

func (d *desk) set(policies ...*store.Policy) {
	d.t.Helper()
	if err := d.l.Set(context.Background(), policies); err != nil {
		d.t.Fatal(err)
	}
}

func policyOf(name string, scope store.PolicyScope, limits ...store.PolicyLimit) *store.Policy {
	return &store.Policy{ID: name, Name: name, Scope: scope, Limits: limits, Origin: store.OriginDB}
}

func key(id string) store.PolicyScope { return store.PolicyScope{APIKey: id} }

func lim(kind, window string, n int64) store.PolicyLimit {
	return store.PolicyLimit{Kind: kind, Window: window, Limit: n}
}

// begin starts a request that may use that much; nil: it was denied.
func (d *desk) begin(w Who, need Amount) (*Lease, *Denial) {
	a := d.l.Lease(w, d.clock())
	if a == nil {
		return nil, nil
	}
	if no := a.Begin(); no != nil {
		return nil, no
	}
	if no := a.Reserve(need); no != nil {
		return nil, no
	}
	return a, nil
}

func (d *desk) must(w Who, need Amount) *Lease {
	d.t.Helper()
	a, no := d.begin(w, need)
	if no != nil {
		d.t.Fatalf("denied by %+v", no)
	}
	return a
}

func (d *desk) denied(w Who, need Amount) *Denial {
	d.t.Helper()
	a, no := d.begin(w, need)
	if no == nil {
		d.t.Fatalf("%+v of %+v passes, holding %+v", need, w, a)
	}
	return no
}

func (d *desk) settle(a *Lease, w Who, at time.Time, used Amount) {
	g := d.l.Settling(1)
	defer g.RUnlock()
	d.l.Settle(a, w, Place{}, at, used, d.clock())
}

// state is the one state of the one limit of that kind and window.
func (d *desk) state(policy, kind, window string) State {
	d.t.Helper()
	for _, s := range d.l.States(func(p *store.Policy) bool { return p.Name == policy }, d.clock()) {
		if s.Limit.Kind == kind && s.Limit.Window == window {
			return s
		}
	}
	d.t.Fatalf("no limit %s/%s of %q", kind, window, policy)
	return State{}
}

var ci = Who{KeyID: "ci", Group: "team", Model: "gpt-4"}

func usd(n int64) Amount { return Amount{Nano: n, Cost: n} }

// TestRow63Budget: of 512 at once as many pass as fit, and what is spent stays within.
func TestRow63Budget(t *testing.T) {
	for _, fits := range []int64{3, 100} {
		d := newDesk(t, policyOf("p", key("ci"), lim(store.LimitCost, store.WindowMonth, fits*1_000_000+999_999)))
		var wg sync.WaitGroup
		var mu sync.Mutex
		passed, denied := int64(0), int64(0)
		for range 512 {
			wg.Go(func() {
				a, no := d.begin(ci, usd(1_000_000))
				mu.Lock()
				if no == nil {
					passed++
				} else if denied++; !no.Budget() || no.Need != 1_000_000 || no.Used+no.Reserved != fits*1_000_000 {
					t.Errorf("denied by %+v", no)
				}
				mu.Unlock()
				if no == nil {
					time.Sleep(5 * time.Millisecond)
					mu.Lock()
					d.settle(a, ci, noon, usd(1_000_000))
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		if s := d.state("p", store.LimitCost, store.WindowMonth); passed != fits || denied != 512-fits || s.Used != fits*1_000_000 || s.Reserved != 0 || s.Running != 0 {
			t.Errorf("of %d that fit %d passed, %d were denied: %+v", fits, passed, denied, s)
		}
	}
}

// TestRow65Overspend: an upstream that bills three times what was reserved passes
// the budget by exactly that, and the next request is denied.
func TestRow65Overspend(t *testing.T) {
	d := newDesk(t, policyOf("p", key("ci"), lim(store.LimitCost, store.WindowDay, 100)))
	a, b := d.must(ci, usd(50)), d.must(ci, usd(50))
	d.denied(ci, usd(1))
	d.settle(a, ci, noon, usd(150))
	if no := d.denied(ci, usd(0)); no.Used != 150 || no.Reserved != 50 {
		t.Errorf("denied by %+v", no)
	}
	d.settle(b, ci, noon, usd(150))
	s := d.state("p", store.LimitCost, store.WindowDay)
	if bound := int64(2 * (150 - 50)); s.Used-100 != bound || s.Reserved != 0 || s.Remaining != 0 {
		t.Errorf("overspent by %d, the bound is %d", s.Used-100, bound)
	}
	d.denied(ci, usd(0))
	d.tick(12 * time.Hour)
	d.must(ci, usd(100))
}

// TestRow66NothingLeaks: 10,000 requests that fail, are cancelled or move from
// place to place leave nothing reserved.
func TestRow66NothingLeaks(t *testing.T) {
	d := newDesk(t,
		policyOf("key", key("ci"), lim(store.LimitCost, store.WindowMonth, 1_000_000), lim(store.LimitTokens, store.WindowDay, 1_000_000), lim(store.LimitConcurrency, "", 16)),
		policyOf("all", store.PolicyScope{Global: true}, lim(store.LimitCost, store.WindowTotal, 2_000_000)),
		policyOf("account", store.PolicyScope{Account: "a1"}, lim(store.LimitCost, store.WindowDay, 500), lim(store.LimitConcurrency, "", 2)))
	place := Place{Account: "a1", AccountID: "id1", Model: "gpt-4"}
	for i := range 10_000 {
		a, no := d.begin(ci, Amount{Tokens: 90, Nano: 90, Cost: 90})
		if no != nil {
			t.Fatalf("%d: denied by %+v", i, no)
		}
		switch i % 5 {
		case 0: // refused before a row
			a.Cancel()
		case 1: // failed at once
			d.settle(a, ci, d.clock(), Amount{})
		case 2: // failed at a place, then at another
			if no := a.Enter(place, usd(90), d.clock()); no != nil {
				t.Fatalf("%d: %+v", i, no)
			}
			if no := a.Enter(Place{Account: "a2"}, usd(90), d.clock()); no != nil {
				t.Fatalf("%d: %+v", i, no)
			}
			d.settle(a, ci, d.clock(), Amount{})
		case 3: // failed at the last place
			_ = a.Enter(place, usd(90), d.clock())
			d.settle(a, ci, d.clock(), Amount{})
		case 4: // denied at a place, and no other
			if no := a.Enter(place, usd(501), d.clock()); no == nil {
				t.Fatal("more than the account's budget passes")
			}
			d.settle(a, ci, d.clock(), Amount{})
		}
	}
	for _, s := range d.l.States(func(*store.Policy) bool { return true }, d.clock()) {
		if s.Reserved != 0 || s.Running != 0 || s.Used != 0 {
			t.Errorf("%s %s/%s: %+v", s.Policy.Name, s.Limit.Kind, s.Limit.Window, s)
		}
	}
}

// TestRow68Periods: what a period admitted is charged to it; a closed one is never
// reopened, whatever the clock does.
func TestRow68Periods(t *testing.T) {
	d := newDesk(t, policyOf("p", key("ci"), lim(store.LimitCost, store.WindowDay, 100)))
	d.tick(12*time.Hour - 1) // 1 ns before midnight
	at := d.clock()
	a := d.must(ci, usd(100))
	d.denied(ci, usd(1))
	d.tick(1)
	b := d.must(ci, usd(100)) // a new day
	d.settle(a, ci, at, usd(100))
	if s := d.state("p", store.LimitCost, store.WindowDay); s.Used != 0 || s.Reserved != 100 {
		t.Errorf("the day before is charged to this one: %+v", s)
	}
	d.settle(b, ci, d.clock(), usd(60))
	d.tick(-time.Hour) // back before midnight: the day that is closed stays so
	if no := d.denied(ci, usd(41)); no.Used != 60 {
		t.Errorf("denied by %+v", no)
	}
	c := d.must(ci, usd(40))
	d.settle(c, ci, d.clock(), usd(40))
	d.tick(25 * time.Hour)
	if s := d.state("p", store.LimitCost, store.WindowDay); s.Used != 0 {
		t.Errorf("a day later: %+v", s)
	}
	d.must(ci, usd(100))
	d.tick(365 * 24 * time.Hour)
	d.must(ci, usd(100))
	d.tick(-365 * 24 * time.Hour)
	d.denied(ci, usd(1))
}

// TestRow68DST: a day is as long as the zone makes it.
func TestRow68DST(t *testing.T) {
	p := policyOf("p", key("ci"), lim(store.LimitRequests, store.WindowDay, 1), lim(store.LimitTokens, store.WindowHour, 10))
	p.TimeZone = "America/New_York"
	d := newDesk(t)
	d.now = time.Date(2026, 11, 1, 4, 0, 0, 0, time.UTC) // midnight, a day of 25 hours
	d.set(p)
	d.settle(d.must(ci, Amount{Tokens: 10}), ci, d.clock(), Amount{Tokens: 10})
	d.tick(25*time.Hour - 1)
	if no := d.denied(ci, Amount{}); no.RetryAfter != 1 || no.Budget() {
		t.Errorf("denied by %+v", no)
	}
	d.tick(1)
	d.must(ci, Amount{})
}

// TestRow69Changes: policies and keys change while requests run.
func TestRow69Changes(t *testing.T) {
	p := policyOf("p", key("ci"), lim(store.LimitCost, store.WindowMonth, 100), lim(store.LimitConcurrency, "", 1))
	d := newDesk(t, p)
	a := d.must(ci, usd(80))
	lower := policyOf("p", key("ci"), lim(store.LimitCost, store.WindowMonth, 50), lim(store.LimitConcurrency, "", 2))
	d.set(lower)
	d.denied(ci, usd(1))
	d.settle(a, ci, noon, usd(80))
	if s := d.state("p", store.LimitCost, store.WindowMonth); s.Used != 80 || s.Remaining != 0 {
		t.Errorf("lowered: %+v", s)
	}
	d.denied(ci, usd(0))
	higher := policyOf("p", key("ci"), lim(store.LimitCost, store.WindowMonth, 200))
	d.set(higher)
	b := d.must(ci, usd(120))
	d.denied(ci, usd(1))
	d.set() // deleted
	d.settle(b, ci, noon, usd(120))
	if a := d.l.Lease(ci, noon); a != nil {
		t.Error("a deleted policy still holds")
	}
	// A policy made while a request runs counts it all the same.
	c := d.l.Lease(ci, noon)
	d.totals = []store.Total{{Group: map[string]string{"key": "ci", "group": "team", "model": "gpt-4"}, CostNano: 200, Requests: 2}}
	d.set(policyOf("new", store.PolicyScope{Group: "team"}, lim(store.LimitCost, store.WindowDay, 1000), lim(store.LimitRequests, store.WindowTotal, 9)))
	d.settle(c, ci, noon, usd(70))
	if s := d.state("new", store.LimitCost, store.WindowDay); s.Used != 270 || s.Reserved != 0 {
		t.Errorf("a request that ran before: %+v", s)
	}
	if s := d.state("new", store.LimitRequests, store.WindowTotal); s.Used != 3 {
		t.Errorf("a request that ran before: %+v", s)
	}
	// One of yesterday does not count today.
	d.settle(nil, ci, noon.Add(-24*time.Hour), usd(70))
	if s := d.state("new", store.LimitCost, store.WindowDay); s.Used != 270 {
		t.Errorf("a request of yesterday counts: %+v", s)
	}
}

// TestRow70AtTheLimit: zero, none, bursts and slots.
func TestRow70AtTheLimit(t *testing.T) {
	d := newDesk(t, policyOf("zero", key("zero"), lim(store.LimitRequests, store.WindowMinute, 0)),
		policyOf("day", key("day"), lim(store.LimitTokens, store.WindowDay, 0)),
		policyOf("rpm", key("rpm"), lim(store.LimitRequests, store.WindowMinute, 60)),
		policyOf("tpm", key("tpm"), store.PolicyLimit{Kind: store.LimitTokens, Window: store.WindowMinute, Limit: 6000, Burst: 600}),
		policyOf("slots", key("slots"), lim(store.LimitConcurrency, "", 0)))
	if no := d.denied(Who{KeyID: "zero"}, Amount{}); no.RetryAfter != 0 || no.TooLarge || no.Budget() {
		t.Errorf("a limit of zero: %+v", no)
	}
	d.denied(Who{KeyID: "day"}, Amount{Tokens: 1})
	d.denied(Who{KeyID: "slots"}, Amount{})
	if a, no := d.begin(Who{KeyID: "free"}, Amount{Tokens: 1 << 60, Nano: 1 << 60}); a != nil || no != nil {
		t.Errorf("nothing limits this key: %v, %v", a, no)
	}
	for i := range 6 { // the usual burst is a tenth
		a := d.must(Who{KeyID: "rpm"}, Amount{})
		if requests, _ := d.l.Rates(Who{KeyID: "rpm"}, d.clock()); requests.Limit != 60 || requests.Remaining != int64(5-i) || requests.Reset != time.Duration(i+1)*time.Second {
			t.Errorf("after %d: %+v", i+1, requests)
		}
		d.settle(a, Who{KeyID: "rpm"}, d.clock(), Amount{})
	}
	no := d.denied(Who{KeyID: "rpm"}, Amount{})
	if no.RetryAfter != time.Second {
		t.Errorf("denied by %+v", no)
	}
	d.tick(no.RetryAfter - 1)
	d.denied(Who{KeyID: "rpm"}, Amount{})
	d.tick(1)
	d.must(Who{KeyID: "rpm"}, Amount{})
	d.denied(Who{KeyID: "rpm"}, Amount{})

	tpm := Who{KeyID: "tpm"}
	if no := d.denied(tpm, Amount{Tokens: 601}); !no.TooLarge {
		t.Errorf("larger than the burst: %+v", no)
	}
	a := d.must(tpm, Amount{Tokens: 600})
	no = d.denied(tpm, Amount{Tokens: 100})
	if no.RetryAfter != time.Second || no.Used != 600 {
		t.Errorf("denied by %+v", no)
	}
	d.settle(a, tpm, d.clock(), Amount{Tokens: 500})
	d.must(tpm, Amount{Tokens: 100})
	d.denied(tpm, Amount{Tokens: 1})
}

// TestCancelGivesNothingBackTwice: what a request took of a minute and time has
// given back meanwhile, while it waited for a slot, is not given back again.
func TestCancelGivesNothingBackTwice(t *testing.T) {
	rpm := lim(store.LimitRequests, store.WindowMinute, 60) // one a second
	rpm.Burst = 1
	d := newDesk(t, policyOf("rate", key("ci"), rpm))
	begin := func() (*Lease, *Denial) { a := d.l.Lease(ci, d.clock()); return a, a.Begin() }
	waits, no := begin()
	if no != nil {
		t.Fatal(no)
	}
	d.tick(time.Second)
	if _, no := begin(); no != nil {
		t.Fatal(no)
	}
	waits.Cancel()
	if _, no := begin(); no == nil {
		t.Fatal("two requests passed in one second")
	}
	d.tick(time.Second)
	again, no := begin()
	if no != nil {
		t.Fatal(no)
	}
	again.Cancel() // at once: all of it
	if _, no := begin(); no != nil {
		t.Fatal(no)
	}
}

// TestSlots: those who wait come in order, no more of them than slots, and at most a second.
func TestSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Options{Now: time.Now})
		set := func(n int64) {
			if err := l.Set(context.Background(), []*store.Policy{policyOf("p", key("ci"), lim(store.LimitConcurrency, "", n))}); err != nil {
				t.Fatal(err)
			}
		}
		set(2)
		take := func() (*Lease, *Denial) {
			a := l.Lease(ci, time.Now())
			if no := a.Begin(); no != nil {
				return nil, no
			}
			return a, nil
		}
		end := func(a *Lease) { l.Settle(a, ci, Place{}, time.Now(), Amount{}, time.Now()) }
		first, _ := take()
		second, _ := take()
		start := time.Now()
		if _, no := take(); no == nil || time.Since(start) != slotWait || no.RetryAfter != time.Second || no.Budget() {
			t.Fatalf("%+v after %v", no, time.Since(start))
		}
		var order []int
		var held []*Lease
		for i := range 2 {
			go func() {
				a, no := take()
				if no != nil {
					t.Errorf("waiter %d: %+v", i, no)
				}
				order, held = append(order, i), append(held, a)
			}()
			synctest.Wait()
		}
		start = time.Now()
		if _, no := take(); no == nil || time.Since(start) != 0 {
			t.Errorf("a third waiter: %+v after %v", no, time.Since(start))
		}
		end(first)
		synctest.Wait()
		set(3) // raised: the other comes in, too
		synctest.Wait()
		if len(order) != 2 || order[0] != 0 || order[1] != 1 {
			t.Fatalf("came in the order %v", order)
		}
		end(second)
		end(held[0])
		end(held[1])
		if s := l.States(func(*store.Policy) bool { return true }, time.Now()); s[0].Used != 0 {
			t.Errorf("%+v", s[0])
		}
	})
}

// TestScopes: which limits a request meets.
func TestScopes(t *testing.T) {
	one := func(scope store.PolicyScope) *desk {
		return newDesk(t, policyOf("p", scope, lim(store.LimitRequests, store.WindowTotal, 0)))
	}
	f := func(scope store.PolicyScope, w Who, meets bool) {
		t.Helper()
		if _, no := one(scope).begin(w, Amount{}); (no != nil) != meets {
			t.Errorf("%s meets %+v: %v, want %v", scope, w, no != nil, meets)
		}
	}
	f(key("ci"), ci, true)
	f(key("other"), ci, false)
	f(store.PolicyScope{Group: "team"}, ci, true)
	f(store.PolicyScope{Group: "team"}, Who{KeyID: "ci"}, false)
	f(store.PolicyScope{Global: true}, Who{}, true)
	f(store.PolicyScope{Model: "gpt-*"}, ci, true)
	f(store.PolicyScope{Model: "gpt-4o*"}, ci, false)
	f(store.PolicyScope{APIKey: "ci", Model: "gpt-4"}, ci, true)
	f(store.PolicyScope{APIKey: "ci", Model: "*-4"}, ci, true)
	f(store.PolicyScope{APIKey: "ci", Model: "g*t*4*"}, ci, true)
	f(store.PolicyScope{APIKey: "ci", Model: "claude"}, ci, false)

	at := func(scope store.PolicyScope, w Who, p Place, meets bool) {
		t.Helper()
		d := one(scope)
		a, no := d.begin(w, Amount{})
		if no != nil {
			t.Fatalf("%s is met before any place", scope)
		}
		if a == nil {
			if meets {
				t.Errorf("%s does not concern %+v", scope, w)
			}
			return
		}
		if no := a.Enter(p, Amount{}, noon); (no != nil) != meets {
			t.Errorf("%s meets %+v at %+v: %v, want %v", scope, w, p, no != nil, meets)
		}
	}
	place := Place{Account: "a", AccountID: "id", Model: "gpt-4-0613"}
	at(store.PolicyScope{Account: "a"}, ci, place, true)
	at(store.PolicyScope{Account: "id"}, ci, place, true)
	at(store.PolicyScope{Account: "b"}, ci, place, false)
	at(store.PolicyScope{Account: "a", Model: "gpt-4"}, ci, place, true)
	at(store.PolicyScope{Account: "a", Model: "gpt-4-0613"}, ci, place, true)
	at(store.PolicyScope{Account: "a", Model: "claude"}, ci, place, false)
	at(store.PolicyScope{Model: "gpt-4-0613"}, ci, place, true) // an alias does not lead past a limit
	at(store.PolicyScope{APIKey: "ci", Model: "gpt-4-0613"}, Who{KeyID: "x"}, place, false)
}

// TestAllOrNothing: a denial by one limit takes of none.
func TestAllOrNothing(t *testing.T) {
	d := newDesk(t,
		policyOf("key", key("ci"), lim(store.LimitRequests, store.WindowMinute, 600), lim(store.LimitCost, store.WindowDay, 1000), lim(store.LimitTokens, store.WindowMinute, 1000), lim(store.LimitConcurrency, "", 4)),
		policyOf("group", store.PolicyScope{Group: "team"}, lim(store.LimitTokens, store.WindowDay, 1000), lim(store.LimitTokens, store.WindowMinute, 500)),
		policyOf("all", store.PolicyScope{Global: true}, lim(store.LimitCost, store.WindowTotal, 10)))
	clean := func() {
		t.Helper()
		for _, s := range d.l.States(func(*store.Policy) bool { return true }, d.clock()) {
			if s.Used != 0 || s.Reserved != 0 || s.Running != 0 {
				t.Errorf("%s %s/%s: %+v", s.Policy.Name, s.Limit.Kind, s.Limit.Window, s)
			}
		}
	}
	if no := d.denied(ci, Amount{Tokens: 100, Nano: 11}); no.Policy.Name != "all" {
		t.Errorf("denied by %+v", no)
	}
	clean()
	if no := d.denied(ci, Amount{Tokens: 501, Nano: 5}); !no.TooLarge || no.Policy.Name != "group" {
		t.Errorf("denied by %+v", no)
	}
	clean()
	if no := d.denied(ci, Amount{Tokens: 1 << 62, Nano: 5}); no.Limit.Window != store.WindowDay {
		t.Errorf("denied by %+v", no)
	}
	clean()
}

// TestSoft: a limit that is nearly used is told once a period.
func TestSoft(t *testing.T) {
	p := policyOf("p", key("ci"), lim(store.LimitCost, store.WindowDay, 100))
	p.SoftPercent = 80
	d := newDesk(t, p)
	spend := func(n int64) { d.settle(d.must(ci, usd(n)), ci, d.clock(), usd(n)) }
	spend(79)
	if len(d.l.Events()) != 0 {
		t.Error("told at 79 of 80")
	}
	spend(1)
	spend(1)
	if e := d.l.Events(); len(e) != 1 || e[0].Policy != "p" || e[0].Used != 80 || e[0].Percent != 80 || !e[0].Resets.Equal(noon.Add(12*time.Hour)) {
		t.Errorf("events: %+v", e)
	}
	d.tick(24 * time.Hour)
	spend(90)
	if e := d.l.Events(); len(e) != 2 {
		t.Errorf("events: %+v", e)
	}
	if n := strings.Count(d.log.String(), "nearly used"); n != 2 {
		t.Errorf("logged %d times: %s", n, &d.log)
	}
	for range 2 * maxEvents {
		d.tick(24 * time.Hour)
		spend(90)
	}
	if n := len(d.l.Events()); n != maxEvents {
		t.Errorf("%d events are kept", n)
	}
}

// TestRead: counters begin with what the rows say.
func TestRead(t *testing.T) {
	row := func(key, group, model, account string, cost int64) store.Total {
		return store.Total{Group: map[string]string{"key": key, "group": group, "model": model, "account": account}, CostNano: cost, MarkupNano: cost / 10, Requests: 1, Tokens: store.Tokens{Input: 5, Output: 5}}
	}
	d := newDesk(t)
	refused := row("ci", "team", "gpt-4", "", 0)
	refused.Group["end_reason"] = store.EndRejected
	d.totals = []store.Total{refused, row("ci", "team", "gpt-4", "a1", 10), row("ci", "team", "alias-gpt-4o", "a1", 20), row("other", "team", "gpt-4", "a2", 40), row("other", "", "claude", "a2", 80)}
	f := func(scope store.PolicyScope, cost, requests int64) {
		t.Helper()
		d.set()
		d.set(policyOf("p", scope, lim(store.LimitCost, store.WindowDay, 1000), lim(store.LimitRequests, store.WindowTotal, 1000), lim(store.LimitTokens, store.WindowMonth, 1000)))
		if s := d.state("p", store.LimitCost, store.WindowDay); s.Used != cost {
			t.Errorf("%s: cost %d, want %d", scope, s.Used, cost)
		}
		if s := d.state("p", store.LimitRequests, store.WindowTotal); s.Used != requests {
			t.Errorf("%s: requests %d, want %d", scope, s.Used, requests)
		}
		if s := d.state("p", store.LimitTokens, store.WindowMonth); s.Used != 10*requests {
			t.Errorf("%s: tokens %d, want %d", scope, s.Used, 10*requests)
		}
	}
	f(key("ci"), 33, 2)
	f(store.PolicyScope{Group: "team"}, 77, 3)
	f(store.PolicyScope{Global: true}, 165, 4)
	f(store.PolicyScope{Model: "gpt-4o"}, 22, 1) // asked for by an alias
	f(store.PolicyScope{APIKey: "ci", Model: "gpt-*"}, 33, 2)
	f(store.PolicyScope{Account: "a2"}, 120, 2) // without the keys' markup
	// Corrected rows count when they are read anew; what is reserved stays.
	d.set(policyOf("p", key("ci"), lim(store.LimitCost, store.WindowDay, 1000)))
	running := d.must(ci, usd(100))
	d.totals[1].CostNano, d.totals[1].UnconfirmedNano = 7, 3
	if err := d.l.Recount(context.Background()); err != nil {
		t.Fatal(err)
	}
	if s := d.state("p", store.LimitCost, store.WindowDay); s.Used != 33 || s.Reserved != 100 {
		t.Errorf("recounted: %+v", s)
	}
	d.settle(running, ci, noon, usd(10))
	if s := d.state("p", store.LimitCost, store.WindowDay); s.Used != 43 || s.Reserved != 0 {
		t.Errorf("settled after: %+v", s)
	}
	if len(d.asked) != 28 { // each reading asks first whether the store answers
		t.Errorf("%d questions, want one a period", len(d.asked))
	}
	for _, q := range d.asked {
		if len(q.GroupBy) == 0 {
			continue
		}
		if q.Since.Equal(time.Unix(0, 0)) || q.Since.Equal(noon.Truncate(24*time.Hour)) || q.Since.Equal(time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)) {
			continue
		}
		t.Errorf("asked since %s", q.Since)
	}
}

// TestTryAgrees: what is asked beforehand is what is denied, by a minute and by slots
// too (TestModel holds it for windows), and asking takes nothing.
func TestTryAgrees(t *testing.T) {
	for _, l := range []store.PolicyLimit{
		{Kind: store.LimitRequests, Window: store.WindowMinute, Limit: 60, Burst: 2},
		{Kind: store.LimitTokens, Window: store.WindowMinute, Limit: 60, Burst: 20},
		{Kind: store.LimitTokens, Window: store.WindowMinute, Limit: 60, Burst: 9}, // never
		{Kind: store.LimitConcurrency, Limit: 2},
		lim(store.LimitRequests, store.WindowDay, 2),
		lim(store.LimitRequests, store.WindowTotal, 2),
	} {
		synctest.Test(t, func(t *testing.T) { // a slot is waited for
			d := newDesk(t, policyOf("p", key("k"), l))
			w, need := Who{KeyID: "k"}, Amount{Tokens: 10}
			for n := range 3 {
				for range 5 {
					_ = d.l.Try(w, need, d.clock())
				}
				asked := d.l.Try(w, need, d.clock())
				_, no := d.begin(w, need)
				if (asked == nil) != (no == nil) || n == 2 && no == nil {
					t.Fatalf("%+v, request %d: asked beforehand %+v, then %+v", l, n, asked, no)
				}
				if no != nil {
					first := *no
					first.First = false // which asking does not change
					if *asked != first {
						t.Errorf("%+v: asked beforehand %+v, then %+v", l, asked, no)
					}
				}
			}
		})
	}
}
