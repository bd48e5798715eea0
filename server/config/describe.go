package config

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/your-org/ai-api-gateway/store"
)

// describeAccount adds the fields of an account to the effective ones, secrets masked.
func (l *loader) describeAccount(a *store.Account, where string) {
	prefix := "accounts." + a.Name + "."
	add := func(name, value string) {
		if value != "" {
			l.c.extra = append(l.c.extra, Field{prefix + name, value, a.Origin, where})
		}
	}
	add("provider", a.Provider)
	for i, s := range a.Secrets {
		name := "api_key"
		if len(a.Secrets) > 1 {
			name = "api_keys[" + strconv.Itoa(i) + "]"
		}
		add(name, s.Hint)
	}
	add("base_url", a.BaseURL)
	var models []string
	for _, m := range a.Models {
		if m.Upstream != "" && m.Upstream != m.Name {
			models = append(models, m.Name+"="+m.Upstream)
		} else {
			models = append(models, m.Name)
		}
	}
	add("models", strings.Join(models, ","))
	if a.Weight > 0 {
		add("weight", strconv.Itoa(a.Weight))
	}
	if a.Priority > 0 {
		add("priority", strconv.Itoa(a.Priority))
	}
	add("enabled", strconv.FormatBool(a.Enabled))
	for _, name := range sortedKeys(a.Headers) {
		add("headers."+name, "[redacted]")
	}
	if len(a.Params) > 0 {
		add("params", string(a.Params))
	}
	for _, name := range sortedKeys(a.Options) {
		add("options."+name, maskOption(name, a.Options[name]))
	}
	add("proxy", maskURL(a.Proxy))
	for _, name := range sortedKeys(a.Timeouts) {
		add("timeouts."+name, a.Timeouts[name])
	}
	for _, model := range sortedKeys(a.Prices) {
		for _, rate := range sortedKeys(a.Prices[model]) {
			add("prices."+model+"."+rate, store.FormatUSD(a.Prices[model][rate]))
		}
	}
}

// maskOption hides options that are secret by their name, and all that are no
// plain value: a credentials object has no telling name.
func maskOption(name string, raw json.RawMessage) string {
	name = strings.ToLower(name)
	for _, word := range []string{"key", "secret", "token", "password", "credential", "private"} {
		if strings.Contains(name, word) {
			return "[redacted]"
		}
	}
	if len(raw) > 0 && (raw[0] == '{' || raw[0] == '[') {
		return "[redacted]"
	}
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	return string(raw)
}

func (l *loader) describeMapping(m *store.Mapping, where string) {
	var targets []string
	for _, t := range m.Targets {
		name := t.Model
		if t.Account != "" {
			name = t.Account + "/" + name
		} else if t.Provider != "" {
			name = t.Provider + "/" + name
		}
		targets = append(targets, name)
	}
	l.c.extra = append(l.c.extra, Field{"model_mappings." + m.Alias, strings.Join(targets, ","), m.Origin, where})
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
