//go:build unix

package ledger

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// The benchmarks measure what a settled request (one hold, one settle, the write,
// the fdatasync, and the applier into a store in memory) costs in CPU time of the
// whole process, less what the same loop costs without a ledger.
// Reported: cpu-µs/op, commits/op, p50-µs and p99-µs of Settle.

func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

type settler func(id string) error

func ledgerSettler(l *Ledger) settler {
	return func(id string) error {
		if err := l.Hold(id, hold(5), time.Now()); err != nil {
			return err
		}
		return l.Settle(usageRow(id, 3))
	}
}

// closedLoop runs n requests over ways callers, each at once after the last.
func closedLoop(b *testing.B, n, ways int, settle settler) []time.Duration {
	var next atomic.Int64
	took := make([]time.Duration, n)
	var wg sync.WaitGroup
	for range ways {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(n); i = next.Add(1) {
				start := time.Now()
				if err := settle(fmt.Sprintf("r%d", i)); err != nil {
					b.Error(err)
					return
				}
				took[i-1] = time.Since(start)
			}
		})
	}
	wg.Wait()
	return took
}

// openLoop starts n requests at random moments, rate a second on average.
func openLoop(b *testing.B, n, rate int, settle settler) []time.Duration {
	r := rand.New(rand.NewPCG(1, 2))
	took := make([]time.Duration, n)
	var wg sync.WaitGroup
	at := time.Now()
	for i := range n {
		at = at.Add(time.Duration(r.ExpFloat64() * float64(time.Second) / float64(rate)))
		time.Sleep(time.Until(at))
		wg.Go(func() {
			start := time.Now()
			if err := settle(fmt.Sprintf("r%d", i)); err != nil {
				b.Error(err)
			}
			took[i] = time.Since(start)
		})
	}
	wg.Wait()
	return took
}

func benchmark(b *testing.B, durability string, pace time.Duration, loop func(b *testing.B, n int, s settler) []time.Duration) {
	before := cpuTime()
	loop(b, b.N, func(string) error { _ = usageRow("x", 1); _ = hold(1); return nil })
	base := cpuTime() - before

	s := newMemStore()
	o := options(b.TempDir(), s)
	o.Durability, o.pace = durability, pace
	l := open(b, o)
	b.ResetTimer()
	before = cpuTime()
	took := loop(b, b.N, ledgerSettler(l))
	cpu := cpuTime() - before - base
	b.StopTimer()
	st := l.Stats()
	closeLedger(b, l)
	slices.Sort(took)
	us := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }
	b.ReportMetric(us(cpu)/float64(b.N), "cpu-µs/op")
	b.ReportMetric(float64(st.Commits)/float64(b.N), "commits/op")
	b.ReportMetric(us(took[len(took)/2]), "p50-µs")
	b.ReportMetric(us(took[len(took)*99/100]), "p99-µs")
	b.ReportMetric(1e6*st.SyncSeconds/float64(max(st.Commits, 1)), "sync-µs")
}

func BenchmarkClosed64(b *testing.B) {
	benchmark(b, DurabilitySync, 0, func(b *testing.B, n int, s settler) []time.Duration { return closedLoop(b, n, 64, s) })
}

func BenchmarkClosed64Unpaced(b *testing.B) {
	benchmark(b, DurabilitySync, -1, func(b *testing.B, n int, s settler) []time.Duration { return closedLoop(b, n, 64, s) })
}

func BenchmarkOpen1000(b *testing.B) {
	benchmark(b, DurabilitySync, 0, func(b *testing.B, n int, s settler) []time.Duration { return openLoop(b, n, 1000, s) })
}

func BenchmarkOpen1000Unpaced(b *testing.B) {
	benchmark(b, DurabilitySync, -1, func(b *testing.B, n int, s settler) []time.Duration { return openLoop(b, n, 1000, s) })
}

func BenchmarkOpen1000Async(b *testing.B) {
	benchmark(b, DurabilityAsync, 0, func(b *testing.B, n int, s settler) []time.Duration { return openLoop(b, n, 1000, s) })
}

// BenchmarkLone is one caller alone: what durability adds to a quiet gateway.
func BenchmarkLone(b *testing.B) {
	b.ReportAllocs()
	benchmark(b, DurabilitySync, 0, func(b *testing.B, n int, s settler) []time.Duration { return closedLoop(b, n, 1, s) })
}

// BenchmarkRecord is what a request's own goroutine does for the ledger: a hold and a
// settle that waits for nothing. The disk takes everything and keeps nothing.
func BenchmarkRecord(b *testing.B) {
	s := newMemStore()
	s.setDown(errDown)
	o := options(b.TempDir(), s)
	o.Durability, o.HoldDelay = DurabilityAsync, time.Millisecond
	o.disk = realDisk()
	o.disk.write = func(_ *os.File, p []byte, _ int64) (int, error) { return len(p), nil }
	o.disk.datasync = func(*os.File) error { return nil }
	o.disk.allocate = func(*os.File, int64) error { return nil }
	l := open(b, o)
	ids := make([]string, 1<<12)
	for i := range ids {
		ids[i] = fmt.Sprintf("01KARQ5ZQ8GJ3W9Y8M2T6V%04d", i)
	}
	h, row := hold(5), usageRow("", 3)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		row.RequestID = ids[i%len(ids)]
		err := l.Hold(row.RequestID, h, row.Time)
		for ; err == ErrBusy; err = l.Hold(row.RequestID, h, row.Time) {
			time.Sleep(time.Millisecond)
		}
		if err == nil {
			err = l.Settle(row)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	l.stopApply()
	_ = l.Close(context.Background())
}
