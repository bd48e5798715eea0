package routing

import (
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/your-org/ai-api-gateway/store"
)

// Bounds of a breaker: it opens at leastFaults failures that are at least half of
// what the window saw. Points: 2 a whole failure (Fault.weight).
const (
	leastFaults = 5
	slots       = 10 // of the window
)

// latencyFade is the time in which what is known of a target's latency loses
// about two thirds of its weight.
const latencyFade = 10 * time.Second

// A Lane is one key of one account for one model: what fails and recovers as a
// whole. Its methods are safe for concurrent use.
type Lane struct {
	h      *Health
	id     uint32
	key    *gate
	shared *accountHealth
	name   atomic.Pointer[laneName]
	weight atomic.Int64 // the key's share of its account

	rest      gate         // cooldown
	openUntil atomic.Int64 // 0: the breaker is closed
	probing   atomic.Bool
	inflight  atomic.Int64
	waiting   atomic.Int64    // in flight without an answer yet
	latency   [2]atomic.Int64 // ns, a peak EWMA: buffered, streamed; 0: not known
	measured  [2]atomic.Int64 // when

	heard atomic.Pointer[heard] // what it was told it is allowed; nil: nothing yet

	mu       sync.Mutex
	window   [slots]slot
	newest   int   // where in window the slot asked for last is
	lastBad  int64 // when it failed last
	last     Failure
	failures uint64 // in a row
}

// A laneName is what people call a lane, and where its account comes from.
type laneName struct{ account, hint, model, origin string }

// mends is Mend for the account of the lane.
func (n *laneName) mends(what, verb, flag string) string {
	return Mend(n.account, n.origin, what, verb, flag)
}

// Mend says how people change something of an account (verb and what): by a command with
// that flag, or where the account is written down, which no command changes.
func Mend(account, origin, what, verb, flag string) string {
	switch origin {
	case store.OriginFile:
		return verb + " " + what + " in the configuration file (`ai-gateway config server show --origin` names it)"
	case store.OriginEnv:
		return verb + " " + what + " in the environment that the gateway is started with"
	}
	return verb + " " + what + " with `ai-gateway providers edit " + account + " " + flag + "`"
}

// A slot counts the outcomes of a tenth of the window.
type slot struct {
	epoch    int64
	good     uint32
	bad      uint32 // points
	failures uint32
}

// open reports whether requests may go to the lane now: 0 at once, else how long
// not. probe: only as a probe.
func (l *Lane) open(now int64) (left int64, probe bool) {
	if left = max(l.shared.gate.left(now), l.key.left(now), l.rest.left(now)); left > 0 {
		return left, false
	}
	until := l.openUntil.Load()
	if until == 0 {
		return 0, false
	}
	if l.probing.Load() {
		return max(int64(time.Second), until-now), true
	}
	return max(0, until-now), true
}

// held reports whether something other than the breaker keeps requests away.
func (l *Lane) held(now int64) bool {
	return max(l.shared.gate.left(now), l.key.left(now), l.rest.left(now)) > 0
}

// troubled reports whether the lane has failed within the window.
func (l *Lane) troubled(now int64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lastBad != 0 && now-l.lastBad < int64(l.h.o.Window)
}

// idle reports whether nothing would be lost if the lane were forgotten.
func (l *Lane) idle() bool {
	return l.inflight.Load() == 0 && l.openUntil.Load() == 0 && l.rest.until.Load() == 0
}

// begin enters a try. A probe must have been admitted by takeProbe.
func (l *Lane) begin(probe bool) Try {
	l.inflight.Add(1)
	l.waiting.Add(1)
	return Try{lane: l, probe: probe, waiting: true}
}

// takeProbe makes the caller the one who probes the lane.
func (l *Lane) takeProbe() bool { return l.probing.CompareAndSwap(false, true) }

// cost is what peak-EWMA balancing compares: the latency to expect, times the
// requests that wait for it. A lane not measured lately is tried.
func (l *Lane) cost(now int64, kind int) float64 {
	lat := float64(l.latency[kind].Load()) * math.Exp(-float64(now-l.measured[kind].Load())/float64(latencyFade))
	return (lat + 1) * float64(l.inflight.Load()+1)
}

// measure takes a latency in: peaks count at once, improvements slowly.
func (l *Lane) measure(now int64, took int64, kind int) {
	old := l.latency[kind].Load()
	if took < old {
		w := math.Exp(-float64(max(1, now-l.measured[kind].Load())) / float64(latencyFade))
		took = int64(float64(old)*w + float64(took)*(1-w))
	}
	l.latency[kind].Store(max(1, took))
	l.measured[kind].Store(now)
}

// A Try is one attempt at a lane. It ends with exactly one of Done, Failed and
// Abandoned; further calls do nothing.
type Try struct {
	lane    *Lane
	probe   bool
	waiting bool
	began   int64
	kind    int
}

// Answered tells that the target has answered: the whole answer, or the first
// content of a stream. It is healthy.
func (t *Try) Answered(now time.Time) {
	if t.lane == nil || !t.waiting {
		return
	}
	l, at := t.lane, t.lane.h.at(now)
	t.answered()
	if t.began > 0 {
		l.measure(at, at-t.began, t.kind)
	}
	l.good(at, t.probe)
	t.probe = false
}

func (t *Try) answered() {
	if t.waiting {
		t.waiting = false
		t.lane.waiting.Add(-1)
	}
}

