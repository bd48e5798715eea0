package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/your-org/ai-api-gateway/store"
)

// days lists the days that have a partition, ascending.
func (s *Store) days(ctx context.Context) (out []time.Time, err error) {
	err = s.view(ctx, readTimeout, func(ctx context.Context, tx pgx.Tx) error {
		rows, err := tx.Query(ctx, "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'usage_logs'::regclass")
		if err != nil {
			return err
		}
		var name string
		_, err = pgx.ForEachRow(rows, []any{&name}, func() error {
			if day, err := time.Parse("20060102", strings.TrimPrefix(name, "usage_logs_")); err == nil {
				out = append(out, day)
			}
			return nil
		})
		return err
	})
	slices.SortFunc(out, time.Time.Compare)
	return out, err
}

// Retain removes the rows of all UTC days that end at or before the given time and
// returns how many days. Roll-ups stay. A day that somebody reads for longer than a
// moment is left for the next time: waiting for him, all others would wait too.
func (s *Store) Retain(ctx context.Context, before time.Time) (removed int, err error) {
	days, err := s.days(ctx)
	if err != nil {
		return 0, fmt.Errorf("cannot remove old rows: %w", err)
	}
	for _, day := range days {
		if day.AddDate(0, 0, 1).After(before) {
			continue
		}
		err := s.tx(ctx, readTimeout, pgx.TxOptions{}, func(ctx context.Context, tx pgx.Tx) error { return dropDay(ctx, tx, day) })
		if err != nil {
			return removed, fmt.Errorf("cannot remove the rows of %s: %w", day.Format(time.DateOnly), err)
		}
		removed++
	}
	return removed, nil
}

func dropDay(ctx context.Context, tx pgx.Tx, day time.Time) error {
	next := day.AddDate(0, 0, 1)
	if _, err := tx.Exec(ctx, fmt.Sprintf("SET LOCAL lock_timeout = %d", lockTimeout.Milliseconds())); err != nil {
		return err
	}
	// What is kept from where on is noted before anything is removed; it only rises.
	if _, err := tx.Exec(ctx, "UPDATE store_state SET rows_from = greatest(coalesce(rows_from, $1), $1)", next); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, "DELETE FROM usage_corrections WHERE row_time >= $1 AND row_time < $2", day, next); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, "DROP TABLE IF EXISTS "+partitionOf(day))
	return err
}

// RetainTotals removes the roll-ups and histograms of the UTC days that end at or before
// the given time, some at a time, and returns how many roll-ups with all dimensions.
func (s *Store) RetainTotals(ctx context.Context, before time.Time) (removed int, err error) {
	const some = 5000
	first := slotOf(before.UTC().Truncate(24 * time.Hour)) // a span is kept or removed as a whole
	for {
		var n, full int64
		err := s.tx(ctx, readTimeout, pgx.TxOptions{}, func(ctx context.Context, tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, "UPDATE store_state SET sums_from = $1 WHERE sums_from < $1", first); err != nil {
				return err
			}
			return tx.QueryRow(ctx, `WITH gone AS (DELETE FROM usage_rollups WHERE (level, slot, series) IN
				(SELECT level, slot, series FROM usage_rollups WHERE slot < $1 LIMIT $2) RETURNING level)
				SELECT count(*), count(*) FILTER (WHERE level = 0) FROM gone`, first, some).Scan(&n, &full)
		})
		if err != nil {
			return removed, fmt.Errorf("cannot remove old roll-ups: %w", err)
		}
		removed += int(full)
		if n < some {
			break
		}
	}
	for _, of := range [][2]string{{"histograms", "DELETE FROM usage_timings WHERE (slot, series) IN (SELECT slot, series FROM usage_timings WHERE slot < $1 LIMIT $2)"},
		{"spans of roll-ups", "DELETE FROM usage_spans WHERE (hours, level, slot, series) IN (SELECT hours, level, slot, series FROM usage_spans WHERE slot < $1 LIMIT $2)"}} {
		if err := s.deleteSome(ctx, of[1], first, some); err != nil {
			return removed, fmt.Errorf("cannot remove old %s: %w", of[0], err)
		}
	}
	return removed, nil
}

// deleteSome deletes some at a time what is of slots before first, until there is no more.
func (s *Store) deleteSome(ctx context.Context, sql string, first int32, some int64) error {
	for n := some; n == some; {
		err := s.tx(ctx, readTimeout, pgx.TxOptions{}, func(ctx context.Context, tx pgx.Tx) error {
			tag, err := tx.Exec(ctx, sql, first, some)
			n = tag.RowsAffected()
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// sizeWithin is how long Size waits; what it tells is a nicety.
const sizeWithin = time.Second

// Size returns how much the store takes in the database; without it what is known
// is the kind alone.
func (s *Store) Size() store.Size {
	out := store.Size{Kind: "postgres"}
	_ = s.view(context.Background(), sizeWithin, func(ctx context.Context, tx pgx.Tx) error { // told by Err
		var oldest *string
		err := tx.QueryRow(ctx, `SELECT count(*), min(right(c.relname, 8)), coalesce(sum(pg_total_relation_size(c.oid)), 0) + pg_total_relation_size('usage_rollups') + pg_total_relation_size('usage_spans') + pg_total_relation_size('api_keys')
			FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'usage_logs'::regclass`).Scan(&out.Days, &oldest, &out.Bytes)
		if err == nil && oldest != nil {
			if day, err := time.Parse("20060102", *oldest); err == nil {
				out.OldestDay = day.Format(time.DateOnly)
			}
		}
		return err
	})
	return out
}
