package relay

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/server/limits"
	"github.com/your-org/ai-api-gateway/server/routing"
	"github.com/your-org/ai-api-gateway/store"
)

// Admit takes what a request needs before its plan is made: requests a minute and
// a slot. The lease, nil where nothing limits the request, belongs in Job.Lease;
// without a job it must be cancelled.
func (r *Relay) Admit(w limits.Who, now time.Time) (*limits.Lease, *providers.Error) {
	if r.o.Limits == nil {
		return nil, nil
	}
	lease := r.o.Limits.Lease(w, now)
	if lease == nil {
		return nil, nil
	}
	if d := lease.Begin(); d != nil {
		return nil, r.denied(d)
	}
	return lease, nil
}

// reserveQuota takes what the request may use from all limits that hold for it,
// for the dearest target of its plan, and notes how much output to allow.
func (x *exchange) reserveQuota() *providers.Error {
	lease := x.job.Lease
	if lease == nil {
		return nil
	}
	targets := x.job.Plan.Targets
	counts, strict, unbounded := lease.Counts(len(targets), func(i int) limits.Place { return placeOf(&targets[i]) })
	var need limits.Amount
	if counts {
		x.unbounded, x.strict = unbounded, strict
		for i := range targets {
			b := x.quota(&targets[i])
			need = limits.Amount{Tokens: max(need.Tokens, b.Tokens), Nano: max(need.Nano, b.Nano), Cost: max(need.Cost, b.Cost)}
		}
		if need.Nano == math.MaxInt64 || need.Tokens == math.MaxInt64 {
			lease.Cancel()
			x.job.Lease = nil
			return &providers.Error{Kind: providers.KindInvalidRequest, Code: "request_too_large", NoRetry: true,
				Message: "this request asks for more than can be counted: lower its max_tokens or n"}
		}
	}
	x.need = need
	if d := lease.Reserve(need); d != nil {
		x.job.Lease = nil
		return x.r.denied(d)
	}
	return nil
}

func placeOf(t *routing.Target) limits.Place {
	return limits.Place{Account: t.Account.Name, AccountID: t.Account.ID, Model: t.Model}
}

// enterTarget takes what an attempt at t may use of limits that hold there.
func (x *exchange) enterTarget(t *routing.Target, now time.Time) *providers.Error {
	if x.job.Lease == nil {
		return nil
	}
	need := x.need // which is of the only one where there are not several
	if x.unbounded > 0 && len(x.job.Plan.Targets) > 1 {
		need = x.quota(t)
	}
	if d := x.job.Lease.Enter(placeOf(t), need, now); d != nil {
		return x.r.denied(d)
	}
	return nil
}

// settleQuota gives back what was reserved and counts what was used.
func (x *exchange) settleQuota() {
	l := x.r.o.Limits
	if l == nil || x.job.Lease == nil && !l.Any() {
		return
	}
	row := &x.row
	if row.EndReason == store.EndRejected { // it counts nowhere
		x.job.Lease.Cancel()
		x.job.Lease = nil
		return
	}
	var place limits.Place
	if x.target != nil {
		place = placeOf(x.target)
	}
	t := &row.Tokens
	used := limits.Amount{Tokens: t.Prompt() + t.Completion(), Nano: row.Charged(), Cost: row.CostNano}
	for i := range x.parts { // the row's money is of all attempts, its tokens of the last
		used.Nano = store.AddNano(used.Nano, -x.parts[i].Used.Nano)
		used.Cost = store.AddNano(used.Cost, -x.parts[i].Used.Cost)
	}
	x.now = x.r.o.Now()
	l.Settle(x.job.Lease, x.job.who(), place, x.job.Accepted, used, x.now, x.parts...)
	x.job.Lease = nil
}

func (j *Job) who() limits.Who {
	return limits.Who{KeyID: j.KeyID, Group: j.Group, Model: j.Peek.Model}
}

