package bedrock

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"

	"github.com/your-org/ai-api-gateway/providers"
)

// errorHeader names the type of an error; the body has the message alone.
const errorHeader = "x-amzn-errortype"

// ErrorTypeHeader implements providers.ErrorTyper.
func (egress) ErrorTypeHeader() string { return errorHeader }

// DecodeTypedError implements providers.ErrorTyper.
func (egress) DecodeTypedError(status int, typ string, body []byte) *providers.Error {
	return decodeError(status, typ, body)
}

// DecodeError reads {"message": …} (an older layer says "Message").
func (egress) DecodeError(status int, body []byte) *providers.Error {
	return decodeError(status, "", body)
}

// decodeError reads an error of the HTTP answer or of the stream (status 0). typ is
// "ValidationException:http://…" in a header, "validationException" in a stream.
func decodeError(status int, typ string, body []byte) *providers.Error {
	e := &providers.Error{Raw: bytes.Clone(body)}
	for _, name := range []string{"message", "Message"} {
		if e.Message == "" {
			e.Message = stringAt(body, name)
		}
	}
	if typ == "" {
		typ = stringAt(body, "__type")
	}
	typ, _, _ = strings.Cut(typ, ":") // what follows is the name of a service
	typ = typ[strings.LastIndexByte(typ, '#')+1:]
	e.Kind = kindOf(status, typ, e.Message)
	switch e.Kind {
	case providers.KindContextLength:
		e.Code = "context_length_exceeded"
	case providers.KindModelNotFound:
		e.Code = "model_not_found"
	case providers.KindQuota:
		e.Code = "insufficient_quota"
	}
	if usual := (&providers.Error{Kind: e.Kind}).HTTPStatus(); status == 0 || status < 400 || status == http.StatusFailedDependency || e.Kind == providers.KindModelNotFound || e.Kind == providers.KindQuota {
		e.Status = usual
	} else {
		e.Status = status
	}
	if e.Message == "" {
		e.Message = "the upstream failed without saying why"
		if status != 0 {
			e.Message = strings.TrimSpace("the upstream answered " + strconv.Itoa(status) + " " + http.StatusText(status))
		}
	}
	return e
}

// kindOf tells the kind of a failure by its type, else by its status, and by its words.
func kindOf(status int, typ, message string) providers.ErrorKind {
	switch name := strings.ToLower(strings.TrimSuffix(typ, "Exception")); name {
	case "throttling", "toomanyrequests":
		return providers.KindRateLimit
	case "servicequotaexceeded":
		return providers.KindQuota
	case "modeltimeout":
		return providers.KindTimeout
	case "modelnotready", "serviceunavailable":
		return providers.KindOverloaded
	case "internalserver", "internalfailure":
		return providers.KindInternal
	case "modelerror", "modelstreamerror":
		return wordsOf(message, providers.KindUpstream)
	case "resourcenotfound":
		return providers.KindModelNotFound
	case "accessdenied":
		return providers.KindPermission
	case "unrecognizedclient", "invalidsignature", "expiredtoken", "incompletesignature", "missingauthenticationtoken", "invalidclienttokenid":
		return providers.KindAuthentication
	case "validation":
		return wordsOf(message, providers.KindInvalidRequest)
	}
	switch status {
	case 401:
		return providers.KindAuthentication
	case 403:
		return providers.KindPermission
	case 404:
		return providers.KindModelNotFound
	case 408, 504:
		return providers.KindTimeout
	case 413:
		return providers.KindTooLarge
	case 424, 502:
		return wordsOf(message, providers.KindUpstream)
	case 429:
		return providers.KindRateLimit
	case 503:
		return providers.KindOverloaded
	}
	switch {
	case status >= 400 && status < 500:
		return wordsOf(message, providers.KindInvalidRequest)
	case status == 0:
		return wordsOf(message, providers.KindUpstream)
	}
	return providers.KindInternal
}

// wordsOf tells what only the words of a message tell.
func wordsOf(message string, otherwise providers.ErrorKind) providers.ErrorKind {
	words := strings.ToLower(message)
	has := func(list ...string) bool {
		for _, w := range list {
			if strings.Contains(words, w) {
				return true
			}
		}
		return false
	}
	switch {
	case has("input is too long", "input tokens exceeded", "prompt is too long", "maximum context length", "exceeds the context window",
		"too many input tokens", "exceed context limit", "exceeds maximum length", "context window"):
		return providers.KindContextLength
	case has("model identifier is invalid", "could not resolve the foundation model"):
		return providers.KindModelNotFound
	case has("blocked by content filter", "content filtering policy"):
		return providers.KindContentPolicy
	}
	return otherwise
}
