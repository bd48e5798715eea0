package catalog

import (
	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/openai"
)

// speaks returns the dialects of a row, the best first.
func speaks(p *providers.Provider) []providers.Egress {
	return []providers.Egress{openai.ChatEgress(p.Quirks)}
}
