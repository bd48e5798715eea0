package cmd

import (
	"context"
	"os"
	"time"

	"github.com/your-org/ai-api-gateway/server/api"
	"github.com/your-org/ai-api-gateway/server/config"
	"github.com/your-org/ai-api-gateway/server/telemetry"
	"github.com/your-org/ai-api-gateway/server/telemetry/otel"
	"github.com/your-org/ai-api-gateway/server/upstream"
	"github.com/your-org/ai-api-gateway/store"
)

// newExporter returns what tells an OpenTelemetry collector; nil: none is named.
func (g *gateway) newExporter(boot string, now func() time.Time) *otel.Exporter {
	cfg := g.cfg
	traces, metrics := cfg.Telemetry.OTel.TracesTo(), cfg.Telemetry.OTel.MetricsTo()
	if traces == "" && metrics == "" {
		return nil
	}
	if metrics != "" {
		g.metrics.GenAI = telemetry.NewGenAI()
	}
	headers := cfg.Telemetry.OTel.Headers
	to := func(url string, own []otel.Header) otel.Destination {
		if own == nil {
			own = headersOf(headers)
		}
		return otel.Destination{URL: url, Headers: own}
	}
	e := otel.New(otel.Options{
		Traces: to(traces, headersOf(cfg.Telemetry.OTel.TracesHeaders)), Metrics: to(metrics, headersOf(cfg.Telemetry.OTel.MetricsHeaders)),
		Resource: resourceOf(cfg, boot), Sampler: cfg.Telemetry.OTel.Sampler, Ratio: cfg.Telemetry.OTel.SampleRatio,
		Propagate: cfg.Telemetry.OTel.Propagate == "on", Gzip: cfg.Telemetry.OTel.Compression == "gzip",
		Timeout: cfg.Telemetry.OTel.Timeout, Every: cfg.Telemetry.OTel.Interval,
		Proxy: proxyFrom(cfg.Proxy), Guard: upstream.Guard, GenAI: g.metrics.GenAI, Gather: g.metrics.Registry.Gather, Counted: g.metrics.Exported,
		Version: Version, Now: now, Log: g.log,
	})
	told, measured := e.States()
	g.log.Info("an OpenTelemetry collector is told", "traces", told.To, "metrics", measured.To)
	return e
}

// headersOf returns the headers of a setting; nil: it is not set.
func headersOf(set store.SecretString) []otel.Header {
	pairs, _ := config.ParseHeaders(set) // checked by config
	var out []otel.Header
	for _, p := range pairs {
		out = append(out, otel.Header{Name: p.Name, Value: p.Value})
	}
	return out
}

// resourceOf says what this gateway is. A name for the service among the attributes
// stands back behind one that was set as such, and goes before the default.
func resourceOf(cfg *config.Config, boot string) []otel.Attribute {
	host, _ := os.Hostname()
	name := otel.Attribute{Name: "service.name", Value: cfg.Telemetry.OTel.ServiceName}
	out := []otel.Attribute{name, {Name: "service.version", Value: Version}, {Name: "service.instance.id", Value: boot}, {Name: "host.name", Value: host},
		{Name: "telemetry.sdk.language", Value: "go"}, {Name: "telemetry.sdk.name", Value: "ai-gateway"}, {Name: "telemetry.sdk.version", Value: Version}}
	for _, item := range cfg.Telemetry.OTel.ResourceAttributes {
		if name, value, err := config.ParseAttribute(item); err == nil { // checked by config
			out = append(out, otel.Attribute{Name: name, Value: value})
		}
	}
	if cfg.Origin("telemetry.otel.service_name") != config.OriginDefault {
		out = append(out, name)
	}
	return out
}

// startExporter begins to tell the collector. It is no chore of start: it ends when
// the last request has.
func (g *gateway) startExporter() {
	if g.otel == nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	g.endOTel = cancel
	g.telling.Go(func() { runGuarded(ctx, restartAfter, "otel traces", g.server.Panicked, g.otel.RunTraces) })
	g.telling.Go(func() { runGuarded(ctx, restartAfter, "otel metrics", g.server.Panicked, g.otel.RunMetrics) })
}

// stopExporter tells what is left, for some seconds at most.
func (g *gateway) stopExporter() {
	if g.endOTel != nil {
		g.endOTel()
		g.telling.Wait()
		g.otel.Close()
	}
}

// otelStatus tells what became of what a collector is told; nil: none is named.
func (g *gateway) otelStatus() *api.OTelStatus {
	if g.otel == nil {
		return nil
	}
	traces, metrics := g.otel.States()
	of := func(s otel.State) api.OTelSignal {
		out := api.OTelSignal{To: s.To, Sent: s.Sent, Failed: s.Failed, Dropped: s.Dropped, Rejected: s.Rejected, Waiting: s.Waiting, LastError: s.LastError}
		if !s.LastSent.IsZero() {
			out.LastSent = &s.LastSent
		}
		return out
	}
	return &api.OTelStatus{Traces: of(traces), Metrics: of(metrics)}
}
