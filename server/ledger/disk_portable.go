//go:build !linux

package ledger

import (
	"errors"
	"os"
)

// datasync makes f durable. (On macOS Sync is F_FULLFSYNC, which reaches the medium.)
func datasync(f *os.File) error { return f.Sync() }

// allocate is left to the writing of zeros.
func allocate(*os.File, int64) error { return errors.ErrUnsupported }
