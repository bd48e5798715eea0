package routing

import (
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// HealthOptions configure a Health. Zero fields mean the default in brackets.
type HealthOptions struct {
	// Window is the time whose outcomes a breaker looks at [30 s].
	Window time.Duration
	// Open is how long a breaker stays open, give or take a tenth [10 s].
	Open time.Duration
	// ProbeEvery is the least time between probes while all targets of a request are open [1 s].
	ProbeEvery time.Duration
	// Park is how long a key that was refused rests [5 min].
	Park time.Duration
	// Pause is the cooldown after a 429 that does not say how long to wait [1 s].
	Pause time.Duration
	// Rand returns a number in [0,1). nil: math/rand.
	Rand func() float64
	// Changed is told of every change of state, once. It must not block. May be nil.
	Changed func(Change)
}

// A Change is a change of the state of a target, a key or an account.
type Change struct {
	Account, KeyHint, Model string // Model "" : all of the key's; KeyHint "": all of the account's
	From, To                string // states, see State
	Until                   time.Time
	Why                     string // scrubbed
}

// Health knows how the targets fare: from real traffic only. It outlives the
// tables that are built over it. It is safe for concurrent use.
//
// A target here is a lane: one key of one account for one model. Faults hold back
// what is at fault: a lane (cooldown, breaker), a key (refused, without credit) or
// an account (its region is not served).
type Health struct {
	o        HealthOptions
	start    sync.Once
	base     time.Time // the first moment it was told
	sessions sessions

	mu       sync.RWMutex
	lanes    map[laneKey]*Lane
	keys     map[keyKey]*gate
	accounts map[string]*accountHealth
	lastID   uint32
}

type keyKey struct {
	account string // id, or name where there is none
	key     uint64 // fingerprint of the secret
}

type laneKey struct {
	keyKey
	model string
}

// maxLanes bounds the lanes that are remembered: model names come from callers.
const maxLanes = 16384

// accountHealth is what the lanes of one account share.
type accountHealth struct{ gate gate }

// NewHealth returns a Health in which everything is well.
func NewHealth(o HealthOptions) *Health {
	for _, d := range [...]struct {
		p   *time.Duration
		def time.Duration
	}{{&o.Window, 30 * time.Second}, {&o.Open, 10 * time.Second}, {&o.ProbeEvery, time.Second}, {&o.Park, 5 * time.Minute}, {&o.Pause, time.Second}} {
		if *d.p == 0 {
			*d.p = d.def
		}
	}
	if o.Rand == nil {
		o.Rand = rand.Float64
	}
	return &Health{o: o, lanes: map[laneKey]*Lane{}, keys: map[keyKey]*gate{}, accounts: map[string]*accountHealth{}}
}

// at is a moment on the health's own scale: nanoseconds that no step of the wall
// clock moves, more than 0.
func (h *Health) at(now time.Time) int64 {
	h.start.Do(func() { h.base = now })
	return max(1, int64(now.Sub(h.base))+int64(time.Hour))
}

// moment is the reverse of at.
func (h *Health) moment(at int64) time.Time {
	if at == 0 {
		return time.Time{}
	}
	return h.base.Add(time.Duration(at - int64(time.Hour)))
}

// lanesOf returns the lanes of an account for a model, one a key; one without key
// for accounts that need none.
func (h *Health) lanesOf(a *Account, model string) []*Lane {
	id := a.ID
	if id == "" {
		id = a.Name
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	acc := h.accounts[id]
	if acc == nil {
		acc = &accountHealth{}
		h.accounts[id] = acc
	}
	out := make([]*Lane, max(1, len(a.Secrets)))
	for i := range out {
		kk := keyKey{account: id}
		hint, weight := "", 1
		if i < len(a.Secrets) {
			kk.key = fingerprint(a.Secrets[i].Reveal())
			hint = a.Secrets[i].Hint()
			if len(a.Account.Secrets) == len(a.Secrets) {
				weight = max(1, a.Account.Secrets[i].Weight)
			}
		}
		out[i] = h.lane(laneKey{kk, model}, acc)
		l := out[i]
		if n := l.name.Load(); n == nil || *n != (laneName{a.Name, hint, model, a.Origin}) {
			l.name.Store(&laneName{a.Name, hint, model, a.Origin})
		}
		l.weight.Store(int64(weight))
	}
	return out
}

// lane finds or makes a lane; h.mu is held.
func (h *Health) lane(k laneKey, acc *accountHealth) *Lane {
	if l := h.lanes[k]; l != nil {
		return l
	}
	key := h.keys[k.keyKey]
	if key == nil {
		key = &gate{}
		h.keys[k.keyKey] = key
	}
	h.lastID++
	l := &Lane{h: h, id: h.lastID, key: key, shared: acc}
	if len(h.lanes) >= maxLanes {
		for k, old := range h.lanes {
			if old.idle() {
				delete(h.lanes, k)
			}
		}
	}
	if len(h.lanes) < maxLanes {
		h.lanes[k] = l
	}
	return l
}

// fingerprint tells keys apart without keeping them.
func fingerprint(secret string) uint64 {
	sum := sha256.Sum256([]byte(secret))
	return binary.LittleEndian.Uint64(sum[:])
}

func (h *Health) changed(c Change) {
	if h.o.Changed != nil {
		h.o.Changed(c)
	}
}

// Reset forgets all that holds the account of that id or name back, and reports
// whether anything did.
func (h *Health) Reset(account *Account) bool {
	id := account.ID
	if id == "" {
		id = account.Name
	}
	h.mu.RLock()
	defer h.mu.RUnlock()
	any := false
	if acc := h.accounts[id]; acc != nil {
		any = acc.gate.clear() || any
	}
	for k, g := range h.keys {
		if k.account == id {
			any = g.clear() || any
		}
	}
	for k, l := range h.lanes {
		if k.account == id {
			any = l.reset() || any
		}
	}
	return any
}

// A gate keeps requests away until a time that only moves forward.
type gate struct {
	until atomic.Int64 // on the health's scale; 0: open
	mu    sync.Mutex
	fault Fault
	why   string
	since int64
}

// close keeps the gate shut until at least that time, and reports whether it was open.
func (g *gate) close(now, until int64, f Failure) (was bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	was = g.until.Load() <= now
	if until > g.until.Load() {
		g.until.Store(until)
		g.fault, g.why, g.since = f.Fault, f.Message, now
	}
	return was
}

// left returns how long the gate stays shut; 0: it is open.
func (g *gate) left(now int64) int64 {
	until := g.until.Load()
	if until == 0 {
		return 0
	}
	return max(0, until-now)
}

func (g *gate) clear() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	was := g.until.Swap(0) != 0
	g.fault, g.why = FaultNone, ""
	return was
}

func (g *gate) reason() (Fault, string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.fault, g.why
}

// A budget bounds a model's retries to a fifth of its requests, and a few
// besides: amounts are thousandths of a retry.
type budget struct{ tokens atomic.Int64 }

const (
	perRequest  = 200
	perRetry    = 1000
	leastBudget = 3000
)

// deposit counts a first attempt; busy is how many requests are in flight.
func (b *budget) deposit(busy int64) {
	if n := b.tokens.Load(); n < max(leastBudget, busy*perRequest) {
		b.tokens.Add(perRequest)
	}
}

// withdraw takes a retry out, and reports whether there was one.
func (b *budget) withdraw() bool {
	for {
		n := b.tokens.Load()
		if n < perRetry {
			return false
		}
		if b.tokens.CompareAndSwap(n, n-perRetry) {
			return true
		}
	}
}
