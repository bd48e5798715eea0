package ledger

import (
	"hash/maphash"
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
	seq       uint64 // of its latest entry in the log
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

func (t *holdTable) remove(requestID string) bool {
	h := t.open[requestID]
	if h == nil {
		return false
	}
	delete(t.open, requestID)
	t.reserved -= h.hold.ReservedNano
	if len(t.free) < maxFree {
		t.free = append(t.free, h)
	}
	return true
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

// recentIDs remembers at least the last recentSize request ids that were settled,
// by hash, in two generations.
type recentIDs struct {
	seed     maphash.Seed
	now, old map[uint64]struct{}
}

const recentSize = 1 << 15

// add reports whether id is new.
func (r *recentIDs) add(id string) bool {
	h := maphash.String(r.seed, id)
	if _, known := r.now[h]; known {
		return false
	}
	if _, known := r.old[h]; known {
		return false
	}
	if r.now == nil || len(r.now) >= recentSize {
		r.old, r.now = r.now, r.old
		if r.now == nil {
			r.now = make(map[uint64]struct{})
		}
		clear(r.now)
	}
	r.now[h] = struct{}{}
	return true
}
