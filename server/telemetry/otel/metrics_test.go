package otel

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/your-org/ai-api-gateway/server/telemetry"
	"github.com/your-org/ai-api-gateway/server/telemetry/otel/oteltest"
)

// TestMetrics holds the histograms to the conventions, and the gateway's own metrics
// to what Prometheus is told.
func TestMetrics(t *testing.T) {
	c := oteltest.New(t)
	m := telemetry.NewMetrics("test")
	m.WatchInFlight(func() int { return 0 })
	m.GenAI = telemetry.NewGenAI()
	for range 3 {
		m.Attempt(&telemetry.Tried{Operation: "chat", Provider: "mistral", Model: "m", Outcome: "ok", Duration: 640 * time.Millisecond, FirstChunk: 30 * time.Millisecond})
		m.Finish(&telemetry.Done{Operation: "chat", Provider: "mistral", Model: "m", Status: 200, Duration: time.Second, Tokens: [4]int64{10, 2, 4, 5}, CostNano: 5e8})
		m.Used(&telemetry.Used{Operation: "chat", Provider: "mistral", Model: "m", In: 16, Out: 5})
	}
	m.Attempt(&telemetry.Tried{Operation: "chat", Provider: "mistral", Model: "m", Outcome: "timeout", Duration: 100 * time.Second})
	m.Attempt(&telemetry.Tried{Operation: "chat", Provider: "mistral", Model: "m", Outcome: "cancelled", Duration: time.Millisecond})
	o := to(c.URL)
	o.GenAI, o.Gather = m.GenAI, m.Registry.Gather
	e := New(o)
	run(t, e)()
	took := c.Metric("gen_ai.client.operation.duration")
	if took == nil || took.Unit != "s" || took.GetHistogram().GetAggregationTemporality().String() != "AGGREGATION_TEMPORALITY_CUMULATIVE" || len(took.GetHistogram().DataPoints) != 2 {
		t.Fatalf("%v", took)
	}
	for _, p := range took.GetHistogram().DataPoints {
		a := oteltest.Attributes(p.Attributes)
		if a["gen_ai.operation.name"] != "chat" || a["gen_ai.provider.name"] != "mistral_ai" || a["gen_ai.request.model"] != "m" || p.StartTimeUnixNano == 0 || p.TimeUnixNano < p.StartTimeUnixNano {
			t.Errorf("%v", p)
		}
		if fmt.Sprint(p.ExplicitBounds) != "[0.01 0.02 0.04 0.08 0.16 0.32 0.64 1.28 2.56 5.12 10.24 20.48 40.96 81.92]" || len(p.BucketCounts) != 15 {
			t.Errorf("bounds %v, counts %v", p.ExplicitBounds, p.BucketCounts)
		}
		switch a["error.type"] {
		case nil: // 640 ms are in the bucket whose upper bound they are
			if p.Count != 4 || p.BucketCounts[6] != 3 || p.BucketCounts[0] != 1 || p.GetMin() != .001 || p.GetMax() != .64 || p.GetSum() < 1.92 || p.GetSum() > 1.93 {
				t.Errorf("%v", p)
			}
		case "timeout":
			if p.Count != 1 || p.BucketCounts[14] != 1 {
				t.Errorf("%v", p)
			}
		default:
			t.Errorf("error.type %v", a["error.type"])
		}
	}
	if p := c.Metric("gen_ai.client.operation.time_to_first_chunk").GetHistogram().GetDataPoints(); len(p) != 1 || p[0].Count != 3 || p[0].BucketCounts[2] != 3 {
		t.Errorf("first chunk: %v", p)
	}
	used := c.Metric("gen_ai.client.token.usage")
	for _, p := range used.GetHistogram().GetDataPoints() {
		want := map[any]float64{"input": 48, "output": 15}[oteltest.Attributes(p.Attributes)["gen_ai.token.type"]]
		if p.GetSum() != want || p.Count != 3 || len(p.ExplicitBounds) != 14 || p.ExplicitBounds[13] != 67108864 {
			t.Errorf("tokens: %v", p)
		}
	}
	if used.GetUnit() != "{token}" || len(used.GetHistogram().GetDataPoints()) != 2 {
		t.Errorf("tokens: %v", used)
	}
	asPrometheus(t, c, m)
}

// asPrometheus holds the gateway's own metrics to what the registry says.
func asPrometheus(t *testing.T, c *oteltest.Collector, m *telemetry.Metrics) {
	families, err := m.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, f := range families {
		got := c.Metric(f.GetName())
		if !strings.HasPrefix(f.GetName(), ownPrefix) {
			if got != nil {
				t.Errorf("%s is told", f.GetName())
			}
			continue
		}
		n++
		if got == nil || got.Description != f.GetHelp() {
			t.Errorf("%s: %v", f.GetName(), got)
		}
	}
	if n < 10 {
		t.Fatalf("only %d families", n)
	}
	if s := c.Metric("ai_gateway_cost_usd_total").GetSum(); !s.GetIsMonotonic() || s.GetAggregationTemporality().String() != "AGGREGATION_TEMPORALITY_CUMULATIVE" || s.DataPoints[0].GetAsDouble() != 1.5 {
		t.Errorf("cost: %v", s)
	}
	if g := c.Metric("ai_gateway_inflight_requests").GetGauge(); g == nil || len(g.DataPoints) != 1 {
		t.Errorf("in flight: %v", g)
	}
	h := c.Metric("ai_gateway_request_duration_seconds").GetHistogram().GetDataPoints()
	if len(h) != 1 || h[0].Count != 3 || len(h[0].BucketCounts) != len(h[0].ExplicitBounds)+1 || oteltest.Attributes(h[0].Attributes)["operation"] != "chat" {
		t.Fatalf("durations: %v", h)
	}
	for i, bound := range h[0].ExplicitBounds {
		if (bound == 1) != (h[0].BucketCounts[i] == 3) {
			t.Errorf("bucket up to %v holds %d", bound, h[0].BucketCounts[i])
		}
	}
}

// TestOverflow: label sets are bounded, and nothing is lost beyond the bound.
func TestOverflow(t *testing.T) {
	c := oteltest.New(t)
	g := telemetry.NewGenAI()
	m := telemetry.NewMetrics("test")
	m.GenAI = g
	for i := range 3000 {
		m.Used(&telemetry.Used{Operation: "chat", Provider: "p", Model: fmt.Sprint("m", i), In: 1})
	}
	o := to(c.URL)
	o.GenAI = g
	run(t, New(o))()
	points := c.Metric("gen_ai.client.token.usage").GetHistogram().GetDataPoints()
	var all, beyond uint64
	for _, p := range points {
		all += p.Count
		if oteltest.Attributes(p.Attributes)["otel.metric.overflow"] == true {
			beyond = p.Count
		}
	}
	if len(points) != 2001 || all != 3000 || beyond != 1000 {
		t.Errorf("%d points of %d, %d beyond", len(points), all, beyond)
	}
}
