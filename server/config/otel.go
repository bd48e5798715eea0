package config

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/your-org/ai-api-gateway/store"
)

// samplers are the words of OTEL_TRACES_SAMPLER that the gateway acts on.
var samplers = []string{"parentbased_traceidratio", "parentbased_always_on", "parentbased_always_off", "traceidratio", "always_on", "always_off"}

// headers are pairs of which the values are secrets.
type headers store.SecretString

// shown names the headers and not their values.
func (h *headers) shown() string {
	var names []string
	pairs, _ := ParseHeaders(store.SecretString(*h)) // checked when they were set
	for _, p := range pairs {
		names = append(names, p.Name+"=…")
	}
	return strings.Join(names, ",")
}

// A Pair is a name and its value.
type Pair struct {
	Name  string
	Value store.SecretString
}

// ParseHeaders reads headers in the form of OTEL_EXPORTER_OTLP_HEADERS. Its error
// holds no value.
func ParseHeaders(list store.SecretString) ([]Pair, error) {
	var out []Pair
	for _, item := range splitList(list.Reveal()) {
		name, value, err := pair(item)
		switch {
		case err != nil:
			return nil, err
		case !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value):
			return nil, errors.New("must hold names and values that headers can have")
		}
		out = append(out, Pair{http.CanonicalHeaderKey(name), store.NewSecret(value)})
	}
	return out, nil
}

// ParseAttribute reads one attribute in the form of OTEL_RESOURCE_ATTRIBUTES.
func ParseAttribute(item string) (name, value string, err error) { return pair(item) }

// pair reads name=value, the value percent-encoded (W3C Baggage).
func pair(item string) (name, value string, err error) {
	name, value, ok := strings.Cut(item, "=")
	name = strings.TrimSpace(name)
	if !ok || name == "" {
		return "", "", errors.New("must be pairs such as name=value,name=value")
	}
	if value, err = url.PathUnescape(strings.TrimSpace(value)); err != nil {
		return "", "", errors.New("must have percent-encoded values: %20 is a space, %2C a comma, %25 a percent sign")
	}
	return name, value, nil
}

func checkHeaders(text string) error {
	_, err := ParseHeaders(store.NewSecret(text))
	return err
}

func checkAttribute(item string) error {
	_, _, err := pair(item)
	return err
}

// checkCollector accepts the address of a collector, as an account's.
func checkCollector(text string) error {
	if text == "" {
		return nil
	}
	if u, err := url.Parse(text); err == nil && u.Scheme != "http" && u.Scheme != "https" && !strings.Contains(text, "://") {
		return fmt.Errorf("must be a URL such as http://collector:4318, not %q", maskURL(text))
	}
	return checkBaseURL(text)
}

// TracesTo is where traces go; "": nowhere.
func (o *OTel) TracesTo() string { return o.to(o.Traces, o.TracesEndpoint, "/v1/traces") }

// MetricsTo is where metrics go; "": nowhere.
func (o *OTel) MetricsTo() string { return o.to(o.Metrics, o.MetricsEndpoint, "/v1/metrics") }

func (o *OTel) to(wished, own, path string) string {
	switch {
	case wished == "off" || own == "" && o.Endpoint == "":
		return ""
	case own != "":
		return own
	}
	return strings.TrimSuffix(o.Endpoint, "/") + path
}

