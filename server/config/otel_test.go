package config

import (
	"strings"
	"testing"
)

// TestOpenTelemetry: OpenTelemetry's own variables set what they name, behind the file
// and before our own; what they ask for that is not spoken is told nobody.
func TestOpenTelemetry(t *testing.T) {
	f := func(name, file string, environ []string, wantTraces, wantMetrics string, wantWarning string) *Config {
		t.Helper()
		c := mustLoad(t, file, environ...)
		o := &c.Telemetry.OTel
		if o.TracesTo() != wantTraces || o.MetricsTo() != wantMetrics {
			t.Errorf("%s: traces go to %q, metrics to %q", name, o.TracesTo(), o.MetricsTo())
		}
		warned := strings.Join(c.Warnings, "\n")
		if wantWarning == "" && warned != "" || !strings.Contains(warned, wantWarning) {
			t.Errorf("%s: warnings %q, want %q", name, warned, wantWarning)
		}
		return c
	}
	const at = "OTEL_EXPORTER_OTLP_ENDPOINT=http://c:4318"
	f("nothing", "", nil, "", "", "")
	f("base", "", []string{at + "/"}, "http://c:4318/v1/traces", "http://c:4318/v1/metrics", "")
	f("below a path", "", []string{"OTEL_EXPORTER_OTLP_ENDPOINT=https://c/otlp"}, "https://c/otlp/v1/traces", "https://c/otlp/v1/metrics", "")
	f("one signal", "", []string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://t/as-it-is"}, "http://t/as-it-is", "", "")
	f("apart", "", []string{at, "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=http://m/x"}, "http://c:4318/v1/traces", "http://m/x", "")
	f("file", "telemetry: {otel: {endpoint: 'http://file:4318', metrics: off}}", nil, "http://file:4318/v1/traces", "", "")
	c := f("before the file", "telemetry: {otel: {endpoint: 'http://file:4318'}}", []string{at}, "http://c:4318/v1/traces", "http://c:4318/v1/metrics", "")
	for _, field := range c.Settings() {
		if field.Path == "telemetry.otel.endpoint" && (field.Origin != "env" || field.Where != "OTEL_EXPORTER_OTLP_ENDPOINT") {
			t.Errorf("%+v", field)
		}
	}
	f("behind our own", "", []string{at, "AI_GATEWAY_TELEMETRY_OTEL_ENDPOINT=http://own:4318"}, "http://own:4318/v1/traces", "http://own:4318/v1/metrics", "")
	f("disabled", "", []string{at, "OTEL_SDK_DISABLED=TRUE"}, "", "", "")
	f("not disabled", "", []string{at, "OTEL_SDK_DISABLED=no"}, "http://c:4318/v1/traces", "http://c:4318/v1/metrics", "")
	f("no traces", "", []string{at, "OTEL_TRACES_EXPORTER=none", "OTEL_METRICS_EXPORTER=otlp"}, "", "http://c:4318/v1/metrics", "")
	f("another exporter", "", []string{at, "OTEL_METRICS_EXPORTER=prometheus"}, "http://c:4318/v1/traces", "http://c:4318/v1/metrics", "OTEL_METRICS_EXPORTER was ignored")

	f("gRPC", "", []string{at, "OTEL_EXPORTER_OTLP_PROTOCOL=grpc"}, "", "", "4318 as a rule")
	f("gRPC for one", "", []string{at, "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf", "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL=grpc"}, "http://c:4318/v1/traces", "", "METRICS_PROTOCOL")
	f("gRPC of others", "telemetry: {otel: {endpoint: 'http://file:4318'}}", []string{"OTEL_EXPORTER_OTLP_PROTOCOL=grpc"}, "http://file:4318/v1/traces", "http://file:4318/v1/metrics", "")
	f("gRPC, nobody is told", "", []string{"OTEL_EXPORTER_OTLP_PROTOCOL=grpc", "OTEL_TRACES_SAMPLER=nonsense", "OTEL_PROPAGATORS=b3"}, "", "", "")
	f("JSON", "", []string{at, "OTEL_EXPORTER_OTLP_PROTOCOL=http/json"}, "http://c:4318/v1/traces", "http://c:4318/v1/metrics", "go as http/protobuf")
	f("the port of gRPC", "", []string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://c:4317"}, "http://c:4317/v1/traces", "http://c:4317/v1/metrics", "has 4318")

	// What is wrong with them does not keep the gateway from starting.
	for _, bad := range []string{"OTEL_TRACES_SAMPLER=nonsense", "OTEL_TRACES_SAMPLER_ARG=2", "OTEL_EXPORTER_OTLP_TIMEOUT=10s", "OTEL_EXPORTER_OTLP_HEADERS=no-pair", "OTEL_RESOURCE_ATTRIBUTES=no-pair",
		"OTEL_EXPORTER_OTLP_COMPRESSION=zstd", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=ftp://x", "OTEL_EXPORTER_OTLP_CERTIFICATE=/ca.pem", "OTEL_PROPAGATORS=b3"} {
		name, _, _ := strings.Cut(bad, "=")
		f(bad, "", []string{at, bad}, "http://c:4318/v1/traces", "http://c:4318/v1/metrics", name+" was ignored")
	}
	f("others that are right", "", []string{at, "OTEL_PROPAGATORS=tracecontext,baggage", "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE=Cumulative"}, "http://c:4318/v1/traces", "http://c:4318/v1/metrics", "")

	c = f("all", "", []string{at, "OTEL_EXPORTER_OTLP_HEADERS=api-key=a%20b,X-Scope = s", "OTEL_SERVICE_NAME=mine", "OTEL_RESOURCE_ATTRIBUTES=a=1,b=x%2Cy",
		"OTEL_TRACES_SAMPLER=traceidratio", "OTEL_TRACES_SAMPLER_ARG=0.25", "OTEL_EXPORTER_OTLP_TIMEOUT=2500", "OTEL_METRIC_EXPORT_INTERVAL=5000", "OTEL_EXPORTER_OTLP_COMPRESSION=none"}, "http://c:4318/v1/traces", "http://c:4318/v1/metrics", "")
	o := &c.Telemetry.OTel
	if o.ServiceName != "mine" || o.Sampler != "traceidratio" || o.SampleRatio != .25 || o.Timeout.String() != "2.5s" || o.Interval.String() != "5s" || o.Compression != "none" || strings.Join(o.ResourceAttributes, "|") != "a=1|b=x%2Cy" {
		t.Errorf("%+v", o)
	}
	pairs, err := ParseHeaders(o.Headers)
	if err != nil || len(pairs) != 2 || pairs[0].Name != "Api-Key" || pairs[0].Value.Reveal() != "a b" || pairs[1].Name != "X-Scope" || pairs[1].Value.Reveal() != "s" {
		t.Errorf("%v, %v", pairs, err)
	}
	for _, field := range c.Settings() {
		if strings.Contains(field.Value, "a%20b") || field.Path == "telemetry.otel.headers" && field.Value != "Api-Key=…,X-Scope=…" {
			t.Errorf("%+v", field)
		}
	}
}

// TestCollectors: our own settings are refused where they are wrong, without their secrets.
func TestCollectors(t *testing.T) {
	f := func(member, want string) {
		t.Helper()
		_, err := load(t, "telemetry: {otel: {"+member+"}}")
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v, want %q", member, err, want)
		}
	}
	f("endpoint: 'collector:4318'", "http://collector:4318")
	f("endpoint: 'http://u:hunter2@c'", "user or password")
	f("endpoint: 'http://169.254.169.254'", "never dialled")
	f("endpoint: 'http://c?key=hunter2'", "must not have a query")
	f("headers: hunter2", "must be pairs")
	f("headers: 'a=hunter2%zz'", "percent-encoded")
	f("headers: 'a b=hunter2'", "names and values that headers can have")
	f("headers: 'a=hunter2%0d%0aX: y'", "names and values that headers can have")
	f("sample_ratio: 1.5", "from 0 to 1")
	f("sample_ratio: .nan", "from 0 to 1")
	f("sampler: jaeger", "must be one of")
	f("resource_attributes: [x]", "must be pairs")
	f("interval: 0s", "must be more than 0")
	f("protocol: grpc", "unknown field")
}
