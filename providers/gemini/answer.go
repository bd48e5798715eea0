package gemini

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

// reason returns this format's word for why an answer ended.
func reason(f providers.Finish, raw string, origin providers.Dialect) string {
	if origin == dialect && raw != "" {
		return raw
	}
	switch f {
	case providers.FinishLength, providers.FinishContext:
		return "MAX_TOKENS"
	case providers.FinishContentFilter, providers.FinishRefusal:
		return "SAFETY"
	case providers.FinishOther:
		return "OTHER"
	}
	return "STOP" // pauses too: the format has no word for them
}

func (ingress) AppendResponse(dst []byte, r *providers.Response) ([]byte, error) {
	own := r.Origin == dialect
	dst = append(dst, '{')
	if own && len(r.Choices) == 1 && find(r.Extra, "promptFeedback") != nil && len(r.Choices[0].Blocks) == 0 {
		return append(appendHead(dst, r), '}'), nil // the prompt was refused: no candidate
	}
	dst = append(wire.Key(dst, "candidates"), '[')
	for i := range r.Choices {
		c := &r.Choices[i]
		dst = append(wire.Comma(dst), `{"content":{"parts":[`...)
		for j := range c.Blocks {
			dst = appendPart(dst, &c.Blocks[j])
		}
		dst = append(dst, `],"role":"model"}`...)
		if own && c.Finish == "" {
			dst = wire.PutInt(dst, "index", int64(c.Index))
		} else {
			dst = wire.PutString(dst, "finishReason", reason(refusing(c), c.RawFinish, r.Origin))
			dst = wire.PutInt(dst, "index", int64(c.Index))
		}
		if own {
			for _, m := range c.Extra {
				dst = wire.PutMember(dst, m.Name, m.Value)
			}
		} else if list := grounding(c.Blocks); list != nil {
			dst = wire.PutRaw(dst, "groundingMetadata", list)
		}
		dst = append(dst, '}')
	}
	return append(appendHead(append(dst, ']'), r), '}'), nil
}

// refusing returns why an answer ended: OpenAI says stop behind a refusal, which
// is a part of its message, while here nothing else tells it from an answer.
func refusing(c *providers.Choice) providers.Finish {
	for i := range c.Blocks {
		if c.Blocks[i].Kind == providers.KindRefusal && c.Finish == providers.FinishStop {
			return providers.FinishRefusal
		}
	}
	return c.Finish
}

// appendHead writes the members of an answer beside its candidates.
func appendHead(dst []byte, r *providers.Response) []byte {
	if raw := rawUsage(r.Extra, r.Origin); raw != nil {
		dst = wire.PutRaw(dst, "usageMetadata", raw)
	} else if r.HasUsage {
		dst = appendUsage(wire.Key(dst, "usageMetadata"), &r.Usage)
	}
	if r.Model != "" {
		dst = wire.PutString(dst, "modelVersion", r.Model)
	}
	if r.ID != "" {
		dst = wire.PutString(dst, "responseId", r.ID)
	}
	if r.Origin != dialect {
		if r.Created > 0 {
			dst = wire.PutString(dst, "createTime", time.Unix(r.Created, 0).UTC().Format(time.RFC3339))
		}
		return dst
	}
	for _, m := range r.Extra {
		if m.Name != "usageMetadata" {
			dst = wire.PutMember(dst, m.Name, m.Value)
		}
	}
	return dst
}

// appendPart writes one block of an answer; what this format cannot show it leaves out.
func appendPart(dst []byte, b *providers.Block) []byte {
	own := b.Origin == dialect
	switch b.Kind {
	case providers.KindText, providers.KindRefusal:
		if b.Text == "" && b.Signature == "" && !own {
			return dst
		}
		dst = wire.PutString(append(wire.Comma(dst), '{'), "text", b.Text)
	case providers.KindThinking:
		dst = append(wire.PutString(append(wire.Comma(dst), '{'), "text", b.Text), `,"thought":true`...)
	case providers.KindRedacted: // thinking nobody can read is an empty thought with a proof
		dst = append(wire.Comma(dst), `{"text":"","thought":true`...)
		dst = wire.PutString(dst, "thoughtSignature", markRedacted(b.Data, b.SignatureOrigin))
		return append(dst, '}')
	case providers.KindToolCall:
		dst = appendCall(append(wire.Comma(dst), '{'), b.ID, b.ToolName, callArgs(b))
	case providers.KindImage, providers.KindAudio, providers.KindFile:
		return appendMedia(dst, b)
	case providers.KindOpaque:
		if own {
			return wire.AppendRaw(wire.Comma(dst), b.Raw)
		}
		return dst
	default:
		return dst
	}
	if b.Signature != "" {
		dst = wire.PutString(dst, "thoughtSignature", markSignature(b.Signature, b.SignatureOrigin))
	}
	if own {
		for _, m := range b.Extra {
			dst = wire.PutMember(dst, m.Name, m.Value)
		}
	}
	return append(dst, '}')
}

// appendCall writes the functionCall member of a part.
func appendCall(dst []byte, id, name string, args json.RawMessage) []byte {
	dst = append(wire.Key(dst, "functionCall"), '{')
	if id != "" {
		dst = wire.PutString(dst, "id", id)
	}
	return append(wire.PutRaw(wire.PutString(dst, "name", name), "args", args), '}')
}

// callArgs returns the arguments of a call, which must be an object here. The text
// of a free-form tool's call, and what is no JSON, becomes the one member of one.
func callArgs(b *providers.Block) json.RawMessage {
	switch {
	case b.Custom:
		return append(wire.PutString([]byte("{"), "input", b.Text), '}')
	case len(bytes.TrimSpace(b.Args)) == 0:
		return json.RawMessage("{}")
	case wire.ValidObject(b.Args):
		return b.Args
	}
	return append(wire.PutString([]byte("{"), "input", string(b.Args)), '}')
}

// appendMedia writes a picture, sound or file: its bytes, or where it lies.
func appendMedia(dst []byte, b *providers.Block) []byte {
	switch {
	case len(b.Data) > 0:
		dst = append(wire.Comma(dst), `{"inlineData":{`...)
		dst = wire.PutString(dst, "mimeType", b.MediaType)
		dst = wire.PutBase64(dst, "data", b.Data)
	case b.URL != "":
		dst = append(wire.Comma(dst), `{"fileData":{`...)
		if b.MediaType != "" {
			dst = wire.PutString(dst, "mimeType", b.MediaType)
		}
		dst = wire.PutString(dst, "fileUri", b.URL)
	default:
		return dst
	}
	dst = append(dst, '}')
	if b.Signature != "" {
		dst = wire.PutString(dst, "thoughtSignature", markSignature(b.Signature, b.SignatureOrigin))
	}
	if b.Origin == dialect {
		for _, m := range b.Extra {
			dst = wire.PutMember(dst, m.Name, m.Value)
		}
	}
	return append(dst, '}')
}
