package store

import (
	"cmp"
	"encoding/binary"
	"hash/maphash"
	"iter"
	"maps"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// indexShards is the number of parts an index is cut into: a change copies one or
// two of them, a hundred keys of 100,000.
const indexShards = 1024

// A KeyIndex holds all keys in memory, found by hash, id and name. Lookups take no
// lock and allocate nothing; a change copies only the shards it falls into. Keys
// handed in or out must not be changed.
type KeyIndex struct {
	byHash [indexShards]atomic.Pointer[map[[32]byte]*Key]
	byID   [indexShards]atomic.Pointer[map[string]*indexed]
	byName [indexShards]atomic.Pointer[map[string][]*Key]
	seed   maphash.Seed
	count  atomic.Int64
	newest atomic.Pointer[[]*Key] // all, the newest first; nil: to be sorted

	mu      sync.Mutex // one change at a time
	changes uint64     // by Put and Delete
}

// indexed is a key with when it was used last, in minutes since 1970; the time
// outlives changes of the key.
type indexed struct {
	key  *Key
	used *atomic.Int64
}

// NewKeyIndex returns an index of keys. Of several with one id the last counts.
func NewKeyIndex(keys []*Key) *KeyIndex {
	x := &KeyIndex{seed: maphash.MakeSeed()}
	hashes, ids, names := make([]map[[32]byte]*Key, indexShards), make([]map[string]*indexed, indexShards), make([]map[string][]*Key, indexShards)
	for i := range indexShards {
		hashes[i], ids[i], names[i] = map[[32]byte]*Key{}, map[string]*indexed{}, map[string][]*Key{}
	}
	for _, k := range keys {
		ids[x.shard(k.ID)][k.ID] = &indexed{k, new(atomic.Int64)}
	}
	for _, shard := range ids {
		for _, e := range shard {
			k := e.key
			for _, h := range hashesOf(k) {
				hashes[hashShard(h)][h] = k
			}
			n := x.shard(k.Name)
			names[n][k.Name] = append(names[n][k.Name], k)
		}
		x.count.Add(int64(len(shard)))
	}
	for i := range indexShards {
		for name := range names[i] {
			slices.SortFunc(names[i][name], oldestFirst)
		}
		x.byHash[i].Store(&hashes[i])
		x.byID[i].Store(&ids[i])
		x.byName[i].Store(&names[i])
	}
	return x
}

func oldestFirst(a, b *Key) int {
	return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
}

func hashesOf(k *Key) [][32]byte {
	if k.PrevHash == ([32]byte{}) {
		return [][32]byte{k.Hash}
	}
	return [][32]byte{k.PrevHash, k.Hash}
}

func (x *KeyIndex) shard(s string) int { return int(maphash.String(x.seed, s) % indexShards) }

func hashShard(h [32]byte) int { return int(binary.LittleEndian.Uint16(h[:])) % indexShards }

// Lookup finds a key by HashKey of what a caller sent, at the given time: the hash
// from before a rotation leads to its key until PrevUntil. Whether the key is
// revoked or has expired is for the caller to judge. How long the comparing of hashes
// takes tells nothing of a key.
func (x *KeyIndex) Lookup(hash [32]byte, now time.Time) (*Key, bool) {
	k := (*x.byHash[hashShard(hash)].Load())[hash]
	if k != nil && (k.Hash == hash || k.PrevHash == hash && now.Before(k.PrevUntil)) {
		return k, true
	}
	return nil, false
}

// ByID finds a key by its id.
func (x *KeyIndex) ByID(id string) (*Key, bool) {
	e := (*x.byID[x.shard(id)].Load())[id]
	if e == nil {
		return nil, false
	}
	return e.key, true
}

// ByName returns the keys of this name, the oldest first. The slice is shared.
func (x *KeyIndex) ByName(name string) []*Key {
	return (*x.byName[x.shard(name)].Load())[name]
}

// Len returns the number of keys.
func (x *KeyIndex) Len() int { return int(x.count.Load()) }

// All returns all keys, the oldest first.
func (x *KeyIndex) All() []*Key {
	return slices.SortedFunc(x.Each(), oldestFirst)
}

// Each yields all keys, in no order.
func (x *KeyIndex) Each() iter.Seq[*Key] {
	return func(yield func(*Key) bool) {
		for i := range x.byID {
			for _, e := range *x.byID[i].Load() {
				if !yield(e.key) {
					return
				}
			}
		}
	}
}

// Newest returns all keys, the newest first, those of one moment by id. The slice is
// shared. It is sorted when it is first asked for and kept in order from then on.
func (x *KeyIndex) Newest() []*Key {
	if all := x.newest.Load(); all != nil {
		return *all
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	all := slices.SortedFunc(x.Each(), NewestFirst)
	x.newest.Store(&all)
	return all
}

// NewestFirst orders keys by the time they were made, those of one moment by id.
func NewestFirst(a, b *Key) int {
	return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(a.ID, b.ID))
}

// reorder puts k in the place of old in the order, if there is one; either may be nil.
func (x *KeyIndex) reorder(old, k *Key) {
	sorted := x.newest.Load()
	if sorted == nil {
		return
	}
	all := *sorted
	if old != nil {
		if i, found := slices.BinarySearchFunc(all, old, NewestFirst); found {
			all = slices.Concat(all[:i], all[i+1:])
		}
	}
	if k != nil {
		i, _ := slices.BinarySearchFunc(all, k, NewestFirst)
		all = slices.Concat(all[:i], []*Key{k}, all[i:])
	}
	x.newest.Store(&all)
}

// Put adds k, or sets it in the place of the key of its id.
func (x *KeyIndex) Put(k *Key) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.changes++
	x.put(k)
}

