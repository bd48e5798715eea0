package bolt

import (
	"encoding/binary"
	"slices"

	"go.etcd.io/bbolt"

	"github.com/your-org/ai-api-gateway/store"
)

// A reduction is the roll-ups over again with some dims left out: a sum over much
// then has little to read. Where 500 keys ask for 60 models, a week has millions of
// roll-ups, and 40,000 without the keys.
type reduction struct {
	bucket []byte
	of     func(dims) dims
}

var reductions = [...]reduction{
	{bLean, func(d dims) dims { d.key = ""; return d }},
	{bKeyed, func(d dims) dims { return dims{key: d.key} }},
}

func reductionsOf(cells map[cell]*sums) (out [len(reductions)]map[cell]*sums) {
	for i, r := range reductions {
		out[i] = make(map[cell]*sums, len(cells))
		for c, sum := range cells {
			at := cell{c.slot, r.of(c.dims)}
			into := out[i][at]
			if into == nil {
				into = new(sums)
				out[i][at] = into
			}
			into.add(sum)
		}
	}
	return out
}

// source returns the smallest bucket that a query can be answered from.
func source(q *store.TotalsQuery) []byte {
	byKey := q.KeyID != "" || slices.Contains(q.GroupBy, "key")
	if !byKey {
		return bLean
	}
	timesOnly := !slices.ContainsFunc(q.GroupBy, func(g string) bool { return g != "key" && !slices.Contains(timeNames, g) })
	if timesOnly && q.Model == "" && q.Provider == "" && q.Account == "" {
		return bKeyed
	}
	return bSums
}

// reduceAll makes the reductions of a store that has none yet.
func (s *Store) reduceAll(tx *bbolt.Tx) error {
	const some = 1 << 16
	w := s.sumsWriter(tx)
	cells := map[cell]*sums{}
	flush := func() error {
		for i, reduced := range reductionsOf(cells) {
			if err := w.addAll(tx.Bucket(reductions[i].bucket), reduced); err != nil {
				return err
			}
		}
		clear(cells)
		return nil
	}
	c := tx.Bucket(bSums).Cursor()
	for k, v := c.First(); len(k) == 8; k, v = c.Next() {
		d, err := decodeDims(w.series.Get(k[4:]))
		if err != nil {
			return err
		}
		sum := new(sums)
		if err := sum.decode(v); err != nil {
			return err
		}
		if cells[cell{binary.BigEndian.Uint32(k), d}] = sum; len(cells) == some {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}
