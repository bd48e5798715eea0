package routing

import (
	"slices"
	"strings"
)

// A ModelInfo is one model that callers may ask for.
type ModelInfo struct {
	ID        string
	OwnedBy   string // the provider it leads to; "ai-gateway" for an alias
	Alias     bool
	Context   int64 // tokens; 0: not known
	MaxOutput int64
}

// Models lists what callers may ask for, aliases first, then by name: exact
// aliases, models the accounts name, and for accounts without a list of their
// own what the upstream lists, or else what the catalogue knows of the provider.
func (t *Table) Models(allow func(string) bool) []ModelInfo {
	var out []ModelInfo
	seen := map[string]bool{}
	add := func(m ModelInfo) {
		if seen[m.ID] || strings.Contains(m.ID, "*") || allow != nil && !allow(m.ID) {
			return
		}
		seen[m.ID] = true
		out = append(out, m)
	}
	for _, alias := range sortedKeys(t.aliases) {
		add(ModelInfo{ID: alias, OwnedBy: "ai-gateway", Alias: true})
	}
	aliases := len(out)
	for _, a := range t.accounts {
		if !a.Enabled || len(a.Secrets) == 0 && a.Provider.NeedsKey() {
			continue
		}
		for _, id := range t.served(a) {
			info := ModelInfo{ID: id, OwnedBy: a.Provider.Name}
			if e, ok := t.catalogue.Find(a.Provider.Name, id); ok {
				info.Context, info.MaxOutput = e.Context, e.MaxOutput
			}
			add(info)
		}
	}
	slices.SortStableFunc(out[aliases:], func(a, b ModelInfo) int { return strings.Compare(a.ID, b.ID) })
	return out
}

// served returns the names of the models that a serves.
func (t *Table) served(a *Account) []string {
	var out []string
	for _, m := range a.Models {
		out = append(out, m.Name)
	}
	if len(out) > 0 {
		return out
	}
	if len(a.Listed) > 0 {
		return a.Listed
	}
	return t.catalogue.Known(a.Provider.Name)
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
