package openai

import (
	"bytes"
	"cmp"
	"encoding/json"
	"io"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

// maxChoices bounds the candidates of a stream, and maxCalls the tool calls of one of them.
const (
	maxChoices = 128
	maxCalls   = 1024
)

// NewDecoder returns the decoder of one stream. What it must live with (counted
// in recorded traffic): LF, CRLF and comments; usage before, with or after the
// finish; first chunks without choices (Azure); ids that change; roles in every
// delta; whole tool calls in one chunk, some without index (Mistral); content as
// a list (Mistral); error objects inside a stream of status 200, with an event
// name or without (Groq, OpenRouter); no [DONE] (Perplexity, gpustack).
//
// End returns nil if [DONE] was seen, or if the vendor is known to leave it out
// (Quirks.NoDone) and every choice seen has finished; the error the stream
// reported, if it did; else io.ErrUnexpectedEOF. Events that the last bytes held
// are to be read after End.
func (e chatEgress) NewDecoder() providers.Decoder {
	return &decoder{noDone: e.quirks.NoDone}
}

type decoder struct {
	sse wire.SSE
	providers.Queue
	blocks  int // started so far
	choices map[int]*choiceState
	order   []int // choice indexes by first appearance

	noDone  bool
	id      string // of the answer
	started bool
	done    bool
	err     error
}

// A choiceState is what is known of one candidate.
type choiceState struct {
	index    int
	open     *openBlock // text, thinking, refusal or audio at hand
	calls    []*openBlock
	finished bool

	halves                   [2]wire.Half // of characters, in the content and in the thinking
	thought, proof, redacted []byte       // the thinking told so far, its last signature, the last redacted block
}

// An openBlock has been started and not stopped.
type openBlock struct {
	kind  providers.BlockKind
	index int
	slot  int64 // a tool call's index on the wire; -1: none
	id    string

	head   *providers.Block // a tool call whose name has not come yet
	held   string           // its arguments so far
	custom bool
	said   bool // some of its arguments have been told
}

func (d *decoder) Feed(p []byte) {
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

func (d *decoder) End() error {
	if ev, ok, _ := d.sse.End(); ok { // its error was met in Feed
		d.event(&ev)
	}
	switch {
	case d.err != nil:
		return d.err
	case d.done:
		return nil
	case d.noDone && d.allFinished():
		return nil
	}
	return io.ErrUnexpectedEOF
}

func (d *decoder) allFinished() bool {
	for _, c := range d.choices {
		if !c.finished {
			return false
		}
	}
	return len(d.choices) > 0
}

func (d *decoder) emit(ev providers.Event) {
	ev.Origin = dialect
	d.Emit(ev)
}

func (d *decoder) fail(e *providers.Error) {
	d.err = e
	d.emit(providers.Event{Kind: providers.EventError, Err: e})
}

// event reads one SSE event. What follows [DONE] or an error is not looked at.
func (d *decoder) event(ev *wire.Event) {
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
	case bytes.Equal(data, done):
		for _, n := range d.order {
			d.unsaid(d.choices[n])
		}
		d.done = true
		d.emit(providers.Event{Kind: providers.EventEnd})
		return
	}
	// The byte search spares most chunks the walk over their members.
	reported := string(ev.Name) == "error" || bytes.Contains(data, errorName) && wire.IsObject(data) && at(data, "error") != nil
	switch {
	case reported:
		d.chunk(data, true)
		d.fail(chatEgress{}.DecodeError(0, data))
	case !wire.IsObject(data) || !whole(data):
		d.fail(malformed("a chunk of its stream is no JSON object"))
	default:
		d.chunk(data, false)
	}
}

// chunk reads one chunk; of one that reports an error, the usage alone.
func (d *decoder) chunk(data []byte, failed bool) {
	if failed {
		d.usage(data)
		return
	}
	start := providers.Event{Kind: providers.EventStart}
	var choices []byte
	wire.EachMember(data, func(name, v []byte) bool {
		switch string(name) {
		case "id":
			start.ID = text(v)
			d.id = cmp.Or(d.id, start.ID)
		case "model":
			start.Model = text(v)
		case "created":
			start.Created, _ = wire.Int(v)
		case "service_tier":
			start.ServiceTier = text(v)
		case "system_fingerprint":
			start.Fingerprint = text(v)
		case "choices":
			choices = v
		}
		return true
	})
	// Azure's first chunk has an empty id and model; the next one tells them.
	if !d.started && (start.ID != "" || at(choices, "0") != nil) {
		d.started = true
		d.emit(start)
	}
	n := 0
	wire.EachElement(choices, func(elem []byte) bool {
		d.choice(elem, n)
		n++
		return true
	})
	d.usage(data)
}

var (
	errorName = []byte(`"error"`)
	usageName = []byte(`"usage"`)
)

// whole reports whether a chunk is one JSON value. The field finder is faster,
// but refuses text that is not UTF-8, which must not end a stream.
func whole(data []byte) bool {
	_, err := wire.Fields(data, nil, nil)
	return err == nil || valid(data)
}

func (d *decoder) usage(data []byte) {
	var u providers.Usage
	if bytes.Contains(data, usageName) && (chatEgress{}).Usage(data, &u) {
		d.emit(providers.Event{Kind: providers.EventUsage, Usage: u})
	}
}

// state returns what is known of a choice, made on first use.
func (d *decoder) state(index int) *choiceState {
	if c := d.choices[index]; c != nil {
		return c
	}
	if len(d.order) >= maxChoices {
		return d.choices[d.order[0]]
	}
	if d.choices == nil {
		d.choices = map[int]*choiceState{}
	}
	c := &choiceState{index: index}
	d.choices[index] = c
	d.order = append(d.order, index)
	return c
}

func (d *decoder) choice(raw []byte, n int) {
	if i, ok := wire.Int(at(raw, "index")); ok && i >= 0 && i < 1<<16 {
		n = int(i)
	}
	c := d.state(n)
	var logprobs json.RawMessage
	word, sequence := "", ""
	var delta []byte
	wire.EachMember(raw, func(name, v []byte) bool {
		switch string(name) {
		case "delta":
			delta = v
		case "message": // a whole answer in one chunk
			if delta == nil {
				delta = v
			}
		case "finish_reason":
			word = text(v)
		case "stop_reason", "matched_stop":
			sequence = text(v)
		case "logprobs":
			if wire.IsObject(v) {
				logprobs = bytes.Clone(v)
			}
		}
		return true
	})
	first := len(d.Events)
	d.delta(c, delta)
	if logprobs != nil {
		d.attach(c, first, logprobs)
	}
	if word != "" && !c.finished {
		c.finished = true
		called := len(c.calls) > 0
		d.stopAll(c)
		d.emit(providers.Event{Kind: providers.EventFinish, Choice: c.index, RawFinish: word,
			Finish: finish(word, called, sequence), StopSequence: sequence})
	}
}

// attach puts logprobs on the first delta of the chunk; without one it makes an
// empty one, so that they are not lost.
func (d *decoder) attach(c *choiceState, first int, logprobs json.RawMessage) {
	for i := first; i < len(d.Events); i++ {
		if d.Events[i].Kind == providers.EventBlockDelta {
			d.Events[i].Logprobs = logprobs
			return
		}
	}
	if c.open != nil {
		d.emit(providers.Event{Kind: providers.EventBlockDelta, Index: c.open.index, Choice: c.index,
			Block: providers.Block{Kind: c.open.kind, Origin: dialect}, Logprobs: logprobs})
	}
}

// unsaid ends a choice of a whole stream whose reason was never given (or empty).
func (d *decoder) unsaid(c *choiceState) {
	called := len(c.calls) > 0
	d.stopAll(c)
	if !c.finished {
		c.finished = true
		d.emit(providers.Event{Kind: providers.EventFinish, Choice: c.index, Finish: finish("", called, "")})
	}
}

// start opens a block.
func (d *decoder) start(c *choiceState, b providers.Block) *openBlock {
	o := &openBlock{kind: b.Kind, index: d.blocks, slot: -1}
	d.blocks++
	b.Origin = dialect
	d.emit(providers.Event{Kind: providers.EventBlockStart, Index: o.index, Choice: c.index, Block: b})
	return o
}

// into returns the open block of that kind, after closing one of another kind.
func (d *decoder) into(c *choiceState, kind providers.BlockKind) *openBlock {
	if c.open == nil || c.open.kind != kind {
		d.stop(c)
		c.open = d.start(c, providers.Block{Kind: kind})
	}
	return c.open
}

// stop closes the block at hand that is no tool call.
func (d *decoder) stop(c *choiceState) {
	if c.open != nil {
		d.emit(providers.Event{Kind: providers.EventBlockStop, Index: c.open.index, Choice: c.index, Block: providers.Block{Kind: c.open.kind}})
		c.open = nil
	}
}

// stopAll closes everything of a choice.
func (d *decoder) stopAll(c *choiceState) {
	d.stop(c)
	for _, o := range c.calls {
		if o.head != nil {
			d.release(c, o)
		}
		d.emit(providers.Event{Kind: providers.EventBlockStop, Index: o.index, Choice: c.index, Block: providers.Block{Kind: o.kind}})
	}
	c.calls = nil
}

// add sends one delta into the open block of b's kind.
func (d *decoder) add(c *choiceState, b providers.Block) {
	o := d.into(c, b.Kind)
	c.heard(&b)
	b.Origin = dialect
	d.emit(providers.Event{Kind: providers.EventBlockDelta, Index: o.index, Choice: c.index, Block: b})
}
