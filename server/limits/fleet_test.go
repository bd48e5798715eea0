package limits

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/your-org/ai-api-gateway/store"
)

// A ground is what gateways share: leases by counter and gateway, and settled rows.
type ground struct {
	mu     sync.Mutex
	leases map[string]map[string]int64
	rows   int64 // nano-USD of rows that are in the store
	away   bool
	calls  int
}

// A site is one gateway: rows are settled in it before they are in the store.
type site struct {
	*Limiter
	ground *ground
	name   string
	mu     sync.Mutex
	unsent int64
}

func (g *ground) site(t *testing.T, name string, p *store.Policy) *site {
	t.Helper()
	s := &site{ground: g, name: name}
	s.Limiter = New(Options{Now: time.Now, Sync: s.sync, Lease: s.lease})
	if err := s.Set(t.Context(), []*store.Policy{p}); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *site) sync(context.Context) error {
	s.ground.mu.Lock()
	defer s.ground.mu.Unlock()
	if s.ground.away {
		return errors.New("away")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ground.rows += s.unsent
	s.unsent = 0
	return nil
}

func (s *site) lease(_ context.Context, counter string, f func(store.LeaseView) (int64, error)) error {
	g := s.ground
	g.mu.Lock()
	defer g.mu.Unlock()
	g.calls++
	if g.away {
		return errors.New("away")
	}
	if g.leases[counter] == nil {
		g.leases[counter] = map[string]int64{}
	}
	v := store.LeaseView{Gateways: 3, Totals: func(store.TotalsQuery) ([]store.Total, error) {
		return []store.Total{{Group: map[string]string{"end_reason": store.EndComplete}, CostNano: g.rows, Requests: 1}}, nil
	}}
	for name, n := range g.leases[counter] {
		if name != s.name {
			v.Others += n
		}
	}
	n, err := f(v)
	if err == nil {
		g.leases[counter][s.name] = n
	}
	return err
}

// spend runs one request that reserves need and costs cost; false: denied.
func (s *site) spend(need, cost int64) *Denial {
	w := Who{KeyID: "k", Model: "m"}
	now := time.Now()
	lease := s.Lease(w, now)
	if d := lease.Begin(); d != nil {
		return d
	}
	if d := lease.Reserve(Amount{Nano: need}); d != nil {
		return d
	}
	gate := s.Settling(uint64(now.UnixNano()))
	defer gate.RUnlock()
	s.mu.Lock()
	s.unsent += cost
	s.mu.Unlock()
	s.Settle(lease, w, Place{}, now, Amount{Nano: cost}, now)
	return nil
}

func budget(limit int64, outage string) *store.Policy {
	return &store.Policy{ID: "p", Name: "p", Scope: store.PolicyScope{APIKey: "k"}, OnStoreOutage: outage,
		Limits: []store.PolicyLimit{{Kind: store.LimitCost, Limit: limit, Window: store.WindowTotal}}}
}

// Three gateways under one budget never overspend it together, and leave no more of
// it than one reservation each.
func TestFleetBudget(t *testing.T) {
	const limit, need = 1_000_000, 1_000
	g := &ground{leases: map[string]map[string]int64{}}
	p := budget(limit, "")
	sites := []*site{g.site(t, "a", p), g.site(t, "b", p), g.site(t, "c", p)}
	ctx, cancel := context.WithCancel(t.Context())
	var renewing, wg sync.WaitGroup
	for _, s := range sites {
		renewing.Go(func() { s.Renew(ctx) })
		for i := range 8 {
			rnd := rand.New(rand.NewPCG(uint64(i), 1))
			wg.Go(func() {
				for denied := 0; denied < 3; {
					if d := s.spend(need, rnd.Int64N(need+1)); d != nil {
						if !d.Budget() || d.Outage {
							t.Errorf("denied otherwise: %+v", d)
						}
						denied++
						time.Sleep(lackFor + 50*time.Millisecond)
					}
				}
			})
		}
	}
	wg.Wait()
	cancel()
	renewing.Wait()
	for _, s := range sites {
		if err := s.sync(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if g.rows > limit || g.rows < limit-3*limit/50-24*need {
		t.Errorf("%d of %d were spent", g.rows, int64(limit))
	}
	if g.calls > 4000 {
		t.Errorf("%d leases were asked for", g.calls)
	}
	t.Logf("%d of %d spent, %d leases asked for", g.rows, int64(limit), g.calls)
}

// A gateway that died has its lease counted, and no more than that.
func TestFleetDead(t *testing.T) {
	const limit, need = 100_000, 1_000
	g := &ground{leases: map[string]map[string]int64{}}
	p := budget(limit, "")
	dead, live := g.site(t, "dead", p), g.site(t, "live", p)
	for range 10 { // what it used is in its own log alone
		if d := dead.spend(need, need); d != nil {
			t.Fatal(d)
		}
	}
	for live.spend(need, need) == nil {
	}
	if err := live.sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	if total := g.rows + dead.unsent; total > limit {
		t.Errorf("%d of %d were spent", total, int64(limit))
	}
	for _, held := range g.leases { // its log is brought in, and its lease given back
		delete(held, "dead")
	}
	if err := dead.sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	time.Sleep(lackFor)
	for live.spend(need, need) == nil {
	}
	if err := live.sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	if g.rows > limit || g.rows < limit-need {
		t.Errorf("afterwards %d of %d were spent", g.rows, int64(limit))
	}
}

// Without the store what was leased is used, then budgets deny by themselves, unless
// their policy says otherwise; all is well again by itself.
func TestFleetOutage(t *testing.T) {
	const limit, need = 1_000_000, 1_000
	for _, outage := range []string{"", "allow"} {
		g := &ground{leases: map[string]map[string]int64{}}
		s := g.site(t, "a", budget(limit, outage))
		if d := s.spend(need, need); d != nil {
			t.Fatal(d)
		}
		g.away = true
		served := 0
		var d *Denial
		for served < 500 && d == nil {
			if d = s.spend(need, need); d == nil {
				served++
			}
		}
		if outage == "allow" {
			if d != nil || served != 500 {
				t.Errorf("allowed: %d served, then %+v", served, d)
			}
		} else if d == nil || !d.Outage || served < 5 || served > limit/50/need {
			t.Errorf("%d served without the store, then %+v", served, d)
		}
		g.away = false
		time.Sleep(awayFor)
		if d := s.spend(need, need); d != nil {
			t.Errorf("after the outage: %+v", d)
		}
	}
}

// A lease that nobody uses is given back.
func TestFleetIdle(t *testing.T) {
	g := &ground{leases: map[string]map[string]int64{}}
	s := g.site(t, "a", budget(1_000_000, ""))
	if d := s.spend(1000, 500); d != nil {
		t.Fatal(d)
	}
	r := s.set.Load().rules[0]
	r.mu.Lock()
	r.cur.fleet.used = time.Now().Add(-idleAfter - time.Second)
	r.mu.Unlock()
	s.renewOne(t.Context(), r)
	for _, held := range g.leases {
		if held["a"] != 0 {
			t.Errorf("an idle gateway holds %d", held["a"])
		}
	}
	if st := s.States(func(*store.Policy) bool { return true }, time.Now())[0]; st.Used != 500 || st.Reserved != 0 {
		t.Errorf("it stands at %+v", st)
	}
	if d := s.spend(1000, 500); d != nil {
		t.Errorf("after that: %+v", d)
	}
}
