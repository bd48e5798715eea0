package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/your-org/ai-api-gateway/server/notify"
	"github.com/your-org/ai-api-gateway/store"
)

// A setting is one scalar of the configuration. Its row is all there is to it:
// file member, environment variable, flag, default and schema follow from it.
type setting struct {
	path  string // "log.level"; AI_GATEWAY_LOG_LEVEL, --log-level
	def   string
	ptr   any      // where it goes; its type says how it is read
	enum  []string // the words allowed; nil: any
	check func(string) error
	doc   string
}

// size is an int64 read as a number of bytes.
type size int64

// address is a URL that may hold a password, which is not shown.
type address string

func (s setting) env() string {
	return "AI_GATEWAY_" + strings.ToUpper(strings.ReplaceAll(s.path, ".", "_"))
}

// Flag returns the name of the flag of the setting at path.
func Flag(path string) string {
	return strings.NewReplacer(".", "-", "_", "-").Replace(path)
}

// settings returns the rows, bound to c. A row stands here only if something acts
// on it: what the gateway does not do is refused, not ignored.
func (c *Config) settings() []setting {
	t, u, l, o := &c.Timeouts, &c.Timeouts.Upstream, &c.Limits, &c.Telemetry.OTel
	onOff := []string{"on", "off"}
	b := func(p *int64) *size { return (*size)(p) }
	return []setting{
		{"listen", "127.0.0.1:8080,[::1]:8080", &c.Listen, nil, checkListen, "addresses to serve; ':8080' is all interfaces"},
		{"data_dir", "", &c.DataDir, nil, nil, "folder of the store and its log; default $XDG_DATA_HOME/ai-gateway"},
		{"database_url", "", (*address)(&c.DatabaseURL), nil, checkDatabase, "Postgres that gateways share, as postgres://user@host/database; default the embedded store in data_dir"},
		{"migrate", "start", &c.Migrate, []string{"start", "never"}, nil, "when serve brings the database's schema up to date"},
		{"log.level", "info", &c.Log.Level, []string{"debug", "info", "warn", "error"}, nil, "what is logged"},
		{"log.format", "auto", &c.Log.Format, []string{"auto", "json", "text"}, nil, "auto is text on a terminal, else json"},
		{"time_zone", "UTC", &c.TimeZone, nil, checkZone, "zone of days in reports that name none: a name such as Asia/Shanghai, UTC or Local"},
		{"trusted_proxies", "", &c.TrustedProxies, nil, nil, "networks whose X-Forwarded-For is believed"},
		{"cors_origins", "", &c.CORSOrigins, nil, checkOrigin, "origins whose web pages may call the relay's routes with a key, such as https://chat.example.com; * = all; default none"},
		{"master_key_file", "", &c.MasterKeyFile, nil, nil, "key that seals provider secrets; default <data_dir>/master.key"},
		{"proxy", "", &c.Proxy, nil, checkProxy, "proxy of upstream calls (http, https, socks5h, 'direct'); default HTTPS_PROXY and NO_PROXY"},
		{"drain_delay", "5s", &c.DrainDelay, nil, nil, "how long the gateway is unready but still accepts after SIGTERM"},
		{"drain_timeout", "30s", &c.DrainTimeout, nil, nil, "how long answers under way may take to end"},
		{"unknown_price", "dearest", &c.UnknownPrice, []string{"dearest", "deny", "zero"}, nil, "what a model without a known price costs: its vendor's dearest rate, a refusal, or nothing"},
		{"metrics.listen", "", &c.MetricsListen, nil, checkOneListen, "address that serves /metrics without a key; default none"},
		{"admin_listen", "", &c.AdminListen, nil, checkOneListen, "address of the admin API, the page and the metrics, apart from the relay; default the same"},
		{"public_url", "", &c.PublicURLs, nil, checkURL, "addresses by which browsers reach the admin page, besides localhost and plain addresses"},
		{"advertise_url", "", &c.AdvertiseURL, nil, checkAdvertised, "address at which the other gateways on the database reach this one's admin API, behind address translation or TLS; default where it listens, as the database sees this machine"},
		{"tls.cert", "", &c.TLS.Cert, nil, nil, "certificate chain (PEM) to serve with, read anew when it changes; default plain HTTP"},
		{"tls.key", "", &c.TLS.Key, nil, nil, "its private key (PEM)"},
		{"tls.client_ca", "", &c.TLS.ClientCA, nil, nil, "authorities (PEM) whose client certificates callers must show; default none are asked for"},
		{"ledger.durability", "sync", &c.Ledger.Durability, []string{"sync", "async"}, nil, "sync: the last byte of an answer waits until its usage is on disk; async: it does not, and a crash may lose the last 50 ms and one commit"},
		{"ledger.on_failure", "reject", &c.Ledger.OnFailure, []string{"reject", "serve_unmetered"}, nil, "what happens to requests while usage cannot be written"},
		{"ledger.on_crash", "charge_reserved", &c.Ledger.OnCrash, []string{"charge_reserved", "charge_input", "release"}, nil, "what a request cut by a crash is charged"},
		{"routing.breaker_window", "30s", &c.Routing.Window, nil, positive, "the time whose failures open a target's breaker: 5, if they are half of its requests"},
		{"routing.breaker_open", "10s", &c.Routing.Open, nil, positive, "how long an open breaker keeps requests away before one of them probes"},
		{"routing.probe_every", "1s", &c.Routing.ProbeEvery, nil, positive, "the least time between probes while every target of a model is down"},
		{"routing.key_pause", "5m", &c.Routing.Park, nil, positive, "how long a provider's key rests that was refused or is without credit"},
		{"retention.rows", "90d", &c.Retention.Rows, nil, nil, "how long usage rows are kept; 0 = for ever"},
		{"retention.rollups", "730d", &c.Retention.Rollups, nil, nil, "how long totals are kept; 0 = for ever"},
		{"retention.bodies", "7d", &c.Retention.Bodies, nil, nil, "how long requests and answers are kept of keys with log_bodies; 0 = for ever"},
		{"notifications.webhook", "", &c.Notifications.Webhook, nil, checkWebhook, "address that is told of what somebody should look at; a secret; default none"},
		{"notifications.template", "json", &c.Notifications.Template, notify.Templates(), nil, "form of the messages: json for programs, else the chat's"},
		{"notifications.events", strings.Join(notify.Kinds(), ","), &c.Notifications.Events, nil, checkKind, "what is told of"},
		{"notifications.repeat", "1h", &c.Notifications.Repeat, nil, positive, "for how long the same matter is not told again"},
		{"telemetry.otel.endpoint", "", (*address)(&o.Endpoint), nil, checkCollector, "OpenTelemetry collector that is told of requests and metrics by OTLP over HTTP, such as http://collector:4318; /v1/traces and /v1/metrics are added; default none"},
		{"telemetry.otel.traces_endpoint", "", (*address)(&o.TracesEndpoint), nil, checkCollector, "whole address that traces go to, in place of endpoint"},
		{"telemetry.otel.metrics_endpoint", "", (*address)(&o.MetricsEndpoint), nil, checkCollector, "whole address that metrics go to, in place of endpoint"},
		{"telemetry.otel.headers", "", (*headers)(&o.Headers), nil, checkHeaders, "headers for the collector, as name=value,name=value with percent-encoded values; a secret"},
		{"telemetry.otel.traces_headers", "", (*headers)(&o.TracesHeaders), nil, checkHeaders, "headers of traces, in place of headers; a secret"},
		{"telemetry.otel.metrics_headers", "", (*headers)(&o.MetricsHeaders), nil, checkHeaders, "headers of metrics, in place of headers; a secret"},
		{"telemetry.otel.traces", "on", &o.Traces, onOff, nil, "whether traces are told"},
		{"telemetry.otel.metrics", "on", &o.Metrics, onOff, nil, "whether metrics are told"},
		{"telemetry.otel.service_name", "ai-gateway", &o.ServiceName, nil, nil, "what the gateway is called there"},
		{"telemetry.otel.resource_attributes", "", &o.ResourceAttributes, nil, checkAttribute, "what else is told of the gateway, as name=value with percent-encoded values"},
		{"telemetry.otel.sampler", "parentbased_traceidratio", &o.Sampler, samplers, nil, "which traces are recorded; parentbased: as the caller decided, if he is part of one"},
		{"telemetry.otel.sample_ratio", "1", &o.SampleRatio, nil, nil, "the part of traces that traceidratio records, from 0 to 1"},
		{"telemetry.otel.propagate", "off", &o.Propagate, onOff, nil, "whether upstreams are sent traceparent and tracestate"},
		{"telemetry.otel.compression", "gzip", &o.Compression, []string{"gzip", "none"}, nil, "how messages are packed"},
		{"telemetry.otel.timeout", "10s", &o.Timeout, nil, positive, "one message to the collector"},
		{"telemetry.otel.interval", "60s", &o.Interval, nil, positive, "how often metrics are told"},
		{"media.fetch", "needed", &c.MediaFetch, []string{"needed", "never"}, nil, "whether images and PDFs behind callers' addresses are fetched where the upstream takes bytes only"},
		{"limits.max_body", "32MiB", b(&l.Body), nil, atLeast(1 << 10), "a JSON request"},
		{"limits.max_upload", "100MiB", b(&l.Upload), nil, atLeast(1 << 10), "a form with sound or pictures, which is sent on as it comes"},
		{"limits.connections_per_address", "0", &l.PerAddress, nil, nil, "connections that one address may have open, of IPv6 one /64; trusted proxies any number; 0 = any number"},
		{"timeouts.read_header", "10s", &t.ReadHeader, nil, positive, "a caller's request line, headers and a small body"},
		{"timeouts.keep_alive", "75s", &t.KeepAlive, nil, positive, "an idle connection of a caller"},
		{"timeouts.write", "30s", &t.Write, nil, positive, "one write to a caller"},
		{"timeouts.dial", "3s", &u.Dial, nil, positive, "connecting to an upstream"},
		{"timeouts.tls", "5s", &u.TLS, nil, positive, "the TLS handshake with an upstream"},
		{"timeouts.ttfb", "300s", &u.TTFB, nil, positive, "an upstream's response headers, buffered answers"},
		{"timeouts.ttfb_stream", "60s", &u.TTFBStream, nil, positive, "an upstream's response headers, streamed answers"},
		{"timeouts.first_event", "120s", &u.FirstEvent, nil, positive, "the first event of a stream"},
		{"timeouts.idle", "120s", &u.Idle, nil, positive, "silence within a stream"},
		{"timeouts.total", "600s", &u.Total, nil, positive, "a whole buffered answer"},
		{"timeouts.total_stream", "3600s", &u.TotalStream, nil, positive, "a whole streamed answer"},
		{"timeouts.heartbeat", "15s", &t.Heartbeat, nil, positive, "silence after which a caller's stream gets a comment"},
	}
}

