package relay

import (
	"fmt"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/server/limits"
	"github.com/your-org/ai-api-gateway/store"
)

// carry writes down what the last attempt reported to have used, now that another is
// to follow: its vendor charges for it. An attempt that reported nothing costs nothing.
// The error says that a strict budget has no room for what another attempt may use.
func (x *exchange) carry() *providers.Error {
	if !x.hasUsage || !x.noted || x.job.Op.Counts() {
		return nil
	}
	u := x.usage
	source := x.counted(&u, store.EndError)
	c := x.target.Charge(&u, x.r.o.UnknownPrice)
	markup := x.charge(&c, u.Clamped)
	a := &x.row.Attempts[len(x.row.Attempts)-1]
	a.Spent = &store.Spent{
		AccountID: x.target.Account.ID, Tokens: tokensOf(&u), UsageSource: source, MarkupNano: markup,
		PriceVersion: c.Version, PriceSource: c.Source, PriceKind: u.Kind,
	}
	x.r.o.Ledger.Attempt(x.job.ID, a)
	x.usedTokens(&a.Spent.Tokens)
	x.usage, x.hasUsage, x.deltas, x.noted = providers.Usage{}, false, 0, false
	used := limits.Amount{Tokens: store.AddNano(u.Prompt(), u.Completion()), Nano: store.AddNano(c.Nano, markup), Cost: c.Nano}
	x.parts = append(x.parts, limits.Part{Place: placeOf(x.target), Used: used})
	if x.job.Lease == nil {
		return nil
	}
	if d := x.job.Lease.Spend(used, x.r.o.Now()); d != nil {
		x.row.Trace = append(x.row.Trace, fmt.Sprintf("no other attempt: what this one used and another may use is more than policy %q has left", d.Policy.Name))
		return x.r.denied(d)
	}
	return nil
}

// salvage reads what an answer reports to have used that is no good otherwise, or
// broke off behind the report. What it does not report is not guessed.
func (x *exchange) salvage(body []byte) {
	x.deltas = 0
	if x.hasUsage || x.frames == nil || x.job.Op.Counts() {
		return
	}
	x.usage = providers.Usage{}
	x.hasUsage = x.frames.Usage(body, &x.usage)
}
