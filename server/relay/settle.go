package relay

import (
	"math"
	"strconv"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/server/limits"
	"github.com/your-org/ai-api-gateway/server/routing"
	"github.com/your-org/ai-api-gateway/server/telemetry"
	"github.com/your-org/ai-api-gateway/store"
)

// finish settles the request: it writes the row, once, and returns the error to
// show instead of the answer when the ledger cannot take it. e is the failure
// the caller is told of, nil for a whole answer.
func (x *exchange) finish(end string, e *providers.Error) *providers.Error {
	if x.settled {
		return nil
	}
	x.settled = true
	switch {
	case e != nil:
		e.RequestID, e.Attempts = x.job.ID, len(x.row.Attempts)
		x.fail = e
		x.row.Status = e.HTTPStatus()
		x.row.Error = clip(errorWord(e)+": "+e.Message, 512)
	case end == store.EndClientGone && x.ttft == 0 && !x.stream.early:
		x.row.Status = 499
	default:
		x.row.Status = 200
	}
	x.row.EndReason = end
	x.price(end)
	now := x.r.o.Now()
	x.row.Duration = now.Sub(x.job.Accepted)
	x.row.TTFT = x.ttft
	x.row.Overhead = max(0, x.row.Duration-x.waited)
	x.report() // before the wait for the disk, while the row is at hand
	if x.r.o.Limits != nil {
		gate := x.r.o.Limits.Settling(uint64(now.UnixNano()))
		defer gate.RUnlock()
	}
	err := x.r.o.Ledger.Settle(&x.row)
	x.settleQuota()
	if err != nil && !x.r.o.ServeUnmetered {
		down := ledgerDown()
		down.RequestID = x.job.ID
		x.fail = down
		return down
	}
	return nil
}

func errorWord(e *providers.Error) string {
	if e.Code != "" {
		return e.Code
	}
	return string(e.Kind)
}

// price fills the row's target, tokens and cost: those of the last attempt, and the
// cost beside that of the ones before, which carry has written.
func (x *exchange) price(end string) {
	t := x.target
	if t == nil {
		x.row.UsageSource = store.SourceNone
		return
	}
	p := t.Account.Provider
	x.row.Provider, x.row.Account, x.row.AccountID, x.row.UpstreamModel = p.Name, t.Account.Name, t.Account.ID, t.Model
	u := x.usage
	source := x.counted(&u, end)
	x.row.UsageSource, x.row.Tokens, x.row.PriceKind = source, tokensOf(&u), u.Kind
	c := t.Charge(&u, x.r.o.UnknownPrice)
	x.row.PriceVersion, x.row.PriceSource = c.Version, c.Source
	if u.Zero() && source == store.SourceNone {
		c.Nano = 0 // what used nothing costs nothing, though a price may be known for it
	} else if !x.noted { // it broke in our hands
		x.wrote(outcomeCancelled, 0, x.r.o.Now(), "")
	}
	x.charge(&c, u.Clamped)
}

// counted makes of u, a copy of x.usage, what the attempt used if it has ended so, and
// returns how that is known.
func (x *exchange) counted(u *providers.Usage, end string) (source string) {
	told := x.hasUsage
	if told && u.Absurd() { // a number that is none tells nothing, and would use up every budget
		*u, told = providers.Usage{Clamped: true, Kind: u.Kind}, false
	}
	switch {
	case x.job.Op.Counts(): // it counts and generates nothing: no vendor charges it
		*u = providers.Usage{}
		return store.SourceNone
	case told && end == store.EndComplete:
		return store.SourceProvider
	case told:
		// What the upstream had reported before the end; the output it had not counted yet is counted by events.
		if u.Completion() < x.deltas {
			u.Output += x.deltas - u.Completion()
		}
		return store.SourceProviderPartial
	case end == store.EndComplete || x.deltas > 0 || x.passed > 0:
		x.estimate(u)
		return store.SourceEstimated
	}
	return store.SourceNone
}

func tokensOf(u *providers.Usage) store.Tokens {
	return store.Tokens{
		Input: u.Input, InputAudio: u.InputAudio, InputImage: u.InputImage, CacheRead: u.CacheRead, CacheWrite5m: u.CacheWrite5m,
		CacheWrite1h: u.CacheWrite1h, Output: u.Output, OutputAudio: u.OutputAudio, OutputImage: u.OutputImage, Reasoning: u.Reasoning,
		Images: u.Images, AudioMs: u.AudioMs, Characters: u.Characters, Searches: u.Searches,
	}
}

