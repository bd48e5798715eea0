package admin

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/server/api"
	"github.com/your-org/ai-api-gateway/server/routing"
	"github.com/your-org/ai-api-gateway/store"
)

// redacted stands for a value that is not shown. Given back in a patch it leaves the value as it is.
const redacted = "[redacted]"

// accountView is what the API and the audit trail show of an account. p may be
// nil for a stored account whose provider is not known any more.
func accountView(s *store.Account, p *providers.Provider, listed int) api.Account {
	v := api.Account{
		ID: s.ID, Provider: s.Provider, Name: s.Name, BaseURL: s.BaseURL, Keys: []api.KeyHint{}, Models: api.AccountModels{},
		Weight: max(1, s.Weight), Priority: s.Priority, Enabled: s.Enabled, Headers: map[string]string{}, Params: s.Params,
		Options: map[string]json.RawMessage{}, Proxy: showProxy(s.Proxy), HTTP2: s.HTTP2, Timeouts: s.Timeouts,
		Origin: s.Origin, ReadOnly: s.Origin != store.OriginDB, Listed: listed, CreatedAt: timePtr(s.CreatedAt),
	}
	if p != nil {
		v.Local = p.Local
		if v.BaseURL == "" {
			v.BaseURL = p.BaseURL
		}
	}
	v.AddressNote = addressNote(v.BaseURL)
	v.Prices = shownRates(s.Prices)
	for i, k := range s.Secrets {
		v.Keys = append(v.Keys, api.KeyHint{Hint: k.Hint, Weight: max(1, k.Weight)})
		if i == 0 {
			v.KeyHint = k.Hint
		}
	}
	for _, m := range s.Models {
		v.Models = append(v.Models, api.AccountModel{Name: m.Name, Upstream: m.Upstream})
	}
	for name, value := range s.Headers {
		if store.Secretive(name) {
			value = redacted
		}
		v.Headers[name] = value
	}
	for name, value := range s.Options {
		if store.Secretive(name) {
			value = json.RawMessage(`"` + redacted + `"`)
		}
		v.Options[name] = value
	}
	return v
}

func showProxy(s string) string {
	if u, err := url.Parse(s); err == nil && u.User != nil {
		return u.Redacted()
	}
	return s
}

func inForce(a *routing.Account) api.Account {
	return accountView(a.Account, a.Provider, len(a.Listed))
}

// stored finds the stored account of that id or name, for a change of it. One
// of file or environment is a 409, an unknown one a 404.
func (a *Admin) stored(ctx context.Context, id string) (*store.Snapshot, *store.Account, error) {
	snap, err := a.d.Store.Load(ctx)
	if err != nil {
		return nil, nil, err
	}
	for _, match := range []func(*store.Account) bool{
		func(s *store.Account) bool { return s.ID == id }, func(s *store.Account) bool { return s.Name == id },
	} {
		if i := slices.IndexFunc(snap.Accounts, match); i >= 0 {
			acc, err := a.d.Sealer.OpenAccount(snap.Accounts[i])
			return snap, acc, err
		}
	}
	if acc, ok := a.d.Table().Account(id); ok {
		return nil, nil, managed("account", acc.Name, acc.Origin)
	}
	return nil, nil, notFound("account", id, "ai-gateway providers list")
}

func managed(what, name, origin string) error {
	where := "the configuration file"
	if origin == store.OriginEnv {
		where = "an environment variable"
	}
	return conflict("managed_by_file", "%s %q comes from %s and is changed there, not over the API", what, name, where)
}

func (a *Admin) provider(name string) (*providers.Provider, error) {
	if name == "" {
		return nil, missing("provider", `"openai"`)
	}
	if p, ok := a.d.Table().Provider(strings.ToLower(name)); ok {
		return p, nil
	}
	var known []string
	for _, p := range a.d.Table().Providers() {
		known = append(known, p.Name)
	}
	e := invalid("provider", "%q is not known; there are %s", clip(name), strings.Join(known, ", "))
	e.Code = "unknown_provider"
	return nil, e
}

