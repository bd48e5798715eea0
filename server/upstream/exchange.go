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

// Header waits for the header of the answer; answers with status 1xx are passed
// over. ErrTick: until has passed; call again. A zero until never ticks. Every
// other error is an *Error and final.
func (x *Exchange) Header(until time.Time) error {
	for !x.gotHead {
		if x.err != nil {
			return x.err
		}
		block, err := x.findHead()
		if err != nil {
			return x.fail(err)
		}
		if block != nil {
			if err := x.readHead(block); err != nil {
				return x.fail(err)
			}
			continue
		}
		limit := until
		if until.IsZero() || x.headBy.Before(until) {
			limit = x.headBy
		}
		err = x.fill(limit)
		switch {
		case err == nil:
		case errors.Is(err, ErrTick):
			if !x.c.o.Now().Before(x.headBy) {
				return x.fail(&Error{Kind: HeaderTimeout, Sent: true, Err: errors.New("no header of an answer came")})
			}
			return ErrTick
		case errors.Is(err, ErrCancelled):
			return x.fail(err)
		case x.answered:
			return x.fail(&Error{Kind: Cut, Sent: true, Err: unexpected(err)})
		case x.conn.reused && !x.retried:
			if err := x.again(); err != nil {
				return x.fail(err)
			}
		case x.unsent != nil:
			return x.fail(&Error{Kind: Write, Sent: x.sent, Err: x.unsent})
		default:
			return x.fail(&Error{Kind: Reset, Sent: true, Err: unexpected(err)})
		}
	}
	return nil
}

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// fail makes an error final.
func (x *Exchange) fail(err error) error {
	x.err = err
	return err
}

// findHead returns the header block if it is in buf, and makes room for more of it if not.
func (x *Exchange) findHead() ([]byte, error) {
	if x.searched == 0 { // line ends before a status line are left over from an earlier answer (RFC 9112, section 2.2)
		for x.r < x.w && (x.buf[x.r] == '\r' || x.buf[x.r] == '\n') {
			x.r++
		}
	}
	got := x.buf[x.r:x.w]
	n := findHead(got, &x.searched)
	if n > x.c.o.MaxHeader || n == 0 && len(got) >= x.c.o.MaxHeader {
		return nil, &Error{Kind: TooLarge, Sent: true, Err: errors.New("header block exceeds the limit")}
	}
	if n > 0 {
		return got[:n], nil
	}
	if x.r == 0 && x.w == len(x.buf) {
		x.buf = append(x.buf, make([]byte, len(x.buf))...)
	}
	return nil, nil
}

// readHead takes a header block in: an interim answer is dropped.
func (x *Exchange) readHead(block []byte) error {
	h, err := parseHead(block)
	if err != nil {
		return &Error{Kind: BadResponse, Sent: true, Err: err}
	}
	x.r += len(block)
	x.searched = 0
	if h.status < 200 {
		if x.interim++; x.interim > maxInterim || h.status == 101 {
			return &Error{Kind: BadResponse, Sent: true, Err: errors.New("unexpected interim answer")}
		}
		return nil
	}
	x.head, x.gotHead = h, true
	x.body.begin(&h, x.req.Method)
	switch coding := h.coding; {
	case coding == "" || strings.EqualFold(coding, "identity") || x.body.at == atEnd:
	case strings.EqualFold(coding, "gzip") || strings.EqualFold(coding, "x-gzip"):
		x.gzip = &unzip{}
	default:
		return &Error{Kind: BadResponse, Sent: true, Err: errors.New("content-encoding was not asked for")}
	}
	return nil
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

// Read reads the answer's body into p. It returns as soon as it has something;
// io.EOF comes only at the framed end of the body; a body without framing ends with
// the connection (crypto/tls hides whether that was by intent), so its reader must
// know the end by its content. ErrTick: until has passed and nothing is lost. A
// zero until never ticks. Every other error is an *Error and final.
func (x *Exchange) Read(p []byte, until time.Time) (int, error) {
	switch {
	case x.err != nil:
		return 0, x.err
	case !x.gotHead:
		return 0, errors.New("cannot read body: the header was not read")
	case len(p) == 0:
		return 0, nil
	case x.gzip != nil:
		n, err := x.gzip.read(x, p, until)
		if err != nil && !errors.Is(err, ErrTick) {
			x.err = err
		}
		return n, err
	}
	n, err := x.readPlain(p, until)
	if err != nil && !errors.Is(err, ErrTick) {
		x.err = err
	}
	return n, err
}

// readPlain reads the body as it is framed, compressed or not.
func (x *Exchange) readPlain(p []byte, until time.Time) (int, error) {
	for {
		used, n, err := x.body.take(p, x.buf[x.r:x.w])
		x.r += used
		switch {
		case n > 0:
			if err != nil && !errors.Is(err, io.EOF) {
				x.err = &Error{Kind: BadResponse, Sent: true, Err: err} // told by the next call
			}
			return n, nil
		case errors.Is(err, io.EOF):
			return 0, io.EOF
		case err != nil:
			return 0, &Error{Kind: BadResponse, Sent: true, Err: err}
		}
		if direct := x.direct(p); len(direct) > 0 {
			if n, err = x.receive(direct, until); n > 0 {
				if x.body.at != inClose {
					x.body.left -= int64(n)
					x.settle()
				}
				return n, nil
			}
		} else {
			err = x.fill(until)
		}
		switch {
		case err == nil:
		case errors.Is(err, ErrTick) || errors.Is(err, ErrCancelled):
			return 0, err
		case errors.Is(err, io.EOF) && x.body.at == inClose:
			x.body.at, x.head.keep = atEnd, false
			return 0, io.EOF
		default:
			return 0, &Error{Kind: Cut, Sent: true, Err: unexpected(err)}
		}
	}
}

// direct returns what of p may be read into without going through buf, if that pays.
func (x *Exchange) direct(p []byte) []byte {
	if x.r != x.w {
		return nil
	}
	switch x.body.at {
	case inClose:
	case inLength, inChunk:
		p = p[:min(int64(len(p)), x.body.left)]
	default:
		return nil
	}
	if len(p) < bufferSize {
		return nil
	}
	return p
}

// settle moves on after a direct read.
func (x *Exchange) settle() {
	if x.body.left > 0 {
		return
	}
	if x.body.at == inLength {
		x.body.at = atEnd
	} else {
		x.body.at = atChunkEnd
	}
}

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

// finished reports whether the body is at its end, passing over what of it has already come.
func (x *Exchange) finished() bool {
	var sink [512]byte
	for x.body.at != atEnd && x.r < x.w {
		used, n, err := x.body.take(sink[:], x.buf[x.r:x.w])
		x.r += used
		if used == 0 && n == 0 || err != nil && !errors.Is(err, io.EOF) {
			break
		}
	}
	return x.body.at == atEnd && x.r == x.w
}
