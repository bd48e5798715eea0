// Package postgres keeps the store in a database of Postgres, version 15 or newer,
// which any number of gateways share: configuration, audit, usage rows (one
// partition a UTC day), roll-ups and the applied position of each gateway's log.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/your-org/ai-api-gateway/store"
)

// Options say how a store is kept. The zero value means the usual.
type Options struct {
	// Mirror is a file that holds the last configuration seen, so that a gateway can
	// start and reload while the database is away; "": none.
	Mirror string
	// NewModelsPerDay bounds the model names that roll-ups learn in one day; further
	// ones are summed up as "other". Rows keep the name. 0 = 2,000.
	NewModelsPerDay int
	// NoMigrate leaves the schema alone: one that is not the newest is an error.
	NoMigrate bool
	Log       *slog.Logger // nil: silent

	wait time.Duration // for tests: how long a read of the configuration may take [5 s]
}

// Bounds of what one call may take. What the database does not answer in time is
// given up, and its connection with it.
const (
	connectTimeout = 3 * time.Second
	changeTimeout  = 5 * time.Second
	readTimeout    = 30 * time.Second
	appendTimeout  = 60 * time.Second
	// migrateTimeout is for a start; a call that finds an old schema later has its own bound.
	migrateTimeout = 30 * time.Minute
	// lockTimeout is for what would wait behind a reader and make all others wait.
	lockTimeout = 2 * time.Second
)

// A Store is a store.Store in a database.
type Store struct {
	pool *pgxpool.Pool
	opts Options
	log  *slog.Logger

	schemaSeen atomic.Bool // the schema was found to be this program's
	last       atomic.Pointer[store.Snapshot]
	mirror     sync.Mutex            // one writer of Options.Mirror
	mirrored   uint64                // revision that it holds, plus one
	failure    atomic.Pointer[error] // of the last call; nil: it was answered
	caches     sync.Mutex            // guards what follows; held by one Append at a time
	known      cache
}

var _ store.Store = (*Store)(nil)

// Open connects to the database at url (postgres://…) and brings its schema up to
// date unless told not to. A schema of a newer version gives store.ErrNewer. If the
// database is away and Options.Mirror holds a configuration, that is what Load
// returns until it is back: Open then succeeds, and the schema is looked at later.
func Open(ctx context.Context, url string, o Options) (*Store, error) {
	if o.NewModelsPerDay <= 0 {
		o.NewModelsPerDay = 2_000
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.wait == 0 {
		o.wait = changeTimeout
	}
	cfg, err := parse(url)
	if err != nil {
		return nil, err
	}
	pool, err := pgxpool.NewWithConfig(context.WithoutCancel(ctx), cfg)
	if err != nil {
		return nil, fmt.Errorf("cannot use the database: %w", err)
	}
	s := &Store{pool: pool, opts: o, log: o.Log}
	s.known.clear()
	if err := s.start(ctx); err != nil {
		pool.Close()
		return nil, err
	}
	return s, nil
}

func (s *Store) start(ctx context.Context) error {
	err := s.prepare(ctx)
	if err == nil || !errors.Is(err, store.ErrAway) {
		return err
	}
	snap, merr := readMirror(s.opts.Mirror)
	if merr != nil {
		return errors.Join(err, merr)
	}
	if snap == nil {
		return err
	}
	s.last.Store(snap)
	s.mirrored = snap.Rev + 1
	s.log.Error("the database is away: starting on the configuration seen last", "revision", snap.Rev, "error", err)
	return nil
}

// prepare brings the schema up to date, or checks it.
func (s *Store) prepare(ctx context.Context) error {
	if s.schemaSeen.Load() {
		return nil
	}
	looking, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	found, current, err := status(looking, s.pool)
	if err == nil && found < current && !s.opts.NoMigrate {
		ctx, cancel := context.WithTimeout(ctx, migrateTimeout)
		defer cancel()
		if err = up(ctx, s.pool); err == nil {
			s.log.Info("database migrated", "from", found, "to", current)
			found = current
		}
	}
	if err != nil {
		return s.noted(fmt.Errorf("cannot prepare the database: %w", classify(err)))
	}
	switch {
	case found > current:
		return fmt.Errorf("cannot use the database: its schema is %d, this program knows %d: %w", found, current, store.ErrNewer)
	case found < current:
		return fmt.Errorf("cannot use the database: its schema is %d, this program needs %d: run `ai-gateway migrate up`", found, current)
	}
	s.schemaSeen.Store(true)
	return s.noted(nil)
}

// noted keeps whether the database answers, for Err.
func (s *Store) noted(err error) error {
	if err == nil {
		s.failure.Store(nil)
	} else if errors.Is(err, store.ErrAway) {
		s.failure.Store(&err)
	}
	return err
}

// Err returns nil, or why the database did not answer the last call.
func (s *Store) Err() error {
	if err := s.failure.Load(); err != nil {
		return *err
	}
	return nil
}

// classify marks errors that say nothing about what was asked, so that the same may
// be asked again: all but those of a server that is well and refuses it.
func classify(err error) error {
	if err == nil || errors.Is(err, store.ErrAway) {
		return err
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) && len(pg.Code) == 5 {
		switch pg.Code[:2] {
		case "08", "25", "40", "53", "55", "57", "58": // connection, transaction state, rollback, resources, locks, operator, system
			return fmt.Errorf("%w: %w", store.ErrAway, err)
		}
		return err
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, pgx.ErrNoRows) {
		return err
	}
	for _, known := range []error{store.ErrConflict, store.ErrStale, store.ErrNotFound, store.ErrQuery, store.ErrCorrupt, store.ErrNewer} {
		if errors.Is(err, known) {
			return err
		}
	}
	var connect *pgconn.ConnectError
	var network net.Error
	if errors.As(err, &connect) || errors.As(err, &network) || errors.Is(err, context.DeadlineExceeded) || pgconn.Timeout(err) ||
		errors.Is(err, pgconn.ErrConnClosed) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: %w", store.ErrAway, err)
	}
	return err
}

// tx runs f in one transaction, whole or not at all.
func (s *Store) tx(ctx context.Context, timeout time.Duration, o pgx.TxOptions, f func(context.Context, pgx.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	bounded, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	err := s.prepare(bounded)
	if err == nil {
		err = pgx.BeginTxFunc(bounded, s.pool, o, func(tx pgx.Tx) error { return f(bounded, tx) })
	}
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return s.noted(classify(err))
}

// view is tx for reading one state of the whole.
func (s *Store) view(ctx context.Context, timeout time.Duration, f func(context.Context, pgx.Tx) error) error {
	return s.tx(ctx, timeout, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, f)
}

// Close lets go of all connections. It does not wait for a server that hangs.
func (s *Store) Close() error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			if v := recover(); v != nil { // a defect of the driver must not keep the log from being closed
				s.log.Error("closing the database panicked", "panic", fmt.Sprintf("%T", v))
			}
		}()
		s.pool.Close()
	}()
	select {
	case <-done:
	case <-time.After(connectTimeout):
	}
	return nil
}
