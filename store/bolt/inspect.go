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
