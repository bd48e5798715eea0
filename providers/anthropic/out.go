package anthropic

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

type egress struct{ quirks providers.Quirks }

// MessagesEgress returns the dialect as an upstream speaks it. Of the quirks it
// honours Drop, ProviderObject and NoDone.
//
// What DecodeResponse returns points into the body it was given.
func MessagesEgress(q providers.Quirks) providers.Egress { return egress{q} }

func (egress) Dialect() providers.Dialect { return dialect }

// A requestWriter writes one request. own: it came in this very format, so that
// everything is written back as it was and judged by the upstream alone.
type requestWriter struct {
	r        *providers.Request
	quirks   *providers.Quirks
	own      bool
	host     providers.Dialect // whose signatures are as good as this format's: the host's of a Claude model
	facts    facts
	thinking thinkingPlan
	dst      []byte
	dropped  []string
	err      error
}

func (e egress) AppendRequest(dst []byte, r *providers.Request) (out []byte, dropped []string, err error) {
	w := &requestWriter{r: r, quirks: &e.quirks, own: r.Origin == dialect, facts: factsOf(r.Model), dst: dst}
	if r.N > 1 {
		return dst, nil, named(bad("n", fmt.Sprintf("this model gives one answer a request, %d were asked for", r.N)))
	}
	w.plan()
	w.dst = append(w.dst, '{')
	if r.Model != "" {
		w.dst = wire.PutString(w.dst, "model", r.Model)
	}
	w.dst = wire.PutInt(w.dst, "max_tokens", w.thinking.maxTokens)
	if r.Stream {
		w.dst = wire.PutBool(w.dst, "stream", true)
	}
	w.writeTools()
	turns, system := w.turns()
	w.writeSystem(system)
	w.writeTurns(turns)
	w.writeSampling()
	w.writeStop()
	w.writeThinking()
	w.writeUser()
	w.writeServiceTier()
	if len(r.Cache) > 0 && w.allows("cache_control") {
		w.dst = wire.PutRaw(w.dst, "cache_control", r.Cache)
	}
	w.writeExtra()
	w.reportLost()
	if w.err != nil {
		return dst, nil, named(w.err)
	}
	return append(w.dst, '}'), w.dropped, nil
}

// drop records, once, the name of something that is not sent.
func (w *requestWriter) drop(name string) {
	if !slices.Contains(w.dropped, name) {
		w.dropped = append(w.dropped, name)
	}
}

// fail keeps the first reason why the request cannot be served.
func (w *requestWriter) fail(param, message string) {
	if w.err == nil {
		w.err = bad(param, message)
	}
}

// allows reports whether the vendor takes a member; if not, that is recorded.
func (w *requestWriter) allows(name string) bool {
	if slices.Contains(w.quirks.Drop, name) {
		w.drop(name)
		return false
	}
	return true
}

func (w *requestWriter) writeExtra() {
	for _, m := range w.r.Extra {
		switch {
		case m.Name == "provider" && !w.quirks.ProviderObject:
			w.drop(m.Name)
		case w.own:
			if w.allows(m.Name) {
				w.dst = putMembers(w.dst, []providers.Member{m})
			}
		default:
			w.foreignExtra(m)
		}
	}
	if w.own {
		return
	}
	if w.r.Seed != nil {
		w.drop("seed")
	}
}

// validID maps a foreign tool-call id to the API's alphabet (^[a-zA-Z0-9_-]+$),
// the same way for a call and its result.
func validID(id string) string {
	ok := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-'
	}
	if strings.IndexFunc(id, func(r rune) bool { return !ok(r) }) < 0 {
		return id
	}
	h := fnv.New32a()
	h.Write([]byte(id)) // never fails
	return strings.Map(func(r rune) rune {
		if ok(r) {
			return r
		}
		return '_'
	}, id) + fmt.Sprintf("_%08x", h.Sum32())
}

func (w *requestWriter) id(id string) string {
	if w.own {
		return id
	}
	if id == "" {
		w.fail("tool_call_id", "Field required")
	}
	return validID(id)
}

// writeBlock writes one block of a turn, or nothing where the format has none for it.
func (w *requestWriter) writeBlock(b *providers.Block, role string) {
	if w.vanishes(b, role) {
		return
	}
	switch b.Kind {
	case providers.KindText, providers.KindRefusal:
		w.writeText(b)
	case providers.KindThinking, providers.KindRedacted:
		w.writeThought(b)
	case providers.KindToolCall:
		if b.Signature != "" { // Gemini signs calls; here nothing takes it
			w.drop("messages.signature")
		}
		w.dst = append(wire.Comma(w.dst), `{"type":"tool_use"`...)
		w.dst = wire.PutString(w.dst, "id", w.id(b.ID))
		w.dst = wire.PutString(w.dst, "name", b.ToolName)
		w.dst = wire.PutRaw(w.dst, "input", w.input(b))
		w.closeBlock(b)
	case providers.KindToolResult:
		w.writeResult(b)
	case providers.KindOpaque:
		w.dst = wire.AppendRaw(wire.Comma(w.dst), b.Raw)
	case providers.KindImage, providers.KindFile:
		w.writeMedia(b)
	case providers.KindAudio:
		if role != "assistant" {
			w.fail("input_audio", "this model takes no audio")
		} else {
			w.writeText(&providers.Block{Kind: providers.KindText, Text: b.Text}) // the transcript
		}
	}
}

func opaqueName(b *providers.Block) string {
	if t := stringAt(b.Raw, "type"); t != "" {
		return t
	}
	return "opaque"
}

