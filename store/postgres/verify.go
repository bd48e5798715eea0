package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/your-org/ai-api-gateway/store"
)

// A proof is one Verify on its way.
type proof struct {
	s   *Store
	out store.Verification
	day string
	batch
	fixes store.Corrections
}

// Verify recomputes every roll-up from the rows and their corrections, one day at
// a time, and stops at the first that differs. Its error says that it could not
// read; what it read and found wrong is in the answer.
func (s *Store) Verify(ctx context.Context) (store.Verification, error) {
	p := &proof{s: s, batch: batch{dict: &dictionary{of: map[string]name{}}}}
	days, err := s.days(ctx)
	for _, day := range days {
		if err == nil {
			err = s.view(ctx, verifyTimeout, func(ctx context.Context, tx pgx.Tx) error { return p.oneDay(ctx, tx, day) })
		}
	}
	if err == nil {
		err = s.view(ctx, readTimeout, func(ctx context.Context, tx pgx.Tx) error { return p.orphans(ctx, tx) })
	}
	if errors.Is(err, store.ErrFault) {
		err = nil
	}
	if err != nil {
		err = fmt.Errorf("cannot verify the ledger: %w", err)
	}
	return p.out, err
}

// verifyTimeout bounds the verification of one day.
const verifyTimeout = time.Hour

// fault notes the first difference.
func (p *proof) fault(what, msg string, args ...any) error {
	return p.out.Fail(p.day, what, msg, args...)
}

// oneDay compares a day's rows with its roll-ups, in one state of the database.
func (p *proof) oneDay(ctx context.Context, tx pgx.Tx, day time.Time) error {
	p.day, p.cells, p.fixes = day.Format(time.DateOnly), map[cell]*store.Total{}, store.Corrections{}
	p.timings = map[cell]*store.Timing{}
	if _, err := tx.Exec(ctx, fmt.Sprintf("SET LOCAL statement_timeout = %d", verifyTimeout.Milliseconds())); err != nil {
		return err
	}
	var there bool
	if err := tx.QueryRow(ctx, "SELECT to_regclass($1) IS NOT NULL", partitionOf(day)).Scan(&there); err != nil || !there {
		return err // retention has removed it meanwhile
	}
	p.out.Days++
	if err := p.readFixes(ctx, tx, day); err != nil {
		return err
	}
	if err := p.readRows(ctx, tx, day); err != nil {
		return err
	}
	var twice string
	err := tx.QueryRow(ctx, "SELECT request_id FROM "+partitionOf(day)+" GROUP BY request_id HAVING count(*) > 1 LIMIT 1").Scan(&twice)
	if err == nil {
		return p.fault("request "+twice, "it has two rows")
	}
	if !errors.Is(err, pgx.ErrNoRows) {
		return err
	}
	return p.compare(ctx, tx, day)
}

func (p *proof) readFixes(ctx context.Context, tx pgx.Tx, day time.Time) error {
	rows, err := tx.Query(ctx, "SELECT request_id, delta_nano, entry FROM usage_corrections WHERE row_time >= $1 AND row_time < $2", day, day.AddDate(0, 0, 1))
	if err != nil {
		return err
	}
	var id string
	var delta int64
	var entry []byte
	_, err = pgx.ForEachRow(rows, []any{&id, &delta, &entry}, func() error {
		var e store.Entry
		if err := store.DecodeEntry(entry, &e); err != nil {
			return p.fault("request "+id, "a correction of it cannot be read: %v", err)
		}
		e.RequestID, e.DeltaNano = id, delta
		p.out.Corrections++
		p.fixes.Add(&e)
		return nil
	})
	return err
}

