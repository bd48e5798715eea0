package telemetry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// WatchCertificate adds when the certificate that is served ends; ends is read at each scrape.
func (m *Metrics) WatchCertificate(ends func() time.Time) {
	m.Registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "ai_gateway_tls_certificate_not_after_seconds", Help: "When the certificate in use ends, in Unix time.",
	}, func() float64 { return float64(ends().Unix()) }))
}
