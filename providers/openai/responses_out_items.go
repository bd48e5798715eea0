package openai

import (
	"strings"
	"unicode/utf8"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

// writeInput writes instructions and input.
func (w *responsesWriter) writeInput() {
	system := w.r.System
	if len(system) > 0 && bareText(&system[0]) { // the caller's own instructions
		w.dst = wire.PutString(w.dst, "instructions", system[0].Text)
		system = system[1:]
	} else if !w.own && len(w.r.Messages) > 0 && !marked(system) {
		if said := w.said(system); said != "" {
			w.dst = wire.PutString(w.dst, "instructions", said)
		}
		system = nil
	}
	list := w.r.Messages
	if w.own && len(system) == 0 && len(list) == 0 {
		return // a stored prompt or an earlier response stands for it
	}
	if len(system) == 0 && len(list) == 1 && len(list[0].Blocks) == 1 && bareText(&list[0].Blocks[0]) {
		w.dst = wire.PutString(w.dst, "input", list[0].Blocks[0].Text)
		return
	}
	w.dst = append(wire.Key(w.dst, "input"), '[')
	w.writeBlocks(providers.RoleSystem, system)
	for i := range list {
		if name := list[i].Name; name != "" {
			w.drop("messages.name")
		}
		w.writeBlocks(list[i].Role, list[i].Blocks)
	}
	w.dst = append(w.dst, ']')
}

// bareText reports whether a block is a member that was a string, not an item.
func bareText(b *providers.Block) bool {
	return b.Kind == providers.KindText && b.Origin == responses && len(b.Raw) == 2 && b.Raw[0] == '"'
}

// marked reports whether a cache mark stands in blocks, which a string could not hold.
func marked(blocks []providers.Block) bool {
	for i := range blocks {
		if len(blocks[i].Cache) > 0 {
			return true
		}
	}
	return false
}

// said joins the text of blocks, and reports what is none.
func (w *responsesWriter) said(blocks []providers.Block) string {
	var list []string
	for i := range blocks {
		switch b := &blocks[i]; b.Kind {
		case providers.KindText, providers.KindRefusal:
			if b.Text != "" {
				list = append(list, b.Text)
			}
		default:
			w.drop("messages." + opaqueName(b))
		}
	}
	return strings.Join(list, "\n\n")
}

// writeBlocks writes one turn as items: a run of content is one message, and
// everything else an item of its own.
func (w *responsesWriter) writeBlocks(role providers.Role, blocks []providers.Block) {
	for i := 0; i < len(blocks); {
		b := &blocks[i]
		if b.Origin == responses && wire.IsObject(b.Raw) {
			n := itemBlocks(b.Raw)
			w.writeOwnItem(b)
			i += n
			continue
		}
		n := 1
		if isContent(b.Kind) {
			for i+n < len(blocks) && isContent(blocks[i+n].Kind) && !(blocks[i+n].Origin == responses && wire.IsObject(blocks[i+n].Raw)) {
				n++
			}
			w.writeMessage(role, blocks[i:i+n])
		} else {
			w.writeItem(b)
		}
		i += n
	}
}

// itemBlocks returns how many blocks were read from an item.
func itemBlocks(raw []byte) int {
	if typ := textAt(raw, "type"); typ != "" && typ != "message" {
		return 1
	}
	n := 0
	if list := at(raw, "content"); wire.IsArray(list) {
		wire.EachElement(list, func([]byte) bool { n++; return true })
	}
	return max(n, 1)
}

// writeOwnItem writes an item as it came, unless it is another vendor's thinking,
// which this one has not encrypted and would refuse.
func (w *responsesWriter) writeOwnItem(b *providers.Block) {
	if thought := b.Kind == providers.KindThinking || b.Kind == providers.KindRedacted; thought && b.SignatureOrigin != responses && b.SignatureOrigin != "" {
		w.drop("messages.thinking")
		return
	}
	w.dst = wire.AppendRaw(wire.Comma(w.dst), b.Raw)
}

func isContent(k providers.BlockKind) bool {
	switch k {
	case providers.KindText, providers.KindRefusal, providers.KindImage, providers.KindFile, providers.KindAudio:
		return true
	}
	return false
}

// writeMessage writes a message of content. A model's turn is text alone; that of
// others is a list of parts.
func (w *responsesWriter) writeMessage(role providers.Role, blocks []providers.Block) {
	start := len(w.dst)
	w.dst = append(wire.Comma(w.dst), `{"type":"message"`...)
	switch role {
	case providers.RoleAssistant:
		var s strings.Builder
		for i := range blocks {
			switch b := &blocks[i]; b.Kind {
			case providers.KindText, providers.KindRefusal:
				s.WriteString(b.Text)
			case providers.KindAudio:
				s.WriteString(b.Text) // the transcript
				w.drop("messages.audio")
			default: // models are not shown pictures as their own words
				w.drop("messages.image")
			}
			if len(blocks[i].Cache) > 0 {
				w.drop("cache_control")
			}
		}
		if s.Len() == 0 {
			w.dst = w.dst[:start]
			return
		}
		w.dst = append(w.dst, `,"role":"assistant"`...)
		w.dst = append(wire.PutString(w.dst, "content", s.String()), '}')
		return
	case providers.RoleSystem:
		w.dst = append(w.dst, `,"role":"system"`...)
	default:
		w.dst = append(w.dst, `,"role":"user"`...)
	}
	w.dst = append(wire.Key(w.dst, "content"), '[')
	empty := len(w.dst)
	for i := range blocks {
		w.writePart(&blocks[i])
	}
	if len(w.dst) == empty {
		w.dst = w.dst[:start]
		return
	}
	w.dst = append(w.dst, "]}"...)
}

// writePart writes one part of a message of others than the model, or of a call's output.
func (w *responsesWriter) writePart(b *providers.Block) {
	if (b.Kind == providers.KindText || b.Kind == providers.KindRefusal) && b.Text == "" {
		return
	}
	w.dst = append(wire.Comma(w.dst), '{')
	switch b.Kind {
	case providers.KindText, providers.KindRefusal:
		w.dst = wire.PutString(w.dst, "type", "input_text")
		w.dst = wire.PutString(w.dst, "text", b.Text)
	case providers.KindImage:
		w.writeImage(b)
	case providers.KindFile:
		w.writeFile(b)
	case providers.KindAudio:
		w.fail("input_audio", "this model's API takes no audio")
	}
	switch {
	case len(b.Cache) == 0:
	case w.q.MaxTokensField == "" && w.allows("prompt_cache_breakpoint"): // OpenAI alone has a form for it
		w.dst = append(wire.Key(w.dst, "prompt_cache_breakpoint"), `{"mode":"explicit"}`...)
	default:
		w.drop("cache_control")
	}
	w.dst = append(w.dst, '}')
}

func (w *responsesWriter) writeImage(b *providers.Block) {
	w.dst = wire.PutString(w.dst, "type", "input_image")
	detail := b.Detail
	if detail == "" {
		detail = "auto" // required
	}
	w.dst = wire.PutString(w.dst, "detail", detail)
	switch {
	case len(b.Data) > 0:
		w.dst = putData(w.dst, "image_url", mediaType(b, "image/png"), b.Data)
	case b.URL != "":
		w.dst = wire.PutString(w.dst, "image_url", b.URL)
	case b.Origin == dialect && b.FileID != "": // chat completions have the same files
		w.dst = wire.PutString(w.dst, "file_id", b.FileID)
	default:
		w.fail("image_url", "a file stored at another provider cannot be used with this model; send its content")
	}
}

func (w *responsesWriter) writeFile(b *providers.Block) {
	plain := b.Text
	if plain == "" && (strings.HasPrefix(b.MediaType, "text/") || b.MediaType == "application/json") && utf8.Valid(b.Data) {
		plain = string(b.Data)
	}
	if plain != "" {
		if b.Filename != "" {
			plain = b.Filename + "\n" + plain
		}
		w.dst = wire.PutString(w.dst, "type", "input_text")
		w.dst = wire.PutString(w.dst, "text", plain)
		return
	}
	w.dst = wire.PutString(w.dst, "type", "input_file")
	switch {
	case len(b.Data) > 0:
		name := b.Filename
		if name == "" {
			name = "document.pdf" // required beside file_data
		}
		w.dst = wire.PutString(w.dst, "filename", name)
		w.dst = putData(w.dst, "file_data", mediaType(b, "application/pdf"), b.Data)
	case b.URL != "":
		w.dst = wire.PutString(w.dst, "file_url", b.URL)
	case b.Origin == dialect && b.FileID != "":
		w.dst = wire.PutString(w.dst, "file_id", b.FileID)
	default:
		w.fail("file.file_id", "a file stored at another provider cannot be used with this model; send its content")
	}
}

// writeItem writes what is no content.
func (w *responsesWriter) writeItem(b *providers.Block) {
	switch b.Kind {
	case providers.KindThinking, providers.KindRedacted:
		w.writeThought(b)
	case providers.KindToolCall:
		w.writeCall(b)
	case providers.KindToolResult:
		w.writeOutput(b)
	default:
		w.drop("messages." + opaqueName(b))
	}
}

// writeThought writes reasoning that a vendor of this format has encrypted. Its id
// is left out: only stored responses can be referred to.
func (w *responsesWriter) writeThought(b *providers.Block) {
	if b.SignatureOrigin != responses {
		if b.Kind == providers.KindRedacted {
			w.drop("messages.redacted_thinking")
		} else {
			w.drop("messages.thinking")
		}
		return
	}
	w.dst = append(wire.Comma(w.dst), `{"type":"reasoning","summary":[`...)
	if b.Text != "" {
		w.dst = append(wire.PutString(append(w.dst, `{"type":"summary_text"`...), "text", b.Text), '}')
	}
	w.dst = append(wire.PutString(append(w.dst, ']'), "encrypted_content", seal(b)), '}')
}

func (w *responsesWriter) writeCall(b *providers.Block) {
	if b.ID == "" {
		w.fail("tool_call_id", "is required")
	}
	if b.Custom {
		if w.custom == nil {
			w.custom = map[string]bool{}
		}
		w.custom[b.ID] = true
		w.dst = append(wire.Comma(w.dst), `{"type":"custom_tool_call"`...)
		w.dst = wire.PutString(wire.PutString(w.dst, "call_id", b.ID), "name", b.ToolName)
		w.dst = append(wire.PutString(w.dst, "input", b.Text), '}')
	} else {
		w.dst = append(wire.Comma(w.dst), `{"type":"function_call"`...)
		w.dst = wire.PutString(wire.PutString(w.dst, "call_id", b.ID), "name", b.ToolName)
		args := string(b.Args)
		if args == "" {
			args = "{}"
		}
		w.dst = append(wire.PutString(w.dst, "arguments", args), '}')
	}
	if b.Signature != "" {
		w.drop("messages.signature")
	}
	if len(b.Cache) > 0 {
		w.drop("cache_control")
	}
}

// writeOutput writes the result of a call: a string, or parts where it holds more than text.
func (w *responsesWriter) writeOutput(b *providers.Block) {
	if b.ID == "" {
		w.fail("tool_call_id", "is required")
	}
	typ := "function_call_output"
	if w.custom[b.ID] {
		typ = "custom_tool_call_output"
	}
	w.dst = wire.PutString(append(wire.Comma(w.dst), '{'), "type", typ)
	w.dst = wire.PutString(w.dst, "call_id", b.ID)
	if b.IsError {
		w.drop("messages.is_error")
	}
	if len(b.Cache) > 0 {
		w.drop("cache_control")
	}
	var said []string
	media := false
	parts := make([]providers.Block, 0, len(b.Result))
	for i := range b.Result {
		switch p := &b.Result[i]; p.Kind {
		case providers.KindText, providers.KindRefusal:
			said = append(said, p.Text)
			parts = append(parts, *p)
		case providers.KindImage, providers.KindFile:
			media = true
			parts = append(parts, *p)
		case providers.KindAudio:
			w.fail("input_audio", "this model's API takes no audio")
		default:
			w.drop("messages." + opaqueName(p))
		}
	}
	if !media {
		w.dst = append(wire.PutString(w.dst, "output", strings.Join(said, "\n")), '}')
		return
	}
	w.dst = append(wire.Key(w.dst, "output"), '[')
	for i := range parts {
		w.writePart(&parts[i])
	}
	w.dst = append(w.dst, "]}"...)
}

// reportLost reports the members of a foreign request's messages, blocks and
// tools that have no neutral field, and so no way into this format.
func (w *responsesWriter) reportLost() {
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
		if w.r.Tools[i].Raw == nil {
			w.loseMembers("tools.", w.r.Tools[i].Extra)
		}
	}
}

func (w *responsesWriter) loseBlocks(blocks []providers.Block) {
	for i := range blocks {
		b := &blocks[i]
		w.loseMembers("messages.", b.Extra)
		if b.Kind == providers.KindText && b.Signature != "" {
			w.drop("messages.signature")
		}
		if !saysNothing(b.Citations) {
			w.drop("messages.citations")
		}
		w.loseBlocks(b.Result)
	}
}

func (w *responsesWriter) loseMembers(where string, list []providers.Member) {
	for i := range list {
		signature := list[i].Name == "extra_content" && textAt(list[i].Value, "google", "thought_signature") != "" // is reported as such
		if !signature && !saysNothing(list[i].Value) {
			w.drop(where + list[i].Name)
		}
	}
}
