package relay_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/your-org/ai-api-gateway/server/telemetry/otel"
	"github.com/your-org/ai-api-gateway/server/telemetry/otel/oteltest"
)

// tracing returns an exporter whose collector holds every request of a test, whatever
// its upstreams do, to this: it has one span, and each of its attempts has one within
// it, in their order. No key of an account is told.
func tracing(t *testing.T) *otel.Exporter {
	c := oteltest.New(t)
	e := otel.New(otel.Options{Traces: otel.Destination{URL: c.URL + "/v1/traces"}, Sampler: "always_on", Timeout: 10 * time.Second, Delay: 10 * time.Millisecond, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { e.RunTraces(ctx); close(ended) }()
	t.Cleanup(func() { // behind that of the relay, which is registered later
		for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
			if traces, _ := e.States(); traces.Waiting == 0 {
				break // at the end what is on its way has some seconds only, or comes again
			}
		}
		cancel()
		<-ended
		e.Close()
		if strings.Contains(c.Bodies(), "sk-secret-of-") {
			t.Error("a collector is told the key of an account")
		}
		tries := map[string][]*tracev1.Span{}
		told := map[string]bool{} // what a collector is slow to take comes again, as OTLP allows
		for _, s := range c.Spans() {
			if s.Kind == tracev1.Span_SPAN_KIND_CLIENT && !told[string(s.SpanId)] {
				told[string(s.SpanId)] = true
				tries[string(s.ParentSpanId)] = append(tries[string(s.ParentSpanId)], s)
			}
		}
		for _, s := range c.Spans() {
			if s.Kind == tracev1.Span_SPAN_KIND_SERVER {
				within(t, s, tries[string(s.SpanId)])
			}
		}
		if traces, _ := e.States(); traces.Failed+traces.Dropped+traces.Rejected > 0 {
			t.Errorf("not all spans were told: %+v", traces)
		}
	})
	return e
}

func within(t *testing.T, request *tracev1.Span, tries []*tracev1.Span) {
	t.Helper()
	if n := oteltest.Attributes(request.Attributes)["ai_gateway.attempts"]; n != int64(len(tries)) {
		t.Errorf("%v attempts have %d spans", n, len(tries))
	}
	var before uint64
	for i, s := range tries {
		a := oteltest.Attributes(s.Attributes)
		if a["ai_gateway.attempt.number"] != int64(i+1) || s.StartTimeUnixNano < before || s.StartTimeUnixNano < request.StartTimeUnixNano || a["server.address"] == nil || (s.Status != nil) != (a["error.type"] != nil) {
			t.Errorf("attempt %d: %v within %v", i+1, s, request)
		}
		before = s.StartTimeUnixNano
	}
}
