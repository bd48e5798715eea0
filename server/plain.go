package server

import (
	"bytes"
	"io"
	"strconv"
	"sync"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/your-org/ai-api-gateway/providers"
)

// Plain requests are what most callers send: a POST to a route of the table that costs
// something, whole, and framed by one Content-Length. They are read, and answered, on
// the way from the connection to fasthttp, within the Read that fasthttp waits for its next request in:
// it would parse the header block that is checked here a second time, and build and take apart
// what is said back, for more than a quarter of a relayed request's instructions.
//
// All else is fasthttp's, which finds the bytes as they came: requests that are badly formed or come slowly, other
// methods and versions of HTTP, chunked bodies, forms, and whatever says something of the
// connection. So nothing is refused here, and there is one place for each refusal.

// readPlain reads into p and answers the plain requests that come, until there is one
// that is not: of this p holds n bytes. io.EOF: the connection is to be closed.
func (s *Server) readPlain(cn *conn, p []byte) (n int, err error) {
	defer func() {
		if v := recover(); v != nil {
			s.Panicked("connection", v)
			n, err = 0, io.EOF
		}
	}()
	for {
		if n == 0 {
			if n, err = cn.read(p); n == 0 {
				if cn.again {
					err = io.EOF // it was idle: nobody waits to be told why it ends
				}
				return 0, err
			}
		}
		noteIdle(cn, fasthttp.StateActive)
		h, body, size := s.plain(cn, p[:n])
		if size > n && size-body > smallBody { // longer than its pace may be slow
			_ = cn.SetReadDeadline(time.Now().Add(graceForBody))
		}
		for size > n {
			more, err := cn.read(p[n:])
			if n += more; err != nil {
				return n, nil // fasthttp will meet it, and say so
			}
		}
		if size == 0 {
			return n, nil
		}
		ctx, w := s.servePlain(cn, h, p[body:size])
		if ctx.Response.IsBodyStream() { // from here: a stream that lasts should find little on its stack
			err = w.stream(cn, &ctx.Response)
		} else {
			err = w.write(cn, &ctx.Response)
		}
		if !ended(ctx, w, err) {
			return 0, io.EOF
		}
		noteIdle(cn, fasthttp.StateIdle)
		n = copy(p, p[size:n])
	}
}

// A head is a plain request's, its request line and header block, and what follows from that.
// A connection keeps the one that came last: the next mostly differs from it in the size of its body alone.
type head struct {
	text   []byte
	length span // where in text the digits of the Content-Length are
	target []byte
	listed []*route // that the target has
	fields fields
	// Of the caller, once they were asked for: the hash of the key, and what is passed on.
	keyed   bool
	key     [32]byte
	forward []providers.Header
}

// keptHead bounds the text of a head that a connection keeps, in bytes.
const keptHead = 2 << 10

// again reports whether p begins with a head that differs from h in the size of the body alone, which it returns.
func (h *head) again(p []byte) (size int, ok bool) {
	from, to := int(h.length.from), int(h.length.to)
	if len(p) < len(h.text) || !bytes.Equal(p[:from], h.text[:from]) || !bytes.Equal(p[to:len(h.text)], h.text[to:]) || !digits(p[from:to]) {
		return 0, false
	}
	size, err := strconv.Atoi(string(p[from:to]))
	return size, err == nil
}

// plain finds out about the request that p begins with: its head, where its body begins, and where it ends,
// which may be behind what has come. size 0: it is not plain.
func (s *Server) plain(cn *conn, p []byte) (h *head, body, size int) {
	h = cn.head
	n, ok := 0, false
	if h != nil {
		n, ok = h.again(p)
	}
	if !ok {
		if h == nil {
			h = new(head)
		}
		cn.head = nil // until it is whole
		if n, ok = s.readHead(h, p); !ok {
			return nil, 0, 0
		}
		if len(h.text) <= keptHead {
			cn.head = h
		}
	}
	body = len(h.text)
	if size = body + n; size > len(p) && size > readBuffer {
		return nil, 0, 0
	}
	return h, body, size
}

// readHead makes h the head that p begins with, and returns the size of the body. false: it is not that of a plain request.
func (s *Server) readHead(h *head, p []byte) (size int, ok bool) {
	const method, version, line = "POST ", " HTTP/1.1\r\n", "\r\n"
	if len(p) < len(method) || string(p[:len(method)]) != method {
		return 0, false
	}
	space := bytes.IndexByte(p[len(method):], ' ') + len(method)
	block := space + len(version)
	if space < len(method) || len(p) < block || string(p[space:block]) != version {
		return 0, false
	}
	listed := s.routes.listed(p[len(method):space])
	if r, _ := of(listed, "POST"); r == nil || r.meter != MeterLedger {
		return 0, false
	}
	*h = head{text: h.text[:0], listed: listed, forward: h.forward[:0]}
	f := &h.fields
	length, e := f.scan(p[block:])
	body := block + length
	if e != nil || string(p[max(body-2*len(line), 0):body]) != line+line || f.again != 0 || checkHost(f.get(fieldHost), true) != nil || !s.framesPlainly(f) {
		return 0, false
	}
	size, err := strconv.Atoi(string(f.get(fieldContentLength)))
	h.text = append(h.text, p[:body]...)
	h.target, f.raw = h.text[len(method):space], h.text[block:]
	at := f.at[fieldContentLength]
	h.length = span{at.from + uint32(block), at.to + uint32(block)}
	return size, err == nil
}

