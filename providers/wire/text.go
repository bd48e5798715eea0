package wire

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"slices"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// AppendString appends s as a JSON string, with the escapes that JSON demands and no
// others; invalid UTF-8 becomes U+FFFD.
func AppendString[T ~string | ~[]byte](dst []byte, s T) []byte { return quote(dst, []byte(s)) }

// quote copies what needs no escape in runs, found eight bytes at a time.
func quote(dst, s []byte) []byte {
	if !utf8.Valid(s) {
		dst, _ = jsontext.AppendQuote(dst, s) // its error only tells of what it has replaced
		return dst
	}
	dst = append(slices.Grow(dst, len(s)+2), '"')
	for start := 0; ; {
		i := plain(s, start)
		dst = append(dst, s[start:i]...)
		if i == len(s) {
			return append(dst, '"')
		}
		dst = appendEscaped(dst, s[i])
		start = i + 1
	}
}

// plain returns the index of the first quote, backslash or control character of s from i
// on, or its length.
func plain(s []byte, i int) int {
	for i+8 <= len(s) {
		if m := marks(binary.LittleEndian.Uint64(s[i:])); m != 0 {
			return i + bits.TrailingZeros64(m)/8
		}
		i += 8
	}
	for i < len(s) && s[i] >= 0x20 && s[i] != '"' && s[i] != '\\' {
		i++
	}
	return i
}

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

// unquote returns the text between the quotes of a JSON string that scanString has
// found well-formed.
func unquote(b []byte) string {
	if !utf8.Valid(b) {
		out, _ := jsontext.AppendUnquote(nil, b) // its error only tells of what it has replaced
		return string(out)
	}
	b = b[1 : len(b)-1]
	n := bytes.IndexByte(b, '\\')
	if n < 0 {
		return string(b)
	}
	out := make([]byte, 0, len(b)) // an escape is longer than what it stands for
	for {
		out = append(out, b[:n]...)
		b = b[n:]
		switch c := b[1]; c {
		case 'u':
			r, size := escapedRune(b)
			out = utf8.AppendRune(out, r)
			b = b[size:]
		default:
			out = append(out, unescaped(c))
			b = b[2:]
		}
		if n = bytes.IndexByte(b, '\\'); n < 0 {
			return string(append(out, b...))
		}
	}
}

// unescaped is what a backslash and c stand for.
func unescaped(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return c
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
