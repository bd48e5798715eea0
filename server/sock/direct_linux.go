//go:build linux && !race

package sock

import (
	"io"
	"net"
	"os"
	"syscall"
	"unsafe"
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
	c.read.try = func(fd uintptr) bool { return c.read.call(syscall.SYS_READ, fd) }
	c.write.try = func(fd uintptr) bool { return c.write.call(syscall.SYS_WRITE, fd) }
	return c
}

// call moves bytes; false: the socket is not ready.
func (m *move) call(trap, fd uintptr) bool {
	for {
		n, _, errno := syscall.RawSyscall(trap, fd, uintptr(unsafe.Pointer(&m.p[0])), uintptr(min(len(m.p), maxCall)))
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

func (c *conn) Write(p []byte) (done int, err error) {
	m := &c.write
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
