package importer

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/your-org/ai-api-gateway/server/api"
)

// pointsPerUSD is how many points of quota one-api and new-api count for a dollar;
// a model_ratio of 1 is usdPerRatio dollars a million tokens.
const (
	pointsPerUSD = 500_000
	usdPerRatio  = 2
)

// States of one-api's rows.
const (
	rowEnabled   = 1
	rowExhausted = 4
)

// A oneAPI is a database of one-api or new-api on its way into a plan.
type oneAPI struct {
	from      string // "one-api", "new-api"
	types     map[int64]string
	providers []api.ProviderInfo
	now       time.Time
	plan      *Plan

	options     map[string]string
	users       map[int64]row
	groupModels map[string][]string // of the channels that are on
	allModels   []string
	keysOf      map[int64]int   // keys planned by user
	told        map[string]bool // models whose prices were left out
}

// OneAPI plans the import of a database of one-api (from "one-api") or new-api.
func OneAPI(ctx context.Context, from, src string, providers []api.ProviderInfo, now time.Time) (*Plan, error) {
	db, err := open(ctx, src, "channels", "tokens", "users", "options")
	if err != nil {
		return nil, err
	}
	defer func() { _ = db.close() }()
	o := &oneAPI{from: from, types: oneAPITypes, providers: providers, now: now, plan: &Plan{}, options: map[string]string{}, users: map[int64]row{}, groupModels: map[string][]string{}, keysOf: map[int64]int{}, told: map[string]bool{}}
	if from == "new-api" {
		o.types = newAPITypes
	}
	tables := map[string][]row{}
	for _, name := range []string{"options", "users", "channels", "tokens"} {
		rows, err := db.rows(ctx, name)
		if errors.Is(err, errNoTable) && name != "options" {
			return nil, fmt.Errorf("the source has no table %q: is it the database of %s?", name, from)
		}
		if err != nil && !errors.Is(err, errNoTable) {
			return nil, err
		}
		tables[name] = rows
	}
	for _, r := range tables["options"] {
		o.options[r.text("key")] = r.text("value")
	}
	for _, r := range tables["users"] {
		if r.text("deleted_at") == "" {
			o.users[r.int("id")] = r
		}
	}
	if from == "one-api" && slices.ContainsFunc(tables["channels"], func(r row) bool { _, newer := r["auto_ban"]; return newer }) {
		return nil, errors.New("this is a database of new-api, which has kept one-api's file name: ai-gateway import new-api SOURCE")
	}
	o.channels(tables["channels"])
	for _, r := range tables["tokens"] {
		if r.text("deleted_at") == "" {
			o.token(r)
		}
	}
	o.userBudgets()
	if text := strings.TrimSpace(o.options["GroupGroupRatio"]); text != "" && text != "{}" {
		o.plan.leave("a key has one markup here, that of its group", "the option GroupGroupRatio")
	}
	o.plan.note("What was used so far, redemption codes and sign-ins stay in %s; here a web session is a key.", from)
	return o.plan, nil
}

func (o *oneAPI) channels(rows []row) {
	var top int64 // one-api tries high priorities first, this gateway low ones
	for _, r := range rows {
		top = max(top, r.int("priority"))
	}
	taken := map[string]bool{}
	for _, r := range rows {
		a, ok := o.channel(r, top)
		if !ok {
			continue
		}
		if taken[a.Name] {
			a.Name = name(fmt.Sprintf("%s %d", clip(a.Name, 100), r.int("id")), "")
		}
		taken[a.Name] = true
		o.plan.Accounts = append(o.plan.Accounts, a)
	}
	for group := range o.groupModels {
		slices.Sort(o.groupModels[group])
		o.groupModels[group] = slices.Compact(o.groupModels[group])
	}
	slices.Sort(o.allModels)
	o.allModels = slices.Compact(o.allModels)
}

