package server

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/valyala/fasthttp"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
	"github.com/your-org/ai-api-gateway/server/relay"
)

const (
	// smallUpload is read whole, so that it can be sent to a second target when the first fails.
	smallUpload = 1 << 20
	// longestValue bounds the value of a part that the gateway acts on.
	longestValue = 4 << 10
	maxModelName = 256
)

// acted are the parts the gateway acts on; refusedParts would steer it past its configuration.
var (
	acted        = []string{"model", "stream", "provider", "fallbacks", "user", "n"}
	refusedParts = []string{"api_base", "base_url", "api_key", "custom_llm_provider", "extra_headers", "organization"}
)

// serveForm relays a form without holding the whole of it.
func (s *Server) serveForm(c *call) {
	held := holding{g: s.gate}
	buf, r, e := c.readForm(&held)
	release := func() {
		if buf != nil {
			putBody(buf)
		}
		held.free()
	}
	if e != nil {
		lingering(c.ctx)
		c.ctx.SetConnectionClose()
		release()
		c.fail(e)
		return
	}
	s.send(c, &r.peek, *buf, r.up, release)
	if !r.ended { // refused, or cut short: the caller may still be sending
		lingering(c.ctx)
		c.ctx.SetConnectionClose()
	}
}

// isForm reports whether a request is a form for a route that takes forms.
func (c *call) isForm() bool {
	return c.route.operation != nil && c.route.operation.form && formType(&c.ctx.Request.Header)
}

func formType(h *fasthttp.RequestHeader) bool {
	const form = "multipart/form-data"
	kind := h.ContentType()
	return len(kind) >= len(form) && bytes.EqualFold(kind[:len(form)], []byte(form))
}

// bodyLimit is the size a request's body may have, by its header.
func (s *Server) bodyLimit(h *fasthttp.RequestHeader) int {
	if !formType(h) {
		return s.o.MaxBody
	}
	path, _, _ := bytes.Cut(h.RequestURI(), []byte{'?'})
	to, _ := meant(string(path))
	if i := slices.IndexFunc(operations, func(o operation) bool { return o.path == to }); i >= 0 && operations[i].form {
		return max(s.o.MaxUpload, s.o.MaxBody)
	}
	return s.o.MaxBody
}

// A formReader reads a form: first until the model is known, then on for the relay.
type formReader struct {
	c     *call
	form  *wire.Form
	body  io.Reader
	limit int
	start time.Time
	read  int
	seen  []string // parts acted on, by name
	ended bool     // all of it was read
	late  bool     // the look-ahead is over: no part may matter any more
	peek  providers.Peek
	up    *relay.Upload
	open  wire.FormPart // the gateway's own part that has not ended yet
}

// readForm reads a form until it is known where it is to go: up to the first file
// behind the model's part, or to its end. What was read is at most the size of a
// JSON body; clients that put the file first have it read so far.
func (c *call) readForm(held *holding) (buf *[]byte, r *formReader, e *providers.Error) {
	form, err := wire.NewForm(string(c.ctx.Request.Header.ContentType()))
	if err != nil {
		return nil, nil, badForm(err)
	}
	limit := c.s.bodyLimit(&c.ctx.Request.Header)
	r = &formReader{c: c, form: form, body: c.ctx.RequestBodyStream(), limit: limit, start: c.s.o.Now(), up: &relay.Upload{Boundary: form.Boundary()}}
	if r.body == nil {
		r.body = bytes.NewReader(c.ctx.Request.Body())
	}
	buf = bodies.Get().(*[]byte)
	announced := c.ctx.Request.Header.ContentLength()
	whole := announced >= 0 && announced <= smallUpload
	for {
		if len(*buf) == cap(*buf) {
			*buf = growBody(*buf, min(announced, c.s.o.MaxBody), c.s.o.MaxBody)
			if !held.upTo(len(*buf) + 1) {
				return buf, r, overloaded(c.ctx)
			}
		}
		n, err := r.take((*buf)[len(*buf):cap(*buf)])
		*buf = (*buf)[:len(*buf)+n]
		ready, e := r.look(*buf)
		switch {
		case e != nil:
			return buf, r, e
		case err == io.EOF:
			return buf, r, r.complete()
		case err != nil:
			return buf, r, asError(err)
		case ready && !whole:
			r.late = true
			r.up.Rest, r.up.Length = r, -1
			if announced >= 0 {
				r.up.Length = int64(announced - len(*buf))
			}
			return buf, r, r.complete()
		case len(*buf) > c.s.o.MaxBody:
			return buf, r, &providers.Error{Kind: providers.KindTooLarge, Code: "model_too_late", Param: "model", NoRetry: true,
				Message: "the form's first " + byteSize(c.s.o.MaxBody) + " name no model: put the part \"model\" before the file"}
		}
	}
}

