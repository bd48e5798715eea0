package store

import (
	"strconv"
	"strings"
)

// MarkupUnit is a factor of 1, in millionths.
const MarkupUnit = 1_000_000

// MarkupMillionths returns what the key is charged beyond the cost, in millionths
// of it: 200 000 for a Markup of "1.2", -1 000 000 for "0". A markup that is not a
// decimal of at most 6 places is none: it was checked when it was set.
func (k *Key) MarkupMillionths() int64 {
	if k.Markup == "" {
		return 0
	}
	whole, frac, _ := strings.Cut(k.Markup, ".")
	if len(frac) > 6 || len(whole) > 9 {
		return 0
	}
	n, err := strconv.ParseUint(whole+frac+"000000"[len(frac):], 10, 63)
	if err != nil {
		return 0
	}
	return int64(n) - MarkupUnit
}
