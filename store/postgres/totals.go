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

// maxGroups bounds the answer of one Totals.
const maxGroups = 200_000

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

// A group is one of the answer's, by the values of GroupBy.
type group struct {
	values []string
	sum    *store.Total
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
	timed, columns := false, []string(nil)
	for i, name := range q.GroupBy {
		if slices.Contains(timeNames, name) {
			timed = true
		} else if column := dimensions[name]; column != "" {
			columns = append(columns, "s."+column)
		} else {
			return nil, fmt.Errorf("cannot group by %q: %w", name, store.ErrQuery)
		}
		if slices.Contains(q.GroupBy[:i], name) {
			return nil, fmt.Errorf("cannot group by %q twice: %w", name, store.ErrQuery)
		}
	}
	if timed {
		columns = append(columns, "r.slot")
	}
	groups, err := sumGroups(ctx, tx, &q, columns, timed)
	if err != nil {
		return nil, err
	}
	return totalsOf(ctx, tx, &q, groups)
}

// totalsSQL is the query of a sum; slots become days and hours afterwards, by our
// own knowledge of time zones.
func totalsSQL(q *store.TotalsQuery, columns []string) (string, []any) {
	w := &where{}
	w.add("r.level = ?", levelFor(q))
	if q.Since.Unix() > 0 {
		w.add("r.slot >= ?", slotOf(q.Since))
	}
	if !q.Until.IsZero() {
		w.add("r.slot < ?", int32(min(1<<31-1, (max(0, q.Until.Add(-1).Unix())+slotSeconds)/slotSeconds)))
	}
	for column, value := range map[string]string{"s.key_id": q.KeyID, "s.model": q.Model, "s.provider": q.Provider, "s.account": q.Account} {
		if value != "" {
			w.add(column+" = ?", store.CleanText(value, store.MaxText))
		}
	}
	if i := slices.Index(columns, "s.key_id"); i >= 0 && q.Apart != nil {
		w.args = append(w.args, q.Apart)
		columns = slices.Clone(columns)
		columns[i] = fmt.Sprintf("CASE WHEN s.key_id = ANY($%d) THEN s.key_id ELSE '%s' END", len(w.args), store.OtherKey)
	}
	list := slices.Clone(columns)
	for _, n := range numbers {
		list = append(list, "least(greatest(sum(r."+n+"), -9223372036854775808), 9223372036854775807)::bigint")
	}
	sql := "SELECT " + strings.Join(list, ", ") + " FROM usage_rollups r JOIN usage_series s ON s.id = r.series" + w.String()
	if len(columns) > 0 {
		sql += " GROUP BY " + strings.Join(columns, ", ")
	} else {
		sql += " HAVING count(*) > 0"
	}
	return sql + " LIMIT " + strconv.Itoa(10*maxGroups), w.args
}

func sumGroups(ctx context.Context, tx pgx.Tx, q *store.TotalsQuery, columns []string, timed bool) ([]group, error) {
	sql, args := totalsSQL(q, columns)
	rows, err := tx.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	label := labels(q)
	texts := make([]string, len(columns))
	var slot int32
	one := store.Total{}
	dst := []any{}
	for i := range columns {
		dst = append(dst, &texts[i])
	}
	if timed {
		dst[len(dst)-1] = &slot
		texts = texts[:len(texts)-1]
	}
	for _, n := range one.Numbers() {
		dst = append(dst, n)
	}
	found := map[string]*group{}
	_, err = pgx.ForEachRow(rows, dst, func() error {
		values := make([]string, len(q.GroupBy))
		n := 0
		for i, name := range q.GroupBy {
			if slices.Contains(timeNames, name) {
				values[i] = label(slot, name)
			} else {
				values[i] = texts[n]
				n++
			}
		}
		joined := strings.Join(values, "\x00")
		g := found[joined]
		if g == nil {
			if len(found) == maxGroups {
				return fmt.Errorf("more than %d groups: %w", maxGroups, store.ErrQuery)
			}
			g = &group{values, new(store.Total)}
			found[joined] = g
		}
		g.sum.Add(&one)
		return nil
	})
	out := make([]group, 0, len(found))
	for _, g := range found {
		out = append(out, *g)
	}
	slices.SortFunc(out, func(a, b group) int { return slices.CompareFunc(a.values, b.values, cmp.Compare) })
	return out, err
}

// labels returns a function that names the day, hour or quarter of a slot in the zone.
func labels(q *store.TotalsQuery) func(slot int32, by string) string {
	zone := q.Zone
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
func totalsOf(ctx context.Context, tx pgx.Tx, q *store.TotalsQuery, groups []group) ([]store.Total, error) {
	names := map[string]string{}
	if at := slices.Index(q.GroupBy, "key"); at >= 0 {
		var ids []string
		for _, g := range groups {
			ids = append(ids, g.values[at])
		}
		rows, err := tx.Query(ctx, "SELECT id, name FROM key_names WHERE id = ANY($1)", ids)
		if err != nil {
			return nil, err
		}
		var id, name string
		if _, err := pgx.ForEachRow(rows, []any{&id, &name}, func() error {
			names[id] = name
			return nil
		}); err != nil {
			return nil, err
		}
	}
	out := make([]store.Total, len(groups))
	for i, g := range groups {
		out[i] = *g.sum
		out[i].Group = make(map[string]string, len(g.values))
		for j, name := range q.GroupBy {
			out[i].Group[name] = g.values[j]
			if name == "key" {
				out[i].KeyName = names[g.values[j]]
			}
		}
	}
	return out, nil
}
