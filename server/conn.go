package server

import (
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/valyala/fasthttp"

	"github.com/your-org/ai-api-gateway/server/sock"
)

// Patience is how long a caller is waited for.
type patience struct {
	header time.Duration // for the request line, headers and a small body
	idle   time.Duration // for the next request
	write  time.Duration // with one write: a reader slower than that is cut
}

// A listener hands out connections whose every write has a deadline of its own
// (fasthttp's WriteTimeout would bound a whole answer and cut long streams), and
// that set and move their deadlines only when they must: each move costs more than
// the parsing of a request's header.
type listener struct {
	net.Listener
	open     *connSet
	patience patience
	plane    Plane
	log      *slog.Logger
	refused  prometheus.Counter
	server   *Server // answers plain requests; nil: fasthttp does
}

// Accept waits for room where the process has no descriptors left: the connections
// wait in the queue of the socket meanwhile.
func (l listener) Accept() (net.Conn, error) {
	const least, most = 5 * time.Millisecond, time.Second
	var pause time.Duration
	for {
		c, err := l.Listener.Accept()
		if err == nil {
			if wrapped := l.wrap(c); l.open.add(wrapped) {
				return wrapped, nil
			}
			l.refuse(c)
			pause = 0
			continue
		}
		if !passing(err) {
			return nil, err
		}
		if pause == 0 {
			l.log.Error("cannot accept a connection, trying on", "error", err)
		}
		pause = min(max(2*pause, least), most)
		time.Sleep(pause)
	}
}

func (l listener) wrap(c net.Conn) *conn {
	_, secure := c.(*tls.Conn)
	return &conn{Conn: sock.Direct(c), secure: secure, set: l.open, patience: l.patience, plane: l.plane, server: l.server, peer: peerOf(c.RemoteAddr()), ip: addrOf(c.RemoteAddr())}
}

// refuse closes a connection of a peer that has as many as it may, without an answer:
// one would have to be waited for.
func (l listener) refuse(c net.Conn) {
	_ = c.Close()
	l.refused.Inc()
	if most, tell := l.open.tells(time.Now()); tell {
		l.log.Warn("an address has as many connections as it may: more are closed", "address", c.RemoteAddr().String(), "most", most)
	}
}

// passing reports whether an error of accept(2) says something about the moment, or
// one connection, rather than the socket.
func passing(err error) bool {
	for _, e := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED, syscall.ECONNRESET, syscall.EINTR} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// Close is also called for a listener that Leave has closed.
func (l listener) Close() error {
	if err := l.Listener.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// A connSet knows the open connections, so that a drain that has run out of time
// can cut them.
type connSet struct {
	mu     sync.Mutex
	open   map[*conn]struct{}
	cap    connCap
	drains pace
}

// add reports false for a connection that is one too many of its peer.
func (s *connSet) add(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.cap.admits(c.peer, c.RemoteAddr()) {
		return false
	}
	s.cap.opened(c.peer)
	if s.open == nil {
		s.open = map[*conn]struct{}{}
	}
	s.open[c] = struct{}{}
	return true
}

// tells reports whether a refusal is to be logged, and the most connections of a peer.
func (s *connSet) tells(now time.Time) (most int, tell bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if tell = now.Sub(s.cap.told) >= tellEvery; tell {
		s.cap.told = now
	}
	return s.cap.most, tell
}

// closeIdle closes the connections that were idle at every look for grace, and
// returns how many are open still. On one that is idle a request may wait that this
// process has not come to read: it is not closed.
func (s *connSet) closeIdle(now time.Time, grace time.Duration) int {
	s.mu.Lock()
	var idle []*conn
	for c := range s.open {
		switch {
		case !c.idle.Load():
			c.idleSince = time.Time{}
		case c.idleSince.IsZero():
			c.idleSince = now
		}
		if c.idleSince.IsZero() || now.Sub(c.idleSince) < grace {
			continue
		}
		if c.asked() {
			c.idleSince = time.Time{}
			continue
		}
		idle = append(idle, c)
	}
	left := len(s.open) - len(idle)
	s.mu.Unlock()
	for _, c := range idle {
		_ = c.cut()
	}
	return left
}

// noteIdle follows which connections have no request on them. The deadline of another
// state counts no more; but what came of a first request came within that request's.
func noteIdle(nc net.Conn, state fasthttp.ConnState) {
	c, ok := nc.(*conn)
	if !ok {
		return
	}
	idle := state == fasthttp.StateIdle || state == fasthttp.StateNew
	if idle == c.idle.Load() { // readPlain was the first to see that there is a request
		return
	}
	c.idle.Store(idle)
	if c.again = c.again || state == fasthttp.StateIdle; c.again {
		c.readBy = time.Time{}
	}
}

func (s *connSet) closeAll() {
	s.mu.Lock()
	all := make([]*conn, 0, len(s.open))
	for c := range s.open {
		all = append(all, c)
	}
	s.mu.Unlock()
	for _, c := range all {
		_ = c.cut()
	}
}

// overTLS reports whether a request came over TLS. fasthttp does not see it through conn.
func overTLS(ctx *fasthttp.RequestCtx) bool {
	c, ok := ctx.Conn().(*conn)
	return ok && c.secure
}

type conn struct {
	net.Conn
	set       *connSet
	patience  patience
	plane     Plane
	server    *Server    // answers plain requests; nil: fasthttp does
	plains    int        // how many that were
	secure    bool       // TLS
	peer      netip.Addr // by which connections are counted
	ip        netip.Addr
	armed     time.Time // when the write deadline was set last
	wrote     time.Time // when something was written last
	readBy    time.Time // when reading is to end; zero: to be found out
	timer     time.Time // the read deadline set on Conn: readBy, or an earlier one
	idle      atomic.Bool
	again     bool      // the first request has been answered
	idleSince time.Time // at the looks of a drain; guarded by set.mu
	linger    bool      // the caller may still be sending when this is closed
	more      bool      // another write follows the next one at once
	buffer    buffer    // what requests are read into
	said      [len(passOn)]string
	head      *head // of the last plain request; nil: it is not kept
}

// longWord bounds what is remembered of a caller, in bytes.
const longWord = 256

// heard returns v, the value of the header that is passed on i-th, as a string. Callers
// say the same with each request: the string is made once.
func (c *conn) heard(i int, v []byte) string {
	if c == nil || len(v) > longWord {
		return string(v)
	}
	if said := &c.said[i]; *said != string(v) {
		*said = string(v)
	}
	return c.said[i]
}

// SetReadDeadline notes when reading is to end, for this request. The connection learns
// of it only when it is read and would wait longer than that.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.readBy = t
	return nil
}