// denied is a denial as the caller is told it, counted.
func (r *Relay) denied(d *limits.Denial) *providers.Error {
	p := d.Policy
	where := fmt.Sprintf("policy %q (%s)", clip(p.Name, 100), clip(p.Scope.String(), 200))
	per := ""
	if w := d.Limit.Window; w != "" && w != store.WindowTotal {
		per = " per " + w
	}
	limit := amountText(d.Limit.Kind, d.Limit.Limit) + per
	if d.TooLarge {
		burst := d.Limit.Limit
		if d.Limit.Burst > 0 {
			burst = d.Limit.Burst
		}
		r.o.Metrics.Limited(d.Limit.Kind)
		return &providers.Error{Kind: providers.KindInvalidRequest, Code: "request_exceeds_limit", NoRetry: true,
			Message: fmt.Sprintf("this request may use up to %s, and %s allows %s and no more than %s at once: lower its max_tokens or shorten it", amountText(d.Limit.Kind, d.Need), where, limit, amountText(d.Limit.Kind, burst))}
	}
	if d.Outage {
		r.o.Metrics.BudgetDenied()
		return &providers.Error{Kind: providers.KindOverloaded, Status: 503, Code: "budget_unavailable", RetryAfter: ceilMilli(d.RetryAfter),
			Message: fmt.Sprintf("The store is away, and what this gateway had been given of %s is used: nobody can say whether %s is left. Try again; on_store_outage: allow of the policy lets requests pass", where, limit)}
	}
	if d.Budget() {
		r.o.Metrics.BudgetDenied()
		e := &providers.Error{Kind: providers.KindQuota, Type: "insufficient_quota", Code: "insufficient_quota", NoRetry: true,
			Message: fmt.Sprintf("Budget exceeded for %s: limit %s, spent %s, reserved %s, this request may use %s, resets %s. A lower max_tokens reserves less (without one, default_max_tokens of the policy); `%s` raises the limit, `ai-gateway quota explain` shows all",
				where, limit, amountText(d.Limit.Kind, d.Used), amountText(d.Limit.Kind, d.Reserved), amountText(d.Limit.Kind, d.Need), resetText(d.Resets), d.Raise())}
		if d.RetryAfter > 0 && d.RetryAfter < time.Hour {
			e.RetryAfter = ceilMilli(d.RetryAfter)
		}
		return e
	}
	r.o.Metrics.Limited(d.Limit.Kind)
	e := &providers.Error{Kind: providers.KindRateLimit, Type: "requests", Code: "rate_limit_exceeded", RetryAfter: ceilMilli(d.RetryAfter)}
	if d.Limit.Kind == store.LimitTokens {
		e.Type = "tokens"
	}
	e.Message = fmt.Sprintf("Rate limit reached for %s: limit %s, used %s", where, limit, amountText(d.Limit.Kind, d.Used))
	switch {
	case e.RetryAfter > 0:
		e.Message += fmt.Sprintf(". Try again in %s", e.RetryAfter)
		if d.RetryAfter > time.Minute {
			e.Message += "; `" + d.Raise() + "` raises the limit, `ai-gateway quota explain` shows all"
		}
	case d.Limit.Limit == 0:
		e.NoRetry = true
		e.Message += ": the limit is zero, nothing is allowed"
	}
	return e
}

func ceilMilli(d time.Duration) time.Duration {
	return (d + time.Millisecond - 1) / time.Millisecond * time.Millisecond
}

func resetText(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.Format(time.RFC3339)
}

func amountText(kind string, n int64) string {
	switch kind {
	case store.LimitCost:
		return "$" + store.FormatUSD(n)
	case store.LimitTokens:
		return strconv.FormatInt(n, 10) + " tokens"
	case store.LimitConcurrency:
		return strconv.FormatInt(n, 10) + " at a time"
	}
	return strconv.FormatInt(n, 10) + " requests"
}

// Names of the headers that tell a caller of its limits (OpenAI's), in the form fasthttp writes them.
var rateHeaders = [2][3][]byte{
	{[]byte("X-Ratelimit-Limit-Requests"), []byte("X-Ratelimit-Remaining-Requests"), []byte("X-Ratelimit-Reset-Requests")},
	{[]byte("X-Ratelimit-Limit-Tokens"), []byte("X-Ratelimit-Remaining-Tokens"), []byte("X-Ratelimit-Reset-Tokens")},
}

// WriteRates sets the x-ratelimit headers that hold for w at now; none where nothing limits it.
func (r *Relay) WriteRates(ctx *fasthttp.RequestCtx, w limits.Who, now time.Time) {
	r.writeRates(header{&ctx.Response.Header, nil}, w, now)
}

func (r *Relay) writeRates(h header, w limits.Who, now time.Time) {
	if r.o.Limits == nil {
		return
	}
	requests, tokens := r.o.Limits.Rates(w, now)
	var buf [32]byte
	for i, rate := range [...]limits.Rate{requests, tokens} {
		if !rate.Known {
			continue
		}
		names := &rateHeaders[i]
		h.say(names[0], strconv.AppendInt(buf[:0], rate.Limit, 10))
		h.say(names[1], strconv.AppendInt(buf[:0], rate.Remaining, 10))
		h.say(names[2], appendReset(buf[:0], rate.Reset))
	}
}

// appendReset writes a time as OpenAI does: "12ms", "1s", "6m0s".
func appendReset(dst []byte, d time.Duration) []byte {
	switch d = ceilMilli(d); {
	case d == 0:
		return append(dst, "0s"...)
	case d < time.Second:
		return append(strconv.AppendInt(dst, d.Milliseconds(), 10), "ms"...)
	}
	return append(dst, d.String()...)
}
