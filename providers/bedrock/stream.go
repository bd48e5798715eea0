package bedrock

import (
	"bytes"
	"io"
	"maps"
	"slices"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

// NewDecoder returns the decoder of one ConverseStream answer. What follows
// messageStop is the usage, in the event metadata, which ends the stream; a proper
// end of the input behind messageStop is a whole answer without it.
func (egress) NewDecoder() providers.Decoder { return &decoder{} }

// A decoder reads one streamed answer. Events are made in Feed, so that the fed
// bytes may be reused; Next hands them out.
type decoder struct {
	frames wire.EventStream
	providers.Queue

	started bool
	stopped bool // messageStop was seen
	ended   bool // metadata was seen
	err     error
	open    map[int64]*openBlock // by the upstream's index
	count   int                  // blocks so far
}

// maxOpen bounds the blocks an upstream may leave open.
const maxOpen = 4096

type openBlock struct {
	index int
	kind  providers.BlockKind
}

func (d *decoder) Feed(p []byte) {
	d.frames.Feed(p)
	for d.err == nil && !d.ended {
		f, ok := d.frames.Next()
		if !ok {
			break
		}
		d.take(f)
	}
	if err := d.frames.Err(); err != nil && d.err == nil {
		d.fail(nonsense(err.Error()))
	}
}

func (d *decoder) End() error {
	switch {
	case d.err != nil:
		return d.err
	case d.ended:
		return nil
	case d.frames.End() != nil:
		return errBroken(d.frames.End())
	case !d.stopped:
		return io.ErrUnexpectedEOF
	}
	return nil
}

func (d *decoder) emit(ev providers.Event) {
	ev.Origin = dialect
	d.Emit(ev)
}

func (d *decoder) fail(e *providers.Error) {
	d.err = e
	d.emit(providers.Event{Kind: providers.EventError, Err: e})
}

// take turns one message of the stream into neutral events.
func (d *decoder) take(f wire.Frame) {
	switch string(f.Type) {
	case "exception", "error":
		e := decodeError(0, string(f.Name), f.Payload)
		if len(f.Message) > 0 {
			e.Message = string(f.Message)
		}
		d.fail(e)
		return
	}
	data := f.Payload
	if _, err := wire.Fields(data, nil, nil); err != nil {
		data = bytes.ToValidUTF8(data, []byte("\uFFFD"))
		if _, err = wire.Fields(data, nil, nil); err != nil {
			d.fail(nonsense("an event of its stream is broken: " + err.Error()))
			return
		}
	}
	index, _ := wire.Int(at(data, "contentBlockIndex"))
	switch string(f.Name) {
	case "messageStart":
		d.start()
	case "contentBlockStart":
		d.blockStart(index, at(data, "start"))
	case "contentBlockDelta":
		d.blockDelta(index, at(data, "delta"))
	case "contentBlockStop":
		d.blockStop(index)
	case "messageStop":
		d.messageStop(data)
	case "metadata":
		d.metadata(data)
	}
}

func (d *decoder) start() {
	if d.started {
		if d.count > 0 {
			d.fail(nonsense("a second message starts within its stream"))
		}
		return
	}
	d.started = true
	d.emit(providers.Event{Kind: providers.EventStart})
}

// begin opens the block of an upstream index.
func (d *decoder) begin(index int64, b providers.Block) *openBlock {
	if !d.started {
		d.start()
	}
	if d.open == nil {
		d.open = map[int64]*openBlock{}
	}
	d.blockStop(index) // never stopped
	if len(d.open) == maxOpen {
		d.fail(nonsense("too many blocks are open in its stream"))
	}
	b.Origin = dialect
	open := &openBlock{index: d.count, kind: b.Kind}
	d.open[index] = open
	d.count++
	d.emit(providers.Event{Kind: providers.EventBlockStart, Index: open.index, Block: b})
	return open
}

// blockStart reads contentBlockStart, which comes for tools and images alone; the
// first delta says what any other block is.
func (d *decoder) blockStart(index int64, start []byte) {
	if v := at(start, "toolUse"); v != nil && !serverTool(v) {
		b := toolUse(v)
		b.Args = nil // they come in fragments
		d.begin(index, b)
		return
	}
	if v := at(start, "image"); v != nil {
		d.begin(index, providers.Block{Kind: providers.KindImage, MediaType: "image/" + stringAt(v, "format")})
		return
	}
	if len(start) > 2 {
		d.begin(index, opaque(bytes.Clone(start)))
	}
}

func (d *decoder) blockDelta(index int64, delta []byte) {
	var b providers.Block
	wire.EachMember(delta, func(name, v []byte) bool {
		switch string(name) {
		case "text":
			b.Kind = providers.KindText
			b.Text, _ = wire.String(v)
		case "toolUse":
			b = providers.Block{Kind: providers.KindToolCall, Text: stringAt(v, "input")}
		case "reasoningContent":
			b = reasoningDelta(v)
		case "citation":
			b.Kind = providers.KindText
			setCitations(&b, appendCitation(nil, v))
		case "image":
			b = providers.Block{Kind: providers.KindImage, Data: bytesAt(v, "source", "bytes")}
		}
		return b.Kind == 0
	})
	if b.Kind == 0 {
		if len(delta) <= len("{}") {
			return
		}
		b = opaque(bytes.Clone(delta))
	}
	open := d.open[index]
	if open == nil || open.kind != b.Kind && open.kind != providers.KindOpaque { // a block without a start of its own
		open = d.begin(index, providers.Block{Kind: b.Kind, SignatureOrigin: b.SignatureOrigin})
	}
	if open.kind == providers.KindOpaque {
		b = opaque(bytes.Clone(delta))
	}
	if b.Origin == "" {
		b.Origin = dialect
	}
	d.emit(providers.Event{Kind: providers.EventBlockDelta, Index: open.index, Block: b})
}

func reasoningDelta(v []byte) providers.Block {
	b := providers.Block{Kind: providers.KindThinking, Text: stringAt(v, "text"), Signature: stringAt(v, "signature"), SignatureOrigin: dialect}
	if data := stringAt(v, "redactedContent"); data != "" {
		b = providers.Block{Kind: providers.KindRedacted, Data: []byte(data), SignatureOrigin: dialect}
	}
	return b
}

func (d *decoder) blockStop(index int64) {
	if open := d.open[index]; open != nil {
		delete(d.open, index)
		d.emit(providers.Event{Kind: providers.EventBlockStop, Index: open.index})
	}
}

func (d *decoder) messageStop(data []byte) {
	for _, index := range slices.Sorted(maps.Keys(d.open)) {
		d.blockStop(index)
	}
	reason := stringAt(data, "stopReason")
	if e := failedStop(reason); e != nil {
		d.fail(e)
		return
	}
	d.stopped = true
	d.emit(providers.Event{Kind: providers.EventFinish, Finish: finishOf(reason), RawFinish: reason,
		StopSequence: stringAt(data, "additionalModelResponseFields", "stop_sequence")})
}

func (d *decoder) metadata(data []byte) {
	ev := providers.Event{Kind: providers.EventUsage, ServiceTier: stringAt(data, "serviceTier", "type")}
	if (egress{}).Usage(data, &ev.Usage) {
		d.emit(ev)
	}
	if !d.stopped { // it stands behind messageStop; before it, it ends nothing
		return
	}
	d.ended = true
	d.emit(providers.Event{Kind: providers.EventEnd})
}
