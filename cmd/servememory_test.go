package cmd

import "testing"

func TestPercentFor(t *testing.T) {
	f := func(live, room uint64, want int) {
		t.Helper()
		if got := percentFor(live, room); got != want {
			t.Errorf("percentFor(%d, %d) = %d, want %d", live, room, got, want)
		}
	}
	f(0, 64<<20, 400)
	f(10<<20, 64<<20, 400) // little is live: a multiple of it is little, too
	f(32<<20, 64<<20, 200) // the garbage is bounded
	f(40<<20, 64<<20, 160)
	f(64<<20, 64<<20, 100)
	f(1<<30, 64<<20, 100) // much is live: as Go does by itself
	f(32<<20, 16<<20, 100)
}
