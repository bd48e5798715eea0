package cmd

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/spf13/cobra"

	"github.com/your-org/ai-api-gateway/store"
	"github.com/your-org/ai-api-gateway/store/postgres"
)

// metaStoreID names a store, so that a move of it is told from that of another.
const metaStoreID = "store_id"

func (a *app) storeMigrateCommand() *cobra.Command {
	var o offline
	var to string
	c := &cobra.Command{
		Use: "migrate --to postgres://…", Short: "Copy the store into a Postgres database, and prove the copy, while no gateway runs", Args: cobra.NoArgs,
		Long: `Copy the store of the data folder into an empty Postgres database: keys, accounts,
mappings, policies, audit, usage rows with their corrections, and roll-ups. The copy
is compared with the store day by day and proven as "ledger verify" does. What was
cut short goes on where it was when it is run again. The data folder stays as it is.

Gateways then run on the database with the same master key: see docs/postgres.md.`,
		Example: "  ai-gateway store migrate --to postgres://gateway:password@db.example.com/gateway",
		RunE:    func(*cobra.Command, []string) error { return a.storeMigrate(&o, to) },
	}
	o.add(c)
	c.Flags().StringVar(&to, "to", "", "address of the database")
	_ = c.MarkFlagRequired("to")
	return c
}

func (a *app) storeMigrate(o *offline, to string) (err error) {
	if err := o.embedded(a, "pg_dump and psql copy one database to another"); err != nil {
		return err
	}
	src, closeStore, err := a.openBooks(o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeStore()) }()
	dst, err := postgres.Open(a.ctx, to, postgres.Options{})
	if err != nil {
		return databaseError(err)
	}
	defer func() { err = errors.Join(err, dst.Close()) }()
	m := &move{a: a, src: src, dst: dst}
	if err := m.configuration(a.ctx); err != nil {
		return err
	}
	if err := m.usage(a.ctx); err != nil {
		return err
	}
	return m.prove(a.ctx)
}

// A move copies one store into a database.
type move struct {
	a    *app
	src  books
	dst  *postgres.Store
	rows int64
}

// configuration copies the records, and the audit trail before them.
func (m *move) configuration(ctx context.Context) error {
	snap, err := m.src.Load(ctx)
	if err != nil {
		return err
	}
	meta := maps.Clone(snap.Meta)
	id := meta[metaStoreID]
	if len(id) == 0 {
		id = []byte(ulid.Make().String())
		if _, err := m.src.Apply(ctx, store.Change{Meta: &store.MetaValue{Name: metaStoreID, Value: id}}); err != nil {
			return err
		}
		meta[metaStoreID] = id
	}
	there, err := m.dst.Load(ctx)
	if err != nil {
		return err
	}
	if there.Rev != 0 && string(there.Meta[metaStoreID]) != string(id) {
		return &hintError{err: errorf("the database holds another store: give an empty one"), hint: phrase("createdb makes one; to look at this one:"), next: "ai-gateway migrate status --database-url …"}
	}
	if there.Rev == 0 { // from here on it is known whose copy it is
		if _, err := m.dst.Apply(ctx, store.Change{Meta: &store.MetaValue{Name: metaStoreID, Value: id}}); err != nil {
			return err
		}
	}
	if err := m.audit(ctx); err != nil {
		return err
	}
	var changes []store.Change
	for _, k := range snap.Keys {
		changes = append(changes, store.Change{Key: k})
	}
	for _, x := range snap.Accounts {
		changes = append(changes, store.Change{Account: x})
	}
	for _, x := range snap.Mappings {
		changes = append(changes, store.Change{Mapping: x})
	}
	for _, x := range snap.Policies {
		changes = append(changes, store.Change{Policy: x})
	}
	for name, value := range meta {
		changes = append(changes, store.Change{Meta: &store.MetaValue{Name: name, Value: value}})
	}
	for some := range slices.Chunk(changes, 500) {
		if _, err := m.dst.Apply(ctx, some...); err != nil {
			return err
		}
	}
	m.a.line("copied %d keys, %d accounts, %d mappings, %d policies", len(snap.Keys), len(snap.Accounts), len(snap.Mappings), len(snap.Policies))
	return nil
}

// audit copies what is newer than the newest there, the oldest first.
func (m *move) audit(ctx context.Context) error {
	newest := ""
	switch rows, err := m.dst.Audit(ctx, 1, ""); {
	case err != nil:
		return err
	case len(rows) > 0:
		newest = rows[0].ID
	}
	var all []store.Change
	for before := ""; ; {
		rows, err := m.src.Audit(ctx, 1000, before)
		if err != nil {
			return err
		}
		for i := range rows {
			if rows[i].ID > newest {
				all = append(all, store.Change{Audit: &rows[i]})
			}
		}
		if len(rows) == 0 || rows[len(rows)-1].ID <= newest {
			break
		}
		before = rows[len(rows)-1].ID
	}
	slices.Reverse(all)
	for some := range slices.Chunk(all, 500) {
		if _, err := m.dst.Apply(ctx, some...); err != nil {
			return err
		}
	}
	m.a.line("copied %d audit rows", len(all))
	return nil
}

