package admin

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/server/api"
	"github.com/your-org/ai-api-gateway/server/routing"
	"github.com/your-org/ai-api-gateway/store"
)

// maxPrices bounds the prices that can be set: as many as public lists hold, and again.
const maxPrices = 10_000

func shownRates(in map[string]map[string]int64) map[string]api.Rates {
	if len(in) == 0 {
		return nil
	}
	out := make(map[string]api.Rates, len(in))
	for model, rates := range in {
		out[model] = ratesView(rates)
	}
	return out
}

func storedRates(in map[string]api.Rates) map[string]map[string]int64 {
	if len(in) == 0 {
		return nil
	}
	out := make(map[string]map[string]int64, len(in))
	for model, rates := range in {
		out[model] = ratesOf(rates)
	}
	return out
}

func ratesView(in map[string]int64) api.Rates {
	out := make(api.Rates, len(in))
	for name, v := range in {
		out[name] = api.USD(v)
	}
	return out
}

func ratesOf(in api.Rates) map[string]int64 {
	out := make(map[string]int64, len(in))
	for name, v := range in {
		out[name] = int64(v)
	}
	return out
}

func priceRowView(r *store.PriceRow) api.PriceRow {
	v := api.PriceRow{Provider: r.Provider, Model: r.Model, Operation: r.Operation, Context: r.Context, MaxOutput: r.MaxOutput,
		Rates: ratesView(r.Rates), Source: r.Source, SetAt: timePtr(r.SetAt), SetBy: r.SetBy}
	for _, t := range r.Tiers {
		v.Tiers = append(v.Tiers, api.RatesTier{Above: t.Above, Rates: ratesView(t.Rates)})
	}
	return v
}

// ownPrices returns the operator's prices, sorted.
func (a *Admin) ownPrices(ctx context.Context) (*store.Snapshot, []store.PriceRow, error) {
	snap, err := a.d.Store.Load(ctx)
	if err != nil {
		return nil, nil, err
	}
	rows, err := store.DecodePrices(snap.Meta[store.MetaPrices])
	return snap, rows, err
}

func byModel(a, b store.PriceRow) int {
	return cmp.Or(strings.Compare(a.Provider, b.Provider), strings.Compare(a.Model, b.Model))
}

// listPrices answers the prices that the operator set.
func (a *Admin) listPrices(c *Call) error {
	if _, err := c.params(); err != nil {
		return err
	}
	ctx, cancel := bounded()
	defer cancel()
	_, rows, err := a.ownPrices(ctx)
	if err != nil {
		return err
	}
	reply := api.PricesReply{Data: []api.PriceRow{}, Version: a.d.Table().Catalogue().Version()}
	for i := range rows {
		reply.Data = append(reply.Data, priceRowView(&rows[i]))
	}
	return c.answer(200, reply)
}

// changePrices sets and removes prices, all or none, or only tells what would change.
func (a *Admin) changePrices(c *Call) error {
	in, err := decode[api.PricesSet](c)
	if err != nil {
		return err
	}
	ctx, cancel := bounded()
	defer cancel()
	a.mu.Lock()
	defer a.mu.Unlock()
	snap, rows, err := a.ownPrices(ctx)
	if err != nil {
		return err
	}
	diff := api.PricesDiff{Changes: []api.PriceChange{}}
	next := slices.Clone(rows)
	for _, ref := range in.Remove {
		i := slices.IndexFunc(next, func(r store.PriceRow) bool { return r.Provider == ref.Provider && r.Model == ref.Model })
		if i < 0 {
			return notFound("price of "+ref.Provider, ref.Model, "ai-gateway models price list")
		}
		next = slices.Delete(next, i, i+1)
		diff.Changes = append(diff.Changes, a.priceChange(ref.Provider, ref.Model, nil))
	}
	seen := map[api.PriceRef]bool{}
	for i := range in.Prices {
		row, err := a.priceRow(c, &in.Prices[i])
		if err != nil {
			return err
		}
		ref := api.PriceRef{Provider: row.Provider, Model: row.Model}
		if seen[ref] {
			return invalid("prices", "name %s of %s twice", clip(row.Model), row.Provider)
		}
		seen[ref] = true
		change := a.priceChange(row.Provider, row.Model, row)
		if maps.Equal(change.Old, change.New) && slices.EqualFunc(change.OldTiers, change.NewTiers, sameTier) {
			diff.Unchanged++
			continue
		}
		next = slices.DeleteFunc(next, func(r store.PriceRow) bool { return r.Provider == row.Provider && r.Model == row.Model })
		next = append(next, *row)
		diff.Changes = append(diff.Changes, change)
	}
	if len(next) > maxPrices {
		return invalid("prices", "would make more than %d prices", maxPrices)
	}
	if in.DryRun || len(diff.Changes) == 0 {
		return c.answer(200, diff)
	}
	slices.SortFunc(next, byModel)
	b, err := store.EncodePrices(next)
	if err != nil {
		return err
	}
	change := store.Change{Meta: &store.MetaValue{Name: store.MetaPrices, Value: b}, IfRev: snap.Rev}
	if err := a.change(ctx, c, "prices.change", "prices", nil, audited(diff.Changes), change); err != nil {
		return err
	}
	if err := a.reload(ctx); err != nil {
		return err
	}
	diff.Applied = true
	return c.answer(200, diff)
}

