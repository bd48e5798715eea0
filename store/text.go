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
	for i := 0; i < len(s); i++ {
		if s[i]-1 >= utf8.RuneSelf-1 { // NUL wraps around
			return strings.IndexByte(s, 0) < 0 && utf8.ValidString(s)
		}
	}
	return true
}

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
