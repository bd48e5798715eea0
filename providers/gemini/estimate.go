package gemini

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"github.com/your-org/ai-api-gateway/providers/wire"
)

// What media count at most, by Google's page on tokens: a picture 258 a tile, up to
// twelve tiles, and on newer models up to 2,240 by media resolution; a page of a PDF
// as a picture; sound 32 a second, video 300.
const (
	pictureTokens = 12*258 + 2
	filePages     = 1000 // the most a file that is only referred to may have
	bytesOfPage   = 1_500
	soundBytes    = 1_000 // of a second of sound, which is hardly ever compressed further
	videoBytes    = 12_000
)

// Overheads that the API adds, above the highest seen in recorded traffic.
const (
	requestOverhead = 16
	contentOverhead = 4
	partOverhead    = 4
	toolOverhead    = 30
	vendorTools     = 2_000
)

// EstimateTokens returns how many input tokens a request at most counts, for
// countTokens where the target has no counter of its own. It overstates rather than
// ever to understate. It never fails: of a body that is no JSON it counts the bytes as text.
func EstimateTokens(body []byte) int64 {
	if _, err := wire.Fields(body, nil, nil); err != nil {
		return requestOverhead + textTokens(body)
	}
	if inner := at(body, "generateContentRequest"); wire.IsObject(inner) {
		body = inner
	}
	n := int64(requestOverhead)
	eachMember(body, func(name string, v []byte) bool {
		switch name {
		case "contents", "systemInstruction":
			n += contentTokens(v)
		case "tools":
			n += toolTokens(v)
		case "generationConfig":
			n += valueTokens(at(v, "responseSchema")) + valueTokens(at(v, "responseJsonSchema"))
		case "toolConfig":
			n += valueTokens(v)
		}
		return true
	})
	return n
}

func contentTokens(v []byte) (n int64) {
	switch {
	case wire.IsArray(v):
		wire.EachElement(v, func(elem []byte) bool {
			n += contentTokens(elem)
			return true
		})
	case wire.IsObject(v):
		n = contentOverhead
		parts := at(v, "parts")
		if wire.IsObject(parts) {
			n += partTokens(parts)
		}
		wire.EachElement(parts, func(part []byte) bool {
			n += partTokens(part)
			return true
		})
	default:
		n = valueTokens(v)
	}
	return n
}

func partTokens(part []byte) int64 {
	n := int64(partOverhead)
	eachMember(part, func(name string, v []byte) bool {
		switch name {
		case "inlineData":
			n += mediaTokens(stringAt(v, "mimeType"), int64(len(at(v, "data")))*3/4)
		case "fileData":
			n += mediaTokens(stringAt(v, "mimeType"), filePages*bytesOfPage)
		case "thoughtSignature":
			n += int64(len(v))/3 + 1 // base64 of text that was encrypted
		case "functionResponse":
			n += valueTokens(at(v, "name")) + valueTokens(at(v, "response")) + partOverhead
			wire.EachElement(at(v, "parts"), func(elem []byte) bool {
				n += partTokens(elem)
				return true
			})
		default:
			n += valueTokens(v)
		}
		return true
	})
	return n
}

func mediaTokens(mediaType string, size int64) int64 {
	switch {
	case strings.HasPrefix(mediaType, "image/"):
		return pictureTokens
	case strings.HasPrefix(mediaType, "audio/"):
		return (size/soundBytes + 1) * 32
	case strings.HasPrefix(mediaType, "video/"):
		return (size/videoBytes + 1) * 300
	case mediaType == "application/pdf":
		return (size/bytesOfPage + 1) * 560
	}
	return size
}

func toolTokens(list []byte) (n int64) {
	each := func(tool []byte) bool {
		eachMember(tool, func(name string, v []byte) bool {
			if name != "functionDeclarations" {
				n += vendorTools + valueTokens(v)
				return true
			}
			wire.EachElement(v, func(decl []byte) bool {
				n += toolOverhead + valueTokens(decl)
				return true
			})
			return true
		})
		return true
	}
	if wire.IsObject(list) {
		each(list)
	}
	wire.EachElement(list, each)
	return n
}

// valueTokens counts any JSON value.
func valueTokens(v []byte) (n int64) {
	v = bytes.TrimSpace(v)
	switch {
	case len(v) == 0:
		return 0
	case v[0] == '"' && len(v) >= 2:
		return 2 + textTokens(v[1:len(v)-1])
	case wire.IsArray(v):
		n = 2
		wire.EachElement(v, func(elem []byte) bool {
			n += 1 + valueTokens(elem)
			return true
		})
		return n
	case wire.IsObject(v):
		n = 2
		wire.EachMember(v, func(name, x []byte) bool {
			n += 3 + textTokens(name) + valueTokens(x)
			return true
		})
		return n
	}
	return 1 + textTokens(v)
}

// textTokens bounds the tokens of text: one for every three letters of a word, for
// each digit and mark, and by the bytes of a character outside ASCII.
func textTokens(s []byte) (n int64) {
	letters := 0
	flush := func() {
		n += int64((letters + 2) / 3)
		letters = 0
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z':
			letters++
		case c >= utf8.RuneSelf:
			flush()
			_, size := utf8.DecodeRune(s[i:])
			n += int64(max(1, size-1))
			i += size - 1
		default:
			flush()
			if c != ' ' || i > 0 && s[i-1] == ' ' {
				n++
			}
		}
	}
	flush()
	return n
}
