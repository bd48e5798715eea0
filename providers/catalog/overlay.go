package catalog

import (
	"cmp"
	"slices"
	"strings"

	"github.com/your-org/ai-api-gateway/providers"
)

// An Overlay is a catalogue in which prices that the operator set go before the
// facts of the embedded one. Its methods may be called at once from several
// goroutines.
type Overlay struct {
	*Catalogue
	over map[string]*shelf
}

// With returns c with rows before its own. A row of a model that c knows lends it
// its facts, and holds for all names by which c finds that model.
func (c *Catalogue) With(rows []providers.Model) *Overlay {
	o := &Overlay{c, map[string]*shelf{}}
	for i := range rows {
		m := rows[i]
		if base, ok := c.Find(m.Provider, m.ID); ok {
			m.Op, m.Title = base.Op, base.Title
			m.Context, m.MaxOutput = cmp.Or(m.Context, base.Context), cmp.Or(m.MaxOutput, base.MaxOutput)
		}
		s := o.over[m.Provider]
		if s == nil {
			s = newShelf()
			o.over[m.Provider] = s
		}
		s.exact[m.ID] = &m
		s.lower[strings.ToLower(m.ID)] = &m
		s.patterns = append(s.patterns, pattern{strings.ToLower(m.ID), &m})
		s.consider(&m)
	}
	for _, s := range o.over {
		slices.SortStableFunc(s.patterns, func(a, b pattern) int { return literal(b.text) - literal(a.text) })
	}
	return o
}

// Find returns what is known of a provider's model, the operator's prices first.
func (o *Overlay) Find(provider, model string) (*providers.Model, bool) {
	s := o.over[provider]
	if m := s.find(model); m != nil {
		return m, true
	}
	base, ok := o.Catalogue.Find(provider, model)
	if ok && s != nil {
		if m := s.exact[base.ID]; m != nil {
			return m, true
		}
	}
	return base, ok
}

// Providers returns the providers known to serve a model of that name, its maker first.
func (o *Overlay) Providers(model string) []string {
	out := o.Catalogue.Providers(model)
	var more []string
	for p, s := range o.over {
		if s.find(model) != nil && !slices.Contains(out, p) {
			more = append(more, p)
		}
	}
	slices.Sort(more)
	return append(slices.Clone(out), more...)
}

// Known returns the ids of a provider's models, sorted.
func (o *Overlay) Known(provider string) []string {
	out := o.Catalogue.Known(provider)
	if s := o.over[provider]; s != nil {
		for id := range s.exact {
			out = append(out, id)
		}
		slices.Sort(out)
		out = slices.Compact(out)
	}
	return out
}

// Dearest returns the highest rates known of a provider, each kind for itself.
func (o *Overlay) Dearest(provider string) providers.Price {
	p := o.Catalogue.Dearest(provider)
	if s := o.over[provider]; s != nil {
		p = p.Dearer(s.dearest)
	}
	return p
}
