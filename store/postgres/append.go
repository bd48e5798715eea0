package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/oklog/ulid/v2"

	"github.com/your-org/ai-api-gateway/store"
)

// A cache is what an Append need not ask the database for. It is forgotten whenever
// an Append fails: the database may be another one since, or an older state of it.
type cache struct {
	boots  map[string]boot
	days   map[string]bool // that have a partition
	dict   dictionary
	series map[series]int32
	models map[string]bool // that have series of their own
	names  map[string]string
}

// A boot is a process start whose log is, in part, in the database.
type boot struct {
	num   int32
	timed bool // the durations of all its rows are in usage_timings
}

func (c *cache) clear() {
	*c = cache{map[string]boot{}, map[string]bool{}, dictionary{of: map[string]name{}}, map[series]int32{}, map[string]bool{}, map[string]string{}}
}

// Bounds of a cache between batches, some 40 and 20 MB.
const (
	maxSeries = 1 << 19
	maxNames  = 1 << 17
)

// trim forgets what has become too much. Where more series than this are in use, each
// batch asks for most of its own.
func (c *cache) trim() {
	if len(c.series) > maxSeries || len(c.dict.of) > maxNames {
		clear(c.series)
		c.dict = dictionary{of: map[string]name{}}
	}
	if len(c.names) > maxNames {
		clear(c.names)
	}
}

// Append applies entries: rows, roll-ups and the positions of their boots in one
// transaction. An entry that the database refuses for what it holds is put into
// ledger_quarantine, alone: what came with it is kept.
func (s *Store) Append(ctx context.Context, entries []store.Entry) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := store.DecodeRows(entries); err != nil {
		return fmt.Errorf("cannot append usage: %w", err)
	}
	s.caches.Lock()
	defer s.caches.Unlock()
	err := s.append(ctx, entries)
	if refused(err) { // perhaps because of what was remembered
		err = s.append(ctx, entries)
	}
	if refused(err) {
		err = s.bisect(ctx, entries, err)
	}
	if err != nil && ctx.Err() == nil {
		err = fmt.Errorf("cannot append usage: %w", err)
	}
	return err
}

// refused reports whether the database is well and does not take what it was given:
// a value it cannot hold, a rule that a row breaks, a trigger's objection.
func refused(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) && len(pg.Code) == 5 {
		class := pg.Code[:2]
		return class == "22" || class == "23" || class == "44" || class == "54" || class == "P0"
	}
	return false
}

// bisect appends halves until the entries that are refused stand alone.
func (s *Store) bisect(ctx context.Context, entries []store.Entry, why error) error {
	if len(entries) == 1 {
		return s.quarantine(ctx, &entries[0], why)
	}
	for _, half := range [][]store.Entry{entries[:len(entries)/2], entries[len(entries)/2:]} {
		err := s.append(ctx, half)
		if refused(err) {
			err = s.bisect(ctx, half, err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// quarantine keeps an entry that the database does not take as a row, and moves on.
func (s *Store) quarantine(ctx context.Context, e *store.Entry, why error) error {
	s.log.Error("the database refuses a usage row: it is kept in ledger_quarantine and counted nowhere", "boot", e.Boot, "seq", e.Seq, "request_id", e.RequestID, "error", why)
	return s.tx(ctx, changeTimeout, pgx.TxOptions{}, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "INSERT INTO ledger_quarantine (boot, seq, request_id, error, entry) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
			e.Boot, int64(e.Seq), text(e.RequestID), text(why.Error()), store.AppendEntry(nil, e))
		if err == nil {
			_, err = tx.Exec(ctx, "INSERT INTO ledger_boots (boot, applied) VALUES ($1, $2) ON CONFLICT (boot) DO UPDATE SET applied = greatest(ledger_boots.applied, excluded.applied)", e.Boot, int64(e.Seq))
		}
		return err
	})
}

func text(s string) string { return store.CleanText(s, store.MaxText) }

// A batch is one Append on its way.
type batch struct {
	s     *Store
	dict  *dictionary
	high  map[string]uint64 // applied positions after it
	rows  []*store.Entry    // settles
	fixes []*store.Entry    // adjusts
	cells map[cell]*store.Total
	// timings are the histograms of rows, by series of levelTimed.
	timings map[cell]*store.Timing
	names   map[string]string // of keys
	// others are the models that are summed up as "other".
	others map[string]bool
}

func (s *Store) append(ctx context.Context, entries []store.Entry) error {
	if len(entries) == 0 {
		return nil
	}
	s.known.trim()
	b := &batch{s: s, dict: &s.known.dict}
	err := b.prepare(ctx, entries)
	if err == nil {
		err = s.tx(ctx, appendTimeout, pgx.TxOptions{}, func(ctx context.Context, tx pgx.Tx) error { return b.write(ctx, tx, entries) })
	}
	if err != nil {
		s.known.clear()
		return err
	}
	for id, name := range b.names {
		s.known.names[id] = name
	}
	return nil
}

// prepare makes what the batch will refer to: numbers of boots and partitions of
// days, and of what roll-ups are of. These are small transactions of their own, so
// that no lock on them is held while rows are written; what is made and not used
// harms nobody.
func (b *batch) prepare(ctx context.Context, entries []store.Entry) error {
	var boots, days []string
	for i := range entries {
		e := &entries[i]
		if b.s.known.boots[e.Boot].num == 0 && !slices.Contains(boots, e.Boot) {
			boots = append(boots, e.Boot)
		}
		if e.Kind != store.EntrySettle {
			continue
		}
		if e.Row == nil {
			return fmt.Errorf("cannot append entry %s/%d: a settle without a row: %w", e.Boot, e.Seq, store.ErrCorrupt)
		}
		if day := e.RowTime().Format(time.DateOnly); !b.s.known.days[day] && !slices.Contains(days, day) {
			days = append(days, day)
		}
	}
	if len(boots) > 0 {
		slices.Sort(boots)
		if err := b.s.number(ctx, boots); err != nil {
			return err
		}
	}
	for _, day := range days {
		if err := b.s.partition(ctx, day); err != nil {
			return err
		}
	}
	return b.s.tx(ctx, changeTimeout, pgx.TxOptions{}, func(ctx context.Context, tx pgx.Tx) (err error) {
		if b.others, err = b.s.admit(ctx, tx, entries); err != nil {
			return err
		}
		return b.learn(ctx, tx, b.unknown(entries))
	})
}

// number gives boots their numbers.
func (s *Store) number(ctx context.Context, boots []string) error {
	return s.tx(ctx, changeTimeout, pgx.TxOptions{}, func(ctx context.Context, tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "INSERT INTO ledger_boots (boot, timed) SELECT unnest($1::text[]), true ON CONFLICT DO NOTHING", boots); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, "SELECT boot, num, timed FROM ledger_boots WHERE boot = ANY($1)", boots)
		if err != nil {
			return err
		}
		var name string
		var b boot
		_, err = pgx.ForEachRow(rows, []any{&name, &b.num, &b.timed}, func() error {
			s.known.boots[name] = b
			return nil
		})
		return err
	})
}

