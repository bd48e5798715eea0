package catalog

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/your-org/ai-api-gateway/providers"
)

func TestModelsAreSound(t *testing.T) {
	seen := map[string]bool{}
	for i := range Models() {
		m := &Models()[i]
		id := m.Provider + "/" + m.ID
		if seen[id] {
			t.Errorf("%s has two rows", id)
		}
		seen[id] = true
		if m.ID == "" || m.Source == "" || m.Op == "" {
			t.Errorf("%s lacks a fact: %+v", id, m)
		}
		if _, err := time.Parse(time.DateOnly, m.AsOf); err != nil {
			t.Errorf("%s: date %q", id, m.AsOf)
		}
		free := m.Price == providers.Price{}
		if m.Priced && free && !knownFree(m) {
			t.Errorf("%s is priced at zero", id)
		}
		if !m.Priced && !free {
			t.Errorf("%s has a price that is not marked as known", id)
		}
		if m.Priced && !free {
			checkRates(t, id, m.Price)
		}
		last := int64(0)
		for _, tier := range m.Tiers {
			if tier.Above <= last {
				t.Errorf("%s: tiers are not ascending", id)
			}
			last = tier.Above
			checkRates(t, id, tier.Price)
		}
	}
	if len(seen) < 400 {
		t.Errorf("%d models", len(seen))
	}
	t.Logf("%d models, %d bytes embedded", len(seen), len(table))
	if len(table) > 260<<10 {
		t.Errorf("the table has grown to %d bytes", len(table))
	}
}

// knownFree lists what its vendor gives away.
func knownFree(m *providers.Model) bool {
	return m.Op == providers.OpModerations || strings.HasSuffix(m.ID, ":free") || strings.HasSuffix(m.ID, "-free") ||
		m.Provider == "zai" && strings.HasSuffix(m.ID, "-flash") ||
		m.Provider == "openrouter" && slices.Contains([]string{"openrouter/free", "openrouter/auto"}, m.ID)
}

// checkRates: no kind of token is free where others are paid, and a cached token
// costs no more than four fresh ones.
func checkRates(t *testing.T, id string, p providers.Price) {
	t.Helper()
	if p.Input > 0 && (p.CacheRead == 0 || p.CacheWrite5m == 0 || p.CacheWrite1h == 0 || p.InputAudio == 0 || p.InputImage == 0) {
		t.Errorf("%s: some input is free: %+v", id, p)
	}
	if p.Output > 0 && (p.Reasoning == 0 || p.OutputAudio == 0 || p.OutputImage == 0) {
		t.Errorf("%s: some output is free: %+v", id, p)
	}
	if p.Input > 0 && (p.CacheRead > p.Input+p.Input/20 || p.CacheWrite5m > 4*p.Input) {
		t.Errorf("%s: cache rates %d and %d for input %d", id, p.CacheRead, p.CacheWrite5m, p.Input)
	}
	const dear = 1_000_000_000_000 // 1,000 USD per million tokens
	for _, r := range []providers.Rate{p.Input, p.Output, p.CacheRead, p.CacheWrite1h, p.Reasoning, p.InputAudio, p.OutputAudio} {
		if r < 0 || r > dear {
			t.Errorf("%s: rate %d", id, r)
		}
	}
}

