package server

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/your-org/ai-api-gateway/providers"
)

// Paces and limits of request bodies.
const (
	maxBody       = 32 << 20
	graceForBody  = 5 * time.Second // before the minimum rate counts
	minBodyRate   = 10 << 10        // bytes a second
	bodyStall     = 10 * time.Second
	keepBuffer    = 256 << 10 // larger buffers are left to the collector
	firstBodySize = 4 << 10
	readAhead     = 1 // of a body, by fasthttp
)

var bodies = sync.Pool{New: func() any { b := make([]byte, 0, firstBodySize); return &b }}

func putBody(b *[]byte) {
	if cap(*b) <= keepBuffer {
		*b = (*b)[:0]
		bodies.Put(b)
	}
}

// A reading is a body that was read, and what it holds of the gate, until release is called.
type reading struct {
	buf     *[]byte
	held    holding
	release func()
}

var readings sync.Pool

func newReading(g *gate) *reading {
	r, ok := readings.Get().(*reading)
	if !ok {
		r = new(reading)
		r.release = func() {
			putBody(r.buf)
			r.held.free()
			r.buf = nil
			readings.Put(r)
		}
	}
	r.held = holding{g: g}
	return r
}

// checkBody decides on the headers alone whether the body may be read at all.
func (c *call) checkBody(limit int) *providers.Error {
	if n := c.ctx.Request.Header.ContentLength(); n > limit {
		return tooLarge(limit)
	}
	if enc := c.header(fieldContentEncoding); len(enc) > 0 && string(enc) != "identity" {
		return &providers.Error{Kind: providers.KindUnsupportedType, Code: "unsupported_encoding", NoRetry: true,
			Message: "a compressed request body is not accepted: send it as it is"}
	}
	return nil
}

func tooLarge(limit int) *providers.Error {
	return &providers.Error{Kind: providers.KindTooLarge, Code: "body_too_large", NoRetry: true,
		Message: "the request body exceeds the limit of " + byteSize(limit)}
}

func byteSize(n int) string {
	switch {
	case n >= 1<<20:
		return itoa(n>>20) + " MiB"
	case n >= 1<<10:
		return itoa(n>>10) + " KiB"
	}
	return itoa(n) + " bytes"
}

// readBody reads the whole body into a pooled buffer. A body that comes slower
// than the minimum rate is refused with 408, one that exceeds limit with 413, one
// for which held finds no room with 503.
func (c *call) readBody(limit int, held *holding) (*[]byte, *providers.Error) {
	ctx := c.ctx
	bp := bodies.Get().(*[]byte)
	buf := (*bp)[:0]
	fail := func(e *providers.Error) (*[]byte, *providers.Error) {
		*bp = buf
		putBody(bp)
		held.free()
		lingering(ctx)
		ctx.SetConnectionClose()
		return nil, e
	}
	announced := ctx.Request.Header.ContentLength()
	if announced > limit {
		return fail(tooLarge(limit))
	}
	if !held.upTo(announced) {
		return fail(overloaded(ctx))
	}
	if c.plain() {
		*bp = append(buf, c.body...)
		return bp, nil
	}
	r := ctx.RequestBodyStream()
	if r == nil {
		*bp = append(buf, ctx.Request.Body()...)
		return bp, nil
	}
	for {
		if len(buf) == cap(buf) {
			buf = growBody(buf, announced, limit)
		}
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		switch {
		case len(buf) > limit:
			return fail(tooLarge(limit))
		case !held.upTo(len(buf)):
			return fail(overloaded(ctx))
		case err == io.EOF:
			*bp = buf
			return bp, nil
		case err != nil:
			return fail(brokenBody(err))
		}
		if len(buf) == announced || len(buf) == readAhead { // the end is all that is left to read, or nothing was waited for
			continue
		}
		if took := c.s.o.Now().Sub(c.start); took > graceForBody && float64(len(buf)) < took.Seconds()*minBodyRate {
			return fail(slowBody())
		}
	}
}

// growBody makes room for more. What is announced is not yet there, so a liar
// gets no more than a first step; then the whole is allocated at once: untouched
// pages cost nothing, while growing by copies would hold the body twice.
func growBody(buf []byte, announced, limit int) []byte {
	const step = 256 << 10
	size := 4 * cap(buf)
	switch {
	case announced > 0 && (announced < step || cap(buf) >= step):
		size = announced + 1 // so that the end is seen without growing again
	case cap(buf) >= step:
		size = limit + 1
	}
	return append(make([]byte, 0, max(size, cap(buf)+4096)), buf...)
}

func brokenBody(err error) *providers.Error {
	var ne net.Error
	if errors.As(err, &ne) && ne.Timeout() {
		return slowBody()
	}
	return refuse(400, "bad_body", "the request body ended before its announced length or is badly framed")
}

func slowBody() *providers.Error {
	return &providers.Error{Kind: providers.KindTimeout, Status: 408, Code: "body_timeout", Message: "the request body came too slowly"}
}
