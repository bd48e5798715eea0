package ledger

import (
	"hash/maphash"
	"math"
	"slices"
	"time"

	"github.com/your-org/ai-api-gateway/store"
)

// An OpenHold is a request that was admitted and has not ended.
type OpenHold struct {
	RequestID string
	At        time.Time // admission
	Hold      *store.Hold
}

type openHold struct {
	requestID string
	at        time.Time
	hold      store.Hold
	seq       uint64 // of its latest entry in the log; 0: it has none yet
	pending   int    // its place among Ledger.pending, from 1; 0: none
}

// A holdTable is the view of the open holds, exact at any time.
type holdTable struct {
	open     map[string]*openHold
	free     []*openHold // removed, to be used again
	reserved int64       // nano-USD
}

// maxFree bounds what is kept to be used again.
const maxFree = 256

// add enters a copy of hold.
func (t *holdTable) add(requestID string, hold *store.Hold, at time.Time) *openHold {
	var h *openHold
	if n := len(t.free); n > 0 {
		h = t.free[n-1]
		t.free = t.free[:n-1]
	} else {
		h = new(openHold)
	}
	*h = openHold{requestID: requestID, at: at, hold: *hold}
	t.open[requestID] = h
	t.reserved += hold.ReservedNano
	return h
}

// remove returns what it removes, which may be used again as soon as the lock is let
// go; nil if there was no such hold.
func (t *holdTable) remove(requestID string) *openHold {
	h := t.open[requestID]
	if h == nil {
		return nil
	}
	delete(t.open, requestID)
	t.reserved -= h.hold.ReservedNano
	if len(t.free) < maxFree {
		t.free = append(t.free, h)
	}
	return h
}

// Holds returns at most limit open holds, in no order.
func (l *Ledger) Holds(limit int) []OpenHold {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make([]OpenHold, 0, min(limit, len(l.holds.open)))
	for _, h := range l.holds.open {
		if len(out) == limit {
			break
		}
		hold := h.hold
		out = append(out, OpenHold{RequestID: h.requestID, At: h.at, Hold: &hold})
	}
	return out
}

// recentIDs remembers the last recentSize request ids that were settled, by hash, in a
// ring: a settle that ends its hold is no second one, so that none is looked for but
// where a request was refused.
type recentIDs struct {
	seed  maphash.Seed
	ring  []uint64
	next  int     // where the oldest is, once the ring is full
	marks []uint8 // how many of the ring have a hash's lowest bits: most looks end here
}

const (
	recentSize  = 1 << 15
	recentMarks = 8 * recentSize
)

// add notes an id.
func (r *recentIDs) add(id string) {
	h := maphash.String(r.seed, id)
	if r.marks == nil {
		r.marks = make([]uint8, recentMarks)
	}
	if len(r.ring) < recentSize {
		r.ring = append(r.ring, h)
	} else {
		if n := &r.marks[r.ring[r.next]%recentMarks]; *n < math.MaxUint8 { // else how many there are is not known
			*n--
		}
		r.ring[r.next] = h
		r.next = (r.next + 1) % recentSize
	}
	if n := &r.marks[h%recentMarks]; *n < math.MaxUint8 {
		*n++
	}
}

// has reports whether id is one of them.
func (r *recentIDs) has(id string) bool {
	h := maphash.String(r.seed, id)
	return r.marks != nil && r.marks[h%recentMarks] > 0 && slices.Contains(r.ring, h)
}
