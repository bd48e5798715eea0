package store

import (
	"errors"
	"fmt"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// ErrCorrupt says that stored bytes are not a record.
var ErrCorrupt = errors.New("corrupt record")

// DecodeEntry sets e to what b holds. The strings of e share one copy of b, so b
// may be reused. A version it does not know gives an error that wraps ErrNewer,
// anything else that is wrong one that wraps ErrCorrupt; it never panics.
func DecodeEntry(b []byte, e *Entry) error {
	e.Row = nil // may be somebody's still
	err := DecodeWhole(b, e)
	e.Encoded = ""
	return err
}

// DecodeWhole is DecodeEntry, keeps the row's stored form with it, and decodes the row
// into e.Row if there is one before.
func DecodeWhole(b []byte, e *Entry) error {
	if len(b) == 0 {
		return fmt.Errorf("cannot decode entry: empty: %w", ErrCorrupt)
	}
	if !known(b[0]) {
		return fmt.Errorf("cannot decode entry of version %d: %w", b[0], ErrNewer)
	}
	row := e.Row
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
			if row == nil {
				row = new(UsageRow)
			}
			e.Row = row
			attempts := row.Attempts[:0]
			*row = UsageRow{Attempts: attempts}
			m := r.message()
			e.Encoded = m.s
			m.versionedRow(row)
			if len(row.Attempts) == 0 {
				row.Attempts = nil
			}
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

// PeekEntry reads the position and the kind of an entry without the rest of it,
// and without allocating. Errors are as of DecodeEntry.
func PeekEntry(b []byte) (seq uint64, kind EntryKind, err error) {
	if len(b) == 0 {
		return 0, 0, fmt.Errorf("cannot decode entry: empty: %w", ErrCorrupt)
	}
	if !known(b[0]) {
		return 0, 0, fmt.Errorf("cannot decode entry of version %d: %w", b[0], ErrNewer)
	}
	for b = b[1:]; len(b) > 0 && (seq == 0 || kind == 0); {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			break
		}
		b = b[n:]
		if typ == protowire.VarintType && (num == entrySeq || num == entryKind) {
			v, m := protowire.ConsumeVarint(b)
			if m < 0 || num == entryKind && v > math.MaxUint8 {
				break
			}
			if num == entrySeq {
				seq = v
			} else {
				kind = EntryKind(v)
			}
			b = b[m:]
			continue
		}
		if n = protowire.ConsumeFieldValue(num, typ, b); n < 0 {
			break
		}
		b = b[n:]
	}
	if seq == 0 || kind == 0 {
		return 0, 0, fmt.Errorf("cannot decode entry: it has no position or kind: %w", ErrCorrupt)
	}
	return seq, kind, nil
}
