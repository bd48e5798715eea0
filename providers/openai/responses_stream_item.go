package openai

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

// step reads an event about one item. Events of types that tell nothing more than
// others do (parts and texts that are done, progress of the vendor's own tools) are
// used where those others did not come.
func (d *responsesDecoder) step(typ string, data []byte) {
	if at(data, "output_index") == nil && at(data, "item_id") == nil && at(data, "item") == nil {
		return // about the response as a whole
	}
	it := d.item(d.keyOf(data))
	if it == nil || it.done {
		return
	}
	switch strings.TrimPrefix(typ, "response.") {
	case "output_item.added":
		d.itemAdded(it, at(data, "item"))
	case "output_item.done":
		d.itemDone(it, at(data, "item"))
	case "output_text.delta":
		d.part(it, data, providers.KindText, textAt(data, "delta"))
	case "refusal.delta":
		d.part(it, data, providers.KindRefusal, textAt(data, "delta"))
	case "output_text.done":
		d.wholePart(it, data, providers.KindText, textAt(data, "text"))
	case "refusal.done":
		d.wholePart(it, data, providers.KindRefusal, textAt(data, "refusal"))
	case "output_text.annotation.added":
		if c := at(data, "annotation"); wire.IsObject(c) {
			o := d.partBlock(it, data, providers.KindText)
			d.delta(o, providers.Block{Citations: append(append([]byte("["), c...), ']')}, nil)
		}
	case "content_part.done":
		n, _ := wire.Int(at(data, "content_index"))
		d.stop(it.parts[n])
	case "function_call_arguments.delta", "custom_tool_call_input.delta":
		d.arguments(it, textAt(data, "delta"))
	case "function_call_arguments.done":
		d.wholeArguments(it, textAt(data, "arguments"))
	case "custom_tool_call_input.done":
		d.wholeArguments(it, textAt(data, "input"))
	case "reasoning_text.delta":
		it.content = it.content || it.block == nil
		d.thought(it, it.content, textAt(data, "delta"))
	case "reasoning_summary_part.added", "reasoning_summary_text.delta":
		d.summary(it, data)
	case "reasoning_text.done":
		if it.block == nil {
			it.content = true
			d.thought(it, true, textAt(data, "text"))
		}
	}
}

// summary reads a fragment of a summary, whose sections become one text.
func (d *responsesDecoder) summary(it *inItem, data []byte) {
	s := textAt(data, "delta")
	if n, ok := wire.Int(at(data, "summary_index")); ok && n != it.section && s != "" {
		it.section = n
		if it.block != nil {
			s = summaryBreak + s
		}
	}
	d.thought(it, !it.content, s)
}

func (d *responsesDecoder) thought(it *inItem, shown bool, s string) {
	if !shown || s == "" {
		return
	}
	if it.block == nil {
		it.block = d.open(providers.Block{Kind: providers.KindThinking})
	}
	d.delta(it.block, providers.Block{Text: s}, nil)
}

func (d *responsesDecoder) itemAdded(it *inItem, item []byte) {
	if id := textAt(item, "id"); id != "" {
		d.byID[id] = it
	}
	it.typ = textAt(item, "type")
	if it.typ == "function_call" || it.typ == "custom_tool_call" {
		d.openCall(it, item)
	}
}

// openCall starts a call as soon as its name and id are known.
func (d *responsesDecoder) openCall(it *inItem, item []byte) {
	b, err := callItem(item)
	if err != nil || it.block != nil {
		return
	}
	d.calls = true
	it.block = d.open(providers.Block{Kind: providers.KindToolCall, ID: b.ID, ToolName: b.ToolName, Custom: b.Custom})
	if len(it.held) > 0 {
		d.delta(it.block, providers.Block{Text: string(it.held)}, nil)
		it.held = nil
	}
}

func (d *responsesDecoder) arguments(it *inItem, s string) {
	switch {
	case s == "":
	case it.block == nil:
		it.held = append(it.held, s...)
	case it.block.kind == providers.KindToolCall:
		d.delta(it.block, providers.Block{Text: s}, nil)
	}
}

// wholeArguments takes the arguments of a call that came without fragments.
func (d *responsesDecoder) wholeArguments(it *inItem, s string) {
	if it.block != nil && !it.block.sent || it.block == nil && it.held == nil {
		d.arguments(it, s)
	}
}

