package gemini

import (
	"bytes"
	"encoding/base64"
	"strings"

	"github.com/your-org/ai-api-gateway/providers"
)

// foreignMark starts, inside its base64, a thoughtSignature that another vendor's
// model issued: "gw-sig-1.<dialect>.<its signature>". Clients of this format send
// signatures back with the parts they stand on; the mark keeps whose they are and
// lets nothing foreign reach Google. Its nine bytes are twelve of base64, so a
// marked signature is known by how it begins.
const foreignMark = "gw-sig-1."

var markedStart = []byte(`"` + base64.StdEncoding.EncodeToString([]byte(foreignMark)))

// Mixed implements providers.Mixed.
func (ingress) Mixed(body []byte) bool { return bytes.Contains(body, markedStart) }

// markSignature returns the signature to show to a caller of this format, base64 in any case.
func markSignature(signature string, origin providers.Dialect) string {
	if origin == dialect || signature == "" {
		return signature
	}
	return mark(signature, origin)
}

func mark(signature string, origin providers.Dialect) string {
	return base64.StdEncoding.EncodeToString([]byte(foreignMark + string(origin) + "." + signature))
}

// markRedacted returns the signature that shows opaque thinking, marked whoever issued
// it: a vendor that serves Google's models in another format tells their proofs so too.
func markRedacted(data []byte, origin providers.Dialect) string {
	return mark(redactedMark+string(data), origin)
}

// readSignature reads a thoughtSignature and whose it is.
func readSignature(s string) (signature string, origin providers.Dialect) {
	if s == "" {
		return "", ""
	}
	if raw, err := decodeBase64(s); err == nil {
		if rest, marked := strings.CutPrefix(string(raw), foreignMark); marked {
			d, signature, _ := strings.Cut(rest, ".")
			return signature, providers.Dialect(d)
		}
	}
	return s, dialect
}

// redactedMark tells opaque thinking from a signature, inside the mark. No signature
// of Google's starts so: those are base64.
const redactedMark = "redacted."

// unsigned stands for the signature of a call that the model did not make itself
// (another vendor's turn): Google's documentation of thought signatures names it
// for conversations that were moved from another model.
var unsigned = base64.StdEncoding.EncodeToString([]byte("skip_thought_signature_validator"))
