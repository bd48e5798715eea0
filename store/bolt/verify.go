package bolt

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"github.com/your-org/ai-api-gateway/store"
)

// Marks of what retention has removed, in gateway.db's meta: rows are kept from
// that day on, roll-ups from that slot.
var (
	kRowsFrom = []byte("rows_from")
	kSumsFrom = []byte("sums_from")
)

const slotsPerDay = 24 * 3600 / slotSeconds

// A proof is one Verify on its way.
type proof struct {
	s   *Store
	out store.Verification

	// of the day in hand
	day     string
	cells   map[cell]*sums
	timings timings
	fixes   store.Corrections
	hashes  []uint64 // of request ids
}

// Verify recomputes every roll-up from the rows and their corrections, one day at
// a time, and stops at the first that differs. It reads a state at which rows and
// roll-ups agree, while others go on to be written. Its error says that it could
// not read; what it read and found wrong is in the answer.
func (s *Store) Verify(ctx context.Context) (store.Verification, error) {
	p := &proof{s: s}
	err := p.run(ctx)
	if errors.Is(err, store.ErrFault) {
		err = nil
	}
	if err != nil {
		err = fmt.Errorf("cannot verify the ledger: %w", err)
	}
	return p.out, err
}

func (p *proof) run(ctx context.Context) error {
	days := p.s.days.newestFirst()
	slices.Reverse(days)
	for _, day := range days {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := p.oneDay(ctx, day); err != nil && !errors.Is(err, errNoDay) {
			return err
		}
	}
	return p.orphans(days)
}

// fault notes the first difference.
func (p *proof) fault(what, msg string, args ...any) error {
	return p.out.Fail(p.day, what, msg, args...)
}

// oneDay compares a day's file with its roll-ups.
func (p *proof) oneDay(ctx context.Context, day string) error {
	f, gateway, err := p.snapshot(day)
	if err != nil {
		return err
	}
	defer p.s.days.release(f.file)
	defer func() { _ = errors.Join(f.tx.Rollback(), gateway.Rollback()) }() // of reading
	p.day, p.cells, p.fixes, p.hashes = day, map[cell]*sums{}, store.Corrections{}, p.hashes[:0]
	p.timings = timings{map[cell]uint32{}, map[timingBucket]int64{}}
	p.out.Days++
	if err := p.readFixes(f.tx); err != nil {
		return err
	}
	if err := p.readRows(ctx, f.tx); err != nil {
		return err
	}
	return p.compare(gateway)
}

type dayTx struct {
	file *dayFile
	tx   *bbolt.Tx
}

// snapshot begins transactions over a day and gateway.db between two Appends.
func (p *proof) snapshot(day string) (f dayTx, gateway *bbolt.Tx, err error) {
	p.s.append.Lock()
	defer p.s.append.Unlock()
	if f.file, err = p.s.days.acquire(day, false); err != nil {
		return f, nil, err
	}
	if f.tx, err = f.file.db.Begin(false); err == nil {
		if gateway, err = p.s.db.Begin(false); err != nil {
			err = errors.Join(err, f.tx.Rollback())
		}
	}
	if err != nil {
		p.s.days.release(f.file)
	}
	return f, gateway, err
}

func (p *proof) readFixes(tx *bbolt.Tx) error {
	b := tx.Bucket(bFixes)
	if b == nil {
		return nil
	}
	return b.ForEach(func(k, v []byte) error {
		var e store.Entry
		if err := store.DecodeEntry(v, &e); err != nil {
			return p.fault(fmt.Sprintf("correction %x", k), "a correction cannot be read: %v", err)
		}
		p.out.Corrections++
		p.fixes.Add(&e)
		return nil
	})
}

