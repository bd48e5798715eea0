package settings

import (
	"bytes"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

func decodeYAML(data []byte) (map[string]any, error) {
	top := map[string]any{}
	if err := yaml.Unmarshal(data, &top); err != nil {
		return nil, fmt.Errorf("it is not YAML with a mapping at its top: %w", err)
	}
	if top == nil {
		top = map[string]any{}
	}
	return top, nil
}

func applyYAML(data []byte, e Edit) ([]byte, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return nil, fmt.Errorf("it is not YAML: %w", err)
	}
	if len(doc.Content) == 0 || doc.Content[0].ShortTag() == "!!null" {
		if e.Value == nil {
			return data, nil
		}
		doc.Kind = yaml.DocumentNode
		doc.Content = []*yaml.Node{{Kind: yaml.MappingNode}}
	}
	if doc.Content[0].Kind != yaml.MappingNode {
		return nil, ErrForm
	}
	if err := editMapping(doc.Content[0], e); err != nil {
		return nil, err
	}
	if len(doc.Content[0].Content) == 0 && doc.HeadComment+doc.FootComment == "" {
		return nil, nil
	}
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(&doc); err != nil {
		return nil, fmt.Errorf("cannot write YAML: %w", err)
	}
	return b.Bytes(), nil
}

func editMapping(n *yaml.Node, e Edit) error {
	name, at := e.Path[0], -1
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			at = i
		}
	}
	remove := func() { n.Content = append(n.Content[:at], n.Content[at+2:]...) }
	if at < 0 && e.Value == nil {
		return nil
	}
	if len(e.Path) == 1 {
		if e.Value == nil {
			remove()
			return nil
		}
		v, err := yamlValue(e.Value)
		if err != nil {
			return err
		}
		if at < 0 {
			n.Content = append(n.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: name}, v)
			return nil
		}
		v.LineComment = n.Content[at+1].LineComment
		n.Content[at+1] = v
		return nil
	}
	kind := yaml.MappingNode
	if strings.HasPrefix(e.Path[1], "name=") {
		kind = yaml.SequenceNode
	}
	if at < 0 {
		n.Content = append(n.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: name}, &yaml.Node{Kind: kind})
		at = len(n.Content) - 2
	}
	inner := n.Content[at+1]
	if inner.ShortTag() == "!!null" {
		*inner = yaml.Node{Kind: kind}
	}
	if inner.Kind != kind {
		return fmt.Errorf("%w: %s", ErrForm, name)
	}
	inner.Style &^= yaml.FlowStyle
	edit := editMapping
	if kind == yaml.SequenceNode {
		edit = editSequence
	}
	if err := edit(inner, Edit{e.Path[1:], e.Value}); err != nil {
		return err
	}
	if e.Value == nil && len(inner.Content) == 0 {
		remove()
	}
	return nil
}

// editSequence sets or removes the mapping of the list that has the name.
func editSequence(n *yaml.Node, e Edit) error {
	name := strings.TrimPrefix(e.Path[0], "name=")
	at := -1
	for i, item := range n.Content {
		for j := 0; j+1 < len(item.Content) && item.Kind == yaml.MappingNode; j += 2 {
			if item.Content[j].Value == "name" && item.Content[j+1].Value == name {
				at = i
			}
		}
	}
	switch {
	case e.Value == nil && at >= 0:
		n.Content = append(n.Content[:at], n.Content[at+1:]...)
	case e.Value == nil:
	default:
		v, err := yamlValue(e.Value)
		if err != nil {
			return err
		}
		if at < 0 {
			n.Content = append(n.Content, v)
		} else {
			n.Content[at] = v
		}
	}
	return nil
}

func yamlValue(v any) (*yaml.Node, error) {
	n := &yaml.Node{}
	if err := n.Encode(v); err != nil {
		return nil, fmt.Errorf("cannot write the value: %w", err)
	}
	return n, nil
}
