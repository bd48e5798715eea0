package openai

import (
	"bytes"
	"encoding/json"
	"io"
	"strconv"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

// maxOutput bounds the items of a streamed answer, and the parts of one item.
const maxOutput = 4096

// NewDecoder returns the decoder of one stream. What it must live with: no event
// names (mantle, OpenRouter), no sequence numbers, a [DONE] behind the end
// (OpenRouter), items without deltas or without their start, and an output that
// stands in the last event alone.
//
// End returns nil if response.completed or response.incomplete was seen, the error
// the stream reported, if it did, else io.ErrUnexpectedEOF.
func (responsesEgress) NewDecoder() providers.Decoder {
	return &responsesDecoder{items: map[string]*inItem{}, byID: map[string]*inItem{}}
}

type responsesDecoder struct {
	sse wire.SSE
	providers.Queue
	blocks int // started so far
	items  map[string]*inItem
	byID   map[string]*inItem
	order  []*inItem

	started bool
	calls   bool // a tool was called
	indexed bool // events tell the place of their item in the output
	done    bool
	err     error
}

// An inItem is an item of the output on its way.
type inItem struct {
	typ     string
	parts   map[int64]*inBlock // of a message, by content index
	order   []*inBlock
	block   *inBlock // of anything else
	held    []byte   // arguments that came before the call's name
	content bool     // reasoning: its content is shown, so that the summary is not
	section int64    // reasoning: the section of the summary at hand
	done    bool
}

// An inBlock is a block that has been started.
type inBlock struct {
	kind    providers.BlockKind
	index   int
	sent    bool // some of its content
	stopped bool
}

func (d *responsesDecoder) Feed(p []byte) {
	d.sse.Feed(p)
	for {
		ev, ok := d.sse.Next()
		if !ok {
			break
		}
		d.event(&ev)
	}
	if err := d.sse.Err(); err != nil && d.err == nil && !d.done {
		d.fail(&providers.Error{Kind: providers.KindUpstream, Code: "upstream_event_too_large",
			Message: "the upstream's stream broke a limit: " + err.Error()})
	}
}

func (d *responsesDecoder) End() error {
	// An event that the end cut is none; its error was met in Feed.
	if ev, ok, _ := d.sse.End(); ok && !(ev.Partial && !whole(bytes.TrimSpace(ev.Data))) {
		d.event(&ev)
	}
	switch {
	case d.err != nil:
		return d.err
	case d.done:
		return nil
	}
	return io.ErrUnexpectedEOF
}

func (d *responsesDecoder) emit(ev providers.Event) {
	ev.Origin = responses
	d.Emit(ev)
}

func (d *responsesDecoder) fail(e *providers.Error) {
	d.err = e
	d.emit(providers.Event{Kind: providers.EventError, Err: e})
}

// event reads one SSE event. What follows the end or an error is not looked at.
func (d *responsesDecoder) event(ev *wire.Event) {
	if d.done || d.err != nil {
		return
	}
	data := bytes.TrimSpace(ev.Data)
	switch {
	case len(data) == 0:
		if bytes.HasPrefix(ev.Raw, []byte(":")) {
			d.emit(providers.Event{Kind: providers.EventPing})
		}
		return
	case bytes.Equal(data, done): // before the end: the stream is cut
		return
	case !wire.IsObject(data) || !whole(data):
		d.fail(malformed("an event of its stream is no JSON object"))
		return
	}
	typ := textAt(data, "type")
	if typ == "" {
		typ = string(ev.Name)
	}
	switch typ {
	case "error", "response.failed":
		d.usage(data)
		d.fail(responsesEgress{}.DecodeError(0, data))
	case "":
		if at(data, "error") != nil { // another format's
			d.fail(responsesEgress{}.DecodeError(0, data))
		}
	case "response.created", "response.in_progress", "response.queued":
		d.start(at(data, "response"))
		d.usage(data) // OpenAI tells none before the end, others may
	case "response.completed", "response.incomplete":
		d.start(at(data, "response"))
		d.complete(data, at(data, "response"))
	case "keepalive":
		d.emit(providers.Event{Kind: providers.EventPing})
	default:
		d.step(typ, data)
	}
}

func (d *responsesDecoder) start(response []byte) {
	if d.started || response == nil {
		return
	}
	d.started = true
	created, _ := wire.Int(at(response, "created_at"))
	d.emit(providers.Event{Kind: providers.EventStart, ID: textAt(response, "id"), Model: textAt(response, "model"), Created: created})
}

func (d *responsesDecoder) usage(data []byte) {
	var u providers.Usage
	if (responsesEgress{}).Usage(data, &u) {
		d.emit(providers.Event{Kind: providers.EventUsage, Usage: u})
	}
}

// complete ends the stream: with what the last event alone tells of the output.
func (d *responsesDecoder) complete(data, response []byte) {
	if len(d.order) == 0 || d.indexed { // else the items cannot be told apart
		n := 0
		wire.EachElement(at(response, "output"), func(item []byte) bool {
			it := d.byID[textAt(item, "id")] // the places may have gaps
			if it == nil {
				it = d.item("o" + strconv.Itoa(n))
			}
			if it != nil && !it.done {
				d.itemDone(it, item)
			}
			n++
			return true
		})
	}
	for _, it := range d.order {
		d.stopItem(it)
	}
	d.usage(data)
	if tier := textAt(response, "service_tier"); tier != "" {
		d.Events[len(d.Events)-1].ServiceTier = tier
	}
	status := textAt(response, "status")
	if status == "" && textAt(data, "type") == "response.incomplete" {
		status = "incomplete"
	}
	f, raw := responsesFinish(status, textAt(response, "incomplete_details", "reason"), d.calls)
	d.emit(providers.Event{Kind: providers.EventFinish, Finish: f, RawFinish: raw})
	d.done = true
	d.emit(providers.Event{Kind: providers.EventEnd})
}

// item returns an item by its key, made on first use; nil: there are too many.
func (d *responsesDecoder) item(key string) *inItem {
	if it := d.items[key]; it != nil {
		return it
	}
	if len(d.order) >= maxOutput {
		return nil
	}
	it := &inItem{}
	d.items[key] = it
	d.order = append(d.order, it)
	return it
}

// keyOf returns what tells an event's item: its place in the output, or its id.
func (d *responsesDecoder) keyOf(data []byte) string {
	if n, ok := wire.Int(at(data, "output_index")); ok {
		d.indexed = true
		return "o" + strconv.FormatInt(n, 10)
	}
	if id := textAt(data, "item_id"); id != "" {
		return "i" + id
	}
	return "i" + textAt(data, "item", "id")
}

// open starts a block.
func (d *responsesDecoder) open(b providers.Block) *inBlock {
	o := &inBlock{kind: b.Kind, index: d.blocks}
	d.blocks++
	b.Origin = responses
	d.emit(providers.Event{Kind: providers.EventBlockStart, Index: o.index, Block: b})
	return o
}

func (d *responsesDecoder) delta(o *inBlock, b providers.Block, logprobs json.RawMessage) {
	if o.stopped {
		return
	}
	o.sent = o.sent || b.Text != ""
	b.Kind, b.Origin = o.kind, responses
	d.emit(providers.Event{Kind: providers.EventBlockDelta, Index: o.index, Block: b, Logprobs: logprobs})
}

func (d *responsesDecoder) stop(o *inBlock) {
	if o != nil && !o.stopped {
		o.stopped = true
		d.emit(providers.Event{Kind: providers.EventBlockStop, Index: o.index, Block: providers.Block{Kind: o.kind}})
	}
}

func (d *responsesDecoder) stopItem(it *inItem) {
	for _, o := range it.order {
		d.stop(o)
	}
	d.stop(it.block)
	it.done = true
}
