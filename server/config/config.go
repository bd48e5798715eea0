// Package config turns a YAML file, the environment and flags into one validated
// Config and knows where each value came from. Later sources win: file, then
// environment, then flags.
package config

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"time"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/store"
)

// Options say what a Config is made of. Nothing else is read: not the process's
// environment, not its working folder beyond the paths named here.
type Options struct {
	// Path is the file asked for; it must exist. Empty: AI_GATEWAY_CONFIG, then the first of Search that exists.
	Path string
	// Search are the usual places of the file; nil: defaultSearch.
	Search []string
	// Environ are the environment's "NAME=value" pairs.
	Environ []string
	// Flags are settings by path ("log.level"); they win over all else.
	Flags map[string]string
	// Providers are all those known: accounts may name no other.
	Providers []*providers.Provider
}

// defaultSearch is where the file is looked for if none is named.
var defaultSearch = []string{"config/gateway.yaml", "/etc/ai-gateway/gateway.yaml"}

// A Config is one validated configuration. It is not changed after Load.
type Config struct {
	Path string // the file read; "": none

	Listen         []string
	DataDir        string
	DatabaseURL    string // postgres://…; "": the embedded store
	Migrate        string // "start", "never": of the database's schema
	Log            Log
	TimeZone       string
	Zone           *time.Location // TimeZone, loaded
	TrustedProxies []netip.Prefix
	CORSOrigins    []string // whose pages may call the relay's routes
	Limits         Limits
	Timeouts       Timeouts
	Ledger         Ledger
	UnknownPrice   string   // "dearest", "deny", "zero"
	MediaFetch     string   // "needed", "never"
	MetricsListen  string   // "": only on the main listener, guarded
	AdminListen    string   // "": the admin API and the page are on the main listener
	PublicURLs     []string // by which browsers reach the page
	AdvertiseURL   string   // by which other gateways on the database reach the admin API; "": where it listens
	TLS            TLS      // of all listeners of callers
	DrainDelay     time.Duration
	DrainTimeout   time.Duration
	MasterKeyFile  string
	Proxy          string // of upstream calls; "": HTTPS_PROXY and NO_PROXY of the environment
	Retention      Retention
	Notifications  Notifications
	Routing        Routing
	Telemetry      Telemetry

	// BaseURLs are the providers' base URLs set in place of their own, by provider name.
	BaseURLs map[string]string
	// Accounts come from file and environment, with Plain secrets; names are unique.
	Accounts []store.Account
	Mappings []store.Mapping
	Policies []store.Policy // quota policies of the file; names are unique
	// MasterKey and AdminKey are AI_GATEWAY_MASTER_KEY and AI_GATEWAY_ADMIN_KEY.
	MasterKey, AdminKey store.SecretString
	// Warnings are what was ignored or is unwise, for people.
	Warnings []string

	origins map[string]source
	extra   []Field // of accounts, mappings and base URLs
}

// Log is how the gateway logs.
type Log struct {
	Level  string // "debug", "info", "warn", "error"
	Format string // "json", "text"; "auto": text on a terminal
}

// TLS names the files of the certificate to serve with; an empty Cert means none.
type TLS struct {
	Cert, Key string
	ClientCA  string // authorities of callers' certificates; "": callers need none
}

// Limits bound what a caller may send, in bytes, and hold open.
type Limits struct {
	Body   int64 // of a request
	Upload int64 // of a form: sound, pictures
	// PerAddress is how many connections one address may have open; 0: any number.
	PerAddress int
}

// Timeouts of callers and upstreams.
type Timeouts struct {
	ReadHeader, KeepAlive, Write, Heartbeat time.Duration // of callers
	Upstream                                Upstream
}

// Upstream are the timers of one upstream call; accounts may set their own.
type Upstream struct {
	Dial, TLS          time.Duration
	TTFB, TTFBStream   time.Duration // to the response headers
	FirstEvent, Idle   time.Duration
	Total, TotalStream time.Duration
}

// Ledger is how usage is kept.
type Ledger struct {
	Durability string // "sync", "async"
	OnFailure  string // "reject", "serve_unmetered"
	OnCrash    string // "charge_reserved", "release"
}

// Retention is how long records are kept; 0 is for ever. The audit log is always kept.
type Retention struct{ Rows, Rollups, Bodies time.Duration }

// Routing is how failing upstreams are held back.
type Routing struct{ Window, Open, ProbeEvery, Park time.Duration }

