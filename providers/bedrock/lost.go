package bedrock

import (
	"slices"
	"strings"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

// meaningless are members of messages, blocks and tools that say nothing more than
// what is sent: places of calls, the mark of a prefill, a signature (reported as
// such), a role, what a document carries under the same name, who called a tool.
var meaningless = []string{"index", "prefix", "extra_content", "role", "custom", "caller"}

// loseExtra does with the request's members that have no neutral field what the rules say.
func (w *requestWriter) loseExtra() {
	if w.r.Seed != nil {
		w.drop("seed")
	}
	if w.r.User != "" {
		w.drop("user")
	}
	if f := w.r.Format; f != nil && f.Strict != nil && *f.Strict && f.Kind == "json_schema" && len(f.Schema) == 0 {
		w.drop("response_format")
	}
	for _, m := range w.r.Extra {
		r := providers.RuleOf(extraRules, w.r.Origin, m.Name)
		switch {
		case r.Is == providers.Refused && (r.When == "" || strings.Contains(string(m.Value), `"audio"`)):
			w.fail(m.Name, "this model cannot answer with audio")
		case r.Is == providers.Dropped && !wire.Inert(m.Value):
			w.drop(m.Name)
		}
	}
}

// reportLost reports the members of messages, blocks and tools that have no
// neutral field, and so no way into this format.
func (w *requestWriter) reportLost() {
	for i := range w.r.Messages {
		w.loseMembers("messages.", w.r.Messages[i].Extra, nil)
		w.loseBlocks(w.r.Messages[i].Blocks)
	}
	w.loseBlocks(w.r.System)
	for i := range w.r.Tools {
		t := &w.r.Tools[i]
		w.loseMembers("tools.", t.Extra, nil)
		if t.Custom && limited(t) {
			w.drop("tools.format")
		}
	}
}

// limited reports whether a free-form tool's input must follow a grammar: here it may be any text.
func limited(t *providers.Tool) bool {
	kind := stringAt(t.Raw, "format", "type")
	if kind == "" {
		kind = stringAt(t.Raw, "custom", "format", "type")
	}
	return kind != "" && kind != "text"
}

func (w *requestWriter) loseBlocks(blocks []providers.Block) {
	for i := range blocks {
		b := &blocks[i]
		var carried []string
		if b.Kind == providers.KindFile && b.Origin == providers.Messages {
			carried = []string{"citations", "context"}
		}
		w.loseMembers("messages.", b.Extra, carried)
		if b.Kind == providers.KindText && b.Signature != "" { // Gemini signs text too
			w.drop("messages.signature")
		}
		w.loseBlocks(b.Result)
	}
}

func (w *requestWriter) loseMembers(where string, list []providers.Member, carried []string) {
	for i := range list {
		name := strings.TrimPrefix(list[i].Name, "function.")
		if !wire.Inert(list[i].Value) && !slices.Contains(meaningless, name) && !slices.Contains(carried, name) {
			w.drop(where + name)
		}
	}
}
