package bolt

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/your-org/ai-api-gateway/store"
)

// Inspect returns the schema of the store in dir, 0 if there is none, and the one
// this program writes. It changes nothing. A store in use gives store.ErrLocked
// within a second.
func Inspect(dir string) (found, current uint64, err error) {
	path := filepath.Join(dir, "gateway.db")
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return 0, schema, nil
	}
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true, Timeout: lockWait})
	if errors.Is(err, berrors.ErrTimeout) {
		return 0, schema, fmt.Errorf("cannot open %s: %w", path, store.ErrLocked)
	}
	if err != nil {
		return 0, schema, fmt.Errorf("cannot open %s: %w", path, err)
	}
	s := &Store{db: db}
	found, _, err = s.state()
	return found, schema, errors.Join(err, db.Close())
}

// Size returns how much the store takes on disk. Files that come or go meanwhile
// may be missed.
func (s *Store) Size() store.Size {
	days := s.days.newestFirst()
	out := store.Size{Kind: "bolt", Days: len(days)}
	paths := []string{s.db.Path()}
	for _, day := range days {
		paths = append(paths, s.days.path(day))
		out.OldestDay = day
	}
	for _, path := range paths {
		if fi, err := os.Stat(path); err == nil {
			out.Bytes += fi.Size()
		}
	}
	return out
}
