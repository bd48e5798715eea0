package openai

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

// delta reads one delta. Its members are taken in the order they mean, not in
// the one they stand: thinking, text, refusal, media, calls.
func (d *decoder) delta(c *choiceState, v []byte) {
	var reasoning, other, detailList, blockList, content, refusal, audio, images, annotations, calls, legacy []byte
	wire.EachMember(v, func(name, v []byte) bool {
		if isNull(v) {
			return true
		}
		switch string(name) {
		case "reasoning_content":
			reasoning = v
		case "reasoning":
			other = v
		case "reasoning_details":
			detailList = v
		case "thinking_blocks":
			blockList = v
		case "content":
			content = v
		case "refusal":
			refusal = v
		case "audio":
			audio = v
		case "images":
			images = v
		case "annotations":
			annotations = v
		case "tool_calls":
			calls = v
		case "function_call":
			legacy = v
		}
		return true
	})
	if !isText(reasoning) || !filled(reasoning) {
		reasoning = other
	}
	if isText(reasoning) {
		reasoning = c.halves[1].Join(reasoning)
	}
	plain := text(reasoning)
	d.thinking(c, plain, detailList, blockList)
	d.content(c, content)
	if s := text(refusal); s != "" {
		d.add(c, providers.Block{Kind: providers.KindRefusal, Text: s})
	}
	d.audio(c, audio)
	d.images(c, images)
	if wire.IsArray(annotations) && at(annotations, "0") != nil {
		d.add(c, providers.Block{Kind: providers.KindText, Citations: bytes.Clone(annotations)})
	}
	wire.EachElement(calls, func(elem []byte) bool {
		d.call(c, elem)
		return true
	})
	if wire.IsObject(legacy) && (len(c.calls) > 0 || textAt(legacy, "name") != "") {
		d.call(c, legacyCall(legacy, d.id))
	}
}

// thinking reads what a delta tells of it: the text once, though vendors put it
// in two members, and the proof, which only the lists have.
func (d *decoder) thinking(c *choiceState, plain string, detailList, blockList []byte) {
	list, ok := details(detailList)
	if !ok {
		list, _ = thinkingBlocks(blockList)
		list = c.unheard(list)
	}
	if plain != "" {
		d.add(c, providers.Block{Kind: providers.KindThinking, Text: plain})
	}
	for _, b := range list {
		switch {
		case b.Kind == providers.KindRedacted:
			d.stop(c)
			o := d.start(c, providers.Block{Kind: b.Kind, ID: b.ID})
			c.open = o
			d.add(c, providers.Block{Kind: b.Kind, Data: b.Data, SignatureOrigin: b.SignatureOrigin})
			d.stop(c)
		case plain != "" || b.Text == "":
			if b.Signature != "" {
				d.add(c, providers.Block{Kind: providers.KindThinking, Signature: b.Signature, SignatureOrigin: b.SignatureOrigin})
			}
		default:
			d.add(c, providers.Block{Kind: providers.KindThinking, Text: b.Text, Signature: b.Signature, SignatureOrigin: b.SignatureOrigin})
		}
	}
}

// unheard leaves out of thinking_blocks what has been told before: some gateways,
// this one too, repeat a block whole when it is signed, behind its fragments.
func (c *choiceState) unheard(list []providers.Block) []providers.Block {
	out := list[:0]
	for _, b := range list {
		switch {
		case b.Kind == providers.KindRedacted:
			if bytes.Equal(b.Data, c.redacted) {
				continue
			}
		case b.Text != "" && b.Signature != "" && bytes.HasSuffix(c.thought, []byte(b.Text)):
			if bytes.HasSuffix(c.proof, []byte(b.Signature)) {
				continue
			}
			b.Text = ""
		}
		out = append(out, b)
	}
	return out
}

// heard keeps what is thought, so that a repetition is known.
func (c *choiceState) heard(b *providers.Block) {
	switch b.Kind {
	case providers.KindRedacted:
		c.redacted = bytes.Clone(b.Data)
	case providers.KindThinking:
		if len(c.thought)+len(b.Text) > maxThinkingKept {
			c.thought = nil
			return
		}
		c.thought = append(c.thought, b.Text...)
		if b.Signature != "" {
			c.proof = []byte(b.Signature)
		}
	}
}

// content reads a string, or Mistral's list of text and thinking parts.
func (d *decoder) content(c *choiceState, v []byte) {
	if isText(v) {
		if s := text(c.halves[0].Join(v)); s != "" {
			d.add(c, providers.Block{Kind: providers.KindText, Text: s})
		}
		return
	}
	wire.EachElement(v, func(elem []byte) bool {
		kind, s := providers.KindText, textAt(elem, "text")
		switch textAt(elem, "type") {
		case "thinking":
			kind, s = providers.KindThinking, thinkingText(at(elem, "thinking"))
		case "refusal":
			kind, s = providers.KindRefusal, textAt(elem, "refusal")
		}
		if s != "" {
			d.add(c, providers.Block{Kind: kind, Text: s})
		}
		return true
	})
}

