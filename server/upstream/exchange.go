package upstream

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"
)

// An Exchange is one request and its answer. One goroutine uses it; only Cancel
// may be called from others. Call Header until it succeeds, then Read until
// io.EOF, and Close in any case.
type Exchange struct {
	c        *Client
	endpoint *endpoint
	epoch    uint32 // the client's, when endpoint was found
	host     *host  // the endpoint's
	req      Request
	asked    time.Time // when the request began, or a Rest was sent: the header is waited for from then on

	mu        sync.Mutex // guards the four below against Cancel
	conn      *conn
	cancelled bool
	closed    bool
	abort     context.CancelFunc // stops a dial

	now      time.Time         // when it began, or got a new connection
	pooled   *[bufferSize]byte // where buf came from; a long header makes buf outgrow it
	little   *[littleSize]byte // or this
	buf      []byte
	ready    []byte // the request, in buf: Header sends it when it begins to wait
	r, w     int    // buf[r:w] is what was received and not used
	searched int    // how far buf[r:] is searched for the header's end
	sent     bool   // see Error.Sent
	answered bool   // a byte of an answer came
	retried  bool
	interim  int
	unsent   error // the request could not be written whole; an answer may have come all the same

	gotHead bool
	head    head
	body    body
	gzip    *unzip // nil: the body is not compressed

	unzipped []byte // what Next returns of a compressed body
	err      error  // what ended reading
}

// start gets a connection and writes the request, unless Header is to send it. A
// connection from the pool that proves dead before it took the request is replaced once.
func (x *Exchange) start() error {
	out, err := x.appendHead(x.buf[:0])
	if err != nil {
		return err
	}
	small := x.req.Rest == nil && len(x.req.Body) <= cap(out)-len(out)
	if err := x.connect(x.req.Rest == nil, small); err != nil {
		return err
	}
	if small && x.conn.reused && x.conn.asker != nil {
		x.ready = append(out, x.req.Body...)
		return nil
	}
	err = x.write(out)
	if x.req.Rest != nil { // however long it took
		x.asked = x.c.o.Now()
	}
	if err != nil && x.conn.reused && !isTimeout(err) && !errors.Is(err, ErrCancelled) {
		return x.again()
	}
	return x.written(err)
}

// again repeats the request over a new connection.
func (x *Exchange) again() error {
	x.retried, x.unsent = true, nil
	x.r, x.w, x.searched = 0, 0, 0
	x.drop()
	if err := x.connect(false, false); err != nil {
		return err
	}
	out, err := x.appendHead(x.buf[:0])
	if err != nil {
		return err // not for a header that was written before
	}
	return x.written(x.write(out))
}

// written judges a failed write. An upstream that refuses a request early stops
// reading and answers, so an answer is waited for (Header reports the failure if none comes).
func (x *Exchange) written(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrCancelled):
		return ErrCancelled
	case errors.Is(err, ErrSource):
		return &Error{Kind: Write, Sent: x.sent, Err: err}
	case isTimeout(err):
		return &Error{Kind: Write, Sent: x.sent, Err: errStopped}
	}
	x.unsent = err
	return nil
}

var errStopped = errors.New("the upstream stopped reading")

