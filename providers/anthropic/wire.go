package anthropic

import (
	"bytes"
	"encoding/json"
	"strconv"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

// dialect is what this package reads and writes: the messages format of
// anthropic-sdk-go (2026-07).
const dialect = providers.Messages

// asString stands in Block.Raw of a text block whose content was a bare JSON
// string instead of a list of blocks; the same dialect writes it back as one.
var asString = json.RawMessage(`""`)

// isString reports whether blocks were one bare string.
func isString(blocks []providers.Block) bool {
	return len(blocks) == 1 && blocks[0].Kind == providers.KindText && blocks[0].Origin == dialect &&
		len(blocks[0].Raw) > 0 && blocks[0].Raw[0] == '"'
}

// The writers below append one member to the object that dst is in the middle
// of. A value never ends in an opening bracket, so the last byte tells whether a
// comma is due.

func comma(dst []byte) []byte {
	if c := dst[len(dst)-1]; c != '{' && c != '[' {
		dst = append(dst, ',')
	}
	return dst
}

// key appends a member's name; it must need no escapes.
func key(dst []byte, name string) []byte {
	dst = append(comma(dst), '"')
	dst = append(dst, name...)
	return append(dst, '"', ':')
}

func putString(dst []byte, name, v string) []byte {
	return wire.AppendString(key(dst, name), v)
}

func putInt(dst []byte, name string, v int64) []byte {
	return strconv.AppendInt(key(dst, name), v, 10)
}

func putBool(dst []byte, name string, v bool) []byte {
	return strconv.AppendBool(key(dst, name), v)
}

func putFloat(dst []byte, name string, v float64) []byte {
	b, err := json.Marshal(v)
	if err != nil { // NaN or infinite: no JSON number; callers that decode JSON cannot produce one
		return dst
	}
	return append(key(dst, name), b...)
}

func putRaw(dst []byte, name string, v json.RawMessage) []byte {
	return appendRaw(key(dst, name), v)
}

func putMembers(dst []byte, members []providers.Member) []byte {
	for _, m := range members {
		dst = wire.AppendString(comma(dst), m.Name)
		dst = appendRaw(append(dst, ':'), m.Value)
	}
	return dst
}

// appendRaw appends a JSON value on one line, as an event stream needs it: a
// line end inside JSON is white space between tokens.
func appendRaw(dst []byte, v json.RawMessage) []byte {
	if len(v) == 0 {
		return append(dst, "null"...)
	}
	start := len(dst)
	dst = append(dst, v...)
	if bytes.IndexByte(v, '\n') >= 0 || bytes.IndexByte(v, '\r') >= 0 {
		for i, c := range dst[start:] {
			if c == '\n' || c == '\r' {
				dst[start+i] = ' '
			}
		}
	}
	return dst
}

// member keeps a member that has no neutral field. The value stays a part of the body it was read from.
func member(list []providers.Member, name, value []byte) []providers.Member {
	return append(list, providers.Member{Name: string(name), Value: value})
}

func isNull(v []byte) bool { return string(v) == "null" }

func isTrue(v []byte) bool { return string(v) == "true" }

func isObject(v []byte) bool { return len(v) > 0 && v[0] == '{' }

func isArray(v []byte) bool { return len(v) > 0 && v[0] == '[' }

// validObject reports whether v is one well-formed JSON object.
func validObject(v []byte) bool {
	if !isObject(bytes.TrimSpace(v)) {
		return false
	}
	_, err := wire.Fields(v, nil, nil)
	return err == nil
}

// stringAt returns the string at a path below an object, "" if there is none.
func stringAt(obj []byte, path ...string) string {
	start, end, ok := wire.Path(obj, path...)
	if !ok {
		return ""
	}
	s, _ := wire.String(obj[start:end])
	return s
}

// bad is a request that cannot be served because of the member param.
func bad(param, message string) *providers.Error {
	return &providers.Error{Kind: providers.KindInvalidRequest, Param: param, Message: message}
}

// within puts the path of an outer member before the one an error names; index < 0: none.
func within(err error, name string, index int) error {
	e, ok := err.(*providers.Error)
	if !ok || e == nil {
		return err
	}
	if index >= 0 {
		name += "." + strconv.Itoa(index)
	}
	if e.Param != "" {
		name += "." + e.Param
	}
	e.Param = name
	return e
}

// named completes an error for the caller: its message starts with the member at fault, as the API's own do.
func named(err error) error {
	if e, ok := err.(*providers.Error); ok && e.Param != "" {
		e.Message = e.Param + ": " + e.Message
	}
	return err
}
