package admin

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/server/api"
	"github.com/your-org/ai-api-gateway/server/routing"
	"github.com/your-org/ai-api-gateway/store"
)

// shownGroups are the groups of an overview that are told apart.
const shownGroups = 7

// overviewBy are the groupings of an overview.
var overviewBy = []string{"model", "provider", "account", "key", "group", "end_reason"}

// An overview is one answer on its way.
type overview struct {
	a     *Admin
	q     store.TotalsQuery // without groupings
	step  string            // a grouping of time: quarter, hour, day
	by    string
	at    map[string]int // the place of each step by its name
	now   time.Time
	reply api.OverviewReply
}

// overview answers what a page shows first, from roll-ups alone.
func (a *Admin) overview(c *Call) error {
	o, err := a.newOverview(c)
	if err != nil {
		return err
	}
	ctx, cancel := bounded()
	defer cancel()
	if err := a.d.Sync(ctx); err != nil {
		return err
	}
	for _, part := range []func(context.Context) error{o.sums, o.latency, o.ends, o.changes} {
		if err := part(ctx); err != nil {
			return err
		}
	}
	o.reply.Budgets = a.budgets(c.Now)
	return c.answer(200, o.reply)
}

// newOverview reads what is asked for.
func (a *Admin) newOverview(c *Call) (*overview, error) {
	get, err := c.params("start_date", "end_date", "last", "tz", "step", "by", "key", "model", "provider", "account")
	if err != nil {
		return nil, err
	}
	o := &overview{a: a, by: cmp.Or(get("by"), "model"), now: c.Now, at: map[string]int{}}
	if !slices.Contains(overviewBy, o.by) {
		return nil, invalid("by", "must be model, provider, account, key, group or end_reason, not %q", clip(o.by))
	}
	o.q = store.TotalsQuery{Zone: a.d.Zone, KeyID: get("key"), Model: get("model"), Provider: get("provider"), Account: get("account")}
	if o.q.Zone, err = a.zone(get("tz")); err != nil {
		return nil, err
	}
	last := get("last")
	if last == "" && get("start_date") == "" && get("end_date") == "" {
		last = "24h"
	}
	if o.q.Since, o.q.Until, err = dates(get("start_date"), get("end_date"), last, c.Now, o.q.Zone); err != nil {
		return nil, err
	}
	if err := o.steps(get("step"), last != ""); err != nil {
		return nil, err
	}
	n := len(o.reply.Times)
	o.reply.Series = api.Series{Requests: make([]int64, n), Errors: make([]int64, n), PromptTokens: make([]int64, n), CompletionTokens: make([]int64, n),
		CostUSD: make([]api.USD, n), LatencyP50: make([]*float64, n), LatencyP95: make([]*float64, n), LatencyP99: make([]*float64, n), TTFTP50: make([]*float64, n), TTFTP95: make([]*float64, n)}
	o.reply.Since, o.reply.Until, o.reply.TimeZone, o.reply.By = o.q.Since, o.q.Until, o.q.Zone.String(), o.by
	o.reply.Groups, o.reply.EndReasons = []api.OverviewGroup{}, []api.OverviewGroup{}
	return o, nil
}

// zone reads the name of a time zone; "": the server's.
func (a *Admin) zone(name string) (*time.Location, error) {
	if name == "" {
		return a.d.Zone, nil
	}
	z, err := time.LoadLocation(name)
	if err != nil || name == "Local" {
		return nil, invalid("tz", "must be the name of a time zone such as Asia/Shanghai, not %q", clip(name))
	}
	return z, nil
}

// steps names the steps of the time. A rolling one begins with a whole step.
func (o *overview) steps(step string, rolling bool) error {
	length := o.q.Until.Sub(o.q.Since)
	most := map[string]time.Duration{api.StepQuarter: 8 * 24 * time.Hour, api.StepHour: maxHours, api.StepDay: maxRange}
	switch {
	case step == "" || step == "auto":
		step = api.StepDay
		if length <= 12*time.Hour {
			step = api.StepQuarter
		} else if length <= 8*24*time.Hour {
			step = api.StepHour
		}
	case most[step] == 0:
		return invalid("step", "must be 15m, hour, day or auto, not %q", clip(step))
	case length > most[step]:
		return invalid("step", "%s is for at most %d days", step, most[step]/(24*time.Hour))
	}
	o.reply.Step, o.step = step, map[string]string{api.StepQuarter: "quarter", api.StepHour: "hour", api.StepDay: "day"}[step]
	const quarter = 15 * time.Minute
	at := o.q.Since.Truncate(quarter)
	if rolling {
		for at.Before(o.q.Since) || !o.begins(at) {
			at = at.Add(quarter)
		}
		if at.Before(o.q.Until) { // else the time is shorter than a step
			o.q.Since = at
		} else {
			at = o.q.Since.Truncate(quarter)
		}
	}
	for name := ""; at.Before(o.q.Until); at = at.Add(quarter) {
		if l := o.label(at); l != name {
			name = l
			o.at[l] = len(o.reply.Times)
			o.reply.Times = append(o.reply.Times, at.UTC())
		}
	}
	return nil
}

