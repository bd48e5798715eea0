package wire

import (
	"math/bits"

	"golang.org/x/sys/cpu"
)

// wide tells that run16 may look at 32 bytes at once.
var wide = cpu.X86.HasAVX2

// Words for eight bytes at once: every byte 0x01, '"', '\\' and a quote turned into the
// character behind the last control character, as below.
const (
	ones   = 0x0101010101010101
	quotes = '"' * ones
	slants = '\\' * ones
	turns  = ('"' ^ 0x20) * ones
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

// marks sets the high bit of bytes of x that end a run of plain ones, and of no byte below
// the first of these. A quote is turned into 0x20, and so is next to the control
// characters, which stay what they are: at most 0x20 are those and the quote.
func marks(x uint64) uint64 { return asciiMarks(x) &^ x }

// asciiMarks is marks of ASCII.
func asciiMarks(x uint64) uint64 { return (((x ^ turns) - 0x21*ones) | ((x ^ slants) - ones)) & highs }

// word is the first eight bytes of s, the first of them the lowest.
func word(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}
