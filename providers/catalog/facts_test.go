package catalog

import (
	"encoding/json"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/your-org/ai-api-gateway/providers"
)

// shared returns the folder of test data beside the repository; tests that need
// it are skipped where it is absent, but not in CI.
func shared(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("AI_GATEWAY_SHARED")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared")
	}
	if _, err := os.Stat(dir); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("the shared test data is missing: %v", err)
		}
		t.Skipf("SKIPPED: THE SHARED TEST DATA IS MISSING (set AI_GATEWAY_SHARED): %v", err)
	}
	return dir
}

// testPython returns a Python that has the packages of .ci/requirements.txt.
func testPython(t *testing.T) string {
	t.Helper()
	python := os.Getenv("AI_GATEWAY_TEST_PYTHON")
	if python == "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("AI_GATEWAY_TEST_PYTHON is not set")
		}
		t.Skip("SKIPPED: PRICES ARE NOT COMPARED (set AI_GATEWAY_TEST_PYTHON to a Python with .ci/requirements.txt)")
	}
	return python
}

// A taken row differs from the source's file: where the second source was taken,
// the row says so.
func differs(m *providers.Model) bool { return strings.Contains(m.Source, "genai-prices says") }

// TestPricesAgainstSource reads the source's file in another way than the
// generator does, and compares each rate of every row that was taken from it.
func TestPricesAgainstSource(t *testing.T) {
	b, err := exec.Command(testPython(t), "genai_facts.py").Output()
	if err != nil {
		t.Fatalf("cannot read the source: %v", err)
	}
	var list []map[string]any
	if err := json.Unmarshal(b, &list); err != nil {
		t.Fatal(err)
	}
	ours := map[string]string{"openai": "openai", "anthropic": "anthropic", "google": "gemini", "deepseek": "deepseek", "mistral": "mistral", "groq": "groq", "x-ai": "xai", "moonshotai": "moonshot", "zhipuai": "zhipu", "cohere": "cohere", "perplexity": "perplexity", "minimax": "minimax", "cerebras": "cerebras", "together": "together", "openrouter": "openrouter", "fireworks": "fireworks"}
	c := New()
	compared, first, apart := 0, 0, 0
	for _, p := range list {
		vendor := ours[p["id"].(string)]
		for _, one := range p["models"].([]any) {
			m := one.(map[string]any)
			prices, plain := m["prices"].(map[string]any)
			row, ok := c.Find(vendor, m["id"].(string))
			if vendor == "" || !plain || !ok || row.ID != m["id"] && vendor != "fireworks" {
				continue
			}
			if differs(row) {
				apart++
			}
			if !strings.HasPrefix(row.Source, "genai-prices") {
				continue // the source's own comment names OpenRouter as its origin, or it has no price
			}
			compared++
			if vendor != "openrouter" {
				first++
			}
			compare(t, vendor+" "+row.ID, row, prices)
		}
	}
	t.Logf("%d rows compared, %d of them not OpenRouter's; %d rows were taken from the second source against it", compared, first, apart)
	if compared < 700 || first < 200 || apart > 40 {
		t.Errorf("compared %d rows, %d of them not OpenRouter's; %d are apart", compared, first, apart)
	}
}

func compare(t *testing.T, name string, row *providers.Model, prices map[string]any) {
	t.Helper()
	for unit, v := range prices {
		base, tiers := v, []any(nil)
		if tiered, ok := v.(map[string]any); ok {
			base, tiers = tiered["base"], tiered["tiers"].([]any)
		}
		check := func(p providers.Price, usd float64) {
			t.Helper()
			want := providers.Rate(math.Round(usd * 1e9))
			got, known := map[string]providers.Rate{
				"input_mtok": p.Input, "output_mtok": p.Output, "cache_read_mtok": p.CacheRead, "cache_write_mtok": p.CacheWrite5m,
				"input_audio_mtok": p.InputAudio, "output_audio_mtok": p.OutputAudio, "requests_kcount": p.Request / 1000,
			}[unit]
			if known && got != want {
				t.Errorf("%s %s: %d nano-USD, the source says %d", name, unit, got, want)
			}
		}
		check(row.Price, base.(float64))
		for _, one := range tiers {
			tier := one.(map[string]any)
			check(*row.PriceFor(&providers.Usage{Input: int64(tier["start"].(float64)) + 1}), tier["price"].(float64))
		}
	}
}

