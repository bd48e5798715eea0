package server

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"
)

func TestULIDsRise(t *testing.T) {
	next := NewULID()
	at := time.UnixMilli(1_700_000_000_000)
	last := ""
	for i := range 20_000 {
		if i%5000 == 4999 {
			at = at.Add(-time.Millisecond) // a clock that was set back
		} else if i%700 == 0 {
			at = at.Add(time.Millisecond)
		}
		id := next(at)
		if u, err := ulid.ParseStrict(id); err != nil {
			t.Fatal(err)
		} else if d := ulid.Time(u.Time()).Sub(at); d < 0 || d > 10*time.Millisecond {
			t.Fatalf("%s says %v, it is %v", id, ulid.Time(u.Time()), at)
		}
		if id <= last {
			t.Fatalf("%s after %s", id, last)
		}
		last = id
	}
}

func TestULIDsOfOneMillisecondRunOut(t *testing.T) {
	last := ulid.MustParse("01ZZZZZZZZZZZZZZZZZZZZZZZZ")
	g := ulids{hi: binary.BigEndian.Uint64(last[:8]), lo: binary.BigEndian.Uint64(last[8:])}
	if g.id() != last {
		t.Fatalf("%s is %s", last, g.id())
	}
	if id, err := ulid.ParseStrict(g.next(ulid.Time(last.Time()))); err != nil || id.Time() != last.Time()+1 {
		t.Fatalf("%s after %s: %v", id, last, err)
	}
}
