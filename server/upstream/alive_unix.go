//go:build unix

package upstream

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// alive looks whether an idle connection still is one: not if the upstream has
// closed it, or has sent something nobody asked for (TLS records aside).
func alive(cn *conn) bool {
	sc, ok := cn.raw.(syscall.Conn)
	if !ok {
		return true
	}
	rc, err := sc.SyscallConn()
	if err != nil {
		return false
	}
	live := false
	err = rc.Control(func(fd uintptr) {
		var b [1]byte
		n, _, err := unix.Recvfrom(int(fd), b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		if n > 0 && err == nil {
			live = cn.raw != cn.Conn
		} else {
			live = errors.Is(err, unix.EAGAIN)
		}
	})
	return err == nil && live
}
