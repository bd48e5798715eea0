package catalog

import (
	"maps"
	"slices"
)

// Known returns the ids of a provider's models, sorted.
func (c *Catalogue) Known(provider string) []string {
	s := c.vendors[provider]
	if s == nil {
		return nil
	}
	ids := map[string]bool{}
	for _, m := range s.exact {
		ids[m.ID] = true
	}
	return slices.Sorted(maps.Keys(ids))
}
