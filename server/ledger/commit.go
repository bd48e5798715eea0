package ledger

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Under load commits start at least defaultPace apart (performance.md, item 8),
// unless all requests in flight wait for one: nothing more would come to share it.
const defaultPace = 2 * time.Millisecond

// allWait reports whether every admitted request is waiting for the next commit.
func (l *Ledger) allWait() bool { return l.waiting > 0 && l.holds.count == 0 }

// A segment is one file of the log.
type segment struct {
	number uint64
	path   string
	size   int64 // preallocated
	file   *os.File
	salt   uint32
	off    int64 // of the next write; 0: unused. Owned by the committer.
	asked  bool  // the next one was asked for

	// Under Ledger.mu.
	first, last uint64 // seqs of the committed entries
	end         int64  // committed bytes, the header included
	sealed      bool   // nothing will be written to it any more
	moved       bool   // its open holds were logged again …
	movedSeq    uint64 // … up to here
}

func (l *Ledger) prepare(size int64) (*segment, error) {
	l.mu.Lock()
	l.numbers++
	n := l.numbers
	l.mu.Unlock()
	path := filepath.Join(l.dir, fmt.Sprintf("%08d.seg", n))
	f, err := l.disk.prepare(path, size)
	if err != nil {
		return nil, err
	}
	return &segment{number: n, path: path, size: size, file: f}, nil
}

// activate makes seg the one that is written to.
func (l *Ledger) activate(seg *segment) {
	l.active = seg
	l.mu.Lock()
	if n := len(l.segs); n > 0 {
		l.segs[n-1].sealed = true
	}
	l.segs = append(l.segs, seg)
	l.mu.Unlock()
}

func (l *Ledger) commitLoop() {
	defer func() { _ = l.active.file.Close() }()
	for {
		b, more := l.take()
		if b == nil {
			if !more {
				return
			}
			select {
			case <-l.wake:
			case <-l.failed:
				return
			}
			continue
		}
		if err := l.commit(b); err != nil {
			if !errors.Is(err, ErrClosed) {
				l.fail(err)
			}
			return
		}
		l.rest()
	}
}

// take removes the next batch from the queue if there is reason to commit it.
// more is false when nothing will come any more.
func (l *Ledger) take() (b *batch, more bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return nil, false
	}
	due := l.waiting > 0 || l.flush || l.closed
	if due {
		l.logPending()
	}
	if len(l.queue) == 0 || !due {
		l.flush = false
		return nil, !l.closed
	}
	b = l.queue[0]
	l.queue[0] = nil
	l.queue = l.queue[1:]
	l.waiting -= b.settles
	l.writing = b
	if len(l.queue)+len(l.pending) == 0 {
		l.flush = false
	}
	return b, true
}

