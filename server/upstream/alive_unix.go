//go:build unix

package upstream

import (
	"errors"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// A look tells whether an idle connection still is one. It is made once a connection,
// so that a look costs one system call and no memory.
type look struct {
	raw  syscall.RawConn // nil: not a connection of the system
	peek func(fd uintptr)
	ask  [1]unix.PollFd
	live bool
}

// of readies l for a connection; over one with tls records may come that are no answers.
func (l *look) of(c net.Conn, tls bool) {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return // closed: using it says so
	}
	l.raw = raw
	l.peek = func(fd uintptr) {
		l.ask[0] = unix.PollFd{Fd: int32(fd), Events: unix.POLLIN}
		n, err := unix.Poll(l.ask[:], 0)
		for errors.Is(err, unix.EINTR) {
			n, err = unix.Poll(l.ask[:], 0)
		}
		l.live = n == 0 && err == nil
		if n > 0 && tls {
			var one [1]byte
			n, _, err = unix.Recvfrom(int(fd), one[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
			l.live = n > 0 && err == nil
		}
	}
}

// alive looks at an idle connection: it is none any more if the upstream has closed it,
// or has sent something nobody asked for (TLS records aside), which would be taken for
// the answer to the next request.
func alive(cn *conn) bool {
	l := &cn.look
	if l.raw == nil {
		return true
	}
	return l.raw.Control(l.peek) == nil && l.live
}
