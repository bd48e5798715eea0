package admin

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/your-org/ai-api-gateway/server/api"
	"github.com/your-org/ai-api-gateway/store"
)

// Bounds of sums over rows: of groups whose values callers make up. The groups that
// cost most are told, the rest is one more called "other".
const (
	topGroups  = 100
	mostGroups = 20_000 // kept while rows are read
	otherGroup = "other"
)

// byRows reports whether a grouping is one that only rows know.
func byRows(name string) bool {
	return name == "end_user" || name == "owner" || strings.HasPrefix(name, "metadata.")
}

// groupable reports whether usage can be grouped by name.
func groupable(name string) bool {
	k, ok := strings.CutPrefix(name, "metadata.")
	return slices.Contains(api.GroupNames, name) || ok && k != "" && len(k) <= 64
}

// rowSums are groups on their way.
type rowSums struct {
	by                []string
	zone              *time.Location
	provider, account string // of the attempts wanted; "": all
	groups            map[string]*api.UsageGroup
}

// usageByRows sums rows, at most store.ScanLimit a call; the answer is then partial
// and its cursor leads on.
func (a *Admin) usageByRows(ctx context.Context, q store.TotalsQuery, cursor string, reply *api.UsageReply) error {
	if err := a.d.Sync(ctx); err != nil {
		return err
	}
	s := rowSums{by: q.GroupBy, zone: q.Zone, provider: q.Provider, account: q.Account, groups: map[string]*api.UsageGroup{}}
	// Provider and account are of attempts: rows that went elsewhere in the end have some.
	ask := store.UsageQuery{Since: q.Since, Until: q.Until, KeyID: q.KeyID, Model: q.Model, Limit: 1000, Cursor: cursor}
	for read := 0; ; {
		page, err := a.d.Store.Usage(ctx, ask)
		if err != nil {
			return err
		}
		for i := range page.Rows {
			s.add(&page.Rows[i])
		}
		read += len(page.Rows)
		if ask.Cursor = page.Next; ask.Cursor == "" {
			break
		}
		if page.Partial || read >= store.ScanLimit {
			reply.Partial, reply.NextCursor = true, page.Next
			break
		}
	}
	for _, g := range s.top() {
		if reply.Key != "" {
			g.CostUSD = g.ChargedUSD
		}
		add(&reply.Total, &g.UsageSums)
		reply.Data = append(reply.Data, g)
	}
	slices.SortStableFunc(reply.Data, byTimeThenCost)
	return nil
}

func (s *rowSums) add(row *store.UsageRow) {
	row.Shares(func(x store.Share) {
		if (s.provider == "" || s.provider == x.Provider) && (s.account == "" || s.account == x.Account) {
			s.addShare(row, &x)
		}
	})
}

func (s *rowSums) addShare(row *store.UsageRow, x *store.Share) {
	values := make([]string, len(s.by))
	for i, name := range s.by {
		values[i] = s.value(row, x, name)
	}
	name := strings.Join(values, "\x00")
	g := s.groups[name]
	if g == nil && len(s.groups) >= mostGroups {
		for i, by := range s.by {
			if byRows(by) {
				values[i] = otherGroup
			}
		}
		name = strings.Join(values, "\x00")
		g = s.groups[name]
	}
	if g == nil {
		g = &api.UsageGroup{Group: map[string]string{}}
		for i, by := range s.by {
			if g.Group[by] = values[i]; by == "key" {
				g.KeyName = row.KeyName
			}
		}
		s.groups[name] = g
	}
	sums := sumsOf(&x.Sum)
	add(&g.UsageSums, &sums)
}

func (s *rowSums) value(row *store.UsageRow, x *store.Share, by string) string {
	switch by {
	case "end_user":
		return row.EndUser
	case "owner":
		return row.Metadata["owner"]
	case "model":
		return row.Model
	case "key":
		return row.KeyID
	case "provider":
		return x.Provider
	case "account":
		return x.Account
	case "group":
		return row.Group
	case "end_reason":
		return row.EndReason
	case "day":
		return row.Time.In(s.zone).Format(time.DateOnly)
	case "hour":
		return row.Time.In(s.zone).Format("2006-01-02T15:00:00Z07:00")
	}
	return row.Metadata[strings.TrimPrefix(by, "metadata.")]
}

// top returns the groups that cost most, and one of all others.
func (s *rowSums) top() []api.UsageGroup {
	all := make([]api.UsageGroup, 0, len(s.groups))
	for _, g := range s.groups {
		all = append(all, *g)
	}
	slices.SortFunc(all, func(x, y api.UsageGroup) int {
		return cmp.Or(cmp.Compare(y.CostUSD, x.CostUSD), cmp.Compare(y.Requests, x.Requests), strings.Compare(joined(x.Group, s.by), joined(y.Group, s.by)))
	})
	if len(all) <= topGroups {
		return all
	}
	rest := api.UsageGroup{Group: map[string]string{}}
	for _, by := range s.by {
		rest.Group[by] = otherGroup
	}
	for i := topGroups; i < len(all); i++ {
		add(&rest.UsageSums, &all[i].UsageSums)
	}
	return append(all[:topGroups], rest)
}

func joined(g map[string]string, by []string) string {
	values := make([]string, len(by))
	for i, name := range by {
		values[i] = g[name]
	}
	return strings.Join(values, "\x00")
}
