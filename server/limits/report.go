package limits

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/your-org/ai-api-gateway/store"
)

// A Denial says which limit refused a request, and how it stood.
type Denial struct {
	Policy *store.Policy
	Limit  store.PolicyLimit
	// Used, Reserved and Need are in the unit of the limit.
	Used, Reserved, Need int64
	Resets               time.Time     // end of the window; zero: none, or a sliding one
	RetryAfter           time.Duration // until it may pass; 0: it will not by waiting
	TooLarge             bool          // more than the limit allows at once: no waiting helps
	First                bool          // first of its period
	// Outage: nobody can say how the limit stands, since the store is away.
	Outage bool
}

// Raise is the command that lifts the limit, with the amount for the reader to choose.
func (d *Denial) Raise() string {
	amount := map[string]string{store.LimitConcurrency: "concurrency N", store.LimitRequests: "requests N", store.LimitTokens: "tokens N", store.LimitCost: "cost USD"}[d.Limit.Kind]
	if d.Limit.Window != "" {
		amount += "/" + d.Limit.Window
	}
	return fmt.Sprintf("ai-gateway quota set '%s' --%s", strings.ReplaceAll(d.Policy.Name, "'", ""), amount)
}

// Budget reports whether the denial is one of a budget, money or tokens of a
// window, and not one of a rate.
func (d *Denial) Budget() bool {
	switch {
	case d.Limit.Kind == store.LimitConcurrency || d.Limit.Window == store.WindowMinute:
		return false
	}
	return d.Limit.Kind != store.LimitRequests || d.Limit.Window == store.WindowTotal
}

// Marks of what was told in a period.
const (
	toldSoft uint8 = 1 << iota
	toldFull
)

// An Event tells that a limit was used to its policy's soft_percent.
type Event struct {
	Policy  string
	Scope   store.PolicyScope
	Limit   store.PolicyLimit
	Percent int
	Used    int64
	At      time.Time
	Since   time.Time // start of the window
	Resets  time.Time // its end; zero: never
}

// maxEvents bounds the events kept.
const maxEvents = 256

type events struct {
	mu   sync.Mutex
	list []Event // the oldest first
}

// Events returns the latest events, the oldest first.
func (l *Limiter) Events() []Event {
	l.soft.mu.Lock()
	defer l.soft.mu.Unlock()
	return append([]Event(nil), l.soft.list...)
}

func (l *Limiter) tell(r *rule, e *Event) {
	if e == nil {
		return
	}
	e.At = l.o.Now()
	l.soft.mu.Lock()
	if len(l.soft.list) == maxEvents {
		l.soft.list = append(l.soft.list[:0], l.soft.list[1:]...)
	}
	l.soft.list = append(l.soft.list, *e)
	l.soft.mu.Unlock()
	l.o.Log.Warn("a limit is nearly used", "policy", e.Policy, "scope", e.Scope.String(), "kind", r.lim.Kind, "window", r.lim.Window,
		"percent", e.Percent, "used", e.Used, "limit", r.lim.Limit)
	if l.o.Soft != nil {
		l.o.Soft(*e)
	}
}

// A State is how far one limit is used.
type State struct {
	Policy *store.Policy
	Limit  store.PolicyLimit
	// Used, Reserved and Remaining are in the unit of the limit. Used is what is
	// settled; of a minute, what time has not given back yet.
	Used, Reserved, Remaining int64
	Running                   int64 // requests that hold a reservation, or a slot
	Since, Resets             time.Time
}

// States returns the limits for which want is true, in no promised order.
func (l *Limiter) States(want func(*store.Policy) bool, now time.Time) []State {
	var out []State
	if l.o.Lease != nil {
		var windows []*rule
		for _, r := range l.set.Load().rules {
			if r.window() && want(r.policy) {
				windows = append(windows, r)
			}
		}
		ctx, cancel := context.WithTimeout(context.Background(), leaseWithin)
		l.look(ctx, windows)
		cancel()
	}
	for _, r := range l.set.Load().rules {
		if want(r.policy) {
			out = append(out, l.state(r, now))
		}
	}
	return out
}

// For reports whether p holds for a key of that id and group, wherever its
// requests go.
func For(p *store.Policy, keyID, group string) bool {
	sc := &p.Scope
	switch {
	case sc.APIKey != "":
		return sc.APIKey == keyID
	case sc.Group != "":
		return sc.Group == group
	}
	return sc.Account == ""
}

// FitsModel reports whether p is about a model of that name.
func FitsModel(p *store.Policy, model string) bool {
	return p.Scope.Model == "" || matchName(p.Scope.Model, model)
}

func (l *Limiter) state(r *rule, now time.Time) State {
	st := State{Policy: r.policy, Limit: r.lim}
	switch {
	case r.lim.Kind == store.LimitConcurrency:
		st.Used = r.slots.inUse()
		st.Running = st.Used
	case r.minute():
		var reset int64
		st.Used, reset = r.gcra.level(r.rate, l.ticks(now))
		st.Remaining = max(0, r.rate.burst-st.Used)
		if reset > 0 {
			st.Resets = now.Add(time.Duration(reset / ticksPerNano))
		}
		return st
	default:
		r.mu.Lock()
		p := r.now(now)
		st.Used, st.Reserved, st.Running, st.Resets = p.spent, addSat(p.reserved, p.fleet.others), p.running, p.end
		if !p.end.IsZero() {
			st.Since = p.start
		}
		r.mu.Unlock()
	}
	st.Remaining = r.left(st.Used, st.Reserved)
	return st
}

// left is what a limit that is used and reserved so far has left.
func (r *rule) left(used, reserved int64) int64 {
	return max(0, r.lim.Limit-sum(max(0, used), reserved, 0))
}

// standing is what state says that callers are told: what is left of a rate or a window,
// and how long until all of it is there again; 0: nothing is used, or that never comes.
func (l *Limiter) standing(r *rule, now time.Time) (remaining int64, reset time.Duration) {
	if r.minute() {
		used, ticks := r.gcra.level(r.rate, l.ticks(now))
		return max(0, r.rate.burst-used), time.Duration(ticks / ticksPerNano)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.now(now)
	if !p.end.IsZero() {
		reset = max(0, p.end.Sub(now))
	}
	return r.left(p.spent, addSat(p.reserved, p.fleet.others)), reset
}

// A Rate is what x-ratelimit headers say of requests or of tokens.
type Rate struct {
	Limit, Remaining int64
	Reset            time.Duration // until nothing is used
	Known            bool
}

// Rates returns the limits of requests and of tokens that are nearest to their
// end for w: those of a minute before those of longer windows.
func (l *Limiter) Rates(w Who, now time.Time) (requests, tokens Rate) {
	s := l.set.Load()
	if len(s.rules) == 0 {
		return requests, tokens
	}
	var minutes [2]bool
	lists := s.of(&w)
	for _, list := range &lists {
		for _, r := range list {
			to, i := &requests, 0
			switch r.lim.Kind {
			case store.LimitTokens:
				to, i = &tokens, 1
			case store.LimitRequests:
			default:
				continue
			}
			if !r.fitsModel(w.Model) || minutes[i] && !r.minute() {
				continue
			}
			remaining, reset := l.standing(r, now)
			if !to.Known || r.minute() && !minutes[i] || remaining < to.Remaining {
				*to = Rate{Limit: r.lim.Limit, Remaining: remaining, Reset: reset, Known: true}
			}
			minutes[i] = minutes[i] || r.minute()
		}
	}
	return requests, tokens
}
