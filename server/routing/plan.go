package routing

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/store"
)

// maxChain bounds how many aliases may lead to one another.
const maxChain = 8

// maxTargets bounds a plan: a Route keeps a bit for each.
const maxTargets = 64

// An Ask is a question to the table.
type Ask struct {
	Op       providers.Op
	Dialect  providers.Dialect // the caller's; "" for relay-only operations
	Model    string
	Provider string                  // the caller's `provider` member: a provider or an account
	Fallback []string                // the caller's `fallbacks`: "provider/model" or a model
	Allow    func(model string) bool // the key's allow list; nil allows all
}

// A Target is one place a request may go.
type Target struct {
	Account *Account
	Model   string // the upstream's name
	Asked   string // the name this target was found by: the caller's, or a fallback's
	Base    string // base URL of its calls, without a trailing slash
	// Egress is the dialect to speak; nil for relay-only operations.
	Egress providers.Egress
	// Entry is the catalogue's row; nil: not known.
	Entry     *providers.Model
	rate      *providers.Price // the vendor's dearest, where the model's is not known; nil: ask
	Catalogue Catalogue
	Priority  int // within the tier, lower first
	Weight    int
	// When says for what the target is there, Tier its rank: all targets of a lower
	// tier come first.
	When Cause
	Tier int

	lanes []*Lane // one a key
	cost  int64   // nano-USD of a usual request, for the strategy
}

// A Cause is why a target is in a plan.
type Cause uint8

// Causes. The first three serve after any failure that another target may mend.
const (
	CauseFirst   Cause = iota // the model asked for leads here
	CauseAsked                // the request's own `fallbacks`
	CauseError                // the mapping's fallbacks.error
	CauseContext              // the mapping's fallbacks.context_window: the prompt did not fit
	CausePolicy               // the mapping's fallbacks.content_policy: a content filter refused
)

// causeOf are the causes by their names in a mapping, in the order of their tiers.
var causeOf = []struct {
	name string
	when Cause
}{{"error", CauseError}, {"context_window", CauseContext}, {"content_policy", CausePolicy}}

// An Exclusion tells why an account was not taken.
type Exclusion struct {
	Account, Provider, Model string
	Reason                   string
}

// A Plan is the ordered targets for one request.
type Plan struct {
	Targets  []Target
	Excluded []Exclusion
	// Aliased: the caller's name is not the upstream's, so answers show the caller's.
	Aliased bool
	// Rule says which rule of the search found the targets: "alias", "account", "catalogue", "pattern", "listed", "any".
	Rule string
	// Strategy shares the load among targets of equal tier and priority: the mapping's.
	Strategy string
	// Model is the name asked for.
	Model string
	// Choices counts what could serve first: targets times keys. With one there is nothing to choose.
	Choices int
	// Trace says in words how the targets were found. It is shared: append copies it.
	Trace []string

	health *Health
	budget *budget // of retries
}

// Plan finds the targets for a. The error is ready for the caller: an unknown
// model is a 404 that names it and the command that explains, an unknown
// provider a 400 that names the known ones.
//
// The search is: alias → models of the accounts → catalogue → the providers'
// name patterns → what the upstreams list → accounts with models ["*"].
//
// The plan is shared and must not be changed.
func (t *Table) Plan(a Ask) (*Plan, *providers.Error) {
	if a.Allow != nil && !a.Allow(a.Model) {
		return nil, denied(a.Model)
	}
	key := asked{a.Op, a.Dialect, a.Provider, ""}
	if len(a.Fallback) > 0 {
		if a.Allow != nil {
			for _, f := range a.Fallback {
				if !a.Allow(f) {
					return nil, denied(f)
				}
			}
		}
		key.fallbacks = strings.Join(a.Fallback, "\x00")
	}
	t.mu.RLock()
	p := find(t.plans[a.Model], &key)
	t.mu.RUnlock()
	if p != nil {
		return p, nil
	}
	p, err := t.plan(a)
	if err != nil {
		return nil, err
	}
	// The name may lie in a buffer of the caller's.
	key.provider, key.fallbacks = strings.Clone(key.provider), strings.Clone(key.fallbacks)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.kept >= maxPlans {
		clear(t.plans)
		t.kept = 0
	}
	list := t.plans[p.Model]
	if first := find(list, &key); first != nil { // two asked at once
		return first, nil
	}
	if len(list) == maxPlansOfModel {
		t.kept -= len(list)
		list = list[:0]
	}
	t.plans[p.Model] = append(list, planned{key, p})
	t.kept++
	return p, nil
}

