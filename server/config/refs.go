package config

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
)

// Bounds of references.
const (
	maxReferences = 1000
	maxRefFile    = 64 << 10
	maxRefBytes   = 8 << 20 // all values together
)

// refCache keeps what references gave, so that a value is read once.
type refCache struct {
	files map[string]string
	bytes int
}

var envName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// resolve replaces the references in text: ${NAME}, ${NAME:-default} (used if NAME
// is unset or empty) and ${file:/path}. "$${" stands for a plain "${". What a
// reference gives is not looked at again.
func (l *loader) resolve(text string) (string, error) {
	if !strings.Contains(text, "${") {
		return text, nil
	}
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(text, "${")
		if !found {
			b.WriteString(text)
			return b.String(), nil
		}
		if plain, escaped := strings.CutSuffix(before, "$"); escaped {
			b.WriteString(plain + "${")
			text = rest
			continue
		}
		b.WriteString(before)
		inner, after, closed := strings.Cut(rest, "}")
		if !closed {
			return "", errors.New("'${' without '}': write '$${' for the characters themselves")
		}
		value, err := l.reference(inner)
		if err != nil {
			return "", err
		}
		if l.refs.bytes += len(value); l.refs.bytes > maxRefBytes {
			return "", fmt.Errorf("references give more than %s together", formatSize(maxRefBytes))
		}
		b.WriteString(value)
		text = after
	}
}

// reference returns what the inside of one ${…} stands for.
func (l *loader) reference(inner string) (string, error) {
	if l.maxRefs--; l.maxRefs < 0 {
		return "", fmt.Errorf("more than %d references", maxReferences)
	}
	if path, ok := strings.CutPrefix(inner, "file:"); ok {
		return l.referenceFile(path)
	}
	if strings.HasPrefix(inner, "cmd:") {
		return "", errors.New("${cmd:…} is refused: a configuration does not run commands; use ${file:/path} or ${NAME}")
	}
	name, def, hasDefault := strings.Cut(inner, ":-")
	if !envName.MatchString(name) {
		return "", fmt.Errorf("unknown reference ${%s}: use ${NAME}, ${NAME:-default} or ${file:/path}", inner)
	}
	if value, ok := l.env.get(name); ok && (value != "" || !hasDefault) {
		return value, nil
	}
	if hasDefault {
		return def, nil
	}
	return "", fmt.Errorf("environment variable %s is not set: set it or write ${%s:-default}", name, name)
}

// referenceFile reads a secret from a file: absolute, regular, small.
func (l *loader) referenceFile(path string) (string, error) {
	if value, ok := l.refs.files[path]; ok {
		return value, nil
	}
	if !filepath.IsAbs(path) || filepath.Clean(path) != path {
		return "", fmt.Errorf("${file:%s}: the path must be absolute and without '..'", path)
	}
	data, err := readBounded(path, maxRefFile)
	if err != nil {
		return "", fmt.Errorf("${file:%s}: %w", path, err)
	}
	value := strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
	if l.refs.files == nil {
		l.refs.files = map[string]string{}
	}
	l.refs.files[path] = value
	return value, nil
}
