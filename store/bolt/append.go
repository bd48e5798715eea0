package bolt

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/oklog/ulid/v2"
	"go.etcd.io/bbolt"

	"github.com/your-org/ai-api-gateway/store"
)

// A row key is 16 bytes: the row's time in nanoseconds since 1970 (8), the index of
// its boot in the file (2), its seq (6). Rows thus lie in the order of their time
// and no two are the same.
const rowKeyLen = 16

// An adjustment is a correction that was made to a row, to be made to its roll-up.
type adjustment struct {
	entry *store.Entry
	time  time.Time
	dims  dims
	found bool
}

// A change is an entry on its way to the file of its day.
type change struct {
	entry *store.Entry
	// Of a settle: the row as it is kept, its time and the words it is found by.
	row          []byte
	nano         int64
	byReq, byKey uint64
}

// A batch is one Append on its way.
type batch struct {
	days    map[string]*[]change
	sums    tallied
	adjusts []*adjustment
	high    map[string]uint64 // applied positions after it
}

// Append applies entries: first each day's rows in one transaction of the day's
// file, then roll-ups and positions in one of gateway.db. Each of the files has its
// own applied positions, so what a crash in between left half done is completed,
// and not doubled, when the entries are given again.
func (s *Store) Append(ctx context.Context, entries []store.Entry) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.append.Lock()
	defer s.append.Unlock()
	if s.unsure {
		if s.applied, err = s.Applied(ctx); err != nil {
			return err
		}
		s.unsure = false
	}
	b, err := s.sort(entries)
	if err != nil || len(b.high) == 0 {
		return err
	}
	for _, day := range slices.Sorted(maps.Keys(b.days)) {
		if err := s.appendDay(day, b); err != nil {
			return err
		}
	}
	if s.opts.between != nil {
		if err := s.opts.between(); err != nil {
			return err
		}
	}
	return s.appendSums(b)
}

// sort drops what is applied already, sorts the rest by the days it belongs to, and sums
// the rows up.
func (s *Store) sort(entries []store.Entry) (*batch, error) {
	b := &batch{days: map[string]*[]change{}, sums: newTallied(), high: map[string]uint64{}}
	var boot string            // of the entry before
	var high uint64            // and what is applied of it
	var here map[string]string // request id → day, for adjustments of rows of this batch
	var day *[]change          // of the settle before
	var dayStart, dayEnd int64
	for i := range entries {
		e := &entries[i]
		if i == 0 || e.Boot != boot {
			high, boot = max(b.high[e.Boot], s.applied[e.Boot]), e.Boot
		}
		if e.Seq <= high {
			continue
		}
		b.high[e.Boot], high = e.Seq, e.Seq
		switch e.Kind {
		case store.EntrySettle:
			c, err := s.settle(e)
			if err != nil {
				return nil, fmt.Errorf("cannot append entry %s/%d: %w", e.Boot, e.Seq, err)
			}
			if day == nil || c.nano < dayStart || c.nano >= dayEnd {
				start := time.Unix(0, c.nano).UTC().Truncate(24 * time.Hour)
				day, dayStart, dayEnd = b.day(start.Format(dayLayout), len(entries)-i), start.UnixNano(), start.Add(24*time.Hour).UnixNano()
			}
			*day = append(*day, c)
			b.sums.add(&s.gist)
		case store.EntryAdjust:
			if here == nil {
				var err error
				if here, err = settledDays(entries); err != nil {
					return nil, err
				}
			}
			day, err := s.dayOf(e, here)
			if err != nil {
				return nil, err
			}
			if day == "" {
				s.log.Warn("correction of a row that is not kept", "request_id", e.RequestID)
				continue
			}
			of := b.day(day, 1)
			*of = append(*of, change{entry: e})
			b.adjusts = append(b.adjusts, &adjustment{entry: e})
		}
	}
	return b, nil
}

