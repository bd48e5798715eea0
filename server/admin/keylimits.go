package admin

import (
	"time"

	"github.com/your-org/ai-api-gateway/server/api"
	"github.com/your-org/ai-api-gateway/server/limits"
	"github.com/your-org/ai-api-gateway/store"
)

// addLimits tells of each key on a page how far the limits that hold for it are
// used, and what it used in the last 24 hours.
func (a *Admin) addLimits(keys []api.Key, now time.Time) error {
	ctx, cancel := bounded()
	defer cancel()
	q := store.TotalsQuery{Since: now.Add(-24 * time.Hour).UTC(), Until: now.UTC(), GroupBy: []string{"key"}, Apart: make([]string, len(keys))}
	for i := range keys {
		q.Apart[i] = keys[i].ID
	}
	totals, err := a.totals(ctx, q)
	if err != nil {
		return err
	}
	used := make(map[string]api.UsageSums, len(totals))
	for i := range totals {
		used[totals[i].Group["key"]] = sumsOf(&totals[i])
	}
	of := map[string][]limits.State{} // by key and group; "" those of all
	if a.d.Limiter != nil {
		wanted := map[string]bool{}
		for i := range keys {
			wanted["key "+keys[i].ID], wanted["group "+keys[i].Group] = true, true
		}
		for _, s := range a.d.Limiter.States(func(p *store.Policy) bool {
			return p.Scope.Account == "" && (scopeName(p) == "" || wanted[scopeName(p)])
		}, now) {
			of[scopeName(s.Policy)] = append(of[scopeName(s.Policy)], s)
		}
	}
	for i := range keys {
		k, sums, list := &keys[i], used[keys[i].ID], []api.Limit{}
		for _, name := range []string{"key " + k.ID, "group " + k.Group, ""} {
			for _, s := range of[name] {
				list = append(list, limitView(&s))
			}
		}
		k.Limits, k.Used = &list, &sums
	}
	return nil
}

// scopeName says which keys a policy is for; "": all.
func scopeName(p *store.Policy) string {
	switch {
	case p.Scope.APIKey != "":
		return "key " + p.Scope.APIKey
	case p.Scope.Group != "":
		return "group " + p.Scope.Group
	}
	return ""
}
