// Package telemetry holds what the gateway tells its operators: Prometheus
// metrics with bounded label sets, the histograms of OpenTelemetry's conventions,
// and the access line.
package telemetry

import (
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// maxLabelModels bounds the values of the model label; further models are counted as "other".
const maxLabelModels = 500

// Metrics are the gateway's own. The names are fixed by the interface; see docs.
type Metrics struct {
	Registry *prometheus.Registry

	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	overhead prometheus.Histogram
	ttft     *prometheus.HistogramVec
	tokens   *prometheus.CounterVec
	cost     prometheus.Counter
	attempts *prometheus.CounterVec
	limited  *prometheus.CounterVec
	budget   prometheus.Counter
	soft     *prometheus.CounterVec
	Panics   prometheus.Counter
	Shed     prometheus.Counter // requests refused since the gateway had too much to do
	Refused  prometheus.Counter // connections closed since their address had as many as it may
	Dropped  *prometheus.CounterVec
	notified *prometheus.CounterVec
	exported *prometheus.CounterVec
	// GenAI is fed besides; nil: nobody exports it. It is set before the first request.
	GenAI *GenAI

	mu     sync.Mutex
	series map[string][]*Series // by the model they are of

	byToken   [len(tokenTypes)]prometheus.Counter
	attemptOK prometheus.Counter
}

// Series are the resolved handles of one label set, so that a request costs no label lookups.
type Series struct {
	m                   *Metrics
	op, provider, model string
	status              int

	requests prometheus.Counter
	duration prometheus.Observer
	ttft     prometheus.Observer
}

var latencyBuckets = []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600}

// limitKinds are what policies limit.
var limitKinds = []string{"requests", "tokens", "cost_usd", "concurrency"}

// NewMetrics registers all metrics in a registry of their own.
func NewMetrics(version string) *Metrics {
	m := &Metrics{
		Registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ai_gateway_requests_total", Help: "Requests answered, by outcome."}, []string{"operation", "provider", "model", "status"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "ai_gateway_request_duration_seconds", Help: "From admission to the last byte.", Buckets: latencyBuckets}, []string{"operation", "provider"}),
		overhead: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "ai_gateway_overhead_seconds", Help: "Total time less the wait for the upstream.", Buckets: []float64{.00002, .00005, .0001, .0002, .0005, .001, .002, .005, .01, .05, .25}}),
		ttft:     prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "ai_gateway_time_to_first_token_seconds", Help: "From admission to the first content of a stream.", Buckets: latencyBuckets}, []string{"provider"}),
		tokens:   prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ai_gateway_tokens_total", Help: "Tokens used, by bucket."}, []string{"type"}),
		cost:     prometheus.NewCounter(prometheus.CounterOpts{Name: "ai_gateway_cost_usd_total", Help: "Cost of settled requests."}),
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ai_gateway_attempts_total", Help: "Attempts at upstreams, by outcome."}, []string{"outcome"}),
		limited:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ai_gateway_rate_limited_total", Help: "Requests refused by a limit."}, []string{"kind"}),
		Shed:     prometheus.NewCounter(prometheus.CounterOpts{Name: "ai_gateway_shed_requests_total", Help: "Requests refused since memory or processors did not suffice."}),
		Refused:  prometheus.NewCounter(prometheus.CounterOpts{Name: "ai_gateway_connections_refused_total", Help: "Connections closed since their address had as many as limits.connections_per_address."}),
		budget:   prometheus.NewCounter(prometheus.CounterOpts{Name: "ai_gateway_budget_denied_total", Help: "Requests refused by a budget."}),
		soft:     prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ai_gateway_budget_soft_limit_total", Help: "Limits used to their policy's soft percent, once a window."}, []string{"kind"}),
		Panics:   prometheus.NewCounter(prometheus.CounterOpts{Name: "ai_gateway_panics_total", Help: "Panics contained; each is a bug."}),
		Dropped:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ai_gateway_dropped_params_total", Help: "Request members a translation could not carry."}, []string{"from", "to"}),
		notified: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ai_gateway_notifications_total", Help: "Events for the webhook, by what became of them: sent, failed, dropped."}, []string{"result"}),
		exported: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ai_gateway_otel_items_total", Help: "Spans and data points for the OpenTelemetry collector, by what became of them: sent, failed, dropped, rejected."}, []string{"signal", "result"}),
		series:   map[string][]*Series{},
	}
	for i, t := range tokenTypes {
		m.byToken[i] = m.tokens.WithLabelValues(t)
	}
	m.attemptOK = m.attempts.WithLabelValues("ok")
	for _, kind := range limitKinds { // from zero, or the first would be no increase to an alert
		m.limited.WithLabelValues(kind)
		m.soft.WithLabelValues(kind)
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{Name: "ai_gateway_build_info", Help: "Always 1.", ConstLabels: prometheus.Labels{"version": version}})
	build.Set(1)
	m.Registry.MustRegister(m.requests, m.duration, m.overhead, m.ttft, m.tokens, m.cost, m.attempts, m.limited, m.budget, m.soft,
		m.Panics, m.Shed, m.Refused, m.Dropped, m.notified, m.exported, build, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// WatchInFlight adds the number of requests being served now; n is asked at each scrape.
func (m *Metrics) WatchInFlight(n func() int) {
	m.Registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "ai_gateway_inflight_requests", Help: "Requests being served now."},
		func() float64 { return float64(n()) }))
}

