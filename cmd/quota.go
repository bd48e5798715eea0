package cmd

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/your-org/ai-api-gateway/server/api"
	"github.com/your-org/ai-api-gateway/web/locales"
)

func (a *app) quotaCommand() *cobra.Command {
	c := newGroup("quota", "Limits and budgets of keys, groups, models and accounts", "quotas", "limit", "limits")
	c.AddCommand(a.quotaList(), a.quotaSet(), a.quotaRemove(), a.quotaExplain())
	return c
}

func allPolicies(ctx context.Context, c *api.Client, ask api.PoliciesAsk) ([]api.Policy, error) {
	policies := []api.Policy{}
	ask.Limit = 500
	for range maxPages {
		r, err := c.Policies(ctx, ask)
		if err != nil {
			return nil, err
		}
		policies = append(policies, r.Data...)
		if ask.Cursor = r.NextCursor; ask.Cursor == "" {
			break
		}
	}
	return policies, nil
}

func (a *app) quotaList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List quota policies", Args: cobra.NoArgs, Aliases: []string{"ls"},
		RunE: func(*cobra.Command, []string) error {
			client, err := a.client()
			if err != nil {
				return err
			}
			policies, err := allPolicies(a.ctx, client, api.PoliciesAsk{})
			if err != nil {
				return err
			}
			t := table{columns: []column{{head: "NAME", flex: true}, {head: "SCOPE", flex: true}, {head: "LIMITS", flex: true}, {head: "MODE"}, {head: "ORIGIN"}},
				empty: phrase("No quota policies. Make one: ai-gateway quota set team --group team --cost 50/month")}
			for _, p := range policies {
				var limits []string
				for _, l := range p.Limits {
					limits = append(limits, limitText(l))
				}
				t.rows = append(t.rows, []cell{str(p.Name), str(scopeText(p.Scope)), str(strings.Join(limits, ", ")), str(p.Mode), str(p.Origin)})
			}
			return show(a, api.PoliciesReply{Data: policies}, policies, t)
		},
	}
}

func scopeText(s api.PolicyScope) string {
	var parts []string
	for _, p := range [...][2]string{{"key", s.APIKey}, {"group", s.Group}, {"account", s.Account}, {"model", s.Model}} {
		if p[1] != "" {
			parts = append(parts, p[0]+" "+p[1])
		}
	}
	if s.Global {
		parts = append([]string{"global"}, parts...)
	}
	return strings.Join(parts, ", ")
}

func limitText(l api.PolicyLimit) string {
	text := string(l.Limit) + " " + l.Kind
	if l.Kind == "cost_usd" {
		text = "$" + string(l.Limit)
	}
	if l.Window != "" {
		text += "/" + l.Window
	}
	return text
}

// quotaFlags are what `quota set` takes of a policy.
type quotaFlags struct {
	key, group, account, model, mode, zone, soft, outage string
	global                                               bool
	requests, tokens, cost                               []string
	concurrency, unbounded                               int64
}

func (a *app) quotaSet() *cobra.Command {
	var f quotaFlags
	c := &cobra.Command{
		Use: "set NAME", Short: "Make or change a quota policy", Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeFirst(policyNames),
		Long: `Make a quota policy, or change one: what is not given stays as it is, limits that
are given replace all of the policy's.

A limit is AMOUNT/WINDOW, with a window of minute, hour, day, week, month or total
("5M/day", "20usd/month", "60/minute,burst=10"). All limits of all policies that
hold for a request hold at once.`,
		Example: "  ai-gateway quota set ci --key ci --cost 20/month --requests 60/minute\n  ai-gateway quota set team --group team --tokens 5M/day --concurrency 8 --soft 80%",
	}
	c.RunE = func(c *cobra.Command, args []string) error { return a.setQuota(args[0], &f, c.Flags().Changed) }
	fl := c.Flags()
	fl.StringVar(&f.key, "key", "", "for this key: its name or id")
	fl.StringVar(&f.group, "group", "", "for all keys of this group together")
	fl.StringVar(&f.account, "account", "", "for this provider account")
	fl.BoolVar(&f.global, "global", false, "for the whole gateway")
	fl.StringVarP(&f.model, "model", "m", "", "for this model only; may be a pattern with '*'")
	fl.StringArrayVar(&f.requests, "requests", nil, "requests a window: 60/minute, 1000/day")
	fl.StringArrayVar(&f.tokens, "tokens", nil, "tokens a window: 100k/minute, 5M/day")
	fl.StringArrayVar(&f.cost, "cost", nil, "US dollars a window: 20/month, 100/total")
	fl.Int64Var(&f.concurrency, "concurrency", 0, "requests at a time")
	fl.StringVar(&f.mode, "mode", "", "normal, or strict: answers are bounded so that a budget cannot be passed")
	fl.Int64Var(&f.unbounded, "default-max-tokens", 0, "output reserved for a request that bounds none (4096)")
	fl.StringVar(&f.zone, "time-zone", "", "zone of days, weeks and months")
	fl.StringVar(&f.soft, "soft", "", "percent of a limit at which it is told: 80%")
	fl.StringVar(&f.outage, "on-store-outage", "", "deny, allow")
	_ = c.RegisterFlagCompletionFunc("mode", cobra.FixedCompletions([]string{"normal", "strict"}, cobra.ShellCompDirectiveNoFileComp))
	return c
}

