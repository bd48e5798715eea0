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

// maxGroups bounds the answer of one Totals.
const maxGroups = 200_000

// columns are the groupings that are parts of dims.
var columns = map[string]func(*dims) string{
	"key": func(d *dims) string { return d.key }, "model": func(d *dims) string { return d.model },
	"provider": func(d *dims) string { return d.provider }, "account": func(d *dims) string { return d.account },
	"end_reason": func(d *dims) string { return d.end }, "group": func(d *dims) string { return d.group },
}

// A tally is one Totals on its way.
type tally struct {
	q      store.TotalsQuery
	zone   *time.Location
	series map[uint32]int32 // series → its place in parts; -1: not asked for
	places map[string]int32
	parts  [][]string // by place, then by the names of GroupBy; times are ""
	timed  bool
	slot   uint32 // the slot that label is of
	label  int32
	times  map[string]int32
	labels []string // "2006-01-02" or RFC 3339, or both joined by NUL
	sums   map[[2]int32]*sums
}

// Totals sums the roll-ups from Since, widened down to a quarter of an hour, to
// Until, widened up; a zero time is no bound. The sums come in the order of their
// group's values; without grouping there is one, or none if there were no requests.
func (s *Store) Totals(ctx context.Context, q store.TotalsQuery) ([]store.Total, error) {
	t := &tally{q: q, zone: q.Zone, series: map[uint32]int32{}, places: map[string]int32{}, times: map[string]int32{}, sums: map[[2]int32]*sums{}}
	if t.zone == nil {
		t.zone = time.UTC
	}
	for i, name := range q.GroupBy {
		if name == "day" || name == "hour" {
			t.timed = true
		} else if columns[name] == nil {
			return nil, fmt.Errorf("cannot group by %q: %w", name, store.ErrQuery)
		}
		if slices.Contains(q.GroupBy[:i], name) {
			return nil, fmt.Errorf("cannot group by %q twice: %w", name, store.ErrQuery)
		}
	}
	var out []store.Total
	err := s.db.View(func(tx *bbolt.Tx) error {
		if err := t.walk(ctx, tx); err != nil {
			return err
		}
		out = t.totals(tx)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("cannot sum usage: %w", err)
	}
	return out, nil
}

func (t *tally) walk(ctx context.Context, tx *bbolt.Tx) error {
	var from, to uint32 = 0, 1<<32 - 1
	if t.q.Since.Unix() > 0 {
		from = slotOf(t.q.Since)
	}
	if !t.q.Until.IsZero() {
		to = uint32((max(0, t.q.Until.Add(-1).Unix()) + slotSeconds) / slotSeconds)
	}
	names := tx.Bucket(bSeries)
	c := tx.Bucket(source(&t.q)).Cursor()
	var one sums
	n := 0
	for k, v := c.Seek(binary.BigEndian.AppendUint32(nil, from)); len(k) == 8; k, v = c.Next() {
		slot := binary.BigEndian.Uint32(k)
		if slot >= to {
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
		if err := one.decode(v); err != nil {
			return err
		}
		g := [2]int32{place, t.labelOf(slot)}
		sum := t.sums[g]
		if sum == nil {
			if len(t.sums) == maxGroups {
				return fmt.Errorf("more than %d groups: %w", maxGroups, store.ErrQuery)
			}
			sum = new(sums)
			t.sums[g] = sum
		}
		sum.add(&one)
	}
	return nil
}

// place decides, once a query, which group a series belongs to.
func (t *tally) place(names *bbolt.Bucket, id []byte) (int32, error) {
	d, err := decodeDims(names.Get(id))
	if err != nil {
		return 0, err
	}
	q := &t.q
	place := int32(-1)
	if (q.KeyID == "" || q.KeyID == d.key) && (q.Model == "" || q.Model == d.model) && (q.Provider == "" || q.Provider == d.provider) {
		values := make([]string, len(q.GroupBy))
		for i, name := range q.GroupBy {
			if column := columns[name]; column != nil {
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

// labelOf returns the place of the day and hour of a slot. Slots come in order, so
// it is worked out once a slot.
func (t *tally) labelOf(slot uint32) int32 {
	if !t.timed || len(t.labels) > 0 && slot == t.slot {
		return t.label
	}
	at := time.Unix(int64(slot)*slotSeconds, 0).In(t.zone)
	label := at.Format(dayLayout)
	if slices.Contains(t.q.GroupBy, "hour") {
		label += "\x00" + at.Format("2006-01-02T15:00:00Z07:00")
	}
	place, known := t.times[label]
	if !known {
		place = int32(len(t.labels))
		t.times[label] = place
		t.labels = append(t.labels, label)
	}
	t.slot, t.label = slot, place
	return place
}

func (t *tally) totals(tx *bbolt.Tx) []store.Total {
	type group struct {
		values []string
		sum    *sums
	}
	groups := make([]group, 0, len(t.sums))
	for at, sum := range t.sums {
		values := slices.Clone(t.parts[at[0]])
		if t.timed {
			day, hour, _ := strings.Cut(t.labels[at[1]], "\x00")
			for i, name := range t.q.GroupBy {
				switch name {
				case "day":
					values[i] = day
				case "hour":
					values[i] = hour
				}
			}
		}
		groups = append(groups, group{values, sum})
	}
	slices.SortFunc(groups, func(a, b group) int { return slices.CompareFunc(a.values, b.values, cmp.Compare) })
	keyNames := tx.Bucket(bKeyNames)
	out := make([]store.Total, len(groups))
	for i, g := range groups {
		sum := g.sum
		out[i] = store.Total{
			Group: make(map[string]string, len(g.values)), Requests: sum.requests, Errors: sum.errors, Estimated: sum.estimated,
			Tokens: sum.tokens, CostNano: sum.cost,
			MarkupNano: sum.markup, UnconfirmedNano: sum.unconfirmed, UnconfirmedTokens: sum.heldTokens, Duration: time.Duration(sum.duration),
		}
		for j, name := range t.q.GroupBy {
			out[i].Group[name] = g.values[j]
			if name == "key" && g.values[j] != "" {
				out[i].KeyName = string(keyNames.Get([]byte(g.values[j])))
			}
		}
	}
	return out
}

// Applied returns the applied position of each boot.
func (s *Store) Applied(ctx context.Context) (map[string]uint64, error) {
	out := map[string]uint64{}
	err := s.db.View(func(tx *bbolt.Tx) error {
		return each(ctx, tx, bApplied, func(k, v []byte) error {
			out[string(k)] = num64(v)
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("cannot read applied positions: %w", err)
	}
	return out, nil
}
