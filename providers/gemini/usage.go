package gemini

import (
	"encoding/json"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

// Usage reads the usageMetadata of a whole answer or of an event. Every event of a
// stream tells all that is known so far: a later report takes the place of the
// earlier as a whole. Reports without any count (Vertex tells the traffic type
// first) are none. Of an answer in the form of a JSON array the last report counts.
func (egress) Usage(data []byte, u *providers.Usage) (any bool) {
	if data = trimSpace(data); wire.IsArray(data) {
		wire.EachElement(data, func(elem []byte) bool {
			any = usageOf(elem, u) || any
			return true
		})
		return any
	}
	return usageOf(data, u)
}

func usageOf(data []byte, u *providers.Usage) bool {
	start, end, ok := wire.Path(data, "usageMetadata")
	return ok && readUsage(data[start:end], u)
}

// A count is what a report tells, in Google's terms: the prompt includes what came
// from the cache, but not what tools fetched for the model; the answer's tokens
// exclude thoughts.
type count struct {
	prompt, cached, toolUse, answer, thoughts int64
	audioIn, audioCached, audioOut, imageOut  int64
}

func readUsage(raw []byte, u *providers.Usage) bool {
	var c count
	var n providers.Usage
	any := false
	wire.EachMember(raw, func(name, v []byte) bool {
		read := func(dst *int64) {
			if x, ok := wire.Int(v); ok {
				*dst, any = n.Clamp(x), true
			}
		}
		switch string(name) {
		case "promptTokenCount":
			read(&c.prompt)
		case "cachedContentTokenCount":
			read(&c.cached)
		case "toolUsePromptTokenCount":
			read(&c.toolUse)
		case "candidatesTokenCount", "responseTokenCount":
			read(&c.answer)
		case "thoughtsTokenCount":
			read(&c.thoughts)
		case "promptTokensDetails":
			c.audioIn = n.Clamp(ofModality(v, `"AUDIO"`))
		case "cacheTokensDetails":
			c.audioCached = n.Clamp(ofModality(v, `"AUDIO"`))
		case "candidatesTokensDetails":
			c.audioOut, c.imageOut = n.Clamp(ofModality(v, `"AUDIO"`)), n.Clamp(ofModality(v, `"IMAGE"`))
		}
		return true
	})
	if !any {
		return false
	}
	n.CacheRead = min(c.cached, c.prompt)
	n.Clamped = n.Clamped || c.cached > c.prompt
	fresh := c.prompt - n.CacheRead
	n.InputAudio = min(max(c.audioIn-c.audioCached, 0), fresh)
	n.Input = fresh - n.InputAudio + c.toolUse
	n.OutputAudio = min(c.audioOut, c.answer)
	n.OutputImage = min(c.imageOut, c.answer-n.OutputAudio)
	n.Output = c.answer - n.OutputAudio - n.OutputImage
	n.Reasoning = c.thoughts
	n.Clamped = n.Clamped || u.Clamped
	*u = n
	return true
}

// ofModality sums the tokens of one modality, given with its quotes.
func ofModality(list []byte, modality string) (sum int64) {
	wire.EachElement(list, func(elem []byte) bool {
		if start, end, ok := wire.Path(elem, "modality"); ok && string(elem[start:end]) == modality {
			if start, end, ok = wire.Path(elem, "tokenCount"); ok {
				n, _ := wire.Int(elem[start:end])
				sum += n
			}
		}
		return true
	})
	return sum
}

// appendUsage writes usageMetadata in Google's terms.
func appendUsage(dst []byte, u *providers.Usage) []byte {
	dst = append(dst, '{')
	dst = wire.PutInt(dst, "promptTokenCount", u.Prompt())
	dst = wire.PutInt(dst, "candidatesTokenCount", u.Completion()-u.Reasoning)
	dst = wire.PutInt(dst, "totalTokenCount", u.Prompt()+u.Completion())
	if u.CacheRead > 0 {
		dst = wire.PutInt(dst, "cachedContentTokenCount", u.CacheRead)
	}
	if u.Reasoning > 0 {
		dst = wire.PutInt(dst, "thoughtsTokenCount", u.Reasoning)
	}
	if audio := u.InputAudio; audio > 0 {
		dst = modality(append(wire.Key(dst, "promptTokensDetails"), '['), "TEXT", u.Prompt()-audio)
		dst = append(modality(dst, "AUDIO", audio), ']')
	}
	if audio, image := u.OutputAudio, u.OutputImage; audio > 0 || image > 0 {
		dst = append(wire.Key(dst, "candidatesTokensDetails"), '[')
		dst = modality(dst, "TEXT", u.Output)
		if audio > 0 {
			dst = modality(dst, "AUDIO", audio)
		}
		if image > 0 {
			dst = modality(dst, "IMAGE", image)
		}
		dst = append(dst, ']')
	}
	return append(dst, '}')
}

func modality(dst []byte, name string, n int64) []byte {
	dst = wire.PutString(append(wire.Comma(dst), '{'), "modality", name)
	return append(wire.PutInt(dst, "tokenCount", n), '}')
}

// rawUsage returns the usage as its origin wrote it, which an answer or event
// decoded from this format carries among its extra members.
func rawUsage(extra []providers.Member, origin providers.Dialect) json.RawMessage {
	if origin != dialect {
		return nil
	}
	return find(extra, "usageMetadata")
}

func trimSpace(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\n' || b[0] == '\r' || b[0] == '\t') {
		b = b[1:]
	}
	return b
}
