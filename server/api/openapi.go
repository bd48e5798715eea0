package api

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"sync"

	"go.yaml.in/yaml/v3"
)

// OpenAPI is the description of the relay and admin API, in YAML.
//
//go:embed openapi.yaml
var OpenAPI []byte

// OpenAPIJSON returns the description in JSON, its members in the order of the YAML.
var OpenAPIJSON = sync.OnceValue(func() []byte {
	var doc yaml.Node
	if err := yaml.Unmarshal(OpenAPI, &doc); err != nil {
		panic("BUG: openapi.yaml: " + err.Error())
	}
	var b bytes.Buffer
	if err := writeNode(&b, doc.Content[0]); err != nil {
		panic("BUG: openapi.yaml: " + err.Error())
	}
	return b.Bytes()
})

// writeNode writes a YAML node as JSON.
func writeNode(b *bytes.Buffer, n *yaml.Node) error {
	open, end := byte('['), byte(']')
	switch n.Kind {
	case yaml.ScalarNode:
		var v any
		if err := n.Decode(&v); err != nil {
			return err
		}
		raw, err := json.Marshal(v)
		b.Write(raw)
		return err
	case yaml.MappingNode:
		open, end = '{', '}'
	case yaml.SequenceNode:
	default:
		return fmt.Errorf("line %d: anchors and aliases are not used", n.Line)
	}
	b.WriteByte(open)
	for i, c := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 1 {
			b.WriteByte(':')
		} else if i > 0 {
			b.WriteByte(',')
		}
		if n.Kind == yaml.MappingNode && i%2 == 0 {
			if err := writeString(b, c.Value); err != nil {
				return err
			}
			continue
		}
		if err := writeNode(b, c); err != nil {
			return err
		}
	}
	b.WriteByte(end)
	return nil
}