// Done ends a try that went well.
func (t *Try) Done(now time.Time) {
	t.Answered(now)
	t.end()
}

// Abandoned ends a try that says nothing about the target: its caller left.
func (t *Try) Abandoned() {
	if t.lane == nil {
		return
	}
	if t.probe {
		t.lane.probing.Store(false)
	}
	t.end()
}

// Failed ends a try that failed.
func (t *Try) Failed(now time.Time, f Failure) {
	if t.lane == nil {
		return
	}
	l, at := t.lane, t.lane.h.at(now)
	t.answered() // before the state changes: a probe must find nobody waiting
	switch {
	case f.Fault == FaultUnfit || f.Fault == FaultNone:
		if t.probe {
			l.probing.Store(false)
		}
	case f.Fault.weight() == 0:
		l.good(at, t.probe) // it answers, though not as wished
	default:
		l.bad(at, t.probe, f)
	}
	l.hold(at, f)
	t.end()
}

func (t *Try) end() {
	if t.lane == nil {
		return
	}
	t.answered()
	t.lane.inflight.Add(-1)
	t.lane = nil
}

// hold keeps requests away as the failure demands.
func (l *Lane) hold(now int64, f Failure) {
	o := &l.h.o
	g, wait := &l.rest, time.Duration(0)
	c := l.change(StateOK, StateCooling, f.Message)
	switch f.Fault {
	case FaultRate, FaultBusy:
		wait = f.RetryAfter
		if wait <= 0 {
			wait = o.Pause
		}
	case FaultServer, FaultWeak:
		wait = max(0, f.RetryAfter)
	case FaultQuota, FaultAuth:
		g, wait = l.key, o.Park
		c.Model, c.To = "", StateParked
	case FaultRegion:
		g, wait = &l.shared.gate, o.Park
		c.Model, c.KeyHint, c.To = "", "", StateParked
	case FaultDenied:
		wait = o.Park
	}
	if wait <= 0 {
		return
	}
	wait = min(wait, MaxPause)
	until := now + int64(wait)
	if g.close(now, until, f) {
		c.Until = l.h.moment(until)
		l.h.changed(c)
	}
	l.mu.Lock()
	l.last = f
	l.mu.Unlock()
}

// good counts a success; one of a probe closes the breaker.
func (l *Lane) good(now int64, probe bool) {
	l.mu.Lock()
	l.slot(now).good++
	l.failures = 0
	closed := false
	if probe {
		l.window = [slots]slot{}
		closed = l.openUntil.Swap(0) != 0
		l.lastBad = 0
		l.probing.Store(false)
	}
	l.mu.Unlock()
	if closed {
		l.h.changed(l.change(StateOpen, StateOK, ""))
	}
}

// bad counts a failure, and opens the breaker if there are too many.
func (l *Lane) bad(now int64, probe bool, f Failure) {
	l.mu.Lock()
	s := l.slot(now)
	s.bad += f.Fault.weight()
	s.failures++
	l.failures++
	l.lastBad, l.last = now, f
	until := l.openUntil.Load()
	opened := false
	switch {
	case probe:
		l.openUntil.Store(max(until, now+l.h.openFor()))
		l.probing.Store(false)
	case until == 0 && l.failing(now):
		until = now + l.h.openFor()
		l.openUntil.Store(until)
		opened = true
	}
	l.mu.Unlock()
	if opened {
		c := l.change(StateOK, StateOpen, f.Message)
		c.Until = l.h.moment(until)
		l.h.changed(c)
	}
}

func (l *Lane) change(from, to, why string) Change {
	n := l.name.Load()
	return Change{Account: n.account, KeyHint: n.hint, Model: n.model, From: from, To: to, Why: why}
}

// openFor is how long a breaker stays open, with jitter, so that the breakers of
// several gateways do not probe at once.
func (h *Health) openFor() int64 {
	return int64(float64(h.o.Open) * (0.9 + 0.2*h.o.Rand()))
}

// slot returns the slot of now; l.mu is held.
func (l *Lane) slot(now int64) *slot {
	width := max(1, int64(l.h.o.Window)/slots)
	s := &l.window[l.newest]
	if since := now - s.epoch*width; since >= 0 && since < width { // nearly always: without a division
		return s
	}
	epoch := now / width
	l.newest = int(epoch % slots)
	if s = &l.window[l.newest]; s.epoch != epoch {
		*s = slot{epoch: epoch}
	}
	return s
}

// failing reports whether the window speaks for opening the breaker; l.mu is held.
func (l *Lane) failing(now int64) bool {
	good, bad, _ := l.counts(now)
	return bad >= 2*leastFaults && bad >= 2*good
}

func (l *Lane) counts(now int64) (good, bad, failures uint32) {
	epoch := now / max(1, int64(l.h.o.Window)/slots)
	for i := range l.window {
		if s := &l.window[i]; s.epoch > epoch-slots && s.epoch <= epoch {
			good += s.good
			bad += s.bad
			failures += s.failures
		}
	}
	return good, bad, failures
}

// reset forgets what holds the lane back, and reports whether anything did.
func (l *Lane) reset() bool {
	any := l.rest.clear()
	l.mu.Lock()
	defer l.mu.Unlock()
	any = l.openUntil.Swap(0) != 0 || any
	l.window = [slots]slot{}
	l.lastBad, l.last, l.failures = 0, Failure{}, 0
	return any
}
