package limits

import (
	"math"
	"math/bits"
	"sync/atomic"
	"time"
)

// A gcra is a rate over a minute by the generic cell rate algorithm: one number,
// the theoretical arrival time, in ticks. A taking moves it on by what it costs in
// time; it is allowed while that is not further ahead of now than the burst.
//
// Costs are rounded down to a tick, so that a burst of exactly its size always
// passes. A tick is fine enough that no unit more does, up to a million takings.
type gcra struct{ tat atomic.Int64 }

const (
	ticksPerNano = 64 // a process of four years fits
	minuteTicks  = int64(time.Minute) * ticksPerNano
)

// A rate is how many units a minute allows, and how many at once.
type rate struct{ limit, burst int64 }

// cost is what n units cost in ticks; the largest number where there is no rate
// or it does not fit.
func (r rate) cost(n int64) int64 {
	if n <= 0 {
		return 0
	}
	if r.limit <= 0 {
		return math.MaxInt64
	}
	hi, lo := bits.Mul64(uint64(n), uint64(minuteTicks))
	if hi >= uint64(r.limit) {
		return math.MaxInt64
	}
	q, _ := bits.Div64(hi, lo, uint64(r.limit))
	return int64(min(q, math.MaxInt64))
}

// fits reports whether n units can ever be taken at once.
func (r rate) fits(n int64) bool { return r.limit > 0 && n <= r.burst }

// take takes n units at now (in ticks). If they are not there it takes none and
// returns how many ticks later they are. n must fit.
func (g *gcra) take(r rate, n, now int64) (tat, wait int64, ok bool) {
	cost, most := r.cost(n), r.cost(r.burst)
	for {
		old := g.tat.Load()
		next := addSat(max(old, now), cost)
		if ahead := next - now; ahead > most {
			return 0, ahead - most, false
		}
		if g.tat.CompareAndSwap(old, next) {
			return next, 0, true
		}
	}
}

// wait returns how many ticks after now n units can be taken; 0: at once. n must fit.
func (g *gcra) wait(r rate, n, now int64) int64 {
	return max(0, addSat(max(g.tat.Load(), now), r.cost(n))-now-r.cost(r.burst))
}

// adjust corrects a taking that set the arrival time to tat: n units were taken,
// used was right. What time has given back by now is not given back again.
func (g *gcra) adjust(r rate, n, used, tat, now int64) {
	delta := correction(r, n, used, tat, now)
	for delta != 0 {
		old := g.tat.Load()
		if g.tat.CompareAndSwap(old, addSat(max(old, now), delta)) {
			return
		}
	}
}

// correction is by how much adjust moves the arrival time, in ticks.
func correction(r rate, n, used, tat, now int64) int64 {
	delta := r.cost(used) - r.cost(n)
	if delta < 0 {
		delta = -min(-delta, max(0, tat-now))
	}
	return delta
}

// level returns what is in use at now, in units rounded up, and the ticks until all is free.
func (g *gcra) level(r rate, now int64) (used, reset int64) {
	reset = max(0, g.tat.Load()-now)
	if reset == 0 || r.limit <= 0 {
		return 0, reset
	}
	hi, lo := bits.Mul64(uint64(reset), uint64(r.limit))
	if hi >= uint64(minuteTicks) {
		return math.MaxInt64, reset
	}
	q, rest := bits.Div64(hi, lo, uint64(minuteTicks))
	if rest != 0 && q < math.MaxInt64 {
		q++
	}
	return int64(min(q, math.MaxInt64)), reset
}

// addSat adds; a sum that does not fit is the largest or smallest number.
func addSat(a, b int64) int64 {
	c := a + b
	if (c > a) == (b > 0) {
		return c
	}
	if b > 0 {
		return math.MaxInt64
	}
	return math.MinInt64
}
