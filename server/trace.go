package server

import "github.com/your-org/ai-api-gateway/server/telemetry/otel"

// trace takes the request into the trace its caller names; nil: nobody is told of traces.
func (c *call) trace() *otel.Trace {
	if c.s.o.Spans == nil {
		return nil
	}
	asked := otel.Asked{Method: methodOf(c.ctx), Route: c.route.path, Path: string(c.ctx.Path()), Scheme: "http"}
	if overTLS(c.ctx) {
		asked.Scheme = "https"
	}
	if c.fields.has(fieldTraceparent) && !c.fields.repeated(fieldTraceparent) { // of several none is to be believed
		asked.Parent = string(c.header(fieldTraceparent))
		asked.State = string(c.joined(fieldTracestate, "Tracestate"))
	}
	return c.s.o.Spans.Begin(asked)
}
