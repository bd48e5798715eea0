package limits

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/your-org/ai-api-gateway/store"
)

// A plain is what a window should be: integers by period, and nothing else.
type plain struct {
	policy                   *store.Policy
	zone                     *time.Location
	lim                      store.PolicyLimit
	period                   time.Time
	spent, reserved, running int64
}

// A job is a request of the simulation, with what the model thinks it holds.
type job struct {
	lease   *Lease
	who     Who
	at      time.Time
	need    Amount
	place   Place
	held    []*plain // of the whole request
	periods []time.Time
	there   []*plain // of the attempt
	thereAt []time.Time
	entered bool
	parts   []spentPart // attempts before it that have used something
	raised  Amount      // what they used, reserved beside need
}

// A spentPart is an attempt that was not the last, with what the model keeps of it.
type spentPart struct {
	Part
	held    []*plain
	periods []time.Time
}

// A world runs the limiter beside the model.
type world struct {
	t        *testing.T
	d        *desk
	rnd      *rand.Rand
	policies []*store.Policy
	model    []*plain
	running  []*job
	admitted int
	refused  int
	spent    int
}

// TestModel interleaves 100,000 steps at random and holds the limiter against a
// model of plain integers after each: a request is admitted exactly if it fits all
// limits, a denial changes nothing, and every amount is the model's.
func TestModel(t *testing.T) {
	for seed := range uint64(4) {
		w := &world{t: t, d: newDesk(t), rnd: rand.New(rand.NewPCG(seed, 7))}
		for range 6 {
			w.change()
		}
		for step := range 25_000 {
			w.step()
			if step%10 == 0 || step > 24_900 {
				w.compare(step)
			}
			if t.Failed() {
				t.Fatalf("seed %d, step %d", seed, step)
			}
		}
		for len(w.running) > 0 {
			w.end(0, Amount{})
		}
		w.compare(-1)
		for _, p := range w.model {
			if p.reserved != 0 || p.running != 0 {
				t.Errorf("seed %d: %+v is left", seed, p)
			}
		}
		if w.admitted < 1000 || w.refused < 1000 || w.spent < 50 {
			t.Errorf("seed %d: %d admitted, %d refused, %d attempts: the run shows too little", seed, w.admitted, w.refused, w.spent)
		}
	}
}

func (w *world) step() {
	switch n := w.rnd.IntN(100); {
	case n < 45:
		w.begin()
	case n < 80 && len(w.running) > 0:
		i := w.rnd.IntN(len(w.running))
		need := w.running[i].need
		switch w.rnd.IntN(4) {
		case 0: // it failed
			w.end(i, Amount{})
		case 1: // it used more than was thought
			w.end(i, Amount{Tokens: need.Tokens * 3, Nano: need.Nano * 3, Cost: need.Cost * 3})
		default:
			f := w.rnd.Int64N(101)
			w.end(i, Amount{Tokens: need.Tokens * f / 100, Nano: need.Nano * f / 100, Cost: need.Cost * f / 100})
		}
	case n < 85 && len(w.running) > 0:
		w.enter(w.running[w.rnd.IntN(len(w.running))])
	case n < 90 && len(w.running) > 0:
		w.spend(w.running[w.rnd.IntN(len(w.running))])
	case n < 95:
		w.d.tick(time.Duration(w.rnd.Int64N(int64(2 * time.Hour))))
	case n < 96:
		w.d.tick(-time.Duration(w.rnd.Int64N(int64(90 * time.Minute))))
	case n < 97:
		w.d.tick(time.Duration(w.rnd.Int64N(int64(40 * 24 * time.Hour))))
	case n < 99:
		w.change()
	}
}

// fits is the model's own idea of a period: it moves on and never back.
func (p *plain) at(now time.Time) {
	if start, _ := periodOf(p.lim.Window, now, p.zone); p.period.IsZero() || start.After(p.period) {
		p.period, p.spent, p.reserved, p.running = start, 0, 0, 0
	}
}

func (p *plain) amount(a Amount) int64 {
	switch {
	case p.lim.Kind == store.LimitRequests:
		return 1
	case p.lim.Kind == store.LimitTokens:
		return a.Tokens
	case p.policy.Scope.Account != "":
		return a.Cost
	}
	return a.Nano
}

// concerns reports whether the window is one of the whole request (no place), or of a place.
func (p *plain) concerns(w Who, place *Place) bool {
	sc := p.policy.Scope
	if sc.APIKey != "" && sc.APIKey != w.KeyID || sc.Group != "" && sc.Group != w.Group {
		return false
	}
	named := sc.Model == "" || sc.Model == w.Model
	if place == nil {
		return sc.Account == "" && named
	}
	there := sc.Model == "" || sc.Model == place.Model
	if sc.Account != "" {
		return sc.Account == place.Account && (named || there)
	}
	return !named && there
}

