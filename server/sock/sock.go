// Package sock reads and writes TCP connections at less cost than net does.
//
// The sockets of the runtime's poller never block, but net tells the scheduler of
// each system call on them as of one that may. On a busy machine the monitor thread
// then finds calls that take longer than its 20 µs (a write to a socket on the same
// machine does the reader's work, too), takes their processor away, wakes a thread
// for it, and looks again every 20 µs. A call that cannot block needs none of this.
package sock

import (
	"errors"
	"net"
)

// ErrStale says that a connection can take no question: see Ask.
var ErrStale = errors.New("the connection is no longer idle")

// Direct returns nc with reads and writes that do not tell the scheduler; nc itself
// where that is not to be had: what is no TCP connection, systems other than Linux,
// and under the race detector, which follows the calls of package syscall. One goroutine
// at a time may read, and one write; one alone while it asks.
func Direct(nc net.Conn) net.Conn {
	if tc, ok := nc.(*net.TCPConn); ok {
		return direct(tc)
	}
	return nc
}
