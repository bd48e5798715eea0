package vault

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/your-org/ai-api-gateway/store"
)

// Bounds of what waits to be written.
const (
	writeEvery = time.Second // so that a crash loses no more than the last of these
	writeSoon  = 4 << 20     // bytes that are written without waiting for it
	maxWaiting = 32 << 20    // bytes; what comes beyond them is not written
	dropEvery  = time.Hour
	// writePatience bounds one writing.
	writePatience = 30 * time.Second
)

// DiskOptions say where entries outlive the process.
type DiskOptions struct {
	// Put keeps entries, Get returns one (nil: none), Drop removes those that have expired by a time.
	Put  func(ctx context.Context, list []store.Kept) error
	Get  func(ctx context.Context, space string, id []byte) (*store.Kept, error)
	Drop func(ctx context.Context, now time.Time) (int, error)
	Now  func() time.Time
	Log  *slog.Logger
}

// A Disk writes what vaults keep behind their callers, and finds what they do not
// hold in memory. What it cannot write or read is as if it had been forgotten. It
// is safe for concurrent use.
type Disk struct {
	o    DiskOptions
	soon chan struct{}

	flushing sync.Mutex // one writing at a time

	mu      sync.Mutex
	waiting map[slot]*entry
	writing map[slot]*entry // handed to Put
	bytes   int64           // of waiting
	lost    uint64          // entries that came faster than they could be written
	failing bool            // the last writing or reading failed, and it was said
	closed  bool
}

// A slot is where an entry is kept.
type slot struct {
	space string
	id    id
}

// NewDisk returns a Disk; Run makes it write.
func NewDisk(o DiskOptions) *Disk {
	return &Disk{o: o, soon: make(chan struct{}, 1), waiting: map[slot]*entry{}}
}

// Run writes what is kept, until ctx ends, and removes what has expired.
func (d *Disk) Run(ctx context.Context) {
	write, drop := time.NewTicker(writeEvery), time.NewTicker(dropEvery)
	defer write.Stop()
	defer drop.Stop()
	d.drop(ctx)
	for {
		select {
		case <-ctx.Done():
			return
		case <-write.C:
			d.flush()
		case <-d.soon:
			d.flush()
		case <-drop.C:
			d.drop(ctx)
		}
	}
}

// Close writes what waits. From then on nothing is written or read: what is kept
// is kept in memory alone.
func (d *Disk) Close() {
	d.flush()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed, d.waiting, d.bytes = true, nil, 0
}

func (d *Disk) drop(ctx context.Context) {
	if _, err := d.o.Drop(ctx, d.o.Now()); err != nil && ctx.Err() == nil {
		d.o.Log.Error("cannot remove what has expired of conversations", "error", err)
	}
}

// put has e written later; it never waits for the disk.
func (d *Disk) put(space string, e *entry) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return
	}
	at := slot{space, e.id}
	if old := d.waiting[at]; old != nil {
		d.bytes -= old.cost()
		delete(d.waiting, at)
	}
	if d.bytes+e.cost() > maxWaiting {
		if d.lost++; d.lost%1000 == 1 {
			d.o.Log.Warn("conversations come faster than they can be written: some will not outlive the process", "lost", d.lost)
		}
		return
	}
	d.waiting[at] = e
	if d.bytes += e.cost(); d.bytes >= writeSoon {
		select {
		case d.soon <- struct{}{}:
		default:
		}
	}
}

// get returns the entry of an id that is not in memory; nil: there is none.
func (d *Disk) get(space string, at id) *entry {
	s := slot{space, at}
	d.mu.Lock()
	e, closed := d.waiting[s], d.closed
	if e == nil {
		e = d.writing[s]
	}
	d.mu.Unlock()
	switch {
	case e != nil:
		return &entry{id: at, sealed: e.sealed, expires: e.expires}
	case closed:
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), writePatience)
	defer cancel()
	x, err := d.o.Get(ctx, space, at[:])
	if err != nil {
		d.report("cannot look for what was kept of conversations", err)
	}
	if x == nil {
		return nil
	}
	return &entry{id: at, sealed: x.Sealed, expires: x.Expires}
}

func (d *Disk) flush() {
	d.flushing.Lock()
	defer d.flushing.Unlock()
	d.mu.Lock()
	if len(d.waiting) == 0 {
		d.mu.Unlock()
		return
	}
	d.writing, d.waiting, d.bytes = d.waiting, map[slot]*entry{}, 0
	list := make([]store.Kept, 0, len(d.writing))
	for at, e := range d.writing {
		list = append(list, store.Kept{Space: at.space, ID: e.id[:], Expires: e.expires, Sealed: e.sealed})
	}
	d.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), writePatience)
	defer cancel()
	err := d.o.Put(ctx, list)
	d.report("cannot write what was kept of conversations: it will not outlive the process", err)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.writing = nil
}

// report logs the first failure of several in a row; nil ends the row.
func (d *Disk) report(what string, err error) {
	d.mu.Lock()
	said := d.failing
	d.failing = err != nil
	d.mu.Unlock()
	if err != nil && !said {
		d.o.Log.Error(what, "error", err)
	}
}
