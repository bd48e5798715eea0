package bolt

import (
	"errors"
	"maps"
	"os"
	"slices"

	berrors "go.etcd.io/bbolt/errors"
)

// Trim takes what was read of the store's files out of the process's memory, which
// otherwise grows with them: they are mapped, and with every row comes a page. What is
// in use is read again at the cost of a page fault.
func (s *Store) Trim() error {
	err := letPagesGo(s.db)
	if errors.Is(err, berrors.ErrDatabaseNotOpen) {
		return nil
	}
	errs := []error{err}
	for _, day := range s.days.opened() {
		f, err := s.days.acquire(day, false)
		switch {
		case err == nil:
			errs = append(errs, letPagesGo(f.db))
			s.days.release(f)
		case !errors.Is(err, errNoDay) && !errors.Is(err, os.ErrClosed):
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// opened returns the days whose files are open.
func (d *days) opened() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Collect(maps.Keys(d.open))
}
