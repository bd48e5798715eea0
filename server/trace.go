package server

import (
	"bytes"

	"github.com/your-org/ai-api-gateway/server/telemetry/otel"
)

// trace takes the request into the trace its caller names; nil: nobody is told of traces.
func (c *call) trace() *otel.Trace {
	if c.s.o.Spans == nil {
		return nil
	}
	h := &c.ctx.Request.Header
	asked := otel.Asked{Method: methodOf(c.ctx), Route: c.route.path, Path: string(c.ctx.Path()), Scheme: "http"}
	if c.ctx.IsTLS() {
		asked.Scheme = "https"
	}
	if parents := h.PeekAll("Traceparent"); len(parents) == 1 { // of several none is to be believed
		asked.Parent = string(parents[0])
		asked.State = string(bytes.Join(h.PeekAll("Tracestate"), []byte(",")))
	}
	return c.s.o.Spans.Begin(asked)
}
