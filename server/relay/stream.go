package relay

import (
	"errors"
	"io"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
	"github.com/your-org/ai-api-gateway/server/routing"
	"github.com/your-org/ai-api-gateway/server/upstream"
	"github.com/your-org/ai-api-gateway/store"
)

// phase is where a streamed answer stands.
type phase uint8

const (
	// phasePreamble: no content yet; what came is held, another target may still take over.
	phasePreamble phase = iota
	// phaseContent: content flows; a failure can only be told in the stream.
	phaseContent
	// phaseFinishing: the model has stopped; the rest is held until the request is settled.
	phaseFinishing
	// phaseDone: settled; what is left in out is the last.
	phaseDone
)

type streamState struct {
	pipe  pipe
	phase phase
	held  []byte
	err   *providers.Error // reported by the upstream inside the stream
	cause error            // broke the stream; told after the content that came before it
	ended bool             // the terminal event was seen, and is held
	early bool             // the 200 has gone out before any content
	// closing: what comes is held until the upstream's body ends, see providers.FrameClosing.
	closing bool
	raw     bool // bytes, not events: nothing can be said inside
	rests   bool // the caller's connection knows that it is not read from
}

var errClientGone = errors.New("the caller has left")

// startStream waits for the first content, at most earlyCommit, and leaves the
// rest of the answer to the body stream.
func (x *exchange) startStream(ctx *fasthttp.RequestCtx) {
	err := x.advance(x.job.Accepted.Add(earlyCommit))
	switch {
	case errors.Is(err, upstream.ErrTick):
		x.stream.early = true
		ctx.Response.ImmediateHeaderFlush = true
		x.out = x.job.In.AppendPing(x.out)
	case err != nil:
		if x.isGone() {
			x.finish(store.EndClientGone, nil)
		} else {
			x.finish(x.failedAs(store.EndError), x.fail)
		}
		x.answerError(ctx)
		x.release()
		return
	}
	x.begun(ctx)
}

// begun leaves the rest of an answer that has begun to the body stream.
func (x *exchange) begun(ctx *fasthttp.RequestCtx) {
	x.startWatch() // from here on waits have long deadlines
	x.writeHead(header{&ctx.Response.Header, nil}, !x.stream.early)
	if x.stream.raw {
		ctx.Response.Header.SetContentType(clean(x.head.kind))
		x.noteHead(ctx)
		ctx.Response.SetBodyStream(&bodyStream{x: x}, -1)
		return
	}
	ctx.Response.Header.SetContentType(streamType(x.job.In))
	ctx.Response.Header.Set("Cache-Control", "no-cache")
	ctx.Response.Header.Set("X-Accel-Buffering", "no")
	x.noteHead(ctx)
	ctx.Response.SetBodyStream(&bodyStream{x: x}, -1)
}

// advance drives the exchange until there are bytes for the caller (nil), until
// passes (upstream.ErrTick), or no target is left (x.fail says why; any other error).
func (x *exchange) advance(until time.Time) error {
	for {
		if x.isGone() {
			return errClientGone
		}
		if x.up == nil {
			switch err := x.nextTarget(until); {
			case err == nil || !errors.Is(err, errNoTarget):
				if err != nil {
					return err
				}
			case x.fail != nil:
				return x.fail
			default:
				return errClientGone
			}
		}
		if !x.gotHead {
			switch err := x.awaitHead(until); {
			case errors.Is(err, upstream.ErrTick):
				return err
			case err != nil:
				x.restart(x.lost(err))
				continue
			}
			if e := x.openPipe(); e != nil {
				x.restart(e)
				continue
			}
		}
		err := x.pump(until)
		if err == nil || errors.Is(err, upstream.ErrTick) || errors.Is(err, errClientGone) {
			return err
		}
		e := x.broken(err)
		if x.settled || x.stream.phase != phasePreamble {
			x.fail = e
			return e
		}
		x.restart(e)
	}
}

