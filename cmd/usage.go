package cmd

import (
	"cmp"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/your-org/ai-api-gateway/server/api"
)

// usageFlags are what `usage` takes.
type usageFlags struct {
	ask  api.UsageAsk
	by   []string
	sort string
	top  int
}

func (a *app) usageCommand() *cobra.Command {
	var f usageFlags
	c := &cobra.Command{
		Use: "usage", Short: "Requests, tokens and cost", Args: cobra.NoArgs,
		Example: "  ai-gateway usage --last 7d\n  ai-gateway usage --since 2026-11-01 --by day,model\n  ai-gateway usage --last 30d --by key -o csv",
		RunE:    func(*cobra.Command, []string) error { return a.usage(&f) },
	}
	fs := c.Flags()
	fs.StringVar(&f.ask.Last, "last", "", "the time until now: 24h, 7d, 30d (default 7d)")
	fs.StringVar(&f.ask.StartDate, "since", "", "first day, YYYY-MM-DD")
	fs.StringVar(&f.ask.EndDate, "until", "", "last day, YYYY-MM-DD")
	fs.StringSliceVar(&f.by, "by", []string{"model"}, "group by: "+strings.Join(api.GroupNames, ", "))
	fs.StringVar(&f.ask.Key, "key", "", "only this key, by name or id")
	fs.StringVar(&f.ask.Model, "model", "", "only this model")
	fs.StringVar(&f.ask.Provider, "provider", "", "only this provider")
	fs.StringVar(&f.sort, "sort", "", "order by: cost, requests, tokens (default: days in order, else cost)")
	fs.IntVar(&f.top, "top", 0, "show this many groups; 0 = all")
	fs.StringVar(&f.ask.Zone, "tz", "", "time zone of days (default: this machine's)")
	group(c) // an unknown word after usage is a mistake, not an argument
	c.RunE = func(*cobra.Command, []string) error { return a.usage(&f) }
	c.AddCommand(a.rerateCommand())
	c.MarkFlagsMutuallyExclusive("last", "since")
	c.MarkFlagsMutuallyExclusive("last", "until")
	_ = c.RegisterFlagCompletionFunc("by", cobra.FixedCompletions(api.GroupNames, cobra.ShellCompDirectiveNoFileComp))
	return c
}

func (f *usageFlags) check() error {
	for _, g := range f.by {
		if !slices.Contains(api.GroupNames, g) && !strings.HasPrefix(g, "metadata.") {
			return wrongUsage("ai-gateway usage --last 7d --by model", "--by knows %s and metadata.NAME, not %q", strings.Join(api.GroupNames, ", "), g)
		}
	}
	for _, date := range []string{f.ask.StartDate, f.ask.EndDate} {
		if _, err := time.Parse(time.DateOnly, date); date != "" && err != nil {
			return wrongUsage("ai-gateway usage --since 2026-11-01", "a day is YYYY-MM-DD, not %q", date)
		}
	}
	if !slices.Contains([]string{"", "cost", "requests", "tokens"}, f.sort) {
		return wrongUsage("ai-gateway usage --sort cost", "--sort knows cost, requests, tokens, not %q", f.sort)
	}
	if f.top < 0 {
		return wrongUsage("ai-gateway usage --top 10", "--top must not be negative")
	}
	return nil
}

func (a *app) usage(f *usageFlags) error {
	if err := f.check(); err != nil {
		return err
	}
	client, err := a.client()
	if err != nil {
		return err
	}
	ask := f.ask
	ask.GroupBy = f.by
	if ask.Last == "" && ask.StartDate == "" && ask.EndDate == "" {
		ask.Last = "7d"
	}
	if ask.Zone == "" {
		ask.Zone = a.zone()
	}
	if ask.Key != "" {
		if ask.Key, err = a.keyID(client, ask.Key); err != nil {
			return err
		}
	}
	r, err := client.Usage(a.ctx, ask)
	if err != nil {
		return err
	}
	sortGroups(r.Data, f)
	rest := len(r.Data)
	if f.top > 0 && f.top < len(r.Data) {
		r.Data = r.Data[:f.top]
	}
	if err := show(a, r, r.Data, a.usageTable(r, f.by)); err != nil || a.output != "table" {
		return err
	}
	notes := []string{a.say("%s to %s", r.Since.Local().Format("2006-01-02 15:04"), r.Until.Local().Format("2006-01-02 15:04"))}
	if r.Key != "" {
		notes = append(notes, a.say("of the key %s alone", cleanText(r.Key)))
	}
	if rest > len(r.Data) {
		notes = append(notes, a.say("%d more groups", rest-len(r.Data)))
	}
	if r.Partial {
		notes = append(notes, a.say("only a part of the requests was read: ask for less time"))
	}
	if r.Total.Estimated > 0 {
		notes = append(notes, a.say("%s requests estimated (the upstream sent no full usage)", thousands(r.Total.Estimated)))
	}
	a.line("%s", strings.Join(notes, " · "))
	return nil
}

