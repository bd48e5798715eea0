package admin

import (
	"github.com/your-org/ai-api-gateway/server/limits"
	"github.com/your-org/ai-api-gateway/store"
)

// unlimitedUSD is the limit of a key that has none, as one-api tells it to the same clients.
const unlimitedUSD = 100_000_000

// subscription answers what chat clients (NextChat and others) read a key's limit
// from: OpenAI's old /dashboard/billing/subscription.
func (a *Admin) subscription(c *Call) error {
	usd, window := float64(unlimitedUSD), ""
	first := a.budget(c)
	if first != nil {
		usd, window = float64(first.Limit.Limit)/1e9, first.Limit.Window
	}
	var until int64
	if k := c.Who.Key; k != nil && !k.ExpiresAt.IsZero() {
		until = k.ExpiresAt.Unix()
	}
	return c.answer(200, struct {
		Object      string  `json:"object"`
		HasPayment  bool    `json:"has_payment_method"`
		SoftLimit   float64 `json:"soft_limit_usd"`
		HardLimit   float64 `json:"hard_limit_usd"`
		SystemLimit float64 `json:"system_hard_limit_usd"`
		AccessUntil int64   `json:"access_until"` // unix seconds; 0: the key does not expire
		Unlimited   bool    `json:"unlimited"`
		Window      string  `json:"window,omitempty"` // of the limit
	}{"billing_subscription", true, usd, usd, usd, until, first == nil, window})
}

// spent answers what such clients read a key's use from: OpenAI's old
// /dashboard/billing/usage, whose total_usage is in hundredths of a dollar. Of a
// key with a budget it is what the budget's period has used, so that the two agree.
func (a *Admin) spent(c *Call) error {
	var used int64
	if first := a.budget(c); first != nil {
		used = first.Used
	} else {
		get, err := c.params("start_date", "end_date")
		if err != nil {
			return err
		}
		since, until, err := dates(get("start_date"), get("end_date"), "", c.Now, a.d.Zone)
		if err != nil {
			return err
		}
		ctx, cancel := bounded()
		defer cancel()
		totals, err := a.totals(ctx, store.TotalsQuery{Since: since, Until: until, Zone: a.d.Zone, KeyID: c.Who.actor()})
		if err != nil {
			return err
		}
		for i := range totals {
			sums := sumsOf(&totals[i])
			used = store.AddNano(used, int64(sums.ChargedUSD))
		}
	}
	return c.answer(200, struct {
		Object string  `json:"object"`
		Total  float64 `json:"total_usage"`
	}{"list", float64(used) / 1e7})
}

// budget returns the money limit that will be reached first by the caller's key;
// nil: there is none.
func (a *Admin) budget(c *Call) (first *limits.State) {
	if a.d.Limiter == nil {
		return nil
	}
	id, group := c.Who.Name, ""
	if k := c.Who.Key; k != nil {
		id, group = k.ID, k.Group
	}
	for _, s := range a.d.Limiter.States(func(p *store.Policy) bool { return limits.For(p, id, group) }, c.Now) {
		if s.Limit.Kind == store.LimitCost && s.Policy.Scope.Model == "" && (first == nil || s.Remaining < first.Remaining) {
			first = &s
		}
	}
	return first
}