// restart notes why an attempt failed, and makes ready for another.
func (x *exchange) restart(e *providers.Error) {
	x.fail = e
	x.stream.held, x.stream.err, x.stream.cause, x.stream.ended, x.stream.raw = x.stream.held[:0], nil, nil, false, false
	x.stream.closing = false
}

// openPipe looks at the upstream's head and prepares for its stream.
func (x *exchange) openPipe() *providers.Error {
	if status := x.up.Status(); status < 200 || status > 299 {
		return x.readError()
	}
	kind := x.kind()
	if x.job.Open && !isEventStream(kind) {
		return x.openRaw(kind)
	}
	if !mayStream(kind) && !(x.same && x.arrays(kind)) {
		return x.notAStream(kind)
	}
	x.stream.phase, x.stream.held = phasePreamble, x.stream.held[:0]
	if x.same && x.arrays(kind) {
		x.stream.pipe = x.newArrayPipe()
	} else if x.same {
		x.stream.pipe = x.newRelayPipe()
	} else {
		x.stream.pipe = x.newTranslatePipe()
	}
	return nil
}

// notAStream explains a 200 that is no stream: most often an error in JSON.
func (x *exchange) notAStream(kind string) *providers.Error {
	body, err := x.readAll(maxErrorBody)
	e := badResponse("a stream was asked for, " + clip(kind, 64) + " came")
	if err == nil && strings.Contains(kind, "json") && hasError(body) {
		e = x.frames.DecodeError(0, body)
		e.Message = x.target.Account.Scrub(e.Message)
	}
	if err == nil {
		x.salvage(body)
	}
	e.Provider = x.target.Account.Provider.Name
	x.endAttempt("bad_response", 0, faultOf(e, routing.Classify(e, 0)))
	return e
}

func hasError(body []byte) bool {
	s, e, ok := wire.Path(body, "error")
	return ok && string(body[s:e]) != "null"
}

// pump reads from the upstream until there are bytes for the caller.
func (x *exchange) pump(until time.Time) error {
	s := &x.stream
	for {
		switch {
		case s.cause != nil:
			return s.cause
		case s.err != nil:
			return errInStream
		case s.ended:
			return x.complete()
		}
		limit := x.now.Add(x.idle)
		if s.phase == phasePreamble && x.deltas == 0 {
			limit = x.started.Add(x.toFirst)
		}
		n, err := x.wait(forPiece, nil, until, earlier(limit, x.totalBy))
		switch {
		case n > 0:
			s.cause = s.pipe.feed(x.piece, x.sink)
		case isEOF(err):
			if s.cause = s.pipe.end(x.sink); s.cause == nil && s.err == nil {
				s.ended = true // formats whose end of input is the terminal event
			}
		case errors.Is(err, errDeadline) && x.endsHere():
		case err != nil:
			return err
		}
		// Content goes out before what came with it is told or settled.
		if len(x.out) > 0 || len(x.pass) > 0 {
			return nil
		}
	}
}

// endsHere reports whether the answer is whole though its upstream says no more and
// does not close either: the end of input is all that ends a stream of some formats.
func (x *exchange) endsHere() bool {
	s := &x.stream
	if s.raw || s.phase == phasePreamble {
		return false
	}
	s.ended = s.pipe.end(x.sink) == nil && s.err == nil
	if !s.ended {
		s.err = nil // that it is silent is what is told
	}
	return s.ended
}

// emit adds a piece to what goes to the caller. The last of them that lie in what was
// received, one behind the other, are written from there: a caller who does not read
// holds what was received once and not twice.
func (x *exchange) emit(piece []byte) {
	if len(piece) == 0 {
		return
	}
	mine := !sameArray(piece, x.piece)
	if n := len(x.pass); !mine && n > 0 && cap(x.pass) > n && &x.pass[:n+1][n] == &piece[0] {
		x.pass = x.pass[:n+len(piece)]
		return
	}
	x.out = append(x.out, x.pass...)
	x.pass = nil
	if mine {
		x.out = append(x.out, piece...)
		return
	}
	x.pass = piece
}

