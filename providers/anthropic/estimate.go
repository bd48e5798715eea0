package anthropic

import (
	"bytes"
	"encoding/base64"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/your-org/ai-api-gateway/providers/wire"
)

// What media count at most, by Anthropic's vision and PDF pages: an image up to
// 1,568 px at a long edge (from 4.7 on 2,576 px), a PDF page up to 3,000 tokens
// of text beside its picture, 100 pages a file.
const (
	imageTokens    = 1_650
	bigImageTokens = 4_800
	pageTokens     = 3_000 + imageTokens
	maxPages       = 100
	bytesOfPage    = 1_500 // a compressed page is hardly ever smaller
)

// Overheads that the API adds, above the highest seen in recorded traffic.
const (
	requestOverhead = 16
	messageOverhead = 8
	blockOverhead   = 8
	toolUseOverhead = 700 // the instructions for tool use, once
	toolOverhead    = 60  // a tool
	formatOverhead  = 320 // a forced output format

	citationOverhead = 700 // a document to cite from
)

// vendorTools are the tokens a tool of Anthropic's own adds, by the start of its type.
var vendorTools = []struct {
	prefix string
	tokens int64
}{
	{"bash_", 500}, {"text_editor_", 1_300}, {"memory_", 2_000}, {"computer_", 2_500},
	{"tool_search_", 1_300}, {"web_search_", 3_000}, {"", 6_000},
}

// EstimateTokens returns how many input tokens a request at most counts, for
// count_tokens where the target has no counter of its own and for message_start
// before the upstream has said. It overstates, about twice on recorded traffic and
// up to 3.4 times for short requests with tools, rather than ever to understate. What server tools
// fetch during the exchange is not in the request and not counted.
// It never fails: of a body that is no JSON it counts the bytes as text.
func EstimateTokens(body []byte) int64 {
	if _, err := wire.Fields(body, nil, nil); err != nil {
		return requestOverhead + textTokens(body)
	}
	c := counter{image: bigImageTokens}
	if f := factsOf(stringAt(body, "model")); f.claude && !f.adaptiveOnly {
		c.image = imageTokens
	}
	n := int64(requestOverhead)
	wire.EachMember(body, func(name, v []byte) bool {
		switch string(name) {
		case "system":
			n += c.value(v)
		case "messages":
			wire.EachElement(v, func(m []byte) bool {
				n += messageOverhead + c.value(m)
				return true
			})
		case "tools":
			n += c.tools(v)
		case "output_config", "output_format", "tool_choice":
			n += formatOverhead + c.value(v)
		}
		return true
	})
	return n
}

type counter struct{ image int64 }

func (c counter) tools(list []byte) (n int64) {
	wire.EachElement(list, func(tool []byte) bool {
		if n == 0 {
			n = toolUseOverhead
		}
		n += toolOverhead + c.value(tool)
		typ := stringAt(tool, "type")
		if typ == "" || typ == "custom" {
			return true
		}
		for _, v := range vendorTools {
			if strings.HasPrefix(typ, v.prefix) {
				n += v.tokens
				break
			}
		}
		return true
	})
	return n
}

// value counts any part of a request.
func (c counter) value(v []byte) (n int64) {
	v = bytes.TrimSpace(v)
	if len(v) == 0 {
		return 0
	}
	switch v[0] {
	case '"':
		return 1 + textTokens(v[1:len(v)-1])
	case '[':
		n = 1
		wire.EachElement(v, func(elem []byte) bool {
			n += 1 + c.value(elem)
			return true
		})
		return n
	case '{':
		return c.object(v)
	}
	return 1 + textTokens(v)
}

func (c counter) object(v []byte) (n int64) {
	typ := stringAt(v, "type")
	if src := at(v, "source"); wire.IsObject(src) {
		switch {
		case typ == "image":
			return blockOverhead + c.image
		case typ == "document" && stringAt(src, "type") != "text" && stringAt(src, "type") != "content":
			return citationOverhead + textTokens(at(v, "title")) + textTokens(at(v, "context")) + documentTokens(src)
		}
	}
	n = blockOverhead
	wire.EachMember(v, func(name, x []byte) bool {
		switch string(name) {
		case "cache_control":
		case "signature", "encrypted_content", "encrypted_index", "encrypted_stdout":
			n += int64(len(x))/3 + 1 // base64 of text that was encrypted
		case "data":
			if typ == "redacted_thinking" {
				n += int64(len(x))/3 + 1
			} else {
				n += c.value(x)
			}
		case "citations": // asked for: instructions, and a mark for each sentence
			if isTrue(at(x, "enabled")) {
				n += citationOverhead + int64(len(v))/10
			} else {
				n += c.value(x)
			}
		default:
			n += 2 + textTokens(name) + c.value(x)
		}
		return true
	})
	return n
}

// documentTokens counts a document by its pages; one that is only referred to has the most it may have.
func documentTokens(src []byte) int64 {
	data, err := base64.StdEncoding.DecodeString(stringAt(src, "data"))
	if err != nil || len(data) == 0 {
		return maxPages * pageTokens
	}
	return pages(data) * pageTokens
}

// pages returns how many pages a PDF has at most: by its page objects and page
// counts where they can be read, by its size where they are compressed.
func pages(pdf []byte) int64 {
	n := int64(bytes.Count(pdf, []byte("/Type /Page")) + bytes.Count(pdf, []byte("/Type/Page")))
	for rest := pdf; ; {
		_, after, ok := bytes.Cut(rest, []byte("/Count "))
		if !ok {
			break
		}
		digits := 0
		for digits < len(after) && digits < 6 && after[digits] >= '0' && after[digits] <= '9' {
			digits++
		}
		count, _ := strconv.ParseInt(string(after[:digits]), 10, 64) // 0 where no digits follow
		n, rest = max(n, count), after
	}
	if bytes.Contains(pdf, []byte("/ObjStm")) || n == 0 {
		n = max(n, int64(len(pdf)/bytesOfPage)+1)
	}
	return min(n, 6*maxPages)
}

// textTokens bounds the tokens of text: a token for every three letters of a
// word or piece of a camel-case one, for two digits, for each mark and line end,
// and by the bytes of a character outside ASCII (at most two for a CJK one).
func textTokens(s []byte) (n int64) {
	letters, digits := 0, 0
	var last byte
	flush := func() {
		n += int64((letters+2)/3 + (digits+1)/2)
		letters, digits = 0, 0
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		lower, upper := c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z'
		switch {
		case lower, upper:
			if digits > 0 || upper && last >= 'a' && last <= 'z' {
				flush()
			}
			letters++
		case c >= '0' && c <= '9':
			if letters > 0 {
				flush()
			}
			digits++
		case c >= utf8.RuneSelf:
			flush()
			_, size := utf8.DecodeRune(s[i:])
			n += int64(max(1, size-1))
			i += size - 1
		default:
			flush()
			if c != ' ' || last == ' ' {
				n++
			}
		}
		last = c
	}
	flush()
	return n
}