// partBlock returns the block of the part an event is about.
func (d *responsesDecoder) partBlock(it *inItem, data []byte, kind providers.BlockKind) *inBlock {
	n, _ := wire.Int(at(data, "content_index"))
	if o := it.parts[n]; o != nil {
		return o
	}
	if len(it.order) >= maxOutput {
		return it.order[0]
	}
	if it.parts == nil {
		it.parts = map[int64]*inBlock{}
	}
	o := d.open(providers.Block{Kind: kind})
	it.parts[n] = o
	it.order = append(it.order, o)
	return o
}

func (d *responsesDecoder) part(it *inItem, data []byte, kind providers.BlockKind, s string) {
	var logprobs json.RawMessage
	if list := at(data, "logprobs"); at(list, "0") != nil {
		logprobs = joinLogprobs(nil, list)
	}
	if s != "" || logprobs != nil {
		d.delta(d.partBlock(it, data, kind), providers.Block{Text: s}, logprobs)
	}
}

// wholePart takes the text of a part that came without fragments.
func (d *responsesDecoder) wholePart(it *inItem, data []byte, kind providers.BlockKind, s string) {
	n, _ := wire.Int(at(data, "content_index"))
	if o := it.parts[n]; s != "" && (o == nil || !o.sent) {
		d.delta(d.partBlock(it, data, kind), providers.Block{Text: s}, nil)
	}
}

// itemDone ends an item, with whatever did not come before.
func (d *responsesDecoder) itemDone(it *inItem, item []byte) {
	if item == nil {
		d.stopItem(it)
		return
	}
	if it.typ == "" {
		d.itemAdded(it, item)
	}
	switch it.typ {
	case "message":
		d.messageDone(it, item)
	case "function_call", "custom_tool_call":
		if it.block == nil {
			d.openCall(it, item)
		}
		if it.block != nil {
			s := text(at(item, "arguments"))
			if it.typ == "custom_tool_call" {
				s = textAt(item, "input")
			} else if v := at(item, "arguments"); wire.IsObject(v) {
				s = string(v)
			}
			d.wholeArguments(it, s)
		}
	case "reasoning":
		d.reasoningDone(it, item)
	default:
		d.otherDone(it, item)
	}
	d.stopItem(it)
}

func (d *responsesDecoder) messageDone(it *inItem, item []byte) {
	n := 0
	streamed := len(it.order)
	wire.EachElement(at(item, "content"), func(part []byte) bool {
		var o *inBlock
		if n < streamed { // by their order: mantle's indexes start at 1
			o = it.order[n]
		}
		if o == nil || !o.sent {
			b, err := itemPart(part)
			if err == nil && (b.Kind == providers.KindText || b.Kind == providers.KindRefusal) && b.Text != "" {
				if o == nil {
					o = d.open(providers.Block{Kind: b.Kind})
					it.order = append(it.order, o)
				}
				d.delta(o, providers.Block{Text: b.Text, Citations: bytes.Clone(b.Citations)}, nil)
			}
		}
		n++
		return len(it.order) < maxOutput
	})
}

// reasoningDone adds what comes with the end alone: the encrypted form.
func (d *responsesDecoder) reasoningDone(it *inItem, item []byte) {
	b := reasoningItem(item)
	if it.block == nil {
		if b.Text == "" && b.Signature == "" && b.Kind != providers.KindRedacted {
			return
		}
		it.block = d.open(providers.Block{Kind: b.Kind})
	}
	if !it.block.sent && b.Text != "" {
		d.delta(it.block, providers.Block{Text: b.Text}, nil)
	}
	if b.Signature != "" || len(b.Data) > 0 {
		d.delta(it.block, providers.Block{Signature: b.Signature, Data: b.Data, SignatureOrigin: b.SignatureOrigin}, nil)
	}
}

// otherDone passes a picture on, and the vendor's own items as they are.
func (d *responsesDecoder) otherDone(it *inItem, item []byte) {
	var c providers.Choice
	b := answerBlocks(&c, item)[0]
	if b.Kind == providers.KindImage {
		it.block = d.open(providers.Block{Kind: b.Kind, ID: b.ID, MediaType: b.MediaType})
		d.delta(it.block, providers.Block{MediaType: b.MediaType, Data: b.Data}, nil)
		return
	}
	it.block = d.open(providers.Block{Kind: providers.KindOpaque, ID: b.ID, Raw: bytes.Clone(item)})
}
