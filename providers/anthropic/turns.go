package anthropic

import (
	"slices"
	"strings"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

// A turn is one message as it will be written.
type turn struct {
	role   string
	blocks []*providers.Block
	extra  []providers.Member
	tool   bool // so far it holds tool results only
}

// turns arranges the messages and the system text for this format: the results
// of one round in one user message, results first; for other origins also equal
// roles in one message, and a conversation of nothing but system text as a user turn.
func (w *requestWriter) turns() (turns []turn, system []providers.Block) {
	system = w.r.System
	for i := range w.r.Messages {
		m := &w.r.Messages[i]
		switch m.Role {
		case providers.RoleSystem:
			turns = w.addSystem(turns, i)
		case providers.RoleAssistant:
			turns = w.add(turns, m, "assistant", blockRefs(m.Blocks))
		default:
			turns = w.add(turns, m, "user", blockRefs(m.Blocks))
		}
	}
	kept := turns[:0]
	for _, t := range turns {
		had := len(t.blocks)
		t.blocks = slices.DeleteFunc(t.blocks, func(b *providers.Block) bool { return w.vanishes(b, t.role) })
		switch n := len(kept); {
		case len(t.blocks) == 0 && !(w.own && had == 0):
		case n > 0 && !w.own && kept[n-1].role == t.role && t.role != "system": // what stood between them has no form here
			kept[n-1].blocks = append(kept[n-1].blocks, t.blocks...)
		default:
			kept = append(kept, t)
		}
	}
	if w.own {
		return kept, system
	}
	if len(kept) == 0 && len(system) > 0 {
		return []turn{{role: "user", blocks: blockRefs(system)}}, nil
	}
	trimPrefill(kept)
	if len(kept) > 0 && kept[0].role == "assistant" {
		begin := providers.Block{Kind: providers.KindText, Text: opening}
		kept = slices.Insert(kept, 0, turn{role: "user", blocks: []*providers.Block{&begin}})
	}
	return kept, system
}

// opening stands before a conversation that starts with the assistant, which chat
// clients show a greeting with: the API has answered such with "first message must
// use the user role".
const opening = "Begin."

func blockRefs(list []providers.Block) []*providers.Block {
	refs := make([]*providers.Block, len(list))
	for i := range list {
		refs[i] = &list[i]
	}
	return refs
}

func (w *requestWriter) add(turns []turn, m *providers.Message, role string, blocks []*providers.Block) []turn {
	if m.Name != "" && !w.own {
		w.drop("messages.name")
	}
	tool := m.Role == providers.RoleTool
	if n := len(turns); n > 0 && turns[n-1].role == role && (!w.own || role == "user" && turns[n-1].tool) {
		t := &turns[n-1]
		t.blocks = append(t.blocks, blocks...)
		slices.SortStableFunc(t.blocks, func(a, b *providers.Block) int { return resultRank(a) - resultRank(b) })
		t.tool = t.tool && tool
		t.extra = append(t.extra, m.Extra...)
		return turns
	}
	return append(turns, turn{role: role, blocks: blocks, extra: m.Extra, tool: tool})
}

// resultRank puts tool results before everything else.
func resultRank(b *providers.Block) int {
	if b.Kind == providers.KindToolResult {
		return 0
	}
	return 1
}

// addSystem places system text from within the conversation: as a system turn
// where the model takes one there (right behind a user turn, before the answer),
// else as a marked user turn. It is never moved to the front: its place matters,
// and so does the cached prefix before it.
func (w *requestWriter) addSystem(turns []turn, i int) []turn {
	list := w.r.Messages
	m := &list[i]
	if w.own {
		return append(turns, turn{role: "system", blocks: blockRefs(m.Blocks), extra: m.Extra})
	}
	last := i == len(list)-1 || list[i+1].Role == providers.RoleAssistant
	if w.facts.system && last && len(turns) > 0 && turns[len(turns)-1].role == "user" {
		return append(turns, turn{role: "system", blocks: blockRefs(m.Blocks)})
	}
	var blocks []*providers.Block
	for _, b := range m.Blocks {
		if b.Kind == providers.KindText && !blank(b.Text) {
			b.Text = "<system>\n" + b.Text + "\n</system>"
		}
		blocks = append(blocks, &b)
	}
	return w.add(turns, m, "user", blocks)
}

// vanishes reports whether a block leaves nothing on the wire, and records what is lost by it.
func (w *requestWriter) vanishes(b *providers.Block, role string) bool {
	switch b.Kind {
	case providers.KindText, providers.KindRefusal: // the API refuses text without any ink
		return !w.own && blank(b.Text) && !(b.Origin == dialect && wire.IsObject(b.Raw))
	case providers.KindThinking, providers.KindRedacted:
		// What this format's vendor did not sign it refuses.
		if b.SignatureOrigin != dialect {
			w.drop("messages.thinking")
			return true
		}
	case providers.KindOpaque:
		if b.Origin != dialect {
			w.drop("messages." + opaqueName(b))
			return true
		}
	case providers.KindImage, providers.KindFile:
		if role == "assistant" && !w.own {
			w.drop("messages.assistant_media")
			return true
		}
	case providers.KindAudio:
		return role == "assistant" && b.Text == ""
	}
	return false
}

// trimPrefill removes white space from the end of a final assistant message, which the API refuses there.
func trimPrefill(turns []turn) {
	if len(turns) == 0 || turns[len(turns)-1].role != "assistant" {
		return
	}
	t := &turns[len(turns)-1]
	if last := t.blocks[len(t.blocks)-1]; last.Kind == providers.KindText {
		trimmed := *last
		trimmed.Text = strings.TrimRight(last.Text, " \t\r\n")
		t.blocks[len(t.blocks)-1] = &trimmed
	}
}

func (w *requestWriter) writeTurns(turns []turn) {
	w.dst = append(wire.Key(w.dst, "messages"), '[')
	for i := range turns {
		t := &turns[i]
		w.dst = wire.PutString(append(wire.Comma(w.dst), '{'), "role", t.role)
		if len(t.blocks) == 1 && w.own && isString([]providers.Block{*t.blocks[0]}) {
			w.dst = wire.PutString(w.dst, "content", t.blocks[0].Text)
		} else {
			w.dst = append(wire.Key(w.dst, "content"), '[')
			for _, b := range t.blocks {
				w.writeBlock(b, t.role)
			}
			w.dst = append(w.dst, ']')
		}
		if w.own {
			w.dst = putMembers(w.dst, t.extra)
		}
		w.dst = append(w.dst, '}')
	}
	w.dst = append(w.dst, ']')
}

// jsonOnly stands in for response_format json_object, which this format lacks.
const jsonOnly = "Answer with one valid JSON object and nothing else."

func (w *requestWriter) writeSystem(system []providers.Block) {
	if w.own && isString(system) {
		if w.allows("system") {
			w.dst = wire.PutString(w.dst, "system", system[0].Text)
		}
		return
	}
	asJSON := !w.own && w.r.Format != nil && w.r.Format.Kind == "json_object"
	refs := slices.DeleteFunc(blockRefs(system), func(b *providers.Block) bool { return w.vanishes(b, "system") })
	if asJSON {
		w.drop("response_format")
		refs = append(refs, &providers.Block{Kind: providers.KindText, Text: jsonOnly})
	}
	if len(refs) == 0 && !(w.own && system != nil) || !w.allows("system") {
		return
	}
	w.dst = append(wire.Key(w.dst, "system"), '[')
	for _, b := range refs {
		w.writeBlock(b, "system")
	}
	w.dst = append(w.dst, ']')
}