// take reads bytes of the form and checks its pace, size and structure.
func (r *formReader) take(p []byte) (int, error) {
	n, err := r.body.Read(p)
	r.read += n
	if r.read > r.limit {
		return n, tooLarge(r.limit)
	}
	if fault := r.form.Feed(p[:n]); fault != nil {
		return n, badForm(fault)
	}
	switch {
	case err == io.EOF:
		if fault := r.form.End(); fault != nil {
			return n, badForm(fault)
		}
		r.ended = true
		return n, io.EOF
	case err != nil:
		return n, brokenBody(err)
	}
	if took := r.c.s.o.Now().Sub(r.start); took > graceForBody && float64(r.read) < took.Seconds()*minBodyRate {
		return n, slowBody()
	}
	return n, nil
}

// Read is the rest of the form, for the relay.
func (r *formReader) Read(p []byte) (int, error) {
	n, err := r.take(p)
	if err == nil || err == io.EOF {
		if _, e := r.look(nil); e != nil {
			return n, e
		}
	}
	return n, err
}

// look acts on the parts that have been found; buf holds the form so far. It
// reports whether the look-ahead may end.
func (r *formReader) look(buf []byte) (ready bool, e *providers.Error) {
	for ev, ok := r.form.Next(); ok; ev, ok = r.form.Next() {
		if r.open.Name != "" { // cut up to the next boundary
			r.peek.Own = append(r.peek.Own, providers.OwnMember{Name: r.open.Name, Cut: providers.Span{Start: int(r.open.Start), End: int(ev.Start)}})
			r.open = wire.FormPart{}
		}
		switch {
		case ev.Name == "": // the end
		case ev.End == 0:
			if e = r.begin(&ev.FormPart); e != nil {
				return false, e
			}
			ready = ready || ev.File && (r.peek.Model != "" || r.c.deployment != "")
		case !r.late:
			if e = r.value(&ev.FormPart, buf); e != nil {
				return false, e
			}
		}
	}
	return ready && r.open.Name == "", nil
}

// begin judges a part by its name.
func (r *formReader) begin(p *wire.FormPart) *providers.Error {
	name := strings.ToLower(p.Name)
	if slices.Contains(refusedParts, name) {
		e := partError(p.Name, "is not supported: the gateway's configuration decides it")
		e.Code = "unsupported_parameter"
		return e
	}
	if !slices.Contains(acted, name) {
		return nil
	}
	switch {
	case name != p.Name:
		return partError(p.Name, "must be written "+name)
	case p.File:
		return partError(p.Name, "must not be a file")
	case slices.Contains(r.seen, name):
		return partError(p.Name, "must not be given twice")
	case r.late && (name == "provider" || name == "fallbacks"):
		return partError(p.Name, "must come before the file")
	}
	r.seen = append(r.seen, name)
	return nil
}

// value takes what a part says.
func (r *formReader) value(p *wire.FormPart, buf []byte) *providers.Error {
	v := buf[p.Value:p.End]
	if p.Name == "prompt" && !p.File {
		r.up.Prompt = bytes.Clone(v)
	}
	if !slices.Contains(acted, p.Name) {
		return nil
	}
	if len(v) > longestValue {
		return partError(p.Name, "is too long")
	}
	text := string(v)
	switch p.Name {
	case "model":
		switch {
		case text == "":
			return partError("model", "must not be empty")
		case len(text) > maxModelName:
			e := partError("model", "must not be longer than 256 bytes")
			e.Kind, e.Code = providers.KindModelNotFound, "model_not_found" // no model has such a name
			return e
		case strings.ContainsFunc(text, func(c rune) bool { return c == unicode.ReplacementChar || !unicode.IsPrint(c) }):
			return partError("model", "must consist of printable characters")
		}
		r.peek.Model = text
		r.peek.ModelSpan = providers.Span{Start: int(p.Value), End: int(p.End)}
	case "stream":
		r.peek.Stream = text == "true" || text == "1"
	case "user":
		r.peek.User = text
	case "provider":
		r.peek.Provider, r.open = text, *p
	case "fallbacks":
		r.open = *p
		for _, f := range strings.Split(text, ",") {
			if f = strings.TrimSpace(f); f != "" {
				r.peek.Fallbacks = append(r.peek.Fallbacks, f)
			}
		}
	case "n":
		if n, ok := wire.Int(v); ok && n > 0 {
			r.peek.N = n
		}
	}
	return nil
}

// complete names the model where the form does not.
func (r *formReader) complete() *providers.Error {
	switch {
	case r.c.deployment != "":
		r.peek.Model = r.c.deployment
	case r.peek.Model == "" && r.c.route.operation.model != "":
		r.peek.Model = r.c.route.operation.model
	case r.peek.Model == "":
		e := partError("model", "is required")
		e.Code = "missing_required_parameter"
		return e
	}
	return nil
}

func partError(name, what string) *providers.Error {
	return &providers.Error{Kind: providers.KindInvalidRequest, Param: clip(name, 64), NoRetry: true, Message: clip(name, 64) + ": " + what}
}

func badForm(err error) *providers.Error {
	return refuse(400, "invalid_form", "cannot read the form: "+err.Error())
}
