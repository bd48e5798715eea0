package limits

import (
	"slices"
	"sync"
	"time"

	"github.com/your-org/ai-api-gateway/store"
)

// Who asks: the key, its group, and the model by the name asked for.
type Who struct{ KeyID, Group, Model string }

// A Place is where an attempt goes.
type Place struct{ Account, AccountID, Model string }

// An Amount is what a request may use, or has used. Nano is what its key is
// charged, Cost what the upstream charges: that counts at an account.
type Amount struct{ Tokens, Nano, Cost int64 }

// A Lease is quota taken before a call and settled after. It belongs to one
// request and is used by one goroutine at a time. Its zero value is not one: see
// Limiter.Lease.
type Lease struct {
	l     *Limiter
	who   Who
	at    time.Time // admission
	set   *set      // in force then
	rules []*rule   // of it, for the request as a whole, wherever it goes
	whole bool      // held has the windows of rules
	held  []holding
	own   int // held[own:] is of the attempt in flight
	// parts counts the attempts before it that have used something.
	parts int
}

// A holding is what a lease has of one rule.
type holding struct {
	rule   *rule
	period *period // of a window
	n      int64
	tat    int64 // of a minute
	// part is the number, from 1, of the attempt that used n; 0: n is reserved.
	part int
}

var leases = sync.Pool{New: func() any { return &Lease{held: make([]holding, 0, 8), rules: make([]*rule, 0, 8)} }}

// Lease begins a request of w at now. It returns nil, and costs nothing, where no
// policy can concern the request. What is asked of it until it is reserved is asked of
// the policies that are in force now.
func (l *Limiter) Lease(w Who, now time.Time) *Lease {
	s := l.set.Load()
	if len(s.rules) == 0 {
		return nil
	}
	lists := s.of(&w)
	if len(s.accounts) == 0 && len(lists[0]) == 0 && len(lists[1]) == 0 && len(lists[2]) == 0 {
		return nil
	}
	lease := leases.Get().(*Lease)
	lease.l, lease.who, lease.at, lease.set = l, w, now, s
	for _, list := range &lists {
		for _, r := range list {
			if r.fitsModel(w.Model) {
				lease.rules = append(lease.rules, r)
			}
		}
	}
	return lease
}

// free gives the lease back to the pool.
func (a *Lease) free() {
	clear(a.held)
	clear(a.rules)
	*a = Lease{held: a.held[:0], rules: a.rules[:0]}
	leases.Put(a)
}

// Begin takes what a request needs before its plan is made: requests of a minute,
// and a slot, for which it waits a second at most. On a denial the lease is over.
func (a *Lease) Begin() *Denial {
	now := a.l.ticks(a.at)
	var denied *Denial
	var few [4]*rule
	waits := few[:0]
	for _, r := range a.rules {
		switch r.lim.Kind {
		case store.LimitRequests:
			if denied == nil && r.minute() {
				denied = a.takeRate(r, 1, now)
			}
		case store.LimitConcurrency:
			waits = append(waits, r)
		}
	}
	if denied == nil {
		denied = a.takeSlots(waits, slotWait)
	}
	a.own = len(a.held)
	if denied != nil {
		a.Cancel()
	}
	return denied
}

// takeSlots takes a slot of each rule, in the order of the counters, within d.
func (a *Lease) takeSlots(rules []*rule, d time.Duration) *Denial {
	if len(rules) == 0 {
		return nil
	}
	sortRules(rules)
	var start time.Time // of waiting
	for _, r := range rules {
		if !r.slots.take(0) {
			now := a.l.o.Now()
			if start.IsZero() {
				start = now
			}
			if !a.l.takeSlot(r, max(0, d-now.Sub(start))) {
				return r.noSlot()
			}
		}
		a.held = append(a.held, holding{rule: r, n: 1})
	}
	return nil
}

func (r *rule) noSlot() *Denial {
	return &Denial{Policy: r.policy, Limit: r.lim, Used: r.slots.inUse(), Need: 1, RetryAfter: time.Second}
}

