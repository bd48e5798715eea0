package anthropic

import (
	"bytes"
	"net/http"
	"strings"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

// statusOverloaded is Anthropic's own status for a lack of capacity.
const statusOverloaded = 529

// typeOf returns this format's word for an error (anthropic-sdk-go, shared
// ErrorObjectUnion; request_too_large from the API's error page).
func typeOf(e *providers.Error) string {
	if e.Type != "" && kindOf(e.Type) != "" {
		return e.Type
	}
	switch e.Kind {
	case providers.KindTooLarge:
		return "request_too_large"
	case providers.KindAuthentication:
		return "authentication_error"
	case providers.KindBilling:
		return "billing_error"
	case providers.KindPermission:
		return "permission_error"
	case providers.KindNotFound, providers.KindModelNotFound:
		return "not_found_error"
	case providers.KindRateLimit, providers.KindQuota:
		return "rate_limit_error"
	case providers.KindTimeout:
		return "timeout_error"
	case providers.KindOverloaded:
		return "overloaded_error"
	case providers.KindInvalidRequest, providers.KindContextLength, providers.KindContentPolicy,
		providers.KindConflict, providers.KindUnsupportedType, providers.KindMethod:
		return "invalid_request_error"
	}
	return "api_error"
}

// kindOf is the reverse of typeOf; "" for a word that is not this format's.
func kindOf(typ string) providers.ErrorKind {
	switch typ {
	case "invalid_request_error":
		return providers.KindInvalidRequest
	case "request_too_large":
		return providers.KindTooLarge
	case "authentication_error":
		return providers.KindAuthentication
	case "billing_error":
		return providers.KindBilling
	case "permission_error":
		return providers.KindPermission
	case "not_found_error":
		return providers.KindNotFound
	case "rate_limit_error":
		return providers.KindRateLimit
	case "timeout_error":
		return providers.KindTimeout
	case "overloaded_error":
		return providers.KindOverloaded
	case "api_error":
		return providers.KindInternal
	}
	return ""
}

func (ingress) AppendError(dst []byte, e *providers.Error) []byte {
	dst = append(dst, `{"type":"error","error":{"type":"`...)
	dst = append(dst, typeOf(e)...)
	dst = append(dst, `","message":`...)
	dst = wire.AppendString(dst, e.Message)
	if e.Code != "" {
		dst = wire.PutString(dst, "code", e.Code)
	}
	if e.Provider != "" {
		dst = wire.PutString(append(wire.Key(dst, "metadata"), '{'), "provider", e.Provider)
		if e.Attempts > 0 {
			dst = wire.PutInt(dst, "attempts", int64(e.Attempts))
		}
		dst = append(dst, '}')
	}
	dst = append(dst, '}')
	if e.RequestID != "" {
		dst = wire.PutString(dst, "request_id", e.RequestID)
	}
	return append(dst, '}')
}

func (i ingress) AppendStreamError(dst []byte, e *providers.Error) []byte {
	dst = append(dst, "event: error\ndata: "...)
	dst = i.AppendError(dst, e)
	return append(dst, '\n', '\n')
}

func (ingress) AppendPing(dst []byte) []byte {
	return append(dst, "event: ping\ndata: {\"type\": \"ping\"}\n\n"...)
}

// DecodeError understands Anthropic's own shape, Google's (Vertex), Amazon's
// (Bedrock) and whatever a proxy in between answers.
func (egress) DecodeError(status int, body []byte) *providers.Error {
	e := &providers.Error{Status: status, Raw: bytes.Clone(body)}
	obj := bytes.TrimSpace(body)
	if wire.IsArray(obj) { // Vertex wraps errors of streams in an array
		if start, end, ok := wire.Path(obj, "0"); ok {
			obj = obj[start:end]
		}
	}
	switch start, end, ok := wire.Path(obj, "error"); {
	case ok && wire.IsObject(obj[start:end]):
		e.Type, e.Message = stringAt(obj, "error", "type"), stringAt(obj, "error", "message")
	case ok:
		e.Message = stringAt(obj, "error")
	default:
		e.Message = stringAt(obj, "message")
	}
	e.Kind = classify(status, e.Type, e.Message)
	if status == 0 {
		e.Status = streamStatus(e.Kind)
	}
	e.Complete(status)
	return e
}

// classify tells the kind of a failure from its status, its type word and its words.
func classify(status int, typ, message string) providers.ErrorKind {
	words := strings.ToLower(message)
	has := func(list ...string) bool {
		for _, w := range list {
			if strings.Contains(words, w) {
				return true
			}
		}
		return false
	}
	if status == 0 || status == http.StatusBadRequest || status == http.StatusRequestEntityTooLarge || status == http.StatusUnprocessableEntity {
		switch {
		case has("prompt is too long", "exceed context limit", "exceeds the context window", "context window exceeded",
			"input is too long", "maximum context length", "exceeds the maximum number of tokens"):
			return providers.KindContextLength
		case has("credit balance is too low", "billing"):
			return providers.KindBilling
		case has("usage limits", "usage limit"):
			return providers.KindQuota
		case has("content filtering policy", "content policy"):
			return providers.KindContentPolicy
		}
	}
	switch {
	case status == 404 && has("model"):
		return providers.KindModelNotFound
	case status == 429 && has("usage limit", "credit balance", "billing"):
		return providers.KindQuota
	}
	if kind := providers.KindOfStatus(status); kind != "" {
		return kind
	}
	if kind := kindOf(typ); kind != "" {
		return kind
	}
	if status >= 400 && status < 500 {
		return providers.KindInvalidRequest
	}
	return providers.KindInternal
}

// streamStatus is the status an error event would have had, had the stream not begun.
func streamStatus(kind providers.ErrorKind) int {
	if kind == providers.KindOverloaded {
		return statusOverloaded
	}
	return (&providers.Error{Kind: kind}).HTTPStatus()
}
