package otel

import (
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/your-org/ai-api-gateway/server/telemetry"
)

// cumulative is the temporality of all metrics: values since the process began, so
// that one that is lost takes nothing with it.
const cumulative = 2

// ownPrefix is that of the Prometheus metrics that are exported besides, as they are;
// those of Go and of the process have names of their own in OpenTelemetry.
const ownPrefix = "ai_gateway_"

// A span of time that data points are of.
type period struct{ start, end time.Time }

// appendMetrics appends Metric messages to field num of a ScopeMetrics, and counts
// their data points.
func appendMetrics(b []byte, num protowire.Number, p period, own []telemetry.Instrument, families []*dto.MetricFamily) (_ []byte, points int) {
	for _, in := range own {
		b = message(b, num, func(b []byte) []byte {
			b = text(text(text(b, 1, in.Name), 2, in.Description), 3, in.Unit)
			return message(b, 9, func(b []byte) []byte {
				for i := range in.Distributions {
					b = message(b, 1, func(b []byte) []byte { return p.distribution(b, in.Bounds, &in.Distributions[i]) })
				}
				return varint(b, 2, cumulative)
			})
		})
		points += len(in.Distributions)
	}
	for _, f := range families {
		if strings.HasPrefix(f.GetName(), ownPrefix) {
			b = message(b, num, func(b []byte) []byte { return p.family(b, f) })
			points += len(f.GetMetric())
		}
	}
	return b, points
}

// times appends what all data points begin with.
func (p period) times(b []byte) []byte {
	return fixed64(fixed64(b, 2, uint64(p.start.UnixNano())), 3, uint64(p.end.UnixNano()))
}

func (p period) distribution(b []byte, bounds []float64, d *telemetry.Distribution) []byte {
	b = fixed64(p.times(b), 4, d.Count)
	b = double(b, 5, d.Sum)
	b = packed(packed(b, 6, d.Buckets), 7, bounds)
	b = double(double(b, 11, d.Min), 12, d.Max)
	a := attributes{b, 9}
	if d.Overflow {
		a.truth("otel.metric.overflow", true)
	}
	a.text("gen_ai.operation.name", operationName(d.Operation))
	a.text("gen_ai.provider.name", vendorName(d.Provider))
	a.text("gen_ai.request.model", d.Model)
	a.text("gen_ai.token.type", d.TokenType)
	a.text("error.type", d.ErrorType)
	return a.b
}

// family appends the members of a Metric that a Prometheus metric becomes.
func (p period) family(b []byte, f *dto.MetricFamily) []byte {
	b = text(text(b, 1, f.GetName()), 2, f.GetHelp())
	field := protowire.Number(5) // gauge
	switch f.GetType() {
	case dto.MetricType_COUNTER:
		field = 7
	case dto.MetricType_HISTOGRAM:
		field = 9
	}
	return message(b, field, func(b []byte) []byte {
		for _, m := range f.GetMetric() {
			b = message(b, 1, func(b []byte) []byte { return p.point(b, m) })
		}
		if field != 5 {
			b = varint(b, 2, cumulative)
		}
		if field == 7 {
			b = varint(b, 3, 1) // monotonic
		}
		return b
	})
}

// point appends the members of a data point.
func (p period) point(b []byte, m *dto.Metric) []byte {
	b = p.times(b)
	a := attributes{num: 7}
	switch {
	case m.Counter != nil:
		b = double(b, 4, m.Counter.GetValue())
	case m.Gauge != nil:
		b = double(b, 4, m.Gauge.GetValue())
	case m.Histogram != nil:
		a.num = 9
		h := m.Histogram
		b = double(fixed64(b, 4, h.GetSampleCount()), 5, h.GetSampleSum())
		counts, bounds := make([]uint64, 0, len(h.Bucket)+1), make([]float64, 0, len(h.Bucket))
		below := uint64(0)
		for _, bucket := range h.Bucket { // Prometheus' buckets hold those below, too
			counts, bounds = append(counts, bucket.GetCumulativeCount()-below), append(bounds, bucket.GetUpperBound())
			below = bucket.GetCumulativeCount()
		}
		b = packed(packed(b, 6, append(counts, h.GetSampleCount()-below)), 7, bounds)
	}
	a.b = b
	for _, l := range m.Label {
		a.text(l.GetName(), l.GetValue())
	}
	return a.b
}
