package relay

import (
	"github.com/valyala/fasthttp"

	"github.com/your-org/ai-api-gateway/store"
)

// noteHead tells the ticket, if the request has one, how the answer begins.
func (x *exchange) noteHead(ctx *fasthttp.RequestCtx) {
	if x.job.Ticket != nil {
		x.job.Ticket.Head(ctx.Response.StatusCode(), string(ctx.Response.Header.ContentType()), x.job.ID)
	}
}

// keepAnswer keeps the answer that was recorded, if it is whole. One that cannot be
// kept is no failure: should it be asked for again, it is made again.
func (x *exchange) keepAnswer() {
	if x.job.Ticket == nil || x.row.EndReason != store.EndComplete {
		return
	}
	if err := x.job.Ticket.Keep(); err != nil {
		x.r.o.Log.Warn("an answer cannot be replayed", "request_id", x.job.ID, "error", err)
	}
}

// runsOn reports whether a stream goes on though its caller has left, and if so
// counts it.
func (x *exchange) runsOn() bool {
	if !x.job.Drain || x.stream.phase == phaseDone || x.isEnding() {
		return false
	}
	if x.r.drains.Add(1) > maxDrains {
		x.r.drains.Add(-1)
		return false
	}
	return true
}
