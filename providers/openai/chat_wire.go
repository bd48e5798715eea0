// Package openai speaks OpenAI's chat completions and the formats beside it, as
// OpenAI and the many vendors compatible with it write them. What a vendor does
// differently is either read whatever it sends (answers) or told by
// providers.Quirks (requests).
//
// Sources of the wire rules: openai-openapi 2.3.0 (2026-08-21), and recorded
// traffic of 25 vendors.
package openai

import (
	"encoding/base64"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

const dialect = providers.Chat

// asString stands in Block.Raw of a text block whose content was a bare JSON
// string instead of a list of parts. A part of a list has the part itself there.
var asString = json.RawMessage(`""`)

func putMembers(dst []byte, members []providers.Member) []byte {
	for _, m := range members {
		dst = putMember(dst, m)
	}
	return dst
}

func putMember(dst []byte, m providers.Member) []byte {
	dst = wire.AppendString(wire.Comma(dst), m.Name)
	return wire.AppendRaw(append(dst, ':'), m.Value)
}

func isNull(v []byte) bool { return len(v) == 0 || string(v) == "null" }

func isTrue(v []byte) bool { return string(v) == "true" }

func isBool(v []byte) bool { return string(v) == "true" || string(v) == "false" }

func isText(v []byte) bool { return len(v) > 0 && v[0] == '"' }

// at returns the value at a path below obj; nil if there is none or it is null.
func at(obj []byte, path ...string) []byte {
	start, end, ok := wire.Path(obj, path...)
	if !ok || isNull(obj[start:end]) {
		return nil
	}
	return obj[start:end]
}

// textAt returns the string at a path below obj, "" if there is none.
func textAt(obj []byte, path ...string) string {
	s, _ := wire.String(at(obj, path...))
	return s
}

// text reads a JSON string; anything else is "".
func text(v []byte) string {
	s, _ := wire.String(v)
	return s
}

// valid reports whether v is one well-formed JSON value.
func valid(v []byte) bool { return len(v) > 0 && json.Valid(v) }

// keep adds a member that has no neutral field. Its value stays a part of the
// body it was read from. A member that is null says nothing and is not kept.
func keep(list []providers.Member, name string, value []byte) []providers.Member {
	if isNull(value) {
		return list
	}
	return append(list, providers.Member{Name: name, Value: value})
}

func find(list []providers.Member, name string) json.RawMessage {
	for i := range list {
		if list[i].Name == name {
			return list[i].Value
		}
	}
	return nil
}

// bad is a request that cannot be served because of the member param.
func bad(param, message string) *providers.Error {
	return &providers.Error{Kind: providers.KindInvalidRequest, Param: param, Message: message}
}

// index returns name[i], as OpenAI spells members in its errors.
func index(name string, i int) string { return name + "[" + strconv.Itoa(i) + "]" }

// within puts the path of an outer member before the one an error names.
func within(err error, outer string) error {
	e, ok := err.(*providers.Error)
	if !ok || e == nil {
		return err
	}
	if e.Param != "" {
		outer += "." + e.Param
	}
	e.Param = outer
	return e
}

// named completes an error for the caller: the message names the member at fault.
func named(err error) error {
	if e, ok := err.(*providers.Error); ok && e.Param != "" {
		e.Message = "'" + e.Param + "' " + e.Message
	}
	return err
}

// dataURL splits a base64 data URL; ok is false for any other URL.
func dataURL(s string) (mediaType string, data []byte, ok bool) {
	rest, found := strings.CutPrefix(s, "data:")
	if !found {
		return "", nil, false
	}
	head, payload, found := strings.Cut(rest, ",")
	if !found {
		return "", nil, false
	}
	head, found = strings.CutSuffix(head, ";base64")
	if !found {
		return "", nil, false
	}
	data, err := decodeBase64(payload)
	if err != nil {
		return "", nil, false
	}
	mediaType, _, _ = strings.Cut(head, ";")
	return mediaType, data, true
}

// decodeBase64 takes both alphabets, with and without padding.
func decodeBase64(s string) ([]byte, error) {
	s = strings.TrimRight(s, "=")
	if strings.ContainsAny(s, "-_") {
		return base64.RawURLEncoding.DecodeString(s)
	}
	return base64.RawStdEncoding.DecodeString(s)
}

// putData writes a string member holding a base64 data URL, or bare base64 where mediaType is empty.
func putData(dst []byte, name, mediaType string, data []byte) []byte {
	dst = append(wire.Key(dst, name), '"')
	if mediaType != "" {
		quoted := wire.AppendString(nil, mediaType)
		dst = append(dst, "data:"...)
		dst = append(dst, quoted[1:len(quoted)-1]...)
		dst = append(dst, ";base64,"...)
	}
	dst = base64.StdEncoding.AppendEncode(dst, data)
	return append(dst, '"')
}
