package routing

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/your-org/ai-api-gateway/providers"
)

// MaxAttempts bounds the attempts of one request.
const MaxAttempts = 3

// longestWait is the longest Retry-After that is waited for rather than passed on.
const longestWait = 2 * time.Second

// Reasons of a Pick.
const (
	PickFirst    = "first"    // chosen by the strategy
	PickSession  = "session"  // served this conversation before
	PickProbe    = "probe"    // to learn whether it has recovered
	PickFallback = "fallback" // the one before it failed
	PickRetry    = "retry"    // the same once more
)

// A Pick is the target of one attempt.
type Pick struct {
	Target *Target // nil: none is left
	Key    int     // index of the account's secret to use
	Wait   time.Duration
	Reason string
	// Skipped: better targets were passed over, see Route.Held.
	Skipped bool
}

// A Route takes one request along its plan. It belongs to one goroutine and
// allocates nothing. The zero Route is not usable; see Begin.
type Route struct {
	h       *Health
	plan    *Plan
	allow   func(string) bool
	session uint64
	kind    int // of latency: 0 buffered, 1 streamed

	try       Try
	tried     [MaxAttempts]attempted
	tries     int
	excluded  uint64 // bits of plan.Targets
	mode      Cause
	context   int64 // tokens of the largest context that was too small
	desperate bool  // the try is a probe because everything is down
	skipped   bool
}

type attempted struct {
	target int
	lane   *Lane
	fault  Fault
	hinted bool // the upstream said how long to wait
}

// Begin starts a request on plan. allow is the key's allow list (nil: all), asked
// for fallbacks that the caller did not name; session a hash of what the request
// belongs to (0: nothing known).
func (p *Plan) Begin(allow func(string) bool, session uint64, stream bool) Route {
	r := Route{h: p.health, plan: p, allow: allow, session: session}
	if stream {
		r.kind = 1
	}
	return r
}

// Next chooses the target of the next attempt. A Pick without target says that
// none is left; the error then says why, unless a failed attempt already does.
func (r *Route) Next(now time.Time) (Pick, *providers.Error) {
	at := r.h.at(now)
	r.skipped = false
	if r.tries > 0 {
		switch r.tried[r.tries-1].fault {
		case FaultRequest:
			return Pick{}, nil
		case FaultContext:
			r.mode = CauseContext
			if e := r.plan.Targets[r.tried[r.tries-1].target].Entry; e != nil {
				r.context = max(r.context, e.Context)
			}
		case FaultPolicy:
			r.mode = CausePolicy
		}
	}
	if r.tries == MaxAttempts {
		return Pick{}, r.giveUp(at)
	}
	if i, l, reason := r.fresh(at); l != nil {
		// A retry at what has not failed lately is worth it; others are rationed.
		if r.tries > 0 && !r.plan.budget.withdraw() && l.troubled(at) {
			if reason == PickProbe {
				l.probing.Store(false)
			}
			return Pick{}, r.giveUp(at)
		}
		return r.take(at, i, l, reason, 0), nil
	}
	if r.tries > 0 {
		if i, l, wait := r.again(at); l != nil {
			return r.take(at, i, l, PickRetry, wait), nil
		}
		return Pick{}, r.giveUp(at)
	}
	if i, l := r.desperation(at); l != nil {
		r.desperate = true
		return r.take(at, i, l, PickProbe, 0), nil
	}
	if r.excluded != 0 && r.unfitOnly() {
		return Pick{}, nil
	}
	return Pick{}, r.refusal(at)
}

// giveUp is the error after attempts that all failed: nil, theirs stands; but
// while everything is down the caller is told when to come again.
func (r *Route) giveUp(at int64) *providers.Error {
	if r.desperate && r.tried[r.tries-1].fault.weight() > 0 {
		return r.refusal(at)
	}
	return nil
}

// take enters the attempt.
func (r *Route) take(at int64, i int, l *Lane, reason string, wait time.Duration) Pick {
	if r.tries == 0 {
		r.plan.budget.deposit(l.inflight.Load())
	}
	r.try = l.begin(reason == PickProbe)
	r.try.began, r.try.kind = at+int64(wait), r.kind
	r.tried[r.tries] = attempted{target: i, lane: l}
	r.tries++
	t := &r.plan.Targets[i]
	key := 0
	for n, x := range t.lanes {
		if x == l {
			key = n
		}
	}
	return Pick{Target: t, Key: key, Wait: wait, Reason: reason, Skipped: r.skipped}
}

