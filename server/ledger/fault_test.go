package ledger

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/your-org/ai-api-gateway/store"
)

// After a failed fdatasync or write nothing is acknowledged, nothing is tried
// again, and what was acknowledged before is there at the next start.
func TestDiskErrorIsFinal(t *testing.T) {
	f := func(name string, breakIt func(d *disk, broken *atomic.Bool, calls *atomic.Int64)) {
		t.Run(name, func(t *testing.T) {
			dir, s := t.TempDir(), newMemStore()
			o := options(dir, s)
			var broken atomic.Bool
			var calls atomic.Int64
			o.disk = realDisk()
			breakIt(o.disk, &broken, &calls)
			l := open(t, o)
			if err := errors.Join(l.Hold("a", hold(1), time.Now()), l.Settle(usageRow("a", 1)), l.Hold("b", hold(1), time.Now()), l.Hold("c", hold(1), time.Now())); err != nil {
				t.Fatal(err)
			}
			eventually(t, func() bool { return l.Stats().QueueLength == 0 })
			if l.Err() != nil {
				t.Fatal(l.Err())
			}
			broken.Store(true)
			calls.Store(0)
			if err := l.Settle(usageRow("b", 1)); !errors.Is(err, ErrUnavailable) || !errors.Is(err, syscall.EIO) {
				t.Errorf("settle: %v", err)
			}
			<-l.Failed()
			broken.Store(false) // a second fdatasync would succeed
			if err := l.Settle(usageRow("c", 1)); !errors.Is(err, ErrUnavailable) {
				t.Errorf("settle after the failure: %v", err)
			}
			if err := l.Hold("d", hold(1), time.Now()); !errors.Is(err, ErrUnavailable) {
				t.Errorf("hold after the failure: %v", err)
			}
			if err := l.Err(); !errors.Is(err, syscall.EIO) {
				t.Errorf("Err: %v", err)
			}
			if n := calls.Load(); n != 1 {
				t.Errorf("the disk was tried %d times", n)
			}
			if err := l.Sync(context.Background()); err != nil { // readers still see what was acknowledged
				t.Error(err)
			}
			s.row(t, "a")
			if err := l.Close(context.Background()); !errors.Is(err, syscall.EIO) {
				t.Errorf("close: %v", err)
			}
			recoverInto(t, dir, s)
			for _, id := range []string{"a", "b", "c"} {
				s.row(t, id)
			}
			if row := s.row(t, "c"); row.EndReason != store.EndCrash {
				t.Errorf("c is %s", row.EndReason)
			}
		})
	}
	f("fdatasync", func(d *disk, broken *atomic.Bool, calls *atomic.Int64) {
		d.datasync = func(f *os.File) error {
			calls.Add(1)
			if broken.Load() {
				return syscall.EIO
			}
			return datasync(f)
		}
	})
	f("write", func(d *disk, broken *atomic.Bool, calls *atomic.Int64) {
		d.write = func(f *os.File, b []byte, off int64) (int, error) {
			calls.Add(1)
			if broken.Load() {
				return 0, syscall.EIO
			}
			return f.WriteAt(b, off)
		}
	})
}

