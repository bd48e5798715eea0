package api

import (
	"encoding/json"
	"math"
	"testing"
)

func TestUSD(t *testing.T) {
	f := func(in string, want USD, out string) {
		t.Helper()
		var u USD
		if err := json.Unmarshal([]byte(in), &u); err != nil {
			t.Fatalf("%s: %v", in, err)
		}
		b, err := json.Marshal(u)
		if err != nil || u != want || string(b) != out {
			t.Errorf("%s = %d nano, written %s (%v); want %d, %s", in, int64(u), b, err, int64(want), out)
		}
	}
	f("0", 0, "0")
	f("1", Dollar, "1")
	f("0.1", 100_000_000, "0.1")
	f("0.000000001", 1, "0.000000001")
	f("-0.5", -500_000_000, "-0.5")
	f("12.500", 12_500_000_000, "12.5")
	f("1e-7", 100, "0.0000001")
	f("1.5E+3", 1500*Dollar, "1500")
	f("0.1000000000", 100_000_000, "0.1")
	f("9223372036.854775807", math.MaxInt64, "9223372036.854775807")
	f("-9223372036.854775808", math.MinInt64, "-9223372036.854775808")
	f("0.3", 300_000_000, "0.3") // 0.1+0.2 in floats is not
	f("90071992.547409931", 90071992547409931, "90071992.547409931")

	bad := func(in string) {
		t.Helper()
		if u, err := ParseUSD(in); err == nil {
			t.Errorf("ParseUSD(%q) = %s, want an error", in, u)
		}
	}
	bad("")
	bad("0.0000000001")
	bad("1e-10")
	bad("9223372036.854775808")
	bad("1e20")
	bad("1e999999999999")
	bad("NaN")
	bad("1.2.3")
	bad("+1")
	bad(".")
	bad("-")
	bad("1e")
	bad("0x10")
	bad(" 1")
}

func FuzzUSD(f *testing.F) {
	for _, s := range []string{"0", "1.5", "-0.000000001", "1e-7", "9223372036.854775807", "x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, err := ParseUSD(s)
		if err != nil {
			return
		}
		again, err := ParseUSD(u.String())
		if err != nil || again != u {
			t.Fatalf("%q = %s, read back as %s, %v", s, u, again, err)
		}
		if !json.Valid([]byte(u.String())) {
			t.Fatalf("%q is written %s, which is no JSON", s, u)
		}
	})
}
