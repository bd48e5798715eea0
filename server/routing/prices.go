package routing

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/store"
)

// Factor is the name by which an account's prices say what it pays of the list
// price instead of the rates: 0.8 is a rebate of a fifth.
const Factor = "factor"

// maxFactor bounds Factor, in nano.
const maxFactor = 100 * store.NanoPerUSD

// Model makes a catalogue's row of a price that the operator set. Its error names
// the rate at fault.
func Model(row *store.PriceRow) (providers.Model, error) {
	m := providers.Model{
		ID: row.Model, Provider: row.Provider, Op: providers.Op(cmp.Or(row.Operation, string(providers.OpChat))),
		Context: row.Context, MaxOutput: row.MaxOutput, Priced: true, Source: row.Source, AsOf: row.SetAt.UTC().Format(time.DateOnly),
		PriceFrom: providers.PriceOverride, PriceVersion: row.SetAt.UTC().Format(time.RFC3339Nano),
	}
	fail := func(err error) (providers.Model, error) {
		return m, fmt.Errorf("price of %s %s: %w", strconv.Quote(store.CleanText(row.Provider, 64)), strconv.Quote(store.CleanText(row.Model, 128)), err)
	}
	var err error
	if m.Price, err = providers.NewPrice(row.Rates); err != nil {
		return fail(err)
	}
	last := int64(0)
	for _, t := range row.Tiers {
		p, err := providers.NewPrice(t.Rates)
		switch {
		case err != nil:
			return fail(fmt.Errorf("above %d tokens: %w", t.Above, err))
		case t.Above <= last:
			return fail(fmt.Errorf("tiers must begin above 0 and ascend, %d does not", t.Above))
		}
		last = t.Above
		m.Tiers = append(m.Tiers, providers.Tier{Above: t.Above, Price: p})
	}
	return m, nil
}

// An accountPrice is what an account pays for the models that fit a pattern.
type accountPrice struct {
	pattern string
	price   providers.Price
	factor  int64 // millionths of the list price; 0: price holds
}

// CheckPrices says what is wrong with an account's own prices.
func CheckPrices(prices map[string]map[string]int64) error {
	_, err := accountPrices(prices)
	return err
}

// accountPrices orders an account's prices, the most specific pattern first.
func accountPrices(prices map[string]map[string]int64) ([]accountPrice, error) {
	var out []accountPrice
	for pattern, rates := range prices {
		one := accountPrice{pattern: pattern}
		var err error
		if f, ok := rates[Factor]; ok {
			if one.factor = f / 1000; f <= 0 || f > maxFactor || f%1000 != 0 || len(rates) > 1 {
				err = fmt.Errorf("%s must be above 0, at most 100, with at most 6 decimals, and stand alone", Factor)
			}
		} else {
			one.price, err = providers.NewPrice(rates)
		}
		switch {
		case err != nil:
			return nil, fmt.Errorf("price of model %s: %w", strconv.Quote(store.CleanText(pattern, 128)), err)
		case pattern == "" || len(pattern) > 256:
			return nil, fmt.Errorf("price of model %s: the name must have 1 to 256 characters", strconv.Quote(store.CleanText(pattern, 128)))
		case len(rates) == 0:
			return nil, fmt.Errorf("price of model %s: it has no rate", strconv.Quote(store.CleanText(pattern, 128)))
		}
		out = append(out, one)
	}
	slices.SortFunc(out, func(a, b accountPrice) int {
		return cmp.Or(len(strings.ReplaceAll(b.pattern, "*", ""))-len(strings.ReplaceAll(a.pattern, "*", "")), strings.Compare(a.pattern, b.pattern))
	})
	return out, nil
}

// Entry returns the catalogue's row of a model at an account, at the price that
// holds there; nil: nothing is known of it.
func (t *Table) Entry(acc *Account, model string) *providers.Model {
	e, _ := t.catalogue.Find(t.vendor(acc), model)
	for _, p := range t.prices[acc] {
		if p.pattern != model && !providers.MatchName(p.pattern, model) {
			continue
		}
		if p.factor != 0 && (e == nil || !e.Priced) {
			return e // a part of what is not known is not known
		}
		own := providers.Model{ID: model, Provider: acc.Provider.Name, Op: providers.OpChat, Source: "account " + acc.Name}
		if e != nil {
			own = *e
		}
		own.Priced, own.PriceFrom, own.PriceVersion = true, providers.PriceAccount, acc.Name
		if p.factor == 0 {
			own.Price, own.Tiers, own.Variants = p.price, nil, nil
			return &own
		}
		own.Price, own.Tiers, own.Variants = own.Price.Scaled(p.factor), scaled(own.Tiers, p.factor), slices.Clone(own.Variants)
		for i := range own.Variants {
			v := &own.Variants[i]
			v.Price, v.Tiers = v.Price.Scaled(p.factor), scaled(v.Tiers, p.factor)
		}
		return &own
	}
	return e
}

// vendor returns whose prices hold at an account: those of the vendor its address
// is of, where its provider is none in particular.
func (t *Table) vendor(acc *Account) string {
	c, ok := t.catalogue.(interface{ Host(host string) string })
	if !ok || acc.Provider.Name != "custom" {
		return acc.Provider.Name
	}
	u, err := url.Parse(acc.Base())
	if err != nil {
		return acc.Provider.Name
	}
	return cmp.Or(c.Host(u.Hostname()), acc.Provider.Name)
}

func scaled(tiers []providers.Tier, factor int64) []providers.Tier {
	out := slices.Clone(tiers)
	for i := range out {
		out[i].Price = out[i].Price.Scaled(factor)
	}
	return out
}
