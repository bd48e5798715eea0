package relay

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/server/routing"
	"github.com/your-org/ai-api-gateway/server/upstream"
	"github.com/your-org/ai-api-gateway/store"
)

// errNoTarget says that no attempt is left: x.fail says why, unless the caller has left.
var errNoTarget = errors.New("no target is left")

// farFuture is a time that does not come.
var farFuture = time.Unix(1<<40, 0)

// nextTarget starts the next attempt. Its errors are upstream.ErrTick, when until
// passes before a retry is due (call again), and errNoTarget.
func (x *exchange) nextTarget(until time.Time) error {
	for {
		switch gone, ending := x.unwanted(); {
		case gone:
			return errNoTarget
		case ending:
			x.fail = x.endError()
			return errNoTarget
		}
		now := x.job.Accepted
		if !x.job.Whole || x.target != nil || x.pick.Target != nil {
			now = x.r.o.Now()
		}
		if x.tries > 0 && !x.job.Upload.again() {
			return errNoTarget
		}
		if x.tries > 0 && !now.Before(x.totalBy) { // one deadline for all attempts
			return errNoTarget
		}
		if x.pick.Target == nil && !x.choose(now) {
			return errNoTarget
		}
		if now.Before(x.resume) {
			x.pause(now, earlier(earlier(x.resume, until), x.totalBy))
			if now = x.r.o.Now(); now.Before(x.resume) && !now.Before(until) {
				return upstream.ErrTick
			}
			continue
		}
		if e := x.carry(); e != nil {
			x.fail = e
			return errNoTarget
		}
		t := x.pick.Target
		x.key, x.pick.Target = x.pick.Key, nil
		if err := x.attempt(t, now); err != nil {
			x.fail = err
			continue
		}
		return nil
	}
}

// choose takes the next target of the route; false: there is none, and x.fail says why.
func (x *exchange) choose(now time.Time) bool {
	pick, refused := x.route.Next(now)
	x.note(now, &pick)
	if pick.Target == nil {
		switch {
		case refused != nil:
			x.fail = refused
		case x.fail == nil:
			x.fail = &providers.Error{Kind: providers.KindUnavailable, Code: "no_target", Message: "no target is left for this request"}
		}
		return false
	}
	x.pick, x.resume = pick, time.Time{}
	if pick.Wait > 0 {
		x.resume = now.Add(pick.Wait)
	}
	return true
}

// note writes down what is unusual about the choice.
func (x *exchange) note(now time.Time, p *routing.Pick) {
	if p.Reason == routing.PickFirst && !p.Skipped {
		return
	}
	say := func(format string, args ...any) {
		x.row.Trace = append(x.row.Trace, fmt.Sprintf(format, args...))
	}
	if p.Skipped && len(x.row.Attempts) == 0 || p.Target == nil && len(x.row.Attempts) == 0 {
		x.row.Trace = append(x.row.Trace, x.route.Held(now)...)
	}
	if p.Target == nil {
		return
	}
	name, model := p.Target.Account.Name, p.Target.Model
	switch p.Reason {
	case routing.PickSession:
		say("account %q served this conversation before", name)
	case routing.PickProbe:
		say("account %q, model %q: this request finds out whether it has recovered", name, model)
	case routing.PickFallback:
		say("went on to account %q, model %q", name, model)
	case routing.PickRetry:
		say("account %q, model %q once more, after %d ms", name, model, p.Wait.Milliseconds())
	}
}

// pause waits until then, or until the caller leaves or the gateway ends.
func (x *exchange) pause(now, then time.Time) {
	x.startWatch()
	timer := time.NewTimer(then.Sub(now))
	defer timer.Stop()
	x.mu.Lock()
	if x.wake == nil {
		x.wake = make(chan struct{}, 1)
	}
	wake := x.wake
	over := x.gone && !x.job.Drain || x.ending
	x.mu.Unlock()
	if over {
		return
	}
	select {
	case <-timer.C:
	case <-wake:
	}
	x.waited += x.r.o.Now().Sub(now)
}

// awake ends a pause. x.mu is held.
func (x *exchange) awake() {
	select {
	case x.wake <- struct{}{}:
	default: // nobody pauses, or was told already
	}
}

