// Package all lists every provider the gateway knows.
package all

import (
	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/anthropic"
	"github.com/your-org/ai-api-gateway/providers/catalog"
	"github.com/your-org/ai-api-gateway/providers/demo"
)

// All returns every provider, first-party vendors of the most used models first.
// Names and aliases are unique over the list. Every call returns fresh values.
func All() []*providers.Provider {
	vendors := catalog.Vendors()
	list := make([]*providers.Provider, 0, len(vendors)+3)
	list = append(list, vendors[0], anthropic.Provider(), geminiCompatible())
	list = append(list, vendors[1:]...)
	return append(list, demo.Provider())
}