// framesPlainly reports whether f says no more of a request's body and connection than a Content-Length.
func (s *Server) framesPlainly(f *fields) bool {
	for _, x := range [...]field{fieldTransferEncoding, fieldTrailer, fieldExpect, fieldContentEncoding, fieldCookie} {
		if f.has(x) {
			return false
		}
	}
	if f.has(fieldConnection) && !bytes.EqualFold(f.get(fieldConnection), []byte("keep-alive")) || f.has(fieldOrigin) && len(s.o.CORS) > 0 {
		return false
	}
	kind := f.get(fieldContentType)
	return f.has(fieldContentLength) && (len(kind) == 0 || kind[0]|0x20 != 'm') // no multipart/form-data
}

// servePlain has a plain request answered: what is to be sent is in the context and the reply.
func (s *Server) servePlain(cn *conn, h *head, body []byte) (*fasthttp.RequestCtx, *reply) {
	c := calls.Get().(*call)
	*c = call{} // in its place: with values it would be made elsewhere first
	ctx := contexts.Get().(*fasthttp.RequestCtx)
	ctx.Init2(cn, s.http.Logger, false)
	ctx.Request.Header.SetMethodBytes(post)
	ctx.Request.Header.SetRequestURIBytes(h.target)
	ctx.Request.Header.SetContentLength(len(body))
	ctx.Response.Header.SetNoDefaultContentType(true)

	reply := replies.Get().(*reply)
	reply.lines = reply.lines[:0]
	c.ctx, c.head, c.fields, c.body, c.lines = ctx, h, &h.fields, body, &reply.lines
	s.serve(c)
	calls.Put(c)
	if cn.plains++; cn.plains == s.http.MaxRequestsPerConn {
		ctx.SetConnectionClose()
	}
	return ctx, reply
}

// ended makes ready for others what an answer took whose sending ended with err, and reports
// whether the connection may bring another request.
func ended(ctx *fasthttp.RequestCtx, w *reply, err error) bool {
	again := err == nil && !ctx.Response.ConnectionClose()
	ctx.Request.Reset()
	ctx.Response.Reset()
	contexts.Put(ctx)
	if cap(w.all) <= keepBuffer {
		w.cn = nil
		replies.Put(w)
	}
	return again
}

var (
	post     = []byte("POST")
	contexts = sync.Pool{New: func() any { return new(fasthttp.RequestCtx) }}
	replies  = sync.Pool{New: func() any { return new(reply) }}
)

// A reply is the room to write an answer in.
type reply struct {
	lines []byte // of its header, those that are made as they are sent
	all   []byte // what is sent next
	cn    *conn  // of a stream
}

// onePiece bounds what is sent by one write, in bytes: to copy more takes longer than a
// second write.
const onePiece = 32 << 10

// stream sends r, whose body comes as it is made.
func (w *reply) stream(cn *conn, r *fasthttp.Response) error {
	defer r.CloseBodyStream()
	r.Header.SetContentLength(-1)
	w.all, w.cn = r.Header.AppendBytes(w.all[:0]), cn
	if r.ImmediateHeaderFlush {
		if err := w.flush(); err != nil {
			return err
		}
	}
	if _, err := r.BodyStream().(io.WriterTo).WriteTo(w); err != nil {
		return err
	}
	w.all = append(w.all, "0\r\n\r\n"...)
	return w.flush()
}

// Write sends a piece of a stream at once, as a chunk.
func (w *reply) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil // it would end the stream
	}
	const end = "\r\n"
	w.all = append(strconv.AppendInt(w.all, int64(len(p)), 16), end...)
	if len(p) <= onePiece {
		w.all = append(append(w.all, p...), end...)
		return len(p), w.flush()
	}
	w.cn.more = true
	if err := w.flush(); err != nil {
		return 0, err
	}
	w.cn.more = true
	if _, err := w.cn.Write(p); err != nil {
		return 0, err
	}
	w.all = append(w.all, end...)
	return len(p), w.flush()
}

func (w *reply) flush() error {
	_, err := w.cn.Write(w.all)
	w.all = w.all[:0]
	return err
}

// write sends r, a whole answer, of whose header lines are a part.
func (w *reply) write(cn *conn, r *fasthttp.Response) error {
	body := r.Body()
	if status := r.StatusCode(); status < 200 || status == fasthttp.StatusNoContent || status == fasthttp.StatusNotModified {
		body = nil
	} else {
		r.Header.SetContentLength(len(body))
	}
	const end = "\r\n"
	head := r.Header.AppendBytes(w.all[:0])
	head = append(append(head[:len(head)-len(end)], w.lines...), end...)
	if cn.more = len(head)+len(body) > onePiece; cn.more {
		w.all = head
		if _, err := cn.Write(head); err != nil {
			return err
		}
		_, err := cn.Write(body)
		return err
	}
	w.all = append(head, body...)
	_, err := cn.Write(w.all)
	return err
}
