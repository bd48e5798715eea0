package relay

import (
	"io"

	"github.com/valyala/fasthttp"

	"github.com/your-org/ai-api-gateway/server/capture"
)

// beginRecord starts to keep the bodies, where the key wishes it.
func (x *exchange) beginRecord() {
	if x.job.Record == capture.Off || x.r.o.Capture == nil {
		return
	}
	body := x.job.Body
	x.record = &capture.Record{RequestID: x.job.ID, KeyID: x.job.KeyID, Time: x.job.Accepted.UTC(), Path: x.job.Address,
		RequestSize: int64(len(body)) + x.job.Upload.length(), Request: append([]byte(nil), body[:min(len(body), capture.MaxBody)]...)}
}

// recordAnswer keeps a whole answer.
func (x *exchange) recordAnswer(ctx *fasthttp.RequestCtx) {
	if x.record != nil {
		x.record.Took(ctx.Response.Body())
		x.record.Status = ctx.Response.StatusCode()
	}
}

// keepRecord hands over what was kept, if the request ended as the key says.
func (x *exchange) keepRecord() {
	rec := x.record
	if rec == nil {
		return
	}
	x.record = nil
	if rec.Status == 0 {
		rec.Status = x.row.Status
	}
	if x.job.Record == capture.All || rec.Status >= 400 || x.row.Failed() {
		x.r.o.Capture.Add(rec)
	}
}

// A recording passes a stream on and keeps its beginning.
type recording struct {
	w   io.Writer
	rec *capture.Record
}

func (r *recording) Write(p []byte) (int, error) {
	r.rec.Took(p)
	return r.w.Write(p)
}
