package bench

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// A histogram counts durations in buckets that are 1/32 wide of what they hold, so
// that a quantile is off by 3 % at most. Many may add at once.
type histogram struct {
	buckets [64 * 32]atomic.Int64
	max     atomic.Int64
}

const fine = 5 // bits below the highest

func bucketOf(n int64) int {
	high := bits.Len64(uint64(n)) - 1
	if high < fine {
		return int(n)
	}
	return (high-fine+1)<<fine + int(n>>(high-fine)) - 1<<fine
}

// lowest is the least value of a bucket.
func lowest(b int) int64 {
	if b < 2<<fine {
		return int64(b)
	}
	shift := b>>fine - 1
	return int64(1<<fine+b&(1<<fine-1)) << shift
}

func (h *histogram) add(d time.Duration) {
	n := max(int64(d), 0)
	h.buckets[bucketOf(n)].Add(1)
	for old := h.max.Load(); n > old && !h.max.CompareAndSwap(old, n); old = h.max.Load() {
	}
}

func (h *histogram) times() Times {
	var total int64
	for i := range h.buckets {
		total += h.buckets[i].Load()
	}
	at := func(q float64) float64 {
		want, seen := int64(q*float64(total)), int64(0)
		for i := range h.buckets {
			if seen += h.buckets[i].Load(); seen > want {
				return float64(min(lowest(i+1)-1, h.max.Load())) / 1e6
			}
		}
		return float64(h.max.Load()) / 1e6
	}
	return Times{at(.5), at(.9), at(.99), at(.999), float64(h.max.Load()) / 1e6}
}
