package openai

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

// AppendResponse writes a whole answer. One that came in this format is written
// back whole; of another vendor's, blocks without a form here (server tools) are left out.
func (chatIngress) AppendResponse(dst []byte, r *providers.Response) ([]byte, error) {
	own := r.Origin == dialect
	dst = append(dst, '{')
	dst = wire.PutString(dst, "id", answerID(r.ID))
	dst = wire.PutString(dst, "object", "chat.completion")
	dst = wire.PutInt(dst, "created", r.Created)
	dst = wire.PutString(dst, "model", r.Model)
	dst = append(wire.Key(dst, "choices"), '[')
	for i := range r.Choices {
		dst = putChoice(dst, &r.Choices[i], own)
	}
	dst = append(dst, ']')
	if r.HasUsage {
		dst = wire.Key(dst, "usage")
		if came := find(r.Extra, "usage"); own && sameUsage(came, &r.Usage) {
			dst = wire.AppendRaw(dst, came)
		} else {
			dst = putUsage(dst, &r.Usage)
		}
	}
	if tier := tierWord(r.ServiceTier, own); tier != "" {
		dst = wire.PutString(dst, "service_tier", tier)
	}
	if r.Fingerprint != "" {
		dst = wire.PutString(dst, "system_fingerprint", r.Fingerprint)
	}
	if own {
		for _, m := range r.Extra {
			if m.Name != "usage" || !r.HasUsage {
				dst = putMember(dst, m)
			}
		}
	}
	return append(dst, '}'), nil
}

// tierWord returns the tier in OpenAI's words; Anthropic's standard is its default.
func tierWord(tier string, own bool) string {
	if tier == "standard" && !own {
		return "default"
	}
	return tier
}

// answerID gives an answer without an id one, because clients demand a string.
func answerID(id string) string {
	if id == "" {
		return "chatcmpl-0"
	}
	return id
}

// sameUsage reports whether a usage member as it came still says what u says.
func sameUsage(came json.RawMessage, u *providers.Usage) bool {
	var read providers.Usage
	return wire.IsObject(came) && readUsage(came, &read) && read == *u
}

func putChoice(dst []byte, c *providers.Choice, own bool) []byte {
	dst = append(wire.Comma(dst), '{')
	dst = wire.PutInt(dst, "index", int64(c.Index))
	dst = append(wire.Key(dst, "message"), `{"role":"assistant"`...)
	dst = putMessage(dst, c, own)
	if own {
		for _, m := range c.Extra {
			if name, inside := cutPrefix(m.Name, inMessage); inside {
				dst = putMember(dst, providers.Member{Name: name, Value: m.Value})
			}
		}
	}
	dst = append(dst, '}')
	dst = wire.PutRaw(dst, "logprobs", c.Logprobs)
	dst = wire.PutString(dst, "finish_reason", choiceFinish(c, own))
	if own {
		for _, m := range c.Extra {
			if _, inside := cutPrefix(m.Name, inMessage); !inside {
				dst = putMember(dst, m)
			}
		}
	}
	return append(dst, '}')
}

func choiceFinish(c *providers.Choice, own bool) string {
	if own && c.RawFinish != "" {
		return c.RawFinish
	}
	return finishWord(c.Finish)
}

// putMessage writes the members of an answer's message behind its role.
func putMessage(dst []byte, c *providers.Choice, own bool) []byte {
	var said, refusal strings.Builder
	parts, texts, calls := false, 0, 0
	for i := range c.Blocks {
		switch b := &c.Blocks[i]; b.Kind {
		case providers.KindText:
			texts++
			said.WriteString(b.Text)
			parts = parts || b.Origin == dialect && wire.IsObject(b.Raw)
		case providers.KindRefusal:
			if b.Origin != dialect || b.Raw == nil {
				refusal.WriteString(b.Text)
			} else {
				parts = true
			}
		case providers.KindToolCall:
			calls++
		case providers.KindThinking:
			parts = parts || isPart(b)
		}
	}
	switch {
	case parts: // Mistral
		dst = putParts(dst, c.Blocks)
	case texts > 0:
		dst = wire.PutString(dst, "content", said.String())
	default:
		dst = append(wire.Key(dst, "content"), "null"...)
	}
	dst = putStringOrNull(dst, "refusal", refusal.String())
	if raw := ownReasoning(c.Blocks); raw != nil && own {
		dst = putObjectMembers(dst, raw)
	} else {
		dst = putReasoning(dst, c.Blocks)
	}
	dst = putMedia(dst, c.Blocks)
	dst = putAnnotations(dst, c.Blocks)
	if calls > 0 {
		dst = append(wire.Key(dst, "tool_calls"), '[')
		for i := range c.Blocks {
			if b := &c.Blocks[i]; b.Kind == providers.KindToolCall {
				dst = putAnswerCall(dst, b)
			}
		}
		dst = append(dst, ']')
	}
	if find(c.Extra, inMessage+"extra_content") == nil {
		dst = putTextSignature(dst, c.Blocks)
	}
	return dst
}

