// Package ledger keeps the usage ledger: what was admitted (holds) and how each
// request ended (settles), in a write-ahead log that is durable before the last
// byte of an answer leaves, and applied to the store behind it.
//
// The log of one process start (a boot) is a directory <dir>/<boot ULID>/ of
// segments (see segment.go) and a lock file that its process holds for life. One
// committer writes whatever is queued with one write and one fdatasync; one
// applier reads the committed frames back from the segments and feeds
// store.Append, so that a store that is slow or down costs disk, not memory; one
// keeper prepares segments ahead and watches the space.
//
// After a crash the next Open reads the segments of dead boots, appends what the
// store has not seen, and ends every hold without an end (see recover.go for the
// rule of what such a row says).
package ledger

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"time"

	"github.com/your-org/ai-api-gateway/store"
)

// Errors of a ledger. All wrap ErrUnavailable, which callers answer with 503 ledger_unavailable.
var (
	ErrUnavailable = errors.New("ledger unavailable")
	// ErrNoSpace: the disk is full. It passes by itself when space returns.
	ErrNoSpace = fmt.Errorf("%w: no space left for the log", ErrUnavailable)
	// ErrBusy: more is queued than the log's disk can take.
	ErrBusy = fmt.Errorf("%w: its queue is full", ErrUnavailable)
	// ErrClosed: Close was called.
	ErrClosed = fmt.Errorf("%w: closed", ErrUnavailable)
)

// Durability modes.
const (
	DurabilitySync  = "sync"  // Settle returns when the row is on the disk
	DurabilityAsync = "async" // Settle returns at once; a crash loses at most HoldDelay and one commit
)

// Rules for what a hold that a crash left without an end is charged, unconfirmed:
// all that was reserved, the input's part of it, or nothing.
const (
	CrashChargeReserved = "charge_reserved"
	CrashChargeInput    = "charge_input"
	CrashRelease        = "release"
)

// Options say how to open a ledger. Zero fields mean the default in brackets.
type Options struct {
	Dir   string      // of all boots' logs, <data-dir>/wal
	Store store.Store // where entries are applied
	Now   func() time.Time
	Boot  string // ULID of this process start
	Log   *slog.Logger

	SegmentBytes int64         // size of a segment [16 MiB]
	Durability   string        // [DurabilitySync]
	HoldDelay    time.Duration // how long what nobody waits for may wait for a commit to ride with [5 ms; async 50 ms]
	OnCrash      string        // [CrashChargeReserved]
	// Ballast is the size in bytes of a file that is given up when the disk is
	// full, so that what runs can be settled; -1: 5 % of the free space, at most
	// 64 MB, none below 1 MB. [none]
	Ballast int64

	// For tests.
	disk      *disk
	tick      time.Duration // how often the keeper and the applier look again after a failure [1 s]
	spaceWait time.Duration // how long a settle waits for space [5 s]
	linger    time.Duration // how long the applier gathers [250 ms]
	pace      time.Duration // least time between the starts of two commits under load; -1: none [2 ms]
	duplicate func(requestID string)
}

const (
	firstSegment  = 1 << 20 // the first one is small: a start must be fast
	leastSegment  = 256 << 10
	maxBatch      = 1 << 20 // bytes of one commit
	maxQueue      = 32 << 20
	maxQueueCount = 1 << 16
	maxBallast    = 64 << 20
	leastBallast  = 1 << 20
)