func (p *proof) readRows(ctx context.Context, tx pgx.Tx, day time.Time) error {
	rows, err := tx.Query(ctx, "SELECT l.time, l.ns, l.request_id, l.summed_as, l.record, coalesce(b.timed, false) FROM "+partitionOf(day)+" l LEFT JOIN ledger_boots b ON b.num = l.boot")
	if err != nil {
		return err
	}
	defer rows.Close()
	var at time.Time
	var ns int16
	var id string
	var as *string
	var record []byte
	var timed bool
	var row store.UsageRow
	for rows.Next() {
		if err := rows.Scan(&at, &ns, &id, &as, &record, &timed); err != nil {
			return err
		}
		if err := store.DecodeRow(record, &row); err != nil {
			return p.fault("request "+id, "its row cannot be read: %v", err)
		}
		at = at.Add(time.Duration(ns)).UTC()
		if !row.Time.Equal(at) || row.RequestID != id {
			return p.fault("request "+id, "its columns are those of another row, %s of %s", row.RequestID, row.Time.UTC().Format(time.RFC3339Nano))
		}
		if err := p.readRow(&row, as, timed); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if id, fault := p.fixes.Left(); fault != "" {
		return p.fault("request "+id, "%s", fault)
	}
	return nil
}

func (p *proof) readRow(row *store.UsageRow, as *string, timed bool) error {
	if fault := p.fixes.Row(row); fault != "" {
		return p.fault("request "+row.RequestID, "%s", fault)
	}
	p.out.Rows++
	p.out.Charged = store.AddNano(p.out.Charged, row.Charged())
	sum := p.dict.seriesOf(row)
	if as != nil {
		sum.model = p.dict.name(*as)
	}
	row.Shares(func(x store.Share) { p.add(slotOf(row.Time), p.dict.at(sum, x.Provider, x.Account), &x.Sum) })
	if timed {
		p.observe(slotOf(row.Time), sum, row)
	}
	return nil
}

// compare takes the day's roll-ups from what its rows come to.
func (p *proof) compare(ctx context.Context, tx pgx.Tx, day time.Time) error {
	var from int32
	if err := tx.QueryRow(ctx, "SELECT sums_from FROM store_state").Scan(&from); err != nil {
		return err
	}
	from = max(from, slotOf(day))
	addSpans(p.cells)
	columns := "level, slot, series, " + strings.Join(numbers, ", ")
	rows, err := tx.Query(ctx, "SELECT r.hours, s.level, r.slot, s.key_id, s.model, s.provider, s.account, s.end_reason, s.key_group, "+strings.Join(numbers, ", ")+
		" FROM (SELECT 0 AS hours, "+columns+" FROM usage_rollups WHERE level IN (0, 1, 2) AND slot >= $1 AND slot < $2"+
		" UNION ALL SELECT hours, "+columns+" FROM usage_spans WHERE hours IN (1, 24) AND level IN (1, 2) AND slot >= $1 AND slot < $2) r JOIN usage_series s ON s.id = r.series", from, slotOf(day)+slotsPerDay)
	if err != nil {
		return err
	}
	defer rows.Close()
	var at cell
	var level int16
	var of [6]string
	kept := store.Total{}
	dst := []any{&at.hours, &level, &at.slot, &of[0], &of[1], &of[2], &of[3], &of[4], &of[5]}
	for _, n := range kept.Numbers() {
		dst = append(dst, n)
	}
	for rows.Next() {
		if err := rows.Scan(dst...); err != nil {
			return err
		}
		at.series = p.dict.series(level, of[0], of[1], of[2], of[3], of[4], of[5])
		p.out.RollUps++
		made := p.cells[at]
		if made == nil {
			made = new(store.Total)
		}
		if !equal(&kept, made) {
			return p.fault(p.dict.tell(at), "it says %s; its rows come to %s", sumText(&kept), sumText(made))
		}
		delete(p.cells, at)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for at, made := range p.cells {
		if at.slot >= from && !equal(made, new(store.Total)) {
			return p.fault(p.dict.tell(at), "it is missing; its rows come to %s", sumText(made))
		}
	}
	return p.compareTimings(ctx, tx, from, slotOf(day)+slotsPerDay)
}

// compareTimings takes the histograms of the slots from from to until from what rows
// come to.
func (p *proof) compareTimings(ctx context.Context, tx pgx.Tx, from, until int32) error {
	rows, err := tx.Query(ctx, `SELECT t.slot, s.model, s.provider, s.account, t.timing FROM usage_timings t JOIN usage_series s ON s.id = t.series
		WHERE t.slot >= $1 AND t.slot < $2`, from, until)
	if err != nil {
		return err
	}
	defer rows.Close()
	var at cell
	var model, provider, account string
	var b []byte
	for rows.Next() {
		if err := rows.Scan(&at.slot, &model, &provider, &account, &b); err != nil {
			return err
		}
		at.series = p.dict.series(levelTimed, "", model, provider, account, "", "")
		var kept store.Timing
		if err := kept.AddEncoded(b); err != nil {
			return p.fault(p.dict.tell(at), "its histogram cannot be read: %v", err)
		}
		p.out.RollUps++
		made := p.timings[at]
		if made == nil {
			made = new(store.Timing)
		}
		if !slices.Equal(kept[0], made[0]) || !slices.Equal(kept[1], made[1]) {
			return p.fault(p.dict.tell(at), "its histogram counts %d requests and %d first bytes; its rows come to %d and %d", kept[0].Count(), kept[1].Count(), made[0].Count(), made[1].Count())
		}
		delete(p.timings, at)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for at := range p.timings {
		if at.slot >= from {
			return p.fault(p.dict.tell(at), "its histogram is missing")
		}
	}
	return nil
}

func equal(a, b *store.Total) bool {
	x, y := a.Numbers(), b.Numbers()
	for i := range x {
		if *x[i] != *y[i] {
			return false
		}
	}
	return true
}

// orphans counts roll-ups of days without rows, which only retention removes.
func (p *proof) orphans(ctx context.Context, tx pgx.Tx) error {
	var from *time.Time
	if err := tx.QueryRow(ctx, "SELECT rows_from FROM store_state").Scan(&from); err != nil {
		return err
	}
	rows, err := tx.Query(ctx, `SELECT to_timestamp(d.day * 86400.0), d.n FROM (SELECT slot / 96 AS day, count(*) AS n FROM usage_rollups WHERE level = 0 GROUP BY 1) d
		WHERE to_regclass('usage_logs_' || to_char(to_timestamp(d.day * 86400.0) AT TIME ZONE 'UTC', 'YYYYMMDD')) IS NULL ORDER BY 1`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var day time.Time
		var n int64
		if err := rows.Scan(&day, &n); err != nil {
			return err
		}
		p.out.Unproven += n
		if day = day.UTC(); from == nil || !day.Before(*from) {
			p.day = day.Format(time.DateOnly)
			return p.fault(partitionOf(day), "the partition is gone, its roll-ups remain")
		}
	}
	return rows.Err()
}

// tell names a roll-up.
func (d *dictionary) tell(c cell) string {
	s, over := d.textsOf(c.series), ""
	if c.hours > 0 {
		over = fmt.Sprintf(" over %d h", c.hours)
	}
	return fmt.Sprintf("roll-up of %s%s, level %d: key %q, model %q, provider %q, account %q, end %q, group %q",
		time.Unix(int64(c.slot)*slotSeconds, 0).UTC().Format("2006-01-02T15:04Z"), over, c.series.level, s[0], s[1], s[2], s[3], s[4], s[5])
}

func sumText(t *store.Total) string {
	return fmt.Sprintf("%d requests, %d tokens in, %d out, %s USD cost, %s markup, %s and %d tokens unconfirmed", t.Requests, t.Tokens.Prompt(), t.Tokens.Completion(),
		store.FormatUSD(t.CostNano), store.FormatUSD(t.MarkupNano), store.FormatUSD(t.UnconfirmedNano), t.UnconfirmedTokens)
}
