// Package relay serves one request: it takes a body in the caller's dialect and
// a plan of targets, and gives the caller one answer. Where caller and upstream
// speak the same dialect the bytes pass through, but for a closed list of
// splices; elsewhere both sides go through the neutral types.
//
// Every request ends in exactly one ledger row, written before the caller holds
// the last byte of its answer.
package relay

import (
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/server/capture"
	"github.com/your-org/ai-api-gateway/server/ledger"
	"github.com/your-org/ai-api-gateway/server/limits"
	"github.com/your-org/ai-api-gateway/server/media"
	"github.com/your-org/ai-api-gateway/server/replay"
	"github.com/your-org/ai-api-gateway/server/routing"
	"github.com/your-org/ai-api-gateway/server/telemetry"
	"github.com/your-org/ai-api-gateway/server/telemetry/otel"
	"github.com/your-org/ai-api-gateway/server/threads"
	"github.com/your-org/ai-api-gateway/server/upstream"
	"github.com/your-org/ai-api-gateway/server/vault"
	"github.com/your-org/ai-api-gateway/store"
)

// Bounds and paces of an exchange.
const (
	maxAnswer    = 64 << 20               // a buffered answer
	maxErrorBody = 1 << 20                // an upstream's error
	earlyCommit  = 5 * time.Second        // a stream without content by then gets its 200 and heartbeats
	watchAfter   = 100 * time.Millisecond // a call waiting longer than this is watched for a hang-up
	maxDrains    = 64                     // streams that run on without their callers
	reuseWait    = 5 * time.Millisecond   // for the end of an upstream's body after its terminal event
)

// Ledger is what the relay needs of the usage ledger.
type Ledger interface {
	Hold(requestID string, h *store.Hold, at time.Time) error
	Attempt(requestID string, a *store.Attempt)
	Settle(row *store.UsageRow) error
	Void(requestID string)
}

var _ Ledger = (*ledger.Ledger)(nil)

// Options configure a Relay.
type Options struct {
	Upstream *upstream.Client
	Ledger   Ledger
	Metrics  *telemetry.Metrics
	Spans    *otel.Exporter  // nil: nobody is told of traces
	Limits   *limits.Limiter // nil: nothing is limited
	Log      *slog.Logger    // nil: silent
	Now      func() time.Time
	// ServeUnmetered answers even when the ledger has failed.
	ServeUnmetered bool
	UnknownPrice   string
	Timeouts       func(stream bool) upstream.Timeouts
	// Heartbeat is the silence after which a caller's stream gets a ping. 0: 15 s.
	Heartbeat time.Duration
	// Vault keeps signed thinking for callers of other formats. nil: it is lost.
	Vault *vault.Vault
	// Media fetches what callers point at, for upstreams that take bytes only. nil: such requests are refused.
	Media *media.Fetcher
	// Threads remembers answers that later requests refer to. nil: none can be.
	Threads *threads.Store
	// Capture keeps bodies. nil: none are.
	Capture *capture.Recorder
	// Finished is told of every row, before it is durable; it must neither block nor
	// keep the row. May be nil.
	Finished func(row *store.UsageRow)
	// Panicked is told of a contained panic, and counts it. May be nil.
	Panicked func(where string, v any)
}

// A Relay serves jobs. It is safe for concurrent use.
type Relay struct {
	o       Options
	watch   *hangups
	live    live
	feed    feed
	refused refusals
	// drains counts the streams that run on without their callers.
	drains atomic.Int64
}

