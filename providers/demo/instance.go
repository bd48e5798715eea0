package demo

import (
	"encoding/json"
	"math"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/your-org/ai-api-gateway/providers/wire"
)

// Bounds of a made-up value, so that no schema makes a large one.
const (
	instanceDepth = 12
	instanceItems = 16
	instanceChars = 4096
	instanceNodes = 2000
)

// A schema is the part of JSON Schema that decides what an instance looks like.
type schema struct {
	Ref         string                     `json:"$ref"`
	Type        json.RawMessage            `json:"type"`
	Enum        []json.RawMessage          `json:"enum"`
	Const       json.RawMessage            `json:"const"`
	Default     json.RawMessage            `json:"default"`
	Examples    []json.RawMessage          `json:"examples"`
	Properties  map[string]json.RawMessage `json:"properties"`
	Required    []string                   `json:"required"`
	Items       json.RawMessage            `json:"items"`
	PrefixItems []json.RawMessage          `json:"prefixItems"`
	MinItems    int                        `json:"minItems"`
	AnyOf       []json.RawMessage          `json:"anyOf"`
	OneOf       []json.RawMessage          `json:"oneOf"`
	AllOf       []json.RawMessage          `json:"allOf"`

	Format           string   `json:"format"`
	Pattern          string   `json:"pattern"`
	MinLength        int      `json:"minLength"`
	MaxLength        *int     `json:"maxLength"`
	Minimum          *float64 `json:"minimum"`
	Maximum          *float64 `json:"maximum"`
	ExclusiveMinimum *float64 `json:"exclusiveMinimum"`
	ExclusiveMaximum *float64 `json:"exclusiveMaximum"`
	MultipleOf       float64  `json:"multipleOf"`
}

// instanceOf returns a JSON value that fits the schema: the same one every time.
// Patterns are met where one of a few plain words fits them; keywords that
// restrict combinations (not, dependencies, uniqueItems) are not looked at.
func instanceOf(raw json.RawMessage) string {
	if len(raw) == 0 {
		return "{}"
	}
	m := maker{root: raw, left: instanceNodes}
	return string(m.value(nil, raw, 0))
}

type maker struct {
	root json.RawMessage
	left int // nodes it may still make
}

func (m *maker) value(dst []byte, raw json.RawMessage, depth int) []byte {
	m.left--
	var s schema
	if err := wire.Unmarshal(raw, &s); err != nil || depth > instanceDepth || m.left < 0 {
		return append(dst, `"demo"`...) // true, a keyword of a foreign type, or too deep
	}
	if s.Ref != "" {
		return m.value(dst, m.resolve(s.Ref), depth+1)
	}
	for _, given := range append([]json.RawMessage{s.Const, s.Default}, append(s.Enum, s.Examples...)...) {
		if len(given) > 0 {
			return append(dst, given...)
		}
	}
	for _, options := range [][]json.RawMessage{s.AnyOf, s.OneOf} {
		if len(options) > 0 && len(s.Properties) == 0 {
			return m.value(dst, options[0], depth+1)
		}
	}
	for _, part := range s.AllOf {
		s.merge(m, part)
	}
	switch s.kind() {
	case "object":
		return m.object(dst, &s, depth)
	case "array":
		return m.array(dst, &s, depth)
	case "integer", "number":
		return strconv.AppendFloat(dst, s.number(), 'f', -1, 64)
	case "boolean":
		return append(dst, "true"...)
	case "null":
		return append(dst, "null"...)
	}
	return wire.AppendString(dst, s.word())
}

// kind returns the type, the first of several; without one it is told by the keywords there are.
func (s *schema) kind() string {
	if types, ok := strings1(s.Type); ok && len(types) > 0 {
		return types[0]
	}
	switch {
	case len(s.Properties) > 0 || len(s.Required) > 0:
		return "object"
	case len(s.Items) > 0 || len(s.PrefixItems) > 0:
		return "array"
	case s.Minimum != nil || s.Maximum != nil || s.MultipleOf > 0:
		return "number"
	}
	return "string"
}

// merge takes over what a part of allOf demands.
func (s *schema) merge(m *maker, part json.RawMessage) {
	var p schema
	if wire.Unmarshal(part, &p) != nil {
		return
	}
	if p.Ref != "" && wire.Unmarshal(m.resolve(p.Ref), &p) != nil {
		return
	}
	if len(s.Type) == 0 {
		s.Type = p.Type
	}
	if s.Properties == nil {
		s.Properties = map[string]json.RawMessage{}
	}
	for name, v := range p.Properties {
		s.Properties[name] = v
	}
	s.Required = append(s.Required, p.Required...)
}

