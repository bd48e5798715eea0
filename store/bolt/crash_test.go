package bolt

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/your-org/ai-api-gateway/store"
)

func entry(seq uint64, at time.Time) store.Entry {
	return store.Entry{Boot: "B", Seq: seq, Kind: store.EntrySettle, Time: at, Row: &store.UsageRow{
		RequestID: "request-" + at.Format("20060102150405"), Time: at, KeyID: "k", Model: "m", Status: 200, EndReason: store.EndComplete, CostNano: 10,
	}}
}

// sum returns what rows and roll-ups say: requests and cost of each.
func sum(t *testing.T, s *Store) (rows, rowCost, rolled, rolledCost int64) {
	t.Helper()
	q := store.UsageQuery{Limit: 1000}
	for {
		p, err := s.Usage(context.Background(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range p.Rows {
			rows++
			rowCost += r.CostNano
		}
		if q.Cursor = p.Next; p.Next == "" {
			break
		}
	}
	totals, err := s.Totals(context.Background(), store.TotalsQuery{GroupBy: []string{"hour"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range totals {
		rolled += x.Requests
		rolledCost += x.CostNano
	}
	return rows, rowCost, rolled, rolledCost
}

// The process dies between the commits of the day files and that of gateway.db, again
// and again, and gives the entries anew at the next start: nothing is lost or doubled.
func TestCrashBetweenFiles(t *testing.T) {
	dir := t.TempDir()
	rnd := rand.New(rand.NewPCG(7, 8))
	var entries []store.Entry
	cost := int64(0)
	for i := range 200 {
		e := entry(uint64(i+1), day0.Add(time.Duration(i)*20*time.Minute))
		if i > 10 && i%4 == 0 { // correct one of the rows before
			of := entries[i-rnd.IntN(10)-1]
			if of.Kind == store.EntrySettle {
				e = store.Entry{Boot: "B", Seq: uint64(i + 1), Kind: store.EntryAdjust, RequestID: of.Row.RequestID, Day: of.Row.Time, DeltaNano: int64(i)}
			}
		}
		if e.Kind == store.EntrySettle {
			cost += 10
		} else {
			cost += e.DeltaNano
		}
		entries = append(entries, e)
	}
	dead := errors.New("dead")
	crashes := 0
	for {
		die := crashes < 40 && rnd.IntN(3) > 0
		s, err := Open(context.Background(), dir, Options{between: func() error {
			if die {
				return dead
			}
			return nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		applied, err := s.Applied(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		at := int(applied["B"])
		if at == len(entries) {
			rows, rowCost, rolled, rolledCost := sum(t, s)
			if want := int64(len(entries)) - adjustments(entries); rows != want || rolled != want || rowCost != cost || rolledCost != cost {
				t.Errorf("after %d crashes: rows %d of %d, roll-ups %d of %d; want %d of %d", crashes, rows, rowCost, rolled, rolledCost, want, cost)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			break
		}
		n := min(len(entries), at+1+rnd.IntN(30))
		if err := s.Append(context.Background(), entries[at:n]); die != errors.Is(err, dead) {
			t.Fatal(err)
		}
		if die {
			crashes++
		}
		abandon(t, s)
	}
	if crashes < 5 {
		t.Fatalf("only %d crashes were tried", crashes)
	}
}

// The commit of gateway.db says that it failed when it is there nevertheless, as bbolt's
// does if its last sync fails: what is given again counts once.
func TestFailedCommitThatIsThere(t *testing.T) {
	failed := errors.New("input/output error")
	var fail bool
	s, err := Open(context.Background(), t.TempDir(), Options{synced: func() error {
		if fail {
			return failed
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	var entries []store.Entry
	for i := range 30 {
		entries = append(entries, entry(uint64(i+1), day0.Add(time.Duration(i)*time.Minute)))
	}
	for end := 10; end <= 30; end += 10 {
		for _, fail = range []bool{true, false} {
			if err := s.Append(context.Background(), entries[:end]); fail != errors.Is(err, failed) || !fail && err != nil {
				t.Fatal(err)
			}
		}
	}
	if rows, rowCost, rolled, rolledCost := sum(t, s); rows != 30 || rolled != 30 || rowCost != rolledCost {
		t.Errorf("rows %d of %d, roll-ups %d of %d; want 30 of each", rows, rowCost, rolled, rolledCost)
	}
}

func adjustments(entries []store.Entry) (n int64) {
	for _, e := range entries {
		if e.Kind == store.EntryAdjust {
			n++
		}
	}
	return n
}

// abandon lets go of the files as a process does that dies: unmarked.
func abandon(t *testing.T, s *Store) {
	t.Helper()
	if err := errors.Join(s.days.close(), s.db.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestUncleanStartIsChecked(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	var entries []store.Entry
	for i := range 3000 {
		entries = append(entries, entry(uint64(i+1), day0.Add(time.Duration(i)*time.Second)))
	}
	if err := s.Append(context.Background(), entries); err != nil {
		t.Fatal(err)
	}
	abandon(t, s)
	sound, err := Open(context.Background(), dir, Options{})
	if err != nil {
		t.Fatalf("a sound store that was not closed: %v", err)
	}
	abandon(t, sound)
	// A leaf page in the middle of the day file is lost.
	path := filepath.Join(dir, "usage", "2026-11-23.db")
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	fi, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	page := int64(os.Getpagesize())
	for at := 20 * page; at < fi.Size()-page; at += 8 * page {
		if _, err := f.WriteAt(make([]byte, 16), at); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(context.Background(), dir, Options{}); !errors.Is(err, store.ErrCorrupt) || !strings.Contains(err.Error(), path) {
		t.Fatalf("a damaged day file: %v", err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	open(t, dir, Options{}) // moved away, the rest starts
}

func TestLockedByAnother(t *testing.T) {
	dir := t.TempDir()
	open(t, dir, Options{})
	start := time.Now()
	_, err := Open(context.Background(), dir, Options{})
	if took := time.Since(start); !errors.Is(err, store.ErrLocked) || took > 10*time.Second || !strings.Contains(err.Error(), dir) {
		t.Fatalf("after %v: %v", took, err)
	}
}

func TestSchemas(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{schema: 1})
	if _, err := s.Apply(context.Background(), store.Change{Meta: &store.MetaValue{Name: "n", Value: []byte("old")}}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	// An unknown way leaves the file as it is.
	if _, err := Open(context.Background(), dir, Options{schema: 2, migrations: map[uint64]func(*bucketTx) error{}}); err == nil {
		t.Fatal("a migration that is not known passes")
	}
	up := map[uint64]func(*bucketTx) error{
		1: func(tx *bbolt.Tx) error { return tx.Bucket(bValues).Put([]byte("n"), []byte("new")) },
		2: func(tx *bbolt.Tx) error {
			return tx.Bucket(bValues).Put([]byte("m"), tx.Bucket(bValues).Get([]byte("n")))
		},
	}
	s = open(t, dir, Options{schema: 3, migrations: up})
	snap, err := s.Load(context.Background())
	if err != nil || !reflect.DeepEqual(snap.Meta, map[string][]byte{"n": []byte("new"), "m": []byte("new")}) {
		t.Fatalf("%v, %q", err, snap.Meta)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(context.Background(), dir, Options{}); !errors.Is(err, store.ErrNewer) {
		t.Fatalf("a newer store: %v", err)
	}
	// The copy is the old store.
	if err := os.Rename(filepath.Join(dir, "gateway.db.bak-v1"), filepath.Join(dir, "gateway.db")); err != nil {
		t.Fatal(err)
	}
	snap, err = open(t, dir, Options{}).Load(context.Background())
	if err != nil || string(snap.Meta["n"]) != "old" || snap.Meta["m"] != nil {
		t.Fatalf("the copy holds %q, %v", snap.Meta, err)
	}
}

func TestNewerDayFile(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	if err := s.Append(context.Background(), []store.Entry{entry(1, day0)}); err != nil {
		t.Fatal(err)
	}
	f, err := s.days.acquire("2026-11-23", false)
	if err != nil {
		t.Fatal(err)
	}
	err = f.db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(bMeta).Put(kSchema, be64(schema+1)) })
	s.days.release(f)
	if err = errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, Options{})
	if _, err := s.Usage(context.Background(), store.UsageQuery{}); !errors.Is(err, store.ErrNewer) {
		t.Fatalf("reading: %v", err)
	}
	if err := s.Append(context.Background(), []store.Entry{entry(2, day0.Add(time.Second))}); !errors.Is(err, store.ErrNewer) {
		t.Fatalf("writing: %v", err)
	}
}

func TestModes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	s := open(t, dir, Options{})
	if err := s.Append(context.Background(), []store.Entry{entry(1, day0)}); err != nil {
		t.Fatal(err)
	}
	f := func(path string, want os.FileMode) {
		t.Helper()
		fi, err := os.Stat(filepath.Join(dir, path))
		if err != nil || fi.Mode().Perm() != want {
			t.Fatalf("%s: %v, %v", path, fi.Mode(), err)
		}
	}
	f("", 0o700)
	f("usage", 0o700)
	f("gateway.db", 0o600)
	f("usage/2026-11-23.db", 0o600)
	if err := errors.Join(s.Close(), os.Chmod(filepath.Join(dir, "gateway.db"), 0o644)); err != nil {
		t.Fatal(err)
	}
	open(t, dir, Options{})
	f("gateway.db", 0o600)
}

func TestRetain(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{OpenDays: 2})
	var entries []store.Entry
	for i := range 10 {
		entries = append(entries, entry(uint64(i+1), day0.AddDate(0, 0, i).Add(23*time.Hour)))
	}
	if err := s.Append(context.Background(), entries); err != nil {
		t.Fatal(err)
	}
	if n := len(s.days.open); n > 2 {
		t.Errorf("%d day files are open", n)
	}
	held, err := s.days.acquire("2026-11-25", false) // a reader of the third day
	if err != nil {
		t.Fatal(err)
	}
	if n, err := s.Retain(context.Background(), day0.AddDate(0, 0, 4).Add(-time.Nanosecond)); n != 3 || err != nil {
		t.Fatalf("removed %d, %v", n, err)
	}
	third := filepath.Join(dir, "usage", "2026-11-25.db")
	if _, err := os.Stat(third); err != nil {
		t.Errorf("a file is removed under its reader: %v", err)
	}
	s.days.release(held)
	if _, err := os.Stat(third); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file stays after its last reader: %v", err)
	}
	if n, err := s.Retain(context.Background(), day0.AddDate(0, 0, 4)); n != 1 || err != nil {
		t.Fatalf("removed %d, %v", n, err)
	}
	rows, _, rolled, _ := sum(t, s)
	if rows != 6 || rolled != 10 {
		t.Errorf("%d rows and %d in roll-ups, want 6 and 10", rows, rolled)
	}
	// A correction of what is gone changes nothing and makes no file.
	gone := store.Entry{Boot: "B", Seq: 11, Kind: store.EntryAdjust, RequestID: entries[0].Row.RequestID, Day: day0, DeltaNano: 5}
	if err := s.Append(context.Background(), []store.Entry{gone}); err != nil {
		t.Fatal(err)
	}
	if files, err := os.ReadDir(filepath.Join(dir, "usage")); err != nil || len(files) != 6 {
		t.Errorf("%d files, %v", len(files), err)
	}
}

func TestRetainTotals(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	var entries []store.Entry
	for i := range 6000 { // more than one transaction removes
		entries = append(entries, entry(uint64(i+1), day0.Add(time.Duration(i)*15*time.Minute)))
	}
	if err := s.Append(context.Background(), entries); err != nil {
		t.Fatal(err)
	}
	if n, err := s.RetainTotals(context.Background(), day0.Add(5500*15*time.Minute)); n != 5500 || err != nil {
		t.Fatalf("removed %d, %v", n, err)
	}
	if rows, _, rolled, _ := sum(t, s); rows != 6000 || rolled != 500 {
		t.Errorf("%d rows and %d in roll-ups", rows, rolled)
	}
}

func TestInventedModels(t *testing.T) {
	s := open(t, t.TempDir(), Options{NewModelsPerDay: 3})
	var entries []store.Entry
	for i := range 20 {
		e := entry(uint64(i+1), day0.Add(time.Duration(i)*time.Second))
		e.Row.Model = string(rune('a' + i%10))
		entries = append(entries, e)
	}
	next := entry(21, day0.AddDate(0, 0, 1))
	next.Row.Model = "tomorrow"
	for _, batch := range [][]store.Entry{entries[:7], entries[7:], {next}} {
		if err := s.Append(context.Background(), batch); err != nil {
			t.Fatal(err)
		}
	}
	got, err := s.Totals(context.Background(), store.TotalsQuery{GroupBy: []string{"model"}})
	if err != nil {
		t.Fatal(err)
	}
	by := map[string]int64{}
	for _, x := range got {
		by[x.Group["model"]] = x.Requests
	}
	if len(by) != 5 || by["other"] != 14 || by["tomorrow"] != 1 {
		t.Errorf("%v", by)
	}
	if p, err := s.Usage(context.Background(), store.UsageQuery{Model: "j"}); err != nil || len(p.Rows) != 2 {
		t.Errorf("rows keep their model: %d, %v", len(p.Rows), err)
	}
}

// Rows that end long after they began lie in newer slots than their time: a key's
// pages are in order all the same, over many slots and chunks.
func TestLateRowsInOrder(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	rnd := rand.New(rand.NewPCG(9, 9))
	var entries []store.Entry
	want := map[string]int{}
	for i := range 12_000 {
		at := day0.Add(time.Duration(i)*time.Second + time.Hour)
		if rnd.IntN(20) == 0 {
			at = at.Add(-time.Duration(rnd.IntN(3600)) * time.Second)
		}
		e := entry(uint64(i+1), at)
		e.Row.KeyID = []string{"rare", "common"}[min(1, rnd.IntN(50))]
		want[e.Row.KeyID]++
		entries = append(entries, e)
	}
	for len(entries) > 0 {
		n := min(len(entries), 1+rnd.IntN(700))
		if err := s.Append(context.Background(), entries[:n]); err != nil {
			t.Fatal(err)
		}
		entries = entries[n:]
	}
	for id, n := range want {
		for _, q := range []store.UsageQuery{{KeyID: id, Limit: 333}, {KeyID: id, Limit: 1000, Model: "m"}} {
			got, last := 0, day0.AddDate(1, 0, 0)
			for {
				p, err := s.Usage(context.Background(), q)
				if err != nil {
					t.Fatal(err)
				}
				for _, r := range p.Rows {
					if r.KeyID != id || r.Time.After(last) {
						t.Fatalf("%s: a row of %s at %v after one at %v", id, r.KeyID, r.Time, last)
					}
					last = r.Time
					got++
				}
				if q.Cursor = p.Next; q.Cursor == "" {
					break
				}
			}
			if got != n {
				t.Errorf("%s: %d rows, want %d", id, got, n)
			}
		}
	}
}

// Slots may follow each other in any order of time: the newest rows of all are in the first.
func TestSlotsOutOfOrder(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	var entries []store.Entry
	for _, from := range []int{1000, 0, 500} {
		for i := range slotRows {
			entries = append(entries, entry(uint64(len(entries)+1), day0.Add(time.Duration(from+i)*time.Second)))
		}
	}
	if err := s.Append(context.Background(), entries); err != nil {
		t.Fatal(err)
	}
	p, err := s.Usage(context.Background(), store.UsageQuery{KeyID: "k", Limit: 1000})
	if err != nil || len(p.Rows) != len(entries) {
		t.Fatalf("%d rows, %v", len(p.Rows), err)
	}
	for i := 1; i < len(p.Rows); i++ {
		if p.Rows[i].Time.After(p.Rows[i-1].Time) {
			t.Fatalf("row %d is newer than the one before", i)
		}
	}
}

// A filter without an index looks at no more than ScanLimit rows a call.
func TestScanLimit(t *testing.T) {
	if testing.Short() {
		t.Skip("100,000 rows")
	}
	s := open(t, t.TempDir(), Options{})
	const n, size = store.ScanLimit + 3000, 5000
	for at := 0; at < n; at += size {
		entries := traffic(min(size, n-at), 3, day0.Add(time.Duration(at)*time.Millisecond*800), 800*time.Millisecond)
		for i := range entries {
			entries[i].Seq += uint64(at)
		}
		if at == 0 {
			entries[0].Row.Account = "first"
		}
		if err := s.Append(context.Background(), entries); err != nil {
			t.Fatal(err)
		}
	}
	p, err := s.Usage(context.Background(), store.UsageQuery{Account: "first"})
	if err != nil || len(p.Rows) != 0 || !p.Partial || p.Next == "" || !p.LookedTo.Equal(day0.Add(3000*800*time.Millisecond)) {
		t.Fatalf("%d rows, partial %v, next %q, looked to %v, %v", len(p.Rows), p.Partial, p.Next, p.LookedTo, err)
	}
	p, err = s.Usage(context.Background(), store.UsageQuery{Account: "first", Cursor: p.Next})
	if err != nil || len(p.Rows) != 1 || p.Partial || p.Next != "" {
		t.Fatalf("%d rows, partial %v, next %q, %v", len(p.Rows), p.Partial, p.Next, err)
	}
}
