package store

import "time"

// Add adds the sums of u to t; they stop at the largest int64.
func (t *Total) Add(u *Total) {
	to, from := t.Numbers(), u.Numbers()
	for i := range to {
		*to[i] = AddNano(*to[i], *from[i])
	}
}

// Numbers lists the sums of t, always in the same order: requests, errors,
// estimated, cost, duration, markup, unconfirmed nano-USD and tokens, then the
// buckets of Tokens in the order they are declared in.
func (t *Total) Numbers() [22]*int64 {
	n := [22]*int64{
		&t.Requests, &t.Errors, &t.Estimated, &t.CostNano, (*int64)(&t.Duration),
		&t.MarkupNano, &t.UnconfirmedNano, &t.UnconfirmedTokens,
	}
	tokens := t.Tokens.fields()
	copy(n[8:], tokens[:])
	return n
}

// RowTime is the time that the row of a settle is kept under, UTC: its own, else
// the entry's, within 1970 to 2261.
func (e *Entry) RowTime() time.Time { return RowTime(e.Row.Time, e.Time) }

// RowTime is Entry.RowTime of the times of a row and its entry.
func RowTime(row, entry time.Time) time.Time {
	t := row
	if t.IsZero() {
		t = entry
	}
	if sec := t.Unix(); sec < 0 {
		t = time.Unix(0, 0)
	} else if sec >= lastDay+24*3600 {
		t = time.Unix(lastDay, 0)
	}
	return t.UTC()
}

// lastDay is the start of 2261-12-31, in seconds since 1970.
const lastDay = 9214560000
