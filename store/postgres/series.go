package postgres

import (
	"context"
	"crypto/sha256"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/your-org/ai-api-gateway/store"
)

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

// A name is a text of a series by its number in a dictionary, 0 for none.
type name int32

// A dictionary numbers names: where there are as many series as requests, they are
// compared and found as numbers are.
type dictionary struct {
	of    map[string]name // also of texts as they came, before they were cleaned
	texts []string
}

func (d *dictionary) name(s string) name {
	if s == "" {
		return 0
	}
	n, ok := d.of[s]
	if ok {
		return n
	}
	s = strings.Clone(s) // it may be a part of something large
	clean := text(s)
	if n, ok = d.of[clean]; !ok && clean != "" {
		d.texts = append(d.texts, clean)
		n = name(len(d.texts))
		d.of[clean] = n
	}
	d.of[s] = n
	return n
}

func (d *dictionary) text(n name) string {
	if n == 0 {
		return ""
	}
	return d.texts[n-1]
}

// A series is what a roll-up is kept apart by, besides its time.
type series struct {
	level                                     int16
	key, model, provider, account, end, group name
}

func (d *dictionary) series(level int16, key, model, provider, account, end, group string) series {
	return series{level, d.name(key), d.name(model), d.name(provider), d.name(account), d.name(end), d.name(group)}
}

func (d *dictionary) seriesOf(r *store.UsageRow) series {
	return d.series(levelFull, r.KeyID, r.Model, r.Provider, r.Account, r.EndReason, r.Group)
}

// at is the series of a part of the row that s is of.
func (d *dictionary) at(s series, provider, account string) series {
	s.provider, s.account = d.name(provider), d.name(account)
	return s
}

// textsOf are the columns of usage_series after the level.
func (d *dictionary) textsOf(s series) [6]string {
	return [6]string{d.text(s.key), d.text(s.model), d.text(s.provider), d.text(s.account), d.text(s.end), d.text(s.group)}
}

// digest finds a series, whose texts together may be longer than an index takes.
// Cleaned text has no NUL.
func (d *dictionary) digest(s series) []byte {
	texts := d.textsOf(s)
	sum := sha256.Sum256([]byte(string('0'+rune(s.level)) + "\x00" + strings.Join(texts[:], "\x00")))
	return sum[:16]
}

// reduced is what s is summed up as on a level.
func (s series) reduced(level int16) series {
	switch level {
	case levelLean:
		s.key = 0
	case levelKeyed:
		s = series{key: s.key}
	case levelTimed:
		s = series{model: s.model, provider: s.provider, account: s.account}
	}
	s.level = level
	return s
}

// seriesOf is what r is summed up as.
func (b *batch) seriesOf(r *store.UsageRow) series {
	s := b.dict.seriesOf(r)
	if len(b.others) > 0 && b.others[b.dict.text(s.model)] {
		s.model = b.dict.name(otherModel)
	}
	return s
}

// unknown adds to out what the rows of entries are summed up as, on all levels, and
// the database has not been asked for.
func (b *batch) unknown(entries []store.Entry) map[series]bool {
	out := map[series]bool{}
	add := func(s series) {
		if b.s.known.series[s] == 0 {
			out[s] = true
		}
	}
	for i := range entries {
		if e := &entries[i]; e.Kind == store.EntrySettle {
			s := b.seriesOf(e.Row)
			add(s.reduced(levelTimed))
			e.Row.Shares(func(x store.Share) {
				of := b.dict.at(s, x.Provider, x.Account)
				for level := int16(levelFull); level <= levelKeyed; level++ {
					add(of.reduced(level))
				}
			})
		}
	}
	return out
}

// learn finds the numbers of series, and makes those that are missing.
func (b *batch) learn(ctx context.Context, tx pgx.Tx, of map[series]bool) error {
	if len(of) == 0 {
		return nil
	}
	missing := make(map[string]series, len(of))
	digests := make([][]byte, 0, len(of))
	for x := range of {
		digest := b.dict.digest(x)
		missing[string(digest)] = x
		digests = append(digests, digest)
	}
	slices.SortFunc(digests, slices.Compare[[]byte])
	var levels []int16
	var texts [6][]string
	for _, digest := range digests {
		m := missing[string(digest)]
		levels = append(levels, m.level)
		for i, v := range b.dict.textsOf(m) {
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
		b.s.known.series[missing[string(digest)]] = id
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
