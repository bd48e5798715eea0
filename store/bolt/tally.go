package bolt

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.etcd.io/bbolt"

	"github.com/your-org/ai-api-gateway/store"
)

// A tally gathers what series hold by the groups of a query: S is what is summed.
type tally[S any] struct {
	by      []string                        // the groupings, those of time among them
	columns map[string]func(*dims) string   // the others that are known
	wanted  func(*dims) bool                // the query's filters
	most    int                             // groups
	add     func(sum *S, kept []byte) error // a roll-up to a group

	series map[uint32]int32 // series → its place in parts; -1: not asked for
	places map[string]int32
	parts  [][]string // by place, then by the names of by; times are ""
	times  timeLabels
	sums   map[[2]int32]*S // by place and by label of time
}

// begin checks the groupings and makes t ready.
func (t *tally[S]) begin(zone *time.Location) (err error) {
	t.series, t.places, t.sums = map[uint32]int32{}, map[string]int32{}, map[[2]int32]*S{}
	t.times, err = timesOf(t.by, zone, func(name string) bool { return t.columns[name] != nil })
	return err
}

// walk adds up the roll-ups in from of the slots from since to until.
func (t *tally[S]) walk(ctx context.Context, tx *bbolt.Tx, from []byte, since, until time.Time) error {
	first, end := slotsOf(since, until)
	names := tx.Bucket(bSeries)
	c := tx.Bucket(from).Cursor()
	var now []*S // sums of the label at, by place: one look-up for many roll-ups
	n, at := 0, int32(-1)
	for k, v := c.Seek(binary.BigEndian.AppendUint32(nil, first)); len(k) == 8; k, v = c.Next() {
		slot := binary.BigEndian.Uint32(k)
		if slot >= end {
			break
		}
		if n++; n%4096 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		place, known := t.series[binary.BigEndian.Uint32(k[4:])]
		if !known {
			var err error
			if place, err = t.place(names, k[4:]); err != nil {
				return err
			}
		}
		if place < 0 {
			continue
		}
		if label := t.times.labelOf(slot); label != at {
			at = label
			clear(now)
		}
		if int(place) >= len(now) {
			now = append(now, make([]*S, int(place)+1-len(now))...)
		}
		if now[place] == nil {
			if now[place] = t.sum([2]int32{place, at}); now[place] == nil {
				return fmt.Errorf("more than %d groups: %w", t.most, store.ErrQuery)
			}
		}
		if err := t.add(now[place], v); err != nil {
			return err
		}
	}
	return nil
}

// sum returns the sum of a group; nil: there are too many.
func (t *tally[S]) sum(of [2]int32) *S {
	sum := t.sums[of]
	if sum == nil && len(t.sums) < t.most {
		sum = new(S)
		t.sums[of] = sum
	}
	return sum
}

// place decides, once a query, which group a series belongs to; -1: none.
func (t *tally[S]) place(names *bbolt.Bucket, id []byte) (int32, error) {
	d, err := decodeDims(names.Get(id))
	if err != nil {
		return 0, err
	}
	place := int32(-1)
	if t.wanted(&d) {
		values := make([]string, len(t.by))
		for i, name := range t.by {
			if column := t.columns[name]; column != nil {
				values[i] = column(&d)
			}
		}
		joined := strings.Join(values, "\x00")
		var known bool
		if place, known = t.places[joined]; !known {
			place = int32(len(t.parts))
			t.places[joined] = place
			t.parts = append(t.parts, values)
		}
	}
	t.series[binary.BigEndian.Uint32(id)] = place
	return place, nil
}

// A group is what a tally came to for one set of values.
type group[S any] struct {
	values []string // by the groupings
	sum    *S
}

// groups returns the groups in the order of their values.
func (t *tally[S]) groups() []group[S] {
	out := make([]group[S], 0, len(t.sums))
	for at, sum := range t.sums {
		values := slices.Clone(t.parts[at[0]])
		t.times.put(values, at[1])
		out = append(out, group[S]{values, sum})
	}
	slices.SortFunc(out, func(a, b group[S]) int { return slices.CompareFunc(a.values, b.values, cmp.Compare) })
	return out
}

// named returns the values of a group by the names of its groupings.
func (t *tally[S]) named(values []string) map[string]string {
	out := make(map[string]string, len(values))
	for i, name := range t.by {
		out[name] = values[i]
	}
	return out
}
