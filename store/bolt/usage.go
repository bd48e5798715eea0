package bolt

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"go.etcd.io/bbolt"

	"github.com/your-org/ai-api-gateway/store"
)

// chunk is the number of rows read in one transaction: a long one would keep the
// file from growing under the writer.
const chunk = 4096

// A scan is one Usage on its way.
type scan struct {
	q          store.UsageQuery
	sieve      func(raw []byte) bool // rows that need not be decoded
	limit      int
	lower      []byte // first row key wanted
	upper      []byte // first row key not wanted any more
	first, top string // days of these
	left       int    // rows that may still be looked at
	page       store.UsagePage
	last       []byte // key of the row looked at last
	full       bool   // the page has its rows, or left is 0
	more       bool   // and there are more
}

// Usage returns one page of rows, newest first. A page that was ended by
// store.ScanLimit is Partial, and Next leads on.
func (s *Store) Usage(ctx context.Context, q store.UsageQuery) (store.UsagePage, error) {
	sc, err := newScan(q)
	if err != nil {
		return store.UsagePage{}, err
	}
	days := slices.DeleteFunc(s.days.newestFirst(), func(day string) bool { return day < sc.first || day > sc.top })
	if q.RequestID != "" {
		days = likelyFirst(days, q.RequestID)
	}
	for i, day := range days {
		err := s.scanDay(ctx, day, sc)
		if errors.Is(err, errNoDay) {
			continue // removed meanwhile
		}
		if err != nil {
			return store.UsagePage{}, fmt.Errorf("cannot read usage of %s: %w", day, err)
		}
		if sc.full {
			sc.more = sc.more || i < len(days)-1
			break
		}
		if len(sc.page.Rows) > 0 && len(q.RequestID) > tailLen {
			break // a whole request id is one row
		}
	}
	if sc.full && sc.more {
		sc.page.Next = base64.RawURLEncoding.EncodeToString(append([]byte{recordVersion}, sc.last...))
		if sc.page.Partial = len(sc.page.Rows) < sc.limit; sc.page.Partial {
			sc.page.LookedTo = time.Unix(0, int64(binary.BigEndian.Uint64(sc.last))).UTC()
		}
	}
	return sc.page, nil
}

func newScan(q store.UsageQuery) (*scan, error) {
	sc := &scan{q: q, sieve: q.Sieve(), limit: pageSize(q.Limit), left: store.ScanLimit, page: store.UsagePage{Rows: []store.UsageRow{}}}
	sc.lower, sc.upper = timeKey(q.Since, 0), timeKey(q.Until, math.MaxUint64)
	if q.Cursor != "" {
		b, err := base64.RawURLEncoding.DecodeString(q.Cursor)
		if err != nil || len(b) != 1+rowKeyLen || b[0] != recordVersion {
			return nil, fmt.Errorf("cannot read usage: cursor %q: %w", store.CleanText(q.Cursor, 64), store.ErrQuery)
		}
		if bytes.Compare(b[1:], sc.upper) < 0 {
			sc.upper = b[1:]
		}
	}
	sc.first, sc.top = keyDay(sc.lower), keyDay(sc.upper)
	return sc, nil
}

// timeKey is the lowest row key at t; a zero t gives that of none.
func timeKey(t time.Time, none uint64) []byte {
	switch {
	case t.IsZero():
		return be64(none)
	case t.Year() < 1970:
		return be64(0)
	case t.Year() > 2261:
		return be64(math.MaxUint64)
	}
	return be64(uint64(t.UnixNano()))
}

func keyDay(key []byte) string {
	n := binary.BigEndian.Uint64(key)
	if n > math.MaxInt64 {
		return "9999"
	}
	return time.Unix(0, int64(n)).UTC().Format(dayLayout)
}

// likelyFirst puts the days that the id's own time names before the others.
func likelyFirst(days []string, id string) []string {
	likely := daysOfID(id)
	out := slices.DeleteFunc(slices.Clone(likely), func(day string) bool { return !slices.Contains(days, day) })
	return append(out, slices.DeleteFunc(days, func(day string) bool { return slices.Contains(likely, day) })...)
}

func (s *Store) scanDay(ctx context.Context, day string, sc *scan) error {
	f, err := s.days.acquire(day, false)
	if err != nil {
		return err
	}
	defer s.days.release(f)
	if sc.q.RequestID != "" {
		return f.db.View(func(tx *bbolt.Tx) error { return sc.request(tx) })
	}
	from := sc.upper // where the next chunk goes on
	for done := false; !done && err == nil && !sc.full; {
		if err = ctx.Err(); err != nil {
			break
		}
		err = f.db.View(func(tx *bbolt.Tx) error {
			done, err = sc.chunk(tx, from)
			return err
		})
		from = bytes.Clone(sc.last) // which the next chunk writes over
	}
	return err
}

// chunk looks at rows below from, newest first; done when none is left in the file
// or none is wanted any more.
func (sc *scan) chunk(tx *bbolt.Tx, from []byte) (done bool, err error) {
	rows := tx.Bucket(bRows)
	n := 0
	look := func(key, v []byte) (bool, error) {
		if sc.full {
			sc.more = true
			return false, nil
		}
		if n++; n > chunk {
			return false, nil
		}
		return true, sc.look(key, v)
	}
	if sc.q.KeyID != "" {
		done, err = eachOfKey(tx, sc.q.KeyID, sc.lower, from, func(key []byte) (bool, error) { return look(key, rows.Get(key)) })
		return done, err
	}
	c := rows.Cursor()
	for k, v := seekBelow(c, from); k != nil && bytes.Compare(k, sc.lower) >= 0; k, v = c.Prev() {
		if more, err := look(k, v); err != nil || !more {
			return false, err
		}
	}
	return true, nil
}

// look judges one row.
func (sc *scan) look(key, v []byte) error {
	sc.last = append(sc.last[:0], key...)
	sc.left--
	if sc.sieve(v) {
		var row store.UsageRow
		if err := store.DecodeRow(v, &row); err != nil {
			return err
		}
		if sc.q.Wants(&row) {
			sc.page.Rows = append(sc.page.Rows, row)
		}
	}
	sc.full = len(sc.page.Rows) == sc.limit || sc.left == 0
	return nil
}

// request looks rows up by their request id, whole or its last 8 characters.
func (sc *scan) request(tx *bbolt.Tx) error {
	type hit struct {
		key []byte
		row *store.UsageRow
	}
	var hits []hit
	err := eachRequest(tx, sc.q.RequestID, func(key []byte, row *store.UsageRow) {
		same := row.RequestID == sc.q.RequestID || len(sc.q.RequestID) == tailLen && strings.HasSuffix(row.RequestID, sc.q.RequestID)
		if same && sc.q.Wants(row) && bytes.Compare(key, sc.lower) >= 0 && bytes.Compare(key, sc.upper) < 0 {
			hits = append(hits, hit{key, row})
		}
	})
	if err != nil {
		return err
	}
	slices.SortFunc(hits, func(a, b hit) int { return bytes.Compare(b.key, a.key) })
	for _, h := range hits {
		if sc.full {
			sc.more = true
			break
		}
		sc.page.Rows = append(sc.page.Rows, *h.row)
		sc.last = h.key
		sc.full = len(sc.page.Rows) == sc.limit
	}
	return nil
}
