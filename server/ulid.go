package server

import (
	"encoding/binary"
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

type ulids struct {
	mu   sync.Mutex
	last ulid.ULID
}

func (g *ulids) next(at time.Time) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	if ms := ulid.Timestamp(at); ms > g.last.Time() || !g.step() {
		_ = g.last.SetTime(max(ms, g.last.Time()+1))                         // fails in the year 10889
		binary.BigEndian.PutUint16(g.last[6:], uint16(rand.Uint32())&0x7fff) // room for steps
		binary.BigEndian.PutUint64(g.last[8:], rand.Uint64())
	}
	var text [ulid.EncodedSize]byte
	_ = g.last.MarshalTextTo(text[:]) // fails for another size only
	return string(text[:])
}

// step makes the next one of the same millisecond; false: there is none.
func (g *ulids) step() bool {
	low := binary.BigEndian.Uint64(g.last[8:])
	sum := low + 1 + uint64(rand.Uint32())
	binary.BigEndian.PutUint64(g.last[8:], sum)
	if sum > low {
		return true
	}
	high := binary.BigEndian.Uint16(g.last[6:]) + 1
	binary.BigEndian.PutUint16(g.last[6:], high)
	return high != 0
}
