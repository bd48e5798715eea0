package anthropic

import (
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

// Limits of a request (the API's own for messages).
const (
	maxMessages  = 100_000
	maxTools     = 4_096
	maxModelName = 256
)

type ingress struct{}

// MessagesIngress returns the dialect as callers speak it at /v1/messages.
//
// What DecodeRequest returns points into the body it was given.
func MessagesIngress() providers.Ingress { return ingress{} }

func (ingress) Dialect() providers.Dialect { return dialect }

// refused are members that would steer the gateway past its own configuration.
var refused = [...]string{"api_base", "base_url", "api_key", "custom_llm_provider", "extra_headers", "organization"}

// peeked are the members Peek looks for; the refused ones follow.
var peeked = wire.NewNames(append([]string{"model", "stream", "max_tokens", "metadata", "provider", "fallbacks", "messages", "tools"}, refused[:]...)...)

func (ingress) Peek(body []byte) (providers.Peek, error) {
	var p providers.Peek
	var buf [16]wire.Field
	fields, ascii, err := peeked.Survey(body, buf[:0], nil)
	if err != nil {
		return p, syntax(err)
	}
	p.ASCII = ascii
	for i := range fields {
		f := &fields[i]
		if err := peekField(&p, f, body[f.Start:f.End]); err != nil {
			return p, named(err)
		}
	}
	if !p.ModelSpan.Found() {
		return p, named(bad("model", "Field required"))
	}
	return p, nil
}

// syntax turns a fault of the field finder into an error for the caller, which has the offset in its message.
func syntax(err error) *providers.Error {
	e := &providers.Error{Kind: providers.KindInvalidRequest, Message: "cannot parse request body: " + err.Error()}
	var s *wire.SyntaxError
	if errors.As(err, &s) {
		e.Code = "invalid_json"
	}
	return e
}

func peekField(p *providers.Peek, f *wire.Field, v []byte) error {
	switch f.Name {
	case "model":
		model, err := modelName(v)
		if err != nil {
			return err
		}
		p.Model, p.ModelSpan = model, providers.Span{Start: f.Start, End: f.End}
	case "stream":
		if !isTrue(v) && string(v) != "false" && !isNull(v) {
			return bad("stream", "must be a boolean")
		}
		p.Stream = isTrue(v)
	case "max_tokens":
		if isNull(v) {
			return nil
		}
		n, ok := wire.Int(v)
		if !ok || n < 0 {
			return bad("max_tokens", "must be an integer of at least 0")
		}
		p.MaxTokens, p.MaxTokensSpan = n, providers.Span{Start: f.Start, End: f.End}
	case "metadata":
		if wire.IsObject(v) {
			p.User = clean(stringAt(v, "user_id"))
		}
	case "provider", "fallbacks":
		return peekOwn(p, f, v)
	case "messages":
		if !wire.IsArray(v) {
			return bad("messages", "must be a list")
		}
		if p.Messages = f.Count; f.Count > maxMessages {
			return bad("messages", fmt.Sprintf("too many messages: %d, the limit is %d", f.Count, maxMessages))
		}
	case "tools":
		if isNull(v) {
			return nil
		}
		if !wire.IsArray(v) {
			return bad("tools", "must be a list")
		}
		if p.Tools = f.Count; f.Count > maxTools {
			return bad("tools", fmt.Sprintf("too many tools: %d, the limit is %d", f.Count, maxTools))
		}
	default:
		e := bad(f.Name, "this member is not supported; the gateway's configuration decides it")
		e.Code = "unsupported_parameter"
		return e
	}
	return nil
}

// peekOwn reads a member that is the gateway's. The name provider is OpenRouter's
// as well, whose value is an object; a fallbacks list of objects is Anthropic's
// own (server-side fallback models) and not touched.
func peekOwn(p *providers.Peek, f *wire.Field, v []byte) error {
	own := providers.OwnMember{Name: f.Name, Cut: providers.Span{Start: f.CutStart, End: f.CutEnd}}
	if f.Name == "provider" {
		if s, ok := wire.String(v); ok {
			p.Provider = s
		} else if wire.IsObject(v) {
			p.ProviderObject = true
		} else if !isNull(v) {
			return bad("provider", "must be a string")
		}
		p.Own = append(p.Own, own)
		return nil
	}
	if isNull(v) {
		p.Own = append(p.Own, own)
		return nil
	}
	list, theirs, err := fallbackNames(v)
	if err != nil {
		return err
	}
	if !theirs {
		p.Fallbacks, p.Own = list, append(p.Own, own)
	}
	return nil
}

// fallbackNames reads the gateway's list of fallback models; theirs tells that the list is the vendor's.
func fallbackNames(v []byte) (names []string, theirs bool, err error) {
	if !wire.IsArray(v) {
		return nil, false, bad("fallbacks", "must be a list of strings")
	}
	wire.EachElement(v, func(elem []byte) bool {
		if wire.IsObject(elem) && len(names) == 0 {
			theirs = true
			return false
		}
		s, ok := wire.String(elem)
		if !ok {
			err = bad("fallbacks", "must be a list of strings")
			return false
		}
		names = append(names, s)
		return true
	})
	return names, theirs, err
}

func modelName(v []byte) (string, error) {
	s, ok := wire.String(v)
	switch {
	case !ok:
		return "", bad("model", "must be a string")
	case s == "":
		return "", bad("model", "must not be empty")
	case len(s) > maxModelName:
		e := bad("model", fmt.Sprintf("is longer than %d bytes", maxModelName))
		e.Kind, e.Code = providers.KindModelNotFound, "model_not_found"
		return "", e
	}
	for _, r := range s {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return "", bad("model", "holds characters that cannot be printed")
		}
	}
	return s, nil
}

// clean makes a name safe to record: control characters are dropped, what was no UTF-8 stays U+FFFD.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, s)
}
