package demo

import "github.com/your-org/ai-api-gateway/providers"

func speaks() []providers.Egress { return nil }