// takeRate takes n units of a minute.
func (a *Lease) takeRate(r *rule, n, now int64) *Denial {
	if d := r.tooLarge(n); d != nil {
		return d
	}
	if a.l.o.Rate != nil {
		return a.takeShared(r, n)
	}
	tat, wait, ok := r.gcra.take(r.rate, n, now)
	if !ok {
		return r.tooFast(n, wait, now)
	}
	a.held = append(a.held, holding{rule: r, n: n, tat: tat})
	return nil
}

// tooLarge denies n units of a minute that are never there at once.
func (r *rule) tooLarge(n int64) *Denial {
	if r.rate.fits(n) {
		return nil
	}
	return &Denial{Policy: r.policy, Limit: r.lim, Need: n, TooLarge: r.rate.limit > 0}
}

// tooFast denies n units of a minute that are there in wait ticks.
func (r *rule) tooFast(n, wait, now int64) *Denial {
	used, _ := r.gcra.level(r.rate, now)
	return &Denial{Policy: r.policy, Limit: r.lim, Need: n, Used: used, RetryAfter: time.Duration((wait + ticksPerNano - 1) / ticksPerNano)}
}

// Counts reports whether tokens or money of the request count, so that an estimate
// of them is needed; and strict whether that must be an upper bound. unbounded is
// the output to reserve where the request does not bound it. The request may go to
// places places.
func (a *Lease) Counts(places int, place func(int) Place) (counts, strict bool, unbounded int64) {
	look := func(r *rule) {
		if r.lim.Kind != store.LimitTokens && r.lim.Kind != store.LimitCost {
			return
		}
		counts = true
		own := r.policy.DefaultMaxTokens
		if s := r.policy.Mode == store.ModeStrict; s != strict {
			if s { // what the upstream is told: the least bound of those that are strict
				strict, unbounded = true, own
			}
			return
		}
		switch {
		case own == 0:
		case unbounded == 0, strict && own < unbounded, !strict && own > unbounded:
			unbounded = own
		}
	}
	for _, r := range a.rules {
		look(r)
	}
	if a.set.placing() {
		var few [8]*rule
		for i := range places {
			p := place(i)
			for _, r := range a.set.placed(few[:0], &a.who, &p) {
				look(r)
			}
		}
	}
	if unbounded == 0 {
		unbounded = store.DefaultMaxTokens
	}
	return counts, strict, unbounded
}

// Reserve takes what the request may use: of windows, and tokens of a minute. On a
// denial the lease is over.
func (a *Lease) Reserve(need Amount) *Denial {
	var few [8]*rule
	rules := few[:0]
	for _, r := range a.rules {
		if r.window() || r.lim.Kind == store.LimitTokens {
			rules = append(rules, r)
		}
	}
	d := a.reserve(rules, need, a.at)
	a.own, a.whole = len(a.held), d == nil
	if d != nil {
		a.Cancel()
	}
	return d
}

// Enter takes what an attempt at p may use of limits that hold there only. A
// denial excludes the place; the lease goes on.
func (a *Lease) Enter(p Place, need Amount, now time.Time) *Denial {
	a.Leave(now)
	s := a.l.set.Load()
	var few [8]*rule
	rules := s.placed(few[:0], &a.who, &p)
	if len(rules) == 0 {
		return nil
	}
	var slots, windows []*rule
	var d *Denial
	for _, r := range rules {
		switch {
		case r.lim.Kind == store.LimitConcurrency:
			slots = append(slots, r)
		case r.lim.Kind == store.LimitRequests && r.minute():
			if d == nil {
				d = a.takeRate(r, 1, a.l.ticks(now))
			}
		default:
			windows = append(windows, r)
		}
	}
	if d == nil {
		d = a.takeSlots(slots, 0)
	}
	if d == nil {
		d = a.reserve(windows, need, now)
	}
	if d != nil {
		a.drop(now, false)
	}
	return d
}

// placing reports whether any rule may hold at a place and not for a request as a whole.
func (s *set) placing() bool { return len(s.accounts) > 0 || s.ofModels }

