// Package oteltest is a collector for tests: it decodes what it is told by the
// published schema of OTLP, and fails the test on what that does not have.
package oteltest

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	commonv1 "go.opentelemetry.io/proto/otlp/common/v1"
	metricsv1 "go.opentelemetry.io/proto/otlp/metrics/v1"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// A Collector takes what is told, over HTTP.
type Collector struct {
	URL string
	t   testing.TB

	mu      sync.Mutex
	answer  http.HandlerFunc
	traces  []*tracev1.ResourceSpans
	metrics []*metricsv1.ResourceMetrics
	heads   []http.Header
	bodies  bytes.Buffer
	calls   int
}

// New starts a collector; it ends with the test.
func New(t testing.TB) *Collector {
	t.Helper()
	c := &Collector{t: t}
	s := httptest.NewServer(http.HandlerFunc(c.serve))
	t.Cleanup(func() {
		s.CloseClientConnections() // of answers that hang
		s.Close()
	})
	c.URL = s.URL
	return c
}

// Answer makes the collector do f instead of taking what comes; nil: it takes it again.
func (c *Collector) Answer(f http.HandlerFunc) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answer = f
}

func (c *Collector) serve(w http.ResponseWriter, r *http.Request) {
	if strange(r) {
		http.NotFound(w, r)
		return
	}
	c.mu.Lock()
	answer := c.answer
	c.calls++
	c.mu.Unlock()
	raw, err := io.ReadAll(r.Body) // in any case, or an answer that hangs does not see the end of its connection
	if answer != nil {
		answer(w, r)
		return
	}
	if err == nil && r.Header.Get("Content-Encoding") == "gzip" {
		var z *gzip.Reader
		if z, err = gzip.NewReader(bytes.NewReader(raw)); err == nil {
			raw, err = io.ReadAll(z)
		}
	}
	if err == nil {
		err = c.take(r, raw)
	}
	if err != nil {
		c.t.Errorf("%s: %v", r.URL.Path, err)
		w.WriteHeader(400)
		return
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
}

// take decodes a message. TracesData and MetricsData have the fields of the messages
// Export…ServiceRequest, whose package would need gRPC.
func (c *Collector) take(r *http.Request, raw []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.heads = append(c.heads, r.Header.Clone())
	c.bodies.Write(raw)
	if r.Method != "POST" || r.Header.Get("Content-Type") != "application/x-protobuf" {
		c.t.Errorf("%s %s", r.Method, r.Header.Get("Content-Type"))
	}
	switch {
	case strings.HasSuffix(r.URL.Path, "/v1/traces"):
		var data tracev1.TracesData
		if err := proto.Unmarshal(raw, &data); err != nil {
			return err
		}
		c.known(data.ProtoReflect())
		c.traces = append(c.traces, data.ResourceSpans...)
	case strings.HasSuffix(r.URL.Path, "/v1/metrics"):
		var data metricsv1.MetricsData
		if err := proto.Unmarshal(raw, &data); err != nil {
			return err
		}
		c.known(data.ProtoReflect())
		c.metrics = append(c.metrics, data.ResourceMetrics...)
	default:
		c.t.Errorf("told at %s", r.URL.Path)
	}
	return nil
}

// strange reports whether a request is not an exporter's at all: the port may have been
// that of another test's gateway, which is still asked how it is.
func strange(r *http.Request) bool {
	return r.Method == "GET" && !strings.Contains(r.URL.Path, "/v1/traces") && !strings.Contains(r.URL.Path, "/v1/metrics")
}

// known fails the test where a message holds fields that its schema does not.
func (c *Collector) known(m protoreflect.Message) {
	if len(m.GetUnknown()) > 0 {
		c.t.Errorf("%s holds what it does not have: %x", m.Descriptor().FullName(), m.GetUnknown())
	}
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.Message() == nil:
		case f.IsList():
			for i := range v.List().Len() {
				c.known(v.List().Get(i).Message())
			}
		default:
			c.known(v.Message())
		}
		return true
	})
}

// Calls returns how many messages came, taken or not.
func (c *Collector) Calls() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.calls
}

// Heads returns the headers of the messages that were taken.
func (c *Collector) Heads() []http.Header {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]http.Header(nil), c.heads...)
}

// Bodies returns all that was taken, unpacked.
func (c *Collector) Bodies() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bodies.String()
}

// Traces and Metrics return all that was taken.
func (c *Collector) Traces() []*tracev1.ResourceSpans {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]*tracev1.ResourceSpans(nil), c.traces...)
}

// Metrics returns all that was taken of them.
func (c *Collector) Metrics() []*metricsv1.ResourceMetrics {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]*metricsv1.ResourceMetrics(nil), c.metrics...)
}

// Spans returns all spans that were taken, in their order.
func (c *Collector) Spans() (out []*tracev1.Span) {
	for _, r := range c.Traces() {
		for _, s := range r.ScopeSpans {
			out = append(out, s.Spans...)
		}
	}
	return out
}

// Await waits until n spans were taken, and returns them all.
func (c *Collector) Await(n int) []*tracev1.Span {
	c.t.Helper()
	for until := time.Now().Add(20 * time.Second); time.Now().Before(until); time.Sleep(10 * time.Millisecond) {
		if list := c.Spans(); len(list) >= n {
			return list
		}
	}
	c.t.Fatalf("%d spans came, want %d", len(c.Spans()), n)
	return nil
}

// Metric returns a metric as it was told last; nil: it was not.
func (c *Collector) Metric(name string) (found *metricsv1.Metric) {
	for _, r := range c.Metrics() {
		for _, s := range r.ScopeMetrics {
			for _, m := range s.Metrics {
				if m.Name == name {
					found = m
				}
			}
		}
	}
	return found
}

// Attributes returns attributes as Go values.
func Attributes(list []*commonv1.KeyValue) map[string]any {
	out := map[string]any{}
	for _, kv := range list {
		out[kv.Key] = valueOf(kv.Value)
	}
	return out
}

func valueOf(v *commonv1.AnyValue) any {
	switch v := v.GetValue().(type) {
	case *commonv1.AnyValue_StringValue:
		return v.StringValue
	case *commonv1.AnyValue_BoolValue:
		return v.BoolValue
	case *commonv1.AnyValue_IntValue:
		return v.IntValue
	case *commonv1.AnyValue_DoubleValue:
		return v.DoubleValue
	case *commonv1.AnyValue_ArrayValue:
		out := []any{}
		for _, e := range v.ArrayValue.Values {
			out = append(out, valueOf(e))
		}
		return out
	}
	return nil
}
