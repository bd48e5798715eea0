package limits

import (
	"time"

	"github.com/your-org/ai-api-gateway/store"
)

// reserve takes need of all rules or of none. What this gateway lacks of a limit
// that others use, too, it asks for.
func (a *Lease) reserve(rules []*rule, need Amount, now time.Time) *Denial {
	if len(rules) == 0 {
		return nil
	}
	sortRules(rules)
	for range 4 * len(rules) {
		d, short := a.reserveOnce(rules, need, now)
		if short == nil {
			return d
		}
		if d := a.l.more(short, short.of(need), now); d != nil {
			return d
		}
	}
	d, short := a.reserveOnce(rules, need, now)
	if short != nil { // others were faster, again and again
		d = &Denial{Policy: short.policy, Limit: short.lim, Need: short.of(need), RetryAfter: time.Second}
	}
	return d
}

// reserveOnce is reserve with what this gateway has. short is the rule of which that
// is too little.
func (a *Lease) reserveOnce(rules []*rule, need Amount, now time.Time) (d *Denial, short *rule) {
	locked := 0
	unlock := func() {
		for _, r := range rules[:locked] {
			if r.window() {
				r.mu.Unlock()
			}
		}
	}
	defer unlock()
	for _, r := range rules {
		if r.window() {
			r.mu.Lock()
			r.now(now)
		}
		locked++
	}
	for _, r := range rules {
		if r.window() {
			if a.l.o.Lease != nil {
				if !r.cur.fits(r.of(need)) {
					return nil, r
				}
			} else if d := r.check(r.cur, r.of(need), now); d != nil {
				return d, nil
			}
		}
	}
	before := len(a.held)
	for _, r := range rules {
		if r.window() {
			continue
		}
		d := r.tooLarge(r.of(need))
		if d == nil && a.l.o.Rate != nil {
			if !a.takeHad(r, r.of(need)) {
				short = r
			}
		} else if d == nil {
			d = a.takeRate(r, r.of(need), a.l.ticks(now))
		}
		if d != nil || short != nil {
			for i := before; i < len(a.held); i++ {
				a.undo(&a.held[i], now)
			}
			a.held = a.held[:before]
			return d, short
		}
	}
	for _, r := range rules {
		if r.window() {
			n := r.of(need)
			r.cur.reserved += n
			r.cur.running++
			a.held = append(a.held, holding{rule: r, period: r.cur, n: n})
		}
	}
	return nil, nil
}

// of is the part of an amount that r counts.
func (r *rule) of(n Amount) int64 {
	switch r.lim.Kind {
	case store.LimitRequests:
		return 1
	case store.LimitTokens:
		return n.Tokens
	}
	if r.policy.Scope.Account != "" {
		return n.Cost
	}
	return n.Nano
}

// check denies n of p if it does not fit, and notes that it did; r.mu is held.
func (r *rule) check(p *period, n int64, now time.Time) *Denial {
	d := r.lacks(p, n, now)
	if d != nil {
		d.First = p.told&toldFull == 0
		p.told |= toldFull
	}
	return d
}

// lacks denies n of p if it does not fit; r.mu is held.
func (r *rule) lacks(p *period, n int64, now time.Time) *Denial {
	reserved := addSat(p.reserved, p.fleet.others)
	if sum(max(0, p.spent), reserved, n) <= r.lim.Limit {
		return nil
	}
	d := &Denial{Policy: r.policy, Limit: r.lim, Used: p.spent, Reserved: reserved, Need: n, Resets: p.end}
	if !p.end.IsZero() {
		d.RetryAfter = max(time.Nanosecond, p.end.Sub(now))
	}
	return d
}

// Try says which limit would deny a request of w at now that may use need, and
// takes nothing; nil: none. It looks at the limits in the order Begin and Reserve
// do, and counts as they do. A limit on what runs at a time denies where nothing is
// free, though a request would wait for that a little.
func (l *Limiter) Try(w Who, need Amount, now time.Time) *Denial {
	var stages [3][]*rule // as they are asked: calls a minute; slots; the rest
	l.set.Load().each(&w, func(r *rule) bool {
		if !r.fitsModel(w.Model) {
			return true
		}
		i := 2
		switch {
		case r.lim.Kind == store.LimitConcurrency:
			i = 1
		case r.lim.Kind == store.LimitRequests && r.minute():
			i = 0
		}
		stages[i] = append(stages[i], r)
		return true
	})
	for _, rules := range stages {
		sortRules(rules)
		for _, windows := range [...]bool{true, false} { // reserve asks windows before minutes
			for _, r := range rules {
				if r.window() != windows {
					continue
				}
				if d := r.would(r.of(need), now, l.ticks(now)); d != nil {
					return d
				}
			}
		}
	}
	return nil
}

// would says whether n would be denied at now, without taking it.
func (r *rule) would(n int64, now time.Time, ticks int64) *Denial {
	switch {
	case r.lim.Kind == store.LimitConcurrency:
		if !r.slots.free() && r.slots.inUse()+r.part.other.Load() >= r.lim.Limit {
			return r.noSlot()
		}
	case r.minute():
		if d := r.tooLarge(n); d != nil {
			return d
		}
		if wait := r.gcra.wait(r.rate, n, ticks); wait > 0 {
			return r.tooFast(n, wait, ticks)
		}
	default:
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.lacks(r.now(now), n, now)
	}
	return nil
}

func sortRules(rules []*rule) {
	for i := 1; i < len(rules); i++ {
		for j := i; j > 0 && rules[j].seq < rules[j-1].seq; j-- {
			rules[j], rules[j-1] = rules[j-1], rules[j]
		}
	}
}
