package telemetry

import "github.com/prometheus/client_golang/prometheus"

type targetCollector struct {
	states func() map[string]int
	state  *prometheus.Desc
}

// WatchTargets adds the state of the accounts; states is read at each scrape and
// answers 0 (serves), 1 (in part) or 2 (not at all) by the account's name.
func (m *Metrics) WatchTargets(states func() map[string]int) {
	m.Registry.MustRegister(&targetCollector{states: states, state: prometheus.NewDesc("ai_gateway_target_state",
		"How an account fares: 0 serves, 1 some of its keys or models are held back, 2 all are.", []string{"account"}, nil)})
}

func (c *targetCollector) Describe(ch chan<- *prometheus.Desc) { ch <- c.state }

func (c *targetCollector) Collect(ch chan<- prometheus.Metric) {
	for account, state := range c.states() {
		ch <- prometheus.MustNewConstMetric(c.state, prometheus.GaugeValue, float64(state), account)
	}
}
