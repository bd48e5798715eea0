package openai

import (
	"bytes"
	"strings"

	"github.com/your-org/ai-api-gateway/providers"
)

// Encrypted reasoning is opaque to clients of this format and comes back as it
// was given. What another vendor's model thought goes out in it with a mark:
// "gwsig1.<dialect>.<its signature>" for thinking, whose text is the summary, and
// "gwred1.<dialect>.<data>" for thinking that cannot be read. The mark keeps the
// proof over the round trip and lets nothing foreign reach a vendor of this format,
// which refuses what it has not encrypted.
const (
	sealedThought  = "gwsig1."
	sealedRedacted = "gwred1."
)

// Mixed implements providers.Mixed.
func (responsesIngress) Mixed(body []byte) bool {
	return bytes.Contains(body, []byte(`"`+sealedThought)) || bytes.Contains(body, []byte(`"`+sealedRedacted))
}

// seal returns the encrypted_content for a block of thinking; "" if it has no proof.
func seal(b *providers.Block) string {
	switch {
	case b.Kind == providers.KindRedacted:
		if b.SignatureOrigin == responses {
			return string(b.Data)
		}
		return sealedRedacted + string(b.SignatureOrigin) + "." + string(b.Data)
	case b.Signature == "" || b.SignatureOrigin == responses:
		return b.Signature
	}
	return sealedThought + string(b.SignatureOrigin) + "." + b.Signature
}

// unseal puts the proof that an encrypted_content holds into a block of thinking.
func unseal(b *providers.Block, content string) {
	if content == "" {
		return
	}
	if rest, ok := strings.CutPrefix(content, sealedRedacted); ok {
		origin, data, _ := strings.Cut(rest, ".")
		b.Kind, b.Text, b.Data, b.SignatureOrigin = providers.KindRedacted, "", []byte(data), providers.Dialect(origin)
		return
	}
	if rest, ok := strings.CutPrefix(content, sealedThought); ok {
		origin, signature, _ := strings.Cut(rest, ".")
		b.Signature, b.SignatureOrigin = signature, providers.Dialect(origin)
		return
	}
	b.Signature, b.SignatureOrigin = content, responses
}
