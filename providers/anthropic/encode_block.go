package anthropic

import (
	"bytes"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

// open writes content_block_start, and the ping that the API sends behind the first.
func (e *encoder) open(dst []byte, o *outBlock) []byte {
	o.open = true
	b := &o.block
	if carried(b) && b.Kind == providers.KindToolCall {
		dst = e.carry(dst, b)
	}
	dst = e.index(frame(dst, "content_block_start"))
	dst = wire.Key(dst, "content_block")
	switch b.Kind {
	case providers.KindThinking:
		dst = append(dst, `{"type":"thinking","thinking":"","signature":""`...)
	case providers.KindRedacted:
		dst = wire.PutString(append(dst, `{"type":"redacted_thinking"`...), "data", markSignature(string(b.Data), b.SignatureOrigin))
	case providers.KindToolCall:
		e.calls = true
		dst = wire.PutString(append(dst, `{"type":"tool_use"`...), "id", b.ID)
		dst = append(wire.PutString(dst, "name", b.ToolName), `,"input":{}`...)
	case providers.KindImage, providers.KindFile:
		dst = append(dst, '[')
		at := len(dst)
		if dst = appendAnswerBlock(dst, b, false); len(dst) == at {
			dst = append(dst, `{"type":"text","text":""}`...)
		}
		dst = append(dst[:at-1], dst[at:len(dst)-1]...) // without the bracket, and open again
	case providers.KindOpaque:
		raw := bytes.TrimSpace(b.Raw)
		if !wire.IsObject(raw) {
			raw = []byte(`{"type":"text","text":""}`)
		}
		dst = wire.AppendRaw(dst, raw)
		dst = dst[:len(dst)-1]
	default:
		e.refused = e.refused || b.Kind == providers.KindRefusal
		dst = append(dst, `{"type":"text","text":""`...)
		if b.Origin == dialect && len(b.Citations) > 0 {
			dst = wire.PutRaw(dst, "citations", b.Citations)
		}
	}
	if b.Origin == dialect && b.Kind != providers.KindOpaque {
		dst = putMembers(dst, b.Extra)
	}
	dst = end(append(dst, '}'))
	if !e.pinged {
		e.pinged = true
		dst = ingress{}.AppendPing(dst)
	}
	return dst
}

// carry writes the block that takes a call's signature along.
func (e *encoder) carry(dst []byte, b *providers.Block) []byte {
	c := outBlock{block: *carrier(b)}
	dst = e.open(dst, &c)
	dst = e.delta(dst, "signature_delta", "signature", markSignature(b.Signature, b.SignatureOrigin))
	dst = end(e.index(frame(dst, "content_block_stop")))
	e.count++
	return dst
}

func (e *encoder) index(dst []byte) []byte { return wire.PutInt(dst, "index", int64(e.count)) }

// close ends the block at hand.
func (e *encoder) close(dst []byte) []byte {
	o := e.blocks[e.current]
	e.current = -1
	o.closed = true
	own := o.block.Origin == dialect
	if !o.open {
		switch o.block.Kind {
		case providers.KindImage, providers.KindFile, providers.KindRedacted:
			if len(o.block.Data) == 0 && o.block.URL == "" {
				return dst
			}
		default:
			if !own {
				return dst // nothing was in it
			}
		}
		dst = e.open(dst, o)
	}
	switch {
	case o.block.Kind == providers.KindThinking && !o.signed && !own:
		dst = e.delta(dst, "signature_delta", "signature", markSignature("", ""))
	case o.block.Kind == providers.KindToolCall && o.block.Custom:
		if !o.fed {
			dst = e.delta(dst, "input_json_delta", "partial_json", `{"input":"`)
		}
		dst = e.delta(dst, "input_json_delta", "partial_json", `"}`)
	case o.block.Kind == providers.KindToolCall && !o.fed && !own:
		dst = e.delta(dst, "input_json_delta", "partial_json", "{}")
	}
	dst = end(e.index(frame(dst, "content_block_stop")))
	e.count++
	return dst
}

// delta writes one content_block_delta of one text member.
func (e *encoder) delta(dst []byte, typ, name, v string) []byte {
	dst = append(wire.Key(e.index(frame(dst, "content_block_delta")), "delta"), '{')
	dst = wire.PutString(wire.PutString(dst, "type", typ), name, v)
	return end(append(dst, '}'))
}

// write writes what a delta of the block at hand becomes.
func (e *encoder) write(dst []byte, o *outBlock, b *providers.Block) []byte {
	kind := b.Kind
	if kind == 0 || fixed(o.block.Kind) {
		kind = o.block.Kind
	}
	own := b.Origin == dialect
	if b.Text == "" && b.Signature == "" && len(b.Data) == 0 && len(b.Citations) == 0 && len(b.Raw) == 0 && !own {
		return dst
	}
	if kind == providers.KindText && carried(&providers.Block{Kind: kind, Signature: b.Signature, SignatureOrigin: b.SignatureOrigin}) {
		plain := *b
		plain.Kind, plain.Signature = kind, ""
		dst = e.write(dst, o, &plain)
		return e.write(dst, o, carrier(b))
	}
	if o.open && o.block.Kind != kind { // the source changed its mind: another block, with the same delta
		at := e.current
		dst = e.close(dst)
		*o = outBlock{block: providers.Block{Kind: kind, Origin: b.Origin}}
		e.current = at
	}
	switch kind {
	case providers.KindImage, providers.KindFile, providers.KindRedacted: // whole in their start, at the end
		o.block.Kind = kind
		o.block.Data = append(o.block.Data, b.Data...)
		o.block.Text += b.Text
		if b.SignatureOrigin != "" {
			o.block.SignatureOrigin = b.SignatureOrigin
		}
		return dst
	}
	o.block.Kind = kind
	if !o.open {
		dst = e.open(dst, o)
	}
	first := !o.fed
	o.fed = o.fed || b.Text != "" || own
	switch kind {
	case providers.KindThinking:
		if b.Text != "" || own && b.Signature == "" {
			dst = e.delta(dst, "thinking_delta", "thinking", b.Text)
		}
		if b.Signature != "" {
			o.signed = true
			dst = e.delta(dst, "signature_delta", "signature", markSignature(b.Signature, b.SignatureOrigin))
		}
	case providers.KindToolCall:
		return e.writeArgs(dst, o, b.Text, first)
	case providers.KindOpaque:
		if own && wire.IsObject(b.Raw) {
			dst = wire.Key(e.index(frame(dst, "content_block_delta")), "delta")
			return end(wire.AppendRaw(dst, b.Raw))
		}
		return e.delta(dst, "input_json_delta", "partial_json", b.Text)
	default:
		if b.Text != "" || own && len(b.Citations) == 0 {
			dst = e.delta(dst, "text_delta", "text", b.Text)
		}
		if list := citations(b); list != nil {
			wire.EachElement(list, func(elem []byte) bool {
				dst = append(wire.Key(e.index(frame(dst, "content_block_delta")), "delta"), '{')
				dst = wire.PutRaw(wire.PutString(dst, "type", "citations_delta"), "citation", elem)
				dst = end(append(dst, '}'))
				return true
			})
		}
	}
	return dst
}

// writeArgs writes a fragment of a tool call's arguments. The input of a
// free-form tool becomes the one member of an object.
func (e *encoder) writeArgs(dst []byte, o *outBlock, text string, first bool) []byte {
	if o.block.Custom {
		quoted := wire.AppendString(nil, text)
		text = string(quoted[1 : len(quoted)-1])
		if first {
			text = `{"input":"` + text
		}
	}
	return e.delta(dst, "input_json_delta", "partial_json", text)
}
