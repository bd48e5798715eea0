package admin

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/your-org/ai-api-gateway/server/api"
	"github.com/your-org/ai-api-gateway/store"
)

const (
	maxRange  = 3 * 366 * 24 * time.Hour // of usage; roll-ups are kept for two years
	maxHours  = 62 * 24 * time.Hour      // of usage grouped by hour
	maxGroups = 10_000                   // in one answer
	usualDays = 30
)

// usage answers sums of usage: a key that may see no others gets its own.
func (a *Admin) usage(c *Call) error {
	get, err := c.params("start_date", "end_date", "last", "group_by", "tz", "key", "model", "provider", "account", "compare", "cursor")
	if err != nil {
		return err
	}
	q := store.TotalsQuery{Zone: a.d.Zone, KeyID: get("key"), Model: get("model"), Provider: get("provider"), Account: get("account")}
	reply := api.UsageReply{Data: []api.UsageGroup{}, GroupBy: []string{}}
	if !c.Who.May("viewer") {
		own := c.Who.actor()
		if q.KeyID != "" && q.KeyID != own {
			return forbidden("missing_scope", "this API key may read its own usage only; that of others needs the scope \"viewer\": `ai-gateway api-key create NAME --scopes viewer` makes a key that has it")
		}
		q.KeyID, reply.Key = own, own
	}
	if q.Zone, err = a.zone(get("tz")); err != nil {
		return err
	}
	compare, err := truth("compare", get("compare"))
	if err != nil {
		return err
	}
	if q.Since, q.Until, err = dates(get("start_date"), get("end_date"), get("last"), c.Now, q.Zone); err != nil {
		return err
	}
	if q.GroupBy, err = groups(get("group_by")); err != nil {
		return err
	}
	if slices.Contains(q.GroupBy, "hour") && q.Until.Sub(q.Since) > maxHours {
		return invalid("group_by", "hour is for at most 62 days")
	}
	ctx, cancel := bounded()
	defer cancel()
	reply.GroupBy = list(q.GroupBy)
	reply.Since, reply.Until, reply.TimeZone = q.Since, q.Until, q.Zone.String()
	if slices.ContainsFunc(q.GroupBy, byRows) {
		if compare {
			return invalid("compare", "cannot be with a grouping by %s, which reads rows", strings.Join(q.GroupBy, ","))
		}
		if err := a.usageByRows(ctx, q, get("cursor"), &reply); err != nil {
			return err
		}
		return c.answer(200, reply)
	}
	if err := a.d.Sync(ctx); err != nil {
		return err
	}
	if reply.Data, reply.Total, err = a.summed(ctx, q, reply.Key != ""); err != nil {
		return err
	}
	if compare {
		was := api.UsageBefore{Since: q.Since.Add(q.Since.Sub(q.Until)), Until: q.Since}
		q.Since, q.Until = was.Since, was.Until
		if was.Data, was.Total, err = a.summed(ctx, q, reply.Key != ""); err != nil {
			return err
		}
		reply.Previous = &was
	}
	return c.answer(200, reply)
}

// truth reads a flag of a query.
func truth(name, s string) (bool, error) {
	switch s {
	case "", "false", "0":
		return false, nil
	case "true", "1":
		return true, nil
	}
	return false, invalid(name, "must be true or false, not %q", clip(s))
}

