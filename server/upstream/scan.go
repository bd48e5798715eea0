package upstream

import (
	"encoding/binary"
	"math/bits"
)

// tokens marks the bytes of an RFC 9110 token.
var tokens = func() (t [256]bool) {
	for _, c := range "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" {
		t[c] = true
	}
	return t
}()

func isToken(s string) bool {
	for i := 0; i < len(s); i++ {
		if !tokens[s[i]] {
			return false
		}
	}
	return len(s) > 0
}

// sameName reports whether a token is a header's name that we know, which is of
// letters, digits and hyphens; the case of letters counts in neither. Such bytes are
// the same as another of a token but for that bit in no other case.
func sameName(token, name string) bool {
	const lower = 0x20 * ones
	n := len(name)
	if len(token) != n {
		return false
	}
	if n < 8 {
		for i := range n {
			if token[i]|0x20 != name[i]|0x20 {
				return false
			}
		}
		return true
	}
	for i := 0; i+8 < n; i += 8 {
		if word(token, i)|lower != word(name, i)|lower {
			return false
		}
	}
	return word(token, n-8)|lower == word(name, n-8)|lower
}

// ones has a 1 in each byte.
const ones = 0x0101010101010101

// word returns eight bytes of s, the first the lowest.
func word(s string, i int) uint64 {
	s = s[i : i+8]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 | uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// control returns where in b, from i on, the first control character is, of which tab
// is one; len(b) if there is none.
func control(b []byte, i int) int {
	for ; i+8 <= len(b); i += 8 {
		w := binary.LittleEndian.Uint64(b[i : i+8 : i+8])
		del := w ^ 0x7f*ones
		// the high bit of each byte below 0x20, and of each that is 0x7f: exact up to the first
		if hit := ((w-0x20*ones)&^w | (del-ones)&^del) & (0x80 * ones); hit != 0 {
			return i + bits.TrailingZeros64(hit)/8
		}
	}
	for i < len(b) && b[i] >= ' ' && b[i] != 0x7f {
		i++
	}
	return i
}

// tokenEnd returns where in b, from i on, the first byte is that is none of a token;
// len(b) if there is none. It takes eight letters and hyphens at a time.
func tokenEnd(b []byte, i int) int {
	const high = 0x80 * ones
	for i+8 <= len(b) {
		w := binary.LittleEndian.Uint64(b[i : i+8 : i+8])
		c := w &^ high // sums of these stay in their bytes
		lower := c | 0x20*ones
		letter := (lower + (0x80-'a')*ones) &^ (lower + (0x7f-'z')*ones)
		other := (^letter&(c^'-'*ones+0x7f*ones) | w) & high
		if other == 0 {
			i += 8
			continue
		}
		if i += bits.TrailingZeros64(other) / 8; !tokens[b[i]] {
			return i
		}
		i++
	}
	for i < len(b) && tokens[b[i]] {
		i++
	}
	return i
}
