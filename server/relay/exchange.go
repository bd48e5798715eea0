package relay

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/server/capture"
	"github.com/your-org/ai-api-gateway/server/limits"
	"github.com/your-org/ai-api-gateway/server/media"
	"github.com/your-org/ai-api-gateway/server/routing"
	"github.com/your-org/ai-api-gateway/server/telemetry"
	"github.com/your-org/ai-api-gateway/server/upstream"
	"github.com/your-org/ai-api-gateway/store"
)

// An exchange is the state of one job. One goroutine at a time drives it; only
// hangUp may be called from another.
type exchange struct {
	// what each piece of a stream looks at, in as few cache lines as may be: hundreds
	// of other streams have used the caches meanwhile
	r        *Relay
	job      *Job
	up       *upstream.Exchange
	frames   providers.Egress
	sink     func(piece []byte, info providers.FrameInfo) bool // put, made once
	now      time.Time                                         // the clock as it was read last: waits begin then
	totalBy  time.Time
	idle     time.Duration // the longest silence within its answer
	toFirst  time.Duration // the longest wait for the first of a stream
	waited   time.Duration // for the upstream
	ttft     time.Duration
	deltas   int64      // content events seen, for an estimate where the upstream reports nothing
	mu       sync.Mutex // guards up against hangUp, and gone
	gone     bool
	ending   bool // we end it: the gateway is shutting down, or the operator wills it
	watching bool
	settled  bool
	released bool
	gotHead  bool
	hasUsage bool
	same     bool   // target speaks the caller's dialect, or the operation is relayed only
	piece    []byte // what came last of a stream, in the upstream's buffer
	pass     []byte // bytes for the caller that lie in piece, behind out
	out      []byte // bytes for the caller
	stream   streamState

	row     store.UsageRow
	fail    *providers.Error // what the caller is told
	decoded *providers.Request
	fetched map[string]media.File // by address, for every attempt

	// the attempt in flight
	route   routing.Route
	pick    routing.Pick // chosen; its target is nil when the next is to be chosen
	resume  time.Time    // when the pick may be tried
	tries   int
	target  *routing.Target
	key     int            // index of the target's secret in use
	call    providers.Call // what is sent
	address address        // where the last call went
	started time.Time      // of the attempt
	noted   bool           // it is the last of row.Attempts
	head    heading        // of the answer, if gotHead
	headBy  time.Time
	dropped []string
	prefix  uint64 // hash of the conversation sent, see recall.go

	need      limits.Amount // reserved with the key's and other limits of the whole request
	unbounded int64         // output to reserve where the request bounds none; 0: neither tokens nor money are limited
	input     int64         // reserved for, in tokens; 0: not known yet
	said      int64         // what the body is estimated at, in tokens
	strict    bool          // what is reserved must not be passed

	usage  providers.Usage
	passed int64         // bytes of an answer that is neither JSON nor events
	parts  []limits.Part // what attempts used that another followed

	rbuf   []byte             // upstream bytes
	room   *upstream.Exchange // where up lies
	series *telemetry.Series  // of the last request
	entry  store.Hold

	watchFD int32                   // descriptor watched + 1; 0: none
	why     func() *providers.Error // what the caller is told then

	at         atomic.Pointer[routing.Target] // of the attempt, for those who watch
	firstAfter atomic.Int64                   // nanoseconds to the first token, likewise
	wake       chan struct{}                  // ends a pause between attempts when one of these comes true

	record *capture.Record // what is kept of the bodies; nil: nothing

	before, after *exchange // in the list of those in flight

	given Job // by NewJob
}

// begin makes the exchange, which is new or was released, that of a job.
func (x *exchange) begin(r *Relay, job *Job) {
	x.r, x.job, x.settled, x.released = r, job, false, false
	if x.room == nil {
		x.room, x.sink = new(upstream.Exchange), x.put
	}
	x.route = job.Plan.Begin(job.Allow, x.session(), job.Peek.Stream)
	row := &x.row // all else of it is zero
	row.Trace, row.Metadata = job.Plan.Trace, job.Metadata
	row.RequestID, row.ClientRequestID = job.ID, job.ClientID
	row.KeyID, row.KeyName, row.Group, row.EndUser = job.KeyID, job.KeyName, job.Group, job.EndUser
	row.Operation, row.Model = string(job.Op), job.Peek.Model
	row.Time, row.Stream = job.Accepted.UTC(), job.Peek.Stream
	x.beginRecord()
	if job.In != nil {
		row.Dialect = string(job.In.Dialect())
	}
}

