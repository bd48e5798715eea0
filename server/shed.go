package server

import (
	"context"
	"math/rand/v2"
	"runtime/metrics"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/your-org/ai-api-gateway/providers"
)

// Bounds of what is taken on, of the memory limit. A request that is refused early
// costs little; one that drives the process out of memory costs all others.
const (
	bodyShare     = 4       // bodies in flight may hold one in this many bytes
	largeBody     = 1 << 20 // refused above highWater
	countedBody   = 64 << 10
	highWater     = 85 // percent that is live: large bodies are refused
	fullWater     = 92 // all new requests are
	gateLook      = 25 * time.Millisecond
	lateTarget    = 100 * time.Millisecond // how late timers may be before requests are shed
	lateWindow    = 20                     // looks, of which the least late one counts
	shedStep      = 0.1
	shedMost      = 0.9
	shedDecay     = 0.8
	retryAfterSec = "1"
)

// A gate decides whether a new request is taken on, before its body is read.
// Without a memory limit only the lateness of timers counts.
type gate struct {
	limit  int64        // of memory, in bytes; 0: none
	bodies atomic.Int64 // bytes that bodies in flight hold or have announced
	live   atomic.Int64 // percent of limit that is live
	shed   atomic.Int64 // share of new requests refused, in thousandths
	random func() float64
}

func newGate(limit int64) *gate { return &gate{limit: limit, random: rand.Float64} }

// admits reports whether a request with a body of n announced bytes (-1: not
// announced) may be taken on.
func (g *gate) admits(n int) bool {
	if s := g.shed.Load(); s > 0 && g.random()*1000 < float64(s) {
		return false
	}
	if g.limit == 0 {
		return true
	}
	live := g.live.Load()
	return live < fullWater && (live < highWater || n >= 0 && n < largeBody) &&
		(n <= countedBody || g.bodies.Load()+int64(n) <= g.limit/bodyShare)
}

// A holding is what one body holds of the gate's bytes. Its zero value holds nothing
// and is of no gate: all fits.
type holding struct {
	g *gate
	n int64
}

// upTo grows the holding to n bytes, in whole steps; false: they do not fit.
func (h *holding) upTo(n int) bool {
	const step = 256 << 10
	if h.g == nil || h.g.limit == 0 || n <= countedBody || int64(n) <= h.n {
		return true
	}
	more := (int64(n)+step-1)/step*step - h.n
	if h.g.bodies.Add(more) > h.g.limit/bodyShare {
		h.g.bodies.Add(-more)
		return false
	}
	h.n += more
	return true
}

func (h *holding) free() {
	if h.n > 0 {
		h.g.bodies.Add(-h.n)
		h.n = 0
	}
}

// watch follows memory and the lateness of timers until ctx ends: a process whose
// timers are late has more to do than processors to do it, and those who wait for
// it have given up by the time they are answered.
func (g *gate) watch(ctx context.Context, now func() time.Time) {
	tick := time.NewTimer(gateLook)
	defer tick.Stop()
	samples := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"}}
	least := time.Duration(1<<63 - 1)
	for i := 1; ; i++ {
		start := now()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		least = min(least, now().Sub(start)-gateLook)
		tick.Reset(gateLook)
		if g.limit > 0 && i%4 == 0 {
			metrics.Read(samples)
			g.live.Store(int64(samples[0].Value.Uint64()+samples[1].Value.Uint64()) * 100 / g.limit)
		}
		if i%lateWindow == 0 {
			g.shed.Store(nextShed(g.shed.Load(), least))
			least = 1<<63 - 1
		}
	}
}

// nextShed raises the share of refused requests by a step while even the least late
// timer of the window was too late, and lowers it by a factor otherwise.
func nextShed(shed int64, late time.Duration) int64 {
	if late > lateTarget {
		return min(shed+shedStep*1000, shedMost*1000)
	}
	return int64(float64(shed) * shedDecay)
}

// overloaded is the answer to a request that is not taken on.
func overloaded(ctx *fasthttp.RequestCtx) *providers.Error {
	ctx.Response.Header.Set("Retry-After", retryAfterSec)
	return &providers.Error{Kind: providers.KindUnavailable, Code: "overloaded",
		Message: "the gateway has more to do than it can: try again in a second"}
}

// Watch keeps an eye on memory and load until ctx ends.
func (s *Server) Watch(ctx context.Context) { s.gate.watch(ctx, s.o.Now) }