// channel plans the account of one channel.
func (o *oneAPI) channel(r row, top int64) (api.AccountCreate, bool) {
	what := fmt.Sprintf("channel %d %q", r.int("id"), r.text("name"))
	provider, known := o.types[r.int("type")]
	if !known {
		o.plan.leave(fmt.Sprintf("its type %d is of no provider of this gateway", r.int("type")), "%s", what)
		return api.AccountCreate{}, false
	}
	on := r.int("status") == rowEnabled
	a := api.AccountCreate{Provider: provider, Name: name(r.text("name"), fmt.Sprintf("channel %d", r.int("id"))), Enabled: &on,
		Weight: int(min(max(r.int("weight"), 1), 1000)), Priority: int(min(uint64(top-r.int("priority")), 1000)), BaseURL: o.baseURL(provider, r.text("base_url"))}
	if why := o.secrets(&a, r); why != "" {
		o.plan.leave(why, "%s", what)
		return a, false
	}
	if info := o.info(provider); info != nil && info.NeedsBaseURL && a.BaseURL == "" {
		o.plan.leave("it has no address, which "+provider+" needs", "%s", what)
		return a, false
	}
	a.Models = o.models(r, what)
	a.Prices = o.prices(a.Models)
	o.extras(&a, r, what)
	if on {
		for _, m := range a.Models {
			o.allModels = append(o.allModels, m.Name)
			for _, g := range csv(r.text("group")) {
				o.groupModels[g] = append(o.groupModels[g], m.Name)
			}
		}
	}
	return a, true
}

func (o *oneAPI) info(provider string) *api.ProviderInfo {
	i := slices.IndexFunc(o.providers, func(p api.ProviderInfo) bool { return p.Name == provider })
	if i < 0 {
		return nil
	}
	return &o.providers[i]
}

// baseURL makes of a channel's address, which is a root, what this gateway takes:
// what the vendor's own SDK does. The vendor's own address is left to the gateway.
func (o *oneAPI) baseURL(provider, root string) string {
	return sdkBase(o.info(provider), root)
}

func sdkBase(info *api.ProviderInfo, root string) string {
	root = strings.TrimRight(strings.TrimSpace(root), "/")
	if root == "" || info == nil {
		return root
	}
	path := ""
	if _, rest, ok := strings.Cut(info.BaseURL, "://"); ok {
		if i := strings.IndexByte(rest, '/'); i >= 0 {
			path = rest[i:]
		}
	} else if info.Name == "custom" {
		path = "/v1"
	}
	full := root
	if !strings.HasSuffix(root, path) {
		full += path
	}
	if full == strings.TrimRight(info.BaseURL, "/") {
		return ""
	}
	return full
}

// secrets reads the keys of a channel, in the forms of its type; why is set where it has none.
func (o *oneAPI) secrets(a *api.AccountCreate, r row) (why string) {
	key := strings.TrimSpace(r.text("key"))
	if key == "" {
		if info := o.info(a.Provider); info != nil && !info.NeedsKey {
			return ""
		}
		return "it has no key"
	}
	option := func(name, value string) {
		if value = strings.TrimSpace(value); value != "" {
			if a.Options == nil {
				a.Options = map[string]json.RawMessage{}
			}
			b, _ := json.Marshal(value)
			a.Options[name] = b
		}
	}
	switch a.Provider {
	case "azure":
		option("api_version", r.text("other"))
	case "bedrock":
		id, rest, ok := strings.Cut(key, "|")
		secret, region, ok2 := strings.Cut(rest, "|")
		if !ok || !ok2 {
			return "its key is not ACCESS_KEY|SECRET|REGION"
		}
		option("region", region)
		key = id + ":" + secret
	case "vertex":
		var account struct {
			Project string `json:"project_id"`
		}
		_ = json.Unmarshal([]byte(key), &account)
		option("project", account.Project)
		region := r.text("other")
		if of := r.object("other"); of != nil { // new-api: by model
			_ = json.Unmarshal(of["default"], &region)
		}
		option("region", region)
	default:
		if keys := o.pool(r, key); keys != nil {
			if len(keys) == 0 {
				return "all its keys are switched off there"
			}
			for _, k := range keys {
				a.APIKeys = append(a.APIKeys, api.AccountKey{Key: k})
			}
			return ""
		}
	}
	a.APIKey = key
	return ""
}

// pool returns the keys of a channel of several that are in use, nil if it is of one.
// No key has lines, so several lines are several keys in whatever version.
func (o *oneAPI) pool(r row, text string) []string {
	info := r.object("channel_info")
	multi := string(info["is_multi_key"]) == "true"
	lines := strings.FieldsFunc(text, func(c rune) bool { return c == '\n' || c == '\r' })
	if len(lines) < 2 {
		return nil
	}
	var status map[string]int
	if multi {
		_ = json.Unmarshal(info["multi_key_status_list"], &status)
	}
	keys := []string{}
	for i, k := range lines {
		if s, off := status[strconv.Itoa(i)]; off && s != rowEnabled {
			o.plan.leave("it is switched off there", "key %d of channel %d", i+1, r.int("id"))
			continue
		}
		keys = append(keys, strings.TrimSpace(k))
	}
	return keys
}

