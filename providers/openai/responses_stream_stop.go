package openai

import (
	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

// thought writes a fragment of thinking, as the summary of a reasoning item.
func (e *responsesEncoder) thought(dst []byte, s string, o *respBlock) []byte {
	if s == "" && seal(&o.block) == "" {
		return dst
	}
	dst = e.openThought(dst, o)
	if s == "" {
		return dst
	}
	if len(o.text) == 0 {
		dst = wire.PutInt(e.about(dst, "response.reasoning_summary_part.added", o.id, o.place), "summary_index", 0)
		dst = append(append(wire.Key(dst, "part"), `{"type":"summary_text","text":""}`...), eventEnd...)
	}
	o.text = append(o.text, s...)
	dst = wire.PutInt(e.about(dst, "response.reasoning_summary_text.delta", o.id, o.place), "summary_index", 0)
	return append(wire.PutString(dst, "delta", s), eventEnd...)
}

func (e *responsesEncoder) openThought(dst []byte, o *respBlock) []byte {
	if o.begun {
		return dst
	}
	dst = e.endMessage(dst)
	o.begun = true
	o.place, o.id = e.place("rs")
	return e.itemEvent(dst, "response.output_item.added", o.place, putReasoningItem(nil, o.id, "", ""))
}

// argument writes a fragment of a call's input. That of a free-form tool which the
// upstream took for one of a single text is held until it can be taken out.
func (e *responsesEncoder) argument(dst []byte, s string, o *respBlock) []byte {
	if s == "" || !o.begun {
		return dst
	}
	o.text = append(o.text, s...)
	if o.call.custom && !o.block.Custom {
		return dst
	}
	return e.callDelta(dst, s, o)
}

func (e *responsesEncoder) callDelta(dst []byte, s string, o *respBlock) []byte {
	typ := "response.function_call_arguments.delta"
	if o.call.custom {
		typ = "response.custom_tool_call_input.delta"
	}
	return append(wire.PutString(e.about(dst, typ, o.id, o.place), "delta", s), eventEnd...)
}

// stop ends a block: with the events that repeat it whole.
func (e *responsesEncoder) stop(dst []byte, index int) []byte {
	o := e.blocks[index]
	if o == nil || e.failed {
		return dst
	}
	delete(e.blocks, index)
	switch o.block.Kind {
	case providers.KindText, providers.KindRefusal, providers.KindAudio:
		if o.begun {
			dst = e.stopPart(dst, o)
		}
	case providers.KindThinking, providers.KindRedacted:
		if o.begun {
			dst = e.stopThought(dst, o)
		}
	case providers.KindToolCall:
		dst = e.stopCall(dst, o)
	case providers.KindImage:
		if len(o.block.Data) > 0 {
			dst = e.endMessage(dst)
			place, id := e.place("ig")
			item := putPictureItem(nil, id, &o.block)
			dst = e.itemEvent(dst, "response.output_item.added", place, putPictureItem(nil, id, &providers.Block{MediaType: o.block.MediaType}))
			dst = e.itemEvent(dst, "response.output_item.done", place, item)
		}
	}
	return dst
}

func (e *responsesEncoder) stopPart(dst []byte, o *respBlock) []byte {
	if len(o.waiting) > 0 {
		dst = e.cite(dst, o, &providers.Block{Citations: append(append([]byte("["), o.waiting...), ']')})
	}
	p := outPart{refusal: o.block.Kind == providers.KindRefusal, text: string(o.text), annotations: o.annotations}
	if len(o.logprobs) > 0 {
		p.logprobs = append(append([]byte("["), o.logprobs...), ']')
	}
	at := func(typ string) []byte {
		return wire.PutInt(e.about(dst, typ, o.id, o.place), "content_index", int64(o.part))
	}
	if p.refusal {
		dst = wire.PutString(at("response.refusal.done"), "refusal", p.text)
	} else {
		dst = e.putLogprobs(wire.PutString(at("response.output_text.done"), "text", p.text), p.logprobs)
	}
	dst = append(dst, eventEnd...)
	part := p.append(nil)
	dst = append(append(wire.Key(at("response.content_part.done"), "part"), part...), eventEnd...)
	m := o.message
	m.parts[o.part] = part
	m.open--
	if m.open == 0 && m.closing {
		if e.message == m {
			e.message = nil
		}
		dst = e.messageDone(dst, m)
	}
	return dst
}

func (e *responsesEncoder) stopThought(dst []byte, o *respBlock) []byte {
	if len(o.text) > 0 {
		dst = wire.PutInt(e.about(dst, "response.reasoning_summary_text.done", o.id, o.place), "summary_index", 0)
		dst = append(wire.PutString(dst, "text", string(o.text)), eventEnd...)
		dst = wire.PutInt(e.about(dst, "response.reasoning_summary_part.done", o.id, o.place), "summary_index", 0)
		part := append(wire.PutString([]byte(`{"type":"summary_text"`), "text", string(o.text)), '}')
		dst = append(append(wire.Key(dst, "part"), part...), eventEnd...)
	}
	item := putReasoningItem(nil, o.id, string(o.text), seal(&o.block))
	return e.itemEvent(dst, "response.output_item.done", o.place, item)
}

// stopCall ends a call; one without arguments gets its {}, which parsers demand.
func (e *responsesEncoder) stopCall(dst []byte, o *respBlock) []byte {
	c := o.call
	c.input = string(o.text)
	switch {
	case c.custom && !o.block.Custom:
		if c.input = freeInput(c.input); c.input != "" {
			dst = e.callDelta(dst, c.input, o)
		}
	case !c.custom && c.input == "":
		c.input = "{}"
		dst = e.callDelta(dst, c.input, o)
	}
	if c.custom {
		dst = wire.PutString(e.about(dst, "response.custom_tool_call_input.done", o.id, o.place), "input", c.input)
	} else {
		dst = wire.PutString(e.about(dst, "response.function_call_arguments.done", o.id, o.place), "name", c.name)
		dst = wire.PutString(dst, "arguments", c.input)
	}
	dst = append(dst, eventEnd...)
	return e.itemEvent(dst, "response.output_item.done", o.place, putCallItem(nil, o.id, "completed", c))
}
