package bolt

import (
	"context"
	"encoding/binary"
	"log/slog"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"

	"github.com/your-org/ai-api-gateway/store"
)

// Captures keeps sealed bodies in a file of its own, captures.db, which is made
// when there is something to keep. It is safe for concurrent use.
type Captures struct {
	sideFile
	most int64 // bytes of the file; the oldest make room
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
func NewCaptures(dir string, log *slog.Logger) *Captures {
	return &Captures{sideFile: sideFile{path: filepath.Join(dir, "captures.db"), buckets: [][]byte{bBodies, bBodiesOf}, log: log}, most: maxCaptures}
}

func captureKey(at time.Time, id string) []byte {
	return append(binary.BigEndian.AppendUint64(nil, uint64(max(0, at.UnixMilli()))), id...)
}

// Put keeps list. When the file is full, the oldest go.
func (c *Captures) Put(_ context.Context, list []store.Capture) error {
	return c.update(true, func(tx *bbolt.Tx) error {
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
	err = c.view(func(tx *bbolt.Tx) error {
		if key := tx.Bucket(bBodiesOf).Get([]byte(requestID)); key != nil {
			sealed = append(sealed, tx.Bucket(bBodies).Get(key)...)
		}
		return nil
	})
	return sealed, err
}

// Drop removes what is from before that time, and returns how many records were.
func (c *Captures) Drop(_ context.Context, before time.Time) (removed int, err error) {
	until := captureKey(before, "")
	err = c.update(false, func(tx *bbolt.Tx) error {
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
