package postgres

import (
	"context"
	"time"
)

const (
	// pollEvery bounds how late a change is seen whose notice was lost.
	pollEvery = 2 * time.Second
	// answerWithin is how long a poll may take before its connection is given up.
	answerWithin = 3 * time.Second
	retryAfter   = time.Second
)

const never = ^uint64(0) // no revision

// Watch calls changed for each revision of the configuration that it sees, the
// first included, until ctx ends: within a moment after a change by any gateway, or
// within pollEvery if the notice of it was lost. changed returns the revision that it
// put into force; while that is another one than the database has, as when it fails,
// it is called again. Calls do not overlap.
func (s *Store) Watch(ctx context.Context, changed func(context.Context) (uint64, error)) {
	seen := never
	for ctx.Err() == nil {
		err := s.listen(ctx, &seen, changed)
		if ctx.Err() == nil && err != nil {
			_ = s.noted(classify(err)) // told by Err
		}
		select {
		case <-ctx.Done():
		case <-time.After(retryAfter):
		}
	}
}

// listen watches on one connection until that breaks.
func (s *Store) listen(ctx context.Context, seen *uint64, changed func(context.Context) (uint64, error)) error {
	bounded := func() (context.Context, context.CancelFunc) { return context.WithTimeout(ctx, answerWithin) }
	if err := s.prepare(ctx); err != nil {
		return err
	}
	start, cancel := bounded()
	defer cancel()
	pooled, err := s.pool.Acquire(start)
	if err != nil {
		return err
	}
	conn := pooled.Hijack() // a connection that listens is not for others
	defer func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerWithin)
		defer cancel()
		_ = conn.Close(end)
	}()
	if _, err := conn.Exec(start, "LISTEN "+channel); err != nil {
		return err
	}
	for {
		var rev uint64
		ask, cancel := bounded()
		err := conn.QueryRow(ask, "SELECT rev FROM store_state").Scan(&rev)
		cancel()
		if err != nil {
			return err
		}
		_ = s.noted(nil)
		if rev != *seen {
			if *seen, err = changed(ctx); err != nil {
				*seen = never
				return err
			}
		}
		wait, cancel := context.WithTimeout(ctx, pollEvery)
		_, err = conn.WaitForNotification(wait)
		cancel()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil && conn.IsClosed() {
			return err
		}
	}
}
