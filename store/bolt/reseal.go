package bolt

import (
	"bytes"

	"go.etcd.io/bbolt"
)

// resealBatch is how many records are sealed anew in one transaction: captures are
// up to some hundred KiB each.
const resealBatch = 128

// Reseal puts what seal returns in the place of each record, which it is given with
// the id of its request. A record for which it fails stays as it is. It returns how
// many were sealed anew.
func (c *Captures) Reseal(seal func(requestID string, sealed []byte) ([]byte, error)) (n int, err error) {
	return c.reseal([][]byte{bBodies}, func(key, value []byte) ([]byte, error) {
		return seal(string(key[min(8, len(key)):]), value)
	})
}

// Reseal puts what seal returns in the place of each entry, which it is given with its
// id. An entry for which it fails stays as it is. It returns how many were sealed anew.
func (v *Vault) Reseal(seal func(id, sealed []byte) ([]byte, error)) (n int, err error) {
	var names [][]byte
	err = v.view(func(tx *bbolt.Tx) error {
		return tx.Bucket(bSpaces).ForEach(func(name, _ []byte) error {
			names = append(names, append([]byte("kept/"), name...))
			return nil
		})
	})
	if err != nil {
		return 0, err
	}
	return v.reseal(names, func(id, value []byte) ([]byte, error) {
		if len(value) < 8 {
			return value, nil
		}
		sealed, err := seal(id, value[8:])
		return append(value[:8:8], sealed...), err
	})
}

// reseal walks through buckets and replaces their values, some in a transaction.
func (f *sideFile) reseal(names [][]byte, seal func(key, value []byte) ([]byte, error)) (n int, err error) {
	for _, name := range names {
		for from := []byte(nil); ; {
			more := false
			err := f.update(false, func(tx *bbolt.Tx) error {
				b := tx.Bucket(name)
				if b == nil {
					return nil
				}
				batch, next := read(b, from, resealBatch)
				for _, x := range batch {
					sealed, err := seal(x[0], x[1])
					if err != nil {
						continue
					}
					if err := b.Put(x[0], sealed); err != nil {
						return err
					}
					n++
				}
				from, more = next, next != nil
				return nil
			})
			if err != nil {
				return n, err
			}
			if !more {
				break
			}
		}
	}
	return n, nil
}

// read copies at most n pairs of a bucket from a key on, and returns the key after them; nil: none.
func read(b *bbolt.Bucket, from []byte, n int) (batch [][2][]byte, next []byte) {
	c := b.Cursor()
	for k, v := c.Seek(from); k != nil; k, v = c.Next() {
		if len(batch) == n {
			return batch, bytes.Clone(k)
		}
		batch = append(batch, [2][]byte{bytes.Clone(k), bytes.Clone(v)})
	}
	return batch, nil
}
