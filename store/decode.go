package store

import (
	"errors"
	"fmt"
	"math"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// ErrCorrupt says that stored bytes are not a record.
var ErrCorrupt = errors.New("corrupt record")

// DecodeEntry sets e to what b holds. The strings of e share one copy of b, so b
// may be reused. A version it does not know gives an error that wraps ErrNewer,
// anything else that is wrong one that wraps ErrCorrupt; it never panics.
func DecodeEntry(b []byte, e *Entry) error {
	if len(b) == 0 {
		return fmt.Errorf("cannot decode entry: empty: %w", ErrCorrupt)
	}
	if !known(b[0]) {
		return fmt.Errorf("cannot decode entry of version %d: %w", b[0], ErrNewer)
	}
	*e = Entry{}
	r := reader{s: string(b), at: 1}
	for r.next() {
		switch r.num {
		case entryBoot:
			e.Boot = r.text()
		case entrySeq:
			e.Seq = r.uint()
		case entryKind:
			e.Kind = EntryKind(r.uintMax(math.MaxUint8))
		case entryTime:
			e.Time = r.time()
		case entryRequestID:
			e.RequestID = r.text()
		case entryHold:
			e.Hold = &Hold{}
			m := r.message()
			m.hold(e.Hold)
			r.fail(m.err)
		case entryRow:
			e.Row = &UsageRow{}
			m := r.message()
			m.versionedRow(e.Row)
			r.fail(m.err)
		case entryDelta:
			e.DeltaNano = protowire.DecodeZigZag(r.uint())
		case entryDay:
			e.Day = r.time()
		case entryNote:
			e.Note = r.text()
		case entryMarkup:
			e.MarkupNano = r.int()
		case entryUnconfirmed:
			e.UnconfirmedNano = r.int()
		case entryUnconfirmedTokens:
			e.UnconfirmedTokens = r.int()
		case entryAttempt:
			e.Attempt = int(r.uintMax(MaxAttempts))
		case entryPriceVersion:
			e.PriceVersion = r.text()
		case entryPriceSource:
			e.PriceSource = r.text()
		default:
			r.skip()
		}
	}
	switch {
	case r.err != nil:
		return fmt.Errorf("cannot decode entry: %w", r.err)
	case e.Kind == 0:
		return fmt.Errorf("cannot decode entry: it has no kind: %w", ErrCorrupt)
	case e.Kind == EntrySettle && e.Row == nil:
		return fmt.Errorf("cannot decode entry: a settle without a row: %w", ErrCorrupt)
	}
	return nil
}

// DecodeRow sets row to what b holds; errors and sharing as DecodeEntry's.
func DecodeRow(b []byte, row *UsageRow) error {
	*row = UsageRow{}
	r := reader{s: string(b)}
	r.versionedRow(row)
	if r.err != nil {
		return fmt.Errorf("cannot decode row: %w", r.err)
	}
	return nil
}

// known reports whether a record's version is one that is read here: the same fields
// mean the same in both.
func known(version byte) bool { return version == rowVersion || version == spentVersion }

func (r *reader) hold(h *Hold) {
	for r.next() {
		switch r.num {
		case holdKeyID:
			h.KeyID = r.text()
		case holdKeyName:
			h.KeyName = r.text()
		case holdGroup:
			h.Group = r.text()
		case holdOperation:
			h.Operation = r.text()
		case holdModel:
			h.Model = r.text()
		case holdProvider:
			h.Provider = r.text()
		case holdAccount:
			h.Account = r.text()
		case holdAccountID:
			h.AccountID = r.text()
		case holdUpstreamModel:
			h.UpstreamModel = r.text()
		case holdStream:
			h.Stream = r.bool()
		case holdReserved:
			h.ReservedNano = r.int()
		case holdInput:
			h.InputNano = r.int()
		case holdReservedTokens:
			h.ReservedTokens = r.int()
		case holdInputTokens:
			h.InputTokens = r.int()
		case holdAttempt:
			r.addAttempt(&h.Attempts)
		default:
			r.skip()
		}
	}
}

func (r *reader) versionedRow(row *UsageRow) {
	switch {
	case r.err != nil:
		return
	case r.s == "":
		r.fail(fmt.Errorf("empty row: %w", ErrCorrupt))
		return
	case !known(r.s[0]):
		r.fail(fmt.Errorf("row of version %d: %w", r.s[0], ErrNewer))
		return
	}
	r.at = 1
	for r.next() {
		if !r.rowText(row) {
			r.rowField(row)
		}
	}
}

// rowText reads the plain text fields of a row; false if the field is none of them.
func (r *reader) rowText(row *UsageRow) bool {
	var dst *string
	switch r.num {
	case rowRequestID:
		dst = &row.RequestID
	case rowClientRequestID:
		dst = &row.ClientRequestID
	case rowKeyID:
		dst = &row.KeyID
	case rowKeyName:
		dst = &row.KeyName
	case rowGroup:
		dst = &row.Group
	case rowEndUser:
		dst = &row.EndUser
	case rowOperation:
		dst = &row.Operation
	case rowDialect:
		dst = &row.Dialect
	case rowModel:
		dst = &row.Model
	case rowProvider:
		dst = &row.Provider
	case rowAccount:
		dst = &row.Account
	case rowAccountID:
		dst = &row.AccountID
	case rowUpstreamModel:
		dst = &row.UpstreamModel
	case rowUpstreamID:
		dst = &row.UpstreamID
	case rowEndReason:
		dst = &row.EndReason
	case rowUsageSource:
		dst = &row.UsageSource
	case rowPriceVersion:
		dst = &row.PriceVersion
	case rowPriceSource:
		dst = &row.PriceSource
	case rowPriceKind:
		dst = &row.PriceKind
	case rowError:
		dst = &row.Error
	default:
		return false
	}
	*dst = r.text()
	return true
}

func (r *reader) rowField(row *UsageRow) {
	switch r.num {
	case rowTime:
		row.Time = r.time()
	case rowStatus:
		row.Status = int(r.int())
	case rowStream:
		row.Stream = r.bool()
	case rowAttempt:
		r.addAttempt(&row.Attempts)
	case rowTokens:
		m := r.message()
		m.tokens(&row.Tokens)
		r.fail(m.err)
	case rowCost:
		row.CostNano = r.int()
	case rowReserved:
		row.ReservedNano = r.int()
	case rowUnconfirmedTokens:
		row.UnconfirmedTokens = r.int()
	case rowMarkup:
		row.MarkupNano = r.int()
	case rowAdjusted:
		row.AdjustedNano = r.int()
	case rowFlags:
		row.Flags = uint32(r.uintMax(math.MaxUint32))
	case rowTTFT:
		row.TTFT = r.duration()
	case rowDuration:
		row.Duration = r.duration()
	case rowOverhead:
		row.Overhead = r.duration()
	case rowTrace:
		if len(row.Trace) == MaxTrace {
			r.fail(fmt.Errorf("more than %d lines of trace: %w", MaxTrace, ErrCorrupt))
			return
		}
		row.Trace = append(row.Trace, r.text())
	case rowMetadata:
		m := r.message()
		k, v := m.pair()
		r.fail(m.err)
		if r.err != nil {
			return
		}
		if row.Metadata == nil {
			row.Metadata = make(map[string]string)
		}
		row.Metadata[k] = v
	default:
		r.skip()
	}
}

func (r *reader) addAttempt(to *[]Attempt) {
	m := r.message()
	if len(*to) == MaxAttempts {
		r.fail(fmt.Errorf("more than %d attempts: %w", MaxAttempts, ErrCorrupt))
		return
	}
	*to = append(*to, Attempt{})
	m.attempt(&(*to)[len(*to)-1])
	r.fail(m.err)
}

func (r *reader) attempt(a *Attempt) {
	for r.next() {
		switch r.num {
		case attemptProvider:
			a.Provider = r.text()
		case attemptAccount:
			a.Account = r.text()
		case attemptModel:
			a.Model = r.text()
		case attemptStatus:
			a.Status = int(r.int())
		case attemptOutcome:
			a.Outcome = r.text()
		case attemptStart:
			a.Start = r.duration()
		case attemptDuration:
			a.Duration = r.duration()
		case attemptError:
			a.Error = r.text()
		case attemptCost:
			a.CostNano = r.int()
		case attemptAccountID, attemptTokens, attemptUsageSource, attemptMarkup, attemptAdjusted, attemptPriceVersion, attemptPriceSource, attemptPriceKind:
			if a.Spent == nil {
				a.Spent = new(Spent)
			}
			r.spent(a.Spent)
		default:
			r.skip()
		}
	}
}

func (r *reader) spent(s *Spent) {
	switch r.num {
	case attemptAccountID:
		s.AccountID = r.text()
	case attemptTokens:
		m := r.message()
		m.tokens(&s.Tokens)
		r.fail(m.err)
	case attemptUsageSource:
		s.UsageSource = r.text()
	case attemptMarkup:
		s.MarkupNano = r.int()
	case attemptAdjusted:
		s.AdjustedNano = r.int()
	case attemptPriceVersion:
		s.PriceVersion = r.text()
	case attemptPriceSource:
		s.PriceSource = r.text()
	case attemptPriceKind:
		s.PriceKind = r.text()
	}
}

func (r *reader) tokens(t *Tokens) {
	fields := t.fields()
	for r.next() {
		if int(r.num) <= len(fields) {
			*fields[r.num-1] = r.int()
		} else {
			r.skip()
		}
	}
}

func (r *reader) pair() (k, v string) {
	for r.next() {
		switch r.num {
		case 1:
			k = r.text()
		case 2:
			v = r.text()
		default:
			r.skip()
		}
	}
	return k, v
}

// DecodeRows gives the settles among entries that have Encoded alone their Row.
func DecodeRows(entries []Entry) error {
	for i := range entries {
		if e := &entries[i]; e.Row == nil && e.Encoded != nil {
			e.Row = &UsageRow{}
			if err := DecodeRow(e.Encoded, e.Row); err != nil {
				return err
			}
		}
	}
	return nil
}

// PeekEntry reads the position, kind and time of an entry and where in b its row is, and
// nothing else, without allocating. Errors are as of DecodeEntry, but of the row's own.
func PeekEntry(b []byte, e *Entry) error {
	if len(b) == 0 {
		return fmt.Errorf("cannot decode entry: empty: %w", ErrCorrupt)
	}
	if !known(b[0]) {
		return fmt.Errorf("cannot decode entry of version %d: %w", b[0], ErrNewer)
	}
	*e = Entry{}
	w := walker{b: b, at: 1}
	for w.next() {
		switch {
		case w.typ == protowire.VarintType && w.num == entrySeq:
			e.Seq = w.v
		case w.typ == protowire.VarintType && w.num == entryKind && w.v <= math.MaxUint8:
			e.Kind = EntryKind(w.v)
		case w.typ == protowire.Fixed64Type && w.num == entryTime:
			e.Time = time.Unix(0, int64(w.v)).UTC()
		case w.typ == protowire.BytesType && w.num == entryRow:
			e.Encoded = w.text
		}
	}
	switch {
	case w.bad || e.Seq == 0 || e.Kind == 0:
		return fmt.Errorf("cannot decode entry: it has no position or kind, or is cut short: %w", ErrCorrupt)
	case e.Kind == EntrySettle && len(e.Encoded) == 0:
		return fmt.Errorf("cannot decode entry: a settle without a row: %w", ErrCorrupt)
	}
	return nil
}