// SetDeadline is asked by nobody who reads or writes at the same time.
func (c *conn) SetDeadline(t time.Time) error {
	c.readBy = t
	return c.SetWriteDeadline(t)
}

// Read reads what is fasthttp's: where it begins a request, with its whole buffer, plain ones are answered first.
func (c *conn) Read(p []byte) (int, error) {
	if c.server != nil && len(p) == readBuffer && c.idle.Load() {
		return c.server.readPlain(c, p)
	}
	return c.read(p)
}

// read reads until the deadline. One that is set too early for it, since the last
// request's was, is moved when it has fired.
func (c *conn) read(p []byte) (int, error) {
	switch {
	case !c.readBy.IsZero():
	case c.again && c.idle.Load():
		c.readBy = c.wrote.Add(c.patience.idle)
	default:
		c.readBy = time.Now().Add(c.patience.header)
	}
	for {
		if c.timer.IsZero() || c.timer.After(c.readBy) {
			if err := c.arm(c.readBy); err != nil {
				return 0, err
			}
		}
		n, err := c.Conn.Read(p)
		if n > 0 {
			c.buffer.note(p, n, c.idle.Load())
		}
		if n > 0 || err == nil || c.timer.Equal(c.readBy) || !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, err
		}
		if err := c.arm(c.readBy); err != nil {
			return 0, err
		}
	}
}

func (c *conn) arm(t time.Time) error {
	c.timer = t
	return c.Conn.SetReadDeadline(t)
}

// rearm is how old a deadline may be before it is set anew: many small writes then share one.
const rearm = 2 * time.Second

func (c *conn) Write(p []byte) (int, error) {
	c.wrote = time.Now()
	if c.wrote.Sub(c.armed) > min(rearm, c.patience.write/2) {
		if err := c.Conn.SetWriteDeadline(c.wrote.Add(c.patience.write)); err != nil {
			return 0, err
		}
		c.armed = c.wrote
	}
	if c.more {
		c.more = false
		if w, ok := c.Conn.(interface{ WriteMore([]byte) (int, error) }); ok {
			return w.WriteMore(p)
		}
	}
	return c.Conn.Write(p)
}

// writeBuffer is what is written to a caller at a time, in bytes.
const writeBuffer = 4 << 10

// Answers notes that the next write begins an answer with a body of size bytes, which is
// sent in one piece though it takes two writes.
func (c *conn) Answers(size int) { c.more = size >= writeBuffer }

// Bounds of the wait for a caller who is refused in the middle of sending. What all
// refused callers send is read at drainRate together, in bytes a second: under
// overload it must not take the processors from those who are served.
const (
	lingerFor   = 2 * time.Second
	lingerBytes = 64 << 20
	drainRate   = 32 << 20
	drainStep   = 256 << 10
)

// lingering notes that the caller of ctx may still be sending a body nobody reads:
// a connection closed over unread bytes is reset, and the answer lost with it.
func lingering(ctx *fasthttp.RequestCtx) {
	if c, ok := ctx.Conn().(*conn); ok {
		c.linger = true
	}
}

// Close lets a caller who has been refused take the answer, then cuts.
func (c *conn) Close() error {
	if c.linger {
		c.linger = false
		if b, ok := c.Conn.(interface{ SetReadBuffer(int) error }); ok {
			_ = b.SetReadBuffer(drainStep) // the system would take megabytes that nobody reads
		}
		until := time.Now().Add(lingerFor)
		if half, ok := c.Conn.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil && c.Conn.SetReadDeadline(until) == nil {
			for n := 0; n < lingerBytes && c.set.drains.wait(until); n += drainStep {
				if _, err := io.CopyN(io.Discard, c.Conn, drainStep); err != nil {
					break
				}
			}
		}
	}
	return c.cut()
}

// A pace gives turns that are drainStep/drainRate apart.
type pace struct{ next atomic.Int64 } // unix nanoseconds

// wait sleeps until its turn and reports whether that comes before until.
func (p *pace) wait(until time.Time) bool {
	const apart = int64(time.Second) * drainStep / drainRate
	for {
		now, next := time.Now().UnixNano(), p.next.Load()
		turn := max(now, next)
		if turn > until.UnixNano() {
			return false
		}
		if p.next.CompareAndSwap(next, turn+apart) {
			time.Sleep(time.Duration(turn - now))
			return true
		}
	}
}

// cut closes at once and forgets the connection.
func (c *conn) cut() error {
	c.set.mu.Lock()
	if _, open := c.set.open[c]; open {
		delete(c.set.open, c)
		c.set.cap.closed(c.peer)
	}
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