func TestFind(t *testing.T) {
	c := New()
	f := func(provider, model, want string) {
		t.Helper()
		for range 2 { // the second answer comes from memory
			m, ok := c.Find(provider, model)
			got := ""
			if ok {
				got = m.Provider + " " + m.ID
			}
			if got != want {
				t.Errorf("Find(%s, %s) = %q, want %q", provider, model, got, want)
			}
		}
	}
	f("openai", "gpt-4", "openai gpt-4")
	f("openai", "gpt-4-0613", "openai gpt-4")
	f("openai", "gpt-4o", "openai gpt-4o")
	f("openai", "gpt-4o-2024-08-06", "openai gpt-4o")
	f("openai", "gpt-4o-2024-05-13", "openai gpt-4o-2024-05-13")
	f("openai", "gpt-4o-mini-2024-07-18", "openai gpt-4o-mini")
	f("openai", "gpt-4o-2031-01-01", "openai gpt-4o")
	f("openai", "gpt-5-mini-2031-01-01", "openai gpt-5-mini")
	f("openai", "gpt-99", "")
	f("openai", "gpt-4o-ultra", "")
	f("openai", "omni-moderation-latest", "openai moderation")
	f("openai", "ft:gpt-4o-mini-2024-07-18:acme::x", "openai ft:gpt-4o-mini")
	f("openai", "", "")
	f("anthropic", "claude-3-opus-20240229", "anthropic claude-3-opus-latest")
	f("anthropic", "claude-3-opus-latest", "anthropic claude-3-opus-latest")
	f("anthropic", "claude-sonnet-4-5", "anthropic claude-sonnet-4-5")
	f("anthropic", "claude-sonnet-4-5-20250929", "anthropic claude-sonnet-4-5")
	f("anthropic", "claude-sonnet-4-20250514", "anthropic claude-sonnet-4-0")
	f("anthropic", "claude-opus-4-6-20310101", "anthropic claude-opus-4-6")
	f("anthropic", "claude-sonnet-9", "")
	f("gemini", "gemini-2.5-pro", "gemini gemini-2.5-pro")
	f("gemini", "gemini-2.5-pro-preview-05-06", "gemini gemini-2.5-pro")
	f("gemini", "gemini-2.0-flash-001", "gemini gemini-2.0-flash")
	f("gemini", "gemini-2.0-flash-lite-001", "gemini gemini-2.0-flash-lite")
	f("deepseek", "deepseek-chat", "deepseek deepseek-chat")
	f("mistral", "mistral-large-latest", "mistral mistral-large")
	f("xai", "grok-4-0709", "xai grok-4-0709")
	f("xai", "grok-4.3-20310101", "xai grok-4.3")
	f("groq", "llama-3.3-70b-versatile", "groq llama-3.3-70b-versatile")
	f("qwen", "qwen3-max", "qwen qwen3-max")
	f("qwen-intl", "qwen3-max", "qwen qwen3-max")
	f("moonshot", "kimi-k2.5", "moonshot kimi-k2.5")
	f("zhipu", "glm-4.7", "zhipu glm-4.7")
	f("zai", "glm-4.7", "zai glm-4.7")
	f("zhipu", "glm-4.6", "zai glm-4.6")
	f("cohere", "command-r-plus-08-2024", "cohere command-r-plus")
	f("perplexity", "sonar-pro", "perplexity sonar-pro")
	f("together", "meta-llama/Llama-3.3-70B-Instruct-Turbo", "together meta-llama/Llama-3.3-70B-Instruct-Turbo")
	f("fireworks", "accounts/fireworks/models/gpt-oss-120b", "fireworks accounts/fireworks/models/gpt-oss-120b")
	f("openrouter", "openai/gpt-4o-mini", "openrouter openai/gpt-4o-mini")
	f("openrouter", "openai/gpt-4o-2031-01-01", "openai gpt-4o")
	f("openrouter", "anthropic/claude-haiku-4.5-20310101", "anthropic claude-haiku-4-5")
	f("openrouter", "nobody/nothing", "")
	f("together", "openai/gpt-4o", "") // the prefix is part of its names
	f("azure", "gpt-4o-mini", "openai gpt-4o-mini")
	f("custom", "gpt-4o", "openai gpt-4o")
	f("custom", "my-own", "")
	f("nobody", "gpt-4o", "")
}

