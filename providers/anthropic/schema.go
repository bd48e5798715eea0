package anthropic

import (
	"encoding/json"

	"github.com/your-org/ai-api-gateway/providers/wire"
)

// maxSchemaDepth bounds how deep a schema is followed; what lies deeper stays as it is.
const maxSchemaDepth = 32

// ClosedSchema returns a schema of an output format as Claude takes it: every object
// says "additionalProperties": false ("For 'object' type, 'additionalProperties' must
// be explicitly set to false"). Where a schema says something else it stays, and the
// vendor's refusal tells why. Order and numbers are kept.
func ClosedSchema(schema json.RawMessage) json.RawMessage {
	return appendClosed(make([]byte, 0, len(schema)+64), schema, 0)
}

func appendClosed(dst, v []byte, depth int) []byte {
	if !wire.IsObject(v) || depth > maxSchemaDepth {
		return append(dst, v...)
	}
	object, says := false, false
	dst = append(dst, '{')
	wire.EachMember(v, func(name, x []byte) bool {
		dst = append(wire.AppendString(wire.Comma(dst), name), ':')
		switch string(name) {
		case "type":
			s, ok := wire.String(x)
			object = ok && s == "object" || !ok && listsObject(x)
			dst = append(dst, x...)
		case "additionalProperties":
			says = true
			dst = append(dst, x...)
		case "properties", "$defs", "definitions":
			dst = appendClosedMap(dst, x, depth)
		case "items", "not":
			dst = appendClosed(dst, x, depth+1)
		case "anyOf", "allOf", "oneOf", "prefixItems":
			dst = appendClosedList(dst, x, depth)
		default:
			dst = append(dst, x...)
		}
		return true
	})
	if object && !says {
		dst = append(wire.Comma(dst), `"additionalProperties":false`...)
	}
	return append(dst, '}')
}

// appendClosedMap writes schemas by name.
func appendClosedMap(dst, v []byte, depth int) []byte {
	if !wire.IsObject(v) {
		return append(dst, v...)
	}
	dst = append(dst, '{')
	wire.EachMember(v, func(name, x []byte) bool {
		dst = append(wire.AppendString(wire.Comma(dst), name), ':')
		dst = appendClosed(dst, x, depth+1)
		return true
	})
	return append(dst, '}')
}

func appendClosedList(dst, v []byte, depth int) []byte {
	if len(v) == 0 || v[0] != '[' {
		return append(dst, v...)
	}
	dst = append(dst, '[')
	wire.EachElement(v, func(x []byte) bool {
		dst = appendClosed(wire.Comma(dst), x, depth+1)
		return true
	})
	return append(dst, ']')
}

// listsObject reports whether a list of types holds "object".
func listsObject(v []byte) (found bool) {
	if len(v) > 0 && v[0] == '[' {
		wire.EachElement(v, func(x []byte) bool {
			s, ok := wire.String(x)
			found = found || ok && s == "object"
			return true
		})
	}
	return found
}
