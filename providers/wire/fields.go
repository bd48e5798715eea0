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
	out, _, err := names.Survey(body, out, nil)
	return out, err
}

// Each tells what to do with the members of the object that a wanted member of that name
// is: f is called for each, as by EachMember, before it is known whether the body is well-formed.
type Each struct {
	Name string // as wanted
	F    func(name, value []byte)
}

// Survey is Fields, and reports whether it saw that body is ASCII alone. The members of
// one object are told as they are validated, unless each is nil.
func (names *Names) Survey(body []byte, out []Field, each *Each) (fields []Field, ascii bool, err error) {
	out, traits, at, msg := names.scan(body, out, each)
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
func (names *Names) scan(b []byte, out []Field, each *Each) (fields []Field, traits uint64, at int, msg string) {
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
		if each != nil && c == '{' && name == each.Name {
			end, count, t, msg = scanMembers(b, value, each.F)
		} else {
			end, count, t, msg = scanValue(b, value, c, inRoot)
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

// scanValue validates the value at b[i], which begins with c, of a member within the objects
// that are open; the rest is as of scanContainer.
func scanValue(b []byte, i int, c byte, open uint64) (end, count int, traits uint64, msg string) {
	switch c {
	case '"':
		if end = shortString(b, i); end == 0 {
			end, traits, msg = scanString(b, i)
		}
	case '{', '[':
		return scanContainer(b, i, open)
	default:
		if end = wholeNumber(b, i); end == 0 {
			end, msg = scanScalar(b, i)
		}
	}
	return end, 0, traits, msg
}

// scanMembers is scanContainer of an object, a member of the root, and calls f for each of
// its members.
func scanMembers(b []byte, i int, f func(name, value []byte)) (end, count int, traits uint64, msg string) {
	if c, at := token(b, i+1); c == '}' {
		return at + 1, 0, 0, ""
	}
	for i++; ; i++ {
		start, end, next, t, msg := scanName(b, i)
		if msg != "" {
			return next, count, traits, msg
		}
		name := b[start+1 : end-1]
		if t&escaped != 0 {
			s, _ := unquote(b[start:end])
			name = []byte(s)
		}
		traits |= t
		c, value := token(b, next)
		end, _, t, msg = scanValue(b, value, c, inMember)
		if msg != "" {
			return end, count, traits, msg
		}
		traits |= t
		f(name, b[value:end])
		count++
		switch c, i = token(b, end); c {
		case ',':
		case '}':
			return i + 1, count, traits, ""
		default:
			return i, count, traits, orEnd(b, i, msgComma)
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