// attempt builds the upstream's request and sends it.
func (x *exchange) attempt(t *routing.Target, now time.Time) *providers.Error {
	x.target, x.gotHead, x.dropped, x.noted = t, false, nil, false
	x.at.Store(t)
	x.frames = t.Egress
	x.same = t.Egress == nil || x.job.In != nil && t.Egress.Dialect() == x.job.In.Dialect()
	if t.Egress == nil {
		x.frames = x.job.Frames
	}
	x.usage, x.hasUsage, x.deltas = providers.Usage{}, false, 0
	if e := x.enterTarget(t, now); e != nil {
		x.unfit(e, routing.FaultUnfit)
		return e
	}
	if x.r.o.UnknownPrice == "deny" && !t.Priced() {
		e := priceUnknown(t)
		x.unfit(e, routing.FaultUnfit)
		return e
	}
	call, e := x.buildCall(t)
	if e != nil {
		fault := routing.FaultRequest
		if e.Provider != "" {
			fault = routing.FaultUnfit
		}
		x.unfit(e, fault)
		return e
	}
	x.tries++
	if x.job.Trace != nil {
		x.traceAttempt(call)
	}
	x.now = x.r.o.Now() // what was done until here is the gateway's own time
	x.started = x.now
	to := x.r.o.Timeouts(x.job.Peek.Stream)
	if len(t.Account.Timeouts) > 0 {
		to = accountTimeouts(to, t.Account.Timeouts, x.job.Peek.Stream)
	}
	x.idle, x.toFirst = to.Idle, to.FirstEvent
	x.headBy = x.started.Add(to.Header)
	x.totalBy = x.job.Accepted.Add(to.Total)
	var req upstream.Request
	req.Method, req.URL, req.Header, req.Body = "POST", call.URL, call.Header, call.Body
	req.Rest, req.RestLength = x.rest(), x.job.Upload.length()
	req.Timeouts, req.Proxy, req.At = to, t.Account.Proxy, x.now
	if err := x.r.o.Upstream.StartIn(x.room, &req); err != nil {
		x.waited += x.r.o.Now().Sub(x.started)
		return x.lost(err)
	}
	if x.job.Upload != nil { // the time it took to come is the caller's
		x.now = x.r.o.Now()
		x.headBy = x.now.Add(to.Header)
	}
	x.mu.Lock()
	x.up = x.room
	unwanted := x.gone && !x.job.Drain || x.ending
	x.mu.Unlock()
	if unwanted {
		return x.lost(upstream.ErrCancelled)
	}
	return nil
}

// unfit ends an attempt for which no request was made: the target cannot carry it,
// or may not, or it is at fault itself.
func (x *exchange) unfit(e *providers.Error, fault routing.Fault) {
	if fault == routing.FaultUnfit {
		x.row.Trace = append(x.row.Trace, fmt.Sprintf("account %q cannot serve it: %s", x.target.Account.Name, clip(e.Message, 300)))
	}
	x.route.Failed(x.r.o.Now(), routing.Failure{Fault: fault, Message: e.Message})
}

// outcomeCancelled marks an attempt that was given up because its caller left or
// the gateway ends. It says nothing about the target.
const outcomeCancelled = "cancelled"

// lost records the end of an attempt that broke, and returns what a caller would be told.
func (x *exchange) lost(err error) *providers.Error {
	e, outcome, fault := explainBroken(err, x.gotHead)
	e.Provider = x.target.Account.Provider.Name
	if errors.Is(err, upstream.ErrCancelled) {
		outcome = outcomeCancelled
	}
	if x.isEnding() {
		e, outcome = x.endError(), outcomeCancelled
	}
	if own := x.job.Upload.fault(); own != nil { // the caller's, not the upstream's
		e, outcome = own, outcomeCancelled
	}
	e.Message = x.target.Account.Scrub(e.Message)
	var ue *upstream.Error
	if errors.As(err, &ue) && ue.Sent && outcome != outcomeCancelled {
		x.row.Flags |= store.FlagPossibleDuplicate
	}
	x.endAttempt(outcome, 0, faultOf(e, fault))
	return e
}

// faultOf describes e as a failure of that sort.
func faultOf(e *providers.Error, fault routing.Fault) routing.Failure {
	return routing.Failure{Fault: fault, RetryAfter: e.RetryAfter, Message: clip(e.Message, 256)}
}

