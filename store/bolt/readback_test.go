//go:build unix

package bolt

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/your-org/ai-api-gateway/store"
)

// peeked makes entries what the applier has of them: the rows as they are in the log alone.
func peeked(t testing.TB, log []byte, entries []store.Entry) []byte {
	t.Helper()
	for i := range entries {
		e := &entries[i]
		boot, at := e.Boot, len(log)
		log = store.AppendEntry(log, e)
		if err := store.PeekEntry(log[at:], e); err != nil {
			t.Fatal(err)
		}
		e.Boot = boot
	}
	return log
}

// BenchmarkAppendReadBack gives the store what the applier of a busy gateway gives it:
// a quarter of a second at a time, as read back from the log. An operation is a row.
func BenchmarkAppendReadBack(b *testing.B) {
	s := open(b, b.TempDir(), Options{})
	const size = 4096
	var used time.Duration
	log := make([]byte, 0, 8<<20)
	for i := 0; i*size < b.N; i++ {
		entries := traffic(size, 20, day0.Add(time.Duration(i)*size*60*time.Microsecond), 60*time.Microsecond)
		for j := range entries {
			entries[j].Seq += uint64(i * size)
		}
		log = peeked(b, log[:0], entries)
		start := cpu()
		if err := s.Append(context.Background(), entries); err != nil {
			b.Fatal(err)
		}
		used += cpu() - start
	}
	b.ReportMetric(float64(used.Nanoseconds())/float64(b.N), "cpu-ns/row")
}

// TestAppendEncoded: rows that come in their stored form are kept as those that come
// decoded, also where that form does not say the time that they are kept under, and are
// corrected within their batch. Nothing refers to that form any more afterwards.
func TestAppendEncoded(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	ctx := context.Background()
	all := traffic(2000, 7, day0, time.Millisecond)
	want := make([]store.UsageRow, len(all))
	for i := range all {
		e := &all[i]
		e.Row.Metadata = map[string]string{"n": fmt.Sprint(i)}
		want[i] = *e.Row
		if i%100 == 50 {
			e.Row.Time = time.Time{} // the entry's counts
		}
	}
	var log []byte // used again for the next, as a log's buffer is
	for i := 0; i < len(all); i += 100 {
		entries := all[i : i+100]
		if i%300 > 0 {
			log = peeked(t, log[:0], entries)
		}
		fix := store.Entry{Boot: "another", Seq: uint64(i + 1), Kind: store.EntryAdjust, RequestID: want[i+70].RequestID, DeltaNano: 5}
		want[i+70].CostNano, want[i+70].AdjustedNano = want[i+70].CostNano+5, 5
		if err := s.Append(ctx, append(slices.Clone(entries), fix)); err != nil {
			t.Fatal(err)
		}
		clear(log[:cap(log)])
	}
	at := len(all)
	for q := (store.UsageQuery{Limit: 1000}); at > 0; {
		page, err := s.Usage(ctx, q)
		if err != nil {
			t.Fatal(err)
		}
		for i := range page.Rows {
			at--
			if !reflect.DeepEqual(page.Rows[i], want[at]) {
				t.Fatalf("row %d is %+v, want %+v", at, page.Rows[i], want[at])
			}
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			break
		}
	}
	if at != 0 {
		t.Errorf("%d rows are missing", at)
	}
	if v, err := s.Verify(ctx); err != nil || v.Fault != "" {
		t.Errorf("%+v, %v", v, err)
	}
}