// TestPricesByHand holds some well-known list prices, in USD per million.
func TestPricesByHand(t *testing.T) {
	c := New()
	f := func(provider, model string, in, out, read float64) {
		t.Helper()
		m, ok := c.Find(provider, model)
		if !ok {
			t.Errorf("%s %s is not known", provider, model)
			return
		}
		rate := func(usd float64) providers.Rate { return providers.Rate(math.Round(usd * 1e9)) }
		if m.Price.Input != rate(in) || m.Price.Output != rate(out) || m.Price.CacheRead != rate(read) {
			t.Errorf("%s %s: %d, %d, %d; want %v, %v, %v USD", provider, model, m.Price.Input, m.Price.Output, m.Price.CacheRead, in, out, read)
		}
	}
	f("openai", "gpt-4", 30, 60, 30) // no cache rate: a cached token costs a fresh one's
	f("openai", "gpt-4o", 2.5, 10, 1.25)
	f("openai", "gpt-4o-mini", 0.15, 0.6, 0.075)
	f("openai", "gpt-3.5-turbo", 0.5, 1.5, 0.5)
	f("openai", "gpt-4.1", 2, 8, 0.5)
	f("openai", "o3", 2, 8, 0.5)
	f("openai", "gpt-5", 1.25, 10, 0.125)
	f("openai", "text-embedding-3-small", 0.02, 0, 0.02)
	f("anthropic", "claude-3-opus-20240229", 15, 75, 1.5)
	f("anthropic", "claude-sonnet-4-5-20250929", 3, 15, 0.3)
	f("anthropic", "claude-sonnet-5", 2, 10, 0.2)
	f("anthropic", "claude-haiku-4-5", 1, 5, 0.1)
	f("gemini", "gemini-2.5-pro", 1.25, 10, 0.125)
	f("gemini", "gemini-2.5-flash", 0.3, 2.5, 0.03)
	f("deepseek", "deepseek-v4-pro", 1.32, 3.96, 0.044) // peak hours, since 2026-08-16
	f("groq", "llama-3.3-70b-versatile", 0.59, 0.79, 0.59)
}

// strangers are names in the recordings that no catalogue can know: slips made on
// purpose, another vendor's model behind the host, and models long gone.
var strangers = map[string]bool{
	"openai gpt-4.1-nano-wrong": true, "openai gpt-5.2-proo": true, "openai muse-spark-1.1": true, "openai non-existent-model": true,
	"openai this-model-does-not-exist": true, "openai babbage-002-wrong": true, "openai non-existent-embedding-model": true,
	"openai nonexistent": true, "openai not-found-model": true, "openai text-embedding-4-ultra": true, "openai invalid-model": true,
	"anthropic claude-does-not-exist": true, "anthropic claude-sonet-4-5": true,
	"groq llama-3.3-70b-versatlie": true, "cohere nonexistent": true, "gemini nonexistent-model": true,
}

// unknown are real models that neither source prices.
var unknown = map[string]bool{
	"cohere rerank-english-v2.0": true, "cohere command-a-reasoning-08-2025": true, "openrouter minimax/minimax-m2:free": true,
	"groq compound-beta": true,
}

func TestRecordedModelsResolve(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(shared(t), "cassettes", "open", "*.json"))
	if err != nil || len(files) < 1000 {
		t.Fatalf("%d recordings, %v", len(files), err)
	}
	makers := map[string]bool{"openai": true, "anthropic": true, "gemini": true, "deepseek": true, "mistral": true, "groq": true, "xai": true, "zhipu": true, "cohere": true, "perplexity": true, "cerebras": true, "together": true, "openrouter": true}
	c := New()
	seen := map[string]bool{}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var x struct {
			Provider string `json:"provider"`
			Request  struct {
				Path string          `json:"path"`
				Body json.RawMessage `json:"body"`
			} `json:"request"`
		}
		if err := json.Unmarshal(b, &x); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		var body struct {
			Model string `json:"model"`
		}
		_ = json.Unmarshal(x.Request.Body, &body) // not all bodies are objects
		if _, name, ok := strings.Cut(x.Request.Path, "/models/"); ok && x.Provider == "gemini" {
			body.Model, _, _ = strings.Cut(name, ":")
		}
		name := x.Provider + " " + body.Model
		if body.Model == "" || !makers[x.Provider] || seen[name] {
			continue
		}
		seen[name] = true
		_, found := c.Find(x.Provider, body.Model)
		if listed := strangers[name] || unknown[name]; found == listed {
			t.Errorf("%s: found %v, listed as not known %v", name, found, listed)
		}
	}
	t.Logf("%d models of first-party recordings", len(seen))
	if len(seen) < 100 {
		t.Errorf("only %d models were seen", len(seen))
	}
}
