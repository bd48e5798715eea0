package anthropic

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"slices"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

func (egress) Frame(event string, data []byte) providers.FrameInfo {
	if event != "" && event != "message" { // "message" is what a nameless event is called
		return frameInfo([]byte(event), data)
	}
	return frameInfo(typeOfData(data), data)
}

// typeOfData returns the type member of an event's payload without its quotes, nil if there is none.
func typeOfData(data []byte) []byte {
	const first = `{"type":"` // where every vendor puts it
	if len(data) > len(first) && string(data[:len(first)]) == first {
		if i := bytes.IndexByte(data[len(first):], '"'); i >= 0 {
			return data[len(first) : len(first)+i]
		}
	}
	if start, end, ok := wire.Path(data, "type"); ok && end-start >= 2 && data[start] == '"' {
		return data[start+1 : end-1]
	}
	if start, end, ok := wire.Path(data, "error"); ok && !isNull(data[start:end]) {
		return []byte("error")
	}
	return nil
}

func frameInfo(name, data []byte) providers.FrameInfo {
	switch string(name) {
	case "content_block_delta":
		return providers.FrameDelta
	case "content_block_start":
		if startsWithContent(data) {
			return providers.FrameDelta
		}
	case "message_start":
		return providers.FrameUsage | providers.FrameModel | wholeStart(data)
	case "message_delta":
		return providers.FrameUsage | providers.FrameFinish
	case "message_stop":
		return providers.FrameTerminal
	case "error":
		return providers.FrameError
	}
	return 0
}

// wholeStart tells what a message_start says besides: one that holds the whole answer.
func wholeStart(data []byte) (info providers.FrameInfo) {
	if _, _, ok := wire.Path(data, "message", "content", "0"); ok {
		info |= providers.FrameDelta
	}
	if start, _, ok := wire.Path(data, "message", "stop_reason"); ok && data[start] == '"' {
		info |= providers.FrameFinish
	}
	return info
}

// startsWithContent reports whether a content_block_start holds content already:
// results of server tools and redacted thinking come whole in it.
func startsWithContent(data []byte) bool {
	start, end, ok := wire.Path(data, "content_block", "type")
	if !ok {
		return false
	}
	var content string
	switch string(data[start:end]) {
	case `"text"`:
		content = "text"
	case `"thinking"`:
		content = "thinking"
	case `"tool_use"`, `"server_tool_use"`, `"mcp_tool_use"`: // their input follows
		return false
	default:
		return true
	}
	start, end, ok = wire.Path(data, "content_block", content)
	return ok && end-start > 2
}

func (egress) ModelSpan(data []byte) providers.Span {
	start, end, ok := wire.Path(data, "model")
	if !ok {
		start, end, ok = wire.Path(data, "message", "model")
	}
	if !ok || data[start] != '"' {
		return providers.Span{}
	}
	return providers.Span{Start: start, End: end}
}

// NewDecoder returns the decoder of one stream. It lives with LF and CRLF, with
// event names or without, starts and stops that are missing, and (by
// Quirks.NoDone) without message_stop once the model has said why it stopped.
func (e egress) NewDecoder() providers.Decoder { return &decoder{noDone: e.quirks.NoDone} }

// A decoder reads one streamed answer. Events are made in Feed, so that the fed
// bytes may be reused; Next hands them out.
type decoder struct {
	sse wire.SSE
	providers.Queue

	noDone   bool
	started  bool
	finished bool // a stop reason was seen
	ended    bool // message_stop was seen
	err      error
	usage    providers.Usage
	open     map[int64]*openBlock // by the upstream's index
	count    int                  // blocks so far
}

// maxOpen bounds the blocks an upstream may leave open.
const maxOpen = 4096

type openBlock struct {
	index int
	kind  providers.BlockKind
	input json.RawMessage // of a tool call, as its start told it
	fed   bool            // a fragment of the input has come
}

func (d *decoder) Feed(p []byte) {
	d.sse.Feed(p)
	for {
		ev, ok := d.sse.Next()
		if !ok {
			break
		}
		d.take(ev)
	}
	if err := d.sse.Err(); err != nil && d.err == nil {
		d.err = errTruncated("of the upstream", err)
	}
}

// End may leave a last event to be taken by Next: one that no blank line followed.
func (d *decoder) End() error {
	ev, ok, err := d.sse.End()
	if err != nil && d.err == nil {
		d.err = errTruncated("of the upstream", err)
	}
	if _, broken := wire.Fields(ev.Data, nil, nil); ok && broken == nil {
		d.take(ev)
	}
	switch {
	case d.err != nil:
		return d.err
	case !d.ended && !(d.noDone && d.finished):
		return io.ErrUnexpectedEOF
	}
	return nil
}

