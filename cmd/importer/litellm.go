package importer

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/your-org/ai-api-gateway/server/api"
)

// A lite is LiteLLM's configuration and database on their way into a plan.
type lite struct {
	providers []api.ProviderInfo
	getenv    func(string) string
	now       time.Time
	plan      *Plan
	accounts  map[string]int      // by provider, address and key: its place in the plan
	access    map[string][]string // names of models by access group
	creds     map[string]map[string]any
}

// LiteLLM plans the import of config files and of a database; sources are paths of
// the one and postgres:// addresses of the other. getenv resolves os.environ/NAME.
func LiteLLM(ctx context.Context, sources []string, providers []api.ProviderInfo, getenv func(string) string, now time.Time) (*Plan, error) {
	l := &lite{providers: providers, getenv: getenv, now: now, plan: &Plan{}, accounts: map[string]int{}, access: map[string][]string{}}
	isURL := func(src string) bool { return strings.Contains(src, "://") }
	for _, src := range sources { // first, since keys may name what they say
		if isURL(src) {
			continue
		}
		c, err := readLite(src)
		if err == nil {
			err = l.config(c)
		}
		if err != nil {
			return nil, fmt.Errorf("cannot read %s as a configuration of LiteLLM: %w", src, err)
		}
	}
	for _, src := range sources {
		if isURL(src) {
			if err := l.database(ctx, src); err != nil {
				return nil, err
			}
		}
	}
	return l.plan, nil
}

// liteProviders are LiteLLM's prefixes of models whose providers have other names here.
var liteProviders = map[string]string{
	"azure_ai": "azure", "gemini": "gemini", "google_ai_studio": "gemini", "vertex_ai": "vertex", "vertex_ai_beta": "vertex", "together_ai": "together", "fireworks_ai": "fireworks",
	"dashscope": "qwen", "volcengine": "doubao", "hosted_vllm": "vllm", "lm_studio": "lmstudio", "ollama_chat": "ollama", "cohere_chat": "cohere", "openai_like": "custom",
	"text-completion-openai": "openai", "custom_openai": "custom", "xai": "xai", "perplexity": "perplexity", "jina_ai": "jina", "bedrock_converse": "bedrock",
}

// provider splits a model of LiteLLM into the provider here and the upstream's name.
func (l *lite) provider(params map[string]any) (info *api.ProviderInfo, model string) {
	model, _ = params["model"].(string)
	prefix, _ := params["custom_llm_provider"].(string)
	if p, rest, ok := strings.Cut(model, "/"); ok && prefix == "" {
		if info := l.named(p); info != nil {
			if info.Name == "bedrock" {
				rest = strings.TrimPrefix(strings.TrimPrefix(rest, "converse/"), "invoke/")
			}
			return l.elsewhere(info, params), rest
		}
		return nil, model
	}
	if prefix == "" {
		prefix = "openai"
		if strings.HasPrefix(model, "claude") {
			prefix = "anthropic"
		}
	}
	info = l.named(prefix)
	if info == nil {
		return nil, model
	}
	return l.elsewhere(info, params), model
}

func (l *lite) named(name string) *api.ProviderInfo {
	if to, ok := liteProviders[name]; ok {
		name = to
	}
	for i, p := range l.providers {
		if p.Name == name || slices.Contains(p.Aliases, name) {
			return &l.providers[i]
		}
	}
	return nil
}

// elsewhere is "custom" for openai/… at an address that is not OpenAI's: in LiteLLM
// that is how any compatible server is written.
func (l *lite) elsewhere(info *api.ProviderInfo, params map[string]any) *api.ProviderInfo {
	base, _ := params["api_base"].(string)
	if info.Name == "openai" && base != "" && !strings.Contains(base, "api.openai.com") {
		if c := l.named("custom"); c != nil {
			return c
		}
	}
	return info
}

// secret resolves a value that may refer to the environment; missing names the variable that is not set.
func (l *lite) secret(v any) (value, missing string) {
	s, _ := v.(string)
	if n, ok := strings.CutPrefix(s, "os.environ/"); ok {
		if value = l.getenv(n); value == "" {
			return "", n
		}
		return value, ""
	}
	return s, ""
}

