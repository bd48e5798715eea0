package bedrock

import (
	"slices"
	"strings"

	"github.com/your-org/ai-api-gateway/providers"
)

// A turn is one message as it will be written.
type turn struct {
	role   string
	blocks []*providers.Block
}

// turns arranges the messages and the system text for this format: roles
// alternate, a user begins, the results of one round stand in one user message,
// first in it; a conversation of nothing but system text becomes a user turn.
func (w *requestWriter) turns() (turns []turn, system []providers.Block) {
	for i := range w.r.Messages {
		m := &w.r.Messages[i]
		if m.Name != "" {
			w.drop("messages.name")
		}
		role := "user"
		if m.Role == providers.RoleAssistant {
			role = "assistant"
		}
		var blocks []*providers.Block
		for _, b := range blockRefs(m.Blocks) {
			if role == "assistant" && isMedia(b) {
				w.drop("messages.assistant_media")
				if b = transcript(b); b == nil {
					continue
				}
			}
			if w.vanishes(b) {
				continue
			}
			if m.Role == providers.RoleSystem && b.Kind == providers.KindText {
				// Never moved to the front: its place matters, and so does the cached prefix before it.
				marked := *b
				marked.Text = "<system>\n" + b.Text + "\n</system>"
				b = &marked
			}
			blocks = append(blocks, b)
		}
		if len(blocks) == 0 {
			continue
		}
		if n := len(turns); n > 0 && turns[n-1].role == role {
			turns[n-1].blocks = append(turns[n-1].blocks, blocks...)
			continue
		}
		turns = append(turns, turn{role, blocks})
	}
	system = w.r.System
	if len(turns) == 0 {
		if refs := slices.DeleteFunc(blockRefs(system), w.vanishes); len(refs) > 0 {
			return []turn{{"user", refs}}, nil
		}
		return nil, nil
	}
	for i := range turns {
		w.complete(&turns[i])
	}
	trimPrefill(turns)
	if turns[0].role == "assistant" {
		begin := providers.Block{Kind: providers.KindText, Text: opening}
		turns = slices.Insert(turns, 0, turn{"user", []*providers.Block{&begin}})
	}
	return turns, system
}

// opening stands before a conversation that starts with the assistant: the API
// answers such with "A conversation must start with a user message".
const opening = "Begin."

func blockRefs(list []providers.Block) []*providers.Block {
	refs := make([]*providers.Block, len(list))
	for i := range list {
		refs[i] = &list[i]
	}
	return refs
}

// isMedia reports whether only a user may say b.
func isMedia(b *providers.Block) bool {
	return b.Kind == providers.KindImage || b.Kind == providers.KindFile || b.Kind == providers.KindAudio
}

// transcript returns what was said in an assistant's audio, nil if that is not told.
func transcript(b *providers.Block) *providers.Block {
	if b.Kind != providers.KindAudio || blank(b.Text) {
		return nil
	}
	return &providers.Block{Kind: providers.KindText, Text: b.Text}
}

// complete puts results first, and a text beside a document that stands alone,
// which the API asks for.
func (w *requestWriter) complete(t *turn) {
	slices.SortStableFunc(t.blocks, func(a, b *providers.Block) int { return rank(a) - rank(b) })
	var document *providers.Block
	for _, b := range t.blocks {
		switch {
		case b.Kind == providers.KindText || b.Kind == providers.KindRefusal:
			return
		case b.Kind == providers.KindFile && !strings.HasPrefix(b.MediaType, "image/"):
			document = b
		}
	}
	if document != nil {
		t.blocks = append(t.blocks, &providers.Block{Kind: providers.KindText, Text: "Attached: " + documentName(document)})
	}
}

// rank puts tool results before everything else.
func rank(b *providers.Block) int {
	if b.Kind == providers.KindToolResult {
		return 0
	}
	return 1
}

// vanishes reports whether a block leaves nothing on the wire, and records what is lost by it.
func (w *requestWriter) vanishes(b *providers.Block) bool {
	switch b.Kind {
	case providers.KindText, providers.KindRefusal:
		return blank(b.Text) // the API: "The text field in the ContentBlock object … is blank"
	case providers.KindThinking:
		// Signatures of a Claude model are good on every platform; what is not signed is refused.
		if b.Signature != "" && (b.SignatureOrigin == dialect || w.claude && b.SignatureOrigin == providers.Messages) {
			return false
		}
		w.drop("messages.thinking")
		return true
	case providers.KindRedacted:
		if len(b.Data) > 0 && (b.SignatureOrigin == dialect || w.claude && b.SignatureOrigin == providers.Messages) {
			return false
		}
		w.drop("messages.thinking")
		return true
	case providers.KindOpaque, 0:
		w.drop("messages." + blockName(b))
		return true
	}
	return false
}

// trimPrefill removes white space from the end of a final assistant message, which Claude refuses there.
func trimPrefill(turns []turn) {
	t := &turns[len(turns)-1]
	if t.role != "assistant" {
		return
	}
	if last := t.blocks[len(t.blocks)-1]; last.Kind == providers.KindText {
		trimmed := *last
		trimmed.Text = strings.TrimRight(last.Text, " \t\r\n")
		t.blocks[len(t.blocks)-1] = &trimmed
	}
}
