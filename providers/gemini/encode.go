package gemini

import (
	"bytes"
	"slices"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

func (i ingress) NewEncoder(o providers.EncodeOptions) providers.Encoder {
	return &encoder{o: o, framing: i.framing}
}

// maxCall bounds what is held of a call until it is whole.
const maxCall = 16 << 20

// An encoder writes one streamed answer: one object for each piece of text or
// thinking, one for each call, whole; the last says why the model stopped, and the usage.
type encoder struct {
	o       providers.EncodeOptions
	framing framing
	sent    bool // an object has been written
	done    bool // the last object or an error was written

	id, model string
	usage     providers.Usage
	hasUsage  bool
	raw       []byte // the usage as this format's own vendor wrote it
	blocks    map[int]*outBlock
	order     []*outBlock // calls that are open
	finish    []providers.Event
}

// An outBlock is a block of the source that is still growing.
type outBlock struct {
	choice int
	block  providers.Block
	text   []byte // a call's arguments
	cited  []byte // a text's citations, elements of a list
	called bool
}

func (e *encoder) Append(dst []byte, ev *providers.Event) []byte {
	if e.done {
		return dst
	}
	switch ev.Kind {
	case providers.EventStart:
		e.id, e.model = ev.ID, ev.Model
		if !ev.Usage.Zero() {
			e.usage, e.hasUsage = ev.Usage, true
		}
	case providers.EventBlockStart:
		return e.blockStart(dst, ev)
	case providers.EventBlockDelta:
		return e.blockDelta(dst, ev)
	case providers.EventBlockStop:
		return e.blockStop(dst, e.blocks[ev.Index])
	case providers.EventUsage:
		e.usage, e.hasUsage = ev.Usage, true
		e.raw = bytes.Clone(rawUsage(ev.Extra, ev.Origin))
	case providers.EventFinish:
		f := *ev
		f.Extra = nil
		for _, m := range ev.Extra {
			f.Extra = append(f.Extra, providers.Member{Name: m.Name, Value: bytes.Clone(m.Value)})
		}
		e.finish = append(e.finish, f)
	case providers.EventError:
		err := ev.Err
		if err == nil {
			err = &providers.Error{Kind: providers.KindUpstream, Message: "the upstream failed"}
		}
		return e.Fail(dst, err)
	}
	return dst
}

// open begins an object; the value of its members follows, then shut.
func (e *encoder) open(dst []byte) []byte {
	switch {
	case e.framing == events:
		dst = append(dst, "data: "...)
	case e.sent:
		dst = append(dst, ",\r\n"...)
	default:
		dst = append(dst, '[')
	}
	e.sent = true
	return append(dst, '{')
}

// shut ends an object: the names of the answer, and of an event its blank line.
func (e *encoder) shut(dst []byte) []byte {
	model := e.model
	if e.o.Model != "" {
		model = e.o.Model
	}
	if model != "" {
		dst = wire.PutString(dst, "modelVersion", model)
	}
	id := e.id
	if id == "" {
		id = e.o.RequestID
	}
	if id != "" {
		dst = wire.PutString(dst, "responseId", id)
	}
	dst = append(dst, '}')
	if e.framing == events {
		dst = append(dst, "\r\n\r\n"...)
	}
	return dst
}

// part writes one object that holds one part; nothing where the format has no form for it.
func (e *encoder) part(dst []byte, choice int, b *providers.Block) []byte {
	p := appendPart([]byte{'['}, b)
	if len(p) == 1 {
		return dst
	}
	dst = append(e.open(dst), `"candidates":[`...)
	if choice > 0 { // clients read the first of the list, whatever its index says
		dst = append(dst, `{"content":{"parts":[{"text":""}],"role":"model"},"index":0},`...)
	}
	dst = append(append(dst, `{"content":{"parts":`...), p...)
	dst = append(dst, `],"role":"model"}`...)
	dst = append(wire.PutInt(dst, "index", int64(choice)), "}]"...)
	return e.shut(dst)
}

func (e *encoder) blockStart(dst []byte, ev *providers.Event) []byte {
	if e.blocks == nil {
		e.blocks = map[int]*outBlock{}
	}
	o := &outBlock{choice: ev.Choice, block: ev.Block}
	o.block.Raw = bytes.Clone(ev.Block.Raw)
	e.blocks[ev.Index] = o
	switch o.block.Kind {
	case 0:
		o.block.Kind = providers.KindText
	case providers.KindToolCall, providers.KindRedacted, providers.KindImage, providers.KindFile, providers.KindAudio:
		e.order = append(e.order, o)
	case providers.KindOpaque:
		return e.part(dst, o.choice, &o.block)
	}
	return dst
}

func (e *encoder) blockDelta(dst []byte, ev *providers.Event) []byte {
	b := &ev.Block
	o := e.blocks[ev.Index]
	if o == nil { // its start was not told
		dst = e.blockStart(dst, &providers.Event{Index: ev.Index, Choice: ev.Choice, Block: providers.Block{Kind: b.Kind, Origin: b.Origin}})
		o = e.blocks[ev.Index]
	}
	switch o.block.Kind {
	case providers.KindToolCall, providers.KindRedacted, providers.KindImage, providers.KindFile, providers.KindAudio:
		return e.hold(dst, o, b)
	case providers.KindOpaque:
		return dst
	}
	kind := b.Kind
	if kind == 0 {
		kind = o.block.Kind
	}
	if len(b.Citations) > 0 {
		o.cite(b.Citations)
	}
	if kind == providers.KindText && len(o.text) < maxText {
		o.text = append(o.text, b.Text...)
	}
	if b.Text == "" && b.Signature == "" {
		return dst
	}
	return e.part(dst, o.choice, &providers.Block{Kind: kind, Text: b.Text, Signature: b.Signature, SignatureOrigin: b.SignatureOrigin})
}

// hold gathers what is sent whole.
func (e *encoder) hold(dst []byte, o *outBlock, b *providers.Block) []byte {
	o.text = append(o.text, b.Text...)
	o.block.Data = append(o.block.Data, b.Data...)
	if b.MediaType != "" {
		o.block.MediaType = b.MediaType
	}
	if b.URL != "" {
		o.block.URL = b.URL
	}
	o.block.Signature += b.Signature
	if b.SignatureOrigin != "" {
		o.block.SignatureOrigin = b.SignatureOrigin
	}
	if len(o.text)+len(o.block.Data) > maxCall {
		return e.Fail(dst, nonsense("a call or a file of it exceeds 16 MiB"))
	}
	return dst
}

func (e *encoder) blockStop(dst []byte, o *outBlock) []byte {
	if o == nil || o.called {
		return dst
	}
	switch o.block.Kind {
	case providers.KindToolCall:
		if o.block.Custom {
			o.block.Text = string(o.text)
		} else {
			o.block.Args = o.text
		}
	case providers.KindRedacted, providers.KindImage, providers.KindFile:
	case providers.KindAudio:
		if o.block.Text = string(o.text); len(o.block.Data) == 0 {
			return dst
		}
	default:
		return dst
	}
	o.called = true
	return e.part(dst, o.choice, &o.block)
}

func (e *encoder) End(dst []byte) []byte {
	if e.done {
		return dst
	}
	for _, o := range e.order { // what was never stopped
		dst = e.blockStop(dst, o)
	}
	if e.done {
		return dst
	}
	e.done = true
	if len(e.finish) == 0 {
		e.finish = []providers.Event{{Finish: providers.FinishStop}}
	}
	dst = e.open(dst)
	if f := &e.finish[0]; len(e.finish) == 1 && !e.said() && f.Origin == dialect && find(f.Extra, "promptFeedback") != nil {
		dst = wire.PutMember(dst, "promptFeedback", find(f.Extra, "promptFeedback"))
	} else {
		dst = e.finishes(dst)
	}
	switch {
	case e.raw != nil:
		dst = wire.PutRaw(dst, "usageMetadata", e.raw)
	case e.hasUsage:
		dst = appendUsage(wire.Key(dst, "usageMetadata"), &e.usage)
	}
	if dst = e.shut(dst); e.framing == array {
		dst = append(dst, ']')
	}
	return dst
}

// said reports whether the answer has any block.
func (e *encoder) said() bool { return len(e.blocks) > 0 }

// finishes writes why each candidate has stopped.
func (e *encoder) finishes(dst []byte) []byte {
	dst = append(wire.Key(dst, "candidates"), '[')
	slices.SortStableFunc(e.finish, func(a, b providers.Event) int { return a.Choice - b.Choice })
	for i := range e.finish {
		f := &e.finish[i]
		dst = append(wire.Comma(dst), `{"content":{"parts":[{"text":""}],"role":"model"}`...)
		dst = wire.PutString(dst, "finishReason", reason(e.refusing(f), f.RawFinish, f.Origin))
		dst = wire.PutInt(dst, "index", int64(f.Choice))
		if f.Origin == dialect {
			for _, m := range f.Extra {
				dst = wire.PutMember(dst, m.Name, m.Value)
			}
		} else if list := e.grounding(f.Choice); list != nil {
			dst = wire.PutRaw(dst, "groundingMetadata", list)
		}
		dst = append(dst, '}')
	}
	return append(dst, ']')
}

// refusing: see the function of that name.
func (e *encoder) refusing(f *providers.Event) providers.Finish {
	for _, o := range e.blocks {
		if o.choice == f.Choice && o.block.Kind == providers.KindRefusal && f.Finish == providers.FinishStop {
			return providers.FinishRefusal
		}
	}
	return f.Finish
}

// grounding returns the citations of a candidate.
func (e *encoder) grounding(choice int) []byte {
	var texts []providers.Block
	for i := range len(e.blocks) {
		if o := e.blocks[i]; o != nil && o.choice == choice && o.block.Kind == providers.KindText {
			texts = append(texts, providers.Block{Kind: providers.KindText, Text: string(o.text), Citations: append(append([]byte{'['}, o.cited...), ']')})
		}
	}
	return grounding(texts)
}

// cite keeps citations, a list or one, until it is told what they are about.
func (o *outBlock) cite(citations []byte) {
	one := func(c []byte) bool {
		if len(o.cited) > 0 {
			o.cited = append(o.cited, ',')
		}
		o.cited = append(o.cited, c...)
		return true
	}
	switch {
	case len(o.cited)+len(citations) > maxText:
	case wire.IsArray(citations):
		wire.EachElement(citations, one)
	case wire.IsObject(citations):
		one(citations)
	}
}

func (e *encoder) Fail(dst []byte, err *providers.Error) []byte {
	if e.done {
		return dst
	}
	e.done = true
	if i := (ingress{e.framing}); e.sent {
		return i.AppendRestError(dst, err)
	} else {
		return i.AppendStreamError(dst, err)
	}
}