func (l *lite) config(c *liteConfig) error {
	if len(c.ModelList) == 0 {
		return fmt.Errorf("it has no model_list")
	}
	outer := l.getenv
	l.getenv = func(name string) string { return cmp.Or(c.variable(name, outer), outer(name)) }
	defer func() { l.getenv = outer }()
	l.creds = map[string]map[string]any{}
	for _, cr := range c.Credentials {
		l.creds[cr.Name] = cr.Values
	}
	at := map[string]int{} // the mapping of a name
	for i, m := range c.ModelList {
		what := fmt.Sprintf("model_list[%d] %q", i, m.Name)
		if l.wildcard(m.Name, m.Params, m.Info, what) || m.Name == "" {
			continue
		}
		target, ok := l.deployment(m.Params, m.Info, what)
		if !ok {
			continue
		}
		for _, group := range textsOf(m.Info["access_groups"]) {
			l.access[group] = append(l.access[group], m.Name)
		}
		j, seen := at[m.Name]
		if !seen {
			j, at[m.Name] = len(l.plan.Mappings), len(l.plan.Mappings)
			l.plan.Mappings = append(l.plan.Mappings, api.MappingCreate{Alias: m.Name, Strategy: l.strategy(c.Router.Strategy)})
		}
		l.plan.Mappings[j].Targets = append(l.plan.Mappings[j].Targets, target)
	}
	aliases := l.aliases(at, c.Router.Aliases)
	l.fallbacks(at, aliases, "error", append(c.Router.Fallbacks, c.Settings.Fallbacks...))
	l.fallbacks(at, aliases, "context_window", append(c.Router.Context, c.Settings.Context...))
	l.fallbacks(at, aliases, "content_policy", append(c.Router.Content, c.Settings.Content...))
	for alias, j := range sorted(aliases) { // with the fallbacks of what it stands for
		m := l.plan.Mappings[j]
		m.Alias = alias
		l.plan.Mappings = append(l.plan.Mappings, m)
	}
	l.leaveSettings(c)
	return nil
}

// aliases returns the mapping that each alias of a name stands for.
func (l *lite) aliases(at map[string]int, of map[string]any) map[string]int {
	out := map[string]int{}
	for alias, to := range sorted(of) {
		j, ok := at[nameIn(to)]
		if _, taken := at[alias]; taken || !ok {
			l.plan.leave("no deployment of that name was carried over, or the alias is one itself", "the alias %q of %q", alias, nameIn(to))
			continue
		}
		out[alias] = j
	}
	return out
}

// wildcard plans an account for all models of a provider, which is what an entry such
// as openai/* is: PROVIDER/MODEL and the names of models lead to it by themselves.
func (l *lite) wildcard(alias string, params, info map[string]any, what string) bool {
	model, _ := params["model"].(string)
	prefix, isAll := strings.CutSuffix(model, "/*")
	if !strings.Contains(alias, "*") && !strings.Contains(model, "*") {
		return false
	}
	if !isAll && model != "*" || alias != "*" && alias != model {
		l.plan.leave("names with * lead here to all models of an account only, as "+`"openai/*" does`+": make a mapping with `ai-gateway route set`", "%s", what)
		return true
	}
	if model == "*" {
		l.plan.leave("it leads to every provider that there is a key for: make an account of each, with `ai-gateway providers add`", "%s", what)
		return true
	}
	params = maps.Clone(params)
	params["model"] = prefix + "/*"
	t, ok := l.deployment(params, info, what)
	if !ok {
		return true
	}
	i := slices.IndexFunc(l.plan.Accounts, func(a api.AccountCreate) bool { return a.Name == t.Account })
	if !slices.ContainsFunc(l.providers, func(p api.ProviderInfo) bool {
		return p.Name == l.plan.Accounts[i].Provider && (p.Name == prefix || slices.Contains(p.Aliases, prefix))
	}) {
		l.plan.note("%s/MODEL of callers is %s/MODEL here.", prefix, t.Account)
	}
	return true
}

func (l *lite) strategy(s string) string {
	switch s {
	case "latency-based-routing":
		return "latency"
	case "cost-based-routing":
		return "cost"
	case "least-busy":
		return "least_busy"
	}
	return ""
}

func (l *lite) fallbacks(at, aliases map[string]int, cause string, rules []map[string]any) {
	for _, rule := range rules {
		for from, list := range sorted(rule) {
			j, ok := at[from]
			if !ok {
				l.plan.leave("no deployment of that name was carried over", "the fallback (%s) of %q", cause, from)
				continue
			}
			for _, v := range listOf(list) {
				to, plain := v.(string)
				_, known := at[to]
				if _, alias := aliases[to]; !plain || !known && !alias {
					l.plan.leave("it is no name of a deployment that was carried over", "the fallback (%s) of %q to %q", cause, from, nameIn(v))
					continue
				}
				if l.plan.Mappings[j].Fallbacks == nil {
					l.plan.Mappings[j].Fallbacks = map[string][]string{}
				}
				if !slices.Contains(l.plan.Mappings[j].Fallbacks[cause], to) {
					l.plan.Mappings[j].Fallbacks[cause] = append(l.plan.Mappings[j].Fallbacks[cause], to)
				}
			}
		}
	}
}

