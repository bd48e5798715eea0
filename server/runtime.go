package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/server/limits"
	"github.com/your-org/ai-api-gateway/server/routing"
	"github.com/your-org/ai-api-gateway/server/upstream"
	"github.com/your-org/ai-api-gateway/store"
)

// listEvery is how often the models that upstreams list are read anew.
const listEvery = time.Hour

// A Runtime keeps the routing table in step with the configuration: what the
// store holds, what file and environment give, and what upstreams list.
type Runtime struct {
	Store     store.Store
	Sealer    *store.Sealer
	Upstream  *upstream.Client
	Providers []*providers.Provider
	Catalogue routing.Catalogue
	Health    *routing.Health // of the targets, over all tables
	// Priced returns the catalogue with the operator's prices before its own; nil: there are none.
	Priced func(prices []providers.Model) routing.Catalogue
	// Accounts, Mappings, Policies and BaseURLs are those of file and environment; Configure changes them.
	Accounts []*store.Account
	Mappings []*store.Mapping
	Policies []*store.Policy   // of the file
	BaseURLs map[string]string // by provider name
	Limits   *limits.Limiter   // nil: nothing is limited
	Log      *slog.Logger
	Now      func() time.Time
	Swap     func(*routing.Table) // puts a new table in force
	Table    func() *routing.Table

	reloads sync.Mutex // one at a time, so that no older state follows a newer one

	mu       sync.Mutex
	rev      uint64 // of the configuration in force
	inForce  []*store.Mapping
	policies []*store.Policy
	listed   map[string]listing // by account id
	kick     chan struct{}
}

type listing struct {
	models []string
	at     time.Time
}

