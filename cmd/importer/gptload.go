package importer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/your-org/ai-api-gateway/server/api"
)

// GPTLoad plans the import of a database of gpt-load: a group becomes an account
// with its pool of keys for each upstream, a proxy key a key of this gateway.
func GPTLoad(ctx context.Context, src string, providers []api.ProviderInfo) (*Plan, error) {
	db, err := open(ctx, src, "groups", "api_keys", "system_settings")
	if err != nil {
		return nil, err
	}
	defer func() { _ = db.close() }()
	groups, err := db.rows(ctx, "groups")
	var pools, settings []row
	if err == nil {
		pools, err = db.rows(ctx, "api_keys")
	}
	if errors.Is(err, errNoTable) {
		return nil, errors.New(`the source has not the tables "groups" and "api_keys": is it the database of gpt-load?`)
	}
	if err == nil {
		if settings, err = db.rows(ctx, "system_settings"); errors.Is(err, errNoTable) {
			err = nil
		}
	}
	if err != nil {
		return nil, err
	}
	p := &Plan{}
	keys := map[int64][]string{}
	for _, k := range pools {
		if k.text("status") == "active" {
			keys[k.int("group_id")] = append(keys[k.int("group_id")], k.text("key_value"))
		}
	}
	owners := map[string][]string{} // groups by proxy key
	for _, g := range groups {
		for _, secret := range csv(g.text("proxy_keys")) {
			owners[secret] = append(owners[secret], g.text("name"))
		}
		p.loadGroup(g, keys[g.int("id")], providers)
	}
	for _, s := range settings {
		if s.text("setting_key") == "proxy_keys" {
			for _, secret := range csv(s.text("setting_value")) {
				owners[secret] = append(owners[secret], "all groups")
			}
		}
	}
	n := 0
	for secret, of := range sorted(owners) {
		n++
		slices.Sort(of)
		label := strings.Join(slices.Compact(of), ", ")
		p.addKey(Key{Origin: "gpt-load proxy key " + hintOf(secret), Create: api.KeyCreate{Name: name(fmt.Sprintf("gpt-load %s %d", label, n), "")}}, secret, "", "")
	}
	p.note("Callers of gpt-load use /proxy/GROUP/…; here they use /v1/… and the key, and the model leads to the account.")
	return p, nil
}

var loadTypes = map[string]string{"openai": "openai", "openai-response": "openai", "gemini": "gemini", "anthropic": "anthropic"}

// loadGroup plans one account for each upstream of a group.
func (p *Plan) loadGroup(g row, keys []string, providers []api.ProviderInfo) {
	what := fmt.Sprintf("group %q", g.text("name"))
	provider, known := loadTypes[g.text("channel_type")]
	var upstreams []struct {
		URL    string
		Weight int
	}
	_ = json.Unmarshal([]byte(g.text("upstreams")), &upstreams)
	why := ""
	switch {
	case g.text("group_type") == "aggregate":
		why = "it joins other groups; here a model's accounts are joined by themselves, or with `ai-gateway route set`"
	case !known:
		why = fmt.Sprintf("its type %q is of no provider of this gateway", g.text("channel_type"))
	case len(keys) == 0:
		why = "it has no active key"
	case len(upstreams) == 0:
		why = "it has no upstream"
	case slices.ContainsFunc(keys, encrypted):
		why = "its keys are encrypted: decrypt them with gpt-load's `migrate-keys --from KEY` first"
	}
	if why != "" {
		p.leave(why, "%s", what)
		return
	}
	var info *api.ProviderInfo
	if i := slices.IndexFunc(providers, func(x api.ProviderInfo) bool { return x.Name == provider }); i >= 0 {
		info = &providers[i]
	}
	for i, u := range upstreams {
		a := api.AccountCreate{Provider: provider, Name: name(g.text("name"), what), BaseURL: sdkBase(info, u.URL), Weight: min(max(u.Weight, 1), 1000)}
		if i > 0 {
			a.Name = fmt.Sprintf("%s-%d", clip(a.Name, 120), i+1)
		}
		for _, k := range keys {
			a.APIKeys = append(a.APIKeys, api.AccountKey{Key: k})
		}
		_ = json.Unmarshal(g.object("config")["proxy_url"], &a.Proxy)
		if set := g.object("param_overrides"); len(set) > 0 {
			a.Params, _ = json.Marshal(map[string]any{"set": set})
		}
		a.Headers = p.loadHeaders(g, what)
		for from, to := range sorted(redirects(g)) {
			a.Models = append(a.Models, api.AccountModel{Name: from, Upstream: to})
		}
		if len(a.Models) > 0 { // and all that are not redirected
			a.Models = append(a.Models, api.AccountModel{Name: "*"})
		}
		p.Accounts = append(p.Accounts, a)
	}
}

func redirects(g row) map[string]string {
	out := map[string]string{}
	for from, v := range g.object("model_redirect_rules") {
		var to string
		if json.Unmarshal(v, &to) == nil && to != "" {
			out[from] = to
		}
	}
	return out
}

func (p *Plan) loadHeaders(g row, what string) map[string]string {
	var rules []struct{ Key, Value, Action string }
	_ = json.Unmarshal([]byte(g.text("header_rules")), &rules)
	var out map[string]string
	for _, r := range rules {
		if r.Action != "set" || strings.Contains(r.Value, "${") {
			p.leave("headers of an account are set to fixed values only", "the rule for the header %s of %s", r.Key, what)
			continue
		}
		if out == nil {
			out = map[string]string{}
		}
		out[r.Key] = r.Value
	}
	return out
}

// encrypted reports whether a key is what gpt-load writes with ENCRYPTION_KEY set: hex of a nonce and a sealed text.
func encrypted(key string) bool {
	return len(key) >= 2*(12+16+8) && len(key)%2 == 0 && strings.Trim(key, "0123456789abcdef") == ""
}
