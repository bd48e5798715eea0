package postgres

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"github.com/your-org/ai-api-gateway/store"
)

// A position is a row's place in the order of time.
type position struct {
	micro     int64 // since 1970
	ns        int16
	boot      int32
	seq       int64
	positions bool // it is one
}

const cursorVersion = 1

func (p position) cursor() string {
	b := []byte{cursorVersion}
	b = binary.BigEndian.AppendUint64(b, uint64(p.micro))
	b = binary.BigEndian.AppendUint16(b, uint16(p.ns))
	b = binary.BigEndian.AppendUint32(b, uint32(p.boot))
	b = binary.BigEndian.AppendUint64(b, uint64(p.seq))
	return base64.RawURLEncoding.EncodeToString(b)
}

func parseCursor(s string) (position, error) {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(b) != 23 || b[0] != cursorVersion {
		return position{}, fmt.Errorf("cannot read cursor %q: %w", store.CleanText(s, 64), store.ErrQuery)
	}
	return position{int64(binary.BigEndian.Uint64(b[1:])), int16(binary.BigEndian.Uint16(b[9:])), int32(binary.BigEndian.Uint32(b[11:])), int64(binary.BigEndian.Uint64(b[15:])), true}, nil
}

// A where is the conditions of one query.
type where struct {
	parts []string
	args  []any
}

// add adds a condition, in which each ? stands for one of args.
func (w *where) add(sql string, args ...any) {
	for _, a := range args {
		sql = strings.Replace(sql, "?", w.arg(a), 1)
	}
	w.parts = append(w.parts, sql)
}

// arg returns what stands for an argument of the query.
func (w *where) arg(a any) string {
	w.args = append(w.args, a)
	return "$" + strconv.Itoa(len(w.args))
}

func (w *where) String() string {
	if len(w.parts) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(w.parts, " AND ")
}

const inOrder = " ORDER BY time DESC, ns DESC, boot DESC, seq DESC LIMIT "

// Usage returns rows, newest first, one page.
func (s *Store) Usage(ctx context.Context, q store.UsageQuery) (store.UsagePage, error) {
	page := store.UsagePage{Rows: []store.UsageRow{}}
	limit := pageSize(q.Limit)
	var from position
	if q.Cursor != "" {
		var err error
		if from, err = parseCursor(q.Cursor); err != nil {
			return page, err
		}
	}
	inner, outer, possible := conditions(&q, from)
	if !possible {
		return page, nil
	}
	// Rows that no index leads to are looked at one by one, so many and no more.
	source := "SELECT * FROM usage_logs" + inner.String()
	bounded := len(outer.parts) > 0
	if bounded {
		source = "SELECT * FROM (" + source + inOrder + strconv.Itoa(store.ScanLimit) + ") scanned" + outer.String()
	}
	err := s.view(ctx, readTimeout, func(ctx context.Context, tx pgx.Tx) error {
		rows, err := tx.Query(ctx, "SELECT time, ns, boot, seq, record FROM ("+source+") found"+inOrder+strconv.Itoa(limit+1), inner.args...)
		if err != nil {
			return err
		}
		var at position
		var t time.Time
		var record []byte
		var last position
		var boots []int32 // of the rows
		read := 0
		if _, err = pgx.ForEachRow(rows, []any{&t, &at.ns, &at.boot, &at.seq, &record}, func() error {
			if read == limit {
				page.Next = last.cursor()
				return nil
			}
			read++
			var row store.UsageRow
			at.micro = t.UnixMicro()
			last = at
			if err := store.DecodeRow(record, &row); err != nil || !q.WentTo(&row) {
				return err
			}
			page.Rows = append(page.Rows, row)
			boots = append(boots, at.boot)
			return nil
		}); err == nil {
			err = nodesOf(ctx, tx, boots, page.Rows)
		}
		if err != nil || page.Next != "" || !bounded {
			return err
		}
		return s.scannedAll(ctx, tx, inner, &page)
	})
	if err != nil {
		return store.UsagePage{}, fmt.Errorf("cannot read usage: %w", err)
	}
	return page, nil
}

// nodesOf puts into rows what the gateways are called that they ran at. It asks for
// the boots of a page, since a join would have all rows that match sorted.
func nodesOf(ctx context.Context, tx pgx.Tx, boots []int32, of []store.UsageRow) error {
	if len(of) == 0 {
		return nil
	}
	distinct := slices.Clone(boots)
	slices.Sort(distinct)
	rows, err := tx.Query(ctx, "SELECT num, node FROM ledger_boots WHERE num = ANY($1) AND node <> ''", slices.Compact(distinct))
	if err != nil {
		return err
	}
	names := map[int32]string{}
	var num int32
	var name string
	if _, err := pgx.ForEachRow(rows, []any{&num, &name}, func() error {
		names[num] = name
		return nil
	}); err != nil {
		return err
	}
	for i := range of {
		of[i].Node = names[boots[i]]
	}
	return nil
}

