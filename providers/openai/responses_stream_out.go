package openai

import (
	"bytes"
	"math"
	"sort"
	"strconv"
	"unicode/utf8"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

// maxAnswerKept bounds what an encoder keeps of an answer for the events that
// repeat it whole, in bytes.
const maxAnswerKept = 64 << 20

// NewEncoder returns the encoder of one stream, in the order OpenAI writes:
// response.created and in_progress; each item's added, its parts, deltas, and all
// of them done with their whole text; response.completed or incomplete with the
// whole output. Texts that follow each other are parts of one message.
func (in responsesIngress) NewEncoder(o providers.EncodeOptions) providers.Encoder {
	return &responsesEncoder{in: in, o: o, asked: newAsked(o.Asked), created: o.Created, blocks: map[int]*respBlock{}}
}

type responsesEncoder struct {
	in       responsesIngress
	o        providers.EncodeOptions
	asked    asked
	begun    bool
	id       string
	model    string
	tier     string
	created  int64
	seq      int64
	usage    providers.Usage
	hasUsage bool
	finish   providers.Finish
	items    [][]byte // what is done of the output, by its place
	message  *respMessage
	blocks   map[int]*respBlock
	size     int
	failed   bool
}

// A respMessage is the message that texts at hand are parts of.
type respMessage struct {
	id      string
	place   int
	parts   [][]byte // done, by their place
	open    int      // parts that are not done
	closing bool     // something else has begun: it takes no more parts
}

// A respBlock is a block on its way to the caller.
type respBlock struct {
	block       providers.Block // kind, ID, name; thinking: its proof so far
	begun       bool
	id          string // of its item
	place       int
	message     *respMessage // of a text
	part        int
	text        []byte
	annotations []byte
	cited       int
	waiting     []byte // citations of all of the text, elements of a list
	logprobs    []byte // elements of a list
	call        *outCall
}

func (e *responsesEncoder) Append(dst []byte, ev *providers.Event) []byte {
	if e.failed || ev.Choice != 0 { // a caller of this format asks for one answer
		return dst
	}
	if ev.ServiceTier != "" {
		e.tier = tierWord(ev.ServiceTier, ev.Origin == responses)
	}
	switch ev.Kind {
	case providers.EventStart:
		dst = e.start(dst, ev)
	case providers.EventBlockStart:
		dst = e.start(dst, nil)
		e.blocks[ev.Index] = &respBlock{block: providers.Block{
			Kind: ev.Block.Kind, ID: ev.Block.ID, ToolName: ev.Block.ToolName, Custom: ev.Block.Custom,
			MediaType: ev.Block.MediaType, SignatureOrigin: ev.Block.SignatureOrigin,
		}}
		dst = e.blockStart(dst, ev)
	case providers.EventBlockDelta:
		dst = e.delta(e.start(dst, nil), ev)
	case providers.EventBlockStop:
		dst = e.stop(dst, ev.Index)
	case providers.EventUsage:
		e.usage, e.hasUsage = ev.Usage, true
	case providers.EventFinish:
		e.finish = ev.Finish
	case providers.EventError:
		dst = e.Fail(dst, ev.Err)
	case providers.EventPing:
		dst = e.in.AppendPing(dst)
	}
	return dst
}

// event writes an event up to the members of its own.
func (e *responsesEncoder) event(dst []byte, typ string) []byte {
	dst = append(append(dst, "event: "...), typ...)
	dst = wire.PutString(append(dst, "\ndata: {"...), "type", typ)
	dst = wire.PutInt(dst, "sequence_number", e.seq)
	e.seq++
	return dst
}

var eventEnd = []byte("}\n\n")

// start sends what comes first, once; ev nil: the upstream told nothing.
func (e *responsesEncoder) start(dst []byte, ev *providers.Event) []byte {
	if e.begun {
		return dst
	}
	e.begun = true
	e.model, e.id = e.o.Model, "resp_"+e.o.RequestID
	if ev != nil {
		if e.model == "" {
			e.model = ev.Model
		}
		if ev.Origin == responses && ev.ID != "" || e.o.RequestID == "" {
			e.id = responseID(ev.ID)
		}
		if ev.Created != 0 {
			e.created = ev.Created
		}
		if !ev.Usage.Zero() {
			e.usage, e.hasUsage = ev.Usage, true
		}
	}
	for _, typ := range []string{"response.created", "response.in_progress"} {
		dst = e.response(dst, typ, &responseHead{status: "in_progress"})
	}
	return dst
}

// response writes an event that holds the response.
func (e *responsesEncoder) response(dst []byte, typ string, h *responseHead) []byte {
	h.id, h.model, h.tier, h.created = e.id, e.model, e.tier, e.created
	dst = putHead(wire.Key(e.event(dst, typ), "response"), h, &e.asked)
	dst = append(wire.Key(dst, "output"), '[')
	if h.status != "in_progress" {
		for _, item := range e.items {
			if item != nil {
				dst = append(wire.Comma(dst), item...)
			}
		}
	}
	dst = wire.Key(append(dst, ']'), "usage")
	if e.hasUsage && h.status != "in_progress" {
		dst = putFlatUsage(dst, &e.usage)
	} else {
		dst = append(dst, "null"...)
	}
	return append(append(dst, '}'), eventEnd...)
}

// place reserves the next place in the output.
func (e *responsesEncoder) place(prefix string) (place int, id string) {
	e.items = append(e.items, nil)
	place = len(e.items) - 1
	return place, itemID(prefix, e.id, place)
}

// itemEvent writes output_item.added or .done.
func (e *responsesEncoder) itemEvent(dst []byte, typ string, place int, item []byte) []byte {
	dst = wire.PutInt(e.event(dst, typ), "output_index", int64(place))
	dst = append(append(wire.Key(dst, "item"), item...), eventEnd...)
	if typ == "response.output_item.done" {
		e.items[place] = item
	}
	return dst
}

// about writes an event about an item, up to the members of its own.
func (e *responsesEncoder) about(dst []byte, typ, id string, place int) []byte {
	return wire.PutInt(wire.PutString(e.event(dst, typ), "item_id", id), "output_index", int64(place))
}

// keep counts what is kept, and fails a stream that outgrows all bounds.
func (e *responsesEncoder) keep(dst []byte, n int) ([]byte, bool) {
	if e.size += n; e.size <= maxAnswerKept {
		return dst, true
	}
	return e.Fail(dst, &providers.Error{Kind: providers.KindUpstream, Code: "bad_upstream_response", Message: "the upstream's answer exceeds the size limit"}), false
}

// blockStart opens what is an item from the start: calls, and a vendor's own items of this format.
func (e *responsesEncoder) blockStart(dst []byte, ev *providers.Event) []byte {
	o := e.blocks[ev.Index]
	switch {
	case o.block.Kind == providers.KindToolCall:
		dst = e.endMessage(dst)
		o.begun = true
		o.place, o.id = e.place("fc")
		o.call = e.asked.call(&o.block)
		o.call.input = ""
		dst = e.itemEvent(dst, "response.output_item.added", o.place, putCallItem(nil, o.id, "in_progress", o.call))
	case o.block.Kind == providers.KindOpaque && ev.Origin == responses && wire.IsObject(ev.Block.Raw):
		dst = e.endMessage(dst)
		place, _ := e.place("it")
		item := wire.AppendRaw(nil, bytes.Clone(ev.Block.Raw))
		var ok bool
		if dst, ok = e.keep(dst, len(item)); ok {
			dst = e.itemEvent(dst, "response.output_item.added", place, item)
			dst = e.itemEvent(dst, "response.output_item.done", place, item)
		}
	}
	return dst
}

func (e *responsesEncoder) delta(dst []byte, ev *providers.Event) []byte {
	b := &ev.Block
	o := e.blocks[ev.Index]
	if o == nil { // a delta without a start
		o = &respBlock{block: providers.Block{Kind: b.Kind, ID: b.ID, ToolName: b.ToolName}}
		e.blocks[ev.Index] = o
		dst = e.blockStart(dst, ev)
	}
	dst, ok := e.keep(dst, len(b.Text)+len(b.Data)+len(b.Signature)+len(b.Citations)+len(ev.Logprobs))
	if !ok {
		return dst
	}
	if b.SignatureOrigin != "" {
		o.block.SignatureOrigin = b.SignatureOrigin
	}
	switch o.block.Kind {
	case providers.KindText, providers.KindRefusal, providers.KindAudio:
		return e.text(dst, ev, o)
	case providers.KindThinking, providers.KindRedacted:
		o.block.Signature += b.Signature
		o.block.Data = append(o.block.Data, b.Data...)
		return e.thought(dst, b.Text, o)
	case providers.KindToolCall:
		return e.argument(dst, b.Text, o)
	case providers.KindImage:
		o.block.Data = append(o.block.Data, b.Data...)
		if b.MediaType != "" {
			o.block.MediaType = b.MediaType
		}
	}
	return dst
}

// text writes a fragment of a text, and the citations that came with it.
func (e *responsesEncoder) text(dst []byte, ev *providers.Event, o *respBlock) []byte {
	b := &ev.Block
	list := at(ev.Logprobs, "content")
	if b.Text == "" && list == nil && len(b.Citations) == 0 {
		return dst
	}
	dst = e.openPart(dst, o)
	if b.Text != "" || list != nil {
		o.text = append(o.text, b.Text...)
		typ := "response.output_text.delta"
		if o.block.Kind == providers.KindRefusal {
			typ = "response.refusal.delta"
		}
		dst = wire.PutInt(e.about(dst, typ, o.id, o.place), "content_index", int64(o.part))
		dst = wire.PutString(dst, "delta", b.Text)
		if o.block.Kind != providers.KindRefusal {
			dst = e.putLogprobs(dst, list)
		}
		dst = append(dst, eventEnd...)
		wire.EachElement(list, func(elem []byte) bool {
			if len(o.logprobs) > 0 {
				o.logprobs = append(o.logprobs, ',')
			}
			o.logprobs = append(o.logprobs, elem...)
			return true
		})
	}
	origin := b.Origin
	if origin == "" {
		origin = ev.Origin
	}
	switch {
	case len(b.Citations) == 0:
	case origin == providers.Messages || origin == providers.Converse: // they may come before what they are about
		o.waiting = appendElements(o.waiting, b.Citations)
	default:
		dst = e.cite(dst, o, &providers.Block{Citations: b.Citations, Origin: origin})
	}
	return dst
}

func (e *responsesEncoder) putLogprobs(dst, list []byte) []byte {
	if list == nil {
		return append(wire.Key(dst, "logprobs"), "[]"...)
	}
	return wire.PutRaw(dst, "logprobs", list)
}

func (e *responsesEncoder) cite(dst []byte, o *respBlock, b *providers.Block) []byte {
	list := flatCitations([]byte(nil), b, 0, int64(utf8.RuneCount(o.text)))
	if len(list) == 0 {
		return dst
	}
	wire.EachElement(append(append([]byte("["), list...), ']'), func(c []byte) bool {
		dst = wire.PutInt(e.about(dst, "response.output_text.annotation.added", o.id, o.place), "content_index", int64(o.part))
		dst = wire.PutInt(dst, "annotation_index", int64(o.cited))
		dst = append(wire.PutRaw(dst, "annotation", c), eventEnd...)
		o.cited++
		return true
	})
	if len(o.annotations) > 0 {
		o.annotations = append(o.annotations, ',')
	}
	o.annotations = wire.AppendRaw(o.annotations, list)
	return dst
}

// openPart opens the part of a message that a text is, and the message if there is none.
func (e *responsesEncoder) openPart(dst []byte, o *respBlock) []byte {
	if o.begun {
		return dst
	}
	o.begun = true
	if e.message == nil || e.message.closing {
		m := &respMessage{}
		m.place, m.id = e.place("msg")
		e.message = m
		item := wire.PutString([]byte(`{"type":"message"`), "id", m.id)
		dst = e.itemEvent(dst, "response.output_item.added", m.place, append(item, `,"status":"in_progress","role":"assistant","content":[]}`...))
	}
	m := e.message
	o.message, o.id, o.place, o.part = m, m.id, m.place, len(m.parts)
	m.parts = append(m.parts, nil)
	m.open++
	p := outPart{refusal: o.block.Kind == providers.KindRefusal}
	dst = wire.PutInt(e.about(dst, "response.content_part.added", o.id, o.place), "content_index", int64(o.part))
	return append(p.append(wire.Key(dst, "part")), eventEnd...)
}

// endMessage ends the message at hand, or lets its open parts end it.
func (e *responsesEncoder) endMessage(dst []byte) []byte {
	m := e.message
	if m == nil {
		return dst
	}
	m.closing = true
	if m.open == 0 {
		e.message = nil
		dst = e.messageDone(dst, m)
	}
	return dst
}

func (e *responsesEncoder) messageDone(dst []byte, m *respMessage) []byte {
	status, _ := stopWords(e.finish)
	item := wire.PutString([]byte(`{"type":"message"`), "id", m.id)
	item = append(wire.PutString(item, "status", status), `,"role":"assistant","content":[`...)
	for _, p := range m.parts {
		item = append(wire.Comma(item), p...)
	}
	return e.itemEvent(dst, "response.output_item.done", m.place, append(item, "]}"...))
}

// End ends what is open and writes the terminal event.
func (e *responsesEncoder) End(dst []byte) []byte {
	if e.failed {
		return dst
	}
	dst = e.start(dst, nil)
	open := make([]int, 0, len(e.blocks))
	for i := range e.blocks {
		open = append(open, i)
	}
	sort.Ints(open)
	for _, i := range open {
		dst = e.stop(dst, i)
	}
	dst = e.endMessage(dst)
	h := responseHead{}
	h.status, h.reason = stopWords(e.finish)
	return e.response(dst, "response."+h.status, &h)
}

// Fail writes the error event, and the failed response that some clients (Codex) wait for.
func (e *responsesEncoder) Fail(dst []byte, err *providers.Error) []byte {
	if e.failed {
		return dst
	}
	e.failed = true
	dst = putFailure(e.event(dst, "error"), err)
	if e.id == "" {
		e.id, e.model = "resp_"+e.o.RequestID, e.o.Model
	}
	return e.response(dst, "response.failed", &responseHead{status: "failed", failure: err})
}

// putFailure writes the members of an error event: flat, as the API documents them,
// and as an object, in which its clients look for them.
func putFailure(dst []byte, err *providers.Error) []byte {
	dst = wire.PutString(dst, "code", failureCode(err))
	dst = wire.PutString(dst, "message", err.Message)
	dst = putStringOrNull(dst, "param", err.Param)
	body := responsesIngress{}.AppendError(nil, err)
	dst = wire.PutRaw(dst, "error", at(body, "error"))
	return append(dst, eventEnd...)
}

// AppendStreamError writes what ends a failed stream whose events were not written
// here, so that neither its id nor its numbers are known.
func (in responsesIngress) AppendStreamError(dst []byte, err *providers.Error) []byte {
	return in.AppendFollowingError(dst, err, &providers.Followed{})
}

// Follow reads sequence_number; some vendors write none.
func (responsesIngress) Follow(f *providers.Followed, data []byte) {
	if f.Next == 0 { // response.created, with which every stream begins
		if start, end, ok := wire.Path(data, "response", "id"); ok {
			f.ID, _ = wire.String(data[start:end])
		}
	}
	f.Next++
	if n, err := strconv.ParseInt(string(at(data, "sequence_number")), 10, 64); err == nil && n >= 0 && n < math.MaxInt64-2 {
		f.Next = n + 1
	}
}

// AppendFollowingError writes what ends a failed stream behind relayed events.
func (in responsesIngress) AppendFollowingError(dst []byte, err *providers.Error, f *providers.Followed) []byte {
	e := in.NewEncoder(providers.EncodeOptions{RequestID: err.RequestID}).(*responsesEncoder)
	e.seq, e.id = f.Next, f.ID
	return e.Fail(dst, err)
}
