package relay

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/store"
)

// Kinds of progress.
const (
	ProgressStarted    = "started"
	ProgressFirstToken = "first_token"
	ProgressFinished   = "finished"
)

// A Progress is a step of a request, for those who watch.
type Progress struct {
	Kind      string
	At        time.Time
	ID        string
	KeyID     string
	KeyName   string
	Operation string
	Dialect   string
	Model     string // as asked
	Stream    bool
	Accepted  time.Time
	// From the first attempt on.
	Provider, Account, UpstreamModel string
	TTFT                             time.Duration
	Row                              *store.UsageRow // of ProgressFinished; read-only
}

// A Watch receives progress until it is closed. What its reader does not take in
// time is dropped and counted: watching never holds a request up.
type Watch struct {
	C       <-chan *Progress
	c       chan *Progress
	dropped atomic.Int64
	feed    *feed
}

// Dropped returns how many steps were dropped since it was asked last.
func (w *Watch) Dropped() int64 { return w.dropped.Swap(0) }

// Close ends the watch; C is not closed.
func (w *Watch) Close() {
	w.feed.mu.Lock()
	defer w.feed.mu.Unlock()
	var left []*Watch
	for _, o := range *w.feed.watches.Load() {
		if o != w {
			left = append(left, o)
		}
	}
	w.feed.watches.Store(&left)
}

// feed hands progress to watches. Without one it costs a look.
type feed struct {
	mu      sync.Mutex
	watches atomic.Pointer[[]*Watch]
}

// Bounds of watching.
const (
	maxWatches = 64
	watchQueue = 8192
)

// Watch begins a watch, and reports false when there are too many. What is in
// flight comes first, as started.
func (r *Relay) Watch() (*Watch, bool) {
	r.feed.mu.Lock()
	defer r.feed.mu.Unlock()
	old := *r.feed.watches.Load()
	if len(old) >= maxWatches {
		return nil, false
	}
	c := make(chan *Progress, watchQueue)
	w := &Watch{C: c, c: c, feed: &r.feed}
	next := append(append([]*Watch{}, old...), w)
	r.feed.watches.Store(&next)
	for _, p := range r.Requests() {
		w.offer(p)
	}
	return w, true
}

func (w *Watch) offer(p *Progress) {
	select {
	case w.c <- p:
	default:
		w.dropped.Add(1)
	}
}

// watched reports whether anybody watches.
func (f *feed) watched() bool { return len(*f.watches.Load()) > 0 }

func (f *feed) publish(p *Progress) {
	for _, w := range *f.watches.Load() {
		w.offer(p)
	}
}

// Requests returns the requests in flight, the newest first.
func (r *Relay) Requests() []*Progress {
	r.live.mu.Lock()
	defer r.live.mu.Unlock()
	out := make([]*Progress, 0, r.live.n)
	for x := r.live.first; x != nil; x = x.after { // under the lock none is released, and so none reused
		out = append(out, x.shown(ProgressStarted))
	}
	return out
}

// Cancel ends the request in flight with this id: its upstream is stopped, its
// caller told, its row written. It reports whether there was one.
func (r *Relay) Cancel(id string) bool {
	r.live.mu.Lock()
	defer r.live.mu.Unlock()
	for x := r.live.first; x != nil; x = x.after {
		if x.job.ID == id {
			x.shutDown(cancelledByAdmin)
			return true
		}
	}
	return false
}

// shown tells of x what does not change while it runs, and where it is.
func (x *exchange) shown(kind string) *Progress {
	p := &Progress{
		Kind: kind, At: x.job.Accepted, ID: x.job.ID, KeyID: x.job.KeyID, KeyName: x.job.KeyName, Operation: string(x.job.Op),
		Model: x.job.Peek.Model, Stream: x.job.Peek.Stream, Accepted: x.job.Accepted, TTFT: time.Duration(x.firstAfter.Load()),
	}
	if x.job.In != nil {
		p.Dialect = string(x.job.In.Dialect())
	}
	if t := x.at.Load(); t != nil {
		p.Provider, p.Account, p.UpstreamModel = t.Account.Provider.Name, t.Account.Name, t.Model
	}
	return p
}

// tell publishes a step of x, if anybody watches.
func (x *exchange) tell(kind string, at time.Time) {
	if !x.r.feed.watched() {
		return
	}
	p := x.shown(kind)
	p.At = at
	if kind == ProgressFinished {
		row := x.row
		row.Attempts = append([]store.Attempt(nil), x.row.Attempts...)
		row.Trace = append([]string(nil), x.row.Trace...)
		p.Row = &row
	}
	x.r.feed.publish(p)
}

const codeCancelled = "request_cancelled"

// cancelledByAdmin is what the caller of a cancelled request is told.
func cancelledByAdmin() *providers.Error {
	return &providers.Error{Kind: providers.KindUnavailable, Code: codeCancelled, NoRetry: true, Message: "the request was cancelled by the gateway's operator"}
}
