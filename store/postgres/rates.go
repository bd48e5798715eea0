package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/your-org/ai-api-gateway/store"
)

// Rate takes units of a limit a minute, in one round trip.
func (s *Store) Rate(ctx context.Context, a store.RateAsk) (g store.RateGrant, err error) {
	if err = s.prepare(ctx); err == nil {
		err = s.pool.QueryRow(ctx, `SELECT granted, ahead, (SELECT greatest(1, count(*)) FROM gateways WHERE seen > now() - interval '`+aliveFor+`')
			FROM limit_take($1, $2, $3, $4, $5, $6)`, a.Counter, a.Limit, a.Burst, a.Adjust, a.Least, a.Want).Scan(&g.Granted, &g.Ahead, &g.Gateways)
	}
	if err = s.noted(classify(err)); err != nil {
		return store.RateGrant{}, fmt.Errorf("cannot take of a limit a minute: %w", err)
	}
	return g, nil
}

// Slots changes what the holder has of a counter of what runs at a time, to what f
// returns, while nobody else changes theirs. It holds for store.SlotsFor. wants tells
// the others that the holder needs more.
func (s *Store) Slots(ctx context.Context, h Holder, counter string, f func(store.LeaseView) (amount int64, wants bool)) error {
	err := s.tx(ctx, changeTimeout, pgx.TxOptions{}, func(ctx context.Context, tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock(hashtextextended($1, 1))", counter); err != nil {
			return err
		}
		var v store.LeaseView
		err := tx.QueryRow(ctx, `SELECT coalesce(sum(amount), 0)::bigint, coalesce(bool_or(wants), false), (SELECT greatest(1, count(*)) FROM gateways WHERE seen > now() - interval '`+aliveFor+`')
			FROM limit_slots WHERE counter = $1 AND boot <> $2 AND until > clock_timestamp()`, counter, h.Boot).Scan(&v.Others, &v.Wanted, &v.Gateways)
		if err != nil {
			return err
		}
		amount, wants := f(v)
		if amount <= 0 && !wants {
			_, err = tx.Exec(ctx, "DELETE FROM limit_slots WHERE counter = $1 AND boot = $2", counter, h.Boot)
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO limit_slots (counter, boot, amount, wants, until) VALUES ($1, $2, $3, $4, clock_timestamp() + $5)
			ON CONFLICT (counter, boot) DO UPDATE SET amount = excluded.amount, wants = excluded.wants, until = excluded.until`, counter, h.Boot, amount, wants, store.SlotsFor)
		return err
	})
	if err != nil {
		return fmt.Errorf("cannot take of a limit on what runs at a time: %w", err)
	}
	return nil
}
