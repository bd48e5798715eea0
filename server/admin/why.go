package admin

import (
	"fmt"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/server/api"
	"github.com/your-org/ai-api-gateway/server/routing"
	"github.com/your-org/ai-api-gateway/store"
)

// why says what the cost of a row is made of, and in words what cannot be said in numbers.
func (a *Admin) why(row *store.UsageRow) (lines []api.CostLine, note string) {
	lines = []api.CostLine{}
	settled := store.AddNano(row.CostNano, -row.AdjustedNano)
	switch row.PriceSource {
	case routing.PriceProvider:
		lines = append(lines, api.CostLine{Kind: "provider", Units: 1, CostUSD: api.USD(settled), Note: "what the upstream said it charged"})
	case routing.PriceLocal:
		note = "it ran on the owner's machines, which cost nothing"
	case routing.PriceZero:
		note = "the price is not known, and set to be nothing"
	case store.PriceResolved:
		note = "a person has said what it cost, for a crash hid its end"
	case "":
		note = "nothing was used that is charged"
	default:
		lines, note = a.priceLines(row, settled)
	}
	if row.AdjustedNano != 0 && row.PriceSource != store.PriceResolved {
		lines = append(lines, api.CostLine{Kind: "adjust", Units: 1, CostUSD: api.USD(row.AdjustedNano), Note: "corrected later, to price version " + row.PriceVersion})
	}
	if row.MarkupNano != 0 {
		lines = append(lines, api.CostLine{Kind: "markup", Units: 1, CostUSD: api.USD(row.MarkupNano), Note: "charged to the key beyond the cost"})
	}
	return lines, note
}

// priceLines works a row's cost out anew.
func (a *Admin) priceLines(row *store.UsageRow, settled int64) (lines []api.CostLine, note string) {
	lines = []api.CostLine{}
	target, u, ok := pricedAt(a.d.Table(), row)
	if !ok {
		return lines, fmt.Sprintf("account %q is gone, and its prices with it", row.Account)
	}
	price, charge := target.Rates(u, a.d.UnknownPrice)
	condition := priceCondition(target.Entry, &u)
	if charge.Source == routing.PriceFallback {
		condition = "the vendor's dearest rate, for want of the model's own"
	}
	for _, l := range price.Lines(u) {
		rate := api.USD(l.Rate)
		lines = append(lines, api.CostLine{Kind: l.Name, Units: l.Units, USDPerMillion: &rate, CostUSD: api.USD(l.Nano), Note: condition})
	}
	if now, _ := price.Cost(u); now != settled && now != row.CostNano {
		note = fmt.Sprintf("by the prices of now (%s %s) it comes to %s USD; it was priced by %s %s, whose rates are not kept", charge.Source, charge.Version, api.USD(now), row.PriceSource, row.PriceVersion)
	}
	return lines, note
}

// priceCondition says which of a model's prices holds for u; "": the usual one.
func priceCondition(m *providers.Model, u *providers.Usage) (note string) {
	if m == nil {
		return ""
	}
	tiers := m.Tiers
	for _, v := range m.Variants {
		if u.Kind != "" && v.Kind == u.Kind {
			note, tiers = "price of "+v.Kind, v.Tiers
		}
	}
	for _, t := range tiers {
		if u.Prompt() > t.Above {
			note = fmt.Sprintf("price of prompts above %d tokens", t.Above)
		}
	}
	return note
}
