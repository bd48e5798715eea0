// Package all lists every provider the gateway knows.
package all

import (
	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/anthropic"
	"github.com/your-org/ai-api-gateway/providers/azure"
	"github.com/your-org/ai-api-gateway/providers/bedrock"
	"github.com/your-org/ai-api-gateway/providers/catalog"
	"github.com/your-org/ai-api-gateway/providers/demo"
	"github.com/your-org/ai-api-gateway/providers/gemini"
	"github.com/your-org/ai-api-gateway/providers/vertex"
)

// All returns every provider, first-party vendors of the most used models first.
// Names and aliases are unique over the list. Every call returns fresh values.
func All() []*providers.Provider {
	vendors := catalog.Vendors()
	list := make([]*providers.Provider, 0, len(vendors)+5)
	list = append(list, vendors[0], anthropic.Provider(), gemini.Provider(), vertex.Provider(), azure.Provider(), bedrock.Provider())
	list = append(list, vendors[1:]...)
	list = append(list, demo.Provider())
	setBetas(list)
	return list
}
