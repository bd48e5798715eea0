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
	route   routing.Route
	pick    routing.Pick // chosen; its target is nil when the next is to be chosen
	resume  time.Time    // when the pick may be tried
	tries   int
	target  *routing.Target
	key     int  // index of the target's secret in use
	same    bool // target speaks the caller's dialect, or the operation is relayed only
	frames  providers.Egress
	up      *upstream.Exchange
	call    providers.Call   // what is sent
	address address          // where the last call went
	req     upstream.Request // how
	now     time.Time        // the clock as it was read last: waits begin then
	started time.Time        // of the attempt
	noted   bool             // it is the last of row.Attempts
	gotHead bool
	head    heading // of the answer, if gotHead
	headBy  time.Time
	firstBy time.Time
	idle    time.Duration
	totalBy time.Time
	dropped []string
	prefix  uint64 // hash of the conversation sent, see recall.go

	need      limits.Amount // reserved with the key's and other limits of the whole request
	unbounded int64         // output to reserve where the request bounds none; 0: neither tokens nor money are limited
	input     int64         // reserved for, in tokens; 0: not known yet
	said      int64         // what the body is estimated at, in tokens
	strict    bool          // what is reserved must not be passed

	usage    providers.Usage
	hasUsage bool
	deltas   int64         // content events seen, for an estimate where the upstream reports nothing
	passed   int64         // bytes of an answer that is neither JSON nor events
	parts    []limits.Part // what attempts used that another followed

	waited time.Duration // for the upstream
	ttft   time.Duration

	stream streamState
	rbuf   []byte                                            // upstream bytes
	out    []byte                                            // bytes for the caller
	sink   func(piece []byte, info providers.FrameInfo) bool // put, made once
	piece  []byte                                            // what came last of a stream, in the upstream's buffer
	pass   []byte                                            // bytes for the caller that lie in piece, behind out
	room   *upstream.Exchange                                // where up lies
	entry  store.Hold

	watching bool
	watchFD  int32      // descriptor watched + 1; 0: none
	mu       sync.Mutex // guards up against hangUp, and gone
	gone     bool
	ending   bool                    // we end it: the gateway is shutting down, or the operator wills it
	why      func() *providers.Error // what the caller is told then

	at         atomic.Pointer[routing.Target] // of the attempt, for those who watch
	firstAfter atomic.Int64                   // nanoseconds to the first token, likewise
	wake       chan struct{}                  // ends a pause between attempts when one of these comes true

	record *capture.Record // what is kept of the bodies; nil: nothing

	before, after *exchange // in the list of those in flight
}

func (x *exchange) begin(r *Relay, job *Job) {
	rbuf, out, held, attempts, header, room, sink, address := x.rbuf[:0], x.out[:0], x.stream.held[:0], x.row.Attempts[:0], x.call.Header[:0], x.room, x.sink, x.address
	*x = exchange{} // cleared where it lies
	x.r, x.job, x.rbuf, x.out, x.room, x.sink, x.address = r, job, rbuf, out, room, sink, address
	if room == nil {
		x.room, x.sink = new(upstream.Exchange), x.put
	}
	x.call.Header = header
	x.route = job.Plan.Begin(job.Allow, x.session(), job.Peek.Stream)
	x.stream.held = held
	x.row = store.UsageRow{
		Trace: job.Plan.Trace, RequestID: job.ID, ClientRequestID: job.ClientID, Time: job.Accepted.UTC(),
		KeyID: job.KeyID, KeyName: job.KeyName, Group: job.Group, EndUser: job.EndUser,
		Operation: string(job.Op), Model: job.Peek.Model, Stream: job.Peek.Stream, Metadata: job.Metadata, Attempts: attempts,
	}
	x.beginRecord()
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
	x.route.Abandoned()
	x.closeUpstream()
	x.keepRecord()
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
	x.job, x.target, x.decoded, x.fetched, x.fail, x.frames, x.record = nil, nil, nil, nil, nil, nil, nil
	x.stream.pipe, x.call.Body, x.piece, x.pass, x.req = nil, nil, nil, nil, upstream.Request{}
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

func (x *exchange) isGone() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.gone && !x.job.Drain
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
