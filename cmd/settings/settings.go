// Package settings changes single values in the settings files of other programs
// and keeps everything else in them: members it does not know, their order, and
// comments where the format has them.
package settings

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// A Format is how a file is written.
type Format string

// Formats that can be edited.
const (
	JSON Format = "json" // with comments and trailing commas, where its program takes them
	TOML Format = "toml"
	YAML Format = "yaml"
	Env  Format = "env" // NAME=value lines
)

// An Edit sets the value at Path: a string, bool, int, []any of those, or a
// map[string]any of them; nil removes it. The Path leads through mappings; in YAML
// an element "name=x" is the mapping called x in a list.
type Edit struct {
	Path  []string
	Value any
}

// ErrForm is a file that cannot be edited as it is written.
var ErrForm = errors.New("the file is not written as it can be edited here")

// A codec reads and edits one format.
type codec struct {
	decode func(data []byte) (map[string]any, error)
	apply  func(data []byte, e Edit) ([]byte, error)
}

var codecs = map[Format]codec{
	JSON: {decodeJSON, applyJSON},
	TOML: {decodeTOML, applyTOML},
	YAML: {decodeYAML, applyYAML},
	Env:  {decodeEnv, applyEnv},
}

// Apply returns data with the edits made. An empty file may be edited. What it
// returns holds the values of the edits, and all others of data unchanged, or it
// fails.
func Apply(f Format, data []byte, edits []Edit) ([]byte, error) {
	c, known := codecs[f]
	if !known {
		panic("BUG: unknown format " + string(f))
	}
	want, err := c.decode(data)
	if err != nil {
		return nil, err
	}
	out := data
	for _, e := range edits {
		if len(e.Path) == 0 {
			panic("BUG: an edit without a path")
		}
		if out, err = c.apply(out, e); err != nil {
			return nil, err
		}
		if err := setIn(want, e); err != nil {
			return nil, err
		}
	}
	got, err := c.decode(out)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrForm, err)
	}
	if !reflect.DeepEqual(prune(want), prune(got)) {
		return nil, ErrForm
	}
	return out, nil
}

// Lookup returns the value at path, or false.
func Lookup(f Format, data []byte, path []string) (any, bool) {
	top, err := codecs[f].decode(data)
	if err != nil {
		return nil, false
	}
	var at any = top
	for _, name := range path {
		if at = step(at, name); at == nil {
			return nil, false
		}
	}
	return at, true
}

// Inverse returns the edits that give the paths of edits the values they had in
// before, and remove what was not there: mappings, too, that are empty then.
func Inverse(f Format, before []byte, edits []Edit) []Edit {
	var out []Edit
	for _, e := range slices.Backward(edits) {
		value, _ := Lookup(f, before, e.Path)
		out = append(out, Edit{e.Path, value})
	}
	return out
}

func step(at any, name string) any {
	switch at := at.(type) {
	case map[string]any:
		return at[name]
	case []any:
		if i := named(at, name); i >= 0 {
			return at[i]
		}
	}
	return nil
}

// named returns the index of the mapping that "name=x" means, -1 if there is none.
func named(list []any, selector string) int {
	name, ok := strings.CutPrefix(selector, "name=")
	if !ok {
		return -1
	}
	return slices.IndexFunc(list, func(v any) bool {
		m, ok := v.(map[string]any)
		return ok && m["name"] == name
	})
}

// setIn makes an edit in decoded values: what Apply's result is compared with.
func setIn(at map[string]any, e Edit) error {
	name := e.Path[0]
	if len(e.Path) == 1 {
		if e.Value == nil {
			delete(at, name)
		} else {
			at[name] = e.Value
		}
		return nil
	}
	rest := e.Path[1:]
	if strings.HasPrefix(rest[0], "name=") {
		list, ok := at[name].([]any)
		if at[name] != nil && !ok {
			return fmt.Errorf("%w: %s is no list", ErrForm, name)
		}
		if len(rest) > 1 {
			panic("BUG: an edit within an element of a list")
		}
		switch i := named(list, rest[0]); {
		case i >= 0 && e.Value == nil:
			at[name] = slices.Delete(slices.Clone(list), i, i+1)
		case i >= 0:
			list[i] = e.Value
		case e.Value != nil:
			at[name] = append(list, e.Value)
		}
		return nil
	}
	next, ok := at[name].(map[string]any)
	if at[name] != nil && !ok {
		return fmt.Errorf("%w: %s is no mapping", ErrForm, name)
	}
	if next == nil {
		if e.Value == nil {
			return nil
		}
		next = map[string]any{}
		at[name] = next
	}
	return setIn(next, Edit{rest, e.Value})
}

// prune makes values comparable: numbers of one type, and no empty mappings or
// lists, which are left or dropped with what was in them.
func prune(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for name, value := range v {
			if p := prune(value); p != nil {
				out[name] = p
			}
		}
		if len(out) == 0 {
			return nil
		}
		return out
	case []any:
		out := []any{}
		for _, value := range v {
			out = append(out, prune(value))
		}
		if len(out) == 0 {
			return nil
		}
		return out
	case int:
		return float64(v)
	case int64:
		return float64(v)
	case uint64:
		return float64(v)
	}
	return v
}

func sortedNames(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }
