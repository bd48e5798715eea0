package openai

import (
	"bytes"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

// Clients put the lists in the deltas of a stream together by the index of each
// entry; openai-python refuses a second entry that has none. So every entry has one.

// A listOf names one list of one choice.
type listOf struct {
	choice int
	name   string
}

// next returns the index of the next entry of a list.
func (e *encoder) next(choice int, name string) int64 {
	n := e.lists[listOf{choice, name}]
	e.lists[listOf{choice, name}]++
	return n
}

// numbered gives the entry at dst[from:], a JSON object, its index in a list, unless it has one.
func (e *encoder) numbered(dst []byte, from int, choice int, name string) []byte {
	if end := len(dst) - 1; from < end && at(dst[from:], "index") == nil && dst[end] == '}' {
		dst = wire.PutInt(dst[:end], "index", e.next(choice, name))
		dst = append(dst, '}')
	}
	return dst
}

// maxCited bounds the citations that wait for the end of their text, in bytes.
const maxCited = 1 << 20

// appendElements adds the citations of a list, or a single one, to the elements of one.
func appendElements(dst, citations []byte) []byte {
	one := func(c []byte) bool {
		if len(dst) > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, bytes.TrimSpace(c)...)
		return true
	}
	if wire.IsArray(citations) {
		wire.EachElement(citations, one)
	} else if wire.IsObject(citations) {
		one(citations)
	}
	return dst
}

// citations writes citations: those of this format as they are, others as about all
// of the text they came with.
func (e *encoder) citations(dst []byte, o *outBlock, list []byte, own bool) []byte {
	from := len(dst)
	dst = append(wire.Key(e.head(dst, o.choice), "annotations"), '[')
	any := false
	one := func(c []byte) bool {
		if !own && textAt(c, "url") == "" {
			return true
		}
		any = true
		dst = wire.Comma(dst)
		entry := len(dst)
		if own {
			dst = append(dst, bytes.TrimSpace(c)...)
		} else {
			dst = putCitation(dst, c, o.from, e.said[o.choice])
		}
		dst = e.numbered(dst, entry, o.choice, "annotations")
		return true
	}
	if wire.IsArray(list) {
		wire.EachElement(list, one)
	} else {
		one(list)
	}
	if !any {
		return dst[:from]
	}
	return tail(append(dst, ']'), nil)
}

// thinkingBlock repeats a whole block in LiteLLM's form.
func (e *encoder) thinkingBlock(dst []byte, choice int, b *providers.Block) []byte {
	dst = append(wire.Key(e.head(dst, choice), "thinking_blocks"), '[')
	entry := len(dst)
	dst = e.numbered(putThinkingBlock(dst, b), entry, choice, "thinking_blocks")
	return tail(append(dst, ']'), nil)
}

func (e *encoder) image(dst []byte, choice int, b *providers.Block) []byte {
	dst = append(wire.Key(e.head(dst, choice), "images"), '[')
	entry := len(dst)
	dst = e.numbered(putImage(dst, b), entry, choice, "images")
	return tail(append(dst, ']'), nil)
}
