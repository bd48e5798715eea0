package openai

import (
	"bytes"
	"strings"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

// plainEvents are the starts of the events that come most, as vendors write them.
var plainEvents = [][]byte{
	[]byte(`{"type":"response.output_text.delta"`),
	[]byte(`{"type":"response.function_call_arguments.delta"`),
	[]byte(`{"type":"response.reasoning_summary_text.delta"`),
	[]byte(`{"type":"response.reasoning_text.delta"`),
}

// Frame classifies one event by its type, which stands in the data; some vendors
// write no event names. An item that is done counts as content too: some vendors
// send no deltas.
func (responsesEgress) Frame(event string, data []byte) providers.FrameInfo {
	for _, start := range plainEvents {
		if bytes.HasPrefix(data, start) {
			return providers.FrameDelta
		}
	}
	typ := textAt(data, "type")
	if typ == "" {
		typ = event
	}
	switch typ {
	case "response.completed", "response.incomplete":
		return providers.FrameUsage | providers.FrameModel | providers.FrameFinish | providers.FrameTerminal
	case "response.failed":
		return providers.FrameUsage | providers.FrameError
	case "error":
		return providers.FrameError
	case "response.output_item.done":
		return providers.FrameDelta
	case "":
		if at(data, "error") != nil { // another format's
			return providers.FrameError
		}
		return 0
	}
	switch {
	case strings.HasSuffix(typ, ".delta"), strings.HasSuffix(typ, ".partial_image"):
		return providers.FrameDelta
	case strings.Count(typ, ".") == 1 && at(data, "response") != nil:
		if wire.IsObject(at(data, "response", "usage")) { // OpenAI tells none before the end, others may
			return providers.FrameModel | providers.FrameUsage
		}
		return providers.FrameModel
	}
	return 0
}
