package store

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// A walker goes through the fields of a message, which stays as it is: text is a part of it.
type walker struct {
	rest []byte
	num  protowire.Number
	typ  protowire.Type
	v    uint64 // of a number, or of a time
	text []byte // of anything else
	bad  bool   // it is none
}

// next reads a field; false: there are no more.
func (w *walker) next() bool {
	b := w.rest
	if len(b) == 0 {
		return false
	}
	tag, n := uint64(b[0]), 1
	if tag >= 0x80 {
		if tag, n = binary.Uvarint(b); n <= 0 {
			return w.fail()
		}
	}
	b = b[n:]
	if num := tag >> 3; num == 0 || num > math.MaxInt32 {
		return w.fail()
	}
	w.num, w.typ, w.text = protowire.Number(tag>>3), protowire.Type(tag&7), nil
	switch w.typ {
	case protowire.VarintType, protowire.BytesType:
		v, n := uint64(0), 1
		if len(b) > 0 && b[0] < 0x80 {
			v = uint64(b[0])
		} else if v, n = binary.Uvarint(b); n <= 0 {
			return w.fail()
		}
		if b = b[n:]; w.typ == protowire.VarintType {
			w.v = v
			break
		}
		if v > uint64(len(b)) {
			return w.fail()
		}
		w.text, b = b[:v:v], b[v:]
	case protowire.Fixed64Type:
		if len(b) < 8 {
			return w.fail()
		}
		w.v, b = binary.LittleEndian.Uint64(b), b[8:]
	default:
		n := protowire.ConsumeFieldValue(w.num, w.typ, b)
		if n < 0 {
			return w.fail()
		}
		b = b[n:]
	}
	w.rest = b
	return true
}

func (w *walker) fail() bool {
	w.bad = true
	return false
}

// A Gist is what roll-ups and indexes need of a row.
type Gist struct {
	// UsageRow has its time, key, group, model, target, end, tokens, money and durations,
	// and no more but where attempts have Spent.
	UsageRow
	ID    []byte // RequestID, a part of what was read
	known map[string]string
	texts [rowUsageSource + 1]string // by field, of the row before
}

// mostGists bounds the texts that are kept to be used again.
const mostGists = 1 << 12

// Read sets g to the gist of a row in its stored form. Errors are as of DecodeRow, but
// what is not part of the gist is not looked at.
func (g *Gist) Read(b []byte) error {
	g.UsageRow, g.ID = UsageRow{}, nil
	switch {
	case len(b) == 0:
		return fmt.Errorf("cannot decode row: empty: %w", ErrCorrupt)
	case b[0] == spentVersion: // rare, and all of it counts
		err := DecodeRow(b, &g.UsageRow)
		g.ID = []byte(g.RequestID)
		return err
	case b[0] != rowVersion:
		return fmt.Errorf("cannot decode row of version %d: %w", b[0], ErrNewer)
	}
	w := walker{rest: b[1:]}
	for w.next() {
		switch w.typ {
		case protowire.BytesType:
			g.bytes(&w)
		case protowire.VarintType:
			g.number(w.num, int64(w.v))
		case protowire.Fixed64Type:
			if w.num == rowTime {
				g.Time = time.Unix(0, int64(w.v)).UTC()
			}
		}
	}
	if w.bad {
		return fmt.Errorf("cannot decode row: a field is cut short: %w", ErrCorrupt)
	}
	return nil
}

func (g *Gist) bytes(w *walker) {
	switch w.num {
	case rowRequestID:
		g.ID = w.text
	case rowKeyID:
		g.KeyID = g.same(w)
	case rowKeyName:
		g.KeyName = g.same(w)
	case rowGroup:
		g.Group = g.same(w)
	case rowModel:
		g.Model = g.same(w)
	case rowProvider:
		g.Provider = g.same(w)
	case rowAccount:
		g.Account = g.same(w)
	case rowEndReason:
		g.EndReason = g.same(w)
	case rowUsageSource:
		g.UsageSource = g.same(w)
	case rowTokens:
		g.tokens(walker{rest: w.text}, w)
	}
}

func (g *Gist) number(num protowire.Number, v int64) {
	switch num {
	case rowStatus:
		g.Status = int(v)
	case rowCost:
		g.CostNano = v
	case rowReserved:
		g.ReservedNano = v
	case rowUnconfirmedTokens:
		g.UnconfirmedTokens = v
	case rowMarkup:
		g.MarkupNano = v
	case rowAdjusted:
		g.AdjustedNano = v
	case rowFlags:
		g.Flags = uint32(v)
	case rowTTFT:
		g.TTFT = time.Duration(v)
	case rowDuration:
		g.Duration = time.Duration(v)
	}
}

func (g *Gist) tokens(of walker, w *walker) {
	fields := g.Tokens.fields()
	for of.next() {
		if n := int(of.num); of.typ == protowire.VarintType && n <= len(fields) {
			*fields[n-1] = int64(of.v)
		}
	}
	w.bad = w.bad || of.bad
}

// same returns a text as it is in memory already, if it is: most rows are like others.
func (g *Gist) same(w *walker) string {
	if last := g.texts[w.num]; last == string(w.text) {
		return last
	}
	s, found := g.known[string(w.text)]
	if !found {
		if g.known == nil || len(g.known) == mostGists {
			g.known = make(map[string]string)
		}
		s = string(w.text)
		g.known[s] = s
	}
	g.texts[w.num] = s
	return s
}
