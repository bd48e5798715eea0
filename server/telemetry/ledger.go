package telemetry

import "github.com/prometheus/client_golang/prometheus"

// LedgerStats are what the ledger tells of itself.
type LedgerStats struct {
	Queue, Lag, OpenHolds      int64
	Entries, Commits, Failures uint64
	SyncSeconds                float64
	SyncBuckets                map[float64]uint64 // cumulative count of commits by upper bound in seconds
	ReservedUSD                float64
	Up                         bool
}

type ledgerCollector struct {
	stats                                                             func() LedgerStats
	queue, lag, holds, entries, commits, failures, sync, reserved, up *prometheus.Desc
}

// WatchLedger adds the ledger's metrics; stats is read at each scrape.
func (m *Metrics) WatchLedger(stats func() LedgerStats) {
	d := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc("ai_gateway_ledger_"+name, help, nil, nil)
	}
	m.Registry.MustRegister(&ledgerCollector{stats: stats,
		queue: d("queue", "Entries waiting to be durable."), lag: d("applier_lag", "Durable entries not yet in the store."),
		holds: d("open_holds", "Requests admitted and not settled."), entries: d("entries_total", "Entries made durable."),
		commits: d("commits_total", "Commits of the log; entries by commits is the batch size."), failures: d("failures_total", "Failed writes and syncs."),
		sync: d("fsync_seconds", "Duration of a commit, write and fdatasync."), reserved: d("reserved_usd", "Reserved for requests in flight."),
		up: d("up", "1 while the ledger takes entries.")})
}

func (c *ledgerCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.queue, c.lag, c.holds, c.entries, c.commits, c.failures, c.sync, c.reserved, c.up} {
		ch <- d
	}
}

func (c *ledgerCollector) Collect(ch chan<- prometheus.Metric) {
	s := c.stats()
	gauge := func(d *prometheus.Desc, v float64) { ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v) }
	count := func(d *prometheus.Desc, v uint64) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v))
	}
	gauge(c.queue, float64(s.Queue))
	gauge(c.lag, float64(s.Lag))
	gauge(c.holds, float64(s.OpenHolds))
	gauge(c.reserved, s.ReservedUSD)
	up := 0.0
	if s.Up {
		up = 1
	}
	gauge(c.up, up)
	count(c.entries, s.Entries)
	count(c.commits, s.Commits)
	count(c.failures, s.Failures)
	ch <- prometheus.MustNewConstHistogram(c.sync, s.Commits, s.SyncSeconds, s.SyncBuckets)
}
