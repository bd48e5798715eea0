// Package limits decides whether a request may run: requests, tokens and money a
// minute, an hour, a day, a week, a month or in all, and how many at a time, for
// keys, groups of keys, models, provider accounts and the whole gateway.
//
// What a request may use is reserved before it runs, of all limits at once or of
// none, and settled with what it did use. So a budget holds however many requests
// come at the same time: spent + reserved never passes the limit by admission.
//
// Minutes and slots live in memory. Windows of the calendar are counters whose
// amounts are, at the start and when a policy is made, the sums of the usage rows.
// Amounts are integers: requests, tokens, nano-USD. Time is passed in.
package limits

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/your-org/ai-api-gateway/store"
)

// Options say what a Limiter works with.
type Options struct {
	Now  func() time.Time
	Zone *time.Location // of policies that name none; nil: UTC
	// Totals returns sums of all usage rows that are settled. nil: nothing was used before.
	Totals func(ctx context.Context, q store.TotalsQuery) ([]store.Total, error)
	// Upstream returns the upstream's name of a model that callers ask for at an
	// account, "" if it is not known: what policies for a model are held against,
	// besides the name asked for. May be nil.
	Upstream func(model, account string) string
	// Account returns the name of the account of that name or id. May be nil.
	Account func(nameOrID string) string
	Log     *slog.Logger
	// Lease changes what this gateway has of a counter that several gateways use, to
	// what f returns, while none changes theirs. nil: this gateway is alone.
	Lease func(ctx context.Context, counter string, f func(store.LeaseView) (int64, error)) error
	// Sync waits until all rows that are settled are in the sums of Lease.
	Sync func(ctx context.Context) error
	// Rate takes units of a minute, and Slots changes what this gateway has of what may
	// run at a time, where several gateways count. nil: this gateway is alone.
	Rate  func(ctx context.Context, ask store.RateAsk) (store.RateGrant, error)
	Slots func(ctx context.Context, counter string, f func(store.LeaseView) (amount int64, wants bool)) error
	// Soft is told when a limit is used to its policy's soft_percent. It must not block. May be nil.
	Soft func(Event)
}

// A Limiter holds the limits in force. Its methods are safe for concurrent use.
type Limiter struct {
	o     Options
	base  time.Time // what ticks are counted from
	set   atomic.Pointer[set]
	gates [gateShards]gate
	soft  events

	away     atomic.Int64 // until when leases are not asked for, since nobody answers; Unix nanoseconds
	paceAway atomic.Int64 // the same for minutes and slots, which wait less long
	alive    atomic.Int64 // gateways when the store was seen last; 0: never
	rateAway atomic.Bool  // minutes are this gateway's own part until Renew has seen the store

	mu  sync.Mutex // one change of the policies at a time
	seq int64
}

// A gate lets settling requests through, and none while a counter is read from
// the store: what has its row by then is in the sum, and what has not counts when
// it settles.
type gate struct {
	sync.RWMutex
	_ [40]byte // a cache line each
}

const gateShards = 64

// mostWait bounds how long settling requests wait for counters to be read.
const mostWait = 5 * time.Second

// New returns a limiter without limits.
func New(o Options) *Limiter {
	if o.Zone == nil {
		o.Zone = time.UTC
	}
	if o.Log == nil {
		o.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	l := &Limiter{o: o, base: o.Now()}
	l.set.Store(&set{})
	return l
}

// ticks is a time on the clock of rates. It only goes forward where the process's
// monotonic clock does.
func (l *Limiter) ticks(t time.Time) int64 { return int64(t.Sub(l.base)) * ticksPerNano }

// Set puts policies in force in place of those before. Counters go on where a
// policy counts the same things as before; new ones begin with what the store
// says was used. On an error the old policies stay.
func (l *Limiter) Set(ctx context.Context, policies []*store.Policy) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	s, fresh, err := l.compile(policies, l.set.Load())
	if err != nil {
		return fmt.Errorf("cannot put policies in force: %w", err)
	}
	if l.o.Lease != nil {
		l.look(ctx, fresh)
	} else if err := l.read(ctx, fresh); err != nil {
		return err
	}
	for _, r := range s.rules {
		switch {
		case r.lim.Kind != store.LimitConcurrency:
		case l.o.Slots != nil: // more comes by asking
			r.slots.resize(min(r.slots.bound(), r.lim.Limit), r.lim.Limit)
		default:
			r.slots.resize(r.lim.Limit, r.lim.Limit)
		}
	}
	l.set.Store(s)
	return nil
}

