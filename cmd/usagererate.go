package cmd

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/your-org/ai-api-gateway/server/api"
)

// rerateFlags are what `usage rerate` takes.
type rerateFlags struct {
	ask          api.Rerate
	since, until string
	yes          bool
}

func (a *app) rerateCommand() *cobra.Command {
	var f rerateFlags
	c := &cobra.Command{
		Use: "rerate", Short: "Price past requests anew, by the prices of now", Args: cobra.NoArgs,
		Long: `Price past requests anew, by the prices of now, and correct those that differ.
Every correction is an entry of the ledger in the time of its request; budget
periods that have ended stay as they were. What the upstream itself said it
charged is left. Without --yes the differences are shown before anything is done.`,
		Example: "  ai-gateway usage rerate --since 2026-11-01 --dry-run\n  ai-gateway usage rerate --since 2026-11-01 --provider groq --yes",
		RunE:    func(*cobra.Command, []string) error { return a.rerate(&f) },
	}
	fs := c.Flags()
	fs.StringVar(&f.since, "since", "", "from this time: YYYY-MM-DD, or RFC 3339")
	fs.StringVar(&f.until, "until", "", "before this time: YYYY-MM-DD, or RFC 3339")
	fs.StringVar(&f.ask.Key, "key", "", "only this key, by name or id")
	fs.StringVar(&f.ask.Model, "model", "", "only this model, as it was asked for")
	fs.StringVar(&f.ask.Provider, "provider", "", "only this provider")
	fs.StringVar(&f.ask.Account, "account", "", "only this account")
	fs.BoolVar(&f.ask.DryRun, "dry-run", false, "only show what would change")
	asksFirst(c, &f.yes)
	return c
}

func (a *app) rerate(f *rerateFlags) error {
	var err error
	if f.since == "" {
		return wrongUsage("ai-gateway usage rerate --since 2026-11-01 --dry-run", "--since is missing: from when on requests are priced anew")
	}
	ask := f.ask
	if ask.Since, err = moment8601("--since", f.since); err != nil {
		return err
	}
	if ask.Until, err = moment8601("--until", f.until); err != nil {
		return err
	}
	if ask.Until.IsZero() {
		ask.Until = a.now().Add(time.Minute) // what comes meanwhile is priced by the prices of now
	}
	client, err := a.client()
	if err != nil {
		return err
	}
	if ask.Key != "" {
		if ask.Key, err = a.keyID(client, ask.Key); err != nil {
			return err
		}
	}
	dry := ask
	dry.DryRun = true
	total, err := a.rerateAll(client, dry)
	if err != nil {
		return err
	}
	if f.ask.DryRun || total.Changed == 0 {
		return a.showRerated(total)
	}
	if a.output == "table" {
		if err := a.showRerated(total); err != nil {
			return err
		}
	}
	if err := a.confirm(f.yes, phrase("Correct %s requests?", thousands(int64(total.Changed)))); err != nil {
		return err
	}
	if total, err = a.rerateAll(client, ask); err != nil {
		return err
	}
	if a.output != "table" {
		return a.showRerated(total)
	}
	a.line("corrected %s requests", thousands(int64(total.Changed)))
	return nil
}

// rerateAll follows the cursors to the end and sums the pages.
func (a *app) rerateAll(client *api.Client, ask api.Rerate) (*api.RerateReply, error) {
	total, groups := &api.RerateReply{Data: []api.Rerated{}}, map[string]*api.Rerated{}
	p := a.progress("pricing anew", nil)
	defer p.done()
	for {
		r, err := client.RerateUsage(a.ctx, ask)
		if err != nil {
			return nil, err
		}
		total.Rows += r.Rows
		total.Changed += r.Changed
		p.at("%s", a.say("%s requests", thousands(int64(total.Rows))))
		total.Version, total.Applied = r.Version, total.Applied || r.Applied
		for _, g := range r.Data {
			name := g.Provider + "\x00" + g.Model
			if have := groups[name]; have != nil {
				have.Rows += g.Rows
				have.Changed += g.Changed
				have.OldUSD += g.OldUSD
				have.NewUSD += g.NewUSD
			} else {
				groups[name] = &g
			}
		}
		if ask.Cursor = r.NextCursor; ask.Cursor == "" {
			break
		}
	}
	for _, g := range groups {
		total.Data = append(total.Data, *g)
	}
	slices.SortFunc(total.Data, func(x, y api.Rerated) int {
		return cmp.Or(strings.Compare(x.Provider, y.Provider), strings.Compare(x.Model, y.Model))
	})
	return total, nil
}

func (a *app) showRerated(r *api.RerateReply) error {
	t := table{columns: []column{{head: "PROVIDER"}, {head: "MODEL", flex: true}, {head: "REQUESTS", name: "rows", right: true}, {head: "CHANGED", right: true},
		{head: "WAS", name: "old_usd", right: true}, {head: "IS", name: "new_usd", right: true}, {head: "DIFFERENCE", name: "delta_usd", right: true}, {head: "PRICE", name: "price_version"}},
		empty: phrase("No requests in this time are priced by the gateway.")}
	for _, g := range r.Data {
		t.rows = append(t.rows, []cell{str(g.Provider), str(g.Model), count(int64(g.Rows)), count(int64(g.Changed)), money(g.OldUSD), money(g.NewUSD), money(g.NewUSD - g.OldUSD), str(g.PriceSource + " " + g.PriceVersion)})
	}
	return show(a, r, r.Data, t)
}
