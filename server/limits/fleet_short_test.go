package limits

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/your-org/ai-api-gateway/store"
)

// A court is what gateways share of minutes and slots: what store/postgres keeps.
type court struct {
	mu    sync.Mutex
	base  time.Time
	rates map[string]*gcra
	parts map[string]map[string]slotPart
	alive int
	away  bool
	calls int
}

type slotPart struct {
	n     int64
	wants bool
	until time.Time
}

func newCourt(alive int) *court {
	return &court{base: time.Now(), alive: alive, rates: map[string]*gcra{}, parts: map[string]map[string]slotPart{}}
}

func (c *court) rate(_ context.Context, a store.RateAsk) (g store.RateGrant, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls++
	if c.away {
		return g, errors.New("away")
	}
	if c.rates[a.Counter] == nil {
		c.rates[a.Counter] = &gcra{}
	}
	now, cell, r := int64(time.Since(c.base))*ticksPerNano, c.rates[a.Counter], rate{a.Limit, a.Burst}
	cell.tat.Store(max(now, cell.tat.Load()+int64(a.Adjust)*ticksPerNano))
	for n := a.Want; a.Least > 0 && n >= a.Least && g.Granted == 0; n-- {
		if _, _, ok := cell.take(r, n, now); ok {
			g.Granted = n
		}
	}
	g.Ahead, g.Gateways = time.Duration(max(0, cell.tat.Load()-now)/ticksPerNano), c.alive
	return g, nil
}

func (c *court) slots(name string) func(context.Context, string, func(store.LeaseView) (int64, bool)) error {
	return func(_ context.Context, counter string, f func(store.LeaseView) (int64, bool)) error {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.calls++
		if c.away {
			return errors.New("away")
		}
		if c.parts[counter] == nil {
			c.parts[counter] = map[string]slotPart{}
		}
		v := store.LeaseView{Gateways: c.alive}
		for other, p := range c.parts[counter] {
			if other != name && time.Now().Before(p.until) {
				v.Others += p.n
				v.Wanted = v.Wanted || p.wants
			}
		}
		n, wants := f(v)
		c.parts[counter][name] = slotPart{n, wants, time.Now().Add(store.SlotsFor)}
		return nil
	}
}

// gateway is one that shares with the others of c, until ctx ends.
func (c *court) gateway(ctx context.Context, t *testing.T, name string, lim store.PolicyLimit) *Limiter {
	t.Helper()
	l := New(Options{Now: time.Now, Rate: c.rate, Slots: c.slots(name), Sync: func(context.Context) error { return nil },
		Lease: func(context.Context, string, func(store.LeaseView) (int64, error)) error { return nil }})
	if err := l.Set(t.Context(), []*store.Policy{{ID: "p", Name: "p", Scope: store.PolicyScope{APIKey: "k"}, Limits: []store.PolicyLimit{lim}}}); err != nil {
		t.Fatal(err)
	}
	go l.Renew(ctx)
	return l
}

var who = Who{KeyID: "k", Model: "m"}

// Requests and tokens of a minute at three gateways: together they admit what one
// would, but for what is taken a second before it is used; and under load no less.
func TestFleetMinute(t *testing.T) {
	f := func(lim store.PolicyLimit, need, use int64, pause time.Duration) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			c := newCourt(3)
			r := rateOf(lim)
			var mu sync.Mutex
			var judge gcra
			admitted, denied := int64(0), 0
			// The bound of the three is one bucket with a second's worth more.
			bound := rate{r.limit, r.burst + (r.limit+59)/60}
			end := time.Now().Add(5 * time.Minute)
			var wg sync.WaitGroup
			for i := range 3 {
				l := c.gateway(ctx, t, fmt.Sprint(i), lim)
				for j := range 4 {
					rnd := rand.New(rand.NewPCG(uint64(i), uint64(j)))
					wg.Go(func() {
						for time.Now().Before(end) {
							time.Sleep(time.Duration(rnd.Int64N(int64(2*pause) * int64(i+1)))) // the load is uneven
							now := time.Now()
							lease := l.Lease(who, now)
							d := lease.Begin()
							if d == nil {
								d = lease.Reserve(Amount{Tokens: need})
							}
							if d != nil {
								if d.RetryAfter <= 0 || d.TooLarge || d.Outage {
									t.Errorf("denied as %+v", d)
								}
								mu.Lock()
								denied++
								mu.Unlock()
								continue
							}
							n := int64(1)
							if lim.Kind == store.LimitTokens {
								n = use
							}
							mu.Lock()
							if _, _, ok := judge.take(bound, n, int64(time.Since(c.base))*ticksPerNano); !ok {
								t.Errorf("%s: more than one gateway would have admitted, after %v", lim.Kind, time.Since(c.base))
								end = time.Now()
							}
							admitted += n
							mu.Unlock()
							time.Sleep(2 * time.Millisecond)
							l.Settle(lease, who, Place{}, now, Amount{Tokens: use}, time.Now())
						}
					})
				}
			}
			wg.Wait()
			ideal := r.burst + 5*r.limit
			c.mu.Lock()
			t.Logf("%d %s a minute: %d admitted of %d, %d calls denied, the store asked %d times", lim.Limit, lim.Kind, admitted, ideal, denied, c.calls)
			c.mu.Unlock()
			if denied == 0 || admitted < ideal*9/10 {
				t.Errorf("%d of %d were admitted, %d denied", admitted, ideal, denied)
			}
			cancel()
			synctest.Wait()
			time.Sleep(2 * renewEvery)
		})
	}
	requests := func(n int64) store.PolicyLimit {
		return store.PolicyLimit{Kind: store.LimitRequests, Limit: n, Window: store.WindowMinute}
	}
	f(requests(60), 0, 0, 500*time.Millisecond)
	f(requests(3), 0, 0, 2*time.Second)
	f(requests(6000), 0, 0, 20*time.Millisecond)
	f(store.PolicyLimit{Kind: store.LimitTokens, Limit: 10_000, Window: store.WindowMinute}, 4_000, 500, 500*time.Millisecond)
}

