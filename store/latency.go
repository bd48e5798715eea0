package store

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/bits"
	"time"
)

// HistogramBuckets is how many buckets a Histogram has: eight to each doubling of a
// microsecond, so that a quantile is off by 6 % at most, up to two hours and a half.
const HistogramBuckets = 248

// A Histogram counts durations by bucket. nil is empty.
type Histogram []int64

// BucketOf returns the bucket that d is counted in.
func BucketOf(d time.Duration) int {
	us := uint64(max(0, d.Microseconds()))
	if us < 8 {
		return int(us)
	}
	octave := bits.Len64(us) - 4 // 0 from 8 to 15
	return min(HistogramBuckets-1, 8+octave*8+int(us>>octave)&7)
}

// lowest returns the shortest duration that is counted in bucket i.
func lowest(i int) time.Duration {
	if i < 8 {
		return time.Duration(i) * time.Microsecond
	}
	return time.Duration(8+i&7) << ((i - 8) / 8) * time.Microsecond
}

// Add counts n durations in bucket i.
func (h *Histogram) Add(i int, n int64) {
	if *h == nil {
		*h = make(Histogram, HistogramBuckets)
	}
	(*h)[i] = AddNano((*h)[i], n)
}

// Count returns how many durations are counted.
func (h Histogram) Count() (n int64) {
	for _, c := range h {
		n = AddNano(n, c)
	}
	return n
}

// Quantile returns the duration that the part q of all, from 0 to 1, does not
// exceed, as near as the buckets tell; 0 where nothing is counted.
func (h Histogram) Quantile(q float64) time.Duration {
	all := h.Count()
	if all == 0 {
		return 0
	}
	rank := q * float64(all)
	var below float64
	last := 0
	for i, c := range h {
		if c == 0 {
			continue
		}
		last = i
		if below+float64(c) >= rank {
			from, to := lowest(i), lowest(i+1)
			return from + time.Duration(float64(to-from)*max(0, rank-below)/float64(c))
		}
		below += float64(c)
	}
	return lowest(last + 1)
}

// Append writes h: how many buckets are in use, then of each its distance from the
// one before and its count.
func (h Histogram) Append(dst []byte) []byte {
	used := uint64(0)
	for _, c := range h {
		if c != 0 {
			used++
		}
	}
	dst = binary.AppendUvarint(dst, used)
	before := 0
	for i, c := range h {
		if c != 0 {
			dst = binary.AppendUvarint(binary.AppendUvarint(dst, uint64(i-before)), uint64(c))
			before = i
		}
	}
	return dst
}

// AddEncoded adds what Append wrote to h and returns the bytes behind it.
func (h *Histogram) AddEncoded(b []byte) (rest []byte, err error) {
	used, n := binary.Uvarint(b)
	if n <= 0 || used > HistogramBuckets {
		return nil, ErrCorrupt
	}
	if b = b[n:]; used == 0 {
		return b, nil
	}
	if *h == nil {
		*h = make(Histogram, HistogramBuckets)
	}
	counts, at := *h, 0
	for range used {
		if len(b) >= 2 && b[0] < 0x80 && b[1] < 0x80 { // nearly all
			if at += int(b[0]); at >= len(counts) {
				return nil, ErrCorrupt
			}
			counts[at] = AddNano(counts[at], int64(b[1]))
			b = b[2:]
			continue
		}
		step, n := binary.Uvarint(b)
		if n <= 0 {
			return nil, ErrCorrupt
		}
		count, m := binary.Uvarint(b[n:])
		if m <= 0 || step >= HistogramBuckets || at+int(step) >= len(counts) || count > 1<<62 {
			return nil, ErrCorrupt
		}
		at += int(step)
		counts[at] = AddNano(counts[at], int64(count))
		b = b[n+m:]
	}
	return b, nil
}

// A Timing is the histograms of one roll-up: of durations and of times to the first byte.
type Timing [2]Histogram

// timingVersion is of what Timing.Append writes.
const timingVersion = 1

// Append writes t, for AddEncoded to read.
func (t *Timing) Append(dst []byte) []byte {
	return t[1].Append(t[0].Append(append(dst, timingVersion)))
}

// AddEncoded adds what Append wrote.
func (t *Timing) AddEncoded(b []byte) (err error) {
	if len(b) == 0 || b[0] != timingVersion {
		return fmt.Errorf("unknown histogram: %w", ErrCorrupt)
	}
	b = b[1:]
	for i := range t {
		if b, err = t[i].AddEncoded(b); err != nil {
			return fmt.Errorf("histogram cut short: %w", err)
		}
	}
	return nil
}

// Clear empties t for its next use.
func (t *Timing) Clear() {
	clear(t[0])
	clear(t[1])
}

// Observe calls each for what r adds to the histograms of its roll-up: which of a
// Timing, and the bucket.
func Observe(r *UsageRow, each func(which, bucket uint8)) {
	if !r.Timed() {
		return
	}
	each(0, uint8(BucketOf(r.Duration)))
	if r.TTFT > 0 {
		each(1, uint8(BucketOf(r.TTFT)))
	}
}

// A LatencyQuery selects and groups histograms of durations.
type LatencyQuery struct {
	Since, Until             time.Time // as of a TotalsQuery
	GroupBy                  []string  // of: model, provider, account, day, hour, quarter
	Zone                     *time.Location
	Model, Provider, Account string // "" = all
}

// A Latency is how long the requests of one group took that were answered in full:
// all of it, and of those that sent content the time to its first byte.
type Latency struct {
	Group          map[string]string // as of a Total
	Duration, TTFT Histogram
}

// Timed reports whether the row is one whose durations are counted.
func (r *UsageRow) Timed() bool {
	return (r.EndReason == EndComplete || r.EndReason == "") && !r.Failed()
}

// Latencies is what a store has besides that keeps histograms of durations, for
// each quarter of an hour, model, provider and account.
type Latencies interface {
	Latency(ctx context.Context, q LatencyQuery) ([]Latency, error)
}
