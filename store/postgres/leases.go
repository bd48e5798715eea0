package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/your-org/ai-api-gateway/store"
)

// Times of leases, as SQL has them: how long a gateway counts as alive that was not
// heard of, and how long a lease of one that is gone stays counted, unless the log in
// its data folder is brought in before.
const (
	aliveFor   = "15 seconds"
	leaseGrace = "24 hours"
)

// Holder names who takes leases: a process start, and the data folder whose log has
// what it uses. Name is for people, URL where other gateways reach it; "": nowhere.
type Holder struct{ Boot, Instance, Name, URL string }

// Lease changes what the holder has of a counter, to what f returns, while nobody
// else changes theirs. f sees the counter as it stands by then.
func (s *Store) Lease(ctx context.Context, h Holder, counter string, f func(store.LeaseView) (int64, error)) error {
	err := s.tx(ctx, changeTimeout, pgx.TxOptions{}, func(ctx context.Context, tx pgx.Tx) error {
		// Each statement after this one sees all that others have committed.
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", counter); err != nil {
			return err
		}
		v := store.LeaseView{Totals: func(q store.TotalsQuery) ([]store.Total, error) { return totals(ctx, tx, q) }}
		err := tx.QueryRow(ctx, `SELECT (SELECT least(coalesce(sum(amount), 0), 9223372036854775807)::bigint FROM limit_leases WHERE counter = $1 AND boot <> $2 AND at > now() - interval '`+leaseGrace+`'),
			(SELECT greatest(1, count(*)) FROM gateways WHERE seen > now() - interval '`+aliveFor+`')`, counter, h.Boot).Scan(&v.Others, &v.Gateways)
		if err != nil {
			return err
		}
		amount, err := f(v)
		if err != nil {
			return err
		}
		if amount <= 0 {
			_, err = tx.Exec(ctx, "DELETE FROM limit_leases WHERE counter = $1 AND boot = $2", counter, h.Boot)
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO limit_leases (counter, boot, instance, amount) VALUES ($1, $2, $3, $4)
			ON CONFLICT (counter, boot) DO UPDATE SET amount = excluded.amount, at = now()`, counter, h.Boot, h.Instance, amount)
		return err
	})
	if err != nil {
		return fmt.Errorf("cannot take a lease: %w", err)
	}
	return nil
}

// Beat tells that the holder lives.
func (s *Store) Beat(ctx context.Context, h Holder) error {
	return s.tx(ctx, changeTimeout, pgx.TxOptions{}, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "INSERT INTO gateways (boot, instance, name, url) VALUES ($1, $2, $3, $4) ON CONFLICT (boot) DO UPDATE SET seen = now()", h.Boot, h.Instance, h.Name, h.URL)
		if err == nil {
			err = nameRows(ctx, tx, h)
		}
		if err == nil {
			_, err = tx.Exec(ctx, "DELETE FROM gateways WHERE seen < now() - interval '1 day'")
		}
		if err == nil {
			_, err = tx.Exec(ctx, "DELETE FROM limit_leases WHERE at < now() - interval '"+leaseGrace+"'")
		}
		if err == nil { // what has been free for an hour
			_, err = tx.Exec(ctx, "DELETE FROM limit_rates WHERE tat < (extract(epoch FROM now()) - 3600) * 1000000000")
		}
		if err == nil {
			_, err = tx.Exec(ctx, "DELETE FROM limit_slots WHERE until < now() - interval '1 minute'")
		}
		return err
	})
}

// nameRows notes what the holder is called at the rows that it has brought in, once
// there are some: they are found after it is gone.
func nameRows(ctx context.Context, tx pgx.Tx, h Holder) error {
	_, err := tx.Exec(ctx, "UPDATE ledger_boots SET node = $2 WHERE boot = $1 AND node <> $2", h.Boot, h.Name)
	return err
}

// mostPeers bounds the gateways that are told of.
const mostPeers = 64

// Peers returns the other gateways that live; of some nobody knows where they are reached.
func (s *Store) Peers(ctx context.Context, h Holder) (out []Holder, err error) {
	err = s.view(ctx, changeTimeout, func(ctx context.Context, tx pgx.Tx) error {
		rows, err := tx.Query(ctx, "SELECT boot, instance, name, url FROM gateways WHERE boot <> $1 AND seen > now() - interval '"+aliveFor+"' ORDER BY boot LIMIT $2", h.Boot, mostPeers)
		if err != nil {
			return err
		}
		out, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Holder])
		return err
	})
	return out, err
}

// Alive counts the holders that have told lately that they live: the gateways on
// this database, and those that were killed less than 15 seconds ago.
func (s *Store) Alive(ctx context.Context) (n int, err error) {
	err = s.view(ctx, readTimeout, func(ctx context.Context, tx pgx.Tx) error {
		return tx.QueryRow(ctx, "SELECT count(*) FROM gateways WHERE seen > now() - interval '"+aliveFor+"'").Scan(&n)
	})
	if err != nil {
		return 0, fmt.Errorf("cannot look for running gateways: %w", err)
	}
	return n, nil
}

// Leave gives back what the holder has: all it used is in the store.
func (s *Store) Leave(ctx context.Context, h Holder) error {
	return s.tx(ctx, changeTimeout, pgx.TxOptions{}, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "DELETE FROM limit_leases WHERE boot = $1", h.Boot)
		if err == nil {
			_, err = tx.Exec(ctx, "DELETE FROM limit_slots WHERE boot = $1", h.Boot)
		}
		if err == nil {
			_, err = tx.Exec(ctx, "DELETE FROM gateways WHERE boot = $1", h.Boot)
		}
		if err == nil {
			err = nameRows(ctx, tx, h)
		}
		return err
	})
}

// Inherit gives back what dead processes had that used the holder's data folder,
// whose logs have all been brought in.
func (s *Store) Inherit(ctx context.Context, h Holder) error {
	return s.tx(ctx, changeTimeout, pgx.TxOptions{}, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "DELETE FROM limit_leases WHERE instance = $1 AND boot <> $2", h.Instance, h.Boot)
		return err
	})
}