// A full disk refuses new requests, lets those that run settle out of the
// ballast, and passes by itself.
func TestFullDisk(t *testing.T) {
	dir, s := t.TempDir(), newMemStore()
	o := options(dir, s)
	o.SegmentBytes = 64 << 10
	o.Ballast = 1 << 20
	o.spaceWait = 500 * time.Millisecond
	var full atomic.Bool
	d := realDisk()
	o.disk = d
	ballast := filepath.Join(dir, "ballast")
	refuse := func() bool { // the ballast, once given up, is room for one more segment
		if !full.Load() {
			return false
		}
		_, err := os.Stat(ballast)
		return err == nil
	}
	var made atomic.Int64
	d.allocate = func(f *os.File, size int64) error {
		if refuse() || full.Load() && (made.Add(1) > 1 || f.Name() == ballast) {
			return syscall.ENOSPC
		}
		return allocate(f, size)
	}
	s.setDown(errDown) // else applied segments go and their holds, logged again, take room
	l := open(t, o)
	eventually(t, func() bool { _, err := os.Stat(ballast); return err == nil })
	for i := range 2000 {
		if err := l.Hold(fmt.Sprintf("r%d", i), hold(1), time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, func() bool { return l.Stats().QueueLength == 0 }) // the holds must not eat the room of the settles
	full.Store(true)
	settled := 0
	for ; settled < 2000; settled++ {
		if err := l.Settle(usageRow(fmt.Sprintf("r%d", settled), 1)); err != nil {
			if !errors.Is(err, ErrNoSpace) {
				t.Fatal(err)
			}
			break
		}
	}
	if settled < 50 || settled == 2000 {
		t.Errorf("%d settles found room", settled)
	}
	if _, err := os.Stat(ballast); err == nil {
		t.Error("the ballast was not given up")
	}
	if err := l.Hold("late", hold(1), time.Now()); !errors.Is(err, ErrNoSpace) || !errors.Is(l.Err(), ErrNoSpace) {
		t.Errorf("hold on a full disk: %v", err)
	}
	if err := l.Settle(usageRow(fmt.Sprintf("r%d", settled+1), 1)); !errors.Is(err, ErrNoSpace) {
		t.Errorf("settle on a full disk: %v", err)
	}
	full.Store(false)
	eventually(t, func() bool { return l.Err() == nil })
	for i := settled + 2; i < 2000; i++ {
		if err := l.Settle(usageRow(fmt.Sprintf("r%d", i), 1)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(l.Hold("late", hold(1), time.Now()), l.Settle(usageRow("late", 1))); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(ballast); err != nil {
		t.Errorf("the ballast is not back: %v", err)
	}
	s.setDown(nil)
	closeLedger(t, l)
	for i := range 2000 { // those that were refused were queued all the same
		if row := s.row(t, fmt.Sprintf("r%d", i)); row.EndReason != store.EndComplete {
			t.Fatalf("r%d: %s", i, row.EndReason)
		}
	}
}

// A full disk met by the write itself is waited out at the same place.
func TestFullDiskInWrite(t *testing.T) {
	dir, s := t.TempDir(), newMemStore()
	o := options(dir, s)
	o.disk = realDisk()
	var full atomic.Bool
	o.disk.write = func(f *os.File, b []byte, off int64) (int, error) {
		if full.Load() {
			n, _ := f.WriteAt(b[:len(b)/2], off)
			return n, syscall.ENOSPC
		}
		return f.WriteAt(b, off)
	}
	l := open(t, o)
	full.Store(true)
	if err := l.Hold("a", hold(1), time.Now()); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := l.Settle(usageRow("a", 1)); err != nil {
			t.Error(err)
		}
	})
	eventually(t, func() bool { return errors.Is(l.Err(), ErrNoSpace) })
	full.Store(false)
	wg.Wait()
	eventually(t, func() bool { return l.Err() == nil })
	closeLedger(t, l)
	s.row(t, "a")
}

// While the store is down the log grows on disk; when it is back it catches up,
// in bounded batches, and the segments go.
func TestStoreDown(t *testing.T) {
	dir, s := t.TempDir(), newMemStore()
	o := options(dir, s)
	o.SegmentBytes = 64 << 10
	o.disk = unsynced()
	l := open(t, o)
	s.setDown(errDown)
	if err := l.Hold("long", hold(9), time.Now()); err != nil {
		t.Fatal(err)
	}
	for i := range 6000 {
		id := fmt.Sprintf("r%d", i)
		if err := errors.Join(l.Hold(id, hold(1), time.Now()), l.Settle(usageRow(id, 1))); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, func() bool { return l.Stats().ApplyError != "" })
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if err := l.Sync(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("sync while the store is down: %v", err)
	}
	if st := l.Stats(); st.Segments < 20 || st.ApplierLag < 6000 {
		t.Errorf("stats %+v", st)
	}
	s.setDown(nil)
	if err := l.Sync(context.Background()); err != nil {
		t.Fatal(err)
	}
	// The long request's hold was in the first segment, which must not go before it is logged again.
	eventually(t, func() bool { return l.Stats().Segments <= 2 })
	crash := t.TempDir()
	copyLog(t, l.dir, filepath.Join(crash, o.Boot))
	after := newMemStore()
	after.applied[o.Boot] = 1 // it has seen the hold once
	recoverInto(t, crash, after)
	if row := after.row(t, "long"); row.EndReason != store.EndCrash || row.ReservedNano != 9 {
		t.Errorf("row %+v", row)
	}
	if err := l.Settle(usageRow("long", 1)); err != nil {
		t.Fatal(err)
	}
	closeLedger(t, l)
	if s.largest > applyBatch || s.count() != 6001 {
		t.Errorf("largest batch %d, %d rows", s.largest, s.count())
	}
	s.row(t, "long")
}

// A store that is down at the start does not hold the start up.
func TestStoreDownAtStart(t *testing.T) {
	dir, boot := deadLog(t, 3, 1)
	s := newMemStore()
	s.setDown(errDown)
	l := open(t, options(dir, s))
	if err := l.Settle(usageRow("new", 1)); err != nil {
		t.Fatal(err)
	}
	if st := l.Stats(); st.ForeignBoots != 1 || !strings.Contains(st.ApplyError, "down") {
		t.Errorf("stats %+v", st)
	}
	s.setDown(nil)
	eventually(t, func() bool { return l.Stats().ForeignBoots == 0 })
	s.row(t, "h0")
	closeLedger(t, l)
	if s.applied[boot] == 0 || s.count() != 5 {
		t.Errorf("%d rows", s.count())
	}
}

func TestCloseLeavesWhatIsNotApplied(t *testing.T) {
	dir, s := t.TempDir(), newMemStore()
	l := open(t, options(dir, s))
	if err := errors.Join(l.Hold("a", hold(1), time.Now()), l.Hold("b", hold(1), time.Now()), l.Settle(usageRow("a", 1))); err != nil {
		t.Fatal(err)
	}
	s.setDown(errDown)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := l.Close(ctx); err == nil {
		t.Error("close says all was applied")
	}
	s.setDown(nil)
	recoverInto(t, dir, s)
	if a, b := s.row(t, "a"), s.row(t, "b"); a.EndReason != store.EndComplete || b.EndReason != store.EndCrash {
		t.Errorf("a %s, b %s", a.EndReason, b.EndReason)
	}
}

func TestAsync(t *testing.T) {
	s := newMemStore()
	o := options(t.TempDir(), s)
	o.Durability = DurabilityAsync
	o.HoldDelay = 30 * time.Millisecond
	l := open(t, o)
	if err := errors.Join(l.Hold("a", hold(1), time.Now()), l.Settle(usageRow("a", 1))); err != nil {
		t.Fatal(err)
	}
	if n := l.Stats().Committed; n != 0 {
		t.Errorf("%d entries were waited for", n)
	}
	if err := l.Sync(context.Background()); err != nil { // a row is visible all the same
		t.Fatal(err)
	}
	s.row(t, "a")
	if err := l.Settle(usageRow("b", 1)); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { return l.Stats().Committed == 2 })
	closeLedger(t, l)
}

