package wire

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
	"unsafe"

	"github.com/go-json-experiment/json/jsontext"
)

// AppendString appends s as a JSON string, with the escapes that JSON demands and no
// others; invalid UTF-8 becomes U+FFFD.
func AppendString[T ~string | ~[]byte](dst []byte, s T) []byte { return quote(dst, string(s)) }

// quote copies what needs no escape in runs.
func quote(dst []byte, s string) []byte {
	begun, ascii := len(dst), true
	dst = append(slices.Grow(dst, len(s)+len(s)/8+16), '"')
	for i := 0; i < len(s); i++ {
		if !marked(s[i]) {
			n, high := plain(s[i:])
			ascii = ascii && !high
			dst = append(dst, s[i:i+n]...)
			if i += n; i == len(s) {
				break
			}
		}
		dst = appendEscaped(dst, s[i])
	}
	if !ascii && !utf8.ValidString(s) {
		dst, _ = jsontext.AppendQuote(dst[:begun], s) // its error only tells of what it has replaced
		return dst
	}
	return append(dst, '"')
}

// plain returns how many bytes s begins with that are no quote, backslash or control
// character, and whether there may be one among them, or behind them, that is not ASCII.
func plain(s string) (n int, high bool) {
	if len(s) >= 16 {
		var h int
		if n, h = run16(s); n+16 <= len(s) {
			return n, h != 0
		}
		high = h != 0
	}
	var all byte
	for n < len(s) && !marked(s[n]) {
		all |= s[n]
		n++
	}
	return n, high || all >= utf8.RuneSelf
}

// view is b as a string, while b does not change.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// marked reports whether c ends a run of plain bytes, as run16 has it.
func marked(c byte) bool { return c < 0x20 || c == '"' || c == '\\' }

// appendEscaped appends the escape of a quote, a backslash or a control character
// (RFC 8259, section 7): the short one where there is one.
func appendEscaped(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
	case '\b':
		c = 'b'
	case '\f':
		c = 'f'
	case '\n':
		c = 'n'
	case '\r':
		c = 'r'
	case '\t':
		c = 't'
	default:
		const hex = "0123456789abcdef"
		return append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
	}
	return append(dst, '\\', c)
}

// unquote returns the text of a JSON string, false if it is not well-formed.
func unquote(b []byte) (string, bool) {
	s, ascii := b[1:len(b)-1], true
	if n, high := plain(view(s)); n == len(s) && !high {
		return string(s), true
	}
	var out strings.Builder
	out.Grow(len(s)) // an escape is longer than what it stands for
	for len(s) > 0 {
		if s[0] != '\\' {
			n, high := plain(view(s))
			ascii = ascii && !high
			out.Write(s[:n])
			if s = s[n:]; len(s) == 0 {
				break
			}
		}
		n := escapeLen(s)
		if n == 0 { // none, but a quote or a control character, or no right one
			return "", false
		}
		if n > 2 {
			var r rune
			r, n = escapedRune(s)
			out.WriteRune(r)
		} else {
			out.WriteByte(escapes[s[1]])
		}
		s = s[n:]
	}
	if !ascii && !utf8.Valid(b) {
		text, _ := jsontext.AppendUnquote(nil, b) // its error only tells of what it has replaced
		return string(text), true
	}
	return out.String(), true
}

// A Half keeps the first half of a character that was cut in two: servers that count in
// UTF-16 may end one fragment of a text between the two escapes of a pair.
type Half struct{ held string }

// Join returns v, a JSON string, with the half of the fragment before it at its
// beginning. A half at its end is kept for the next one.
func (h *Half) Join(v []byte) []byte {
	if h.held != "" {
		v = append(append([]byte{'"'}, h.held...), v[1:]...)
		h.held = ""
	}
	end := len(v) - 1
	if at := end - 6; at > 0 && v[at] == '\\' && v[at+1] == 'u' && even(v[:at]) {
		if r, ok := hex4(v[at+2:]); ok && r >= 0xd800 && r < 0xdc00 {
			h.held = string(v[at:end])
			v = append(bytes.Clone(v[:at]), '"')
		}
	}
	return v
}

// even reports whether b ends with an even number of backslashes, so that one behind it begins an escape.
func even(b []byte) bool { return (len(b)-len(bytes.TrimRight(b, "\\")))%2 == 0 }

// escapedRune reads the \u escape that b begins with, of a pair of surrogates both, and
// returns how long it was. A lone surrogate becomes U+FFFD.
func escapedRune(b []byte) (r rune, size int) {
	r, _ = hex4(b[2:])
	if !utf16.IsSurrogate(r) {
		return r, 6
	}
	if len(b) >= 12 && b[6] == '\\' && b[7] == 'u' {
		if low, ok := hex4(b[8:]); ok {
			if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
				return pair, 12
			}
		}
	}
	return utf8.RuneError, 6
}
