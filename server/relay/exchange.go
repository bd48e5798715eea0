package relay

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/server/limits"
	"github.com/your-org/ai-api-gateway/server/media"
	"github.com/your-org/ai-api-gateway/server/routing"
	"github.com/your-org/ai-api-gateway/server/upstream"
	"github.com/your-org/ai-api-gateway/store"
)

// An exchange is the state of one job. One goroutine at a time drives it; only
// hangUp may be called from another.
type exchange struct {
	r   *Relay
	job *Job

	row      store.UsageRow
	settled  bool
	released bool
	fail     *providers.Error // what the caller is told
	decoded  *providers.Request
	fetched  map[string]media.File // by address, for every attempt

	// the attempt in flight
	next    int // index of the next target
	tries   int
	target  *routing.Target
	same    bool // target speaks the caller's dialect, or the operation is relayed only
	frames  providers.Egress
	up      *upstream.Exchange
	call    providers.Call   // what is sent
	req     upstream.Request // how
	now     time.Time        // the clock as it was read last: waits begin then
	started time.Time        // of the attempt
	gotHead bool
	headBy  time.Time
	firstBy time.Time
	idle    time.Duration
	totalBy time.Time
	dropped []string
	prefix  uint64 // hash of the conversation sent, see recall.go

	need      limits.Amount // reserved with the key's and other limits of the whole request
	unbounded int64         // output to reserve where the request bounds none; 0: neither tokens nor money are limited
	input     int64         // reserved for, in tokens; 0: not known yet
	strict    bool          // what is reserved must not be passed

	usage    providers.Usage
	hasUsage bool
	deltas   int64 // content events seen, for an estimate where the upstream reports nothing
	passed   int64 // bytes of an answer that is neither JSON nor events

	waited time.Duration // for the upstream
	ttft   time.Duration

	stream streamState
	rbuf   []byte // upstream bytes
	out    []byte // bytes for the caller
	room   *upstream.Exchange
	entry  store.Hold

	watching bool
	watchFD  int32      // descriptor watched + 1; 0: none
	mu       sync.Mutex // guards up against hangUp, and gone
	gone     bool
	ending   bool // the gateway is shutting down

	before, after *exchange // in the list of those in flight
}

func (x *exchange) begin(r *Relay, job *Job) {
	rbuf, out, held, attempts, header, room := x.rbuf[:0], x.out[:0], x.stream.held[:0], x.row.Attempts[:0], x.call.Header[:0], x.room
	*x = exchange{r: r, job: job, rbuf: rbuf, out: out, room: room}
	if room == nil {
		x.room = new(upstream.Exchange)
	}
	x.call.Header = header
	x.stream.held = held
	x.row = store.UsageRow{
		RequestID: job.ID, ClientRequestID: job.ClientID, Time: job.Accepted.UTC(),
		KeyID: job.KeyID, KeyName: job.KeyName, Group: job.Group, EndUser: job.EndUser,
		Operation: string(job.Op), Model: job.Peek.Model, Stream: job.Peek.Stream, Metadata: job.Metadata, Attempts: attempts,
	}
	if job.In != nil {
		x.row.Dialect = string(job.In.Dialect())
	}
}

// release gives the exchange back. Nothing may touch it afterwards.
func (x *exchange) release() {
	if x.released {
		return
	}
	x.released = true
	x.unwatch()
	x.closeUpstream()
	x.r.live.remove(x)
	x.r.o.Metrics.InFlight.Dec()
	if x.job.Release != nil {
		x.job.Release()
	}
	const keep = 64 << 10 // larger buffers are left to the collector
	if cap(x.rbuf) > keep {
		x.rbuf = nil
	}
	if cap(x.out) > keep {
		x.out = nil
	}
	if cap(x.stream.held) > keep {
		x.stream.held = nil
	}
	if job := x.job; job.pooled {
		*job = Job{Forward: job.Forward[:0]}
		jobs.Put(job)
	}
	x.job, x.target, x.decoded, x.fetched, x.fail, x.frames = nil, nil, nil, nil, nil, nil
	x.stream.pipe, x.call.Body, x.req = nil, nil, upstream.Request{}
	exchanges.Put(x)
}

