// Package otel tells an OpenTelemetry collector of requests and metrics, by OTLP over
// HTTP with protobuf bodies. It follows the conventions for generative AI of version
// 1.41: a span of each request and one of each attempt at a provider.
//
// Nothing waits for a collector: what it does not take in time is counted and dropped.
// The protocol is written here, since OpenTelemetry's SDK with its exporters makes the
// program megabytes larger.
package otel

import (
	"context"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/your-org/ai-api-gateway/server/telemetry"
	"github.com/your-org/ai-api-gateway/store"
)

// Bounds of what waits and how long.
const (
	maxQueue   = 2048 // requests
	maxBatch   = 256
	usualDelay = time.Second     // see Options.Delay
	flushFor   = 3 * time.Second // for all that is left, at the end
)

// A Header is sent with each message to a collector; its value is a secret.
type Header struct {
	Name  string
	Value store.SecretString
}

// A Destination is where one signal goes; without a URL it goes nowhere.
type Destination struct {
	URL     string
	Headers []Header
}

// An Attribute is one of the resource: what the gateway is.
type Attribute struct{ Name, Value string }

// Options configure an Exporter.
type Options struct {
	Traces, Metrics Destination
	Resource        []Attribute // the last of a name counts
	Sampler         string      // see Samplers
	Ratio           float64     // of the traces that begin here
	Propagate       bool        // tell upstreams of the trace
	Gzip            bool
	Timeout         time.Duration // of one message
	Delay           time.Duration // how long a request waits for others; 0: 1 s
	Every           time.Duration // metrics are told
	// Proxy chooses the proxy to a collector; nil: none. Guard looks at each address
	// that is dialled; nil: all may be.
	Proxy func(*url.URL) (*url.URL, error)
	Guard func(network, address string, c syscall.RawConn) error
	// GenAI and Gather are what metrics are told; nil: nothing.
	GenAI  *telemetry.GenAI
	Gather func() ([]*dto.MetricFamily, error)
	// Counted is told what became of spans and data points: sent, failed, dropped,
	// rejected. nil: nobody.
	Counted func(signal, result string, n int)
	Version string
	Now     func() time.Time
	Log     *slog.Logger
}

// An Exporter tells of requests and metrics. It is safe for concurrent use. A nil one
// tells nobody.
type Exporter struct {
	o        Options
	sampler  sampler
	resource []byte // the message
	post     func(ctx context.Context, to Destination, zipped bool, body []byte) (Reply, error)
	end      func()
	queue    chan *ended
	waiting  atomic.Int64 // in the queue or on their way
	started  time.Time
	traces   signal
	metrics  signal
	full     atomic.Bool  // the queue was, and it was said
	size     atomic.Int64 // of the message made last, in bytes: the next is as large
}

// New returns an Exporter; RunTraces and RunMetrics make it work.
func New(o Options) *Exporter {
	if o.Counted == nil {
		o.Counted = func(string, string, int) {}
	}
	if o.Delay == 0 {
		o.Delay = usualDelay
	}
	e := &Exporter{o: o, sampler: newSampler(o.Sampler, o.Ratio), queue: make(chan *ended, maxQueue), started: o.Now(), resource: resourceOf(o.Resource)}
	p := newPoster(o.Proxy, o.Guard, o.Version)
	e.post, e.end = p.post, p.close
	e.traces = signal{e: e, name: "traces", to: o.Traces}
	e.metrics = signal{e: e, name: "metrics", to: o.Metrics}
	for _, result := range [...]string{sent, failed, dropped, rejected} { // from zero, or the first would be no increase to an alert
		o.Counted(e.traces.name, result, 0)
		o.Counted(e.metrics.name, result, 0)
	}
	return e
}

// resourceOf writes the attributes of a Resource message.
func resourceOf(list []Attribute) []byte {
	a := attributes{num: 1}
	for i, at := range list {
		if !slices.ContainsFunc(list[i+1:], func(later Attribute) bool { return later.Name == at.Name }) {
			a.text(at.Name, at.Value)
		}
	}
	return a.b
}

// Begin takes a request into a trace; nil: traces are told to nobody.
func (e *Exporter) Begin(asked Asked) *Trace {
	if e == nil || e.o.Traces.URL == "" {
		return nil
	}
	return e.sampler.begin(asked)
}

// Propagates reports whether upstreams are told of traces.
func (e *Exporter) Propagates() bool { return e != nil && e.o.Propagate }

// Request hands over a request that has ended, with its row, of which it keeps a copy.
// It never waits.
func (e *Exporter) Request(t *Trace, row *store.UsageRow) {
	if e == nil || !t.Recorded() {
		return
	}
	it := &ended{t: t, row: *row}
	it.row.Attempts = slices.Clone(row.Attempts)
	it.row.Metadata, it.row.Trace = nil, nil // not told, and not kept
	e.waiting.Add(1)
	select {
	case e.queue <- it:
		e.full.Store(false)
	default:
		e.waiting.Add(-1)
		e.traces.note(dropped, it.spans(), nil)
		if !e.full.Swap(true) {
			e.o.Log.Warn("traces are dropped: the OpenTelemetry collector does not take them as fast as requests come", "collector", e.traces.shown())
		}
	}
}

