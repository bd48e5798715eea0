// Package routing finds, for a model name, the ordered targets that may serve
// it, and says why. A Table is immutable; a new one is built at each change of
// configuration and swapped in whole.
package routing

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/store"
)

// An Account is a provider account ready for use: its provider resolved, its secrets open.
type Account struct {
	*store.Account
	Provider *providers.Provider
	Secrets  []store.SecretString
	// Private are values besides the keys that must not be told.
	Private []store.SecretString
	// Listed are the models the upstream itself lists (GET /models); nil: not read yet.
	Listed []string

	signed  sync.Once
	bearers []store.SecretString // by key, see Bearer
}

// Bearer returns the Authorization that providers.DefaultSign gives calls with the n-th
// key; "" where it gives none, or an error. It is made once: no key of an account in use
// changes.
func (a *Account) Bearer(n int) string {
	a.signed.Do(a.sign)
	if n >= len(a.bearers) {
		return ""
	}
	return a.bearers[n].Reveal()
}

func (a *Account) sign() {
	a.bearers = make([]store.SecretString, len(a.Secrets))
	for i, s := range a.Secrets {
		c := providers.Call{Secret: s.Reveal()}
		if err := providers.DefaultSign(&c); err == nil && len(c.Header) > 0 {
			a.bearers[i] = store.NewSecret(c.Header[0].Value)
		}
	}
}

// Scrub removes the account's secrets from a message.
func (a *Account) Scrub(msg string) string {
	for _, list := range [...][]store.SecretString{a.Secrets, a.Private} {
		for _, s := range list {
			msg = s.Scrub(msg)
		}
	}
	return msg
}

// Leaks reports whether text holds one of the account's secrets.
func (a *Account) Leaks(text string) bool { return a.Scrub(text) != text }

// Base returns the base URL in use, without a trailing slash.
func (a *Account) Base() string {
	return strings.TrimRight(cmp.Or(a.BaseURL, a.Provider.BaseURL), "/")
}

// BaseFor returns the base URL of calls in a dialect, without a trailing slash; ""
// where the account does not speak it.
func (a *Account) BaseFor(d providers.Dialect) string {
	own, base := a.Provider.Bases[d], a.Base()
	if own == "" {
		for _, other := range a.Provider.Bases {
			if base == other { // the account leads to another dialect's endpoint
				return ""
			}
		}
		return base
	}
	option := (&providers.Call{Options: a.Options}).Option(string(d)+"_base_url", "")
	switch {
	case option != "":
		return strings.TrimRight(option, "/")
	case base == own, base == strings.TrimRight(a.Provider.BaseURL, "/"):
		return own
	}
	return ""
}

// Speaks returns the dialects of the account, the best first.
func (a *Account) Speaks() []providers.Egress {
	if len(a.Provider.Bases) == 0 {
		return a.Provider.Speaks
	}
	return slices.DeleteFunc(slices.Clone(a.Provider.Speaks), func(e providers.Egress) bool { return a.BaseFor(e.Dialect()) == "" })
}

// Catalogue answers what is known of models. *catalog.Catalogue is one; tests bring small ones.
type Catalogue interface {
	Find(provider, model string) (*providers.Model, bool)
	Providers(model string) []string
	Dearest(provider string) providers.Price
	// Known returns the names of the models of a provider.
	Known(provider string) []string
	Version() string
}

// Source is what a Table is built from.
type Source struct {
	Providers []*providers.Provider
	Catalogue Catalogue
	Accounts  []*Account
	Mappings  []*store.Mapping
	// Health outlives the table. nil: one of its own.
	Health *Health
}

// A Table is one immutable state of routing. Its methods are safe for concurrent use.
type Table struct {
	providers []*providers.Provider
	byName    map[string]*providers.Provider // names and aliases
	catalogue Catalogue
	accounts  []*Account
	byAccount map[string]*Account // by name and id
	aliases   map[string]*store.Mapping
	wild      []*store.Mapping // aliases with '*', longest first
	prices    map[*Account][]accountPrice
	health    *Health

	mu    sync.RWMutex
	plans map[string][]planned // searches done before, by model; a table never changes, so neither do they
	kept  int                  // how many there are
}

