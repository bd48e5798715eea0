package postgres

import (
	"cmp"
	"context"
	"crypto/sha256"
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

// otherModel stands for the models beyond Options.NewModelsPerDay.
const otherModel = "other"

// Levels of roll-ups: a sum over much then has little to read. Where 500 keys ask
// for 60 models, a week has millions of roll-ups, and 40,000 without the keys.
const (
	levelFull  = 0
	levelLean  = 1 // without keys
	levelKeyed = 2 // by key alone
	levelTimed = 3 // by model, provider and account: of histograms, not of sums
)

// A series is what a roll-up is kept apart by, besides its time.
type series struct {
	level                                     int16
	key, model, provider, account, end, group string
}

func seriesOf(r *store.UsageRow) series {
	return series{levelFull, text(r.KeyID), text(r.Model), text(r.Provider), text(r.Account), text(r.EndReason), text(r.Group)}
}

// at is the series of a part of the row that s is of.
func (s series) at(provider, account string) series {
	s.provider, s.account = text(provider), text(account)
	return s
}

// seriesOf is what r is summed up as.
func (b *batch) seriesOf(r *store.UsageRow) series {
	s := seriesOf(r)
	if b.others[s.model] {
		s.model = otherModel
	}
	return s
}

// series lists what the rows of entries are summed up as, on all levels.
func (b *batch) series(entries []store.Entry) map[series]bool {
	out := map[series]bool{}
	for i := range entries {
		if e := &entries[i]; e.Kind == store.EntrySettle {
			s := b.seriesOf(e.Row)
			out[s.reduced(levelTimed)] = true
			e.Row.Shares(func(x store.Share) {
				for level := int16(levelFull); level <= levelKeyed; level++ {
					out[s.at(x.Provider, x.Account).reduced(level)] = true
				}
			})
		}
	}
	return out
}

func (s series) reduced(level int16) series {
	switch level {
	case levelLean:
		s.key = ""
	case levelKeyed:
		s = series{key: s.key}
	case levelTimed:
		s = series{model: s.model, provider: s.provider, account: s.account}
	}
	s.level = level
	return s
}

// digest finds a series, whose texts together may be longer than an index takes.
// Cleaned text has no NUL.
func (s series) digest() []byte {
	sum := sha256.Sum256([]byte(strings.Join([]string{string('0' + rune(s.level)), s.key, s.model, s.provider, s.account, s.end, s.group}, "\x00")))
	return sum[:16]
}

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

var upsertSums = func() string {
	var arrays, sets []string
	for i, name := range numbers {
		arrays = append(arrays, "$"+strconv.Itoa(i+4)+"::bigint[]")
		sets = append(sets, name+" = saturating_add(r."+name+", excluded."+name+")")
	}
	return "INSERT INTO usage_rollups AS r (level, slot, series, " + strings.Join(numbers, ", ") + ")" +
		" SELECT * FROM unnest($1::smallint[], $2::int[], $3::int[], " + strings.Join(arrays, ", ") + ")" +
		" ON CONFLICT (level, slot, series) DO UPDATE SET " + strings.Join(sets, ", ")
}()

// writeSums adds the cells to the roll-ups, in the order of their keys, so that two
// gateways that write the same ones wait for each other and never both.
func (b *batch) writeSums(ctx context.Context, tx pgx.Tx) error {
	of := map[series]bool{}
	for at := range b.cells {
		of[at.series] = true
	}
	for at := range b.timings {
		of[at.series] = true
	}
	if err := b.s.learn(ctx, tx, of); err != nil { // those of rows that are corrected
		return err
	}
	type keyed struct {
		level, slot, series int32
		sum                 *store.Total
	}
	list := make([]keyed, 0, len(b.cells))
	for at, sum := range b.cells {
		list = append(list, keyed{int32(at.series.level), at.slot, b.s.known.series[at.series], sum})
	}
	slices.SortFunc(list, func(a, b keyed) int {
		return cmp.Or(cmp.Compare(a.level, b.level), cmp.Compare(a.slot, b.slot), cmp.Compare(a.series, b.series))
	})
	levels, slots, ids := make([]int16, len(list)), make([]int32, len(list)), make([]int32, len(list))
	columns := make([][]int64, len(numbers))
	for i := range columns {
		columns[i] = make([]int64, len(list))
	}
	for i, k := range list {
		levels[i], slots[i], ids[i] = int16(k.level), k.slot, k.series
		for j, n := range k.sum.Numbers() {
			columns[j][i] = *n
		}
	}
	args := []any{levels, slots, ids}
	for _, c := range columns {
		args = append(args, c)
	}
	if len(list) > 0 {
		if _, err := tx.Exec(ctx, upsertSums, args...); err != nil {
			return err
		}
	}
	return b.writeNames(ctx, tx)
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

// learn finds the numbers of series, and makes those that are missing.
func (s *Store) learn(ctx context.Context, tx pgx.Tx, of map[series]bool) error {
	const most = 1 << 17
	if len(s.known.series) > most {
		clear(s.known.series)
	}
	if len(s.known.names) > most {
		clear(s.known.names)
	}
	missing := map[string]series{}
	for x := range of {
		if s.known.series[x] == 0 {
			missing[string(x.digest())] = x
		}
	}
	if len(missing) == 0 {
		return nil
	}
	var digests [][]byte
	for d := range missing {
		digests = append(digests, []byte(d))
	}
	slices.SortFunc(digests, slices.Compare[[]byte])
	var levels []int16
	var texts [6][]string
	for _, d := range digests {
		m := missing[string(d)]
		levels = append(levels, m.level)
		for i, v := range []string{m.key, m.model, m.provider, m.account, m.end, m.group} {
			texts[i] = append(texts[i], v)
		}
	}
	if _, err := tx.Exec(ctx, `INSERT INTO usage_series (digest, level, key_id, model, provider, account, end_reason, key_group)
		SELECT n.* FROM unnest($1::bytea[], $2::smallint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[]) n(digest)
		WHERE NOT EXISTS (SELECT FROM usage_series s WHERE s.digest = n.digest) ON CONFLICT DO NOTHING`,
		digests, levels, texts[0], texts[1], texts[2], texts[3], texts[4], texts[5]); err != nil {
		return err
	}
	rows, err := tx.Query(ctx, "SELECT digest, id FROM usage_series WHERE digest = ANY($1)", digests)
	if err != nil {
		return err
	}
	var digest []byte
	var id int32
	_, err = pgx.ForEachRow(rows, []any{&digest, &id}, func() error {
		s.known.series[missing[string(digest)]] = id
		return nil
	})
	return err
}

// admit returns the models of rows that are summed up as "other". Of all that
// roll-ups are kept apart by, models alone are the callers' to invent: once too many
// have been seen for the first time in a day, new ones have no roll-up of their own.
func (s *Store) admit(ctx context.Context, tx pgx.Tx, entries []store.Entry) (map[string]bool, error) {
	var unknown []string
	day := int32(0)
	for i := range entries {
		e := &entries[i]
		if e.Kind != store.EntrySettle {
			continue
		}
		day = max(day, slotOf(e.RowTime())/(24*3600/slotSeconds))
		if m := text(e.Row.Model); m != "" && m != otherModel && !s.known.models[m] && !slices.Contains(unknown, m) {
			unknown = append(unknown, m)
		}
	}
	if len(unknown) == 0 {
		return nil, nil
	}
	rows, err := tx.Query(ctx, `WITH new AS (
			SELECT name FROM unnest($1::text[]) WITH ORDINALITY n(name, place) WHERE NOT EXISTS (SELECT FROM rollup_models m WHERE m.name = n.name) ORDER BY place
			LIMIT greatest(0, $3::bigint - (SELECT count(*) FROM rollup_models WHERE day = $2))),
		made AS (INSERT INTO rollup_models (name, day) SELECT name, $2 FROM new ORDER BY name ON CONFLICT DO NOTHING)
		SELECT name FROM new UNION SELECT name FROM rollup_models WHERE name = ANY($1)`, unknown, day, s.opts.NewModelsPerDay)
	if err != nil {
		return nil, err
	}
	var name string
	_, err = pgx.ForEachRow(rows, []any{&name}, func() error {
		s.known.models[name] = true
		return nil
	})
	others := map[string]bool{}
	for _, m := range unknown {
		if !s.known.models[m] {
			others[m] = true
		}
	}
	return others, err
}
