package upstream

import (
	"errors"
	"io"
	"strings"
	"time"

	"github.com/your-org/ai-api-gateway/server/sock"
)

// Header waits for the header of the answer; answers with status 1xx are passed
// over. It sends the request first if Start has left it that. ErrTick: until has passed;
// call again. A zero until never ticks. Every other error is an *Error and final.
func (x *Exchange) Header(until time.Time) error {
	for !x.gotHead {
		if x.err != nil {
			return x.err
		}
		whole, err := false, error(nil)
		if x.r < x.w {
			whole, err = x.readHead()
		}
		if err != nil && !x.leftOver(err) {
			return x.fail(err)
		}
		if err != nil || x.gotHead && x.tooLate() {
			if err := x.again(); err != nil {
				return x.fail(err)
			}
			continue
		}
		if whole {
			continue
		}
		limit := until
		if until.IsZero() || until.Sub(x.asked) > x.req.Timeouts.Header {
			limit = x.asked.Add(x.req.Timeouts.Header)
		}
		err = x.fill(limit)
		switch {
		case err == nil:
		case errors.Is(err, ErrTick):
			if x.c.o.Now().Sub(x.asked) >= x.req.Timeouts.Header {
				return x.fail(&Error{Kind: HeaderTimeout, Sent: x.ready == nil, Err: errors.New("no header of an answer came")})
			}
			return ErrTick
		case errors.Is(err, ErrCancelled):
			return x.fail(err)
		case errors.Is(err, sock.ErrStale): // as if it had not been in the pool
			x.drop()
			if err := x.start(); err != nil {
				return x.fail(err)
			}
		case errors.Is(err, errStopped):
			return x.fail(&Error{Kind: Write, Sent: true, Err: err})
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
	x.req.Body = nil // it is not sent again
	return nil
}

// tooLate reports whether the answer was on its way before the request: a server
// that closes an idle connection may say so with a 408 (RFC 9110, section 15.5.9).
func (x *Exchange) tooLate() bool {
	if x.head.status != 408 || !x.head.closes || !x.conn.reused || x.retried {
		return false
	}
	x.gotHead, x.answered, x.interim = false, false, 0
	x.head = head{fields: x.head.fields[:0]}
	return true
}

// leftOver reports whether what stands where an answer should is text that an earlier
// answer had behind its announced end.
func (x *Exchange) leftOver(err error) bool {
	return errors.Is(err, errNotHTTP) && x.interim == 0 && x.conn.reused && !x.retried
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

// readHead takes a header block in if it is in buf whole, and makes room for more of it
// if not. An interim answer is dropped.
func (x *Exchange) readHead() (whole bool, err error) {
	if x.searched == 0 { // line ends before a status line are left over from an earlier answer (RFC 9112, section 2.2)
		for x.r < x.w && (x.buf[x.r] == '\r' || x.buf[x.r] == '\n') {
			x.r++
		}
	}
	got := x.buf[x.r:x.w]
	var h head
	n, err := 0, errCutHead
	if x.searched == 0 { // most come whole
		n, err = h.parse(got, x.head.fields)
	}
	if err != nil {
		if n = findHead(got, &x.searched); n > 0 {
			_, err = h.parse(got[:n], x.head.fields)
		}
	}
	switch {
	case n > x.c.o.MaxHeader || n == 0 && len(got) >= x.c.o.MaxHeader:
		return false, &Error{Kind: TooLarge, Sent: true, Err: errors.New("header block exceeds the limit")}
	case n == 0:
		if x.r == 0 && x.w == len(x.buf) {
			x.buf = append(x.buf, make([]byte, len(x.buf))...)
		}
		return false, nil
	case err != nil:
		return false, &Error{Kind: BadResponse, Sent: true, Err: err}
	}
	x.r += n
	x.searched = 0
	if h.status < 200 {
		if x.interim++; x.interim > maxInterim || h.status == 101 {
			return false, &Error{Kind: BadResponse, Sent: true, Err: errors.New("unexpected interim answer")}
		}
		return true, nil
	}
	x.head, x.gotHead = h, true
	x.body.begin(&h, x.req.Method)
	switch coding := h.coding; {
	case coding == "" || strings.EqualFold(coding, "identity") || x.body.at == atEnd:
	case strings.EqualFold(coding, "gzip") || strings.EqualFold(coding, "x-gzip"):
		x.gzip = &unzip{}
	default:
		return false, &Error{Kind: BadResponse, Sent: true, Err: errors.New("content-encoding was not asked for")}
	}
	return true, nil
}

// AtEnd reports that the body was read to its end: Read would return io.EOF.
func (x *Exchange) AtEnd() bool {
	return x.gotHead && x.body.at == atEnd && x.gzip == nil && x.err == nil
}

// Read reads the answer's body into p. It returns as soon as it has something;
// io.EOF comes only at the framed end of the body; a body without framing ends with
// the connection (crypto/tls hides whether that was by intent), so its reader must
// know the end by its content. ErrTick: until has passed and nothing is lost. A
// zero until never ticks; one in the past only takes what has been received into
// the exchange. Every other error is an *Error and final.
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

// Next returns the next bytes of the body where they lie: they are valid until the
// next call of a method of x. Its until and errors are Read's.
func (x *Exchange) Next(until time.Time) ([]byte, error) {
	switch {
	case x.err != nil:
		return nil, x.err
	case !x.gotHead:
		return nil, errors.New("cannot read body: the header was not read")
	case x.gzip != nil:
		if x.unzipped == nil {
			x.unzipped = make([]byte, bufferSize)
		}
		n, err := x.Read(x.unzipped, until)
		return x.unzipped[:n], err
	}
	for {
		in := x.buf[x.r:x.w]
		used, n, err := x.body.take(in, in) // content only moves to the front, over framing
		x.r += used
		if n == 0 && err == nil {
			x.fit()
			if err = x.missed(x.fill(until)); err == nil {
				continue
			}
		} else if err = x.took(n, err); err == nil {
			return in[:n], nil
		}
		if !errors.Is(err, ErrTick) {
			x.err = err
		}
		return nil, err
	}
}

// readPlain reads the body as it is framed, compressed or not.
func (x *Exchange) readPlain(p []byte, until time.Time) (int, error) {
	for {
		used, n, err := x.body.take(p, x.buf[x.r:x.w])
		x.r += used
		if n > 0 || err != nil {
			return n, x.took(n, err)
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
		if err = x.missed(err); err != nil {
			return 0, err
		}
	}
}

// took judges what taking n bytes of content has come to.
func (x *Exchange) took(n int, err error) error {
	if err != nil && err != io.EOF {
		err = &Error{Kind: BadResponse, Sent: true, Err: err}
		if n > 0 {
			x.err = err // told by the next call
		}
	}
	if n > 0 {
		return nil
	}
	return err
}

// missed judges why nothing more was received; nil: something was.
func (x *Exchange) missed(err error) error {
	switch {
	case err == nil, errors.Is(err, ErrTick), errors.Is(err, ErrCancelled):
		return err
	case errors.Is(err, io.EOF) && x.body.at == inClose:
		x.body.at, x.head.keep = atEnd, false
		return io.EOF
	}
	return &Error{Kind: Cut, Sent: true, Err: unexpected(err)}
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

// finished reports whether the body is at its end, passing over what of it has already come.
func (x *Exchange) finished() bool {
	if x.body.at == atEnd {
		return x.r == x.w
	}
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
