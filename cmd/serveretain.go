package cmd

import (
	"context"
	"log/slog"
	"time"
)

const (
	retainEvery  = time.Hour
	restartAfter = time.Minute // a background job that panicked
)

// A keeper removes old records; the store is one.
type keeper interface {
	Retain(ctx context.Context, before time.Time) (days int, err error)
	RetainTotals(ctx context.Context, before time.Time) (removed int, err error)
}

// retention removes usage rows and roll-ups that are older than is wished, at the
// start and every hour. The audit trail is never touched.
type retention struct {
	rows, totals time.Duration // 0: for ever
	store        keeper
	now          func() time.Time
	log          *slog.Logger
}

// run works until ctx ends.
func (r retention) run(ctx context.Context) {
	if r.rows == 0 && r.totals == 0 {
		return
	}
	tick := time.NewTicker(retainEvery)
	defer tick.Stop()
	for {
		r.once(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (r retention) once(ctx context.Context) {
	remove := func(what string, age time.Duration, do func(context.Context, time.Time) (int, error)) {
		if age == 0 || ctx.Err() != nil {
			return
		}
		before := r.now().UTC().Add(-age)
		switch n, err := do(ctx, before); {
		case err != nil && ctx.Err() == nil:
			r.log.Error("cannot remove old records", "records", what, "error", err)
		case n > 0:
			r.log.Info("removed old records", "records", what, "before", before.Format(time.RFC3339), "count", n)
		}
	}
	remove("days of usage rows", r.rows, r.store.Retain)
	remove("usage totals", r.totals, r.store.RetainTotals)
}

// runGuarded runs a background job until it returns. A panic in it is told and the
// job begins anew after a pause: a bug in a chore must not end the gateway, nor
// stop the chore for ever.
func runGuarded(ctx context.Context, pause time.Duration, name string, panicked func(string, any), job func(context.Context)) {
	for again := true; again; {
		again = func() (failed bool) {
			defer func() {
				if v := recover(); v != nil {
					panicked(name, v)
					failed = true
				}
			}()
			job(ctx)
			return false
		}()
		if again {
			select {
			case <-ctx.Done():
				return
			case <-time.After(pause):
			}
		}
	}
}