// Notifications say who is told of what an operator should look at.
type Notifications struct {
	Webhook  store.SecretString // empty: nobody
	Template string
	Events   []string
	Repeat   time.Duration
}

// Telemetry is what is told besides the metrics that are asked for.
type Telemetry struct{ OTel OTel }

// OTel says which OpenTelemetry collector is told of requests and metrics, by OTLP over HTTP.
type OTel struct {
	Endpoint                        string // base address; "": see the next two
	TracesEndpoint, MetricsEndpoint string // whole addresses in place of it
	// Headers are pairs as OTEL_EXPORTER_OTLP_HEADERS has them; those of a signal stand
	// in place of the common ones. ParseHeaders reads them.
	Headers, TracesHeaders, MetricsHeaders store.SecretString
	Traces, Metrics                        string // "on", "off"
	ServiceName                            string
	ResourceAttributes                     []string // name=value
	Sampler                                string   // as OTEL_TRACES_SAMPLER
	SampleRatio                            float64
	Propagate                              string // "off", "on": tell upstreams of the trace
	Compression                            string // "gzip", "none"
	Timeout, Interval                      time.Duration
}

// Load reads all sources and returns what they say together, or an error that
// tells every mistake found with its place (see Errors).
func Load(o Options) (*Config, error) {
	env := newEnviron(o.Environ)
	c := &Config{BaseURLs: map[string]string{}, origins: map[string]source{}}
	rows := c.settings()
	if err := c.setDefaults(rows, env); err != nil {
		return nil, err
	}
	path, err := choosePath(o, env)
	if err != nil {
		return nil, err
	}
	l := &loader{c: c, rows: rows, env: env, known: newKnown(o.Providers), maxRefs: maxReferences}
	if path != "" {
		if err := l.file(path); err != nil {
			return nil, err
		}
	}
	l.environment()
	l.flags(o.Flags)
	l.finish()
	if len(l.errs) > 0 {
		return nil, l.errs
	}
	return c, nil
}

// choosePath returns the file to read, "" for none.
func choosePath(o Options, env *environ) (string, error) {
	path := o.Path
	if path == "" {
		path, _ = env.get("AI_GATEWAY_CONFIG")
	}
	if path != "" {
		if _, err := os.Stat(path); err != nil {
			return "", fmt.Errorf("cannot read configuration %q: %w", path, unwrapPath(err))
		}
		return path, nil
	}
	search := o.Search
	if search == nil {
		search = defaultSearch
	}
	for _, path := range search {
		_, err := os.Stat(path)
		if err == nil {
			return path, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("cannot read configuration %q: %w", path, unwrapPath(err))
		}
	}
	return "", nil
}

// unwrapPath drops the path that a message already names.
func unwrapPath(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// A source is where a value came from.
type source struct{ kind, where string }

// Origins of a value, besides store.OriginFile and store.OriginEnv.
const (
	OriginDefault = "default"
	OriginFlag    = "flag"
)

// Origin tells where the setting path ("log.level") has its value from:
// OriginDefault, store.OriginFile, store.OriginEnv or OriginFlag.
func (c *Config) Origin(path string) string { return c.origins[path].kind }

// A Field is one value in force. Secrets are masked.
type Field struct {
	Path   string `json:"path"`
	Value  string `json:"value"`
	Origin string `json:"origin"`
	Where  string `json:"where,omitempty"` // file:line:column, variable or flag
}

// Effective returns all fields in force: the settings in the order of the example
// file, then what was configured of providers, accounts and mappings.
func (c *Config) Effective() []Field {
	return append(c.Settings(), c.extra...)
}

// Changed names the settings that differ in next, by their values and not by what of
// them is shown: of a secret that would be the same.
func (c *Config) Changed(next *Config) []string {
	names, now := []string{}, next.settings()
	for i, row := range c.settings() {
		if value(row.ptr) != value(now[i].ptr) {
			names = append(names, row.path)
		}
	}
	return names
}

// Settings returns the settings in force, in the order of the example file.
func (c *Config) Settings() []Field {
	rows := c.settings()
	fields := make([]Field, 0, len(rows)+len(c.extra))
	for _, row := range rows {
		from := c.origins[row.path]
		fields = append(fields, Field{row.path, maskURL(format(row.ptr)), from.kind, from.where})
	}
	return fields
}
