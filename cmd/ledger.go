package cmd

import (
	"context"
	"crypto/rand"
	"errors"
	"path/filepath"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/spf13/cobra"

	"github.com/your-org/ai-api-gateway/server/admin"
	"github.com/your-org/ai-api-gateway/server/api"
	"github.com/your-org/ai-api-gateway/server/ledger"
	"github.com/your-org/ai-api-gateway/store"
	"github.com/your-org/ai-api-gateway/web/locales"
)

func (a *app) ledgerCommand() *cobra.Command {
	c := newGroup("ledger", "Prove the ledger, and settle what a crash left open")
	var o offline
	verify := &cobra.Command{
		Use: "verify", Short: "Recompute every balance from the entries, and name the first that differs", Args: cobra.NoArgs,
		Long: `Recompute every roll-up, from which balances are counted, from the rows and their
corrections, and name the first that differs. A running gateway does it itself;
with --data-dir or --config, while none runs, the files are read here, after the
log that a crash may have left is applied to them as serve would.`,
		RunE: func(*cobra.Command, []string) error { return a.verifyLedger(&o) },
	}
	o.add(verify)
	c.AddCommand(verify, a.resolveCommand())
	return c
}

func (a *app) verifyLedger(o *offline) error {
	var v *api.Verification
	var err error
	p := a.progress("adding up the ledger", nil)
	if o.dataDir != "" || o.config != "" {
		v, err = a.verifyOffline(o)
	} else {
		var client *api.Client
		if client, err = a.client(); err == nil {
			v, err = client.VerifyLedger(a.ctx)
		}
	}
	p.done()
	if err != nil {
		return err
	}
	if a.output == "json" || a.output == "jsonl" {
		err = a.writeJSON(v)
	} else if v.Clean {
		_, err = a.out("clean: %s rows of %d days, %s corrections and %s roll-ups add up to %s charged (%s)\n",
			thousands(v.Rows), v.Days, thousands(v.Corrections), thousands(v.RollUps), dollars(v.ChargedUSD), took(time.Duration(v.TookMs*float64(time.Millisecond))))
		if err == nil && v.Unproven > 0 {
			a.line("%s roll-ups are of days whose rows retention has removed", thousands(v.Unproven))
		}
	}
	if err == nil && !v.Clean {
		err = &hintError{err: errorf("the ledger does not add up on %s: %s: %s", v.FaultDay, v.FaultAt, v.Fault),
			hint: phrase("Keep a copy of the data folder before anything else is tried."), next: "ai-gateway store backup FILE"}
	}
	return err
}

// verifyOffline reads the files of a gateway that does not run.
func (a *app) verifyOffline(o *offline) (*api.Verification, error) {
	st, closeStore, err := a.openBooks(o)
	if err != nil {
		return nil, err
	}
	started := a.now()
	v, err := st.Verify(a.ctx)
	if err = errors.Join(err, closeStore()); err != nil {
		return nil, err
	}
	view := admin.VerificationView(v, a.now().Sub(started))
	return &view, nil
}

// openBooks opens the store that serve would use and applies the logs that dead
// processes left beside it.
func (a *app) openBooks(o *offline) (_ books, closeStore func() error, err error) {
	cfg, err := o.load(a)
	if err != nil {
		return nil, nil, err
	}
	st, err := a.openStored(cfg)
	if err != nil {
		return nil, nil, err
	}
	l, err := ledger.Open(a.ctx, ledger.Options{
		Dir: filepath.Join(cfg.DataDir, "wal"), Store: st, Now: a.now, OnCrash: cfg.Ledger.OnCrash,
		Boot: ulid.MustNew(ulid.Timestamp(a.now()), rand.Reader).String(),
	})
	if err == nil {
		if left := l.Stats(); left.ForeignBoots > 0 {
			err = errorf("a log in %s cannot be applied: %s", filepath.Join(cfg.DataDir, "wal"), left.ApplyError)
		}
		err = errors.Join(err, l.Close(context.WithoutCancel(a.ctx)))
	}
	if err != nil {
		return nil, nil, errors.Join(err, st.Close())
	}
	return st, st.Close, nil
}

// resolveFlags are what `ledger resolve` takes.
type resolveFlags struct {
	cost, note             string
	release, charge, every bool
	yes                    bool
}

