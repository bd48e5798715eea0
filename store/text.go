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
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	rest := s
	for ; len(rest) >= 8; rest = rest[8:] {
		w := uint64(rest[0]) | uint64(rest[1])<<8 | uint64(rest[2])<<16 | uint64(rest[3])<<24 |
			uint64(rest[4])<<32 | uint64(rest[5])<<40 | uint64(rest[6])<<48 | uint64(rest[7])<<56
		if (w|(w-ones))&highs != 0 { // a byte beyond ASCII, or NUL, which borrows
			return plainSlow(s)
		}
	}
	for i := 0; i < len(rest); i++ {
		if rest[i]-1 >= utf8.RuneSelf-1 { // NUL wraps around
			return plainSlow(s)
		}
	}
	return true
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
