package limits

import (
	"math/bits"
	"time"

	"github.com/your-org/ai-api-gateway/store"
)

// A Part is what an attempt used that another followed, and where.
type Part struct {
	Place Place
	Used  Amount
}

func (a Amount) plus(b Amount) Amount {
	return Amount{Tokens: addSat(a.Tokens, b.Tokens), Nano: addSat(a.Nano, b.Nano), Cost: addSat(a.Cost, b.Cost)}
}

// Settle ends a request: what was reserved is given back and what was used is
// counted, in the periods that admitted it. lease is nil where no policy concerned
// the request when it came; policies made since count it all the same. place is
// where it went last, zero if nowhere, and used what it used there; before is what
// attempts before used, those of Spend in its order. It is called once a request that
// leaves a row, between Settling and the unlocking of what that returned. The lease
// is over.
func (l *Limiter) Settle(lease *Lease, w Who, place Place, at time.Time, used Amount, now time.Time, before ...Part) {
	whole := used
	for i := range before {
		whole = whole.plus(before[i].Used)
	}
	if lease != nil {
		for i := range lease.held {
			if i < lease.own {
				l.settleOne(&lease.held[i], whole, now)
			} else {
				l.settleOne(&lease.held[i], used, now)
			}
		}
	}
	l.settleNew(lease, &w, &place, at, whole, used, before)
	if lease != nil {
		lease.free()
	}
}

func (l *Limiter) settleOne(h *holding, used Amount, now time.Time) {
	switch r := h.rule; {
	case r.lim.Kind == store.LimitConcurrency:
		r.slots.release()
	case r.minute():
		if r.lim.Kind == store.LimitTokens {
			l.corrected(r, h.n, used.Tokens, h.tat, l.ticks(now))
		}
	default:
		n := r.of(used)
		if h.part > 0 {
			n = h.n
		}
		r.mu.Lock()
		h.period.reserved -= h.n
		h.period.running--
		soft := r.spend(h.period, n)
		r.mu.Unlock()
		l.tell(r, soft)
	}
}

// settleNew counts a request in rules that it holds nothing of: those that came
// into force while it ran.
func (l *Limiter) settleNew(lease *Lease, w *Who, place *Place, at time.Time, whole, used Amount, before []Part) {
	s := l.set.Load()
	if len(s.rules) == 0 {
		return
	}
	count := func(r *rule, part int, used Amount) {
		if !r.window() || lease.holds(r.counter, part) {
			return
		}
		var soft *Event
		r.mu.Lock()
		if p := r.now(at); !at.Before(p.start) {
			soft = r.spend(p, r.of(used))
		}
		r.mu.Unlock()
		l.tell(r, soft)
	}
	if lease == nil || !lease.whole || lease.set != s { // else it holds all of them
		s.each(w, func(r *rule) bool {
			if r.fitsModel(w.Model) {
				count(r, 0, whole)
			}
			return true
		})
	}
	if !s.placing() {
		return
	}
	var few [8]*rule
	if *place != (Place{}) {
		for _, r := range s.placed(few[:0], w, place) {
			count(r, 0, used)
		}
	}
	for i := range before {
		for _, r := range s.placed(few[:0], w, &before[i].Place) {
			if r.lim.Kind != store.LimitRequests { // that is where it went last
				count(r, i+1, before[i].Used)
			}
		}
	}
}

// holds reports whether the lease has something of a counter: for a part, or, 0, for
// the request and its last attempt.
func (a *Lease) holds(c *counter, part int) bool {
	if a == nil {
		return false
	}
	for i := range a.held {
		if a.held[i].rule.counter == c && a.held[i].part == part {
			return true
		}
	}
	return false
}

// spend adds what was used; it returns an event where that reached the soft limit
// for the first time in the period. r.mu is held.
func (r *rule) spend(p *period, n int64) *Event {
	p.spent = addSat(p.spent, n)
	p.fleet.own = addSat(p.fleet.own, n)
	soft := r.policy.SoftPercent
	if soft <= 0 || p.told&toldSoft != 0 || !reached(p.spent, r.lim.Limit, soft) {
		return nil
	}
	p.told |= toldSoft
	return &Event{Policy: r.policy.Name, Scope: r.policy.Scope, Limit: r.lim, Percent: soft, Used: p.spent, Since: p.start, Resets: p.end}
}

// reached reports whether spent is at least percent of limit.
func reached(spent, limit int64, percent int) bool {
	if spent <= 0 {
		return false
	}
	h1, l1 := bits.Mul64(uint64(spent), 100)
	h2, l2 := bits.Mul64(uint64(limit), uint64(percent))
	return h1 > h2 || h1 == h2 && l1 >= l2
}