// label is what the store calls the step that a time is in.
func (o *overview) label(at time.Time) string {
	at = at.In(o.q.Zone)
	switch o.step {
	case "day":
		return at.Format(time.DateOnly)
	case "hour":
		return at.Format("2006-01-02T15:00:00Z07:00")
	}
	return at.Format(time.RFC3339)
}

// begins reports whether a step begins at that quarter of an hour.
func (o *overview) begins(at time.Time) bool {
	return o.label(at) != o.label(at.Add(-15*time.Minute))
}

// sums fills totals, series and groups.
func (o *overview) sums(ctx context.Context) error {
	q := o.q
	if o.by == "key" {
		var err error
		if q.Apart, err = o.dearest(ctx); err != nil {
			return err
		}
	}
	q.GroupBy = []string{o.step, o.by}
	totals, err := o.a.d.Store.Totals(ctx, q)
	if err != nil {
		return err
	}
	groups := map[string]*api.OverviewGroup{}
	for i := range totals {
		t := &totals[i]
		sums := sumsOf(t)
		add(&o.reply.Total, &sums)
		g := groups[t.Group[o.by]]
		if g == nil {
			g = o.group(t.Group[o.by], t.KeyName)
			groups[g.Name] = g
		}
		add(&g.Total, &sums)
		if at, ok := o.at[t.Group[o.step]]; ok {
			o.place(g, at, &sums)
			s := &o.reply.Series
			s.Requests[at] += sums.Requests
			s.Errors[at] += sums.Errors
			s.PromptTokens[at] += sums.PromptTokens
			s.CompletionTokens[at] += sums.CompletionTokens
			s.CostUSD[at] = api.USD(store.AddNano(int64(s.CostUSD[at]), int64(sums.CostUSD)))
		}
	}
	o.reply.Groups = o.top(groups)
	o.reply.SavedUSD = o.saved(groups)
	return nil
}

// dearest are the keys that will be told apart; nil: all. There may be hundreds, and
// each step of the time would have as many sums.
func (o *overview) dearest(ctx context.Context) ([]string, error) {
	q := o.q
	q.GroupBy = []string{"key"}
	totals, err := o.a.d.Store.Totals(ctx, q)
	if err != nil || len(totals) <= shownGroups+1 {
		return nil, err
	}
	slices.SortFunc(totals, func(x, y store.Total) int {
		return cmp.Or(cmp.Compare(y.CostNano, x.CostNano), cmp.Compare(y.Requests, x.Requests), cmp.Compare(x.Group["key"], y.Group["key"]))
	})
	keys := make([]string, shownGroups)
	for i := range keys {
		keys[i] = totals[i].Group["key"]
	}
	return keys, nil
}

func (o *overview) group(name, label string) *api.OverviewGroup {
	n := len(o.reply.Times)
	return &api.OverviewGroup{Name: name, Label: label, Requests: make([]int64, n), Errors: make([]int64, n), CostUSD: make([]api.USD, n)}
}

func (o *overview) place(g *api.OverviewGroup, at int, sums *api.UsageSums) {
	g.Requests[at] += sums.Requests
	g.Errors[at] += sums.Errors
	g.CostUSD[at] = api.USD(store.AddNano(int64(g.CostUSD[at]), int64(sums.CostUSD)))
}

// top returns the groups that cost most, or were asked most where none costs
// anything, and sums up the rest.
func (o *overview) top(groups map[string]*api.OverviewGroup) []api.OverviewGroup {
	out := make([]api.OverviewGroup, 0, len(groups))
	for _, g := range groups {
		out = append(out, *g)
	}
	last := func(g *api.OverviewGroup) int {
		if g.Name == otherGroup {
			return 1
		}
		return 0
	}
	slices.SortFunc(out, func(x, y api.OverviewGroup) int {
		return cmp.Or(cmp.Compare(last(&x), last(&y)), cmp.Compare(y.Total.CostUSD, x.Total.CostUSD), cmp.Compare(y.Total.Requests, x.Total.Requests), cmp.Compare(x.Name, y.Name))
	})
	if len(out) <= shownGroups+1 {
		return out
	}
	rest := o.group(otherGroup, "")
	for _, g := range out[shownGroups:] {
		add(&rest.Total, &g.Total)
		for at := range g.Requests {
			o.place(rest, at, &api.UsageSums{Requests: g.Requests[at], Errors: g.Errors[at], CostUSD: g.CostUSD[at]})
		}
	}
	return append(out[:shownGroups], *rest)
}

