package locales

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Money writes nano-dollars for people: "$12.34", below a cent four significant digits.
func Money(nano int64) string {
	const cent = 10_000_000
	sign := ""
	if nano < 0 {
		sign, nano = "-", -nano
	}
	switch {
	case nano == 0:
		return "$0.00"
	case nano < cent:
		digits := fmt.Sprintf("%09d", nano)
		zeros := len(digits) - len(strings.TrimLeft(digits, "0"))
		keep := min(9, zeros+4)
		scale := int64(math.Pow10(9 - keep))
		rounded := (nano + scale/2) / scale * scale
		if rounded >= cent {
			return sign + "$0.01"
		}
		return sign + "$0." + strings.TrimRight(fmt.Sprintf("%09d", rounded), "0")
	}
	cents := nano / cent
	if nano%cent >= cent/2 {
		cents++
	}
	return fmt.Sprintf("%s$%s.%02d", sign, Thousands(cents/100), cents%100)
}

// Thousands writes a whole number with commas.
func Thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	start := 0
	if n < 0 {
		start = 1
	}
	for i := len(s) - 3; i > start; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Short writes a count with three significant digits: "12.3k", "4.56M".
func Short(n int64) string {
	f, unit := float64(n), ""
	for _, u := range []string{"k", "M", "G", "T"} {
		if math.Abs(f) < 999.5 {
			break
		}
		f, unit = f/1000, u
	}
	if unit == "" {
		return strconv.FormatInt(n, 10)
	}
	decimals := 2
	if math.Abs(f) >= 99.95 {
		decimals = 0
	} else if math.Abs(f) >= 9.995 {
		decimals = 1
	}
	return strconv.FormatFloat(f, 'f', decimals, 64) + unit
}

// Took writes how long something lasted: "840 ms", "1.9 s", "2m5s".
func Took(d time.Duration) string {
	switch {
	case d < 0:
		return ""
	case d < 10*time.Millisecond:
		return strconv.FormatFloat(float64(d)/float64(time.Millisecond), 'f', 1, 64) + " ms"
	case d < 999500*time.Microsecond:
		return strconv.FormatInt(d.Round(time.Millisecond).Milliseconds(), 10) + " ms"
	case d < 59950*time.Millisecond:
		return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + " s"
	}
	return d.Round(time.Second).String()
}

// Percent writes part of whole with one decimal, a dash where there is no whole.
func Percent(part, whole int64) string {
	if whole == 0 {
		return "–"
	}
	return strconv.FormatFloat(100*float64(part)/float64(whole), 'f', 1, 64) + "%"
}

// Clean makes text harmless on a terminal: one line, no control characters, nothing
// that turns the writing direction.
func Clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || r == '\r' {
			return ' '
		}
		return visible(r)
	}, s)
}

// CleanLines is Clean that keeps line ends and tabs.
func CleanLines(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return r
		}
		return visible(r)
	}, s)
}

func visible(r rune) rune {
	switch {
	case r < ' ' || r >= 0x7f && r < 0xa0,
		r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069, r == 0x200e, r == 0x200f:
		return -1
	}
	return r
}
