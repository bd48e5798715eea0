package routing

import (
	"cmp"

	"github.com/your-org/ai-api-gateway/providers"
)

// Where a price is from, as rows say it; providers.PriceOverride and
// providers.PriceAccount besides.
const (
	PriceCatalogue = "catalogue"
	PriceFallback  = "fallback" // the vendor's dearest, for want of the model's own
	PriceLocal     = "local"    // runs on the owner's machines
	PriceProvider  = "provider" // the upstream said what it charged
	PriceZero      = "zero"     // not known, and told to be nothing
)

// A Charge is what an exchange costs, and by what price.
type Charge struct {
	Nano            int64
	Version, Source string
	Saturated       bool
}

// Priced reports whether what t costs is known.
func (t *Target) Priced() bool {
	return t.Entry != nil && t.Entry.Priced || t.Account.Provider.Local
}

// Charge prices what was used at t. What the upstream said it charged goes before
// any price but one agreed for the account. No use is free because a rate for its
// unit is missing: the vendor's dearest stands in. unknown says what a model without
// a known price costs: "dearest", "deny" (as the dearest, where it is asked at all)
// or "zero".
func (t *Target) Charge(u *providers.Usage, unknown string) Charge {
	_, c := t.charge(u, unknown)
	return c
}

// Rates returns the price by which Charge counts, and what it says of it besides the
// amount. What the upstream said it charged has no rates.
func (t *Target) Rates(u providers.Usage, unknown string) (providers.Price, Charge) {
	p, c := t.charge(&u, unknown)
	c.Nano, c.Saturated = 0, false
	return *p, c
}

// noPrice is the price of what costs nothing, for want of any rate.
var noPrice providers.Price

// charge is Charge, with the price by which it counts, not to be changed.
func (t *Target) charge(u *providers.Usage, unknown string) (*providers.Price, Charge) {
	p, c := t.price(u, unknown)
	switch {
	case c.Source == PriceLocal:
		return p, c
	case u.HasCost && c.Source != providers.PriceAccount:
		c.Source, c.Nano = PriceProvider, u.CostNano
		return &noPrice, c
	}
	var covered bool
	c.Nano, c.Saturated, covered = p.CostOf(u)
	if !covered && c.Source != PriceZero && c.Source != PriceFallback && *p != noPrice && !u.Zero() {
		c.Source = PriceZero
		if unknown != "zero" {
			p, c.Source = t.dearest(), PriceFallback
			c.Nano, c.Saturated, _ = p.CostOf(u)
		}
	}
	return p, c
}

// price returns the rates that hold for u at t.
func (t *Target) price(u *providers.Usage, unknown string) (*providers.Price, Charge) {
	c := Charge{Version: t.Catalogue.Version()}
	e := t.Entry
	switch {
	case e != nil && e.Priced && (e.PriceFrom != "" || !t.Account.Provider.Local):
		c.Version, c.Source = cmp.Or(e.PriceVersion, c.Version), cmp.Or(e.PriceFrom, PriceCatalogue)
		return e.PriceFor(u), c
	case t.Account.Provider.Local:
		c.Source = PriceLocal
		return &noPrice, c
	case unknown == "zero":
		c.Source = PriceZero
		return &noPrice, c
	}
	c.Source = PriceFallback
	return t.dearest(), c
}

// dearest is the dearest rate of the target's vendor.
func (t *Target) dearest() *providers.Price {
	if t.rate != nil {
		return t.rate
	}
	p := t.Catalogue.Dearest(t.Account.Provider.Name)
	return &p
}
