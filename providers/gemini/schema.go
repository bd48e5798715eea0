package gemini

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/your-org/ai-api-gateway/providers/wire"
)

// maxSchemaDepth bounds how deep a schema is followed, references included:
// what lies deeper may be anything.
const maxSchemaDepth = 24

// jsonSchema turns a schema of the OpenAPI subset (types in capitals, nullable)
// into JSON Schema, which every other format takes.
func jsonSchema(v []byte) json.RawMessage {
	if !wire.IsObject(v) {
		return json.RawMessage(v)
	}
	return appendJSONSchema(nil, v, 0)
}

func appendJSONSchema(dst []byte, v []byte, depth int) []byte {
	if !wire.IsObject(v) || depth > maxSchemaDepth {
		return append(dst, "{}"...)
	}
	nullable := isTrue(at(v, "nullable"))
	dst = append(dst, '{')
	eachMember(v, func(name string, x []byte) bool {
		switch name {
		case "nullable":
		case "type":
			dst = appendType(wire.Key(dst, "type"), x, nullable)
		case "format":
			if s, _ := wire.String(x); s != "enum" {
				dst = wire.PutRaw(dst, name, x)
			}
		case "properties", "defs", "$defs":
			dst = append(wire.AppendString(wire.Comma(dst), name), ":{"...)
			wire.EachMember(x, func(prop, sub []byte) bool {
				dst = append(wire.AppendString(wire.Comma(dst), prop), ':')
				dst = appendJSONSchema(dst, sub, depth+1)
				return true
			})
			dst = append(dst, '}')
		case "items", "additionalProperties":
			if dst = wire.Key(dst, name); wire.IsObject(x) {
				dst = appendJSONSchema(dst, x, depth+1)
			} else {
				dst = wire.AppendRaw(dst, x)
			}
		case "anyOf", "prefixItems":
			dst = append(wire.Key(dst, name), '[')
			wire.EachElement(x, func(sub []byte) bool {
				dst = appendJSONSchema(wire.Comma(dst), sub, depth+1)
				return true
			})
			if nullable && name == "anyOf" {
				dst = append(wire.Comma(dst), `{"type":"null"}`...)
			}
			dst = append(dst, ']')
		case "minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties": // int64, which proto3 JSON writes as strings
			if n, err := integer(name, x); err == nil {
				dst = wire.PutInt(dst, name, *n)
			}
		default:
			dst = wire.PutMember(dst, name, x)
		}
		return true
	})
	return append(dst, '}')
}

// numberedTypes are the types by their number, as clients on gRPC's types send them.
var numberedTypes = [...]string{"", "STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT", "NULL"}

// appendType writes a type in JSON Schema's spelling.
func appendType(dst []byte, v []byte, nullable bool) []byte {
	s, ok := wire.String(v)
	if n, isNumber := wire.Int(v); isNumber && n > 0 && int(n) < len(numberedTypes) {
		s, ok = numberedTypes[n], true
	}
	if !ok {
		return wire.AppendRaw(dst, v)
	}
	if s == strings.ToUpper(s) {
		s = strings.ToLower(s)
	}
	if !nullable || s == "null" {
		return wire.AppendString(dst, s)
	}
	return append(wire.AppendString(append(dst, '['), s), `,"null"]`...)
}

// openAPISchema turns JSON Schema into the subset that parameters and
// responseSchema take; the API refuses keywords it does not know ($ref, const,
// additionalProperties, lists of types, …). References are put in their places;
// what has no equal is left out. It is for models that do not take
// parametersJsonSchema.
func openAPISchema(v []byte) json.RawMessage {
	s := subset{root: v}
	return s.append(nil, v, 0)
}

// A subset rewrites one schema.
type subset struct {
	root []byte
	size int // bytes followed, against references that multiply
}

const maxSchemaBytes = 1 << 20

// plainKeywords are taken over as they are.
var plainKeywords = []string{"title", "description", "default", "example", "pattern", "minimum", "maximum",
	"minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties", "required", "propertyOrdering"}

// formats are the formats the subset knows.
var formats = []string{"date-time", "int32", "int64", "float", "double"}

