package store

import (
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"
)

func indexKey(n int) *Key {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(n))
	return &Key{ID: fmt.Sprintf("k%07d", n), Name: fmt.Sprint("name", n%10), Hash: HashKey(string(b[:])), CreatedAt: when.Add(time.Duration(n))}
}

func TestKeyIndex(t *testing.T) {
	var keys []*Key
	for n := range 1000 {
		keys = append(keys, indexKey(n))
	}
	x := NewKeyIndex(keys)
	f := func(k *Key, want bool) {
		t.Helper()
		byHash, ok := x.Lookup(k.Hash, when)
		byID, idOK := x.ByID(k.ID)
		if ok != want || want && byHash != k || idOK != want || want && byID != k || slices.Contains(x.ByName(k.Name), k) != want {
			t.Fatalf("%s: by hash %v, by id %v, by name %v, want %v", k.ID, ok, idOK, slices.Contains(x.ByName(k.Name), k), want)
		}
	}
	for _, k := range keys {
		f(k, true)
	}
	if all := x.All(); x.Len() != 1000 || !slices.Equal(all, keys) {
		t.Fatalf("%d keys, All gives %d", x.Len(), len(all))
	}
	if named := x.ByName("name3"); len(named) != 100 || named[0] != keys[3] {
		t.Fatalf("%d keys of one name", len(named))
	}
	more := indexKey(5000)
	f(more, false)
	x.Put(more)
	x.Put(more)
	f(more, true)
	x.Delete(keys[7].ID)
	x.Delete(keys[7].ID)
	f(keys[7], false)
	changed := *keys[8]
	changed.Name = "renamed"
	x.Put(&changed)
	f(&changed, true)
	if x.Len() != 1000 || slices.Contains(x.ByName(keys[8].Name), keys[8]) || slices.Contains(x.ByName("renamed"), keys[8]) {
		t.Fatal("a renamed key is still there under its old name")
	}
	if x := NewKeyIndex([]*Key{keys[0], keys[1], {ID: keys[0].ID, Hash: keys[2].Hash}}); x.Len() != 2 {
		t.Fatalf("%d keys of two ids", x.Len())
	} else if _, ok := x.Lookup(keys[0].Hash, when); ok {
		t.Fatal("the hash of a key that was replaced is known")
	}
}

func TestKeyIndexRotation(t *testing.T) {
	old := indexKey(1)
	x := NewKeyIndex([]*Key{old, indexKey(2)})
	rotated := *old
	rotated.Hash, rotated.PrevHash, rotated.PrevUntil = HashKey("new"), old.Hash, when.Add(time.Hour)
	x.Put(&rotated)
	f := func(x *KeyIndex, hash [32]byte, at time.Time, want bool) {
		t.Helper()
		if k, ok := x.Lookup(hash, at); ok != want || ok && k != &rotated {
			t.Fatalf("found %v, want %v", ok, want)
		}
	}
	for _, x := range []*KeyIndex{x, NewKeyIndex([]*Key{&rotated})} {
		f(x, rotated.Hash, when, true)
		f(x, rotated.Hash, when.Add(99*time.Hour), true)
		f(x, old.Hash, when.Add(time.Hour-1), true)
		f(x, old.Hash, when.Add(time.Hour), false)
		f(x, HashKey("other"), when, false)
	}
	again := rotated
	again.Hash, again.PrevHash = HashKey("newer"), HashKey("new")
	x.Put(&again)
	if _, ok := x.Lookup(old.Hash, when); ok {
		t.Fatal("the hash of two rotations ago is known")
	}
	if _, ok := x.Lookup([32]byte{}, when); ok {
		t.Fatal("the empty hash is known")
	}
}