// find returns the plan of a search done before; nil: there is none.
func find(list []planned, key *asked) *Plan {
	for i := range list {
		if list[i].asked == *key {
			return list[i].plan
		}
	}
	return nil
}

func (t *Table) plan(a Ask) (*Plan, *providers.Error) {
	p := &Plan{Model: strings.Clone(a.Model), health: t.health, budget: &budget{}}
	p.budget.tokens.Store(leastBudget)
	if err := t.resolve(p, a, a.Model, a.Provider, 0); err != nil {
		return nil, err
	}
	tier := 0
	spare := func(name string, when Cause) {
		tier++
		before := len(p.Targets)
		// A fallback that leads nowhere is no reason to fail a request that has targets.
		_ = t.resolve(p, a, name, "", 0)
		for i := before; i < len(p.Targets); i++ {
			x := &p.Targets[i]
			x.Asked, x.When, x.Tier = name, when, tier
		}
	}
	for _, f := range a.Fallback {
		spare(f, CauseAsked)
	}
	if m, ok := t.Mapping(a.Model); ok && a.Provider == "" {
		p.Strategy = m.Strategy
		for _, c := range causeOf {
			for _, f := range m.Fallbacks[c.name] {
				if f != a.Model {
					spare(f, c.when)
				}
			}
		}
	}
	if len(p.Targets) == 0 || p.Targets[0].When != CauseFirst {
		return nil, t.notFound(a, p)
	}
	p.Targets = dedupe(p.Targets)
	sortTargets(p.Targets)
	if len(p.Targets) > maxTargets {
		p.Targets = p.Targets[:maxTargets]
	}
	first := 0
	for i := range p.Targets {
		x := &p.Targets[i]
		x.lanes = t.health.lanesOf(x.Account, x.Model)
		x.cost = usualCost(x)
		if x.When == CauseFirst {
			p.Choices += len(x.lanes)
			first++
		}
	}
	p.Aliased = p.Targets[0].Model != a.Model
	p.Trace = []string{fmt.Sprintf("found by %s: %d targets, %d of them first choices, strategy %s", p.Rule, len(p.Targets), first, cmp.Or(p.Strategy, StrategyWeighted))}
	return p, nil
}

// usualCost is what 1,000 tokens in and 1,000 out cost at x; what is not known is dear.
func usualCost(x *Target) int64 {
	c := x.Charge(&providers.Usage{Input: 1000, Output: 1000}, "dearest")
	if c.Nano == 0 && !x.Priced() {
		return math.MaxInt64
	}
	return c.Nano
}

func (t *Table) resolve(p *Plan, a Ask, name, prov string, depth int) *providers.Error {
	if depth > maxChain {
		return &providers.Error{Kind: providers.KindInvalidRequest, Param: "model", Code: "alias_loop",
			Message: fmt.Sprintf("the model mapping of %q leads in a circle: see `ai-gateway route explain %s`", a.Model, a.Model)}
	}
	if m, ok := t.Mapping(name); ok && prov == "" {
		setRule(p, "alias")
		for _, mt := range m.Targets {
			t.follow(p, a, name, m, mt, depth)
		}
		return nil
	}
	accounts, model := t.accounts, name
	if prov == "" {
		if head, tail, ok := strings.Cut(name, "/"); ok && tail != "" && t.prefixes(head, name) {
			prov, model = head, tail
		}
	}
	if prov != "" {
		acc, pr := t.named(prov)
		switch {
		case acc != nil:
			accounts = []*Account{acc}
		case pr != nil:
			accounts = slices.DeleteFunc(slices.Clone(t.accounts), func(x *Account) bool { return x.Provider != pr })
			if len(accounts) == 0 {
				return &providers.Error{Kind: providers.KindInvalidRequest, Param: "provider", Code: "no_account",
					Message: fmt.Sprintf("no account of provider %q is configured: add one with `ai-gateway providers add %s --api-key …`", pr.Name, pr.Name)}
			}
		default:
			return t.unknownProvider(prov)
		}
	}
	t.search(p, a, name, model, accounts, prov != "")
	return nil
}