// hold enters the request in the ledger.
func (x *exchange) hold() *providers.Error {
	t := &x.job.Plan.Targets[0]
	h := &x.entry
	*h = store.Hold{
		KeyID: x.job.KeyID, KeyName: x.job.KeyName, Group: x.job.Group, Operation: string(x.job.Op), Model: x.job.Peek.Model,
		Provider: t.Account.Provider.Name, Account: t.Account.Name, AccountID: t.Account.ID, UpstreamModel: t.Model,
		Stream: x.job.Peek.Stream,
	}
	h.ReservedNano, h.InputNano = x.reserve(t)
	if x.unbounded > 0 {
		h.ReservedNano = max(h.InputNano, x.need.Nano)
	}
	x.row.ReservedNano = h.ReservedNano
	if err := x.r.o.Ledger.Hold(x.job.ID, h, x.job.Accepted); err != nil && !x.r.o.ServeUnmetered {
		return ledgerDown()
	}
	return nil
}

func ledgerDown() *providers.Error {
	return &providers.Error{Kind: providers.KindUnavailable, Code: "ledger_unavailable",
		Message: "the usage ledger cannot be written, so no request is served: `ai-gateway health` and the server's log say why"}
}

// nextTarget starts the next attempt. It reports false when there is none left;
// x.fail then says why.
func (x *exchange) nextTarget() bool {
	for x.next < len(x.job.Plan.Targets) && x.tries < maxAttempts {
		t := &x.job.Plan.Targets[x.next]
		x.next++
		if x.isGone() {
			return false
		}
		if x.isEnding() {
			x.fail = shuttingDown()
			return false
		}
		if x.fail != nil && !x.job.Upload.again() {
			return false
		}
		if err := x.attempt(t); err != nil {
			x.fail = err
			if final(err) {
				return false
			}
			continue
		}
		return true
	}
	if x.fail == nil {
		x.fail = &providers.Error{Kind: providers.KindUnavailable, Code: "no_target", Message: "no target is left for this request"}
	}
	return false
}

// attempt builds the upstream's request and sends it.
func (x *exchange) attempt(t *routing.Target) *providers.Error {
	if denied := x.enterTarget(t); denied != nil {
		return denied
	}
	x.target, x.gotHead, x.dropped = t, false, nil
	x.frames = t.Egress
	x.same = t.Egress == nil || x.job.In != nil && t.Egress.Dialect() == x.job.In.Dialect()
	if t.Egress == nil {
		x.frames = x.job.Frames
	}
	x.usage, x.hasUsage, x.deltas = providers.Usage{}, false, 0
	if x.r.o.UnknownPrice == "deny" && !t.Priced() {
		return priceUnknown(t)
	}
	call, perr := x.buildCall(t)
	if perr != nil {
		return perr
	}
	x.tries++
	x.now = x.r.o.Now()
	x.started = x.now
	to := accountTimeouts(x.r.o.Timeouts(x.job.Peek.Stream), t.Account.Timeouts, x.job.Peek.Stream)
	x.headBy, x.idle = x.started.Add(to.Header), to.Idle
	x.firstBy = x.started.Add(to.FirstEvent)
	x.totalBy = x.job.Accepted.Add(to.Total)
	x.req = upstream.Request{
		Method: "POST", URL: call.URL, Header: call.Header, Body: call.Body, Timeouts: to, Proxy: t.Account.Proxy, At: x.now,
		Rest: x.rest(), RestLength: x.job.Upload.length(),
	}
	if err := x.r.o.Upstream.StartIn(x.room, &x.req); err != nil {
		x.waited += x.r.o.Now().Sub(x.started)
		return x.lost(err)
	}
	if x.job.Upload != nil { // the time it took to come is the caller's
		x.now = x.r.o.Now()
		x.headBy = x.now.Add(to.Header)
	}
	x.mu.Lock()
	x.up = x.room
	unwanted := x.gone || x.ending
	x.mu.Unlock()
	if unwanted {
		return x.lost(upstream.ErrCancelled)
	}
	return nil
}

// lost records the end of an attempt that broke, and returns what a caller would be told.
func (x *exchange) lost(err error) *providers.Error {
	e, outcome := explainBroken(err, x.gotHead)
	if x.isEnding() {
		e = shuttingDown()
	}
	if fault := x.job.Upload.fault(); fault != nil { // the caller's, not the upstream's
		e, outcome = fault, "cancelled"
	}
	e.Provider = x.target.Account.Provider.Name
	if errors.Is(err, upstream.ErrCancelled) {
		outcome = "cancelled"
	}
	var ue *upstream.Error
	if errors.As(err, &ue) && ue.Sent && outcome != "cancelled" {
		x.row.Flags |= store.FlagPossibleDuplicate
	}
	x.endAttempt(outcome, 0, e.Message)
	return e
}