// Answered tells that the target has answered: the whole answer, or a stream's first content.
func (r *Route) Answered(now time.Time) { r.try.Answered(now) }

// Done ends the attempt well.
func (r *Route) Done(now time.Time) { r.try.Done(now) }

// Abandoned ends an attempt that says nothing about its target. It does nothing
// when no attempt is under way.
func (r *Route) Abandoned() { r.try.Abandoned() }

// Failed ends the attempt. A target that could not be asked at all (FaultUnfit)
// does not count as one.
func (r *Route) Failed(now time.Time, f Failure) {
	r.try.Failed(now, f)
	if r.tries == 0 {
		return
	}
	last := &r.tried[r.tries-1]
	last.fault, last.hinted = f.Fault, f.RetryAfter > 0
	if !f.Fault.keyOnly() {
		r.excluded |= 1 << last.target
	}
	if f.Fault == FaultUnfit {
		r.tries--
	}
}

// unfitOnly reports whether every target was found unfit.
func (r *Route) unfitOnly() bool {
	for i := range r.plan.Targets {
		if r.fits(i, r.mode) && r.excluded&(1<<i) == 0 {
			return false
		}
	}
	return true
}

// fits reports whether target i is for use in mode.
func (r *Route) fits(i int, mode Cause) bool {
	t := &r.plan.Targets[i]
	switch mode {
	case CauseContext:
		if t.When != CauseContext && !(t.When <= CauseError && r.larger(t)) {
			return false
		}
	case CausePolicy:
		if t.When != CausePolicy && t.When != CauseAsked {
			return false
		}
	default:
		if t.When > CauseError {
			return false
		}
	}
	return r.allow == nil || t.When == CauseFirst || t.When == CauseAsked || r.allow(t.Asked)
}

// larger reports whether t may take a prompt that was too long elsewhere.
func (r *Route) larger(t *Target) bool {
	if t.Entry == nil || t.Entry.Context == 0 || r.context == 0 {
		return t.When == CauseAsked
	}
	return t.Entry.Context > r.context
}

func (r *Route) wasTried(l *Lane) bool {
	for i := range r.tries {
		if r.tried[i].lane == l {
			return true
		}
	}
	return false
}

// fresh finds a target that was not tried yet.
func (r *Route) fresh(at int64) (int, *Lane, string) {
	if r.mode == CauseContext || r.mode == CausePolicy { // what was configured for it comes first
		if i, l, reason := r.walk(at, func(t *Target) bool { return t.When == r.mode }); l != nil {
			return i, l, reason
		}
	}
	return r.walk(at, nil)
}

func (r *Route) walk(at int64, only func(*Target) bool) (int, *Lane, string) {
	ts := r.plan.Targets
	for i := 0; i < len(ts); {
		j := i + 1
		for j < len(ts) && ts[j].Tier == ts[i].Tier && ts[j].Priority == ts[i].Priority {
			j++
		}
		u := run{r: r, at: at, from: i, to: j, only: only}
		if n, l, reason := u.pick(); l != nil {
			return n, l, reason
		}
		i = j
	}
	if r.tries == 0 {
		return 0, nil, ""
	}
	// Nothing healthy is left: one that is due for a probe may be better than nothing.
	for i := range ts {
		if only != nil && !only(&ts[i]) || !r.fits(i, r.mode) || r.excluded&(1<<i) != 0 {
			continue
		}
		for _, l := range ts[i].lanes {
			if left, probe := l.open(at); left == 0 && probe && !r.wasTried(l) && l.takeProbe() {
				return i, l, PickProbe
			}
		}
	}
	return 0, nil, ""
}

