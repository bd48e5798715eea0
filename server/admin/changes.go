package admin

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/your-org/ai-api-gateway/server/api"
	"github.com/your-org/ai-api-gateway/server/limits"
	"github.com/your-org/ai-api-gateway/server/routing"
	"github.com/your-org/ai-api-gateway/store"
)

// Bounds of what an overview tells.
const (
	shownBudgets = 8
	shownChanges = 20
	expiresSoon  = 7 * 24 * time.Hour
)

// budgets are the limits of cost and tokens that are used most.
func (a *Admin) budgets(now time.Time) []api.OverviewBudget {
	out := []api.OverviewBudget{}
	if a.d.Limiter == nil {
		return out
	}
	for _, s := range a.d.Limiter.States(func(*store.Policy) bool { return true }, now) {
		if s.Limit.Kind != store.LimitCost && s.Limit.Kind != store.LimitTokens || s.Limit.Window == store.WindowMinute || s.Limit.Limit <= 0 {
			continue
		}
		out = append(out, budgetView(&s, now))
	}
	slices.SortStableFunc(out, func(x, y api.OverviewBudget) int {
		return cmp.Or(cmp.Compare(y.Percent, x.Percent), cmp.Compare(x.Policy, y.Policy), cmp.Compare(x.Window, y.Window))
	})
	return out[:min(len(out), shownBudgets)]
}

// budgetView tells how far a budget is used, and where it leads at the pace so far.
func budgetView(s *limits.State, now time.Time) api.OverviewBudget {
	percent := func(n float64) float64 { return math.Round(n/float64(s.Limit.Limit)*1000) / 10 }
	used := float64(s.Used) + float64(s.Reserved)
	v := api.OverviewBudget{Limit: limitView(s), Since: timePtr(s.Since), Percent: percent(used)}
	past, whole := now.Sub(s.Since), s.Resets.Sub(s.Since)
	if s.Since.IsZero() || s.Resets.IsZero() || past < whole/100 { // too early to say
		return v
	}
	comes := percent(used / float64(past) * float64(whole))
	v.ProjectedPercent = &comes
	if left := float64(s.Limit.Limit) - used; left > 0 && used > 0 {
		if at := now.Add(time.Duration(min(left/used, 1e3) * float64(past))); at.Before(s.Resets) {
			v.ExhaustedAt = timePtr(at.Truncate(time.Second))
		}
	}
	return v
}

// newError tells of an end of requests that the time before did not have.
func (o *overview) newError(g *api.OverviewGroup) {
	at := o.q.Since
	for i := len(g.Errors) - 1; i >= 0; i-- {
		if g.Errors[i] > 0 {
			at = o.reply.Times[i]
			break
		}
	}
	o.reply.Changes = append(o.reply.Changes, api.OverviewChange{Time: at.UTC(), Kind: api.ChangeNewError, Severity: "bad", Object: g.Name,
		Text: fmt.Sprintf("%d requests ended as %s; none did in the time before", g.Total.Errors, g.Name)})
}

// changes tells what is not as it was: what people changed, targets that are held
// back, limits that are nearly used, keys that end soon.
func (o *overview) changes(ctx context.Context) error {
	a, add := o.a, func(c api.OverviewChange) { o.reply.Changes = append(o.reply.Changes, c) }
	rows, err := a.d.Store.Audit(ctx, shownChanges, "")
	if err != nil {
		return err
	}
	for _, r := range rows {
		if !r.Time.Before(o.q.Since) && !r.Time.After(o.q.Until) {
			add(api.OverviewChange{Time: r.Time.UTC(), Kind: api.ChangeEdit, Severity: "info", Object: r.Object, ObjectID: r.Object,
				Text: r.Action + " by " + a.actorName(r.Actor)})
		}
	}
	for _, l := range a.d.Table().Health().States(o.now) {
		if rank[l.State] < rank[routing.StateCooling] {
			continue
		}
		severity := "warn"
		if l.State != routing.StateCooling {
			severity = "bad"
		}
		text := fmt.Sprintf("model %s is %s", l.Model, l.State)
		if l.LastError != "" {
			text += ": " + l.LastError
		}
		add(api.OverviewChange{Time: cmpTime(l.LastFailed, o.now), Kind: api.ChangeBreaker, Severity: severity, Object: l.Account, Text: text})
	}
	if a.d.Limiter != nil {
		for _, e := range a.d.Limiter.Events() {
			if !e.At.Before(o.q.Since) {
				add(api.OverviewChange{Time: e.At.UTC(), Kind: api.ChangeQuota, Severity: "warn", Object: e.Policy,
					Text: fmt.Sprintf("%d %% of its %s of a %s is used by %s", e.Percent, e.Limit.Kind, e.Limit.Window, e.Scope.String())})
			}
		}
	}
	o.expiries()
	slices.SortStableFunc(o.reply.Changes, func(x, y api.OverviewChange) int { return y.Time.Compare(x.Time) })
	o.reply.Changes = o.reply.Changes[:min(len(o.reply.Changes), shownChanges)]
	if o.reply.Changes == nil {
		o.reply.Changes = []api.OverviewChange{}
	}
	return nil
}

// expiries tells of the keys that end soonest.
func (o *overview) expiries() {
	var soon []*store.Key
	for k := range o.a.d.Keys.Each() {
		if !k.ExpiresAt.IsZero() && k.RevokedAt.IsZero() && !expired(k, o.now) && k.ExpiresAt.Sub(o.now) <= expiresSoon {
			soon = append(soon, k)
		}
	}
	slices.SortFunc(soon, func(x, y *store.Key) int { return x.ExpiresAt.Compare(y.ExpiresAt) })
	for _, k := range soon[:min(len(soon), 5)] {
		o.reply.Changes = append(o.reply.Changes, api.OverviewChange{Time: o.now.UTC(), Kind: api.ChangeExpiry, Severity: "warn", Object: k.Name, ObjectID: k.ID,
			Text: "it ends on " + k.ExpiresAt.In(o.q.Zone).Format("2006-01-02 15:04")})
	}
}

// actorName is who an audit row's actor is, for people.
func (a *Admin) actorName(actor string) string {
	if k, ok := a.d.Keys.ByID(actor); ok {
		return k.Name
	}
	return actor
}

func cmpTime(t, otherwise time.Time) time.Time {
	if t.IsZero() {
		t = otherwise
	}
	return t.UTC()
}