// TestFlagships: the families the gateway must know, routable and priced.
func TestFlagships(t *testing.T) {
	c := New()
	for provider, models := range map[string]string{
		"openai":     "gpt-4 gpt-4o gpt-4.1 gpt-5 gpt-5.1 gpt-5.2 gpt-5.4 gpt-5.5 gpt-5.6 gpt-5.6-luna o1 o3 o4-mini text-embedding-3-small text-embedding-3-large",
		"anthropic":  "claude-3-opus-20240229 claude-3-5-haiku-20241022 claude-3-7-sonnet-20250219 claude-opus-4-1 claude-haiku-4-5 claude-sonnet-4-6 claude-opus-4-8 claude-opus-5 claude-sonnet-5 claude-fable-5",
		"gemini":     "gemini-2.5-pro gemini-2.5-flash gemini-2.5-flash-lite gemini-3-pro-preview gemini-3-flash-preview gemini-3.1-pro-preview gemini-embedding-001",
		"deepseek":   "deepseek-chat deepseek-reasoner deepseek-v4-flash deepseek-v4-pro",
		"mistral":    "mistral-large-latest mistral-medium-latest mistral-small-latest codestral-latest magistral-medium-latest mistral-embed",
		"groq":       "llama-3.3-70b-versatile openai/gpt-oss-120b qwen/qwen3-32b",
		"xai":        "grok-3 grok-4 grok-4-fast grok-4.3 grok-4.5 grok-code-fast-1",
		"qwen":       "qwen-max qwen-plus qwen-turbo qwen3-max qwen3-coder-plus",
		"moonshot":   "kimi-k2.5 kimi-k2.6 kimi-k3 moonshot-v1-128k",
		"zhipu":      "glm-4.7 glm-5 glm-5.1 glm-5.2",
		"cohere":     "command-a-03-2025 command-r-plus embed-v4.0",
		"perplexity": "sonar sonar-pro sonar-reasoning-pro sonar-deep-research",
		"together":   "meta-llama/Llama-3.3-70B-Instruct-Turbo",
		"fireworks":  "accounts/fireworks/models/deepseek-v4-pro",
		"openrouter": "openai/gpt-5 anthropic/claude-sonnet-4.5 google/gemini-2.5-pro deepseek/deepseek-chat",
	} {
		for _, model := range strings.Fields(models) {
			m, ok := c.Find(provider, model)
			if !ok || !m.Priced || m.Price.Input == 0 {
				t.Errorf("%s %s: found %v, %+v", provider, model, ok, m)
			}
		}
	}
}

func TestProviders(t *testing.T) {
	c := New()
	f := func(model string, want string) {
		t.Helper()
		got := c.Providers(model)
		first := ""
		if len(got) > 0 {
			first = got[0]
		}
		if first != want {
			t.Errorf("Providers(%s) = %v, want %s first", model, got, want)
		}
	}
	f("gpt-4", "openai")
	f("gpt-4o-2024-08-06", "openai")
	f("claude-3-opus-20240229", "anthropic")
	f("gemini-2.5-flash", "gemini")
	f("deepseek-v4-pro", "deepseek")
	f("kimi-k2.7-code", "moonshot")
	f("llama-3.3-70b-versatile", "groq")
	f("qwen3-max", "qwen")
	f("glm-4.7", "zhipu")
	f("openai/gpt-oss-120b", "groq")
	f("nothing-of-the-kind", "")
	if got := c.Providers("deepseek-v4-pro"); !slices.Contains(got, "qwen") {
		t.Errorf("deepseek-v4-pro is also hosted by qwen: %v", got)
	}
}