// charge adds what an attempt costs, and what the key is charged beyond that, to the
// row. Each attempt is rounded for itself, for its vendor charges it for itself.
func (x *exchange) charge(c *routing.Charge, clamped bool) (markup int64) {
	row := &x.row
	if clamped {
		row.Flags |= store.FlagClamped
	}
	if c.Source == routing.PriceFallback {
		row.Flags |= store.FlagUnknownPrice
	}
	markup = x.markup(c.Nano)
	row.CostNano, row.MarkupNano = store.AddNano(row.CostNano, c.Nano), store.AddNano(row.MarkupNano, markup)
	if c.Saturated || row.CostNano == math.MaxInt64 {
		row.Flags |= store.FlagSaturated
	}
	if n := len(row.Attempts); n > 0 && x.noted {
		row.Attempts[n-1].CostNano = c.Nano
	}
	return markup
}

// markup is what the key is charged beyond a cost.
func (x *exchange) markup(nano int64) int64 {
	if x.job.Markup == 0 {
		return 0
	}
	beyond, saturated := providers.Markup(nano, store.MarkupUnit+x.job.Markup)
	if saturated {
		x.row.Flags |= store.FlagSaturated
	}
	return beyond
}

// priceUnknown refuses a target under unknown_price: deny.
func priceUnknown(t *routing.Target) *providers.Error {
	return &providers.Error{Kind: providers.KindPermission, Code: "price_unknown", Param: "model", NoRetry: true, Provider: t.Account.Provider.Name,
		Message: "no price is known for model " + strconv.Quote(clip(t.Model, 200)) + " and this gateway refuses such models (unknown_price: deny): " + routing.SetPrice(t.Account.Provider.Name, t.Model) + " gives it one"}
}

// reserve bounds what the request may use at t and be charged for it: what limits hold
// for it, or the whole body as prompt and the output the caller allowed or a usual one.
// input is the prompt's part of it.
func (x *exchange) reserve(t *routing.Target) (whole, input limits.Amount) {
	const usualOutput = 4096
	if !generates(x.job.Op) {
		u := x.bound()
		input = x.amount(t, &u)
		return x.held(input), input
	}
	if x.job.Peek.ASCII {
		x.said = tokensIn(len(x.job.Body), 0)
	} else {
		x.said = estimateTokens(x.job.Body)
	}
	u := providers.Usage{Input: x.said}
	input = x.amount(t, &u)
	if x.unbounded > 0 {
		return x.held(input), input
	}
	out := x.job.Peek.MaxTokens
	if out <= 0 {
		out = usualOutput
	}
	if t.Entry != nil && t.Entry.MaxOutput > 0 {
		out = min(out, t.Entry.MaxOutput)
	}
	u.Output = times(out, max(1, x.job.Peek.N))
	return x.amount(t, &u), input
}

// held is what limits hold for the request, more or less than is usual, but no less than
// its input; where none counts what it uses, its input is all.
func (x *exchange) held(input limits.Amount) limits.Amount {
	if x.unbounded > 0 {
		input.Nano, input.Tokens = max(input.Nano, x.need.Nano), max(input.Tokens, x.need.Tokens)
	}
	return input
}

// amount is what u takes of limits at t.
func (x *exchange) amount(t *routing.Target, u *providers.Usage) limits.Amount {
	cost := t.Charge(u, x.r.o.UnknownPrice).Nano
	return limits.Amount{Tokens: store.AddNano(u.Prompt(), u.Completion()), Nano: store.AddNano(cost, x.markup(cost)), Cost: cost}
}

// report counts the request and tells who listens.
func (x *exchange) report() {
	row := &x.row
	x.usedTokens(&row.Tokens)
	t := row.Tokens
	for i := range row.Attempts {
		if s := row.Attempts[i].Spent; s != nil {
			t.Add(&s.Tokens)
		}
	}
	done := telemetry.Done{
		Operation: row.Operation, Provider: row.Provider, Model: x.modelLabel(), Status: row.Status,
		Duration: row.Duration, TTFT: row.TTFT, Overhead: row.Overhead, CostNano: row.CostNano,
		Tokens: [4]int64{t.Input + t.InputAudio + t.InputImage, t.CacheRead, t.CacheWrite5m + t.CacheWrite1h, t.Completion()},
		Series: x.series,
	}
	x.r.o.Metrics.Finish(&done)
	x.series = done.Series
	if x.r.o.Finished != nil {
		x.r.o.Finished(row)
	}
	if x.job.Trace != nil {
		x.r.o.Spans.Request(x.job.Trace, row)
	}
	if x.r.feed.watched() {
		x.tell(ProgressFinished, row.Time.Add(row.Duration))
	}
}

// firstContent notes the time to the first token.
func (x *exchange) firstContent() {
	if x.ttft == 0 {
		x.ttft = max(1, x.now.Sub(x.job.Accepted))
		x.firstAfter.Store(int64(x.ttft))
		x.tell(ProgressFirstToken, x.now)
		x.route.Answered(x.now)
	}
}