// endAttempt closes the upstream, writes the attempt down, and tells the route how it went.
func (x *exchange) endAttempt(outcome string, status int, f routing.Failure) {
	if status == 0 && x.gotHead && x.up != nil {
		status = x.up.Status()
	}
	x.closeUpstream()
	now := x.r.o.Now()
	x.wrote(outcome, status, now, f.Message)
	if outcome == outcomeCancelled {
		x.route.Abandoned()
	} else {
		x.route.Failed(now, f)
	}
	x.tried(outcome)
}

// wrote writes the attempt down.
func (x *exchange) wrote(outcome string, status int, end time.Time, failure string) {
	x.noted = true
	x.row.Attempts = append(x.row.Attempts, store.Attempt{})
	a := &x.row.Attempts[len(x.row.Attempts)-1]
	a.Provider, a.Account, a.Model = x.target.Account.Provider.Name, x.target.Account.Name, x.target.Model
	a.Status, a.Outcome, a.Error = status, outcome, failure
	a.Start, a.Duration = x.started.Sub(x.job.Accepted), end.Sub(x.started)
}

func (x *exchange) closeUpstream() {
	x.mu.Lock()
	up := x.up
	x.up = nil
	x.mu.Unlock()
	if up != nil {
		up.Close()
	}
}

// readError reads the body of an error answer and says what to tell the caller.
func (x *exchange) readError() *providers.Error {
	status := x.up.Status()
	body, err := x.readAll(maxErrorBody)
	if err != nil {
		body = nil
	}
	var e *providers.Error
	if typed, ok := x.frames.(providers.ErrorTyper); ok {
		e = typed.DecodeTypedError(status, x.up.ResponseHeader(typed.ErrorTypeHeader()), body)
	} else if x.frames != nil {
		e = x.frames.DecodeError(status, body)
	} else {
		e = &providers.Error{Kind: providers.KindUpstream, Status: status, Message: http.StatusText(status)}
	}
	provider, account := x.target.Account.Provider.Name, x.target.Account.Name
	e.Provider, e.Raw = provider, nil
	e.Message = x.target.Account.Scrub(e.Message)
	if wait := routing.RetryAfter(x.up.ResponseHeader("retry-after-ms"), x.up.ResponseHeader("retry-after"), x.r.o.Now()); wait > 0 {
		e.RetryAfter = wait
	}
	if status > 599 { // no status of HTTP (RFC 9110, section 15): clients may take it for anything
		e.Status = http.StatusBadGateway
	}
	fault := routing.Classify(e, status)
	said := faultOf(e, fault)
	switch {
	case status >= 300 && status < 400:
		*e = providers.Error{Kind: providers.KindUpstream, Code: "upstream_redirect", Provider: provider,
			Message: fmt.Sprintf("the upstream answered %d, a redirect, which is never followed: check the account's base_url", status)}
		said.Message = e.Message
	case fault == routing.FaultRegion:
		*e = providers.Error{Kind: providers.KindUpstream, Status: 502, Code: "upstream_region_blocked", Provider: provider,
			Message: fmt.Sprintf("provider %s does not serve the region this gateway calls from (%d): %s", provider, status, routing.Mend(account, x.target.Account.Origin, "a proxy for account "+strconv.Quote(account), "set", "--proxy URL"))}
	case fault == routing.FaultDenied:
		*e = providers.Error{Kind: providers.KindUpstream, Status: 502, Code: "upstream_auth_failed", Provider: provider,
			Message: fmt.Sprintf("provider %s does not let the gateway's key use model %q (%d): ask the vendor for access, then `ai-gateway providers reset %s`", provider, x.target.Model, status, account)}
	case fault == routing.FaultAuth || fault == routing.FaultSuspect && e.Kind == providers.KindAuthentication:
		*e = providers.Error{Kind: providers.KindUpstream, Status: 502, Code: "upstream_auth_failed", Provider: provider,
			Message: fmt.Sprintf("provider %s refused the gateway's own credentials (%d): `ai-gateway providers test %s`", provider, status, account)}
	case x.same && !x.target.Account.Leaks(string(body)):
		e.Raw = append([]byte(nil), body...)
	}
	outcome := "http_error"
	switch fault {
	case routing.FaultRate, routing.FaultQuota, routing.FaultAuth, routing.FaultRegion, routing.FaultBusy:
		outcome = fault.String()
	}
	x.endAttempt(outcome, status, said)
	return e
}
