// Package bolt keeps the store in files of bbolt: gateway.db holds configuration,
// audit, roll-ups and the applied positions; usage/2026-11-23.db the rows of one
// UTC day, so that retention is the removal of a file.
package bolt

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/your-org/ai-api-gateway/store"
)

// Options say how a store is kept. The zero value means the usual.
type Options struct {
	// OpenDays bounds the day files held open at a time; 0 = 8.
	OpenDays int
	// NewModelsPerDay bounds the model names that roll-ups learn in one day; further
	// ones are summed up as "other", so that callers who invent names cannot fill the
	// store. Rows keep the name. 0 = 2,000.
	NewModelsPerDay int
	// CheckMax is the largest file, in bytes, that is checked in full after an
	// unclean end; 0 = 1 GiB.
	CheckMax int64
	Log      *slog.Logger // nil: silent

	schema     uint64                           // for tests of migration; 0 = the constant
	migrations map[uint64]func(*bucketTx) error // from version → to the next; nil = upgrades
	between    func() error                     // for tests: between the day files' commits and gateway.db's
	synced     func() error                     // for tests: what the last sync of gateway.db's commit says
}

// bucketTx is what a migration gets: one transaction over gateway.db.
type bucketTx = bbolt.Tx

// schema is the version of gateway.db and of the day files that this program writes.
const schema = 2

// upgrades lead from each older schema of gateway.db to the next.
var upgrades = map[uint64]func(*bucketTx) error{1: addHistograms}

// Names of the buckets of gateway.db.
var (
	bMeta     = []byte("meta") // schema, clean, rev, new models of the day
	bValues   = []byte("values")
	bKeys     = []byte("keys")
	bHashes   = []byte("key_hashes")
	bAccounts = []byte("accounts")
	bNames    = []byte("account_names")
	bMappings = []byte("mappings")
	bAliases  = []byte("mapping_aliases")
	bPolicies = []byte("policies")
	bPolNames = []byte("policy_names")
	bAudit    = []byte("audit")
	bApplied  = []byte("applied")
	bSums     = []byte("sums")      // slot, series → sums
	bLean     = []byte("sums_lean") // the same without keys, see reductions
	bKeyed    = []byte("sums_key")  // and by key alone
	bLatency  = []byte("latency")   // slot, series → histograms
	bSeries   = []byte("series")    // series → dims
	bSeriesOf = []byte("series_of") // dims → series
	bModels   = []byte("models")    // models that have series of their own
	bKeyNames = []byte("key_names") // key id → name last seen in a row
)

var gatewayBuckets = [][]byte{bMeta, bValues, bKeys, bHashes, bAccounts, bNames, bMappings, bAliases, bPolicies, bPolNames, bAudit, bApplied, bSums, bLean, bKeyed, bLatency, bSeries, bSeriesOf, bModels, bKeyNames}

var (
	kSchema    = []byte("schema")
	kClean     = []byte("clean")
	kRev       = []byte("rev")
	kNewModels = []byte("new_models") // day (4 bytes), how many came on it (4 bytes)
	// kLatencyFrom is the first slot whose histograms are whole, in a store that had none.
	kLatencyFrom = []byte("latency_from")
)

// A Store is a store.Store in the files of one directory.
type Store struct {
	dir  string
	opts Options
	log  *slog.Logger
	db   *bbolt.DB
	days *days

	loaded loaded

	// append makes one Append at a time; it guards what follows.
	append  sync.Mutex
	applied map[string]uint64 // committed positions of gateway.db
	unsure  bool              // a commit failed: applied may not be what the file says
	gist    store.Gist        // of the row being sorted
	keyID   string            // the key asked for last
	keyIs   uint64            // and its word
	series  map[dims]uint32   // some of bSeriesOf
	names   map[string]string // some of bKeyNames
}

var (
	_ store.Store     = (*Store)(nil)
	_ store.Latencies = (*Store)(nil)
)

// lockWait is how long Open waits for another process to let go of the store.
const lockWait = 800 * time.Millisecond

