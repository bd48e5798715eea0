package wire

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/bits"
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
	for i++; i >= 0; {
		nameStart, nameEnd, start, plain := nextMember(b, i)
		if start == 0 {
			return -1
		}
		if raw := b[nameStart:nameEnd]; plain && string(raw) == name {
			return start
		}
		if !plain {
			if s, ok := String(b[nameStart-1 : nameEnd+1]); ok && s == name {
				return start
			}
		}
		i = skipValue(b, start)
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

// nextMember reads on in an object, from behind its brace or one of its values: nameStart
// and nameEnd span the next member's name without quotes, and plain tells that it holds no
// backslash; start is where its value begins, 0 if there is none.
func nextMember(b []byte, i int) (nameStart, nameEnd, start int, plain bool) {
	c, i := token(b, i)
	if c == ',' {
		c, i = token(b, i+1)
	}
	if c != '"' {
		return 0, 0, 0, false
	}
	nameStart = i + 1
	if end := shortString(b, i); end > 0 {
		i, plain = end, true
	} else if i, plain = skipName(b, i); i < 0 {
		return 0, 0, 0, false
	}
	nameEnd = i - 1
	if c, i = token(b, i); c != ':' {
		return 0, 0, 0, false
	}
	if _, i = token(b, i+1); i >= len(b) {
		return 0, 0, 0, false
	}
	return nameStart, nameEnd, i, plain
}

// skipName is SkipString for a name; plain tells that it holds no backslash.
func skipName(b []byte, i int) (end int, plain bool) {
	if end = SkipString(b, i); end < 0 {
		return end, false
	}
	return end, bytes.IndexByte(b[i:end], '\\') < 0
}

// SkipString returns the index behind the string whose opening quote is b[i], or -1. A
// quote ends it unless an odd number of backslashes stands before.
func SkipString(b []byte, i int) int {
	start := i + 1
	for i = start; ; i++ {
		if i = indexQuote(b, i); i < 0 {
			return -1
		}
		slash := i - 1
		for slash >= start && b[slash] == '\\' {
			slash--
		}
		if (i-1-slash)%2 == 0 {
			return i + 1
		}
	}
}

// indexQuote returns the index of the first quote at or behind b[i], or -1. It mostly is
// so near that a few words are looked at sooner than a search by blocks begins.
func indexQuote(b []byte, i int) int {
	for end := i + 32; i < end && len(b)-i >= 8; i += 8 {
		x := binary.LittleEndian.Uint64(b[i:i+8:i+8]) ^ quotes
		if m := (x - ones) &^ x & highs; m != 0 {
			return i + bits.TrailingZeros64(m)/8
		}
	}
	if n := bytes.IndexByte(b[i:], '"'); n >= 0 {
		return i + n
	}
	return -1
}

// skipValue returns the index behind the value at b[i], or -1. It counts brackets and trusts that they match.
func skipValue(b []byte, i int) int {
	if i >= len(b) {
		return -1
	}
	switch b[i] {
	case '"':
		return SkipString(b, i)
	case '{', '[':
	case ',', ':', '}', ']':
		return -1
	default:
		start := i
		for i < len(b) && b[i] > ' ' && b[i] != ',' && b[i]|0x20 != '}' { // ']' becomes a '}'
			i++
		}
		if i == start {
			return -1
		}
		return i
	}
	for depth := 0; i < len(b); i++ {
		switch kinds[b[i]] {
		case isQuote:
			if i = SkipString(b, i) - 1; i < 0 {
				return -1
			}
		case isOpen:
			depth++
		case isClose:
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return -1
}

// EachMember calls f for each member of the object obj until f returns false or
// the object ends or breaks. Names come without quotes and escapes.
func EachMember(obj []byte, f func(name, value []byte) bool) {
	c, i := token(obj, 0)
	if c != '{' {
		return
	}
	for i++; ; {
		nameStart, nameEnd, start, plain := nextMember(obj, i)
		if start == 0 {
			return
		}
		if i = skipValue(obj, start); i < 0 {
			return
		}
		name := obj[nameStart:nameEnd]
		if !plain {
			s, ok := String(obj[nameStart-1 : nameEnd+1])
			if !ok {
				return
			}
			name = []byte(s)
		}
		if !f(name, obj[start:i]) {
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
	if n, ok := shortInt(b); ok {
		return n, true
	}
	b = bytes.TrimSpace(b)
	if len(b) == 0 {
		return 0, false
	}
	if end, ok := scanNumber(b, 0); !ok || end != len(b) {
		return 0, false
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

// shortInt reads what is surely a JSON number, of up to 18 digits and nothing else.
func shortInt(b []byte) (n int64, ok bool) {
	if len(b) == 0 || len(b) > 18 || b[0] == '0' && len(b) > 1 {
		return 0, false
	}
	for _, c := range b {
		if c -= '0'; c > 9 {
			return 0, false
		}
		n = n*10 + int64(c)
	}
	return n, true
}

// String reads a JSON string. Bytes that are not UTF-8 and lone surrogates
// become U+FFFD. It reports false for anything but a well-formed string.
func String(b []byte) (string, bool) {
	if len(b) > 0 && (b[0] <= ' ' || b[len(b)-1] <= ' ') {
		b = bytes.Trim(b, " \n\r\t")
	}
	if len(b) < 2 || b[0] != '"' || b[len(b)-1] != '"' {
		return "", false
	}
	return unquote(b)
}
