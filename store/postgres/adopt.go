package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/your-org/ai-api-gateway/store"
)

// AdoptBy are the groupings of the totals that Adopt takes.
var AdoptBy = []string{"quarter", "key", "model", "provider", "account", "end_reason", "group"}

// AdoptLatenciesBy are the groupings of the latencies that Adopt takes.
var AdoptLatenciesBy = []string{"quarter", "model", "provider", "account"}

// Adopt takes the roll-ups of a UTC day whose rows are not kept any more over from
// another store, once: totals and latencies are of that day, grouped by AdoptBy and
// AdoptLatenciesBy.
func (s *Store) Adopt(ctx context.Context, day time.Time, totals []store.Total, latencies []store.Latency) error {
	s.caches.Lock()
	defer s.caches.Unlock()
	s.known.trim()
	b := &batch{s: s, dict: &s.known.dict, cells: map[cell]*store.Total{}, timings: map[cell]*store.Timing{}, names: map[string]string{}}
	for i := range totals {
		x := &totals[i]
		at, err := time.Parse(time.RFC3339, x.Group["quarter"])
		if err != nil {
			return fmt.Errorf("cannot adopt the sums of %s: %w", day.Format(time.DateOnly), err)
		}
		g := x.Group
		b.add(slotOf(at), b.dict.series(levelFull, g["key"], g["model"], g["provider"], g["account"], g["end_reason"], g["group"]), x)
		if g["key"] != "" {
			b.names[g["key"]] = x.KeyName
		}
	}
	for _, x := range latencies {
		g := x.Group
		at, err := time.Parse(time.RFC3339, g["quarter"])
		if err != nil {
			return fmt.Errorf("cannot adopt the histograms of %s: %w", day.Format(time.DateOnly), err)
		}
		of := b.dict.series(levelTimed, "", g["model"], g["provider"], g["account"], "", "")
		b.timings[cell{slot: slotOf(at), series: of}] = &store.Timing{x.Duration, x.TTFT}
	}
	mark := "sums-of-" + day.Format(time.DateOnly)
	err := s.tx(ctx, appendTimeout, pgx.TxOptions{}, func(ctx context.Context, tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, "INSERT INTO ledger_boots (boot, applied) VALUES ($1, 1) ON CONFLICT DO NOTHING", mark)
		if err != nil || tag.RowsAffected() == 0 {
			return err
		}
		if _, err := tx.Exec(ctx, "UPDATE store_state SET rows_from = greatest(coalesce(rows_from, $1), $1)", day.AddDate(0, 0, 1)); err != nil {
			return err
		}
		if err := b.writeSums(ctx, tx); err != nil {
			return err
		}
		return b.writeTimings(ctx, tx)
	})
	if err != nil {
		s.known.clear()
		return fmt.Errorf("cannot adopt the sums of %s: %w", day.Format(time.DateOnly), err)
	}
	return nil
}
