package openai

import (
	"sort"
	"unicode/utf8"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

// maxThinkingKept bounds the thinking an encoder keeps for thinking_blocks, in bytes.
const maxThinkingKept = 4 << 20

// NewEncoder returns the encoder of one stream: the first chunk of a choice has
// the role and empty content; a tool call's first fragment has index, id, type,
// name and empty arguments, the others its index alone; indexes count by first
// appearance; the usage chunk is sent if asked for, and [DONE] at the end of a
// stream that is whole.
func (in chatIngress) NewEncoder(o providers.EncodeOptions) providers.Encoder {
	return &encoder{in: in, o: o, created: o.Created}
}

type encoder struct {
	in          chatIngress
	o           providers.EncodeOptions
	id, model   string
	created     int64
	tier, print string
	usage       providers.Usage
	hasUsage    bool
	begun       map[int]bool // choices whose first chunk was sent
	blocks      map[int]*outBlock
	lists       map[listOf]int64 // entries so far
	said        map[int]int64    // choice → characters of text so far
}

// An outBlock is a block on its way to the caller.
type outBlock struct {
	choice   int
	block    providers.Block // kind, ID; thinking: its signature so far
	thought  []byte          // thinking: its text so far
	slot     int64           // index of the call, or of the item in reasoning_details
	from     int64           // text: the characters before it
	cited    []byte          // text: citations of all of it, elements of a list
	any      bool            // a fragment of arguments was sent
	overlong bool            // more thinking than is kept
}

func (e *encoder) Append(dst []byte, ev *providers.Event) []byte {
	switch ev.Kind {
	case providers.EventStart:
		e.start(ev)
		dst = e.open(dst, 0)
	case providers.EventBlockStart:
		dst = e.blockStart(dst, ev)
	case providers.EventBlockDelta:
		dst = e.blockDelta(dst, ev)
	case providers.EventBlockStop:
		dst = e.blockStop(dst, ev)
	case providers.EventUsage:
		e.usage, e.hasUsage = ev.Usage, true
	case providers.EventFinish:
		word := ev.RawFinish
		if word == "" || ev.Origin != dialect {
			word = finishWord(ev.Finish)
		}
		dst = e.open(dst, ev.Choice)
		dst = append(e.head(dst, ev.Choice), `},"logprobs":null`...)
		dst = append(wire.PutString(dst, "finish_reason", word), "}]}\n\n"...)
	case providers.EventError:
		dst = e.Fail(dst, ev.Err)
	case providers.EventPing:
		dst = e.in.AppendPing(dst)
	}
	return dst
}

func (e *encoder) start(ev *providers.Event) {
	e.id, e.model = ev.ID, ev.Model
	if e.o.Model != "" {
		e.model = e.o.Model
	}
	if e.id == "" {
		e.id = "chatcmpl-" + e.o.RequestID
	}
	if ev.Created != 0 {
		e.created = ev.Created
	}
	e.tier, e.print = tierWord(ev.ServiceTier, ev.Origin == dialect), ev.Fingerprint
	if !ev.Usage.Zero() {
		e.usage, e.hasUsage = ev.Usage, true
	}
	e.begun, e.blocks = map[int]bool{}, map[int]*outBlock{}
	e.lists, e.said = map[listOf]int64{}, map[int]int64{}
}

// envelope writes the members every chunk has, up to the choices.
func (e *encoder) envelope(dst []byte) []byte {
	if e.blocks == nil { // a stream without a start
		e.start(&providers.Event{})
	}
	dst = append(dst, "data: {"...)
	dst = wire.PutString(dst, "id", e.id)
	dst = wire.PutString(dst, "object", "chat.completion.chunk")
	dst = wire.PutInt(dst, "created", e.created)
	dst = wire.PutString(dst, "model", e.model)
	if e.tier != "" {
		dst = wire.PutString(dst, "service_tier", e.tier)
	}
	if e.print != "" {
		dst = wire.PutString(dst, "system_fingerprint", e.print)
	}
	return wire.Key(dst, "choices")
}

// head writes a chunk up to the inside of its delta.
func (e *encoder) head(dst []byte, choice int) []byte {
	dst = append(e.envelope(dst), "[{"...)
	dst = wire.PutInt(dst, "index", int64(choice))
	return append(wire.Key(dst, "delta"), '{')
}

// tail ends a chunk from the inside of its delta.
func tail(dst []byte, logprobs []byte) []byte {
	dst = append(dst, '}')
	dst = wire.PutRaw(dst, "logprobs", logprobs)
	return append(dst, ",\"finish_reason\":null}]}\n\n"...)
}

// open sends the first chunk of a choice once.
func (e *encoder) open(dst []byte, choice int) []byte {
	if e.blocks == nil {
		e.start(&providers.Event{})
	}
	if e.begun[choice] {
		return dst
	}
	e.begun[choice] = true
	dst = e.head(dst, choice)
	dst = wire.PutString(dst, "role", "assistant")
	dst = wire.PutString(dst, "content", "")
	return tail(dst, nil)
}

func (e *encoder) blockStart(dst []byte, ev *providers.Event) []byte {
	dst = e.open(dst, ev.Choice)
	o := &outBlock{choice: ev.Choice, from: e.said[ev.Choice], block: providers.Block{Kind: ev.Block.Kind, ID: ev.Block.ID, Custom: ev.Block.Custom, SignatureOrigin: ev.Block.SignatureOrigin}}
	e.blocks[ev.Index] = o
	switch ev.Block.Kind {
	case providers.KindThinking, providers.KindRedacted:
		o.slot = e.next(ev.Choice, "reasoning_details")
	case providers.KindToolCall:
		o.slot = e.next(ev.Choice, "tool_calls")
		dst = append(wire.Key(e.head(dst, ev.Choice), "tool_calls"), "[{"...)
		dst = wire.PutInt(dst, "index", o.slot)
		dst = wire.PutString(dst, "id", ev.Block.ID)
		if ev.Block.Custom {
			dst = append(wire.PutString(dst, "type", "custom"), `,"custom":{`...)
			dst = append(wire.PutString(dst, "name", ev.Block.ToolName), `,"input":""}`...)
		} else {
			dst = append(wire.PutString(dst, "type", "function"), `,"function":{`...)
			dst = append(wire.PutString(dst, "name", ev.Block.ToolName), `,"arguments":""}`...)
		}
		if ev.Block.Signature != "" && ev.Block.SignatureOrigin == providers.Gemini {
			dst = putThoughtSignature(dst, ev.Block.Signature)
		}
		dst = tail(append(dst, "}]"...), nil)
	}
	return dst
}

func (e *encoder) blockDelta(dst []byte, ev *providers.Event) []byte {
	b := &ev.Block
	dst = e.open(dst, ev.Choice)
	o := e.blocks[ev.Index]
	if o == nil { // a delta without a start
		o = &outBlock{choice: ev.Choice, from: e.said[ev.Choice], block: providers.Block{Kind: b.Kind}}
		e.blocks[ev.Index] = o
	}
	kind := b.Kind
	if kind == 0 {
		kind = o.block.Kind
	}
	switch kind {
	case providers.KindText:
		dst = e.text(dst, ev, o)
	case providers.KindRefusal:
		dst = tail(wire.PutString(e.head(dst, ev.Choice), "refusal", b.Text), ev.Logprobs)
	case providers.KindThinking, providers.KindRedacted:
		dst = e.thought(dst, ev, o)
	case providers.KindToolCall:
		if b.Text != "" {
			o.any = true
			dst = e.fragment(dst, ev.Choice, o, b.Text)
		}
		if b.Signature != "" && b.SignatureOrigin == providers.Gemini {
			dst = append(wire.Key(e.head(dst, ev.Choice), "tool_calls"), "[{"...)
			dst = putThoughtSignature(wire.PutInt(dst, "index", o.slot), b.Signature)
			dst = tail(append(dst, "}]"...), nil)
		}
	case providers.KindAudio:
		dst = e.audio(dst, ev)
	case providers.KindImage:
		dst = e.image(dst, ev.Choice, b)
	}
	return dst
}

// text writes text, and the citations that came with it.
func (e *encoder) text(dst []byte, ev *providers.Event, o *outBlock) []byte {
	b := &ev.Block
	if b.Text != "" || ev.Logprobs != nil {
		e.said[ev.Choice] += int64(utf8.RuneCountInString(b.Text))
		dst = tail(wire.PutString(e.head(dst, ev.Choice), "content", b.Text), ev.Logprobs)
	}
	switch {
	case len(b.Citations) == 0:
	case b.Origin == dialect || ev.Origin == dialect:
		dst = e.citations(dst, o, b.Citations, true)
	case len(o.cited)+len(b.Citations) < maxCited: // they may come before what they are about
		o.cited = appendElements(o.cited, b.Citations)
	}
	if b.Signature != "" && b.SignatureOrigin == providers.Gemini {
		dst = tail(putThoughtSignature(e.head(dst, ev.Choice), b.Signature), nil)
	}
	return dst
}

// thought writes thinking: its text as reasoning_content, the proof as an item of
// reasoning_details. Where an item will need its text, because the proof is only
// valid with it, the item has the text as well.
func (e *encoder) thought(dst []byte, ev *providers.Event, o *outBlock) []byte {
	b := &ev.Block
	if len(o.thought)+len(b.Text) > maxThinkingKept {
		o.overlong, o.thought = true, nil
	} else if !o.overlong {
		o.thought = append(o.thought, b.Text...)
	}
	o.block.Signature += b.Signature
	o.block.Data = append(o.block.Data, b.Data...)
	if b.SignatureOrigin != "" {
		o.block.SignatureOrigin = b.SignatureOrigin
	}
	details := b.Signature != "" || len(b.Data) > 0 || ev.Origin == providers.Messages || ev.Origin == providers.Converse
	if b.Text == "" && !details {
		return dst
	}
	dst = e.head(dst, ev.Choice)
	if b.Text != "" {
		dst = wire.PutString(dst, "reasoning_content", b.Text)
	}
	if details {
		item := *b
		item.Kind, item.ID = o.block.Kind, o.block.ID
		if item.SignatureOrigin == "" {
			item.SignatureOrigin = ev.Origin
		}
		dst = append(wire.Key(dst, "reasoning_details"), '[')
		dst = append(putDetail(dst, &item, o.slot), ']')
	}
	return tail(dst, ev.Logprobs)
}

func (e *encoder) fragment(dst []byte, choice int, o *outBlock, s string) []byte {
	dst = append(wire.Key(e.head(dst, choice), "tool_calls"), "[{"...)
	dst = wire.PutInt(dst, "index", o.slot)
	if o.block.Custom {
		dst = append(wire.Key(dst, "custom"), '{')
		dst = wire.PutString(dst, "input", s)
	} else {
		dst = append(wire.Key(dst, "function"), '{')
		dst = wire.PutString(dst, "arguments", s)
	}
	return tail(append(dst, "}}]"...), nil)
}

func (e *encoder) audio(dst []byte, ev *providers.Event) []byte {
	b := &ev.Block
	dst = append(wire.Key(e.head(dst, ev.Choice), "audio"), '{')
	if b.ID != "" {
		dst = wire.PutString(dst, "id", b.ID)
	}
	if len(b.Data) > 0 {
		dst = putData(dst, "data", "", b.Data)
	}
	if b.Text != "" {
		dst = wire.PutString(dst, "transcript", b.Text)
	}
	return tail(append(dst, '}'), nil)
}

// blockStop ends a block: a call without arguments gets its {}, which parsers
// demand, and signed thinking of Anthropic is repeated whole as thinking_blocks.
func (e *encoder) blockStop(dst []byte, ev *providers.Event) []byte {
	o := e.blocks[ev.Index]
	if o == nil {
		return dst
	}
	delete(e.blocks, ev.Index)
	switch o.block.Kind {
	case providers.KindText:
		if len(o.cited) > 0 {
			dst = e.citations(dst, o, append(append([]byte("["), o.cited...), ']'), false)
		}
	case providers.KindToolCall:
		if !o.any && !o.block.Custom {
			dst = e.fragment(dst, o.choice, o, "{}")
		}
	case providers.KindThinking, providers.KindRedacted:
		if anthropicMade(&o.block) && !o.overlong {
			o.block.Text = string(o.thought)
			dst = e.thinkingBlock(dst, o.choice, &o.block)
		}
	}
	return dst
}

// End closes what is open and writes the usage chunk, if it was asked for, and [DONE].
func (e *encoder) End(dst []byte) []byte {
	open := make([]int, 0, len(e.blocks))
	for i := range e.blocks {
		open = append(open, i)
	}
	sort.Ints(open)
	for _, i := range open {
		dst = e.blockStop(dst, &providers.Event{Index: i})
	}
	if e.o.IncludeUsage && e.hasUsage {
		dst = append(e.envelope(dst), "[]"...)
		dst = append(putUsage(wire.Key(dst, "usage"), &e.usage), "}\n\n"...)
	}
	return append(dst, "data: [DONE]\n\n"...)
}

func (e *encoder) Fail(dst []byte, err *providers.Error) []byte {
	return e.in.AppendStreamError(dst, err)
}