// A Done tells of one finished request.
type Done struct {
	Operation, Provider, Model string
	Status                     int
	Duration, TTFT, Overhead   time.Duration // TTFT 0: no content was streamed
	Tokens                     [4]int64      // input, cache read, cache write, output (reasoning included)
	CostNano                   int64
	Series                     *Series // of an earlier request, which may be like this one; Finish sets this one's
}

var tokenTypes = [4]string{"input", "cache_read", "cache_write", "output"}

// Finish counts one finished request.
func (m *Metrics) Finish(d *Done) {
	s := d.Series
	if s == nil || s.m != m || s.status != d.Status || s.model != d.Model || s.op != d.Operation || s.provider != d.Provider {
		s = m.lookup(d)
		d.Series = s
	}
	s.requests.Inc()
	s.duration.Observe(d.Duration.Seconds())
	if d.TTFT > 0 {
		s.ttft.Observe(d.TTFT.Seconds())
	}
	m.overhead.Observe(d.Overhead.Seconds())
	for i, n := range d.Tokens {
		if n > 0 {
			m.byToken[i].Add(float64(n))
		}
	}
	if d.CostNano > 0 {
		m.cost.Add(float64(d.CostNano) / 1e9)
	}
}

// Used observes what one attempt used, for those who export it; Finish counts the sum.
func (m *Metrics) Used(u *Used) {
	if m.GenAI != nil {
		m.GenAI.used(u)
	}
}

// Attempt counts one attempt at an upstream.
func (m *Metrics) Attempt(t *Tried) {
	if t.Outcome == "ok" {
		m.attemptOK.Inc()
	} else {
		m.attempts.WithLabelValues(t.Outcome).Inc()
	}
	if m.GenAI != nil {
		m.GenAI.attempt(t)
	}
}

// Exported counts what became of spans ("traces") and data points ("metrics") for a collector.
func (m *Metrics) Exported(signal, result string, n int) {
	m.exported.WithLabelValues(signal, result).Add(float64(n))
}

// Notified counts what became of events for the webhook.
func (m *Metrics) Notified(result string, n int) { m.notified.WithLabelValues(result).Add(float64(n)) }

// BudgetDenied counts one refusal by a budget.
func (m *Metrics) BudgetDenied() { m.budget.Inc() }

// SoftLimit counts one limit that was used to its policy's soft_percent.
func (m *Metrics) SoftLimit(kind string) { m.soft.WithLabelValues(kind).Inc() }

// Limited counts one refusal by a rate: requests, tokens or concurrency.
func (m *Metrics) Limited(kind string) { m.limited.WithLabelValues(kind).Inc() }

// lookup returns the series of a request. Those of models beyond maxLabelModels, and of
// none, are of "other".
func (m *Metrics) lookup(d *Done) *Series {
	m.mu.Lock()
	defer m.mu.Unlock()
	model := d.Model
	list, known := m.series[model]
	if !known && (len(m.series) >= maxLabelModels || model == "") {
		model = "other"
		list = m.series[model]
	}
	for _, s := range list {
		if s.status == d.Status && s.op == d.Operation && s.provider == d.Provider {
			return s
		}
	}
	s := &Series{
		m: m, op: d.Operation, provider: d.Provider, model: model, status: d.Status,
		requests: m.requests.WithLabelValues(d.Operation, d.Provider, model, strconv.Itoa(d.Status)),
		duration: m.duration.WithLabelValues(d.Operation, d.Provider),
		ttft:     m.ttft.WithLabelValues(d.Provider),
	}
	m.series[model] = append(list, s)
	return s
}
