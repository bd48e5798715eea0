package gemini

import (
	"strings"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

// A turn is one content as it will be written.
type turn struct {
	role   string
	blocks []*providers.Block
}

// opening stands before a conversation that starts with the model.
const opening = "Begin."

// turns arranges the messages and the system text for this format: equal roles in
// one content, the results of a round in one, and a conversation of nothing but
// system text as a user turn.
func (w *requestWriter) turns() (turns []turn, system []providers.Block) {
	w.names = map[string]string{}
	for i := range w.r.Messages {
		m := &w.r.Messages[i]
		if m.Name != "" && !w.own {
			w.drop("messages.name")
		}
		role := "user"
		if m.Role == providers.RoleAssistant {
			role = "model"
		}
		var blocks []*providers.Block
		for j := range m.Blocks {
			b := &m.Blocks[j]
			if b.Kind == providers.KindToolCall {
				w.names[b.ID] = b.ToolName
			}
			if m.Role == providers.RoleSystem && b.Kind == providers.KindText && !blank(b.Text) {
				b = &providers.Block{Kind: b.Kind, Text: "<system>\n" + b.Text + "\n</system>", Cache: b.Cache}
			}
			if !w.vanishes(b) {
				blocks = append(blocks, b)
			}
		}
		if role == "model" {
			blocks = carry(blocks)
		}
		turns = w.add(turns, role, blocks, m.Continues)
	}
	system = w.r.System
	if w.own {
		return turns, system
	}
	if len(turns) == 0 {
		var blocks []*providers.Block
		for i := range system {
			if !w.vanishes(&system[i]) {
				blocks = append(blocks, &system[i])
			}
		}
		return w.add(nil, "user", blocks, false), nil
	}
	if turns[0].role == "model" {
		turns = append([]turn{{"user", []*providers.Block{{Kind: providers.KindText, Text: opening}}}}, turns...)
	}
	return turns, system
}

func (w *requestWriter) add(turns []turn, role string, blocks []*providers.Block, continues bool) []turn {
	if len(blocks) == 0 && !w.own {
		return turns
	}
	if n := len(turns); n > 0 && turns[n-1].role == role && (!w.own || continues) {
		turns[n-1].blocks = append(turns[n-1].blocks, blocks...)
		return turns
	}
	return append(turns, turn{role, blocks})
}

// vanishes reports whether a block leaves nothing on the wire, and records what is lost by it.
func (w *requestWriter) vanishes(b *providers.Block) bool {
	switch b.Kind {
	case providers.KindText, providers.KindRefusal: // the API refuses parts without content
		return !w.own && blank(b.Text) && b.Signature == ""
	case providers.KindThinking:
		if b.SignatureOrigin == dialect && b.Signature != "" || w.own && b.Signature == "" {
			return false
		}
		if b.Text != "" || b.Signature != "" {
			w.drop("messages.thinking")
		}
		return true
	case providers.KindRedacted:
		w.drop("messages.redacted_thinking")
		return true
	case providers.KindOpaque:
		if b.Origin != dialect {
			w.drop("messages." + opaqueName(b))
			return true
		}
	}
	return false
}

func opaqueName(b *providers.Block) string {
	if t := stringAt(b.Raw, "type"); t != "" {
		return t
	}
	return "opaque"
}

// carry puts signatures where they belong that came as thinking without words:
// formats that have no place for one on a call or a text send it ahead of the
// call, or behind the text (see the messages format's answers).
func carry(blocks []*providers.Block) []*providers.Block {
	out := make([]*providers.Block, 0, len(blocks))
	var held *providers.Block
	for _, b := range blocks {
		switch {
		case b.Kind == providers.KindThinking && b.Text == "" && b.SignatureOrigin == dialect && b.Origin != dialect:
			if held != nil {
				out = append(out, held)
			}
			held = &providers.Block{Kind: providers.KindText, Signature: b.Signature, SignatureOrigin: dialect}
			continue
		case held != nil && b.Kind == providers.KindToolCall:
			if b.Signature == "" {
				signed := *b
				signed.Signature, signed.SignatureOrigin = held.Signature, dialect
				b = &signed
			}
		case held != nil:
			out = append(out, held)
		}
		held = nil
		out = append(out, b)
	}
	if held != nil {
		out = append(out, held)
	}
	return out
}

func (w *requestWriter) writeSystem(system []providers.Block) {
	var parts []*providers.Block
	for i := range system {
		if b := &system[i]; !w.vanishes(b) {
			parts = append(parts, b)
		}
	}
	if len(parts) == 0 {
		return
	}
	w.dst = append(wire.Key(w.dst, "systemInstruction"), `{"parts":[`...)
	for _, b := range parts {
		w.writePart(b)
	}
	w.dst = append(w.dst, "]}"...)
}

func (w *requestWriter) writeTurns(turns []turn) {
	w.dst = append(wire.Key(w.dst, "contents"), '[')
	for _, t := range turns {
		w.dst = append(wire.Comma(w.dst), `{"parts":[`...)
		signed := !w.facts.signs
		for _, b := range t.blocks {
			if b.Kind == providers.KindToolCall && !signed { // the first of a turn must have one
				signed = true
				if !w.own && (b.Signature == "" || b.SignatureOrigin != dialect) {
					stranger := *b
					stranger.Signature, stranger.SignatureOrigin = unsigned, dialect
					b = &stranger
				}
			}
			w.writePart(b)
		}
		w.dst = wire.PutString(append(w.dst, ']'), "role", t.role)
		w.dst = append(w.dst, '}')
	}
	w.dst = append(w.dst, ']')
}

// writePart writes one block of a turn.
func (w *requestWriter) writePart(b *providers.Block) {
	if len(b.Cache) > 0 {
		w.drop("cache_control")
	}
	if !wire.Inert(b.Citations) && !w.own {
		w.drop("messages.citations")
	}
	c := *b
	if c.SignatureOrigin != dialect && c.Kind != providers.KindThinking {
		if c.Signature != "" {
			w.drop("messages.signature")
		}
		c.Signature = ""
	}
	switch b.Kind {
	case providers.KindToolCall:
		if w.own && stringAt(b.Raw, "id") == "" { // it came without one
			c.ID = ""
		}
	case providers.KindToolResult:
		w.writeResult(b)
		return
	case providers.KindImage, providers.KindFile, providers.KindAudio:
		if !w.media(&c) {
			return
		}
	case providers.KindThinking:
		if c.Signature == "" || c.SignatureOrigin == dialect {
			break
		}
		c.Signature = ""
	}
	w.dst = appendPart(w.dst, &c)
}

// media makes a block fit to be sent; false: it cannot be.
func (w *requestWriter) media(b *providers.Block) bool {
	if b.Detail != "" && b.Detail != "auto" {
		w.drop("image_url.detail")
	}
	if w.own {
		return true
	}
	switch {
	case b.Kind == providers.KindAudio && len(b.Data) == 0: // an earlier spoken answer: what it said
		if b.Text != "" {
			w.dst = append(wire.PutString(append(wire.Comma(w.dst), '{'), "text", b.Text), '}')
		} else {
			w.drop("messages.audio")
		}
		return false
	case len(b.Data) > 0 || b.URL != "":
		if b.MediaType == "" {
			b.MediaType = guessType(b)
		}
		b.MediaType = strings.TrimSpace(strings.SplitN(b.MediaType, ";", 2)[0])
	case b.Text != "": // a document given as its text
		b.Data, b.MediaType = []byte(b.Text), "text/plain"
		if b.Filename != "" { // the API takes no name beside it
			b.Data = []byte(b.Filename + "\n\n" + b.Text)
		}
	case b.FileID != "":
		w.fail("file_id", "a file stored at another provider cannot be used with this model; send its content")
		return false
	default:
		w.fail("file", "the file has no content")
		return false
	}
	return true
}

// guessType tells the media type of a file by the end of its name.
func guessType(b *providers.Block) string {
	name := b.Filename
	if name == "" {
		name, _, _ = strings.Cut(b.URL, "?")
	}
	i := strings.LastIndexByte(name, '.')
	if t, ok := mediaTypes[strings.ToLower(name[i+1:])]; ok && i >= 0 {
		return t
	}
	if b.Kind == providers.KindImage {
		return "image/jpeg"
	}
	return "application/pdf"
}

var mediaTypes = map[string]string{
	"png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "webp": "image/webp", "gif": "image/gif", "heic": "image/heic", "heif": "image/heif",
	"pdf": "application/pdf", "txt": "text/plain", "md": "text/markdown", "csv": "text/csv", "html": "text/html", "json": "application/json", "xml": "text/xml",
	"mp3": "audio/mp3", "wav": "audio/wav", "ogg": "audio/ogg", "flac": "audio/flac", "mp4": "video/mp4", "mpeg": "video/mpeg", "webm": "video/webm", "mov": "video/mov",
}

// writeResult writes a functionResponse. The function's name is looked up from the
// call; the response must be an object, so text is wrapped, which also keeps what
// looks like a schema inside it from being read as one. Pictures and files go into
// the response where the model takes them there, else behind it.
func (w *requestWriter) writeResult(b *providers.Block) {
	name := w.names[b.ID]
	if name == "" {
		name = b.ToolName
	}
	if name == "" {
		w.fail("tool_call_id", "the tool result answers no call: "+b.ID)
		return
	}
	w.dst = append(wire.Comma(w.dst), `{"functionResponse":{`...)
	if b.ID != "" && !(w.own && stringAt(b.Raw, "id") == "") {
		w.dst = wire.PutString(w.dst, "id", b.ID)
	}
	w.dst = wire.PutString(w.dst, "name", name)
	if w.own && wire.IsObject(b.Raw) {
		for _, m := range [...]string{"response", "parts", "willContinue", "scheduling"} {
			if v := at(b.Raw, m); v != nil {
				w.dst = wire.PutRaw(w.dst, m, v)
			}
		}
		w.dst = append(w.dst, "}}"...)
		return
	}
	var text []byte
	var media []*providers.Block
	for i := range b.Result {
		switch r := &b.Result[i]; r.Kind {
		case providers.KindImage, providers.KindFile, providers.KindAudio:
			if r.Text != "" && len(r.Data) == 0 && r.URL == "" {
				text = append(text, r.Text...)
				continue
			}
			media = append(media, r)
		case providers.KindOpaque:
			w.drop("messages." + opaqueName(r))
		default:
			if len(text) > 0 {
				text = append(text, '\n')
			}
			text = append(text, r.Text...)
		}
		if len(b.Result[i].Cache) > 0 {
			w.drop("cache_control")
		}
	}
	wrapper := "result"
	if b.IsError {
		wrapper = "error"
	}
	w.dst = append(wire.PutString(append(wire.Key(w.dst, "response"), '{'), wrapper, string(text)), '}')
	if len(media) > 0 && w.facts.richResult {
		w.dst = append(wire.Key(w.dst, "parts"), '[')
		w.writeMedia(media)
		w.dst = append(w.dst, ']')
		media = nil
	}
	w.dst = append(w.dst, "}}"...)
	w.writeMedia(media)
}

func (w *requestWriter) writeMedia(list []*providers.Block) {
	for _, m := range list {
		if c := *m; w.media(&c) {
			w.dst = appendPart(w.dst, &c)
		}
	}
}