// Reload reads the configuration and swaps a new table in. On an error the old
// one stays.
func (r *Runtime) Reload(ctx context.Context) error {
	r.reloads.Lock()
	defer r.reloads.Unlock()
	snap, err := r.Store.Load(ctx)
	if err != nil {
		return fmt.Errorf("cannot load the configuration: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	src := routing.Source{Providers: r.Providers, Catalogue: r.Catalogue, Health: r.Health}
	if r.Priced != nil {
		prices, err := ownPrices(snap)
		if err != nil {
			return err
		}
		src.Catalogue = r.Priced(prices)
	}
	names := map[string]bool{}
	// The store wins over file and environment where names are equal (decision 35).
	for _, a := range slices.Concat(snap.Accounts, r.Accounts) {
		if names[a.Name] {
			continue
		}
		acc, err := r.open(a)
		if err != nil {
			return err
		}
		names[a.Name] = true
		src.Accounts = append(src.Accounts, acc)
	}
	aliases := map[string]bool{}
	for _, m := range slices.Concat(snap.Mappings, r.Mappings) {
		if !aliases[m.Alias] {
			aliases[m.Alias] = true
			src.Mappings = append(src.Mappings, m)
		}
	}
	t, err := routing.Build(src)
	if err != nil {
		return err
	}
	r.inForce = src.Mappings
	r.Swap(t)
	if err := r.limit(ctx, snap.Policies); err != nil {
		return err
	}
	r.rev = snap.Rev
	if r.kick != nil {
		select {
		case r.kick <- struct{}{}:
		default:
		}
	}
	return nil
}

// Configure puts other accounts, mappings, policies and base URLs of file and environment into
// force. On an error those before stay.
func (r *Runtime) Configure(ctx context.Context, accounts []*store.Account, mappings []*store.Mapping, policies []*store.Policy, baseURLs map[string]string) error {
	r.mu.Lock()
	oldAccounts, oldMappings, oldPolicies, oldURLs := r.Accounts, r.Mappings, r.Policies, r.BaseURLs
	r.Accounts, r.Mappings, r.Policies, r.BaseURLs = accounts, mappings, policies, baseURLs
	r.mu.Unlock()
	err := r.Reload(ctx)
	if err != nil {
		r.mu.Lock()
		r.Accounts, r.Mappings, r.Policies, r.BaseURLs = oldAccounts, oldMappings, oldPolicies, oldURLs
		r.mu.Unlock()
	}
	return err
}

// ownPrices returns the catalogue rows that the operator's prices make.
func ownPrices(snap *store.Snapshot) ([]providers.Model, error) {
	rows, err := store.DecodePrices(snap.Meta[store.MetaPrices])
	if err != nil {
		return nil, err
	}
	models := make([]providers.Model, len(rows))
	for i := range rows {
		if models[i], err = routing.Model(&rows[i]); err != nil {
			return nil, err
		}
	}
	return models, nil
}

// limit puts the quota policies of the store and of the file in force.
func (r *Runtime) limit(ctx context.Context, stored []*store.Policy) error {
	names := map[string]bool{}
	var all []*store.Policy
	for _, p := range slices.Concat(stored, r.Policies) {
		if !names[p.Name] {
			names[p.Name] = true
			all = append(all, p)
		}
	}
	r.policies = all
	if r.Limits == nil {
		return nil
	}
	return r.Limits.Set(ctx, all)
}

// Revision returns that of the stored configuration that is in force; a store that is
// away may have given an older one than it holds.
func (r *Runtime) Revision() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.rev
}

// PoliciesInForce returns the quota policies in force, those of the file included.
func (r *Runtime) PoliciesInForce() []*store.Policy {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.policies
}

// InForce returns the mappings in force, those of the file included.
func (r *Runtime) InForce() []*store.Mapping {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.inForce
}

// open makes a stored account ready: provider found, base URL in force, secrets opened.
func (r *Runtime) open(a *store.Account) (*routing.Account, error) {
	i := slices.IndexFunc(r.Providers, func(p *providers.Provider) bool {
		return p.Name == a.Provider || slices.Contains(p.Aliases, a.Provider)
	})
	if i < 0 {
		return nil, fmt.Errorf("account %q: unknown provider %q", a.Name, a.Provider)
	}
	a, err := r.Sealer.OpenAccount(a)
	if err != nil {
		return nil, err
	}
	out := &routing.Account{Account: a, Provider: r.Providers[i], Listed: r.listed[a.ID].models, Private: a.Hidden()}
	if a.BaseURL == "" && r.BaseURLs[out.Provider.Name] != "" {
		c := *a
		c.BaseURL = r.BaseURLs[out.Provider.Name]
		out.Account = &c
	}
	for n, s := range a.Secrets {
		if !s.Plain.Empty() {
			out.Secrets = append(out.Secrets, s.Plain)
			continue
		}
		if len(s.Sealed) == 0 {
			continue
		}
		plain, err := r.Sealer.Open(s.Sealed, store.SecretAAD(a.ID, n))
		if err != nil {
			return nil, fmt.Errorf("account %q: cannot open its key: %w", a.Name, err)
		}
		out.Secrets = append(out.Secrets, plain)
	}
	return out, nil
}

// Watch reads what upstreams list: for new accounts at once, for all every hour.
// It returns when ctx ends. It never spends money: listing models is free.
func (r *Runtime) Watch(ctx context.Context) {
	r.mu.Lock()
	r.kick = make(chan struct{}, 1)
	kick := r.kick
	r.mu.Unlock()
	for {
		changed := false
		for _, a := range r.Table().Accounts() {
			if ctx.Err() != nil {
				return
			}
			changed = r.list(ctx, a) || changed
		}
		if changed {
			if err := r.Reload(ctx); err != nil && ctx.Err() == nil {
				r.Log.Error("cannot reload", "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-kick:
		case <-time.After(listEvery / 4):
		}
	}
}

// Refresh reads what the upstream of a lists now, and routes by it.
func (r *Runtime) Refresh(ctx context.Context, a *routing.Account) ([]string, error) {
	models, err := r.RefreshModels(ctx, a)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	r.remember(a.ID, models)
	r.mu.Unlock()
	return models, r.Reload(ctx)
}

// remember keeps a listing; r.mu is held.
func (r *Runtime) remember(account string, models []string) {
	if r.listed == nil {
		r.listed = map[string]listing{}
	}
	r.listed[account] = listing{models, r.Now()}
}

// list reads the models of one account if what is known of it is old; it
// reports whether the table must be built anew.
func (r *Runtime) list(ctx context.Context, a *routing.Account) bool {
	r.mu.Lock()
	last, known := r.listed[a.ID]
	r.mu.Unlock()
	if !a.Enabled || len(a.Models) > 0 || len(a.Secrets) == 0 && a.Provider.NeedsKey() || known && r.Now().Sub(last.at) < listEvery {
		return false
	}
	models, err := r.RefreshModels(ctx, a)
	if err != nil {
		r.Log.Debug("cannot list models", "account", a.Name, "error", err)
		models = last.models
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.remember(a.ID, models)
	return !slices.Equal(models, last.models)
}

var errNoListing = errors.New("the provider has no listing of models")
