package postgres

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations/*.sql
var migrations embed.FS

// leastVersion is the oldest server that is served.
const leastVersion = 150000

// with runs f with the migrations over the pool's database. They run under a lock
// of the session, so that of several gateways that start one migrates.
func with(ctx context.Context, pool *pgxpool.Pool, f func(*goose.Provider) error) (err error) {
	var version int
	if err := pool.QueryRow(ctx, "SELECT current_setting('server_version_num')::int").Scan(&version); err != nil {
		return err
	}
	if version < leastVersion {
		return fmt.Errorf("the server is Postgres %d, 15 or newer is needed", version/10000)
	}
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	db := stdlib.OpenDBFromPool(pool)
	defer func() { err = errors.Join(err, db.Close()) }()
	locker, err := lock.NewPostgresSessionLocker()
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectPostgres, db, files, goose.WithSessionLocker(locker), goose.WithTableName("schema_versions"))
	if err != nil {
		return err
	}
	return f(p)
}

// status returns the schema of the database, 0 if it has none, and this program's.
// It changes nothing.
func status(ctx context.Context, pool *pgxpool.Pool) (found, current int64, err error) {
	err = with(ctx, pool, func(p *goose.Provider) error {
		sources := p.ListSources()
		current = sources[len(sources)-1].Version
		var made bool
		if err := pool.QueryRow(ctx, "SELECT to_regclass('schema_versions') IS NOT NULL").Scan(&made); err != nil || !made {
			return err
		}
		found, err = p.GetDBVersion(ctx)
		return err
	})
	return found, current, err
}

func up(ctx context.Context, pool *pgxpool.Pool) error {
	return with(ctx, pool, func(p *goose.Provider) error {
		_, err := p.Up(ctx)
		return err
	})
}

// migrating runs f with a pool of its own.
func migrating(ctx context.Context, url string, f func(*pgxpool.Pool) error) error {
	cfg, err := parse(url)
	if err != nil {
		return err
	}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return fmt.Errorf("cannot use the database: %w", err)
	}
	defer pool.Close()
	if err := f(pool); err != nil {
		return fmt.Errorf("cannot migrate the database: %w", classify(err))
	}
	return nil
}

// Inspect returns the schema of the database at url, 0 if it has none, and the one
// this program writes. It changes nothing.
func Inspect(ctx context.Context, url string) (found, current int64, err error) {
	err = migrating(ctx, url, func(pool *pgxpool.Pool) (err error) {
		found, current, err = status(ctx, pool)
		return err
	})
	return found, current, err
}

// Running counts the gateways on the database at url that have told lately that they
// live; a schema that knows of none has none.
func Running(ctx context.Context, url string) (n int, err error) {
	err = migrating(ctx, url, func(pool *pgxpool.Pool) error {
		var known bool
		if err := pool.QueryRow(ctx, "SELECT to_regclass('gateways') IS NOT NULL").Scan(&known); err != nil || !known {
			return err
		}
		return pool.QueryRow(ctx, "SELECT count(*) FROM gateways WHERE seen > now() - interval '"+aliveFor+"'").Scan(&n)
	})
	return n, err
}

// MigrateUp brings the schema to this program's.
func MigrateUp(ctx context.Context, url string) error {
	return migrating(ctx, url, func(pool *pgxpool.Pool) error { return up(ctx, pool) })
}

// MigrateDown takes the last migration back, and what only it made with it.
func MigrateDown(ctx context.Context, url string) error {
	return migrating(ctx, url, func(pool *pgxpool.Pool) error {
		return with(ctx, pool, func(p *goose.Provider) error {
			_, err := p.Down(ctx)
			return err
		})
	})
}