// upstreamTimers are the names of the timers an account may set.
var upstreamTimers = []string{"dial", "tls", "ttfb", "ttfb_stream", "first_event", "idle", "total", "total_stream"}

// assign reads text into the setting.
func (s setting) assign(text string) error {
	if len(s.enum) > 0 && !slices.Contains(s.enum, text) {
		return fmt.Errorf("must be one of %s, not %q%s", strings.Join(s.enum, ", "), text, suggest(text, s.enum))
	}
	if s.check != nil {
		if _, isList := s.ptr.(*[]string); !isList {
			if err := s.check(text); err != nil {
				return err
			}
		}
	}
	switch p := s.ptr.(type) {
	case *string:
		*p = text
	case *address:
		*p = address(text)
	case *size:
		n, err := parseSize(text)
		if err != nil {
			return err
		}
		*p = size(n)
	case *store.SecretString:
		*p = store.NewSecret(text)
	case *headers:
		*p = headers(store.NewSecret(text))
	case *float64:
		n, err := strconv.ParseFloat(text, 64)
		if err != nil || !(n >= 0 && n <= 1) {
			return fmt.Errorf("must be a number from 0 to 1, not %q", text)
		}
		*p = n
	case *int:
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return fmt.Errorf("must be a number such as 100, or 0 for any, not %q", text)
		}
		*p = n
	case *time.Duration:
		d, err := parseDuration(text)
		if err != nil {
			return err
		}
		*p = d
	case *[]string:
		return s.assignList(splitList(text))
	case *[]netip.Prefix:
		return s.assignList(splitList(text))
	default:
		panic(fmt.Sprintf("BUG: setting %s has a type that is not read: %T", s.path, s.ptr))
	}
	return nil
}