// clear forgets all of a job but the room it took, which the next will use.
func (x *exchange) clear() {
	const keep = 64 << 10 // larger buffers are left to the collector
	fit := func(b []byte) []byte {
		if cap(b) > keep {
			return nil
		}
		return b[:0]
	}
	rbuf, out, held, attempts, header, forward := fit(x.rbuf), fit(x.out), fit(x.stream.held), x.row.Attempts[:0], x.call.Header[:0], x.given.Forward[:0]
	room, sink, address, series := x.room, x.sink, x.address, x.series
	*x = exchange{} // where it lies
	x.rbuf, x.out, x.stream.held, x.row.Attempts, x.call.Header, x.given.Forward = rbuf, out, held, attempts, header, forward
	x.room, x.sink, x.address, x.series = room, sink, address, series
	x.settled, x.released = true, true
}

// release gives the exchange back. Nothing may touch it afterwards.
func (x *exchange) release() {
	if x.released {
		return
	}
	x.released = true
	x.unwatch()
	x.route.Abandoned()
	x.closeUpstream()
	x.keepRecord()
	x.r.live.remove(x)
	if x.job.Release != nil {
		x.job.Release()
	}
	x.clear()
	exchanges.Put(x)
}

// hold enters the request in the ledger.
func (x *exchange) hold() *providers.Error {
	t := &x.job.Plan.Targets[0]
	h, job := &x.entry, x.job
	h.KeyID, h.KeyName, h.Group, h.Operation, h.Model, h.Stream = job.KeyID, job.KeyName, job.Group, string(job.Op), job.Peek.Model, job.Peek.Stream
	h.Provider, h.Account, h.AccountID, h.UpstreamModel = t.Account.Provider.Name, t.Account.Name, t.Account.ID, t.Model
	whole, input := x.reserve(t)
	h.ReservedNano, h.InputNano, h.ReservedTokens, h.InputTokens = whole.Nano, input.Nano, whole.Tokens, input.Tokens
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

// hangUp is called by the watcher, from its own goroutine, when the caller has left.
func (x *exchange) hangUp() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.gone = true
	if x.up != nil && !x.job.Drain {
		x.up.Cancel()
	}
	x.awake()
}

// unwanted reports whether the caller has left, with nobody to run on for, and whether
// we end the exchange.
func (x *exchange) unwanted() (gone, ending bool) {
	x.mu.Lock()
	gone, ending = x.gone && !x.job.Drain, x.ending
	x.mu.Unlock()
	return gone, ending
}

func (x *exchange) isGone() bool {
	gone, _ := x.unwanted()
	return gone
}

// What wait waits for.
type what uint8

const (
	forHead what = iota
	forBody
	forPiece
)

// wait waits for the upstream, from x.now on: for its status, for bytes of its body
// in buf, of which it returns how many came, or for x.piece of its stream. It starts
// the hang-up watcher after watchAfter, and returns upstream.ErrTick when until has
// passed and errDeadline when limit has.
func (x *exchange) wait(w what, buf []byte, until, limit time.Time) (n int, err error) {
	for {
		if !x.now.Before(limit) {
			return 0, errDeadline
		}
		if !x.now.Before(until) {
			return 0, upstream.ErrTick
		}
		step := x.step(x.now, earlier(until, limit))
		switch w {
		case forHead:
			err = x.up.Header(step)
		case forBody:
			n, err = x.up.Read(buf, step)
		case forPiece:
			x.piece, err = x.up.Next(step)
			n = len(x.piece)
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
		x.head = heading{}
		x.up.EachHeader(func(name, value string) { x.head.line(name, value, x.same) })
		if x.head.limits {
			x.route.Allowed(x.now, x.up.EachHeader)
		}
		if x.head.id != "" {
			x.row.UpstreamID = clip(x.head.id, 128)
		}
	}
	return err
}

// readAll reads the rest of the upstream's body, at most limit bytes, into x.rbuf.
func (x *exchange) readAll(limit int) ([]byte, error) {
	buf := x.rbuf[:0]
	for {
		if len(buf) == cap(buf) {
			buf = append(buf, make([]byte, max(4096, min(cap(buf), 1<<20)))...)[:len(buf)]
		}
		n, err := 0, upstream.ErrTick
		if x.up.Received() { // it came with what was waited for before
			n, err = x.up.Read(buf[len(buf):cap(buf)], x.now)
		}
		if errors.Is(err, upstream.ErrTick) {
			n, err = x.wait(forBody, buf[len(buf):cap(buf)], x.totalBy, earlier(x.now.Add(x.idle), x.totalBy))
		}
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
