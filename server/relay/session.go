package relay

import (
	"bytes"
	"hash/maphash"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

// leastCached is the size of a body from which its beginning is worth a
// preference: vendors cache prompts of 1,024 tokens and more, about 4 KB.
const leastCached = 4 << 10

// session returns a hash of the conversation that the request belongs to, so that
// it finds the prompt cache of the target that served it before; 0 where nothing
// is known or there is but one target. What the caller says himself comes first:
// a header (Job.Session), prompt_cache_key, metadata.user_id; else the beginning
// of the prompt that all turns share.
func (x *exchange) session() uint64 {
	job := x.job
	if job.Plan.Choices < 2 {
		return 0
	}
	var h maphash.Hash
	h.SetSeed(prefixSeed)
	said := job.Session
	if said == "" && job.In != nil && job.In.Dialect() == providers.Messages {
		said = job.Peek.User // metadata.user_id
	}
	switch {
	case said != "":
		h.WriteString(said)
	default:
		if !beginning(&h, job.Body) {
			return 0
		}
	}
	h.WriteByte(0)
	h.WriteString(job.KeyID)
	h.WriteByte(0)
	h.WriteString(job.Peek.Model)
	return h.Sum64() | 1<<63 // never 0
}

// beginning writes what marks the conversation of body, and reports whether there was anything.
func beginning(h *maphash.Hash, body []byte) bool {
	if v := member(body, "prompt_cache_key"); len(v) > 2 {
		h.Write(v)
		return true
	}
	if v := member(body, "metadata", "user_id"); len(v) > 2 {
		h.Write(v)
		return true
	}
	if len(body) < leastCached {
		return false
	}
	some := false
	for _, name := range [...]string{"system", "instructions", "systemInstruction", "system_instruction"} {
		if v := member(body, name); v != nil {
			texts(h, v)
			some = true
		}
	}
	for _, name := range [...]string{"messages", "input", "contents"} {
		v := member(body, name)
		if len(v) == 0 || v[0] != '[' {
			continue
		}
		wire.EachElement(v, func(m []byte) bool {
			texts(h, m)
			some = true
			return string(member(m, "role")) != `"user"`
		})
	}
	return some
}

func member(body []byte, path ...string) []byte {
	if !bytes.Contains(body, []byte(path[0])) { // cheaper than reading all members
		return nil
	}
	start, end, ok := wire.Path(body, path...)
	if !ok {
		return nil
	}
	return body[start:end]
}

// texts writes the texts within v: strings as they stand, of blocks their text or
// content. Marks such as cache_control, which move from turn to turn, do not count.
func texts(h *maphash.Hash, v []byte) {
	v = bytes.TrimSpace(v)
	if len(v) == 0 {
		return
	}
	switch v[0] {
	case '"':
		h.Write(v)
	case '[':
		wire.EachElement(v, func(e []byte) bool { texts(h, e); return true })
	case '{':
		for _, name := range [...]string{"text", "content", "parts"} {
			if start, end, ok := wire.Path(v, name); ok {
				texts(h, v[start:end])
			}
		}
	}
}
