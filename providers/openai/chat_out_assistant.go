package openai

import (
	"slices"
	"strings"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

// writeAssistant writes a model's turn.
func (w *requestWriter) writeAssistant(m *providers.Message) {
	var parts, calls []providers.Block
	refusal := ""
	for i := range m.Blocks {
		b := &m.Blocks[i]
		own := b.Origin == dialect
		switch b.Kind {
		case providers.KindToolCall:
			calls = append(calls, *b)
		case providers.KindThinking, providers.KindRedacted:
			if isPart(b) {
				parts = append(parts, *b)
			}
		case providers.KindRefusal:
			if own && b.Raw == nil {
				refusal = b.Text
			} else {
				parts = append(parts, *b)
			}
		case providers.KindAudio: // an earlier spoken answer is a member of its own
		case providers.KindText:
			if own || b.Text != "" {
				parts = append(parts, *b)
			}
		case providers.KindOpaque:
			if own {
				parts = append(parts, *b)
			} else {
				w.drop("messages." + opaqueName(b))
			}
		case providers.KindImage, providers.KindFile:
			if own {
				parts = append(parts, *b)
			} else {
				w.drop("messages.image") // models are not shown pictures as their own words
			}
		}
	}
	if !w.own && len(parts) == 0 && len(calls) == 0 {
		w.writeThinking(m.Blocks, false) // reports what is lost with the turn
		return
	}
	w.dst = append(wire.Comma(w.dst), `{"role":"assistant"`...)
	switch {
	case parts != nil:
		w.writeContent(parts, "", true)
	case len(calls) == 0 && refusal == "":
		w.dst = wire.PutString(w.dst, "content", "")
	default:
		w.dst = append(wire.Key(w.dst, "content"), "null"...)
	}
	w.writeName(m.Name)
	w.writeThinking(m.Blocks, true)
	if refusal != "" {
		w.dst = wire.PutString(w.dst, "refusal", refusal)
	}
	w.writeSpoken(m.Blocks)
	if len(calls) > 0 {
		w.dst = append(wire.Key(w.dst, "tool_calls"), '[')
		for i := range calls {
			w.writeCall(&calls[i])
		}
		w.dst = append(w.dst, ']')
	}
	if len(parts) == 1 && bare(&parts[0]) && len(parts[0].Cache) > 0 {
		w.dst = wire.PutRaw(w.dst, "cache_control", parts[0].Cache)
	}
	switch s := textSignature(m.Blocks); {
	case w.own:
		w.dst = putMembers(w.dst, m.Extra)
	case s == "":
	case strings.Contains(w.r.Model, "gemini"): // others refuse what they do not know
		w.dst = putThoughtSignature(w.dst, s)
	default:
		w.drop("messages.signature")
	}
	w.dst = append(w.dst, '}')
}

// writeSpoken writes the reference to an earlier spoken answer, or the answer's audio as it came.
func (w *requestWriter) writeSpoken(blocks []providers.Block) {
	for i := range blocks {
		b := &blocks[i]
		if b.Kind != providers.KindAudio {
			continue
		}
		if b.Origin == dialect && b.Raw != nil {
			w.dst = wire.PutRaw(w.dst, "audio", b.Raw)
		} else {
			w.drop("messages.audio")
		}
		return
	}
}

// writeThinking writes the thinking of a turn. A chat caller's goes back as it
// came. A foreign one goes where the vendor wants it: back in its reasoning
// member, or as reasoning_details with the proof. write false only reports the loss.
func (w *requestWriter) writeThinking(blocks []providers.Block, write bool) {
	if raw := ownReasoning(blocks); raw != nil {
		if write {
			w.dst = putObjectMembers(w.dst, raw)
		}
		return
	}
	var plain []byte
	thinks, redacted := false, false
	for i := range blocks {
		b := &blocks[i]
		switch {
		case b.Kind == providers.KindThinking && !isPart(b):
			thinks = true
			plain = append(plain, b.Text...)
		case b.Kind == providers.KindRedacted:
			redacted = true
		}
	}
	switch {
	case !thinks && !redacted:
	case write && w.q.ProviderObject && signed(blocks): // OpenRouter hands it to whom it is from
		w.dst = putDetails(w.dst, blocks)
	case write && w.q.ReasoningBack && w.q.ReasoningField != "" && len(plain) > 0:
		w.dst = wire.PutString(w.dst, w.q.ReasoningField, string(plain))
		if proven(blocks) {
			w.drop("messages.signature")
		}
		if redacted {
			w.drop("messages.redacted_thinking")
		}
	default:
		if thinks {
			w.drop("messages.thinking")
		}
		if redacted {
			w.drop("messages.redacted_thinking")
		}
	}
}

// proven reports whether any thinking has a signature, which only OpenRouter takes.
func proven(blocks []providers.Block) bool {
	for i := range blocks {
		if blocks[i].Kind == providers.KindThinking && blocks[i].Signature != "" {
			return true
		}
	}
	return false
}

func (w *requestWriter) writeCall(b *providers.Block) {
	own := b.Origin == dialect
	w.dst = append(wire.Comma(w.dst), '{')
	if b.ID != "" || !own {
		w.dst = wire.PutString(w.dst, "id", w.callID(b.ID))
	}
	if b.Custom && !own && !w.openAI() { // as its tool is written
		c := *b
		c.Custom, c.Args = false, append(wire.PutString([]byte("{"), "input", b.Text), '}')
		w.dst = putCall(w.dst, &c)
	} else {
		w.dst = putCall(w.dst, b)
	}
	switch {
	case own:
		if len(b.Cache) > 0 {
			w.dst = wire.PutRaw(w.dst, "cache_control", b.Cache)
		}
		w.dst = putMembers(w.dst, b.Extra)
	case b.Signature != "" && b.SignatureOrigin == providers.Gemini:
		if strings.Contains(w.r.Model, "gemini") { // others refuse what they do not know
			w.dst = putThoughtSignature(w.dst, b.Signature)
		} else {
			w.drop("messages.signature")
		}
	}
	if !own && len(b.Cache) > 0 { // no form of this format marks a call
		w.drop("cache_control")
	}
	w.dst = append(w.dst, '}')
}

// putCall writes the members of a call that requests and answers share.
func putCall(dst []byte, b *providers.Block) []byte {
	if b.Custom {
		dst = append(wire.PutString(dst, "type", "custom"), `,"custom":{`...)
		dst = wire.PutString(dst, "name", b.ToolName)
		return append(wire.PutString(dst, "input", b.Text), '}')
	}
	dst = append(wire.PutString(dst, "type", "function"), `,"function":{`...)
	dst = wire.PutString(dst, "name", b.ToolName)
	args := string(b.Args)
	if args == "" {
		args = "{}"
	}
	return append(wire.PutString(dst, "arguments", args), '}')
}

// putThoughtSignature writes a Gemini signature where Google's compatible endpoint has it.
func putThoughtSignature(dst []byte, signature string) []byte {
	dst = append(wire.Key(dst, "extra_content"), `{"google":{`...)
	return append(wire.PutString(dst, "thought_signature", signature), "}}"...)
}

// textSignature returns the Gemini signature of a turn's text: the last one, as a
// message has room for one.
func textSignature(blocks []providers.Block) string {
	for i := range slices.Backward(blocks) {
		if b := &blocks[i]; b.Kind == providers.KindText && b.Signature != "" && b.SignatureOrigin == providers.Gemini {
			return b.Signature
		}
	}
	return ""
}

// putTextSignature writes it as a member of the message.
func putTextSignature(dst []byte, blocks []providers.Block) []byte {
	if s := textSignature(blocks); s != "" {
		return putThoughtSignature(dst, s)
	}
	return dst
}
