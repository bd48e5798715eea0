package settings

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

func decodeTOML(data []byte) (map[string]any, error) {
	top := map[string]any{}
	if err := toml.Unmarshal(data, &top); err != nil {
		return nil, fmt.Errorf("it is not TOML: %w", err)
	}
	return top, nil
}

// A tomlItem is one expression: a key with its value, or the head of a table.
type tomlItem struct {
	table    bool     // a head, of a table or of an element of an array of tables
	array    bool     // the latter
	key      []string // of a head or of a key
	in       []string // the table that a key stands in
	start    int      // of its line
	valueAt  int      // of a scalar value
	valueEnd int      // 0: the value is no scalar
}

func tomlItems(data []byte) ([]tomlItem, error) {
	var items []tomlItem
	var in []string
	p := unstable.Parser{}
	p.Reset(data)
	for p.NextExpression() {
		e := p.Expression()
		if e.Kind == unstable.Comment {
			continue
		}
		item := tomlItem{table: e.Kind != unstable.KeyValue, array: e.Kind == unstable.ArrayTable, in: in}
		first := -1
		for it := e.Key(); it.Next(); {
			if first < 0 {
				first = int(it.Node().Raw.Offset)
			}
			item.key = append(item.key, string(it.Node().Data))
		}
		if first < 0 {
			return nil, ErrForm
		}
		item.start = bytes.LastIndexByte(data[:first], '\n') + 1
		if item.table {
			in = item.key
		} else if v := e.Value(); v.Kind != unstable.Array && v.Kind != unstable.InlineTable && v.Raw.Length > 0 {
			item.valueAt = int(v.Raw.Offset)
			item.valueEnd = item.valueAt + int(v.Raw.Length)
		}
		items = append(items, item)
	}
	if err := p.Error(); err != nil {
		return nil, fmt.Errorf("it is not TOML: %w", err)
	}
	return items, nil
}

// applyTOML sets a scalar at the top, or a whole table.
func applyTOML(data []byte, e Edit) ([]byte, error) {
	items, err := tomlItems(data)
	if err != nil {
		return nil, err
	}
	if table, ok := e.Value.(map[string]any); ok || len(e.Path) > 1 {
		return tomlTable(data, items, e.Path, table)
	}
	at := slices.IndexFunc(items, func(i tomlItem) bool { return !i.table && len(i.in) == 0 && slices.Equal(i.key, e.Path) })
	if e.Value == nil {
		if at < 0 {
			return data, nil
		}
		return cut(data, items[at].start, lineEnd(data, max(items[at].valueEnd, items[at].start)), nil), nil
	}
	value, err := tomlScalar(e.Value)
	if err != nil {
		return nil, err
	}
	if at >= 0 {
		if items[at].valueEnd == 0 {
			return nil, fmt.Errorf("%w: %s is no single value", ErrForm, e.Path[0])
		}
		return cut(data, items[at].valueAt, items[at].valueEnd, []byte(value)), nil
	}
	line := []byte(tomlKey(e.Path[0]) + " = " + value + "\n")
	where := 0 // behind the last single value at the top, else at the start
	for _, i := range items {
		if i.table {
			break
		}
		if i.valueEnd > 0 {
			where = lineEnd(data, i.valueEnd)
		}
	}
	if where == 0 && len(bytes.TrimSpace(data)) > 0 && !slices.ContainsFunc(items, func(i tomlItem) bool { return !i.table && len(i.in) == 0 }) {
		line = append(line, '\n')
	}
	if where > 0 && data[where-1] != '\n' {
		line = append([]byte("\n"), line...)
	}
	return cut(data, where, where, line), nil
}

// tomlTable writes a table whole, in place of the one of its name or at the end; nil removes it.
func tomlTable(data []byte, items []tomlItem, path []string, table map[string]any) ([]byte, error) {
	var text bytes.Buffer
	if table != nil {
		keys := make([]string, len(path))
		for i, p := range path {
			keys[i] = tomlKey(p)
		}
		fmt.Fprintf(&text, "[%s]\n", strings.Join(keys, "."))
		for _, name := range sortedNames(table) {
			value, err := tomlScalar(table[name])
			if err != nil {
				return nil, err
			}
			fmt.Fprintf(&text, "%s = %s\n", tomlKey(name), value)
		}
	}
	at := slices.IndexFunc(items, func(i tomlItem) bool { return i.table && slices.Equal(i.key, path) })
	if at < 0 {
		if table == nil {
			return data, nil
		}
		out := bytes.TrimRight(data, "\n")
		if len(out) > 0 {
			out = append(slices.Clone(out), "\n\n"...)
		}
		return append(out, text.Bytes()...), nil
	}
	if items[at].array {
		return nil, fmt.Errorf("%w: %s is a list", ErrForm, strings.Join(path, "."))
	}
	start, end := items[at].start, len(data)
	for _, i := range items[at+1:] {
		if i.table {
			end = comments(data, i.start)
			break
		}
	}
	if table == nil { // with the blank lines that set it apart
		start = len(bytes.TrimRight(data[:start], "\n"))
		if start > 0 {
			start++
		}
	} else if end < len(data) {
		text.WriteByte('\n')
	}
	return cut(data, start, end, text.Bytes()), nil
}

// comments returns where the comments right above offset begin.
func comments(data []byte, offset int) int {
	for offset > 0 {
		line := bytes.LastIndexByte(data[:offset-1], '\n') + 1
		if text := bytes.TrimSpace(data[line : offset-1]); len(text) == 0 || text[0] != '#' {
			return offset
		}
		offset = line
	}
	return 0
}

func lineEnd(data []byte, from int) int {
	if i := bytes.IndexByte(data[from:], '\n'); i >= 0 {
		return from + i + 1
	}
	return len(data)
}

func cut(data []byte, from, to int, with []byte) []byte {
	return slices.Concat(data[:from], with, data[to:])
}

func tomlKey(s string) string {
	for _, r := range s {
		if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_') {
			return tomlString(s)
		}
	}
	if s == "" {
		return `""`
	}
	return s
}

// tomlString writes s in quotes: JSON's escapes are among TOML's.
func tomlString(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

func tomlScalar(v any) (string, error) {
	switch v := v.(type) {
	case string:
		return tomlString(v), nil
	case bool:
		return strconv.FormatBool(v), nil
	case int:
		return strconv.Itoa(v), nil
	case int64:
		return strconv.FormatInt(v, 10), nil
	}
	return "", fmt.Errorf("%w: a value is none of text, truth and whole number", ErrForm)
}
