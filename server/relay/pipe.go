package relay

import (
	"bytes"
	"errors"
	"io"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

// A pipe turns an upstream's stream bytes into the caller's. Relaying and
// translating are its two implementations.
type pipe interface {
	// feed takes upstream bytes and hands every resulting piece to put, with what
	// it means. It stops early when put reports false.
	feed(p []byte, put func(piece []byte, info providers.FrameInfo) bool) error
	// end tells that the upstream's body has ended properly; its error says the
	// stream was not whole.
	end(put func(piece []byte, info providers.FrameInfo) bool) error
	// terminal returns the bytes that complete the caller's stream, if the pipe makes them itself.
	terminal(dst []byte) []byte
	// fail writes the error that ends the caller's stream instead, behind the
	// content that has been put.
	fail(dst []byte, e *providers.Error) []byte
}

// A relayPipe passes events on as they are.
type relayPipe struct {
	x         *exchange
	sse       wire.SSE
	model     []byte // the name to show, quoted; nil: leave the upstream's
	cutUsage  bool   // the caller did not ask for the usage event
	finished  bool
	kept      bool               // where the answer can be asked for again is remembered
	described bool               // what the answer says of itself was noted
	whole     bool               // the terminal event was seen
	noDone    bool               // the vendor may leave it out
	closing   bool               // there is none in this format
	numbered  providers.Numbered // nil: events of this format have no numbers
	followed  providers.Followed
	scratch   []byte
}

func (x *exchange) newRelayPipe() *relayPipe {
	t := x.target
	p := &relayPipe{x: x, cutUsage: x.addsUsage(t), noDone: x.job.Open || t.Account.Provider.Quirks.NoDone}
	p.numbered, _ = x.job.In.(providers.Numbered)
	if x.shownModel() != "" {
		p.model = wire.AppendString(nil, x.shownModel())
	}
	return p
}

// shownModel returns the name the caller used where it is not the upstream's; "" otherwise.
func (x *exchange) shownModel() string {
	if x.target.Model != x.job.Peek.Model && (x.job.Peek.ModelSpan.Found() || x.job.Peek.InPath) {
		return x.job.Peek.Model
	}
	return ""
}

func (p *relayPipe) feed(b []byte, put func([]byte, providers.FrameInfo) bool) error {
	p.sse.Feed(b)
	for {
		ev, ok := p.sse.Next()
		if !ok {
			return p.sse.Err()
		}
		if !p.event(&ev, put) {
			return nil
		}
	}
}

func (p *relayPipe) event(ev *wire.Event, put func([]byte, providers.FrameInfo) bool) bool {
	if len(ev.Data) == 0 {
		return put(ev.Raw, 0)
	}
	x := p.x
	if broken(ev.Data) {
		x.stream.err = badResponse("an event of its stream is broken")
		return put(nil, providers.FrameError)
	}
	info := x.frames.Frame(eventName(ev.Name), ev.Data)
	if info&(providers.FrameUsage|providers.FrameError) != 0 && x.frames.Usage(ev.Data, &x.usage) {
		x.hasUsage = true
	}
	if info&providers.FrameDelta != 0 {
		x.deltas++
	}
	if info&providers.FrameModel != 0 && !p.kept && x.keepsThread() {
		p.kept = true
		x.keptAt(ev.Data)
	}
	if info&providers.FrameFinish != 0 {
		p.finished = true
	}
	if x.job.Trace.Recorded() && (!p.described && info&providers.FrameModel != 0 || info&(providers.FrameFinish|providers.FrameClosing) != 0) {
		p.described = true
		x.describe(ev.Data)
	}
	p.closing = p.closing || info&providers.FrameClosing != 0
	if info&providers.FrameTerminal != 0 {
		p.whole = true
		if x.keepsThread() {
			x.keptItemsAt(ev.Data)
		}
	}
	if info&providers.FrameError != 0 {
		return put(ev.Data, info)
	}
	if p.numbered != nil && !p.whole { // the last one goes out only where nothing can fail any more
		p.numbered.Follow(&p.followed, ev.Data)
	}
	if p.cutUsage && info&providers.FrameUsageOnly != 0 {
		return put(nil, info)
	}
	return put(p.rename(ev), info)
}

// broken reports whether data begins an object and does not end it: a caller could not
// read it, and what it was meant to say is lost.
func broken(data []byte) bool {
	if n := len(data); n > 0 && data[n-1] == '}' { // as nearly all end
		return false
	}
	data = bytes.TrimSpace(data)
	return len(data) > 0 && data[0] == '{' && data[len(data)-1] != '}'
}

// eventName spares the conversion of the names that come with every event.
func eventName(b []byte) string {
	switch string(b) {
	case "":
		return ""
	case "content_block_delta":
		return "content_block_delta"
	case "content_block_start":
		return "content_block_start"
	case "content_block_stop":
		return "content_block_stop"
	case "message_delta":
		return "message_delta"
	}
	return string(b)
}

// rename puts the caller's name of the model into an event that carries one.
func (p *relayPipe) rename(ev *wire.Event) []byte {
	if p.model == nil {
		return ev.Raw
	}
	span := p.x.frames.ModelSpan(ev.Data)
	if !span.Found() {
		return ev.Raw
	}
	at := ev.At
	if at < 0 { // data joined from several lines: written anew
		data := wire.Splice(nil, ev.Data, []wire.Edit{{Start: span.Start, End: span.End, New: p.model}})
		p.scratch = wire.AppendData(p.scratch[:0], string(ev.Name), data)
		return p.scratch
	}
	p.scratch = wire.Splice(p.scratch[:0], ev.Raw, []wire.Edit{{Start: at + span.Start, End: at + span.End, New: p.model}})
	return p.scratch
}

func (p *relayPipe) end(put func([]byte, providers.FrameInfo) bool) error {
	ev, ok, err := p.sse.End()
	cut := ok && p.cut(&ev)
	if ok && !cut && !p.event(&ev, put) {
		return nil
	}
	if err != nil {
		return err
	}
	if p.whole || p.finished && p.noDone || p.closing && !cut {
		return nil
	}
	if ok {
		put([]byte("\n\n"), 0) // the error that follows is an event of its own
	}
	return io.ErrUnexpectedEOF
}

// cut reports whether the stream broke off within ev: what came of it is no event,
// and would spoil the one that says so.
func (p *relayPipe) cut(ev *wire.Event) bool {
	if !ev.Partial || p.whole || p.x.frames.Frame(string(ev.Name), ev.Data)&providers.FrameTerminal != 0 {
		return false
	}
	_, err := wire.Fields(ev.Data, nil, nil)
	return err != nil
}

func (p *relayPipe) terminal(dst []byte) []byte { return dst }

func (p *relayPipe) fail(dst []byte, e *providers.Error) []byte {
	if p.numbered != nil {
		return p.numbered.AppendFollowingError(dst, e, &p.followed)
	}
	return streamError(dst, p.x.job.In, e, true)
}

// A translatePipe goes through the neutral events.
type translatePipe struct {
	x    *exchange
	dec  providers.Decoder
	enc  providers.Encoder
	kept recollection
	buf  []byte
	done bool
}

func (x *exchange) newTranslatePipe() *translatePipe {
	o := providers.EncodeOptions{Model: x.job.Peek.Model, IncludeUsage: x.job.Peek.IncludeUsage, RequestID: x.job.ID, Created: x.job.Accepted.Unix(), Asked: x.asked()}
	if x.job.In.Dialect() == providers.Messages { // its clients read the size of the context from the first event
		o.InputTokens = estimateTokens(x.job.Body)
	}
	return &translatePipe{x: x, kept: x.newRecollection(), dec: x.target.Egress.NewDecoder(), enc: x.job.In.NewEncoder(o)}
}

func (p *translatePipe) feed(b []byte, put func([]byte, providers.FrameInfo) bool) error {
	p.dec.Feed(b)
	p.drain(put)
	return nil
}

func (p *translatePipe) drain(put func([]byte, providers.FrameInfo) bool) {
	var ev providers.Event
	for p.dec.Next(&ev) {
		info := p.note(&ev)
		p.kept.event(&ev)
		if info&providers.FrameError != 0 {
			p.x.stream.err = ev.Err
			put(nil, info)
			return
		}
		p.buf = p.buf[:0]
		if info&providers.FrameTerminal == 0 {
			p.buf = p.enc.Append(p.buf, &ev)
		}
		if (len(p.buf) > 0 || info != 0) && !put(p.buf, info) {
			return
		}
	}
}

// note takes from an event what the gateway keeps, and says what it means.
func (p *translatePipe) note(ev *providers.Event) providers.FrameInfo {
	if p.x.job.Trace.Recorded() {
		p.x.describeEvent(ev)
	}
	switch ev.Kind {
	case providers.EventStart, providers.EventUsage:
		if ev.Kind == providers.EventUsage || !ev.Usage.Zero() {
			p.x.usage, p.x.hasUsage = ev.Usage, true
		}
	case providers.EventBlockDelta:
		p.x.deltas++
		return providers.FrameDelta
	case providers.EventFinish:
		return providers.FrameFinish
	case providers.EventError:
		return providers.FrameError
	case providers.EventEnd:
		p.done = true
		return providers.FrameTerminal
	}
	return 0
}

func (p *translatePipe) end(put func([]byte, providers.FrameInfo) bool) error {
	if p.done {
		return nil
	}
	err := p.dec.End()
	p.drain(put)
	if p.done || p.x.stream.err != nil {
		return nil
	}
	if err != nil {
		var e *providers.Error
		if errors.As(err, &e) {
			p.x.stream.err = e
		}
		return err
	}
	put(nil, providers.FrameTerminal)
	return nil
}

func (p *translatePipe) fail(dst []byte, e *providers.Error) []byte { return p.enc.Fail(dst, e) }

func (p *translatePipe) terminal(dst []byte) []byte {
	dst = p.enc.End(dst)
	if p.x.keepsThread() {
		p.x.keepStreamed(dst)
	}
	return dst
}
