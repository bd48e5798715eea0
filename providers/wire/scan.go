package wire

import (
	"encoding/binary"
	"strconv"
	"unicode/utf8"
)

// maxDepth bounds the nesting of a document, the root object included
// (a caller's body is read by recursive decoders later).
const maxDepth = 64

// maxMembers bounds the members of the root object: the longest request of any
// vendor has some fifty, and each is compared with all names that are looked for.
const maxMembers = 1000

// Messages of a SyntaxError that more than one place reports.
const (
	msgEnd     = "unexpected end of JSON"
	msgValue   = "expected a value"
	msgName    = "expected a member name in double quotes"
	msgColon   = "expected ':' after a member name"
	msgComma   = "expected ',' or the end of the container"
	msgNumber  = "malformed number"
	msgLiteral = "malformed literal"
	msgControl = "control character in a string"
	msgEscape  = "malformed escape in a string"
	msgDepth   = "nested too deeply"
	msgMembers = "more than 1000 members in the JSON object"
)

// highs has the highest bit of each of eight bytes.
const highs = 0x8080808080808080

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\r' || b[i] == '\t') {
		i++
	}
	return i
}

// scanString validates the string whose opening quote is b[i] and returns the
// index behind its closing quote; escaped tells that it holds a backslash. With
// a message, end is the offset of the fault. UTF-8 is not its business.
func scanString(b []byte, i int) (end int, escaped bool, msg string) {
	for i++; i < len(b); {
		switch c := b[i]; {
		case c == '"':
			return i + 1, escaped, ""
		case c == '\\':
			escaped = true
			n := escapeLen(b[i:])
			if n == 0 {
				return i, escaped, msgEscape
			}
			i += n
		case c < 0x20:
			return i, escaped, msgControl
		default:
			n, _ := plain(view(b[i:]))
			i += n
		}
	}
	return len(b), escaped, msgEnd
}

// ascii reports whether all of b is ASCII, as most JSON is that a program wrote.
func ascii(b []byte) bool {
	for ; len(b) >= 32; b = b[32:] {
		if (binary.LittleEndian.Uint64(b)|binary.LittleEndian.Uint64(b[8:])|binary.LittleEndian.Uint64(b[16:])|binary.LittleEndian.Uint64(b[24:]))&highs != 0 {
			return false
		}
	}
	for _, c := range b {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// escapes has what a backslash and a byte stand for; 0: nothing.
var escapes = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// escapeLen returns the length of the escape sequence that b starts with, 0 if it is none.
func escapeLen(b []byte) int {
	switch {
	case len(b) < 2 || b[0] != '\\':
	case escapes[b[1]] != 0:
		return 2
	case b[1] == 'u':
		if _, ok := hex4(b[2:]); ok {
			return 6
		}
	}
	return 0
}

// hex4 reads four hexadecimal digits.
func hex4(b []byte) (rune, bool) {
	if len(b) < 4 {
		return 0, false
	}
	var r rune
	for _, c := range b[:4] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// scanNumber returns the index behind the number at b[i], or ok false and the offset of the fault.
func scanNumber(b []byte, i int) (end int, ok bool) {
	if i < len(b) && b[i] == '-' {
		i++
	}
	digits := func() bool {
		start := i
		for i < len(b) && b[i] >= '0' && b[i] <= '9' {
			i++
		}
		return i > start
	}
	if i < len(b) && b[i] == '0' {
		i++
	} else if !digits() {
		return i, false
	}
	if i < len(b) && b[i] == '.' {
		i++
		if !digits() {
			return i, false
		}
	}
	if i < len(b) && (b[i] == 'e' || b[i] == 'E') {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		if !digits() {
			return i, false
		}
	}
	return i, true
}

// scanName validates a member name and its colon at b[i] (white space before
// each allowed); start and end are the name's span with its quotes, next the
// index behind the colon. With a message, next is the offset of the fault.
func scanName(b []byte, i int) (start, end, next int, escaped bool, msg string) {
	start = skipSpace(b, i)
	if start >= len(b) {
		return start, start, start, false, msgEnd
	}
	if b[start] != '"' {
		return start, start, start, false, msgName
	}
	end, escaped, msg = scanString(b, start)
	if msg != "" {
		return start, end, end, escaped, msg
	}
	next = skipSpace(b, end)
	if next >= len(b) {
		return start, end, next, escaped, msgEnd
	}
	if b[next] != ':' {
		return start, end, next, escaped, msgColon
	}
	return start, end, next + 1, escaped, ""
}

// scanScalar validates the string, number or literal at b[i].
func scanScalar(b []byte, i int) (end int, msg string) {
	switch c := b[i]; {
	case c == '"':
		end, _, msg = scanString(b, i)
		return end, msg
	case c == '-' || c >= '0' && c <= '9':
		end, ok := scanNumber(b, i)
		if !ok {
			return end, msgNumber
		}
		return end, ""
	case c == 't' || c == 'f' || c == 'n':
		for _, word := range [...]string{"true", "false", "null"} {
			if len(b)-i >= len(word) && string(b[i:i+len(word)]) == word {
				return i + len(word), ""
			}
		}
		return i, msgLiteral
	}
	return i, msgValue
}

// scanValue validates the value at b[i] (white space before it allowed), which
// stands inside depth containers. count is the number of its elements or members.
// With a message, end is the offset of the fault. It neither recurses nor allocates.
func scanValue(b []byte, i, depth int) (start, end, count int, msg string) {
	base := depth
	var objects uint64 // the lowest bit tells whether the innermost open container is an object
	start = skipSpace(b, i)
	i = start
	for {
		i = skipSpace(b, i)
		if i >= len(b) {
			return start, i, count, msgEnd
		}
		if c := b[i]; c == '{' || c == '[' {
			if depth == maxDepth {
				return start, i, count, msgDepth + " (limit " + strconv.Itoa(maxDepth) + ")"
			}
			depth++
			objects <<= 1
			if c == '{' {
				objects |= 1
			}
			i = skipSpace(b, i+1)
			empty := i < len(b) && b[i] == c+2 // '{'+2 is '}', '['+2 is ']'
			if !empty {
				if c == '{' {
					if _, _, i, _, msg = scanName(b, i); msg != "" {
						return start, i, count, msg
					}
				}
				continue
			}
			i++
			depth--
			objects >>= 1
		} else if i, msg = scanScalar(b, i); msg != "" {
			return start, i, count, msg
		}
		// A value has ended: close containers until another value must follow.
		for more := false; !more; {
			if depth == base {
				return start, i, count, ""
			}
			if depth == base+1 {
				count++
			}
			i = skipSpace(b, i)
			if i >= len(b) {
				return start, i, count, msgEnd
			}
			switch object := objects&1 == 1; {
			case b[i] == ',':
				i++
				if object {
					if _, _, i, _, msg = scanName(b, i); msg != "" {
						return start, i, count, msg
					}
				}
				more = true
			case object && b[i] == '}' || !object && b[i] == ']':
				i++
				depth--
				objects >>= 1
			default:
				return start, i, count, msgComma
			}
		}
	}
}