func (a *Admin) createAccount(c *Call) error {
	in, err := decode[api.AccountCreate](c)
	if err != nil {
		return err
	}
	p, err := a.provider(in.Provider)
	if err != nil {
		return err
	}
	s := &store.Account{
		ID: a.d.NewID(), Provider: p.Name, Name: in.Name, BaseURL: in.BaseURL, Models: storedModels(in.Models), Weight: in.Weight,
		Priority: in.Priority, Enabled: in.Enabled == nil || *in.Enabled, Headers: in.Headers, Params: in.Params, Options: in.Options,
		Proxy: in.Proxy, HTTP2: in.HTTP2, Timeouts: in.Timeouts, Prices: storedRates(in.Prices), Origin: store.OriginDB, CreatedAt: c.Now.UTC(),
	}
	if err := a.checkAccount(s, p); err != nil {
		return err
	}
	given, err := secretsOf(in.APIKey, in.APIKeys)
	if err != nil {
		return err
	}
	if len(given) == 0 && p.NeedsKey() {
		return missing("api_key", `"sk-…"`)
	}
	if s.Secrets, err = a.seal(s.ID, given); err != nil {
		return err
	}
	ctx, cancel := bounded()
	defer cancel()
	a.mu.Lock()
	defer a.mu.Unlock()
	stored, err := a.d.Sealer.SealAccount(s)
	if err != nil {
		return err
	}
	err = a.change(ctx, c, "account.create", s.ID, nil, accountView(s, p, 0), store.Change{Account: stored, Create: true})
	if err != nil {
		return nameTaken(err, s.Name)
	}
	if err := a.reload(ctx); err != nil {
		return err
	}
	return c.answer(201, accountView(s, p, 0))
}

func nameTaken(err error, name string) error {
	if errors.Is(err, store.ErrConflict) {
		e := conflict("account_exists", "an account called %q exists already: choose another account_name, or change it with `ai-gateway providers edit`", name)
		e.Param = "account_name"
		return e
	}
	return err
}

func storedModels(in api.AccountModels) []store.AccountModel {
	var out []store.AccountModel
	for _, m := range in {
		out = append(out, store.AccountModel{Name: m.Name, Upstream: m.Upstream})
	}
	return out
}

// seal makes the secrets fit to be stored.
func (a *Admin) seal(id string, given []api.AccountKey) ([]store.Secret, error) {
	var out []store.Secret
	for n, k := range given {
		plain := store.NewSecret(k.Key)
		sealed, err := a.d.Sealer.Seal(plain, store.SecretAAD(id, n))
		if err != nil {
			return nil, err
		}
		out = append(out, store.Secret{Sealed: sealed, Hint: plain.Hint(), Weight: k.Weight})
	}
	return out, nil
}

func (a *Admin) listAccounts(c *Call) error {
	get, err := c.params("limit", "cursor", "q", "provider", "origin")
	if err != nil {
		return err
	}
	limit, err := limitOf(get("limit"))
	if err != nil {
		return err
	}
	q, all, lanes := strings.ToLower(get("q")), []api.Account{}, a.lanes(c.Now)
	for _, acc := range a.d.Table().Accounts() {
		if q != "" && !strings.Contains(strings.ToLower(acc.Name), q) || get("provider") != "" && acc.Provider.Name != get("provider") ||
			get("origin") != "" && acc.Origin != get("origin") {
			continue
		}
		v := inForce(acc)
		v.Health = healthOf(lanes[v.Name])
		all = append(all, v)
	}
	byName := func(v api.Account) string { return v.Name }
	slices.SortFunc(all, func(x, y api.Account) int { return strings.Compare(x.Name, y.Name) })
	data, next, err := page("accounts", all, limit, get("cursor"), byName)
	if err != nil {
		return err
	}
	return c.answer(200, api.AccountsReply{Data: data, NextCursor: next})
}

func (a *Admin) account(c *Call) (*routing.Account, error) {
	id := c.Params["id"]
	if acc, ok := a.d.Table().Account(id); ok {
		return acc, nil
	}
	return nil, notFound("account", id, "ai-gateway providers list")
}

func (a *Admin) showAccount(c *Call) error {
	acc, err := a.account(c)
	if err != nil {
		return err
	}
	return c.answer(200, a.withHealth(inForce(acc), c.Now))
}

func (a *Admin) updateAccount(c *Call) error {
	in, err := decode[api.AccountPatch](c)
	if err != nil {
		return err
	}
	ctx, cancel := bounded()
	defer cancel()
	a.mu.Lock()
	defer a.mu.Unlock()
	snap, old, err := a.stored(ctx, c.Params["id"])
	if err != nil {
		return err
	}
	p, err := a.provider(old.Provider)
	if err != nil {
		return err
	}
	s := *old
	patchAccount(&s, in, old)
	if err := a.checkAccount(&s, p); err != nil {
		return err
	}
	if s.Name != old.Name {
		if err := a.unmapped(snap, old, "renamed"); err != nil {
			return err
		}
	}
	if err := a.patchSecrets(&s, p, in); err != nil {
		return err
	}
	before, after := accountView(old, p, 0), accountView(&s, p, 0)
	stored, err := a.d.Sealer.SealAccount(&s)
	if err != nil {
		return err
	}
	if err := a.change(ctx, c, "account.update", s.ID, before, after, store.Change{Account: stored, IfRev: snap.Rev}); err != nil {
		return nameTaken(err, s.Name)
	}
	if err := a.reload(ctx); err != nil {
		return err
	}
	if acc, ok := a.d.Table().Account(s.ID); ok {
		after = inForce(acc)
	}
	return c.answer(200, after)
}

