package openai

import (
	"encoding/json"
	"strings"
	"unicode/utf8"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

func (w *requestWriter) writeMessages() {
	w.dst = append(wire.Key(w.dst, "messages"), '[')
	if len(w.r.System) > 0 {
		w.writeSystem(w.r.System)
	}
	for i := range w.r.Messages {
		m := &w.r.Messages[i]
		switch m.Role {
		case providers.RoleSystem:
			w.writeSystem(m.Blocks)
		case providers.RoleAssistant:
			w.writeAssistant(m)
		default:
			w.writeUser(m)
		}
	}
	w.dst = append(w.dst, ']')
}

// writeSystem writes system text: one message for each that a chat caller sent,
// else one for all.
func (w *requestWriter) writeSystem(blocks []providers.Block) {
	for len(blocks) > 0 {
		n := 1
		for n < len(blocks) && !startsMessage(&blocks[n]) {
			n++
		}
		w.writeSystemMessage(blocks[:n])
		blocks = blocks[n:]
	}
}

// startsMessage reports whether a block keeps the system message it was the first of.
func startsMessage(b *providers.Block) bool {
	return b.Origin == dialect && wire.IsObject(b.Raw) && at(b.Raw, "role") != nil
}

func (w *requestWriter) writeSystemMessage(blocks []providers.Block) {
	role := "system"
	var came json.RawMessage
	if startsMessage(&blocks[0]) {
		came = blocks[0].Raw
		if role = textAt(came, "role"); role == "developer" && w.q.NoDeveloper {
			role = "system"
		}
	}
	if came == nil {
		if said := w.texts(blocks); len(said) > 0 { // a turn of nothing but a vendor's own blocks says nothing here
			w.dst = wire.PutString(append(wire.Comma(w.dst), '{'), "role", role)
			w.writeContent(said, "\n\n", true)
			w.dst = append(w.dst, '}')
		}
		return
	}
	w.dst = wire.PutString(append(wire.Comma(w.dst), '{'), "role", role)
	if list := at(came, "content"); wire.IsArray(list) {
		w.dst = append(wire.Key(w.dst, "content"), '[')
		i := 0
		wire.EachElement(list, func(elem []byte) bool {
			if i < len(blocks) {
				b := blocks[i]
				b.Raw = elem
				w.writePart(&b)
			}
			i++
			return true
		})
		w.dst = append(w.dst, ']')
	} else {
		w.dst = wire.PutString(w.dst, "content", blocks[0].Text)
	}
	wire.EachMember(came, func(name, v []byte) bool {
		switch string(name) {
		case "role", "content":
		case "name":
			w.writeName(text(v))
		default:
			if !isNull(v) {
				w.dst = putMember(w.dst, providers.Member{Name: string(name), Value: v})
			}
		}
		return true
	})
	w.dst = append(w.dst, '}')
}

func (w *requestWriter) writeName(name string) {
	switch {
	case name == "":
	case w.q.NoNames:
		w.drop("messages.name")
	default:
		w.dst = wire.PutString(w.dst, "name", name)
	}
}

// texts returns the text blocks of a foreign message that say something.
func (w *requestWriter) texts(blocks []providers.Block) []providers.Block {
	out := make([]providers.Block, 0, len(blocks))
	for i := range blocks {
		b := &blocks[i]
		switch b.Kind {
		case providers.KindText, providers.KindRefusal:
			if b.Text != "" {
				out = append(out, *b)
			}
		case providers.KindOpaque:
			w.drop("messages." + opaqueName(b))
		}
	}
	return out
}

// opaqueName says what kind of block another vendor's own one is.
func opaqueName(b *providers.Block) string {
	if t := textAt(b.Raw, "type"); t != "" {
		return t
	}
	return "opaque"
}

// writeContent writes blocks as the content: a list of parts where there is
// something that a string cannot hold, else a string joined by sep.
func (w *requestWriter) writeContent(blocks []providers.Block, sep string, join bool) {
	if len(blocks) == 1 && bare(&blocks[0]) {
		w.dst = wire.PutString(w.dst, "content", blocks[0].Text)
		return
	}
	list := !join && len(blocks) > 1
	for i := range blocks {
		b := &blocks[i]
		own := b.Origin == dialect && b.Raw != nil && !bare(b)
		if own || b.Kind != providers.KindText && b.Kind != providers.KindRefusal || len(b.Cache) > 0 && w.marks() {
			list = true
		}
	}
	if !list {
		parts := make([]string, len(blocks))
		for i := range blocks {
			parts[i] = blocks[i].Text
			if len(blocks[i].Cache) > 0 {
				w.drop("cache_control")
			}
		}
		w.dst = wire.PutString(w.dst, "content", strings.Join(parts, sep))
		return
	}
	w.dst = append(wire.Key(w.dst, "content"), '[')
	for i := range blocks {
		w.writePart(&blocks[i])
	}
	w.dst = append(w.dst, ']')
}

// marks reports whether the vendor takes cache marks of foreign requests.
func (w *requestWriter) marks() bool { return w.openAI() || w.q.ProviderObject }

// writePart writes one part of a content list.
func (w *requestWriter) writePart(b *providers.Block) {
	own := b.Origin == dialect
	if own && wire.IsObject(b.Raw) && b.Kind != providers.KindText {
		w.dst = wire.AppendRaw(wire.Comma(w.dst), b.Raw)
		return
	}
	start := len(w.dst)
	w.dst = append(wire.Comma(w.dst), '{')
	switch b.Kind {
	case providers.KindText, providers.KindRefusal:
		w.dst = wire.PutString(w.dst, "type", "text")
		w.dst = wire.PutString(w.dst, "text", b.Text)
	case providers.KindImage:
		w.writeImage(b)
	case providers.KindFile:
		w.writeFile(b)
	case providers.KindAudio:
		w.writeAudio(b)
	default:
		w.drop("messages." + opaqueName(b))
		w.dst = w.dst[:start]
		return
	}
	if own {
		w.dst = putMembers(w.dst, b.Extra)
	}
	w.writeMark(b)
	w.dst = append(w.dst, '}')
}

// writeMark writes a block's cache mark in the form the vendor has for it.
func (w *requestWriter) writeMark(b *providers.Block) {
	if mark := at(b.Raw, "prompt_cache_breakpoint"); b.Origin == dialect && mark != nil {
		w.dst = wire.PutRaw(w.dst, "prompt_cache_breakpoint", mark)
		return
	}
	switch {
	case len(b.Cache) == 0:
	case b.Origin == dialect, w.q.ProviderObject:
		w.dst = wire.PutRaw(w.dst, "cache_control", b.Cache)
	case w.openAI() && w.allows("prompt_cache_breakpoint"):
		w.dst = append(wire.Key(w.dst, "prompt_cache_breakpoint"), `{"mode":"explicit"}`...)
	default:
		w.drop("cache_control")
	}
}

func (w *requestWriter) writeImage(b *providers.Block) {
	w.dst = wire.PutString(w.dst, "type", "image_url")
	w.dst = append(wire.Key(w.dst, "image_url"), '{')
	switch {
	case len(b.Data) > 0:
		w.dst = putData(w.dst, "url", mediaType(b, "image/png"), b.Data)
	case b.URL != "":
		w.dst = wire.PutString(w.dst, "url", b.URL)
	default:
		w.fail("image_url", "a file stored at another provider cannot be used with this model; send its content")
	}
	if b.Detail != "" {
		w.dst = wire.PutString(w.dst, "detail", b.Detail)
	}
	w.dst = append(w.dst, '}')
}

func mediaType(b *providers.Block, usual string) string {
	if b.MediaType == "" {
		return usual
	}
	return b.MediaType
}

// writeFile writes a document: plain text as a text part, which every model reads; anything else as a file.
func (w *requestWriter) writeFile(b *providers.Block) {
	plain := b.Text
	if plain == "" && (strings.HasPrefix(b.MediaType, "text/") || b.MediaType == "application/json") && utf8.Valid(b.Data) {
		plain = string(b.Data)
	}
	if plain != "" {
		if b.Filename != "" {
			plain = b.Filename + "\n" + plain
		}
		w.dst = wire.PutString(w.dst, "type", "text")
		w.dst = wire.PutString(w.dst, "text", plain)
		return
	}
	w.dst = wire.PutString(w.dst, "type", "file")
	w.dst = append(wire.Key(w.dst, "file"), '{')
	switch {
	case len(b.Data) > 0:
		name := b.Filename
		if name == "" {
			name = "document.pdf" // OpenAI requires one beside file_data
		}
		w.dst = wire.PutString(w.dst, "filename", name)
		w.dst = putData(w.dst, "file_data", mediaType(b, "application/pdf"), b.Data)
	case b.URL != "" && w.q.ProviderObject: // OpenRouter fetches it
		name := b.Filename
		if name == "" {
			name = "document.pdf"
		}
		w.dst = wire.PutString(w.dst, "filename", name)
		w.dst = wire.PutString(w.dst, "file_data", b.URL)
	case b.URL != "":
		w.fail("file", "this model takes no documents by URL; send their content")
	default:
		w.fail("file.file_id", "a file stored at another provider cannot be used with this model; send its content")
	}
	w.dst = append(w.dst, '}')
}

func (w *requestWriter) writeAudio(b *providers.Block) {
	format := audioFormat(b.MediaType)
	if format == "" || len(b.Data) == 0 {
		w.fail("input_audio", "this model takes no audio of type \""+b.MediaType+"\" or by URL")
	}
	w.dst = wire.PutString(w.dst, "type", "input_audio")
	w.dst = append(wire.Key(w.dst, "input_audio"), '{')
	w.dst = putData(w.dst, "data", "", b.Data)
	w.dst = append(wire.PutString(w.dst, "format", format), '}')
}

// writeUser writes a user's message, or the results of tools. Pictures and files
// in a foreign result follow in a user message, since results hold text only.
func (w *requestWriter) writeUser(m *providers.Message) {
	var rest, media []providers.Block
	results := 0
	for i := range m.Blocks {
		if b := &m.Blocks[i]; b.Kind == providers.KindToolResult {
			results++
			media = append(media, w.writeResult(b)...)
		} else {
			rest = append(rest, *b)
		}
	}
	if results > 0 && len(rest) == 0 && len(media) == 0 {
		return
	}
	if !w.own {
		rest = append(media, w.spoken(rest)...)
		if len(rest) == 0 {
			return
		}
	}
	w.dst = append(wire.Comma(w.dst), `{"role":"user"`...)
	w.writeContent(rest, "", false)
	w.writeName(m.Name)
	if len(rest) == 1 && bare(&rest[0]) && len(rest[0].Cache) > 0 {
		w.dst = wire.PutRaw(w.dst, "cache_control", rest[0].Cache)
	}
	if w.own {
		w.dst = putMembers(w.dst, m.Extra)
	}
	w.dst = append(w.dst, '}')
}

// spoken leaves out the blocks of a foreign turn that this format refuses: empty text, thinking, a vendor's own.
func (w *requestWriter) spoken(blocks []providers.Block) []providers.Block {
	out := make([]providers.Block, 0, len(blocks))
	for i := range blocks {
		switch b := &blocks[i]; b.Kind {
		case providers.KindText, providers.KindRefusal:
			if b.Text != "" {
				out = append(out, *b)
			}
		case providers.KindOpaque:
			w.drop("messages." + opaqueName(b))
		case providers.KindThinking, providers.KindRedacted, providers.KindToolCall:
		default:
			out = append(out, *b)
		}
	}
	return out
}

// writeResult writes one tool message and returns what has no place in it.
func (w *requestWriter) writeResult(b *providers.Block) (media []providers.Block) {
	role := "tool"
	if old := find(b.Extra, "role"); b.Origin == dialect && old != nil {
		role = text(old)
	}
	w.dst = append(wire.Comma(w.dst), '{')
	w.dst = wire.PutString(w.dst, "role", role)
	if b.ID != "" {
		w.dst = wire.PutString(w.dst, "tool_call_id", w.callID(b.ID))
	}
	if b.Origin == dialect && b.ToolName != "" {
		w.writeName(b.ToolName)
	}
	if b.Origin == dialect {
		w.writeContent(b.Result, "", false)
		if len(b.Cache) > 0 {
			w.dst = wire.PutRaw(w.dst, "cache_control", b.Cache)
		}
		for _, m := range b.Extra {
			if m.Name != "role" {
				w.dst = putMember(w.dst, m)
			}
		}
		w.dst = append(w.dst, '}')
		return nil
	}
	if b.IsError {
		w.drop("messages.is_error")
	}
	if len(b.Cache) > 0 {
		w.drop("cache_control")
	}
	var said []string
	for i := range b.Result {
		switch part := &b.Result[i]; part.Kind {
		case providers.KindText, providers.KindRefusal:
			said = append(said, part.Text)
		case providers.KindImage, providers.KindFile, providers.KindAudio:
			media = append(media, *part)
		default:
			w.drop("messages." + opaqueName(part))
		}
	}
	if len(said) == 0 && len(media) > 0 {
		said = []string{"The result follows in the next message."}
	}
	w.dst = wire.PutString(w.dst, "content", strings.Join(said, "\n"))
	w.dst = append(w.dst, '}')
	return media
}
