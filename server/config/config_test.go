package config

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/your-org/ai-api-gateway/providers"
)

// some are providers of every kind that matters here.
func some() []*providers.Provider {
	return []*providers.Provider{
		{Name: "openai", BaseURL: "https://api.openai.com/v1", EnvKeys: []string{"OPENAI_API_KEY"}},
		{Name: "vertex", BaseURL: "https://aiplatform.googleapis.com", Keyless: true},
		{Name: "anthropic", Aliases: []string{"claude"}, BaseURL: "https://api.anthropic.com", EnvKeys: []string{"ANTHROPIC_API_KEY"}},
		{Name: "gemini", BaseURL: "https://generativelanguage.googleapis.com", EnvKeys: []string{"GEMINI_API_KEY", "GOOGLE_API_KEY"}},
		{Name: "vercel", BaseURL: "https://ai-gateway.vercel.sh/v1", EnvKeys: []string{"AI_GATEWAY_API_KEY"}},
		{Name: "vllm", BaseURL: "http://127.0.0.1:8000/v1", Local: true},
		{Name: "bedrock", BaseURL: "https://bedrock-runtime.us-east-1.amazonaws.com", Keyless: true},
		{Name: "azure", EnvKeys: []string{"AZURE_OPENAI_API_KEY"}, Keyless: true},
		{Name: "llamacpp", Aliases: []string{"llama.cpp"}, BaseURL: "http://127.0.0.1:8080/v1", Local: true},
		{Name: "custom", EnvKeys: nil},
	}
}