// connect sets x.conn to a pooled connection (if allowed; asked: see acquire) or a new one.
func (x *Exchange) connect(pooled, asked bool) error {
	var cn *conn
	var err error
	if pooled {
		cn, err = x.host.acquire(x.now, asked)
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
		cn, err = x.host.dial(ctx, x.req.Timeouts.Or(Defaults))
		cancel()
		x.now = x.c.o.Now()
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

// armWrite sets the write deadline for what is written from now on. Moving one costs
// more than it is worth for each request: it may be up to writeSlack earlier.
func (x *Exchange) armWrite(now time.Time) error {
	if x.conn.writeBy.Sub(now) >= writeStall-writeSlack {
		return nil
	}
	x.conn.writeBy = now.Add(writeStall)
	return x.conn.SetWriteDeadline(x.conn.writeBy)
}

// armRead sets the read deadline; zero: none.
func (cn *conn) armRead(until time.Time) error {
	cn.readBy = until
	return cn.SetReadDeadline(until)
}

// armedFor reports whether the deadline that is set will do for a wait from now until then.
func (cn *conn) armedFor(now, until time.Time) bool {
	if cn.readBy.IsZero() {
		return until.IsZero()
	}
	return cn.readBy.After(now) && (until.IsZero() || !cn.readBy.After(until))
}

// receive reads into dst. Its errors are ErrTick, ErrCancelled, io.EOF and what the connection says.
//
// A deadline that is left over from an earlier call stays while it is not too late,
// and is moved when it has fired: calls that do not wait long cost no timer. One that had
// fired before the exchange began is moved at once.
func (x *Exchange) receive(dst []byte, until time.Time) (int, error) {
	if !x.conn.armedFor(x.now, until) {
		if err := x.conn.armRead(until); err != nil {
			return 0, x.unread(err)
		}
	}
	for range 64 {
		n, err := x.read(dst)
		if n > 0 {
			x.answered = true
			return n, nil // an error comes again
		}
		if err == nil {
			continue
		}
		if isTimeout(err) && !x.conn.readBy.Equal(until) && (until.IsZero() || x.c.o.Now().Before(until)) {
			if err = x.conn.armRead(until); err == nil {
				continue
			}
		}
		return 0, x.unread(err)
	}
	return 0, io.ErrNoProgress
}

// read reads from the connection, over which it sends the request first if that is to be done.
func (x *Exchange) read(dst []byte) (int, error) {
	if x.ready == nil {
		return x.conn.Read(dst)
	}
	if err := x.armWrite(x.now); err != nil {
		return 0, err
	}
	sent, n, err := x.conn.asker.Ask(x.ready, dst)
	switch {
	case sent == 0 && isTimeout(err): // that was an earlier call's
		return 0, err
	case sent < len(x.ready) && isTimeout(err):
		err = errStopped
	}
	x.sent, x.ready = sent > 0, nil
	return n, err
}

// unread explains why nothing was read.
func (x *Exchange) unread(err error) error {
	switch {
	case x.isCancelled():
		return ErrCancelled
	case isTimeout(err):
		return ErrTick
	}
	return err
}

func (x *Exchange) isCancelled() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.cancelled
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
func (x *Exchange) ResponseHeader(name string) (value string) { return x.head.find(name) }

// EachHeader calls f for each header of the answer in the order received, names as received.
func (x *Exchange) EachHeader(f func(name, value string)) {
	for i := range x.head.fields {
		at := &x.head.fields[i]
		f(x.head.name(at), x.head.value(at))
	}
}

// Received reports whether something has been received that was not read yet.
func (x *Exchange) Received() bool { return x.r < x.w }

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

var errClosed = errors.New("exchange is closed")

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
		x.err = errClosed
	}
	if x.little != nil {
		x.c.littles.Put(x.little)
	}
	x.little, x.buf = nil, nil // a large buffer is left to the next exchange in x
	x.gzip, x.unzipped, x.ready, x.req.Header, x.req.Body, x.req.Rest = nil, nil, nil, nil, nil, nil
}

// takeBuffer makes buf a large one, with what was received and not used.
func (x *Exchange) takeBuffer() {
	large := x.c.buffers.Get().(*[bufferSize]byte)
	n := copy(large[:], x.buf[x.r:x.w])
	x.putBuffer()
	x.pooled, x.buf, x.r, x.w = large, large[:], 0, n
}

func (x *Exchange) putBuffer() {
	if x.pooled != nil {
		x.c.buffers.Put(x.pooled)
	}
	if x.little != nil {
		x.c.littles.Put(x.little)
	}
	x.pooled, x.little, x.buf = nil, nil, nil
}

// fit makes buf as large as what comes of a stream: most wait for an event of some
// hundred bytes, thousands at a time. What fills a little buffer, such as a picture,
// goes on in a large one.
func (x *Exchange) fit() {
	switch {
	case x.little != nil && x.w == littleSize:
		x.takeBuffer()
	case x.little == nil && x.r == x.w && x.w < littleSize:
		x.putBuffer()
		x.little = x.c.littles.Get().(*[littleSize]byte)
		x.buf, x.r, x.w = x.little[:], 0, 0
	}
}
