package config

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/your-org/ai-api-gateway/store"
)

// policy reads one item of quota_policies.
func (l *loader) policy(path string, n *yaml.Node) {
	before := len(l.errs)
	p := store.Policy{Origin: store.OriginFile}
	l.object(n, path, l.policyMembers(&p))
	if len(l.errs) > before {
		return
	}
	var bad *store.PolicyError
	if err := p.Check(); errors.As(err, &bad) {
		l.fail(n, path, "%s %s", bad.Member, bad.Problem)
		return
	}
	if slices.ContainsFunc(l.c.Policies, func(o store.Policy) bool { return o.Name == p.Name }) {
		l.fail(n, path, "policy %q exists already", p.Name)
		return
	}
	p.ID = recordID(store.OriginFile, p.Name)
	l.c.Policies = append(l.c.Policies, p)
	l.describePolicy(&p, l.at(n))
}

// policyMembers are the members of a policy; what they say is checked as a whole.
func (l *loader) policyMembers(p *store.Policy) []member {
	return []member{
		{"name", l.text(&p.Name, nil)},
		{"scope", func(path string, n *yaml.Node) {
			l.object(n, path, []member{
				{"api_key", l.text(&p.Scope.APIKey, nil)}, {"group", l.text(&p.Scope.Group, nil)}, {"account", l.text(&p.Scope.Account, nil)},
				{"global", l.boolean(&p.Scope.Global)}, {"model", l.text(&p.Scope.Model, nil)},
			})
		}},
		{"limits", func(path string, n *yaml.Node) {
			l.items(n, path, func(path string, n *yaml.Node) { l.policyLimit(p, path, n) })
		}},
		{"mode", l.text(&p.Mode, nil)},
		{"default_max_tokens", l.whole(&p.DefaultMaxTokens)},
		{"on_store_outage", l.text(&p.OnStoreOutage, nil)},
		{"time_zone", l.text(&p.TimeZone, nil)},
		{"soft_percent", l.number(&p.SoftPercent)},
	}
}

func (l *loader) policyLimit(p *store.Policy, path string, n *yaml.Node) {
	var lim store.PolicyLimit
	amount := ""
	l.object(n, path, []member{
		{"kind", l.text(&lim.Kind, nil)}, {"limit", l.text(&amount, nil)}, {"window", l.text(&lim.Window, nil)}, {"burst", l.whole(&lim.Burst)},
	})
	var err error
	switch {
	case amount == "":
		l.fail(n, path, "limit is missing")
		return
	case lim.Kind == store.LimitCost:
		if lim.Limit, err = store.ParseUSD(amount); err != nil {
			l.fail(n, path, "limit must be a number of US dollars with at most 9 decimals")
			return
		}
	default:
		if lim.Limit, err = strconv.ParseInt(amount, 10, 64); err != nil {
			l.fail(n, path, "limit must be a whole number")
			return
		}
	}
	p.Limits = append(p.Limits, lim)
}

// whole takes a whole number from 0 on.
func (l *loader) whole(dst *int64) func(string, *yaml.Node) {
	return func(path string, n *yaml.Node) {
		text, ok := l.scalar(n, path)
		if !ok {
			return
		}
		v, err := strconv.ParseInt(text, 10, 64)
		if err != nil || v < 0 {
			l.refuse(n, path, text, errors.New("must be a whole number from 0 on"))
			return
		}
		*dst = v
	}
}

func (l *loader) describePolicy(p *store.Policy, where string) {
	parts := []string{p.Scope.String()}
	for _, lim := range p.Limits {
		amount := strconv.FormatInt(lim.Limit, 10)
		if lim.Kind == store.LimitCost {
			amount = store.FormatUSD(lim.Limit)
		}
		text := lim.Kind + " " + amount
		if lim.Window != "" {
			text += "/" + lim.Window
		}
		parts = append(parts, text)
	}
	l.c.extra = append(l.c.extra, Field{"quota_policies." + p.Name, strings.Join(parts, ", "), p.Origin, where})
}

func policySchema() *node {
	return object(map[string]*node{
		"name": text("unique name"),
		"scope": object(map[string]*node{
			"api_key": text("id of a key"), "group": text("group of keys"), "account": text("name of an account"),
			"global": truth("all use"), "model": text("only this model; may hold '*'"),
		}),
		"limits": array(object(map[string]*node{
			"kind":   {Description: "what is limited", Enum: []string{store.LimitRequests, store.LimitTokens, store.LimitCost, store.LimitConcurrency}},
			"limit":  {Description: "requests, tokens, US dollars, or requests at a time", AnyOf: []*node{{Type: "number"}, {Type: "string"}}},
			"window": {Description: "default minute, for cost_usd total", Enum: []string{store.WindowMinute, store.WindowHour, store.WindowDay, store.WindowWeek, store.WindowMonth, store.WindowTotal}},
			"burst":  wholeNumber("of a minute's limit: how much at once; default a tenth of requests, all of tokens"),
		}, "kind", "limit"), "all hold at once"),
		"mode":               {Description: "what is reserved where a request bounds no output: a usual amount (normal), or an upper bound that the upstream is told (strict)", Enum: []string{store.ModeNormal, store.ModeStrict}},
		"default_max_tokens": wholeNumber("output reserved where a request bounds none; default 4096"),
		"on_store_outage":    {Enum: []string{"deny", "allow"}},
		"time_zone":          text("of days, weeks and months; default time_zone"),
		"soft_percent":       wholeNumber("of a limit, at which it is told"),
	}, "name", "scope", "limits")
}
