//go:build unix

package bolt

import (
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/your-org/ai-api-gateway/store"
	"github.com/your-org/ai-api-gateway/store/storetest"
)

// rollUps writes the roll-ups that ten million rows of 60 models at 12 accounts
// leave in eight days, without the rows and the keys.
func rollUps(t testing.TB, s *Store, end time.Time) {
	t.Helper()
	const models, requests = 60, 217
	rng := rand.New(rand.NewPCG(5, 6))
	var made [16][]byte // histograms of as many requests
	for i := range made {
		var m store.Timing
		for range requests {
			first := time.Duration(100+rng.ExpFloat64()*400) * time.Millisecond
			m[0].Add(store.BucketOf(first+time.Duration(rng.ExpFloat64()*3000)*time.Millisecond), 1)
			m[1].Add(store.BucketOf(first), 1)
		}
		made[i] = m.Append(nil)
	}
	one := sums{requests: requests, cost: requests * 26_000_000, duration: requests * 3e9,
		tokens: store.Tokens{Input: requests * 4000, CacheRead: requests * 2000, Output: requests * 750, Reasoning: requests * 150}}
	err := s.db.Update(func(tx *bbolt.Tx) error {
		w := s.sumsWriter(tx)
		for slot := slotOf(end.AddDate(0, 0, -storetest.ScaleDays)); slot < slotOf(end); slot++ {
			lean := map[cell]*sums{}
			for model := range models {
				d := dims{model: fmt.Sprintf("model-%02d", model), provider: fmt.Sprintf("vendor-%d", model%6), account: fmt.Sprintf("account-%d", model%12), end: store.EndComplete}
				sum := one
				lean[cell{slot, d}] = &sum
				id, err := w.seriesID(cell{slot, latencyDims(d)})
				if err != nil {
					return err
				}
				if err := tx.Bucket(bLatency).Put(be64(uint64(slot)<<32|uint64(id)), made[rng.IntN(len(made))]); err != nil {
					return err
				}
			}
			if err := w.addAll(tx.Bucket(bLean), lean); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// spent is the time that processors worked for this process.
func spent(t testing.TB) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// TestPages: what the first page asks for is read within 100 ms of work from the
// roll-ups of ten million rows: the sums and latencies of a time, and of the time
// before. The least of several runs counts, for the collector of garbage is in it.
func TestPages(t *testing.T) {
	if testing.Short() {
		t.Skip("measures work, which the race detector multiplies")
	}
	end := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	s := open(t, t.TempDir(), Options{})
	rollUps(t, s, end)
	f := func(name string, span time.Duration) {
		t.Helper()
		since, least, ofSums := end.Add(-span), time.Hour, time.Duration(0)
		for range 5 {
			start := spent(t)
			for _, q := range []store.TotalsQuery{
				{Since: since, Until: end, GroupBy: []string{"hour", "model"}}, {Since: since, Until: end, GroupBy: []string{"hour", "end_reason"}},
				{Since: since.Add(-span), Until: since, GroupBy: []string{"end_reason"}},
			} {
				if _, err := s.Totals(t.Context(), q); err != nil {
					t.Fatal(err)
				}
			}
			sums := spent(t) - start
			for _, q := range []store.LatencyQuery{
				{Since: since, Until: end, GroupBy: []string{"hour"}}, {Since: since, Until: end, GroupBy: []string{"model"}}, {Since: since.Add(-span), Until: since},
			} {
				if _, err := s.Latency(t.Context(), q); err != nil {
					t.Fatal(err)
				}
			}
			if took := spent(t) - start; took < least {
				least, ofSums = took, sums
			}
		}
		t.Logf("the first page of %s: %v of work, of it %v for sums", name, least.Round(10*time.Microsecond), ofSums.Round(10*time.Microsecond))
		if least > 200*time.Millisecond { // twice what is promised, for machines differ
			t.Errorf("the first page of %s takes %v of work, 100 ms is promised", name, least)
		}
	}
	f("a day", 24*time.Hour)
	f("four days", 4*24*time.Hour)
	f("a week", 7*24*time.Hour)
}

// TestFilteredPages: a filter that no row passes looks at as many rows as one call
// may within 100 ms of work; it fails above twice that, for machines differ.
func TestFilteredPages(t *testing.T) {
	if testing.Short() {
		t.Skip("measures work, which the race detector multiplies")
	}
	const rows = store.ScanLimit * 2 / 5
	s := open(t, t.TempDir(), Options{})
	storetest.Fill(t, s, rows, time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC))
	for name, q := range map[string]store.UsageQuery{"account": {Account: "nobody"}, "model": {Model: "model-99"}, "status": {Status: "429"}, "operation": {Operation: "images"}, "failure": {Status: "error"}, "class": {Status: "5xx"}, "text": {Text: "overloaded"}} {
		least := time.Hour
		for range 5 {
			start := spent(t)
			page, err := s.Usage(t.Context(), q)
			if err != nil || len(page.Rows) != 0 {
				t.Fatalf("%s: %d rows, %v", name, len(page.Rows), err)
			}
			least = min(least, spent(t)-start)
		}
		t.Logf("%s: %v of work for %d rows", name, least.Round(10*time.Microsecond), rows)
		if least > 200*time.Millisecond*rows/store.ScanLimit {
			t.Errorf("a page filtered by %s takes %v of work for %d rows", name, least, rows)
		}
	}
}
