package anthropic

import (
	"bytes"
	"encoding/json"
	"strconv"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

func (ingress) NewEncoder(o providers.EncodeOptions) providers.Encoder {
	return &encoder{o: o, current: -1}
}

// maxHeld bounds what is held back of blocks that arrive while another is open.
const maxHeld = 16 << 20

// An encoder writes one streamed answer. This format knows one open block at a
// time, so a source that interleaves blocks is put in order: text and thinking
// end when another block begins (and go on in a new block, should more of them
// come), a tool call stays open until it is whole, and what arrives meanwhile is held.
type encoder struct {
	o       providers.EncodeOptions
	started bool
	done    bool // the terminal event or an error was written
	pinged  bool

	blocks  []*outBlock // by the source's index
	current int         // source index of the block at hand, -1: none
	held    []int       // source indices of blocks held back, in order
	size    int         // bytes held
	count   int         // blocks written so far

	usage    providers.Usage
	hasUsage bool
	rawUsage json.RawMessage
	finish   providers.Event
	calls    bool
	refused  bool
}

// An outBlock is one block of the source on its way out.
type outBlock struct {
	block   providers.Block // kind, id, name and what its start told
	open    bool            // its content_block_start was written
	closed  bool            // its content_block_stop was written
	signed  bool
	fed     bool // a delta was written
	stopped bool // held back: the source has stopped it

	held []heldDelta
}

// A heldDelta is a delta held back; text alone is joined to the one before.
type heldDelta struct {
	block providers.Block
	text  []byte
	plain bool // it is nothing but text
}

func (e *encoder) Append(dst []byte, ev *providers.Event) []byte {
	if e.done || ev.Choice != 0 {
		return dst
	}
	switch ev.Kind {
	case providers.EventStart:
		return e.start(dst, ev)
	case providers.EventBlockStart:
		return e.blockStart(e.start(dst, nil), ev.Index, &ev.Block)
	case providers.EventBlockDelta:
		return e.blockDelta(e.start(dst, nil), ev.Index, &ev.Block)
	case providers.EventBlockStop:
		return e.blockStop(dst, ev.Index)
	case providers.EventUsage:
		e.usage, e.hasUsage = ev.Usage, true
		e.rawUsage = bytes.Clone(rawUsage(ev.Extra, ev.Origin))
	case providers.EventFinish:
		e.finish = *ev
		e.finish.Extra = cloneMembers(ev.Extra)
	case providers.EventError:
		err := ev.Err
		if err == nil {
			err = &providers.Error{Kind: providers.KindUpstream, Message: "the upstream failed"}
		}
		return e.Fail(dst, err)
	case providers.EventPing:
		if e.pinged {
			return ingress{}.AppendPing(dst)
		}
	}
	return dst
}

func cloneMembers(list []providers.Member) []providers.Member {
	out := make([]providers.Member, len(list))
	for i, m := range list {
		out[i] = providers.Member{Name: m.Name, Value: bytes.Clone(m.Value)}
	}
	return out
}

// frame begins an event; end finishes it.
func frame(dst []byte, name string) []byte {
	dst = append(dst, "event: "...)
	dst = append(dst, name...)
	dst = append(dst, "\ndata: {\"type\":\""...)
	dst = append(dst, name...)
	return append(dst, '"')
}

func end(dst []byte) []byte { return append(dst, "}\n\n"...) }

// start writes message_start, once; ev nil: something else came first.
func (e *encoder) start(dst []byte, ev *providers.Event) []byte {
	if e.started {
		return dst
	}
	e.started = true
	if ev == nil {
		ev = &providers.Event{}
	}
	own := ev.Origin == dialect
	e.usage = ev.Usage
	model := ev.Model
	if e.o.Model != "" {
		model = e.o.Model
	}
	dst = append(wire.Key(frame(dst, "message_start"), "message"), '{')
	dst = wire.PutString(dst, "id", messageID(ev.ID, own, e.o.RequestID))
	dst = append(dst, `,"type":"message","role":"assistant"`...)
	dst = wire.PutString(dst, "model", model)
	dst = append(dst, `,"content":[],"stop_reason":null,"stop_sequence":null`...)
	dst = wire.Key(dst, "usage")
	if raw := rawUsage(ev.Extra, ev.Origin); raw != nil {
		dst = wire.AppendRaw(dst, raw)
	} else {
		u := ev.Usage
		if u.Prompt() == 0 { // clients read the size of the context here
			u.Input = e.o.InputTokens
		}
		dst = appendUsage(dst, &u)
	}
	if own {
		for _, m := range ev.Extra {
			if m.Name != "usage" {
				dst = putMembers(dst, []providers.Member{m})
			}
		}
	}
	return end(append(dst, '}'))
}

func (e *encoder) blockStart(dst []byte, index int, b *providers.Block) []byte {
	o := e.at(index)
	if o == nil {
		return e.tooMany(dst)
	}
	if o.block.Kind != 0 { // an index used again
		if index == e.current {
			dst = e.close(dst)
		}
		*o = outBlock{}
	}
	o.block = *b
	if b.Kind == 0 {
		o.block.Kind = providers.KindText
	}
	o.block.Raw, o.block.Citations, o.block.Extra = bytes.Clone(b.Raw), bytes.Clone(b.Citations), cloneMembers(b.Extra)
	if b.Kind == providers.KindOpaque && b.Origin != dialect { // a block of another vendor's own: it has no form here
		o.closed = true
		return dst
	}
	if dst = e.makeWay(dst, index); e.current != index {
		e.hold(index)
		return dst
	}
	if fixed(o.block.Kind) && !o.open {
		return e.open(dst, o)
	}
	return dst
}

// fixed reports whether nothing in a delta can change what a block is, so that it may start at once.
func fixed(k providers.BlockKind) bool {
	return k == providers.KindToolCall || k == providers.KindOpaque
}

// maxBlocks bounds the blocks of an answer.
const maxBlocks = 1 << 16

func (e *encoder) tooMany(dst []byte) []byte {
	return e.Fail(dst, nonsense("it has more than 65,536 blocks"))
}

func (e *encoder) at(index int) *outBlock {
	if index < 0 || index >= maxBlocks {
		return nil
	}
	for len(e.blocks) <= index {
		e.blocks = append(e.blocks, nil)
	}
	if e.blocks[index] == nil {
		e.blocks[index] = &outBlock{}
	}
	return e.blocks[index]
}

// makeWay makes the block current if the one at hand can end.
func (e *encoder) makeWay(dst []byte, index int) []byte {
	if e.current == index {
		return dst
	}
	if e.current >= 0 {
		switch e.blocks[e.current].block.Kind {
		case providers.KindText, providers.KindThinking, providers.KindRefusal, providers.KindAudio:
			dst = e.close(dst)
		default:
			return dst
		}
	}
	if dst = e.release(dst); e.current < 0 { // what was held goes first
		e.current = index
	}
	return dst
}

func (e *encoder) hold(index int) {
	for _, i := range e.held {
		if i == index {
			return
		}
	}
	e.held = append(e.held, index)
}

func (e *encoder) blockDelta(dst []byte, index int, b *providers.Block) []byte {
	o := e.at(index)
	if o == nil {
		return e.tooMany(dst)
	}
	if o.block.Kind == 0 { // its start was not told
		o.block = providers.Block{Kind: b.Kind, Origin: b.Origin}
		if b.Kind == 0 {
			o.block.Kind = providers.KindText
		}
	}
	over := fixed(o.block.Kind)
	if o.closed && over {
		return dst // behind its end
	}
	if dst = e.makeWay(dst, index); e.current != index {
		e.hold(index)
		return e.keep(dst, o, b)
	}
	if o.closed { // more of it comes: in a new block
		if over {
			e.current = -1
			return dst
		}
		*o = outBlock{block: providers.Block{Kind: o.block.Kind, Origin: o.block.Origin}}
	}
	return e.write(dst, o, b)
}

// keep holds a delta back, joined to the one before where nothing else came between.
func (e *encoder) keep(dst []byte, o *outBlock, b *providers.Block) []byte {
	e.size += len(b.Text) + len(b.Signature) + len(b.Data) + len(b.Citations) + len(b.Raw)
	if e.size > maxHeld {
		return e.Fail(dst, &providers.Error{Kind: providers.KindUpstream, Code: "bad_upstream_response",
			Message: "cannot put the upstream's interleaved blocks in order: more than 16 MiB would have to be held"})
	}
	plain := b.Signature == "" && b.Data == nil && b.Citations == nil && b.Raw == nil
	if n := len(o.held); plain && n > 0 && o.held[n-1].plain && o.held[n-1].block.Kind == b.Kind {
		o.held[n-1].text = append(o.held[n-1].text, b.Text...)
		return dst
	}
	h := heldDelta{block: *b, text: []byte(b.Text), plain: plain}
	h.block.Data, h.block.Citations, h.block.Raw = bytes.Clone(b.Data), bytes.Clone(b.Citations), bytes.Clone(b.Raw)
	o.held = append(o.held, h)
	return dst
}

func (e *encoder) blockStop(dst []byte, index int) []byte {
	o := e.at(index)
	if o == nil || o.closed || o.block.Kind == 0 {
		return dst
	}
	if index != e.current {
		o.stopped = true
		return dst
	}
	return e.release(e.close(dst))
}

// release writes held blocks as long as none is at hand.
func (e *encoder) release(dst []byte) []byte {
	for e.current < 0 && len(e.held) > 0 && !e.done {
		index := e.held[0]
		e.held = e.held[1:]
		o := e.blocks[index]
		e.current = index
		if o.closed { // more of a text that had to end
			o.open, o.closed, o.signed, o.fed = false, false, false, false
		}
		if fixed(o.block.Kind) && !o.open {
			dst = e.open(dst, o)
		}
		held, stopped := o.held, o.stopped
		o.held, o.stopped = nil, false
		for i := range held {
			b := &held[i].block
			b.Text = string(held[i].text)
			e.size -= len(b.Text) + len(b.Signature) + len(b.Data) + len(b.Citations) + len(b.Raw)
			dst = e.write(dst, o, b)
		}
		if stopped {
			dst = e.close(dst)
		}
	}
	return dst
}

func (e *encoder) End(dst []byte) []byte {
	if e.done {
		return dst
	}
	dst = e.start(dst, nil)
	for e.current >= 0 || len(e.held) > 0 {
		if e.current >= 0 {
			dst = e.close(dst)
		}
		if dst = e.release(dst); e.done {
			return dst
		}
	}
	e.done = true
	dst = append(wire.Key(frame(dst, "message_delta"), "delta"), '{')
	f := &e.finish
	dst = appendStop(dst, refusing(f.Finish, e.refused), f.RawFinish, f.StopSequence, f.Origin, e.calls)
	var outer []providers.Member
	if f.Origin == dialect {
		for _, m := range f.Extra {
			if m.Name == "context_management" { // beside the delta, not in it
				outer = append(outer, m)
				continue
			}
			dst = putMembers(dst, []providers.Member{m})
		}
	}
	dst = wire.Key(append(dst, '}'), "usage")
	switch {
	case e.rawUsage != nil:
		dst = wire.AppendRaw(dst, e.rawUsage)
	case e.hasUsage:
		dst = appendUsage(dst, &e.usage)
	default:
		dst = strconv.AppendInt(append(dst, `{"output_tokens":`...), e.usage.Completion(), 10)
		dst = append(dst, '}')
	}
	dst = end(putMembers(dst, outer))
	return end(frame(dst, "message_stop"))
}

func (e *encoder) Fail(dst []byte, err *providers.Error) []byte {
	if e.done {
		return dst
	}
	e.done = true
	return ingress{}.AppendStreamError(dst, err)
}
