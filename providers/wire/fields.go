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

// Fields appends to out a Field for each member of the object body whose name is in
// want; see Names.Fields, for names that are the same each time.
func Fields(body []byte, want []string, out []Field) ([]Field, error) {
	if len(want) == 0 {
		return none.Fields(body, out)
	}
	return NewNames(want...).Fields(body, out)
}

var none = NewNames()

// Fields appends to out a Field for each member of the object body that has one of these
// names, in the order they occur, in one pass and without decoding anything. It validates
// the whole document (RFC 8259, UTF-8, at most 64 levels and 1,000 top-level members;
// escapes of lone surrogates are allowed, a byte order mark is not).
//
// JSON readers disagree on which of several spellings of a name counts, so that
// a body could show one model to the gateway and another to the vendor: for
// wanted names a duplicate, a spelling that differs in case only (encoding/json
// folds as Unicode does) and a spelling with escapes are refused.
//
// Its error is a *SyntaxError. out is returned as far as it got.
func (names *Names) Fields(body []byte, out []Field) ([]Field, error) {
	out, _, err := names.Survey(body, out)
	return out, err
}

// Survey is Fields, and reports whether it saw that body is ASCII alone.
func (names *Names) Survey(body []byte, out []Field) (fields []Field, ascii bool, err error) {
	out, traits, at, msg := names.scan(body, out)
	if msg == "" && traits&highs == 0 {
		return out, true, nil
	}
	switch {
	case bytes.HasPrefix(body, bom):
		at, msg = 0, "byte order mark before the JSON object"
	case !utf8.Valid(body):
		at, msg = invalidUTF8(body), "invalid UTF-8"
	}
	if msg != "" {
		return out, false, &SyntaxError{Offset: at, Msg: msg}
	}
	return out, false, nil
}

// scan is Fields but for the UTF-8 of strings, of which it gathers the traits instead.
// With a message, at is the offset of the fault. It neither recurses nor allocates.
func (names *Names) scan(b []byte, out []Field) (fields []Field, traits uint64, at int, msg string) {
	c, i := token(b, 0)
	if c != '{' {
		return out, 0, i, orEnd(b, i, "expected a JSON object")
	}
	i++
	if c, end := token(b, i); c == '}' {
		at, msg = finish(b, end+1)
		return out, 0, at, msg
	}
	had := len(out)
	comma := -1 // offset of the comma before the member at hand
	for left := maxMembers; ; left-- {
		if left == 0 {
			return out, traits, i, msgMembers
		}
		start, end, next, t, msg := scanName(b, i)
		if msg != "" {
			return out, traits, next, msg
		}
		traits |= t
		var name string
		found := false
		if t != 0 || names.slots>>slot(b[end-2], end-start-2)&1 == 1 {
			if name, found, msg = names.find(b[start+1:end-1], t); msg != "" {
				return out, traits, start, msg
			}
		}
		c, value := token(b, next)
		count := 0
		switch c {
		case '"':
			if end = shortString(b, value); end == 0 {
				end, t, msg = scanString(b, value)
			}
		case '{', '[':
			end, count, t, msg = scanContainer(b, value)
		default:
			end, msg = scanScalar(b, value)
		}
		if msg != "" {
			return out, traits, end, msg
		}
		traits |= t
		if c, i = token(b, end); c == 0 && i == len(b) {
			return out, traits, i, msgEnd
		}
		if found {
			if has(out[had:], name) {
				return out, traits, start, fmt.Sprintf("duplicate member %q", name)
			}
			f := Field{Name: name, NameStart: start, Start: value, End: end, CutStart: start, CutEnd: end, Count: count}
			if c == ',' {
				f.CutEnd = i + 1
			} else if comma >= 0 {
				f.CutStart = comma
			}
			out = append(out, f)
		}
		switch c {
		case ',':
			comma = i
			i++
		case '}':
			at, msg = finish(b, i+1)
			return out, traits, at, msg
		default:
			return out, traits, i, msgComma
		}
	}
}

// finish checks that nothing but white space follows the root object, which ends at i.
func finish(b []byte, i int) (at int, msg string) {
	if i = skipSpace(b, i); i < len(b) {
		return i, "unexpected text behind the JSON object"
	}
	return i, ""
}

// has reports whether there is a Field of this name.
func has(fields []Field, name string) bool {
	for i := range fields {
		if fields[i].Name == name {
			return true
		}
	}
	return false
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
