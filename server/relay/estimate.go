package relay

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/bits"
	"strconv"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
	"github.com/your-org/ai-api-gateway/server/limits"
	"github.com/your-org/ai-api-gateway/server/routing"
	"github.com/your-org/ai-api-gateway/store"
)

// Tokens that media are reserved with: an image given by its address, which its
// bytes say nothing of, and at most for one that is within the request. The strict
// number is what the dearest count of a known vendor comes to (GPT-4o mini counts
// an image of high detail as 36,835 tokens).
const (
	imageTokens       = 2_000
	imageTokensStrict = 40_000
	attachmentTokens  = 32_000
)

// quota is what the request may use at t: tokens, and what they are charged. Strict,
// it is an upper bound: no text has more tokens than bytes, and the output is bounded.
func (x *exchange) quota(t *routing.Target) limits.Amount {
	var u providers.Usage
	if !generates(x.job.Op) {
		u = x.bound()
	} else {
		u.Input, u.Output = x.inputBound(), times(x.outputBound(t), max(1, x.job.Peek.N))
		if u.Output == math.MaxInt64 {
			return limits.Amount{Tokens: math.MaxInt64, Nano: math.MaxInt64}
		}
	}
	c := x.dearest(t, &u)
	if c.Saturated {
		return limits.Amount{Tokens: math.MaxInt64, Nano: math.MaxInt64}
	}
	return limits.Amount{Tokens: store.AddNano(u.Prompt(), u.Completion()), Nano: store.AddNano(c.Nano, x.markup(c.Nano)), Cost: c.Nano}
}

// dearest is what u is charged at t if all of a text's input were written to a
// cache and all of its output were thought, where those cost more: always for an
// upper bound, else where the request asks for a cache.
func (x *exchange) dearest(t *routing.Target, u *providers.Usage) routing.Charge {
	c := t.Charge(u, x.r.o.UnknownPrice)
	if t.Entry == nil || !t.Entry.Priced || u.Input == 0 {
		return c
	}
	p := *t.Entry.PriceFor(u)
	in, out := p.Input, p.Output
	if cached := max(p.CacheWrite5m, p.CacheWrite1h); cached > in && (x.strict || bytes.Contains(x.job.Body, []byte(`"cache_control"`))) {
		in = cached
	}
	if x.strict {
		in, out = max(in, p.InputAudio, p.InputImage), max(out, p.Reasoning, p.OutputAudio)
	}
	if in == p.Input && out == p.Output {
		return c
	}
	p.Input, p.Output = in, out
	nano, saturated, _ := p.CostOf(u)
	c.Nano, c.Saturated = max(c.Nano, nano), c.Saturated || saturated
	return c
}

// outputBound is the output that is reserved for: what the request allows, or a
// usual amount, and no more than the model can.
func (x *exchange) outputBound(t *routing.Target) int64 {
	out := x.job.Peek.MaxTokens
	if out <= 0 {
		out = x.unbounded
	}
	if t.Entry != nil && t.Entry.MaxOutput > 0 {
		out = min(out, t.Entry.MaxOutput)
	}
	return out
}

// mustBound reports whether the upstream must be told to bound its output: a strict
// budget counts the request, which does not bound it.
func (x *exchange) mustBound() bool {
	return x.strict && x.job.Peek.MaxTokens <= 0 && generates(x.job.Op)
}

// boundMember is the member that bounds the output in the caller's dialect, as the
// vendor names it; "" where it is nested and cannot be spliced in.
func (x *exchange) boundMember(q *providers.Quirks) string {
	if x.job.Op != providers.OpChat { // completions and the like
		return "max_tokens"
	}
	switch x.job.In.Dialect() {
	case providers.Chat:
		if q.MaxTokensField == "" {
			return "max_completion_tokens"
		}
		return q.MaxTokensField
	case providers.Messages:
		return "max_tokens"
	case providers.Responses:
		return "max_output_tokens"
	}
	return ""
}

// boundEdit sets the member that bounds the output: in place of a value that bounds
// nothing, such as null, or as a new one.
func boundEdit(body []byte, name string, n int64) wire.Edit {
	value := strconv.AppendInt(nil, n, 10)
	if old, err := wire.Fields(body, []string{name}, nil); err == nil && len(old) > 0 {
		return wire.Edit{Start: old[0].Start, End: old[0].End, New: value}
	}
	at := bytes.IndexByte(body, '{') + 1
	member := append(append(wire.AppendString(nil, name), ':'), value...)
	return wire.Edit{Start: at, End: at, New: append(member, ',')}
}

