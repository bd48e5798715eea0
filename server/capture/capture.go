// Package capture keeps what was asked and answered, for keys whose owner wishes
// it (log_bodies): sealed, bounded in size and time, in a file of its own.
package capture

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/your-org/ai-api-gateway/store"
)

// MaxBody is what is kept of a body, in bytes.
const MaxBody = 64 << 10

// Modes of a key.
const (
	Off    = "" // also "off"
	Errors = "errors"
	All    = "all"
)

// ErrNone says that nothing is kept of a request.
var ErrNone = errors.New("nothing is kept of this request")

// A Record is one request as its caller made and saw it. Headers are not kept:
// they hold credentials.
type Record struct {
	RequestID   string    `json:"request_id"`
	KeyID       string    `json:"key_id"`
	Time        time.Time `json:"time"`
	Path        string    `json:"path"`
	Status      int       `json:"status"`
	Request     []byte    `json:"request"` // at most MaxBody of RequestSize bytes
	RequestSize int64     `json:"request_size"`
	Answer      []byte    `json:"answer"` // at most MaxBody of AnswerSize bytes
	AnswerSize  int64     `json:"answer_size"`
}

// Took appends p to what is kept of the answer.
func (r *Record) Took(p []byte) {
	r.AnswerSize += int64(len(p))
	r.Answer = append(r.Answer, p[:min(len(p), MaxBody-len(r.Answer))]...)
}

// Options configure a Recorder.
type Options struct {
	Sealer *store.Sealer
	// Put keeps sealed records, Get returns one (nil: none), Drop removes those from before a time.
	Put  func(ctx context.Context, list []store.Capture) error
	Get  func(ctx context.Context, requestID string) ([]byte, error)
	Drop func(ctx context.Context, before time.Time) (int, error)
	Keep time.Duration // how long; 0: for ever
	Now  func() time.Time
	Log  *slog.Logger
}

// A Recorder keeps records behind the requests they are of. It is safe for concurrent use.
type Recorder struct {
	o       Options
	queue   chan *Record
	dropped atomic.Uint64
}

const (
	maxQueue  = 256 // records, so at most 32 MiB
	maxBatch  = 32
	dropEvery = time.Hour
)

// New returns a Recorder; Run makes it work.
func New(o Options) *Recorder { return &Recorder{o: o, queue: make(chan *Record, maxQueue)} }

// Add hands a record over. It never waits: what comes faster than the disk takes it is dropped.
func (r *Recorder) Add(rec *Record) {
	select {
	case r.queue <- rec:
	default:
		if r.dropped.Add(1)%1000 == 1 {
			r.o.Log.Warn("bodies come faster than they can be kept: some are dropped", "dropped", r.dropped.Load())
		}
	}
}

// Run keeps what was added until ctx ends, and then what is left.
func (r *Recorder) Run(ctx context.Context) {
	tick := time.NewTicker(dropEvery)
	defer tick.Stop()
	r.drop(ctx)
	for {
		select {
		case rec := <-r.queue:
			r.keep(rec)
		case <-tick.C:
			r.drop(ctx)
		case <-ctx.Done():
			for {
				select {
				case rec := <-r.queue:
					r.keep(rec)
				default:
					return
				}
			}
		}
	}
}

func (r *Recorder) drop(ctx context.Context) {
	if r.o.Keep <= 0 {
		return
	}
	if _, err := r.o.Drop(ctx, r.o.Now().Add(-r.o.Keep)); err != nil && ctx.Err() == nil {
		r.o.Log.Error("cannot remove old bodies", "error", err)
	}
}

// keep writes first and what else has come.
func (r *Recorder) keep(first *Record) {
	batch := make([]store.Capture, 0, maxBatch)
	for rec := first; ; {
		sealed, err := r.seal(rec)
		if err != nil {
			r.o.Log.Error("cannot keep bodies", "request_id", rec.RequestID, "error", err)
		} else {
			batch = append(batch, store.Capture{RequestID: rec.RequestID, Time: rec.Time, Sealed: sealed})
		}
		if len(batch) == maxBatch {
			break
		}
		select {
		case rec = <-r.queue:
			continue
		default:
		}
		break
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := r.o.Put(ctx, batch); err != nil {
		r.o.Log.Error("cannot keep bodies", "error", err)
	}
}

func (r *Recorder) seal(rec *Record) ([]byte, error) {
	b, err := json.Marshal(rec)
	if err != nil {
		return nil, fmt.Errorf("cannot encode record: %w", err)
	}
	return r.o.Sealer.Seal(store.NewSecret(string(b)), Place(rec.RequestID))
}

// Place is what the record of a request is sealed for.
func Place(requestID string) string { return "capture/" + requestID }

// Read returns the record of a request; ErrNone if there is none.
func (r *Recorder) Read(ctx context.Context, requestID string) (*Record, error) {
	sealed, err := r.o.Get(ctx, requestID)
	if err != nil {
		return nil, err
	}
	if sealed == nil {
		return nil, ErrNone
	}
	plain, err := r.o.Sealer.Open(sealed, Place(requestID))
	if err != nil {
		return nil, fmt.Errorf("cannot open record: %w", err)
	}
	rec := &Record{}
	if err := json.Unmarshal([]byte(plain.Reveal()), rec); err != nil {
		return nil, fmt.Errorf("cannot read record: %w", err)
	}
	return rec, nil
}
