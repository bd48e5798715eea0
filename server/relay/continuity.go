package relay

import (
	"strings"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
	"github.com/your-org/ai-api-gateway/server/routing"
)

// Some vendors sign what a model thinks before it calls a tool, and want it back
// with the tool's result: without it they refuse the turn, or think no further.
// Callers of another format get it in members that format does not know, which
// most clients drop. So a translated answer's thinking is remembered under each
// of its tool calls, and put back where the same key replays a call without any.

// Bounds of what continuity may cost one request.
const (
	maxKept     = 1 << 20 // of one answer, in bytes: its thinking and calls while they pass, and what is remembered of it
	maxRecalled = 4 << 20 // put back into one request, in bytes
	maxLookups  = 1024    // tool calls of one request that are looked up, the latest first
)

// droppedThinking is what a caller is told who asked for thinking and whose
// earlier thinking could not be sent.
const droppedThinking = "thinking"

// signsThinking tells the dialects whose vendors want their thinking back.
func signsThinking(d providers.Dialect) bool { return d == providers.Messages }

// A memory is what is kept of one answer. Without thoughts it says that the model had none.
type memory struct {
	Origin   providers.Dialect `json:"origin"`
	Model    string            `json:"model"` // a vendor may refuse what another model has signed
	Thoughts []thought         `json:"thoughts,omitempty"`
}

// A thought is one block of thinking, Redacted set if it is not readable.
type thought struct {
	Text      string `json:"text,omitempty"`
	Signature string `json:"signature,omitempty"`
	Redacted  []byte `json:"redacted,omitempty"`
}

func modelOf(t *routing.Target) string {
	if t.Entry != nil {
		return t.Entry.ID // the same one for all names of a model
	}
	return t.Model
}

// remembers reports whether the attempt at hand is one to remember.
func (x *exchange) remembers() bool {
	return x.r.o.Vault != nil && x.job.KeyID != "" && !x.same && x.target.Egress != nil && signsThinking(x.target.Egress.Dialect())
}

// thinks reports whether the caller asked for thinking.
func thinks(r *providers.Reasoning) bool {
	if r == nil || r.Mode == "disabled" || r.Effort == "none" || r.Budget != nil && *r.Budget == 0 {
		return false
	}
	return r.Mode != "" || r.Effort != "" || r.Budget != nil
}

// rememberAnswer keeps the thinking of a whole answer.
func (x *exchange) rememberAnswer(resp *providers.Response) {
	if !x.remembers() {
		return
	}
	for i := range resp.Choices {
		x.remember(resp.Choices[i].Blocks)
	}
}

// remember keeps the thinking among blocks, one candidate answer, under each of
// its tool calls: which of them a client replays first is its own affair.
func (x *exchange) remember(blocks []providers.Block) {
	m := memory{Origin: x.target.Egress.Dialect(), Model: modelOf(x.target)}
	calls := 0
	for i := range blocks {
		b := &blocks[i]
		switch {
		case b.Kind == providers.KindToolCall:
			calls++
		case b.SignatureOrigin != m.Origin:
		case b.Kind == providers.KindThinking:
			m.Thoughts = append(m.Thoughts, thought{Text: b.Text, Signature: b.Signature})
		case b.Kind == providers.KindRedacted && len(b.Data) > 0:
			m.Thoughts = append(m.Thoughts, thought{Redacted: b.Data})
		}
	}
	if calls == 0 || len(m.Thoughts) == 0 && !thinks(x.decoded.Reasoning) {
		return
	}
	value, err := wire.Marshal(&m)
	if err != nil {
		return // cannot be, with strings and bytes alone; and an answer is not to fail for it
	}
	room := maxKept
	for i := range blocks {
		b := &blocks[i]
		if room -= len(value); room < 0 {
			return
		}
		if b.Kind == providers.KindToolCall && b.ID != "" {
			x.r.o.Vault.Put(x.job.KeyID, b.ID, b.ToolName, callArgs(b), value)
		}
	}
}

// callArgs returns the arguments of a call as they are compared: the input of a
// free-form tool has the form that it takes in formats without such tools.
func callArgs(b *providers.Block) []byte {
	if !b.Custom {
		return b.Args
	}
	return append(wire.AppendString([]byte(`{"input":`), b.Text), '}')
}

// A recollection gathers the thinking and the tool calls of a stream while its
// events pass. The zero recollection gathers nothing.
type recollection struct {
	x      *exchange // nil: off
	blocks []gathered
	size   int
}

// A gathered block is one that is still growing.
type gathered struct {
	index, choice int
	block         providers.Block
	text, data    []byte
}

// newRecollection returns one for the attempt at hand.
func (x *exchange) newRecollection() recollection {
	if !x.remembers() {
		return recollection{}
	}
	return recollection{x: x}
}

// event takes what is to be remembered from ev, and keeps it when a candidate has
// finished, which is before the caller learns of that.
func (r *recollection) event(ev *providers.Event) {
	if r.x == nil {
		return
	}
	switch ev.Kind {
	case providers.EventBlockStart, providers.EventBlockDelta:
		r.take(ev)
	case providers.EventFinish:
		if ev.Finish != "" {
			r.finish(ev.Choice)
		}
	}
}

func (r *recollection) take(ev *providers.Event) {
	g := r.at(ev)
	if g == nil {
		return
	}
	b := &ev.Block // valid for the time of this call only
	g.text = append(g.text, b.Text...)
	g.data = append(g.data, b.Data...)
	g.block.Signature += b.Signature
	if b.SignatureOrigin != "" {
		g.block.SignatureOrigin = b.SignatureOrigin
	}
	r.size += len(b.Text) + len(b.Data) + len(b.Signature)
	if r.size > maxKept {
		*r = recollection{} // a part would be refused, or stand for another thought
	}
}