// rest keeps the committer from the next commit for a while when settles come
// less than pace apart: each commit then serves several. While it rests nobody
// wakes it, which is half of what a commit costs, but when all wait. A caller
// alone, however fast, gains nothing from it: after some rests that gathered but
// one settle, none follow for a while.
func (l *Ledger) rest() {
	l.mu.Lock()
	wait := l.o.pace - l.o.Now().Sub(l.lastStart)
	if l.gap >= l.o.pace || wait <= 0 || l.skip > 0 || l.closed || l.allWait() || l.flush || len(l.queue) > 1 {
		l.skip = max(l.skip-1, 0)
		l.mu.Unlock()
		return
	}
	l.resting = true
	l.mu.Unlock()
	l.paceTimer.Reset(wait)
	select {
	case <-l.paceTimer.C:
	case <-l.wake: // all of them, a flush, or the end
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.resting = false
	if l.waiting > 1 {
		l.lone = 0
	} else if l.lone++; l.lone == 8 {
		l.lone, l.skip = 0, 100
	}
}

// began notes that a commit of so many settles begins, and how far apart they come
// on average of the last dozen commits or so.
func (l *Ledger) began(now time.Time, settles int) {
	if settles > 0 {
		gap := min(now.Sub(l.lastStart)/time.Duration(settles), 4*l.o.pace)
		l.gap += (gap - l.gap) / 8
		l.lastStart = now
	}
}

// commit makes b durable and releases those who wait for it.
func (l *Ledger) commit(b *batch) error {
	l.began(l.o.Now(), b.settles)
	took, err := l.write(b)
	if err != nil {
		return err
	}
	seg := l.active
	l.mu.Lock()
	if seg.first == 0 {
		seg.first = b.first
	}
	seg.last, seg.end = b.last, seg.off
	l.committed = b.last
	l.writing = nil
	l.stats.committed(b, took)
	l.stats.QueueLength -= b.entries
	l.stats.QueueBytes -= len(b.buf) - headerSize
	if len(l.spare) < 4 && cap(b.buf) <= 2*maxBatch {
		l.spare = append(l.spare, b.buf)
	}
	b.buf = nil
	if l.applyIdle || l.syncers > 0 || l.committed-l.applied >= applyBacklog {
		signal(l.applyWake)
	}
	b.release(nil)
	l.mu.Unlock()
	if !seg.asked && seg.off > seg.size/4 {
		seg.asked = true
		l.askSegment()
	}
	return nil
}

// write puts b on the disk. A full disk is waited out; other errors are final.
func (l *Ledger) write(b *batch) (took time.Duration, err error) {
	deadline := l.o.Now().Add(l.o.spaceWait)
	for {
		start := l.o.Now()
		err = l.writeOnce(b, deadline)
		if err == nil {
			l.setStuck(false)
			return l.o.Now().Sub(start), nil
		}
		if !isNoSpace(err) {
			return 0, err
		}
		// Nothing of b counts yet and all of it is written again at the same
		// place, so trying again is safe; that is not so for other errors of
		// fdatasync.
		if err := l.waitSpace(b, deadline); err != nil {
			return 0, err
		}
	}
}

func (l *Ledger) writeOnce(b *batch, deadline time.Time) error {
	seg := l.active
	n := int64(len(b.buf) - headerSize)
	if seg.off > 0 && seg.off+n > seg.size {
		next, err := l.nextSegment(b, deadline)
		if err != nil {
			return err
		}
		_ = seg.file.Close()
		l.activate(next)
		seg = next
	}
	frames, at := b.buf[headerSize:], seg.off
	out := frames
	if seg.off == 0 { // the header goes with the first frames
		seg.salt = putHeader(b.buf, header{boot: l.o.Boot, number: seg.number, first: b.first})
		out, at = b.buf, 0
	}
	seal(frames, seg.salt)
	if _, err := l.disk.write(seg.file, out, at); err != nil {
		return fmt.Errorf("cannot write log: %w", err)
	}
	if err := l.disk.datasync(seg.file); err != nil {
		return fmt.Errorf("cannot sync log: %w", err)
	}
	seg.off = at + int64(len(out))
	return nil
}

// nextSegment returns the segment prepared ahead, and waits for it if need be.
func (l *Ledger) nextSegment(b *batch, deadline time.Time) (*segment, error) {
	select {
	case seg := <-l.ready:
		return seg, nil
	default:
	}
	l.askSegment()
	for {
		t := time.NewTimer(l.o.tick)
		select {
		case seg := <-l.ready:
			t.Stop()
			return seg, nil
		case <-l.stopKeeper:
			t.Stop()
			return nil, ErrClosed
		case <-t.C:
			if err := l.overdue(b, deadline); err != nil {
				return nil, err
			}
		}
	}
}

// waitSpace gives the ballast up and waits a while after a full disk was met in writing.
func (l *Ledger) waitSpace(b *batch, deadline time.Time) error {
	l.setStuck(true)
	if l.dropBallast() {
		return nil
	}
	t := time.NewTimer(l.o.tick)
	defer t.Stop()
	select {
	case <-t.C:
	case <-l.stopKeeper:
		return ErrClosed
	}
	return l.overdue(b, deadline)
}

// overdue tells those who wait for b, when the deadline has passed, that there is
// no space. Their rows stay queued. Without a full disk it is an error.
func (l *Ledger) overdue(b *batch, deadline time.Time) error {
	if l.o.Now().Before(deadline) {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.noSpace {
		if l.stats.SegmentError != "" {
			return fmt.Errorf("cannot get a new segment: %s", l.stats.SegmentError)
		}
		return nil
	}
	l.stalled, l.stuck = true, true
	b.release(ErrNoSpace)
	for _, q := range l.queue {
		q.release(ErrNoSpace)
	}
	return nil
}

func (l *Ledger) setStuck(stuck bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stuck == stuck {
		return
	}
	l.stuck = stuck
	if stuck {
		l.setNoSpaceLocked(true)
		signal(l.keeperWake)
	} else {
		l.stalled = false
	}
}
