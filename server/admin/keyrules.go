package admin

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/server/api"
	"github.com/your-org/ai-api-gateway/store"
)

// scopes are all there are: what relay routes need, and what parts of the admin API need.
var scopes = []string{
	"chat", "embeddings", "images", "audio", "moderations", "rerank",
	"admin", "viewer", "keys:write", "providers:write", "config:write", "billing",
}

// checkKey checks what people give of a key, and brings it into the form that is stored.
func checkKey(k *store.Key) error {
	if k.Name == "" {
		return missing("name", `"ci"`)
	}
	if k.Name != strings.TrimSpace(k.Name) || !printable(k.Name, 128) {
		return invalid("name", "must be at most 128 printable characters, without space around them")
	}
	if k.Group != strings.TrimSpace(k.Group) || !printable(k.Group, 128) {
		return invalid("group", "must be at most 128 printable characters, without space around them")
	}
	for i, s := range k.Scopes {
		if !slices.Contains(scopes, s) {
			return invalid(fmt.Sprintf("scopes[%d]", i), "is %q, which is no scope; there are %s", clip(s), strings.Join(scopes, ", "))
		}
	}
	k.Scopes = unique(k.Scopes)
	if len(k.Models) > api.MaxKeyModels {
		return invalid("models", "may have at most %d entries", api.MaxKeyModels)
	}
	for i, m := range k.Models {
		if m == "" || strings.TrimSpace(m) != m || !printable(m, 256) {
			return invalid(fmt.Sprintf("models[%d]", i), "must be a model's name or a pattern such as gpt-4*, of at most 256 characters")
		}
	}
	k.Models = unique(k.Models)
	if err := checkNetworks(k); err != nil {
		return err
	}
	switch k.OnDisconnect {
	case "cancel":
		k.OnDisconnect = ""
	case "", "drain":
	default:
		return invalid("on_disconnect", "must be cancel or drain")
	}
	switch k.LogBodies {
	case "off":
		k.LogBodies = ""
	case "", "errors", "all":
	default:
		return invalid("log_bodies", "must be off, errors or all")
	}
	if !factor(k.Markup) {
		return invalid("markup", `must be a decimal factor on the cost from 0 to 1000 with at most 6 decimals, such as "1.2"`)
	}
	if len(ownMetadata(k)) > 32 {
		return invalid("metadata", "may have at most 32 members")
	}
	for name, v := range k.Metadata {
		if name == pauseMark {
			continue
		}
		if name == "" || !printable(name, 64) || !printable(v, 512) {
			return invalid("metadata", "must have names of at most 64 and values of at most 512 printable characters")
		}
	}
	return nil
}

func checkNetworks(k *store.Key) error {
	if len(k.IPAllow) > api.MaxKeyNetworks {
		return invalid("ip_allow", "may have at most %d entries", api.MaxKeyNetworks)
	}
	for i, s := range k.IPAllow {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			addr, err := netip.ParseAddr(s)
			if err != nil || addr.Zone() != "" {
				return invalid(fmt.Sprintf("ip_allow[%d]", i), "must be a network such as 10.0.0.0/8, or an address, not %q", clip(s))
			}
			addr = addr.Unmap()
			p = netip.PrefixFrom(addr, addr.BitLen())
		}
		if p.Addr().Is4In6() { // callers' addresses are compared as IPv4
			return invalid(fmt.Sprintf("ip_allow[%d]", i), "must be written as an IPv4 network, not %q", clip(s))
		}
		k.IPAllow[i] = p.Masked().String()
	}
	k.IPAllow = unique(k.IPAllow)
	return nil
}

// unique removes repeated entries and keeps the order; nothing left is nil.
func unique(s []string) []string {
	var out []string
	for _, v := range s {
		if !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	return out
}

// factor reports whether s is a decimal from 0 to 1000 with at most 6 decimals, or empty.
func factor(s string) bool {
	if s == "" {
		return true
	}
	whole, frac, point := strings.Cut(s, ".")
	if whole == "" || len(whole) > 4 || len(frac) > 6 || point && frac == "" || strings.Trim(whole+frac, "0123456789") != "" {
		return false
	}
	return len(whole) < 4 || whole == "1000" && strings.Trim(frac, "0") == ""
}

// expiry reads when a key ends: a time, a length of time from now, "never" or nothing.
func expiry(s string, now time.Time) (time.Time, error) {
	if s == "" || s == "never" {
		return time.Time{}, nil
	}
	if d, ok := span(s); ok {
		return now.Add(d).UTC().Truncate(time.Second), nil
	}
	t, err := time.Parse(time.RFC3339, s)
	switch {
	case err != nil || t.Year() > 9000:
		return time.Time{}, invalid("expires_at", "must be a time such as 2027-01-31T00:00:00Z, before the year 9001, a length of time such as 90d, or never; not %q", clip(s))
	case !t.After(now):
		return time.Time{}, invalid("expires_at", "is in the past: to end a key, revoke it")
	}
	return t.UTC(), nil
}

// mayGrant refuses a key that may do what its maker may not.
func mayGrant(who *Caller, k *store.Key) error {
	if who.Admin || who.May("admin") {
		return nil
	}
	if len(k.Scopes) == 0 {
		return forbidden("scope_escalation", "a key without scopes may use every relay route, which yours may not: name scopes that your own key has (%s)", strings.Join(who.Scopes, ", "))
	}
	for _, s := range k.Scopes {
		if !who.May(s) {
			return forbidden("scope_escalation", "your key lacks the scope %q and so cannot give it: an admin key can", s)
		}
	}
	if who.Key == nil || len(who.Key.Models) == 0 {
		return nil
	}
	if len(k.Models) == 0 {
		return forbidden("model_escalation", "your key is limited to models: the new one must name models among them")
	}
	for _, m := range k.Models {
		if !slices.ContainsFunc(who.Key.Models, func(p string) bool { return p == "*" || providers.MatchName(p, m) }) {
			return forbidden("model_escalation", "your key may not use model %q and so cannot give it", clip(m))
		}
	}
	return nil
}

// mayTouch refuses changes of a key that may do more than the caller: its new
// secret, for one, would be the caller's.
func mayTouch(who *Caller, k *store.Key) error {
	if err := mayGrant(who, k); err != nil {
		return forbidden("scope_escalation", "API key %q may do more than yours: only an admin key can change it", k.Name)
	}
	return nil
}
