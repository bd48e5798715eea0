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
	Image                            Rate // per million pictures
	AudioMs                          Rate // per million milliseconds of sound
	Character                        Rate // per million characters spoken
	Search                           Rate // per million rerank search units
	Request                          Rate // per million requests, on top
}

// A Tier replaces the price when the prompt is longer than Above tokens.
type Tier struct {
	Above int64
	Price Price
}

// A Variant replaces price and tiers for calls of a kind that the vendor prices
// apart: a service tier ("batch", "flex", "priority"), or the quality and size of
// a picture ("hd/1024x1792", "1024x1024").
type Variant struct {
	Kind  string
	Price Price
	Tiers []Tier
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
	Variants  []Variant
	Source    string // where the facts are from
	AsOf      string // their date, YYYY-MM-DD
	// PriceFrom is who set the price: "" the catalogue, PriceOverride or PriceAccount.
	// PriceVersion then names it; the catalogue's is that of the whole.
	PriceFrom, PriceVersion string
}

// Where a price that is not the catalogue's is from.
const (
	PriceOverride = "override" // set for the model by the operator
	PriceAccount  = "account"  // agreed for one account
)

// PriceFor returns the price that holds for u: that of its kind of call, if the
// vendor has one for it, and of the length of its prompt. It is the model's own, not
// to be changed.
func (m *Model) PriceFor(u *Usage) *Price {
	p, tiers := &m.Price, m.Tiers
	if u.Kind != "" {
		for i := range m.Variants {
			if v := &m.Variants[i]; v.Kind == u.Kind {
				p, tiers = &v.Price, v.Tiers
				break
			}
		}
	}
	if len(tiers) > 0 {
		prompt := u.Prompt()
		for i := range tiers {
			if prompt > tiers[i].Above {
				p = &tiers[i].Price
			}
		}
	}
	return p
}

// Cost returns Σ units × rate / 10⁶, one request among the units, in nano-USD,
// computed in 128 bits and rounded half up once. saturated tells that the sum did
// not fit.
func (p Price) Cost(u Usage) (nano int64, saturated bool) {
	nano, saturated, _ = p.CostOf(&u)
	return nano, saturated
}

// CostOf is Cost, and reports whether p has a rate for anything in u. What it adds up
// are Price.lines.
func (p *Price) CostOf(u *Usage) (nano int64, saturated, covered bool) {
	var s sum
	s.add(u.Input, p.Input)
	s.add(u.Output, p.Output)
	s.add(1, p.Request)
	if u.InputAudio|u.InputImage|u.CacheRead|u.CacheWrite5m|u.CacheWrite1h != 0 {
		s.add(u.InputAudio, p.InputAudio)
		s.add(u.InputImage, p.InputImage)
		s.add(u.CacheRead, p.CacheRead)
		s.add(u.CacheWrite5m, p.CacheWrite5m)
		s.add(u.CacheWrite1h, p.CacheWrite1h)
	}
	if u.OutputAudio|u.OutputImage|u.Reasoning != 0 {
		s.add(u.OutputAudio, p.OutputAudio)
		s.add(u.OutputImage, p.OutputImage)
		s.add(u.Reasoning, p.Reasoning)
	}
	if u.Images|u.AudioMs|u.Characters|u.Searches != 0 {
		s.add(u.Images, p.Image)
		s.add(u.AudioMs, p.AudioMs)
		s.add(u.Characters, p.Character)
		s.add(u.Searches, p.Search)
	}
	if s.over {
		return math.MaxInt64, true, true
	}
	nano, saturated = millionth(s.hi, s.lo)
	return nano, saturated, s.some
}

// A sum is what lines come to so far, in millionths of a nano-USD.
type sum struct {
	hi, lo uint64
	some   bool // there was anything to add
	over   bool // it did not fit 128 bits
}

// add adds n units at a rate: most kinds of them are not used, and cost no more than
// the look.
func (s *sum) add(n int64, rate Rate) {
	if n > 0 && rate > 0 {
		s.line(uint64(n), uint64(rate))
	}
}

// line adds what is used, which is little of what may be: add is small without it.
//
//go:noinline
func (s *sum) line(n, rate uint64) {
	hi, lo := bits.Mul64(n, rate)
	var c uint64
	s.lo, c = bits.Add64(s.lo, lo, 0)
	s.hi, c = bits.Add64(s.hi, hi, c)
	s.some, s.over = true, s.over || c != 0
}

type line struct {
	n    int64
	rate Rate
}

// lines pairs what was used with what a unit of it costs.
func (p *Price) lines(u *Usage) [15]line {
	return [15]line{
		{u.Input, p.Input}, {u.InputAudio, p.InputAudio}, {u.InputImage, p.InputImage},
		{u.CacheRead, p.CacheRead}, {u.CacheWrite5m, p.CacheWrite5m}, {u.CacheWrite1h, p.CacheWrite1h},
		{u.Output, p.Output}, {u.OutputAudio, p.OutputAudio}, {u.OutputImage, p.OutputImage}, {u.Reasoning, p.Reasoning},
		{u.Images, p.Image}, {u.AudioMs, p.AudioMs}, {u.Characters, p.Character}, {u.Searches, p.Search},
		{1, p.Request},
	}
}

// millionth divides 128 bits by 10⁶ and rounds half up; saturated: it does not fit an int64.
func millionth(hi, lo uint64) (nano int64, saturated bool) {
	const million = 1_000_000
	if hi == 0 && lo <= math.MaxInt64 { // nearly always: by a constant without a division
		return int64((lo + million/2) / million), false
	}
	lo, c := bits.Add64(lo, million/2, 0)
	hi, c = bits.Add64(hi, 0, c)
	if c != 0 || hi >= million {
		return math.MaxInt64, true
	}
	q, _ := bits.Div64(hi, lo, million)
	if q > math.MaxInt64 {
		return math.MaxInt64, true
	}
	return int64(q), false
}

// scale returns n × factor / 10⁶.
func scale(n, factor uint64) (scaled int64, saturated bool) {
	hi, lo := bits.Mul64(n, factor)
	return millionth(hi, lo)
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
