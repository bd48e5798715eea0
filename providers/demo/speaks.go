package demo

import (
	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/anthropic"
	"github.com/your-org/ai-api-gateway/providers/openai"
)

func speaks() []providers.Egress {
	return []providers.Egress{openai.ChatEgress(quirks), anthropic.MessagesEgress(quirks)}
}