func (x *KeyIndex) put(k *Key) {
	id := x.shard(k.ID)
	old := (*x.byID[id].Load())[k.ID]
	used := new(atomic.Int64)
	switch {
	case old == nil:
		x.count.Add(1)
	case old.key == k:
		return
	default:
		used = old.used
	}
	// The new hashes are there before the old ones go: a lookup between finds the key.
	for _, h := range hashesOf(k) {
		change(&x.byHash[hashShard(h)], func(m map[[32]byte]*Key) { m[h] = k })
	}
	change(&x.byID[id], func(m map[string]*indexed) { m[k.ID] = &indexed{k, used} })
	if old != nil {
		x.forget(old.key, k)
		x.reorder(old.key, k)
	} else {
		x.reorder(nil, k)
	}
	change(&x.byName[x.shard(k.Name)], func(m map[string][]*Key) {
		named := append(slices.Clone(m[k.Name]), k)
		slices.SortFunc(named, oldestFirst)
		m[k.Name] = named
	})
}

// Delete removes the key of this id, if there is one.
func (x *KeyIndex) Delete(id string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.changes++
	x.remove(id)
}

func (x *KeyIndex) remove(id string) {
	old, found := x.ByID(id)
	if !found {
		return
	}
	x.count.Add(-1)
	x.forget(old, nil)
	x.reorder(old, nil)
	change(&x.byID[x.shard(id)], func(m map[string]*indexed) { delete(m, id) })
}

// Changes counts what Put and Delete have done.
func (x *KeyIndex) Changes() uint64 {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.changes
}

// Replace makes keys all that there are, unless there were changes after since, since
// keys, read before, may not have them: then it does nothing and reports false. Keys
// that are as they were stay untouched.
func (x *KeyIndex) Replace(since uint64, keys []*Key) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.changes != since {
		return false
	}
	ids := make(map[string]bool, len(keys))
	x.newest.Store(nil) // many may change: they are sorted again when they are asked for
	for _, k := range keys {
		ids[k.ID] = true
		if old, found := x.ByID(k.ID); !found || !reflect.DeepEqual(old, k) {
			x.put(k)
		}
	}
	for i := range x.byID {
		for id := range *x.byID[i].Load() {
			if !ids[id] {
				x.remove(id)
			}
		}
	}
	return true
}

// forget removes the hashes of old that its successor, if any, does not have, and its name.
func (x *KeyIndex) forget(old, successor *Key) {
	for _, h := range hashesOf(old) {
		if (*x.byHash[hashShard(h)].Load())[h] == old {
			change(&x.byHash[hashShard(h)], func(m map[[32]byte]*Key) { delete(m, h) })
		}
	}
	change(&x.byName[x.shard(old.Name)], func(m map[string][]*Key) {
		named := slices.DeleteFunc(slices.Clone(m[old.Name]), func(k *Key) bool { return k == old || k == successor })
		if len(named) == 0 {
			delete(m, old.Name)
		} else {
			m[old.Name] = named
		}
	})
}

// change replaces a shard by a changed copy.
func change[K comparable, V any](shard *atomic.Pointer[map[K]V], f func(map[K]V)) {
	m := maps.Clone(*shard.Load())
	f(m)
	shard.Store(&m)
}

// Touch notes that the key was used, to the minute; it lives in memory only.
func (x *KeyIndex) Touch(id string, now time.Time) {
	e := (*x.byID[x.shard(id)].Load())[id]
	if e == nil {
		return
	}
	minute := now.Unix() / 60
	for {
		was := e.used.Load()
		if minute <= was || e.used.CompareAndSwap(was, minute) {
			return
		}
	}
}

// LastUsed returns the minute in which the key was last used since the index was
// made; the zero time if it was not.
func (x *KeyIndex) LastUsed(id string) time.Time {
	e := (*x.byID[x.shard(id)].Load())[id]
	if e == nil || e.used.Load() == 0 {
		return time.Time{}
	}
	return time.Unix(e.used.Load()*60, 0).UTC()
}