// standard are OpenTelemetry's own variables and the settings that they set. They
// come behind the file and before AI_GATEWAY_… variables.
var standard = []struct{ name, path string }{
	{"OTEL_EXPORTER_OTLP_ENDPOINT", "telemetry.otel.endpoint"},
	{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "telemetry.otel.traces_endpoint"},
	{"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "telemetry.otel.metrics_endpoint"},
	{"OTEL_EXPORTER_OTLP_HEADERS", "telemetry.otel.headers"},
	{"OTEL_EXPORTER_OTLP_TRACES_HEADERS", "telemetry.otel.traces_headers"},
	{"OTEL_EXPORTER_OTLP_METRICS_HEADERS", "telemetry.otel.metrics_headers"},
	{"OTEL_EXPORTER_OTLP_COMPRESSION", "telemetry.otel.compression"},
	{"OTEL_EXPORTER_OTLP_TIMEOUT", "telemetry.otel.timeout"},
	{"OTEL_METRIC_EXPORT_INTERVAL", "telemetry.otel.interval"},
	{"OTEL_SERVICE_NAME", "telemetry.otel.service_name"},
	{"OTEL_RESOURCE_ATTRIBUTES", "telemetry.otel.resource_attributes"},
	{"OTEL_TRACES_SAMPLER", "telemetry.otel.sampler"},
	{"OTEL_TRACES_SAMPLER_ARG", "telemetry.otel.sample_ratio"},
	{"OTEL_TRACES_EXPORTER", "telemetry.otel.traces"},
	{"OTEL_METRICS_EXPORTER", "telemetry.otel.metrics"},
}

// unsupported are those of its variables that the gateway does not act on, and what
// is so instead.
var unsupported = map[string]string{
	"OTEL_EXPORTER_OTLP_CERTIFICATE": "the system's authorities are trusted", "OTEL_EXPORTER_OTLP_CLIENT_KEY": "no client certificate is shown",
	"OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": "no client certificate is shown", "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": "metrics are cumulative",
	"OTEL_PROPAGATORS": "traces are taken from traceparent (W3C)",
}

// openTelemetry applies OpenTelemetry's variables. They may be meant for every program
// of a machine: what is wrong with them is ignored, and warned of by otelWarnings.
func (l *loader) openTelemetry() {
	for _, v := range standard {
		if value, _ := l.env.get(v.name); strings.TrimSpace(value) != "" {
			l.fromStandard(v.name, v.path, strings.TrimSpace(value))
		}
	}
	if v, _ := l.env.get("OTEL_SDK_DISABLED"); strings.EqualFold(strings.TrimSpace(v), "true") {
		l.apply("telemetry.otel.traces", "off", "OTEL_SDK_DISABLED")
		l.apply("telemetry.otel.metrics", "off", "OTEL_SDK_DISABLED")
	}
}

// fromStandard applies one of them, which has units and words of its own.
func (l *loader) fromStandard(name, path, value string) {
	switch path {
	case "telemetry.otel.timeout", "telemetry.otel.interval":
		if _, err := strconv.ParseUint(value, 10, 31); err != nil {
			l.aside("%s was ignored: it must be a number of milliseconds, not %q", name, value)
			return
		}
		value += "ms"
	case "telemetry.otel.traces", "telemetry.otel.metrics":
		switch list := splitList(value); {
		case slices.Contains(list, "otlp"):
			return
		case slices.Equal(list, []string{"none"}):
			value = "off"
		default:
			l.aside("%s was ignored: the gateway knows otlp and none; for Prometheus it has /metrics in any case", name)
			return
		}
	}
	l.apply(path, value, name)
}

// apply gives value to a setting on behalf of a variable of OpenTelemetry.
func (l *loader) apply(path, value, name string) {
	i := slices.IndexFunc(l.rows, func(r setting) bool { return r.path == path })
	if err := l.rows[i].assign(value); err != nil {
		l.aside("%s was ignored: it %v", name, err)
		return
	}
	l.c.origins[path] = source{store.OriginEnv, name}
}

// aside keeps a warning for the case that a collector is told of anything.
func (l *loader) aside(msg string, args ...any) {
	l.otel = append(l.otel, fmt.Sprintf(msg, args...))
}

// otelWarnings judges what all sources together say of the collector. What the
// variables of OpenTelemetry ask for that the gateway does not speak is told nobody.
func (l *loader) otelWarnings() {
	o := &l.c.Telemetry.OTel
	if o.TracesTo() == "" && o.MetricsTo() == "" {
		return
	}
	l.c.Warnings = append(l.c.Warnings, l.otel...)
	l.protocol("TRACES", "telemetry.otel.traces", o.TracesTo, o.TracesEndpoint)
	l.protocol("METRICS", "telemetry.otel.metrics", o.MetricsTo, o.MetricsEndpoint)
	for _, name := range sortedKeys(unsupported) {
		if v, _ := l.env.get(name); v != "" && !strings.EqualFold(v, "cumulative") && !strings.Contains(v, "tracecontext") {
			l.warn("%s was ignored: %s", name, unsupported[name])
		}
	}
}

// protocol looks whether a signal can be told in the way its collector expects.
func (l *loader) protocol(word, path string, to func() string, own string) {
	from, signal := l.c.origins[path+"_endpoint"].where, strings.ToLower(word)
	if own == "" {
		from = l.c.origins["telemetry.otel.endpoint"].where
	}
	name := "OTEL_EXPORTER_OTLP_" + word + "_PROTOCOL"
	protocol, _ := l.env.get(name)
	if protocol == "" {
		name = "OTEL_EXPORTER_OTLP_PROTOCOL"
		protocol, _ = l.env.get(name)
	}
	switch {
	case to() == "":
	case !strings.HasPrefix(from, "OTEL_") || protocol == "" || protocol == "http/protobuf": // a setting of ours is an address of OTLP over HTTP
		if u, err := url.Parse(to()); err == nil && u.Port() == "4317" {
			l.warn("%s go to port 4317, which collectors have for gRPC as a rule: OTLP over HTTP, which the gateway speaks, has 4318", signal)
		}
	case protocol == "http/json":
		l.warn("%s is http/json: %s go as http/protobuf, which collectors take at the same address", name, signal)
	default:
		l.warn("%s is %q, which the gateway does not speak, so no %s are told: set it to http/protobuf and the endpoint to the collector's port for HTTP, 4318 as a rule", name, protocol, signal)
		l.apply(path, "off", name)
	}
}