// inputBound is the input that is reserved for, in tokens.
func (x *exchange) inputBound() int64 {
	if x.input > 0 {
		return x.input
	}
	body := x.job.Body
	n := int64(len(body))
	perImage := int64(imageTokensStrict)
	if !x.strict {
		perImage = imageTokens
		n = textTokens(n)
		if attaches(body) {
			n = attachedTokens(body)
		}
	}
	x.input = max(1, n+perImage*int64(linkedImages(body)))
	return x.input
}

// textTokens is a third of a text's bytes and a fifth of that: more than nearly
// all texts have.
func textTokens(n int64) int64 { return n/3 + n/15 + 1 }

// longText is a string, in bytes, that may be an attachment.
const longText = 4 << 10

// attaches reports whether body may hold a string of longText. It looks back from where
// such a string would end, so that of other texts it sees little.
func attaches(body []byte) bool {
	for len(body) >= longText {
		i := bytes.LastIndexByte(body[:longText], '"')
		if i < 0 {
			return true
		}
		body = body[i+1:]
	}
	return false
}

// attachedTokens is textTokens of a body whose long strings without any space are
// taken for media in base64: those cost by what they show, not by their bytes.
func attachedTokens(body []byte) int64 {
	text, media := int64(0), int64(0)
	for len(body) > 0 {
		i := bytes.IndexByte(body, '"')
		if i < 0 {
			break
		}
		text += int64(i + 1)
		body = body[i+1:]
		n := bytes.IndexByte(body, '"')
		if n < 0 {
			break
		}
		if n >= longText && bytes.IndexByte(body[:n], ' ') < 0 && bytes.IndexByte(body[:n], '\\') < 0 {
			media += min(textTokens(int64(n)), attachmentTokens)
		} else {
			text += int64(n)
		}
		text++
		body = body[n+1:]
	}
	return textTokens(text+int64(len(body))) + media
}

// linkedImages counts the images given by an address. It looks at what stands behind
// each quote, in one pass: most texts have few.
func linkedImages(body []byte) (n int) {
	for {
		i := bytes.IndexByte(body, '"') + 1
		if i == 0 || i == len(body) {
			return n
		}
		body = body[i:]
		switch body[0] {
		case 'i', 'f', 's':
			if linksImage(body) {
				n++
			}
		}
	}
}

// linksImage reports whether b, which stood behind a quote, begins with the member that
// gives an image by its address.
func linksImage(b []byte) bool {
	for _, member := range [...]string{`image_url"`, `fileUri"`, `file_uri"`} {
		if rest, ok := bytes.CutPrefix(b, []byte(member)); ok {
			rest = bytes.TrimLeft(rest, " \t\r\n")
			return len(rest) > 0 && rest[0] == ':' // a member, not the word of a type
		}
	}
	rest, ok := bytes.CutPrefix(b, []byte(`source"`))
	return ok && bytes.Contains(rest[:min(len(rest), 64)], []byte(`"url"`))
}

// times multiplies amounts that are never negative; what does not fit is the largest number.
func times(a, b int64) int64 {
	hi, lo := bits.Mul64(uint64(a), uint64(b))
	if hi != 0 || lo > math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(lo)
}

// word is the i-th eight bytes of b.
func word(b []byte, i int) uint64 { return binary.LittleEndian.Uint64(b[8*i:]) }

// estimateTokens guesses the tokens of a text by its bytes: a quarter for ASCII,
// and a token for each three bytes beyond it (a CJK character is three bytes).
func estimateTokens(b []byte) int64 {
	const highs = 0x8080808080808080
	n, wide := len(b), 0
	for ; len(b) >= 64; b = b[64:] { // nearly all text is ASCII: nothing to count
		if (word(b, 0)|word(b, 1)|word(b, 2)|word(b, 3)|word(b, 4)|word(b, 5)|word(b, 6)|word(b, 7))&highs != 0 {
			for i := range 8 {
				wide += bits.OnesCount64(word(b, i) & highs)
			}
		}
	}
	for ; len(b) >= 8; b = b[8:] {
		wide += bits.OnesCount64(word(b, 0) & highs)
	}
	for _, c := range b {
		wide += int(c >> 7)
	}
	return tokensIn(n, wide)
}

// tokensIn is estimateTokens of n bytes of which that many are beyond ASCII.
func tokensIn(n, wide int) int64 { return int64((n-wide+3)/4 + (wide+2)/3) }
