//go:build unix

package bolt

import (
	"context"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/your-org/ai-api-gateway/store"
)

// BenchmarkAppendReadBack gives the store what the applier of a busy gateway gives it:
// a quarter of a second at a time, as read back from the log. An operation is a row.
func BenchmarkAppendReadBack(b *testing.B) {
	s := open(b, b.TempDir(), Options{})
	const size = 4096
	var used time.Duration
	for i := 0; i*size < b.N; i++ {
		entries := traffic(size, 20, day0.Add(time.Duration(i)*size*60*time.Microsecond), 60*time.Microsecond)
		for j := range entries {
			entries[j].Seq += uint64(i * size)
			if err := store.DecodeWhole(store.AppendEntry(nil, &entries[j]), &entries[j]); err != nil {
				b.Fatal(err)
			}
		}
		start := cpu()
		if err := s.Append(context.Background(), entries); err != nil {
			b.Fatal(err)
		}
		used += cpu() - start
	}
	b.ReportMetric(float64(used.Nanoseconds())/float64(b.N), "cpu-ns/row")
}

// TestAppendAgain: the memory of a batch's rows serves the next, however large either
// is; what the first wrote stays.
func TestAppendAgain(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	ctx := context.Background()
	var all []store.Entry
	most := 0
	for i, n := range []int{1000, 3, 500, 2000, 40} {
		entries := traffic(n, 7, day0.Add(time.Duration(i)*time.Hour), time.Millisecond)
		for j := range entries {
			e := &entries[j]
			e.Seq = uint64(len(all) + j + 1)
			if j%3 == 0 { // one after the other does not fit into a piece's rest
				e.Row.Metadata = map[string]string{"n": strings.Repeat(string(rune('a'+j%26)), 1000*(j%16))}
			}
			if err := store.DecodeWhole(store.AppendEntry(nil, e), e); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Append(ctx, entries); err != nil {
			t.Fatal(err)
		}
		all = append(all, entries...)
		most = max(most, len(s.values.pieces))
	}
	if kept := len(s.values.pieces); most < 2*keptPieces || kept > keptPieces {
		t.Errorf("%d pieces are kept of %d", kept, most)
	}
	at := len(all)
	for q := (store.UsageQuery{Limit: 1000}); at > 0; {
		page, err := s.Usage(ctx, q)
		if err != nil {
			t.Fatal(err)
		}
		for i := range page.Rows {
			at--
			if want := all[at].Row; !reflect.DeepEqual(&page.Rows[i], want) {
				t.Fatalf("row %d is %+v, want %+v", at, page.Rows[i], want)
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
