package limits

import (
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/your-org/ai-api-gateway/store"
)

// twice runs a request that reserves need, of which one attempt uses first and another,
// if it may be made, second. It reports what was used in all.
func (s *site) twice(need, first, second int64) (used int64, denied *Denial) {
	w := Who{KeyID: "k", Model: "m"}
	now := time.Now()
	lease := s.Lease(w, now)
	if d := lease.Begin(); d != nil {
		return 0, d
	}
	if d := lease.Reserve(Amount{Nano: need}); d != nil {
		return 0, d
	}
	time.Sleep(200 * time.Microsecond) // so that others hold something
	last := Amount{Nano: second}
	if denied = lease.Spend(Amount{Nano: first}, now); denied != nil {
		last = Amount{}
	}
	gate := s.Settling(uint64(now.UnixNano()))
	defer gate.RUnlock()
	s.mu.Lock()
	s.unsent += first + last.Nano
	s.mu.Unlock()
	s.Settle(lease, w, Place{Account: "a"}, now, last, now, Part{Place{Account: "b"}, Amount{Nano: first}})
	return first + last.Nano, denied
}

// TestSpendStrict: attempts that follow each other never pass a strict budget, of one
// gateway or of three; nothing stays reserved.
func TestSpendStrict(t *testing.T) {
	f := func(name string, sites []*site, limit int64) {
		t.Helper()
		var mu sync.Mutex
		var used int64
		made, denied := 0, 0
		var wg sync.WaitGroup
		for i := range 8 {
			s := sites[i%len(sites)]
			wg.Go(func() {
				rnd := rand.New(rand.NewPCG(uint64(i), 3))
				for range 100 {
					need := 10 + rnd.Int64N(30)
					n, d := s.twice(need, 1+rnd.Int64N(need), rnd.Int64N(need+1))
					mu.Lock()
					if used += n; d != nil && n > 0 {
						denied++
					} else if d == nil {
						made++
					}
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		if used > limit || used < limit/2 || made == 0 || denied == 0 {
			t.Errorf("%s: %d used of %d; %d requests had both attempts, %d were denied the second", name, used, limit, made, denied)
		}
		for _, s := range sites {
			for _, st := range s.States(func(*store.Policy) bool { return true }, time.Now()) {
				if st.Running != 0 || len(sites) == 1 && st.Reserved != 0 { // of several, what is reserved is leases, too
					t.Errorf("%s: %d reserved by %d", name, st.Reserved, st.Running)
				}
			}
		}
	}
	p := budget(2000, "")
	p.Mode = store.ModeStrict
	g := &ground{leases: map[string]map[string]int64{}}
	f("three", []*site{g.site(t, "1", p), g.site(t, "2", p), g.site(t, "3", p)}, 2000)
	one := &site{ground: &ground{}, Limiter: New(Options{Now: time.Now})}
	if err := one.Set(t.Context(), []*store.Policy{p}); err != nil {
		t.Fatal(err)
	}
	f("one", []*site{one}, 2000)
}
