package store

import (
	"strings"
	"unicode/utf8"
)

// clean makes s fit for the record: no NUL and no invalid UTF-8 (either would
// fail a whole batch in a text column), at most max bytes, cut between runes.
// Text that is fine already, nearly all of it, is returned as it is.
func clean(s string, max int) string {
	if len(s) <= max && plain(s) {
		return s
	}
	return cleanSlow(s, max)
}

func plain(s string) bool {
	rest := s
	for ; len(rest) >= 8; rest = rest[8:] {
		if w := word(rest); (w|(w-lows))&highs != 0 {
			return plainSlow(s)
		}
	}
	for i := range len(rest) {
		if rest[i]-1 >= utf8.RuneSelf-1 { // NUL wraps around
			return plainSlow(s)
		}
	}
	return true
}

// In w|(w-lows) the high bit of a byte is set where w has a byte beyond ASCII, or NUL, which borrows.
const lows, highs = 0x0101010101010101, 0x8080808080808080

// word is the first 8 bytes of s.
func word(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// half is the first 4 bytes of s.
func half(s string) uint32 {
	_ = s[3]
	return uint32(s[0]) | uint32(s[1])<<8 | uint32(s[2])<<16 | uint32(s[3])<<24
}

func plainSlow(s string) bool { return strings.IndexByte(s, 0) < 0 && utf8.ValidString(s) }

func cleanSlow(s string, max int) string {
	if len(s) > max {
		cut := max
		for cut > max-utf8.UTFMax && !utf8.RuneStart(s[cut]) {
			cut--
		}
		s = s[:cut]
	}
	s = strings.ToValidUTF8(s, string(utf8.RuneError))
	s = strings.ReplaceAll(s, "\x00", string(utf8.RuneError))
	if len(s) > max { // a replacement is three bytes long
		return cleanSlow(s, max)
	}
	return s
}

// CleanText returns s as a record would keep it: at most max bytes, without NUL
// and invalid UTF-8.
func CleanText(s string, max int) string { return clean(s, max) }
