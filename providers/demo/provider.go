package demo

import (
	"strings"

	"github.com/your-org/ai-api-gateway/providers"
)

// Host is the name under which the engine is reached within the process: whoever
// makes connections must give it to Server.Dial. The top-level domain .invalid
// never resolves (RFC 6761), so a request can not leave by mistake.
const Host = "demo.invalid"

// Provider describes the engine as a provider.
func Provider() *providers.Provider {
	return &providers.Provider{
		Name: "demo", Title: "Demo (built-in, offline)",
		BaseURL: "http://" + Host,
		Speaks:  speaks(),
		Ops: []providers.Op{providers.OpCountTokens, providers.OpCompletions, providers.OpEmbeddings, providers.OpModels,
			providers.OpImages, providers.OpAudio, providers.OpModerations, providers.OpRerank},
		Models: []string{"demo", "demo-*"},
		Local:  true,
		Quirks: quirks,
		URL: func(c *providers.Call) string {
			return strings.TrimSuffix(strings.TrimRight(c.Base, "/"), "/v1") + "/v1/" + providers.DefaultPath(c)
		},
	}
}

var quirks = providers.Quirks{ReasoningField: "reasoning_content"}
