package providers

import (
	"fmt"
	"slices"
	"strings"
)

// rateNames are the kinds of rates as people and programs write them, in the order
// they are shown, each with its place in a Price and what stands in where it is not given.
var rateNames = []struct {
	name string
	of   func(*Price) *Rate
	like string // costs what this does, where it is not priced apart
}{
	{"input", func(p *Price) *Rate { return &p.Input }, ""},
	{"output", func(p *Price) *Rate { return &p.Output }, ""},
	{"cache_read", func(p *Price) *Rate { return &p.CacheRead }, "input"},
	{"cache_write_5m", func(p *Price) *Rate { return &p.CacheWrite5m }, "input"},
	{"cache_write_1h", func(p *Price) *Rate { return &p.CacheWrite1h }, "cache_write_5m"},
	{"reasoning", func(p *Price) *Rate { return &p.Reasoning }, "output"},
	{"input_audio", func(p *Price) *Rate { return &p.InputAudio }, "input"},
	{"input_image", func(p *Price) *Rate { return &p.InputImage }, "input"},
	{"output_audio", func(p *Price) *Rate { return &p.OutputAudio }, "output"},
	{"output_image", func(p *Price) *Rate { return &p.OutputImage }, "output"},
	{"image", func(p *Price) *Rate { return &p.Image }, ""},
	{"audio_ms", func(p *Price) *Rate { return &p.AudioMs }, ""},
	{"character", func(p *Price) *Rate { return &p.Character }, ""},
	{"search_unit", func(p *Price) *Rate { return &p.Search }, ""},
	{"request", func(p *Price) *Rate { return &p.Request }, ""},
}

// RateNames lists the names of rates. All are nano-USD per million units: tokens,
// or what the name says.
func RateNames() []string {
	out := make([]string, len(rateNames))
	for i, r := range rateNames {
		out[i] = r.name
	}
	return out
}

// The dearest rates that are taken for prices: 100,000 USD for a million tokens,
// and 1,000 USD for one picture, search or request. More is a slip.
const (
	maxTokenRate = 100_000 * 1_000_000_000
	maxUnitRate  = 9_000_000_000 * 1_000_000_000
)

// NewPrice makes a price of rates by name. What is not given costs what it is a
// part of, so that no token is free because a fact is missing. A rate that is
// negative or absurd, and a name that is none, are errors that name it.
func NewPrice(rates map[string]int64) (p Price, err error) {
	for name := range rates {
		if !slices.Contains(RateNames(), name) {
			return p, fmt.Errorf("%q is no rate; there are %s", name, strings.Join(RateNames(), ", "))
		}
	}
	for _, r := range rateNames {
		v, given := rates[r.name]
		most := int64(maxTokenRate)
		if r.like == "" && r.name != "input" && r.name != "output" {
			most = maxUnitRate
		}
		switch {
		case v < 0:
			return p, fmt.Errorf("%s must not be negative", r.name)
		case v > most:
			return p, fmt.Errorf("%s is beyond what any vendor asks: rates are USD for a million units", r.name)
		case given:
			*r.of(&p) = Rate(v)
		case r.like != "":
			*r.of(&p) = p.rate(r.like)
		}
	}
	return p, nil
}

func (p *Price) rate(name string) Rate {
	for _, r := range rateNames {
		if r.name == name {
			return *r.of(p)
		}
	}
	return 0
}

// Rates returns the rates of p that are not 0, by name.
func (p Price) Rates() map[string]int64 {
	out := map[string]int64{}
	for _, r := range rateNames {
		if v := *r.of(&p); v != 0 {
			out[r.name] = int64(v)
		}
	}
	return out
}

// A PriceLine is one part of what a use costs: units of a kind at its rate.
type PriceLine struct {
	Name  string // of RateNames
	Units int64
	Rate  Rate
	Nano  int64 // rounded by itself: their sum may be a few nano off Price.Cost
}

// lineNames are the names of Price.lines, in their order.
var lineNames = [...]string{"input", "input_audio", "input_image", "cache_read", "cache_write_5m", "cache_write_1h", "output", "output_audio", "output_image",
	"reasoning", "image", "audio_ms", "character", "search_unit", "request"}

// Lines returns the parts of what u costs, those without units or, of a request, rate left out.
func (p Price) Lines(u Usage) []PriceLine {
	var out []PriceLine
	for i, l := range p.lines(&u) {
		if l.n <= 0 || lineNames[i] == "request" && l.rate == 0 {
			continue
		}
		n, _ := scale(uint64(l.n), uint64(max(0, l.rate)))
		out = append(out, PriceLine{Name: lineNames[i], Units: l.n, Rate: l.rate, Nano: n})
	}
	return out
}

// Dearer returns the higher of each two rates.
func (p Price) Dearer(q Price) Price {
	for _, r := range rateNames {
		*r.of(&p) = max(*r.of(&p), *r.of(&q))
	}
	return p
}

// Scaled returns p with each rate times factor, in millionths, rounded half up.
// What does not fit is the largest rate.
func (p Price) Scaled(factor int64) Price {
	for _, r := range rateNames {
		n, _ := scale(uint64(max(0, *r.of(&p))), uint64(max(0, factor)))
		*r.of(&p) = Rate(n)
	}
	return p
}

// Markup returns what a charge of nano times factor, in millionths, is beyond nano:
// negative for a factor below 1 000 000. The product is rounded half up in 128
// bits; saturated tells that it did not fit.
func Markup(nano, factor int64) (beyond int64, saturated bool) {
	if nano <= 0 || factor < 0 {
		return 0, false
	}
	n, saturated := scale(uint64(nano), uint64(factor))
	return n - nano, saturated
}