// placed appends the rules that hold at p and not for the request as a whole: of
// the account, and for the upstream's name of the model.
func (s *set) placed(dst []*rule, w *Who, p *Place) []*rule {
	if !s.placing() {
		return dst
	}
	for _, name := range [...]string{p.Account, p.AccountID} {
		for _, r := range s.accounts[name] {
			if (r.fitsModel(w.Model) || r.fitsModel(p.Model)) && !slices.Contains(dst, r) {
				dst = append(dst, r)
			}
		}
	}
	s.each(w, func(r *rule) bool {
		if !r.fitsModel(w.Model) && r.fitsModel(p.Model) {
			dst = append(dst, r)
		}
		return true
	})
	return dst
}

// Spend ends an attempt that has used something and that another is to follow. It
// stays counted where it went, and is reserved of the limits of the whole request
// beside what the next attempt may use. A denial says which strict budget has no room
// for that: there must be no other attempt. The request goes on either way, and is
// settled with what all attempts used.
func (a *Lease) Spend(used Amount, now time.Time) *Denial {
	a.parts++
	kept := a.held[:a.own]
	for i := a.own; i < len(a.held); i++ {
		h := a.held[i]
		switch r := h.rule; {
		case r.lim.Kind == store.LimitTokens && r.minute():
			a.l.corrected(r, h.n, used.Tokens, h.tat, a.l.ticks(now))
		case r.lim.Kind == store.LimitRequests && r.minute(): // the call was made
		case r.lim.Kind == store.LimitRequests || !r.window():
			a.undo(&h, now)
		default:
			r.mu.Lock()
			h.period.reserved += r.of(used) - h.n
			r.mu.Unlock()
			h.n, h.part = r.of(used), a.parts
			kept = append(kept, h)
		}
	}
	whole := a.held[:a.own]
	clear(a.held[len(kept):])
	a.held, a.own = kept, len(kept)
	var denied *Denial
	for i := range whole {
		if h := &whole[i]; h.part == 0 && h.rule.window() && h.rule.lim.Kind != store.LimitRequests {
			if d := a.l.raise(h, h.rule.of(used), now); denied == nil {
				denied = d
			}
		}
	}
	return denied
}

// raise reserves n more, also where it does not fit; then a strict budget denies that
// anything else is used of it.
func (l *Limiter) raise(h *holding, n int64, now time.Time) (d *Denial) {
	r := h.rule
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.policy.Mode == store.ModeStrict {
		if l.o.Lease == nil {
			d = r.check(h.period, n, now)
		}
		for try := 0; l.o.Lease != nil && d == nil && !h.period.fits(n); try++ {
			if try == 4 { // others were faster, again and again
				d = &Denial{Policy: r.policy, Limit: r.lim, Need: n, RetryAfter: time.Second}
				break
			}
			r.mu.Unlock()
			d = l.more(r, n, now)
			r.mu.Lock()
		}
	}
	h.period.reserved += n
	h.n += n
	return d
}

// Leave gives back what an attempt took that did not end the request. The call was
// made: it counts among the requests of its minute.
func (a *Lease) Leave(now time.Time) { a.drop(now, true) }

func (a *Lease) drop(now time.Time, called bool) {
	for i := a.own; i < len(a.held); i++ {
		h := &a.held[i]
		if !called || h.rule.lim.Kind != store.LimitRequests || !h.rule.minute() {
			a.undo(h, now)
		}
	}
	clear(a.held[a.own:])
	a.held = a.held[:a.own]
}

// undo gives back all of a holding.
func (a *Lease) undo(h *holding, now time.Time) {
	switch r := h.rule; {
	case r.lim.Kind == store.LimitConcurrency:
		r.slots.release()
	case r.minute():
		a.l.corrected(r, h.n, 0, h.tat, a.l.ticks(now))
	default:
		r.mu.Lock()
		h.period.reserved -= h.n
		h.period.running--
		r.mu.Unlock()
	}
}

// Cancel gives everything back: the request has left no row. The lease is over.
// That of nil does nothing.
func (a *Lease) Cancel() {
	if a == nil {
		return
	}
	now := a.l.o.Now() // it may have waited since it came
	for i := range a.held {
		a.undo(&a.held[i], now)
	}
	a.free()
}