// again finds a failed target that may be asked once more, and how long to wait first.
func (r *Route) again(at int64) (int, *Lane, time.Duration) {
	for i := range r.tries {
		a := &r.tried[i]
		if !a.fault.again() || !r.fits(a.target, r.mode) {
			continue
		}
		times := 0
		for j := range r.tries {
			if r.tried[j].lane == a.lane {
				times++
			}
		}
		l := a.lane
		rest := time.Duration(l.rest.left(at))
		asked := a.hinted || a.fault != FaultRate && a.fault != FaultBusy
		if times > 1 || !asked || rest > longestWait || l.openUntil.Load() != 0 || l.key.left(at) > 0 || l.shared.gate.left(at) > 0 {
			continue
		}
		if !r.plan.budget.withdraw() {
			return 0, nil, 0
		}
		jitter := 100*time.Millisecond + time.Duration(r.h.o.Rand()*float64(300*time.Millisecond))
		return a.target, l, max(rest, jitter)
	}
	return 0, nil, 0
}

// desperation finds a target to probe when everything is down: the least recently
// failed, if nobody waits for it and the last probe is a while ago.
func (r *Route) desperation(at int64) (int, *Lane) {
	best, bestAt, bestLane := 0, int64(0), (*Lane)(nil)
	for i := range r.plan.Targets {
		if !r.fits(i, r.mode) || r.excluded&(1<<i) != 0 {
			continue
		}
		for _, l := range r.plan.Targets[i].lanes {
			if l.held(at) || l.openUntil.Load() == 0 || l.probing.Load() || l.waiting.Load() > 0 {
				continue
			}
			l.mu.Lock()
			bad := l.lastBad
			l.mu.Unlock()
			if at-bad >= int64(r.h.o.ProbeEvery) && (bestLane == nil || bad < bestAt) {
				best, bestAt, bestLane = i, bad, l
			}
		}
	}
	if bestLane == nil || !bestLane.takeProbe() {
		return 0, nil
	}
	return best, bestLane
}

// refusal says why nobody can be asked, and when to come again.
func (r *Route) refusal(at int64) *providers.Error {
	var worst *Lane
	var broken, resting bool
	least := int64(MaxPause)
	for i := range r.plan.Targets {
		if !r.fits(i, r.mode) {
			continue
		}
		for _, l := range r.plan.Targets[i].lanes {
			left, probe := l.open(at)
			broken = broken || probe
			resting = resting || l.rest.left(at) > 0
			if worst == nil || left < least {
				worst, least = l, left
			}
		}
	}
	if worst == nil {
		return &providers.Error{Kind: providers.KindUnavailable, Code: "no_target", Message: "no target is left for this request"}
	}
	model := clip(r.plan.Model)
	e := &providers.Error{RetryAfter: max(time.Second, time.Duration(least)), Provider: r.plan.Targets[0].Account.Provider.Name}
	state, fault, why := worst.state(at)
	n := worst.name.Load()
	explain := fmt.Sprintf("`ai-gateway route explain '%s'` shows each, `ai-gateway providers reset %s` tries again at once", shellSafe(model), n.account)
	detail := ""
	if why != "" {
		detail = ": " + strings.TrimRight(why, ".")
	}
	switch {
	case broken:
		e.Kind, e.Code = providers.KindUnavailable, "all_targets_down"
		e.Message = fmt.Sprintf("every target of model %q is failing (the last error%s). Next try in %d s; %s", model, detail, seconds(e.RetryAfter), explain)
	case resting:
		e.Kind, e.Code = providers.KindRateLimit, "upstream_rate_limited"
		e.Message = fmt.Sprintf("every target of model %q is cooling down after its provider's rate limit (%s%s). Next try in %d s; %s", model, fault, detail, seconds(e.RetryAfter), explain)
	case fault == FaultQuota:
		e.Kind, e.Code = providers.KindQuota, "insufficient_quota"
		e.Message = fmt.Sprintf("the provider's credit for model %q is used up (%s%s). %s", model, state, detail, explain)
	case fault == FaultRegion:
		e.Kind, e.Code = providers.KindUpstream, "upstream_region_blocked"
		e.Message = fmt.Sprintf("the provider of model %q does not serve this gateway's region%s: %s", model, detail, n.mends("the proxy of account "+strconv.Quote(n.account), "set", "--proxy URL"))
	default:
		e.Kind, e.Code = providers.KindUpstream, "upstream_auth_failed"
		e.Message = fmt.Sprintf("the provider of model %q refuses the gateway's key (%s%s): %s; %s", model, state, detail, n.mends("the key of account "+strconv.Quote(n.account), "replace", "--api-key -"), explain)
	}
	return e
}

func seconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }
