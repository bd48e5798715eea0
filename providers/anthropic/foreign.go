package anthropic

import (
	"bytes"
	"strings"

	"github.com/your-org/ai-api-gateway/providers"
)

// foreignMark starts the signature of a thinking block that another vendor's
// model wrote: "gwsig1.<dialect>.<its signature>". Clients of this format replay
// thinking with its signature; the mark keeps the two together over the round
// trip and lets nothing foreign reach Anthropic, which refuses what it did not sign.
const foreignMark = "gwsig1."

// Mixed implements providers.Mixed: thinking with a foreign mark is not Anthropic's.
func (ingress) Mixed(body []byte) bool { return bytes.Contains(body, []byte(`"`+foreignMark)) }

// markSignature returns the signature to show to a caller of this format.
func markSignature(signature string, origin providers.Dialect) string {
	if origin == dialect {
		return signature
	}
	return foreignMark + string(origin) + "." + signature
}

// carried reports whether a block has a signature for which this format has no member.
func carried(b *providers.Block) bool {
	return b.Signature != "" && b.SignatureOrigin != "" && b.SignatureOrigin != dialect && (b.Kind == providers.KindToolCall || b.Kind == providers.KindText)
}

// carrier returns the block that takes such a signature along.
func carrier(b *providers.Block) *providers.Block {
	return &providers.Block{Kind: providers.KindThinking, Signature: b.Signature, SignatureOrigin: b.SignatureOrigin}
}

// signed sets whose signature or redacted data a decoded block holds.
func signed(b providers.Block, err error) (providers.Block, error) {
	b.SignatureOrigin = dialect
	rest, marked := strings.CutPrefix(b.Signature, foreignMark)
	if b.Kind == providers.KindRedacted {
		rest, marked = strings.CutPrefix(string(b.Data), foreignMark)
	}
	if !marked {
		return b, err
	}
	origin, signature, _ := strings.Cut(rest, ".")
	b.SignatureOrigin, b.Origin = providers.Dialect(origin), ""
	if b.Kind == providers.KindRedacted {
		b.Data = []byte(signature)
	} else {
		b.Signature = signature
	}
	return b, err
}