// settle reads the row of e into s.gist, with the time that it is kept under.
func (s *Store) settle(e *store.Entry) (change, error) {
	g, c := &s.gist, change{entry: e, row: e.Encoded}
	if c.row == nil {
		if e.Row == nil {
			return c, fmt.Errorf("a settle without a row: %w", store.ErrCorrupt)
		}
		c.row = store.AppendRow(nil, e.Row)
	}
	if err := g.Read(c.row); err != nil {
		return c, err
	}
	t := store.RowTime(g.Time, e.Time)
	if !t.Equal(g.Time) {
		var row store.UsageRow
		if err := store.DecodeRow(c.row, &row); err != nil {
			return c, err
		}
		row.Time, g.Time = t, t
		c.row = store.AppendRow(nil, &row)
	}
	c.nano, c.byReq, c.byKey = t.UnixNano(), requestWord(g.ID), s.keyWord(g.KeyID)
	return c, nil
}

// keyWord is wordOf, which remembers the key asked for last.
func (s *Store) keyWord(id string) uint64 {
	if id != s.keyID || s.keyIs == 0 {
		s.keyID, s.keyIs = id, wordOf(id)
	}
	return s.keyIs
}

// day returns the list of a day's changes, of which so many may come.
func (b *batch) day(day string, room int) *[]change {
	of := b.days[day]
	if of == nil {
		list := make([]change, 0, room)
		of = &list
		b.days[day] = of
	}
	return of
}

func settledDays(entries []store.Entry) (map[string]string, error) {
	if err := store.DecodeRows(entries); err != nil {
		return nil, err
	}
	days := map[string]string{}
	for i := range entries {
		if e := &entries[i]; e.Kind == store.EntrySettle && e.Row != nil {
			days[e.Row.RequestID] = e.RowTime().Format(dayLayout)
		}
	}
	return days, nil
}

// dayOf finds the day of the row that e corrects: it says so, or the row is in this
// batch, or the request id tells the time of admission within a minute; "" = none.
func (s *Store) dayOf(e *store.Entry, here map[string]string) (string, error) {
	if !e.Day.IsZero() {
		return e.Day.UTC().Format(dayLayout), nil
	}
	if day := here[e.RequestID]; day != "" {
		return day, nil
	}
	for _, day := range daysOfID(e.RequestID) {
		f, err := s.days.acquire(day, false)
		if errors.Is(err, errNoDay) {
			continue
		}
		if err != nil {
			return "", err
		}
		found := false
		err = f.db.View(func(tx *bbolt.Tx) error {
			key, _, err := findRow(tx, e.RequestID)
			found = key != nil
			return err
		})
		s.days.release(f)
		if err != nil || found {
			return day, err
		}
	}
	return "", nil
}

// daysOfID returns the days that a row of this request id may be on: that of its
// ULID's time, and the one it is within a minute of.
func daysOfID(id string) []string {
	u, err := ulid.ParseStrict(id)
	if err != nil {
		return nil
	}
	t := ulid.Time(u.Time()).UTC()
	out := []string{t.Format(dayLayout)}
	for _, d := range []time.Duration{-time.Minute, time.Minute} {
		if day := t.Add(d).Format(dayLayout); day != out[0] {
			out = append(out, day)
		}
	}
	return out
}

// appendDay applies the entries of one day to its file.
func (s *Store) appendDay(day string, b *batch) error {
	entries := *b.days[day]
	// A row that is not kept any more needs no file to be corrected in.
	create := slices.ContainsFunc(entries, func(c change) bool { return c.row != nil })
	f, err := s.days.acquire(day, create)
	if errors.Is(err, errNoDay) {
		s.log.Warn("correction of rows that are not kept", "day", day, "corrections", len(entries))
		return nil
	}
	if err != nil {
		return err
	}
	defer s.days.release(f)
	err = f.db.Update(func(tx *bbolt.Tx) error {
		w := newDayWriter(tx)
		for i := range entries {
			if err := w.write(&entries[i], b); err != nil {
				return err
			}
		}
		return w.finish()
	})
	if err != nil {
		return fmt.Errorf("cannot append usage of %s: %w", day, err)
	}
	return nil
}

