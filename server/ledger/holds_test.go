package ledger

import (
	"hash/maphash"
	"strconv"
	"testing"
)

// TestRecentIDs: the last ids are known, those before them are forgotten, and what was
// never settled is found out without a look at each.
func TestRecentIDs(t *testing.T) {
	r := recentIDs{seed: maphash.MakeSeed()}
	if r.has("0") {
		t.Error("one is known before any")
	}
	const all = 3*recentSize + 7
	for i := range all {
		r.add(strconv.Itoa(i))
	}
	for i := range recentSize {
		if r.has(strconv.Itoa(i)) {
			t.Fatalf("id %d of %d is known still", i, all)
		}
	}
	marked := 0
	for i := range all - recentSize {
		if r.marks[maphash.String(r.seed, strconv.Itoa(i))%recentMarks] > 0 {
			marked++
		}
	}
	if most := (all - recentSize) / 4; marked > most {
		t.Errorf("%d of %d that are forgotten look as if they were known", marked, all-recentSize)
	}
	total := 0
	for _, n := range r.marks {
		total += int(n)
	}
	if total != recentSize {
		t.Errorf("%d marks of %d ids", total, recentSize)
	}
	for i := all - recentSize; i < all; i += 61 {
		if !r.has(strconv.Itoa(i)) {
			t.Fatalf("id %d is forgotten", i)
		}
	}
}
