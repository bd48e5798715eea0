package relay

import (
	"encoding/binary"
	"hash/maphash"
	"strings"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/server/vault"
)

// prefixSeed makes the hashes of this process comparable with each other; what
// is remembered with them dies with it.
var prefixSeed = maphash.MakeSeed()

// A prefixHash tells whether two requests begin with the same conversation, as an
// upstream of one dialect gets it: what is not sent, cache marks, and the layout
// of JSON do not count.
type prefixHash struct {
	h       maphash.Hash
	dialect providers.Dialect
	scratch []byte
}

// begin starts with what stands before all messages.
func (p *prefixHash) begin(r *providers.Request, d providers.Dialect) {
	p.h.SetSeed(prefixSeed)
	p.dialect = d
	p.blocks(r.System)
	if r.Format != nil {
		p.text(r.Format.Kind) // some is asked for in words
	}
	p.number(len(r.Tools))
	for i := range r.Tools {
		t := &r.Tools[i]
		p.text(t.Name)
		p.text(t.Description)
		p.bytes(t.Schema)
		p.bytes(t.Raw)
	}
	p.number(len(r.ToolChoice.Allowed))
	for _, name := range r.ToolChoice.Allowed {
		p.text(name)
	}
}

func (p *prefixHash) sum() uint64 { return p.h.Sum64() }

func (p *prefixHash) message(m *providers.Message) {
	p.text(string(m.Role))
	p.blocks(m.Blocks)
}

func (p *prefixHash) blocks(list []providers.Block) {
	for i := range list {
		p.block(&list[i])
	}
	p.number(-1)
}

func (p *prefixHash) block(b *providers.Block) {
	switch b.Kind {
	case providers.KindText, providers.KindRefusal:
		if strings.TrimSpace(b.Text) == "" { // sent by some, lost by others, and not sent on
			return
		}
	case providers.KindThinking, providers.KindRedacted:
		if b.SignatureOrigin != p.dialect {
			return
		}
	case providers.KindToolCall:
		p.scratch = vault.Canonical(p.scratch[:0], callArgs(b))
		p.bytes(p.scratch)
	case providers.KindToolResult:
		p.blocks(b.Result)
		if b.IsError {
			p.text("error")
		}
	case providers.KindOpaque:
		p.bytes(b.Raw)
	}
	p.number(int(b.Kind))
	for _, s := range [...]string{b.Text, b.ID, b.MediaType, b.URL, b.FileID, b.Filename, b.ToolName, b.Signature} {
		p.text(s)
	}
	p.bytes(b.Data)
}

// text and bytes write the length first, so that no two lists read alike.
func (p *prefixHash) text(s string) {
	p.number(len(s))
	_, _ = p.h.WriteString(s) // never fails
}

func (p *prefixHash) bytes(b []byte) {
	p.number(len(b))
	_, _ = p.h.Write(b) // never fails
}

func (p *prefixHash) number(n int) {
	var buf [8]byte
	binary.LittleEndian.PutUint64(buf[:], uint64(n))
	_, _ = p.h.Write(buf[:]) // never fails
}

// textSum is the hash of what blocks say, however it is parted.
func textSum(blocks []providers.Block) uint64 {
	var h maphash.Hash
	h.SetSeed(prefixSeed)
	for i := range blocks {
		if blocks[i].Kind == providers.KindText {
			_, _ = h.WriteString(blocks[i].Text) // never fails
		}
	}
	return h.Sum64()
}
