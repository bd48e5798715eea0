package providers

import (
	"maps"
	"math"
	"math/big"
	"testing"
)

func TestNewPriceCompletes(t *testing.T) {
	p, err := NewPrice(map[string]int64{"input": 10, "output": 20, "cache_read": 1, "image": 5})
	if err != nil {
		t.Fatal(err)
	}
	want := Price{Input: 10, InputAudio: 10, InputImage: 10, CacheRead: 1, CacheWrite5m: 10, CacheWrite1h: 10, Output: 20, OutputAudio: 20, OutputImage: 20, Reasoning: 20, Image: 5}
	if p != want {
		t.Errorf("got %+v", p)
	}
	again, err := NewPrice(p.Rates())
	if err != nil || again != p || !maps.Equal(again.Rates(), p.Rates()) {
		t.Errorf("again %+v, %v", again, err)
	}
}

// FuzzCost compares the 128-bit sum with one of unlimited size.
func FuzzCost(f *testing.F) {
	f.Add(int64(1), int64(2), int64(3), int64(4), int64(1_200_000))
	f.Add(int64(math.MaxInt64), int64(math.MaxInt64), int64(1), int64(1), int64(0))
	f.Fuzz(func(t *testing.T, n, rate, m, other, factor int64) {
		got, saturated := Price{Input: Rate(rate), Image: Rate(other)}.Cost(Usage{Input: n, Images: m})
		sum := new(big.Int)
		add := func(a, b int64) {
			if a > 0 && b > 0 {
				sum.Add(sum, new(big.Int).Mul(big.NewInt(a), big.NewInt(b)))
			}
		}
		add(n, rate)
		add(m, other)
		rounded := func(v *big.Int) *big.Int {
			return new(big.Int).Div(new(big.Int).Add(v, big.NewInt(500_000)), big.NewInt(1_000_000))
		}
		want := rounded(sum)
		if saturated != !want.IsInt64() || !saturated && want.Int64() != got || saturated && got != math.MaxInt64 {
			t.Errorf("%d×%d + %d×%d: got %d, %v; want %v", n, rate, m, other, got, saturated, want)
		}
		beyond, saturated := Markup(got, factor)
		if got <= 0 || factor < 0 {
			if beyond != 0 {
				t.Errorf("markup %d of %d is %d", factor, got, beyond)
			}
			return
		}
		marked := rounded(new(big.Int).Mul(big.NewInt(got), big.NewInt(factor)))
		if saturated != !marked.IsInt64() || !saturated && beyond != marked.Int64()-got {
			t.Errorf("%d times %d: beyond %d, %v; want %v", got, factor, beyond, saturated, marked)
		}
	})
}

// Each kind of unit costs what its line says, alone and with all others.
func TestCostIsOfItsLines(t *testing.T) {
	var all Usage
	var price Price
	for i, r := range rateNames {
		*r.of(&price) = Rate(1_000_000 * (i + 1))
	}
	counts := []*int64{&all.Input, &all.InputAudio, &all.InputImage, &all.CacheRead, &all.CacheWrite5m, &all.CacheWrite1h, &all.Output, &all.OutputAudio, &all.OutputImage,
		&all.Reasoning, &all.Images, &all.AudioMs, &all.Characters, &all.Searches}
	if len(counts)+1 != len(lineNames) {
		t.Fatalf("%d kinds of units, %d lines", len(counts), len(lineNames))
	}
	f := func(u Usage, lines int) {
		t.Helper()
		want := int64(0)
		for _, l := range price.Lines(u) {
			want += l.Nano
			lines--
		}
		if got, saturated, covered := price.CostOf(&u); got != want || saturated || !covered || lines != 0 {
			t.Errorf("%+v: got %d, %v, %v; want %d; %d lines are missing", u, got, saturated, covered, want, lines)
		}
	}
	f(Usage{}, 1) // the request itself
	for i, n := range counts {
		*n = int64(100 + i)
		f(all, 2)
		*n = 0
	}
	for i, n := range counts {
		*n = int64(100 + i)
	}
	f(all, len(lineNames))
}
