package catalog

import (
	"slices"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/openai"
)

// speaks returns the dialects of a row, the best first.
func speaks(p *providers.Provider) []providers.Egress {
	list := []providers.Egress{openai.ChatEgress(p.Quirks)}
	if slices.Contains(responding, p.Name) {
		list = append(list, openai.ResponsesEgress(p.Quirks))
	}
	return list
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
