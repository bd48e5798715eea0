package relay

import (
	"context"
	"sync"
	"time"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/store"
)

// live is the list of exchanges in flight, so that a gateway that must end can
// end them, each with its row.
type live struct {
	mu      sync.Mutex
	first   *exchange
	n       int
	stopped bool
}

// add enters x; it reports whether x must end at once.
func (l *live) add(x *exchange) (stopped bool) {
	l.mu.Lock()
	x.after = l.first
	if l.first != nil {
		l.first.before = x
	}
	l.first = x
	l.n++
	stopped = l.stopped
	l.mu.Unlock()
	return stopped
}

func (l *live) remove(x *exchange) {
	l.mu.Lock()
	if x.before != nil {
		x.before.after = x.after
	} else {
		l.first = x.after
	}
	if x.after != nil {
		x.after.before = x.before
	}
	x.before, x.after = nil, nil
	l.n--
	l.mu.Unlock()
}

// InFlight returns the number of requests that have not ended, their streams included.
func (r *Relay) InFlight() int {
	r.live.mu.Lock()
	defer r.live.mu.Unlock()
	return r.live.n
}

// Stop ends what is in flight: upstreams are cancelled, callers told with an error
// in their format, rows written. It returns when all have ended, or with the error
// of ctx: a caller who does not read can hold his answer up.
func (r *Relay) Stop(ctx context.Context) error {
	r.live.mu.Lock()
	r.live.stopped = true
	for x := r.live.first; x != nil; x = x.after {
		x.shutDown(shuttingDown) // under the lock: x cannot be released, and so not reused, before this
	}
	r.live.mu.Unlock()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for r.InFlight() > 0 {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return nil
}

// shutDown makes the exchange end, with the error that why gives its caller; it is
// called from another goroutine.
func (x *exchange) shutDown(why func() *providers.Error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if !x.ending {
		x.ending, x.why = true, why
	}
	if x.up != nil {
		x.up.Cancel()
	}
	x.awake()
}

func (x *exchange) isEnding() bool {
	_, ending := x.unwanted()
	return ending
}

// failedAs is the end a failed request's row says: end, unless it was we who ended it.
func (x *exchange) failedAs(end string) string {
	if !x.isEnding() {
		return end
	}
	if x.endError().Code == codeCancelled {
		return store.EndCancelled
	}
	return store.EndShutdown
}

// endError is what the caller of an exchange that we end is told.
func (x *exchange) endError() *providers.Error {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.why()
}

func shuttingDown() *providers.Error {
	return &providers.Error{Kind: providers.KindUnavailable, Code: "server_shutting_down", Message: "the gateway is shutting down: try again"}
}
