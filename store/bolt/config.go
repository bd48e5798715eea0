package bolt

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/your-org/ai-api-gateway/store"
)

// recordVersion is the first byte of each record of configuration; JSON follows.
const recordVersion = 1

// keyRecord writes the hashes of a key as base64 instead of lists of numbers.
type keyRecord struct {
	*store.Key
	Hash     []byte `json:"hash"`
	PrevHash []byte `json:"prev_hash,omitempty"`
}

func marshal(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return append([]byte{recordVersion}, b...), nil
}

func unmarshal(b []byte, v any) error {
	if len(b) == 0 {
		return fmt.Errorf("empty record: %w", store.ErrCorrupt)
	}
	if b[0] != recordVersion {
		return fmt.Errorf("record of version %d: %w", b[0], store.ErrNewer)
	}
	if err := json.Unmarshal(b[1:], v); err != nil {
		return fmt.Errorf("%w: %w", err, store.ErrCorrupt)
	}
	return nil
}

func marshalKey(k *store.Key) ([]byte, error) {
	r := keyRecord{Key: k, Hash: k.Hash[:]}
	if k.PrevHash != ([32]byte{}) {
		r.PrevHash = k.PrevHash[:]
	}
	return marshal(r)
}

func unmarshalKey(b []byte) (*store.Key, error) {
	r := keyRecord{Key: &store.Key{}}
	if err := unmarshal(b, &r); err != nil {
		return nil, err
	}
	if copy(r.Key.Hash[:], r.Hash) != 32 || len(r.PrevHash) != 0 && len(r.PrevHash) != 32 {
		return nil, fmt.Errorf("key without a whole hash: %w", store.ErrCorrupt)
	}
	copy(r.Key.PrevHash[:], r.PrevHash)
	return r.Key, nil
}

// read decodes all configuration.
func (s *Store) read(ctx context.Context) (*store.Snapshot, error) {
	snap := &store.Snapshot{Meta: map[string][]byte{}}
	err := s.db.View(func(tx *bbolt.Tx) error {
		snap.Rev = num64(tx.Bucket(bMeta).Get(kRev))
		err := each(ctx, tx, bKeys, func(_, v []byte) error {
			k, err := unmarshalKey(v)
			snap.Keys = append(snap.Keys, k)
			return err
		})
		if err != nil {
			return err
		}
		err = each(ctx, tx, bAccounts, func(_, v []byte) error {
			a := new(store.Account)
			snap.Accounts = append(snap.Accounts, a)
			return unmarshal(v, a)
		})
		if err != nil {
			return err
		}
		err = each(ctx, tx, bMappings, func(_, v []byte) error {
			m := new(store.Mapping)
			snap.Mappings = append(snap.Mappings, m)
			return unmarshal(v, m)
		})
		if err != nil {
			return err
		}
		err = each(ctx, tx, bPolicies, func(_, v []byte) error {
			p := new(store.Policy)
			snap.Policies = append(snap.Policies, p)
			return unmarshal(v, p)
		})
		if err != nil {
			return err
		}
		return each(ctx, tx, bValues, func(k, v []byte) error {
			snap.Meta[string(k)] = bytes.Clone(v)
			return nil
		})
	})
	return snap, err
}

func each(ctx context.Context, tx *bbolt.Tx, bucket []byte, f func(k, v []byte) error) error {
	n := 0
	return tx.Bucket(bucket).ForEach(func(k, v []byte) error {
		if n++; n%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if err := f(k, v); err != nil {
			return fmt.Errorf("%s %q: %w", bucket, k, err)
		}
		return nil
	})
}

// Apply writes all changes and their audit rows in one transaction, or none. The
// revision grows by one; without any change it stays.
func (s *Store) Apply(ctx context.Context, changes ...store.Change) (uint64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	var rev uint64
	whole := false
	err := s.db.Update(func(tx *bbolt.Tx) error {
		meta := tx.Bucket(bMeta)
		rev = num64(meta.Get(kRev))
		for i := range changes {
			if want := changes[i].IfRev; want != 0 && want != rev {
				return fmt.Errorf("cannot apply change to revision %d: the store has %d: %w", want, rev, store.ErrStale)
			}
			if err := applyOne(tx, &changes[i]); err != nil {
				return err
			}
		}
		if len(changes) == 0 {
			return nil
		}
		rev++
		whole = true
		return meta.Put(kRev, be64(rev))
	})
	if err != nil {
		if whole { // the commit failed, and may be in the file
			s.forget()
		}
		return 0, err
	}
	s.follow(rev, changes)
	return rev, nil
}

