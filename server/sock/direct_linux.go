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
	asking      *asking // nil: Ask was never called
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
	return c.got(err)
}

// got tells what a read that ended with err has come to.
func (c *conn) got(err error) (int, error) {
	switch m := &c.read; {
	case err != nil:
		return 0, named("read", err)
	case m.errno != 0:
		return 0, c.failed("read", m.errno)
	case m.n == 0:
		return 0, io.EOF
	default:
		return m.n, nil
	}
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

// An asking is the state of Ask.
type asking struct {
	look move
	one  [1]byte
	done step
	try  func(fd uintptr) bool // made once
}

// A step is how far an Ask has come.
type step uint8

const (
	nothing step = iota
	stale        // the look has found the connection to be of no use
	tried        // the question was not sent whole
	asked
)

// Ask sends p over a connection on which nothing is under way, and reads the first of
// the answer into dst, which p may lie in. It returns how much of p was sent and how much was
// read. ErrStale: nothing was sent, since the other side has closed the connection
// or has sent what nobody asked for. The deadlines of reads and of writes hold.
//
// It takes less than a look, a Write and a Read. Net forgets that a socket was ready at
// the beginning of a read alone; what comes after the question was sent within one is
// told, so it need not be tried whether the answer is there already.
func (c *conn) Ask(p, dst []byte) (sent, n int, err error) {
	if len(p) == 0 || len(dst) == 0 {
		panic("BUG: nothing to ask, or no room for the answer")
	}
	if c.asking == nil {
		c.asking = &asking{try: c.ask}
		c.asking.look.p = c.asking.one[:]
	}
	a := c.asking
	a.done, c.write.p, c.write.n, c.write.flags, c.read.p = nothing, p, 0, syscall.MSG_NOSIGNAL, dst
	err = c.raw.Read(a.try)
	c.write.p, c.read.p = nil, nil
	switch a.done {
	case nothing:
		return 0, 0, named("read", err)
	case stale:
		return 0, 0, ErrStale
	case tried:
		if sent = c.write.n; c.write.errno != 0 {
			return sent, 0, c.failed("write", c.write.errno)
		}
		more, err := c.Write(p[sent:])
		if sent += more; err != nil {
			return sent, 0, err
		}
		n, err = c.Read(dst)
		return sent, n, err
	}
	n, err = c.got(err)
	return len(p), n, err
}

// ask looks, sends, and then reads.
func (c *conn) ask(fd uintptr) bool {
	a := c.asking
	if a.done == asked {
		return c.read.call(syscall.SYS_RECVFROM, fd)
	}
	if a.look.call(syscall.SYS_RECVFROM, fd) { // there is something, or the end
		a.done = stale
		return true
	}
	a.done = tried
	if !c.write.call(syscall.SYS_SENDTO, fd) {
		c.write.n, c.write.errno = 0, 0
		return true
	}
	if c.write.errno != 0 || c.write.n < len(c.write.p) {
		return true
	}
	a.done = asked
	return false
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
