package catalog

import "github.com/your-org/ai-api-gateway/providers"

// speaks returns the dialects of a row, the best first.
func speaks(*providers.Provider) []providers.Egress { return nil }