func (a *app) resolveCommand() *cobra.Command {
	var f resolveFlags
	c := &cobra.Command{
		Use: "resolve [REQUEST-ID]", Short: "List requests that a crash left open, or say what one cost", Args: cobra.MaximumNArgs(1),
		Example: "  ai-gateway ledger resolve\n  ai-gateway ledger resolve 01JD3X… --cost 0.0125\n  ai-gateway ledger resolve --all --release --yes",
		RunE: func(_ *cobra.Command, args []string) error {
			id := ""
			if len(args) > 0 {
				id = args[0]
			}
			return a.resolve(id, &f)
		},
	}
	fs := c.Flags()
	fs.StringVar(&f.cost, "cost", "", "what the request cost, in USD")
	fs.BoolVar(&f.release, "release", false, "it cost nothing")
	fs.BoolVar(&f.charge, "charge", false, "it cost what was reserved")
	fs.BoolVar(&f.every, "all", false, "all that are open, with --release or --charge")
	fs.StringVar(&f.note, "note", "", "why, for the record")
	asksFirst(c, &f.yes)
	c.MarkFlagsMutuallyExclusive("cost", "release", "charge")
	return c
}

func (a *app) resolve(id string, f *resolveFlags) error {
	const usage = "ai-gateway ledger resolve REQUEST-ID --cost 0.0125"
	said := f.cost != "" || f.release || f.charge
	switch {
	case id != "" && f.every, f.every && f.cost != "":
		return wrongUsage("ai-gateway ledger resolve --all --release --yes", "--all goes with --release or --charge, and no request")
	case (id != "" || f.every) && !said:
		return wrongUsage(usage, "say what it cost: --cost USD, --charge or --release")
	case id == "" && !f.every && said:
		return wrongUsage(usage, "name the request, or --all")
	}
	client, err := a.client()
	if err != nil {
		return err
	}
	open, err := a.openRequests(client, id)
	if err != nil {
		return err
	}
	if !said {
		return a.showOpen(open)
	}
	if f.every && len(open) > 0 {
		if err := a.confirm(f.yes, phrase("Say what %s requests cost, for good?", thousands(int64(len(open))))); err != nil {
			return err
		}
	}
	ask := api.LedgerResolve{Note: f.note}
	switch {
	case f.cost != "":
		cost, err := api.ParseUSD(f.cost)
		if err != nil || cost < 0 {
			return wrongUsage(usage, "--cost is an amount of USD, not %q", f.cost)
		}
		ask.CostUSD = &cost
	case f.charge:
		ask.Charge = "reserved"
	default:
		ask.Charge = "nothing"
	}
	var rows []api.LogRow
	for _, r := range open {
		ask.RequestID = r.RequestID
		row, err := client.ResolveLedger(a.ctx, ask)
		if err != nil {
			return err
		}
		rows = append(rows, *row)
	}
	return show(a, rows, rows, openTable(rows, phrase("Nothing was open.")))
}

// openRequests returns the requests that a crash left open, or the one of that id.
func (a *app) openRequests(client *api.Client, id string) ([]api.LogRow, error) {
	if id != "" {
		r, err := client.Log(a.ctx, id)
		if err != nil {
			return nil, withNext(err, exitNotFound, "ai-gateway ledger resolve")
		}
		return []api.LogRow{r.LogRow}, nil
	}
	open := []api.LogRow{} // not null, for programs
	for ask := (api.LogsAsk{EndReason: store.EndCrash, Limit: 1000}); ; {
		r, err := client.Logs(a.ctx, ask)
		if err != nil {
			return nil, err
		}
		for _, row := range r.Data {
			if !resolved(&row) {
				open = append(open, row)
			}
		}
		if ask.Cursor = r.NextCursor; ask.Cursor == "" {
			return open, nil
		}
	}
}

func resolved(r *api.LogRow) bool {
	for _, f := range r.Flags {
		if f == "resolved" {
			return true
		}
	}
	return false
}

func (a *app) showOpen(open []api.LogRow) error {
	return show(a, open, open, openTable(open, phrase("Nothing is open: every request has its true cost.")))
}

func openTable(rows []api.LogRow, empty locales.Phrase) table {
	t := table{columns: []column{{head: "TIME"}, {head: "REQUEST", name: "request_id"}, {head: "KEY", flex: true}, {head: "MODEL", flex: true}, {head: "ACCOUNT", flex: true},
		{head: "COST", name: "cost_usd", right: true}, {head: "UNCONFIRMED", name: "unconfirmed_usd", right: true}}, empty: empty}
	for _, r := range rows {
		t.rows = append(t.rows, []cell{moment(r.Time), str(r.RequestID), str(r.KeyName), {text: modelPath(&r), raw: r.Model}, str(r.Account), money(r.CostUSD), money(r.UnconfirmedUSD)})
	}
	return t
}