// Without the store each of three has a third of a minute; then they share again.
func TestFleetMinuteAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		c := newCourt(3)
		lim := store.PolicyLimit{Kind: store.LimitRequests, Limit: 60, Window: store.WindowMinute}
		gateways := []*Limiter{c.gateway(ctx, t, "a", lim), c.gateway(ctx, t, "b", lim), c.gateway(ctx, t, "c", lim)}
		ask := func(l *Limiter) bool {
			now := time.Now()
			lease := l.Lease(who, now)
			if lease.Begin() != nil {
				return false
			}
			l.Settle(lease, who, Place{}, now, Amount{}, now)
			return true
		}
		minutes := func(n int, gateways ...*Limiter) (admitted int) {
			for end := time.Now().Add(time.Duration(n) * time.Minute); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
				for _, l := range gateways {
					if ask(l) {
						admitted++
					}
				}
			}
			return admitted
		}
		if n := minutes(2, gateways...); n < 115 || n > 60*2+6+1 {
			t.Errorf("%d admitted in two minutes", n)
		}
		c.mu.Lock()
		c.away = true
		c.mu.Unlock()
		if n := minutes(2, gateways...); n < 110 || n > 60*2+6+3 {
			t.Errorf("%d admitted in two minutes without the store", n)
		}
		if n := minutes(2, gateways[0]); n < 38 || n > 20*2+2 {
			t.Errorf("%d admitted at one gateway in two minutes without the store", n)
		}
		c.mu.Lock()
		c.away = false
		c.mu.Unlock()
		time.Sleep(2 * renewEvery)
		if n := minutes(2, gateways[0]); n < 115 || n > 60*2+6+1 { // all of it, since the others ask for none
			t.Errorf("%d admitted at one gateway in two minutes afterwards", n)
		}
		cancel()
		time.Sleep(2 * renewEvery)
	})
}

// Slots of three gateways: never more run than the limit, all are used where there is
// load, one gateway alone may have all, and those of a dead one are free in time.
func TestFleetSlots(t *testing.T) {
	for _, limit := range []int64{1, 4, 50} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			c := newCourt(3)
			lim := store.PolicyLimit{Kind: store.LimitConcurrency, Limit: limit}
			var mu sync.Mutex
			running, most := int64(0), int64(0)
			served := make([]int, 3)
			stop := make([]chan struct{}, 3)
			var cancels [3]context.CancelFunc
			var wg sync.WaitGroup
			for i := range 3 {
				stop[i] = make(chan struct{})
				var living context.Context
				living, cancels[i] = context.WithCancel(ctx)
				l := c.gateway(living, t, fmt.Sprint(i), lim)
				for j := range 2 * limit {
					rnd := rand.New(rand.NewPCG(uint64(i), uint64(j)))
					wg.Go(func() {
						for {
							select {
							case <-stop[i]:
								return
							case <-time.After(time.Duration(rnd.Int64N(int64(200 * time.Millisecond)))):
							}
							now := time.Now()
							lease := l.Lease(who, now)
							if lease.Begin() != nil {
								continue
							}
							mu.Lock()
							running++
							most = max(most, running)
							served[i]++
							if running > limit {
								t.Errorf("%d of %d run", running, limit)
							}
							mu.Unlock()
							time.Sleep(time.Duration(rnd.Int64N(int64(300 * time.Millisecond))))
							mu.Lock()
							running--
							mu.Unlock()
							l.Settle(lease, who, Place{}, now, Amount{}, time.Now())
						}
					})
				}
			}
			time.Sleep(time.Minute)
			mu.Lock()
			if most != limit {
				t.Errorf("%d of %d ran at most", most, limit)
			}
			for i, n := range served {
				if n < 10 {
					t.Errorf("gateway %d served %d: %v", i, n, served)
				}
			}
			mu.Unlock()
			c.mu.Lock()
			t.Logf("%d slots: the store asked %d times in a minute", limit, c.calls)
			c.mu.Unlock()
			// One dies with what it has: after store.SlotsFor the others have all of it.
			cancels[0]()
			close(stop[0])
			close(stop[1])
			c.mu.Lock()
			c.alive = 2
			c.mu.Unlock()
			time.Sleep(store.SlotsFor + 3*time.Second)
			mu.Lock()
			most = 0
			mu.Unlock()
			time.Sleep(20 * time.Second)
			mu.Lock()
			if most != limit {
				t.Errorf("after a death %d of %d ran at most", most, limit)
			}
			mu.Unlock()
			close(stop[2])
			wg.Wait()
			cancel()
			time.Sleep(2 * renewEvery)
		})
	}
}
