package openai

import (
	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

// Describe implements providers.Describer.
func (chatEgress) Describe(data []byte, d *providers.Description) {
	d.Name(textAt(data, "id"), textAt(data, "model"))
	wire.EachElement(at(data, "choices"), func(choice []byte) bool {
		d.Ended(textAt(choice, "finish_reason"), "")
		return true
	})
}

// Describe implements providers.Describer: answers of other operations have the same
// members, as far as they have them.
func (e relayEgress) Describe(data []byte, d *providers.Description) {
	chatEgress{}.Describe(data, d)
}

// Describe implements providers.Describer. An answer ends completed, or incomplete
// for a reason.
func (responsesEgress) Describe(data []byte, d *providers.Description) {
	if inner := at(data, "response"); inner != nil {
		data = inner
	}
	d.Name(textAt(data, "id"), textAt(data, "model"))
	switch status := textAt(data, "status"); status {
	case "", "queued", "in_progress":
	default:
		if why := textAt(at(data, "incomplete_details"), "reason"); why != "" {
			status = why
		}
		d.Ended(status, "")
	}
}
