package openai

import (
	"encoding/json"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

// reportLost reports the members of a foreign request's messages, blocks and
// tools that have no neutral field, and so no way into this format.
func (w *requestWriter) reportLost() {
	if w.own {
		return
	}
	for i := range w.r.Messages {
		m := &w.r.Messages[i]
		w.loseMembers("messages.", m.Extra)
		w.loseBlocks(m.Blocks)
	}
	w.loseBlocks(w.r.System)
	for i := range w.r.Tools {
		w.loseMembers("tools.", w.r.Tools[i].Extra)
	}
}

func (w *requestWriter) loseBlocks(blocks []providers.Block) {
	for i := range blocks {
		if b := &blocks[i]; b.Origin != dialect {
			w.loseMembers("messages.", b.Extra)
			if !saysNothing(b.Citations) {
				w.drop("messages.citations")
			}
			w.loseBlocks(b.Result)
		}
	}
}

func (w *requestWriter) loseMembers(where string, list []providers.Member) {
	for i := range list {
		if !saysNothing(list[i].Value) {
			w.drop(where + list[i].Name)
		}
	}
}

// saysNothing reports whether leaving a value out changes nothing: empty ones,
// switches that are off, and Anthropic's "called by the model itself".
func saysNothing(v json.RawMessage) bool {
	if wire.Inert(v) {
		return true
	}
	if on := at(v, "enabled"); on != nil && !isTrue(on) { // citations of a document
		return true
	}
	return textAt(v, "type") == "direct" // caller of a call
}
