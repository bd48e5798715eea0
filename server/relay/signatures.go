package relay

import (
	"slices"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

// Gemini signs the calls themselves. What was thought need not go back, and a
// signature is good for its call wherever the conversation stands; so each is kept
// under its call, and put back on it where a caller's format has lost it.

// signsCalls tells the dialects whose vendors sign calls rather than thinking.
func signsCalls(d providers.Dialect) bool { return d == providers.Gemini }

// rememberSignatures keeps the signatures of the calls among blocks.
func (x *exchange) rememberSignatures(blocks []providers.Block) {
	room := maxKept
	for i := range blocks {
		b := &blocks[i]
		if b.Kind != providers.KindToolCall || b.ID == "" || b.Signature == "" {
			continue
		}
		m := memory{Origin: x.target.Egress.Dialect(), Model: modelOf(x.target), Call: b.Signature}
		value, err := wire.Marshal(&m)
		if room -= len(value); err != nil || room < 0 {
			return
		}
		x.r.o.Vault.Put(x.job.KeyID, b.ID, b.ToolName, callArgs(b), value)
	}
}

// recallSignatures puts remembered signatures on the calls of req that have none.
// The request is the attempt's own; what its messages point to is copied first.
func (x *exchange) recallSignatures(req *providers.Request) {
	if !x.remembers() {
		return
	}
	copied := false
	lookups, room := maxLookups, maxRecalled
	for i := range req.Messages {
		mine := false
		for j := range req.Messages[i].Blocks {
			b := &req.Messages[i].Blocks[j]
			if b.Kind != providers.KindToolCall || b.ID == "" || b.Signature != "" {
				continue
			}
			if lookups--; lookups < 0 {
				return
			}
			value, ok := x.r.o.Vault.Get(x.job.KeyID, b.ID, b.ToolName, callArgs(b))
			var m memory
			if !ok || wire.Unmarshal(value, &m) != nil || m.Call == "" || m.Origin != x.target.Egress.Dialect() || m.Model != modelOf(x.target) {
				continue
			}
			if room -= len(m.Call); room < 0 {
				return
			}
			if !copied {
				req.Messages, copied = slices.Clone(req.Messages), true
			}
			if !mine {
				req.Messages[i].Blocks, mine = slices.Clone(req.Messages[i].Blocks), true
			}
			b = &req.Messages[i].Blocks[j]
			b.Signature, b.SignatureOrigin = m.Call, m.Origin
		}
	}
}
