package store

import (
	"errors"
	"math"
	"math/big"
	"regexp"
	"testing"
)

func TestFormatAndParseUSD(t *testing.T) {
	f := func(nano int64, want string) {
		t.Helper()
		if got := FormatUSD(nano); got != want {
			t.Fatalf("FormatUSD(%d) = %s, want %s", nano, got, want)
		}
		if got, err := ParseUSD(want); err != nil || got != nano {
			t.Fatalf("ParseUSD(%q) = %d, %v", want, got, err)
		}
	}
	f(0, "0")
	f(1, "0.000000001")
	f(-1, "-0.000000001")
	f(4_250_000, "0.00425")
	f(1_000_000_000, "1")
	f(-12_340_000_000, "-12.34")
	f(math.MaxInt64, "9223372036.854775807")
	f(math.MinInt64, "-9223372036.854775808")
	p := func(s string, want int64) {
		t.Helper()
		if got, err := ParseUSD(s); err != nil || got != want {
			t.Fatalf("ParseUSD(%q) = %d, %v; want %d", s, got, err, want)
		}
	}
	p("007.500", 7_500_000_000)
	p("0.0000000010000", 1)
	p("-0", 0)
	bad := func(s string) {
		t.Helper()
		if got, err := ParseUSD(s); !errors.Is(err, ErrAmount) {
			t.Fatalf("ParseUSD(%q) = %d, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "-", ".", "1.", ".5", "+1", "--1", "1e3", "1,5", " 1", "1_0", "NaN", "0x1", "0.0000000001", "9223372036.854775808", "-9223372036.854775809", "99999999999999999999", "1.-5", "١"} {
		bad(s)
	}
}

func TestAddNano(t *testing.T) {
	f := func(a, b, want int64) {
		t.Helper()
		if got := AddNano(a, b); got != want {
			t.Fatalf("AddNano(%d, %d) = %d, want %d", a, b, got, want)
		}
	}
	f(1, 2, 3)
	f(math.MaxInt64, 0, math.MaxInt64)
	f(math.MaxInt64, 1, math.MaxInt64)
	f(math.MaxInt64, math.MaxInt64, math.MaxInt64)
	f(math.MinInt64, -1, math.MinInt64)
	f(math.MinInt64, math.MinInt64, math.MinInt64)
	f(math.MinInt64, 0, math.MinInt64)
	f(math.MinInt64, math.MaxInt64, -1)
	f(5, -7, -2)
}

func FuzzUSD(f *testing.F) {
	for _, s := range []string{"0", "1.5", "-0.000000001", "9223372036.854775807", "x", "1.0000000000"} {
		f.Add(s, int64(len(s)))
	}
	plain := regexp.MustCompile(`^-?[0-9]+(\.[0-9]{1,9})?$`)
	f.Fuzz(func(t *testing.T, s string, nano int64) {
		text := FormatUSD(nano)
		if !plain.MatchString(text) {
			t.Fatalf("FormatUSD(%d) = %q", nano, text)
		}
		if back, err := ParseUSD(text); err != nil || back != nano {
			t.Fatalf("%d → %s → %d, %v", nano, text, back, err)
		}
		got, err := ParseUSD(s)
		if err != nil {
			return
		}
		// What is read is the exact value, as rational arithmetic has it.
		want, ok := new(big.Rat).SetString(s)
		if !ok || want.Mul(want, big.NewRat(NanoPerUSD, 1)).Cmp(new(big.Rat).SetInt64(got)) != 0 {
			t.Fatalf("ParseUSD(%q) = %d", s, got)
		}
	})
}

func BenchmarkAppendUSD(b *testing.B) {
	buf := make([]byte, 0, 32)
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendUSD(buf[:0], 12_345_678_901)
	}
}
