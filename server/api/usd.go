// Package api is the admin API as its clients see it: the wire types, and a Go
// client that the CLI, the TUI and tests use. It imports nothing of the project.
package api

import (
	"bytes"
	"fmt"
	"math/big"
	"strconv"
	"strings"
)

// USD is an amount of money in nano-dollars (10⁻⁹ USD). On the wire it is a plain
// JSON number of dollars with at most nine decimals; no float is involved either way.
type USD int64

// Dollar is one US dollar.
const Dollar USD = 1_000_000_000

// String returns the amount in dollars, without trailing zeros: "0.0125".
func (u USD) String() string { return string(u.append(nil)) }

func (u USD) append(dst []byte) []byte {
	n := uint64(u)
	if u < 0 {
		dst = append(dst, '-')
		n = -n
	}
	dst = strconv.AppendUint(dst, n/uint64(Dollar), 10)
	frac := n % uint64(Dollar)
	if frac == 0 {
		return dst
	}
	digits := fmt.Sprintf("%09d", frac)
	return append(append(dst, '.'), strings.TrimRight(digits, "0")...)
}

// MarshalJSON writes the amount as a number of dollars.
func (u USD) MarshalJSON() ([]byte, error) { return u.append(nil), nil }

// UnmarshalJSON reads a number of dollars. It refuses what has more than nine
// decimals or does not fit; null leaves the amount as it is.
func (u *USD) UnmarshalJSON(b []byte) error {
	if bytes.Equal(b, []byte("null")) {
		return nil
	}
	v, err := ParseUSD(string(b))
	if err != nil {
		return err
	}
	*u = v
	return nil
}

// ParseUSD reads a decimal number of dollars, such as "0.5", "-3" or "1e-7".
func ParseUSD(s string) (USD, error) {
	const longest, farthest = 64, 32
	bad := func(why string) (USD, error) { return 0, fmt.Errorf("cannot read %.64q as US dollars: %s", s, why) }
	if s == "" || len(s) > longest {
		return bad("not a decimal number")
	}
	mantissa, exponent := s, 0
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		e, err := strconv.Atoi(s[i+1:])
		if err != nil || e > farthest || e < -farthest {
			return bad("not a decimal number")
		}
		mantissa, exponent = s[:i], e
	}
	digits := strings.TrimPrefix(mantissa, "-")
	whole, frac, _ := strings.Cut(digits, ".")
	if whole+frac == "" || strings.Trim(whole+frac, "0123456789") != "" {
		return bad("not a decimal number")
	}
	n, ok := new(big.Int).SetString(whole+frac, 10)
	if !ok {
		return bad("not a decimal number")
	}
	shift := 9 + exponent - len(frac)
	scale := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(shift, -shift))), nil)
	if shift >= 0 {
		n.Mul(n, scale)
	} else {
		var rest big.Int
		if n.QuoRem(n, scale, &rest); rest.Sign() != 0 {
			return bad("more than nine decimals")
		}
	}
	if strings.HasPrefix(mantissa, "-") {
		n.Neg(n)
	}
	if !n.IsInt64() {
		return bad("too large")
	}
	return USD(n.Int64()), nil
}
