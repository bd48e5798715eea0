package all

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/gemini"
)

func TestAllIsConsistent(t *testing.T) {
	seen := map[string]string{}
	env := map[string]string{}
	claim := func(name, owner string) {
		if name != strings.ToLower(name) || strings.ContainsAny(name, " /") {
			t.Errorf("%s: name %q is not a plain lower-case word", owner, name)
		}
		if other, taken := seen[name]; taken {
			t.Errorf("%q belongs to %s and %s", name, other, owner)
		}
		seen[name] = owner
	}
	for _, p := range All() {
		claim(p.Name, p.Name)
		for _, a := range p.Aliases {
			claim(a, p.Name)
		}
		for _, k := range p.EnvKeys {
			if env[k] != "" {
				t.Errorf("%s is the key of %s and %s", k, env[k], p.Name)
			}
			env[k] = p.Name
		}
		if p.Title == "" {
			t.Errorf("%s has no title", p.Name)
		}
		if len(p.Speaks) == 0 && !slices.Contains(p.Ops, providers.OpRerank) {
			t.Errorf("%s speaks no dialect", p.Name)
		}
		if p.Local && len(p.EnvKeys) > 0 {
			t.Errorf("%s is local but wants a key", p.Name)
		}
		checkBase(t, p)
		checkURLs(t, p)
	}
	for _, name := range strings.Fields("openai anthropic claude gemini google deepseek qwen dashscope moonshot kimi zhipu minimax doubao ark siliconflow mistral groq xai together fireworks openrouter perplexity cohere cerebras huggingface vercel ollama vllm llamacpp lmstudio custom demo azure bedrock aws") {
		if seen[name] == "" {
			t.Errorf("no provider answers to %q", name)
		}
	}
}

func checkBase(t *testing.T, p *providers.Provider) {
	t.Helper()
	if strings.HasPrefix(p.Name, "custom") || p.Name == "azure" { // their accounts give one
		if p.BaseURL != "" {
			t.Errorf("%s has the base URL %q; its accounts give one", p.Name, p.BaseURL)
		}
		return
	}
	u, err := url.Parse(p.BaseURL)
	if err != nil || u.Host == "" || u.RawQuery != "" || strings.HasSuffix(p.BaseURL, "/") {
		t.Errorf("%s: base URL %q", p.Name, p.BaseURL)
	}
	if u.Scheme != "https" && !p.Local {
		t.Errorf("%s: base URL %q is not https", p.Name, p.BaseURL)
	}
}

func checkURLs(t *testing.T, p *providers.Provider) {
	t.Helper()
	address := p.URL
	if address == nil {
		address = providers.DefaultURL
	}
	base := p.BaseURL
	if base == "" {
		base = "http://10.0.0.1/v1"
	}
	calls := []providers.Call{}
	for _, e := range p.Speaks {
		calls = append(calls, providers.Call{Op: providers.OpChat, Dialect: e.Dialect()})
	}
	for _, op := range p.Ops {
		d := providers.Dialect("")
		if op == providers.OpEmbedContent {
			d = providers.Gemini
		}
		calls = append(calls, providers.Call{Op: op, Dialect: d, Path: map[providers.Op]string{providers.OpEmbedContent: "embedContent"}[op]})
	}
	for _, c := range calls {
		c.Base, c.Model = base, "m"
		plain := address(&c)
		c.Base = base + "/"
		if slash := address(&c); slash != plain {
			t.Errorf("%s %s: %q with a trailing slash in the base, %q without", p.Name, c.Op, slash, plain)
		}
		u, err := url.Parse(plain)
		if err != nil || strings.Contains(u.Path, "//") || strings.HasSuffix(u.Path, "/") || strings.Contains(u.Path, "/v1/v1") {
			t.Errorf("%s %s: address %q", p.Name, c.Op, plain)
		}
	}
}

