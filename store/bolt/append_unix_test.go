//go:build unix

package bolt

import (
	"context"
	"fmt"
	"syscall"
	"testing"
	"time"
)

func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkAppend gives batches of 1,000 rows at 1,000 rows a second of traffic to a
// store that has 200,000 rows of the day; CPU includes commits and collection.
func BenchmarkAppend(b *testing.B) {
	for _, keys := range []int{10, 100, 10_000} {
		b.Run(fmt.Sprint(keys, "keys"), func(b *testing.B) {
			s := open(b, b.TempDir(), Options{})
			const before, size = 200_000, 1000
			// One batch is made again and again, outside the count, so that the
			// benchmark's own heap does not burden the collector.
			give := func(i int) (used time.Duration) {
				entries := traffic(size, keys, day0.Add(time.Duration(i)*time.Second), time.Millisecond)
				for j := range entries {
					entries[j].Seq += uint64(i * size)
				}
				start := cpu()
				if err := s.Append(context.Background(), entries); err != nil {
					b.Fatal(err)
				}
				return cpu() - start
			}
			for i := range before / size {
				give(i)
			}
			b.ResetTimer()
			var used time.Duration
			for i := range b.N {
				used += give(before/size + i)
			}
			b.ReportMetric(float64(used.Nanoseconds())/float64(b.N*size), "cpu-ns/row")
		})
	}
}
