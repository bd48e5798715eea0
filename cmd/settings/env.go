package settings

import (
	"bytes"
	"fmt"
	"strings"
)

// envLine splits a line NAME=value, also behind "export"; ok is false for others.
func envLine(line string) (name, value string, ok bool) {
	text := strings.TrimSpace(line)
	text = strings.TrimSpace(strings.TrimPrefix(text, "export "))
	name, value, ok = strings.Cut(text, "=")
	name = strings.TrimSpace(name)
	if !ok || name == "" || strings.HasPrefix(name, "#") || strings.ContainsAny(name, " \t") {
		return "", "", false
	}
	value = strings.TrimSpace(value)
	if n := len(value); n > 0 && strings.ContainsRune(`"'`, rune(value[0])) {
		if end := strings.IndexByte(value[1:], value[0]); end >= 0 {
			return name, value[1 : end+1], true
		}
	}
	value, _, _ = strings.Cut(value, " #")
	return name, strings.TrimSpace(value), true
}

func decodeEnv(data []byte) (map[string]any, error) {
	top := map[string]any{}
	for line := range strings.Lines(string(data)) {
		if name, value, ok := envLine(line); ok {
			top[name] = value
		}
	}
	return top, nil
}

func applyEnv(data []byte, e Edit) ([]byte, error) {
	if len(e.Path) != 1 {
		panic("BUG: variables have no members")
	}
	var entry string
	if e.Value != nil {
		value, ok := e.Value.(string)
		if !ok || strings.ContainsAny(value, "\n\r'") {
			return nil, fmt.Errorf("%w: the value of %s", ErrForm, e.Path[0])
		}
		if strings.ContainsAny(value, " \t#\"$") {
			value = "'" + value + "'"
		}
		entry = e.Path[0] + "=" + value + "\n"
	}
	var out bytes.Buffer
	done := false
	for line := range strings.Lines(string(data)) {
		name, _, ok := envLine(line)
		if !ok || name != e.Path[0] {
			out.WriteString(line)
			continue
		}
		if entry != "" && !done {
			if strings.HasPrefix(strings.TrimSpace(line), "export ") {
				out.WriteString("export ")
			}
			out.WriteString(entry)
		}
		done = true
	}
	if entry != "" && !done {
		if n := out.Len(); n > 0 && out.Bytes()[n-1] != '\n' {
			out.WriteByte('\n')
		}
		out.WriteString(entry)
	}
	return out.Bytes(), nil
}
