package postgres

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/your-org/ai-api-gateway/store"
)

var _ store.Latencies = (*Store)(nil)

// latencyDimensions are the groupings that histograms are kept apart by.
var latencyDimensions = []string{"model", "provider", "account"}

// maxLatencies bounds the groups of one Latency; each takes 4 KB.
const maxLatencies = 10_000

// observe counts the durations of a row in its histograms.
func (b *batch) observe(slot int32, s series, r *store.UsageRow) {
	at := cell{slot: slot, series: s.reduced(levelTimed)}
	store.Observe(r, func(which, bucket uint8) {
		t := b.timings[at]
		if t == nil {
			t = new(store.Timing)
			b.timings[at] = t
		}
		t[which].Add(int(bucket), 1)
	})
}

// writeTimings adds the histograms of the batch to those that are kept, in the order
// of their keys as writeSums does. What is missing is made empty first, so that there
// is a row to lock.
func (b *batch) writeTimings(ctx context.Context, tx pgx.Tx) error {
	if len(b.timings) == 0 {
		return nil
	}
	type histogram struct {
		slot, series int32
		timing       *store.Timing
	}
	list := make([]histogram, 0, len(b.timings))
	for at, t := range b.timings {
		list = append(list, histogram{at.slot, b.s.known.series[at.series], t})
	}
	slices.SortFunc(list, func(a, b histogram) int { return cmp.Or(cmp.Compare(a.slot, b.slot), cmp.Compare(a.series, b.series)) })
	slots, ids, texts := make([]int32, len(list)), make([]int32, len(list)), make([][]byte, len(list))
	place := make(map[[2]int32]int, len(list))
	for i, k := range list {
		slots[i], ids[i] = k.slot, k.series
		place[[2]int32{k.slot, k.series}] = i
	}
	const keys = "unnest($1::int[], $2::int[]) WITH ORDINALITY n(slot, series, place)"
	if _, err := tx.Exec(ctx, `INSERT INTO usage_timings (slot, series, timing) SELECT slot, series, $3 FROM `+keys+` ORDER BY place ON CONFLICT DO NOTHING`,
		slots, ids, new(store.Timing).Append(nil)); err != nil {
		return err
	}
	rows, err := tx.Query(ctx, "SELECT t.slot, t.series, t.timing FROM usage_timings t JOIN "+keys+" USING (slot, series) ORDER BY t.slot, t.series FOR UPDATE OF t", slots, ids)
	if err != nil {
		return err
	}
	var at [2]int32
	var kept []byte
	if _, err := pgx.ForEachRow(rows, []any{&at[0], &at[1], &kept}, func() error { return list[place[at]].timing.AddEncoded(kept) }); err != nil {
		return err
	}
	for i, k := range list {
		texts[i] = k.timing.Append(nil)
	}
	_, err = tx.Exec(ctx, "UPDATE usage_timings t SET timing = n.timing FROM unnest($1::int[], $2::int[], $3::bytea[]) n(slot, series, timing) WHERE t.slot = n.slot AND t.series = n.series", slots, ids, texts)
	return err
}

// Latency returns the histograms of the times that a query asks for, widened as
// those of Totals are, in the order of their group's values.
func (s *Store) Latency(ctx context.Context, q store.LatencyQuery) (out []store.Latency, err error) {
	g, err := groupingOf(q.GroupBy, func(name string) string {
		if slices.Contains(latencyDimensions, name) {
			return dimensions[name]
		}
		return ""
	})
	if err != nil {
		return nil, err
	}
	w := &where{}
	w.slots(q.Since, q.Until)
	w.equal(map[string]string{"s.model": q.Model, "s.provider": q.Provider, "s.account": q.Account})
	sql := "SELECT " + strings.Join(append(slices.Clone(g.columns), "r.timing"), ", ") + " FROM usage_timings r"
	if strings.Contains(sql+w.String(), "s.") {
		sql += " JOIN usage_series s ON s.id = r.series"
	}
	sql += w.String()
	err = s.view(ctx, readTimeout, func(ctx context.Context, tx pgx.Tx) error {
		rows, err := tx.Query(ctx, sql, w.args...)
		if err != nil {
			return err
		}
		var one pgtype.DriverBytes // as read, not copied
		groups, err := groupsOf(rows, &g, q.Zone, maxLatencies, []any{&one}, func(sum *store.Timing) error { return sum.AddEncoded(one) })
		for _, is := range groups {
			out = append(out, store.Latency{Group: g.named(is.values), Duration: is.sum[0], TTFT: is.sum[1]})
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("cannot read latencies: %w", err)
	}
	return out, nil
}
