package ledger

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/your-org/ai-api-gateway/store"
)

// copyLog copies a living log as a crash would leave it: without its lock, and
// each segment as it is at that moment.
func copyLog(t testing.TB, from, to string) {
	t.Helper()
	if err := os.MkdirAll(to, 0o700); err != nil {
		t.Fatal(err)
	}
	list, err := os.ReadDir(from)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range list {
		b, err := os.ReadFile(filepath.Join(from, d.Name()))
		if errors.Is(err, os.ErrNotExist) {
			continue // trimmed meanwhile
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(to, d.Name()), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// recoverInto runs a recovery of all of dir into s.
func recoverInto(t testing.TB, dir string, s store.Store) Stats {
	t.Helper()
	o := options(dir, s)
	o.SegmentBytes = 4 << 10
	l := open(t, o)
	st := l.Stats()
	closeLedger(t, l)
	return st
}

// deadLog writes settled holds, then open ones, and returns the log's directory
// as a crash leaves it.
func deadLog(t testing.TB, settled, left int) (dir, boot string) {
	t.Helper()
	s := newMemStore()
	s.setDown(errDown) // so that nothing is trimmed
	o := options(t.TempDir(), s)
	o.SegmentBytes = 256 << 10
	l := open(t, o)
	for i := range settled {
		id := fmt.Sprintf("s%d", i)
		if err := l.Hold(id, hold(5), time.Now()); err != nil {
			t.Fatal(err)
		}
		logHolds(t, l)
		if err := l.Settle(usageRow(id, 3)); err != nil {
			t.Fatal(err)
		}
	}
	for i := range left {
		if err := l.Hold(fmt.Sprintf("h%d", i), hold(int64(i)), time.Date(2026, 11, 1, 0, 0, i, 0, time.UTC)); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, func() bool { st := l.Stats(); return st.QueueLength == 0 })
	dir = t.TempDir()
	copyLog(t, l.dir, filepath.Join(dir, o.Boot))
	for i := range left {
		l.Void(fmt.Sprintf("h%d", i))
	}
	s.setDown(nil)
	closeLedger(t, l)
	return dir, o.Boot
}

// logHolds returns when the log has all holds.
func logHolds(t testing.TB, l *Ledger) {
	l.mu.Lock()
	l.flush = true
	l.mu.Unlock()
	signal(l.wake)
	eventually(t, func() bool { return l.Stats().QueueLength == 0 })
}

// TestCrashAttempts: what an attempt had told to have used is in the row of a request
// that a crash left open, where it went, also when its segment was trimmed meanwhile.
func TestCrashAttempts(t *testing.T) {
	for _, trimmed := range []bool{false, true} {
		s := newMemStore()
		o := options(t.TempDir(), s)
		o.SegmentBytes = 4 << 10
		l := open(t, o)
		spent := spentAttempt()
		if err := l.Hold("h", hold(5), time.Now()); err != nil {
			t.Fatal(err)
		}
		l.Attempt("h", &spent)
		l.Attempt("nobody", &spent)
		if trimmed { // many segments
			for i := range 200 {
				id := fmt.Sprintf("s%d", i)
				if err := errors.Join(l.Hold(id, hold(5), time.Now()), l.Settle(usageRow(id, 3))); err != nil {
					t.Fatal(err)
				}
			}
			first := filepath.Join(l.dir, "00000001.seg")
			eventually(t, func() bool { _, err := os.Stat(first); return errors.Is(err, os.ErrNotExist) })
		}
		eventually(t, func() bool { return l.Stats().QueueLength == 0 })
		dir := t.TempDir()
		copyLog(t, l.dir, filepath.Join(dir, o.Boot))
		l.Void("h")
		closeLedger(t, l)

		s = newMemStore()
		recoverInto(t, dir, s)
		row := s.row(t, "h")
		if row.EndReason != store.EndCrash || row.CostNano != 12 || row.MarkupNano != 2 || row.ReservedNano != 5 || row.Charged() != 12+2+5 ||
			len(row.Attempts) != 1 || row.Attempts[0].Account != "first" || row.Attempts[0].Spent.Tokens.Input != 10 {
			t.Errorf("trimmed %v: row %+v", trimmed, row)
		}
		if fault := (store.Corrections{}).Row(&row); fault != "" {
			t.Error(fault)
		}
	}
}

func TestCrashRows(t *testing.T) {
	f := func(rule string, reserved, tokens int64) {
		t.Helper()
		dir, boot := deadLog(t, 3, 2)
		s := newMemStore()
		o := options(dir, s)
		o.OnCrash = rule
		l := open(t, o)
		if st := l.Stats(); st.Crashed != 2 || st.OpenHolds != 0 || st.ForeignBoots != 0 {
			t.Errorf("stats %+v", st)
		}
		closeLedger(t, l)
		row := s.row(t, "h1")
		if row.EndReason != store.EndCrash || row.UsageSource != store.SourceNone || row.Flags != store.FlagCrashRecovered ||
			row.Status != 0 || row.CostNano != 0 || row.ReservedNano != reserved || row.UnconfirmedTokens != tokens ||
			!row.Time.Equal(time.Date(2026, 11, 1, 0, 0, 1, 0, time.UTC)) || row.KeyName != "ci" || row.UpstreamModel != "gpt-4o-2024-08-06" {
			t.Errorf("row %+v", row)
		}
		if row := s.row(t, "s2"); row.CostNano != 3 || row.EndReason != store.EndComplete {
			t.Errorf("row %+v", row)
		}
		if s.applied[boot] != 3*2+2+2 {
			t.Errorf("applied %d", s.applied[boot])
		}
		if left, _ := os.ReadDir(dir); len(left) != 0 {
			t.Errorf("left %v", left)
		}
	}
	f("", 1, 30)
	f(CrashChargeInput, 2, 20)
	f(CrashRelease, 0, 0)
}

// A recovery that dies anywhere and is run again doubles nothing.
func TestRecoveryCutShort(t *testing.T) {
	dir, boot := deadLog(t, 700, 1500)
	for after := 1; after < 6; after++ {
		again := t.TempDir()
		copyLog(t, filepath.Join(dir, boot), filepath.Join(again, boot))
		s := newMemStore()
		s.failAfter = after
		l := open(t, options(again, s))
		eventually(t, func() bool { return l.Stats().ForeignBoots == 0 }) // tried again behind the scenes
		closeLedger(t, l)
		// And once more from the start, as after a death before the removal.
		copyLog(t, filepath.Join(dir, boot), filepath.Join(again, boot))
		recoverInto(t, again, s)
		for i := range 700 {
			s.row(t, fmt.Sprintf("s%d", i))
		}
		for i := range 1500 {
			s.row(t, fmt.Sprintf("h%d", i))
		}
	}
}

// Power lost between two recoveries may leave a shorter log the second time.
func TestRecoveryOfShorterLog(t *testing.T) {
	dir, boot := deadLog(t, 20, 5)
	seg := filepath.Join(dir, boot, "00000001.seg")
	whole, err := os.ReadFile(seg)
	if err != nil {
		t.Fatal(err)
	}
	ends := frameEnds(t, whole)
	for _, end := range ends {
		s := newMemStore()
		first, second := t.TempDir(), t.TempDir()
		copyLog(t, filepath.Join(dir, boot), filepath.Join(first, boot))
		recoverInto(t, first, s)
		copyLog(t, filepath.Join(dir, boot), filepath.Join(second, boot))
		if err := os.WriteFile(filepath.Join(second, boot, "00000001.seg"), whole[:end], 0o600); err != nil {
			t.Fatal(err)
		}
		recoverInto(t, second, s)
		if s.count() != 25 {
			t.Fatalf("%d requests, want 25", s.count())
		}
		for id := range s.rows {
			s.row(t, id)
		}
	}
}

// frameEnds returns the offsets after the header and after each frame.
func frameEnds(t testing.TB, b []byte) []int64 {
	t.Helper()
	h, err := parseHeader(b)
	if err != nil {
		t.Fatal(err)
	}
	rd := frames{src: readerAt(b), off: headerSize, end: int64(len(b)), salt: h.salt}
	ends := []int64{rd.off}
	for {
		if _, err := rd.next(); err != nil {
			return ends
		}
		ends = append(ends, rd.off)
	}
}

// The last frame torn at each byte, cut or overwritten, costs that frame alone.
func TestTornAtEveryByte(t *testing.T) {
	dir, boot := deadLog(t, 4, 0)
	seg := filepath.Join(dir, boot, "00000001.seg")
	whole, err := os.ReadFile(seg)
	if err != nil {
		t.Fatal(err)
	}
	ends := frameEnds(t, whole)
	last, end := ends[len(ends)-2], ends[len(ends)-1]
	work := t.TempDir()
	f := func(name string, at int64, b []byte) {
		t.Helper()
		boot := ulid.Make().String()
		if err := os.Mkdir(filepath.Join(work, boot), 0o700); err != nil {
			t.Fatal(err)
		}
		// Its frames name the boot they belong to.
		b = reboot(t, b, boot)
		if err := os.WriteFile(filepath.Join(work, boot, "00000001.seg"), b, 0o600); err != nil {
			t.Fatal(err)
		}
		s := newMemStore()
		l := &Ledger{o: options(work, s), disk: realDisk()}
		if err := l.recoverBoot(context.Background(), boot); err != nil {
			t.Fatalf("%s at %d: %v", name, at, err)
		}
		for i := range 3 {
			if row := s.row(t, fmt.Sprintf("s%d", i)); row.EndReason != store.EndComplete {
				t.Errorf("%s at %d: s%d is %s", name, at, i, row.EndReason)
			}
		}
		if row := s.row(t, "s3"); row.EndReason != store.EndCrash {
			t.Errorf("%s at %d: the torn settle counts: %+v", name, at, row)
		}
	}
	for at := last; at < end; at++ {
		f("cut", at, whole[:at])
		zeroed := append([]byte(nil), whole...)
		clear(zeroed[at:end])
		if zeroed[end-1] == whole[end-1] && at == end-1 {
			continue // the last byte was a zero
		}
		f("zeroed", at, zeroed)
		flipped := append([]byte(nil), whole...)
		flipped[at] ^= 0x40
		f("flipped", at, flipped)
	}
}

// reboot returns the segment b with its header and entries given to another boot
// of the same length; frames that are not whole stay as broken as they are.
func reboot(t testing.TB, b []byte, boot string) []byte {
	t.Helper()
	h, err := parseHeader(b)
	if err != nil {
		t.Fatal(err)
	}
	out := append([]byte(nil), b...)
	salt := putHeader(out, header{boot: boot, number: h.number, first: h.first})
	ends := frameEnds(t, b)
	for i := range ends[1:] {
		frame := out[ends[i]:ends[i+1]]
		for at := range len(frame) - bootLen {
			if string(frame[at:at+bootLen]) == h.boot {
				copy(frame[at:], boot)
			}
		}
		seal(frame, salt)
	}
	return out
}

// Missing entries in the middle cost those alone: what follows is read, what the
// store already has is not doubled, and the log is kept for people.
func TestDamageInTheMiddle(t *testing.T) {
	s, boots := newMemStore(), t.TempDir()
	o := options(boots, s)
	o.SegmentBytes = 4 << 10
	s.setDown(errDown)
	l := open(t, o)
	for i := range 60 {
		id := fmt.Sprintf("r%d", i)
		if err := errors.Join(l.Hold(id, hold(1), time.Now()), l.Settle(usageRow(id, 1))); err != nil {
			t.Fatal(err)
		}
	}
	if n := l.Stats().Segments; n < 5 {
		t.Fatalf("%d segments, want at least 5", n)
	}
	dir := t.TempDir()
	copyLog(t, l.dir, filepath.Join(dir, o.Boot))
	s.setDown(nil)
	closeLedger(t, l) // applies all
	seg := filepath.Join(dir, o.Boot, "00000003.seg")
	b, err := os.ReadFile(seg)
	if err != nil {
		t.Fatal(err)
	}
	b[headerSize+100] ^= 1
	if err := os.WriteFile(seg, b, 0o600); err != nil {
		t.Fatal(err)
	}
	recoverInto(t, dir, s)
	for i := range 60 {
		if row := s.row(t, fmt.Sprintf("r%d", i)); row.EndReason != store.EndComplete {
			t.Errorf("r%d: %s", i, row.EndReason)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, damagedDir+o.Boot)); err != nil {
		t.Error(err)
	}
	// A store that had nothing gets what can be read.
	if err := os.Rename(filepath.Join(dir, damagedDir+o.Boot), filepath.Join(dir, o.Boot)); err != nil {
		t.Fatal(err)
	}
	fresh := newMemStore()
	recoverInto(t, dir, fresh)
	for id := range fresh.rows {
		fresh.row(t, id)
	}
	if n := fresh.count(); n < 45 || n >= 60 {
		t.Errorf("%d rows of 60 were read around the damage", n)
	}
}

// A boot whose process lives is left alone, and recovered when it has ended.
func TestLivingBootIsLeftAlone(t *testing.T) {
	dir, s := t.TempDir(), newMemStore()
	old := open(t, options(dir, s))
	if err := errors.Join(old.Hold("a", hold(1), time.Now()), old.Hold("b", hold(1), time.Now()), old.Settle(usageRow("a", 1))); err != nil {
		t.Fatal(err)
	}
	if err := old.Detach(context.Background()); err != nil {
		t.Fatal(err)
	}
	successor := open(t, options(dir, s))
	if n := successor.Stats().ForeignBoots; n != 1 {
		t.Fatalf("%d foreign boots, want 1", n)
	}
	if err := old.Settle(usageRow("b", 2)); err != nil { // its stream ends after the handover
		t.Fatal(err)
	}
	if err := old.Sync(context.Background()); err == nil {
		t.Error("sync works without a store")
	}
	closeLedger(t, old)
	eventually(t, func() bool { return successor.Stats().ForeignBoots == 0 })
	if row := s.row(t, "b"); row.CostNano != 2 {
		t.Errorf("row %+v", row)
	}
	closeLedger(t, successor)
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("left %v", left)
	}
}

// The directory is copied at random moments under load, as a crash would leave
// it, and recovered into what the store had by then or nothing at all.
func TestCrashAtRandomMoments(t *testing.T) {
	rounds := 40
	if os.Getenv("AI_GATEWAY_LONG") == "1" {
		rounds = 300
	}
	o := options(t.TempDir(), newMemStore())
	o.SegmentBytes = 16 << 10
	o.disk = unsynced()
	o.linger = 3 * time.Millisecond
	s := o.Store.(*memStore)
	l := open(t, o)
	var mu sync.Mutex
	acked, voided, held := map[string]bool{}, map[string]bool{}, map[string]bool{}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(w), 1))
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				id := fmt.Sprintf("r%d-%d", w, i)
				mu.Lock()
				held[id] = true
				mu.Unlock()
				if err := l.Hold(id, hold(2), time.Now()); err != nil {
					t.Error(err)
					return
				}
				if r.IntN(4) == 0 {
					time.Sleep(time.Duration(r.IntN(4)) * time.Millisecond)
				}
				if r.IntN(10) == 0 {
					mu.Lock()
					voided[id] = true
					mu.Unlock()
					l.Void(id)
					continue
				}
				if err := l.Settle(usageRow(id, 1)); err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				acked[id] = true
				mu.Unlock()
			}
		})
	}
	for round := range rounds {
		time.Sleep(time.Duration(rand.IntN(3000)) * time.Microsecond)
		// The store is never ahead of the log, nor takes it in while both are copied:
		// the applier waits for its lock. What was acknowledged is looked at before.
		mu.Lock()
		must := make(map[string]bool, len(acked))
		for id := range acked {
			must[id] = true
		}
		mu.Unlock()
		dir := t.TempDir()
		s.mu.Lock()
		copyLog(t, l.dir, filepath.Join(dir, o.Boot))
		after := newMemStore()
		for id, rows := range s.rows {
			after.rows[id] = rows[:len(rows):len(rows)]
		}
		after.applied[o.Boot] = s.applied[o.Boot]
		s.mu.Unlock()
		recoverInto(t, dir, after)
		for id := range must {
			if row := after.row(t, id); row.EndReason != store.EndComplete {
				t.Fatalf("round %d: acknowledged %s is %s", round, id, row.EndReason)
			}
		}
		mu.Lock()
		for id, rows := range after.rows {
			if len(rows) != 1 || !held[id] {
				t.Fatalf("round %d: %s has %d rows, held %v", round, id, len(rows), held[id])
			}
		}
		mu.Unlock()
	}
	close(stop)
	wg.Wait()
	closeLedger(t, l)
	for id := range held {
		if voided[id] {
			if len(s.rows[id]) != 0 {
				t.Fatalf("voided %s has a row", id)
			}
			continue
		}
		s.row(t, id)
	}
}
