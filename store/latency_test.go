package store

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// Buckets lie one behind the other: each duration is in the one whose bounds hold it.
func TestHistogramBuckets(t *testing.T) {
	for i := range HistogramBuckets - 1 {
		if lowest(i) >= lowest(i+1) || BucketOf(lowest(i)) != i || BucketOf(lowest(i+1)-1) != i {
			t.Fatalf("bucket %d from %v to %v: %d, %d", i, lowest(i), lowest(i+1), BucketOf(lowest(i)), BucketOf(lowest(i+1)-1))
		}
	}
	for d, want := range map[time.Duration]int{-1: 0, 0: 0, math.MaxInt64: HistogramBuckets - 1} {
		if got := BucketOf(d); got != want {
			t.Errorf("%v in bucket %d, want %d", d, got, want)
		}
	}
	if lowest(HistogramBuckets-1) < 2*time.Hour {
		t.Errorf("the last bucket begins at %v", lowest(HistogramBuckets-1))
	}
}

func TestHistogramQuantiles(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		var h Histogram
		all := make([]time.Duration, 1+rnd.IntN(3000))
		spread := 1 + rnd.Float64()*8
		for i := range all {
			all[i] = time.Duration(math.Exp(rnd.NormFloat64()*spread/4+13)) * time.Nanosecond * 1000
			all[i] = min(all[i], 2*time.Hour)
			h.Add(BucketOf(all[i]), 1)
		}
		slices.Sort(all)
		if h.Count() != int64(len(all)) {
			t.Fatalf("%d counted of %d", h.Count(), len(all))
		}
		for _, q := range []float64{0, 0.01, 0.5, 0.9, 0.95, 0.99, 1} {
			want := all[max(0, int(math.Ceil(q*float64(len(all))))-1)]
			if got := h.Quantile(q); math.Abs(float64(got-want)) > 0.126*float64(want)+2000 {
				t.Errorf("quantile %v of %d: %v, want %v", q, len(all), got, want)
			}
		}
		var again Histogram
		rest, err := again.AddEncoded(append(h.Append(nil), 7))
		if err != nil || len(rest) != 1 || !slices.Equal(again, h) {
			t.Fatalf("written and read: %v, %d bytes left", err, len(rest))
		}
	}
	if got := (Histogram)(nil).Quantile(0.5); got != 0 {
		t.Errorf("of nothing: %v", got)
	}
}

func FuzzHistogram(f *testing.F) {
	var h Histogram
	h.Add(3, 9)
	h.Add(200, 1<<40)
	f.Add(h.Append(nil))
	f.Add([]byte{2, 247, 1, 1, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		var h, again Histogram
		if _, err := h.AddEncoded(b); err != nil {
			return
		}
		if _, err := again.AddEncoded(h.Append(nil)); err != nil || h.Count() != again.Count() {
			t.Fatalf("%v: %d, %d", err, h.Count(), again.Count())
		}
	})
}