// scannedAll looks whether the scan of a page came to its bound, and if so has the
// next one begin there.
func (s *Store) scannedAll(ctx context.Context, tx pgx.Tx, inner *where, page *store.UsagePage) error {
	var at position
	var t time.Time
	args := inner.args[:inner.scanned()]
	err := tx.QueryRow(ctx, "SELECT time, ns, boot, seq FROM usage_logs"+inner.String()+inOrder+"1 OFFSET "+strconv.Itoa(store.ScanLimit-1), args...).Scan(&t, &at.ns, &at.boot, &at.seq)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	at.micro = t.UnixMicro()
	page.Next, page.Partial, page.LookedTo = at.cursor(), true, t.UTC()
	return err
}

// scanned returns how many of the arguments the conditions themselves have: those of
// a query around them follow.
func (w *where) scanned() int {
	return strings.Count(strings.Join(w.parts, ""), "$")
}

// conditions returns what an index answers and what has to be looked at. Their
// arguments are in one list, that of inner. Not possible: nothing can match.
func conditions(q *store.UsageQuery, from position) (inner, outer *where, possible bool) {
	inner, outer = &where{}, &where{}
	for _, s := range []string{q.RequestID, q.KeyID, q.Model, q.Provider, q.Account, q.Status, q.EndReason, q.Operation, q.Group, q.EndUser, q.Text} {
		if !utf8.ValidString(s) || strings.ContainsRune(s, 0) {
			return inner, outer, false
		}
	}
	if !q.Since.IsZero() {
		micro := q.Since.Truncate(time.Microsecond)
		inner.add("time >= ?", micro)
		inner.add("(time, ns) >= (?, ?)", micro, int16(q.Since.Sub(micro)))
	}
	if !q.Until.IsZero() {
		micro := q.Until.Truncate(time.Microsecond)
		inner.add("time <= ?", micro)
		inner.add("(time, ns) < (?, ?)", micro, int16(q.Until.Sub(micro)))
	}
	if from.positions {
		t := time.UnixMicro(from.micro).UTC()
		inner.add("time <= ?", t)
		inner.add("(time, ns, boot, seq) < (?, ?, ?, ?)", t, from.ns, from.boot, from.seq)
	}
	if q.KeyID != "" {
		inner.add("api_key_id = ?", q.KeyID)
	}
	if id := q.RequestID; id != "" {
		inner.add(`"right"(request_id, 8) = "right"(?::text, 8)`, id)
		if len(id) == 8 {
			inner.add("(request_id = ? OR length(request_id) >= 8)", id)
		} else {
			inner.add("request_id = ?", id)
		}
	}
	outer.args = inner.args
	// Rows of which an attempt before the last went there: their records are searched, and
	// those found are judged again.
	tried := "(? = ? OR (attempts > 1 OR end_reason = '" + store.EndCrash + "') AND position(?::bytea IN record) > 0)"
	if q.Provider != "" {
		outer.add(strings.Replace(tried, "?", "provider", 1), q.Provider, store.StoredAttempt(q.Provider, ""))
	}
	if q.Account != "" {
		outer.add(strings.Replace(tried, "?", "account", 1), q.Account, store.StoredAttempt("", q.Account))
	}
	for column, value := range map[string]string{"model": q.Model, "end_reason": q.EndReason,
		"operation": q.Operation, "key_group": q.Group, "end_user": q.EndUser} {
		if value != "" {
			outer.add(column+" = ?", value)
		}
	}
	if q.Stream != nil {
		outer.add("stream = ?", *q.Stream)
	}
	if q.MinDuration > 0 {
		outer.add("duration_ms >= ?", float64(q.MinDuration)/1e6)
	}
	if q.Text != "" {
		collation := `"default"`
		if !strings.ContainsFunc(q.Text, func(r rune) bool { return r >= utf8.RuneSelf }) {
			collation = `"C"` // which knows the case of ASCII alone, and is twice as fast
		}
		outer.add("position(lower(?::text COLLATE "+collation+") IN lower(concat_ws(chr(10), error, request_id, client_request_id, model, upstream_model, api_key_name) COLLATE "+collation+")) > 0", q.Text)
	}
	possible = outer.status(q.Status)
	inner.args = outer.args
	return inner, outer, possible
}

// status understands a status ("200"), a class ("4xx") and "error".
func (w *where) status(want string) bool {
	n, err := strconv.Atoi(want)
	switch {
	case want == "":
	case want == "error":
		w.add("failed")
	case len(want) == 3 && want[0] >= '0' && want[0] <= '9' && want[1:] == "xx":
		w.add("status / 100 = ?", int(want[0]-'0'))
	case len(want) == 3 && want[0] >= '0' && want[0] <= '9' && err == nil:
		w.add("status = ?", n)
	default:
		return false
	}
	return true
}
