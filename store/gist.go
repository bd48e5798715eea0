package store

import (
	"encoding/binary"
	"math"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// A walker goes through the fields of a message, which stays as it is: text is a part of it.
type walker struct {
	b    []byte
	at   int
	num  protowire.Number
	typ  protowire.Type
	v    uint64 // of a number, or of a time
	text []byte // of text, or of a message
	bad  bool   // it is none
}

// next reads a field; false: there are no more.
func (w *walker) next() bool {
	b, at := w.b, w.at
	if at >= len(b) {
		return false
	}
	tag := uint64(b[at])
	if at++; tag >= 0x80 {
		if tag, at = varint(b, at); at == 0 {
			return w.fail()
		}
	}
	num := tag >> 3
	if num == 0 || num > math.MaxInt32 {
		return w.fail()
	}
	w.num, w.typ = protowire.Number(num), protowire.Type(tag&7)
	switch w.typ {
	case protowire.VarintType, protowire.BytesType:
		if at == len(b) {
			return w.fail()
		}
		v := uint64(b[at])
		if at++; v >= 0x80 {
			if v, at = varint(b, at); at == 0 {
				return w.fail()
			}
		}
		if w.typ == protowire.VarintType {
			w.v, w.at = v, at
			return true
		}
		if v > uint64(len(b)-at) {
			return w.fail()
		}
		w.at = at + int(v)
		w.text = b[at:w.at:w.at]
	case protowire.Fixed64Type:
		if len(b)-at < 8 {
			return w.fail()
		}
		w.v, w.at = binary.LittleEndian.Uint64(b[at:]), at+8
	default:
		n := protowire.ConsumeFieldValue(w.num, w.typ, b[at:])
		if n < 0 {
			return w.fail()
		}
		w.at = at + n
	}
	return true
}

// varint reads a number of more than one byte, the first of which is before at, and
// returns where it ends; 0: it is none.
func varint(b []byte, at int) (v uint64, end int) {
	v = uint64(b[at-1] & 0x7f)
	for shift := 7; shift < 64 && at < len(b); shift += 7 {
		c := uint64(b[at])
		at++
		v |= c & 0x7f << shift
		if c < 0x80 {
			if shift == 63 && c > 1 {
				break // beyond 64 bits
			}
			return v, at
		}
	}
	return 0, 0
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
// what is not part of the gist may not be looked at.
func (g *Gist) Read(b []byte) error {
	g.UsageRow, g.ID = UsageRow{}, nil
	if len(b) > 0 && b[0] == rowVersion && g.plain(b) {
		return nil
	}
	// Of another version, or what AppendRow does not write.
	err := DecodeRow(b, &g.UsageRow)
	g.ID = []byte(g.RequestID)
	return err
}

// plain reads a row as AppendRow writes it; false if it is anything else.
func (g *Gist) plain(b []byte) bool {
	for at := 1; at < len(b); {
		tag := uint(b[at])
		if at++; tag >= 0x80 {
			if at == len(b) || b[at] >= 0x80 {
				return false
			}
			tag = tag&0x7f | uint(b[at])<<7
			at++
		}
		num := protowire.Number(tag >> 3)
		if num == 0 || at == len(b) {
			return false
		}
		switch typ := protowire.Type(tag & 7); typ {
		case protowire.VarintType, protowire.BytesType:
			v := uint64(b[at])
			if at++; v >= 0x80 {
				if v, at = varint(b, at); at == 0 {
					return false
				}
			}
			if typ == protowire.VarintType {
				g.number(num, int64(v))
				continue
			}
			if v > uint64(len(b)-at) {
				return false
			}
			text := b[at : at+int(v)]
			if at += int(v); num == rowTokens {
				if !g.tokens(text) {
					return false
				}
				continue
			}
			g.setText(num, text)
		case protowire.Fixed64Type:
			if len(b)-at < 8 {
				return false
			}
			if num == rowTime {
				g.Time = time.Unix(0, int64(binary.LittleEndian.Uint64(b[at:]))).UTC()
			}
			at += 8
		default:
			return false
		}
	}
	return true
}

func (g *Gist) setText(num protowire.Number, text []byte) {
	switch num {
	case rowRequestID:
		g.ID = text
	case rowKeyID:
		g.KeyID = g.same(num, text)
	case rowKeyName:
		g.KeyName = g.same(num, text)
	case rowGroup:
		g.Group = g.same(num, text)
	case rowModel:
		g.Model = g.same(num, text)
	case rowProvider:
		g.Provider = g.same(num, text)
	case rowAccount:
		g.Account = g.same(num, text)
	case rowEndReason:
		g.EndReason = g.same(num, text)
	case rowUsageSource:
		g.UsageSource = g.same(num, text)
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

func (g *Gist) tokens(b []byte) bool {
	fields := g.Tokens.fields()
	w := walker{b: b}
	for w.next() {
		n := int(w.num)
		if w.typ != protowire.VarintType || n > len(fields) {
			return false
		}
		*fields[n-1] = int64(w.v)
	}
	return !w.bad
}

// same returns a text as it is in memory already, if it is: most rows are like others.
func (g *Gist) same(num protowire.Number, text []byte) string {
	if last := g.texts[num]; last == string(text) {
		return last
	}
	s, found := g.known[string(text)]
	if !found {
		if g.known == nil || len(g.known) == mostGists {
			g.known = make(map[string]string)
		}
		s = string(text)
		g.known[s] = s
	}
	g.texts[num] = s
	return s
}