// summed returns the groups that a query asks for and their sum. own: what the
// upstreams charge is no caller's business.
func (a *Admin) summed(ctx context.Context, q store.TotalsQuery, own bool) (data []api.UsageGroup, total api.UsageSums, err error) {
	q.Most = maxGroups
	totals, err := a.d.Store.Totals(ctx, q)
	if errors.Is(err, store.ErrQuery) { // the groupings were checked: there are too many groups
		return nil, total, &api.Error{Status: 400, Code: "too_many_groups", Param: "group_by", Message: "this makes more than 10,000 groups: name one key, model, provider or account, ask for fewer days, or group by less; `ai-gateway logs export` writes every request of any time"}
	}
	if err != nil {
		return nil, total, err
	}
	measured, err := a.latencies(ctx, q)
	if err != nil {
		return nil, total, err
	}
	data = []api.UsageGroup{}
	for i := range totals {
		t := &totals[i]
		sums := sumsOf(t)
		if own {
			sums.CostUSD = sums.ChargedUSD
		}
		add(&total, &sums)
		if len(q.GroupBy) > 0 {
			if measured != nil {
				measure(&sums, measured[groupKey(q.GroupBy, t.Group)])
			}
			data = append(data, api.UsageGroup{Group: t.Group, KeyName: t.KeyName, UsageSums: sums})
		}
	}
	if measured != nil {
		measure(&total, merged(measured))
	}
	slices.SortStableFunc(data, byTimeThenCost)
	return data, total, nil
}

// totals waits until all that was answered is counted, and reads the sums.
func (a *Admin) totals(ctx context.Context, q store.TotalsQuery) ([]store.Total, error) {
	if err := a.d.Sync(ctx); err != nil {
		return nil, err
	}
	return a.d.Store.Totals(ctx, q)
}

// dates reads a range of days in the zone, both inclusive, or a rolling length of time.
func dates(start, end, last string, now time.Time, zone *time.Location) (since, until time.Time, err error) {
	fail := func(err error) (time.Time, time.Time, error) { return time.Time{}, time.Time{}, err }
	if last != "" {
		if start != "" || end != "" {
			return fail(invalid("last", "and start_date or end_date exclude each other"))
		}
		d, ok := span(last)
		if !ok || d > maxRange {
			return fail(invalid("last", "must be a length of time such as 7d or 24h, of at most three years, not %q", clip(last)))
		}
		return now.Add(-d).UTC(), now.UTC(), nil
	}
	day := func(name, s string, def time.Time) (time.Time, error) {
		if s == "" {
			y, m, d := def.Date()
			return time.Date(y, m, d, 0, 0, 0, 0, zone), nil
		}
		t, err := time.ParseInLocation(time.DateOnly, s, zone)
		if err != nil || t.Year() < 2000 || t.Year() > 9000 {
			return t, invalid(name, "must be a date such as 2026-11-01, of the years 2000 to 9000; not %q", clip(s))
		}
		return t, nil
	}
	to, err := day("end_date", end, now.In(zone))
	if err != nil {
		return fail(err)
	}
	from, err := day("start_date", start, to.AddDate(0, 0, 1-usualDays))
	if err != nil {
		return fail(err)
	}
	if end == "" && from.After(to) { // a day to come: an empty range, not an error
		to = from
	}
	if from.After(to) {
		return fail(invalid("start_date", "is after end_date"))
	}
	y, m, d := to.Date()
	to = time.Date(y, m, d+1, 0, 0, 0, 0, zone) // the day may have 23 or 25 hours
	if to.Sub(from) > maxRange {
		if start != "" && end == "" && now.Sub(from) > maxRange { // an old start asks for all there is
			return to.Add(-maxRange).UTC(), to.UTC(), nil
		}
		return fail(invalid("start_date", "and end_date may be at most three years apart"))
	}
	return from.UTC(), to.UTC(), nil
}

func groups(s string) ([]string, error) {
	var out []string
	for name := range strings.SplitSeq(s, ",") {
		name = strings.TrimSpace(name)
		switch {
		case name == "":
		case !groupable(name):
			return nil, invalid("group_by", "cannot be %q; there are %s, and metadata.NAME", clip(name), strings.Join(api.GroupNames, ", "))
		case !slices.Contains(out, name):
			out = append(out, name)
		}
	}
	return out, nil
}

