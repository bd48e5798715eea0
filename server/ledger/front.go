package ledger

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"time"

	"github.com/your-org/ai-api-gateway/store"
)

// Hold records that a request was admitted at the given time. It never waits for
// the disk: the hold is durable with the next commit, at most HoldDelay and one
// commit later. It fails when the ledger has failed, has no space (ErrNoSpace),
// or has too much queued (ErrBusy); the request must then not go upstream. h is
// copied.
func (l *Ledger) Hold(requestID string, h *store.Hold, at time.Time) error {
	hash := maphash.String(l.seed, requestID)
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.err != nil:
		return l.err
	case l.closed:
		return ErrClosed
	case l.noSpace:
		return ErrNoSpace
	case l.full(1):
		l.stats.Rejected++
		return ErrBusy
	}
	added := l.holds.add(requestID, hash, h, at)
	if added == nil {
		l.duplicate(requestID)
		return nil
	}
	l.pend(added)
	l.stats.Holds++
	return nil
}

// pend has the next commit log h. Until then a request that ends needs no hold in the
// log, and many do when their upstreams are fast.
func (l *Ledger) pend(h *openHold) {
	if h.pending > 0 {
		return
	}
	if len(l.pending) == 0 {
		l.pendingSince = l.o.Now()
	}
	l.pending = append(l.pending, h)
	h.pending = len(l.pending)
	l.armLocked()
}

// unpend takes a hold that has ended from those that are to be logged.
func (l *Ledger) unpend(h *openHold) {
	if h.pending == 0 {
		return
	}
	n := len(l.pending) - 1
	last := l.pending[n]
	l.pending[h.pending-1], last.pending = last, h.pending
	l.pending[n], h.pending = nil, 0
	l.pending = l.pending[:n]
}

// logPending queues the holds that are to be logged for the commit that is about to
// begin, as many as it takes.
func (l *Ledger) logPending() {
	n := 0
	for ; n < len(l.pending) && len(l.queue) < 2; n++ {
		l.pending[n].pending = 0
		l.logHold(l.pending[n])
	}
	left := copy(l.pending, l.pending[n:])
	clear(l.pending[left:])
	l.pending = l.pending[:left]
	for i, h := range l.pending {
		h.pending = i + 1
	}
}

// logHold queues the entry of a hold: a new one, or an old one again since more is known
// or so that its segment may go.
func (l *Ledger) logHold(h *openHold) {
	l.enqueue(&store.Entry{Kind: store.EntryHold, Time: h.at, RequestID: h.requestID, Hold: &h.hold})
	h.seq = l.seq
}

// Attempt records that an attempt of a request in flight has used something though
// the request goes on: should the process die before it ends, its row has that. It
// never waits, and is durable as a hold is. a, whose Spent is kept, has one and does
// not change any more. A request without a hold is ignored.
func (l *Ledger) Attempt(requestID string, a *store.Attempt) {
	l.mu.Lock()
	defer l.mu.Unlock()
	h := *l.holds.find(requestID, maphash.String(l.seed, requestID))
	if h == nil || l.err != nil || l.closed {
		return
	}
	h.hold.Attempts = append(h.hold.Attempts, *a)
	if !l.full(1) { // else it goes with the hold when that is logged again
		l.pend(h)
	}
}

// Settle records the end of a request and ends its hold. Under DurabilitySync it
// returns when the row is durable: only then may the last byte of the answer go
// out. A request is settled once. A second settle of one of the last 32,768
// requests is a defect of the caller: it is not recorded, counted as
// Stats.Duplicates and logged, and returns when all that is queued is durable.
//
// After an error the row may or may not be in the log, and will then appear once,
// as will the row of a request that no settle was recorded for. row is not kept.
func (l *Ledger) Settle(row *store.UsageRow) error {
	b, err := l.settle(row)
	if err != nil || b == nil {
		return err
	}
	<-b.done
	return b.err
}

