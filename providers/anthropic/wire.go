package anthropic

import (
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

func putMembers(dst []byte, members []providers.Member) []byte {
	for _, m := range members {
		dst = wire.AppendString(wire.Comma(dst), m.Name)
		dst = wire.AppendRaw(append(dst, ':'), m.Value)
	}
	return dst
}

// member keeps a member that has no neutral field. The value stays a part of the body it was read from.
func member(list []providers.Member, name, value []byte) []providers.Member {
	return append(list, providers.Member{Name: string(name), Value: value})
}

func isNull(v []byte) bool { return string(v) == "null" }

func isTrue(v []byte) bool { return string(v) == "true" }

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
