package admin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/server/api"
	"github.com/your-org/ai-api-gateway/server/routing"
	"github.com/your-org/ai-api-gateway/store"
)

// verifyTimeout bounds the proof of a whole ledger: a day of a million rows takes seconds.
const verifyTimeout = 30 * time.Minute

// verifyLedger recomputes every roll-up from the rows.
func (a *Admin) verifyLedger(c *Call) error {
	if _, err := c.params(); err != nil {
		return err
	}
	if a.d.Verify == nil {
		return &api.Error{Status: 501, Code: "not_supported", Message: "this store cannot be verified by the gateway"}
	}
	if !a.long.TryLock() {
		return conflict("busy", "a verification or a backup runs already: wait for its end")
	}
	defer a.long.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), verifyTimeout)
	defer cancel()
	if err := a.d.Sync(ctx); err != nil {
		return err
	}
	started := a.d.Now()
	v, err := a.d.Verify(ctx)
	if err != nil {
		return err
	}
	return c.answer(200, VerificationView(v, a.d.Now().Sub(started)))
}

// VerificationView is a verification as the API shows it.
func VerificationView(v store.Verification, took time.Duration) api.Verification {
	return api.Verification{Clean: v.Fault == "", Days: v.Days, Rows: v.Rows, Corrections: v.Corrections, RollUps: v.RollUps, Unproven: v.Unproven,
		ChargedUSD: api.USD(v.Charged), Fault: v.Fault, FaultDay: v.FaultDay, FaultAt: v.FaultRows, TookMs: millis(took)}
}

// resolve says what a request cost that a crash had left open.
func (a *Admin) resolve(c *Call) error {
	in, err := decode[api.LedgerResolve](c)
	if err != nil {
		return err
	}
	if (in.CostUSD == nil) == (in.Charge == "") {
		return missing("cost_usd", `0.0125, or charge "reserved" or "nothing"`)
	}
	if in.CostUSD != nil && (*in.CostUSD < 0 || *in.CostUSD > 1_000_000*api.Dollar) {
		return invalid("cost_usd", "must be from 0 to 1000000")
	}
	if !printable(in.Note, 200) {
		return invalid("note", "must be at most 200 printable characters")
	}
	ctx, cancel := bounded()
	defer cancel()
	a.mu.Lock()
	defer a.mu.Unlock()
	row, err := a.findRow(ctx, in.RequestID)
	if err != nil {
		return err
	}
	if row.Flags&store.FlagCrashRecovered == 0 || row.Flags&store.FlagResolved != 0 {
		return conflict("not_unconfirmed", "request %s is not one that a crash left open, or it is resolved: `ai-gateway ledger resolve` lists those that are open", row.RequestID)
	}
	// The cost so far is of attempts that had told what they used before the last.
	cost, tokens := row.CostNano, -row.UnconfirmedTokens
	switch in.Charge {
	case "":
		if cost = int64(*in.CostUSD); cost < row.CostNano {
			return invalid("cost_usd", "must not be below %s, which attempts before the last are known to have cost", api.USD(row.CostNano))
		}
	case "reserved":
		cost, tokens = store.AddNano(cost, row.Unconfirmed()), 0 // the tokens stay counted, too
	case "nothing":
	default:
		return invalid("charge", "must be reserved or nothing, not %q", clip(in.Charge))
	}
	e := store.Entry{RequestID: row.RequestID, Day: row.Time, DeltaNano: store.AddNano(cost, -row.CostNano), UnconfirmedNano: -row.Unconfirmed(), UnconfirmedTokens: tokens,
		PriceVersion: c.Now.UTC().Format(time.RFC3339), PriceSource: store.PriceResolved, Note: cmp.Or(in.Note, "resolved by "+c.Who.actor())}
	if in.Charge == "" { // what was reserved has the markup in it
		e.MarkupNano = a.markupOf(row.KeyID, e.DeltaNano)
	}
	if err := a.d.Adjust(e); err != nil {
		return err
	}
	before := LogView(row)
	if err := a.change(ctx, c, "ledger.resolve", row.RequestID, before, in, store.Change{}); err != nil {
		return err
	}
	if err := a.recount(ctx); err != nil {
		return err
	}
	if row, err = a.findRow(ctx, row.RequestID); err != nil {
		return err
	}
	return c.answer(200, LogView(row))
}