// carried are the members of litellm_params that a plan takes up.
var carried = []string{"model", "api_key", "api_base", "api_version", "custom_llm_provider", "weight", "order", "input_cost_per_token", "output_cost_per_token", "cache_read_input_token_cost",
	"aws_region_name", "aws_access_key_id", "aws_secret_access_key", "vertex_project", "vertex_location", "vertex_credentials", "rpm", "tpm", "max_parallel_requests", "headers", "extra_headers",
	"organization", "litellm_credential_name", "cache_creation_input_token_cost"}

// deployment plans the account of one entry, shared by all of one key, and returns the target it is.
func (l *lite) deployment(params, info map[string]any, what string) (api.MappingTarget, bool) {
	params = l.withCredential(params, what)
	if model, _ := params["model"].(string); model == "" {
		l.plan.leave("it names no model", "%s", what)
		return api.MappingTarget{}, false
	}
	p, model := l.provider(params)
	if p == nil {
		l.plan.leave(fmt.Sprintf("this gateway has no provider for %v", params["model"]), "%s", what)
		return api.MappingTarget{}, false
	}
	a := api.AccountCreate{Provider: p.Name}
	var missing string
	if a.APIKey, missing = l.key(p, params); missing != "" {
		l.plan.leave(missing+" is not set here: set it and import again", "%s", what)
		return api.MappingTarget{}, false
	}
	base, missing := l.secret(params["api_base"])
	if missing != "" {
		l.plan.leave(missing+" is not set here: set it and import again", "%s", what)
		return api.MappingTarget{}, false
	}
	if base == "" && p.Name == "azure" {
		base = l.getenv("AZURE_API_BASE")
	}
	if base = strings.TrimRight(base, "/"); base != strings.TrimRight(p.BaseURL, "/") {
		a.BaseURL = base
	}
	if a.APIKey == "" && p.NeedsKey || p.NeedsBaseURL && a.BaseURL == "" {
		why := "it has no key or address, which " + p.Name + " needs"
		if names := l.usualVariables(p, params); a.APIKey == "" && p.NeedsKey && len(names) > 0 {
			why = "it has no key, and " + names[0] + " is not set here: set it and import again"
		}
		l.plan.leave(why, "%s", what)
		return api.MappingTarget{}, false
	}
	if missing := l.options(&a, p, params); missing != "" {
		l.plan.leave(missing+" is not set here: set it and import again", "%s", what)
		return api.MappingTarget{}, false
	}
	for member := range sorted(params) {
		if !slices.Contains(carried, member) && params[member] != nil {
			l.plan.leave("deployments have no such setting here", "%s of %s", member, what)
		}
	}
	at := l.account(a, what)
	l.modelPrices(at, model, params, info)
	t := api.MappingTarget{Account: l.plan.Accounts[at].Name, Model: model, Weight: intOf(params["weight"]), Priority: intOf(params["order"])}
	l.deploymentLimits(t, params, what)
	return t, true
}

// key reads the secret of a deployment, which for AWS is of two parts.
func (l *lite) key(p *api.ProviderInfo, params map[string]any) (key, missing string) {
	if p.Name == "bedrock" && params["aws_access_key_id"] != nil {
		id, missing := l.secret(params["aws_access_key_id"])
		if missing != "" {
			return "", missing
		}
		secret, missing := l.secret(params["aws_secret_access_key"])
		return id + ":" + secret, missing
	}
	if p.Name == "vertex" && params["vertex_credentials"] != nil {
		return l.secret(params["vertex_credentials"])
	}
	if key, missing = l.secret(params["api_key"]); key != "" || missing != "" || !p.NeedsKey {
		return key, missing
	}
	for _, name := range l.usualVariables(p, params) { // as LiteLLM does without an api_key
		if v := l.getenv(name); v != "" {
			return v, ""
		}
	}
	return "", ""
}

// usualVariables are where LiteLLM looks for the key of a provider that has none.
func (l *lite) usualVariables(p *api.ProviderInfo, params map[string]any) []string {
	out := slices.Clone(p.EnvKeys)
	model, _ := params["model"].(string)
	if prefix, _, ok := strings.Cut(model, "/"); ok {
		prefix = strings.ToUpper(prefix)
		out = append(out, prefix+"_API_KEY", strings.ReplaceAll(prefix, "_AI", "AI")+"_API_KEY")
	}
	return out
}

