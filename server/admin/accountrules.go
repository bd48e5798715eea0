package admin

import (
	"bytes"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	stdjson "encoding/json"

	"github.com/go-json-experiment/json"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/server/api"
	"github.com/your-org/ai-api-gateway/server/routing"
	"github.com/your-org/ai-api-gateway/server/upstream"
	"github.com/your-org/ai-api-gateway/store"
)

const (
	maxSecret = 8 << 10
	maxWeight = 1_000_000
)

// checkAccount checks what people give of an account but its secrets, and brings
// it into the form that is stored.
func (a *Admin) checkAccount(s *store.Account, p *providers.Provider) error {
	if err := a.checkAccountName(s.Name, p); err != nil {
		return err
	}
	if err := a.checkBase(s, p); err != nil {
		return err
	}
	if len(s.Models) > api.MaxAccountModels {
		return invalid("models", "may have at most %d entries", api.MaxAccountModels)
	}
	for _, m := range s.Models {
		if m.Name == "" || !printable(m.Name, 256) || !printable(m.Upstream, 256) {
			return invalid("models", "must hold names of 1 to 256 printable characters")
		}
	}
	if s.Weight < 0 || s.Weight > maxWeight {
		return invalid("weight", "must be from 0 to %d", maxWeight)
	}
	if s.Priority < 0 || s.Priority > maxWeight {
		return invalid("priority", "must be from 0 to %d", maxWeight)
	}
	if s.HTTP2 {
		return invalid("http2", "is not served yet: leave it out, HTTP/1.1 is spoken to every upstream")
	}
	if err := checkHeaders(s.Headers); err != nil {
		return err
	}
	if len(s.Prices) > 1000 {
		return invalid("prices", "may have at most 1000 entries")
	}
	if err := routing.CheckPrices(s.Prices); err != nil {
		return invalid("prices", "cannot hold: %v", err)
	}
	if err := checkParams(s); err != nil {
		return err
	}
	if err := checkOptions(s.Options); err != nil {
		return err
	}
	if err := upstream.CheckProxy(s.Proxy); err != nil {
		return invalid("proxy", "must be an address such as http://host:port or socks5h://host:port, or direct")
	}
	return checkTimeouts(s)
}

func (a *Admin) checkAccountName(name string, p *providers.Provider) error {
	if name == "" {
		return missing("account_name", fmt.Sprintf("%q", p.Name))
	}
	if name != strings.TrimSpace(name) || !printable(name, 128) || strings.Contains(name, "/") {
		return invalid("account_name", "must be at most 128 printable characters, without '/' and without space around them")
	}
	// Requests name accounts and providers in the same place, and accounts come first.
	if other, ok := a.d.Table().Provider(name); ok && other != p {
		return invalid("account_name", "%q is the name of another provider", name)
	}
	return nil
}

func (a *Admin) checkBase(s *store.Account, p *providers.Provider) error {
	s.BaseURL = strings.TrimRight(strings.TrimSpace(s.BaseURL), "/")
	if s.BaseURL == "" {
		if p.BaseURL == "" {
			return missing("base_url", "the address that the vendor gives you")
		}
		return nil
	}
	if len(s.BaseURL) > 1024 {
		return invalid("base_url", "is longer than 1024 characters")
	}
	if err := a.d.CheckBaseURL(s.BaseURL); err != nil {
		return invalid("base_url", "is not usable: %v", err)
	}
	return nil
}

// addressNote says what is unusual about an address that is allowed.
func addressNote(base string) string {
	u, err := url.Parse(base)
	if err != nil || base == "" {
		return ""
	}
	var notes []string
	host := u.Hostname()
	ip, err := netip.ParseAddr(host)
	if host == "localhost" || err == nil && (ip.IsPrivate() || ip.IsLoopback()) || err != nil && !strings.Contains(host, ".") {
		notes = append(notes, "the address is not on the public internet")
	} else if u.Scheme == "http" {
		notes = append(notes, "the key and all messages travel unencrypted (http)")
	}
	return strings.Join(notes, "; ")
}

var headerName = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$")

