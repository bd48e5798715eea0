package anthropic

import (
	"strings"

	"github.com/your-org/ai-api-gateway/providers"
)

// Version is the anthropic-version sent when the caller named none.
const Version = "2023-06-01"

// Provider describes Anthropic's own API.
func Provider() *providers.Provider {
	return &providers.Provider{
		Name: "anthropic", Title: "Anthropic", Aliases: []string{"claude"},
		BaseURL: "https://api.anthropic.com",
		EnvKeys: []string{"ANTHROPIC_API_KEY"},
		Speaks:  []providers.Egress{MessagesEgress(providers.Quirks{})},
		Ops:     []providers.Op{providers.OpCountTokens, providers.OpModels},
		Models:  []string{"claude-*"},
		URL:     URL,
		Sign:    Sign,
	}
}

// URL addresses a call in Anthropic's way: the base URL is the host's root, as its
// SDKs take it; one that ends in /v1 is accepted too.
func URL(c *providers.Call) string {
	base := strings.TrimSuffix(strings.TrimRight(c.Base, "/"), "/v1")
	path := providers.DefaultPath(c)
	if c.Op == providers.OpChat {
		path = "messages"
	}
	return base + "/v1/" + path
}

// Sign adds the key as x-api-key and the API version, which the caller's own replaces.
func Sign(c *providers.Call) error {
	if c.Secret != "" {
		if err := providers.CheckSecret(c.Secret); err != nil {
			return err
		}
		c.Set("x-api-key", c.Secret)
	}
	for _, h := range c.Header {
		if strings.EqualFold(h.Name, "anthropic-version") && h.Value != "" {
			return nil
		}
	}
	c.Set("anthropic-version", Version)
	return nil
}
