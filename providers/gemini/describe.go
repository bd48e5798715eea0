package gemini

import (
	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

// Describe implements providers.Describer.
func (egress) Describe(data []byte, d *providers.Description) {
	say := func(of []byte, path ...string) string {
		s, _ := wire.String(at(of, path...))
		return s
	}
	d.Name(say(data, "responseId"), say(data, "modelVersion"))
	d.Ended(say(data, "promptFeedback", "blockReason"), "")
	wire.EachElement(at(data, "candidates"), func(candidate []byte) bool {
		d.Ended(say(candidate, "finishReason"), "")
		return true
	})
}
