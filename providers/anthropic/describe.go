package anthropic

import (
	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

// Describe implements providers.Describer: message_start names the answer,
// message_delta says why it ended, a whole answer both.
func (egress) Describe(data []byte, d *providers.Description) {
	say := func(path ...string) string {
		s, _ := wire.String(at(data, path...))
		return s
	}
	d.Name(say("message", "id"), say("message", "model"))
	d.Name(say("id"), say("model"))
	d.Ended(say("stop_reason"), "")
	d.Ended(say("delta", "stop_reason"), "")
}
