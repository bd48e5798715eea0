package catalog

import (
	"slices"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/anthropic"
	"github.com/your-org/ai-api-gateway/providers/openai"
)

// speaks returns the dialects of a row, the best first.
func speaks(p *providers.Provider) []providers.Egress {
	list := []providers.Egress{openai.ChatEgress(p.Quirks)}
	if slices.Contains(responding, p.Name) {
		list = append(list, openai.ResponsesEgress(p.Quirks))
	}
	if p.Bases[providers.Messages] != "" {
		list = append(list, anthropic.MessagesEgress(providers.Quirks{}))
	}
	return list
}

// messagesAt are the vendors' endpoints for Anthropic's messages, as their guides
// for Claude Code name them: its callers are relayed there byte for byte.
var messagesAt = map[string]string{
	"deepseek":      "https://api.deepseek.com/anthropic",
	"qwen":          "https://dashscope.aliyuncs.com/apps/anthropic",
	"qwen-intl":     "https://dashscope-intl.aliyuncs.com/apps/anthropic",
	"moonshot":      "https://api.moonshot.cn/anthropic",
	"moonshot-intl": "https://api.moonshot.ai/anthropic",
	"zhipu":         "https://open.bigmodel.cn/api/anthropic",
	"zai":           "https://api.z.ai/api/anthropic",
	"minimax":       "https://api.minimaxi.com/anthropic",
	"minimax-intl":  "https://api.minimax.io/anthropic",
	"siliconflow":   "https://api.siliconflow.cn",
	"openrouter":    "https://openrouter.ai/api",
	"vercel":        "https://ai-gateway.vercel.sh",
}

// bilingual gives a vendor with an endpoint for messages the addresses and
// credentials of both. The guides differ in whether the key is a bearer token or
// x-api-key; each of these vendors takes both.
func bilingual(p *providers.Provider) {
	base := messagesAt[p.Name]
	if base == "" {
		return
	}
	p.Bases = map[providers.Dialect]string{providers.Messages: base}
	address := p.URL
	if address == nil {
		address = providers.DefaultURL
	}
	messages := func(c *providers.Call) bool { return c.Op == providers.OpChat && c.Dialect == providers.Messages }
	p.URL = func(c *providers.Call) string {
		if messages(c) {
			return anthropic.URL(c)
		}
		return address(c)
	}
	p.Sign = func(c *providers.Call) error {
		if err := providers.DefaultSign(c); err != nil || !messages(c) {
			return err
		}
		return anthropic.Sign(c)
	}
}

// responding are the vendors that serve Responses besides chat completions, by
// their documentation or recorded traffic. Callers of other formats are served by
// chat completions, which bounds answers by stop sequences and counts seeds.
var responding = []string{"openai", "xai", "deepseek", "groq", "openrouter", "bedrock-mantle", "custom-responses"}

// openAIOnly are the models of OpenAI's that one of its two APIs serves alone
// (platform.openai.com/docs/models, "Endpoints").
func openAIOnly() map[providers.Dialect][]string {
	return map[providers.Dialect][]string{
		providers.Responses: {
			"o1-pro", "o1-pro-20*", "o3-pro", "o3-pro-20*", "o3-deep-research*", "o4-mini-deep-research*", "codex-mini-*", "computer-use-*",
			"gpt-5*-pro", "gpt-5*-pro-20*", "gpt-5*-codex", "gpt-5*-codex-*",
		},
		providers.Chat: {"gpt-4o-audio-*", "gpt-4o-mini-audio-*", "gpt-audio*", "gpt-4o-search-*", "gpt-4o-mini-search-*", "gpt-5-search-*", "gpt-3.5-turbo-16k*"},
	}
}