// take reserves in the model; false: it does not fit, and nothing is taken.
func (w *world) take(who Who, place *Place, need Amount) (held []*plain, ok bool) {
	now := w.d.clock()
	for _, p := range w.model {
		if p.concerns(who, place) {
			p.at(now)
			held = append(held, p)
		}
	}
	for _, p := range held {
		if p.spent+p.reserved+p.amount(need) > p.lim.Limit {
			return nil, false
		}
	}
	for _, p := range held {
		p.reserved += p.amount(need)
		p.running++
	}
	return held, true
}

func starts(held []*plain) []time.Time {
	var out []time.Time
	for _, p := range held {
		out = append(out, p.period)
	}
	return out
}

// back gives a reservation back in the model, if its period is still open.
func back(held []*plain, periods []time.Time, need Amount) {
	for i, p := range held {
		if p.period.Equal(periods[i]) {
			p.reserved -= p.amount(need)
			p.running--
		}
	}
}

func (w *world) begin() {
	if len(w.running) > 40 {
		return
	}
	pick := func(s ...string) string { return s[w.rnd.IntN(len(s))] }
	j := &job{who: Who{KeyID: pick("k1", "k2", "k3"), Group: pick("", "g1", "g2"), Model: pick("m1", "m2", "m3")}, at: w.d.clock()}
	j.need = Amount{Tokens: w.rnd.Int64N(300), Nano: w.rnd.Int64N(300)}
	j.need.Cost = j.need.Nano / 2
	asked := w.d.l.Try(j.who, j.need, j.at)
	held, fits := w.take(j.who, nil, j.need)
	lease, no := w.d.begin(j.who, j.need)
	if (asked == nil) != (no == nil) || asked != nil && (asked.Policy != no.Policy || asked.Limit != no.Limit || asked.Used != no.Used || asked.Budget() != no.Budget()) {
		w.t.Errorf("%+v of %+v: asked beforehand %+v, denied by %+v", j.need, j.who, asked, no)
	}
	if fits != (no == nil) {
		w.t.Errorf("%+v of %+v: the model says %v, the limiter %+v", j.need, j.who, fits, no)
		return
	}
	if !fits {
		w.refused++
		return
	}
	w.admitted++
	j.lease, j.held, j.periods = lease, held, starts(held)
	w.running = append(w.running, j)
}

func (w *world) enter(j *job) {
	if j.lease == nil {
		return
	}
	j.place = Place{Account: []string{"a1", "a2"}[w.rnd.IntN(2)], Model: []string{"m1", "m2", "u1"}[w.rnd.IntN(3)]}
	back(j.there, j.thereAt, j.need)
	there, fits := w.take(j.who, &j.place, j.need)
	j.there, j.thereAt = there, starts(there)
	no := j.lease.Enter(j.place, j.need, w.d.clock())
	if fits != (no == nil) {
		w.t.Errorf("%+v at %+v: the model says %v, the limiter %+v", j.need, j.place, fits, no)
	}
	j.entered = no == nil
}

// spend ends an attempt that has used something.
func (w *world) spend(j *job) {
	if j.lease == nil || !j.entered || len(j.parts) == 3 {
		return
	}
	part := spentPart{Part: Part{j.place, Amount{Tokens: w.rnd.Int64N(200), Nano: w.rnd.Int64N(200), Cost: w.rnd.Int64N(200)}}}
	back(j.there, j.thereAt, j.need)
	for i, p := range j.there {
		if p.lim.Kind == store.LimitRequests {
			continue
		}
		part.held, part.periods = append(part.held, p), append(part.periods, j.thereAt[i])
		if p.period.Equal(j.thereAt[i]) {
			p.reserved += p.amount(part.Used)
			p.running++
		}
	}
	for i, p := range j.held {
		if p.lim.Kind != store.LimitRequests && p.period.Equal(j.periods[i]) {
			p.reserved += p.amount(part.Used)
		}
	}
	j.raised = j.raised.plus(part.Used)
	j.there, j.thereAt, j.entered = nil, nil, false
	j.parts = append(j.parts, part)
	if d := j.lease.Spend(part.Used, w.d.clock()); d != nil {
		w.t.Errorf("a budget that is not strict denies what was used: %+v", d)
	}
	w.spent++
}

