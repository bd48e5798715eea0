package catalog

import (
	"slices"
	"strings"
	"sync"

	"github.com/your-org/ai-api-gateway/providers"
)

// A Catalogue finds models and prices by provider and name. Its methods may be
// called at once from several goroutines.
type Catalogue struct {
	vendors map[string]*shelf
	order   []string        // of vendors, the makers of models before those that host others'
	dearest providers.Price // of all vendors
	version string

	mu    sync.RWMutex
	found map[key]*providers.Model // answers to names that took a search; nil: none
}

type key struct{ provider, model string }

// A shelf holds one provider's models.
type shelf struct {
	exact    map[string]*providers.Model
	lower    map[string]*providers.Model // by names in lower case
	patterns []pattern                   // the most specific first
	dearest  providers.Price
}

type pattern struct {
	text  string
	model *providers.Model
}

// remembered bounds the answers kept: names come from callers.
const remembered = 4096

// shares tells whose rows stand in where a provider has none of its own for a
// name: another site of the same vendor, or the maker of the models it hosts.
var shares = map[string][]string{
	"qwen-intl": {"qwen"}, "moonshot-intl": {"moonshot"}, "minimax-intl": {"minimax"},
	"zhipu": {"zai"}, "zai": {"zhipu"},
	"azure": {"openai", "anthropic", "deepseek", "xai", "moonshot", "mistral", "cohere"}, "vertex": {"gemini", "anthropic", "mistral"},
	"voyageai": {"voyage"},
}

// prefixed lists the providers whose names for models are maker/model, at the
// makers' own prices: where they have no row, the maker's stands in.
var prefixed = map[string]bool{"openrouter": true, "vercel": true}

// makerOf maps the prefixes in such names to our providers where they differ.
var makerOf = map[string]string{
	"google": "gemini", "x-ai": "xai", "mistralai": "mistral", "moonshotai": "moonshot", "z-ai": "zai", "alibaba": "qwen",
}

// endings are how a vendor's dated and moving names continue a model's name.
var endings = map[string][]string{
	"":         {"-20*", "-latest"},
	"gemini":   {"-0*", "-latest", "-preview*", "-exp*"},
	"mistral":  {"-2*", "-latest"},
	"xai":      {"-0*", "-20*", "-latest", "-beta"},
	"moonshot": {"-0*", "-latest", "-preview*"},
	"deepseek": {"-0*", "-20*", "-latest"},
	// OpenRouter's variants (":free", ":nitro", …) are priced apart: they have rows or are unknown.
	"openrouter": nil,
}

// firsts are the name patterns of the makers that are not in the table of vendors.
var firsts = map[string][]string{"anthropic": {"claude-*"}, "gemini": {"gemini-*", "gemma-*"}}

// New returns a catalogue of the embedded facts. It decodes them on the first use in the process.
func New() *Catalogue {
	c := &Catalogue{vendors: map[string]*shelf{}, found: map[key]*providers.Model{}, version: Version()}
	list := Models()
	for i := range list {
		m := &list[i]
		s := c.vendors[m.Provider]
		if s == nil {
			s = newShelf()
			c.vendors[m.Provider] = s
			c.order = append(c.order, m.Provider)
		}
		s.add(m)
	}
	for _, s := range c.vendors {
		c.dearest = c.dearest.Dearer(s.dearest)
		slices.SortStableFunc(s.patterns, func(a, b pattern) int { return literal(b.text) - literal(a.text) })
	}
	slices.SortFunc(c.order, func(a, b string) int { return rank(a) - rank(b) })
	return c
}

// ranks orders the providers that may serve the same name.
var ranks = strings.Fields("openai anthropic gemini deepseek qwen moonshot zhipu zai minimax doubao mistral xai cohere perplexity groq cerebras together fireworks azure bedrock openrouter vercel")

func rank(provider string) int {
	if i := slices.Index(ranks, provider); i >= 0 {
		return i
	}
	return len(ranks)
}

// literal counts the characters of a pattern that are not wild.
func literal(p string) int { return len(p) - strings.Count(p, "*") }

func newShelf() *shelf {
	return &shelf{exact: map[string]*providers.Model{}, lower: map[string]*providers.Model{}}
}

func (s *shelf) add(m *providers.Model) {
	names := append([]string{m.ID}, m.Aliases...)
	for i, name := range names {
		if old := s.exact[name]; old == nil || i == 0 && old.ID != name {
			s.exact[name] = m // an id goes before another row's alias
		}
		if low := strings.ToLower(name); s.lower[low] == nil {
			s.lower[low] = m
		}
	}
	for _, p := range m.Match {
		s.patterns = append(s.patterns, pattern{strings.ToLower(p), m})
	}
	ends, own := endings[m.Provider]
	if !own {
		ends = endings[""]
	}
	for _, name := range names {
		if moving(name) {
			continue
		}
		for _, e := range ends {
			s.patterns = append(s.patterns, pattern{strings.ToLower(name) + e, m})
		}
	}
	s.consider(m)
}

