package openai

import (
	"encoding/json"
	"strings"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

// Thinking has no place in OpenAI's format. Vendors put it into reasoning_content
// or reasoning (text), reasoning_details (OpenRouter, Vercel: text, summary or
// encrypted items, with signatures), thinking_blocks (LiteLLM: Anthropic's
// blocks), or thinking parts of the content (Mistral, see part). Several of them
// repeat the same text. They are read into thinking and redacted blocks, and the
// members as they came stay together in Raw of the first of these.

// A reasoning collects these members of one message.
type reasoning struct {
	text, other string // reasoning_content, reasoning
	details     []providers.Block
	thinking    []providers.Block
	raw         json.RawMessage
}

func (t *reasoning) member(name string, v []byte) (known bool) {
	switch name {
	case "reasoning_content", "reasoning":
		s, ok := wire.String(v)
		if !ok || s == "" {
			return false
		}
		if name == "reasoning" {
			t.other = s
		} else {
			t.text = s
		}
	case "reasoning_details":
		list, ok := details(v)
		if !ok {
			return false
		}
		t.details = list
	case "thinking_blocks":
		list, ok := thinkingBlocks(v)
		if !ok {
			return false
		}
		t.thinking = list
	}
	if t.raw == nil {
		t.raw = json.RawMessage("{")
	} else {
		t.raw = t.raw[:len(t.raw)-1]
	}
	t.raw = append(wire.PutRaw(t.raw, name, v), '}')
	return true
}

// blocks returns the thinking: blocks with signatures if there are any, else the plain text.
func (t *reasoning) blocks() []providers.Block {
	if t.raw == nil {
		return nil
	}
	plain := t.text
	if plain == "" {
		plain = t.other
	}
	list := t.details
	if len(t.thinking) > 0 {
		list = t.thinking
	}
	list = withText(list, plain)
	if len(list) == 0 {
		list = []providers.Block{{Kind: providers.KindThinking, Text: plain, Origin: dialect}}
	}
	list[0].Raw = t.raw
	return list
}

// withText sees to it that the text is there once: the details may hold only what
// the text lacks (a signature, an encrypted item).
func withText(list []providers.Block, plain string) []providers.Block {
	if plain == "" || len(list) == 0 {
		return list
	}
	empty := -1
	for i := range list {
		if list[i].Kind != providers.KindThinking {
			continue
		}
		if list[i].Text != "" {
			return list
		}
		if empty < 0 {
			empty = i
		}
	}
	if empty >= 0 {
		list[empty].Text = plain
		return list
	}
	return append([]providers.Block{{Kind: providers.KindThinking, Text: plain, Origin: dialect}}, list...)
}

// Formats of reasoning_details: whose model signed.
const (
	formatAnthropic = "anthropic-claude-v1"
	formatGoogle    = "google-gemini-v1"
	formatOpenAI    = "openai-responses-v1"
)

// signer returns the dialect that issued what a detail of that format holds.
func signer(format string) providers.Dialect {
	switch {
	case strings.HasPrefix(format, "anthropic"):
		return providers.Messages
	case strings.HasPrefix(format, "google"):
		return providers.Gemini
	case strings.Contains(format, "responses"): // OpenAI, xAI, Azure
		return providers.Responses
	}
	return dialect
}

func formatOf(d providers.Dialect) string {
	switch d {
	case providers.Messages, providers.Converse:
		return formatAnthropic
	case providers.Gemini:
		return formatGoogle
	case providers.Responses:
		return formatOpenAI
	}
	return "unknown"
}

// details reads reasoning_details. Texts and signatures of one index belong to one block.
func details(v []byte) (list []providers.Block, ok bool) {
	if !wire.IsArray(v) {
		return nil, false
	}
	last := ""
	wire.EachElement(v, func(elem []byte) bool {
		ok = true
		b := detail1(elem)
		slot := string(at(elem, "index"))
		if n := len(list); n > 0 && slot != "" && slot == last && b.Kind == providers.KindThinking && list[n-1].Kind == b.Kind {
			list[n-1].Text += b.Text
			if b.Signature != "" {
				list[n-1].Signature, list[n-1].SignatureOrigin = b.Signature, b.SignatureOrigin
			}
			return true
		}
		last = slot
		list = append(list, b)
		return true
	})
	return list, ok
}

// detail1 reads one item of reasoning_details.
func detail1(elem []byte) providers.Block {
	b := providers.Block{Kind: providers.KindThinking, Origin: dialect, ID: textAt(elem, "id")}
	origin := signer(textAt(elem, "format"))
	switch textAt(elem, "type") {
	case "reasoning.encrypted":
		b.Kind, b.Data, b.SignatureOrigin = providers.KindRedacted, []byte(textAt(elem, "data")), origin
	case "reasoning.summary":
		b.Text = textAt(elem, "summary")
	default:
		b.Text, b.Signature = textAt(elem, "text"), textAt(elem, "signature")
	}
	if b.Signature != "" {
		b.SignatureOrigin = origin
	}
	return b
}

// thinkingBlocks reads LiteLLM's list of Anthropic's blocks.
func thinkingBlocks(v []byte) (list []providers.Block, ok bool) {
	ok = wire.IsArray(v)
	wire.EachElement(v, func(elem []byte) bool {
		b := providers.Block{Kind: providers.KindThinking, Origin: dialect}
		switch textAt(elem, "type") {
		case "thinking":
			b.Text, b.Signature = textAt(elem, "thinking"), textAt(elem, "signature")
			if b.Signature != "" {
				b.SignatureOrigin = providers.Messages
			}
		case "redacted_thinking":
			b.Kind, b.Data, b.SignatureOrigin = providers.KindRedacted, []byte(textAt(elem, "data")), providers.Messages
		default:
			ok = false
		}
		list = append(list, b)
		return ok
	})
	if !ok || len(list) == 0 {
		return nil, false
	}
	return list, true
}

// ownReasoning returns the members of a message that its thinking was read from, nil if it came otherwise.
func ownReasoning(blocks []providers.Block) json.RawMessage {
	for i := range blocks {
		b := &blocks[i]
		if (b.Kind == providers.KindThinking || b.Kind == providers.KindRedacted) && b.Origin == dialect {
			if wire.IsObject(b.Raw) && at(b.Raw, "type") == nil {
				return b.Raw
			}
		}
	}
	return nil
}

// putObjectMembers writes the members of an object into the one dst is in the middle of.
func putObjectMembers(dst []byte, obj json.RawMessage) []byte {
	wire.EachMember(obj, func(name, v []byte) bool {
		dst = putMember(dst, providers.Member{Name: string(name), Value: v})
		return true
	})
	return dst
}

// putDetail writes one thinking or redacted block as an item of reasoning_details.
func putDetail(dst []byte, b *providers.Block, index int64) []byte {
	dst = append(wire.Comma(dst), '{')
	if b.Kind == providers.KindRedacted {
		dst = wire.PutString(dst, "type", "reasoning.encrypted")
		dst = wire.PutString(dst, "data", string(b.Data))
		if b.ID != "" {
			dst = wire.PutString(dst, "id", b.ID)
		}
	} else {
		dst = wire.PutString(dst, "type", "reasoning.text")
		if b.Text != "" || b.Signature == "" {
			dst = wire.PutString(dst, "text", b.Text)
		}
		if b.Signature != "" {
			dst = wire.PutString(dst, "signature", b.Signature)
		}
	}
	dst = wire.PutString(dst, "format", formatOf(b.SignatureOrigin))
	return append(wire.PutInt(dst, "index", index), '}')
}

// putThinkingBlock writes one block in LiteLLM's form.
func putThinkingBlock(dst []byte, b *providers.Block) []byte {
	dst = append(wire.Comma(dst), '{')
	if b.Kind == providers.KindRedacted {
		dst = wire.PutString(dst, "type", "redacted_thinking")
		dst = wire.PutString(dst, "data", string(b.Data))
	} else {
		dst = wire.PutString(dst, "type", "thinking")
		dst = wire.PutString(dst, "thinking", b.Text)
		dst = wire.PutString(dst, "signature", b.Signature)
	}
	return append(dst, '}')
}

// anthropicMade reports whether a block may stand in LiteLLM's list, which holds Anthropic's blocks alone.
func anthropicMade(b *providers.Block) bool {
	signed := b.Signature != "" || b.Kind == providers.KindRedacted
	return signed && (b.SignatureOrigin == providers.Messages || b.SignatureOrigin == providers.Converse)
}

// signed reports whether any thinking must come back with a proof.
func signed(blocks []providers.Block) bool {
	for i := range blocks {
		if blocks[i].Kind == providers.KindRedacted || blocks[i].Kind == providers.KindThinking && blocks[i].Signature != "" {
			return true
		}
	}
	return false
}

// putReasoning writes the thinking of an answer for a caller: the text as
// reasoning_content, and where a proof must come back, the blocks as
// reasoning_details and, if Anthropic made them, as thinking_blocks.
func putReasoning(dst []byte, blocks []providers.Block) []byte {
	var plain []byte
	for i := range blocks {
		if b := &blocks[i]; b.Kind == providers.KindThinking && !isPart(b) {
			plain = append(plain, b.Text...)
		}
	}
	if len(plain) > 0 {
		dst = wire.PutString(dst, "reasoning_content", string(plain))
	}
	if !signed(blocks) {
		return dst
	}
	dst = putDetails(dst, blocks)
	any := false
	for i := range blocks {
		if b := &blocks[i]; anthropicMade(b) && (b.Kind == providers.KindThinking || b.Kind == providers.KindRedacted) {
			if !any {
				dst = append(wire.Key(dst, "thinking_blocks"), '[')
				any = true
			}
			dst = putThinkingBlock(dst, b)
		}
	}
	if any {
		dst = append(dst, ']')
	}
	return dst
}

func putDetails(dst []byte, blocks []providers.Block) []byte {
	dst = append(wire.Key(dst, "reasoning_details"), '[')
	n := int64(0)
	for i := range blocks {
		if b := &blocks[i]; (b.Kind == providers.KindThinking || b.Kind == providers.KindRedacted) && !isPart(b) {
			dst = putDetail(dst, b, n)
			n++
		}
	}
	return append(dst, ']')
}

// isPart reports whether the block is a part of a content list of this dialect.
func isPart(b *providers.Block) bool {
	return b.Origin == dialect && wire.IsObject(b.Raw) && at(b.Raw, "type") != nil
}
