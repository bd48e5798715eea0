package bolt

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"

	"github.com/your-org/ai-api-gateway/store"
)

// Vault keeps what a gateway remembers of conversations, sealed, in a file of its
// own, vault.db, which is made when there is something to keep. It is safe for
// concurrent use.
type Vault struct {
	sideFile
	most int64 // bytes of a space; what expires first makes room
}

// Of each space: "kept/"+space holds id → expiry (8 bytes), sealed bytes; and
// "ages/"+space expiry (8 bytes, milliseconds), id → nothing.
var bSpaces = []byte("spaces") // space → bytes kept (8)

const (
	maxVault      = 64 << 20 // bytes of a space, so that the file stays below about 300 MB
	vaultOverhead = 320      // of an entry beside its sealed bytes, in both trees
	vaultDrop     = 4096     // entries that are dropped in one transaction
)

// NewVault returns the vault of the store in dir.
func NewVault(dir string, log *slog.Logger) *Vault {
	return &Vault{sideFile: sideFile{path: filepath.Join(dir, "vault.db"), buckets: [][]byte{bSpaces}, log: log}, most: maxVault}
}

// A vaultSpace is one space within a transaction.
type vaultSpace struct {
	name         string
	kept, ages   *bbolt.Bucket
	totals       *bbolt.Bucket
	bytes, bound int64
}

func (v *Vault) space(tx *bbolt.Tx, name string) (*vaultSpace, error) {
	s := &vaultSpace{name: name, totals: tx.Bucket(bSpaces), bound: v.most}
	var err error
	if s.kept, err = tx.CreateBucketIfNotExists([]byte("kept/" + name)); err != nil {
		return nil, err
	}
	if s.ages, err = tx.CreateBucketIfNotExists([]byte("ages/" + name)); err != nil {
		return nil, err
	}
	if b := s.totals.Get([]byte(name)); len(b) == 8 {
		s.bytes = int64(binary.BigEndian.Uint64(b))
	}
	return s, nil
}

func (s *vaultSpace) save() error {
	return s.totals.Put([]byte(s.name), binary.BigEndian.AppendUint64(nil, uint64(max(0, s.bytes))))
}

func (s *vaultSpace) put(x *store.Kept) error {
	if err := s.remove(x.ID); err != nil {
		return err
	}
	at := binary.BigEndian.AppendUint64(nil, uint64(max(0, x.Expires.UnixMilli())))
	s.bytes += int64(len(x.Sealed)) + vaultOverhead
	if err := s.kept.Put(x.ID, append(at[:8:8], x.Sealed...)); err != nil {
		return err
	}
	if err := s.ages.Put(append(at[:8:8], x.ID...), nil); err != nil {
		return err
	}
	for s.bytes > s.bound {
		if more, err := s.removeFirst(nil); err != nil || !more {
			return err
		}
	}
	return nil
}

func (s *vaultSpace) remove(id []byte) error {
	old := s.kept.Get(id)
	if len(old) < 8 {
		return nil
	}
	s.bytes -= int64(len(old)-8) + vaultOverhead
	if err := s.ages.Delete(append(old[:8:8], id...)); err != nil {
		return err
	}
	return s.kept.Delete(id)
}

// removeFirst removes what expires first, if before that time (its key in ages; nil:
// at any), and reports whether it did.
func (s *vaultSpace) removeFirst(before []byte) (bool, error) {
	key, _ := s.ages.Cursor().First()
	if len(key) < 8 || before != nil && string(key[:8]) > string(before) {
		return false, nil
	}
	key = append([]byte(nil), key...)
	if err := s.remove(key[8:]); err != nil {
		return false, err
	}
	return true, s.ages.Delete(key) // where the two disagree, that must not hold it up
}

// Put keeps list, each in place of what had its id. What expires first makes room.
func (v *Vault) Put(_ context.Context, list []store.Kept) error {
	return v.update(true, func(tx *bbolt.Tx) error {
		spaces := map[string]*vaultSpace{}
		for i := range list {
			s := spaces[list[i].Space]
			if s == nil {
				var err error
				if s, err = v.space(tx, list[i].Space); err != nil {
					return fmt.Errorf("cannot make space of vault: %w", err)
				}
				spaces[s.name] = s
			}
			if err := s.put(&list[i]); err != nil {
				return fmt.Errorf("cannot keep entry: %w", err)
			}
		}
		for _, s := range spaces {
			if err := s.save(); err != nil {
				return err
			}
		}
		return nil
	})
}

// Get returns what is kept under an id; nil: nothing.
func (v *Vault) Get(_ context.Context, space string, id []byte) (x *store.Kept, err error) {
	err = v.view(func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte("kept/" + space))
		if b == nil {
			return nil
		}
		if e := b.Get(id); len(e) >= 8 {
			x = &store.Kept{Space: space, ID: id, Expires: time.UnixMilli(int64(binary.BigEndian.Uint64(e))), Sealed: append([]byte(nil), e[8:]...)}
		}
		return nil
	})
	return x, err
}

// Drop removes what has expired by then, and returns how many entries had.
func (v *Vault) Drop(ctx context.Context, now time.Time) (removed int, err error) {
	until := binary.BigEndian.AppendUint64(nil, uint64(max(0, now.UnixMilli())))
	for more := true; more && err == nil; {
		if err = ctx.Err(); err != nil {
			break
		}
		var n int
		n, more, err = v.dropSome(until)
		removed += n
	}
	return removed, err
}

// dropSome removes a part of what has expired, and reports whether there may be more.
func (v *Vault) dropSome(until []byte) (n int, more bool, err error) {
	err = v.update(false, func(tx *bbolt.Tx) error {
		var names []string
		if err := tx.Bucket(bSpaces).ForEach(func(name, _ []byte) error { names = append(names, string(name)); return nil }); err != nil {
			return err
		}
		for _, name := range names {
			s, err := v.space(tx, name)
			if err != nil {
				return err
			}
			for old := true; old && n < vaultDrop; {
				if old, err = s.removeFirst(until); err != nil {
					return err
				}
				if old {
					n++
				}
			}
			if err := s.save(); err != nil {
				return err
			}
		}
		more = n == vaultDrop
		return nil
	})
	return n, more, err
}