func TestAddresses(t *testing.T) {
	by := map[string]*providers.Provider{}
	for _, p := range All() {
		by[p.Name] = p
	}
	f := func(name string, op providers.Op, d providers.Dialect, want string) {
		t.Helper()
		p := by[name]
		address := p.URL
		if address == nil {
			address = providers.DefaultURL
		}
		if got := address(&providers.Call{Op: op, Dialect: d, Base: p.BaseURL, Model: "m"}); got != want {
			t.Errorf("%s %s: %q, want %q", name, op, got, want)
		}
	}
	// As recorded or as the vendors document them.
	f("openai", providers.OpChat, providers.Chat, "https://api.openai.com/v1/chat/completions")
	f("openai", providers.OpChat, providers.Responses, "https://api.openai.com/v1/responses")
	f("groq", providers.OpChat, providers.Chat, "https://api.groq.com/openai/v1/chat/completions")
	f("openrouter", providers.OpEmbeddings, "", "https://openrouter.ai/api/v1/embeddings")
	f("deepseek", providers.OpChat, providers.Chat, "https://api.deepseek.com/chat/completions")
	f("perplexity", providers.OpChat, providers.Chat, "https://api.perplexity.ai/chat/completions")
	f("perplexity", providers.OpEmbeddings, "", "https://api.perplexity.ai/v1/embeddings")
	f("zai", providers.OpChat, providers.Chat, "https://api.z.ai/api/paas/v4/chat/completions")
	f("vercel", providers.OpChat, providers.Chat, "https://ai-gateway.vercel.sh/v1/chat/completions")
	f("huggingface", providers.OpChat, providers.Chat, "https://router.huggingface.co/v1/chat/completions")
	f("qwen", providers.OpEmbeddings, "", "https://dashscope.aliyuncs.com/compatible-mode/v1/embeddings")
	f("doubao", providers.OpChat, providers.Chat, "https://ark.cn-beijing.volces.com/api/v3/chat/completions")
	f("gemini", providers.OpChat, providers.Gemini, "https://generativelanguage.googleapis.com/v1beta/models/m:generateContent")
	f("gemini", providers.OpCountTokens, providers.Gemini, "https://generativelanguage.googleapis.com/v1beta/models/m:countTokens")
	f("gemini", providers.OpEmbeddings, "", "https://generativelanguage.googleapis.com/v1beta/openai/embeddings")
	f("anthropic", providers.OpChat, providers.Messages, "https://api.anthropic.com/v1/messages")
	f("anthropic", providers.OpCountTokens, "", "https://api.anthropic.com/v1/messages/count_tokens")
	for name, want := range map[string]string{
		"deepseek": "https://api.deepseek.com/anthropic/v1/messages", "moonshot": "https://api.moonshot.cn/anthropic/v1/messages", "zai": "https://api.z.ai/api/anthropic/v1/messages",
		"minimax-intl": "https://api.minimax.io/anthropic/v1/messages", "qwen": "https://dashscope.aliyuncs.com/apps/anthropic/v1/messages", "openrouter": "https://openrouter.ai/api/v1/messages",
	} {
		p := by[name]
		if got := p.URL(&providers.Call{Op: providers.OpChat, Dialect: providers.Messages, Base: p.Bases[providers.Messages]}); got != want {
			t.Errorf("%s: messages go to %s, want %s", name, got, want)
		}
	}
	f("demo", providers.OpChat, providers.Chat, "http://demo.invalid/v1/chat/completions")
	f("demo", providers.OpChat, providers.Messages, "http://demo.invalid/v1/messages")
}

func TestGeminiBase(t *testing.T) {
	for _, base := range []string{"https://h", "https://h/", "https://h/v1beta", "https://h/v1beta/openai/", "https://h/v1"} {
		c := providers.Call{Op: providers.OpChat, Dialect: providers.Chat, Base: base}
		if got := gemini.URL(&c); got != "https://h/v1beta/openai/chat/completions" {
			t.Errorf("base %q gives %q", base, got)
		}
	}
}
