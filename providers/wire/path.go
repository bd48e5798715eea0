package wire

import (
	"bytes"
	"math"
	"strconv"
)

// The functions here read what vendors send. They take the shortest way to a
// value and do not validate what they skip, so that one bad member elsewhere
// does not hide a usage report; they never panic and never leave the slice.

// Path finds the value at the given member path below the root, as the span
// [start, end) of body. An element of the path that is a decimal number selects
// from an array. Of duplicate names the first counts. An empty path finds the root.
func Path(body []byte, path ...string) (start, end int, ok bool) {
	i := 0
	if bytes.HasPrefix(body, bom) {
		i = len(bom)
	}
	i = skipSpace(body, i)
	for _, step := range path {
		if i >= len(body) {
			return 0, 0, false
		}
		var found int
		switch body[i] {
		case '{':
			found = memberOf(body, i, step)
		case '[':
			found = elementOf(body, i, step)
		default:
			return 0, 0, false
		}
		if found < 0 {
			return 0, 0, false
		}
		i = found
	}
	if end = skipValue(body, i); end < 0 {
		return 0, 0, false
	}
	return i, end, true
}

// memberOf returns the offset of the value named name in the object at b[i], or -1.
func memberOf(b []byte, i int, name string) int {
	for it := (members{b: b, i: i + 1}); it.next(); {
		if it.is(name) {
			return it.start
		}
		if !it.skip() {
			return -1
		}
	}
	return -1
}

// elementOf returns the offset of the element whose decimal index is step in the array at b[i], or -1.
func elementOf(b []byte, i int, step string) int {
	n, err := strconv.Atoi(step)
	if err != nil || n < 0 {
		return -1
	}
	i = skipSpace(b, i+1)
	for ; n > 0; n-- {
		if i = skipValue(b, i); i < 0 {
			return -1
		}
		if i = skipSpace(b, i); i >= len(b) || b[i] != ',' {
			return -1
		}
		i = skipSpace(b, i+1)
	}
	if i >= len(b) || b[i] == ']' {
		return -1
	}
	return i
}

// members walks over an object: next finds a name and its value's start, skip steps over the value.
type members struct {
	b                  []byte
	i                  int // what to read next
	nameStart, nameEnd int // without quotes
	start, end         int // of the value; end is set by skip
}

func (m *members) next() bool {
	m.i = skipSpace(m.b, m.i)
	if m.i < len(m.b) && m.b[m.i] == ',' {
		m.i = skipSpace(m.b, m.i+1)
	}
	if m.i >= len(m.b) || m.b[m.i] != '"' {
		return false
	}
	end := skipString(m.b, m.i)
	if end < 0 {
		return false
	}
	m.nameStart, m.nameEnd = m.i+1, end-1
	i := skipSpace(m.b, end)
	if i >= len(m.b) || m.b[i] != ':' {
		return false
	}
	m.start = skipSpace(m.b, i+1)
	return m.start < len(m.b)
}

func (m *members) skip() bool {
	m.end = skipValue(m.b, m.start)
	m.i = m.end
	return m.end >= 0
}

func (m *members) is(name string) bool {
	raw := m.b[m.nameStart:m.nameEnd]
	if string(raw) == name {
		return true
	}
	if bytes.IndexByte(raw, '\\') < 0 {
		return false
	}
	s, ok := String(m.b[m.nameStart-1 : m.nameEnd+1])
	return ok && s == name
}

// skipString returns the index behind the string whose opening quote is b[i], or -1. A
// quote ends it unless an odd number of backslashes stands before.
func skipString(b []byte, i int) int {
	i++
	for start := i; ; {
		n := bytes.IndexByte(b[i:], '"')
		if n < 0 {
			return -1
		}
		i += n + 1
		slash := i - 2
		for slash >= start && b[slash] == '\\' {
			slash--
		}
		if (i-2-slash)%2 == 0 {
			return i
		}
	}
}

// skipValue returns the index behind the value at b[i], or -1. It counts brackets and trusts that they match.
func skipValue(b []byte, i int) int {
	if i >= len(b) {
		return -1
	}
	switch b[i] {
	case '"':
		return skipString(b, i)
	case '{', '[':
	case ',', ':', '}', ']':
		return -1
	default:
		start := i
		for i < len(b) && b[i] > ' ' && b[i] != ',' && b[i] != '}' && b[i] != ']' {
			i++
		}
		if i == start {
			return -1
		}
		return i
	}
	depth := 0
	for i < len(b) {
		switch b[i] {
		case '"':
			if i = skipString(b, i); i < 0 {
				return -1
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
		i++
	}
	return -1
}

// EachMember calls f for each member of the object obj until f returns false or
// the object ends or breaks. Names come without quotes and escapes.
func EachMember(obj []byte, f func(name, value []byte) bool) {
	i := skipSpace(obj, 0)
	if i >= len(obj) || obj[i] != '{' {
		return
	}
	for it := (members{b: obj, i: i + 1}); it.next() && it.skip(); {
		name := obj[it.nameStart:it.nameEnd]
		if bytes.IndexByte(name, '\\') >= 0 {
			s, ok := String(obj[it.nameStart-1 : it.nameEnd+1])
			if !ok {
				return
			}
			name = []byte(s)
		}
		if !f(name, obj[it.start:it.end]) {
			return
		}
	}
}

// EachElement calls f for each element of the array arr until f returns false or the array ends or breaks.
func EachElement(arr []byte, f func(elem []byte) bool) {
	i := skipSpace(arr, 0)
	if i >= len(arr) || arr[i] != '[' {
		return
	}
	i = skipSpace(arr, i+1)
	for {
		end := skipValue(arr, i)
		if end < 0 || !f(arr[i:end]) {
			return
		}
		if i = skipSpace(arr, end); i >= len(arr) || arr[i] != ',' {
			return
		}
		i = skipSpace(arr, i+1)
	}
}

// Int reads a JSON number as an integer: a fraction is cut off, and what does
// not fit becomes the nearest int64. It reports false for anything but a number.
func Int(b []byte) (int64, bool) {
	b = bytes.TrimSpace(b)
	if len(b) == 0 {
		return 0, false
	}
	end, ok := scanNumber(b, 0)
	if !ok || end != len(b) {
		return 0, false
	}
	digits, neg := b, b[0] == '-'
	if neg {
		digits = b[1:]
	}
	if len(digits) <= 18 {
		var n int64
		for i, c := range digits {
			if c < '0' || c > '9' {
				break
			}
			n = n*10 + int64(c-'0')
			if i == len(digits)-1 {
				if neg {
					n = -n
				}
				return n, true
			}
		}
	}
	if n, err := strconv.ParseInt(string(b), 10, 64); err == nil {
		return n, true
	}
	f, _ := strconv.ParseFloat(string(b), 64) // its only error here is the range, for which it gives ±Inf
	switch {
	case f >= math.MaxInt64:
		return math.MaxInt64, true
	case f <= math.MinInt64:
		return math.MinInt64, true
	}
	return int64(f), true
}

// String reads a JSON string. Bytes that are not UTF-8 and lone surrogates
// become U+FFFD. It reports false for anything but a well-formed string.
func String(b []byte) (string, bool) {
	b = bytes.Trim(b, " \n\r\t")
	if len(b) < 2 || b[0] != '"' || b[len(b)-1] != '"' {
		return "", false
	}
	return unquote(b)
}
