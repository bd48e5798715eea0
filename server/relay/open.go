package relay

import (
	"errors"
	"strings"

	"github.com/valyala/fasthttp"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/server/routing"
	"github.com/your-org/ai-api-gateway/store"
)

// errCutShort ends an answer of bytes that cannot be completed: the connection is
// closed without the end of the body, so that it is not taken for whole.
var errCutShort = errors.New("the answer was cut short")

func isEventStream(kind string) bool { return strings.Contains(kind, "event-stream") }

// kind is the upstream's content type in lower case.
func (x *exchange) kind() string { return strings.ToLower(x.head.kind) }

// mayStream reports whether what is called kind may be the stream of events that was
// asked for. Some servers call one text or bytes; what is none has no event that ends it.
func mayStream(kind string) bool {
	return kind == "" || strings.Contains(kind, "event-stream") || strings.Contains(kind, "amazon.eventstream") ||
		strings.HasPrefix(kind, "text/plain") || strings.HasPrefix(kind, "application/octet-stream")
}

// flows reports whether the answer that has begun is no JSON, and so passed on as it comes.
func (x *exchange) flows() bool {
	if !x.job.Open {
		return false
	}
	kind := x.kind()
	return kind != "" && !isJSON(kind)
}

// openRaw prepares for an answer of bytes: sound, or a transcript as plain text.
func (x *exchange) openRaw(kind string) *providers.Error {
	if x.job.Op != providers.OpAudio || strings.Contains(kind, "html") || isJSON(kind) {
		e := badResponse("its content type is " + clip(kind, 64))
		e.Provider = x.target.Account.Provider.Name
		x.endAttempt("bad_response", 0, faultOf(e, routing.FaultAnswer))
		return e
	}
	x.stream.phase, x.stream.held, x.stream.raw = phasePreamble, x.stream.held[:0], true
	x.stream.pipe = rawPipe{x}
	return nil
}

// passOn leaves an answer that comes in pieces to the body stream once its first
// piece is there. It reports false when there will be none, and an error was answered.
func (x *exchange) passOn(ctx *fasthttp.RequestCtx) bool {
	if err := x.advance(x.totalBy); err != nil {
		if x.isGone() {
			x.finish(store.EndClientGone, nil)
		} else {
			if x.fail == nil {
				x.fail = x.lost(deadlineFor(err))
			}
			x.finish(x.failedAs(store.EndError), x.fail)
		}
		x.answerError(ctx)
		return false
	}
	x.row.Stream = !x.stream.raw
	x.begun(ctx)
	return true
}

// A rawPipe passes bytes on as they are.
type rawPipe struct{ x *exchange }

func (p rawPipe) feed(b []byte, put func([]byte, providers.FrameInfo) bool) error {
	p.x.passed += int64(len(b))
	put(b, providers.FrameDelta)
	return nil
}

func (p rawPipe) end(put func([]byte, providers.FrameInfo) bool) error {
	put(nil, providers.FrameTerminal)
	return nil
}

func (p rawPipe) terminal(dst []byte) []byte { return dst }

// fail says nothing: bytes have no room for it.
func (rawPipe) fail(dst []byte, _ *providers.Error) []byte { return dst }
