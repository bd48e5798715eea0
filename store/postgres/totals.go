package postgres

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/your-org/ai-api-gateway/store"
)

// dimensions are the groupings that are columns of usage_series.
var dimensions = map[string]string{
	"key": "key_id", "model": "model", "provider": "provider", "account": "account", "end_reason": "end_reason", "group": "key_group",
}

// timeNames are the groupings that are made of slots.
var timeNames = []string{"day", "hour", "quarter"}

// levelFor returns the smallest level that a query can be answered from.
func levelFor(q *store.TotalsQuery) int {
	if q.KeyID == "" && !slices.Contains(q.GroupBy, "key") {
		return levelLean
	}
	timesOnly := !slices.ContainsFunc(q.GroupBy, func(g string) bool { return g != "key" && !slices.Contains(timeNames, g) })
	if timesOnly && q.Model == "" && q.Provider == "" && q.Account == "" {
		return levelKeyed
	}
	return levelFull
}

// A grouping is how a query groups: by columns, and by slots that become days and
// hours afterwards, by our own knowledge of time zones.
type grouping struct {
	by      []string
	columns []string // of SQL; the slot, if there is one, is the last
	timed   bool
}

// groupingOf checks a query's groupings: each must be of time or of a column, and
// there once.
func groupingOf(by []string, column func(string) string) (grouping, error) {
	g := grouping{by: by}
	for i, name := range by {
		if slices.Contains(timeNames, name) {
			g.timed = true
		} else if c := column(name); c != "" {
			g.columns = append(g.columns, "s."+c)
		} else {
			return g, fmt.Errorf("cannot group by %q: %w", name, store.ErrQuery)
		}
		if slices.Contains(by[:i], name) {
			return g, fmt.Errorf("cannot group by %q twice: %w", name, store.ErrQuery)
		}
	}
	if g.timed {
		g.columns = append(g.columns, "r.slot")
	}
	return g, nil
}

// named returns the values of a group by the names of its grouping.
func (g *grouping) named(values []string) map[string]string {
	out := make(map[string]string, len(values))
	for i, name := range g.by {
		out[name] = values[i]
	}
	return out
}

// A group is one of the answer's, by the values of its grouping.
type group[T any] struct {
	values []string
	sum    *T
}

// groupsOf reads rows of the grouping's columns and of what dst takes, and has add
// count each in its group; there are at most so many. They come in the order of their
// values.
func groupsOf[T any](rows pgx.Rows, g *grouping, zone *time.Location, most int, dst []any, add func(*T) error) ([]group[T], error) {
	label := labels(zone)
	texts := make([]string, len(g.columns))
	var slot int32
	var into []any
	for i := range g.columns {
		into = append(into, &texts[i])
	}
	if g.timed {
		into[len(into)-1] = &slot
		texts = texts[:len(texts)-1]
	}
	found := map[string]*group[T]{}
	values := make([]string, len(g.by))
	_, err := pgx.ForEachRow(rows, append(into, dst...), func() error {
		n := 0
		for i, name := range g.by {
			if slices.Contains(timeNames, name) {
				values[i] = label(slot, name)
			} else {
				values[i] = texts[n]
				n++
			}
		}
		joined := strings.Join(values, "\x00")
		is := found[joined]
		if is == nil {
			if len(found) == most {
				return fmt.Errorf("more than %d groups: %w", most, store.ErrQuery)
			}
			is = &group[T]{slices.Clone(values), new(T)}
			found[joined] = is
		}
		return add(is.sum)
	})
	out := make([]group[T], 0, len(found))
	for _, is := range found {
		out = append(out, *is)
	}
	slices.SortFunc(out, func(a, b group[T]) int { return slices.CompareFunc(a.values, b.values, cmp.Compare) })
	return out, err
}