func sumsOf(t *store.Total) api.UsageSums {
	return api.UsageSums{
		Requests: t.Requests, Errors: t.Errors, Estimated: t.Estimated,
		PromptTokens: t.Tokens.Prompt(), CompletionTokens: t.Tokens.Completion(), CacheReadTokens: t.Tokens.CacheRead,
		CacheWriteTokens: t.Tokens.CacheWrite5m + t.Tokens.CacheWrite1h, ReasoningTokens: t.Tokens.Reasoning, Units: unitsOf(&t.Tokens),
		CostUSD: api.USD(t.CostNano), ChargedUSD: api.USD(store.AddNano(t.CostNano, t.MarkupNano)), UnconfirmedUSD: api.USD(t.UnconfirmedNano),
		DurationMs: t.Duration.Milliseconds(),
	}
}

func add(to, s *api.UsageSums) {
	to.Requests += s.Requests
	to.Errors += s.Errors
	to.Estimated += s.Estimated
	to.PromptTokens += s.PromptTokens
	to.CompletionTokens += s.CompletionTokens
	to.CacheReadTokens += s.CacheReadTokens
	to.CacheWriteTokens += s.CacheWriteTokens
	to.ReasoningTokens += s.ReasoningTokens
	to.Images += s.Images
	to.AudioSecs += s.AudioSecs
	to.Characters += s.Characters
	to.SearchUnits += s.SearchUnits
	to.CostUSD = api.USD(store.AddNano(int64(to.CostUSD), int64(s.CostUSD)))
	to.ChargedUSD = api.USD(store.AddNano(int64(to.ChargedUSD), int64(s.ChargedUSD)))
	to.UnconfirmedUSD = api.USD(store.AddNano(int64(to.UnconfirmedUSD), int64(s.UnconfirmedUSD)))
	to.DurationMs += s.DurationMs
}

func byTimeThenCost(x, y api.UsageGroup) int {
	return cmp.Or(
		cmp.Compare(x.Group["day"], y.Group["day"]), cmp.Compare(x.Group["hour"], y.Group["hour"]),
		cmp.Compare(y.CostUSD, x.CostUSD), cmp.Compare(y.Requests, x.Requests),
		cmp.Compare(x.Group["model"], y.Group["model"]), cmp.Compare(x.Group["key"], y.Group["key"]),
	)
}

// self tells a caller of its own key.
func (a *Admin) self(c *Call) error {
	if _, err := c.params(); err != nil {
		return err
	}
	out := api.KeySelf{Name: c.Who.Name, Scopes: list(c.Who.Scopes), Models: []string{}, Admin: c.Who.May("admin")}
	if k := c.Who.Key; k != nil {
		out.ID, out.Prefix, out.Models, out.Group, out.ExpiresAt = k.ID, k.Prefix, list(k.Models), k.Group, timePtr(k.ExpiresAt)
		out.Limits = a.keyLimits(k.ID, k.Group, c.Now)
	} else {
		out.Limits = a.keyLimits(c.Who.Name, "", c.Now)
	}
	y, m, _ := c.Now.In(a.d.Zone).Date()
	since := time.Date(y, m, 1, 0, 0, 0, 0, a.d.Zone)
	ctx, cancel := bounded()
	defer cancel()
	totals, err := a.totals(ctx, store.TotalsQuery{Since: since.UTC(), Until: c.Now.Add(24 * time.Hour).UTC(), Zone: a.d.Zone, KeyID: c.Who.actor()})
	if err != nil {
		return err
	}
	out.Used, out.UsedSince = &api.UsageSums{}, timePtr(since)
	for i := range totals {
		sums := sumsOf(&totals[i])
		sums.CostUSD = sums.ChargedUSD
		add(out.Used, &sums)
	}
	return c.answer(200, out)
}

func unitsOf(t *store.Tokens) api.Units {
	return api.Units{Images: t.Images, AudioSecs: float64(t.AudioMs) / 1000, Characters: t.Characters, SearchUnits: t.Searches}
}
