package all

import (
	"strings"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/openai"
)

// geminiCompatible reaches Gemini through its OpenAI-compatible endpoint. The base
// URL is the host's root, as Google's own SDK takes it.
func geminiCompatible() *providers.Provider {
	quirks := providers.Quirks{MaxTokensField: "max_tokens", NoDeveloper: true}
	return &providers.Provider{
		Name: "gemini", Title: "Google Gemini", Aliases: []string{"google"},
		BaseURL: "https://generativelanguage.googleapis.com",
		EnvKeys: []string{"GEMINI_API_KEY", "GOOGLE_API_KEY"},
		Ops:     []providers.Op{providers.OpEmbeddings, providers.OpModels},
		Models:  []string{"gemini-*", "gemma-*", "learnlm-*", "text-embedding-00*", "models/*"},
		Speaks:  []providers.Egress{openai.ChatEgress(quirks)},
		Quirks:  quirks,
		URL:     geminiURL,
	}
}

func geminiURL(c *providers.Call) string {
	base := strings.TrimRight(c.Base, "/")
	base = strings.TrimSuffix(base, "/openai")
	base = strings.TrimSuffix(strings.TrimSuffix(base, "/v1beta"), "/v1")
	return base + "/v1beta/openai/" + providers.DefaultPath(c)
}
