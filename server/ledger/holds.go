package ledger

import (
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
	hash      uint64    // of it
	next      *openHold // in its chain of the table
	at        time.Time
	hold      store.Hold
	seq       uint64 // of its latest entry in the log; 0: it has none yet
	pending   int    // its place among Ledger.pending, from 1; 0: none
}

// A holdTable is the view of the open holds, exact at any time. It is a hash table of
// its own since a hold and its end are one look each: the caller has the hash, which
// recentIDs takes as well.
type holdTable struct {
	chains   []*openHold // by the hash's lowest bits: a power of two, as many as were open at once
	count    int
	free     []*openHold // removed, to be used again
	reserved int64       // nano-USD
}

// maxFree bounds what is kept to be used again.
const maxFree = 256

// find returns where the hold of a request is linked in, and would be if there is none.
func (t *holdTable) find(requestID string, hash uint64) **openHold {
	if t.count == len(t.chains) {
		t.grow()
	}
	p := &t.chains[hash&uint64(len(t.chains)-1)]
	for *p != nil && ((*p).hash != hash || (*p).requestID != requestID) {
		p = &(*p).next
	}
	return p
}

func (t *holdTable) grow() {
	old := t.chains
	t.chains = make([]*openHold, max(64, 2*len(old)))
	for _, h := range old {
		for h != nil {
			next := h.next
			p := &t.chains[h.hash&uint64(len(t.chains)-1)]
			h.next, *p = *p, h
			h = next
		}
	}
}

// add enters a copy of hold; nil if the request has one.
func (t *holdTable) add(requestID string, hash uint64, hold *store.Hold, at time.Time) *openHold {
	p := t.find(requestID, hash)
	if *p != nil {
		return nil
	}
	var h *openHold
	if n := len(t.free); n > 0 {
		h = t.free[n-1]
		t.free = t.free[:n-1]
	} else {
		h = new(openHold)
	}
	*h = openHold{requestID: requestID, hash: hash, at: at, hold: *hold}
	*p = h
	t.count++
	t.reserved += hold.ReservedNano
	return h
}

// remove returns what it removes, which may be used again as soon as the lock is let
// go; nil if there was no such hold.
func (t *holdTable) remove(requestID string, hash uint64) *openHold {
	p := t.find(requestID, hash)
	h := *p
	if h == nil {
		return nil
	}
	*p, h.next = h.next, nil
	t.count--
	t.reserved -= h.hold.ReservedNano
	if len(t.free) < maxFree {
		t.free = append(t.free, h)
	}
	return h
}

// all yields the open holds, in no order.
func (t *holdTable) all(yield func(*openHold) bool) {
	for _, h := range t.chains {
		for ; h != nil; h = h.next {
			if !yield(h) {
				return
			}
		}
	}
}

// Holds returns at most limit open holds, in no order.
func (l *Ledger) Holds(limit int) []OpenHold {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make([]OpenHold, 0, min(limit, l.holds.count))
	for h := range l.holds.all {
		if len(out) == limit {
			break
		}
		hold := h.hold
		out = append(out, OpenHold{RequestID: h.requestID, At: h.at, Hold: &hold})
	}
	return out
}