// prefixes reports whether head, of a model "head/rest", names where it is to go.
// It does not if an account lists the whole as a model of its own, or if no
// account of that provider is there: other providers' names have slashes too.
func (t *Table) prefixes(head, whole string) bool {
	acc, pr := t.named(head)
	served := false
	for _, a := range t.accounts {
		if slices.ContainsFunc(a.Models, func(m store.AccountModel) bool { return m.Name == whole }) {
			return false
		}
		served = served || a.Provider == pr
	}
	return acc != nil || pr != nil && served
}

// follow adds what one target of a mapping leads to.
func (t *Table) follow(p *Plan, a Ask, alias string, m *store.Mapping, mt store.MappingTarget, depth int) {
	model := mt.Model
	if model == "" {
		model = alias
	}
	before := len(p.Targets)
	switch {
	case mt.Account != "":
		if acc, ok := t.byAccount[mt.Account]; ok {
			t.add(p, a, alias, acc, model)
		} else {
			p.Excluded = append(p.Excluded, Exclusion{Account: mt.Account, Model: model, Reason: "no such account"})
		}
	case mt.Provider != "":
		if err := t.resolve(p, a, model, mt.Provider, depth+1); err != nil {
			p.Excluded = append(p.Excluded, Exclusion{Provider: mt.Provider, Model: model, Reason: err.Message})
		}
	case model == m.Alias || model == alias:
		t.search(p, a, alias, model, t.accounts, false)
	default:
		if err := t.resolve(p, a, model, "", depth+1); err != nil {
			p.Excluded = append(p.Excluded, Exclusion{Model: model, Reason: err.Message})
		}
	}
	for i := before; i < len(p.Targets); i++ {
		if mt.Priority != 0 {
			p.Targets[i].Priority = mt.Priority
		}
		if mt.Weight != 0 {
			p.Targets[i].Weight = mt.Weight
		}
	}
}

// search adds every account of accounts that serves model, by the first rule that finds one.
// strict: the caller named the provider, so any model name may be right.
func (t *Table) search(p *Plan, a Ask, asked, model string, accounts []*Account, strict bool) {
	rules := []struct {
		name string
		fits func(acc *Account) (string, bool)
	}{
		{"account", func(acc *Account) (string, bool) { return accountModel(acc, model, false) }},
		{"catalogue", func(acc *Account) (string, bool) {
			if len(acc.Models) > 0 {
				return "", false
			}
			if _, ok := t.catalogue.Find(acc.Provider.Name, model); ok {
				return model, true
			}
			return "", false
		}},
		{"pattern", func(acc *Account) (string, bool) {
			return model, len(acc.Models) == 0 && slices.ContainsFunc(acc.Provider.Models, func(pat string) bool { return providers.MatchName(pat, model) })
		}},
		{"listed", func(acc *Account) (string, bool) {
			return model, len(acc.Models) == 0 && slices.Contains(acc.Listed, model)
		}},
		{"any", func(acc *Account) (string, bool) {
			if strict && len(acc.Models) == 0 {
				return model, true
			}
			return accountModel(acc, model, true)
		}},
	}
	before := len(p.Targets)
	for _, r := range rules {
		for _, acc := range accounts {
			if up, ok := r.fits(acc); ok {
				t.add(p, a, asked, acc, up)
			}
		}
		if len(p.Targets) > before {
			setRule(p, r.name)
			return
		}
	}
	for _, acc := range accounts {
		if !slices.ContainsFunc(p.Excluded, func(e Exclusion) bool { return e.Account == acc.Name && e.Model == model }) {
			p.Excluded = append(p.Excluded, Exclusion{Account: acc.Name, Provider: acc.Provider.Name, Model: model, Reason: "does not serve this model"})
		}
	}
}

