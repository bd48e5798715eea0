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

	options map[string]string
	users   map[int64]row
	reach   reach
	keysOf  map[int64]int   // keys planned by user
	told    map[string]bool // what was left out already that several rows would name
}

// OneAPI plans the import of a database of one-api (from "one-api") or new-api.
func OneAPI(ctx context.Context, from, src string, providers []api.ProviderInfo, now time.Time) (*Plan, error) {
	db, err := open(ctx, src, "channels", "tokens", "users", "options", "user_subscriptions")
	if err != nil {
		return nil, err
	}
	defer func() { _ = db.close() }()
	o := &oneAPI{from: from, types: oneAPITypes, providers: providers, now: now, plan: &Plan{}, options: map[string]string{}, users: map[int64]row{}, keysOf: map[int64]int{}, told: map[string]bool{}}
	if from == "new-api" {
		o.types = newAPITypes
	}
	tables := map[string][]row{}
	for _, name := range []string{"options", "user_subscriptions", "users", "channels", "tokens"} {
		rows, err := db.rows(ctx, name)
		if errors.Is(err, errNoTable) && name != "options" && name != "user_subscriptions" {
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
	o.leaveOptions()
	o.leaveSubscriptions(tables["user_subscriptions"])
	o.plan.note("What was used so far, redemption codes and sign-ins stay in %s; here a web session is a key.", from)
	return o.plan, nil
}

func (o *oneAPI) channels(rows []row) {
	var top int64 // one-api tries high priorities first, this gateway low ones
	for _, r := range rows {
		top = max(top, r.int("priority"))
	}
	for _, r := range rows {
		what := fmt.Sprintf("channel %d %q", r.int("id"), r.text("name"))
		a, ok := o.channel(r, top, what)
		if !ok {
			continue
		}
		if slices.ContainsFunc(o.plan.Accounts, func(b api.AccountCreate) bool { return a.Name == b.Name }) {
			a.Name = name(fmt.Sprintf("%s %d", clip(a.Name, 100), r.int("id")), "")
		}
		o.plan.addAccount(a, o.providers, what)
		if *a.Enabled {
			o.reach.add(what, groupsOf(r), a.Models)
		}
	}
	o.reach.sort()
	for _, what := range o.reach.crossed() {
		o.plan.leave("groups decide which models a key may ask for; any account that serves one may answer", "the groups of %s, whose models other groups have, too", what)
	}
}

// channel plans the account of one channel.
func (o *oneAPI) channel(r row, top int64, what string) (api.AccountCreate, bool) {
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
	if a.Models = o.models(r, what); len(a.Models) == 0 {
		o.plan.leave("it serves no models", "%s", what)
		return a, false
	}
	if shownAddress(a.BaseURL) != a.BaseURL {
		o.plan.leave("its address holds a user, a password or a query, which those of accounts may not", "%s", what)
		return a, false
	}
	a.Prices = o.prices(a.Models)
	o.extras(&a, r, what)
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
	if plan, ok := codingPlans[strings.TrimSpace(root)]; ok {
		return plan
	}
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
	if call := o.ratio("ModelPrice", model); call != nil && call.Sign() > 0 { // dollars a request, of perUnit points each
		call = new(big.Rat).Mul(call, new(big.Rat).Quo(o.perUnit(), pointsOfUSD))
		return api.Rates{"request": rate(call.Mul(call, big.NewRat(1_000_000, 1)))}
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