// Totals sums the roll-ups from Since, widened down to a quarter of an hour, to
// Until, widened up; a zero time is no bound. The sums come in the order of their
// group's values; without grouping there is one, or none if there were no requests.
func (s *Store) Totals(ctx context.Context, q store.TotalsQuery) (out []store.Total, err error) {
	err = s.view(ctx, readTimeout, func(ctx context.Context, tx pgx.Tx) error {
		out, err = totals(ctx, tx, q)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("cannot sum usage: %w", err)
	}
	return out, nil
}

func totals(ctx context.Context, tx pgx.Tx, q store.TotalsQuery) ([]store.Total, error) {
	g, err := groupingOf(q.GroupBy, func(name string) string { return dimensions[name] })
	if err != nil {
		return nil, err
	}
	sql, args := totalsSQL(&q, &g)
	rows, err := tx.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	one := store.Total{}
	var dst []any
	for _, n := range one.Numbers() {
		dst = append(dst, n)
	}
	groups, err := groupsOf(rows, &g, q.Zone, q.MostGroups(), dst, func(sum *store.Total) error {
		sum.Add(&one)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return totalsOf(ctx, tx, &g, groups)
}

// slots has the conditions hold for the slots from since, widened down, to until,
// widened up.
func (w *where) slots(since, until time.Time) {
	from, to := slotsOf(since, until)
	if from > 0 {
		w.add("r.slot >= ?", from)
	}
	if to < lastSlot {
		w.add("r.slot < ?", to)
	}
}

// equal has columns be the values that are not empty.
func (w *where) equal(values map[string]string) {
	for column, value := range values {
		if value != "" {
			w.add(column+" = ?", store.CleanText(value, store.MaxText))
		}
	}
}

// totalsSQL is the query of a sum.
func totalsSQL(q *store.TotalsQuery, g *grouping) (string, []any) {
	level := levelFor(q)
	w, list := &where{}, stretchesOf(q, level)
	w.add("s.level = ?", level)
	w.equal(map[string]string{"s.key_id": q.KeyID, "s.model": q.Model, "s.provider": q.Provider, "s.account": q.Account})
	few := ""
	if len(w.parts) > 1 && len(list) > 1 { // nothing of w is handed down into several
		few = "SELECT s.id FROM usage_series s" + w.String()
	}
	columns, number, end := slices.Clone(g.columns), "least(greatest(sum(r.%s), -9223372036854775808), 9223372036854775807)::bigint", " HAVING count(*) > 0"
	if apart(g, list, level) && q.Apart == nil {
		number, end = "r.%s", ""
	} else if len(columns) > 0 {
		if i := slices.Index(columns, "s.key_id"); i >= 0 && q.Apart != nil {
			columns[i] = fmt.Sprintf("CASE WHEN s.key_id = ANY(%s) THEN s.key_id ELSE '%s' END", w.arg(q.Apart), store.OtherKey)
		}
		rows := 10 * store.MaxGroups
		if !g.timed { // each is a group; of times several may be one
			rows = q.MostGroups() + 1
		}
		end = " GROUP BY " + strings.Join(columns, ", ") + " LIMIT " + strconv.Itoa(rows)
	}
	for _, n := range numbers {
		columns = append(columns, fmt.Sprintf(number, n))
	}
	return "SELECT " + strings.Join(columns, ", ") + " FROM (" + sourceSQL(w, list, level, few) + ") r JOIN usage_series s ON s.id = r.series" + w.String() + end, w.args
}

// labels returns a function that names the day, hour or quarter of a slot in the zone.
func labels(zone *time.Location) func(slot int32, by string) string {
	if zone == nil {
		zone = time.UTC
	}
	type names struct{ day, hour, quarter string }
	known := map[int32]names{}
	return func(slot int32, by string) string {
		n, ok := known[slot]
		if !ok {
			at := time.Unix(int64(slot)*slotSeconds, 0).In(zone)
			n = names{at.Format(time.DateOnly), at.Format("2006-01-02T15:00:00Z07:00"), at.Format(time.RFC3339)}
			known[slot] = n
		}
		switch by {
		case "day":
			return n.day
		case "hour":
			return n.hour
		}
		return n.quarter
	}
}

// totalsOf writes groups as the answer, with the names of keys.
func totalsOf(ctx context.Context, tx pgx.Tx, by *grouping, groups []group[store.Total]) ([]store.Total, error) {
	out := make([]store.Total, len(groups))
	for i, g := range groups {
		out[i] = *g.sum
		out[i].Group = by.named(g.values)
	}
	at := slices.Index(by.by, "key")
	if at < 0 {
		return out, nil
	}
	var ids []string
	for _, g := range groups {
		ids = append(ids, g.values[at])
	}
	rows, err := tx.Query(ctx, "SELECT id, name FROM key_names WHERE id = ANY($1)", ids)
	if err != nil {
		return nil, err
	}
	names := map[string]string{}
	var id, name string
	_, err = pgx.ForEachRow(rows, []any{&id, &name}, func() error {
		names[id] = name
		return nil
	})
	for i := range out {
		out[i].KeyName = names[ids[i]]
	}
	return out, err
}