// recount waits until the store has what was corrected, and has budgets count it.
func (a *Admin) recount(ctx context.Context) error {
	if err := a.d.Sync(ctx); err != nil || a.d.Limiter == nil {
		return err
	}
	return a.d.Limiter.Recount(ctx)
}

// markupOf is what a key is charged beyond a cost, by its markup of today.
func (a *Admin) markupOf(keyID string, cost int64) int64 {
	k, ok := a.d.Keys.ByID(keyID)
	if !ok || k.MarkupMillionths() == 0 {
		return 0
	}
	beyond, _ := providers.Markup(cost, store.MarkupUnit+k.MarkupMillionths())
	return beyond
}

// findRow returns the row of a whole request id.
func (a *Admin) findRow(ctx context.Context, id string) (*store.UsageRow, error) {
	id = strings.ToUpper(id)
	if len(id) != 26 {
		return nil, invalid("request_id", "must be a whole request id of 26 characters")
	}
	if err := a.d.Sync(ctx); err != nil {
		return nil, err
	}
	page, err := a.d.Store.Usage(ctx, store.UsageQuery{RequestID: id, Limit: 1})
	if err != nil {
		return nil, err
	}
	if len(page.Rows) == 0 {
		return nil, notFound("request", id, "ai-gateway logs")
	}
	return &page.Rows[0], nil
}

// rerate prices the rows of a time anew, by the prices of now, and corrects those
// that differ: each in the bucket of its own time. One call looks at one page of
// rows at most; the cursor of its answer leads on.
func (a *Admin) rerate(c *Call) error {
	in, err := decode[api.Rerate](c)
	if err != nil {
		return err
	}
	if in.Since.IsZero() {
		return missing("since", `"2026-11-01T00:00:00Z"`)
	}
	ctx, cancel := bounded()
	defer cancel()
	a.mu.Lock() // two at once would correct twice
	defer a.mu.Unlock()
	if err := a.d.Sync(ctx); err != nil {
		return err
	}
	// Provider and account are of attempts: rows that went elsewhere in the end have some.
	page, err := a.d.Store.Usage(ctx, store.UsageQuery{Since: in.Since, Until: in.Until, Model: in.Model, KeyID: in.Key, Cursor: in.Cursor, Limit: 1000})
	if err != nil {
		return err
	}
	r := rerating{table: a.d.Table(), unknown: a.d.UnknownPrice, provider: in.Provider, account: in.Account, note: "rerated by " + c.Who.actor(), groups: map[string]*api.Rerated{}}
	changed := 0
	for i := range page.Rows {
		before := len(r.fixes)
		if r.row(&page.Rows[i]); len(r.fixes) > before {
			changed++
		}
	}
	fixes := r.fixes
	reply := api.RerateReply{Data: []api.Rerated{}, Rows: len(page.Rows), Changed: changed, Version: r.table.Catalogue().Version(), NextCursor: page.Next}
	for _, g := range r.groups {
		reply.Data = append(reply.Data, *g)
	}
	slices.SortFunc(reply.Data, func(x, y api.Rerated) int {
		return cmp.Or(strings.Compare(x.Provider, y.Provider), strings.Compare(x.Model, y.Model))
	})
	if !in.DryRun && len(fixes) > 0 {
		if err := a.adjustAll(fixes); err != nil {
			return err
		}
		if err := a.change(ctx, c, "usage.rerate", in.Since.UTC().Format(time.RFC3339), nil, reply.Data, store.Change{}); err != nil {
			return err
		}
		if err := a.recount(ctx); err != nil {
			return err
		}
		reply.Applied = true
	}
	return c.answer(200, reply)
}

