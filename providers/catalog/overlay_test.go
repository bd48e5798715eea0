package catalog

import (
	"slices"
	"testing"

	"github.com/your-org/ai-api-gateway/providers"
)

func TestOverlay(t *testing.T) {
	c := New()
	own := func(provider, model string, in providers.Rate) providers.Model {
		return providers.Model{Provider: provider, ID: model, Op: providers.OpChat, Priced: true, Price: providers.Price{Input: in}, PriceFrom: providers.PriceOverride}
	}
	o := c.With([]providers.Model{own("openai", "gpt-4o", 7), own("openai", "acme-*", 8), own("custom", "house", 1<<50), own("openai", "gpt-4o-2024-05-13", 9)})
	f := func(provider, model string, in providers.Rate) {
		t.Helper()
		m, ok := o.Find(provider, model)
		if !ok || m.Price.Input != in {
			t.Errorf("%s %s: %+v, %v", provider, model, m, ok)
		}
	}
	f("openai", "gpt-4o", 7)
	f("openai", "gpt-4o-2024-08-06", 7) // another name of it
	f("openai", "gpt-4o-2024-05-13", 9)
	f("openai", "acme-1", 8)
	f("custom", "house", 1<<50)
	f("openai", "gpt-4o-mini", 150_000_000)
	if m, _ := o.Find("openai", "gpt-4o"); m.Context != 128_000 || m.Title == "" {
		t.Errorf("facts are lost: %+v", m)
	}
	if !slices.Contains(o.Providers("house"), "custom") || !slices.Contains(o.Known("openai"), "acme-*") || o.Version() != c.Version() {
		t.Error("what is set is not listed")
	}
	if o.Dearest("custom").Input != 1<<50 || c.Dearest("custom").Input == 1<<50 {
		t.Error("the dearest is not of what was set")
	}

}
