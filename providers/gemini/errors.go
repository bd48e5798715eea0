package gemini

import (
	"bytes"
	"strconv"
	"strings"
	"time"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

// statusOf returns Google's word for an error (google.rpc.Code).
func statusOf(e *providers.Error) string {
	switch e.Kind {
	case providers.KindAuthentication:
		return "UNAUTHENTICATED"
	case providers.KindPermission:
		return "PERMISSION_DENIED"
	case providers.KindNotFound, providers.KindModelNotFound:
		return "NOT_FOUND"
	case providers.KindRateLimit, providers.KindQuota:
		return "RESOURCE_EXHAUSTED"
	case providers.KindBilling:
		return "FAILED_PRECONDITION"
	case providers.KindConflict:
		return "ABORTED"
	case providers.KindTimeout:
		return "DEADLINE_EXCEEDED"
	case providers.KindOverloaded, providers.KindUnavailable, providers.KindUpstream:
		return "UNAVAILABLE"
	case providers.KindNotImplemented, providers.KindMethod:
		return "UNIMPLEMENTED"
	case providers.KindInvalidRequest, providers.KindTooLarge, providers.KindContextLength,
		providers.KindContentPolicy, providers.KindUnsupportedType:
		return "INVALID_ARGUMENT"
	}
	return "INTERNAL"
}

func (i ingress) AppendError(dst []byte, e *providers.Error) []byte {
	if i.framing == array {
		return append(appendError(append(dst, '['), e), ']')
	}
	return appendError(dst, e)
}

func appendError(dst []byte, e *providers.Error) []byte {
	dst = wire.PutInt(append(dst, `{"error":{`...), "code", int64(e.HTTPStatus()))
	dst = wire.PutString(dst, "message", e.Message)
	dst = wire.PutString(dst, "status", statusOf(e))
	dst = append(wire.Key(dst, "details"), '[')
	dst = append(dst, `{"@type":"type.googleapis.com/google.rpc.ErrorInfo"`...)
	reason := e.Code
	if reason == "" {
		reason = string(e.Kind)
	}
	dst = wire.PutString(dst, "reason", strings.ToUpper(reason))
	dst = append(wire.PutString(dst, "domain", "ai-gateway"), `,"metadata":{`...)
	for _, m := range [...]struct{ name, value string }{{"request_id", e.RequestID}, {"provider", e.Provider}, {"field", e.Param}} {
		if m.value != "" {
			dst = wire.PutString(dst, m.name, m.value)
		}
	}
	if e.Provider != "" && e.Attempts > 0 {
		dst = wire.PutString(dst, "attempts", strconv.Itoa(e.Attempts))
	}
	dst = append(dst, `}}`...)
	if e.RetryAfter > 0 { // clients wait as long as this says
		dst = append(dst, `,{"@type":"type.googleapis.com/google.rpc.RetryInfo"`...)
		dst = append(wire.PutString(dst, "retryDelay", strconv.FormatFloat(e.RetryAfter.Seconds(), 'f', -1, 64)+"s"), '}')
	}
	return append(dst, `]}}`...)
}

func (i ingress) AppendStreamError(dst []byte, e *providers.Error) []byte {
	if i.framing == array {
		return i.AppendError(dst, e)
	}
	return append(appendError(append(dst, "data: "...), e), "\r\n\r\n"...)
}

// AppendRestError writes the error that ends a stream of which something has been
// sent already.
func (i ingress) AppendRestError(dst []byte, e *providers.Error) []byte {
	if i.framing == array {
		return append(appendError(append(dst, ",\r\n"...), e), ']')
	}
	return i.AppendStreamError(dst, e)
}

// StreamType is the media type of a streamed answer.
func (i ingress) StreamType() string {
	if i.framing == array {
		return "application/json; charset=UTF-8"
	}
	return "text/event-stream"
}

// AppendPing writes nothing: the format has no heartbeat, and Google's own SDKs
// take a comment for an event.
func (ingress) AppendPing(dst []byte) []byte { return dst }

// DecodeError understands Google's shape, alone or as the element of an array, and
// whatever a proxy in between answers.
func (egress) DecodeError(status int, body []byte) *providers.Error {
	e := &providers.Error{Status: status, Raw: bytes.Clone(body)}
	obj := bytes.TrimSpace(body)
	if wire.IsArray(obj) {
		if start, end, ok := wire.Path(obj, "0"); ok {
			obj = obj[start:end]
		}
	}
	report := at(obj, "error")
	if wire.IsObject(report) {
		e.Message, e.Type = stringAt(report, "message"), stringAt(report, "status")
		if n, ok := wire.Int(at(report, "code")); ok && status == 0 && n >= 400 && n < 600 {
			e.Status = int(n)
		}
	} else if e.Message = stringAt(obj, "error"); e.Message == "" {
		e.Message = stringAt(obj, "message")
	}
	reason, perDay := details(e, at(report, "details"))
	e.Kind = classify(e.Status, e.Type, reason, e.Message, perDay)
	if e.Status == 0 {
		e.Status = (&providers.Error{Kind: e.Kind}).HTTPStatus()
	}
	e.Complete(status)
	return e
}

// details reads the reason, how long to wait, and whether it is a daily quota that is used up.
func details(e *providers.Error, list []byte) (reason string, perDay bool) {
	wire.EachElement(list, func(d []byte) bool {
		switch typ := stringAt(d, "@type"); {
		case strings.HasSuffix(typ, "ErrorInfo"):
			reason = stringAt(d, "reason")
		case strings.HasSuffix(typ, "RetryInfo"):
			if wait, err := time.ParseDuration(stringAt(d, "retryDelay")); err == nil && wait > 0 {
				e.RetryAfter = min(wait, 300*time.Second)
			}
		case strings.HasSuffix(typ, "QuotaFailure"):
			perDay = perDay || bytes.Contains(d, []byte("PerDay"))
		}
		return true
	})
	return reason, perDay
}

// classify tells the kind of a failure from its status, Google's words for it and its message.
func classify(status int, word, reason, message string, perDay bool) providers.ErrorKind {
	text := strings.ToLower(message)
	has := func(list ...string) bool {
		for _, w := range list {
			if strings.Contains(text, w) {
				return true
			}
		}
		return false
	}
	switch {
	case reason == "API_KEY_INVALID", reason == "API_KEY_EXPIRED", reason == "ACCESS_TOKEN_EXPIRED", has("api key not valid", "api key expired"):
		return providers.KindAuthentication
	case status == 400 && has("exceeds the maximum number of tokens", "input token count", "context window"):
		return providers.KindContextLength
	case status == 400 && has("billing"):
		return providers.KindBilling
	case status == 404 && has("model"):
		return providers.KindModelNotFound
	case status == 429 && perDay:
		return providers.KindQuota
	}
	if kind := providers.KindOfStatus(status); kind != "" {
		return kind
	}
	return kindOfWord(word, status)
}

// kindOfWord tells the kind where the status says little.
func kindOfWord(word string, status int) providers.ErrorKind {
	switch word {
	case "INVALID_ARGUMENT", "FAILED_PRECONDITION", "OUT_OF_RANGE":
		return providers.KindInvalidRequest
	case "UNAUTHENTICATED":
		return providers.KindAuthentication
	case "PERMISSION_DENIED":
		return providers.KindPermission
	case "NOT_FOUND":
		return providers.KindNotFound
	case "RESOURCE_EXHAUSTED":
		return providers.KindRateLimit
	case "UNAVAILABLE":
		return providers.KindOverloaded
	case "DEADLINE_EXCEEDED":
		return providers.KindTimeout
	}
	if status >= 400 && status < 500 {
		return providers.KindInvalidRequest
	}
	return providers.KindInternal
}
