package bolt

import (
	"context"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/your-org/ai-api-gateway/store"
)

func verify(t testing.TB, s *Store) store.Verification {
	t.Helper()
	v, err := s.Verify(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// ledgerOf fills a store with rows of two days, of more models than have roll-ups
// of their own, with corrections and a crash row that was resolved.
func ledgerOf(t *testing.T, dir string) *Store {
	t.Helper()
	s := open(t, dir, Options{NewModelsPerDay: 3})
	day := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	var entries []store.Entry
	for i := range 600 {
		e := entry(uint64(i+1), day.Add(time.Duration(i)*3*time.Minute))
		e.Row.Model = fmt.Sprintf("model-%d", i%5)
		e.Row.CostNano, e.Row.MarkupNano = int64(1000+i), int64(i%3)
		e.Row.Attempts = []store.Attempt{{CostNano: int64(400 + i)}, {CostNano: 600}}
		if i == 7 {
			e.Row.Flags, e.Row.EndReason, e.Row.CostNano, e.Row.MarkupNano, e.Row.ReservedNano, e.Row.Attempts = store.FlagCrashRecovered, store.EndCrash, 0, 0, 50, nil
		}
		entries = append(entries, e)
	}
	fix := func(seq uint64, of int, delta, unconfirmed int64) store.Entry {
		row := entries[of].Row
		return store.Entry{Boot: "B", Seq: seq, Kind: store.EntryAdjust, RequestID: row.RequestID, Day: row.Time, DeltaNano: delta, UnconfirmedNano: unconfirmed}
	}
	entries = append(entries, fix(601, 3, -5, 0), fix(602, 3, 2, 0), fix(603, 7, 44, -50))
	if err := s.Append(context.Background(), entries); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestVerify(t *testing.T) {
	s := ledgerOf(t, t.TempDir())
	v := verify(t, s)
	if v.Fault != "" || v.Days != 2 || v.Rows != 600 || v.Corrections != 3 || v.RollUps < 100 || v.Unproven != 0 {
		t.Errorf("%+v", v)
	}
	if _, err := s.Retain(context.Background(), time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)); err != nil {
		t.Fatal(err)
	}
	if v := verify(t, s); v.Fault != "" || v.Days != 1 || v.Unproven == 0 {
		t.Errorf("after retention: %+v", v)
	}
	if _, err := s.RetainTotals(context.Background(), time.Date(2026, 11, 24, 6, 0, 0, 0, time.UTC)); err != nil {
		t.Fatal(err)
	}
	if v := verify(t, s); v.Fault != "" || v.Unproven != 0 || v.RollUps == 0 {
		t.Errorf("after retention of roll-ups: %+v", v)
	}
}

// Whatever is changed behind the ledger's back is found and named.
func TestVerifyFindsFaults(t *testing.T) {
	f := func(names string, tamper func(s *Store, gateway, day *bbolt.Tx) error) {
		t.Helper()
		s := ledgerOf(t, t.TempDir())
		file, err := s.days.acquire("2026-11-23", false)
		if err != nil {
			t.Fatal(err)
		}
		err = s.db.Update(func(gateway *bbolt.Tx) error {
			return file.db.Update(func(day *bbolt.Tx) error { return tamper(s, gateway, day) })
		})
		s.days.release(file)
		if err != nil {
			t.Fatal(err)
		}
		if v := verify(t, s); v.Fault == "" || !strings.Contains(v.FaultRows+" "+v.Fault, names) {
			t.Errorf("%s: %+v", names, v)
		}
	}
	first := func(b *bbolt.Bucket) (k, v []byte) { k, v = b.Cursor().First(); return k, v }
	change := func(day *bbolt.Tx, of func(*store.UsageRow)) error {
		k, v := first(day.Bucket(bRows))
		var row store.UsageRow
		if err := store.DecodeRow(v, &row); err != nil {
			return err
		}
		of(&row)
		return day.Bucket(bRows).Put(k, store.AppendRow(nil, &row))
	}
	f("its rows come to", func(_ *Store, gateway, _ *bbolt.Tx) error { // a balance that was written over
		k, v := first(gateway.Bucket(bSums))
		var sum sums
		if err := sum.decode(v); err != nil {
			return err
		}
		sum.cost++
		return gateway.Bucket(bSums).Put(k, sum.append(nil))
	})
	f("tokens unconfirmed", func(_ *Store, gateway, _ *bbolt.Tx) error { // tokens that no crash left
		k, v := first(gateway.Bucket(bSums))
		var sum sums
		if err := sum.decode(v); err != nil {
			return err
		}
		sum.heldTokens++
		return gateway.Bucket(bSums).Put(k, sum.append(nil))
	})
	f("its rows come to", func(_ *Store, gateway, _ *bbolt.Tx) error { // a roll-up that is gone
		k, _ := first(gateway.Bucket(bSums))
		return gateway.Bucket(bSums).Delete(k)
	})
	f("says 1 requests", func(_ *Store, gateway, _ *bbolt.Tx) error { // one too many
		k, v := first(gateway.Bucket(bSums))
		slot := binary.BigEndian.Uint32(k)
		return gateway.Bucket(bSums).Put(append(binary.BigEndian.AppendUint32(nil, slot+90), k[4:]...), v)
	})
	f("the file counts 240 rows and holds 239", func(_ *Store, _, day *bbolt.Tx) error {
		k, _ := first(day.Bucket(bRows))
		return day.Bucket(bRows).Delete(k)
	})
	f("its attempts cost", func(_ *Store, _, day *bbolt.Tx) error {
		return change(day, func(r *store.UsageRow) { r.CostNano++ })
	})
	f("corrections of", func(_ *Store, _, day *bbolt.Tx) error {
		return change(day, func(r *store.UsageRow) { r.AdjustedNano++; r.CostNano++ })
	})
	f("corrections", func(_ *Store, _, day *bbolt.Tx) error {
		k, _ := first(day.Bucket(bFixes))
		return day.Bucket(bFixes).Delete(k)
	})
	f("its rows come to", func(_ *Store, _, day *bbolt.Tx) error {
		return change(day, func(r *store.UsageRow) { r.Tokens.Output++ })
	})
	f("kept in another place", func(_ *Store, _, day *bbolt.Tx) error {
		return change(day, func(r *store.UsageRow) { r.Time = r.Time.Add(1) })
	})
	f("it has two rows", func(_ *Store, _, day *bbolt.Tx) error {
		b := day.Bucket(bRows)
		c := b.Cursor()
		_, v := c.First()
		var one, two store.UsageRow
		k, w := c.Next()
		if err := store.DecodeRow(v, &one); err != nil {
			return err
		}
		if err := store.DecodeRow(w, &two); err != nil {
			return err
		}
		two.RequestID = one.RequestID
		return b.Put(k, store.AppendRow(nil, &two))
	})
	f("the file is gone", func(s *Store, _, _ *bbolt.Tx) error { return s.days.drop("2026-11-24") })
}

// A store from before the reductions gets them when it is opened.
func TestReductionsAreMade(t *testing.T) {
	dir := t.TempDir()
	s := ledgerOf(t, dir)
	want := verify(t, s)
	err := s.db.Update(func(tx *bbolt.Tx) error {
		for _, r := range reductions {
			if err := tx.DeleteBucket(r.bucket); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, Options{})
	if got := verify(t, s); got != want || got.Fault != "" {
		t.Errorf("%+v became %+v", want, got)
	}
}
