// Package notify tells an operator's chat or program over a webhook what somebody
// should look at. Nothing waits for it: what cannot be told in time is counted and dropped.
package notify

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/your-org/ai-api-gateway/store"
)

// Kinds of events.
const (
	Budget    = "budget"     // a limit is used to its policy's soft percent
	Account   = "account"    // a provider refuses a key, or an account has no credit
	Breaker   = "breaker"    // a target fails and gets no more requests for now
	Ledger    = "ledger"     // usage cannot be written or applied
	Disk      = "disk"       // room becomes short
	KeyExpiry = "key_expiry" // an API key ends soon
	test      = "test"
)

// Kinds lists the kinds that may be asked for.
func Kinds() []string { return []string{Budget, Account, Breaker, Ledger, Disk, KeyExpiry} }

// Settings say who is told of what.
type Settings struct {
	URL      store.SecretString // empty: nobody is told
	Template string             // see Templates
	Events   []string           // kinds; empty: all
	Repeat   time.Duration      // for how long the same is not told again
}

// An Event is one thing to be told.
type Event struct {
	Kind    string    `json:"kind"`
	Object  string    `json:"object"` // what it is about; the same kind and object is the same matter
	Message string    `json:"message"`
	Time    time.Time `json:"time"`
}

// Bounds of what waits and of what is remembered.
const (
	maxQueue  = 256
	maxBatch  = 20  // events of one message
	maxMatter = 512 // remembered, so as not to be told again
	tries     = 3
	tryFor    = 10 * time.Second
	flushFor  = 3 * time.Second // at the end
)

// Options configure a Notifier.
type Options struct {
	// Post sends one message and returns the status and the beginning of the answer.
	Post    func(ctx context.Context, url string, body []byte) (status int, answer []byte, err error)
	Gateway string // names this gateway in messages
	Now     func() time.Time
	Log     *slog.Logger
	// Counted is told what became of events: "sent", "failed", "dropped". nil: nobody.
	Counted func(result string, n int)
	// Pause is between the tries of one message; 0: 2 s, and three times that.
	Pause time.Duration
}

// State is what became of the events so far.
type State struct {
	Sent, Failed, Dropped, Waiting int
	LastSent                       time.Time
	LastError                      string // of the last message that failed; "": the last one did not
}

// A Notifier tells events. It is safe for concurrent use.
type Notifier struct {
	o     Options
	set   atomic.Pointer[Settings]
	queue chan Event

	mu    sync.Mutex
	told  map[[2]string]time.Time
	state State
}

// New returns a Notifier that tells nobody until Configure says whom; Run makes it work.
func New(o Options) *Notifier {
	if o.Pause == 0 {
		o.Pause = 2 * time.Second
	}
	if o.Counted == nil {
		o.Counted = func(string, int) {}
	}
	n := &Notifier{o: o, queue: make(chan Event, maxQueue), told: map[[2]string]time.Time{}}
	n.set.Store(&Settings{})
	return n
}

// Configure sets who is told of what from now on.
func (n *Notifier) Configure(s Settings) { n.set.Store(&s) }

// Settings returns who is told of what.
func (n *Notifier) Settings() Settings { return *n.set.Load() }

// Tell hands an event over, if its kind is wished and the matter was not told lately. It never waits.
func (n *Notifier) Tell(kind, object, message string) {
	s := n.set.Load()
	if s.URL.Empty() || len(s.Events) > 0 && !slices.Contains(s.Events, kind) {
		return
	}
	now := n.o.Now()
	if !n.fresh([2]string{kind, object}, now, s.Repeat) {
		return
	}
	select {
	case n.queue <- Event{Kind: kind, Object: object, Message: message, Time: now.UTC()}:
	default:
		n.note("dropped", 1, nil)
	}
}

