package bolt

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"go.etcd.io/bbolt"

	"github.com/your-org/ai-api-gateway/store"
)

// Buckets of a day file.
var (
	bRows  = []byte("rows")  // row key → row; its sequence counts the rows
	bIndex = []byte("index") // slot → postings
	bBoots = []byte("boots") // boot → index in row keys, applied position
	bFixes = []byte("fixes") // boot's index (2), seq (6) → correction; made with the first
)

const dayLayout = "2006-01-02"

// errNoDay says that there is no file for a day.
var errNoDay = errors.New("no rows of that day")

// days holds the day files: which exist, and which are open, of these at most max
// more than are in use.
type days struct {
	dir string
	max int

	mu     sync.Mutex
	exist  []string // ascending
	open   map[string]*dayFile
	tick   uint64
	closed bool
}

// A dayFile is one open day file. It is closed when it is evicted and unused.
type dayFile struct {
	day    string
	db     *bbolt.DB
	err    error
	ready  sync.Once
	refs   int
	used   uint64 // tick of its last use
	doomed bool   // to be removed when unused
	// removing: somebody is about it, and has its db
	removing bool
}

func (d *days) path(day string) string { return filepath.Join(d.dir, day+".db") }

// list reads which day files exist.
func (d *days) list() error {
	files, err := os.ReadDir(d.dir)
	if err != nil {
		return fmt.Errorf("cannot list usage files: %w", err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.exist = nil
	for _, f := range files {
		day, ok := strings.CutSuffix(f.Name(), ".db")
		if _, err := time.Parse(dayLayout, day); ok && err == nil {
			d.exist = append(d.exist, day)
		}
	}
	slices.Sort(d.exist)
	return nil
}

func (d *days) newestFirst() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := slices.Clone(d.exist)
	slices.Reverse(out)
	return out
}

// acquire returns the open file of a day, to be released by the caller; errNoDay
// if there is none and create is not set.
func (d *days) acquire(day string, create bool) (*dayFile, error) {
	f, err := d.take(day, create)
	if err != nil {
		return nil, err
	}
	f.ready.Do(func() { f.db, f.err = openDay(d.path(day)) })
	if f.err == nil {
		return f, nil
	}
	d.mu.Lock()
	if d.open[day] == f {
		delete(d.open, day) // so that the next one tries again
	}
	d.mu.Unlock()
	return nil, f.err
}

func (d *days) take(day string, create bool) (*dayFile, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, os.ErrClosed
	}
	at, found := slices.BinarySearch(d.exist, day)
	if !found {
		if !create {
			return nil, errNoDay
		}
		d.exist = slices.Insert(d.exist, at, day)
	}
	f := d.open[day]
	if f != nil && f.doomed {
		return nil, fmt.Errorf("%s is being removed", d.path(day))
	}
	if f == nil {
		f = &dayFile{day: day}
		d.open[day] = f
	}
	f.refs++
	d.tick++
	f.used = d.tick
	return f, nil
}

// release gives f back and closes the files used least recently beyond the bound.
func (d *days) release(f *dayFile) {
	if d.letGo(f) {
		_ = d.remove(f) // the next Retain tries again
	}
}

// letGo is release under the lock; true: f is to be removed by the caller.
func (d *days) letGo(f *dayFile) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	f.refs--
	if f.doomed && f.refs == 0 && !f.removing {
		f.removing = true
		return true
	}
	for len(d.open) > d.max || d.closed {
		var oldest *dayFile
		for _, f := range d.open {
			if f.refs == 0 && !f.doomed && (oldest == nil || f.used < oldest.used) {
				oldest = f
			}
		}
		if oldest == nil {
			return false
		}
		delete(d.open, oldest.day)
		_ = oldest.db.Close() // nothing is lost: each transaction was synced
	}
	return false
}

// drop removes the file of a day, at once or when the last reader lets go of it.
func (d *days) drop(day string) error {
	d.mu.Lock()
	f := d.open[day]
	if f == nil {
		f = &dayFile{day: day}
		d.open[day] = f // so that nobody opens it meanwhile
	}
	f.doomed = true
	wait := f.refs > 0 || f.removing
	f.removing = f.removing || !wait
	d.mu.Unlock()
	if wait {
		return nil
	}
	return d.remove(f)
}