func applyOne(tx *bbolt.Tx, c *store.Change) error {
	var err error
	set := 0
	if c.Key != nil {
		set++
		err = putKey(tx, c.Key, c.Create)
	}
	if c.Account != nil {
		set++
		a := c.Account
		err = putNamed(tx, record{store.KindAccount, bAccounts, bNames, a.ID, a.Name, c.Create}, a)
	}
	if c.Mapping != nil {
		set++
		m := c.Mapping
		err = putNamed(tx, record{store.KindMapping, bMappings, bAliases, m.ID, m.Alias, c.Create}, m)
	}
	if c.Policy != nil {
		set++
		p := c.Policy
		err = putNamed(tx, record{store.KindPolicy, bPolicies, bPolNames, p.ID, p.Name, c.Create}, p)
	}
	if c.Meta != nil {
		set++
		err = putValue(tx, c.Meta, c.Create)
	}
	if c.Delete != nil {
		set++
		err = remove(tx, *c.Delete)
	}
	if set != 1 && !(set == 0 && c.Audit != nil) {
		return errors.New("cannot apply change: exactly one of its parts must be set")
	}
	if err == nil && c.Audit != nil {
		err = putAudit(tx, c.Audit)
	}
	return err
}

func putValue(tx *bbolt.Tx, v *store.MetaValue, create bool) error {
	b := tx.Bucket(bValues)
	if create && b.Get([]byte(v.Name)) != nil {
		return fmt.Errorf("cannot create value %q: %w", v.Name, store.ErrConflict)
	}
	return b.Put([]byte(v.Name), v.Value)
}

// putKey writes a key. Names of keys are free, but no two keys have one hash.
func putKey(tx *bbolt.Tx, k *store.Key, create bool) error {
	keys, hashes, id := tx.Bucket(bKeys), tx.Bucket(bHashes), []byte(k.ID)
	if k.ID == "" {
		return errors.New("cannot put key: it has no id")
	}
	old := keys.Get(id)
	if create && old != nil {
		return fmt.Errorf("cannot create key %q: %w", k.ID, store.ErrConflict)
	}
	if owner := hashes.Get(k.Hash[:]); owner != nil && !bytes.Equal(owner, id) {
		return fmt.Errorf("cannot put key %q: the same key is kept as %q: %w", k.ID, owner, store.ErrConflict)
	}
	if old != nil {
		was, err := unmarshalKey(old)
		if err != nil {
			return fmt.Errorf("cannot replace key %q: %w", k.ID, err)
		}
		if err := hashes.Delete(was.Hash[:]); err != nil {
			return err
		}
	}
	if err := hashes.Put(bytes.Clone(k.Hash[:]), id); err != nil {
		return err
	}
	b, err := marshalKey(k)
	if err != nil {
		return fmt.Errorf("cannot encode key %q: %w", k.ID, err)
	}
	return keys.Put(id, b)
}

// A record is one with a name of its own: an account, a mapping or a policy.
type record struct {
	kind           string
	records, names []byte
	id, name       string
	create         bool
}

func putNamed(tx *bbolt.Tx, r record, v any) error {
	records, names, id := tx.Bucket(r.records), tx.Bucket(r.names), []byte(r.id)
	if r.id == "" || r.name == "" {
		return fmt.Errorf("cannot put %s: id %q and name %q must be set", r.kind, r.id, r.name)
	}
	old := records.Get(id)
	if r.create && old != nil {
		return fmt.Errorf("cannot create %s %q: %w", r.kind, r.id, store.ErrConflict)
	}
	if owner := names.Get([]byte(r.name)); owner != nil && !bytes.Equal(owner, id) {
		return fmt.Errorf("cannot put %s %q: the name %q: %w", r.kind, r.id, r.name, store.ErrConflict)
	}
	if old != nil {
		name, err := nameOf(r.kind, old)
		if err != nil {
			return fmt.Errorf("cannot replace %s %q: %w", r.kind, r.id, err)
		}
		if err := names.Delete([]byte(name)); err != nil {
			return err
		}
	}
	if err := names.Put([]byte(r.name), id); err != nil {
		return err
	}
	b, err := marshal(v)
	if err != nil {
		return fmt.Errorf("cannot encode %s %q: %w", r.kind, r.id, err)
	}
	return records.Put(id, b)
}

