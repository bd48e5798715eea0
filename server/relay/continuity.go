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

// Nothing is put back where it might be refused, for the caller could neither see
// nor mend that: only to the model that wrote it, in its own place, and behind the
// very conversation it was written in, as newer models check all three (Anthropic,
// "Preserved thinking": system, tools and all messages before a block).

// Bounds of what continuity may cost one request.
const (
	maxKept     = 1 << 20  // of one answer, in bytes: it as it passes, and what is remembered of it
	maxRecalled = 16 << 20 // put back into one request, in bytes
	maxLookups  = 4096     // tool calls of one request that are looked up
)

// droppedThinking is what a caller is told who asked for thinking and whose
// earlier thinking could not be sent.
const droppedThinking = "thinking"

// signsThinking tells the dialects whose vendors want their thinking back.
func signsThinking(d providers.Dialect) bool {
	return d == providers.Messages || d == providers.Responses || d == providers.Converse || signsCalls(d)
}

// A memory is what is kept of one answer. Without thoughts it says that the model had none.
type memory struct {
	Origin   providers.Dialect `json:"origin"`
	Model    string            `json:"model"`
	Prefix   uint64            `json:"prefix"` // hash of the conversation it answered
	Said     uint64            `json:"said"`   // hash of its text
	Thoughts []thought         `json:"thoughts,omitempty"`
	Call     string            `json:"call,omitempty"` // the signature of the call itself, see signatures.go
}

// A thought is one block of thinking, Redacted set if it is not readable. It stood
// behind so many bytes of text and so many tool calls.
type thought struct {
	Text      string `json:"text,omitempty"`
	Signature string `json:"signature,omitempty"`
	Redacted  []byte `json:"redacted,omitempty"`
	Bytes     int    `json:"bytes,omitempty"`
	Calls     int    `json:"calls,omitempty"`
}

func (t *thought) block(origin providers.Dialect) providers.Block {
	if t.Redacted != nil {
		return providers.Block{Kind: providers.KindRedacted, Data: t.Redacted, SignatureOrigin: origin, Origin: origin}
	}
	return providers.Block{Kind: providers.KindThinking, Text: t.Text, Signature: t.Signature, SignatureOrigin: origin, Origin: origin}
}

func modelOf(t *routing.Target) string {
	if t.Entry != nil {
		return t.Entry.ID // the same one for all names of a model
	}
	return t.Model
}

// remembers reports whether the attempt at hand is one to remember.
func (x *exchange) remembers() bool {
	return x.r.o.Vault != nil && x.job.KeyID != "" && !x.same && signsThinking(x.target.Egress.Dialect()) && len(x.decoded.Tools) > 0
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
	if signsCalls(x.target.Egress.Dialect()) {
		x.rememberSignatures(blocks)
		return
	}
	m := memory{Origin: x.target.Egress.Dialect(), Model: modelOf(x.target), Prefix: x.prefix, Said: textSum(blocks)}
	said, calls, placed := 0, 0, true
	for i := range blocks {
		b := &blocks[i]
		t := thought{Text: b.Text, Signature: b.Signature, Bytes: said, Calls: calls}
		switch b.Kind {
		case providers.KindText:
			said += len(b.Text)
		case providers.KindToolCall:
			calls++
		case providers.KindThinking:
			if placed && b.SignatureOrigin == m.Origin {
				m.Thoughts = append(m.Thoughts, t)
			}
		case providers.KindRedacted:
			if placed && b.SignatureOrigin == m.Origin && len(b.Data) > 0 {
				t.Redacted = b.Data
				m.Thoughts = append(m.Thoughts, t)
			}
		default:
			placed = false // the caller is not shown it, so what follows has no place any more
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
		if b.Kind != providers.KindToolCall || b.ID == "" {
			continue
		}
		if room -= len(value); room < 0 {
			return
		}
		x.r.o.Vault.Put(x.job.KeyID, b.ID, b.ToolName, callArgs(b), value)
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

// A recollection gathers a streamed answer while its events pass. The zero
// recollection gathers nothing.
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
	signature     []byte
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
	g, b := r.at(ev), &ev.Block // what b refers to is valid for the time of this call
	g.text = append(g.text, b.Text...)
	g.data = append(g.data, b.Data...)
	g.signature = append(g.signature, b.Signature...)
	if b.SignatureOrigin != "" {
		g.block.SignatureOrigin = b.SignatureOrigin
	}
	r.size += len(b.Text) + len(b.Data) + len(b.Signature)
	if r.size > maxKept {
		*r = recollection{} // a part would be refused, or stand for another thought
	}
}

// at returns the block an event belongs to, made if it is new.
func (r *recollection) at(ev *providers.Event) *gathered {
	if ev.Kind == providers.EventBlockDelta {
		for i := len(r.blocks) - 1; i >= 0; i-- {
			if r.blocks[i].index == ev.Index {
				return &r.blocks[i]
			}
		}
	}
	b := &ev.Block
	r.size += len(b.ID) + len(b.ToolName) + 256
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
		b.Data, b.Signature = g.data, string(g.signature)
		blocks = append(blocks, b)
	}
	r.x.remember(blocks)
}
