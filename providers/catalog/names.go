package catalog

import (
	"regexp"
	"strings"

	"github.com/your-org/ai-api-gateway/providers"
)

// region is what Bedrock puts before a model's name for calls across regions
// (docs.aws.amazon.com/bedrock/latest/userguide/inference-profiles-support.html).
var region = regexp.MustCompile(`^(us|eu|apac|ap|jp|au|ca|sa|me|af|us-gov|global)\.`)

// edition is what Bedrock puts behind one: "-v1:0", "-v2:0:8k", ":1".
var edition = regexp.MustCompile(`(-v\d+)?(:\d+(:[a-z0-9]+)?)?$`)

// bedrockMakers maps the makers in Bedrock's names to our providers where they differ.
var bedrockMakers = map[string]string{"moonshotai": "moonshot", "moonshot": "moonshot", "google": "gemini", "mistral": "mistral"}

// named lists the providers that may call a model maker/model and charge the
// maker's price; what others call so are their own.
var named = map[string]bool{"vertex": true, "azure": true, "custom": true}

// spelling is one way a name may be written: in the words of a provider.
type spelling struct{ provider, name string }

// spellings returns what a name at a provider may be called elsewhere, the likeliest
// first: clouds put regions, makers and editions around the makers' names, and
// address models by paths.
func spellings(provider, model string) []spelling {
	name := model
	// "publishers/google/models/gemini-2.5-pro", "accounts/…/models/…", "models/…"
	var maker string
	if i := strings.LastIndex(name, "models/"); i >= 0 && provider != "fireworks" {
		if at := strings.Index(name, "publishers/"); at >= 0 {
			maker, _, _ = strings.Cut(name[at+len("publishers/"):], "/")
		}
		name = name[i+len("models/"):]
	}
	if provider == "bedrock" {
		return bedrockSpellings(name)
	}
	var out []spelling
	// "claude-opus-4-5@20251101", "gemini-2.5-pro@default", "name@latest"
	name, version, _ := strings.Cut(name, "@")
	if version != "" && version != "default" && version != "latest" {
		out = append(out, spelling{provider, name + "-" + version})
	}
	out = append(out, spelling{provider, name})
	if maker == "" && named[provider] {
		if m, _, ok := strings.Cut(name, "/"); ok {
			maker = m
		}
	}
	if maker != "" {
		if ours := makerOf[maker]; ours != "" {
			maker = ours
		}
		for _, s := range out {
			if _, rest, ok := strings.Cut(s.name, "/"); ok {
				s.name = rest
			}
			out = append(out, spelling{maker, s.name}, spelling{provider, s.name})
		}
	}
	// ":nitro", ":floor", ":online" and the like choose hosts, not models.
	for _, s := range out {
		if base, choice, ok := strings.Cut(s.name, ":"); ok && provider == "openrouter" && choice != "free" {
			out = append(out, spelling{s.provider, base})
		}
	}
	return out
}

// bedrockSpellings takes "us.anthropic.claude-sonnet-4-5-20250929-v1:0", or the ARN of
// a model or of an inference profile, apart.
func bedrockSpellings(name string) []spelling {
	if strings.HasPrefix(name, "arn:") {
		name = name[strings.LastIndexByte(name, '/')+1:]
	}
	out := []spelling{{"bedrock", name}}
	plain := region.ReplaceAllString(name, "")
	bare := strings.TrimSuffix(edition.ReplaceAllString(plain, ""), "-")
	out = append(out, spelling{"bedrock", plain}, spelling{"bedrock", bare})
	if maker, rest, ok := strings.Cut(bare, "."); ok {
		if ours := bedrockMakers[maker]; ours != "" {
			maker = ours
		}
		out = append(out, spelling{maker, rest})
	}
	return out
}

// addresses maps the hosts of vendors that have no row in the table of vendors, or
// are reached by a provider of another name, to whose prices theirs are.
var addresses = map[string]string{
	"api.openai.com": "openai", "api.anthropic.com": "anthropic", "generativelanguage.googleapis.com": "gemini",
	"api.deepseek.com": "deepseek", "api.mistral.ai": "mistral", "api.groq.com": "groq", "api.x.ai": "xai", "api.together.xyz": "together", "api.together.ai": "together",
	"api.fireworks.ai": "fireworks", "openrouter.ai": "openrouter", "api.perplexity.ai": "perplexity", "api.cohere.com": "cohere", "api.cohere.ai": "cohere",
	"api.cerebras.ai": "cerebras", "api.moonshot.cn": "moonshot", "api.moonshot.ai": "moonshot", "open.bigmodel.cn": "zhipu", "api.z.ai": "zai",
	"api.minimax.io": "minimax", "api.minimaxi.com": "minimax", "dashscope.aliyuncs.com": "qwen", "dashscope-intl.aliyuncs.com": "qwen",
	"ark.cn-beijing.volces.com": "doubao", "router.huggingface.co": "huggingface", "ai-gateway.vercel.sh": "vercel",
	"api.avian.io": "avian", "api.novita.ai": "novita", "api.voyageai.com": "voyage", "inference.baseten.co": "baseten", "api.arcee.ai": "arcee",
	"api.doubleword.ai": "doubleword", "oai.endpoints.kepler.ai.cloud.ovh.net": "ovhcloud", "api.llama.com": "meta",
}

// Host returns the provider whose prices hold at an address, "" if none is known.
func (c *Catalogue) Host(host string) string {
	host = strings.ToLower(host)
	if strings.HasSuffix(host, ".openai.azure.com") || strings.HasSuffix(host, ".cognitiveservices.azure.com") || strings.HasSuffix(host, ".services.ai.azure.com") {
		return "azure"
	}
	if strings.HasPrefix(host, "bedrock-runtime.") || strings.HasPrefix(host, "bedrock-mantle.") {
		return "bedrock"
	}
	if strings.HasSuffix(host, "aiplatform.googleapis.com") {
		return "vertex"
	}
	return addresses[host]
}

func (c *Catalogue) search(provider, model string) *providers.Model {
	tries := append([]spelling{{provider, model}}, spellings(provider, model)...)
	for _, s := range tries {
		for _, p := range append([]string{s.provider}, shares[s.provider]...) {
			if m := c.vendors[p].find(s.name); m != nil {
				return m
			}
		}
	}
	if maker, name, ok := strings.Cut(model, "/"); ok && prefixed[provider] {
		if ours := makerOf[maker]; ours != "" {
			maker = ours
		}
		if m := c.vendors[maker].find(name); m != nil {
			return m
		}
		// They write versions with a point where Anthropic has a hyphen.
		return c.vendors[maker].find(strings.ReplaceAll(name, ".", "-"))
	}
	if c.vendors[provider] == nil && provider == "custom" {
		for _, s := range tries { // likely a relay of the maker's model
			for _, maker := range c.order {
				if makes(maker, s.name) {
					if m := c.vendors[maker].find(s.name); m != nil {
						return m
					}
				}
			}
		}
	}
	return nil
}
