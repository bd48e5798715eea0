package postgres

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/your-org/ai-api-gateway/store"
)

// slotSeconds is the width of a roll-up: a quarter of an hour, so that days and
// hours of every time zone are sums of whole ones.
const slotSeconds = 15 * 60

func slotOf(t time.Time) int32 { return int32(t.Unix() / slotSeconds) }

// A cell is one roll-up, of a quarter of an hour or, in a proof, of so many hours.
type cell struct {
	slot   int32
	hours  int16
	series series
}

// add counts x in the roll-ups of all levels.
func (b *batch) add(slot int32, s series, x *store.Total) {
	for level := int16(levelFull); level <= levelKeyed; level++ {
		at := cell{slot: slot, series: s.reduced(level)}
		sum := b.cells[at]
		if sum == nil {
			sum = new(store.Total)
			b.cells[at] = sum
		}
		sum.Add(x)
	}
}

// numbers are the columns of usage_rollups in the order of store.Total.Numbers.
var numbers = []string{
	"requests", "errors", "estimated", "cost_nano", "duration_ns", "markup_nano", "unconfirmed_nano", "unconfirmed_tokens",
	"input", "input_audio", "input_image", "cache_read", "cache_write_5m", "cache_write_1h", "output", "output_audio", "output_image", "reasoning",
	"images", "audio_ms", "characters", "searches",
}

// upsertSums adds to the sums of a table, of which the columns before those are its key.
func upsertSums(table, keys, types string) string {
	var arrays, sets []string
	for _, t := range strings.Fields(types) {
		arrays = append(arrays, "$"+strconv.Itoa(len(arrays)+1)+"::"+t+"[]")
	}
	for _, name := range numbers {
		arrays = append(arrays, "$"+strconv.Itoa(len(arrays)+1)+"::bigint[]")
		sets = append(sets, name+" = saturating_add(r."+name+", excluded."+name+")")
	}
	return "INSERT INTO " + table + " AS r (" + keys + ", " + strings.Join(numbers, ", ") + ")" +
		" SELECT * FROM unnest(" + strings.Join(arrays, ", ") + ")" +
		" ON CONFLICT (" + keys + ") DO UPDATE SET " + strings.Join(sets, ", ")
}

var (
	upsertRollups = upsertSums("usage_rollups", "level, slot, series", "smallint int int")
	upsertSpans   = upsertSums("usage_spans", "hours, level, slot, series", "smallint smallint int int")
)

// A keyed sum is a cell as the database names it.
type keyed struct {
	hours, level int16
	slot, series int32
	sum          *store.Total
}

// writeSums adds the cells to the roll-ups and to the spans of them, in the order of
// their keys, so that two gateways that write the same ones wait for each other and
// never both.
func (b *batch) writeSums(ctx context.Context, tx pgx.Tx) error {
	of := map[series]bool{} // those of rows that are corrected
	for at := range b.cells {
		if b.s.known.series[at.series] == 0 {
			of[at.series] = true
		}
	}
	for at := range b.timings {
		if b.s.known.series[at.series] == 0 {
			of[at.series] = true
		}
	}
	if err := b.learn(ctx, tx, of); err != nil {
		return err
	}
	addSpans(b.cells)
	list := make([]keyed, 0, len(b.cells))
	for at, sum := range b.cells {
		list = append(list, keyed{at.hours, at.series.level, at.slot, b.s.known.series[at.series], sum})
	}
	slices.SortFunc(list, func(a, b keyed) int {
		return cmp.Or(cmp.Compare(a.hours, b.hours), cmp.Compare(a.level, b.level), cmp.Compare(a.slot, b.slot), cmp.Compare(a.series, b.series))
	})
	spans, _ := slices.BinarySearchFunc(list, 1, func(k keyed, hours int16) int { return cmp.Compare(k.hours, hours) })
	if len(list) > 0 {
		if _, err := tx.Exec(ctx, "SELECT set_config('ai_gateway.spans', 'written', true)"); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, upsertRollups, columnsOf(list[:spans])[1:]...); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, upsertSpans, columnsOf(list[spans:])...); err != nil {
			return err
		}
	}
	return b.writeNames(ctx, tx)
}

// columnsOf turns sums into the arrays that upsertSums asks for.
func columnsOf(list []keyed) []any {
	hours, levels, slots, ids := make([]int16, len(list)), make([]int16, len(list)), make([]int32, len(list)), make([]int32, len(list))
	columns := make([][]int64, len(numbers))
	for i := range columns {
		columns[i] = make([]int64, len(list))
	}
	for i, k := range list {
		hours[i], levels[i], slots[i], ids[i] = k.hours, k.level, k.slot, k.series
		for j, n := range k.sum.Numbers() {
			columns[j][i] = *n
		}
	}
	out := []any{hours, levels, slots, ids}
	for _, c := range columns {
		out = append(out, c)
	}
	return out
}

// writeNames keeps the names of keys that are new or have changed.
func (b *batch) writeNames(ctx context.Context, tx pgx.Tx) error {
	var ids, names []string
	for id, name := range b.names {
		if was, known := b.s.known.names[id]; !known || was != name {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	slices.Sort(ids)
	for _, id := range ids {
		names = append(names, b.names[id])
	}
	_, err := tx.Exec(ctx, `INSERT INTO key_names AS k (id, name) SELECT * FROM unnest($1::text[], $2::text[])
		ON CONFLICT (id) DO UPDATE SET name = excluded.name WHERE k.name <> excluded.name`, ids, names)
	return err
}
