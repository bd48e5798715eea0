package bolt

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"go.etcd.io/bbolt"

	"github.com/your-org/ai-api-gateway/store"
)

// A loaded is the configuration decoded last. Decoding 100,000 keys takes half a
// second, and every change of the configuration asks for all of it: so what an Apply
// wrote is decoded into a copy of the lists of before.
type loaded struct {
	sync.Mutex
	snap *store.Snapshot // nil: to be read
}

// mostFollowed is how many changes are followed one by one; each copies a list of pointers.
const mostFollowed = 32

// Load returns all configuration. What it returns is shared: it must not be changed.
func (s *Store) Load(ctx context.Context) (*store.Snapshot, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.loaded.Lock()
	defer s.loaded.Unlock()
	if s.loaded.snap == nil {
		snap, err := s.read(ctx)
		if err != nil {
			return nil, fmt.Errorf("cannot load configuration: %w", err)
		}
		s.loaded.snap = snap
	}
	return s.loaded.snap, nil
}

// follow brings what is loaded to revision rev, which these changes made. Where that
// cannot be, the next Load reads all.
func (s *Store) follow(rev uint64, changes []store.Change) {
	s.loaded.Lock()
	defer s.loaded.Unlock()
	old := s.loaded.snap
	if old == nil || old.Rev >= rev { // read since
		return
	}
	s.loaded.snap = nil
	if old.Rev+1 != rev || len(changes) > mostFollowed {
		return
	}
	next := *old
	next.Rev = rev
	err := s.db.View(func(tx *bbolt.Tx) error {
		if now := num64(tx.Bucket(bMeta).Get(kRev)); now != rev {
			return fmt.Errorf("revision %d has come", now)
		}
		for i := range changes {
			if err := renewOne(tx, &next, &changes[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		s.loaded.snap = &next
	}
}

// forget makes the next Load read all: it is not known what was written.
func (s *Store) forget() {
	s.loaded.Lock()
	defer s.loaded.Unlock()
	s.loaded.snap = nil
}

// renewOne puts what the store holds of a change's record into snap.
func renewOne(tx *bbolt.Tx, snap *store.Snapshot, c *store.Change) (err error) {
	var ref store.Ref
	switch {
	case c.Meta != nil:
		snap.Meta = maps.Clone(snap.Meta)
		snap.Meta[c.Meta.Name] = slices.Clone(c.Meta.Value)
		return nil
	case c.Key != nil:
		ref = store.Ref{Kind: store.KindKey, ID: c.Key.ID}
	case c.Account != nil:
		ref = store.Ref{Kind: store.KindAccount, ID: c.Account.ID}
	case c.Mapping != nil:
		ref = store.Ref{Kind: store.KindMapping, ID: c.Mapping.ID}
	case c.Policy != nil:
		ref = store.Ref{Kind: store.KindPolicy, ID: c.Policy.ID}
	case c.Delete != nil:
		ref = *c.Delete
	default: // an audit row alone
		return nil
	}
	switch ref.Kind {
	case store.KindKey:
		snap.Keys, err = renewed(tx, bKeys, snap.Keys, ref.ID, func(k *store.Key) string { return k.ID }, unmarshalKey)
	case store.KindAccount:
		snap.Accounts, err = renewed(tx, bAccounts, snap.Accounts, ref.ID, func(a *store.Account) string { return a.ID }, decoded[store.Account])
	case store.KindMapping:
		snap.Mappings, err = renewed(tx, bMappings, snap.Mappings, ref.ID, func(m *store.Mapping) string { return m.ID }, decoded[store.Mapping])
	case store.KindPolicy:
		snap.Policies, err = renewed(tx, bPolicies, snap.Policies, ref.ID, func(p *store.Policy) string { return p.ID }, decoded[store.Policy])
	}
	return err
}

func decoded[T any](b []byte) (*T, error) {
	v := new(T)
	return v, unmarshal(b, v)
}

// renewed returns a copy of list, which is sorted by id as its bucket is, with the
// record of that id as the bucket has it, or without it.
func renewed[T any](tx *bbolt.Tx, bucket []byte, list []*T, id string, idOf func(*T) string, decode func([]byte) (*T, error)) ([]*T, error) {
	i, found := slices.BinarySearchFunc(list, id, func(v *T, id string) int { return strings.Compare(idOf(v), id) })
	b := tx.Bucket(bucket).Get([]byte(id))
	if b == nil {
		if !found {
			return list, nil
		}
		return slices.Concat(list[:i], list[i+1:]), nil
	}
	v, err := decode(b)
	if err != nil {
		return nil, err
	}
	rest := i
	if found {
		rest++
	}
	return slices.Concat(list[:i], []*T{v}, list[rest:]), nil
}
