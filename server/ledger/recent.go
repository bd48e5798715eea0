package ledger

import "slices"

// recentIDs remembers the last request ids that were settled, recentSize at least, by
// hash: a settle that ends its hold is no second one, so that none is looked for but where
// a request was refused. What is written for each is near what was written before.
type recentIDs struct {
	ages [3]age // one is filled, those before it are whole
	now  int
}

// An age is so many ids in a row.
type age struct {
	ids   []uint64
	marks []uint64 // a bit for the lowest bits of each: most looks end here
}

const (
	recentSize  = 1 << 15
	ageSize     = recentSize / 2
	recentMarks = 16 * ageSize
)

// add notes an id.
func (r *recentIDs) add(hash uint64) {
	a := &r.ages[r.now]
	if len(a.ids) == ageSize {
		r.now = (r.now + 1) % len(r.ages)
		a = &r.ages[r.now]
		a.ids = a.ids[:0]
		clear(a.marks)
	}
	if a.marks == nil {
		a.marks = make([]uint64, recentMarks/64)
	}
	a.ids = append(a.ids, hash)
	a.marks[hash%recentMarks/64] |= 1 << (hash % 64)
}

// has reports whether an id is one of them.
func (r *recentIDs) has(hash uint64) bool {
	for i := range r.ages {
		if a := &r.ages[i]; a.marked(hash) && slices.Contains(a.ids, hash) {
			return true
		}
	}
	return false
}

func (a *age) marked(hash uint64) bool {
	return a.marks != nil && a.marks[hash%recentMarks/64]>>(hash%64)&1 != 0
}