// partition makes the partition of a day unless it is there.
func (s *Store) partition(ctx context.Context, day string) error {
	start, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return err
	}
	name := partitionOf(start)
	err = s.tx(ctx, changeTimeout, pgx.TxOptions{}, func(ctx context.Context, tx pgx.Tx) error {
		var there bool
		if err := tx.QueryRow(ctx, "SELECT to_regclass($1) IS NOT NULL", name).Scan(&there); err != nil || there {
			return err
		}
		// Two gateways that make it at once would both find it missing.
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock(hashtext('usage_logs'), hashtext(current_schema()))"); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, fmt.Sprintf("CREATE TABLE IF NOT EXISTS %s PARTITION OF usage_logs FOR VALUES FROM ('%s 00:00+00') TO ('%s 00:00+00')",
			name, day, start.AddDate(0, 0, 1).Format(time.DateOnly)))
		return err
	})
	if err == nil {
		s.known.days[day] = true
	}
	return err
}

func partitionOf(day time.Time) string { return "usage_logs_" + day.Format("20060102") }

// write is the transaction. It takes its locks in an order that all gateways keep:
// boots, rows that are corrected, roll-ups, names and histograms, each sorted.
func (b *batch) write(ctx context.Context, tx pgx.Tx, entries []store.Entry) error {
	if err := b.sort(ctx, tx, entries); err != nil || len(b.high) == 0 {
		return err
	}
	b.cells, b.timings, b.names = map[cell]*store.Total{}, map[cell]*store.Timing{}, map[string]string{}
	if len(b.rows) > 0 {
		if err := b.copyRows(ctx, tx); err != nil {
			return err
		}
	}
	for _, e := range b.fixes {
		if err := b.correct(ctx, tx, e); err != nil {
			return err
		}
	}
	if err := b.writeSums(ctx, tx); err != nil {
		return err
	}
	if err := b.writeTimings(ctx, tx); err != nil {
		return err
	}
	var nums []int32
	var seqs []int64
	for boot, seq := range b.high {
		nums, seqs = append(nums, b.s.known.boots[boot].num), append(seqs, int64(seq))
	}
	_, err := tx.Exec(ctx, "UPDATE ledger_boots b SET applied = n.seq FROM unnest($1::int[], $2::bigint[]) n(num, seq) WHERE b.num = n.num", nums, seqs)
	return err
}