// take turns one event of the stream into neutral ones.
func (d *decoder) take(ev wire.Event) {
	if ev.Comment || d.err != nil || d.ended || string(ev.Data) == "[DONE]" {
		return
	}
	data := ev.Data
	if _, err := wire.Fields(data, nil, nil); err != nil {
		data = bytes.ToValidUTF8(data, []byte("\uFFFD"))
		if _, err = wire.Fields(data, nil, nil); err != nil {
			d.fail(nonsense("an event of its stream is broken: " + err.Error()))
			return
		}
	}
	name := ev.Name
	if len(name) == 0 || string(name) == "message" {
		name = typeOfData(data)
	}
	switch string(name) {
	case "message_start":
		d.start(data)
	case "content_block_start":
		d.blockStart(data)
	case "content_block_delta":
		d.blockDelta(data)
	case "content_block_stop":
		index, _ := pathInt(data, "index")
		d.blockStop(index)
	case "message_delta":
		d.messageDelta(data)
	case "message_stop":
		for _, index := range slices.Sorted(maps.Keys(d.open)) {
			d.blockStop(index)
		}
		d.ended = true
		d.Emit(providers.Event{Kind: providers.EventEnd})
	case "ping":
		d.Emit(providers.Event{Kind: providers.EventPing})
	case "error":
		d.fail(egress{}.DecodeError(0, data))
	}
}

func (d *decoder) fail(e *providers.Error) {
	d.err = e
	d.Emit(providers.Event{Kind: providers.EventError, Err: e})
}

func at(data []byte, path ...string) []byte {
	start, end, ok := wire.Path(data, path...)
	if !ok || isNull(data[start:end]) {
		return nil
	}
	return data[start:end]
}

// start reads message_start. A second one before any content says the same again;
// behind content it is another answer spliced in, which cannot be told apart any more.
func (d *decoder) start(data []byte) {
	if d.started && d.count > 0 {
		d.fail(nonsense("a second message starts within its stream"))
		return
	}
	ev := providers.Event{Kind: providers.EventStart, Origin: dialect}
	finish := providers.Event{Kind: providers.EventFinish, Origin: dialect}
	var content []byte
	wire.EachMember(at(data, "message"), func(name, v []byte) bool {
		switch string(name) {
		case "type", "role":
		case "content":
			content = v
		case "stop_reason":
			finish.RawFinish, _ = wire.String(v)
			finish.Finish = finishOf(finish.RawFinish)
		case "stop_sequence":
			finish.StopSequence, _ = wire.String(v)
		case "id":
			ev.ID, _ = wire.String(v)
		case "model":
			ev.Model, _ = wire.String(v)
		case "usage":
			readUsage(v, &d.usage)
			ev.ServiceTier = stringAt(v, "service_tier")
			ev.Extra = member(ev.Extra, name, bytes.Clone(v))
		default:
			ev.Extra = member(ev.Extra, name, bytes.Clone(v))
		}
		return true
	})
	ev.Usage = d.usage
	if d.started {
		return
	}
	d.started = true
	d.Emit(ev)
	// A turn that only passes on the calls of running code (programmatic tool
	// calling) comes whole in its message_start, often without a message_delta.
	index := int64(-1)
	wire.EachElement(content, func(elem []byte) bool {
		d.startOf(index, elem)
		d.blockStop(index)
		index--
		return true
	})
	if finish.Finish != "" {
		d.finished = true
		if len(at(data, "message", "usage")) > 0 { // all that will be told of it, be it nothing but zeros
			d.Emit(providers.Event{Kind: providers.EventUsage, Usage: d.usage, Extra: usageMember(ev.Extra), Origin: dialect})
		}
		d.Emit(finish)
	}
}

// usageMember returns the member that holds the usage as it came.
func usageMember(extra []providers.Member) []providers.Member {
	for i := range extra {
		if extra[i].Name == "usage" {
			return extra[i : i+1]
		}
	}
	return nil
}

// begin opens the block of an upstream index.
func (d *decoder) begin(index int64, b providers.Block) *openBlock {
	if d.open == nil {
		d.open = map[int64]*openBlock{}
	}
	if d.open[index] != nil { // never stopped
		d.blockStop(index)
	}
	if len(d.open) == maxOpen {
		d.fail(nonsense("too many blocks are open in its stream"))
	}
	open := &openBlock{index: d.count, kind: b.Kind}
	d.open[index] = open
	d.count++
	d.Emit(providers.Event{Kind: providers.EventBlockStart, Index: open.index, Block: b})
	return open
}

func (d *decoder) delta(open *openBlock, b providers.Block) {
	b.Origin = dialect
	d.Emit(providers.Event{Kind: providers.EventBlockDelta, Index: open.index, Block: b})
}

func (d *decoder) blockStart(data []byte) {
	index, _ := pathInt(data, "index")
	if raw := at(data, "content_block"); len(raw) > 0 {
		d.startOf(index, raw)
	}
}