func (s *subset) append(dst []byte, v []byte, depth int) []byte {
	s.size += len(v)
	if !wire.IsObject(v) || depth > maxSchemaDepth || s.size > maxSchemaBytes {
		return append(dst, `{"type":"STRING"}`...)
	}
	if ref := rawString(v, "$ref"); ref != "" {
		if target := s.resolve(ref); target != nil {
			return s.append(dst, target, depth+1)
		}
		return append(dst, `{"type":"STRING"}`...)
	}
	if one := only(v, "allOf"); one != nil {
		return s.append(dst, one, depth+1)
	}
	typ, nullable := types(v)
	dst = append(dst, '{')
	if typ != "" {
		dst = wire.PutString(dst, "type", strings.ToUpper(typ))
	}
	wire.EachMember(v, func(name, x []byte) bool {
		switch n := string(name); n {
		case "properties":
			dst = s.properties(dst, x, depth)
		case "items":
			dst = s.append(wire.Key(dst, n), x, depth+1)
		case "anyOf", "oneOf":
			var null bool
			dst, null = s.anyOf(dst, x, depth)
			nullable = nullable || null
		case "enum":
			dst = appendEnum(dst, x, typ)
		case "const":
			dst = appendEnum(dst, append(append([]byte{'['}, x...), ']'), typ)
		case "format":
			if f, _ := wire.String(x); slices.Contains(formats, f) {
				dst = wire.PutRaw(dst, n, x)
			}
		case "nullable":
			nullable = nullable || isTrue(x)
		default:
			if slices.Contains(plainKeywords, n) && !isNull(x) {
				dst = wire.PutRaw(dst, n, x)
			}
		}
		return true
	})
	if typ == "array" && raw(v, "items") == nil {
		dst = append(dst, `,"items":{"type":"STRING"}`...)
	}
	if nullable {
		dst = wire.PutBool(dst, "nullable", true)
	}
	return append(dst, '}')
}

func (s *subset) properties(dst, v []byte, depth int) []byte {
	dst = append(wire.Key(dst, "properties"), '{')
	wire.EachMember(v, func(name, x []byte) bool {
		dst = append(wire.AppendString(wire.Comma(dst), name), ':')
		dst = s.append(dst, x, depth+1)
		return true
	})
	return append(dst, '}')
}

// anyOf writes the alternatives other than null.
func (s *subset) anyOf(dst, v []byte, depth int) (_ []byte, null bool) {
	dst = append(wire.Key(dst, "anyOf"), '[')
	wire.EachElement(v, func(x []byte) bool {
		if rawString(x, "type") == "null" {
			null = true
			return true
		}
		dst = s.append(wire.Comma(dst), x, depth+1)
		return true
	})
	return append(dst, ']'), null
}

// types returns a schema's type, the first that is not null of several.
func types(v []byte) (typ string, nullable bool) {
	t := raw(v, "type")
	if typ, ok := wire.String(t); ok {
		return typ, false
	}
	wire.EachElement(t, func(elem []byte) bool {
		switch name, _ := wire.String(elem); {
		case name == "null":
			nullable = true
		case typ == "":
			typ = name
		}
		return true
	})
	if typ == "" && raw(v, "properties") != nil {
		typ = "object"
	}
	if c := raw(v, "const"); typ == "" && len(c) > 0 && c[0] == '"' {
		typ = "string"
	}
	if e := raw(v, "enum"); typ == "" && e != nil {
		typ = "string"
	}
	return typ, nullable
}

// appendEnum writes the values of an enumeration, which are strings here.
func appendEnum(dst, v []byte, typ string) []byte {
	if typ != "string" {
		return dst
	}
	dst = append(wire.Key(dst, "enum"), '[')
	wire.EachElement(v, func(elem []byte) bool {
		if len(elem) > 0 && elem[0] == '"' {
			dst = wire.AppendRaw(wire.Comma(dst), elem)
		}
		return true
	})
	return append(dst, ']')
}

// resolve finds what a reference within the schema points to.
func (s *subset) resolve(ref string) []byte {
	path, ok := strings.CutPrefix(ref, "#")
	if !ok {
		return nil
	}
	v := s.root
	for part := range strings.SplitSeq(strings.TrimPrefix(path, "/"), "/") {
		if part == "" {
			continue
		}
		part = strings.NewReplacer("~1", "/", "~0", "~").Replace(part)
		if v = raw(v, part); v == nil {
			return nil
		}
	}
	return v
}

// only returns the one element of a list.
func only(v []byte, name string) (one []byte) {
	n := 0
	wire.EachElement(raw(v, name), func(elem []byte) bool {
		one = elem
		n++
		return true
	})
	if n != 1 {
		return nil
	}
	return one
}

// raw returns a member by its exact name.
func raw(obj []byte, name string) (found []byte) {
	wire.EachMember(obj, func(n, v []byte) bool {
		if string(n) == name {
			found = v
		}
		return found == nil
	})
	return found
}

func rawString(obj []byte, name string) string {
	s, _ := wire.String(raw(obj, name))
	return s
}
