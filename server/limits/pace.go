package limits

import (
	"context"
	"sync"
	"time"

	"github.com/your-org/ai-api-gateway/store"
)

// Where several gateways share a limit of a minute, its theoretical arrival time is in
// the store, on the store's clock. A gateway takes units of it as requests need them,
// some more where the limit is large, and uses them within grantFor. So in any stretch
// of time all gateways together admit what one alone would in a stretch longer by
// grantFor. The gcra here is what the store said last: it denies without asking, and
// says how the limit stands.
//
// While the store is away each gateway has its part of the limit, as many as lived
// when it was seen last, and keeps to it by itself.

// A pace is what this gateway has of a minute that others take of, too.
type pace struct {
	mu    sync.Mutex
	have  int64 // units taken of the store and not yet used
	until int64 // ticks: when they are forfeit
	tat   int64 // ticks: the arrival time that their taking set
	owed  int64 // ticks: what was used beyond what was taken; negative: less
	seen  int64 // ticks: when the store was asked last; 0: never
}

const (
	grantFor   = time.Second
	rateWithin = 500 * time.Millisecond // the store has answered by then, or is away
	// batchPart is the part of a minute's limit that is taken at once: a tenth of a second's.
	batchPart = 600
)

// among is the part of a rate that one of n gateways keeps to by itself, in which at
// least need units fit at once.
func (r rate) among(n, need int64) rate {
	n = max(1, n)
	return rate{max(1, r.limit/n), max(need, r.burst/n)}
}

// take uses n units of those that are there; tat is the arrival time they set.
func (p *pace) take(n, now int64) (tat int64, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.have < n || now >= p.until {
		return 0, false
	}
	p.have -= n
	return p.tat, true
}

// forfeit gives back what nobody has used; p.mu is held.
func (p *pace) forfeit(r rate, now int64) {
	p.owed = addSat(p.owed, correction(r, p.have, 0, p.tat, now))
	p.have = 0
}

// takeShared takes n units of a minute that gateways share.
func (a *Lease) takeShared(r *rule, n int64) *Denial {
	for range 4 {
		if a.takeHad(r, n) {
			return nil
		}
		if d := a.l.moreRate(r, n); d != nil {
			return d
		}
	}
	// Others of this gateway were faster, again and again.
	return &Denial{Policy: r.policy, Limit: r.lim, Need: n, RetryAfter: time.Second}
}

// takeHad takes n units of a minute of those that this gateway has.
func (a *Lease) takeHad(r *rule, n int64) bool {
	tat, ok := r.pace.take(n, a.l.ticks(a.l.o.Now()))
	if ok {
		a.held = append(a.held, holding{rule: r, n: n, tat: tat})
	}
	return ok
}

// moreRate gets n units of a minute; a denial says why it does not.
func (l *Limiter) moreRate(r *rule, n int64) *Denial {
	r.lease.Lock()
	defer r.lease.Unlock()
	p, now := &r.pace, l.ticks(l.o.Now())
	p.mu.Lock()
	had := p.have >= n && now < p.until // somebody else has got it meanwhile
	fresh := p.seen != 0 && now-p.seen < int64(lackFor)*ticksPerNano
	p.mu.Unlock()
	if had {
		return nil
	}
	if l.rateAway.Load() {
		return l.alone(r, n, now)
	}
	if fresh {
		if wait := r.gcra.wait(r.rate, n, now); wait > 0 {
			return r.tooFast(n, wait, now)
		}
	}
	granted, err := l.askRate(r, n)
	switch {
	case err != nil:
		return l.alone(r, n, now)
	case granted < n:
		now = l.ticks(l.o.Now())
		return r.tooFast(n, max(1, r.gcra.wait(r.rate, n, now)), now)
	}
	return nil
}

// alone takes n units of this gateway's own part of the limit.
func (l *Limiter) alone(r *rule, n, now int64) *Denial {
	tat, wait, ok := r.gcra.take(r.rate.among(l.alive.Load(), n), n, now)
	if !ok {
		return r.tooFast(n, wait, now)
	}
	p := &r.pace
	p.mu.Lock()
	defer p.mu.Unlock()
	p.have, p.tat, p.until = n, tat, now+int64(grantFor)*ticksPerNano
	return nil
}

// askRate brings the store up to date and takes at least n units of it, or none; 0
// takes none. r.lease is held.
func (l *Limiter) askRate(r *rule, n int64) (granted int64, err error) {
	p, before := &r.pace, l.ticks(l.o.Now())
	p.mu.Lock()
	p.forfeit(r.rate, before)
	owed := p.owed
	p.mu.Unlock()
	within := rateWithin
	if l.alive.Load() == 0 { // it is not known yet who else there is
		within = leaseWithin
	}
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	g, err := l.o.Rate(ctx, store.RateAsk{
		Counter: r.id, Limit: r.rate.limit, Burst: r.rate.burst, Adjust: time.Duration(owed / ticksPerNano),
		Least: n, Want: max(n, min(r.rate.limit/batchPart, r.rate.burst/4)),
	})
	if err != nil {
		l.paceAway.Store(l.o.Now().Add(awayFor).UnixNano())
		if !l.rateAway.Swap(true) {
			l.o.Log.Warn("limits of a minute are each gateway's own part until the store answers", "error", err)
		}
		return 0, err
	}
	l.rateAway.Store(false)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.owed -= owed / ticksPerNano * ticksPerNano
	p.have, p.tat = g.Granted, addSat(before, int64(g.Ahead)*ticksPerNano)
	p.until, p.seen = before+int64(grantFor)*ticksPerNano, l.ticks(l.o.Now())
	l.alive.Store(int64(g.Gateways))
	r.gcra.tat.Store(p.tat)
	return g.Granted, nil
}

// corrected notes that of n units that a taking took, used was right.
func (l *Limiter) corrected(r *rule, n, used, tat, now int64) {
	if l.o.Rate == nil {
		r.gcra.adjust(r.rate, n, used, tat, now)
		return
	}
	if l.rateAway.Load() {
		r.gcra.adjust(r.rate.among(l.alive.Load(), n), n, used, tat, now)
		return
	}
	r.gcra.adjust(r.rate, n, used, tat, now)
	r.pace.mu.Lock()
	r.pace.owed = addSat(r.pace.owed, correction(r.rate, n, used, tat, now))
	r.pace.mu.Unlock()
}

// renewRate tells the store what was corrected, and looks whether it is back.
func (l *Limiter) renewRate(r *rule) {
	if r.rate.limit <= 0 || l.o.Now().UnixNano() < l.paceAway.Load() {
		return
	}
	p := &r.pace
	p.mu.Lock()
	due := p.owed/ticksPerNano != 0 || p.have > 0 && l.ticks(l.o.Now()) >= p.until
	p.mu.Unlock()
	if !due && !l.rateAway.Load() {
		return
	}
	r.lease.Lock()
	defer r.lease.Unlock()
	_, _ = l.askRate(r, 0) // told there
}
