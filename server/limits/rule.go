package limits

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/your-org/ai-api-gateway/store"
)

// A rule is one limit of a policy, in force. It is not changed; what it counts in
// is its counter, which outlives changes of the policy that do not change what is
// counted.
type rule struct {
	policy *store.Policy
	lim    store.PolicyLimit
	zone   *time.Location
	rate   rate // of a minute

	perMinute, perWindow bool // neither is a limit of what runs at a time
	*counter
}

func (r *rule) minute() bool { return r.perMinute }
func (r *rule) window() bool { return r.perWindow }

// fitsModel reports whether the rule is about a model of that name.
func (r *rule) fitsModel(name string) bool { return FitsModel(r.policy, name) }

// matchName reports whether name is what the pattern says; '*' is any characters.
func matchName(pattern, name string) bool {
	for {
		lit, rest, star := strings.Cut(pattern, "*")
		if !star {
			return lit == name
		}
		if !strings.HasPrefix(name, lit) {
			return false
		}
		name = name[len(lit):]
		if rest == "" {
			return true
		}
		next, _, more := strings.Cut(rest, "*")
		if !more {
			return strings.HasSuffix(name, next)
		}
		i := strings.Index(name, next)
		if i < 0 {
			return false
		}
		name, pattern = name[i:], rest
	}
}

// A counter is what a rule counts in.
type counter struct {
	seq   int64 // the order counters are locked in
	id    string
	lease sync.Mutex // one change of the lease at a time; taken before mu
	gcra  gcra
	pace  pace // of a minute, where several gateways count in it
	slots slots
	part  slotShare // of slots, where several gateways have them

	mu  sync.Mutex
	cur *period // of a window; nil until the first use
}

// A period is one stretch of a window. Requests that it admitted end in it, also
// when the next has begun.
type period struct {
	start, end      time.Time
	spent, reserved int64
	running         int64 // requests that hold a reservation
	fleet           share // where several gateways count in it
	told            uint8 // events of this period
}

// now makes the period of t the current one and returns it. A clock that goes
// backwards reopens none. c.mu is held.
func (r *rule) now(t time.Time) *period {
	if r.cur != nil && (r.cur.end.IsZero() || t.Before(r.cur.end)) { // or before its start
		return r.cur
	}
	start, end := periodOf(r.lim.Window, t, r.zone)
	if r.cur == nil || start.After(r.cur.start) {
		r.cur = &period{start: start, end: end}
	}
	return r.cur
}

// A set is all rules in force, by whom they are for.
type set struct {
	rules                    []*rule
	byKey, byGroup, accounts map[string][]*rule
	global                   []*rule
	ofModels                 bool // a policy is for some models only
	counters                 map[identity]*counter
}

// identity is what makes a rule count the same thing as another.
type identity struct {
	policy, kind, window, zone string
	scope                      store.PolicyScope
}

// compile makes the rules of policies, with the counters of old where they fit. It
// returns the windows whose counters are new and must be read from the store.
func (l *Limiter) compile(policies []*store.Policy, old *set) (s *set, fresh []*rule, err error) {
	s = &set{byKey: map[string][]*rule{}, byGroup: map[string][]*rule{}, accounts: map[string][]*rule{}, counters: map[identity]*counter{}}
	for _, p := range policies {
		zone := l.o.Zone
		if p.TimeZone != "" {
			if zone, err = time.LoadLocation(p.TimeZone); err != nil {
				return nil, nil, err
			}
		}
		for _, lim := range p.Limits {
			r := &rule{policy: p, lim: lim, zone: zone, rate: rateOf(lim), perMinute: lim.Window == store.WindowMinute}
			r.perWindow = !r.perMinute && lim.Kind != store.LimitConcurrency
			id := identity{p.ID, lim.Kind, lim.Window, zone.String(), p.Scope}
			if s.counters[id] != nil {
				return nil, nil, fmt.Errorf("policy %q limits %s of a %s twice", p.Name, lim.Kind, lim.Window)
			}
			if r.counter = old.counters[id]; r.counter == nil {
				l.seq++
				r.counter = &counter{seq: l.seq, id: id.digest()}
				if r.window() {
					fresh = append(fresh, r)
				}
			}
			s.counters[id] = r.counter
			s.rules = append(s.rules, r)
		}
	}
	slices.SortStableFunc(s.rules, func(a, b *rule) int { return cmp.Compare(a.seq, b.seq) })
	for _, r := range s.rules {
		s.ofModels = s.ofModels || r.policy.Scope.Model != ""
		switch sc := &r.policy.Scope; {
		case sc.APIKey != "":
			s.byKey[sc.APIKey] = append(s.byKey[sc.APIKey], r)
		case sc.Group != "":
			s.byGroup[sc.Group] = append(s.byGroup[sc.Group], r)
		case sc.Account != "":
			s.accounts[sc.Account] = append(s.accounts[sc.Account], r)
		default:
			s.global = append(s.global, r)
		}
	}
	return s, fresh, nil
}

// rateOf returns the rate of a minute's limit.
func rateOf(lim store.PolicyLimit) rate {
	r := rate{lim.Limit, lim.Burst}
	if r.burst == 0 {
		r.burst = lim.Limit
		if lim.Kind == store.LimitRequests {
			r.burst = max(1, lim.Limit/10)
		}
	}
	return r
}

// of returns the rules that may concern a caller, wherever it goes.
func (s *set) of(w *Who) [3][]*rule {
	return [...][]*rule{s.byKey[w.KeyID], s.byGroup[w.Group], s.global}
}

// each calls f for the rules that may concern a caller, in no order, until it
// reports false.
func (s *set) each(w *Who, f func(*rule) bool) {
	lists := s.of(w)
	for _, list := range &lists {
		for _, r := range list {
			if !f(r) {
				return
			}
		}
	}
}

// sum adds amounts that are never negative; what does not fit is the largest number.
func sum(a, b, c int64) int64 {
	if b > math.MaxInt64-a || c > math.MaxInt64-a-b {
		return math.MaxInt64
	}
	return a + b + c
}
