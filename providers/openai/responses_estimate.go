package openai

import (
	"unicode/utf8"

	"github.com/your-org/ai-api-gateway/providers/wire"
)

// What things count at most where the request does not show it: an image at high
// detail (OpenAI's vision guide: 6,240 for a large one on models of small tiles'
// price), a page of a file, and the instructions for one of the vendor's own tools.
const (
	imageAtMost  = 6_240
	fileAtLeast  = 2_000
	bytesToken   = 3 // of a file's bytes: compressed text is more than its bytes show
	vendorTool   = 4_000
	toolAtMost   = 40
	itemOverhead = 8
	baseOverhead = 256 // xAI alone puts some 100 before each conversation
)

// EstimateResponses returns how many input tokens a Responses request at most
// counts, for /v1/responses/input_tokens where the target has no counter of its
// own. It overstates, about twice in text, rather than ever to understate. What
// stored prompts and server tools add is not in the request and not counted.
func EstimateResponses(body []byte) int64 {
	if _, err := wire.Fields(body, nil, nil); err != nil {
		return baseOverhead + textAtMost(body)
	}
	n := int64(baseOverhead)
	wire.EachMember(body, func(name, v []byte) bool {
		switch string(name) {
		case "instructions":
			n += itemOverhead + textAtMost(v)
		case "input":
			n += valueAtMost(v)
		case "tools":
			n += 2 * baseOverhead
			wire.EachElement(v, func(t []byte) bool {
				switch textAt(t, "type") {
				case "function", "custom", "namespace":
					n += toolAtMost + valueAtMost(t)
				default:
					n += vendorTool + valueAtMost(t)
				}
				return true
			})
		case "text":
			n += baseOverhead + valueAtMost(v)
		}
		return true
	})
	return n
}

// valueAtMost bounds the tokens of any value of a request: all its text, names
// included, as the model is shown them in some form.
func valueAtMost(v []byte) (n int64) {
	switch {
	case wire.IsArray(v):
		wire.EachElement(v, func(elem []byte) bool {
			n += 1 + valueAtMost(elem)
			return true
		})
	case wire.IsObject(v):
		n = itemOverhead
		wire.EachMember(v, func(name, x []byte) bool {
			switch string(name) {
			case "image_url", "file_id", "file_data", "file_url":
				n += mediaAtMost(string(name), x)
			default:
				n += 1 + textAtMost(name) + valueAtMost(x)
			}
			return true
		})
	default:
		n = 1 + textAtMost(v)
	}
	return n
}

func mediaAtMost(name string, v []byte) int64 {
	switch name {
	case "image_url":
		return imageAtMost
	case "file_data":
		return fileAtLeast + int64(len(v))/bytesToken
	}
	return max(imageAtMost, 100*fileAtLeast) // it is only referred to: the most there may be
}

// textAtMost bounds the tokens of text: one for two bytes of ASCII, and one for
// each byte of another character but its first.
func textAtMost(s []byte) (n int64) {
	ascii := int64(0)
	for i := 0; i < len(s); {
		if s[i] < utf8.RuneSelf {
			ascii++
			i++
			continue
		}
		_, size := utf8.DecodeRune(s[i:])
		n += int64(max(1, size-1))
		i += size
	}
	return n + (ascii+1)/2
}