// accountModel finds model in the account's own list; any tells whether a bare "*" counts.
func accountModel(acc *Account, model string, any bool) (string, bool) {
	for _, m := range acc.Models {
		if m.Name == "*" && !any || m.Name != "*" && any {
			continue
		}
		if m.Name == model || strings.Contains(m.Name, "*") && providers.MatchName(m.Name, model) {
			if m.Upstream != "" {
				return m.Upstream, true
			}
			return model, true
		}
	}
	return "", false
}

// add appends acc as a target, or says why it cannot serve.
func (t *Table) add(p *Plan, a Ask, asked string, acc *Account, model string) {
	exclude := func(reason string) {
		p.Excluded = append(p.Excluded, Exclusion{Account: acc.Name, Provider: acc.Provider.Name, Model: model, Reason: reason})
	}
	if !acc.Enabled {
		exclude("account is disabled: ai-gateway providers enable " + acc.Name)
		return
	}
	if len(acc.Secrets) == 0 && acc.Provider.NeedsKey() {
		exclude("account has no key: ai-gateway providers edit " + acc.Name + " --api-key …")
		return
	}
	tg := Target{Catalogue: t.catalogue, Account: acc, Model: model, Asked: asked, Base: acc.Base(), Priority: acc.Priority, Weight: max(1, acc.Weight)}
	switch a.Op {
	case providers.OpChat:
		if tg.Egress = pickEgress(acc, model, a.Dialect); tg.Egress == nil {
			exclude("provider serves no chat")
			return
		}
		tg.Base = acc.BaseFor(tg.Egress.Dialect())
	case providers.OpCountTokens, providers.OpInputTokens: // answered by the upstream where it can, else estimated
	default:
		if a.Op != "" && !slices.Contains(acc.Provider.Ops, a.Op) {
			exclude(fmt.Sprintf("provider does not serve %s", a.Op))
			return
		}
	}
	if tg.Entry = t.Entry(acc, model); tg.Entry == nil && model != asked {
		tg.Entry = t.Entry(acc, asked) // a deployment bears any name; that asked for says what it is
	}
	if !tg.Priced() {
		p := tg.Catalogue.Dearest(acc.Provider.Name)
		tg.rate = &p
	}
	p.Targets = append(p.Targets, tg)
}

// pickEgress prefers the caller's own dialect: the same format is relayed byte for
// byte. A model that is served in one dialect alone is asked in that one.
func pickEgress(acc *Account, model string, own providers.Dialect) providers.Egress {
	p, speaks := acc.Provider, acc.Speaks()
	for _, e := range speaks {
		if slices.ContainsFunc(p.Only[e.Dialect()], func(pattern string) bool { return providers.MatchName(pattern, model) }) {
			return e
		}
	}
	for _, e := range speaks {
		if e.Dialect() == own {
			return e
		}
	}
	if len(speaks) > 0 {
		return speaks[0]
	}
	return nil
}

// named finds what a caller calls by name. An account that bears its provider's
// name ("openai", the usual first one) does not hide the provider's others.
func (t *Table) named(name string) (*Account, *providers.Provider) {
	acc, pr := t.byAccount[name], t.byName[name]
	if acc != nil && acc.Provider != pr {
		return acc, nil
	}
	return nil, pr
}

func setRule(p *Plan, rule string) {
	if p.Rule == "" {
		p.Rule = rule
	}
}

func sortTargets(ts []Target) {
	slices.SortStableFunc(ts, func(a, b Target) int { return cmp.Or(a.Tier-b.Tier, a.Priority-b.Priority) })
}

func dedupe(ts []Target) []Target {
	out := ts[:0]
	for _, x := range ts {
		if !slices.ContainsFunc(out, func(y Target) bool { return y.Account == x.Account && y.Model == x.Model && y.When == x.When }) {
			out = append(out, x)
		}
	}
	return out
}