// models joins what a channel serves with what its mapping renames.
func (o *oneAPI) models(r row, what string) api.AccountModels {
	mapping := map[string]string{}
	if text := strings.TrimSpace(r.text("model_mapping")); text != "" {
		if json.Unmarshal([]byte(text), &mapping) != nil {
			o.plan.leave("it is no JSON object of names", "the model mapping of %s", what)
		}
	}
	var out api.AccountModels
	for _, m := range csv(r.text("models")) {
		if slices.ContainsFunc(out, func(e api.AccountModel) bool { return e.Name == m }) {
			continue
		}
		to := m
		for range mapping { // new-api follows chains
			next, ok := mapping[to]
			if !ok || next == "" || next == m {
				break
			}
			to = next
		}
		e := api.AccountModel{Name: m}
		if to != m {
			e.Upstream = to
		}
		out = append(out, e)
	}
	return out
}

// extras carries over what channels of new-api may have besides, or says why not.
func (o *oneAPI) extras(a *api.AccountCreate, r row, what string) {
	setting := r.object("setting")
	_ = json.Unmarshal(setting["proxy"], &a.Proxy)
	var headers map[string]string
	if text := strings.TrimSpace(r.text("header_override")); text != "" && text != "{}" {
		if err := json.Unmarshal([]byte(text), &headers); err != nil || strings.Contains(text, "{api_key}") {
			o.plan.leave("they are made of the request, which headers of an account are not", "the header overrides of %s", what)
		} else {
			a.Headers = headers
		}
	}
	if set := r.object("param_override"); len(set) > 0 {
		if _, rules := set["operations"]; rules {
			o.plan.leave("they are rules; an account's params set, drop and rename members only", "the parameter overrides of %s", what)
		} else {
			a.Params, _ = json.Marshal(map[string]any{"set": set})
		}
	}
	for column, why := range map[string]string{
		"system_prompt":       "prompts are the callers'",
		"status_code_mapping": "errors keep the meaning that upstreams give them",
	} {
		if text := strings.TrimSpace(r.text(column)); text != "" && text != "{}" {
			o.plan.leave(why, "%s of %s", column, what)
		}
	}
	for _, member := range []string{"force_format", "thinking_to_content", "pass_through_body_enabled", "system_prompt"} {
		if v := string(setting[member]); v != "" && v != "false" && v != `""` {
			o.plan.leave("this gateway has no such setting of an account", "%s of %s", member, what)
		}
	}
}

// ratio reads a model's number in an option of one-api; nil where it has none.
func (o *oneAPI) ratio(option, model string) *big.Rat {
	var of map[string]json.Number
	if json.Unmarshal([]byte(o.options[option]), &of) != nil {
		return nil
	}
	return number(of[model].String())
}

// prices makes prices of ratios, for models whose ratios the database holds. There
// they are of the names that callers use, here of the upstream's models.
func (o *oneAPI) prices(models api.AccountModels) map[string]api.Rates {
	out := map[string]api.Rates{}
	for _, renamed := range []bool{false, true} { // a model's own price goes first
		for _, m := range models {
			rates := o.rates(m.Name)
			if (m.Upstream != "") != renamed || rates == nil {
				continue
			}
			upstream := cmp.Or(m.Upstream, m.Name)
			if old, taken := out[upstream]; taken && !maps.Equal(old, rates) {
				o.plan.leave(fmt.Sprintf("it leads to %s, which has another price already", upstream), "the price of %s", m.Name)
				continue
			}
			out[upstream] = rates
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// rates are the prices of a model by its ratios; nil where the database has none.
func (o *oneAPI) rates(model string) api.Rates {
	if call := o.ratio("ModelPrice", model); call != nil && call.Sign() > 0 { // dollars a request
		return api.Rates{"request": rate(new(big.Rat).Mul(call, big.NewRat(1_000_000, 1)))}
	}
	ratio, completion := o.ratio("ModelRatio", model), o.ratio("CompletionRatio", model)
	if ratio == nil {
		return nil
	}
	if completion == nil {
		if !o.told[model] {
			o.told[model] = true
			o.plan.leave("its completion_ratio is not in the database but in the program: this gateway's own price holds", "the price of %s", model)
		}
		return nil
	}
	in := new(big.Rat).Mul(ratio, big.NewRat(usdPerRatio, 1))
	rates := api.Rates{"input": rate(in), "output": rate(new(big.Rat).Mul(in, completion))}
	for option, kind := range map[string]string{"CacheRatio": "cache_read", "CreateCacheRatio": "cache_write_5m"} {
		if f := o.ratio(option, model); f != nil {
			rates[kind] = rate(new(big.Rat).Mul(in, f))
		}
	}
	return rates
}
