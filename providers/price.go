package providers

import (
	"math"
	"math/bits"
	"strings"
)

// A Rate is a price of one unit kind: nano-USD per million units, so that
// 2.5 USD per million tokens is 2_500_000_000.
type Rate int64

// A Price is what a model costs, by bucket of Usage. A zero Rate means free;
// whether a price is known at all is Model.Priced.
type Price struct {
	Input, InputAudio, InputImage    Rate
	CacheRead                        Rate
	CacheWrite5m, CacheWrite1h       Rate
	Output, OutputAudio, OutputImage Rate
	Reasoning                        Rate
	Image                            Rate  // per million pictures
	AudioMs                          Rate  // per million milliseconds of sound
	Character                        Rate  // per million characters spoken
	Search                           Rate  // per million rerank search units
	Request                          int64 // nano-USD per request, on top
}

// A Tier replaces the price when the prompt is longer than Above tokens.
type Tier struct {
	Above int64
	Price Price
}

// A Model is one catalogue row: facts about a model, with where they are from.
type Model struct {
	ID        string   // the vendor's name
	Provider  string   // Provider.Name
	Aliases   []string // other exact names of the same model
	Match     []string // name patterns ('*') of dated and suffixed variants
	Title     string
	Op        Op    // OpChat or OpEmbeddings, …
	Context   int64 // tokens; 0: not known
	MaxOutput int64 // tokens; 0: not known
	Priced    bool
	Price     Price
	Tiers     []Tier // ascending by Above
	Source    string // where the facts are from
	AsOf      string // their date, YYYY-MM-DD
}

// PriceFor returns the price that holds for a prompt of that many tokens.
func (m *Model) PriceFor(prompt int64) Price {
	p := m.Price
	for _, t := range m.Tiers {
		if prompt > t.Above {
			p = t.Price
		}
	}
	return p
}

// Cost returns Σ units × rate / 10⁶ + the request price, in nano-USD, computed
// in 128 bits and rounded half up once. saturated tells that the sum did not fit.
func (p Price) Cost(u Usage) (nano int64, saturated bool) {
	var hi, lo uint64
	add := func(n int64, r Rate) {
		if n <= 0 || r <= 0 {
			return
		}
		h, l := bits.Mul64(uint64(n), uint64(r))
		var c uint64
		lo, c = bits.Add64(lo, l, 0)
		hi, c = bits.Add64(hi, h, c)
		if c != 0 {
			saturated = true
		}
	}
	add(u.Input, p.Input)
	add(u.InputAudio, p.InputAudio)
	add(u.InputImage, p.InputImage)
	add(u.CacheRead, p.CacheRead)
	add(u.CacheWrite5m, p.CacheWrite5m)
	add(u.CacheWrite1h, p.CacheWrite1h)
	add(u.Output, p.Output)
	add(u.OutputAudio, p.OutputAudio)
	add(u.OutputImage, p.OutputImage)
	add(u.Reasoning, p.Reasoning)
	add(u.Images, p.Image)
	add(u.AudioMs, p.AudioMs)
	add(u.Characters, p.Character)
	add(u.Searches, p.Search)

	const million = 1_000_000
	var c uint64
	lo, c = bits.Add64(lo, million/2, 0)
	hi, c = bits.Add64(hi, 0, c)
	if saturated || c != 0 || hi >= million {
		return math.MaxInt64, true
	}
	q, _ := bits.Div64(hi, lo, million)
	if p.Request > 0 {
		q, c = bits.Add64(q, uint64(p.Request), 0)
	}
	if c != 0 || q > math.MaxInt64 {
		return math.MaxInt64, true
	}
	return int64(q), false
}

// MatchName reports whether name fits pattern, in which '*' stands for any run of characters.
func MatchName(pattern, name string) bool {
	first, rest, star := strings.Cut(pattern, "*")
	if !strings.HasPrefix(name, first) {
		return false
	}
	name = name[len(first):]
	if !star {
		return name == ""
	}
	for {
		part, tail, more := strings.Cut(rest, "*")
		if !more {
			return strings.HasSuffix(name, part)
		}
		i := strings.Index(name, part)
		if i < 0 {
			return false
		}
		name, rest = name[i+len(part):], tail
	}
}