func patchAccount(s *store.Account, in *api.AccountPatch, old *store.Account) {
	set(&s.Name, in.Name)
	set(&s.BaseURL, in.BaseURL)
	if in.Models != nil {
		s.Models = storedModels(*in.Models)
	}
	set(&s.Weight, in.Weight)
	set(&s.Priority, in.Priority)
	set(&s.Enabled, in.Enabled)
	set(&s.Headers, in.Headers)
	set(&s.Params, in.Params)
	set(&s.Options, in.Options)
	set(&s.HTTP2, in.HTTP2)
	set(&s.Timeouts, in.Timeouts)
	if in.Prices != nil {
		s.Prices = storedRates(*in.Prices)
	}
	if in.Proxy != nil && *in.Proxy != showProxy(old.Proxy) {
		s.Proxy = *in.Proxy
	}
	for name, v := range s.Headers {
		if was, ok := old.Headers[name]; ok && v == redacted {
			s.Headers[name] = was
		}
	}
	for name, v := range s.Options {
		if was, ok := old.Options[name]; ok && string(v) == `"`+redacted+`"` {
			s.Options[name] = was
		}
	}
}

func (a *Admin) patchSecrets(s *store.Account, p *providers.Provider, in *api.AccountPatch) error {
	if in.APIKey == nil && in.APIKeys == nil {
		return nil
	}
	var one string
	var many []api.AccountKey
	set(&one, in.APIKey)
	set(&many, in.APIKeys)
	given, err := secretsOf(one, many)
	if err != nil {
		return err
	}
	if len(given) == 0 && p.NeedsKey() {
		return missing("api_key", `"sk-…"`)
	}
	s.Secrets, err = a.seal(s.ID, given)
	return err
}

// unmapped refuses what would leave a mapping pointing at nothing.
func (a *Admin) unmapped(snap *store.Snapshot, s *store.Account, doing string) error {
	var users []string
	for _, m := range a.mappings(snap) {
		if slices.ContainsFunc(m.Targets, func(t store.MappingTarget) bool { return t.Account != "" && (t.Account == s.Name || t.Account == s.ID) }) {
			users = append(users, m.Alias)
		}
	}
	if len(users) == 0 {
		return nil
	}
	return conflict("account_in_use", "account %q cannot be %s while model mappings lead to it: change %s first (`ai-gateway route list`)", s.Name, doing, clip(strings.Join(users, ", ")))
}

func (a *Admin) deleteAccount(c *Call) error {
	ctx, cancel := bounded()
	defer cancel()
	a.mu.Lock()
	defer a.mu.Unlock()
	snap, s, err := a.stored(ctx, c.Params["id"])
	if err != nil {
		return err
	}
	if err := a.unmapped(snap, s, "deleted"); err != nil {
		return err
	}
	p, _ := a.d.Table().Provider(s.Provider)
	err = a.change(ctx, c, "account.delete", s.ID, accountView(s, p, 0), nil,
		store.Change{Delete: &store.Ref{Kind: store.KindAccount, ID: s.ID}, IfRev: snap.Rev})
	if err != nil {
		return err
	}
	if err := a.reload(ctx); err != nil {
		return err
	}
	return c.answer(200, api.Deleted{ID: s.ID, Deleted: true})
}

// testTimeout bounds a test call.
const testTimeout = 60 * time.Second

func (a *Admin) testAccount(c *Call) error {
	in, err := decodeOptional[api.TestAsk](c)
	if err != nil {
		return err
	}
	if !printable(in.Model, 256) {
		return invalid("model", "must be at most 256 printable characters")
	}
	acc, err := a.account(c)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
	defer cancel()
	res := a.d.Test(ctx, acc, in.Model)
	res.Error = acc.Scrub(res.Error) // vendors repeat keys in what they say
	if res.Note == "" {
		res.Note = addressNote(acc.Base())
	}
	return c.answer(200, res)
}
