package server

import (
	"errors"
	"net"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/your-org/ai-api-gateway/providers"
)

// What fasthttp asks outside the handler: how long a body may take, whether one is to be
// asked for, and what to say of what is no request.

// headerReceived sets how long the body may take. The size given tells fasthttp
// to leave the reading to readBody.
func (s *Server) headerReceived(h *fasthttp.RequestHeader) fasthttp.RequestConfig {
	defer s.contain("header")
	t := 30 * time.Second
	n := h.ContentLength()
	if n > s.o.MaxBody && n > s.bodyLimit(h) {
		// fasthttp waits for the body's first byte before it calls the handler. A
		// body that will be refused is not waited for: see protocolError, which
		// cannot see the header any more.
		s.oversized.Store(h, refusedBody{string(h.RequestURI()), s.o.Now()})
		return fasthttp.RequestConfig{ReadTimeout: time.Nanosecond, MaxRequestBodySize: readAhead}
	}
	if n >= 0 && n <= smallBody { // it came with the header, or comes within the header's own deadline
		return fasthttp.RequestConfig{MaxRequestBodySize: readAhead}
	}
	if n < 0 && formType(h) { // its size is not known; its pace is watched
		t = 2 * time.Minute
	}
	if n > 0 {
		t += time.Duration(n/(100<<10)) * time.Second
	}
	return fasthttp.RequestConfig{ReadTimeout: min(t, 10*time.Minute), MaxRequestBodySize: readAhead}
}

// A refusedBody is a request whose body is not waited for. Headers are used again:
// an entry that was not taken at once is another request's.
type refusedBody struct {
	uri string
	at  time.Time
}

// smallBody is a body that gets no deadline of its own, in bytes.
const smallBody = 8 << 10

// expect decides on "Expect: 100-continue": a body that will be refused is not asked for.
func (s *Server) expect(ctx *fasthttp.RequestCtx) (status int) {
	defer func() {
		if v := recover(); v != nil {
			s.Panicked("expectation", v)
			status = fasthttp.StatusInternalServerError
		}
	}()
	s.oversized.Delete(&ctx.Request.Header)
	c := call{ctx: ctx, s: s, start: s.o.Now()}
	c.fields = &c.own
	if e := s.admit(&c); e != nil {
		c.id = s.o.NewID(c.start)
		c.fail(e)
		return e.HTTPStatus()
	}
	return fasthttp.StatusContinue
}

// protocolError answers what fasthttp could not read as a request.
func (s *Server) protocolError(ctx *fasthttp.RequestCtx, err error) {
	ctx.SetStatusCode(fasthttp.StatusInternalServerError) // until there is another
	defer s.contain("protocol error")
	c := call{ctx: ctx, s: s, start: s.o.Now()}
	c.fields = &c.own
	c.id = s.o.NewID(c.start)
	e := refuse(400, "bad_request", "the request is not well-formed HTTP/1.1")
	var small *fasthttp.ErrSmallBuffer
	var ne net.Error
	switch {
	case errors.As(err, &small):
		e = refuse(431, "headers_too_large", "the request line and headers exceed 32 KiB")
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		e = tooLarge(s.o.MaxBody)
	case errors.As(err, &ne) && ne.Timeout():
		e = &providers.Error{Kind: providers.KindTimeout, Status: 408, Code: "request_timeout", Message: "the request did not arrive in time"}
	}
	ctx.SetConnectionClose()
	if v, ok := s.oversized.LoadAndDelete(&ctx.Request.Header); ok && c.start.Sub(v.(refusedBody).at) < time.Second {
		e = tooLarge(s.o.MaxBody)
		lingering(ctx)
		ctx.Request.SetRequestURI(v.(refusedBody).uri) // its path chooses the shape of the error
	}
	c.fail(e)
}