func (m *maker) object(dst []byte, s *schema, depth int) []byte {
	names := make([]string, 0, len(s.Properties))
	for name := range s.Properties {
		names = append(names, name)
	}
	for _, name := range s.Required {
		if _, listed := s.Properties[name]; !listed {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	dst = append(dst, '{')
	wrote := false
	for i, name := range names {
		if i > 0 && names[i-1] == name || !required(s.Required, name) && depth > 4 {
			continue // optional members stop where recursive schemas would not
		}
		if wrote {
			dst = append(dst, ',')
		}
		wrote = true
		dst = append(wire.AppendString(dst, name), ':')
		dst = m.value(dst, s.Properties[name], depth+1)
	}
	return append(dst, '}')
}

func required(list []string, name string) bool {
	for _, r := range list {
		if r == name {
			return true
		}
	}
	return false
}

func (m *maker) array(dst []byte, s *schema, depth int) []byte {
	n := max(len(s.PrefixItems), s.MinItems)
	if n == 0 && len(s.Items) > 0 && depth <= 4 {
		n = 1
	}
	n = min(n, instanceItems)
	dst = append(dst, '[')
	for i := range n {
		if i > 0 {
			dst = append(dst, ',')
		}
		item := s.Items
		if i < len(s.PrefixItems) {
			item = s.PrefixItems[i]
		}
		dst = m.value(dst, item, depth+1)
	}
	return append(dst, ']')
}

// number returns a number within the bounds, 1 if it may be.
func (s *schema) number() float64 {
	low, high := math.Inf(-1), math.Inf(1)
	if s.Minimum != nil {
		low = *s.Minimum
	}
	if s.Maximum != nil {
		high = *s.Maximum
	}
	step := s.MultipleOf
	if step <= 0 && s.kind() == "integer" {
		step = 1
	}
	if v := s.ExclusiveMinimum; v != nil && *v >= low {
		low = between(*v, high, step)
	}
	if v := s.ExclusiveMaximum; v != nil && *v <= high {
		high = between(*v, low, step)
	}
	n := math.Min(math.Max(1, low), high)
	if step > 0 {
		up := math.Ceil(n/step) * step
		if up > high {
			up = math.Floor(n/step) * step
		}
		n = up
	}
	return n
}

// between returns a number next to bound on the side of other.
func between(bound, other, step float64) float64 {
	if step <= 0 {
		step = 1
		if !math.IsInf(other, 0) {
			step = math.Min(1, math.Abs(other-bound)/2)
		}
	}
	if other > bound {
		return bound + step
	}
	return bound - step
}

var formatted = map[string]string{
	"date": "2026-01-01", "time": "12:00:00Z", "date-time": "2026-01-01T12:00:00Z", "duration": "P1D",
	"email": "demo@example.com", "hostname": "example.com", "ipv4": "192.0.2.1", "ipv6": "2001:db8::1",
	"uri": "https://example.com/", "uuid": "00000000-0000-4000-8000-000000000000",
}

// plain are the words tried against a pattern.
var plain = []string{"demo", "Demo", "DEMO", "demo-1", "1", "10", "100", "1000", "12345", "2026-01-01", "a", "A", "A1", "ABC", "ABC-123", "abc123", "#ffffff", "en-US", "USD", "12:00", "+15555550100", "demo@example.com", "https://example.com/", "1.0.0", ""}

func (s *schema) word() string {
	if w, ok := formatted[s.Format]; ok {
		return w
	}
	w := "demo"
	if s.Pattern != "" && len(s.Pattern) <= instanceChars {
		if re, err := regexp.Compile(s.Pattern); err == nil {
			for _, try := range plain {
				if re.MatchString(try) && utf8.RuneCountInString(try) >= s.MinLength {
					return try
				}
			}
		}
	}
	if need := min(s.MinLength, instanceChars); len(w) < need {
		w += strings.Repeat("o", need-len(w))
	}
	if s.MaxLength != nil && *s.MaxLength >= 0 && len(w) > *s.MaxLength {
		w = w[:*s.MaxLength]
	}
	return w
}

// resolve follows a reference within the schema; nil where it leads nowhere.
func (m *maker) resolve(ref string) json.RawMessage {
	path, ok := strings.CutPrefix(ref, "#")
	if !ok {
		return json.RawMessage("true")
	}
	at := m.root
	for _, name := range strings.Split(strings.Trim(path, "/"), "/") {
		if name == "" {
			continue
		}
		name = strings.NewReplacer("~1", "/", "~0", "~").Replace(name)
		var members map[string]json.RawMessage
		if wire.Unmarshal(at, &members) != nil || members[name] == nil {
			return json.RawMessage("true")
		}
		at = members[name]
	}
	return at
}

// jsonAnswer returns the answer to a request for JSON.
func jsonAnswer(q *ask, said string) string {
	if q.format == "json_schema" && len(q.schema) > 0 {
		return instanceOf(q.schema)
	}
	dst := append([]byte(`{"answer":`), wire.AppendString(nil, "This is the offline demo of ai-gateway.")...)
	dst = append(dst, `,"asked":`...)
	dst = wire.AppendString(dst, quote(said, 200))
	return string(append(dst, '}'))
}
