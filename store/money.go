package store

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// NanoPerUSD is how many units of recorded money make one dollar.
const NanoPerUSD = 1_000_000_000

// ErrAmount says that a text is not an amount of money that can be kept.
var ErrAmount = errors.New("not an amount of USD")

// FormatUSD returns nano-USD as a plain decimal number of USD, fit to stand in
// JSON as a number: at most 9 decimals, no exponent, no needless zeros.
func FormatUSD(nano int64) string {
	return string(AppendUSD(make([]byte, 0, 24), nano))
}

// AppendUSD appends what FormatUSD returns to dst.
func AppendUSD(dst []byte, nano int64) []byte {
	u := uint64(nano)
	if nano < 0 {
		dst = append(dst, '-')
		u = -u
	}
	dst = strconv.AppendUint(dst, u/NanoPerUSD, 10)
	frac := u % NanoPerUSD
	if frac == 0 {
		return dst
	}
	dst = append(dst, '.')
	for ; frac > 0; frac = frac * 10 % NanoPerUSD {
		dst = append(dst, '0'+byte(frac*10/NanoPerUSD))
	}
	return dst
}

// ParseUSD returns the nano-USD of a plain decimal number of USD ("12", "-0.5",
// "0.000000001"). It is exact: a tenth decimal that is not 0, an exponent, and
// an amount beyond ±9.2 billion USD are errors that wrap ErrAmount.
func ParseUSD(s string) (int64, error) {
	bad := func(why string) (int64, error) {
		return 0, fmt.Errorf("cannot read amount %q: %s: %w", CleanText(s, 40), why, ErrAmount)
	}
	num, negative := strings.CutPrefix(s, "-")
	whole, frac, point := strings.Cut(num, ".")
	if whole == "" || point && frac == "" {
		return bad("digits are missing")
	}
	frac = strings.TrimRight(frac, "0")
	if len(frac) > 9 {
		return bad("more than 9 decimals")
	}
	digits := strings.TrimLeft(whole, "0") + frac + "000000000"[len(frac):]
	if len(digits) > 19 {
		return bad("too large")
	}
	for _, c := range []byte(whole + frac) {
		if c < '0' || c > '9' {
			return bad("not a plain decimal number")
		}
	}
	u, err := strconv.ParseUint(digits, 10, 64)
	if err != nil {
		return bad("not a plain decimal number")
	}
	switch {
	case !negative && u <= math.MaxInt64:
		return int64(u), nil
	case negative && u <= 1<<63:
		return int64(-u), nil
	}
	return bad("too large")
}

// AddNano returns a + b, or the largest or smallest int64 where the sum does not fit.
func AddNano(a, b int64) int64 {
	c := a + b
	if (c > a) == (b > 0) {
		return c
	}
	if b > 0 {
		return math.MaxInt64
	}
	return math.MinInt64
}
