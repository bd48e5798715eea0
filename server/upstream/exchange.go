package upstream

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"time"
)

// An Exchange is one request and its answer. One goroutine uses it; only Cancel
// may be called from others. Call Header until it succeeds, then Read until
// io.EOF, and Close in any case.
type Exchange struct {
	c      *Client
	host   *host
	req    Request
	target string
	headBy time.Time

	mu        sync.Mutex // guards the four below against Cancel
	conn      *conn
	cancelled bool
	closed    bool
	abort     context.CancelFunc // stops a dial

	pooled   *[bufferSize]byte // where buf came from; a long header makes buf outgrow it
	buf      []byte
	r, w     int       // buf[r:w] is what was received and not used
	armed    time.Time // the read deadline set
	searched int       // how far buf[r:] is searched for the header's end
	sent     bool      // see Error.Sent
	answered bool      // a byte of an answer came
	retried  bool
	interim  int
	unsent   error // the request could not be written whole; an answer may have come all the same

	gotHead bool
	head    head
	body    body
	gzip    *unzip // nil: the body is not compressed
	err     error  // what ended reading
}

// start gets a connection and writes the request. A connection from the pool that
// proves dead before it took the request is replaced once.
func (x *Exchange) start() error {
	if err := x.connect(true); err != nil {
		return err
	}
	err := x.write()
	if err != nil && x.conn.reused && !isTimeout(err) {
		return x.again()
	}
	return x.written(err)
}

// again repeats the request over a new connection.
func (x *Exchange) again() error {
	x.retried, x.unsent = true, nil
	x.r, x.w, x.searched = 0, 0, 0
	x.drop()
	if err := x.connect(false); err != nil {
		return err
	}
	return x.written(x.write())
}

// written judges a failed write. An upstream that refuses a request early stops
// reading and answers, so an answer is waited for (Header reports the failure if none comes).
func (x *Exchange) written(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrCancelled):
		return ErrCancelled
	case isTimeout(err):
		return &Error{Kind: Write, Sent: x.sent, Err: errors.New("the upstream stopped reading")}
	}
	x.unsent = err
	return nil
}

// connect sets x.conn to a pooled connection (if allowed) or a new one.
func (x *Exchange) connect(pooled bool) error {
	var cn *conn
	var err error
	if pooled {
		cn, err = x.host.acquire(x.c.o.Now())
	} else {
		x.host.mu.Lock()
		err = x.host.reserve()
		x.host.mu.Unlock()
	}
	if err == nil && cn == nil {
		ctx, cancel := context.WithCancel(context.Background())
		x.mu.Lock()
		x.abort = cancel
		gone := x.cancelled
		x.mu.Unlock()
		if gone {
			cancel()
		}
		cn, err = x.host.dial(ctx, x.req.Timeouts)
		cancel()
	}
	if err != nil {
		var e *Error
		if errors.As(err, &e) && e.Kind != Cancelled {
			e.Sent = x.sent
		}
		return err
	}
	x.mu.Lock()
	x.abort = nil
	gone := x.cancelled
	if !gone {
		x.conn = cn
	}
	x.mu.Unlock()
	if gone {
		x.host.discard(cn)
		return ErrCancelled
	}
	x.armed = time.Time{} // a deadline left over is replaced: Header always sets one
	return nil
}

// drop gives the connection up.
func (x *Exchange) drop() {
	x.mu.Lock()
	cn := x.conn
	x.conn = nil
	x.mu.Unlock()
	if cn != nil {
		x.host.discard(cn)
	}
}

// arm sets the read deadline, unless the exchange was cancelled: Cancel must not be overwritten.
func (x *Exchange) arm(until time.Time) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.cancelled {
		return ErrCancelled
	}
	if until.Equal(x.armed) {
		return nil
	}
	x.armed = until
	return x.conn.SetReadDeadline(until)
}

func (x *Exchange) armWrite(until time.Time) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.cancelled {
		return ErrCancelled
	}
	return x.conn.SetWriteDeadline(until)
}

// receive reads into dst. Its errors are ErrTick, ErrCancelled, io.EOF and what the connection says.
func (x *Exchange) receive(dst []byte, until time.Time) (int, error) {
	if err := x.arm(until); err != nil {
		return 0, err
	}
	for range 64 {
		n, err := x.conn.Read(dst)
		if n > 0 {
			x.answered = true
			return n, nil // an error comes again
		}
		if err == nil {
			continue
		}
		x.mu.Lock()
		gone := x.cancelled
		x.mu.Unlock()
		switch {
		case gone:
			return 0, ErrCancelled
		case isTimeout(err):
			return 0, ErrTick
		}
		return 0, err
	}
	return 0, io.ErrNoProgress
}

// fill reads more into buf.
func (x *Exchange) fill(until time.Time) error {
	if x.r == x.w {
		x.r, x.w = 0, 0
	} else if x.w == len(x.buf) {
		x.w = copy(x.buf, x.buf[x.r:x.w])
		x.r = 0
	}
	n, err := x.receive(x.buf[x.w:], until)
	x.w += n
	return err
}

// Status returns the answer's status, 0 before Header has succeeded.
func (x *Exchange) Status() int { return x.head.status }

// ResponseHeader returns the first value of a header of the answer, "" if there
// is none. It stays usable after Close.
func (x *Exchange) ResponseHeader(name string) (value string) {
	x.head.each(func(n, v string) bool {
		if len(n) == len(name) && strings.EqualFold(n, name) {
			value = v
			return false
		}
		return true
	})
	return value
}

// EachHeader calls f for each header of the answer in the order received, names as received.
func (x *Exchange) EachHeader(f func(name, value string)) {
	x.head.each(func(name, value string) bool {
		f(name, value)
		return true
	})
}

// Reused reports whether the connection had served an earlier exchange.
func (x *Exchange) Reused() bool { return x.conn != nil && x.conn.reused }

// Cancel ends the exchange from any goroutine: a blocked Header or Read returns
// ErrCancelled at once, and so do later ones. The connection is closed.
func (x *Exchange) Cancel() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.closed || x.cancelled {
		return
	}
	x.cancelled = true
	if x.abort != nil {
		x.abort()
	}
	if x.conn != nil {
		x.conn.raw.Close()
	}
}

// Close gives the connection back if the body was read to its end, else closes it.
func (x *Exchange) Close() {
	x.mu.Lock()
	if x.closed {
		x.mu.Unlock()
		return
	}
	x.closed = true
	cn := x.conn
	x.conn = nil
	cancelled := x.cancelled
	x.mu.Unlock()
	if cn != nil {
		if x.gotHead && !cancelled && x.finished() && x.head.keep && x.unsent == nil {
			x.host.release(cn)
		} else {
			x.host.discard(cn)
		}
	}
	if x.err == nil {
		x.err = errors.New("exchange is closed")
	}
	if x.pooled != nil {
		x.c.buffers.Put(x.pooled)
		x.pooled, x.buf, x.gzip = nil, nil, nil
	}
}
