package importer

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"os"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/your-org/ai-api-gateway/server/api"
)

const maxConfig = 8 << 20

// liteConfig is what is read of LiteLLM's config.yaml.
type liteConfig struct {
	ModelList []struct {
		Name   string         `yaml:"model_name"`
		Params map[string]any `yaml:"litellm_params"`
		Info   map[string]any `yaml:"model_info"`
	} `yaml:"model_list"`
	Router   liteRouter     `yaml:"router_settings"`
	Settings liteRouter     `yaml:"litellm_settings"`
	General  map[string]any `yaml:"general_settings"`
}

type liteRouter struct {
	Strategy  string                `yaml:"routing_strategy"`
	Aliases   map[string]any        `yaml:"model_group_alias"`
	Fallbacks []map[string][]string `yaml:"fallbacks"`
	Context   []map[string][]string `yaml:"context_window_fallbacks"`
	Content   []map[string][]string `yaml:"content_policy_fallbacks"`
}

// A lite is LiteLLM's configuration and database on their way into a plan.
type lite struct {
	providers []api.ProviderInfo
	getenv    func(string) string
	now       time.Time
	plan      *Plan
	accounts  map[string]int // by provider, address and key: its place in the plan
}

// LiteLLM plans the import of config files and of a database; sources are paths of
// the one and postgres:// addresses of the other. getenv resolves os.environ/NAME.
func LiteLLM(ctx context.Context, sources []string, providers []api.ProviderInfo, getenv func(string) string, now time.Time) (*Plan, error) {
	l := &lite{providers: providers, getenv: getenv, now: now, plan: &Plan{}, accounts: map[string]int{}}
	for _, src := range sources {
		if strings.Contains(src, "://") {
			if err := l.database(ctx, src); err != nil {
				return nil, err
			}
			continue
		}
		info, err := os.Stat(src)
		if err == nil && info.Size() > maxConfig {
			err = fmt.Errorf("%s is larger than %d MiB", src, maxConfig>>20)
		}
		var text []byte
		if err == nil {
			text, err = os.ReadFile(src)
		}
		if err != nil {
			return nil, fmt.Errorf("cannot read the configuration: %w", err)
		}
		if err := l.config(text); err != nil {
			return nil, fmt.Errorf("cannot read %s as a configuration of LiteLLM: %w", src, err)
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

func (l *lite) config(text []byte) error {
	var c liteConfig
	if err := yaml.Unmarshal(text, &c); err != nil {
		return err
	}
	if len(c.ModelList) == 0 {
		return fmt.Errorf("it has no model_list")
	}
	at := map[string]int{} // the mapping of a name
	for i, m := range c.ModelList {
		what := fmt.Sprintf("model_list[%d] %q", i, m.Name)
		target, ok := l.deployment(m.Params, m.Info, what)
		if !ok || m.Name == "" {
			continue
		}
		j, seen := at[m.Name]
		if !seen {
			j, at[m.Name] = len(l.plan.Mappings), len(l.plan.Mappings)
			l.plan.Mappings = append(l.plan.Mappings, api.MappingCreate{Alias: m.Name, Strategy: l.strategy(c.Router.Strategy)})
		}
		l.plan.Mappings[j].Targets = append(l.plan.Mappings[j].Targets, target)
	}
	l.fallbacks(at, "error", append(c.Router.Fallbacks, c.Settings.Fallbacks...))
	l.fallbacks(at, "context_window", append(c.Router.Context, c.Settings.Context...))
	l.fallbacks(at, "content_policy", append(c.Router.Content, c.Settings.Content...))
	for alias, to := range sorted(c.Router.Aliases) {
		model, _ := to.(string)
		if m, ok := to.(map[string]any); ok {
			model, _ = m["model"].(string)
		}
		if j, ok := at[model]; ok {
			m := l.plan.Mappings[j]
			m.Alias = alias
			l.plan.Mappings = append(l.plan.Mappings, m)
		} else {
			l.plan.leave("no deployment of that name was carried over", "the alias %q of %q", alias, model)
		}
	}
	if c.General["master_key"] != nil {
		l.plan.leave("administrators have keys of this gateway", "general_settings.master_key")
	}
	for setting := range sorted(c.General) {
		if setting != "master_key" && setting != "database_url" {
			l.plan.leave("see config/gateway.example.yaml for what this gateway has", "general_settings.%s", setting)
		}
	}
	return nil
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

func (l *lite) fallbacks(at map[string]int, cause string, rules []map[string][]string) {
	for _, rule := range rules {
		for from, to := range sorted(rule) {
			j, ok := at[from]
			if !ok {
				l.plan.leave("no deployment of that name was carried over", "the fallback (%s) of %q", cause, from)
				continue
			}
			if l.plan.Mappings[j].Fallbacks == nil {
				l.plan.Mappings[j].Fallbacks = map[string][]string{}
			}
			l.plan.Mappings[j].Fallbacks[cause] = append(l.plan.Mappings[j].Fallbacks[cause], to...)
		}
	}
}

// carried are the members of litellm_params that a plan takes up.
var carried = []string{"model", "api_key", "api_base", "api_version", "custom_llm_provider", "weight", "order", "input_cost_per_token", "output_cost_per_token", "cache_read_input_token_cost",
	"aws_region_name", "aws_access_key_id", "aws_secret_access_key", "vertex_project", "vertex_location", "vertex_credentials", "rpm", "tpm", "max_parallel_requests", "headers", "extra_headers"}

// deployment plans the account of one entry, shared by all of one key, and returns the target it is.
func (l *lite) deployment(params, info map[string]any, what string) (api.MappingTarget, bool) {
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
	if base = strings.TrimRight(base, "/"); base != strings.TrimRight(p.BaseURL, "/") {
		a.BaseURL = base
	}
	if a.APIKey == "" && p.NeedsKey || p.NeedsBaseURL && a.BaseURL == "" {
		l.plan.leave("it has no key or address, which "+p.Name+" needs", "%s", what)
		return api.MappingTarget{}, false
	}
	l.options(&a, p, params)
	for member := range sorted(params) {
		if !slices.Contains(carried, member) {
			l.plan.leave("deployments have no such setting here", "%s of %s", member, what)
		}
	}
	at := l.account(a)
	l.modelPrices(at, model, params, info)
	t := api.MappingTarget{Account: l.plan.Accounts[at].Name, Model: model, Weight: intOf(params["weight"]), Priority: intOf(params["order"])}
	l.deploymentLimits(t, params)
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
	return l.secret(params["api_key"])
}

func (l *lite) options(a *api.AccountCreate, p *api.ProviderInfo, params map[string]any) {
	region := "region"
	for from, to := range map[string]string{"api_version": "api_version", "aws_region_name": region, "vertex_project": "project", "vertex_location": region} {
		value, _ := l.secret(params[from])
		known := slices.ContainsFunc(p.Options, func(o api.ProviderOption) bool { return o.Name == to })
		if value == "" || !known {
			continue
		}
		if a.Options == nil {
			a.Options = map[string]json.RawMessage{}
		}
		a.Options[to], _ = json.Marshal(value)
	}
	for _, member := range []string{"headers", "extra_headers"} {
		of, _ := params[member].(map[string]any)
		for h, v := range of {
			if a.Headers == nil {
				a.Headers = map[string]string{}
			}
			a.Headers[h] = fmt.Sprint(v)
		}
	}
}

// account returns the place of the account with this key and address, planning it if it is new.
func (l *lite) account(a api.AccountCreate) int {
	id, _ := json.Marshal([]any{a.Provider, a.APIKey, a.BaseURL, a.Options, a.Headers})
	if at, ok := l.accounts[string(id)]; ok {
		return at
	}
	taken := func(s string) bool {
		return slices.ContainsFunc(l.plan.Accounts, func(o api.AccountCreate) bool { return o.Name == s })
	}
	a.Name = "litellm-" + a.Provider
	for n := 2; taken(a.Name); n++ {
		a.Name = fmt.Sprintf("litellm-%s-%d", a.Provider, n)
	}
	at := len(l.plan.Accounts)
	l.plan.Accounts = append(l.plan.Accounts, a)
	l.accounts[string(id)] = at
	return at
}

// modelPrices takes prices a token over as prices a million.
func (l *lite) modelPrices(at int, model string, params, info map[string]any) {
	rates := api.Rates{}
	for from, to := range map[string]string{"input_cost_per_token": "input", "output_cost_per_token": "output", "cache_read_input_token_cost": "cache_read"} {
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
func (l *lite) deploymentLimits(t api.MappingTarget, params map[string]any) {
	limits := rates(number(fmt.Sprint(params["rpm"])), number(fmt.Sprint(params["tpm"])), number(fmt.Sprint(params["max_parallel_requests"])))
	title := name("litellm "+t.Account+" "+t.Model, "")
	if len(limits) == 0 || slices.ContainsFunc(l.plan.Policies, func(p api.PolicyCreate) bool { return p.Name == title }) {
		return
	}
	l.plan.Policies = append(l.plan.Policies, api.PolicyCreate{Name: title, Scope: api.PolicyScope{Account: t.Account, Model: t.Model}, Limits: limits})
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
