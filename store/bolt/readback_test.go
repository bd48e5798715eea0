//go:build unix

package bolt

import (
	"context"
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
