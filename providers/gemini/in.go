package gemini

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

// Limits of a request.
const (
	maxContents = 100_000
	maxTools    = 4_096
)

// A framing is how the events of a streamed answer follow one another.
type framing uint8

const (
	events framing = iota // server-sent events: alt=sse
	array                 // one JSON array, element after element
)

type ingress struct{ framing framing }

// GenerateIngress returns the dialect as callers speak it at …:generateContent and,
// with alt=sse, at …:streamGenerateContent. The model and whether to stream are in
// the address, not in the body.
//
// What DecodeRequest returns points into the body it was given.
func GenerateIngress() providers.Ingress { return ingress{events} }

// ArrayIngress is the same for streams without alt=sse, which are one JSON array.
func ArrayIngress() providers.Ingress { return ingress{array} }

func (ingress) Dialect() providers.Dialect { return dialect }

// refused are members that would steer the gateway past its own configuration.
var refused = [...]string{"api_base", "base_url", "api_key", "custom_llm_provider", "extra_headers", "organization"}

// peeked are the members Peek looks for; the refused ones follow.
var peeked = wire.NewNames(append([]string{"model", "contents", "tools", "generationConfig", "generation_config", "provider", "fallbacks",
	"requests", "generateContentRequest", "generate_content_request"}, refused[:]...)...)

func (ingress) Peek(body []byte) (providers.Peek, error) {
	var p providers.Peek
	var buf [16]wire.Field
	fields, ascii, err := peeked.Survey(body, buf[:0], nil)
	if err != nil {
		return p, syntax(err)
	}
	p.ASCII = ascii
	config := ""
	for i := range fields {
		f := &fields[i]
		if name := camel([]byte(f.Name)); name == "generationConfig" {
			if config != "" { // two spellings of one member: readers differ on which counts
				return p, named(bad(f.Name, "is given twice"))
			}
			config = f.Name
		}
		if err := peekField(&p, f, body); err != nil {
			return p, named(err)
		}
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

func peekField(p *providers.Peek, f *wire.Field, body []byte) error {
	v := body[f.Start:f.End]
	switch f.Name {
	case "model": // the address says it
		p.Own = append(p.Own, providers.OwnMember{Name: f.Name, Cut: providers.Span{Start: f.CutStart, End: f.CutEnd}})
	case "contents":
		if p.Messages = f.Count; f.Count > maxContents {
			return bad("contents", fmt.Sprintf("too many contents: %d, the limit is %d", f.Count, maxContents))
		}
	case "tools":
		if p.Tools = f.Count; f.Count > maxTools {
			return bad("tools", fmt.Sprintf("too many tools: %d, the limit is %d", f.Count, maxTools))
		}
	case "generationConfig", "generation_config":
		return peekConfig(p, v)
	case "requests": // of batchEmbedContents: each says the model again
		wire.EachElement(v, func(elem []byte) bool {
			p.ModelTails = appendTail(p.ModelTails, body, elem)
			return true
		})
	case "generateContentRequest", "generate_content_request": // of countTokens
		p.ModelTails = appendTail(p.ModelTails, body, v)
	case "provider", "fallbacks":
		return peekOwn(p, f, v)
	default:
		e := bad(f.Name, "this member is not supported; the gateway's configuration decides it")
		e.Code = "unsupported_parameter"
		return e
	}
	return nil
}

// appendTail adds the span of a model's name, without what stands before its last
// collection ("models/"), in obj, which is a part of body.
func appendTail(list []providers.Span, body, obj []byte) []providers.Span {
	start, end, ok := wire.Path(obj, "model")
	if !ok || end-start < 2 || obj[start] != '"' {
		return list
	}
	start, end = start+1, end-1
	for _, prefix := range [...]string{"models/", "tunedModels/"} {
		if bytes.HasPrefix(obj[start:end], []byte(prefix)) {
			start += len(prefix)
		}
	}
	place := cap(body) - cap(obj) // both run to the end of the same memory
	return append(list, providers.Span{Start: place + start, End: place + end})
}

// peekConfig reads the bounds of the answer.
func peekConfig(p *providers.Peek, v []byte) error {
	if !wire.IsObject(v) {
		if isNull(v) {
			return nil
		}
		return bad("generationConfig", "must be an object")
	}
	seen := 0
	var err error
	wire.EachMember(v, func(name, x []byte) bool {
		switch camel(name) {
		case "maxOutputTokens":
			seen++
			if isNull(x) {
				return true
			}
			n, e := integer("maxOutputTokens", x)
			if e != nil || *n < 0 || seen > 1 {
				err = bad("generationConfig.maxOutputTokens", "must be given once, an integer of at least 0")
				return false
			}
			p.MaxTokens = *n
		case "candidateCount":
			if n, e := integer("candidateCount", x); e == nil {
				p.N = max(p.N, *n)
			}
		}
		return true
	})
	return err
}

// peekOwn reads a member that is the gateway's.
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
	} else if !isNull(v) {
		list, err := stringList("fallbacks", v)
		if err != nil {
			return err
		}
		p.Fallbacks = list
	}
	p.Own = append(p.Own, own)
	return nil
}

// Unbound implements providers.Bound: a conversation that goes on from content
// cached at Google can be answered there alone.
func (ingress) Unbound(body []byte) *providers.Error {
	var name string
	eachMember(body, func(member string, v []byte) bool {
		if member == "cachedContent" {
			name, _ = wire.String(v)
		}
		return name == ""
	})
	if name == "" {
		return nil
	}
	return named(bad("cachedContent", "content cached at Google can be used with its own models alone")).(*providers.Error)
}