// startOf opens a block from what its start told, content included.
func (d *decoder) startOf(index int64, raw []byte) {
	raw = bytes.Clone(raw)
	b := providers.Block{Kind: providers.KindOpaque, Raw: raw, Origin: dialect}
	var content string
	switch typ := stringAt(raw, "type"); typ {
	case "text", "thinking", "redacted_thinking", "tool_use":
		b = startBlock(raw, typ)
		content, b.Text = b.Text, ""
	}
	args, signature, payload := b.Args, b.Signature, b.Data
	b.Args, b.Signature, b.Data = nil, "", nil
	open := d.begin(index, b)
	open.input = args
	if content != "" {
		d.delta(open, providers.Block{Kind: b.Kind, Text: content})
	}
	if signature != "" {
		d.delta(open, providers.Block{Kind: b.Kind, Signature: signature, SignatureOrigin: dialect})
	}
	if payload != nil {
		d.delta(open, providers.Block{Kind: b.Kind, Data: payload, SignatureOrigin: dialect})
	}
}

// startBlock reads the block of a content_block_start leniently: a missing or
// odd member must not end a stream.
func startBlock(raw []byte, typ string) providers.Block {
	b := providers.Block{Origin: dialect}
	read := textMember
	switch typ {
	case "text":
		b.Kind = providers.KindText
	case "thinking":
		b.Kind, b.SignatureOrigin, read = providers.KindThinking, dialect, thinkingMember
	case "redacted_thinking":
		b.Kind, b.SignatureOrigin, read = providers.KindRedacted, dialect, redactedMember
	case "tool_use":
		b.Kind, read = providers.KindToolCall, toolUseMember
	}
	wire.EachMember(raw, func(name, v []byte) bool {
		if string(name) == "type" || isNull(v) {
			return true
		}
		if known, _ := read(&b, string(name), v); !known {
			b.Extra = member(b.Extra, name, v)
		}
		return true
	})
	return b
}

func (d *decoder) blockDelta(data []byte) {
	index, _ := pathInt(data, "index")
	raw := at(data, "delta")
	var b providers.Block
	switch stringAt(raw, "type") {
	case "text_delta":
		b = providers.Block{Kind: providers.KindText, Text: stringAt(raw, "text")}
	case "thinking_delta":
		b = providers.Block{Kind: providers.KindThinking, Text: stringAt(raw, "thinking")}
	case "signature_delta":
		b = providers.Block{Kind: providers.KindThinking, Signature: stringAt(raw, "signature"), SignatureOrigin: dialect}
	case "input_json_delta":
		b = providers.Block{Kind: providers.KindToolCall, Text: stringAt(raw, "partial_json")}
	case "citations_delta":
		one := append([]byte{'['}, at(raw, "citation")...)
		b = providers.Block{Kind: providers.KindText, Citations: append(one, ']')}
	default: // a kind newer than this code: kept for callers of the same format
		if len(raw) == 0 {
			return
		}
		b = providers.Block{Kind: providers.KindOpaque, Raw: bytes.Clone(raw)}
	}
	open := d.open[index]
	if open == nil { // the start is missing: the first delta says what the block is
		open = d.begin(index, providers.Block{Kind: b.Kind, Origin: dialect})
	}
	if open.kind == providers.KindOpaque {
		b.Kind = providers.KindOpaque
	}
	open.fed = open.fed || b.Text != ""
	d.delta(open, b)
}

func (d *decoder) blockStop(index int64) {
	open := d.open[index]
	if open == nil {
		return
	}
	delete(d.open, index)
	if open.kind == providers.KindToolCall && !open.fed && len(open.input) > len("{}") {
		d.delta(open, providers.Block{Kind: open.kind, Text: string(open.input)})
	}
	d.Emit(providers.Event{Kind: providers.EventBlockStop, Index: open.index})
}

func (d *decoder) messageDelta(data []byte) {
	var usage, extra []providers.Member
	wire.EachMember(data, func(name, v []byte) bool {
		switch string(name) {
		case "type", "delta":
		case "usage":
			readUsage(v, &d.usage)
			usage = member(nil, name, bytes.Clone(v))
		default:
			extra = member(extra, name, bytes.Clone(v))
		}
		return true
	})
	if usage != nil {
		d.Emit(providers.Event{Kind: providers.EventUsage, Usage: d.usage, Extra: usage, Origin: dialect})
	}
	finish := providers.Event{Kind: providers.EventFinish, Origin: dialect, Extra: extra}
	wire.EachMember(at(data, "delta"), func(name, v []byte) bool {
		switch string(name) {
		case "stop_reason":
			finish.RawFinish, _ = wire.String(v)
			finish.Finish = finishOf(finish.RawFinish)
		case "stop_sequence":
			finish.StopSequence, _ = wire.String(v)
		default:
			finish.Extra = member(finish.Extra, name, bytes.Clone(v))
		}
		return true
	})
	d.finished = d.finished || finish.Finish != ""
	if finish.Finish != "" || len(finish.Extra) > 0 {
		d.Emit(finish)
	}
}
