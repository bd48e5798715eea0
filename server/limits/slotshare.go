package limits

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/your-org/ai-api-gateway/store"
)

// Where several gateways share a limit on what runs at a time, each has a part of the
// slots: all parts together are never more than the limit. A gateway takes more as
// requests need them and gives back each second what they do not; where others need
// more than there is, it comes down to an even part as its requests end. A part is
// forfeit when its gateway was not heard of for store.SlotsFor.

// A slotShare is this gateway's part of a limit. counter.lease guards it.
type slotShare struct {
	asked time.Time    // the last time
	until time.Time    // when the part is forfeit
	other atomic.Int64 // what the others had then; read without the lock
}

const (
	slotAgain = 50 * time.Millisecond  // how long nobody asks again
	slotLook  = 250 * time.Millisecond // how often a request that waits looks whether others gave some back
	slotSlack = 3 * time.Second        // by when all have noticed that the store is away
)

// takeSlot takes a slot of r, if need be after waiting at most d.
func (l *Limiter) takeSlot(r *rule, d time.Duration) bool {
	if l.o.Slots == nil {
		return r.slots.take(d)
	}
	for end := l.o.Now().Add(d); ; {
		if r.slots.take(0) {
			return true
		}
		l.moreSlots(r, 1)
		start := l.o.Now()
		left := end.Sub(start)
		if r.slots.take(min(left, slotLook)) {
			return true
		}
		if left <= slotLook || l.o.Now().Sub(start) < slotLook { // over, or as many wait as may
			return false
		}
	}
}

// moreSlots brings this gateway's part of r to what runs and waits, and n more.
func (l *Limiter) moreSlots(r *rule, n int64) {
	r.lease.Lock()
	defer r.lease.Unlock()
	now := l.o.Now()
	if n > 0 && now.Sub(r.part.asked) < slotAgain || now.UnixNano() < l.paceAway.Load() {
		l.expireSlots(r, now)
		return
	}
	if r.part.until.IsZero() { // nobody else may count on more than it has for as long
		r.part.until = now.Add(store.SlotsFor)
	}
	ctx, cancel := context.WithTimeout(context.Background(), slotWait)
	defer cancel()
	var grant int64
	err := l.o.Slots(ctx, r.id, func(v store.LeaseView) (int64, bool) {
		l.alive.Store(int64(v.Gateways))
		r.part.other.Store(v.Others)
		var held int64
		var wants bool
		r.slots.shrink(func(used, waiting int64) int64 {
			grant, wants = partOf(v, r.lim.Limit, used, waiting+n, n == 0)
			held = max(grant, min(used, r.lim.Limit)) // what runs beyond its part counts until it ends
			return grant
		})
		return held, wants
	})
	if err != nil {
		l.paceAway.Store(l.o.Now().Add(awayFor).UnixNano())
		l.expireSlots(r, l.o.Now())
		return
	}
	r.part.asked, r.part.until = now, now.Add(store.SlotsFor)
	r.slots.resize(grant, r.lim.Limit)
}

// partOf is what a gateway that uses and lacks so many slots of limit has of them from
// now on, and whether that is less than it needs. What it only keeps it gives up where
// there are fewer slots than gateways and others want them.
func partOf(v store.LeaseView, limit, used, lacks int64, keeps bool) (part int64, wants bool) {
	gateways := int64(max(1, v.Gateways))
	need := addSat(used, lacks)
	part = min(need, max(0, limit-v.Others))
	even := limit / gateways
	if !keeps && even*gateways < limit {
		even++
	}
	if v.Wanted {
		part = min(part, even)
	}
	return part, part < need
}

// expireSlots brings the part of a gateway that has not seen the store for too long to
// an even one. Who has more comes down first.
func (l *Limiter) expireSlots(r *rule, now time.Time) {
	even := max(1, r.lim.Limit/max(1, l.alive.Load()))
	if r.lim.Limit <= 0 || now.Before(r.part.until) {
		return
	}
	r.slots.shrink(func(int64, int64) int64 { return even })
	if !now.Before(r.part.until.Add(slotSlack)) {
		r.slots.resize(even, r.lim.Limit)
	}
}

// renewSlots keeps the part of r in step with what is used.
func (l *Limiter) renewSlots(r *rule) {
	if used, waiting := r.slots.standing(); used+waiting > 0 || r.slots.bound() > 0 {
		l.moreSlots(r, 0)
	}
}
