package server

import (
	"testing"
	"time"
)

func TestGateAdmits(t *testing.T) {
	f := func(live, shed int64, random float64, held, body int, want bool) {
		t.Helper()
		g := newGate(100 << 20)
		g.random = func() float64 { return random }
		g.live.Store(live)
		g.shed.Store(shed)
		g.bodies.Store(int64(held))
		if got := g.admits(body); got != want {
			t.Errorf("live %d %%, shed %d, held %d, body %d: %v", live, shed, held, body, got)
		}
	}
	f(10, 0, 0.5, 0, 5<<20, true)
	f(84, 0, 0.5, 0, 5<<20, true)
	f(85, 0, 0.5, 0, 5<<20, false) // large
	f(85, 0, 0.5, 0, 1000, true)
	f(85, 0, 0.5, 0, -1, false) // may become large
	f(92, 0, 0.5, 0, 1000, false)
	f(10, 0, 0.5, 24<<20, 2<<20, false) // bodies hold a quarter at the most
	f(10, 0, 0.5, 24<<20, 1<<20, true)
	f(10, 0, 0.5, 25<<20, 1000, true) // small ones are not counted
	f(10, 500, 0.4, 0, 1000, false)
	f(10, 500, 0.6, 0, 1000, true)
	if !newGate(0).admits(1 << 30) {
		t.Error("without a limit all is admitted")
	}
}

func TestGateBodies(t *testing.T) {
	g := newGate(8 << 20)
	a, b := holding{g: g}, holding{g: g}
	if !a.upTo(1000) || g.bodies.Load() != 0 {
		t.Error("small bodies are not counted")
	}
	first, again := a.upTo(1<<20), a.upTo(1<<20)
	if !first || !again || !b.upTo(512<<10) || g.bodies.Load() != 3<<19 {
		t.Errorf("admitted %v, %v; %d bytes are counted", first, again, g.bodies.Load())
	}
	if b.upTo(2 << 20) {
		t.Error("a quarter of the limit is what bodies may hold")
	}
	a.free()
	if !b.upTo(2 << 20) {
		t.Error("what was freed may be used")
	}
	b.free()
	b.free()
	if g.bodies.Load() != 0 {
		t.Error("what was freed is still counted")
	}
}

func TestNextShed(t *testing.T) {
	s := int64(0)
	for range 30 {
		s = nextShed(s, time.Second)
	}
	if s != 900 {
		t.Errorf("under lasting overload %d of 1000 are refused", s)
	}
	for range 40 {
		s = nextShed(s, time.Millisecond)
	}
	if s != 0 {
		t.Errorf("after the overload %d of 1000 are still refused", s)
	}
}