// RunTraces tells of requests until ctx ends, and then of what is left, once and for
// some seconds at most. What is on its way when ctx ends has half of them: cut at
// once, and told again, it would come twice to a collector that had it already.
func (e *Exporter) RunTraces(ctx context.Context) {
	if e.o.Traces.URL == "" {
		return
	}
	sending, cut := outliving(ctx, flushFor/2)
	defer cut()
	flushing, cancel := outliving(ctx, flushFor)
	defer cancel()
	for {
		batch := e.gather(ctx)
		if ctx.Err() == nil {
			if e.traces.send(ctx, sending, e.tracesMessage(batch), spansOf(batch)) {
				e.waiting.Add(-int64(len(batch)))
				continue
			}
		}
		e.flush(flushing, batch)
		return
	}
}

// outliving returns a context that ends d after ctx does.
func outliving(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	later, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		select {
		case <-time.After(d):
			cancel()
		case <-later.Done():
		}
	})
	return later, func() { stop(); cancel() }
}

// flush tells first, which may be empty, and all that waits, until ctx ends.
func (e *Exporter) flush(ctx context.Context, batch []*ended) {
	for {
		batch = e.more(batch)
		if len(batch) == 0 {
			return
		}
		e.traces.last(ctx, e.tracesMessage(batch), spansOf(batch))
		e.waiting.Add(-int64(len(batch)))
		batch = nil
	}
}

// gather waits for a request, and usualDelay for others; it may return none when ctx ends.
func (e *Exporter) gather(ctx context.Context) (batch []*ended) {
	select {
	case it := <-e.queue:
		batch = append(batch, it)
	case <-ctx.Done():
		return nil
	}
	timer := time.NewTimer(e.o.Delay)
	defer timer.Stop()
	for len(batch) < maxBatch {
		select {
		case it := <-e.queue:
			batch = append(batch, it)
		case <-timer.C:
			return batch
		case <-ctx.Done():
			return batch
		}
	}
	return batch
}

// more fills a batch with what waits.
func (e *Exporter) more(batch []*ended) []*ended {
	for len(batch) < maxBatch {
		select {
		case it := <-e.queue:
			batch = append(batch, it)
		default:
			return batch
		}
	}
	return batch
}

func spansOf(batch []*ended) (n int) {
	for _, it := range batch {
		n += it.spans()
	}
	return n
}

// tracesMessage writes an ExportTraceServiceRequest.
func (e *Exporter) tracesMessage(batch []*ended) []byte {
	return e.envelope(func(b []byte) []byte {
		for _, it := range batch {
			b = it.appendSpans(b, 2)
		}
		return b
	})
}

// envelope writes what messages of both signals have in common around the items.
func (e *Exporter) envelope(items func([]byte) []byte) []byte {
	room := make([]byte, 0, e.size.Load()*9/8)
	b := message(room, 1, func(b []byte) []byte {
		b = octets(b, 1, e.resource)
		b = message(b, 2, func(b []byte) []byte {
			b = message(b, 1, func(b []byte) []byte { return text(text(b, 1, scope), 2, e.o.Version) })
			return text(items(b), 3, conventions)
		})
		return text(b, 3, conventions)
	})
	e.size.Store(int64(len(b)))
	return b
}

// RunMetrics tells metrics at intervals until ctx ends, and then once more.
func (e *Exporter) RunMetrics(ctx context.Context) {
	if e.o.Metrics.URL == "" {
		return
	}
	tick := time.NewTicker(e.o.Every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			// What fails is made up for by the next, which says all again.
			sending, cancel := context.WithTimeout(ctx, e.o.Every)
			b, points := e.metricsMessage()
			e.metrics.send(sending, sending, b, points)
			cancel()
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushFor)
			defer cancel()
			b, points := e.metricsMessage()
			e.metrics.last(last, b, points)
			return
		}
	}
}

// metricsMessage writes an ExportMetricsServiceRequest.
func (e *Exporter) metricsMessage() (b []byte, points int) {
	var own []telemetry.Instrument
	if e.o.GenAI != nil {
		own = e.o.GenAI.Instruments()
	}
	var families []*dto.MetricFamily
	if e.o.Gather != nil {
		var err error
		if families, err = e.o.Gather(); err != nil { // what could be gathered is there all the same
			e.o.Log.Warn("some metrics cannot be read", "error", err)
		}
	}
	p := period{e.started, e.o.Now()}
	b = e.envelope(func(b []byte) []byte {
		b, points = appendMetrics(b, 2, p, own, families)
		return b
	})
	return b, points
}

// Close gives up the connections, when both have returned.
func (e *Exporter) Close() { e.end() }

// shown is a destination without what may be a secret in it.
func (d Destination) shown() string {
	u, err := url.Parse(d.URL)
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(u.Scheme+"://"+u.Host+u.Path, "/")
}
