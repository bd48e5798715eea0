package bolt

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"github.com/your-org/ai-api-gateway/store"
)

// latencyColumns are the dims that histograms are kept apart by.
var latencyColumns = map[string]func(*dims) string{"model": columns["model"], "provider": columns["provider"], "account": columns["account"]}

func latencyDims(d dims) dims { return dims{model: d.model, provider: d.provider, account: d.account} }

// maxLatencies bounds the groups of one Latency; each takes 4 KB.
const maxLatencies = 10_000

// An observation is one duration that a row adds to a histogram: which of a Timing,
// and the bucket.
type observation struct{ which, bucket uint8 }

// addLatency adds the durations of a batch's rows to the histograms.
func (w *sumsWriter) addLatency(into *bbolt.Bucket, cells map[cell]*sums, seen map[*sums][]observation) error {
	into.FillPercent = 0.9
	type timed struct {
		key  uint64 // slot and series
		seen []observation
	}
	all := make([]timed, 0, len(cells))
	for c, sum := range cells {
		if seen[sum] == nil {
			continue
		}
		id, err := w.seriesID(cell{c.slot, latencyDims(c.dims)})
		if err != nil {
			return err
		}
		all = append(all, timed{uint64(c.slot)<<32 | uint64(id), seen[sum]})
	}
	slices.SortFunc(all, func(a, b timed) int { return cmp.Compare(a.key, b.key) })
	var sum store.Timing
	for i, t := range all {
		key := be64(t.key)
		if i == 0 || t.key != all[i-1].key {
			sum.Clear()
			if v := into.Get(key); v != nil {
				if err := sum.AddEncoded(v); err != nil {
					return err
				}
			}
		}
		for _, o := range t.seen {
			sum[o.which].Add(int(o.bucket), 1)
		}
		if i+1 < len(all) && t.key == all[i+1].key {
			continue
		}
		if err := into.Put(key, sum.Append(nil)); err != nil {
			return err
		}
	}
	return nil
}

// Latency returns the histograms of the times that a query asks for, widened as
// those of Totals are, in the order of their group's values.
func (s *Store) Latency(ctx context.Context, q store.LatencyQuery) ([]store.Latency, error) {
	t := &tally[store.Timing]{by: q.GroupBy, columns: latencyColumns, most: maxLatencies, add: (*store.Timing).AddEncoded, wanted: func(d *dims) bool {
		return (q.Model == "" || q.Model == d.model) && (q.Provider == "" || q.Provider == d.provider) && (q.Account == "" || q.Account == d.account)
	}}
	if err := t.begin(q.Zone); err != nil {
		return nil, err
	}
	if err := s.db.View(func(tx *bbolt.Tx) error { return t.walk(ctx, tx, bLatency, q.Since, q.Until) }); err != nil {
		return nil, fmt.Errorf("cannot read latencies: %w", err)
	}
	groups := t.groups()
	out := make([]store.Latency, len(groups))
	for i, g := range groups {
		out[i] = store.Latency{Group: t.named(g.values), Duration: g.sum[0], TTFT: g.sum[1]}
	}
	return out, nil
}

// addHistograms is the migration from schema 1, which had none: those of slots that
// have rows already stay incomplete, and are not proven.
func addHistograms(tx *bbolt.Tx) error {
	if _, err := tx.CreateBucketIfNotExists(bLatency); err != nil {
		return err
	}
	last, _ := tx.Bucket(bSums).Cursor().Last()
	if len(last) != 8 {
		return nil
	}
	return tx.Bucket(bMeta).Put(kLatencyFrom, be64(uint64(binary.BigEndian.Uint32(last))+1))
}

// timings are the histograms that the rows of a day come to, bucket by bucket.
type timings struct {
	cells map[cell]uint32
	count map[timingBucket]int64
}

type timingBucket struct {
	cell          uint32
	which, bucket uint8
}

func (t *timings) add(r *store.UsageRow) {
	if !r.Timed() {
		return
	}
	at := cell{slotOf(r.Time), latencyDims(dimsOf(r))}
	id, known := t.cells[at]
	if !known {
		id = uint32(len(t.cells))
		at.dims = at.dims.clone()
		t.cells[at] = id
	}
	store.Observe(r, func(which, bucket uint8) { t.count[timingBucket{id, which, bucket}]++ })
}

// compareLatency takes a day's histograms from what its rows come to.
func (p *proof) compareLatency(gateway *bbolt.Tx, from, until uint32) error {
	from = max(from, uint32(num64(gateway.Bucket(bMeta).Get(kLatencyFrom))))
	made := p.timingsByKey(gateway)
	c := gateway.Bucket(bLatency).Cursor()
	for k, v := c.Seek(binary.BigEndian.AppendUint32(nil, from)); len(k) == 8 && binary.BigEndian.Uint32(k) < until; k, v = c.Next() {
		var kept store.Timing
		if err := kept.AddEncoded(v); err != nil {
			return p.fault(fmt.Sprintf("histogram %x", k), "it cannot be read: %v", err)
		}
		p.out.RollUps++
		want := made[binary.BigEndian.Uint64(k)]
		if want == nil || !slices.Equal(kept[0], want[0]) || !slices.Equal(kept[1], want[1]) {
			if want == nil {
				want = new(store.Timing)
			}
			return p.fault(fmt.Sprintf("histogram %x of %s", k, time.Unix(int64(binary.BigEndian.Uint32(k))*slotSeconds, 0).UTC().Format(time.RFC3339)),
				"it counts %d requests and %d first bytes; its rows come to %d and %d", kept[0].Count(), kept[1].Count(), want[0].Count(), want[1].Count())
		}
		delete(made, binary.BigEndian.Uint64(k))
	}
	for k := range made {
		if uint32(k>>32) >= from {
			return p.fault(fmt.Sprintf("histogram %x", k), "it is missing")
		}
	}
	return nil
}

// timingsByKey returns the day's histograms by their keys; those of models without a
// series of their own are part of "other".
func (p *proof) timingsByKey(gateway *bbolt.Tx) map[uint64]*store.Timing {
	of, kept := gateway.Bucket(bSeriesOf), gateway.Bucket(bLatency)
	keys := make([]uint64, len(p.timings.cells))
	for at, i := range p.timings.cells {
		other := at
		other.dims.model = otherModel
		for _, c := range []cell{at, other} {
			id := of.Get(c.dims.encode())
			key := append(binary.BigEndian.AppendUint32(nil, c.slot), id...)
			if len(key) == 8 && kept.Get(key) != nil {
				keys[i] = binary.BigEndian.Uint64(key)
				break
			}
			keys[i] = uint64(at.slot)<<32 | 1<<32 - 1 // of no series: missing
		}
	}
	out := map[uint64]*store.Timing{}
	for at, n := range p.timings.count {
		t := out[keys[at.cell]]
		if t == nil {
			t = new(store.Timing)
			out[keys[at.cell]] = t
		}
		t[at.which].Add(int(at.bucket), n)
	}
	return out
}
