package limits

import (
	"math"
	"math/big"
	"sync"
	"testing"
	"time"
)

// naive is the cell rate algorithm without any cleverness: big integers, no atomics.
type naive struct{ tat *big.Int }

func (m *naive) cost(r rate, n int64) *big.Int {
	c := new(big.Int).Mul(big.NewInt(n), big.NewInt(minuteTicks))
	return c.Div(c, big.NewInt(r.limit))
}

func (m *naive) take(r rate, n, now int64) bool {
	next := new(big.Int).Set(m.tat)
	if next.Cmp(big.NewInt(now)) < 0 {
		next.SetInt64(now)
	}
	next.Add(next, m.cost(r, n))
	if ahead := new(big.Int).Sub(next, big.NewInt(now)); ahead.Cmp(m.cost(r, r.burst)) > 0 {
		return false
	}
	m.tat = next
	return true
}

func FuzzGCRA(f *testing.F) {
	f.Add(int64(60), int64(6), []byte{0, 1, 0, 1, 200, 1, 255, 9})
	f.Add(int64(1), int64(1), []byte{1, 1, 1})
	f.Add(int64(7000), int64(7000), []byte{3, 100, 0, 100, 90, 100})
	f.Add(int64(math.MaxInt32), int64(1), []byte{0, 1, 1, 1})
	f.Fuzz(func(t *testing.T, limit, burst int64, steps []byte) {
		r := rate{1 + abs(limit)%1_000_000_000, 1 + abs(burst)%1_000_000_000}
		g, m := &gcra{}, &naive{new(big.Int)}
		now := int64(0)
		for i := 0; i+1 < len(steps) && i < 400; i += 2 {
			now += int64(steps[i]) * int64(steps[i]) * int64(steps[i]) * minuteTicks / 4_000_000
			n := 1 + int64(steps[i+1])*r.burst/300
			if !r.fits(n) {
				continue
			}
			_, wait, got := g.take(r, n, now)
			want := m.take(r, n, now)
			if got != want || big.NewInt(g.tat.Load()).Cmp(m.tat) != 0 {
				t.Fatalf("%+v: taking %d at %d: %v, the model says %v; %d against %v", r, n, now, got, want, g.tat.Load(), m.tat)
			}
			if !got { // exactly when it says, it is there
				if wait <= 0 {
					t.Fatalf("denied for %d ticks", wait)
				}
				probe := *m
				if probe.take(r, n, now+wait-1) {
					t.Fatalf("%+v: %d units are there before the %d ticks that were asked for", r, n, wait)
				}
				probe = *m
				if !probe.take(r, n, now+wait) {
					t.Fatalf("%+v: %d units are not there after %d ticks", r, n, wait)
				}
			}
			if used, reset := g.level(r, now); used < 0 || reset < 0 {
				t.Fatalf("level %d, %d", used, reset)
			}
		}
	})
}

func abs(n int64) int64 {
	if n < 0 {
		return max(0, -(n + 1))
	}
	return n
}

// TestRow70ExactRates: at a limit the counts are exact, to the nanosecond around a reset.
func TestRow70ExactRates(t *testing.T) {
	f := func(limit, burst, n, want int64) {
		t.Helper()
		r := rate{limit, burst}
		g := &gcra{}
		got := int64(0)
		for range want + 5 {
			if _, _, ok := g.take(r, n, 0); ok {
				got++
			}
		}
		if got != want {
			t.Errorf("%+v in parts of %d: %d at once, want %d", r, n, got, want)
		}
	}
	f(60, 6, 1, 6)
	f(60, 60, 1, 60)
	f(3, 1, 1, 1)
	f(7, 7, 1, 7)
	f(7, 3, 1, 3)
	f(7000, 7000, 100, 70)
	f(7001, 7001, 100, 70)
	f(1_000_000, 1_000_000, 1, 1_000_000)
	f(999_983, 999_983, 1, 999_983)
	f(100_000_000, 100_000_000, 99_999, 1000)
	f(600, 6, 7, 0) // larger than the burst

	r := rate{60, 1}
	g := &gcra{}
	at := func(d time.Duration) int64 { return int64(d) * ticksPerNano }
	if _, _, ok := g.take(r, 1, at(0)); !ok {
		t.Fatal("the first is denied")
	}
	_, wait, ok := g.take(r, 1, at(time.Second-1))
	if ok || wait != ticksPerNano {
		t.Errorf("1 ns before: %v, wait %d ticks", ok, wait)
	}
	if _, _, ok := g.take(r, 1, at(time.Second)); !ok {
		t.Error("denied at the reset")
	}
	if _, _, ok := g.take(r, 1, at(2*time.Second+1)); !ok {
		t.Error("denied 1 ns after")
	}
	if (rate{0, 1}).fits(1) || !(rate{1, 1}).fits(1) {
		t.Error("a limit of 0 allows something, or one of 1 nothing")
	}
	// A minute's whole use is the limit and the burst, in any minute.
	steady := &gcra{}
	r, n := rate{7, 1}, 0
	for ns := time.Duration(0); ns < 10*time.Minute; ns += 100 * time.Millisecond {
		if _, _, ok := steady.take(r, 1, at(ns)); ok {
			n++
		}
	}
	if n != 70 {
		t.Errorf("%d in ten minutes of 7, want 70", n)
	}
}

func TestAdjust(t *testing.T) {
	r := rate{6000, 6000} // 100 a second
	at := func(d time.Duration) int64 { return int64(d) * ticksPerNano }
	used := func(g *gcra, now int64) int64 { n, _ := g.level(r, now); return n }
	g := &gcra{}
	tat, _, _ := g.take(r, 5000, 0)
	g.adjust(r, 5000, 1000, tat, 0)
	if n := used(g, 0); n != 1000 {
		t.Errorf("%d in use after a refund, want 1000", n)
	}
	g.adjust(r, 1000, 3000, g.tat.Load(), 0)
	if n := used(g, 0); n != 3000 {
		t.Errorf("%d in use after a charge, want 3000", n)
	}
	// What time has given back is not given back again: others have taken it since.
	g = &gcra{}
	tat, _, _ = g.take(r, 1000, 0)
	g.take(r, 6000, at(10*time.Second))
	g.adjust(r, 1000, 0, tat, at(10*time.Second))
	if n := used(g, at(10*time.Second)); n != 6000 {
		t.Errorf("%d in use, want 6000: the refund took from another", n)
	}
	// More than was reserved can be used than is allowed at once; it is paid off.
	g = &gcra{}
	tat, _, _ = g.take(r, 6000, 0)
	g.adjust(r, 6000, 18000, tat, 0)
	if _, wait, ok := g.take(r, 6000, 0); ok || wait != 3*minuteTicks {
		t.Errorf("%v after %d ticks, want three minutes", ok, wait)
	}
	g.adjust(rate{1, 1}, 0, math.MaxInt64, 0, 0)
	if g.tat.Load() != math.MaxInt64 {
		t.Error("a sum that does not fit is not the largest")
	}
}

// TestTakeTogether: many at once get what there is, no more and no less.
func TestTakeTogether(t *testing.T) {
	r := rate{100_000, 1000}
	g := &gcra{}
	var wg sync.WaitGroup
	var got [8]int
	for i := range got {
		wg.Go(func() {
			for range 1000 {
				if _, _, ok := g.take(r, 1, 0); ok {
					got[i]++
				}
			}
		})
	}
	wg.Wait()
	sum := 0
	for _, n := range got {
		sum += n
	}
	if sum != 1000 {
		t.Errorf("%d were taken of 1000", sum)
	}
}
