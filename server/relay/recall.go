package relay

import (
	"slices"
	"strings"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

// recallThinking puts remembered thinking into the assistant's turns of req that
// call tools and have none, and returns what is to be reported as dropped. The
// request is the attempt's own; what its members point to is not, and is copied
// before it is changed.
func (x *exchange) recallThinking(req *providers.Request) (dropped []string) {
	d := x.target.Egress.Dialect()
	if !signsThinking(d) || len(req.Tools) == 0 {
		return nil
	}
	if signsCalls(d) {
		x.recallSignatures(req)
		return nil
	}
	r := recall{x: x, req: req, on: x.remembers(), room: maxRecalled, lookups: maxLookups}
	r.prefix.begin(req, d)
	list := req.Messages
	lost := false // by the latest turn, and the vendor is asked to go on from it
	for start := 0; start < len(list); {
		end := start
		for end < len(list) && list[end].Role == providers.RoleAssistant {
			end++
		}
		if end > start {
			lost = r.turn(start, end) && end < len(list) && list[end].Role == providers.RoleTool
		} else {
			end++
		}
		for ; start < end && r.on; start++ {
			r.prefix.message(&req.Messages[start])
		}
		start = end
	}
	x.prefix = r.prefix.sum()
	if lost && thinks(req.Reasoning) {
		return []string{droppedThinking}
	}
	return nil
}

// A recall is the state of putting thinking back into one request.
type recall struct {
	x       *exchange
	req     *providers.Request
	on      bool // there is a memory to ask
	copied  bool // req.Messages is the attempt's own
	prefix  prefixHash
	room    int
	lookups int
}

// turn restores one turn of the assistant: the messages [start, end), which stand
// together and become one on the wire. lost: it has called tools, and not all that
// was thought with it is known.
func (r *recall) turn(start, end int) (lost bool) {
	var calls, own []*providers.Block
	var plain strings.Builder
	for i := start; i < end; i++ {
		blocks := r.req.Messages[i].Blocks
		for j := range blocks {
			switch b := &blocks[j]; {
			case b.Kind == providers.KindToolCall:
				calls = append(calls, b)
			case b.Kind == providers.KindRedacted, b.Kind == providers.KindThinking && (b.Signature != "" || b.SignatureOrigin != ""):
				own = append(own, b)
			case b.Kind == providers.KindThinking:
				plain.WriteString(b.Text)
			}
		}
	}
	if len(calls) == 0 {
		return false
	}
	m := r.find(calls)
	switch {
	case len(own) > 0: // the caller's, which formats without a place for thinking have moved to the front
		if m != nil && m.same(own) {
			r.restore(start, end, m)
		}
		return false
	case m == nil:
		return true
	case len(m.Thoughts) == 0 || !m.thought(plain.String()):
		return false
	}
	return !r.restore(start, end, m)
}

// same reports whether own is all that is remembered, in its order.
func (m *memory) same(own []*providers.Block) bool {
	return slices.EqualFunc(m.Thoughts, own, func(t thought, b *providers.Block) bool {
		return b.SignatureOrigin == m.Origin && b.Text == t.Text && b.Signature == t.Signature && string(b.Data) == string(t.Redacted)
	})
}

// find looks for a memory of any of the calls of a turn.
func (r *recall) find(calls []*providers.Block) *memory {
	x := r.x
	for _, b := range calls {
		if r.lookups--; !r.on || r.lookups < 0 {
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
		if wire.Unmarshal(value, &m) != nil || m.Origin != x.target.Egress.Dialect() || m.Model != modelOf(x.target) || m.Prefix != r.prefix.sum() {
			continue
		}
		if r.room -= len(value); r.room < 0 {
			return nil
		}
		return &m
	}
	return nil
}

// thought reports whether plain, thinking that came back without its signature, is
// what is remembered, or nothing. Words that the caller has changed are his, and stay.
func (m *memory) thought(plain string) bool {
	var own strings.Builder
	for i := range m.Thoughts {
		own.WriteString(m.Thoughts[i].Text)
	}
	plain = strings.Join(strings.Fields(plain), "") // clients trim
	return plain == "" || plain == strings.Join(strings.Fields(own.String()), "")
}

// restore puts the thoughts into a turn, in place of the same ones elsewhere or
// without signature, and reports whether all had a place.
func (r *recall) restore(start, end int, m *memory) bool {
	if !r.copied {
		r.req.Messages, r.copied = slices.Clone(r.req.Messages), true
	}
	var blocks []providers.Block
	for i := start; i < end; i++ {
		for _, b := range r.req.Messages[i].Blocks {
			if b.Kind != providers.KindThinking && b.Kind != providers.KindRedacted {
				blocks = append(blocks, b)
			}
		}
		r.req.Messages[i].Blocks = nil
	}
	var all bool
	r.req.Messages[start].Blocks, all = m.place(blocks)
	return all
}

// place returns blocks with the thoughts where they stood. Callers get all text
// as one, so it is parted again; if it is no longer the same, only the thoughts at
// the front have a place.
func (m *memory) place(blocks []providers.Block) (out []providers.Block, all bool) {
	next, said, calls := 0, 0, 0
	for next < len(m.Thoughts) && m.Thoughts[next].Bytes == 0 && m.Thoughts[next].Calls == 0 {
		out = append(out, m.Thoughts[next].block(m.Origin))
		next++
	}
	if next == len(m.Thoughts) || textSum(blocks) != m.Said {
		return append(out, blocks...), next == len(m.Thoughts)
	}
	for _, b := range blocks {
		for next < len(m.Thoughts) && m.Thoughts[next].Calls == calls {
			cut := m.Thoughts[next].Bytes - said
			if b.Kind != providers.KindToolCall && (b.Kind != providers.KindText || cut >= len(b.Text)) || b.Kind == providers.KindToolCall && cut != 0 || cut < 0 {
				break
			}
			if cut > 0 {
				head := b
				head.Text, head.Cache = b.Text[:cut], nil
				out, b.Text = append(out, head), b.Text[cut:]
				said += cut
			}
			out = append(out, m.Thoughts[next].block(m.Origin))
			next++
		}
		switch b.Kind {
		case providers.KindText:
			said += len(b.Text)
		case providers.KindToolCall:
			calls++
		}
		out = append(out, b)
	}
	return out, next == len(m.Thoughts)
}
