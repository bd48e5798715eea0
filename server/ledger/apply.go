package ledger

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/your-org/ai-api-gateway/store"
)

const (
	applyBatch   = 4096           // entries of one Append
	applyBacklog = 2 * applyBatch // entries that are applied at once: half are holds, which do not count there
	applyBytes   = 4 << 20        // and bytes of their frames
	leastBackoff = 100 * time.Millisecond
	mostBackoff  = 5 * time.Second
	holdChunk    = 256 // holds logged again under one taking of the lock
)

// A tail reads the committed frames of this boot's segments.
type tail struct {
	seg     *segment
	file    *os.File
	frames  frames
	pages   pages
	last    uint64        // seq of the last entry read
	entries []store.Entry // read, not applied yet; their rows are in pages
}

// applyLoop feeds the store: at most applyBatch entries at a time, gathered for
// linger unless somebody waits. It also recovers other boots when they have ended.
func (l *Ledger) applyLoop(ctx context.Context) {
	defer l.tail.close()
	backoff := time.Duration(0)
	foreign := l.o.Now()
	for ctx.Err() == nil {
		if wait, done := l.idle(ctx, backoff); done {
			return
		} else if wait {
			if len(l.foreign) > 0 && l.o.Now().Sub(foreign) >= l.o.tick {
				l.recoverForeign(ctx)
				foreign = l.o.Now()
			}
			l.trim()
			continue
		}
		err := l.applyStep(ctx)
		if err != nil && ctx.Err() == nil {
			backoff = min(max(2*backoff, leastBackoff), mostBackoff)
		} else {
			backoff = 0
		}
		if ctx.Err() == nil {
			l.applyState(err)
		}
		l.trim()
	}
}

// idle waits until there is reason to apply. waited: nothing is to be applied
// now, look again; done: nothing will come any more.
func (l *Ledger) idle(ctx context.Context, backoff time.Duration) (waited, done bool) {
	l.mu.Lock()
	backlog := l.committed - l.applied
	l.applyIdle = backlog == 0
	drain := l.drain
	l.mu.Unlock()
	if backlog == 0 && drain {
		return false, true
	}
	if backoff > 0 {
		sleep(ctx, backoff, nil)
		return false, false
	}
	if backlog == 0 {
		if len(l.foreign) > 0 {
			sleep(ctx, l.o.tick, l.applyWake)
			return true, false
		}
		select {
		case <-l.applyWake:
		case <-ctx.Done():
		}
		return true, false
	}
	deadline := l.o.Now().Add(l.o.linger)
	for !l.urgent() && ctx.Err() == nil {
		rest := deadline.Sub(l.o.Now())
		if rest <= 0 {
			break
		}
		sleep(ctx, rest, l.applyWake)
	}
	return false, false
}

// urgent reports whether what is committed is to be applied at once.
func (l *Ledger) urgent() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.syncers > 0 || l.drain || l.committed-l.applied >= applyBacklog
}

// sleep waits for d, the end of ctx or a signal.
func sleep(ctx context.Context, d time.Duration, wake <-chan struct{}) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-wake:
	case <-ctx.Done():
	}
}

// applyState keeps why the store takes nothing, and says so once a change.
func (l *Ledger) applyState(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	l.mu.Lock()
	was := l.stats.ApplyError
	l.stats.ApplyError = text
	l.mu.Unlock()
	switch {
	case was == "" && err != nil:
		l.o.Log.Error("ledger cannot apply to the store, the log keeps what comes", "error", err)
	case was != "" && err == nil:
		l.o.Log.Info("ledger applies to the store again")
	}
}

// applyStep applies the next entries.
func (l *Ledger) applyStep(ctx context.Context) error {
	t := &l.tail
	if len(t.entries) == 0 {
		if err := l.gather(); err != nil && len(t.entries) == 0 {
			return err
		}
	}
	if len(t.entries) == 0 {
		return nil
	}
	if err := l.appendStore(ctx, t.entries); err != nil {
		return err
	}
	last := t.entries[len(t.entries)-1].Seq
	t.recycle()
	l.mu.Lock()
	l.applied = last
	l.stepLocked()
	l.mu.Unlock()
	return nil
}

// appendStore calls store.Append; a panic in it is an error like others.
func (l *Ledger) appendStore(ctx context.Context, entries []store.Entry) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic in the store: %v", p)
		}
	}()
	return l.o.Store.Append(ctx, entries)
}

