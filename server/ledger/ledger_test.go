package ledger

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/your-org/ai-api-gateway/store"
)

func TestSettleAndSync(t *testing.T) {
	s, dir := newMemStore(), t.TempDir()
	l := open(t, options(dir, s))
	var wg sync.WaitGroup
	for w := range 16 {
		wg.Go(func() {
			for i := range 50 {
				id := fmt.Sprintf("r%d-%d", w, i)
				if err := l.Hold(id, hold(5), time.Now()); err != nil {
					t.Error(err)
				}
				if i%10 == 9 {
					l.Void(id)
					continue
				}
				if err := l.Settle(usageRow(id, 3)); err != nil {
					t.Error(err)
				}
				if i%20 == 0 { // a row is visible as soon as its answer was
					if err := l.Sync(context.Background()); err != nil {
						t.Error(err)
					}
					s.row(t, id)
				}
			}
		})
	}
	wg.Wait()
	st := l.Stats()
	if st.OpenHolds != 0 || st.ReservedNano != 0 {
		t.Errorf("open holds %d, reserved %d, want none", st.OpenHolds, st.ReservedNano)
	}
	closeLedger(t, l)
	if n := s.count(); n != 16*45 {
		t.Errorf("%d rows, want %d", n, 16*45)
	}
	if st = l.Stats(); st.Holds != 16*50 || st.Voids != 16*5 || st.Entries != st.Applied || s.kinds[store.EntrySettle] != 16*45 {
		t.Errorf("%+v, kinds %v", st, s.kinds)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 0 {
		t.Errorf("after a clean close %v is left (%v)", left, err)
	}
	if err := l.Settle(usageRow("late", 1)); err != ErrClosed {
		t.Errorf("settle after close: %v", err)
	}
}

// Holds never wait and never wake the committer, but are durable soon.
func TestHoldRidesAlone(t *testing.T) {
	s := newMemStore()
	l := open(t, options(t.TempDir(), s))
	if err := l.Hold("a", hold(7), time.Now()); err != nil {
		t.Fatal(err)
	}
	if st := l.Stats(); st.OpenHolds != 1 || st.ReservedNano != 7 || st.Commits != 0 {
		t.Errorf("at once: %+v", st)
	}
	eventually(t, func() bool { return l.Stats().Committed == 1 })
	l.Void("a")
	closeLedger(t, l)
	if s.kinds[store.EntryVoid] != 1 {
		t.Errorf("kinds %v", s.kinds)
	}
}

// A request that ends before the next commit leaves its row alone in the log, or
// nothing; the holds of the others go with that commit.
func TestHoldsThatEndSoon(t *testing.T) {
	s := newMemStore()
	o := options(t.TempDir(), s)
	o.HoldDelay = time.Hour
	l := open(t, o)
	for i := range 10 {
		id := fmt.Sprint(i)
		if err := l.Hold(id, hold(7), time.Now()); err != nil {
			t.Fatal(err)
		}
		if i < 3 {
			l.Void(id)
		}
	}
	spent := spentAttempt()
	l.Attempt("8", &spent)
	if st := l.Stats(); st.QueueLength != 7 || st.QueueBytes != 0 || st.Voids != 3 || st.Holds != 10 || st.OpenHolds != 7 {
		t.Errorf("before: %+v", st)
	}
	if err := l.Settle(usageRow("4", 1)); err != nil {
		t.Fatal(err)
	}
	if st := l.Stats(); st.QueueLength != 0 || st.Committed != 7 || st.OpenHolds != 6 {
		t.Errorf("after: %+v", st)
	}
	l.Attempt("9", &spent)
	l.Void("5") // the log knows of it
	if err := errors.Join(l.Settle(usageRow("6", 1)), l.Settle(usageRow("6b", 1))); err != nil {
		t.Fatal(err)
	}
	if st := l.Stats(); st.QueueLength != 0 || st.Committed != 7+4 {
		t.Errorf("at the end: %+v", st)
	}
	dir := t.TempDir()
	copyLog(t, l.dir, filepath.Join(dir, o.Boot))
	for _, id := range []string{"3", "7", "8", "9"} {
		l.Void(id)
	}
	closeLedger(t, l)
	after := newMemStore()
	recoverInto(t, dir, after)
	for id, want := range map[string]int{"0": -1, "2": -1, "3": 0, "4": -2, "5": -1, "6": -2, "6b": -2, "7": 0, "8": 1, "9": 1} {
		rows := after.rows[id]
		switch {
		case want == -1:
			if len(rows) > 0 {
				t.Errorf("%s, given back, has a row: %+v", id, rows)
			}
		case want == -2:
			if row := after.row(t, id); row.EndReason != store.EndComplete {
				t.Errorf("%s: %+v", id, row)
			}
		default:
			if row := after.row(t, id); row.EndReason != store.EndCrash || len(row.Attempts) != want {
				t.Errorf("%s: %+v", id, row)
			}
		}
	}
}

// More holds than a commit takes go with those after it; all of them get into the log.
func TestMoreHoldsThanACommitTakes(t *testing.T) {
	s := newMemStore()
	l := open(t, options(t.TempDir(), s))
	h := hold(1)
	h.Model = strings.Repeat("m", store.MaxText)
	h.UpstreamModel = h.Model
	const n = 3000 // of some 1.3 KB
	for i := range n {
		if err := l.Hold(fmt.Sprint(i), h, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, func() bool { return l.Stats().QueueLength == 0 })
	if st := l.Stats(); st.Committed != n || st.Commits < 4 {
		t.Errorf("%+v", st)
	}
	for i := range n {
		l.Void(fmt.Sprint(i))
	}
	closeLedger(t, l)
	if s.applied[l.o.Boot] != 2*n {
		t.Errorf("applied %d", s.applied[l.o.Boot])
	}
}

// A hold is the ledger's own: the caller uses the memory of his for the next request,
// and the ledger that of ended ones.
func TestHoldsAreCopies(t *testing.T) {
	l := open(t, options(t.TempDir(), newMemStore()))
	h := hold(7)
	h.Model = "first"
	held := func(id string) string {
		t.Helper()
		for _, o := range l.Holds(10) {
			if o.RequestID == id {
				return o.Hold.Model
			}
		}
		return ""
	}
	for _, id := range []string{"a", "b"} {
		if err := l.Hold(id, h, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	seen := l.Holds(10)
	h.Model = "second"
	l.Void("a")
	if err := l.Hold("c", h, time.Now()); err != nil {
		t.Fatal(err)
	}
	if held("b") != "first" || held("c") != "second" || held("a") != "" || seen[0].Hold.Model != "first" || seen[1].Hold.Model != "first" {
		t.Errorf("a %q, b %q, c %q, seen %+v", held("a"), held("b"), held("c"), seen)
	}
	l.Void("b")
	l.Void("c")
	closeLedger(t, l)
}

func eventually(t testing.TB, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it did not come about within 10 s")
		}
	}
}
