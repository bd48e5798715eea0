package ledger

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"
)

// TestHoldTable: a table whose hashes collide does what a map does.
func TestHoldTable(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var table holdTable
	open := map[string]*openHold{}
	reserved := int64(0)
	for i := range 20_000 {
		n := r.IntN(300)
		id, hash := strconv.Itoa(n), uint64(n%50)<<(n%3*4) // several of one hash, and of one chain
		was := open[id]
		if found := *table.find(id, hash); found != was {
			t.Fatalf("step %d: found %v, want %v", i, found, was)
		}
		if r.IntN(300) > len(open)-i%200 {
			h := table.add(id, hash, hold(int64(i)), time.Unix(int64(i), 0))
			if was == nil != (h != nil) {
				t.Fatalf("step %d: added %v beside %v", i, h, was)
			}
			if h != nil {
				open[id] = h
				reserved += int64(i)
			}
		} else if h := table.remove(id, hash); h != was {
			t.Fatalf("step %d: removed %v, want %v", i, h, was)
		} else if h != nil {
			delete(open, id)
			reserved -= h.hold.ReservedNano
		}
		if table.count != len(open) || table.reserved != reserved {
			t.Fatalf("step %d: %d holds of %d, want %d of %d", i, table.count, table.reserved, len(open), reserved)
		}
	}
	seen := 0
	for h := range table.all {
		if seen++; open[h.requestID] != h {
			t.Errorf("%v is not open", h)
		}
	}
	if seen != len(open) || seen == 0 {
		t.Errorf("%d holds, want %d", seen, len(open))
	}
	for range table.all {
		break
	}
}

// TestRecentIDs: the last ids are known, those long before them are forgotten, and what
// was never settled is found out without a look at each.
func TestRecentIDs(t *testing.T) {
	var r recentIDs
	if r.has(0) {
		t.Error("one is known before any")
	}
	rnd := rand.New(rand.NewPCG(3, 4))
	var all []uint64
	check := func() {
		t.Helper()
		for i := max(0, len(all)-recentSize); i < len(all); i += 61 {
			if !r.has(all[i]) {
				t.Fatalf("id %d of %d is forgotten", i, len(all))
			}
		}
		for i := range max(0, len(all)-3*ageSize) {
			if r.has(all[i]) {
				t.Fatalf("id %d of %d is known still", i, len(all))
			}
		}
	}
	for range 7*ageSize + 7 {
		h := rnd.Uint64()
		all = append(all, h)
		r.add(h)
		if len(all)%(ageSize/2) < 2 {
			check()
		}
	}
	check()
	marked := 0
	for range 10_000 {
		h := rnd.Uint64()
		if slices.ContainsFunc(r.ages[:], func(a age) bool { return a.marked(h) }) {
			marked++
		}
	}
	if marked > 2500 {
		t.Errorf("%d of 10,000 look as if they were known", marked)
	}
}