// settle queues the row and returns the batch to wait for, nil for none.
func (l *Ledger) settle(row *store.UsageRow) (*batch, error) {
	hash := maphash.String(l.seed, row.RequestID)
	l.mu.Lock()
	defer l.mu.Unlock()
	for async := l.o.Durability == DurabilityAsync; ; {
		switch {
		case l.err != nil:
			return nil, l.err
		case l.closed:
			return nil, ErrClosed
		case !l.full(2):
		case !async || l.stalled || len(l.queue) == 0:
			l.stats.Rejected++
			return nil, ErrBusy
		default: // nobody waits for the disk, so the queue must hold its callers back
			b := l.queue[0]
			l.mu.Unlock()
			<-b.done
			l.mu.Lock()
			continue
		}
		break
	}
	if h := l.holds.remove(row.RequestID, hash); h != nil {
		l.unpend(h)
	} else if l.recent.has(hash) {
		l.duplicate(row.RequestID)
		return l.lastBatch(), nil
	}
	l.recent.add(hash)
	at := row.Time.Add(row.Duration) // which is now: the clock was looked at for the row
	if row.Time.IsZero() {
		at = l.o.Now()
	}
	b := l.enqueue(&store.Entry{Kind: store.EntrySettle, Time: at, RequestID: row.RequestID, Row: row})
	l.settleSeq = l.seq
	l.stats.Settles++
	if l.stalled {
		l.armLocked()
		return nil, ErrNoSpace // queued all the same
	}
	if l.o.Durability == DurabilityAsync {
		l.armLocked()
		return nil, nil
	}
	b.settles++
	l.waiting++
	if l.waiting == 1 && !l.resting || l.allWait() {
		signal(l.wake)
	}
	return b, nil
}

// Void gives a hold back without a row: nothing was sent to any upstream. It is
// durable as a hold is. A request without a hold is ignored.
func (l *Ledger) Void(requestID string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	h := l.holds.remove(requestID, maphash.String(l.seed, requestID))
	if h == nil {
		return
	}
	l.unpend(h)
	if l.err != nil || l.closed {
		return
	}
	l.stats.Voids++
	if h.seq == 0 { // the log does not know of it
		return
	}
	l.enqueue(&store.Entry{Kind: store.EntryVoid, Time: l.o.Now().UTC(), RequestID: requestID})
	l.armLocked()
}

// Adjust records a correction of a settled row, in the bucket of the row's UTC day,
// and returns when it is durable. e says what is corrected; its kind, time and place
// in the log are set here.
func (l *Ledger) Adjust(e store.Entry) error {
	l.mu.Lock()
	if err := l.err; err != nil || l.closed || l.stalled {
		defer l.mu.Unlock()
		switch {
		case err != nil:
			return err
		case l.closed:
			return ErrClosed
		}
		return ErrNoSpace
	}
	e.Kind, e.Time = store.EntryAdjust, l.o.Now().UTC()
	b := l.enqueue(&e)
	l.settleSeq = l.seq
	b.settles++
	l.waiting++
	signal(l.wake)
	l.mu.Unlock()
	<-b.done
	return b.err
}

// duplicate counts a second hold or settle of a request. Tests make it a panic.
func (l *Ledger) duplicate(requestID string) {
	l.stats.Duplicates++
	if l.o.duplicate != nil {
		l.o.duplicate(requestID)
		return
	}
	l.o.Log.Error("BUG: request held or settled twice, the second is ignored", "request_id", requestID)
}

// full reports whether more is queued than times the bound.
func (l *Ledger) full(times int) bool {
	return l.stats.QueueBytes > times*maxQueue || l.stats.QueueLength+len(l.pending) > times*maxQueueCount
}

// lastBatch returns the batch that is durable last, nil if all is.
func (l *Ledger) lastBatch() *batch {
	if n := len(l.queue); n > 0 {
		b := l.queue[n-1]
		b.settles++
		l.waiting++
		signal(l.wake)
		return b
	}
	return l.writing
}

// A batch is what one commit writes: frames, after room for a segment header.
// done is closed, with err set before, when its fate is known.
type batch struct {
	buf         []byte
	first, last uint64 // seq
	entries     int
	settles     int // that somebody waits for
	since       time.Time
	done        chan struct{}
	released    bool
	err         error
}