// sameArray reports whether a and b are slices of one array, neither with its capacity cut.
func sameArray(a, b []byte) bool {
	return cap(a) > 0 && cap(b) > 0 && &a[:cap(a)][cap(a)-1] == &b[:cap(b)][cap(b)-1]
}

var errInStream = errors.New("the upstream reported an error in its stream")

// put takes one piece of the caller's stream from the pipe. It reports whether the pipe is to go on.
func (x *exchange) put(piece []byte, info providers.FrameInfo) bool {
	s := &x.stream
	if s.ended {
		return false
	}
	if info&providers.FrameError != 0 {
		if s.err == nil {
			s.err = x.frames.DecodeError(0, piece)
		}
		return false
	}
	if info&providers.FrameDelta != 0 {
		x.firstContent()
		if !s.closing && s.phase != phaseContent {
			x.flow()
		}
	}
	if info&providers.FrameFinish != 0 {
		s.phase = phaseFinishing
	}
	s.closing = s.closing || info&providers.FrameClosing != 0
	if info&providers.FrameTerminal != 0 {
		s.held = append(s.held, piece...)
		s.ended = true
		return false
	}
	if s.phase == phaseContent {
		x.emit(piece)
	} else {
		s.held = append(s.held, piece...)
		switch {
		case s.phase == phasePreamble && !s.closing && len(s.held) > maxPreamble:
			x.flow() // no other target is worth holding that much for
		case len(s.held) > maxHeld:
			s.err = badResponse("its events after the end exceed the limit")
			return false
		}
	}
	return true
}

// flow lets content through from here on, behind what was held until now.
func (x *exchange) flow() {
	x.emit(x.stream.held)
	x.stream.held, x.stream.phase = x.stream.held[:0], phaseContent
	x.letGo()
}

// Bounds of what is held of a stream: before its first content, beyond which the
// answer is committed all the same, and after its end.
const (
	maxPreamble = 8 << 20
	maxHeld     = 32 << 20
)

// complete settles a whole answer and then lets its last bytes go.
func (x *exchange) complete() error {
	x.endAttemptKeep()
	if down := x.finish(store.EndComplete, nil); down != nil {
		return down
	}
	x.out = append(x.out, x.stream.held...)
	x.out = x.stream.pipe.terminal(x.out)
	x.stream.held, x.stream.phase = x.stream.held[:0], phaseDone
	return nil
}

// endAttemptKeep writes a successful attempt down and leaves the connection to be reused.
func (x *exchange) endAttemptKeep() {
	x.wrote("ok", x.up.Status(), x.now, "")
	x.route.Done(x.now)
	x.tried("ok")
}

// broken explains why a stream that had begun to come has failed.
func (x *exchange) broken(err error) *providers.Error {
	if x.settled { // the ledger refused; its error stands
		return x.fail
	}
	e := x.stream.err
	outcome, fault := "stream_error", routing.FaultAnswer
	switch {
	case e != nil:
		e.Message = x.target.Account.Scrub(e.Message)
		fault = routing.Classify(e, 0)
	case errors.Is(err, io.ErrUnexpectedEOF):
		e = &providers.Error{Kind: providers.KindUpstream, Code: "upstream_cut", Message: "the upstream's stream ended before it was whole"}
		outcome = "cut"
	case errors.Is(err, wire.ErrLineTooLong) || errors.Is(err, wire.ErrEventTooLong):
		e = &providers.Error{Kind: providers.KindUpstream, Code: "upstream_event_too_large", Message: "an event of the upstream exceeds the limit"}
		outcome = "bad_response"
	default:
		return x.lost(err)
	}
	e.Provider = x.target.Account.Provider.Name
	x.endAttempt(outcome, 0, faultOf(e, fault))
	return e
}

// drainUpstream reads what is left of the upstream's body after its terminal
// event, so that the connection can be used again.
func (x *exchange) drainUpstream() {
	if x.up == nil {
		return
	}
	until := x.r.o.Now().Add(reuseWait)
	for range 8 {
		if _, err := x.up.Next(until); err != nil {
			return
		}
	}
}