func (w *world) end(i int, used Amount) {
	j := w.running[i]
	w.running = slices.Delete(w.running, i, i+1)
	if w.rnd.IntN(10) == 0 { // it leaves no row
		back(j.held, j.periods, j.need.plus(j.raised))
		back(j.there, j.thereAt, j.need)
		for _, part := range j.parts {
			back(part.held, part.periods, part.Used)
		}
		j.lease.Cancel()
		return
	}
	spend := func(held []*plain, periods []time.Time, need, used Amount) {
		back(held, periods, need)
		for k, p := range held {
			if p.period.Equal(periods[k]) {
				p.spent += p.amount(used)
			}
		}
	}
	whole := used.plus(j.raised)
	spend(j.held, j.periods, j.need.plus(j.raised), whole)
	spend(j.there, j.thereAt, j.need, used)
	met := func(held []*plain, used Amount, concerns func(p *plain) bool) { // policies made, or met, since it was admitted
		for _, p := range w.model {
			if slices.Contains(held, p) || !concerns(p) {
				continue
			}
			if p.at(j.at); !j.at.Before(p.period) {
				p.spent += p.amount(used)
			}
		}
	}
	met(j.held, whole, func(p *plain) bool { return p.concerns(j.who, nil) })
	if j.place != (Place{}) {
		met(j.there, used, func(p *plain) bool { return p.concerns(j.who, &j.place) })
	}
	var before []Part
	for _, part := range j.parts {
		spend(part.held, part.periods, part.Used, part.Used)
		met(part.held, part.Used, func(p *plain) bool { return p.lim.Kind != store.LimitRequests && p.concerns(j.who, &part.Place) })
		before = append(before, part.Part)
	}
	w.d.l.Settle(j.lease, j.who, j.place, j.at, used, w.d.clock(), before...)
}

// change makes, raises, lowers or removes a policy.
func (w *world) change() {
	pick := func(s ...string) string { return s[w.rnd.IntN(len(s))] }
	amount := func() int64 { return w.rnd.Int64N(4000) }
	switch n := w.rnd.IntN(3); {
	case n == 0 && len(w.policies) > 3:
		i := w.rnd.IntN(len(w.policies))
		gone := w.policies[i]
		w.policies = slices.Delete(w.policies, i, i+1)
		w.model = slices.DeleteFunc(w.model, func(p *plain) bool { return p.policy.ID == gone.ID })
	case n == 1 && len(w.policies) > 0:
		i := w.rnd.IntN(len(w.policies))
		p := *w.policies[i]
		p.Limits = slices.Clone(p.Limits)
		for k := range p.Limits {
			p.Limits[k].Limit = amount()
		}
		w.policies[i] = &p
		for _, m := range w.model {
			if m.policy.ID == p.ID {
				m.policy = &p
				for _, l := range p.Limits {
					if l.Kind == m.lim.Kind && l.Window == m.lim.Window {
						m.lim = l
					}
				}
			}
		}
	case len(w.policies) < 9:
		scopes := []store.PolicyScope{{APIKey: pick("k1", "k2", "k3")}, {Group: pick("g1", "g2")}, {Global: true}, {Account: pick("a1", "a2")}, {Model: pick("m1", "u1")},
			{APIKey: pick("k1", "k2"), Model: pick("m1", "u1")}, {Account: pick("a1", "a2"), Model: pick("m1", "u1")}}
		p := policyOf(time.Duration(w.rnd.Int64()).String(), scopes[w.rnd.IntN(len(scopes))])
		p.TimeZone = pick("", "Asia/Shanghai", "America/New_York")
		for _, kind := range []string{store.LimitCost, store.LimitTokens, store.LimitRequests} {
			for _, window := range []string{store.WindowHour, store.WindowDay, store.WindowWeek, store.WindowMonth, store.WindowTotal} {
				if w.rnd.IntN(8) == 0 {
					p.Limits = append(p.Limits, lim(kind, window, amount()))
				}
			}
		}
		if len(p.Limits) == 0 {
			p.Limits = append(p.Limits, lim(store.LimitCost, store.WindowDay, amount()))
		}
		w.policies = append(w.policies, p)
		for _, l := range p.Limits {
			m := &plain{policy: p, lim: l, zone: zone(w.t, p.TimeZone)}
			m.at(w.d.clock())
			w.model = append(w.model, m)
		}
	}
	w.d.set(w.policies...)
}

func (w *world) compare(step int) {
	now := w.d.clock()
	states := w.d.l.States(func(*store.Policy) bool { return true }, now)
	if len(states) != len(w.model) {
		w.t.Fatalf("%d limits, the model has %d", len(states), len(w.model))
	}
	for _, m := range w.model {
		m.at(now)
		i := slices.IndexFunc(states, func(s State) bool { return s.Policy.ID == m.policy.ID && s.Limit == m.lim })
		if i < 0 {
			w.t.Fatalf("%+v is not in force", m)
		}
		if s := states[i]; s.Used != m.spent || s.Reserved != m.reserved || s.Running != m.running || s.Remaining != max(0, m.lim.Limit-m.spent-m.reserved) {
			w.t.Errorf("step %d, %s %s/%s: %+v, the model has spent %d, reserved %d of %d in %s", step, m.policy.Scope, m.lim.Kind, m.lim.Window, s, m.spent, m.reserved, m.running, m.period)
		}
	}
}
