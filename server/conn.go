package server

import (
	"net"
	"sync"
	"syscall"
	"time"
)

// A listener hands out connections whose every write has a deadline of its own:
// fasthttp's WriteTimeout would bound a whole answer and cut long streams.
type listener struct {
	net.Listener
	open     *connSet
	patience time.Duration // with one write to a caller: a reader slower than that is cut
}

func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	wrapped := &conn{Conn: c, set: l.open, patience: l.patience}
	l.open.add(wrapped)
	return wrapped, nil
}

// A connSet knows the open connections, so that a drain that has run out of time
// can cut them.
type connSet struct {
	mu   sync.Mutex
	open map[*conn]struct{}
}

func (s *connSet) add(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		s.open = map[*conn]struct{}{}
	}
	s.open[c] = struct{}{}
}

func (s *connSet) closeAll() {
	s.mu.Lock()
	all := make([]*conn, 0, len(s.open))
	for c := range s.open {
		all = append(all, c)
	}
	s.mu.Unlock()
	for _, c := range all {
		_ = c.Close()
	}
}

type conn struct {
	net.Conn
	set      *connSet
	patience time.Duration
	armed    time.Time // when the write deadline was set last
}

// rearm is how old a deadline may be before it is set anew: many small writes then share one.
const rearm = 2 * time.Second

func (c *conn) Write(p []byte) (int, error) {
	if now := time.Now(); now.Sub(c.armed) > min(rearm, c.patience/2) {
		if err := c.Conn.SetWriteDeadline(now.Add(c.patience)); err != nil {
			return 0, err
		}
		c.armed = now
	}
	return c.Conn.Write(p)
}

// Close also forgets the connection.
func (c *conn) Close() error {
	c.set.mu.Lock()
	delete(c.set.open, c)
	c.set.mu.Unlock()
	return c.Conn.Close()
}

// SyscallConn gives the hang-up watcher the descriptor.
func (c *conn) SyscallConn() (syscall.RawConn, error) {
	if sc, ok := c.Conn.(syscall.Conn); ok {
		return sc.SyscallConn()
	}
	return nil, syscall.EINVAL
}
