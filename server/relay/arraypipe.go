package relay

import (
	"io"
	"strings"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

const eventStream = "text/event-stream"

// streamType is the media type of a streamed answer to a caller of in.
func streamType(in providers.Ingress) string {
	if f, ok := in.(providers.Framed); ok {
		return f.StreamType()
	}
	return eventStream
}

// streamError writes the error that ends a stream; begun: bytes of it have been sent.
func streamError(dst []byte, in providers.Ingress, e *providers.Error, begun bool) []byte {
	if f, ok := in.(providers.Framed); ok && begun {
		return f.AppendRestError(dst, e)
	}
	return in.AppendStreamError(dst, e)
}

// arrays reports whether the caller's stream, and so that of an upstream of his
// dialect with such a content type, is one JSON array.
func (x *exchange) arrays(kind string) bool {
	return streamType(x.job.In) != eventStream && !strings.Contains(kind, "event-stream")
}

// An arrayPipe passes on a stream that is one JSON array, its elements as they are.
type arrayPipe struct {
	x       *exchange
	array   wire.Array
	model   []byte // the name to show, quoted; nil: leave the upstream's
	closing bool
	scratch []byte
}

func (x *exchange) newArrayPipe() *arrayPipe {
	p := &arrayPipe{x: x}
	if x.shownModel() != "" {
		p.model = wire.AppendString(nil, x.shownModel())
	}
	return p
}

func (p *arrayPipe) feed(b []byte, put func([]byte, providers.FrameInfo) bool) error {
	p.array.Feed(b)
	for {
		elem, raw, ok := p.array.Next()
		if !ok {
			return p.array.Err()
		}
		if !p.element(elem, raw, put) {
			return nil
		}
	}
}

func (p *arrayPipe) element(elem, raw []byte, put func([]byte, providers.FrameInfo) bool) bool {
	x := p.x
	info := x.frames.Frame("", elem)
	if info&(providers.FrameUsage|providers.FrameError) != 0 && x.frames.Usage(elem, &x.usage) {
		x.hasUsage = true
	}
	if info&providers.FrameError != 0 {
		return put(elem, info)
	}
	if info&providers.FrameDelta != 0 {
		x.deltas++
	}
	p.closing = p.closing || info&providers.FrameClosing != 0
	if span := x.frames.ModelSpan(elem); p.model != nil && span.Found() {
		before := len(raw) - len(elem)
		p.scratch = wire.Splice(p.scratch[:0], raw, []wire.Edit{{Start: before + span.Start, End: before + span.End, New: p.model}})
		raw = p.scratch
	}
	return put(raw, info)
}

func (p *arrayPipe) end(put func([]byte, providers.FrameInfo) bool) error {
	rest, whole := p.array.End()
	if !whole || !p.closing {
		return io.ErrUnexpectedEOF
	}
	put(rest, providers.FrameTerminal)
	return nil
}

func (p *arrayPipe) terminal(dst []byte) []byte { return dst }

func (p *arrayPipe) fail(dst []byte, e *providers.Error) []byte {
	return streamError(dst, p.x.job.In, e, true)
}
