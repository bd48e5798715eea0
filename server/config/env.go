package config

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/store"
)

const ownPrefix = "AI_GATEWAY_"

// elsewhere are the variables of ours that are no settings: read here by name,
// by the command line, or by its clients.
var elsewhere = []string{
	"AI_GATEWAY_CONFIG", "AI_GATEWAY_MASTER_KEY", "AI_GATEWAY_ADMIN_KEY",
	"AI_GATEWAY_BASE_URL", "AI_GATEWAY_API_KEY", "AI_GATEWAY_PROFILE", "AI_GATEWAY_LANG", "AI_GATEWAY_SHARED",
}

// minAdminKey is the least length of AI_GATEWAY_ADMIN_KEY.
const minAdminKey = 32

// environment applies the environment: settings, base URLs, keys, accounts.
func (l *loader) environment() {
	l.path = "environment"
	rows := map[string]setting{}
	var names []string
	for _, row := range l.rows {
		rows[row.env()] = row
		names = append(names, row.env())
	}
	l.openTelemetry()
	for _, name := range l.env.names {
		if !strings.HasPrefix(name, ownPrefix) {
			continue
		}
		value, _ := l.env.get(name)
		row, isSetting := rows[name]
		switch {
		case isSetting:
			if value != "" { // an empty variable is as good as none
				l.fromText(row, value, name, source{store.OriginEnv, name})
			}
		case strings.HasPrefix(name, ownPrefix+"PROVIDER_") && strings.HasSuffix(name, "_BASE_URL"):
			l.envBaseURL(name, value)
		case !slices.Contains(elsewhere, name):
			l.warn("%s is no setting of the gateway and was ignored%s", name, suggest(name, names))
		}
	}
	l.ownKeys()
	l.envAccounts()
	if v, ok := l.env.get("OPENAI_BASE_URL"); ok && v != "" {
		l.warn("OPENAI_BASE_URL is for clients and was ignored; AI_GATEWAY_PROVIDER_OPENAI_BASE_URL sets OpenAI's address")
	}
}

func (l *loader) warn(msg string, args ...any) {
	l.c.Warnings = append(l.c.Warnings, fmt.Sprintf(msg, args...))
}

// fromText applies the text of a variable or flag, named where.
func (l *loader) fromText(row setting, text, where string, from source) {
	if err := row.assign(text); err != nil {
		l.add(&Error{Source: l.path, Path: where, Msg: err.Error()})
		return
	}
	l.c.origins[row.path] = from
}

// envBaseURL applies AI_GATEWAY_PROVIDER_<NAME>_BASE_URL.
func (l *loader) envBaseURL(name, value string) {
	if value == "" {
		return
	}
	want := strings.TrimSuffix(strings.TrimPrefix(name, ownPrefix+"PROVIDER_"), "_BASE_URL")
	for _, p := range l.known.list {
		if slices.ContainsFunc(append([]string{p.Name}, p.Aliases...), func(s string) bool { return envWord(s) == want }) {
			if err := checkBaseURL(value); err != nil {
				l.add(&Error{Source: l.path, Path: name, Msg: err.Error()})
				return
			}
			l.setBaseURL(p.Name, value, source{store.OriginEnv, name})
			return
		}
	}
	l.add(&Error{Source: l.path, Path: name, Msg: fmt.Sprintf("unknown provider %q%s", strings.ToLower(want), suggest(strings.ToLower(want), l.known.names))})
}

// envWord spells a provider's name as variables do: "llama.cpp" is LLAMA_CPP.
func envWord(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToUpper(r)
		}
		return '_'
	}, name)
}

// ownKeys takes the gateway's own secrets.
func (l *loader) ownKeys() {
	if v, _ := l.env.get("AI_GATEWAY_MASTER_KEY"); v != "" {
		l.c.MasterKey = store.NewSecret(v)
	}
	if v, _ := l.env.get("AI_GATEWAY_ADMIN_KEY"); v != "" {
		if len(v) < minAdminKey || strings.ContainsFunc(v, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
			l.add(&Error{Source: l.path, Path: "AI_GATEWAY_ADMIN_KEY", Msg: fmt.Sprintf("must be at least %d printable ASCII characters: openssl rand -hex 32", minAdminKey)})
			return
		}
		l.c.AdminKey = store.NewSecret(v)
	}
}

// envAccounts makes an account of each provider key in the environment:
// OPENAI_API_KEY is the account "openai", OPENAI_EAST_API_KEY "openai-east".
// Names under AI_GATEWAY_ are ours and never a provider's.
func (l *loader) envAccounts() {
	for _, p := range l.known.list {
		taken := ""
		for _, name := range p.EnvKeys {
			value, ok := l.env.get(name)
			if !ok || value == "" || strings.HasPrefix(name, ownPrefix) {
				continue
			}
			if taken != "" {
				if first, _ := l.env.get(taken); first != value {
					l.warn("%s was ignored: %s is set too and comes first", name, taken)
				}
				continue
			}
			if l.envAccount(p, p.Name, name, value) {
				taken = name
			}
		}
	}
	for _, name := range l.env.names {
		if p, suffix := l.suffixed(name); p != nil {
			if value, _ := l.env.get(name); value != "" {
				l.envAccount(p, p.Name+"-"+suffix, name, value)
			}
		}
	}
}

