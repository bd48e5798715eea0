package config

import (
	"encoding/json"

	"go.yaml.in/yaml/v3"
)

// json writes n as JSON, members in their order, references resolved.
func (l *loader) json(n *yaml.Node, path string) json.RawMessage {
	n = deref(n)
	switch n.Kind {
	case yaml.MappingNode:
		out := []byte{'{'}
		l.pairs(n, path, func(name string, _, value *yaml.Node) {
			if len(out) > 1 {
				out = append(out, ',')
			}
			quoted, _ := json.Marshal(name)
			out = append(append(out, quoted...), ':')
			if value == nil {
				out = append(out, "null"...)
				return
			}
			out = append(out, l.json(value, join(path, name))...)
		})
		return append(out, '}')
	case yaml.SequenceNode:
		out := []byte{'['}
		l.items(n, path, func(path string, item *yaml.Node) {
			if len(out) > 1 {
				out = append(out, ',')
			}
			out = append(out, l.json(item, path)...)
		})
		return append(out, ']')
	}
	return l.jsonScalar(n, path)
}

func (l *loader) jsonScalar(n *yaml.Node, path string) json.RawMessage {
	var v any
	switch n.ShortTag() {
	case "!!int", "!!float", "!!bool", "!!null":
		if n.ShortTag() != "!!bool" && json.Valid([]byte(n.Value)) {
			return json.RawMessage(n.Value) // digits as written
		}
		if err := n.Decode(&v); err != nil {
			l.fail(n, path, "cannot be read: %v", err)
			return json.RawMessage("null")
		}
	case "!!binary":
		l.fail(n, path, "must be text, not binary")
		return json.RawMessage("null")
	default:
		s, _ := l.scalar(n, path)
		v = s
	}
	raw, err := json.Marshal(v)
	if err != nil {
		l.fail(n, path, "is no JSON value: %v", err) // .nan, .inf
		return json.RawMessage("null")
	}
	return raw
}
