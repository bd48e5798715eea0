package ledger

import (
	"fmt"
	"os"

	"golang.org/x/sys/windows"
)

// errQuota is the error of a full disk in Windows' own words.
const errQuota = windows.ERROR_DISK_FULL

// syncDir does nothing: Windows has no such call, NTFS logs its names.
func syncDir(string) error { return nil }

// lockFile takes the lock that a living process holds on its boot; false: another has it.
func lockFile(f *os.File) (bool, error) {
	err := windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &windows.Overlapped{})
	switch err {
	case nil:
		return true, nil
	case windows.ERROR_LOCK_VIOLATION, windows.ERROR_IO_PENDING:
		return false, nil
	default:
		return false, fmt.Errorf("cannot lock %q: %w", f.Name(), err)
	}
}

// FreeBytes returns how much an unprivileged user may still write to the file system of dir.
func FreeBytes(dir string) (int64, error) {
	p, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0, fmt.Errorf("cannot read free space of %q: %w", dir, err)
	}
	var free uint64
	if err := windows.GetDiskFreeSpaceEx(p, &free, nil, nil); err != nil {
		return 0, fmt.Errorf("cannot read free space of %q: %w", dir, err)
	}
	return int64(free), nil
}
