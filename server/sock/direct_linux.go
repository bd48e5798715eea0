//go:build linux && !race

package sock

import (
	"io"
	"net"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// maxCall bounds what one call moves, in bytes: the goroutine cannot be preempted in it.
const maxCall = 256 << 10

// A conn is a TCP connection. Deadlines, closing and the wait for readiness are net's.
type conn struct {
	*net.TCPConn
	raw         syscall.RawConn
	read, write move
}

// A move is the state of reads, or of writes.
type move struct {
	p     []byte
	flags uintptr
	n     int
	errno syscall.Errno
	try   func(fd uintptr) bool // made once
}

func direct(tc *net.TCPConn) net.Conn {
	raw, err := tc.SyscallConn()
	if err != nil {
		return tc
	}
	c := &conn{TCPConn: tc, raw: raw}
	c.read.try = func(fd uintptr) bool { return c.read.call(syscall.SYS_RECVFROM, fd) }
	c.write.try = func(fd uintptr) bool { return c.write.call(syscall.SYS_SENDTO, fd) }
	return c
}

// call moves bytes; false: the socket is not ready.
func (m *move) call(trap, fd uintptr) bool {
	for {
		n, _, errno := syscall.RawSyscall6(trap, fd, uintptr(unsafe.Pointer(&m.p[0])), uintptr(min(len(m.p), maxCall)), m.flags, 0, 0)
		switch errno {
		case 0:
			m.n, m.errno = int(n), 0
			return true
		case syscall.EINTR:
		case syscall.EAGAIN:
			return false
		default:
			m.n, m.errno = 0, errno
			return true
		}
	}
}

func (c *conn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return c.TCPConn.Read(p)
	}
	m := &c.read
	m.p = p
	err := c.raw.Read(m.try)
	m.p = nil
	switch {
	case err != nil:
		return 0, named("read", err)
	case m.errno != 0:
		return 0, c.failed("read", m.errno)
	case m.n == 0:
		return 0, io.EOF
	}
	return m.n, nil
}

func (c *conn) Write(p []byte) (done int, err error) { return c.send(p, syscall.MSG_NOSIGNAL) }

// WriteMore is Write where another follows at once: the system may send both together.
func (c *conn) WriteMore(p []byte) (done int, err error) {
	return c.send(p, syscall.MSG_NOSIGNAL|unix.MSG_MORE)
}

func (c *conn) send(p []byte, flags uintptr) (done int, err error) {
	m := &c.write
	m.flags = flags
	for done < len(p) {
		m.p = p[done:]
		err = c.raw.Write(m.try)
		m.p = nil
		switch {
		case err != nil:
			return done, named("write", err)
		case m.errno != 0:
			return done, c.failed("write", m.errno)
		}
		done += m.n
	}
	return done, nil
}

// named makes an error of net say what was tried, as it does for its own reads and writes.
func named(op string, err error) error {
	if e, ok := err.(*net.OpError); ok {
		e.Op = op // it was made for this call
	}
	return err
}

func (c *conn) failed(op string, errno syscall.Errno) error {
	return &net.OpError{Op: op, Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: os.NewSyscallError(op, errno)}
}
