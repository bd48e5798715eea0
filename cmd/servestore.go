package cmd

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/your-org/ai-api-gateway/server"
	"github.com/your-org/ai-api-gateway/server/config"
	"github.com/your-org/ai-api-gateway/store"
	"github.com/your-org/ai-api-gateway/store/bolt"
	"github.com/your-org/ai-api-gateway/store/postgres"
)

// books are the store of a gateway and what is done to it as a whole. Both the
// embedded store and Postgres are.
type books interface {
	store.Store
	store.Latencies
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
		return &exitError{exitConfig, errorf("%w: start the version that made it, or take its migration back with that version: ai-gateway migrate down", err)}
	case errors.As(err, new(*tls.CertificateVerificationError)):
		return errorf("%w: name the file of its authority with sslrootcert= in database_url, or choose another sslmode there", err)
	case errors.Is(err, store.ErrAway):
		return errorf("%w: start it, or set database_url to where it is", err)
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

// degraded names what is away without which the gateway goes on. A database that
// answers and takes no usage, such as a standby, is as good as away.
func (g *gateway) degraded() []string {
	if db := g.database(); db != nil && (db.Err() != nil || g.ledger.Stats().ApplyError != "") {
		return []string{"postgres"}
	}
	return nil
}

// instanceFile names the data folder to the database, over restarts.
const instanceFile = "instance"

// holderOf says who takes leases: this process, on this data folder.
func holderOf(dir, boot string) (postgres.Holder, error) {
	path := filepath.Join(dir, instanceFile)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		b = []byte(boot + "\n")
		err = writePrivate(path, b)
	}
	if err != nil {
		return postgres.Holder{}, err
	}
	return postgres.Holder{Boot: boot, Instance: strings.TrimSpace(string(b))}, nil
}

// leases returns what changes leases of limits; nil: this gateway is alone.
func (g *gateway) leases() func(context.Context, string, func(store.LeaseView) (int64, error)) error {
	db := g.database()
	if db == nil {
		return nil
	}
	return func(ctx context.Context, counter string, f func(store.LeaseView) (int64, error)) error {
		return db.Lease(ctx, g.holder, counter, f)
	}
}

// rates returns what takes units of a minute, slots what changes parts of what may run
// at a time; nil: this gateway is alone.
func (g *gateway) rates() func(context.Context, store.RateAsk) (store.RateGrant, error) {
	if db := g.database(); db != nil {
		return db.Rate
	}
	return nil
}

func (g *gateway) slots() func(context.Context, string, func(store.LeaseView) (int64, bool)) error {
	db := g.database()
	if db == nil {
		return nil
	}
	return func(ctx context.Context, counter string, f func(store.LeaseView) (int64, bool)) error {
		return db.Slots(ctx, g.holder, counter, f)
	}
}

// beatEvery is how often a gateway tells the others that it lives.
const beatEvery = 5 * time.Second

// beat tells the other gateways that this one lives, until ctx ends; once the logs in
// the data folder are brought in, it gives back what the processes before it had.
func (g *gateway) beat(ctx context.Context) {
	db := g.database()
	if db == nil {
		return
	}
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	for inherited := false; ; {
		err := db.Beat(ctx, g.holder)
		if err == nil && !inherited && g.ledger.Stats().ForeignBoots == 0 {
			err = db.Inherit(ctx, g.holder)
			inherited = err == nil
		}
		if err == nil {
			err = g.seePeers(ctx, db)
		}
		if err != nil && ctx.Err() == nil {
			g.log.Debug("the other gateways cannot be told that this one lives", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// seePeers looks who else is on the database.
func (g *gateway) seePeers(ctx context.Context, db *postgres.Store) error {
	list, err := db.Peers(ctx, g.holder)
	if err != nil {
		return err
	}
	peers := make([]server.Peer, len(list))
	for i, p := range list {
		peers[i] = server.Peer{Boot: p.Boot, Name: p.Name, URL: p.URL}
	}
	g.peers.Store(&peers)
	return nil
}

// follow puts into force what any gateway changes in the database, until ctx ends.
func (g *gateway) follow(ctx context.Context) {
	db := g.database()
	if db == nil {
		return
	}
	first := true
	db.Watch(ctx, func(ctx context.Context) (uint64, error) {
		// Not what was seen last: that may lack a key that was just made here.
		since := g.keys.Changes()
		snap, err := db.Current(ctx)
		for err == nil && !g.keys.Replace(since, snap.Keys) { // a key was changed here meanwhile
			since = g.keys.Changes()
			snap, err = db.Current(ctx)
		}
		if err != nil {
			return 0, err
		}
		if err := g.runtime.Reload(ctx); err != nil {
			g.log.Error("cannot put the configuration of the database into force, trying on", "revision", snap.Rev, "error", err)
			return 0, err
		}
		rev := min(snap.Rev, g.runtime.Revision())
		if !first {
			g.log.Info("configuration of the database is in force", "revision", rev)
		}
		first = false
		return rev, nil
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
		return nil, &exitError{exitNotFound, errorf("there is no store in %s", cfg.DataDir)}
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