func (p *proof) readRows(ctx context.Context, tx *bbolt.Tx) error {
	rows, n := tx.Bucket(bRows), int64(0)
	c := rows.Cursor()
	var row store.UsageRow
	for k, v := c.First(); k != nil; k, v = c.Next() {
		if n++; n%4096 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if err := store.DecodeRow(v, &row); err != nil {
			return p.fault(fmt.Sprintf("row %x", k), "a row cannot be read: %v", err)
		}
		if err := p.readRow(k, &row); err != nil {
			return err
		}
	}
	p.out.Rows += n
	if got := int64(rows.Sequence()); got != n {
		return p.fault("rows", "the file counts %d rows and holds %d", got, n)
	}
	if indexed, err := postings(tx); err != nil || indexed != n {
		return p.fault("index", "the index holds %d of %d rows (%v)", indexed, n, err)
	}
	if id, fault := p.fixes.Left(); fault != "" {
		return p.fault("request "+id, "%s", fault)
	}
	return p.twice(tx)
}

func (p *proof) readRow(key []byte, row *store.UsageRow) error {
	if len(key) != rowKeyLen || binary.BigEndian.Uint64(key) != uint64(row.Time.UnixNano()) || row.Time.UTC().Format(dayLayout) != p.day {
		return p.fault("request "+row.RequestID, "its row of %s is kept in another place", row.Time.UTC().Format(time.RFC3339))
	}
	if fault := p.fixes.Row(row); fault != "" {
		return p.fault("request "+row.RequestID, "%s", fault)
	}
	p.hashes = append(p.hashes, wordOf(row.RequestID))
	p.out.Charged = store.AddNano(p.out.Charged, row.Charged())
	row.Shares(func(s store.Share) {
		at := cell{slotOf(row.Time), dimsOf(row).at(s.Provider, s.Account)}
		sum := p.cells[at]
		if sum == nil {
			sum = new(sums)
			at.dims = at.dims.clone()
			p.cells[at] = sum
		}
		sum.addTotal(&s.Sum)
	})
	p.timings.add(row)
	return nil
}

// postings counts the rows that the index leads to.
func postings(tx *bbolt.Tx) (n int64, err error) {
	err = tx.Bucket(bIndex).ForEach(func(_, v []byte) error {
		slot, err := viewSlot(v)
		n += int64(len(slot.byReq) / postingLen)
		return err
	})
	return n, err
}

// twice looks for a request with two rows.
func (p *proof) twice(tx *bbolt.Tx) error {
	slices.Sort(p.hashes)
	for i := 1; i < len(p.hashes); i++ {
		if p.hashes[i] != p.hashes[i-1] {
			continue
		}
		// Hashes of two ids may be the same: read again those that have this one.
		seen := map[string]bool{}
		c := tx.Bucket(bRows).Cursor()
		for k, v := c.First(); k != nil; k, v = c.Next() {
			var row store.UsageRow
			if err := store.DecodeRow(v, &row); err != nil || wordOf(row.RequestID) != p.hashes[i] {
				continue
			}
			if seen[row.RequestID] {
				return p.fault("request "+row.RequestID, "it has two rows")
			}
			seen[row.RequestID] = true
		}
	}
	return nil
}

// compare takes the day's roll-ups from what its rows come to.
func (p *proof) compare(gateway *bbolt.Tx) error {
	start, err := time.Parse(dayLayout, p.day)
	if err != nil {
		return err
	}
	from := max(slotOf(start), uint32(num64(gateway.Bucket(bMeta).Get(kSumsFrom))))
	until := slotOf(start) + slotsPerDay
	reduced := reductionsOf(p.cells) // before their comparison, which uses them up
	if err := p.compareWith(gateway, bSums, p.cells, from, until); err != nil {
		return err
	}
	for i, r := range reductions {
		if err := p.compareWith(gateway, r.bucket, reduced[i], from, until); err != nil {
			return err
		}
	}
	return p.compareLatency(gateway, from, until)
}