// usage copies rows and roll-ups, a day after the other.
func (m *move) usage(ctx context.Context) error {
	days, err := m.src.Totals(ctx, store.TotalsQuery{GroupBy: []string{"day"}})
	if err != nil {
		return err
	}
	applied, err := m.dst.Applied(ctx)
	if err != nil {
		return err
	}
	for i := range days {
		day, err := time.Parse(time.DateOnly, days[i].Group["day"])
		if err != nil {
			return err
		}
		n, err := m.day(ctx, day, applied)
		if err != nil {
			return errorf("cannot copy %s: %w", day.Format(time.DateOnly), err)
		}
		if n == 0 { // its rows are not kept any more
			sums, err := m.src.Totals(ctx, store.TotalsQuery{Since: day, Until: day.AddDate(0, 0, 1), GroupBy: postgres.AdoptBy})
			var times []store.Latency
			if err == nil {
				times, err = m.src.Latency(ctx, store.LatencyQuery{Since: day, Until: day.AddDate(0, 0, 1), GroupBy: postgres.AdoptLatenciesBy})
			}
			if err == nil {
				err = m.dst.Adopt(ctx, day, sums, times)
			}
			if err != nil {
				return err
			}
		}
		if err := m.compare(ctx, day); err != nil {
			return err
		}
		m.rows += n
		m.a.line("%s: %s rows copied and compared (%d of %d days)", day.Format(time.DateOnly), thousands(n), i+1, len(days))
	}
	return nil
}

// day copies the rows of a day as the entries of a log of their own, in the order they
// are read in, so that the database knows how far it has them.
func (m *move) day(ctx context.Context, day time.Time, applied map[string]uint64) (n int64, err error) {
	boot := "rows-of-" + day.Format(time.DateOnly)
	seq, done := uint64(0), applied[boot]
	q := store.UsageQuery{Since: day, Until: day.AddDate(0, 0, 1), Limit: 1000}
	for {
		page, err := m.src.Usage(ctx, q)
		if err != nil {
			return n, err
		}
		var entries []store.Entry
		for i := range page.Rows {
			n++
			for _, e := range entriesOf(&page.Rows[i], day) {
				seq++
				if e.Boot, e.Seq = boot, seq; seq > done {
					entries = append(entries, e)
				}
			}
		}
		if len(entries) > 0 {
			if err := m.dst.Append(ctx, entries); err != nil {
				return n, err
			}
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			return n, nil
		}
	}
}

// entriesOf are the entries that make a row: how it was settled, and how each part of
// it was corrected since.
func entriesOf(row *store.UsageRow, day time.Time) []store.Entry {
	out := []store.Entry{{Kind: store.EntrySettle, Time: row.Time, RequestID: row.RequestID, Row: row}}
	row.Shares(func(s store.Share) {
		if s.AdjustedNano != 0 {
			out = append(out, store.Entry{Kind: store.EntryAdjust, Time: row.Time, RequestID: row.RequestID, DeltaNano: s.AdjustedNano, Attempt: s.Attempt, Day: day})
		}
	})
	row.CostNano, row.AdjustedNano = store.AddNano(row.CostNano, -row.AdjustedNano), 0
	for i := range row.Attempts {
		if s := row.Attempts[i].Spent; s != nil {
			s.AdjustedNano = 0
		}
	}
	return out
}

// compare holds the sums of a day in both stores against each other. Models are left
// out: each store has its own bound to how many it keeps apart.
func (m *move) compare(ctx context.Context, day time.Time) error {
	q := store.TotalsQuery{Since: day, Until: day.AddDate(0, 0, 1), GroupBy: []string{"hour", "key", "provider", "account", "end_reason", "group"}}
	was, err := m.src.Totals(ctx, q)
	if err != nil {
		return err
	}
	is, err := m.dst.Totals(ctx, q)
	if err != nil {
		return err
	}
	same := slices.EqualFunc(was, is, func(a, b store.Total) bool {
		for i, n := range a.Numbers() {
			if *n != *b.Numbers()[i] {
				return false
			}
		}
		for name, value := range a.Group {
			if b.Group[name] != value {
				return false
			}
		}
		return true
	})
	if !same {
		return errorf("the database's sums of %s differ from the store's", day.Format(time.DateOnly))
	}
	return nil
}

// prove verifies the copy, and that it holds as much as the store.
func (m *move) prove(ctx context.Context) error {
	is, err := m.dst.Verify(ctx)
	if err != nil {
		return err
	}
	if is.Fault != "" {
		return errorf("the copy does not add up on %s: %s: %s", is.FaultDay, is.FaultRows, is.Fault)
	}
	if is.Rows != m.rows {
		return errorf("the database holds %d rows, the store %d: has a gateway used it meanwhile?", is.Rows, m.rows)
	}
	m.a.line("proven: %s rows of %d days, %s roll-ups, %s USD charged", thousands(is.Rows), is.Days, thousands(is.RollUps), store.FormatUSD(is.Charged))
	m.a.line("Set AI_GATEWAY_DATABASE_URL and start: keep the data folder, which has the master key and the log.")
	if m.a.output != "json" && m.a.output != "jsonl" {
		return nil
	}
	return m.a.writeJSON(struct {
		Rows       int64  `json:"rows"`
		Days       int64  `json:"days"`
		RollUps    int64  `json:"roll_ups"`
		ChargedUSD string `json:"charged_usd"`
	}{is.Rows, is.Days, is.RollUps, store.FormatUSD(is.Charged)})
}
