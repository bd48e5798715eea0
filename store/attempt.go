package store

import "time"

// An Attempt is one try at one target.
type Attempt struct {
	Provider, Account, Model string
	Status                   int           // the upstream's; 0: no answer
	Outcome                  string        // "ok", "connect", "timeout", "rate_limited", "quota", "auth", "region_blocked", "overloaded", "http_error", "bad_response", "stream_error", "cut", "cancelled"
	Start                    time.Duration // since admission
	Duration                 time.Duration
	Error                    string
	CostNano                 int64 // as it was settled
	// Spent is what an attempt reported to have used before another followed it. nil:
	// it reported nothing, or it is the last and its use is what the row says.
	Spent *Spent
}

// Spent is what an attempt used that was not the last of its request: its vendor
// charges for it, though its answer went to nobody.
type Spent struct {
	AccountID    string
	Tokens       Tokens
	UsageSource  string
	MarkupNano   int64 // its part of the row's
	AdjustedNano int64 // its part of the row's: what corrections added to Attempt.CostNano
	PriceVersion string
	PriceSource  string
	PriceKind    string
}

// A Share is what one attempt has of a row: where it went, and what that comes to.
type Share struct {
	Attempt           int // its number, from 1; 0: the row's own, which is of the last attempt
	Provider, Account string
	AccountID         string
	Model             string // the upstream's
	UsageSource       string
	PriceVersion      string
	PriceSource       string
	PriceKind         string
	AdjustedNano      int64 // the part of its cost that corrections made
	Sum               Total // the request counts in the row's own
}

// Shares calls each for the parts of the row: its own, then those of the attempts
// that have Spent. Together they come to the row.
func (r *UsageRow) Shares(each func(Share)) {
	s := Share{
		Provider: r.Provider, Account: r.Account, AccountID: r.AccountID, Model: r.UpstreamModel, UsageSource: r.UsageSource,
		PriceVersion: r.PriceVersion, PriceSource: r.PriceSource, PriceKind: r.PriceKind,
	}
	s.Sum, s.AdjustedNano = r.Own()
	each(s)
	for i := range r.kept() {
		a := &r.Attempts[i]
		if p := a.Spent; p != nil {
			s = Share{
				Attempt: i + 1, Provider: a.Provider, Account: a.Account, AccountID: p.AccountID, Model: a.Model, UsageSource: p.UsageSource,
				PriceVersion: p.PriceVersion, PriceSource: p.PriceSource, PriceKind: p.PriceKind, AdjustedNano: p.AdjustedNano,
				Sum: Total{Tokens: p.Tokens, CostNano: a.Cost(), MarkupNano: p.MarkupNano},
			}
			each(s)
		}
	}
}

// Own is what the row comes to without the attempts that have Spent, and the part of its
// cost that corrections made.
func (r *UsageRow) Own() (t Total, adjusted int64) {
	t = Total{Requests: 1, Tokens: r.Tokens, UnconfirmedNano: r.Unconfirmed(), UnconfirmedTokens: r.UnconfirmedTokens, Duration: r.Duration}
	t.CostNano, t.MarkupNano, adjusted = r.own()
	if r.Failed() {
		t.Errors = 1
	}
	if r.Uncertain() {
		t.Estimated = 1
	}
	return t, adjusted
}

// Cost is what the attempt cost, corrections of its Spent included.
func (a *Attempt) Cost() int64 {
	if a.Spent == nil {
		return a.CostNano
	}
	return AddNano(a.CostNano, a.Spent.AdjustedNano)
}

// own is the row's money less that of the attempts that have Spent.
func (r *UsageRow) own() (cost, markup, adjusted int64) {
	cost, markup, adjusted = r.CostNano, r.MarkupNano, r.AdjustedNano
	for i := range r.kept() {
		a := &r.Attempts[i]
		if p := a.Spent; p != nil {
			cost, markup, adjusted = AddNano(cost, -a.Cost()), AddNano(markup, -p.MarkupNano), AddNano(adjusted, -p.AdjustedNano)
		}
	}
	return cost, markup, adjusted
}

// kept are the attempts that are recorded.
func (r *UsageRow) kept() []Attempt { return r.Attempts[:min(len(r.Attempts), MaxAttempts)] }

// spent returns the attempt of that number, from 1, if it has Spent.
func (r *UsageRow) spent(n int) *Attempt {
	if n < 1 || n > len(r.Attempts) || r.Attempts[n-1].Spent == nil {
		return nil
	}
	return &r.Attempts[n-1]
}

// Corrected returns where the money went that e corrects of the row.
func (r *UsageRow) Corrected(e *Entry) (provider, account string) {
	if a := r.spent(e.Attempt); a != nil {
		return a.Provider, a.Account
	}
	return r.Provider, r.Account
}