// Recount reads anew what the rows of the open periods have used, after they have
// changed otherwise than by requests of this process: corrected, or brought in from
// another's log. On an error the counters stay.
func (l *Limiter) Recount(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var windows []*rule
	for _, r := range l.set.Load().rules {
		if r.window() {
			windows = append(windows, r)
		}
	}
	if l.o.Lease != nil {
		l.look(ctx, windows)
		return nil
	}
	return l.read(ctx, windows)
}

// read sets counters to what the rows of their periods have used, while no request
// settles. Rows from after the period count, too: a clock that was set back gives
// nothing back.
func (l *Limiter) read(ctx context.Context, fresh []*rule) error {
	if len(fresh) == 0 || l.o.Totals == nil {
		return nil
	}
	// A store that does not answer is met here, and not while requests wait.
	if _, err := l.o.Totals(ctx, store.TotalsQuery{Since: l.o.Now()}); err != nil {
		return fmt.Errorf("cannot read what was used: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, mostWait)
	defer cancel()
	for i := range l.gates {
		l.gates[i].Lock()
		defer l.gates[i].Unlock()
	}
	now := l.o.Now()
	bySince := map[int64][]*rule{}
	for _, r := range fresh {
		r.mu.Lock()
		since := r.now(now).start.Unix()
		r.mu.Unlock()
		bySince[since] = append(bySince[since], r)
	}
	for since, rules := range bySince {
		q := store.TotalsQuery{Since: time.Unix(since, 0).UTC(), GroupBy: []string{"key", "group", "model", "account", "end_reason"}}
		totals, err := l.o.Totals(ctx, q)
		if err != nil {
			return fmt.Errorf("cannot read what was used: %w", err)
		}
		for _, r := range rules {
			spent := int64(0)
			for i := range totals {
				if l.concerns(r, &totals[i]) {
					spent = addSat(spent, r.used(&totals[i]))
				}
			}
			r.mu.Lock()
			if p := r.now(now); p.start.Unix() == since { // else the period has ended meanwhile
				p.spent = spent
			}
			r.mu.Unlock()
		}
	}
	return nil
}

// concerns reports whether the rows of a total are ones that r counts.
func (l *Limiter) concerns(r *rule, t *store.Total) bool {
	sc := &r.policy.Scope
	if t.Group["end_reason"] == store.EndRejected { // it was never admitted
		return false
	}
	switch account := t.Group["account"]; {
	case sc.APIKey != "" && sc.APIKey != t.Group["key"], sc.Group != "" && sc.Group != t.Group["group"]:
		return false
	case sc.Account != "" && sc.Account != account && (l.o.Account == nil || l.o.Account(sc.Account) != account):
		return false
	}
	model := t.Group["model"]
	return r.fitsModel(model) || l.o.Upstream != nil && r.fitsModel(l.o.Upstream(model, t.Group["account"]))
}

// used is what the rows of a total take of r's limit.
func (r *rule) used(t *store.Total) int64 {
	switch r.lim.Kind {
	case store.LimitRequests:
		return t.Requests
	case store.LimitTokens:
		return addSat(addSat(t.Tokens.Prompt(), t.Tokens.Completion()), t.UnconfirmedTokens)
	}
	if r.policy.Scope.Account != "" {
		return addSat(t.CostNano, t.UnconfirmedNano)
	}
	return t.Charged()
}

// Any reports whether a policy is in force; without one nothing is counted.
func (l *Limiter) Any() bool { return len(l.set.Load().rules) > 0 }

// Settling is entered before a request's row is written and left, by the function
// it returns, when Settle has counted it. hint spreads the callers.
func (l *Limiter) Settling(hint uint64) *sync.RWMutex {
	g := &l.gates[hint%gateShards].RWMutex
	g.RLock()
	return g
}
