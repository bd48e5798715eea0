package relay

import (
	"sync"
	"time"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/server/telemetry"
	"github.com/your-org/ai-api-gateway/server/telemetry/otel"
	"github.com/your-org/ai-api-gateway/store"
)

// A Refusal is a request of a known key that was turned away before any target was asked.
type Refusal struct {
	ID, ClientID          string
	Op                    providers.Op
	Dialect               providers.Dialect
	Model                 string // "": it was not read
	Stream                bool
	KeyID, KeyName, Group string
	At                    time.Time
	Trace                 *otel.Trace // nil: it is not traced
}

// Bounds of the refusals that get a row: who is refused in a loop must not fill
// the ledger.
const (
	refusalsBurst  = 200
	refusalsSecond = 50
)

// refusals rations the rows of refused requests.
type refusals struct {
	mu   sync.Mutex
	left float64
	at   time.Time
}

func (r *refusals) take(now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.at.IsZero() {
		r.left = refusalsBurst
	} else if d := now.Sub(r.at); d > 0 {
		r.left = min(refusalsBurst, r.left+d.Seconds()*refusalsSecond)
	}
	r.at = now
	if r.left < 1 {
		return false
	}
	r.left--
	return true
}

// Refused writes the row of a request that was refused with e, so that its id
// explains it: as far as there are not too many of them.
func (r *Relay) Refused(f *Refusal, e *providers.Error) {
	now := r.o.Now()
	if !r.refused.take(now) {
		return
	}
	row := &store.UsageRow{
		RequestID: f.ID, ClientRequestID: f.ClientID, Time: f.At.UTC(), KeyID: f.KeyID, KeyName: f.KeyName, Group: f.Group,
		Operation: string(f.Op), Dialect: string(f.Dialect), Model: f.Model, Stream: f.Stream, Status: e.HTTPStatus(),
		EndReason: store.EndRejected, UsageSource: store.SourceNone, Duration: max(0, now.Sub(f.At)), Error: clip(errorWord(e)+": "+e.Message, 512),
		Trace: []string{"refused before any target was asked"},
	}
	row.Overhead = row.Duration
	// The caller is refused either way; a ledger that fails says so of itself.
	_ = r.o.Ledger.Settle(row)
	r.o.Metrics.Finish(&telemetry.Done{Operation: row.Operation, Model: "other", Status: row.Status, Duration: row.Duration, Overhead: row.Overhead})
	if r.o.Finished != nil {
		r.o.Finished(row)
	}
	if f.Trace != nil {
		r.o.Spans.Request(f.Trace, row)
	}
}

// refuse is Refused for a job that has got as far as Do.
func (x *exchange) refuse(e *providers.Error) {
	job := x.job
	x.fail, x.settled = e, true
	f := Refusal{ID: job.ID, ClientID: job.ClientID, Op: job.Op, Model: job.Peek.Model, Stream: job.Peek.Stream,
		KeyID: job.KeyID, KeyName: job.KeyName, Group: job.Group, At: job.Accepted, Trace: job.Trace}
	if job.In != nil {
		f.Dialect = job.In.Dialect()
	}
	x.r.Refused(&f, e)
}