// at returns the block an event belongs to, nil if it is of no interest here.
func (r *recollection) at(ev *providers.Event) *gathered {
	if ev.Kind == providers.EventBlockDelta {
		for i := len(r.blocks) - 1; i >= 0; i-- {
			if r.blocks[i].index == ev.Index {
				return &r.blocks[i]
			}
		}
	}
	b := &ev.Block
	switch b.Kind {
	case providers.KindThinking, providers.KindRedacted, providers.KindToolCall:
	default:
		return nil
	}
	r.size += len(b.ID) + len(b.ToolName) + 64
	r.blocks = append(r.blocks, gathered{index: ev.Index, choice: ev.Choice, block: providers.Block{
		Kind: b.Kind, ID: strings.Clone(b.ID), ToolName: strings.Clone(b.ToolName), Custom: b.Custom,
	}})
	return &r.blocks[len(r.blocks)-1]
}

// finish remembers one candidate.
func (r *recollection) finish(choice int) {
	var blocks []providers.Block
	for i := range r.blocks {
		g := &r.blocks[i]
		if g.choice != choice {
			continue
		}
		b := g.block
		if b.Kind == providers.KindToolCall && !b.Custom {
			b.Args = g.text
		} else {
			b.Text = string(g.text)
		}
		b.Data = g.data
		blocks = append(blocks, b)
	}
	r.x.remember(blocks)
}

// recallThinking puts remembered thinking into the assistant's turns of req that
// call tools and have none, and returns what is to be reported as dropped. The
// request is the attempt's own; what its members point to is not, and is copied
// before it is changed.
func (x *exchange) recallThinking(req *providers.Request) (dropped []string) {
	if !signsThinking(x.target.Egress.Dialect()) {
		return nil
	}
	r := recall{x: x, req: req, room: maxRecalled, lookups: maxLookups}
	list := req.Messages
	latest := true
	for end := len(list); end > 0 && r.lookups > 0 && r.room > 0; {
		start := end
		for start > 0 && list[start-1].Role == providers.RoleAssistant {
			start--
		}
		if start == end {
			end--
			continue
		}
		// Without it the vendor refuses only a turn whose tool results are what is asked about.
		open := latest && end < len(list) && list[end].Role == providers.RoleTool
		if lost := r.turn(start, end); lost && open && thinks(req.Reasoning) {
			dropped = []string{droppedThinking}
		}
		latest, end = false, start
	}
	return dropped
}

// A recall is the state of putting thinking back into one request.
type recall struct {
	x       *exchange
	req     *providers.Request
	copied  bool // req.Messages is the attempt's own
	room    int
	lookups int
}

// turn restores one turn of the assistant: the messages [start, end), which stand
// together and become one on the wire. lost: it has called tools, and nobody
// knows what was thought before.
func (r *recall) turn(start, end int) (lost bool) {
	var calls []*providers.Block
	var plain strings.Builder
	for i := start; i < end; i++ {
		blocks := r.req.Messages[i].Blocks
		for j := range blocks {
			switch b := &blocks[j]; {
			case b.Kind == providers.KindToolCall:
				calls = append(calls, b)
			case b.Kind == providers.KindRedacted, b.Kind == providers.KindThinking && (b.Signature != "" || b.SignatureOrigin != ""):
				return false // the caller's own
			case b.Kind == providers.KindThinking:
				plain.WriteString(b.Text)
			}
		}
	}
	if len(calls) == 0 {
		return false
	}
	m := r.find(calls)
	if m == nil {
		return true
	}
	if len(m.Thoughts) > 0 && m.says(plain.String()) {
		r.restore(start, end, m)
	}
	return false
}

// find looks for a memory of any of the calls of a turn.
func (r *recall) find(calls []*providers.Block) *memory {
	x := r.x
	if !x.remembers() {
		return nil
	}
	for _, b := range calls {
		if r.lookups--; r.lookups < 0 {
			return nil
		}
		if b.ID == "" {
			continue
		}
		value, ok := x.r.o.Vault.Get(x.job.KeyID, b.ID, b.ToolName, callArgs(b))
		if !ok {
			continue
		}
		var m memory
		if wire.Unmarshal(value, &m) != nil || m.Origin != x.target.Egress.Dialect() || m.Model != modelOf(x.target) {
			continue
		}
		if r.room -= len(value); r.room < 0 {
			return nil
		}
		return &m
	}
	return nil
}

// says reports whether plain, thinking that came back without its signature, is
// what is remembered, or nothing. Words that the caller has changed are his, and stay.
func (m *memory) says(plain string) bool {
	var own strings.Builder
	for i := range m.Thoughts {
		own.WriteString(m.Thoughts[i].Text)
	}
	plain = strings.Join(strings.Fields(plain), "") // clients trim
	return plain == "" || plain == strings.Join(strings.Fields(own.String()), "")
}

// restore puts the thoughts in front of a turn, where their vendor wants them, in
// place of the same words without signature.
func (r *recall) restore(start, end int, m *memory) {
	if !r.copied {
		r.req.Messages, r.copied = append([]providers.Message(nil), r.req.Messages...), true
	}
	var front []providers.Block
	for _, t := range m.Thoughts {
		b := providers.Block{Kind: providers.KindThinking, Text: t.Text, Signature: t.Signature, SignatureOrigin: m.Origin, Origin: m.Origin}
		if t.Redacted != nil {
			b.Kind, b.Data = providers.KindRedacted, t.Redacted
		}
		front = append(front, b)
	}
	for i := start; i < end; i++ {
		msg := &r.req.Messages[i]
		for _, b := range msg.Blocks {
			if b.Kind != providers.KindThinking {
				front = append(front, b)
			}
		}
		msg.Blocks, front = front, nil
	}
}
