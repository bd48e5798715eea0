package importer

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/your-org/ai-api-gateway/server/api"
)

// addAccount plans an account as this gateway takes it, and says what of it is left
// out, so that a dry run shows what an import comes to. what is the account's name in
// the source. A pool that is too large for one account becomes several.
func (p *Plan) addAccount(a api.AccountCreate, providers []api.ProviderInfo, what string) {
	a.Name = p.accountName(a.Name, a.Provider, providers)
	for h := range sorted(a.Headers) {
		if api.OwnHeader(h) {
			p.leave("the gateway sets it itself", "the header %s of %s", strings.ToLower(h), what)
			a.Headers = maps.Clone(a.Headers)
			delete(a.Headers, h)
		}
	}
	if len(a.Models) > api.MaxAccountModels {
		p.leave(fmt.Sprintf("an account has at most %d", api.MaxAccountModels), "all but %d models of %s", api.MaxAccountModels, what)
		a.Models = a.Models[:api.MaxAccountModels]
	}
	keys := a.APIKeys
	if len(keys) > api.MaxAccountKeys {
		p.note("The %d keys of %s are spread over %d accounts of at most %d.", len(keys), what, (len(keys)+api.MaxAccountKeys-1)/api.MaxAccountKeys, api.MaxAccountKeys)
	}
	for first := a.Name; ; a.Name = p.accountName(first, a.Provider, providers) {
		a.APIKeys = keys[:min(len(keys), api.MaxAccountKeys)]
		p.Accounts = append(p.Accounts, a)
		if keys = keys[len(a.APIKeys):]; len(keys) == 0 {
			return
		}
	}
}

// accountName makes of a name one that is free and names no other provider, since
// requests name accounts and providers in the same place.
func (p *Plan) accountName(wanted, provider string, providers []api.ProviderInfo) string {
	wanted = name(strings.ReplaceAll(wanted, "/", "-"), provider)
	taken := func(s string) bool {
		return slices.ContainsFunc(p.Accounts, func(a api.AccountCreate) bool { return a.Name == s }) ||
			slices.ContainsFunc(providers, func(x api.ProviderInfo) bool {
				return x.Name != provider && (x.Name == s || slices.Contains(x.Aliases, s))
			})
	}
	out := wanted
	for n := 2; taken(out); n++ {
		out = fmt.Sprintf("%s-%d", clip(wanted, 120), n)
	}
	return out
}

// setParams plans members that every request of an account has.
func (p *Plan) setParams(a *api.AccountCreate, set map[string]json.RawMessage, what string) {
	set = maps.Clone(set)
	for member := range sorted(set) {
		if api.OwnMember(member) {
			p.leave("the gateway decides it itself, since prices and limits depend on it", "the parameter override %s of %s", member, what)
			delete(set, member)
		}
	}
	if len(set) > 0 {
		a.Params, _ = json.Marshal(map[string]any{"set": set})
	}
}

// shownAddress is an address without the password that it may hold.
func shownAddress(address string) string {
	u, err := url.Parse(address)
	switch {
	case err != nil && strings.Contains(address, "@"):
		return "an address that cannot be read"
	case err == nil && (u.User != nil || u.RawQuery != ""):
		return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
	}
	return address
}