// audited bounds what the audit trail keeps of an import.
func audited(changes []api.PriceChange) any {
	const most = 200
	if len(changes) <= most {
		return changes
	}
	return map[string]any{"count": len(changes), "first": changes[:most]}
}

func sameTier(a, b api.RatesTier) bool { return a.Above == b.Above && maps.Equal(a.Rates, b.Rates) }

// priceRow checks one price.
func (a *Admin) priceRow(c *Call, in *api.PriceRow) (*store.PriceRow, error) {
	p, err := a.provider(in.Provider)
	if err != nil {
		return nil, err
	}
	ops := []providers.Op{"", providers.OpChat, providers.OpCompletions, providers.OpEmbeddings, providers.OpEmbedContent, providers.OpImages, providers.OpAudio, providers.OpModerations, providers.OpRerank}
	switch {
	case in.Model == "" || !printable(in.Model, 256):
		return nil, invalid("model", "must be 1 to 256 printable characters")
	case !slices.Contains(ops, providers.Op(in.Operation)):
		return nil, invalid("operation", "%q is none that is priced", clip(in.Operation))
	case in.Context < 0 || in.MaxOutput < 0:
		return nil, invalid("context_window", "and max_output_tokens must not be negative")
	case !printable(in.Source, 200):
		return nil, invalid("source", "must be at most 200 printable characters")
	case len(in.Rates) == 0:
		return nil, missing("rates", `{"input": 2.5, "output": 10}`)
	case len(in.Tiers) > 16:
		return nil, invalid("tiers", "may be at most 16")
	}
	row := &store.PriceRow{Provider: p.Name, Model: in.Model, Operation: in.Operation, Context: in.Context, MaxOutput: in.MaxOutput,
		Rates: ratesOf(in.Rates), Source: cmp.Or(in.Source, "set by hand"), SetAt: c.Now.UTC().Truncate(time.Millisecond), SetBy: c.Who.actor()}
	for _, t := range in.Tiers {
		row.Tiers = append(row.Tiers, store.PriceTier{Above: t.Above, Rates: ratesOf(t.Rates)})
	}
	if _, err := routing.Model(row); err != nil {
		return nil, invalid("rates", "cannot hold: %v", err)
	}
	return row, nil
}

// priceChange tells what becomes of a model's price; row nil: the set one goes.
func (a *Admin) priceChange(provider, model string, row *store.PriceRow) api.PriceChange {
	ch := api.PriceChange{Provider: provider, Model: model}
	if m, ok := a.d.Table().Catalogue().Find(provider, model); ok && m.Priced {
		ch.Old, ch.OldFrom = ratesView(m.Price.Rates()), cmp.Or(m.PriceFrom, "catalogue")
		for _, t := range m.Tiers {
			ch.OldTiers = append(ch.OldTiers, api.RatesTier{Above: t.Above, Rates: ratesView(t.Price.Rates())})
		}
	}
	if row == nil {
		return ch
	}
	m, _ := routing.Model(row) // checked by priceRow
	ch.New = ratesView(m.Price.Rates())
	for _, t := range m.Tiers {
		ch.NewTiers = append(ch.NewTiers, api.RatesTier{Above: t.Above, Rates: ratesView(t.Price.Rates())})
	}
	return ch
}
