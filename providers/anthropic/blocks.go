package anthropic

import (
	"encoding/base64"
	"encoding/json"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

// decodeContent reads a content value: a string, or a list of blocks.
func decodeContent(raw []byte) ([]providers.Block, error) {
	if s, ok := wire.String(raw); ok {
		return []providers.Block{{Kind: providers.KindText, Text: s, Raw: asString, Origin: dialect}}, nil
	}
	if !wire.IsArray(raw) {
		return nil, bad("content", "must be a string or a list of blocks")
	}
	return decodeBlocks(raw, "content")
}

func decodeBlocks(list []byte, name string) (blocks []providers.Block, err error) {
	wire.EachElement(list, func(elem []byte) bool {
		var b providers.Block
		if b, err = decodeBlock(elem); err != nil {
			err = within(err, name, len(blocks))
			return false
		}
		blocks = append(blocks, b)
		return true
	})
	return blocks, err
}

// decodeBlock reads one block of a request or an answer. Kinds without a neutral
// form (server tools, containers, compaction, …) are kept whole.
func decodeBlock(raw []byte) (providers.Block, error) {
	if !wire.IsObject(raw) {
		return providers.Block{}, bad("", "must be an object")
	}
	switch typ := stringAt(raw, "type"); typ {
	case "":
		return providers.Block{}, bad("type", "Field required")
	case "text":
		return readBlock(raw, providers.KindText, textMember)
	case "thinking":
		return signed(readBlock(raw, providers.KindThinking, thinkingMember))
	case "redacted_thinking":
		return signed(readBlock(raw, providers.KindRedacted, redactedMember))
	case "tool_use":
		return toolUse(readBlock(raw, providers.KindToolCall, toolUseMember))
	case "tool_result":
		return readBlock(raw, providers.KindToolResult, toolResultMember)
	case "image":
		return decodeMedia(raw, providers.KindImage)
	case "document":
		return decodeMedia(raw, providers.KindFile)
	case "search_result":
		return decodeSearchResult(raw)
	default:
		return opaque(raw), nil
	}
}

func opaque(raw []byte) providers.Block {
	return providers.Block{Kind: providers.KindOpaque, Raw: raw, Origin: dialect}
}

// A memberReader takes one member of a block; known false: the block has no field for it.
type memberReader func(b *providers.Block, name string, v []byte) (known bool, err error)

func readBlock(raw []byte, kind providers.BlockKind, read memberReader) (providers.Block, error) {
	b := providers.Block{Kind: kind, Origin: dialect}
	var err error
	wire.EachMember(raw, func(name, v []byte) bool {
		if string(name) == "type" || isNull(v) {
			return true
		}
		if string(name) == "cache_control" {
			b.Cache = v
			return true
		}
		var known bool
		if known, err = read(&b, string(name), v); !known {
			b.Extra = member(b.Extra, name, v)
		}
		return err == nil
	})
	return b, err
}

// text reads a string member into dst.
func text(dst *string, name string, v []byte) (known bool, err error) {
	s, ok := wire.String(v)
	if !ok {
		return true, bad(name, "must be a string")
	}
	*dst = s
	return true, nil
}

func textMember(b *providers.Block, name string, v []byte) (bool, error) {
	switch name {
	case "text":
		return text(&b.Text, name, v)
	case "citations":
		b.Citations = v
		return true, nil
	}
	return false, nil
}

func thinkingMember(b *providers.Block, name string, v []byte) (bool, error) {
	switch name {
	case "thinking":
		return text(&b.Text, name, v)
	case "signature":
		return text(&b.Signature, name, v)
	}
	return false, nil
}

func redactedMember(b *providers.Block, name string, v []byte) (bool, error) {
	if name != "data" {
		return false, nil
	}
	var s string
	known, err := text(&s, name, v)
	b.Data = []byte(s)
	return known, err
}

func toolUseMember(b *providers.Block, name string, v []byte) (bool, error) {
	switch name {
	case "id":
		return text(&b.ID, name, v)
	case "name":
		return text(&b.ToolName, name, v)
	case "input":
		if !wire.IsObject(v) {
			return true, bad(name, "must be an object")
		}
		b.Args = v
		return true, nil
	}
	return false, nil
}

func toolUse(b providers.Block, err error) (providers.Block, error) {
	if b.Args == nil {
		b.Args = json.RawMessage("{}")
	}
	return b, err
}

func toolResultMember(b *providers.Block, name string, v []byte) (_ bool, err error) {
	switch name {
	case "tool_use_id":
		return text(&b.ID, name, v)
	case "is_error":
		b.IsError = isTrue(v)
		return true, nil
	case "content":
		b.Result, err = decodeContent(v)
		return true, err
	}
	return false, nil
}

// decodeMedia reads an image or a document. A source it does not know leaves the block opaque.
func decodeMedia(raw []byte, kind providers.BlockKind) (providers.Block, error) {
	known := true
	b, err := readBlock(raw, kind, func(b *providers.Block, name string, v []byte) (bool, error) {
		switch {
		case name == "source":
			ok, err := decodeSource(b, v)
			known = ok
			return true, err
		case name == "title" && kind == providers.KindFile:
			return text(&b.Filename, name, v)
		}
		return false, nil
	})
	if err == nil && !known {
		return opaque(raw), nil
	}
	if b.Raw != nil {
		b.Raw = raw
	}
	return b, err
}

// decodeSource reads the source of an image or a document.
func decodeSource(b *providers.Block, src []byte) (known bool, err error) {
	if !wire.IsObject(src) {
		return true, bad("source", "must be an object")
	}
	b.MediaType = stringAt(src, "media_type")
	switch stringAt(src, "type") {
	case "base64":
		start, end, ok := wire.Path(src, "data")
		if !ok {
			return true, bad("source.data", "Field required")
		}
		s, _ := wire.String(src[start:end])
		if b.Data, err = base64.StdEncoding.DecodeString(s); err != nil {
			return true, bad("source.data", "must be base64")
		}
		if len(b.Data) == 0 {
			return true, bad("source.data", "must not be empty")
		}
	case "url":
		b.URL = stringAt(src, "url")
	case "file":
		b.FileID = stringAt(src, "file_id")
	case "text":
		b.Text = stringAt(src, "data")
	case "content": // a document made of blocks: its text for other formats, the block itself for this one
		start, end, ok := wire.Path(src, "content")
		if !ok {
			return true, bad("source.content", "Field required")
		}
		parts, err := decodeContent(src[start:end])
		if err != nil {
			return true, within(err, "source", -1)
		}
		b.Text, b.MediaType, b.Raw = plain(parts), "text/plain", src
	default:
		return false, nil
	}
	return true, nil
}

// decodeSearchResult reads a search result the caller supplies: as text for other
// formats, the block itself for this one.
func decodeSearchResult(raw []byte) (providers.Block, error) {
	b := providers.Block{Kind: providers.KindText, Raw: raw, Origin: dialect}
	var parts []providers.Block
	if start, end, ok := wire.Path(raw, "content"); ok {
		var err error
		if parts, err = decodeContent(raw[start:end]); err != nil {
			return b, err
		}
	}
	b.Text = stringAt(raw, "title") + "\n" + stringAt(raw, "source") + "\n" + plain(parts)
	return b, nil
}

// plain joins the text of blocks.
func plain(blocks []providers.Block) string {
	var out []byte
	for i := range blocks {
		if blocks[i].Text == "" {
			continue
		}
		if len(out) > 0 {
			out = append(out, '\n')
		}
		out = append(out, blocks[i].Text...)
	}
	return string(out)
}