func checkHeaders(headers map[string]string) error {
	if len(headers) > 64 {
		return invalid("headers", "may have at most 64 members")
	}
	seen := map[string]bool{}
	for name, v := range headers {
		low := strings.ToLower(name)
		switch {
		case !headerName.MatchString(name):
			return invalid("headers", "holds %q, which is no header name", clip(name))
		case api.OwnHeader(low):
			return invalid("headers", "may not set %s: the gateway sets it itself", low)
		case seen[low]:
			return invalid("headers", "sets %s twice", low)
		case len(v) > 4096 || strings.ContainsFunc(v, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f || r == unicode.ReplacementChar }):
			return &api.Error{Status: 400, Code: "invalid_value", Param: "headers", Message: "the value of header " + low + " is too long or holds characters it may not"}
		}
		seen[low] = true
	}
	return nil
}

// checkParams checks {set, drop, rename}. The model, the messages and whether to
// stream are the gateway's to decide: prices and limits depend on them.
func checkParams(s *store.Account) error {
	raw := bytes.TrimSpace(s.Params)
	if len(raw) == 0 || string(raw) == "null" || string(raw) == "{}" {
		s.Params = nil
		return nil
	}
	var v struct {
		Set    map[string]stdjson.RawMessage `json:"set"`
		Drop   []string                      `json:"drop"`
		Rename map[string]string             `json:"rename"`
	}
	if len(raw) > 64<<10 {
		return invalid("params", "is larger than 64 KiB")
	}
	if err := json.Unmarshal(raw, &v, json.RejectUnknownMembers(true)); err != nil {
		e := bodyError(err)
		e.Param = strings.TrimSuffix("params."+e.Param, ".")
		e.Message = "params: " + e.Message
		return e
	}
	names := slices.Clone(v.Drop)
	for name := range v.Set {
		names = append(names, name)
	}
	for from, to := range v.Rename {
		names = append(names, from, to)
	}
	for _, name := range names {
		if name == "" || !printable(name, 128) {
			return invalid("params", "must name members of requests")
		}
		if api.OwnMember(name) {
			return invalid("params", "may not change %s", name)
		}
	}
	return nil
}

func checkOptions(options map[string]stdjson.RawMessage) error {
	size := 0
	for name, v := range options {
		if name == "" || !printable(name, 64) {
			return invalid("options", "must have names of 1 to 64 printable characters")
		}
		size += len(v)
	}
	if len(options) > 64 || size > 64<<10 {
		return invalid("options", "may have at most 64 members of 64 KiB together")
	}
	return nil
}

// timers are those that an account may set.
var timers = []string{"dial", "tls", "ttfb", "ttfb_stream", "first_event", "idle", "total", "total_stream"}

func checkTimeouts(s *store.Account) error {
	for name, v := range s.Timeouts {
		if !slices.Contains(timers, name) {
			return invalid("timeouts", "has no member %q; there are %s", clip(name), strings.Join(timers, ", "))
		}
		d, ok := span(v)
		if !ok || d < time.Millisecond || d > 24*time.Hour {
			return invalid("timeouts."+name, "must be a length of time from 1ms to 24h, such as 30s, not %q", clip(v))
		}
		s.Timeouts[name] = d.String()
	}
	return nil
}

// secretsOf takes the secrets from either member. Its errors never show them.
func secretsOf(one string, many []api.AccountKey) ([]api.AccountKey, error) {
	if one != "" && len(many) > 0 {
		return nil, invalid("api_key", "and api_keys are the same thing: give one")
	}
	if len(many) > api.MaxAccountKeys {
		return nil, invalid("api_keys", "may have at most %d entries", api.MaxAccountKeys)
	}
	given, path := slices.Clone(many), func(i int) string { return fmt.Sprintf("api_keys[%d].key", i) }
	if one != "" {
		given, path = []api.AccountKey{{Key: one}}, func(int) string { return "api_key" }
	}
	for i := range given {
		k := &given[i]
		if k.Key = strings.TrimSpace(k.Key); k.Key == "" || len(k.Key) > maxSecret {
			return nil, invalid(path(i), "must be of 1 to %d characters", maxSecret)
		}
		tidy, err := providers.TidySecret(k.Key)
		if err != nil {
			return nil, invalid(path(i), "%v", err)
		}
		k.Key = tidy
		switch {
		case k.Weight < 0 || k.Weight > maxWeight:
			return nil, invalid(fmt.Sprintf("api_keys[%d].weight", i), "must be from 0 to %d", maxWeight)
		case slices.ContainsFunc(given[:i], func(o api.AccountKey) bool { return o.Key == k.Key }):
			return nil, invalid(path(i), "is given twice")
		}
	}
	return given, nil
}
