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
		dst = putInt(dst[:end], "index", e.next(choice, name))
		dst = append(dst, '}')
	}
	return dst
}

// citations writes those that came with a text, which ended at the character end.
func (e *encoder) citations(dst []byte, ev *providers.Event, start, end int64) []byte {
	b := &ev.Block
	own := b.Origin == dialect || ev.Origin == dialect
	from := len(dst)
	dst = append(key(e.head(dst, ev.Choice), "annotations"), '[')
	any := false
	one := func(c []byte) bool {
		if !own && textAt(c, "url") == "" {
			return true
		}
		any = true
		dst = comma(dst)
		entry := len(dst)
		if own {
			dst = append(dst, bytes.TrimSpace(c)...)
		} else {
			dst = putCitation(dst, c, start, end)
		}
		dst = e.numbered(dst, entry, ev.Choice, "annotations")
		return true
	}
	if isArray(b.Citations) {
		wire.EachElement(b.Citations, one)
	} else {
		one(b.Citations)
	}
	if !any {
		return dst[:from]
	}
	return tail(append(dst, ']'), nil)
}

// thinkingBlock repeats a whole block in LiteLLM's form.
func (e *encoder) thinkingBlock(dst []byte, choice int, b *providers.Block) []byte {
	dst = append(key(e.head(dst, choice), "thinking_blocks"), '[')
	entry := len(dst)
	dst = e.numbered(putThinkingBlock(dst, b), entry, choice, "thinking_blocks")
	return tail(append(dst, ']'), nil)
}

func (e *encoder) image(dst []byte, choice int, b *providers.Block) []byte {
	dst = append(key(e.head(dst, choice), "images"), '[')
	entry := len(dst)
	dst = e.numbered(putImage(dst, b), entry, choice, "images")
	return tail(append(dst, ']'), nil)
}
