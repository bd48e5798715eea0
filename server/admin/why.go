package admin

import (
	"fmt"
	"strings"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/server/api"
	"github.com/your-org/ai-api-gateway/server/routing"
	"github.com/your-org/ai-api-gateway/store"
)

// why says what the cost of a row is made of, attempt by attempt, and in words what
// cannot be said in numbers.
func (a *Admin) why(row *store.UsageRow) (lines []api.CostLine, note string) {
	lines = []api.CostLine{}
	row.Shares(func(s store.Share) {
		of, said := a.whyShare(row, &s)
		if s.Attempt == 0 {
			lines, note = append(lines, of...), said
			return
		}
		for i := range of {
			of[i].Attempt = s.Attempt
		}
		lines = append(lines, of...)
		if said != "" {
			note = strings.TrimPrefix(note+fmt.Sprintf("; attempt %d: %s", s.Attempt, said), "; ")
		}
	})
	if row.MarkupNano != 0 {
		lines = append(lines, api.CostLine{Kind: "markup", Units: 1, CostUSD: api.USD(row.MarkupNano), Note: "charged to the key beyond the cost"})
	}
	return lines, note
}

// whyShare is why for one attempt, without the markup.
func (a *Admin) whyShare(row *store.UsageRow, s *store.Share) (lines []api.CostLine, note string) {
	settled := store.AddNano(s.Sum.CostNano, -s.AdjustedNano)
	switch s.PriceSource {
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
		lines, note = a.priceLines(row, s, settled)
	}
	if s.AdjustedNano == 0 || s.PriceSource == store.PriceResolved {
		return lines, note
	}
	var now int64
	for i := range lines {
		now = store.AddNano(now, int64(lines[i].CostUSD))
	}
	if now == s.Sum.CostNano { // the lines are of the corrected cost
		return lines, fmt.Sprintf("it was settled at %s USD and corrected later, to price version %s", api.USD(settled), s.PriceVersion)
	}
	return append(lines, api.CostLine{Kind: "adjust", Units: 1, CostUSD: api.USD(s.AdjustedNano), Note: "corrected later, to price version " + s.PriceVersion}), note
}

// priceLines works the cost of an attempt out anew.
func (a *Admin) priceLines(row *store.UsageRow, s *store.Share, settled int64) (lines []api.CostLine, note string) {
	target, u, ok := pricedAt(a.d.Table(), row, s)
	if !ok {
		return lines, fmt.Sprintf("account %q is gone, and its prices with it", s.Account)
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
	if now, _ := price.Cost(u); now != settled && now != s.Sum.CostNano {
		note = fmt.Sprintf("by the prices of now (%s %s) it comes to %s USD; it was priced by %s %s, whose rates are not kept", charge.Source, charge.Version, api.USD(now), s.PriceSource, s.PriceVersion)
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
