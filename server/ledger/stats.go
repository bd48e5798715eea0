package ledger

import "time"

// SyncBounds are the upper bounds, in seconds, of the buckets of Stats.SyncBuckets;
// the last bucket has none.
var SyncBounds = [...]float64{.00025, .0005, .001, .002, .004, .008, .016, .032, .064, .128, .256, .512, 1, 2}

// Stats are counters since Open and gauges of now.
type Stats struct {
	QueueLength int // entries not durable yet
	QueueBytes  int

	Holds, Settles, Voids uint64
	Rejected              uint64 // refused because the queue was full
	Duplicates            uint64 // second holds and settles of a request, ignored
	Crashed               uint64 // rows written for holds that a crash left open

	Entries     uint64 // durable
	Bytes       uint64 // of frames, durable
	Commits     uint64
	SyncSeconds float64                     // sum over commits, write and fdatasync
	SyncBuckets [len(SyncBounds) + 1]uint64 // commits by duration

	Failures      uint64
	NoSpaceEvents uint64
	NoSpace       bool
	SegmentError  string // why no segment can be prepared; "": none is wanted or all is well

	Committed, Applied uint64 // seq
	ApplierLag         uint64 // entries durable but not in the store
	ApplyError         string // why the store takes nothing; "": it does
	Segments           int
	ForeignBoots       int // logs of other boots not recovered yet

	OpenHolds    int
	ReservedNano int64 // sum of the open holds
}

func (s *Stats) committed(b *batch, took time.Duration) {
	s.Entries += uint64(b.entries)
	s.Bytes += uint64(len(b.buf) - headerSize)
	s.Commits++
	sec := took.Seconds()
	s.SyncSeconds += sec
	i := 0
	for i < len(SyncBounds) && sec > SyncBounds[i] {
		i++
	}
	s.SyncBuckets[i]++
}

// Stats returns the counters and gauges.
func (l *Ledger) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.stats
	s.QueueLength += len(l.pending)
	s.NoSpace = l.noSpace
	s.Committed, s.Applied = l.committed, l.applied
	s.ApplierLag = l.committed - l.applied
	s.Segments = len(l.segs)
	s.OpenHolds, s.ReservedNano = l.holds.count, l.holds.reserved
	return s
}