func (a *app) setQuota(name string, f *quotaFlags, changed func(string) bool) error {
	client, err := a.client()
	if err != nil {
		return err
	}
	limits, err := f.limits(changed)
	if err != nil {
		return err
	}
	var p api.PolicyPatch
	if len(limits) > 0 {
		p.Limits = &limits
	}
	scope := api.PolicyScope{APIKey: f.key, Group: f.group, Account: f.account, Global: f.global, Model: f.model}
	if scope != (api.PolicyScope{}) {
		if f.key != "" {
			k, err := findKey(a.ctx, client, f.key)
			if err != nil {
				return err
			}
			scope.APIKey = k.ID
		}
		p.Scope = &scope
	}
	take := func(flag string, set func()) {
		if changed(flag) {
			set()
		}
	}
	soft := 0
	if changed("soft") {
		if soft, err = strconv.Atoi(strings.TrimSuffix(f.soft, "%")); err != nil {
			return wrongUsage("ai-gateway quota set --help", "--soft must be a percentage such as 80%%, not %q", f.soft)
		}
		p.SoftPercent = &soft
	}
	take("mode", func() { p.Mode = &f.mode })
	take("default-max-tokens", func() { p.DefaultMaxTokens = &f.unbounded })
	take("time-zone", func() { p.TimeZone = &f.zone })
	take("on-store-outage", func() { p.OnStoreOutage = &f.outage })
	if p == (api.PolicyPatch{}) {
		return wrongUsage("ai-gateway quota set --help", "nothing to set is given: --cost 20/month, for example")
	}
	policy, err := client.UpdatePolicy(a.ctx, name, p)
	var refused *api.Error
	if errors.As(err, &refused) && refused.Status == 404 {
		if p.Scope == nil {
			return wrongUsage("ai-gateway quota set --help", "there is no policy %q yet: say whom it is for with --key, --group, --account, --model or --global", name)
		}
		policy, err = client.CreatePolicy(a.ctx, api.PolicyCreate{Name: name, Scope: scope, Limits: limits, Mode: f.mode, DefaultMaxTokens: f.unbounded,
			OnStoreOutage: f.outage, TimeZone: f.zone, SoftPercent: soft})
	}
	if err != nil {
		return err
	}
	if a.output == "json" || a.output == "jsonl" {
		return a.writeJSON(policy)
	}
	var texts []string
	for _, l := range policy.Limits {
		texts = append(texts, limitText(l))
	}
	fmt.Fprintf(a.stdout, "%s: %s (%s)\n", cleanText(policy.Name), cleanText(strings.Join(texts, ", ")), cleanText(scopeText(policy.Scope)))
	a.line("See how far it is used:\n  ai-gateway quota explain %s", quoteArg(policy.Name))
	return nil
}

// limits reads the limits given as flags.
func (f *quotaFlags) limits(changed func(string) bool) ([]api.PolicyLimit, error) {
	out := []api.PolicyLimit{}
	for _, k := range []struct {
		kind  string
		texts []string
	}{{"requests", f.requests}, {"tokens", f.tokens}, {"cost_usd", f.cost}} {
		for _, text := range k.texts {
			l, err := parseLimit(k.kind, text)
			if err != nil {
				return nil, err
			}
			out = append(out, l)
		}
	}
	if changed("concurrency") {
		out = append(out, api.PolicyLimit{Kind: "concurrency", Limit: api.Decimal(strconv.FormatInt(f.concurrency, 10))})
	}
	return out, nil
}

// windowWords are the short forms of windows.
var windowWords = map[string]string{
	"min": "minute", "minute": "minute", "h": "hour", "hour": "hour", "d": "day", "day": "day", "w": "week", "week": "week",
	"mo": "month", "month": "month", "total": "total",
}

// parseLimit reads "AMOUNT/WINDOW[,burst=N]": "5M/day", "$20/month", "60/minute,burst=10".
func parseLimit(kind, text string) (api.PolicyLimit, error) {
	l := api.PolicyLimit{Kind: kind}
	bad := func() (api.PolicyLimit, error) {
		return l, wrongUsage("ai-gateway quota set --help", "%q is no limit: AMOUNT/WINDOW, such as 60/minute, 5M/day or 20/month", text)
	}
	head, burst, bursts := strings.Cut(text, ",burst=")
	amount, window, found := strings.Cut(head, "/")
	if l.Window = windowWords[window]; found && l.Window == "" {
		return bad()
	}
	amount = strings.TrimSuffix(strings.TrimPrefix(strings.ToLower(strings.TrimSpace(amount)), "$"), "usd")
	zeros := 0
	for suffix, n := range map[string]int{"k": 3, "m": 6, "g": 9} {
		if rest, ok := strings.CutSuffix(amount, suffix); ok && kind != "cost_usd" {
			amount, zeros = rest, n
			break
		}
	}
	whole, frac, _ := strings.Cut(amount, ".")
	if whole == "" || strings.Trim(whole+frac, "0123456789") != "" || len(frac) > zeros && kind != "cost_usd" {
		return bad()
	}
	l.Limit = api.Decimal(amount)
	if kind != "cost_usd" {
		n, err := strconv.ParseInt(whole+frac+strings.Repeat("0", zeros-len(frac)), 10, 64)
		if err != nil {
			return bad()
		}
		l.Limit = api.Decimal(strconv.FormatInt(n, 10))
	}
	if bursts {
		n, err := strconv.ParseInt(burst, 10, 64)
		if err != nil || n < 1 {
			return bad()
		}
		l.Burst = n
	}
	return l, nil
}