// A planned is a search done before.
type planned struct {
	asked
	plan *Plan
}

// asked is what a plan of a model depends on; allow lists are checked apart.
type asked struct {
	op       providers.Op
	dialect  providers.Dialect
	provider string
	// fallbacks are the request's own, joined by NUL.
	fallbacks string
}

// Bounds of the plans kept: names come from callers, and so do their own fallbacks.
const (
	maxPlans        = 4096
	maxPlansOfModel = 64
)

// Build checks src and makes a table of it. Its error names the record at fault.
func Build(src Source) (*Table, error) {
	t := &Table{
		providers: src.Providers, catalogue: src.Catalogue, accounts: src.Accounts,
		health: src.Health,
		byName: map[string]*providers.Provider{}, byAccount: map[string]*Account{}, aliases: map[string]*store.Mapping{}, plans: map[string][]planned{}, prices: map[*Account][]accountPrice{},
	}
	if t.health == nil {
		t.health = NewHealth(HealthOptions{})
	}
	for _, p := range src.Providers {
		t.byName[p.Name] = p
		for _, a := range p.Aliases {
			t.byName[a] = p
		}
	}
	for _, a := range src.Accounts {
		if a.Provider == nil {
			return nil, fmt.Errorf("account %q: unknown provider %q", a.Name, a.Account.Provider)
		}
		if a.Base() == "" {
			return nil, fmt.Errorf("account %q: provider %q needs a base_url", a.Name, a.Provider.Name)
		}
		prices, err := accountPrices(a.Prices)
		if err != nil {
			return nil, fmt.Errorf("account %q: %w", a.Name, err)
		}
		if len(prices) > 0 {
			t.prices[a] = prices
		}
		t.byAccount[a.Name] = a
		if a.ID != "" {
			t.byAccount[a.ID] = a
		}
	}
	for _, m := range src.Mappings {
		if strings.Contains(m.Alias, "*") {
			t.wild = append(t.wild, m)
		} else {
			t.aliases[m.Alias] = m
		}
	}
	slices.SortStableFunc(t.wild, func(a, b *store.Mapping) int { return len(b.Alias) - len(a.Alias) })
	return t, nil
}

// Provider returns the provider of that name or alias.
func (t *Table) Provider(name string) (*providers.Provider, bool) {
	p, ok := t.byName[name]
	return p, ok
}

// Providers returns all providers that accounts may use.
func (t *Table) Providers() []*providers.Provider { return t.providers }

// Accounts returns all accounts, in the order they were given. The slice must not be changed.
func (t *Table) Accounts() []*Account { return t.accounts }

// Account returns the account of that name or id.
func (t *Table) Account(nameOrID string) (*Account, bool) {
	a, ok := t.byAccount[nameOrID]
	return a, ok
}

// Upstream returns the name that an account's upstream knows a model by which
// callers ask for; "" if the account does not serve it.
func (t *Table) Upstream(model, account string) string {
	p, err := t.Plan(Ask{Model: model})
	if err != nil {
		return ""
	}
	for i := range p.Targets {
		if p.Targets[i].Account.Name == account {
			return p.Targets[i].Model
		}
	}
	return ""
}

// Health returns how the targets fare.
func (t *Table) Health() *Health { return t.health }

// Catalogue returns what is known of models.
func (t *Table) Catalogue() Catalogue { return t.catalogue }

// Mapping returns the mapping whose alias is, or whose pattern fits, the name.
func (t *Table) Mapping(name string) (*store.Mapping, bool) {
	if m, ok := t.aliases[name]; ok {
		return m, true
	}
	for _, m := range t.wild {
		if providers.MatchName(m.Alias, name) {
			return m, true
		}
	}
	return nil, false
}
