package demo

import (
	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/anthropic"
)

func speaks() []providers.Egress { return []providers.Egress{anthropic.MessagesEgress(quirks)} }