func TestDearest(t *testing.T) {
	c := New()
	for _, v := range Vendors() {
		p := c.Dearest(v.Name)
		ofVendor := func(m providers.Model) bool { return m.Provider == v.Name }
		sellsOutput := func(m providers.Model) bool { return ofVendor(m) && m.Price.Output > 0 }
		inputOnly := slices.ContainsFunc(Models(), ofVendor) && !slices.ContainsFunc(Models(), sellsOutput) // vendors of vectors
		if p.Input <= 0 || p.Output <= 0 && !inputOnly || p.CacheRead <= 0 || p.CacheWrite1h <= 0 || p.Reasoning < p.Output {
			t.Errorf("%s: %+v", v.Name, p)
		}
		for _, m := range Models() {
			if m.Provider == v.Name && m.Op == providers.OpChat && (m.Price.Input > p.Input || m.Price.Output > p.Output) {
				t.Errorf("%s: %s is dearer than the dearest", v.Name, m.ID)
			}
		}
	}
	if c.Dearest("deepseek").Input >= c.Dearest("openai").Input {
		t.Error("DeepSeek is as dear as OpenAI")
	}
}

func TestTiers(t *testing.T) {
	m, _ := New().Find("openai", "gpt-5.4")
	if short, long := m.PriceFor(&providers.Usage{Input: 272_000}), m.PriceFor(&providers.Usage{CacheRead: 272_001}); short.Input != 2_500_000_000 || long.Input != 5_000_000_000 || long.Output != 22_500_000_000 || long.CacheRead != 500_000_000 {
		t.Errorf("gpt-5.4: %+v up to 272,000 tokens, %+v above", short, long)
	}
	m, _ = New().Find("anthropic", "claude-opus-4-8")
	if p := m.Price; p.CacheWrite5m != 6_250_000_000 || p.CacheWrite1h != 10_000_000_000 || p.CacheRead != 500_000_000 {
		t.Errorf("claude-opus-4-8: %+v", p)
	}
}

func TestMemoryIsBounded(t *testing.T) {
	c := New()
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 3 * remembered {
				c.Find("openai", fmt.Sprintf("gpt-4o-20%d-%d", g, i))
				c.Find("openai", strings.Repeat("x", 300)+fmt.Sprint(i))
			}
		})
	}
	wg.Wait()
	if len(c.found) > remembered {
		t.Errorf("%d answers are kept", len(c.found))
	}
}

func TestDecodeRefusesDamage(t *testing.T) {
	good := "@source\tg\tsomewhere\t2026-01-01\nopenai\tm\tchat\t1\t2\ti1 o2\t100:i2 o4\ta b\tm-*\tg\tTitle\n"
	if list, version, err := decode(good); err != nil || len(list) != 1 || version != "2026-01-01" || list[0].Tiers[0].Price.Output != 4_000_000_000 {
		t.Fatalf("%+v %q %v", list, version, err)
	}
	for _, bad := range []struct{ from, to string }{
		{"\tTitle", ""}, {"\t1\t2", "\tx\t2"}, {"\t1\t2", "\t1\ty"}, {"i1 o2", "i1 z2"}, {"i1 o2", "i- o2"},
		{"i1 o2", "i0.0000000001"}, {"100:i2", ":i2"}, {"100:i2", "a>100:i2"}, {"100:i2", "100:i2x"}, {"\tg\tTitle", "\tq\tTitle"}, {"i1 o2", "i-1"},
	} {
		if _, _, err := decode(strings.Replace(good, bad.from, bad.to, 1)); err == nil {
			t.Errorf("%q instead of %q was read", bad.to, bad.from)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(table[:2000])
	f.Add("@source\tg\tx\t2026-01-01\np\tm\tchat\t1\t2\ti1 o2\t100:i2;200:o4\ta\tm-*\tg;note\tT")
	f.Fuzz(func(t *testing.T, text string) {
		list, _, err := decode(text)
		for _, m := range list {
			if err == nil && (m.Price.Input < 0 || m.Source == "" && m.AsOf == "" && !strings.Contains(text, "@source")) {
				t.Errorf("%+v", m)
			}
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	for b.Loop() {
		if _, _, err := decode(table); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		New()
	}
}

func BenchmarkFind(b *testing.B) {
	c := New()
	for b.Loop() {
		c.Find("anthropic", "claude-sonnet-4-5-20250929")
	}
}