// remove unlinks the file of a doomed day. It holds no lock meanwhile: a large file
// takes a while to give its room back, and others are written to all the time.
func (d *days) remove(f *dayFile) error {
	var err error
	if f.db != nil {
		err = f.db.Close()
	}
	err = errors.Join(err, ignoreMissing(os.Remove(d.path(f.day))))
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.open, f.day)
	if err != nil {
		return fmt.Errorf("cannot remove usage of %s: %w", f.day, err)
	}
	if at, found := slices.BinarySearch(d.exist, f.day); found {
		d.exist = slices.Delete(d.exist, at, at+1)
	}
	return nil
}

// close closes all files that are not in use, and those in use when they are released.
func (d *days) close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	var errs []error
	for day, f := range d.open {
		if f.refs == 0 && !f.removing {
			delete(d.open, day)
			errs = append(errs, f.db.Close())
		}
	}
	return errors.Join(errs...)
}

// openDay opens or makes a day file.
func openDay(path string) (*bbolt.DB, error) {
	db, err := openFile(path, 16<<20)
	if err != nil {
		return nil, err
	}
	err = prepareDay(db)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("cannot open %s: %w", path, err), db.Close())
	}
	return db, nil
}

func prepareDay(db *bbolt.DB) error {
	var found uint64
	err := db.View(func(tx *bbolt.Tx) error {
		if meta := tx.Bucket(bMeta); meta != nil {
			found = num64(meta.Get(kSchema))
		}
		return nil
	})
	switch {
	case err != nil:
		return err
	case found > schema:
		return fmt.Errorf("schema %d, this program knows %d: %w", found, schema, store.ErrNewer)
	case found != 0:
		return nil
	}
	return db.Update(func(tx *bbolt.Tx) error {
		for _, name := range [][]byte{bMeta, bRows, bIndex, bBoots} {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		return tx.Bucket(bMeta).Put(kSchema, be64(schema))
	})
}

// Retain removes the rows of all UTC days that end at or before the given time and
// returns how many days. Roll-ups stay. Readers of a removed day finish first.
func (s *Store) Retain(ctx context.Context, before time.Time) (removed int, err error) {
	last := before.UTC().AddDate(0, 0, -1).Format(dayLayout)
	if days := s.days.newestFirst(); len(days) == 0 || days[len(days)-1] > last {
		return 0, nil
	}
	if err := s.mark(kRowsFrom, []byte(before.UTC().Format(dayLayout))); err != nil {
		return 0, err
	}
	for _, day := range s.days.newestFirst() {
		if day > last {
			continue
		}
		if err := ctx.Err(); err != nil {
			return removed, err
		}
		if err := s.days.drop(day); err != nil {
			return removed, err
		}
		removed++
	}
	return removed, nil
}

// RetainTotals removes the roll-ups from before the given time, some at a time so
// that requests are not held up, and returns how many.
func (s *Store) RetainTotals(ctx context.Context, before time.Time) (removed int, err error) {
	const some = 5000
	first := binary.BigEndian.AppendUint32(nil, slotOf(before))
	if err := s.mark(kSumsFrom, be64(uint64(slotOf(before)))); err != nil {
		return 0, err
	}
	for _, name := range [][]byte{bSums, bLean, bKeyed, bLatency} {
		for n := some; n == some; {
			if err := ctx.Err(); err != nil {
				return removed, err
			}
			if n, err = s.removeBelow(name, first, some); err != nil {
				return removed, fmt.Errorf("cannot remove old roll-ups: %w", err)
			}
			if bytes.Equal(name, bSums) {
				removed += n
			}
		}
	}
	return removed, nil
}

// removeBelow deletes at most some of a bucket's keys below first.
func (s *Store) removeBelow(bucket, first []byte, some int) (n int, err error) {
	err = s.db.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket(bucket)
		var keys [][]byte
		c := b.Cursor()
		for k, _ := c.First(); k != nil && len(keys) < some && bytes.Compare(k, first) < 0; k, _ = c.Next() {
			keys = append(keys, bytes.Clone(k))
		}
		for _, k := range keys {
			if err := b.Delete(k); err != nil {
				return err
			}
		}
		n = len(keys)
		return nil
	})
	return n, err
}

// mark notes, before anything is removed, from where on it is kept. Marks only rise.
func (s *Store) mark(name, from []byte) error {
	err := s.db.Update(func(tx *bbolt.Tx) error {
		meta := tx.Bucket(bMeta)
		if bytes.Compare(meta.Get(name), from) >= 0 {
			return nil
		}
		return meta.Put(name, from)
	})
	if err != nil {
		return fmt.Errorf("cannot note what is kept: %w", err)
	}
	return nil
}
