package wire

import (
	"bytes"
	"fmt"
	"unicode/utf8"
)

// A Field is a top-level member of a body, by byte offsets.
type Field struct {
	Name       string // as wanted
	NameStart  int    // offset of the name's opening quote
	Start, End int    // the value
	// CutStart and CutEnd span what to delete to remove the member: itself and
	// one adjoining comma, so that the object stays valid JSON. Splice knows how
	// to join the cuts of neighbours.
	CutStart, CutEnd int
	Count            int // elements if the value is an array, members if it is an object
}

// A SyntaxError says what is wrong with a body, and where.
type SyntaxError struct {
	Offset int // in bytes from the start of the body
	Msg    string
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("%s at byte %d", e.Msg, e.Offset) }

// Fields appends to out a Field for each member of the object body whose name
// is in want (ASCII names), in the order they occur, in one pass and without
// decoding anything. It validates the whole document (RFC 8259, UTF-8, at most
// 64 levels and 1,000 top-level members; escapes of lone surrogates are allowed, a byte order mark is not).
//
// JSON readers disagree on which of several spellings of a name counts, so that
// a body could show one model to the gateway and another to the vendor: for
// wanted names a duplicate, a spelling that differs in case only (encoding/json
// folds as Unicode does) and a spelling with escapes are refused.
//
// Its error is a *SyntaxError. out is returned as far as it got.
func Fields(body []byte, want []string, out []Field) ([]Field, error) {
	fail := func(at int, msg string) ([]Field, error) { return out, &SyntaxError{Offset: at, Msg: msg} }
	if bytes.HasPrefix(body, bom) {
		return fail(0, "byte order mark before the JSON object")
	}
	if !ascii(body) && !utf8.Valid(body) {
		return fail(invalidUTF8(body), "invalid UTF-8")
	}
	i := skipSpace(body, 0)
	if i >= len(body) {
		return fail(i, msgEnd)
	}
	if body[i] != '{' {
		return fail(i, "expected a JSON object")
	}
	names := newNameSet(want)
	base := len(out)
	comma := -1 // offset of the comma before the member at hand
	members := 0
	i = skipSpace(body, i+1)
	if i < len(body) && body[i] == '}' {
		return finish(body, i+1, out)
	}
	for {
		if members++; members > maxMembers {
			return fail(i, msgMembers)
		}
		nameStart, nameEnd, next, escaped, msg := scanName(body, i)
		if msg != "" {
			return fail(next, msg)
		}
		which, msg := names.find(body[nameStart+1:nameEnd-1], escaped)
		if msg != "" {
			return fail(nameStart, msg)
		}
		start, end, count, msg := scanValue(body, next, 1)
		if msg != "" {
			return fail(end, msg)
		}
		i = skipSpace(body, end)
		if i >= len(body) {
			return fail(i, msgEnd)
		}
		if which >= 0 {
			for k := range out[base:] {
				if out[base+k].Name == want[which] {
					return fail(nameStart, fmt.Sprintf("duplicate member %q", want[which]))
				}
			}
			f := Field{Name: want[which], NameStart: nameStart, Start: start, End: end, CutStart: nameStart, CutEnd: end, Count: count}
			if body[i] == ',' {
				f.CutEnd = i + 1
			} else if comma >= 0 {
				f.CutStart = comma
			}
			out = append(out, f)
		}
		switch body[i] {
		case ',':
			comma = i
			i++
		case '}':
			return finish(body, i+1, out)
		default:
			return fail(i, msgComma)
		}
	}
}

// finish checks that nothing but white space follows the root object, which ends at i.
func finish(body []byte, i int, out []Field) ([]Field, error) {
	if i = skipSpace(body, i); i < len(body) {
		return out, &SyntaxError{Offset: i, Msg: "unexpected text behind the JSON object"}
	}
	return out, nil
}

// invalidUTF8 returns the offset of the first byte that is not UTF-8.
func invalidUTF8(b []byte) int {
	i := 0
	for i < len(b) {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return i
}

// A nameSet tells wanted names from others; most names are sorted out by length alone.
type nameSet struct {
	want    []string
	lengths uint64 // bit n: a wanted name has n bytes (bit 63: 63 or more)
	longest int
}

func newNameSet(want []string) nameSet {
	s := nameSet{want: want}
	for _, w := range want {
		s.lengths |= 1 << min(len(w), 63)
		s.longest = max(s.longest, len(w))
	}
	return s
}

// find returns which wanted name raw (without quotes) is, or -1; a message if it is a forbidden spelling of one.
func (s *nameSet) find(raw []byte, escaped bool) (which int, msg string) {
	if !escaped {
		if s.lengths>>min(len(raw), 63)&1 == 1 {
			for i, w := range s.want {
				if string(raw) == w {
					return i, ""
				}
			}
		} else if len(raw) > 3*s.longest { // no fold of a wanted name is longer: the Kelvin sign has 3 bytes
			return -1, ""
		}
	}
	var buf [128]byte
	plain, ok := foldName(buf[:0], raw, s.longest)
	if !ok || s.lengths>>min(len(plain), 63)&1 == 0 {
		return -1, ""
	}
	for _, w := range s.want {
		if len(w) != len(plain) || !equalFoldASCII(plain, w) {
			continue
		}
		if escaped {
			return -1, fmt.Sprintf("member %q is spelt with escapes", w)
		}
		return -1, fmt.Sprintf("member %q must be spelt %q", raw, w)
	}
	return -1, ""
}

// foldName appends the name as it reads without escapes, with the two runes
// outside ASCII that fold into it replaced. It reports false if the name has
// more than limit bytes then, or is not ASCII, and so is no wanted name.
func foldName(dst, raw []byte, limit int) ([]byte, bool) {
	for i := 0; i < len(raw); {
		r, n := rune(raw[i]), 1
		switch {
		case r == '\\':
			n = escapeLen(raw[i:])
			if n == 6 {
				r, _ = hex4(raw[i+2:])
			} else {
				r = rune(raw[i+1]) // the letter itself: no wanted name holds a control character
				if r != '/' && r != '\\' && r != '"' {
					return dst, false
				}
			}
		case r >= utf8.RuneSelf:
			r, n = utf8.DecodeRune(raw[i:])
		}
		switch r {
		case 'ſ': // U+017F folds to s
			r = 's'
		case '\u212A': // the Kelvin sign folds to k
			r = 'k'
		}
		if r >= utf8.RuneSelf || len(dst) == limit {
			return dst, false
		}
		dst = append(dst, byte(r))
		i += n
	}
	return dst, true
}

func equalFoldASCII(a []byte, b string) bool {
	lower := func(c byte) byte {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		return c
	}
	for i := range a {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}
