package openai

import (
	"testing"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/providertest"
)

func TestGolden(t *testing.T) {
	providertest.Golden(t, "testdata/*.txtar",
		map[string]providers.Ingress{"chat": ChatIngress()},
		map[string]func(providers.Quirks) providers.Egress{"chat": ChatEgress})
}