// keyID returns the id of the key called ref, or ref for callers that may not look.
func (a *app) keyID(client *api.Client, ref string) (string, error) {
	k, err := findKey(a.ctx, client, ref)
	if err == nil {
		return k.ID, nil
	}
	if exitCode(err) == exitAuth {
		return ref, nil
	}
	return "", err
}

// sortGroups orders days in time, other groups by what they cost.
func sortGroups(groups []api.UsageGroup, f *usageFlags) {
	by := f.sort
	timed := slices.Contains(f.by, "day") || slices.Contains(f.by, "hour")
	slices.SortStableFunc(groups, func(x, y api.UsageGroup) int {
		if by == "" && timed {
			if c := cmp.Compare(x.Group["day"]+x.Group["hour"], y.Group["day"]+y.Group["hour"]); c != 0 {
				return c
			}
		}
		cost, requests := cmp.Compare(y.CostUSD, x.CostUSD), cmp.Compare(y.Requests, x.Requests)
		tokens := cmp.Compare(y.PromptTokens+y.CompletionTokens, x.PromptTokens+x.CompletionTokens)
		switch by {
		case "requests":
			return cmp.Or(requests, cost)
		case "tokens":
			return cmp.Or(tokens, cost)
		}
		return cmp.Or(cost, requests, tokens)
	})
}

func (a *app) usageTable(r *api.UsageReply, by []string) table {
	t := table{empty: phrase("No requests in this time.")}
	for _, g := range by {
		t.columns = append(t.columns, column{head: strings.ToUpper(strings.ReplaceAll(g, "_", " ")), name: g, flex: true})
	}
	t.columns = append(t.columns, column{head: "REQUESTS", right: true}, column{head: "INPUT", name: "prompt_tokens", right: true},
		column{head: "CACHED", name: "cache_read_tokens", right: true}, column{head: "OUTPUT", name: "completion_tokens", right: true},
		column{head: "COST", name: "cost_usd", right: true}, column{head: "ERR", name: "errors", right: true}, column{head: "AVG", name: "avg_ms", right: true})
	for _, g := range r.Data {
		var row []cell
		for i, name := range by {
			value := g.Group[name]
			if name == "key" && g.KeyName != "" {
				value = g.KeyName
			}
			c := str(value)
			if c.text == "" {
				c.text = "–"
			}
			if i == 0 && g.Requests > 0 && g.Estimated == g.Requests {
				c.text = a.word("(est.)") + " " + c.text
			}
			row = append(row, c)
		}
		t.rows = append(t.rows, append(row, sums(&g.UsageSums)...))
	}
	if len(r.Data) > 0 {
		t.total = append(t.total, cell{text: a.head("TOTAL")})
		for range by[1:] {
			t.total = append(t.total, cell{})
		}
		t.total = append(t.total, sums(&r.Total)...)
	}
	return t
}

func sums(s *api.UsageSums) []cell {
	avg := cell{text: "–"}
	if s.Requests > 0 {
		avg = millis(float64(s.DurationMs / s.Requests))
	}
	cached := tokens(s.CacheReadTokens)
	cached.text = percent(s.CacheReadTokens, s.PromptTokens)
	errs := count(s.Errors)
	errs.text = percent(s.Errors, s.Requests)
	return []cell{count(s.Requests), tokens(s.PromptTokens), cached, tokens(s.CompletionTokens), money(s.CostUSD), errs, avg}
}

// zone is the IANA name of this machine's time zone, "" if it is not known.
func (a *app) zone() string {
	for _, name := range []string{strings.TrimPrefix(a.env["TZ"], ":"), linkedZone()} {
		if name == "" || strings.HasPrefix(name, "/") {
			continue
		}
		if _, err := time.LoadLocation(name); err == nil {
			return name
		}
	}
	return ""
}

func linkedZone() string {
	target, err := os.Readlink("/etc/localtime")
	if err != nil {
		return ""
	}
	_, name, _ := strings.Cut(target, "/zoneinfo/")
	return name
}
