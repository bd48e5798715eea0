package relay

import (
	"bytes"
	"errors"
	"strconv"

	"github.com/valyala/fasthttp"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
	"github.com/your-org/ai-api-gateway/server/routing"
	"github.com/your-org/ai-api-gateway/store"
)

// runBuffered serves a request whose answer is one body. It reports true where the
// upstream chose otherwise: then the body stream it leaves in ctx writes the rest.
func (x *exchange) runBuffered(ctx *fasthttp.RequestCtx) (streams bool) {
	for x.nextTarget(farFuture) == nil {
		body, e := x.exchangeOnce()
		if e == nil && x.stream.pipe != nil {
			return x.passOn(ctx)
		}
		if e == nil {
			x.endAttemptKeep()
			if x.finish(store.EndComplete, nil) == nil {
				x.answer(ctx, body)
				return false
			}
			break
		}
		x.fail = e
	}
	switch {
	case x.isGone():
		x.finish(store.EndClientGone, nil)
	default:
		x.finish(x.failedAs(store.EndError), x.fail)
	}
	x.answerError(ctx)
	return false
}

// exchangeOnce waits for the answer of the attempt in flight and returns the body
// for the caller, or sets the pipe through which it will flow.
func (x *exchange) exchangeOnce() ([]byte, *providers.Error) {
	if err := x.awaitHead(x.totalBy); err != nil {
		return nil, x.lost(deadlineFor(err))
	}
	if status := x.up.Status(); status < 200 || status > 299 {
		return nil, x.readError()
	}
	if x.flows() {
		return nil, x.openPipe()
	}
	body, err := x.readAll(maxAnswer)
	if err != nil {
		x.salvage(body)
		return nil, x.lost(deadlineFor(err))
	}
	out, e := x.convert(body)
	if e != nil {
		x.salvage(body)
		e.Provider, e.Raw = x.target.Account.Provider.Name, nil // an answer may stand beside it
		e.Message = x.target.Account.Scrub(e.Message)
		x.endAttempt("bad_response", 0, faultOf(e, routing.Classify(e, 0)))
		return nil, e
	}
	return out, nil
}

// bom is what some servers put before JSON; who reads it may pass over it (RFC 8259, section 8.1).
var bom = []byte("\xef\xbb\xbf")

// convert reads usage from a whole answer and makes the caller's of it.
func (x *exchange) convert(body []byte) ([]byte, *providers.Error) {
	if x.frames == nil && !isJSON(x.kind()) {
		return body, nil // audio, images: nothing to read
	}
	body = bytes.TrimPrefix(body, bom)
	a, e := x.readAnswer(body)
	if e != nil {
		return nil, e
	}
	if x.hasUsage = a.HasUsage; (!a.HasUsage || x.usage.Absurd()) && !x.job.Op.Counts() {
		x.deltas = estimateTokens(body)
	}
	if x.same {
		if x.job.Trace.Recorded() {
			x.describe(body)
		}
		if x.keepsThread() {
			x.keptAt(body)
			x.keptItemsAt(body)
		}
		if r, ok := x.frames.(providers.Refitter); ok {
			fit, e := r.Refit(x.job.Body, body)
			if e != nil {
				return nil, e
			}
			if len(fit) > 0 && &fit[0] != &body[0] { // the model may have moved
				body = fit
				a.Model = x.frames.ModelSpan(body)
			}
		}
		shown := x.shownModel()
		if shown == "" || !a.Model.Found() {
			return body, nil
		}
		x.out = wire.Splice(x.out[:0], body, []wire.Edit{{Start: a.Model.Start, End: a.Model.End, New: wire.AppendString(nil, shown)}})
		return x.out, nil
	}
	resp, err := x.target.Egress.DecodeResponse(body)
	if err != nil {
		var e *providers.Error
		if errors.As(err, &e) {
			return nil, e
		}
		return nil, badResponse(err.Error())
	}
	x.rememberAnswer(resp)
	if x.job.Trace.Recorded() {
		x.describeResponse(resp)
	}
	resp.Model, resp.Asked = x.job.Peek.Model, x.asked()
	if resp.ID == "" || x.job.Thread != nil { // not every format names its answers; the gateway names those asked for again
		resp.ID = x.job.ID
	}
	if resp.Created == 0 { // or dates them, and some require it
		resp.Created = x.job.Accepted.Unix()
	}
	x.out, err = x.job.In.AppendResponse(x.out[:0], resp)
	if err != nil {
		return nil, badResponse(err.Error())
	}
	if x.keepsThread() {
		x.keepConversation(x.out)
	}
	return x.out, nil
}

// readAnswer refuses a 200 that is no answer of its dialect, and reads its usage.
func (x *exchange) readAnswer(body []byte) (providers.Answer, *providers.Error) {
	if x.job.Op.Counts() {
		_, _, ok := wire.Path(body, "input_tokens")
		if !ok {
			_, _, ok = wire.Path(body, "totalTokens") // Gemini's
		}
		if !ok {
			return providers.Answer{}, badResponse("it counts no tokens")
		}
		return providers.Answer{}, nil
	}
	if r, ok := x.frames.(providers.AnswerReader); ok {
		return r.ReadAnswer(body, &x.usage)
	}
	if _, err := wire.Fields(body, nil, nil); err != nil {
		return providers.Answer{}, badResponse(err.Error())
	}
	return providers.Answer{HasUsage: x.frames.Usage(body, &x.usage), Model: x.frames.ModelSpan(body)}, nil
}

// answer writes a whole answer.
func (x *exchange) answer(ctx *fasthttp.RequestCtx, body []byte) {
	h := header{&ctx.Response.Header, x.job.Lines}
	x.writeHead(h, true)
	if x.same && x.head.kind != "" {
		h.SetContentType(x.head.kind)
	} else {
		h.SetContentType("application/json")
	}
	var buf [32]byte
	h.say(hCost, store.AppendUSD(buf[:0], x.row.Charged()))
	h.say(hOverhead, strconv.AppendInt(buf[:0], x.row.Overhead.Microseconds(), 10))
	ctx.Response.SetStatusCode(x.up.Status())
	x.noteHead(ctx)
	x.job.Ticket.Add(body)
	x.keepAnswer()
	if c, ok := x.job.Conn.(interface{ Answers(size int) }); ok {
		c.Answers(len(body))
	}
	switch { // the answer takes the buffer that holds it, and leaves its own
	case len(body) == 0:
	case cap(x.rbuf) > 0 && &body[0] == &x.rbuf[:1][0]:
		x.rbuf = ctx.Response.SwapBody(body)
	case cap(x.out) > 0 && &body[0] == &x.out[:1][0]:
		x.out = ctx.Response.SwapBody(body)
	default:
		ctx.Response.SetBody(body)
	}
	x.recordAnswer(ctx)
}