// fresh reports whether a matter was not told within repeat, and notes that it is now.
func (n *Notifier) fresh(matter [2]string, now time.Time, repeat time.Duration) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if at, ok := n.told[matter]; ok && now.Sub(at) < repeat {
		return false
	}
	for k, at := range n.told {
		if now.Sub(at) >= repeat || len(n.told) >= maxMatter { // at the bound any goes: it is told once more
			delete(n.told, k)
		}
	}
	n.told[matter] = now
	return true
}

func (n *Notifier) note(result string, count int, err error) {
	n.o.Counted(result, count)
	n.mu.Lock()
	defer n.mu.Unlock()
	switch result {
	case "sent":
		n.state.Sent += count
		n.state.LastSent, n.state.LastError = n.o.Now().UTC(), ""
	case "failed":
		n.state.Failed += count
		n.state.LastError = err.Error()
	default:
		n.state.Dropped += count
	}
}

// State returns what became of the events so far.
func (n *Notifier) State() State {
	n.mu.Lock()
	defer n.mu.Unlock()
	s := n.state
	s.Waiting = len(n.queue)
	return s
}

// Run tells what was handed over until ctx ends, and then what is left, once each and
// for some seconds at most.
func (n *Notifier) Run(ctx context.Context) {
	for {
		select {
		case e := <-n.queue:
			// What the end interrupts, or select hands out after it (it takes either when both are
			// ready), shares the one deadline of the flush.
			batch := []Event{e}
			if ctx.Err() == nil {
				batch = n.gather(batch)
				err := n.send(ctx, batch, tries)
				if err == nil || ctx.Err() == nil {
					n.settle(batch, err)
					continue
				}
			}
			n.flush(ctx, batch)
			return
		case <-ctx.Done():
			n.flush(ctx, nil)
			return
		}
	}
}

// flush tells first and all that waits, once each, within flushFor.
func (n *Notifier) flush(ended context.Context, first []Event) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ended), flushFor)
	defer cancel()
	for {
		batch := n.gather(first)
		if len(batch) == 0 {
			return
		}
		n.settle(batch, n.send(ctx, batch, 1))
		first = nil
	}
}

// gather takes what else waits: chats bound the messages of a minute.
func (n *Notifier) gather(batch []Event) []Event {
	for len(batch) < maxBatch {
		select {
		case e := <-n.queue:
			batch = append(batch, e)
		default:
			return batch
		}
	}
	return batch
}

// send tries to tell a batch, with growing pauses between its attempts.
func (n *Notifier) send(ctx context.Context, batch []Event, attempts int) (err error) {
	pause := n.o.Pause
	for i := range attempts {
		if i > 0 {
			select {
			case <-ctx.Done():
				return err
			case <-time.After(pause):
			}
			pause *= 3
		}
		if err = n.once(ctx, batch); err == nil {
			return nil
		}
	}
	return err
}

// settle notes what became of a batch.
func (n *Notifier) settle(batch []Event, err error) {
	if err == nil {
		n.note("sent", len(batch), nil)
		return
	}
	n.note("failed", len(batch), err)
	n.o.Log.Error("cannot notify", "error", err, "events", len(batch))
}

var errNobody = errors.New("no webhook is set: notifications.webhook of the configuration names one")

// once sends one message. Its error does not hold the address, which is a secret.
func (n *Notifier) once(ctx context.Context, batch []Event) error {
	s := n.set.Load()
	if s.URL.Empty() {
		return errNobody
	}
	body, err := encode(s.Template, n.o.Gateway, batch)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, tryFor)
	defer cancel()
	status, answer, err := n.o.Post(ctx, s.URL.Reveal(), body)
	if err != nil {
		return scrubbed(err, s.URL)
	}
	return judge(status, answer)
}

// Test tells a message now, and returns why it could not be.
func (n *Notifier) Test(ctx context.Context) error {
	e := Event{Kind: test, Object: "test", Message: "This is a test: notifications of this gateway arrive here.", Time: n.o.Now().UTC()}
	return n.once(ctx, []Event{e})
}