// latency fills the percentiles: of all, of each step, of the groups, and of the time before.
func (o *overview) latency(ctx context.Context) error {
	q := o.q
	q.GroupBy = []string{o.step}
	steps, err := o.a.latencies(ctx, q)
	if err != nil {
		return err
	}
	measure(&o.reply.Total, merged(steps))
	s := &o.reply.Series
	for name, l := range steps {
		if at, ok := o.at[name]; ok {
			s.LatencyP50[at], s.LatencyP95[at], s.LatencyP99[at] = quantile(l.Duration, 0.5), quantile(l.Duration, 0.95), quantile(l.Duration, 0.99)
			s.TTFTP50[at], s.TTFTP95[at] = quantile(l.TTFT, 0.5), quantile(l.TTFT, 0.95)
		}
	}
	q.GroupBy = []string{o.by}
	groups, err := o.a.latencies(ctx, q)
	if err != nil {
		return err
	}
	for i := range o.reply.Groups {
		g := &o.reply.Groups[i]
		measure(&g.Total, groups[g.Name])
		delete(groups, g.Name)
	}
	if n := len(o.reply.Groups); n == shownGroups+1 && o.reply.Groups[n-1].Name == otherGroup {
		measure(&o.reply.Groups[n-1].Total, merged(groups))
	}
	q = o.before()
	before, err := o.a.latencies(ctx, q)
	measure(&o.reply.Previous, merged(before))
	return err
}

// before is the query of as long a time right before.
func (o *overview) before() store.TotalsQuery {
	q := o.q
	q.Since, q.Until = o.q.Since.Add(o.q.Since.Sub(o.q.Until)), o.q.Since
	q.GroupBy = nil
	return q
}

// saved is what reads from caches saved, by the prices of now.
func (o *overview) saved(groups map[string]*api.OverviewGroup) *api.USD {
	if o.by != "model" {
		return nil
	}
	const most = 500 // models looked up
	table, sum, looked := o.a.d.Table(), int64(0), 0
	for _, g := range groups {
		if g.Total.CacheReadTokens == 0 {
			continue
		}
		if looked++; looked > most {
			return nil
		}
		if p, ok := priceOf(table, g.Name); ok && p.Input > p.CacheRead {
			nano, _ := providers.Price{Input: p.Input - p.CacheRead}.Cost(providers.Usage{Input: g.Total.CacheReadTokens})
			sum = store.AddNano(sum, nano)
		}
	}
	usd := api.USD(sum)
	return &usd
}

// priceOf is the list price of the first target that a model leads to.
func priceOf(t *routing.Table, model string) (providers.Price, bool) {
	plan, err := t.Plan(routing.Ask{Model: model})
	if err != nil || plan.Targets[0].Entry == nil || !plan.Targets[0].Entry.Priced {
		return providers.Price{}, false
	}
	return plan.Targets[0].Entry.Price, true
}

// ends fills how requests ended, and the sums of the time before.
func (o *overview) ends(ctx context.Context) error {
	q := o.q
	q.GroupBy = []string{o.step, "end_reason"}
	totals, err := o.a.d.Store.Totals(ctx, q)
	if err != nil {
		return err
	}
	groups := map[string]*api.OverviewGroup{}
	for i := range totals {
		t := &totals[i]
		g := groups[t.Group["end_reason"]]
		if g == nil {
			g = o.group(t.Group["end_reason"], "")
			groups[g.Name] = g
		}
		sums := sumsOf(t)
		add(&g.Total, &sums)
		if at, ok := o.at[t.Group[o.step]]; ok {
			o.place(g, at, &sums)
		}
	}
	q = o.before()
	q.GroupBy = []string{"end_reason"}
	if totals, err = o.a.d.Store.Totals(ctx, q); err != nil {
		return err
	}
	was := map[string]int64{}
	for i := range totals {
		sums := sumsOf(&totals[i])
		was[totals[i].Group["end_reason"]] = sums.Requests
		add(&o.reply.Previous, &sums)
	}
	for _, g := range groups {
		o.reply.EndReasons = append(o.reply.EndReasons, *g)
		if g.Total.Errors > 0 && was[g.Name] == 0 && len(was) > 0 {
			o.newError(g)
		}
	}
	slices.SortFunc(o.reply.EndReasons, func(x, y api.OverviewGroup) int {
		return cmp.Or(cmp.Compare(y.Total.Requests, x.Total.Requests), cmp.Compare(x.Name, y.Name))
	})
	return nil
}