// sort drops what is applied already. The positions stay locked to the end, so that
// nobody else applies the same.
func (b *batch) sort(ctx context.Context, tx pgx.Tx, entries []store.Entry) error {
	var boots []string
	for i := range entries {
		if boot := entries[i].Boot; !slices.Contains(boots, boot) {
			boots = append(boots, boot)
		}
	}
	rows, err := tx.Query(ctx, "SELECT boot, applied FROM ledger_boots WHERE boot = ANY($1) ORDER BY num FOR UPDATE", boots)
	if err != nil {
		return err
	}
	applied := map[string]uint64{}
	var boot string
	var seq int64
	if _, err = pgx.ForEachRow(rows, []any{&boot, &seq}, func() error {
		applied[boot] = uint64(seq)
		return nil
	}); err != nil {
		return err
	}
	b.rows, b.fixes, b.high = nil, nil, map[string]uint64{}
	for i := range entries {
		e := &entries[i]
		at, known := applied[e.Boot]
		if !known { // it was removed after it was numbered: by another state of the database
			return fmt.Errorf("%w: the database has forgotten boot %s", store.ErrAway, e.Boot)
		}
		if e.Seq <= at {
			continue
		}
		applied[e.Boot], b.high[e.Boot] = e.Seq, e.Seq
		switch e.Kind {
		case store.EntrySettle:
			b.rows = append(b.rows, e)
		case store.EntryAdjust:
			b.fixes = append(b.fixes, e)
		}
	}
	return nil
}

// correct changes the amounts of a row, and keeps the correction.
func (b *batch) correct(ctx context.Context, tx pgx.Tx, e *store.Entry) error {
	from, to := span(e)
	var at time.Time
	var ns int16
	var boot int32
	var seq int64
	var record []byte
	var as *string
	err := tx.QueryRow(ctx, `SELECT time, ns, boot, seq, record, summed_as FROM usage_logs
		WHERE "right"(request_id, 8) = "right"($1, 8) AND request_id = $1 AND time >= $2 AND time < $3
		ORDER BY time DESC LIMIT 1 FOR UPDATE`, text(e.RequestID), from, to).Scan(&at, &ns, &boot, &seq, &record, &as)
	if errors.Is(err, pgx.ErrNoRows) {
		b.s.log.Warn("correction of a row that is not kept", "request_id", e.RequestID)
		return nil
	}
	if err != nil {
		return err
	}
	var row store.UsageRow
	if err := store.DecodeRow(record, &row); err != nil {
		return err
	}
	row.Correct(e)
	if _, err := tx.Exec(ctx, "UPDATE usage_logs SET record = $1, cost_usd = $2, price_version = $3 WHERE time = $4 AND ns = $5 AND boot = $6 AND seq = $7",
		store.AppendRow(nil, &row), usd(row.CostNano), text(row.PriceVersion), at, ns, boot, seq); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, "INSERT INTO usage_corrections (boot, seq, row_time, request_id, delta_nano, entry) VALUES ($1, $2, $3, $4, $5, $6)",
		b.s.known.boots[e.Boot].num, int64(e.Seq), at, text(e.RequestID), e.DeltaNano, store.AppendEntry(nil, e)); err != nil {
		return err
	}
	provider, account := row.Corrected(e)
	s := b.dict.at(b.dict.seriesOf(&row), provider, account)
	if as != nil {
		s.model = b.dict.name(*as)
	}
	b.add(slotOf(at), s, &store.Total{CostNano: e.DeltaNano, MarkupNano: e.MarkupNano, UnconfirmedNano: e.UnconfirmedNano, UnconfirmedTokens: e.UnconfirmedTokens})
	return nil
}

// span is where the row that e corrects may be: on the day it names, else around the
// time its request id tells, else anywhere.
func span(e *store.Entry) (from, to time.Time) {
	if !e.Day.IsZero() {
		day := e.Day.UTC().Truncate(24 * time.Hour)
		return day, day.Add(24 * time.Hour)
	}
	if u, err := ulid.ParseStrict(e.RequestID); err == nil {
		t := ulid.Time(u.Time()).UTC()
		return t.Add(-time.Minute), t.Add(time.Minute)
	}
	return time.Unix(0, 0), time.Date(2262, 1, 1, 0, 0, 0, 0, time.UTC)
}

// Applied returns the applied position of each boot.
func (s *Store) Applied(ctx context.Context) (map[string]uint64, error) {
	out := map[string]uint64{}
	err := s.view(ctx, readTimeout, func(ctx context.Context, tx pgx.Tx) error {
		rows, err := tx.Query(ctx, "SELECT boot, applied FROM ledger_boots WHERE applied > 0")
		if err != nil {
			return err
		}
		var boot string
		var seq int64
		_, err = pgx.ForEachRow(rows, []any{&boot, &seq}, func() error {
			out[boot] = uint64(seq)
			return nil
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("cannot read applied positions: %w", err)
	}
	return out, nil
}
