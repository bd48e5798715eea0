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

// Names as clouds write them lead to the maker's row, or to their own.
func TestSpellings(t *testing.T) {
	c := New()
	f := func(provider, model, want string) {
		t.Helper()
		m, ok := c.Find(provider, model)
		if !ok {
			t.Errorf("%s %s is not found", provider, model)
			return
		}
		if got := m.Provider + " " + m.ID; got != want || !m.Priced {
			t.Errorf("%s %s: %s, want %s", provider, model, got, want)
		}
	}
	f("bedrock", "anthropic.claude-3-5-sonnet-20240620-v1:0", "bedrock regional.anthropic.claude-3-5-sonnet-20240620-v1:0")
	f("bedrock", "us.anthropic.claude-3-opus-20240229-v1:0", "bedrock regional.anthropic.claude-3-opus-20240229-v1:0")
	f("bedrock", "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.amazon.nova-lite-v1:0", "bedrock amazon.nova-lite-v1:0")
	f("bedrock", "amazon.nova-pro-v1:0:24k", "bedrock amazon.nova-pro-v1:0")
	f("vertex", "publishers/google/models/gemini-2.5-pro", "gemini gemini-2.5-pro")
	f("vertex", "google/gemini-2.5-flash", "gemini gemini-2.5-flash")
	f("vertex", "publishers/anthropic/models/claude-opus-4-5@20251101", "anthropic claude-opus-4-5")
	f("vertex", "claude-sonnet-4-5@20250929", "anthropic claude-sonnet-4-5")
	f("vertex", "claude-haiku-4-5@default", "anthropic claude-haiku-4-5")
	f("gemini", "models/gemini-2.5-flash", "gemini gemini-2.5-flash")
	f("azure", "gpt-4o-2024-08-06", "openai gpt-4o")
	f("azure", "claude-sonnet-4-5", "anthropic claude-sonnet-4-5")
	f("azure", "GPT-4o", "openai gpt-4o")
	f("openai", "gpt-5.2-20251211", "openai gpt-5.2")
	f("openai", "ft:gpt-4o-mini-2024-07-18:acme::abc123", "openai ft:gpt-4o-mini")
	f("openrouter", "openai/gpt-4o:nitro", "openrouter openai/gpt-4o")
	f("custom", "openai/gpt-4o", "openai gpt-4o")
	f("huggingface", "Qwen/Qwen3-32B:groq", "huggingface Qwen/Qwen3-32B:groq")
	f("minimax", "minimax-m2", "minimax MiniMax-M2")
	if c.Host("API.Avian.io") != "avian" || c.Host("acme.openai.azure.com") != "azure" || c.Host("example.com") != "" {
		t.Error("hosts are not known by their vendors")
	}
}
