package limits

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/your-org/ai-api-gateway/store"
)

// laden is a limiter with a usual load: a rate, a budget and slots of the key, and
// budgets of its group and of all.
func laden(tb testing.TB, keys int) *Limiter {
	l := New(Options{Now: time.Now})
	policies := []*store.Policy{
		policyOf("group", store.PolicyScope{Group: "team"}, lim(store.LimitCost, store.WindowMonth, 1<<60)),
		policyOf("all", store.PolicyScope{Global: true}, lim(store.LimitTokens, store.WindowDay, 1<<49)),
	}
	for i := range keys {
		policies = append(policies, policyOf(fmt.Sprint("key", i), key(fmt.Sprint("k", i)), lim(store.LimitRequests, store.WindowMinute, 1_000_000_000),
			lim(store.LimitTokens, store.WindowMinute, 1_000_000_000_000), lim(store.LimitCost, store.WindowDay, 1<<60), lim(store.LimitConcurrency, "", 1000)))
	}
	if err := l.Set(context.Background(), policies); err != nil {
		tb.Fatal(err)
	}
	return l
}

// cycle is what one request costs.
func cycle(l *Limiter, w Who, now time.Time) {
	a := l.Lease(w, now)
	if a != nil {
		place := Place{Account: "a", AccountID: "id", Model: "m"}
		if a.Begin() != nil {
			panic("denied")
		}
		a.Counts(1, func(int) Place { return place })
		if a.Reserve(Amount{100, 1000, 1000}) != nil || a.Enter(place, Amount{100, 1000, 1000}, now) != nil {
			panic("denied")
		}
	}
	g := l.Settling(uint64(now.UnixNano()))
	l.Settle(a, w, Place{Account: "a", Model: "m"}, now, Amount{90, 900, 900}, now)
	g.RUnlock()
	l.Rates(w, now)
}

// TestNoAllocation: neither a request that nothing limits nor one that five limits
// hold for allocates.
func TestNoAllocation(t *testing.T) {
	now := time.Now()
	f := func(name string, l *Limiter, w Who) {
		t.Helper()
		if n := testing.AllocsPerRun(1000, func() { cycle(l, w, now) }); n > 0.1 { // the pool may be emptied by the collector
			t.Errorf("%s: %v allocations a request", name, n)
		}
	}
	f("no policy", New(Options{Now: time.Now}), ci)
	f("policies of others", func() *Limiter {
		l := New(Options{Now: time.Now})
		if err := l.Set(context.Background(), []*store.Policy{policyOf("p", key("other"), lim(store.LimitCost, store.WindowDay, 1))}); err != nil {
			t.Fatal(err)
		}
		return l
	}(), ci)
	f("six limits", laden(t, 1), Who{KeyID: "k0", Group: "team", Model: "m"})
}

func BenchmarkRequest(b *testing.B) {
	run := func(name string, l *Limiter, keys int) {
		who := make([]Who, keys)
		for i := range who {
			who[i] = Who{KeyID: fmt.Sprint("k", i), Group: "team", Model: "m"}
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				now := time.Now()
				for i := 0; pb.Next(); i++ {
					cycle(l, who[i%keys], now.Add(time.Duration(i)))
				}
			})
		})
	}
	run("none", New(Options{Now: time.Now}), 1)
	run("six-limits", laden(b, 1), 1)
	run("six-limits-10000-keys", laden(b, 10_000), 10_000)
}