// putParts writes the content as the list it came as.
func putParts(dst []byte, blocks []providers.Block) []byte {
	dst = append(wire.Key(dst, "content"), '[')
	for i := range blocks {
		b := &blocks[i]
		switch {
		case b.Kind == providers.KindText:
			dst = append(wire.Comma(dst), `{"type":"text"`...)
			dst = wire.PutString(dst, "text", b.Text)
			dst = append(putMembers(dst, b.Extra), '}')
		case b.Origin == dialect && isPart(b) && b.Kind != providers.KindToolCall:
			dst = wire.AppendRaw(wire.Comma(dst), b.Raw)
		}
	}
	return append(dst, ']')
}

func putAnswerCall(dst []byte, b *providers.Block) []byte {
	dst = append(wire.Comma(dst), '{')
	if b.ID != "" || b.Origin != dialect {
		dst = wire.PutString(dst, "id", b.ID)
	}
	dst = putCall(dst, b)
	if b.Origin == dialect {
		dst = putMembers(dst, b.Extra)
	} else if b.Signature != "" && b.SignatureOrigin == providers.Gemini {
		dst = putThoughtSignature(dst, b.Signature)
	}
	return append(dst, '}')
}

// putMedia writes speech and pictures the model made.
func putMedia(dst []byte, blocks []providers.Block) []byte {
	images := false
	for i := range blocks {
		b := &blocks[i]
		switch {
		case b.Kind == providers.KindAudio && b.Origin == dialect && b.Raw != nil:
			dst = wire.PutRaw(dst, "audio", b.Raw)
		case b.Kind == providers.KindAudio:
			dst = append(wire.Key(dst, "audio"), '{')
			dst = wire.PutString(dst, "id", b.ID)
			dst = putData(dst, "data", "", b.Data)
			dst = wire.PutInt(dst, "expires_at", 0)
			dst = append(wire.PutString(dst, "transcript", b.Text), '}')
		case b.Kind == providers.KindImage:
			images = true
		}
	}
	if !images {
		return dst
	}
	dst = append(wire.Key(dst, "images"), '[')
	for i := range blocks {
		if b := &blocks[i]; b.Kind == providers.KindImage {
			dst = putImage(wire.Comma(dst), b)
		}
	}
	return append(dst, ']')
}

func putImage(dst []byte, b *providers.Block) []byte {
	if b.Origin == dialect && wire.IsObject(b.Raw) {
		return wire.AppendRaw(dst, b.Raw)
	}
	dst = append(dst, `{"type":"image_url","image_url":{`...)
	if len(b.Data) > 0 {
		dst = putData(dst, "url", mediaType(b, "image/png"), b.Data)
	} else {
		dst = wire.PutString(dst, "url", b.URL)
	}
	return append(dst, "}}"...)
}

// putAnnotations writes citations: as they came, or as url_citation where a
// foreign one names a page. The range is that of the cited block in the text, in characters.
func putAnnotations(dst []byte, blocks []providers.Block) []byte {
	if !slices.ContainsFunc(blocks, func(b providers.Block) bool { return b.Citations != nil }) {
		return dst // the characters need not be counted
	}
	open := false
	pos := int64(0)
	for i := range blocks {
		b := &blocks[i]
		if b.Kind != providers.KindText {
			continue
		}
		if b.Origin == dialect && b.Citations != nil {
			return wire.PutRaw(dst, "annotations", b.Citations)
		}
		end := pos + int64(utf8.RuneCountInString(b.Text))
		wire.EachElement(b.Citations, func(c []byte) bool {
			if textAt(c, "url") == "" {
				return true
			}
			if !open {
				dst = append(wire.Key(dst, "annotations"), '[')
				open = true
			}
			dst = putCitation(wire.Comma(dst), c, pos, end)
			return true
		})
		pos = end
	}
	if open {
		dst = append(dst, ']')
	}
	return dst
}

// putCitation writes one that names a page, about the characters from start to end of
// the text, or the part of them it tells.
func putCitation(dst, c []byte, start, end int64) []byte {
	if from, ok := wire.Int(at(c, "start_index")); ok && from >= 0 {
		if to, ok := wire.Int(at(c, "end_index")); ok && from <= to {
			start, end = start+from, start+to
		}
	}
	dst = append(dst, `{"type":"url_citation","url_citation":{`...)
	dst = wire.PutString(dst, "url", textAt(c, "url"))
	dst = wire.PutString(dst, "title", textAt(c, "title"))
	dst = wire.PutInt(dst, "start_index", start)
	return append(wire.PutInt(dst, "end_index", end), "}}"...)
}

// audioData decodes one fragment of a spoken answer.
func audioData(s string) []byte {
	data, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return nil
	}
	return data
}