// closeBlock writes the members that any block may have and ends it.
func (w *requestWriter) closeBlock(b *providers.Block) {
	if b.Origin == dialect {
		w.dst = putMembers(w.dst, b.Extra)
	}
	if len(b.Cache) > 0 {
		w.dst = wire.PutRaw(w.dst, "cache_control", b.Cache)
	}
	w.dst = append(w.dst, '}')
}

func blank(s string) bool { return strings.TrimSpace(s) == "" }

func (w *requestWriter) writeText(b *providers.Block) {
	if b.Origin == dialect && wire.IsObject(b.Raw) {
		w.dst = wire.AppendRaw(wire.Comma(w.dst), b.Raw)
		return
	}
	w.dst = append(wire.Comma(w.dst), `{"type":"text"`...)
	w.dst = wire.PutString(w.dst, "text", b.Text)
	if b.Origin == dialect && len(b.Citations) > 0 {
		w.dst = wire.PutRaw(w.dst, "citations", b.Citations)
	} else if !wire.Inert(b.Citations) {
		w.drop("messages.citations")
	}
	w.closeBlock(b)
}

func (w *requestWriter) writeThought(b *providers.Block) {
	if b.Kind == providers.KindRedacted {
		w.dst = append(wire.Comma(w.dst), `{"type":"redacted_thinking"`...)
		w.dst = wire.PutString(w.dst, "data", string(b.Data))
	} else {
		w.dst = append(wire.Comma(w.dst), `{"type":"thinking"`...)
		w.dst = wire.PutString(w.dst, "thinking", b.Text)
		w.dst = wire.PutString(w.dst, "signature", b.Signature)
	}
	w.closeBlock(b)
}

// input returns the arguments of a call, which must be an object here.
func (w *requestWriter) input(b *providers.Block) json.RawMessage {
	if b.Custom {
		return append(wire.PutString([]byte("{"), "input", b.Text), '}')
	}
	switch {
	case len(b.Args) == 0:
		return json.RawMessage("{}")
	case w.own || wire.ValidObject(b.Args):
		return b.Args
	}
	// A model's malformed arguments stay readable instead of ending the conversation.
	return append(wire.PutString([]byte("{"), "input", string(b.Args)), '}')
}

func (w *requestWriter) writeResult(b *providers.Block) {
	w.dst = append(wire.Comma(w.dst), `{"type":"tool_result"`...)
	w.dst = wire.PutString(w.dst, "tool_use_id", w.id(b.ID))
	switch {
	case isString(b.Result), !w.own && len(b.Result) == 1 && b.Result[0].Kind == providers.KindText && len(b.Result[0].Cache) == 0:
		w.dst = wire.PutString(w.dst, "content", b.Result[0].Text)
	case b.Result != nil:
		w.dst = append(wire.Key(w.dst, "content"), '[')
		for i := range b.Result {
			w.writeBlock(&b.Result[i], "user")
		}
		w.dst = append(w.dst, ']')
	}
	if b.IsError {
		w.dst = wire.PutBool(w.dst, "is_error", true)
	}
	w.closeBlock(b)
}

func (w *requestWriter) writeMedia(b *providers.Block) {
	if b.Origin == dialect && wire.IsObject(b.Raw) {
		w.dst = wire.AppendRaw(wire.Comma(w.dst), b.Raw)
		return
	}
	image := b.Kind == providers.KindImage || strings.HasPrefix(b.MediaType, "image/")
	typ, param := "document", "file"
	if image {
		typ, param = "image", "image_url"
	}
	if b.Detail != "" && b.Detail != "auto" {
		w.drop("image_url.detail")
	}
	w.dst = wire.PutString(append(wire.Comma(w.dst), '{'), "type", typ)
	w.dst = append(wire.Key(w.dst, "source"), '{')
	switch {
	case b.URL != "":
		w.dst = wire.PutString(wire.PutString(w.dst, "type", "url"), "url", b.URL)
	case len(b.Data) > 0 && (image || b.MediaType == "application/pdf"):
		w.dst = wire.PutString(wire.PutString(w.dst, "type", "base64"), "media_type", b.MediaType)
		w.dst = append(wire.Key(w.dst, "data"), '"')
		w.dst = append(base64.StdEncoding.AppendEncode(w.dst, b.Data), '"')
	case b.FileID != "" && (w.own || b.Origin == dialect):
		w.dst = wire.PutString(wire.PutString(w.dst, "type", "file"), "file_id", b.FileID)
	case b.FileID != "":
		w.fail(param+".file_id", "a file stored at another provider cannot be used with this model; send its content")
	case !image && w.isText(b):
		data := b.Text
		if data == "" {
			data = string(b.Data)
		}
		w.dst = wire.PutString(wire.PutString(w.dst, "type", "text"), "media_type", "text/plain")
		w.dst = wire.PutString(w.dst, "data", data)
	default:
		w.fail(param, fmt.Sprintf("this model takes no input of type %q", b.MediaType))
	}
	w.dst = append(w.dst, '}')
	if b.Filename != "" && !image {
		w.dst = wire.PutString(w.dst, "title", b.Filename)
	}
	w.closeBlock(b)
}

// isText reports whether a file can be sent as a plain-text document.
func (w *requestWriter) isText(b *providers.Block) bool {
	if b.Text != "" || w.own {
		return true
	}
	textual := strings.HasPrefix(b.MediaType, "text/") || b.MediaType == "application/json" || b.MediaType == ""
	return textual && len(b.Data) > 0 && utf8.Valid(b.Data)
}