func nameOf(kind string, b []byte) (string, error) {
	switch kind {
	case store.KindAccount:
		var a store.Account
		err := unmarshal(b, &a)
		return a.Name, err
	case store.KindPolicy:
		var p store.Policy
		err := unmarshal(b, &p)
		return p.Name, err
	}
	var m store.Mapping
	err := unmarshal(b, &m)
	return m.Alias, err
}

func remove(tx *bbolt.Tx, ref store.Ref) error {
	buckets := map[string][2][]byte{
		store.KindKey: {bKeys, bHashes}, store.KindAccount: {bAccounts, bNames}, store.KindMapping: {bMappings, bAliases},
		store.KindPolicy: {bPolicies, bPolNames},
	}
	b, known := buckets[ref.Kind]
	if !known {
		return fmt.Errorf("cannot delete %q: unknown kind", ref.Kind)
	}
	old := tx.Bucket(b[0]).Get([]byte(ref.ID))
	if old == nil {
		return fmt.Errorf("cannot delete %s %q: %w", ref.Kind, ref.ID, store.ErrNotFound)
	}
	var name []byte
	if ref.Kind == store.KindKey {
		k, err := unmarshalKey(old)
		if err != nil {
			return fmt.Errorf("cannot delete key %q: %w", ref.ID, err)
		}
		name = k.Hash[:]
	} else {
		s, err := nameOf(ref.Kind, old)
		if err != nil {
			return fmt.Errorf("cannot delete %s %q: %w", ref.Kind, ref.ID, err)
		}
		name = []byte(s)
	}
	if err := tx.Bucket(b[1]).Delete(name); err != nil {
		return err
	}
	return tx.Bucket(b[0]).Delete([]byte(ref.ID))
}

// putAudit appends an audit row; what is written once stays.
func putAudit(tx *bbolt.Tx, row *store.AuditRow) error {
	b := tx.Bucket(bAudit)
	if row.ID == "" {
		return errors.New("cannot write audit row: it has no id")
	}
	if b.Get([]byte(row.ID)) != nil {
		return fmt.Errorf("cannot write audit row %q: %w", row.ID, store.ErrConflict)
	}
	v, err := marshal(row)
	if err != nil {
		return fmt.Errorf("cannot encode audit row: %w", err)
	}
	return b.Put([]byte(row.ID), v)
}

// Audit returns audit rows, newest first: at most limit (0 = 100, at most 1,000)
// of those whose id is below before ("" = all).
func (s *Store) Audit(ctx context.Context, limit int, before string) ([]store.AuditRow, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	limit = pageSize(limit)
	rows := []store.AuditRow{}
	err := s.db.View(func(tx *bbolt.Tx) error {
		c := tx.Bucket(bAudit).Cursor()
		var k, v []byte
		if before == "" {
			k, v = c.Last()
		} else {
			k, v = seekBelow(c, []byte(before))
		}
		for ; k != nil && len(rows) < limit; k, v = c.Prev() {
			var row store.AuditRow
			if err := unmarshal(v, &row); err != nil {
				return fmt.Errorf("%q: %w", k, err)
			}
			rows = append(rows, row)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("cannot read audit: %w", err)
	}
	return rows, nil
}

// seekBelow puts c at the last key below upper.
func seekBelow(c *bbolt.Cursor, upper []byte) (k, v []byte) {
	if k, _ := c.Seek(upper); k == nil {
		return c.Last()
	}
	return c.Prev()
}

// pageSize is the number of rows a page has that was asked to have n.
func pageSize(n int) int {
	if n <= 0 {
		return 100
	}
	return min(n, 1000)
}
