package anthropic

import (
	"slices"
	"strings"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

// meaningless are members of a chat request's messages that say nothing more
// than what is sent: places of calls, the mark of a prefill, which the last
// assistant message is here in any case, a signature (reported as such), a role.
var meaningless = []string{"index", "prefix", "extra_content", "role", "custom"}

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
		t := &w.r.Tools[i]
		w.loseMembers("tools.", t.Extra)
		if t.Custom && t.Origin != dialect && limited(t) {
			w.drop("tools.format")
		}
	}
}

// limited reports whether a free-form tool's input must follow a grammar: here it may be any text.
func limited(t *providers.Tool) bool {
	kind := stringAt(at(t.Raw, "format"), "type")
	if kind == "" {
		kind = stringAt(at(t.Raw, "custom", "format"), "type")
	}
	return kind != "" && kind != "text"
}

func (w *requestWriter) loseBlocks(blocks []providers.Block) {
	for i := range blocks {
		if b := &blocks[i]; b.Origin != dialect {
			w.loseMembers("messages.", b.Extra)
			if b.Kind == providers.KindText && b.Signature != "" { // Gemini signs text too
				w.drop("messages.signature")
			}
			w.loseBlocks(b.Result)
		}
	}
}

func (w *requestWriter) loseMembers(where string, list []providers.Member) {
	for i := range list {
		name := strings.TrimPrefix(list[i].Name, "function.")
		if !wire.Inert(list[i].Value) && !slices.Contains(meaningless, name) {
			w.drop(where + name)
		}
	}
}
