//go:build unix

package cmd

import "golang.org/x/sys/unix"

// roomOf returns the free and all bytes of the file system that dir is on.
func roomOf(dir string) (free, total uint64, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, 0, err
	}
	return uint64(st.Bavail) * uint64(st.Bsize), uint64(st.Blocks) * uint64(st.Bsize), nil
}