// endAttempt closes the upstream and writes the attempt down.
func (x *exchange) endAttempt(outcome string, status int, msg string) {
	if status == 0 && x.gotHead && x.up != nil {
		status = x.up.Status()
	}
	x.closeUpstream()
	x.row.Attempts = append(x.row.Attempts, store.Attempt{
		Provider: x.target.Account.Provider.Name, Account: x.target.Account.Name, Model: x.target.Model,
		Status: status, Outcome: outcome, Start: x.started.Sub(x.job.Accepted), Duration: x.r.o.Now().Sub(x.started), Error: clip(msg, 256),
	})
	x.r.o.Metrics.Attempt(outcome)
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

// hangUp is called by the watcher, from its own goroutine, when the caller has left.
func (x *exchange) hangUp() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.gone = true
	if x.up != nil && !x.job.Drain {
		x.up.Cancel()
	}
}

func (x *exchange) isGone() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.gone && !x.job.Drain
}

// What wait waits for.
const (
	forHead = false
	forBody = true
)

// wait waits for the upstream, from x.now on: for its status, or for bytes of its
// body in buf, of which it returns how many came. It starts the hang-up watcher
// after watchAfter, and returns upstream.ErrTick when until has passed and
// errDeadline when limit has.
func (x *exchange) wait(body bool, buf []byte, until, limit time.Time) (n int, err error) {
	for {
		if !x.now.Before(limit) {
			return 0, errDeadline
		}
		if !x.now.Before(until) {
			return 0, upstream.ErrTick
		}
		step := x.step(x.now, earlier(until, limit))
		if body {
			n, err = x.up.Read(buf, step)
		} else {
			err = x.up.Header(step)
		}
		after := x.r.o.Now()
		x.waited += after.Sub(x.now)
		x.now = after
		if n > 0 {
			return n, nil // what came counts first; an error will come again
		}
		if !errors.Is(err, upstream.ErrTick) {
			return 0, err
		}
		x.startWatch()
	}
}

// step returns until when to wait at a time.
func (x *exchange) step(now, until time.Time) time.Time {
	if !x.watching {
		return earlier(until, now.Add(watchAfter))
	}
	return until
}

var errDeadline = errors.New("deadline passed")

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// awaitHead waits for the upstream's status. A nil error with ok false means the
// attempt failed with x.fail set.
func (x *exchange) awaitHead(until time.Time) error {
	_, err := x.wait(forHead, nil, until, earlier(x.headBy, x.totalBy))
	if err == nil {
		x.gotHead = true
		for _, name := range [...]string{"x-request-id", "request-id", "x-amzn-requestid", "apim-request-id"} {
			if id := x.up.ResponseHeader(name); id != "" {
				x.row.UpstreamID = clip(id, 128)
				break
			}
		}
	}
	return err
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
	e.Provider, e.Raw = x.target.Account.Provider.Name, nil
	e.Message = x.scrub(e.Message)
	if e.RetryAfter == 0 {
		e.RetryAfter = retryAfter(x.up, x.r.o.Now())
	}
	switch {
	case status >= 300 && status < 400:
		*e = providers.Error{Kind: providers.KindUpstream, Code: "upstream_redirect", Provider: e.Provider,
			Message: fmt.Sprintf("the upstream answered %d, a redirect, which is never followed: check the account's base_url", status)}
	case status == 401 || status == 403 || e.Kind == providers.KindAuthentication: // Google says 400
		*e = providers.Error{Kind: providers.KindUpstream, Status: 502, Code: "upstream_auth_failed", Provider: e.Provider,
			Message: fmt.Sprintf("provider %s refused the gateway's own credentials (%d): `ai-gateway providers test %s`", e.Provider, status, x.target.Account.Name)}
	case x.same && !x.leaks(body):
		e.Raw = append([]byte(nil), body...)
	}
	x.endAttempt("http_error", status, e.Message)
	return e
}

// readAll reads the rest of the upstream's body, at most limit bytes, into x.rbuf.
func (x *exchange) readAll(limit int) ([]byte, error) {
	buf := x.rbuf[:0]
	for {
		if len(buf) == cap(buf) {
			buf = append(buf, make([]byte, max(4096, min(cap(buf), 1<<20)))...)[:len(buf)]
		}
		n, err := x.wait(forBody, buf[len(buf):cap(buf)], x.totalBy, earlier(x.now.Add(x.idle), x.totalBy))
		buf = buf[:len(buf)+n]
		x.rbuf = buf
		if len(buf) > limit {
			return buf, errTooLarge
		}
		if err != nil {
			if isEOF(err) {
				return buf, nil
			}
			return buf, err
		}
		if x.up.AtEnd() {
			return buf, nil
		}
	}
}