// consider counts a model's rates among the dearest: those of chat for tokens, of
// any operation for other units.
func (s *shelf) consider(m *providers.Model) {
	if !m.Priced {
		return
	}
	for _, p := range append([]providers.Price{m.Price}, tierPrices(m)...) {
		if m.Op != providers.OpChat {
			p = providers.Price{Image: p.Image, AudioMs: p.AudioMs, Character: p.Character, Search: p.Search}
		}
		s.dearest = s.dearest.Dearer(p)
	}
}

func tierPrices(m *providers.Model) (out []providers.Price) {
	for _, t := range m.Tiers {
		out = append(out, t.Price)
	}
	return out
}

// moving reports whether a name is a dated or moving one already.
func moving(name string) bool {
	last := name[strings.LastIndexByte(name, '-')+1:]
	return last == "latest" || last == "preview" || len(last) >= 4 && strings.Trim(last, "0123456789") == ""
}

// Find returns what is known of a provider's model: by its name, by another name
// of it, or by the most specific pattern that fits. The model is shared: do not change it.
func (c *Catalogue) Find(provider, model string) (*providers.Model, bool) {
	if s := c.vendors[provider]; s != nil {
		if m := s.exact[model]; m != nil {
			return m, true
		}
	}
	k := key{provider, model}
	c.mu.RLock()
	m, known := c.found[k]
	c.mu.RUnlock()
	if known {
		return m, m != nil
	}
	m = c.search(provider, model)
	if len(model) <= 256 { // longer ones are no names; they shall not fill memory
		c.mu.Lock()
		if len(c.found) >= remembered {
			clear(c.found)
		}
		c.found[key{provider, strings.Clone(model)}] = m
		c.mu.Unlock()
	}
	return m, m != nil
}

func (s *shelf) find(model string) *providers.Model {
	if s == nil {
		return nil
	}
	if m := s.exact[model]; m != nil {
		return m
	}
	model = strings.ToLower(model)
	if m := s.lower[model]; m != nil {
		return m
	}
	for _, p := range s.patterns {
		if providers.MatchName(p.text, model) {
			return p.model
		}
	}
	return nil
}

// Providers returns the providers known to serve a model of that name, its maker first.
func (c *Catalogue) Providers(model string) []string {
	var first, rest []string
	for _, p := range c.order {
		if c.vendors[p].find(model) == nil {
			continue
		}
		if makes(p, model) {
			first = append(first, p)
		} else {
			rest = append(rest, p)
		}
	}
	return append(first, rest...)
}

var vendorPatterns = sync.OnceValue(func() map[string][]string {
	patterns := map[string][]string{}
	for _, v := range Vendors() {
		patterns[v.Name] = v.Models
	}
	for name, list := range firsts {
		patterns[name] = list
	}
	return patterns
})

// makes reports whether the model's name is one of the provider's own kind.
func makes(provider, model string) bool {
	return slices.ContainsFunc(vendorPatterns()[provider], func(p string) bool {
		return p != "*/*" && providers.MatchName(p, model)
	})
}

// standIn is the host of open models whose rates stand for a provider without any known one.
const standIn = "together"

// Dearest returns the highest rates known of a provider, each kind for itself, to
// price a model that is not known. Of what a provider has no rate for it returns
// that of a large host of open models for tokens, and the dearest of all vendors
// for other units, never zero: that a provider runs on the owner's machine and is
// free, the caller must know.
func (c *Catalogue) Dearest(provider string) providers.Price {
	p := c.chatRate(provider)
	for _, name := range shares[provider] {
		if p.Input == 0 {
			p = c.chatRate(name)
		}
	}
	if p.Input == 0 {
		p = c.chatRate(standIn)
	}
	if p.Input == 0 {
		panic("BUG: the catalogue has no chat rate of " + standIn)
	}
	fill := func(to *providers.Rate, from providers.Rate) {
		if *to == 0 {
			*to = from
		}
	}
	fill(&p.Image, c.dearest.Image)
	fill(&p.AudioMs, c.dearest.AudioMs)
	fill(&p.Character, c.dearest.Character)
	fill(&p.Search, c.dearest.Search)
	return p
}

// chatRate is the dearest price of a vendor's chat models; zero where none is known.
func (c *Catalogue) chatRate(vendor string) providers.Price {
	if s := c.vendors[vendor]; s != nil && s.dearest.Input != 0 {
		return s.dearest
	}
	return providers.Price{}
}

// Version names the state of the facts: their date, YYYY-MM-DD.
func (c *Catalogue) Version() string { return c.version }
