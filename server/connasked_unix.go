//go:build unix

package server

import "golang.org/x/sys/unix"

// asked reports whether something has come that was not read yet: a request that a
// busy process has not begun with, or the caller's end.
func (c *conn) asked() bool {
	raw, err := c.SyscallConn()
	if err != nil {
		return false
	}
	n := 0
	_ = raw.Control(func(fd uintptr) {
		var one [1]byte
		n, _, _ = unix.Recvfrom(int(fd), one[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
	})
	return n > 0
}