// assignList reads the items of a list.
func (s setting) assignList(items []string) error {
	for _, item := range items {
		if s.check != nil {
			if err := s.check(item); err != nil {
				return err
			}
		}
	}
	switch p := s.ptr.(type) {
	case *[]string:
		*p = items
	case *[]netip.Prefix:
		list := make([]netip.Prefix, 0, len(items))
		for _, item := range items {
			prefix, err := parsePrefix(item)
			if err != nil {
				return err
			}
			list = append(list, prefix)
		}
		*p = list
	default:
		panic("BUG: setting " + s.path + " is no list")
	}
	return nil
}

// list reports whether the setting takes several values.
func (s setting) list() bool {
	switch s.ptr.(type) {
	case *[]string, *[]netip.Prefix:
		return true
	}
	return false
}

// format writes the value at ptr as the file would have it.
func format(ptr any) string {
	switch p := ptr.(type) {
	case *string:
		return *p
	case *address:
		return maskURL(string(*p))
	case *size:
		return formatSize(int64(*p))
	case *store.SecretString:
		return notify.Shown(*p)
	case *headers:
		return p.shown()
	case *float64:
		return strconv.FormatFloat(*p, 'g', -1, 64)
	case *int:
		return strconv.Itoa(*p)
	case *time.Duration:
		return formatDuration(*p)
	case *[]string:
		return strings.Join(*p, ",")
	case *[]netip.Prefix:
		var items []string
		for _, prefix := range *p {
			items = append(items, prefix.String())
		}
		return strings.Join(items, ",")
	}
	panic(fmt.Sprintf("BUG: a setting of type %T is not written", ptr))
}

// value is format with secrets as they are, which is for comparing alone.
func value(ptr any) string {
	switch p := ptr.(type) {
	case *address:
		return string(*p)
	case *store.SecretString:
		return p.Reveal()
	case *headers:
		return store.SecretString(*p).Reveal()
	}
	return format(ptr)
}

func (c *Config) setDefaults(rows []setting, env *environ) error {
	for _, row := range rows {
		def := row.def
		if row.path == "data_dir" {
			def = defaultDataDir(env)
		}
		if err := row.assign(def); err != nil {
			panic("BUG: default of " + row.path + ": " + err.Error())
		}
		c.origins[row.path] = source{kind: OriginDefault}
	}
	return nil
}