func (b *batch) release(err error) {
	if b.released {
		return
	}
	b.released, b.err = true, err
	close(b.done)
}

// enqueue gives e its place in the log and queues its frame, without its checksum.
func (l *Ledger) enqueue(e *store.Entry) *batch {
	var b *batch
	if n := len(l.queue); n > 0 && len(l.queue[n-1].buf) < maxBatch && !l.queue[n-1].released {
		b = l.queue[n-1]
	} else {
		b = &batch{first: l.seq + 1, since: l.o.Now(), done: make(chan struct{}), buf: l.buffer()}
		l.queue = append(l.queue, b)
	}
	l.seq++
	e.Boot, e.Seq = l.o.Boot, l.seq
	start := len(b.buf)
	b.buf = append(b.buf, make([]byte, frameHead)...)
	b.buf = store.AppendEntry(b.buf, e)
	n := len(b.buf) - start - frameHead
	if n > maxFrame {
		panic(fmt.Sprintf("BUG: entry of %d bytes, records are bounded below %d", n, maxFrame))
	}
	binary.LittleEndian.PutUint32(b.buf[start:], uint32(n))
	b.last = l.seq
	b.entries++
	l.stats.QueueLength++
	l.stats.QueueBytes += n + frameHead
	return b
}

// buffer returns a buffer with room for a header at its start.
func (l *Ledger) buffer() []byte {
	if n := len(l.spare); n > 0 {
		b := l.spare[n-1]
		l.spare = l.spare[:n-1]
		return b[:headerSize]
	}
	return make([]byte, headerSize, 4<<10)
}

// armLocked sees to it that what is queued is committed after HoldDelay. Holds do
// not wake the committer; the timer runs once a HoldDelay at most.
func (l *Ledger) armLocked() {
	if !l.armed {
		l.armed = true
		l.holdTimer.Reset(l.o.HoldDelay)
	}
}

// holdsDue runs when holdTimer fires.
func (l *Ledger) holdsDue() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.armed = false
	var since time.Time
	switch {
	case l.closed || len(l.queue)+len(l.pending) == 0:
		return
	case len(l.queue) > 0:
		since = l.queue[0].since
	default:
		since = l.pendingSince
	}
	if rest := l.o.HoldDelay - l.o.Now().Sub(since); rest > 0 {
		l.armed = true
		l.holdTimer.Reset(rest)
		return
	}
	l.flush = true
	signal(l.wake)
}

// Sync waits until the store has every row whose Settle had returned when Sync
// was called, so that a reader sees a row as soon as its answer was seen. While
// the store is down it waits until ctx ends.
func (l *Ledger) Sync(ctx context.Context) error {
	l.mu.Lock()
	target := l.committed
	if l.o.Durability == DurabilityAsync && l.settleSeq > l.committed && l.err == nil {
		target = l.settleSeq
		l.flush = true
		signal(l.wake)
	}
	l.syncers++
	defer func() {
		l.mu.Lock()
		l.syncers--
		l.mu.Unlock()
	}()
	for l.applied < min(target, l.reach(target)) {
		if l.detached {
			l.mu.Unlock()
			return fmt.Errorf("cannot sync ledger: its store was handed over")
		}
		if l.stepped == nil {
			l.stepped = make(chan struct{})
		}
		ch := l.stepped
		l.mu.Unlock()
		signal(l.applyWake)
		select {
		case <-ch:
		case <-ctx.Done():
			return fmt.Errorf("cannot sync ledger: %w", ctx.Err())
		}
		l.mu.Lock()
	}
	l.mu.Unlock()
	return nil
}

// reach returns how far the log will get: after a failure no further than it is.
func (l *Ledger) reach(target uint64) uint64 {
	if l.err != nil {
		return l.committed
	}
	return target
}

// stepLocked wakes those who wait for applied to move.
func (l *Ledger) stepLocked() {
	if l.stepped != nil {
		close(l.stepped)
		l.stepped = nil
	}
}
