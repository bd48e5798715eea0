package server

import (
	"crypto/rand"
	"encoding/binary"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"
)

// NewULID returns a source of ULIDs that rise, whatever the times it is given: those
// of one millisecond by a random step each.
func NewULID() func(at time.Time) string {
	var g ulids
	return g.next
}

type ulids struct {
	mu   sync.Mutex
	last ulid.ULID
	pool [512]byte // random bytes not used yet: asking for few at a time is dear
	left int
}

func (g *ulids) next(at time.Time) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	if ms := ulid.Timestamp(at); ms > g.last.Time() || !g.step() {
		_ = g.last.SetTime(max(ms, g.last.Time()+1)) // fails in the year 10889
		copy(g.last[6:], g.random(10))
		g.last[6] &= 0x7f // room for steps
	}
	var text [ulid.EncodedSize]byte
	_ = g.last.MarshalTextTo(text[:]) // fails for another size only
	return string(text[:])
}

// step makes the next one of the same millisecond; false: there is none.
func (g *ulids) step() bool {
	low := binary.BigEndian.Uint64(g.last[8:])
	sum := low + 1 + uint64(binary.BigEndian.Uint32(g.random(4)))
	binary.BigEndian.PutUint64(g.last[8:], sum)
	if sum > low {
		return true
	}
	high := binary.BigEndian.Uint16(g.last[6:]) + 1
	binary.BigEndian.PutUint16(g.last[6:], high)
	return high != 0
}

func (g *ulids) random(n int) []byte {
	if g.left < n {
		_, _ = rand.Read(g.pool[:]) // never fails: it ends the process instead
		g.left = len(g.pool)
	}
	g.left -= n
	return g.pool[g.left : g.left+n]
}
