package ledger

import (
	"os"
	"path/filepath"
	"time"
)

// askSegment has the keeper prepare the next segment.
func (l *Ledger) askSegment() {
	l.mu.Lock()
	l.want = true
	l.mu.Unlock()
	signal(l.keeperWake)
}

// keepLoop prepares segments and keeps the ballast. It alone deals with a full
// disk, but for the committer that waits for it.
func (l *Ledger) keepLoop() {
	tick := time.NewTicker(l.o.tick)
	tick.Stop()
	defer tick.Stop()
	size := l.ballastSize()
	if size > 0 {
		l.restoreBallast(size)
	}
	for running := false; ; {
		select {
		case <-l.keeperWake:
		case <-tick.C:
		case <-l.stopKeeper:
			return
		}
		again := l.keep(size)
		if again && !running {
			tick.Reset(l.o.tick)
		} else if !again && running {
			tick.Stop()
		}
		running = again
	}
}

// keep does what is to be done and reports whether to look again after a tick.
func (l *Ledger) keep(ballast int64) (again bool) {
	l.mu.Lock()
	want := l.want && len(l.ready) == 0
	l.want = want
	l.mu.Unlock()
	if want && !l.keepSegment() {
		return true
	}
	l.mu.Lock()
	waits := l.noSpace && !l.stuck
	stuck := l.stuck
	l.mu.Unlock()
	if waits {
		if ballast > 0 && !l.restoreBallast(ballast) {
			return true
		}
		l.mu.Lock()
		l.setNoSpaceLocked(false)
		l.mu.Unlock()
	}
	return stuck
}

// keepSegment prepares a segment: of the usual size, or of a quarter of what is
// left, since the store needs some, too.
func (l *Ledger) keepSegment() bool {
	size := l.o.SegmentBytes
	if free, err := l.disk.free(l.dir); err == nil && free/4 < size {
		size = max(free/4, min(leastSegment, size))
	}
	seg, err := l.prepare(size)
	if isNoSpace(err) {
		l.mu.Lock()
		l.setNoSpaceLocked(true)
		l.mu.Unlock()
		if l.dropBallast() {
			seg, err = l.prepare(size)
		}
		if isNoSpace(err) && size > leastSegment {
			seg, err = l.prepare(leastSegment)
		}
	}
	l.mu.Lock()
	was := l.stats.SegmentError
	if err != nil {
		l.stats.SegmentError = err.Error()
	} else {
		l.stats.SegmentError, l.want = "", false
	}
	l.mu.Unlock()
	if err != nil {
		if was == "" {
			l.o.Log.Error("ledger cannot prepare a segment, trying on", "error", err)
		}
		return false
	}
	select {
	case l.ready <- seg:
	case <-l.stopKeeper: // its file goes with the directory, or is found blank
		_ = seg.file.Close()
	}
	return true
}

// setNoSpaceLocked changes whether holds are refused, and says so once a change.
func (l *Ledger) setNoSpaceLocked(on bool) {
	if l.noSpace == on {
		return
	}
	l.noSpace = on
	if on {
		l.stats.NoSpaceEvents++
		l.o.Log.Error("ledger: disk is full, new requests are refused until space returns", "dir", l.o.Dir)
	} else {
		l.o.Log.Info("ledger: space has returned, requests are taken again")
	}
}

func (l *Ledger) ballastPath() string { return filepath.Join(l.o.Dir, "ballast") }

// ballastSize applies the rule of decision 11.
func (l *Ledger) ballastSize() int64 {
	size := l.o.Ballast
	if size >= 0 {
		return size
	}
	free, err := l.disk.free(l.o.Dir)
	if err != nil {
		l.o.Log.Warn("ledger keeps no ballast", "error", err)
		return 0
	}
	if st, err := os.Stat(l.ballastPath()); err == nil {
		free += st.Size()
	}
	if size = min(maxBallast, free/20); size < leastBallast {
		return 0
	}
	return size
}

// restoreBallast makes the ballast file if there is none.
func (l *Ledger) restoreBallast(size int64) bool {
	if st, err := os.Stat(l.ballastPath()); err == nil && st.Size() > 0 {
		return true
	}
	f, err := l.disk.prepareBallast(l.ballastPath(), size)
	if err != nil {
		if !isNoSpace(err) {
			l.o.Log.Warn("ledger cannot keep its ballast", "error", err)
			return true
		}
		return false
	}
	_ = f.Close()
	return true
}

// dropBallast frees the ballast's space; false if there was none.
func (l *Ledger) dropBallast() bool {
	if err := os.Remove(l.ballastPath()); err != nil {
		return false
	}
	l.o.Log.Warn("ledger gave its ballast up to finish what runs")
	return true
}