// withCredential joins the values of the credential that an entry names.
func (l *lite) withCredential(params map[string]any, what string) map[string]any {
	name, _ := params["litellm_credential_name"].(string)
	if name == "" {
		return params
	}
	values, ok := l.creds[name]
	if !ok {
		l.plan.leave("it is not in credential_list; those of LiteLLM's page are encrypted", "the credential %q of %s", name, what)
	}
	out := maps.Clone(values)
	if out == nil {
		out = map[string]any{}
	}
	maps.Copy(out, params)
	return out
}

// options reads the options and headers of a deployment; missing names a variable that is not set.
func (l *lite) options(a *api.AccountCreate, p *api.ProviderInfo, params map[string]any) (missing string) {
	for from, to := range sorted(map[string]string{"api_version": "api_version", "aws_region_name": "region", "vertex_project": "project", "vertex_location": "region"}) {
		value, unset := l.secret(params[from])
		if value == "" && from == "api_version" && p.Name == "azure" {
			value = l.getenv("AZURE_API_VERSION")
		}
		known := slices.ContainsFunc(p.Options, func(o api.ProviderOption) bool { return o.Name == to })
		if unset != "" && known {
			return unset
		}
		if known {
			option(a, to, value)
		}
	}
	for _, member := range []string{"headers", "extra_headers"} {
		of, _ := params[member].(map[string]any)
		for h, v := range sorted(of) {
			value, unset := l.secret(fmt.Sprint(v))
			if unset != "" {
				return unset
			}
			setHeader(a, h, value)
		}
	}
	org, missing := l.secret(params["organization"])
	if org != "" && p.Name == "openai" {
		setHeader(a, "OpenAI-Organization", org)
	}
	return missing
}

// account returns the place of the account with this key and address, planning it if it is new.
func (l *lite) account(a api.AccountCreate, what string) int {
	id, _ := json.Marshal([]any{a.Provider, a.APIKey, a.BaseURL, a.Options, a.Headers})
	if at, ok := l.accounts[string(id)]; ok {
		return at
	}
	at := len(l.plan.Accounts)
	a.Name = "litellm-" + a.Provider
	l.plan.addAccount(a, l.providers, what)
	l.accounts[string(id)] = at
	return at
}

// modelPrices takes prices a token over as prices a million.
func (l *lite) modelPrices(at int, model string, params, info map[string]any) {
	rates := api.Rates{}
	for from, to := range map[string]string{"input_cost_per_token": "input", "output_cost_per_token": "output", "cache_read_input_token_cost": "cache_read", "cache_creation_input_token_cost": "cache_write_5m"} {
		v := params[from]
		if v == nil {
			v = info[from]
		}
		if v == nil {
			continue
		}
		if f := number(fmt.Sprint(v)); f != nil {
			rates[to] = rate(new(big.Rat).Mul(f, big.NewRat(1_000_000, 1)))
		}
	}
	a := &l.plan.Accounts[at]
	if !slices.ContainsFunc(a.Models, func(m api.AccountModel) bool { return m.Name == model }) {
		a.Models = append(a.Models, api.AccountModel{Name: model})
	}
	if len(rates) > 0 {
		prices := maps.Clone(a.Prices)
		if prices == nil {
			prices = map[string]api.Rates{}
		}
		prices[model] = rates
		a.Prices = prices
	}
}

// deploymentLimits makes of a deployment's rates limits of its account and model.
func (l *lite) deploymentLimits(t api.MappingTarget, params map[string]any, what string) {
	limits := rates(number(fmt.Sprint(params["rpm"])), number(fmt.Sprint(params["tpm"])), number(fmt.Sprint(params["max_parallel_requests"])))
	title := name("litellm "+t.Account+" "+t.Model, "")
	if len(limits) == 0 {
		return
	}
	if i := slices.IndexFunc(l.plan.Policies, func(p api.PolicyCreate) bool { return p.Name == title }); i >= 0 {
		if !slices.Equal(l.plan.Policies[i].Limits, limits) {
			l.plan.leave("another entry of the same key and model has others, which hold", "the rates of %s", what)
		}
		return
	}
	scope := api.PolicyScope{Account: t.Account, Model: t.Model}
	if t.Model == "*" {
		scope.Model = ""
	}
	l.plan.Policies = append(l.plan.Policies, api.PolicyCreate{Name: title, Scope: scope, Limits: limits})
}

func intOf(v any) int {
	switch n := v.(type) {
	case int:
		return n
	case float64:
		return int(n)
	}
	return 0
}