func (a *app) quotaRemove() *cobra.Command {
	return a.removal(&cobra.Command{Use: "remove NAME|ID", Short: "Remove a quota policy", ValidArgsFunction: a.completeFirst(policyNames)}, "ai-gateway quota list",
		func(client *api.Client, name string) (q locales.Phrase, err error) {
			p, err := client.Policy(a.ctx, name)
			if err != nil {
				return q, err
			}
			return phrase("Remove the policy %q (%s)? Its limits hold no more.", cleanText(p.Name), cleanText(scopeText(p.Scope))), nil
		}, (*api.Client).DeletePolicy)
}

func (a *app) quotaExplain() *cobra.Command {
	var key, model string
	c := &cobra.Command{
		Use: "explain [NAME|ID]", Short: "Show how far limits are used, and when they reset", Args: cobra.MaximumNArgs(1), ValidArgsFunction: a.completeFirst(policyNames),
		Long: `Show of a policy, of all that hold for a key or a model, or of all: the limit, what
is used, what is reserved for requests that run, what is left, when it resets, and
by how much it can be passed.`,
		RunE: func(_ *cobra.Command, args []string) error {
			client, err := a.client()
			if err != nil {
				return err
			}
			var policies []api.Policy
			switch {
			case len(args) == 1:
				p, err := client.Policy(a.ctx, args[0])
				if err != nil {
					return withNext(err, exitNotFound, "ai-gateway quota list")
				}
				policies = []api.Policy{*p}
			default:
				ask := api.PoliciesAsk{Model: model}
				if key != "" {
					k, err := findKey(a.ctx, client, key)
					if err != nil {
						return err
					}
					ask.Key = k.ID
				}
				if policies, err = allPolicies(a.ctx, client, ask); err != nil {
					return err
				}
			}
			return a.explainQuota(policies)
		},
	}
	c.Flags().StringVar(&key, "key", "", "of the limits that hold for this key: its name or id")
	c.Flags().StringVarP(&model, "model", "m", "", "of those that hold for this model")
	return c
}

func (a *app) explainQuota(policies []api.Policy) error {
	limits := []api.Limit{}
	for _, p := range policies {
		limits = append(limits, p.Usage...)
	}
	t := limitsTable(limits)
	if err := show(a, struct {
		Data []api.Limit `json:"data"`
	}{limits}, limits, t); err != nil || a.output != "table" {
		return err
	}
	said := map[string]bool{}
	for _, l := range limits {
		if l.Overspend != "" && !said[l.Policy] {
			said[l.Policy] = true
			a.line("%s can be passed by: %s", cleanText(l.Policy), cleanText(l.Overspend))
		}
	}
	return nil
}

// limitsTable shows limits with how far they are used.
func limitsTable(limits []api.Limit) table {
	t := table{columns: []column{{head: "POLICY", flex: true}, {head: "SCOPE", flex: true}, {head: "LIMIT", name: "kind"}, {head: "WINDOW"}, {head: "ALLOWED", right: true}, {head: "USED", right: true},
		{head: "RESERVED", right: true}, {head: "LEFT", right: true}, {head: "RESETS"}}, empty: phrase("No limits hold. Set one: ai-gateway quota set team --group team --cost 50/month")}
	for _, l := range limits {
		t.rows = append(t.rows, []cell{str(l.Policy), str(l.Scope), str(l.Kind), str(l.Window), amount(l.Kind, l.Limit), amount(l.Kind, l.Used), amount(l.Kind, l.Reserved), amount(l.Kind, l.Remaining), momentOf(l.ResetsAt)})
	}
	return t
}

func amount(kind string, d api.Decimal) cell {
	c := str(string(d))
	if usd, err := api.ParseUSD(string(d)); err == nil && kind == "cost_usd" {
		c.text = dollars(usd)
	} else if n, err := strconv.ParseInt(string(d), 10, 64); err == nil {
		c.text = thousands(n)
	}
	return c
}

func policyNames(ctx context.Context, c *api.Client) ([]string, error) {
	policies, err := allPolicies(ctx, c, api.PoliciesAsk{})
	var names []string
	for _, p := range policies {
		names = append(names, p.Name+"\t"+scopeText(p.Scope))
	}
	return names, err
}