const keySuffix = "_API_KEY"

// suffixed finds the provider of a name such as OPENAI_EAST_API_KEY: the one with
// the longest variable name around the suffix. A provider's own names are not suffixed ones.
func (l *loader) suffixed(name string) (p *providers.Provider, suffix string) {
	stem, ok := strings.CutSuffix(name, keySuffix)
	if !ok || strings.HasPrefix(name, ownPrefix) {
		return nil, ""
	}
	longest := 0
	for _, candidate := range l.known.list {
		for _, key := range candidate.EnvKeys {
			if key == name {
				return nil, ""
			}
			prefix, ok := strings.CutSuffix(key, keySuffix)
			if !ok || len(prefix) < longest {
				continue
			}
			if rest, ok := strings.CutPrefix(stem, prefix+"_"); ok && rest != "" {
				p, suffix, longest = candidate, strings.ReplaceAll(strings.ToLower(rest), "_", "-"), len(prefix)
			}
		}
	}
	if p == nil || checkName(suffix) != nil {
		return nil, ""
	}
	return p, suffix
}

// envAccount adds the account of a variable unless it is no use, or the file has
// an account of that name or with that key.
func (l *loader) envAccount(p *providers.Provider, account, name, value string) bool {
	value, err := tidySecret(value)
	if err != nil {
		l.warn("%s was ignored: it %v", name, err)
		return false
	}
	for _, a := range l.c.Accounts {
		if a.Name == account {
			return true
		}
		for _, s := range a.Secrets {
			if a.Provider == p.Name && s.Plain.Reveal() == value {
				return true
			}
		}
	}
	if p.BaseURL == "" && l.c.BaseURLs[p.Name] == "" {
		l.warn("%s was ignored: set AI_GATEWAY_PROVIDER_%s_BASE_URL too", name, envWord(p.Name))
		return false
	}
	plain := store.NewSecret(value)
	a := store.Account{
		ID: recordID(store.OriginEnv, account), Provider: p.Name, Name: account, Enabled: true, Origin: store.OriginEnv,
		Secrets: []store.Secret{{Plain: plain, Hint: plain.Hint()}},
	}
	l.c.Accounts = append(l.c.Accounts, a)
	l.describeAccount(&a, name)
	return true
}

// flags applies the flags given, by the path of their setting.
func (l *loader) flags(flags map[string]string) {
	l.path = "flag"
	for _, row := range l.rows {
		if text, given := flags[row.path]; given {
			l.fromText(row, text, "--"+Flag(row.path), source{OriginFlag, "--" + Flag(row.path)})
		}
	}
	for path := range flags {
		if !slices.ContainsFunc(l.rows, func(r setting) bool { return r.path == path }) {
			panic("BUG: flag for a setting that does not exist: " + path)
		}
	}
}

// finish checks what spans fields, when all sources have been applied.
func (l *loader) finish() {
	c := l.c
	for _, b := range l.baseless {
		if c.BaseURLs[b.provider] == "" {
			l.path = c.Path
			l.fail(b.n, b.path, "base_url is missing: %s has none of its own", b.provider)
		}
	}
	if c.DataDir == "" {
		l.add(&Error{Source: "environment", Path: "data_dir", Msg: "no home folder is known: set --data-dir or AI_GATEWAY_DATA_DIR"})
	}
	if c.TLS.Cert == "" && (c.TLS.Key != "" || c.TLS.ClientCA != "") {
		l.add(&Error{Source: c.Origin("tls.key"), Path: "tls.cert", Msg: "is missing: a key or client authorities without a certificate would leave the gateway on plain HTTP"})
	}
	if c.TLS.Cert != "" && c.TLS.Key == "" {
		l.add(&Error{Source: c.Origin("tls.cert"), Path: "tls.key", Msg: "is missing: it is the private key of tls.cert"})
	}
	if len(c.Listen) == 0 {
		l.add(&Error{Source: c.Origin("listen"), Path: "listen", Msg: "no address to serve"})
	}
	if zone, err := time.LoadLocation(c.TimeZone); err == nil { // checked when it was set
		c.Zone = zone
	}
	if c.Retention.Rollups > 0 && (c.Retention.Rows > c.Retention.Rollups || c.Retention.Rows == 0) {
		l.warn("retention.rows is longer than retention.rollups: totals will end before their rows")
	}
	l.otelWarnings()
	if c.Ledger.OnFailure == "serve_unmetered" {
		l.warn("ledger.on_failure is serve_unmetered: requests are served without a record while the disk fails")
	}
}