// load loads the file text (none if empty) with an environment of "NAME=value" pairs.
func load(t *testing.T, text string, environ ...string) (*Config, error) {
	t.Helper()
	o := Options{Search: []string{}, Environ: append([]string{"HOME=/home/u"}, environ...), Providers: some()}
	if text != "" {
		t.Chdir(t.TempDir())
		if err := os.WriteFile("gw.yaml", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		o.Path = "gw.yaml"
	}
	return Load(o)
}

func mustLoad(t *testing.T, text string, environ ...string) *Config {
	t.Helper()
	c, err := load(t, text, environ...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestDefaults(t *testing.T) {
	c := mustLoad(t, "")
	if got := strings.Join(c.Listen, " "); got != "127.0.0.1:8080 [::1]:8080" {
		t.Errorf("listen = %q", got)
	}
	if c.DataDir != "/home/u/.local/share/ai-gateway" || c.Zone != time.UTC || c.Path != "" {
		t.Errorf("data dir %q, zone %v, path %q", c.DataDir, c.Zone, c.Path)
	}
	if c.Limits.Body != 32<<20 || c.Timeouts.Upstream.TTFBStream != time.Minute || c.Retention.Rows != 90*24*time.Hour {
		t.Errorf("limits %+v timeouts %+v retention %+v", c.Limits, c.Timeouts, c.Retention)
	}
	if len(c.Accounts)+len(c.Warnings) != 0 {
		t.Errorf("accounts %v, warnings %q", c.Accounts, c.Warnings)
	}
	if c.Origin("listen") != OriginDefault {
		t.Errorf("origin = %q", c.Origin("listen"))
	}
}

func TestDataDir(t *testing.T) {
	f := func(want string, environ ...string) {
		t.Helper()
		if c := mustLoad(t, "", environ...); c.DataDir != want {
			t.Errorf("with %q: %q, want %q", environ, c.DataDir, want)
		}
	}
	f("/x/ai-gateway", "XDG_DATA_HOME=/x")
	f("/home/u/.local/share/ai-gateway", "XDG_DATA_HOME=relative") // the XDG specification: ignore
	f("/var/lib/ai-gateway", "STATE_DIRECTORY=/var/lib/ai-gateway:/var/lib/b", "XDG_DATA_HOME=/x")
	f("/d", "AI_GATEWAY_DATA_DIR=/d", "STATE_DIRECTORY=/var/lib/ai-gateway")
	if _, err := Load(Options{Search: []string{}}); err == nil || !strings.Contains(err.Error(), "--data-dir") {
		t.Errorf("without a home: %v", err)
	}
}

func TestPrecedence(t *testing.T) {
	const text = "log: {level: warn, format: json}\nlisten: ':1'\ndrain_delay: 1s\n"
	t.Chdir(t.TempDir())
	if err := os.WriteFile("gw.yaml", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(Options{
		Search: []string{"absent.yaml", "gw.yaml"}, Providers: some(),
		Environ: []string{"HOME=/h", "AI_GATEWAY_LISTEN=:2", "AI_GATEWAY_LOG_LEVEL=error", "AI_GATEWAY_DRAIN_DELAY="},
		Flags:   map[string]string{"listen": ":3,:4"},
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range c.Effective() {
		switch f.Path {
		case "listen", "log.level", "log.format", "drain_delay", "time_zone":
			got = append(got, strings.Join([]string{f.Path, f.Value, f.Origin, f.Where}, "|"))
		}
	}
	want := "listen|:3,:4|flag|--listen\nlog.level|error|env|AI_GATEWAY_LOG_LEVEL\nlog.format|json|file|gw.yaml:1:28\ntime_zone|UTC|default|\ndrain_delay|1s|file|gw.yaml:3:14"
	if s := strings.Join(got, "\n"); s != want {
		t.Errorf("got:\n%s\nwant:\n%s", s, want)
	}
}

func TestChosenFile(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("a.yaml", []byte("drain_timeout: 7s"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(Options{Search: []string{}, Environ: []string{"HOME=/h", "AI_GATEWAY_CONFIG=a.yaml"}})
	if err != nil || c.DrainTimeout != 7*time.Second || c.Path != "a.yaml" {
		t.Errorf("by environment: %+v, %v", c, err)
	}
	for _, o := range []Options{{Path: "b.yaml"}, {Environ: []string{"AI_GATEWAY_CONFIG=b.yaml"}}} {
		if _, err := Load(o); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("a file that is not there: %v", err)
		}
	}
	if _, err := Load(Options{Path: "."}); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("a folder: %v", err)
	}
}

func TestRefused(t *testing.T) {
	f := func(text, want string, environ ...string) {
		t.Helper()
		c, err := load(t, text, environ...)
		if err == nil {
			t.Errorf("%q was loaded: %+v", text, c)
			return
		}
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q:\n got %v\nwant %s", text, err, want)
		}
	}
	f("lsten: ':1'", `gw.yaml:1:1: unknown field "lsten", did you mean "listen"?`)
	f("a: 1\nmax_body: 1\n", `gw.yaml:2:1: unknown field "max_body", did you mean "limits.max_body"?`)
	f("limits:\n  max_bdy: 1\n", `gw.yaml:2:3: unknown field "limits.max_bdy", did you mean "limits.max_body"?`)
	f("listen: ':1'\nlisten: ':2'\n", `gw.yaml:2:1: listen: given twice, first in line 1`)
	f("log:\n  level: loud\n", `gw.yaml:2:10: log.level: must be one of debug, info, warn, error, not "loud"`)
	f("log: 3", `gw.yaml:1:6: log: must be a mapping`)
	f("listen: {a: b}", `must be a single value`)
	f("listen: [':1', 'x']", `gw.yaml:1:16: listen[1]: must be an address such as 127.0.0.1:8080, not "x"`)
	f("listen: ':99999'", "port of")
	f("listen: '1.2.3.4.5:80'", "is no name and no address")
	f("listen: '127.1:80'", "is no name and no address")
	f("listen: []", "no address to serve")
	f("drain_delay: 5 minutes", `gw.yaml:1:14: drain_delay: must be a duration`)
	f("drain_delay: -5s", `must be a duration`)
	f("timeouts: {idle: 0}", "timeouts.idle: must be more than 0")
	f("limits: {max_body: 12}", "must be at least 1KiB")
	f("limits: {max_body: 99999999999GiB}", "must be a size")
	f("limits: {max_body: 1MiB, messages: 5}", `gw.yaml:1:26: unknown field "limits.messages"`)
	f("accounts: [{provider: openai, api_key: k, prices: {gpt-4o: {input: -1}}}]", "must not be negative")
	f("accounts: [{provider: openai, api_key: k, prices: {gpt-4o: {inptu: 1}}}]", "is no rate")
	f("accounts: [{provider: openai, api_key: k, prices: {\"*\": {factor: 0}}}]", "factor must be above 0")
	f("accounts: [{provider: openai, api_key: k, prices: {\"*\": {input: NaN}}}]", "not an amount of USD")
	f("ledger: {on_crash: charge_all}", "must be one of charge_reserved, charge_input, release")
	f("trusted_proxies: [10.0.0.0/99]", "must be an address or a network")
	f("time_zone: Mars", "unknown time zone")
	f("database: postgres://x", `unknown field "database"`)
	f("proxy: 'socks5h://u:hunter2@:x'", "[redacted]@:x")
	f("proxy: 'ftp://h:1'", "proxy scheme")
	f("a: 1\n---\nb: 2\n", "gw.yaml:2:1: a second document")
	f("a: [", "gw.yaml:")
	f("- a", "must be a mapping")
	f("? [a]\n: 1\n", "a name must be a string")
	f("base: &b {level: info}\nlog:\n  <<: *b\n", "gw.yaml:3:3: merge keys are not supported")
	f("listen: ${NOT_SET}", "gw.yaml:1:9: listen: environment variable NOT_SET is not set")
	f("listen: '${cmd:id}'", "does not run commands")
	f("listen: '${a b}'", "unknown reference")
	f("listen: '${A'", "without '}'")
	f("listen: '${file:../x}'", "absolute and without '..'")
	f("listen: '${file:/etc/../etc/passwd}'", "absolute and without '..'")
	f("listen: '${file:/dev/zero}'", "not a regular file")
	f("listen: '${file:/nonexistent/x}'", "no such file")
	f("log: {level: loud}\nunknown_price: x\n", "unknown_price: must be one of") // all mistakes at once
	f("{}", "AI_GATEWAY_DATABASE_URL: must be a URL such as postgres://", "AI_GATEWAY_DATABASE_URL=mysql://h/d")
	f("database_url: postgres://h/d?password=x", "must have the password before the host")
	f("{}", "AI_GATEWAY_LOG_LEVEL: must be one of", "AI_GATEWAY_LOG_LEVEL=x")
	f("{}", "AI_GATEWAY_ADMIN_KEY: must be at least 32", "AI_GATEWAY_ADMIN_KEY=short")
	f("{}", `unknown provider "opnai", did you mean "openai"?`, "AI_GATEWAY_PROVIDER_OPNAI_BASE_URL=https://x")
	f("{}", "AI_GATEWAY_PROVIDER_OPENAI_BASE_URL: must be a URL", "AI_GATEWAY_PROVIDER_OPENAI_BASE_URL=x")
	f("providers: {opnai: {base_url: 'https://x'}}", `did you mean "openai"?`)
	f("providers: {openai: {url: 'https://x'}}", `unknown field "url"`)
}

func TestBombs(t *testing.T) {
	f := func(name, text, want string) {
		t.Helper()
		start := time.Now()
		_, err := load(t, text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %.200v", name, err)
		}
		if d := time.Since(start); d > 5*time.Second {
			t.Errorf("%s took %v", name, d)
		}
	}
	var laughs strings.Builder
	laughs.WriteString("a0: &a0 [x, x, x, x, x, x, x, x, x]\n")
	for i := 1; i < 12; i++ {
		prev := "*a" + string(rune('0'+i-1))
		if i > 10 {
			prev = "*a:"
		}
		laughs.WriteString("a" + string(rune('0'+i)) + ": &a" + string(rune('0'+i)) + " [" + strings.Repeat(prev+", ", 8) + prev + "]\n")
	}
	f("aliases", laughs.String(), "gw.yaml:")
	f("aliases counted", "a: &a ["+strings.Repeat("x,", 1000)+"]\nb: ["+strings.Repeat("*a,", 100)+"]", "more than 50000 values")
	f("self", "a: &a [*a]", "gw.yaml:")
	f("deep", strings.Repeat("[", 5000)+strings.Repeat("]", 5000), "nested deeper than 24")
	f("large", "# "+strings.Repeat("x", maxFile), "larger than 1MiB")
	f("references", "listen: '"+strings.Repeat("${HOME}", maxReferences+1)+"'", "more than 1000 references")
}

func TestReferences(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "s")
	if err := os.WriteFile(secret, []byte("from-file\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := func(value, want string) {
		t.Helper()
		c := mustLoad(t, "data_dir: "+value, "A=one", "EMPTY=", "TRAP=${A}")
		if c.DataDir != want {
			t.Errorf("%s = %q, want %q", value, c.DataDir, want)
		}
	}
	f("/x/${A}/y", "/x/one/y")
	f("'${A}${A}'", "oneone")
	f("${NONE:-/d e/f}", "/d e/f")
	f("${EMPTY:-d}", "d")
	f("x${EMPTY}", "x")
	f("$${A}", "${A}")
	f("${TRAP}", "${A}") // what comes from outside is not looked at again
	f("${file:"+secret+"}", "from-file")
	f("$A", "$A")

	big := filepath.Join(t.TempDir(), "big")
	if err := os.WriteFile(big, make([]byte, maxRefFile+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := load(t, "data_dir: ${file:"+big+"}"); err == nil || !strings.Contains(err.Error(), "larger than 64KiB") {
		t.Errorf("a large file: %v", err)
	}
}

// TestSecretsStayHidden looks for secrets in every text a load can give.
func TestSecretsStayHidden(t *testing.T) {
	const secret = "sk-hunter2hunter2hunter2"
	f := func(text string, environ ...string) {
		t.Helper()
		c, err := load(t, text, append(environ, "KEY="+secret)...)
		var all string
		if err != nil {
			all = err.Error()
		} else {
			for _, field := range c.Effective() {
				all += field.Path + field.Value + field.Where + "\n"
			}
			all += strings.Join(c.Warnings, "\n")
		}
		if strings.Contains(all, "hunter2") {
			t.Errorf("%q shows the secret:\n%s", text, all)
		}
	}
	f("listen: ${KEY}")
	f("log: {level: '${KEY}'}")
	f("limits: {max_body: '${KEY}'}")
	f("proxy: http://u:" + secret + "@proxy:1")
	f("accounts: [{provider: '${KEY}'}]")
	f("accounts: [{provider: openai, api_key: '${KEY} x'}]")
	f("accounts: [{provider: openai, api_key: '${KEY}', headers: {x: '${KEY}'}, options: {secret_access_key: '${KEY}', sa: {a: '${KEY}'}}, proxy: 'http://u:hunter2@h:1'}]")
	f("", "OPENAI_API_KEY="+secret+"\x01", "AI_GATEWAY_ADMIN_KEY=hunter2", "AI_GATEWAY_LOG_LEVEL=x")
	f("", "OPENAI_API_KEY="+secret)
}

// TestChanged: a secret that is another one is a change, though it is shown as before.
func TestChanged(t *testing.T) {
	f := func(before, after string, want ...string) {
		t.Helper()
		old, next := mustLoad(t, before), mustLoad(t, after)
		if got := old.Changed(next); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", after, got, want)
		}
		if got := old.Changed(old); len(got) > 0 {
			t.Errorf("%s differs from itself in %q", before, got)
		}
	}
	f("", "")
	f("log: {level: info}", "log: {level: debug}", "log.level")
	f("telemetry: {otel: {headers: 'api-key=first'}}", "telemetry: {otel: {headers: 'api-key=other'}}", "telemetry.otel.headers")
	f("telemetry: {otel: {traces_headers: 'a=1', metrics_headers: 'b=1'}}", "telemetry: {otel: {traces_headers: 'a=2', metrics_headers: 'b=2'}}", "telemetry.otel.traces_headers", "telemetry.otel.metrics_headers")
	f("database_url: 'postgres://u:first@h/d'", "database_url: 'postgres://u:other@h/d'", "database_url")
	f("notifications: {webhook: 'https://h/first'}", "notifications: {webhook: 'https://h/other'}", "notifications.webhook")
}

func TestSettingNames(t *testing.T) {
	c := &Config{}
	seen := map[string]bool{}
	for _, row := range c.settings() {
		for _, name := range []string{row.env(), "--" + Flag(row.path)} {
			if seen[name] {
				t.Errorf("%s is the name of two things", name)
			}
			seen[name] = true
		}
		if row.doc == "" {
			t.Errorf("%s has no meaning written", row.path)
		}
	}
	for _, name := range elsewhere {
		if seen[name] {
			t.Errorf("%s is a setting and something else", name)
		}
	}
	if !seen["--metrics-listen"] || !seen["AI_GATEWAY_METRICS_LISTEN"] {
		t.Error("the names of metrics.listen are not as documented")
	}
}