// A dayWriter writes entries within one transaction of a day file.
type dayWriter struct {
	rows, boots *bbolt.Bucket
	tx          *bbolt.Tx
	index       indexWriter
	seen        map[string]*bootState
	last        string // boot of the entry before
	state       *bootState
}

type bootState struct {
	index   uint16
	applied uint64
	changed bool
}

func newDayWriter(tx *bbolt.Tx) *dayWriter {
	w := &dayWriter{
		tx: tx, rows: tx.Bucket(bRows), boots: tx.Bucket(bBoots), seen: map[string]*bootState{},
	}
	// Rows come nearly in the order of their keys: full pages suit them.
	w.rows.FillPercent = 0.9
	w.index = indexWriter{slots: tx.Bucket(bIndex), count: w.rows.Sequence()}
	w.index.slots.FillPercent = 0.9
	return w
}

func (w *dayWriter) boot(id string) (*bootState, error) {
	if w.state != nil && id == w.last {
		return w.state, nil
	}
	if st := w.seen[id]; st != nil {
		w.last, w.state = id, st
		return st, nil
	}
	st := &bootState{}
	if v := w.boots.Get([]byte(id)); len(v) == 10 {
		st.index, st.applied = binary.BigEndian.Uint16(v), binary.BigEndian.Uint64(v[2:])
	} else {
		n, err := w.boots.NextSequence()
		if err != nil {
			return nil, err
		}
		if n > 1<<16-1 {
			return nil, fmt.Errorf("more than %d starts of the gateway in one day", 1<<16-1)
		}
		st.index = uint16(n)
	}
	w.seen[id], w.last, w.state = st, id, st
	return st, nil
}

func (w *dayWriter) write(c *change, b *batch) error {
	e := c.entry
	st, err := w.boot(e.Boot)
	if err != nil {
		return err
	}
	again := e.Seq <= st.applied
	if !again {
		st.applied, st.changed = e.Seq, true
	}
	if e.Kind == store.EntryAdjust {
		return w.adjust(e, st, b, again)
	}
	if again {
		return nil
	}
	key := posting{hi: uint64(c.nano), lo: uint64(st.index)<<48 | e.Seq&(1<<48-1)}
	var k [rowKeyLen]byte
	if err := w.rows.Put(key.appendKey(k[:0]), c.row); err != nil {
		return err
	}
	return w.index.add(c.byReq, c.byKey, key)
}

func append48(b []byte, v uint64) []byte {
	return append(b, byte(v>>40), byte(v>>32), byte(v>>24), byte(v>>16), byte(v>>8), byte(v))
}

// adjust corrects the amounts of a row, once, and keeps the correction; each time
// it notes for gateway.db which roll-up the row is in.
func (w *dayWriter) adjust(e *store.Entry, st *bootState, b *batch, again bool) error {
	if err := w.index.flush(); err != nil { // the row may be of this batch
		return err
	}
	key, row, err := findRow(w.tx, e.RequestID)
	if err != nil || key == nil {
		return err
	}
	for _, a := range b.adjusts {
		if a.entry == e {
			a.time, a.dims, a.found = row.Time, dimsOf(row).at(row.Corrected(e)), true
		}
	}
	if again {
		return nil
	}
	row.Correct(e)
	fixes, err := w.tx.CreateBucketIfNotExists(bFixes)
	if err != nil {
		return err
	}
	at := append48(binary.BigEndian.AppendUint16(nil, st.index), e.Seq)
	if err := fixes.Put(at, store.AppendEntry(nil, e)); err != nil {
		return err
	}
	return w.rows.Put(key, store.AppendRow(nil, row))
}

func (w *dayWriter) finish() error {
	if err := w.index.flush(); err != nil {
		return err
	}
	if err := w.rows.SetSequence(w.index.count); err != nil {
		return err
	}
	for id, st := range w.seen {
		if !st.changed {
			continue
		}
		v := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint16(nil, st.index), st.applied)
		if err := w.boots.Put([]byte(id), v); err != nil {
			return err
		}
	}
	return nil
}