// Open opens the store in dir and makes what is missing, directories as 0700 and
// files as 0600. A store in use gives store.ErrLocked within a second, one of a
// newer version store.ErrNewer; an older one is copied to gateway.db.bak-vN and
// migrated. After an unclean end the files are checked first.
func Open(ctx context.Context, dir string, o Options) (*Store, error) {
	if o.OpenDays <= 0 {
		o.OpenDays = 8
	}
	if o.NewModelsPerDay <= 0 {
		o.NewModelsPerDay = 2_000
	}
	if o.CheckMax <= 0 {
		o.CheckMax = 1 << 30
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.schema == 0 {
		o.schema = schema
	}
	if o.migrations == nil {
		o.migrations = upgrades
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	usage := filepath.Join(dir, "usage")
	if err := os.MkdirAll(usage, 0o700); err != nil {
		return nil, fmt.Errorf("cannot make store directory: %w", err)
	}
	db, err := openFile(filepath.Join(dir, "gateway.db"), 64<<20)
	if err != nil {
		return nil, err
	}
	s := &Store{dir: dir, opts: o, log: o.Log, db: db, series: map[dims]uint32{}, names: map[string]string{}}
	s.days = &days{dir: usage, max: o.OpenDays, open: map[string]*dayFile{}}
	if err := s.start(ctx); err != nil {
		return nil, errors.Join(err, s.days.close(), db.Close())
	}
	return s, nil
}

// openFile opens one bbolt file. The freelist is synced, so that opening does not
// read the file: it stays short, for nothing is deleted from a day file and only
// a day's roll-ups at a time from gateway.db.
func openFile(path string, mmap int) (*bbolt.DB, error) {
	if runtime.GOOS == "windows" {
		mmap = 0 // there the file itself would be made as large
	}
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{
		Timeout: lockWait, FreelistType: bbolt.FreelistMapType, InitialMmapSize: mmap,
	})
	if errors.Is(err, berrors.ErrTimeout) {
		return nil, fmt.Errorf("cannot open %s: %w: is a gateway running on this directory?", path, store.ErrLocked)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot open %s: %w", path, err)
	}
	if err := narrow(path); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// narrow takes the rights of others off a file that was made or copied with more.
func narrow(path string) error {
	fi, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("cannot look at %s: %w", path, err)
	}
	if runtime.GOOS != "windows" && fi.Mode().Perm()&0o077 != 0 {
		if err := os.Chmod(path, 0o600); err != nil {
			return fmt.Errorf("cannot narrow the rights of %s: %w", path, err)
		}
	}
	return nil
}

// start brings an opened gateway.db to the present schema and reads what is kept in memory.
func (s *Store) start(ctx context.Context) error {
	found, clean, err := s.state()
	if err != nil {
		return err
	}
	switch {
	case found > s.opts.schema:
		return fmt.Errorf("cannot open %s: schema %d, this program knows %d: %w", s.db.Path(), found, s.opts.schema, store.ErrNewer)
	case found != 0 && found < s.opts.schema:
		if err := s.migrate(found); err != nil {
			return err
		}
	}
	if err := s.days.list(); err != nil {
		return err
	}
	if found != 0 && !clean {
		if err := s.check(ctx); err != nil {
			return err
		}
	}
	err = s.db.Update(func(tx *bbolt.Tx) error {
		reduced := found == 0 || tx.Bucket(bLean) != nil
		for _, name := range gatewayBuckets {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		if !reduced {
			if err := s.reduceAll(tx); err != nil {
				return err
			}
		}
		meta := tx.Bucket(bMeta)
		if err := meta.Put(kSchema, be64(s.opts.schema)); err != nil {
			return err
		}
		return meta.Put(kClean, []byte{0})
	})
	if err != nil {
		return fmt.Errorf("cannot prepare %s: %w", s.db.Path(), err)
	}
	s.applied, err = s.Applied(ctx)
	return err
}

// state returns the schema of gateway.db, 0 if it is new, and whether it was closed.
func (s *Store) state() (version uint64, clean bool, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		meta := tx.Bucket(bMeta)
		if meta == nil {
			return nil
		}
		v := meta.Get(kSchema)
		if len(v) != 8 {
			return fmt.Errorf("it names no schema: %w", store.ErrCorrupt)
		}
		version = binary.BigEndian.Uint64(v)
		clean = len(meta.Get(kClean)) == 1 && meta.Get(kClean)[0] == 1
		return nil
	})
	if err != nil {
		return 0, false, fmt.Errorf("cannot read %s: %w", s.db.Path(), err)
	}
	return version, clean, nil
}