// gather reads committed entries into l.tail.entries, up to the bounds of one Append.
func (l *Ledger) gather() error {
	t := &l.tail
	for bytes := 0; len(t.entries) < applyBatch && bytes < applyBytes; {
		seg, last, end := l.segmentOf(t.last + 1)
		if seg == nil {
			return nil
		}
		if err := t.open(seg); err != nil {
			return err
		}
		t.frames.end = end
		for t.last < last && len(t.entries) < applyBatch && bytes < applyBytes {
			payload, err := t.frames.next()
			if err != nil {
				return fmt.Errorf("cannot read entry %d back from %q: %w", t.last+1, seg.path, err)
			}
			seq, err := t.decode(l.o.Boot, payload)
			if err != nil {
				return fmt.Errorf("cannot read entry %d back from %q: %w", t.last+1, seg.path, err)
			}
			if seq != t.last+1 {
				panic(fmt.Sprintf("BUG: entry %d of %q has seq %d", t.last+1, seg.path, seq))
			}
			bytes += len(payload)
			t.last++
		}
	}
	return nil
}

// recycle empties entries and keeps their memory for the next.
func (t *tail) recycle() {
	t.entries = t.entries[:0]
	t.pages.release()
}

// decode adds an entry of this boot to those for the store. Holds and voids only move
// its position: the last will do. Of rows the store is given the stored form alone.
func (t *tail) decode(boot string, payload []byte) (seq uint64, err error) {
	n := len(t.entries)
	if n > 0 && moves(t.entries[n-1].Kind) {
		n--
	}
	t.entries = append(t.entries[:n], store.Entry{})
	e := &t.entries[n]
	err = store.PeekEntry(payload, e)
	if err == nil && e.Kind == store.EntryAdjust {
		err = store.DecodeEntry(payload, e)
	}
	if err != nil {
		t.entries = t.entries[:n]
		return 0, err
	}
	e.Boot = boot
	return e.Seq, nil
}

// moves reports whether an entry only moves the position of the store.
func moves(kind store.EntryKind) bool { return kind == store.EntryHold || kind == store.EntryVoid }

// segmentOf returns the segment that holds seq, the last seq committed to it and
// where that ends; nil if seq is not committed.
func (l *Ledger) segmentOf(seq uint64) (seg *segment, last uint64, end int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.segs {
		if s.first != 0 && s.last >= seq {
			return s, s.last, s.end
		}
	}
	return nil, 0, 0
}

func (t *tail) open(seg *segment) error {
	if t.seg == seg {
		return nil
	}
	t.close()
	f, err := os.Open(seg.path)
	if err != nil {
		return fmt.Errorf("cannot read log back: %w", err)
	}
	t.seg, t.file = seg, f
	t.frames = frames{src: f, off: headerSize, salt: seg.salt, pages: &t.pages}
	return nil
}

func (t *tail) close() {
	if t.file != nil {
		_ = t.file.Close()
	}
	t.seg, t.file = nil, nil
}

// trim removes segments that are wholly applied. Holds in them that are still
// open are logged again first, else a crash would forget them.
func (l *Ledger) trim() {
	for {
		l.mu.Lock()
		seg := l.segs[0]
		if !seg.sealed || seg.last > l.applied || l.closed || l.err != nil {
			l.mu.Unlock()
			return
		}
		moved := seg.moved
		l.mu.Unlock()
		if !moved {
			l.moveHolds(seg)
		}
		l.mu.Lock()
		if l.err != nil || seg.movedSeq > l.committed {
			l.mu.Unlock()
			return
		}
		l.segs = l.segs[1:]
		l.mu.Unlock()
		if l.tail.seg == seg {
			l.tail.close()
		}
		if err := os.Remove(seg.path); err != nil && !errors.Is(err, os.ErrNotExist) {
			l.o.Log.Warn("ledger cannot remove an applied segment", "error", err)
		}
	}
}

// moveHolds logs the open holds of seg again.
func (l *Ledger) moveHolds(seg *segment) {
	l.mu.Lock()
	var held []*openHold
	for h := range l.holds.all {
		if h.seq > 0 && h.seq <= seg.last {
			held = append(held, h)
		}
	}
	l.mu.Unlock()
	for i := 0; i < len(held); i += holdChunk {
		l.mu.Lock()
		if l.closed || l.err != nil {
			l.mu.Unlock()
			return
		}
		for _, h := range held[i:min(i+holdChunk, len(held))] {
			if *l.holds.find(h.requestID, h.hash) == h {
				l.logHold(h)
				seg.movedSeq = l.seq
			}
		}
		l.armLocked()
		l.mu.Unlock()
	}
	l.mu.Lock()
	seg.moved = true
	l.mu.Unlock()
}
