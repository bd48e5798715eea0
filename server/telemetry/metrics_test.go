package telemetry

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestModelsAreBounded(t *testing.T) {
	m := NewMetrics("test")
	for i := range maxLabelModels + 200 {
		m.Finish(&Done{Operation: "chat", Provider: "p", Model: fmt.Sprint("m", i), Status: 200, Duration: time.Second})
	}
	families, err := m.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != "ai_gateway_requests_total" {
			continue
		}
		if n := len(f.GetMetric()); n != maxLabelModels+1 {
			t.Errorf("%d series, want %d", n, maxLabelModels+1)
		}
		for _, row := range f.GetMetric() {
			for _, l := range row.GetLabel() {
				if l.GetValue() == "other" && row.GetCounter().GetValue() != 200 {
					t.Errorf("other counts %v, want 200", row.GetCounter().GetValue())
				}
			}
		}
		return
	}
	t.Error("no requests_total")
}

// The series of a request are used again by those that are like it, and by no others.
func TestSeriesAreUsedAgain(t *testing.T) {
	m, other := NewMetrics("test"), NewMetrics("test")
	var last *Series
	f := func(m *Metrics, d Done, same bool) {
		t.Helper()
		d.Series, d.Duration = last, time.Second
		m.Finish(&d)
		if d.Series.requests != m.requests.WithLabelValues(d.Operation, d.Provider, d.Model, strconv.Itoa(d.Status)) || same != (d.Series == last) {
			t.Errorf("%v after %v", d.Series, last)
		}
		last = d.Series
	}
	one := Done{Operation: "chat", Provider: "p", Model: "m", Status: 200}
	f(m, one, false)
	f(m, one, true)
	f(m, Done{Operation: "embeddings", Provider: "p", Model: "m", Status: 200}, false)
	f(m, one, false)
	f(m, Done{Operation: "chat", Provider: "q", Model: "m", Status: 200}, false)
	f(m, one, false)
	f(m, Done{Operation: "chat", Provider: "p", Model: "other", Status: 200}, false)
	f(m, one, false)
	f(m, Done{Operation: "chat", Provider: "p", Model: "m", Status: 500}, false)
	f(m, one, false)
	f(other, one, false)
	f(other, one, true)
}

func TestNames(t *testing.T) {
	m := NewMetrics("test")
	m.Finish(&Done{Operation: "chat", Provider: "p", Model: "m", Status: 200, Duration: time.Second, TTFT: time.Second, Tokens: [4]int64{1, 2, 3, 4}, CostNano: 5})
	m.Attempt(&Tried{Outcome: "ok"})
	m.Limited("requests")
	m.WatchInFlight(func() int { return 1 })
	m.WatchLedger(func() LedgerStats { return LedgerStats{Up: true, Commits: 2, SyncBuckets: map[float64]uint64{1: 2}} })
	families, err := m.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var names strings.Builder
	for _, f := range families {
		names.WriteString(f.GetName() + " ")
	}
	for _, want := range []string{"requests_total", "request_duration_seconds", "overhead_seconds", "time_to_first_token_seconds", "tokens_total", "cost_usd_total", "inflight_requests", "attempts_total", "rate_limited_total", "ledger_queue", "ledger_fsync_seconds", "build_info"} {
		if !strings.Contains(names.String(), "ai_gateway_"+want+" ") {
			t.Errorf("no metric ai_gateway_%s", want)
		}
	}
}

func BenchmarkFinish(b *testing.B) {
	m := NewMetrics("test")
	d := Done{Operation: "chat", Provider: "p", Model: "m", Status: 200, Duration: time.Second, TTFT: time.Second, Tokens: [4]int64{1, 2, 3, 4}, CostNano: 5}
	b.ReportAllocs()
	for b.Loop() {
		m.Finish(&d)
	}
}