func TestSecondSettleIsIgnored(t *testing.T) {
	s := newMemStore()
	o := options(t.TempDir(), s)
	o.duplicate = nil // as in production
	l := open(t, o)
	if err := errors.Join(l.Hold("a", hold(1), time.Now()), l.Hold("a", hold(1), time.Now()), l.Settle(usageRow("a", 1)), l.Settle(usageRow("a", 2))); err != nil {
		t.Fatal(err)
	}
	if st := l.Stats(); st.Duplicates != 2 || st.ReservedNano != 0 {
		t.Errorf("stats %+v", st)
	}
	closeLedger(t, l)
	if row := s.row(t, "a"); row.CostNano != 1 {
		t.Errorf("row %+v", row)
	}
}

func TestQueueIsBounded(t *testing.T) {
	o := options(t.TempDir(), newMemStore())
	o.disk = realDisk()
	gate := make(chan struct{})
	var once sync.Once
	o.disk.datasync = func(f *os.File) error { <-gate; return nil }
	l := open(t, o)
	defer once.Do(func() { close(gate) })
	var err error
	n := 0
	for ; err == nil && n < 2*maxQueueCount; n++ {
		err = l.Hold(fmt.Sprintf("r%d", n), hold(1), time.Now())
	}
	if !errors.Is(err, ErrBusy) || n < maxQueueCount {
		t.Errorf("after %d holds: %v", n, err)
	}
	once.Do(func() { close(gate) })
	if err := l.Settle(usageRow("r0", 1)); err != nil {
		t.Error(err)
	}
	for i := range n {
		l.Void(fmt.Sprintf("r%d", i))
	}
	closeLedger(t, l)
}