// New starts a relay; Close stops what it started.
func New(o Options) *Relay {
	if o.Heartbeat == 0 {
		o.Heartbeat = 15 * time.Second
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	r := &Relay{o: o}
	r.feed.watches.Store(&[]*Watch{})
	r.watch = newHangups(r.panicked)
	o.Metrics.WatchInFlight(r.InFlight)
	return r
}

// Close stops the hang-up watcher.
func (r *Relay) Close() { r.watch.close() }

// A Job is one admitted request: authenticated, peeked and planned.
type Job struct {
	ID       string // ULID
	ClientID string // the caller's own x-request-id, if valid
	Op       providers.Op
	Path     string // below /v1, for operations that are relayed only
	Query    string // of the request's address, for upstreams of the caller's dialect
	In       providers.Ingress
	// Frames reads usage and stream events of operations that are relayed only.
	Frames providers.Egress
	// Open: the upstream decides whether it answers with JSON, an event stream or
	// bytes (images, audio), whatever the request says.
	Open        bool
	Peek        providers.Peek
	Body        []byte // owned by the job until Do's answer has been written
	Forward     []providers.Header
	Plan        *routing.Plan
	Allow       func(model string) bool // the key's allow list; nil allows all
	Session     string                  // what the caller calls his conversation; may be empty
	Record      string                  // what is kept of the bodies: capture.Off, Errors, All
	Address     string                  // the path asked, where bodies are kept
	KeyID       string
	KeyName     string
	Group       string
	EndUser     string
	Metadata    map[string]string
	Thread      *Thread // nil: the answer cannot be referred to
	Drain       bool    // run on when the caller leaves
	Markup      int64   // what the key is charged beyond the cost, in millionths of it
	Accepted    time.Time
	Whole       bool           // nothing was waited for since Accepted: it is the time of the first choice, too
	Trace       *otel.Trace    // the request's part of one; nil: it is not traced
	Conn        net.Conn       // the caller's, for the hang-up watcher
	Lease       *limits.Lease  // from Admit; nil: nothing limits the request
	Ticket      *replay.Ticket // records the answer; nil: it is not asked for
	ShowAccount bool           // name the account in the answer's headers
	Lines       *[]byte        // where the header of a whole answer is written as it is sent; nil: it is set in ctx
	// Upload: Body is the begin of a form, which is sent on as it comes. nil: Body is all.
	Upload *Upload
	// Release is called once, after the last use of Body.
	Release func()
	x       *exchange // of which it is a part; nil: of none
}

// NewJob returns an empty job that Do takes back when the answer has been written, or
// Drop: nobody may look at it then. Its Forward has room for the usual headers.
func NewJob() *Job {
	x := exchanges.Get().(*exchange)
	x.given.x = x
	return &x.given
}

// Drop takes back a job of NewJob that Do is not to have.
func (j *Job) Drop() {
	x := j.x
	*j = Job{Forward: j.Forward[:0]}
	exchanges.Put(x)
}

var exchanges = sync.Pool{New: func() any { return &exchange{given: Job{Forward: make([]providers.Header, 0, 8)}} }}

// Do serves job on ctx. For a stream it returns once the answer has begun (or
// its error is known); the rest is written by the body stream it leaves in ctx.
func (r *Relay) Do(ctx *fasthttp.RequestCtx, job *Job) {
	x := job.x
	if x == nil {
		x = exchanges.Get().(*exchange)
	}
	x.begin(r, job)
	if r.live.add(x) {
		x.shutDown(shuttingDown)
	}
	defer func() {
		if v := recover(); v != nil {
			r.panicked("relay", v)
			x.finish(store.EndError, &providers.Error{Kind: providers.KindInternal, Code: "internal_error", Message: "internal error"})
			x.answerError(ctx)
			x.release()
		}
	}()
	if err := x.reserveQuota(); err != nil {
		x.refuse(err)
		x.answerError(ctx)
		x.release()
		return
	}
	if err := x.hold(); err != nil {
		x.finish(store.EndRejected, err)
		x.answerError(ctx)
		x.release()
		return
	}
	x.tell(ProgressStarted, x.job.Accepted)
	if x.job.Peek.Stream && !x.job.Open {
		x.startStream(ctx)
		return
	}
	if !x.runBuffered(ctx) {
		x.release()
	}
}

func (r *Relay) panicked(where string, v any) {
	if r.o.Panicked != nil {
		r.o.Panicked(where, v)
	}
}
