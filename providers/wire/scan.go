package wire

import (
	"encoding/binary"
	"math/bits"
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
	msgDepth   = "nested too deeply (limit 64)"
	msgMembers = "more than 1000 members in the JSON object"
)

// Traits of a text, gathered while it is scanned: all of its highest bits that are set
// in one word, and the lowest bit where there is a backslash.
const (
	highs   = 0x8080808080808080 // the highest bit of each of eight bytes: not ASCII
	escaped = 1
)

// blankBits has the bit of each character that is white space between tokens.
const blankBits = 1<<' ' | 1<<'\n' | 1<<'\r' | 1<<'\t'

func skipSpace(b []byte, i int) int {
	for i < len(b) && b[i] <= ' ' && blankBits>>b[i]&1 == 1 {
		i++
	}
	return i
}

// token returns the character at or behind b[i] that is no white space, and where it is;
// 0 at the end (and for a zero byte, which begins nothing either).
func token(b []byte, i int) (c byte, at int) {
	for i < len(b) {
		if c = b[i]; c > ' ' || blankBits>>c&1 == 0 {
			return c, i
		}
		i++
	}
	return 0, i
}

// orEnd returns msg where there is something at b[i].
func orEnd(b []byte, i int, msg string) string {
	if i >= len(b) {
		return msgEnd
	}
	return msg
}

// shortString returns the index behind the closing quote of the string that begins at
// b[i], if it is surely a plain one of ASCII, of at most four words; 0 if not.
func shortString(b []byte, i int) (end int) {
	for end = i + 1; len(b)-end >= 8 && end < i+32; end += 8 {
		x := binary.LittleEndian.Uint64(b[end : end+8 : end+8])
		if m := asciiMarks(x); x&highs != 0 {
			return 0
		} else if m != 0 {
			if end += bits.TrailingZeros64(m) / 8; b[end] == '"' {
				return end + 1
			}
			return 0
		}
	}
	return 0
}

// scanString validates the string whose opening quote is b[i] and returns the index
// behind its closing quote, and its traits (that of not being ASCII may be another's
// nearby). With a message, end is the offset of the fault. UTF-8 is not its business.
//
// What lies between two escapes may be short: only what is longer than a word is worth the
// call that looks at blocks.
func scanString(b []byte, i int) (end int, traits uint64, msg string) {
	for i++; ; {
		if len(b)-i >= 8 {
			x := binary.LittleEndian.Uint64(b[i:])
			traits |= x & highs
			m := marks(x)
			if m == 0 {
				n, high := run16(view(b[i+8:]))
				if i += 8 + n; high != 0 {
					traits |= highs
				}
				continue
			}
			i += bits.TrailingZeros64(m) / 8
		}
		if i >= len(b) {
			return len(b), traits, msgEnd
		}
		switch c := b[i]; {
		case c == '"':
			return i + 1, traits, ""
		case c == '\\':
			n := escapeLen(b[i:])
			if n == 0 {
				return i, traits, msgEscape
			}
			traits |= escaped
			i += n
		case c < ' ':
			return i, traits, msgControl
		default:
			traits |= uint64(c) & highs
			i++
		}
	}
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
	start := i
	if i = skipDigits(b, i); i == start {
		return i, false
	}
	if b[start] == '0' {
		i = start + 1
	}
	if i < len(b) && b[i] == '.' {
		start = i + 1
		if i = skipDigits(b, start); i == start {
			return i, false
		}
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		start = i
		if i = skipDigits(b, i); i == start {
			return i, false
		}
	}
	return i, true
}

// wholeNumber returns the index behind the number at b[i], if it surely is one of digits
// alone; 0 if not.
func wholeNumber(b []byte, i int) (end int) {
	end = skipDigits(b, i)
	if end == i || b[i] == '0' && end > i+1 || end < len(b) && (b[end] == '.' || b[end]|0x20 == 'e') {
		return 0
	}
	return end
}

func skipDigits(b []byte, i int) int {
	for i < len(b) && b[i]-'0' <= 9 {
		i++
	}
	return i
}

// scanName validates a member's name and its colon at b[i] (white space before each
// allowed); start and end are the name's span with its quotes, next the index behind the
// colon. With a message, next is the offset of the fault.
func scanName(b []byte, i int) (start, end, next int, traits uint64, msg string) {
	c, start := token(b, i)
	if c != '"' {
		return start, start, start, 0, orEnd(b, start, msgName)
	}
	if end = shortString(b, start); end == 0 {
		if end, traits, msg = scanString(b, start); msg != "" {
			return start, end, end, traits, msg
		}
	}
	if c, next = token(b, end); c != ':' {
		return start, end, next, traits, orEnd(b, next, msgColon)
	}
	return start, end, next + 1, traits, ""
}

// scanScalar validates the number or literal at b[i]. With a message, end is the offset of the fault.
func scanScalar(b []byte, i int) (end int, msg string) {
	if i >= len(b) {
		return i, msgEnd
	}
	word := ""
	switch b[i] {
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		end, ok := scanNumber(b, i)
		if !ok {
			return end, msgNumber
		}
		return end, ""
	case 't':
		word = "true"
	case 'f':
		word = "false"
	case 'n':
		word = "null"
	default:
		return i, msgValue
	}
	if end = i + len(word); end > len(b) || string(b[i:end]) != word {
		return i, msgLiteral
	}
	return end, ""
}
