package bolt

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"go.etcd.io/bbolt"

	"github.com/your-org/ai-api-gateway/store"
)

// Captures keeps sealed bodies in a file of its own, captures.db, which is made
// when there is something to keep. It is safe for concurrent use.
type Captures struct {
	path string
	most int64 // bytes of the file; the oldest make room

	mu     sync.Mutex
	db     *bbolt.DB
	closed bool
}

var (
	bBodies   = []byte("bodies")    // time (8 bytes), request id → sealed
	bBodiesOf = []byte("bodies_of") // request id → key in bodies
)

// maxCaptures is the size that captures.db may reach, and captureRoom how many
// records go at a time when it has.
const (
	maxCaptures = 1 << 30
	captureRoom = 256
)

// NewCaptures returns the captures of the store in dir.
func NewCaptures(dir string) *Captures {
	return &Captures{path: filepath.Join(dir, "captures.db"), most: maxCaptures}
}

// open returns the file's database, opened on its first use; nil where there is no
// file yet and make is false.
func (c *Captures) open(make bool) (*bbolt.DB, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, fmt.Errorf("cannot open %s: closed", c.path)
	}
	if c.db != nil {
		return c.db, nil
	}
	if _, err := os.Stat(c.path); !make && errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	db, err := bbolt.Open(c.path, 0o600, &bbolt.Options{Timeout: time.Second, FreelistType: bbolt.FreelistMapType})
	if err != nil {
		return nil, fmt.Errorf("cannot open %s: %w", c.path, err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		for _, name := range [][]byte{bBodies, bBodiesOf} {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		_ = db.Close()
		return nil, fmt.Errorf("cannot prepare %s: %w", c.path, err)
	}
	c.db = db
	return db, nil
}

func captureKey(at time.Time, id string) []byte {
	return append(binary.BigEndian.AppendUint64(nil, uint64(max(0, at.UnixMilli()))), id...)
}

// Put keeps list. When the file is full, the oldest go.
func (c *Captures) Put(_ context.Context, list []store.Capture) error {
	db, err := c.open(true)
	if err != nil {
		return err
	}
	return db.Update(func(tx *bbolt.Tx) error {
		bodies, of := tx.Bucket(bBodies), tx.Bucket(bBodiesOf)
		if tx.Size() > c.most {
			n := 0
			if _, err := dropCaptures(bodies, of, func([]byte) bool { n++; return n <= captureRoom }); err != nil {
				return err
			}
		}
		for _, x := range list {
			key := captureKey(x.Time, x.RequestID)
			if err := bodies.Put(key, x.Sealed); err != nil {
				return err
			}
			if err := of.Put([]byte(x.RequestID), key); err != nil {
				return err
			}
		}
		return nil
	})
}

// Get returns what is kept of a request; nil: nothing.
func (c *Captures) Get(_ context.Context, requestID string) (sealed []byte, err error) {
	db, err := c.open(false)
	if db == nil {
		return nil, err
	}
	err = db.View(func(tx *bbolt.Tx) error {
		if key := tx.Bucket(bBodiesOf).Get([]byte(requestID)); key != nil {
			sealed = append(sealed, tx.Bucket(bBodies).Get(key)...)
		}
		return nil
	})
	return sealed, err
}

// Drop removes what is from before that time, and returns how many records were.
func (c *Captures) Drop(_ context.Context, before time.Time) (removed int, err error) {
	db, err := c.open(false)
	if db == nil {
		return 0, err
	}
	until := captureKey(before, "")
	err = db.Update(func(tx *bbolt.Tx) error {
		removed, err = dropCaptures(tx.Bucket(bBodies), tx.Bucket(bBodiesOf), func(key []byte) bool { return string(key) < string(until) })
		return err
	})
	return removed, err
}

// dropCaptures removes records from the oldest on while old says so.
func dropCaptures(bodies, of *bbolt.Bucket, old func(key []byte) bool) (n int, err error) {
	c := bodies.Cursor()
	for key, _ := c.First(); key != nil && old(key); key, _ = c.First() {
		if err := of.Delete(key[8:]); err != nil {
			return n, err
		}
		if err := c.Delete(); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// Close closes the file.
func (c *Captures) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	if c.db == nil {
		return nil
	}
	db := c.db
	c.db = nil
	return db.Close()
}
