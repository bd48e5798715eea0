package gemini

import (
	"bytes"
	"errors"
	"io"
	"strconv"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

// NewDecoder returns the decoder of one stream: server-sent events with LF or
// CRLF, or one JSON array. The format has no terminal event; a stream is whole
// when its input ends after every candidate has said why it stopped.
func (egress) NewDecoder() providers.Decoder { return &decoder{} }

// A decoder reads one streamed answer. Events are made in Feed, so that the fed
// bytes may be reused; Next hands them out.
type decoder struct {
	sse   wire.SSE
	array *wire.Array // set where the stream is one
	begun bool        // what the stream is has been seen
	providers.Queue

	started bool
	err     error
	id      string
	usage   providers.Usage
	blocks  int // so far
	list    []*candidate
}

// A candidate is one answer of several.
type candidate struct {
	index   int
	open    int // block index of the text or thinking that goes on; -1: none
	kind    providers.BlockKind
	calls   int
	call    *openCall
	text    []byte // for places of citations, which count bytes of it
	reason  string
	message string
	extra   []providers.Member
}

// An openCall is a call whose arguments come in pieces.
type openCall struct {
	block providers.Block
	args  pieces
}

// maxText bounds the text kept to place citations in.
const maxText = 1 << 20

func (d *decoder) Feed(p []byte) {
	if !d.begun {
		if p = trimSpace(p); len(p) == 0 {
			return
		}
		d.begun = true
		if p[0] == '[' {
			d.array = &wire.Array{}
		}
	}
	if d.array != nil {
		d.array.Feed(p)
		for {
			elem, _, ok := d.array.Next()
			if !ok {
				break
			}
			d.take(elem)
		}
		d.broken(d.array.Err())
		return
	}
	d.sse.Feed(p)
	for {
		ev, ok := d.sse.Next()
		if !ok {
			break
		}
		d.event(&ev)
	}
	d.broken(d.sse.Err())
}

func (d *decoder) broken(err error) {
	if err != nil && d.err == nil {
		d.err = err
	}
}

// End says why each candidate stopped, which is known only now: the format says
// STOP behind calls too, and may say it before them. It leaves these events to Next.
func (d *decoder) End() error {
	whole := d.begun
	if d.array != nil {
		_, whole = d.array.End()
	} else if ev, ok, err := d.sse.End(); err != nil {
		d.broken(err)
	} else if ok && !ev.Comment {
		if _, syntax := wire.Fields(ev.Data, nil, nil); syntax != nil {
			whole = false // cut within an event
		} else {
			d.event(&ev)
		}
	}
	if d.err != nil {
		return d.err
	}
	for _, c := range d.list {
		whole = whole && c.reason != ""
	}
	if !whole || len(d.list) == 0 {
		return io.ErrUnexpectedEOF
	}
	for _, c := range d.list {
		d.close(c)
		f, _ := finishOf(c.reason, c.calls > 0)
		if c.blocked() {
			f = providers.FinishContentFilter
		}
		d.Emit(providers.Event{Kind: providers.EventFinish, Choice: c.index, Finish: f, RawFinish: c.reason, Extra: c.extra, Origin: dialect})
	}
	return nil
}

// blocked reports whether the prompt was refused: there is a reason and no candidate.
func (c *candidate) blocked() bool { return find(c.extra, "promptFeedback") != nil }

func (d *decoder) event(ev *wire.Event) {
	if ev.Comment || string(ev.Data) == "[DONE]" { // the latter from proxies
		return
	}
	d.take(ev.Data)
}

// take turns one event of the stream into neutral ones.
func (d *decoder) take(data []byte) {
	if d.err != nil {
		return
	}
	if wire.IsArray(trimSpace(data)) { // some proxies wrap each event, errors above all
		if start, end, ok := wire.Path(data, "0"); ok {
			data = data[start:end]
		}
	}
	if _, err := wire.Fields(data, nil, nil); err != nil {
		data = bytes.ToValidUTF8(data, []byte("\uFFFD"))
		if _, err = wire.Fields(data, nil, nil); err != nil {
			d.fail(nonsense("an event of its stream is broken: " + err.Error()))
			return
		}
	}
	data = bytes.Clone(data)                                                                  // the events point into it
	if inner := at(data, "response"); wire.IsObject(inner) && at(data, "candidates") == nil { // Code Assist's envelope
		data = inner
	}
	if at(data, "error") != nil {
		d.report(data)
		d.fail(egress{}.DecodeError(0, data))
		return
	}
	d.start(data)
	wire.EachElement(at(data, "candidates"), func(elem []byte) bool {
		d.candidate(elem)
		return d.err == nil
	})
	if feedback := at(data, "promptFeedback"); d.err == nil && stringAt(feedback, "blockReason") != "" && len(d.list) == 0 {
		d.list = append(d.list, &candidate{open: -1, reason: stringAt(feedback, "blockReason"), extra: member(nil, "promptFeedback", feedback)})
	}
	if d.err == nil {
		d.report(data)
	}
}

// report tells of the usage that data holds.
func (d *decoder) report(data []byte) {
	if v := at(data, "usageMetadata"); v != nil && readUsage(v, &d.usage) {
		d.Emit(providers.Event{Kind: providers.EventUsage, Usage: d.usage, Extra: member(nil, "usageMetadata", v), Origin: dialect})
	}
}

func (d *decoder) fail(e *providers.Error) {
	d.err = e
	d.Emit(providers.Event{Kind: providers.EventError, Err: e})
}

func (d *decoder) start(data []byte) {
	if d.started {
		return
	}
	d.started = true
	ev := providers.Event{Kind: providers.EventStart, ID: stringAt(data, "responseId"), Model: stringAt(data, "modelVersion"), Origin: dialect}
	if v := at(data, "usageMetadata"); v != nil {
		readUsage(v, &ev.Usage)
		ev.ServiceTier = stringAt(v, "serviceTier")
	}
	if v := at(data, "createTime"); v != nil {
		ev.Extra = member(ev.Extra, "createTime", v)
	}
	d.id = ev.ID
	d.Emit(ev)
}

// at returns the candidate of an index, made if it is new.
func (d *decoder) at(index int) *candidate {
	for _, c := range d.list {
		if c.index == index {
			return c
		}
	}
	c := &candidate{index: index, open: -1}
	d.list = append(d.list, c)
	return c
}

func (d *decoder) candidate(elem []byte) {
	n, _ := wire.Int(at(elem, "index"))
	if n < 0 || n >= maxCandidates {
		d.fail(nonsense("a candidate of its stream has the index " + strconv.FormatInt(n, 10)))
		return
	}
	c := d.at(int(n))
	var content []byte
	eachMember(elem, func(name string, v []byte) bool {
		switch name {
		case "index":
		case "content":
			content = at(v, "parts")
		case "finishReason":
			if reason := reasonOf(v); reason != "" {
				c.reason = reason
			}
		case "finishMessage":
			c.message, _ = wire.String(v)
			c.keep(name, v)
		default:
			c.keep(name, v)
		}
		return true
	})
	first := len(d.Events)
	if wire.IsObject(content) {
		d.part(c, content)
	}
	wire.EachElement(content, func(part []byte) bool {
		d.part(c, part)
		return d.err == nil
	})
	if list := chatLogprobs(at(elem, "logprobsResult")); list != nil {
		withLogprobs(d.Events[first:], c.index, list)
	}
	if grounding := at(elem, "groundingMetadata"); grounding != nil {
		d.cite(c, grounding)
	}
	if _, failed := finishOf(c.reason, false); failed && d.err == nil {
		d.fail(unusable(c.reason, c.message))
	}
}

// keep holds the latest value of a member of the candidate.
func (c *candidate) keep(name string, v []byte) {
	for i := range c.extra {
		if c.extra[i].Name == name {
			c.extra[i].Value = v
			return
		}
	}
	c.extra = member(c.extra, name, v)
}

func (d *decoder) part(c *candidate, raw []byte) {
	if call := at(raw, "functionCall"); c.call != nil || call != nil && (isTrue(at(call, "willContinue")) || at(call, "partialArgs") != nil) {
		if d.piece(c, raw, call) {
			return
		}
	}
	if call := at(raw, "functionCall"); wire.IsObject(call) && stringAt(call, "name") == "" {
		return // the end of a call that came in pieces, once more
	}
	b, err := decodePart(raw)
	if err != nil {
		d.fail(nonsense("a part of its stream is malformed: " + named(err).Error()))
		return
	}
	switch b.Kind {
	case providers.KindText, providers.KindThinking:
		d.words(c, &b)
	case providers.KindToolCall:
		d.whole(c, &b)
	case providers.KindToolResult: // nothing a model says
	default:
		d.close(c)
		index := d.begin(c, providers.Block{Kind: b.Kind, MediaType: b.MediaType, Raw: b.Raw, Origin: dialect})
		if b.Kind != providers.KindOpaque {
			d.delta(c, index, b)
		}
		d.Emit(providers.Event{Kind: providers.EventBlockStop, Index: index, Choice: c.index})
	}
}

// words passes text or thinking on, in the block that is open for it.
func (d *decoder) words(c *candidate, b *providers.Block) {
	if b.Text == "" && b.Signature == "" {
		return
	}
	if c.open < 0 || c.kind != b.Kind {
		d.close(c)
		c.open, c.kind = d.begin(c, providers.Block{Kind: b.Kind, Origin: dialect}), b.Kind
	}
	if b.Kind == providers.KindText && len(c.text)+len(b.Text) <= maxText {
		c.text = append(c.text, b.Text...)
	}
	b.Raw, b.Extra = nil, nil
	d.delta(c, c.open, *b)
}

// whole passes on a call that has come whole, as they do.
func (d *decoder) whole(c *candidate, b *providers.Block) {
	d.close(c)
	if b.ID == "" {
		b.ID = callID(d.id+strconv.Itoa(c.index), b.ToolName, b.Args, c.calls)
	}
	c.calls++
	index := d.begin(c, providers.Block{Kind: b.Kind, ID: b.ID, ToolName: b.ToolName, Signature: b.Signature, SignatureOrigin: b.SignatureOrigin, Origin: dialect})
	d.delta(c, index, providers.Block{Kind: b.Kind, Text: string(b.Args)})
	d.Emit(providers.Event{Kind: providers.EventBlockStop, Index: index, Choice: c.index})
}

// piece takes a part of a call that comes bit by bit. It reports false where the
// part does not belong to it.
func (d *decoder) piece(c *candidate, raw, call []byte) bool {
	name := stringAt(call, "name")
	if c.call != nil && (call == nil || name != "") { // the next thing begins: this one must be whole
		d.assembled(c)
		if call == nil || !isTrue(at(call, "willContinue")) && at(call, "partialArgs") == nil {
			return false
		}
	}
	if c.call == nil {
		b := providers.Block{Kind: providers.KindToolCall, ID: stringAt(call, "id"), ToolName: name}
		b.Signature, b.SignatureOrigin = readSignature(stringAt(raw, "thoughtSignature"))
		if name == "" {
			d.fail(nonsense("a call of its stream has no name"))
			return true
		}
		c.call = &openCall{block: b}
	} else if s := stringAt(raw, "thoughtSignature"); s != "" {
		c.call.block.Signature, c.call.block.SignatureOrigin = readSignature(s)
	}
	wire.EachElement(at(call, "partialArgs"), func(elem []byte) bool {
		if !c.call.args.add(elem) {
			d.fail(nonsense("the arguments of a call of its stream do not fit together"))
		}
		return d.err == nil
	})
	if args := at(call, "args"); wire.ValidObject(args) && string(args) != "{}" && d.err == nil { // all of them at the end
		c.call.block.Args = args
	}
	if !isTrue(at(call, "willContinue")) && d.err == nil {
		d.assembled(c)
	}
	return true
}

// assembled passes on the call that came bit by bit.
func (d *decoder) assembled(c *candidate) {
	b := c.call.block
	if b.Args == nil {
		b.Args = c.call.args.args()
	}
	c.call = nil
	d.whole(c, &b)
}

// cite gives the citations of the text, which come at the end of it.
func (d *decoder) cite(c *candidate, grounding []byte) {
	list := annotations(grounding, string(c.text))
	if list == nil {
		return
	}
	if c.open < 0 || c.kind != providers.KindText {
		d.close(c)
		c.open, c.kind = d.begin(c, providers.Block{Kind: providers.KindText, Origin: dialect}), providers.KindText
	}
	d.Emit(providers.Event{Kind: providers.EventBlockDelta, Index: c.open, Choice: c.index,
		Block: providers.Block{Kind: providers.KindText, Citations: list, Origin: providers.Chat}})
}

func (d *decoder) begin(c *candidate, b providers.Block) (index int) {
	index = d.blocks
	d.blocks++
	d.Emit(providers.Event{Kind: providers.EventBlockStart, Index: index, Choice: c.index, Block: b, Origin: dialect})
	return index
}

func (d *decoder) delta(c *candidate, index int, b providers.Block) {
	b.Origin = dialect
	d.Emit(providers.Event{Kind: providers.EventBlockDelta, Index: index, Choice: c.index, Block: b, Origin: dialect})
}

// close ends the block that is open.
func (d *decoder) close(c *candidate) {
	if c.call != nil {
		d.assembled(c)
	}
	if c.open >= 0 {
		d.Emit(providers.Event{Kind: providers.EventBlockStop, Index: c.open, Choice: c.index})
		c.open = -1
	}
}

// gather reads an array of events as one answer.
func gather(body []byte) (*providers.Response, error) {
	d := &decoder{}
	d.Feed(body)
	err := d.End()
	r := &providers.Response{Origin: dialect, Usage: d.usage, HasUsage: !d.usage.Zero()}
	var ev providers.Event
	where := map[int]*providers.Block{}
	var blocks []*providers.Block
	owner := map[*providers.Block]int{}
	for d.Next(&ev) {
		switch ev.Kind {
		case providers.EventStart:
			r.ID, r.Model, r.ServiceTier = ev.ID, ev.Model, ev.ServiceTier
		case providers.EventBlockStart:
			b := ev.Block
			where[ev.Index] = &b
			blocks = append(blocks, &b)
			owner[&b] = ev.Choice
		case providers.EventBlockDelta:
			join(where[ev.Index], &ev.Block)
		case providers.EventFinish:
			r.Choices = append(r.Choices, providers.Choice{Index: ev.Choice, Finish: ev.Finish, RawFinish: ev.RawFinish, Extra: ev.Extra})
		}
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, nonsense("its list of events is not whole")
	}
	if err != nil {
		return nil, err
	}
	for i := range r.Choices {
		for _, b := range blocks {
			if owner[b] == r.Choices[i].Index {
				r.Choices[i].Blocks = append(r.Choices[i].Blocks, *b)
			}
		}
	}
	return r, nil
}

// join adds a delta to the block it belongs to.
func join(to, delta *providers.Block) {
	if to.Kind == providers.KindToolCall {
		to.Args = append(to.Args, delta.Text...)
		return
	}
	to.Text += delta.Text
	to.Data = append(to.Data, delta.Data...)
	if delta.Signature != "" {
		to.Signature, to.SignatureOrigin = delta.Signature, delta.SignatureOrigin
	}
	if delta.Citations != nil {
		to.Citations, to.Origin = delta.Citations, delta.Origin
	}
}
