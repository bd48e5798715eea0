package settings

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/tailscale/hujson"
)

func decodeJSON(data []byte) (map[string]any, error) {
	top := map[string]any{}
	if len(bytes.TrimSpace(data)) == 0 {
		return top, nil
	}
	plain, err := hujson.Standardize(bytes.Clone(data))
	if err == nil {
		err = json.Unmarshal(plain, &top)
	}
	if err != nil {
		return nil, fmt.Errorf("it is not JSON with an object at its top: %w", err)
	}
	if top == nil {
		return nil, ErrForm // null
	}
	return top, nil
}

func applyJSON(data []byte, e Edit) ([]byte, error) {
	if len(bytes.TrimSpace(data)) == 0 {
		if e.Value == nil {
			return data, nil
		}
		data = []byte("{}\n")
	}
	doc, err := hujson.Parse(data)
	if err != nil {
		return nil, fmt.Errorf("it is not JSON: %w", err)
	}
	top, ok := doc.Value.(*hujson.Object)
	if !ok {
		return nil, ErrForm
	}
	if err := editObject(top, e, 1); err != nil {
		return nil, err
	}
	return doc.Pack(), nil
}

// editObject makes an edit in o, whose members stand depth steps in.
func editObject(o *hujson.Object, e Edit, depth int) error {
	name, at := e.Path[0], -1
	for i, m := range o.Members {
		if l, ok := m.Name.Value.(hujson.Literal); ok && l.String() == name {
			at = i // of several, the last counts
		}
	}
	switch {
	case len(e.Path) > 1 && at < 0 && e.Value == nil, len(e.Path) == 1 && at < 0 && e.Value == nil:
		return nil
	case len(e.Path) == 1 && e.Value == nil:
		removeMember(o, at)
		return nil
	case len(e.Path) == 1:
		v, err := jsonValue(e.Value, depth)
		if err != nil {
			return err
		}
		if at >= 0 {
			o.Members[at].Value.Value = v
			return nil
		}
		addMember(o, name, v, depth)
		return nil
	}
	if at < 0 {
		addMember(o, name, &hujson.Object{}, depth)
		at = len(o.Members) - 1
	}
	inner, ok := o.Members[at].Value.Value.(*hujson.Object)
	if !ok {
		return fmt.Errorf("%w: %s is no object", ErrForm, name)
	}
	if err := editObject(inner, Edit{e.Path[1:], e.Value}, depth+1); err != nil {
		return err
	}
	if e.Value == nil && len(inner.Members) == 0 && len(bytes.TrimSpace(inner.AfterExtra)) == 0 {
		removeMember(o, at)
	}
	return nil
}

func removeMember(o *hujson.Object, at int) {
	trailing := o.Members[len(o.Members)-1].Value.AfterExtra != nil
	if extra := o.Members[at].Name.BeforeExtra; len(bytes.TrimSpace(extra)) > 0 { // comments stay
		next := &o.AfterExtra
		if at+1 < len(o.Members) {
			next = &o.Members[at+1].Name.BeforeExtra
		}
		*next = append(bytes.Clone(bytes.TrimRight(extra, " \t\n")), *next...)
	}
	o.Members = append(o.Members[:at], o.Members[at+1:]...)
	if n := len(o.Members); n > 0 && !trailing {
		o.Members[n-1].Value.AfterExtra = nil
	} else if n == 0 && len(bytes.TrimSpace(o.AfterExtra)) == 0 {
		o.AfterExtra = nil
	}
}

const jsonIndent = "  "

// addMember appends a member on a line of its own, indented like the ones before.
func addMember(o *hujson.Object, name string, v hujson.ValueTrimmed, depth int) {
	before := "\n" + strings.Repeat(jsonIndent, depth)
	if len(o.Members) > 0 {
		extra := o.Members[0].Name.BeforeExtra
		if i := bytes.LastIndexByte(extra, '\n'); i >= 0 {
			before = string(extra[i:])
		}
		last := &o.Members[len(o.Members)-1].Value
		if last.AfterExtra != nil { // a trailing comma; what stands behind it is about the member before
			before = strings.TrimRight(string(o.AfterExtra), " \t\n") + before
			o.AfterExtra = hujson.Extra("\n" + strings.Repeat(jsonIndent, depth-1))
		}
	}
	if !bytes.ContainsRune(o.AfterExtra, '\n') {
		o.AfterExtra = append(o.AfterExtra, "\n"+strings.Repeat(jsonIndent, depth-1)...)
	}
	o.Members = append(o.Members, hujson.ObjectMember{
		Name:  hujson.Value{BeforeExtra: hujson.Extra(before), Value: hujson.String(name)},
		Value: hujson.Value{BeforeExtra: hujson.Extra(" "), Value: v},
	})
}

func jsonValue(v any, depth int) (hujson.ValueTrimmed, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent(strings.Repeat(jsonIndent, depth), jsonIndent)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("cannot write the value: %w", err)
	}
	parsed, err := hujson.Parse(bytes.TrimSpace(b.Bytes()))
	if err != nil {
		return nil, fmt.Errorf("cannot write the value: %w", err)
	}
	return parsed.Value, nil
}
