package wire

import (
	"fmt"
	"unicode/utf8"
)

// Names are the names of members that are looked for; see Fields.
type Names struct {
	list    []string
	slots   uint64 // a bit for the slot of each
	longest int
}

// NewNames returns the set of these names, which are ASCII and stay as they are.
func NewNames(names ...string) *Names {
	s := &Names{list: names}
	for _, w := range names {
		last := byte('"') // of an empty name
		if len(w) > 0 {
			last = w[len(w)-1]
		}
		s.slots |= 1 << slot(last, len(w))
		s.longest = max(s.longest, len(w))
	}
	return s
}

// slot tells most names apart by their last byte and length; two that differ in case only
// have the same.
func slot(last byte, length int) uint64 { return (uint64(last|0x20)<<2 ^ uint64(length)) % 64 }

// find returns which of the names raw (without quotes, of these traits) is, if any; a
// message if it is a forbidden spelling of one.
func (s *Names) find(raw []byte, traits uint64) (name string, ok bool, msg string) {
	if traits&escaped == 0 {
		for _, w := range s.list {
			if string(raw) == w {
				return w, true, ""
			}
		}
	}
	return "", false, s.misspelt(raw, traits)
}

// misspelt tells of which of the names raw is a forbidden spelling; "" if of none.
func (s *Names) misspelt(raw []byte, traits uint64) (msg string) {
	plain := raw
	if traits != 0 {
		var buf [128]byte
		var ok bool
		if plain, ok = foldName(buf[:0], raw, s.longest); !ok {
			return ""
		}
	}
	for _, w := range s.list {
		if !equalFoldASCII(plain, w) {
			continue
		}
		if traits&escaped != 0 {
			return fmt.Sprintf("member %q is spelt with escapes", w)
		}
		return fmt.Sprintf("member %q must be spelt %q", raw, w)
	}
	return ""
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
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}
