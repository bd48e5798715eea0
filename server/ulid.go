package server

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"
)

// NewULID returns a source of ULIDs that rise, whatever the times it is given: those
// of one millisecond by a random step each. They are no secrets: what is random of them
// comes from the runtime's ChaCha8, which each process seeds from the system.
func NewULID() func(at time.Time) string {
	var g ulids
	return g.next
}

// ulids hold the 128 bits of the last one: 48 of the time in milliseconds, 80 random.
type ulids struct {
	mu     sync.Mutex
	hi, lo uint64
}

func (g *ulids) next(at time.Time) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	if ms := uint64(at.UnixMilli()); ms > g.hi>>16 || !g.step() {
		g.hi = max(ms, g.hi>>16+1)<<16 | uint64(rand.Uint32()>>17) // 15 bits of 16: room for steps
		g.lo = rand.Uint64()
	}
	return g.id().String()
}

// step makes the next one of the same millisecond; false: there is none.
func (g *ulids) step() bool {
	lo, carry := bits.Add64(g.lo, 1+uint64(rand.Uint32()), 0)
	if carry == 1 && g.hi&0xffff == 0xffff {
		return false
	}
	g.hi, g.lo = g.hi+carry, lo
	return true
}

func (g *ulids) id() (id ulid.ULID) {
	binary.BigEndian.PutUint64(id[:8], g.hi)
	binary.BigEndian.PutUint64(id[8:], g.lo)
	return id
}