// adjustAll writes corrections, many at a time so that they share commits.
func (a *Admin) adjustAll(fixes []store.Entry) error {
	const atOnce = 64
	slots := make(chan struct{}, atOnce)
	errs := make(chan error, len(fixes))
	var wg sync.WaitGroup
	for _, e := range fixes {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			defer func() {
				if v := recover(); v != nil { // it would end the process
					a.d.Log.Error("writing a correction panicked", "request_id", e.RequestID, "panic", fmt.Sprint(v))
					errs <- errors.New("internal error")
				}
			}()
			errs <- a.d.Adjust(e)
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// A rerating prices rows anew.
type rerating struct {
	table             *routing.Table
	unknown           string
	provider, account string // of the attempts wanted; "": all
	note              string
	groups            map[string]*api.Rerated
	fixes             []store.Entry
}

// row adds the corrections of a row: of each of its attempts that the prices of now
// make another amount of.
func (r *rerating) row(row *store.UsageRow) {
	row.Shares(func(s store.Share) {
		if (r.provider == "" || r.provider == s.Provider) && (r.account == "" || r.account == s.Account) {
			r.share(row, &s)
		}
	})
}

// share is row for one attempt. What is not ours to say is left: what the upstream
// charged, what runs at home, what a person resolved, and what has no usage.
func (r *rerating) share(row *store.UsageRow, s *store.Share) {
	priced := slices.Contains([]string{routing.PriceCatalogue, routing.PriceFallback, routing.PriceZero, providers.PriceOverride, providers.PriceAccount}, s.PriceSource)
	target, u, ok := pricedAt(r.table, row, s)
	if !priced || !ok || s.Sum.Tokens == (store.Tokens{}) {
		return
	}
	c := target.Charge(&u, r.unknown)
	name := s.Provider + "\x00" + s.Model
	g := r.groups[name]
	if g == nil {
		g = &api.Rerated{Provider: s.Provider, Model: s.Model, PriceVersion: c.Version, PriceSource: c.Source}
		r.groups[name] = g
	}
	g.Rows++
	g.OldUSD = api.USD(store.AddNano(int64(g.OldUSD), s.Sum.CostNano))
	g.NewUSD = api.USD(store.AddNano(int64(g.NewUSD), c.Nano))
	if c.Nano == s.Sum.CostNano {
		return
	}
	g.Changed++
	r.fixes = append(r.fixes, store.Entry{RequestID: row.RequestID, Day: row.Time, Attempt: s.Attempt, DeltaNano: store.AddNano(c.Nano, -s.Sum.CostNano),
		MarkupNano: store.AddNano(markupLike(row, c.Nano), -s.Sum.MarkupNano), PriceVersion: c.Version, PriceSource: c.Source, Note: r.note})
}

// pricedAt returns the target whose prices of now hold for a part of a row, and what
// that used.
func pricedAt(table *routing.Table, row *store.UsageRow, s *store.Share) (target routing.Target, u providers.Usage, ok bool) {
	acc, ok := table.Account(s.AccountID)
	if !ok {
		acc, ok = table.Account(s.Account)
	}
	if p, known := table.Provider(s.Provider); !ok && known {
		acc, ok = &routing.Account{Account: &store.Account{Provider: s.Provider, Name: s.Account}, Provider: p}, true
	}
	if !ok {
		return target, u, false
	}
	t := &s.Sum.Tokens
	u = providers.Usage{Input: t.Input, InputAudio: t.InputAudio, InputImage: t.InputImage, CacheRead: t.CacheRead, CacheWrite5m: t.CacheWrite5m,
		CacheWrite1h: t.CacheWrite1h, Output: t.Output, OutputAudio: t.OutputAudio, OutputImage: t.OutputImage, Reasoning: t.Reasoning,
		Images: t.Images, AudioMs: t.AudioMs, Characters: t.Characters, Searches: t.Searches, Kind: s.PriceKind}
	target = routing.Target{Account: acc, Model: s.Model, Entry: table.Entry(acc, s.Model), Catalogue: table.Catalogue()}
	if target.Entry == nil {
		target.Entry = table.Entry(acc, row.Model)
	}
	return target, u, true
}

// markupLike is the markup of a cost in the proportion that the row has.
func markupLike(row *store.UsageRow, cost int64) int64 {
	if row.CostNano <= 0 || row.MarkupNano == 0 {
		return 0
	}
	// A factor has six decimals at most, so rounding finds the one that made the markup.
	factor := math.Round(float64(row.MarkupNano)/float64(row.CostNano)*store.MarkupUnit) + store.MarkupUnit
	beyond, _ := providers.Markup(cost, int64(max(0, factor)))
	return beyond
}
