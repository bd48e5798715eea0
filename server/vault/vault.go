// Package vault remembers, for each API key, what callers of a foreign format
// lose between two requests of one conversation: above all the signed thinking
// that went before a tool call, which its vendor wants back with the result.
//
// It holds at most a stated number of bytes, and forgets. Where it is given a Disk,
// what it keeps is written there behind its callers, so that it outlives the process,
// and looked for there when memory does not hold it. Who asks it must be able to go
// on without an answer.
package vault

import (
	"container/list"
	"crypto/rand"
	"fmt"
	"sync"
	"time"

	"github.com/your-org/ai-api-gateway/store"
)

// Bounds for options that say nothing.
const (
	DefaultMaxBytes = 64 << 20
	DefaultTTL      = 24 * time.Hour
)

// overhead is what an entry costs beside its sealed bytes: the entry, its two
// list elements and its place in the index, measured on 64-bit machines.
const overhead = 320

// Options configure a Vault. The zero Options mean the usual.
type Options struct {
	// Sealer seals every entry. nil: one with a key of this process's own.
	Sealer *store.Sealer
	// Disk is where entries outlive the process, in a Space of their own; nil: nowhere.
	Disk  *Disk
	Space string
	// MaxBytes bounds all entries together, their overhead included; 0: DefaultMaxBytes.
	MaxBytes int64
	// TTL is the life of an entry from its Put; 0: DefaultTTL.
	TTL time.Duration
	// Now is the clock; nil: time.Now.
	Now func() time.Time
}

// A Vault keeps sealed entries: the least recently used go first when it is full,
// and none outlives its time. It is safe for concurrent use, starts no goroutine
// and needs no Close.
//
// One mutex serves all: it guards two list moves and a map access, about 0.1 µs;
// hashing and sealing, which take longer, happen outside of it.
//
// Entries go through store.Sealer, each with a data key of its own: about 3 µs
// for a kilobyte and 20 µs for 16, most of it copying (BenchmarkVault). That is
// paid where a request is translated anyway, once a tool call, so it is cheap
// enough not to have a cipher and nonces of the vault's own.
type Vault struct {
	o Options

	mu     sync.Mutex
	index  map[id]*entry
	recent list.List // of *entry, the last used first
	ages   list.List // of *entry, the oldest first
	bytes  int64
	stats  Stats
}

type entry struct {
	id          id
	sealed      []byte // never changed once it is here
	expires     time.Time
	recent, age *list.Element
}

func (e *entry) cost() int64 { return int64(cap(e.sealed)) + overhead }

// Stats are counts since the start, but for Entries and Bytes.
type Stats struct {
	Entries int
	Bytes   int64 // sealed bytes and overhead
	Hits    uint64
	Misses  uint64
	Evicted uint64 // to make room
	Expired uint64
	Broken  uint64 // could not be opened: changed in memory, or sealed by another key
	Refused uint64 // larger than the whole vault
}

// New returns an empty vault.
func New(o Options) *Vault {
	if o.MaxBytes <= 0 {
		o.MaxBytes = DefaultMaxBytes
	}
	if o.TTL <= 0 {
		o.TTL = DefaultTTL
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Sealer == nil {
		o.Sealer = ownSealer()
	}
	return &Vault{o: o, index: map[id]*entry{}}
}

// ownSealer returns a sealer whose key dies with the process, as the entries do.
func ownSealer() *store.Sealer {
	key := make([]byte, store.MasterKeyLen)
	_, _ = rand.Read(key) // never fails
	s, err := store.NewSealer(key)
	if err != nil {
		panic(fmt.Sprintf("BUG: cannot make sealer of a fresh key: %v", err))
	}
	return s
}

// Put keeps value under the API key keyID and a tool call: its id, its tool and
// its arguments, as JSON text in whatever layout. It replaces what was there.
// value may be empty, and may be reused afterwards.
func (v *Vault) Put(keyID, callID, toolName string, args, value []byte) {
	at := identify(keyID, callID, toolName, args)
	sealed, err := v.o.Sealer.Seal(store.NewSecret(string(value)), at.place())
	if err != nil {
		return // no randomness: nothing is kept rather than kept in the open
	}
	e := &entry{id: at, sealed: sealed, expires: v.o.Now().Add(v.o.TTL)}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.expire()
	if v.hold(e) && v.o.Disk != nil {
		v.o.Disk.put(v.o.Space, e)
	}
}

// hold takes e in, in place of what had its id; it reports false if e is too large.
// v.mu is held.
func (v *Vault) hold(e *entry) bool {
	if old := v.index[e.id]; old != nil {
		v.remove(old)
	}
	if e.cost() > v.o.MaxBytes {
		v.stats.Refused++
		return false
	}
	for v.bytes+e.cost() > v.o.MaxBytes {
		v.remove(v.recent.Back().Value.(*entry))
		v.stats.Evicted++
	}
	v.index[e.id] = e
	e.recent, e.age = v.recent.PushFront(e), v.ages.PushBack(e)
	v.bytes += e.cost()
	return true
}

// Get returns what was put under the same key and call, and whether there is any.
// The value is the caller's own.
func (v *Vault) Get(keyID, callID, toolName string, args []byte) ([]byte, bool) {
	if v.empty() {
		return nil, false
	}
	at := identify(keyID, callID, toolName, args)
	e := v.find(at)
	if e == nil {
		return nil, false
	}
	plain, err := v.o.Sealer.Open(e.sealed, at.place())
	v.mu.Lock()
	defer v.mu.Unlock()
	if err != nil {
		v.stats.Broken++
		v.stats.Misses++
		if v.index[at] == e {
			v.remove(e)
		}
		return nil, false
	}
	v.stats.Hits++
	if e.recent == nil && v.index[at] == nil { // from the disk
		v.hold(e)
	}
	return []byte(plain.Reveal()), true
}

// Stats returns the counts of now.
func (v *Vault) Stats() Stats {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.expire()
	s := v.stats
	s.Entries, s.Bytes = len(v.index), v.bytes
	return s
}

// empty spares a gateway that never keeps anything the hashing.
func (v *Vault) empty() bool {
	if v.o.Disk != nil {
		return false
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.index) == 0 {
		v.stats.Misses++
		return true
	}
	return false
}

// find returns the living entry and marks it used; nil if there is none.
func (v *Vault) find(at id) *entry {
	e := v.held(at)
	if e == nil && v.o.Disk != nil {
		if e = v.o.Disk.get(v.o.Space, at); e != nil && !v.o.Now().Before(e.expires) {
			e = nil
		}
	}
	if e == nil {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.stats.Misses++
	}
	return e
}

// held returns the living entry that memory holds, and marks it used; nil if there is none.
func (v *Vault) held(at id) *entry {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.expire()
	e := v.index[at]
	switch {
	case e == nil:
		return nil
	case !v.o.Now().Before(e.expires):
		v.remove(e)
		v.stats.Expired++
		return nil
	}
	v.recent.MoveToFront(e.recent)
	return e
}

// expire removes what has outlived its time, the oldest first: all entries live
// equally long. Where the clock was set back in between, or an entry was found on
// the disk, it may stay behind a younger one; find does not give it out.
func (v *Vault) expire() {
	now := v.o.Now()
	for at := v.ages.Front(); at != nil; at = v.ages.Front() {
		e := at.Value.(*entry)
		if now.Before(e.expires) {
			return
		}
		v.remove(e)
		v.stats.Expired++
	}
}

func (v *Vault) remove(e *entry) {
	delete(v.index, e.id)
	v.recent.Remove(e.recent)
	v.ages.Remove(e.age)
	v.bytes -= e.cost()
}
