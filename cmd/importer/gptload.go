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
	db, err := open(ctx, src, "groups", "api_keys", "system_settings", "access_keys")
	if err != nil {
		return nil, err
	}
	defer func() { _ = db.close() }()
	return gptLoad(ctx, db, providers)
}

func gptLoad(ctx context.Context, db database, providers []api.ProviderInfo) (*Plan, error) {
	groups, err := db.rows(ctx, "groups")
	var pools, settings []row
	if err == nil {
		pools, err = db.rows(ctx, "api_keys")
	}
	if err == nil && slices.ContainsFunc(groups, func(g row) bool { _, second := g["channel_id"]; return second }) || errors.Is(err, errNoTable) && db.has(ctx, "access_keys") {
		return nil, errors.New("this is a database of gpt-load 2, which encrypts its keys: add the accounts with `ai-gateway providers add`, and give callers new keys")
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
	keys, off := map[int64][]string{}, map[int64]int{}
	for _, k := range pools {
		if k.text("status") == "active" && k.text("key_value") != "" {
			keys[k.int("group_id")] = append(keys[k.int("group_id")], k.text("key_value"))
		} else {
			off[k.int("group_id")]++
		}
	}
	owners := map[string][]string{} // groups by proxy key
	for _, g := range groups {
		for _, secret := range csv(g.text("proxy_keys")) {
			owners[secret] = append(owners[secret], g.text("name"))
		}
		if n := off[g.int("id")]; n > 0 {
			p.leave("they are not active there", "%d keys of group %q", n, g.text("name"))
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
		p.addKey(Key{Origin: fmt.Sprintf("gpt-load proxy key %s of %s", hintOf(secret), label) + again(&p.Keys, hintOf(secret), label), Create: api.KeyCreate{Name: name(fmt.Sprintf("gpt-load %s %d", label, n), "")}}, secret, "", "")
	}
	p.note("Callers of gpt-load use /proxy/GROUP/…; here they use /v1/… and the key, and the model leads to the account.")
	return p, nil
}

var loadTypes = map[string]string{"openai": "openai", "openai-response": "openai", "gemini": "gemini", "anthropic": "anthropic"}

// loadGroup plans one account for each upstream of a group.
func (p *Plan) loadGroup(g row, keys []string, providers []api.ProviderInfo) {
	what := fmt.Sprintf("group %q", g.text("name"))
	provider, known := loadTypes[g.text("channel_type")]
	var upstreams []upstream
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
	used := slices.ContainsFunc(upstreams, func(u upstream) bool { return u.Weight > 0 })
	headers := p.loadHeaders(g, what)
	p.leaveConfig(g, what)
	models := p.loadModels(g, what)
	for i, u := range upstreams {
		if used && u.Weight <= 0 {
			p.leave("its weight is 0: nothing is sent there", "the upstream %s of %s", shownAddress(u.URL), what)
			continue
		}
		a := api.AccountCreate{Provider: provider, Name: name(g.text("name"), what), BaseURL: sdkBase(info, u.URL), Weight: min(max(u.Weight, 1), 1000), Headers: headers, Models: models}
		if i > 0 {
			a.Name = fmt.Sprintf("%s-%d", clip(a.Name, 120), i+1)
		}
		for _, k := range keys {
			a.APIKeys = append(a.APIKeys, api.AccountKey{Key: k})
		}
		a.Proxy = strings.Replace(textOf(g.object("config")["proxy_url"]), "socks5://", "socks5h://", 1)
		p.setParams(&a, g.object("param_overrides"), what)
		p.addAccount(a, providers, what)
	}
}

type upstream struct {
	URL    string
	Weight int
}

// again tells proxy keys apart of which no more may be shown than of others of the group.
func again(keys *[]Key, hint, label string) string {
	n := 0
	for _, k := range *keys {
		if strings.HasPrefix(k.Origin, fmt.Sprintf("gpt-load proxy key %s of %s", hint, label)) {
			n++
		}
	}
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(", %d", n+1)
}

// loadModels are the models that a group renames, and, unless it serves those alone, all others.
func (p *Plan) loadModels(g row, what string) (models api.AccountModels) {
	rules := redirects(g)
	for from, v := range sorted(g.object("model_redirect_rules_v2")) { // to several, by weight
		var rule struct {
			Targets []struct{ Model string }
		}
		if _, has := rules[from]; has || json.Unmarshal(v, &rule) != nil || len(rule.Targets) == 0 {
			continue
		}
		rules[from] = rule.Targets[0].Model
		if len(rule.Targets) > 1 {
			p.leave("an account renames a model to one: make a mapping with `ai-gateway route set`", "all but the first target of %q in %s", from, what)
		}
	}
	for from, to := range sorted(rules) {
		models = append(models, api.AccountModel{Name: from, Upstream: to})
	}
	if len(models) > 0 && !g.flag("model_redirect_strict") {
		models = append(models, api.AccountModel{Name: "*"})
	}
	return models
}

func (p *Plan) leaveConfig(g row, what string) {
	for member, v := range sorted(g.object("config")) {
		if member != "proxy_url" && !emptyMember(v) {
			p.leave("see `timeouts` of an account, and `routing` in config/gateway.example.yaml", "the setting %s of %s", member, what)
		}
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
