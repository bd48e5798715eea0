package bolt

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"go.etcd.io/bbolt"

	"github.com/your-org/ai-api-gateway/store"
)

// columns are the groupings that are parts of dims.
var columns = map[string]func(*dims) string{
	"key": func(d *dims) string { return d.key }, "model": func(d *dims) string { return d.model },
	"provider": func(d *dims) string { return d.provider }, "account": func(d *dims) string { return d.account },
	"end_reason": func(d *dims) string { return d.end }, "group": func(d *dims) string { return d.group },
}

// Groupings by time, the coarsest first.
var timeNames = []string{"day", "hour", "quarter"}

// timeLabels name slots by the groupings of time that are asked for.
type timeLabels struct {
	by     []string // of a query; those of time count
	zone   *time.Location
	timed  bool
	slot   uint32 // the slot that label is of
	label  int32
	places map[string]int32
	labels []string // values by timeNames, joined by NUL
}

// timesOf checks a query's groupings: each must be of time or known, and there once.
func timesOf(by []string, zone *time.Location, known func(string) bool) (timeLabels, error) {
	l := timeLabels{by: by, zone: zone, places: map[string]int32{}}
	if l.zone == nil {
		l.zone = time.UTC
	}
	for i, name := range by {
		if slices.Contains(timeNames, name) {
			l.timed = true
		} else if !known(name) {
			return l, fmt.Errorf("cannot group by %q: %w", name, store.ErrQuery)
		}
		if slices.Contains(by[:i], name) {
			return l, fmt.Errorf("cannot group by %q twice: %w", name, store.ErrQuery)
		}
	}
	return l, nil
}

// Totals sums the roll-ups from Since, widened down to a quarter of an hour, to
// Until, widened up; a zero time is no bound. The sums come in the order of their
// group's values; without grouping there is one, or none if there were no requests.
func (s *Store) Totals(ctx context.Context, q store.TotalsQuery) ([]store.Total, error) {
	known := columns
	if q.Apart != nil {
		known = maps.Clone(columns)
		apart := make(map[string]bool, len(q.Apart))
		for _, key := range q.Apart {
			apart[key] = true
		}
		known["key"] = func(d *dims) string {
			if apart[d.key] {
				return d.key
			}
			return store.OtherKey
		}
	}
	t := &tally[sums]{by: q.GroupBy, columns: known, most: q.MostGroups(), wanted: func(d *dims) bool {
		return (q.KeyID == "" || q.KeyID == d.key) && (q.Model == "" || q.Model == d.model) && (q.Provider == "" || q.Provider == d.provider) && (q.Account == "" || q.Account == d.account)
	}, add: (*sums).addEncoded}
	if err := t.begin(q.Zone); err != nil {
		return nil, err
	}
	var out []store.Total
	err := s.db.View(func(tx *bbolt.Tx) error {
		if err := t.walk(ctx, tx, source(&q), q.Since, q.Until); err != nil {
			return err
		}
		out = totals(t, tx.Bucket(bKeyNames))
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("cannot sum usage: %w", err)
	}
	return out, nil
}

func totals(t *tally[sums], keyNames *bbolt.Bucket) []store.Total {
	groups := t.groups()
	out := make([]store.Total, len(groups))
	for i, g := range groups {
		sum := g.sum
		out[i] = store.Total{
			Group: t.named(g.values), Requests: sum.requests, Errors: sum.errors, Estimated: sum.estimated,
			Tokens: sum.tokens, CostNano: sum.cost,
			MarkupNano: sum.markup, UnconfirmedNano: sum.unconfirmed, UnconfirmedTokens: sum.heldTokens, Duration: time.Duration(sum.duration),
		}
		if id := out[i].Group["key"]; id != "" {
			out[i].KeyName = string(keyNames.Get([]byte(id)))
		}
	}
	return out
}

// slotsOf returns the slots from since, widened down, to until, widened up.
func slotsOf(since, until time.Time) (from, to uint32) {
	to = 1<<32 - 1
	if since.Unix() > 0 {
		from = slotOf(since)
	}
	if !until.IsZero() {
		to = uint32((max(0, until.Add(-1).Unix()) + slotSeconds) / slotSeconds)
	}
	return from, to
}

// labelOf returns the place of what a slot is called. Slots come in order, so it is
// worked out once a slot.
func (l *timeLabels) labelOf(slot uint32) int32 {
	if !l.timed || len(l.labels) > 0 && slot == l.slot {
		return l.label
	}
	at := time.Unix(int64(slot)*slotSeconds, 0).In(l.zone)
	label := at.Format(dayLayout) + "\x00"
	if slices.Contains(l.by, "hour") {
		label += at.Format("2006-01-02T15:00:00Z07:00")
	}
	label += "\x00"
	if slices.Contains(l.by, "quarter") {
		label += at.Format(time.RFC3339)
	}
	place, known := l.places[label]
	if !known {
		place = int32(len(l.labels))
		l.places[label] = place
		l.labels = append(l.labels, label)
	}
	l.slot, l.label = slot, place
	return place
}

// put writes the times of a label into the values of a group.
func (l *timeLabels) put(values []string, label int32) {
	if !l.timed {
		return
	}
	times := strings.Split(l.labels[label], "\x00")
	for i, name := range l.by {
		if k := slices.Index(timeNames, name); k >= 0 {
			values[i] = times[k]
		}
	}
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
