package bolt

import (
	"fmt"

	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"
)

// letPagesGo takes the pages of a file that were read out of the process's memory.
// The system keeps them as it keeps those of any file: what is read again comes from
// there, unless memory was needed for something else.
func letPagesGo(db *bbolt.DB) error {
	return db.View(func(tx *bbolt.Tx) error { // within a transaction the mapping stays where it is
		if _, _, errno := unix.Syscall(unix.SYS_MADVISE, db.Info().Data, uintptr(tx.Size()), unix.MADV_DONTNEED); errno != 0 {
			return fmt.Errorf("cannot let pages of %s go: %w", db.Path(), errno)
		}
		return nil
	})
}