// compareWith takes the roll-ups of one bucket from cells.
func (p *proof) compareWith(gateway *bbolt.Tx, bucket []byte, cells map[cell]*sums, from, until uint32) error {
	fold(gateway, bucket, cells)
	series := gateway.Bucket(bSeries)
	c := gateway.Bucket(bucket).Cursor()
	for k, v := c.Seek(binary.BigEndian.AppendUint32(nil, from)); len(k) == 8 && binary.BigEndian.Uint32(k) < until; k, v = c.Next() {
		d, err := decodeDims(series.Get(k[4:]))
		if err != nil {
			return p.fault(fmt.Sprintf("roll-up %x", k), "its series cannot be read: %v", err)
		}
		at := cell{binary.BigEndian.Uint32(k), d}
		var kept sums
		if err := kept.decode(v); err != nil {
			return p.fault(at.String(), "it cannot be read: %v", err)
		}
		p.out.RollUps++
		made := cells[at]
		if made == nil {
			made = new(sums)
		}
		if kept != *made {
			return p.fault(at.String(), "it says %s; its rows come to %s", kept.String(), made.String())
		}
		delete(cells, at)
	}
	for at, made := range cells {
		if at.slot >= from && *made != (sums{}) {
			return p.fault(at.String(), "it is missing; its rows come to %s", made.String())
		}
	}
	return nil
}

// fold moves sums of models that have no roll-up of their own in a bucket to those
// of "other".
func fold(gateway *bbolt.Tx, bucket []byte, cells map[cell]*sums) {
	of, kept := gateway.Bucket(bSeriesOf), gateway.Bucket(bucket)
	has := func(at cell) bool {
		id := of.Get(at.dims.encode())
		return id != nil && kept.Get(append(binary.BigEndian.AppendUint32(nil, at.slot), id...)) != nil
	}
	for at, sum := range cells {
		other := at
		other.dims.model = otherModel
		if at.dims.model == otherModel || has(at) || !has(other) {
			continue
		}
		delete(cells, at)
		if into := cells[other]; into != nil {
			into.add(sum)
		} else {
			cells[other] = sum
		}
	}
}

// orphans looks for roll-ups of days that have no file though none was removed.
func (p *proof) orphans(days []string) error {
	return p.s.db.View(func(tx *bbolt.Tx) error {
		first := tx.Bucket(bMeta).Get(kRowsFrom)
		kept := map[string]bool{}
		for _, day := range append(days, p.s.days.newestFirst()...) {
			kept[day] = true
		}
		c := tx.Bucket(bSums).Cursor()
		for k, _ := c.First(); len(k) == 8; k, _ = c.Next() {
			day := time.Unix(int64(binary.BigEndian.Uint32(k))*slotSeconds, 0).UTC().Format(dayLayout)
			if kept[day] {
				next, err := time.Parse(dayLayout, day)
				if err != nil {
					return err
				}
				// On to the next day; the loop takes one step more.
				if k, _ = c.Seek(binary.BigEndian.AppendUint32(nil, slotOf(next)+slotsPerDay)); k == nil {
					return nil
				}
				c.Prev()
				continue
			}
			if p.out.Unproven++; len(first) > 0 && bytes.Compare([]byte(day), first) >= 0 || len(first) == 0 && len(days) > 0 && day > days[0] {
				p.day = day
				return p.fault("usage/"+day+".db", "the file is gone, its roll-ups remain")
			}
		}
		return nil
	})
}

func (d dims) clone() dims {
	c, err := decodeDims(d.encode())
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return c
}

func (c cell) String() string {
	return fmt.Sprintf("roll-up of %s: key %q, model %q, provider %q, account %q, end %q, group %q",
		time.Unix(int64(c.slot)*slotSeconds, 0).UTC().Format("2006-01-02T15:04Z"), c.dims.key, c.dims.model, c.dims.provider, c.dims.account, c.dims.end, c.dims.group)
}

func (s *sums) String() string {
	return fmt.Sprintf("%d requests, %d tokens in, %d out, %s USD cost, %s markup, %s and %d tokens unconfirmed", s.requests, s.tokens.Prompt(), s.tokens.Completion(),
		store.FormatUSD(s.cost), store.FormatUSD(s.markup), store.FormatUSD(s.unconfirmed), s.heldTokens)
}
