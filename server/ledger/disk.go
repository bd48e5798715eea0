package ledger

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// A disk is what the log asks of the file system. Tests replace its functions to
// inject faults; everybody else uses realDisk.
type disk struct {
	create   func(path string) (*os.File, error)
	write    func(f *os.File, b []byte, off int64) (int, error)
	datasync func(f *os.File) error
	allocate func(f *os.File, size int64) error // errors.ErrUnsupported: write zeros instead
	free     func(dir string) (int64, error)    // bytes an unprivileged process may still write
}

func realDisk() *disk {
	return &disk{
		create: func(path string) (*os.File, error) {
			return os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		},
		write:    func(f *os.File, b []byte, off int64) (int, error) { return f.WriteAt(b, off) },
		datasync: datasync,
		allocate: allocate,
		free:     FreeBytes,
	}
}

func isNoSpace(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, errQuota) }

// prepare creates a file of size bytes of written zeros and makes it durable
// together with its name. Only written blocks spare the commits a change of the
// file system's own log: blocks that are merely allocated cost one at their
// first fdatasync. On failure no file is left.
func (d *disk) prepare(path string, size int64) (*os.File, error) {
	f, err := d.create(path)
	if err != nil {
		return nil, fmt.Errorf("cannot create segment: %w", err)
	}
	if err = d.fill(f, size); err == nil {
		err = syncDir(filepath.Dir(path))
	}
	if err != nil {
		_ = f.Close()
		_ = os.Remove(path)
		return nil, fmt.Errorf("cannot prepare segment %q: %w", path, err)
	}
	return f, nil
}

func (d *disk) fill(f *os.File, size int64) error {
	if err := d.allocate(f, size); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	zeros := make([]byte, min(size, 256<<10))
	for off := int64(0); off < size; off += int64(len(zeros)) {
		zeros = zeros[:min(int64(len(zeros)), size-off)]
		if _, err := d.write(f, zeros, off); err != nil {
			return err
		}
	}
	return f.Sync()
}

// prepareBallast reserves size bytes at path. On failure no file is left.
func (d *disk) prepareBallast(path string, size int64) (*os.File, error) {
	f, err := d.create(path)
	if err != nil {
		return nil, fmt.Errorf("cannot create ballast: %w", err)
	}
	if err = d.allocate(f, size); errors.Is(err, errors.ErrUnsupported) {
		err = d.fill(f, size)
	}
	if err != nil {
		_ = f.Close()
		_ = os.Remove(path)
		return nil, fmt.Errorf("cannot reserve ballast: %w", err)
	}
	return f, nil
}
