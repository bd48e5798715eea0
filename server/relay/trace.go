package relay

import (
	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/server/telemetry"
	"github.com/your-org/ai-api-gateway/server/telemetry/otel"
	"github.com/your-org/ai-api-gateway/store"
)

// traceAttempt begins the span of an attempt, and tells the upstream of it where that is wished.
func (x *exchange) traceAttempt(c *providers.Call) {
	parent, state := x.job.Trace.Attempt(c.URL, otel.Bounds{MaxTokens: x.job.Peek.MaxTokens, Choices: x.job.Peek.N})
	if !x.r.o.Spans.Propagates() {
		return
	}
	c.Set("Traceparent", parent)
	if state != "" {
		c.Set("Tracestate", state)
	}
}

// describe notes what a whole answer, or an event, of an upstream of the caller's
// dialect says of itself.
func (x *exchange) describe(data []byte) {
	d, ok := x.frames.(providers.Describer)
	if !ok {
		return
	}
	d.Describe(data, x.job.Trace.Response())
}

// describeResponse notes the same of an answer that is translated.
func (x *exchange) describeResponse(r *providers.Response) {
	d := x.job.Trace.Response()
	d.ID, d.Model = r.ID, r.Model
	for i := range r.Choices {
		d.Ended(r.Choices[i].RawFinish, r.Choices[i].Finish)
	}
}

// describeEvent notes the same of an event that is translated.
func (x *exchange) describeEvent(ev *providers.Event) {
	d := x.job.Trace.Response()
	switch ev.Kind {
	case providers.EventStart:
		d.ID, d.Model = ev.ID, ev.Model
	case providers.EventFinish:
		d.Ended(ev.RawFinish, ev.Finish)
	}
}

// tried counts the attempt in flight, which has ended.
func (x *exchange) tried(outcome string) {
	t := telemetry.Tried{Operation: x.row.Operation, Provider: x.target.Account.Provider.Name, Model: x.modelLabel(), Outcome: outcome}
	t.Duration = x.row.Attempts[len(x.row.Attempts)-1].Duration
	if x.ttft > 0 && x.row.Stream {
		t.FirstChunk = max(1, x.ttft-x.started.Sub(x.job.Accepted))
	}
	x.r.o.Metrics.Attempt(&t)
}

// usedTokens tells what the attempt in flight, or the last one, used.
func (x *exchange) usedTokens(t *store.Tokens) {
	if x.target != nil && x.r.o.Metrics.GenAI != nil {
		x.r.o.Metrics.Used(&telemetry.Used{Operation: x.row.Operation, Provider: x.target.Account.Provider.Name, Model: x.modelLabel(), In: t.Prompt(), Out: t.Completion()})
	}
}

// modelLabel is the model of the target in metrics: of those that are known.
func (x *exchange) modelLabel() string {
	if x.target != nil && x.target.Entry != nil {
		return x.target.Entry.ID
	}
	return "other"
}
