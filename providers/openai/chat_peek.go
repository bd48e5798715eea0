package openai

import (
	"fmt"
	"strings"
	"sync/atomic"
	"unicode"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

// Limits of a request.
const (
	maxMessages  = 100_000
	maxTools     = 4_096
	maxModelName = 256 // bytes
)

// refused are members that would steer the gateway past its own configuration.
var refused = []string{"api_base", "base_url", "api_key", "custom_llm_provider", "extra_headers", "organization"}

// peeked are the members Peek looks for; the refused ones follow.
var peeked = wire.NewNames(append([]string{
	"model", "stream", "stream_options", "max_tokens", "max_completion_tokens", "n", "user",
	"provider", "fallbacks", "messages", "tools",
}, refused...)...)

// peek notes in p what routing needs, in one pass over the body. chat tells whether
// the members of a chat are demanded.
func peek(p *providers.Peek, body []byte, chat bool) error {
	var buf [10]wire.Field // of these there are rarely more
	fields, ascii, err := peeked.Survey(body, buf[:0], nil)
	if err != nil {
		return syntax(err)
	}
	p.ASCII = ascii
	messages := false
	for i := range fields {
		f := &fields[i]
		messages = messages || f.Name == "messages"
		if e := peekField(p, f, body[f.Start:f.End], chat); e != nil {
			return named(e)
		}
	}
	if !p.ModelSpan.Found() {
		return named(missing("model"))
	}
	if chat && !messages {
		return named(missing("messages"))
	}
	return nil
}

func missing(name string) *providers.Error {
	e := bad(name, "is required")
	e.Code = "missing_required_parameter"
	return e
}

// syntax turns a fault of the field finder into an error for the caller; the message has the byte offset.
func syntax(err error) *providers.Error {
	return &providers.Error{Kind: providers.KindInvalidRequest, Code: "invalid_json",
		Message: "cannot parse the request body: " + err.Error()}
}

func peekField(p *providers.Peek, f *wire.Field, v []byte, chat bool) *providers.Error {
	switch f.Name {
	case "model":
		model, e := modelName(v)
		if e != nil {
			return e
		}
		p.Model, p.ModelSpan = model, providers.Span{Start: f.Start, End: f.End}
		return nil
	case "provider", "fallbacks":
		return peekOwn(p, f, v)
	}
	if isNull(v) {
		if f.Name == "stream_options" { // the splice must replace it, not add a second
			p.StreamOptions = providers.Span{Start: f.Start, End: f.End}
		}
		if chat && f.Name == "messages" {
			return bad("messages", "must be a list")
		}
		return nil
	}
	switch f.Name {
	case "stream":
		if !isBool(v) {
			return bad("stream", "must be a boolean")
		}
		p.Stream = isTrue(v)
	case "stream_options":
		if !wire.IsObject(v) {
			return bad("stream_options", "must be an object")
		}
		p.StreamOptions = providers.Span{Start: f.Start, End: f.End}
		p.IncludeUsage = isTrue(at(v, "include_usage"))
	case "max_tokens", "max_completion_tokens":
		n, ok := wire.Int(v)
		if !ok || n < 0 {
			return bad(f.Name, "must be an integer of at least 0")
		}
		if !p.MaxTokensSpan.Found() || f.Name == "max_completion_tokens" { // the newer name wins
			p.MaxTokens, p.MaxTokensSpan = n, providers.Span{Start: f.Start, End: f.End}
		}
	case "n":
		n, ok := wire.Int(v)
		if !ok || n < 1 {
			return bad("n", "must be an integer of at least 1")
		}
		p.N = n
	case "user":
		p.User = clean(text(v))
	case "messages":
		return count(&p.Messages, f, v, chat, maxMessages)
	case "tools":
		return count(&p.Tools, f, v, chat, maxTools)
	default:
		e := bad(f.Name, "is not supported: the gateway's configuration decides it")
		e.Code = "unsupported_parameter"
		return e
	}
	return nil
}

func count(n *int, f *wire.Field, v []byte, chat bool, limit int) *providers.Error {
	if !wire.IsArray(v) {
		if !chat {
			return nil
		}
		return bad(f.Name, "must be a list")
	}
	if *n = f.Count; f.Count > limit {
		return bad(f.Name, fmt.Sprintf("has too many elements: %d, the limit is %d", f.Count, limit))
	}
	return nil
}

// peekOwn reads a member that is the gateway's. provider is OpenRouter's as well, with an object.
func peekOwn(p *providers.Peek, f *wire.Field, v []byte) *providers.Error {
	p.Own = append(p.Own, providers.OwnMember{Name: f.Name, Cut: providers.Span{Start: f.CutStart, End: f.CutEnd}})
	if isNull(v) {
		return nil
	}
	if f.Name == "provider" {
		s, ok := wire.String(v)
		switch {
		case ok:
			p.Provider = s
		case wire.IsObject(v):
			p.ProviderObject = true
		default:
			return bad("provider", "must be the name of a provider or an account")
		}
		return nil
	}
	if !wire.IsArray(v) {
		return bad("fallbacks", "must be a list of model names")
	}
	var e *providers.Error
	wire.EachElement(v, func(elem []byte) bool {
		s, ok := wire.String(elem)
		if !ok || s == "" {
			e = bad("fallbacks", "must be a list of model names")
			return false
		}
		p.Fallbacks = append(p.Fallbacks, s)
		return true
	})
	return e
}

// namedBefore are names of models that modelName has found good, as they stand between
// quotes: most requests name one of a few.
var namedBefore [64]atomic.Pointer[string]

func modelName(v []byte) (string, *providers.Error) {
	place := len(v)
	if place > 2 {
		place = place<<2 ^ int(v[place-2])
	}
	slot := &namedBefore[place%len(namedBefore)]
	if s := slot.Load(); s != nil && len(v) == len(*s)+2 && v[0] == '"' && string(v[1:len(v)-1]) == *s {
		return *s, nil
	}
	s, ok := wire.String(v)
	switch {
	case !ok:
		return "", bad("model", "must be a string")
	case s == "":
		return "", bad("model", "must not be empty")
	case len(s) > maxModelName:
		e := bad("model", fmt.Sprintf("must not be longer than %d bytes", maxModelName))
		e.Kind, e.Code = providers.KindModelNotFound, "model_not_found" // no model has such a name
		return "", e
	}
	for _, r := range s {
		if (r < ' ' || r > '~') && (r == unicode.ReplacementChar || !unicode.IsPrint(r)) {
			return "", bad("model", "must consist of printable characters")
		}
	}
	if string(v[1:len(v)-1]) == s { // without escapes
		slot.Store(&s)
	}
	return s, nil
}

// clean makes a name safe to record: control characters go, what was no UTF-8 stays U+FFFD.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, s)
}
