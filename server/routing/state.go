package routing

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/your-org/ai-api-gateway/providers"
)

// States of a target, the best first.
const (
	StateOK      = "ok"
	StateFailing = "failing" // some of its last requests failed
	StateCooling = "cooling" // the upstream asked to wait
	StateProbing = "probing" // one request tries whether it has recovered
	StateOpen    = "open"    // too many failures: the breaker keeps requests away
	StateParked  = "parked"  // its key is refused or without credit, or its region is not served
)

// state returns the lane's state, the fault that brought it about, and its words.
func (l *Lane) state(at int64) (string, Fault, string) {
	for _, g := range [...]*gate{&l.shared.gate, l.key, &l.rest} {
		if g.left(at) > 0 {
			fault, why := g.reason()
			if g == &l.rest && fault != FaultDenied {
				return StateCooling, fault, why
			}
			return StateParked, fault, why
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	last := l.last
	switch {
	case l.probing.Load():
		return StateProbing, last.Fault, last.Message
	case l.openUntil.Load() != 0:
		return StateOpen, last.Fault, last.Message
	case l.lastBad != 0 && at-l.lastBad < int64(l.h.o.Window):
		return StateFailing, last.Fault, last.Message
	}
	return StateOK, last.Fault, last.Message
}

// A LaneState is how one key of an account fares with one model.
type LaneState struct {
	Account, Model, KeyHint string
	State                   string
	Until                   time.Time // when it may be asked again; zero: now
	InFlight                int64
	Good, Failures          uint32        // within the window
	Latency, StreamLatency  time.Duration // expected; 0: not known
	LastFault, LastError    string
	LastFailed              time.Time // zero: not within memory
	// Allowed is what the provider said last is left of its limits, of at least a second
	// ago while the lane is busy; AllowedAt when it was heard.
	Allowed   []Allowance
	AllowedAt time.Time
}

func (l *Lane) view(at int64) LaneState {
	n := l.name.Load()
	v := LaneState{Account: n.account, Model: n.model, KeyHint: n.hint, InFlight: l.inflight.Load(),
		Latency: time.Duration(l.latency[0].Load()), StreamLatency: time.Duration(l.latency[1].Load())}
	state, fault, why := l.state(at)
	v.State, v.LastError = state, why
	if fault != FaultNone {
		v.LastFault = fault.String()
	}
	if left, _ := l.open(at); left > 0 {
		v.Until = l.h.moment(at + left)
	}
	if heard := l.heard.Load(); heard != nil && len(heard.list) > 0 {
		v.Allowed, v.AllowedAt = heard.list, l.h.moment(heard.at)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	v.Good, _, v.Failures = l.counts(at)
	v.LastFailed = l.h.moment(l.lastBad)
	return v
}

// States returns how all lanes fare that were asked lately, by account, model and key.
func (h *Health) States(now time.Time) []LaneState {
	at := h.at(now)
	h.mu.RLock()
	out := make([]LaneState, 0, len(h.lanes))
	for _, l := range h.lanes {
		if l.used() {
			out = append(out, l.view(at))
		}
	}
	h.mu.RUnlock()
	slices.SortFunc(out, func(a, b LaneState) int {
		return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(a.Model, b.Model), cmp.Compare(a.KeyHint, b.KeyHint))
	})
	return out
}

// used reports whether the lane has been asked, or is held back.
func (l *Lane) used() bool {
	if l.measured[0].Load()+l.measured[1].Load() != 0 || l.inflight.Load() > 0 {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last.Fault != FaultNone
}

// A Look is one target of a plan as it stands.
type Look struct {
	Target *Target
	Order  int // from 1, in which it would be tried; 0: it would not
	Lanes  []LaneState
	Reason string
	Held   string // what holds back some of its keys, while others are asked
}

// Look tells in what order the targets of the plan would be tried now, those that
// would not last, each with the reason. allow is as for Begin.
func (p *Plan) Look(now time.Time, allow func(string) bool) []Look {
	at := p.health.at(now)
	r := p.Begin(allow, 0, false)
	out := make([]Look, len(p.Targets))
	score := make([]float64, len(p.Targets))
	for i := range p.Targets {
		t := &p.Targets[i]
		out[i] = Look{Target: t, Reason: p.why(t)}
		usable, resting := false, 0
		least := int64(MaxPause)
		held := ""
		for _, l := range t.lanes {
			out[i].Lanes = append(out[i].Lanes, l.view(at))
			left, _ := l.open(at)
			usable = usable || left == 0
			if left > 0 {
				resting++
			}
			if left > 0 && left <= least {
				least, held = left, l.words(at, left)
			}
		}
		switch {
		case t.When != CauseFirst && t.When != CauseAsked && allow != nil && !allow(t.Asked):
			out[i].Reason = fmt.Sprintf("the key may not use %q", t.Asked)
			continue
		case !usable:
			out[i].Reason = held
			continue
		}
		if resting > 0 {
			out[i].Held = fmt.Sprintf("%d of its %d keys cannot be asked: %s", resting, len(t.lanes), held)
		}
		out[i].Order = 1
		score[i] = r.score(at, i)
	}
	index := make([]int, len(out))
	for i := range index {
		index[i] = i
	}
	slices.SortStableFunc(index, func(a, b int) int {
		x, y := &p.Targets[a], &p.Targets[b]
		return cmp.Or(cmp.Compare(out[b].Order, out[a].Order), x.Tier-y.Tier, x.Priority-y.Priority, cmp.Compare(score[a], score[b]))
	})
	sorted := make([]Look, 0, len(out))
	for n, i := range index {
		if out[i].Order != 0 {
			out[i].Order = n + 1
		}
		sorted = append(sorted, out[i])
	}
	return sorted
}

// Refusal is what a caller would be told now, when no target can be asked; nil
// when one can.
func (p *Plan) Refusal(now time.Time, allow func(string) bool) *providers.Error {
	at := p.health.at(now)
	r := p.Begin(allow, 0, false)
	for i := range p.Targets {
		for _, l := range p.Targets[i].lanes {
			if left, _ := l.open(at); left == 0 && r.fits(i, r.mode) {
				return nil
			}
		}
	}
	return r.refusal(at)
}

// score ranks a target within its run, the least first.
func (r *Route) score(at int64, i int) float64 {
	t := &r.plan.Targets[i]
	switch r.plan.Strategy {
	case StrategyPriority:
		return float64(i)
	case StrategyCost:
		return float64(t.cost)
	case StrategyLatency, StrategyLeastBusy:
		u := run{r: r, at: at, from: i, to: i + 1}
		if _, l := u.choose(); l != nil {
			if r.plan.Strategy == StrategyLatency {
				return l.cost(at, r.kind)
			}
			return float64(l.inflight.Load()+1) / float64(t.Weight)
		}
	}
	return -float64(t.Weight)
}

// why says how the target came into the plan.
func (p *Plan) why(t *Target) string {
	switch t.When {
	case CauseAsked:
		return fmt.Sprintf("fallback %s of the request", t.Asked)
	case CauseError:
		return fmt.Sprintf("fallback %s: when all before it fail", t.Asked)
	case CauseContext:
		return fmt.Sprintf("fallback %s: when the prompt does not fit", t.Asked)
	case CausePolicy:
		return fmt.Sprintf("fallback %s: when a content filter refuses", t.Asked)
	}
	return ""
}

// words says why the lane is held back, and what mends it.
func (l *Lane) words(at, left int64) string {
	state, fault, why := l.state(at)
	n := l.name.Load()
	if why != "" {
		why = ": " + why
	}
	in := seconds(time.Duration(left))
	reset := "`ai-gateway providers reset " + n.account + "` tries it at once"
	switch {
	case state == StateCooling:
		return fmt.Sprintf("cooling down for %d s (%s%s); %s", in, fault, why, reset)
	case fault == FaultRegion:
		return fmt.Sprintf("its region is not served, looked at again in %d s (%s%s): %s", in, fault, why, n.mends("its proxy", "set", "--proxy URL"))
	case fault == FaultDenied:
		return fmt.Sprintf("its key may not use this model, looked at again in %d s (%s%s): ask the vendor for access, then %s", in, fault, why, reset)
	case state == StateParked:
		return fmt.Sprintf("key %s rests for %d s (%s%s): %s, %s", n.hint, in, fault, why, n.mends("it", "replace", "--api-key -"), reset)
	case state == StateProbing:
		return fmt.Sprintf("one request is finding out whether it has recovered (last error %s%s)", fault, why)
	}
	return fmt.Sprintf("failed too often, tried again in %d s (%s%s); %s", in, fault, why, reset)
}

// Held says of each target that cannot be asked now why not, for the trace of a request.
func (r *Route) Held(now time.Time) []string {
	at := r.h.at(now)
	var out []string
	for i := range r.plan.Targets {
		t := &r.plan.Targets[i]
		if !r.fits(i, r.mode) {
			continue
		}
		for _, l := range t.lanes {
			if left, _ := l.open(at); left > 0 && len(out) < 8 {
				out = append(out, fmt.Sprintf("passed over account %q, model %q: %s", t.Account.Name, t.Model, l.words(at, left)))
			}
		}
	}
	return out
}
