package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/your-org/ai-api-gateway/server/config"
	"github.com/your-org/ai-api-gateway/store"
	"github.com/your-org/ai-api-gateway/store/bolt"
	"github.com/your-org/ai-api-gateway/store/postgres"
)

// books are the store of a gateway and what is done to it as a whole. Both the
// embedded store and Postgres are.
type books interface {
	store.Store
	keeper
	Verify(ctx context.Context) (store.Verification, error)
	Size() store.Size
}

// mirrorFile holds the configuration of the database as it was seen last, for a
// start without it.
const mirrorFile = "configuration.json"

// openBooksFor opens the store that the configuration names.
func openBooksFor(ctx context.Context, cfg *config.Config, successor bool, log *slog.Logger) (books, error) {
	if cfg.DatabaseURL == "" {
		st, err := openStore(ctx, cfg.DataDir, successor, log)
		if err != nil {
			return nil, storeError(cfg.DataDir, err)
		}
		return st, nil
	}
	st, err := postgres.Open(ctx, cfg.DatabaseURL, postgres.Options{
		Mirror: filepath.Join(cfg.DataDir, mirrorFile), NoMigrate: cfg.Migrate == "never", Log: log,
	})
	if err != nil {
		return nil, databaseError(err)
	}
	return st, nil
}

func databaseError(err error) error {
	switch {
	case errors.Is(err, store.ErrNewer):
		return &exitError{exitConfig, fmt.Errorf("%w: start the version that made it, or take its migration back with that version: ai-gateway migrate down", err)}
	case errors.Is(err, store.ErrAway):
		return fmt.Errorf("%w: start it, or set database_url to where it is", err)
	}
	return &exitError{exitConfig, err}
}

// database returns the store if it is one that gateways share, else nil.
func (g *gateway) database() *postgres.Store {
	st, _ := g.store.(*postgres.Store)
	return st
}

// backup returns what writes the store to an archive; nil: the store has tools of its own for it.
func (g *gateway) backup() func(ctx context.Context, w io.Writer, at time.Time) error {
	if st, ok := g.store.(*bolt.Store); ok {
		return st.Backup
	}
	return nil
}

// degraded names what is away without which the gateway goes on.
func (g *gateway) degraded() []string {
	if db := g.database(); db != nil && db.Err() != nil {
		return []string{"postgres"}
	}
	return nil
}

// follow puts into force what any gateway changes in the database, until ctx ends.
func (g *gateway) follow(ctx context.Context) {
	db := g.database()
	if db == nil {
		return
	}
	first := true
	db.Watch(ctx, func(ctx context.Context) error {
		snap, err := db.Load(ctx)
		if err != nil {
			return err
		}
		g.keys.Replace(snap.Keys)
		if err := g.runtime.Reload(ctx); err != nil {
			g.log.Error("cannot put the configuration of the database into force, trying on", "revision", snap.Rev, "error", err)
			return err
		}
		if !first {
			g.log.Info("configuration of the database is in force", "revision", snap.Rev)
		}
		first = false
		return nil
	})
}

// openStored opens a store that exists: the database, or that of the data folder,
// which no gateway may be using.
func (a *app) openStored(cfg *config.Config) (books, error) {
	if cfg.DatabaseURL != "" {
		return a.openDatabase(cfg)
	}
	found, _, err := bolt.Inspect(cfg.DataDir)
	switch {
	case err != nil:
		return nil, storeError(cfg.DataDir, err)
	case found == 0:
		return nil, &exitError{exitNotFound, fmt.Errorf("there is no store in %s", cfg.DataDir)}
	}
	st, err := bolt.Open(a.ctx, cfg.DataDir, bolt.Options{})
	if err != nil {
		return nil, storeError(cfg.DataDir, err)
	}
	return st, nil
}

// openDatabase opens a database that holds a store of this version. Gateways may be
// running on it.
func (a *app) openDatabase(cfg *config.Config) (books, error) {
	st, err := postgres.Open(a.ctx, cfg.DatabaseURL, postgres.Options{NoMigrate: true})
	if err != nil {
		return nil, databaseError(err)
	}
	return st, nil
}