func (o *Options) defaults() error {
	switch {
	case o.Dir == "" || o.Store == nil || o.Now == nil:
		return errors.New("cannot open ledger: it needs a directory, a store and a clock")
	case len(o.Boot) != bootLen:
		return fmt.Errorf("cannot open ledger: boot %q is no ULID", o.Boot)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	def(&o.SegmentBytes, 16<<20)
	def(&o.Durability, DurabilitySync)
	if o.Durability == DurabilityAsync { // nothing waits, so a commit may serve many
		def(&o.HoldDelay, 50*time.Millisecond)
	}
	def(&o.HoldDelay, 5*time.Millisecond)
	def(&o.OnCrash, CrashChargeReserved)
	def(&o.tick, time.Second)
	def(&o.spaceWait, 5*time.Second)
	def(&o.linger, 250*time.Millisecond)
	def(&o.pace, defaultPace)
	if o.disk == nil {
		o.disk = realDisk()
	}
	if o.Durability != DurabilitySync && o.Durability != DurabilityAsync {
		return fmt.Errorf("cannot open ledger: unknown durability %q", o.Durability)
	}
	if o.OnCrash != CrashChargeReserved && o.OnCrash != CrashChargeInput && o.OnCrash != CrashRelease {
		return fmt.Errorf("cannot open ledger: unknown on_crash %q", o.OnCrash)
	}
	return nil
}

func def[T comparable](p *T, v T) {
	var zero T
	if *p == zero {
		*p = v
	}
}

// A Ledger is the usage ledger of this process. Its methods are safe for concurrent use.
type Ledger struct {
	o    Options
	disk *disk
	dir  string // of this boot
	lock *os.File
	seed maphash.Seed // of hashes of request ids

	wake       chan struct{} // to the committer: there is work
	keeperWake chan struct{}
	applyWake  chan struct{}
	ready      chan *segment // prepared ahead, at most one
	failed     chan struct{} // closed by fail
	committing sync.WaitGroup
	applying   sync.WaitGroup
	keeping    sync.WaitGroup
	stopKeeper chan struct{}
	stopApply  context.CancelFunc
	holdTimer  *time.Timer

	// Owned by the committer.
	active    *segment
	lastStart time.Time     // of the last commit with a settle
	gap       time.Duration // between settles, lately
	lone      int           // rests in a row that gathered one settle or none
	skip      int           // commits without a rest to come
	paceTimer *time.Timer

	// Owned by the applier.
	tail    tail
	foreign []string // boots of others that are still to be recovered

	mu           sync.Mutex
	pending      []*openHold // to be logged by the next commit
	pendingSince time.Time   // when the first of them came
	queue        []*batch    // oldest first
	writing      *batch      // taken by the committer
	spare        [][]byte    // buffers of written batches
	waiting      int         // settles in queue
	resting      bool        // the committer needs no waking
	flush        bool        // commit what is queued without a settle
	armed        bool        // holdTimer runs
	seq          uint64      // last given
	settleSeq    uint64      // last given to a settle
	committed    uint64      // durable up to here
	applied      uint64      // in the store up to here
	segs         []*segment
	numbers      uint64 // last segment number given
	want         bool   // the keeper is to prepare a segment
	holds        holdTable
	recent       recentIDs
	err          error // why the ledger has failed
	noSpace      bool
	stuck        bool // the committer waits for space
	stalled      bool // and has done so for longer than spaceWait
	closed       bool
	detached     bool
	drain        bool // apply all at once: closing
	applyIdle    bool
	syncers      int
	stepped      chan struct{} // closed when applied or err changes; nil: nobody waits
	stats        Stats

	closing sync.Once
	closeIs error
}

// Open recovers the logs of dead boots into the store, then starts a log for this
// one. A store that does not answer is no error: recovery is then tried again
// behind the scenes until it does. Boots whose process lives are left alone until
// it ends. ctx bounds the recovery only.
func Open(ctx context.Context, o Options) (*Ledger, error) {
	if err := o.defaults(); err != nil {
		return nil, err
	}
	l := &Ledger{
		o: o, disk: o.disk,
		wake:       make(chan struct{}, 1),
		keeperWake: make(chan struct{}, 1),
		applyWake:  make(chan struct{}, 1),
		ready:      make(chan *segment, 1),
		failed:     make(chan struct{}),
		stopKeeper: make(chan struct{}),
		seed:       maphash.MakeSeed(),
	}
	if err := l.claim(); err != nil {
		return nil, err
	}
	if err := l.recoverAll(ctx); err != nil {
		l.abandon()
		return nil, err
	}
	if err := l.begin(); err != nil {
		l.abandon()
		return nil, err
	}
	l.holdTimer = time.AfterFunc(time.Hour, l.holdsDue)
	l.holdTimer.Stop()
	l.gap = 4 * l.o.pace
	l.paceTimer = time.NewTimer(time.Hour)
	applyCtx, cancel := context.WithCancel(context.Background())
	l.stopApply = cancel
	l.run(&l.committing, "committer", l.commitLoop)
	l.run(&l.keeping, "keeper", l.keepLoop)
	l.run(&l.applying, "applier", func() { l.applyLoop(applyCtx) })
	return l, nil
}

// run starts a goroutine of the ledger. A panic in it fails the ledger.
func (l *Ledger) run(wg *sync.WaitGroup, name string, loop func()) {
	wg.Go(func() {
		defer func() {
			if p := recover(); p != nil {
				l.o.Log.Error("ledger panic", "in", name, "panic", p, "stack", string(debug.Stack()))
				l.fail(fmt.Errorf("panic in the %s: %v", name, p))
			}
		}()
		loop()
	})
}

const lockName = "lock"

// claim makes the directory of this boot with its lock held. It is made under
// another name and renamed, so that nobody ever sees it unlocked.
func (l *Ledger) claim() error {
	if err := os.MkdirAll(l.o.Dir, 0o700); err != nil {
		return fmt.Errorf("cannot make ledger directory: %w", err)
	}
	l.dir = filepath.Join(l.o.Dir, l.o.Boot)
	if _, err := os.Stat(l.dir); err == nil {
		return fmt.Errorf("cannot open ledger: boot %q was used before", l.o.Boot)
	}
	draft := filepath.Join(l.o.Dir, ".new-"+l.o.Boot)
	if err := os.Mkdir(draft, 0o700); err != nil {
		return fmt.Errorf("cannot make boot directory: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(draft, lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("cannot make lock: %w", err)
	}
	ok, err := lockFile(f)
	if err == nil && !ok {
		err = errors.New("cannot lock a file that was just made")
	}
	if err == nil {
		err = os.Rename(draft, l.dir)
	}
	if err == nil {
		err = syncDir(l.o.Dir)
	}
	if err != nil {
		_ = f.Close()
		return fmt.Errorf("cannot claim boot directory: %w", err)
	}
	l.lock = f
	return nil
}

// begin makes the first segment.
func (l *Ledger) begin() error {
	size := min(l.o.SegmentBytes, firstSegment)
	for {
		seg, err := l.prepare(size)
		if isNoSpace(err) && size > leastSegment {
			size /= 2
			continue
		}
		if err != nil {
			return fmt.Errorf("cannot open ledger: %w", err)
		}
		l.activate(seg)
		return nil
	}
}

// abandon undoes claim and begin when Open fails.
func (l *Ledger) abandon() {
	if l.active != nil {
		_ = l.active.file.Close()
	}
	_ = l.lock.Close()
	_ = os.RemoveAll(l.dir)
}

// fail ends the ledger for good: nothing is acknowledged any more. A failed
// fdatasync is never tried again, since the kernel may have dropped the pages and
// would then report success.
func (l *Ledger) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return
	}
	l.err = fmt.Errorf("%w: %w", ErrUnavailable, err)
	l.stats.Failures++
	if l.writing != nil {
		l.writing.release(l.err)
	}
	for _, b := range l.queue {
		b.release(l.err)
	}
	l.queue, l.waiting = nil, 0
	l.stepLocked()
	close(l.failed)
	l.o.Log.Error("ledger failed", "error", err)
}

// Err returns nil, or why the ledger takes nothing: it has failed for good, is
// closed, or, passing, has no space.
func (l *Ledger) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.err != nil:
		return l.err
	case l.closed:
		return ErrClosed
	case l.noSpace:
		return ErrNoSpace
	}
	return nil
}

// Failed returns a channel that is closed when the ledger has failed for good.
func (l *Ledger) Failed() <-chan struct{} { return l.failed }

// signal wakes the reader of ch, which has room for one signal.
func signal(ch chan<- struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}
