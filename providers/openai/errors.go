package openai

import (
	"strconv"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

// Type words of OpenAI's errors.
const (
	typeInvalid = "invalid_request_error"
	typeAPI     = "api_error"
	typeServer  = "server_error"
	typeQuota   = "insufficient_quota"
)

// errorWords gives the type and code OpenAI uses for a kind. A code that the
// error has itself is more exact and comes first.
func errorWords(k providers.ErrorKind) (typ, code string) {
	switch k {
	case providers.KindInvalidRequest:
		return typeInvalid, ""
	case providers.KindTooLarge:
		return typeInvalid, "request_too_large"
	case providers.KindContextLength:
		return typeInvalid, "context_length_exceeded"
	case providers.KindContentPolicy:
		return typeInvalid, "content_filter"
	case providers.KindAuthentication: // OpenAI's 401 has this type
		return typeInvalid, "invalid_api_key"
	case providers.KindBilling:
		return typeQuota, "billing_not_active"
	case providers.KindPermission:
		return typeInvalid, "permission_denied"
	case providers.KindNotFound:
		return typeInvalid, "not_found"
	case providers.KindModelNotFound:
		return typeInvalid, "model_not_found"
	case providers.KindConflict:
		return typeInvalid, "conflict"
	case providers.KindRateLimit:
		return "requests", "rate_limit_exceeded"
	case providers.KindQuota:
		return typeQuota, "insufficient_quota"
	case providers.KindTimeout:
		return typeAPI, "timeout"
	case providers.KindOverloaded:
		return typeServer, "overloaded"
	case providers.KindInternal:
		return typeServer, "internal_error"
	case providers.KindUpstream:
		return typeAPI, "upstream_error"
	case providers.KindUnavailable:
		return typeServer, "service_unavailable"
	case providers.KindNotImplemented:
		return typeInvalid, "not_implemented"
	case providers.KindLoop:
		return typeAPI, "loop_detected"
	case providers.KindMethod:
		return typeInvalid, "method_not_allowed"
	case providers.KindUnsupportedType:
		return typeInvalid, "unsupported_media_type"
	}
	return typeAPI, ""
}

// ownTypes are type words a client of this format may meet. An error that came
// from another dialect has that dialect's word, which is not written here.
var ownTypes = map[string]bool{
	typeInvalid: true, typeAPI: true, typeServer: true, typeQuota: true, "requests": true, "tokens": true,
	"image_generation_user_error": true, "rate_limit_exceeded": true, "insufficient_permissions": true,
	"access_terminated": true, "tokens_usage_based": true,
}

// AppendError writes {"error":{"message","type","param","code"}}, with
// metadata{provider,attempts,request_id} where those are known.
func (chatIngress) AppendError(dst []byte, e *providers.Error) []byte {
	typ, code := errorWords(e.Kind)
	if ownTypes[e.Type] {
		typ = e.Type
	}
	if e.Code != "" {
		code = e.Code
	}
	dst = append(dst, `{"error":{`...)
	dst = wire.PutString(dst, "message", e.Message)
	dst = wire.PutString(dst, "type", typ)
	dst = putStringOrNull(dst, "param", e.Param)
	dst = putStringOrNull(dst, "code", code)
	if e.Provider != "" || e.RequestID != "" {
		dst = append(wire.Key(dst, "metadata"), '{')
		if e.Provider != "" {
			dst = wire.PutString(dst, "provider", e.Provider)
			dst = wire.PutInt(dst, "attempts", int64(e.Attempts))
		}
		if e.RequestID != "" {
			dst = wire.PutString(dst, "request_id", e.RequestID)
		}
		dst = append(dst, '}')
	}
	return append(dst, "}}"...)
}

func putStringOrNull(dst []byte, name, v string) []byte {
	if v == "" {
		return append(wire.Key(dst, name), "null"...)
	}
	return wire.PutString(dst, name, v)
}

// AppendStreamError writes the error as a data line; no [DONE] follows. The SDKs
// raise an APIError for a payload with a member "error".
func (in chatIngress) AppendStreamError(dst []byte, e *providers.Error) []byte {
	dst = append(dst, "data: "...)
	dst = in.AppendError(dst, e)
	return append(dst, "\n\n"...)
}

// AppendPing writes a comment, which clients of this format ignore.
func (chatIngress) AppendPing(dst []byte) []byte { return append(dst, ": ping\n\n"...) }

// reported is an error body in parts, whichever vendor's shape it has.
type reported struct {
	message, typ, param, code string
	status                    int // an HTTP status that the body tells
}

// readError takes an error body apart: OpenAI's object, xAI's string, Mistral's
// detail, Gemini's array and status, a bare message.
func readError(body []byte) (r reported, ok bool) {
	start, end, ok := wire.Path(body)
	if !ok {
		return r, false
	}
	body = body[start:end]
	if wire.IsArray(body) {
		body = at(body, "0")
	}
	if !wire.IsObject(body) {
		return r, false
	}
	obj := body
	switch e := at(body, "error"); {
	case wire.IsObject(e):
		obj = e
	case isText(e): // xAI, Ollama: {"code":"…","error":"…"}
		r.message = text(e)
	}
	if r.message == "" {
		r.message = textAt(obj, "message")
	}
	r.typ, r.param = textAt(obj, "type"), textAt(obj, "param")
	switch c := at(obj, "code"); {
	case isText(c):
		r.code = text(c)
	case c != nil:
		n, _ := wire.Int(c)
		r.status = int(n)
	}
	if s := textAt(obj, "status"); s != "" && r.code == "" { // Google
		r.code = s
	}
	if n, err := strconv.Atoi(r.code); err == nil { // Azure spells the status as its code
		r.status, r.code = n, ""
	}
	if r.message == "" {
		r.message = detail(at(body, "detail"))
	}
	r.message = upstreamWords(obj, r.message)
	if r.status < 400 || r.status > 599 {
		r.status = 0
	}
	return r, r.message != "" || r.code != "" || r.typ != "" || r.status != 0
}

// detail reads FastAPI's member: a text, or a list of what failed validation.
func detail(v []byte) string {
	if isText(v) {
		return text(v)
	}
	if msg := textAt(v, "message"); msg != "" {
		return msg
	}
	msg := textAt(v, "0", "msg")
	if where := at(v, "0", "loc"); msg != "" && wire.IsArray(where) {
		last := ""
		wire.EachElement(where, func(elem []byte) bool { last = string(elem); return true })
		if s, ok := wire.String([]byte(last)); ok {
			last = s
		}
		msg += ": " + last
	}
	return msg
}

// upstreamWords adds what OpenRouter's upstream said, which it keeps in metadata.raw.
func upstreamWords(obj []byte, message string) string {
	raw := at(obj, "metadata", "raw")
	if !isText(raw) {
		return message
	}
	said := text(raw)
	if inner, ok := readError([]byte(said)); ok && inner.message != "" {
		said = inner.message
	}
	if message == "" {
		return said
	}
	return message + ": " + said
}