// A bodyStream writes the rest of a streamed answer. fasthttp calls WriteTo from
// the connection's goroutine after the handler has returned, then Close.
type bodyStream struct{ x *exchange }

// SupportsBodyWriteTo lets fasthttp call WriteTo: one write is one chunk.
func (b *bodyStream) SupportsBodyWriteTo() bool { return true }

// Read is never called: fasthttp prefers WriteTo.
func (b *bodyStream) Read([]byte) (int, error) { panic("BUG: a body stream is written, not read") }

// WriteTo writes the answer to its end. A panic becomes the stream's error event.
func (b *bodyStream) WriteTo(w io.Writer) (n int64, err error) {
	x := b.x
	if x.record != nil {
		w = &recording{w, x.record}
	}
	defer func() {
		if v := recover(); v != nil {
			x.r.panicked("stream", v)
			e := &providers.Error{Kind: providers.KindInternal, Code: "internal_error", Message: "internal error"}
			x.finish(store.EndStreamError, e)
			if err = errCutShort; !x.stream.raw {
				_, err = w.Write(streamError(nil, x.job.In, e, n > 0))
			}
		}
	}()
	var gone error // why the caller has not got the answer that runs on
	defer func() {
		if gone != nil {
			x.r.drains.Add(-1)
			err = gone
		}
	}()
	for {
		x.job.Ticket.Add(x.out)
		x.job.Ticket.Add(x.pass)
		if x.stream.phase == phaseDone {
			x.keepAnswer()
		}
		m, err := x.hand(w)
		n += m
		if err != nil {
			if !x.runsOn() {
				return n, x.left(err)
			}
			gone, w = err, io.Discard
		}
		if x.stream.phase == phaseDone {
			x.drainUpstream()
			return n, nil
		}
		x.now = x.r.o.Now()
		x.resting()
		err = x.advance(x.now.Add(x.r.o.Heartbeat))
		switch {
		case errors.Is(err, upstream.ErrTick):
			if !x.stream.raw {
				x.out = x.job.In.AppendPing(x.out)
			}
		case errors.Is(err, errClientGone) || err != nil && x.isGone():
			return n, x.left(errClientGone)
		case err != nil:
			return n, x.failStream(w, n > 0)
		}
	}
}

// joined is how much is copied to spare a write of its own, in bytes.
const joined = 2 << 10

// hand gives the caller what is there for him.
func (x *exchange) hand(w io.Writer) (n int64, err error) {
	if len(x.out) > 0 && len(x.pass) <= joined {
		x.out = append(x.out, x.pass...)
		x.pass = nil
	}
	out, pass := x.out, x.pass
	x.out, x.pass = x.out[:0], nil
	for _, p := range [...][]byte{out, pass} {
		if len(p) > 0 && err == nil {
			var m int
			m, err = w.Write(p)
			n += int64(m)
		}
	}
	return n, err
}

// failStream settles and ends the stream with an error event.
func (x *exchange) failStream(w io.Writer, begun bool) error {
	x.finish(x.failedAs(store.EndStreamError), x.fail)
	if x.stream.raw {
		return errCutShort
	}
	if x.stream.phase == phasePreamble {
		x.out = streamError(x.out[:0], x.job.In, x.fail, begun)
	} else {
		x.out = x.stream.pipe.fail(x.out[:0], x.fail)
	}
	x.stream.phase = phaseDone
	_, err := w.Write(x.out)
	x.out = x.out[:0]
	return err
}

// left settles a request whose caller has gone away.
func (x *exchange) left(cause error) error {
	if x.up != nil && !x.settled {
		x.endAttempt(outcomeCancelled, 0, routing.Failure{})
	}
	x.finish(store.EndClientGone, nil)
	return cause
}

// Close settles what is still open and gives everything back. It is idempotent.
func (b *bodyStream) Close() error {
	if x := b.x; x != nil {
		b.x = nil
		x.left(errClientGone)
		x.release()
	}
	return nil
}