// migrate copies gateway.db aside, then runs the migrations from version on in one
// transaction. Row files are never rewritten: their records carry their versions.
func (s *Store) migrate(version uint64) error {
	bak := fmt.Sprintf("%s.bak-v%d", s.db.Path(), version)
	if err := copyTo(s.db, bak); err != nil {
		return err
	}
	err := s.db.Update(func(tx *bbolt.Tx) error {
		for v := version; v < s.opts.schema; v++ {
			step := s.opts.migrations[v]
			if step == nil {
				return fmt.Errorf("no way from schema %d to %d is known", v, v+1)
			}
			if err := step(tx); err != nil {
				return fmt.Errorf("cannot migrate from schema %d: %w", v, err)
			}
		}
		return tx.Bucket(bMeta).Put(kSchema, be64(s.opts.schema))
	})
	if err != nil {
		return fmt.Errorf("cannot migrate %s (a copy is at %s): %w", s.db.Path(), bak, err)
	}
	s.log.Info("store migrated", "from", version, "to", s.opts.schema, "copy", bak)
	return nil
}

// copyTo writes a consistent copy of db to path, whole or not at all.
func copyTo(db *bbolt.DB, path string) error {
	tmp := path + ".tmp"
	err := db.View(func(tx *bbolt.Tx) error { return tx.CopyFile(tmp, 0o600) })
	if err == nil {
		err = syncFile(tmp)
	}
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		return fmt.Errorf("cannot copy %s to %s: %w", db.Path(), path, errors.Join(err, ignoreMissing(os.Remove(tmp))))
	}
	return nil
}

func syncFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// check reads gateway.db and the newest two day files in full, as those that may
// have been written to when the process or the machine died.
func (s *Store) check(ctx context.Context) error {
	s.log.Info("store was not closed, checking it", "dir", s.dir)
	if err := s.checkFile(s.db); err != nil {
		return err
	}
	names := s.days.newestFirst()
	for _, day := range names[:min(2, len(names))] {
		if err := ctx.Err(); err != nil {
			return err
		}
		f, err := s.days.acquire(day, false)
		if err != nil {
			return err
		}
		err = s.checkFile(f.db)
		s.days.release(f)
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) checkFile(db *bbolt.DB) error {
	return db.View(func(tx *bbolt.Tx) (err error) {
		if tx.Size() > s.opts.CheckMax {
			s.log.Warn("store file is too large to check", "path", db.Path(), "bytes", tx.Size())
			return nil
		}
		for e := range tx.Check() { // to its end, for its goroutine reads the transaction
			if err == nil {
				err = fmt.Errorf("%s is damaged (%w): restore it from a backup, or move it away to start without it: %w", db.Path(), e, store.ErrCorrupt)
			}
		}
		return err
	})
}

// Close marks the store as closed and lets go of its files.
func (s *Store) Close() error {
	s.append.Lock()
	defer s.append.Unlock()
	err := s.db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(bMeta).Put(kClean, []byte{1}) })
	if errors.Is(err, berrors.ErrDatabaseNotOpen) {
		return nil
	}
	err = errors.Join(s.days.close(), err, s.db.Close())
	if err != nil {
		return fmt.Errorf("cannot close store: %w", err)
	}
	return nil
}

func be64(v uint64) []byte { return binary.BigEndian.AppendUint64(nil, v) }

func num64(b []byte) uint64 {
	if len(b) != 8 {
		return 0
	}
	return binary.BigEndian.Uint64(b)
}
