package wire

import "math/bits"

// Words for eight bytes at once: every byte 0x01, 0x20, '"' and '\\'.
const (
	ones   = 0x0101010101010101
	blanks = 0x20 * ones
	quotes = '"' * ones
	slants = '\\' * ones
)

// runWords is run16 by blocks of eight, where there is nothing faster.
func runWords(s string) (n int, high int) {
	var all uint64
	for n+8 <= len(s) {
		x := word(s[n:])
		all |= x
		// The lowest marked byte is the first that ends the run: a borrow only spreads
		// upwards from a byte that is marked itself.
		if m := marks(x); m != 0 {
			n += bits.TrailingZeros64(m) / 8
			break
		}
		n += 8
	}
	if all&highs != 0 {
		high = 1
	}
	return n, high
}

// marks sets the high bit of bytes of x that end a run of plain ones.
func marks(x uint64) uint64 {
	return ((x - blanks) | ((x ^ quotes) - ones) | ((x ^ slants) - ones)) &^ x & highs
}

// word is the first eight bytes of s, the first of them the lowest.
func word(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}
