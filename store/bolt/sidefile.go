package bolt

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// A sideFile is a file beside the store that a gateway can do without. It is
// opened on its first use, and made when there is something to keep. One that is
// damaged is set aside and another begun. It is safe for concurrent use.
type sideFile struct {
	path    string
	buckets [][]byte // made with the file
	log     *slog.Logger

	mu     sync.Mutex
	db     *bbolt.DB
	absent bool // there was no file, and nobody else makes one
	closed bool
	failed error // of the last attempt to open
	again  time.Time
}

// Bounds of opening: how long a file that another process holds is waited for, and
// how long nobody tries again after a failure, as requests would wait for it.
const (
	sideFilePatience = 100 * time.Millisecond
	sideFileRetry    = time.Second
)

// damagedExt is added to the name of a file that is set aside; the next one takes its place.
const damagedExt = ".damaged"

var errSideFileClosed = errors.New("it is closed")

// view reads the file; where there is none, read is not called.
func (f *sideFile) view(read func(*bbolt.Tx) error) error {
	return f.use(false, func(db *bbolt.DB) error { return db.View(read) })
}

// update changes the file; where there is none it is made if create is set, else
// write is not called.
func (f *sideFile) update(create bool, write func(*bbolt.Tx) error) error {
	return f.use(create, func(db *bbolt.DB) error { return db.Update(write) })
}

// use runs do with the file's database. What bbolt does with pages that make no
// sense is to panic, and a file cut short faults where it is mapped: both become
// errors, and the file is set aside.
func (f *sideFile) use(create bool, do func(*bbolt.DB) error) (err error) {
	db, err := f.open(create)
	if db == nil {
		return err
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("cannot use %s: %v", f.path, v)
			f.mu.Lock()
			defer f.mu.Unlock()
			if f.db == db { // it is left open: its locks may be held for ever
				f.db = nil
				f.setAside(err)
			}
		}
	}()
	return do(db)
}

// open returns the file's database; nil without an error where there is no file and create is not set.
func (f *sideFile) open(create bool) (*bbolt.DB, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.closed:
		return nil, fmt.Errorf("cannot open %s: %w", f.path, errSideFileClosed)
	case f.db != nil:
		return f.db, nil
	case f.absent && !create:
		return nil, nil
	case f.failed != nil && time.Now().Before(f.again):
		return nil, f.failed
	}
	if _, err := os.Stat(f.path); !create && errors.Is(err, fs.ErrNotExist) {
		f.absent = true
		return nil, nil
	}
	db, err := f.attempt()
	if damaged(err) {
		f.setAside(err)
		if !create {
			return nil, nil
		}
		db, err = f.attempt()
	}
	if f.failed = err; err != nil {
		f.again = time.Now().Add(sideFileRetry)
		return nil, err
	}
	f.db = db
	return db, nil
}

func (f *sideFile) attempt() (db *bbolt.DB, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if v := recover(); v != nil {
			db, err = nil, fmt.Errorf("cannot open %s: %v", f.path, v)
		}
	}()
	db, err = bbolt.Open(f.path, 0o600, &bbolt.Options{Timeout: sideFilePatience, FreelistType: bbolt.FreelistMapType})
	if err != nil {
		return nil, fmt.Errorf("cannot open %s: %w", f.path, err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		for _, name := range f.buckets {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		_ = db.Close()
		return nil, fmt.Errorf("cannot prepare %s: %w", f.path, err)
	}
	return db, nil
}

// damaged reports whether an error of opening is the file's own: neither is it held
// by another process, nor did the system refuse something.
func damaged(err error) bool {
	var refused syscall.Errno
	return err != nil && !errors.Is(err, berrors.ErrTimeout) && !errors.As(err, &refused)
}

// setAside renames the file, so that another is begun; f.mu is held.
func (f *sideFile) setAside(cause error) {
	if err := os.Rename(f.path, f.path+damagedExt); err != nil {
		f.log.Error("cannot set damaged file aside", "file", f.path, "error", err, "damage", cause)
		return
	}
	f.absent = true
	f.log.Error("a file is damaged: it is set aside, what it kept is lost", "file", f.path, "aside", f.path+damagedExt, "error", cause)
}

// Close closes the file, for good.
func (f *sideFile) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	if f.db == nil {
		return nil
	}
	db := f.db
	f.db = nil
	return db.Close()
}