// audio reads a fragment of a spoken answer: sound, transcript, or its id.
func (d *decoder) audio(c *choiceState, v []byte) {
	if !wire.IsObject(v) {
		return
	}
	b := providers.Block{Kind: providers.KindAudio, ID: textAt(v, "id"), Text: textAt(v, "transcript"), Data: audioData(textAt(v, "data"))}
	if b.ID != "" || b.Text != "" || len(b.Data) > 0 {
		d.add(c, b)
	}
}

func (d *decoder) images(c *choiceState, v []byte) {
	list, _ := imageAnswers(v)
	for _, b := range list {
		d.stop(c)
		b.Raw = nil
		d.add(c, b)
		d.stop(c)
	}
}

// call reads a fragment of a tool call. Which call it belongs to, its index
// tells; where there is none, its id; a fragment with neither continues the last.
func (d *decoder) call(c *choiceState, v []byte) {
	slot := int64(-1)
	if n, ok := wire.Int(at(v, "index")); ok {
		slot = n
	}
	id := textAt(v, "id")
	custom := textAt(v, "type") == "custom" || at(v, "function") == nil && at(v, "custom") != nil
	name, args := textAt(v, "function", "name"), at(v, "function", "arguments")
	if custom {
		name, args = textAt(v, "custom", "name"), at(v, "custom", "input")
	}
	o := c.find(slot, id, name)
	if o == nil {
		if len(c.calls) >= maxCalls {
			return
		}
		d.stop(c) // text before a call is whole
		b := providers.Block{Kind: providers.KindToolCall, ID: id, ToolName: name, Custom: custom}
		if s := textAt(v, "extra_content", "google", "thought_signature"); s != "" {
			b.Signature, b.SignatureOrigin = s, providers.Gemini
		}
		o = &openBlock{kind: b.Kind, index: d.blocks, slot: slot, id: id, head: &b}
		d.blocks++
		c.calls = append(c.calls, o)
	}
	fragment := text(args)
	if wire.IsObject(args) {
		fragment = string(args)
	}
	if o.head != nil { // the start waits for the name
		if o.head.ID == "" {
			o.head.ID, o.id = id, id
		}
		o.head.ToolName = name
		o.held += fragment
		if name != "" {
			d.release(c, o)
		}
		return
	}
	d.fragment(c, o, fragment)
}

// legacyCall makes a call of a function_call, the one that an answer could have before
// there were tools: it has no id.
func legacyCall(v []byte, answer string) []byte {
	elem := wire.PutInt([]byte{'{'}, "index", 0)
	if textAt(v, "name") != "" {
		elem = wire.PutString(elem, "id", legacyID(answer))
	}
	return append(wire.PutRaw(elem, "function", v), '}')
}

// legacyID names the call of an answer before there were tools by the answer's id: in
// a conversation no two calls may have the same.
func legacyID(answer string) string {
	id := []byte("call_")
	for i := 0; i < len(answer) && len(id) < 40; i++ {
		if c := answer[i]; c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '-' || c == '_' {
			id = append(id, c)
		}
	}
	if len(id) == len("call_") {
		return "call_0"
	}
	return string(id)
}

// missingID names the n-th call of an answer whose vendor gives calls no ids: the result
// of a call is told by its id in every other format.
func missingID(answer string, n int) string { return legacyID(answer) + "_" + strconv.Itoa(n) }

// release starts a call that waited for its name.
func (d *decoder) release(c *choiceState, o *openBlock) {
	b := *o.head
	o.head, o.custom = nil, b.Custom
	if b.ID == "" {
		b.ID = missingID(d.id, o.index)
	}
	b.Origin = dialect
	d.emit(providers.Event{Kind: providers.EventBlockStart, Index: o.index, Choice: c.index, Block: b})
	d.fragment(c, o, o.held)
	o.held = ""
}

func (d *decoder) fragment(c *choiceState, o *openBlock, s string) {
	if !o.said && !o.custom && strings.TrimSpace(s) == "" { // arguments of nothing but space are none
		return
	}
	if o.said = true; s != "" {
		d.emit(providers.Event{Kind: providers.EventBlockDelta, Index: o.index, Choice: c.index,
			Block: providers.Block{Kind: providers.KindToolCall, Text: s, Custom: o.custom, Origin: dialect}})
	}
}

// find returns the call a fragment continues, nil for a new one. One vendor
// gives every whole call the index 0, so another id with a name is a new call.
func (c *choiceState) find(slot int64, id, name string) *openBlock {
	for i := len(c.calls) - 1; i >= 0; i-- {
		o := c.calls[i]
		switch {
		case slot >= 0 && o.slot == slot:
			if id != "" && o.id != "" && id != o.id && name != "" {
				return nil
			}
			return o
		case slot < 0 && id != "" && o.id == id:
			return o
		}
	}
	if slot < 0 && id == "" && name == "" && len(c.calls) > 0 {
		return c.calls[len(c.calls)-1]
	}
	return nil
}