func TestKeyIndexLastUsed(t *testing.T) {
	k := indexKey(1)
	x := NewKeyIndex([]*Key{k})
	if !x.LastUsed(k.ID).IsZero() || !x.LastUsed("none").IsZero() {
		t.Fatal("a key was used before it was")
	}
	x.Touch("none", when)
	x.Touch(k.ID, when)
	x.Touch(k.ID, when.Add(-time.Hour))
	if got := x.LastUsed(k.ID); !got.Equal(when.Truncate(time.Minute)) {
		t.Fatalf("used at %v", got)
	}
	changed := *k
	x.Put(&changed)
	if x.LastUsed(k.ID).IsZero() {
		t.Fatal("a change forgets the use")
	}
	if n := testing.AllocsPerRun(100, func() {
		if _, ok := x.Lookup(k.Hash, when); !ok {
			t.Fatal("not found")
		}
		x.Touch(k.ID, when.Add(time.Minute))
	}); n != 0 {
		t.Fatalf("a lookup allocates %v times", n)
	}
}

// While one key is changed all the time, it and the others are found at any moment.
func TestKeyIndexConcurrency(t *testing.T) {
	x := NewKeyIndex([]*Key{indexKey(1), indexKey(2)})
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, ok := x.Lookup(indexKey(1).Hash, when); !ok {
					t.Error("a key is lost while it changes")
					return
				}
				x.Touch(indexKey(2).ID, when)
			}
		})
	}
	for n := range 500 {
		k := indexKey(1)
		k.Name = fmt.Sprint(n)
		x.Put(k)
		x.Put(indexKey(100 + n))
		x.Delete(indexKey(100 + n).ID)
	}
	close(stop)
	wg.Wait()
}

func benchIndex(b *testing.B) (*KeyIndex, []*Key) {
	keys := make([]*Key, 100_000)
	for n := range keys {
		keys[n] = indexKey(n)
		keys[n].Name = keys[n].ID
	}
	b.ReportAllocs()
	return NewKeyIndex(keys), keys
}

func BenchmarkKeyIndexLookup(b *testing.B) {
	x, keys := benchIndex(b)
	n := 0
	for b.Loop() {
		if _, ok := x.Lookup(keys[n%len(keys)].Hash, when); !ok {
			b.Fatal("not found")
		}
		n += 7919
	}
}

func BenchmarkKeyIndexPut(b *testing.B) {
	x, keys := benchIndex(b)
	n := 0
	for b.Loop() {
		k := *keys[n%len(keys)]
		x.Put(&k)
		n += 7919
	}
}

// A state read before a key was made must not take the key away again.
func TestReplaceAfterChange(t *testing.T) {
	x := NewKeyIndex(nil)
	since := x.Changes() // then the state is read, of before the key
	k := &Key{ID: "a", Name: "a", Hash: HashKey("sk-gw-a")}
	x.Put(k)
	if x.Replace(since, nil) || x.Len() != 1 {
		t.Error("a key is lost that was made while an older state was read")
	}
	if !x.Replace(x.Changes(), nil) || x.Len() != 0 {
		t.Error("a state that is newer than all changes is not taken")
	}
	since = x.Changes()
	x.Put(k)
	x.Delete("a")
	if x.Replace(since, []*Key{k}) || x.Len() != 0 {
		t.Error("a key that was removed is back")
	}
}

// TestKeyIndexNewest: the order is kept through every kind of change.
func TestKeyIndexNewest(t *testing.T) {
	var keys []*Key
	for n := range 100 {
		keys = append(keys, indexKey(n))
	}
	x := NewKeyIndex(keys[:50])
	f := func(what string) {
		t.Helper()
		want := x.All()
		slices.SortFunc(want, NewestFirst)
		if got := x.Newest(); !slices.Equal(got, want) {
			t.Fatalf("%s: %d keys, %d wanted", what, len(got), len(want))
		}
	}
	f("as made")
	before := x.Newest()
	x.Put(keys[70])
	f("a new key")
	x.Put(keys[60])
	f("one older than the newest")
	moved := *keys[3]
	moved.CreatedAt = when.Add(time.Hour)
	x.Put(&moved)
	f("another time")
	x.Delete(keys[20].ID)
	f("deleted")
	x.Replace(x.Changes(), keys[10:90])
	f("replaced")
	if len(before) != 50 || before[0] != keys[49] {
		t.Fatal("a list that was handed out has changed")
	}
}
