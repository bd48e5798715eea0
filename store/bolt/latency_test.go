package bolt

import (
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/your-org/ai-api-gateway/store"
)

// A store of schema 1 gets histograms when it is opened. They begin with what comes
// then; the proof asks for none of before.
func TestHistogramsAreAdded(t *testing.T) {
	dir := t.TempDir()
	s := ledgerOf(t, dir)
	want := verify(t, s)
	err := s.db.Update(func(tx *bbolt.Tx) error {
		if err := tx.Bucket(bMeta).Put(kSchema, be64(1)); err != nil {
			return err
		}
		return tx.DeleteBucket(bLatency)
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, Options{})
	got := verify(t, s)
	if got.Fault != "" || got.RollUps >= want.RollUps || got.Rows != want.Rows {
		t.Fatalf("%+v became %+v", want, got)
	}
	late := entry(1, day0.AddDate(0, 0, 30))
	late.Boot = "later"
	if err := s.Append(t.Context(), []store.Entry{late}); err != nil {
		t.Fatal(err)
	}
	sums, err := s.Latency(t.Context(), store.LatencyQuery{})
	if err != nil || len(sums) != 1 || sums[0].Duration.Count() != 1 {
		t.Fatalf("%+v, %v", sums, err)
	}
	if v := verify(t, s); v.Fault != "" {
		t.Fatalf("%+v", v)
	}
	err = s.db.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket(bLatency)
		k, _ := b.Cursor().Last()
		var more store.Timing
		more[0].Add(9, 1)
		return b.Put(k, more.Append(nil))
	})
	if err != nil {
		t.Fatal(err)
	}
	if v := verify(t, s); !strings.Contains(v.Fault, "its rows come to") || !strings.Contains(v.FaultRows, "histogram") {
		t.Fatalf("a changed histogram passes: %+v", v)
	}
}
