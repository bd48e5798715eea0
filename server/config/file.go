package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/your-org/ai-api-gateway/store"
)

// Bounds of a configuration file.
const (
	maxFile  = 1 << 20
	maxDepth = 24
	maxNodes = 50_000 // with every alias written out
)

// A loader fills a Config and collects what is wrong with its sources.
type loader struct {
	c     *Config
	rows  []setting
	env   *environ
	known known
	errs  Errors

	path    string // the file being read
	nodes   int
	refs    refCache
	maxRefs int

	baseless []baseless
	otel     []string // warnings of its variables
}

// baseless is an account whose provider has no base URL and that gives none:
// another source may set the provider's.
type baseless struct {
	provider, path string
	n              *yaml.Node
}

// fail notes a mistake at n, which may be nil.
func (l *loader) fail(n *yaml.Node, path, msg string, args ...any) {
	e := &Error{Source: l.path, Path: path, Msg: fmt.Sprintf(msg, args...)}
	if n != nil {
		e.Line, e.Column = n.Line, n.Column
	}
	l.add(e)
}

func (l *loader) add(e *Error) {
	if len(l.errs) < maxErrors {
		l.errs = append(l.errs, e)
	}
}

// file reads and applies the file at path. A returned error means that it could
// not be read as YAML at all; mistakes within it are in l.errs.
func (l *loader) file(path string) error {
	l.path = path
	data, err := readBounded(path, maxFile)
	if err != nil {
		return fmt.Errorf("cannot read configuration %q: %w", path, err)
	}
	l.c.Path = path
	root, err := parse(data)
	if err != nil {
		return Errors{yamlError(path, err)}
	}
	if root == nil {
		return nil
	}
	if err := l.measure(root, 0); err != nil {
		return Errors{err}
	}
	l.root(root)
	l.warnOpenFile(path, data)
	return nil
}

// readBounded reads a regular file of at most limit bytes.
func readBounded(path string, limit int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, unwrapPath(err)
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("not a regular file") // opening a pipe could wait for ever
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, unwrapPath(err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, unwrapPath(err)
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("larger than %s", formatSize(limit))
	}
	return data, nil
}

// parse returns the top node of the only document in data, nil if there is none.
func parse(data []byte) (*yaml.Node, error) {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc yaml.Node
	if err := dec.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, nil
		}
		return nil, err
	}
	var second yaml.Node
	switch err := dec.Decode(&second); {
	case err == nil:
		return nil, &Error{Line: second.Line, Column: second.Column, Msg: "a second document: the file must hold one"}
	case !errors.Is(err, io.EOF):
		return nil, err
	}
	if len(doc.Content) == 0 {
		return nil, nil
	}
	top := doc.Content[0]
	if top.Kind == yaml.ScalarNode && top.ShortTag() == "!!null" {
		return nil, nil
	}
	return top, nil
}

// yamlError gives an error of the YAML parser ("yaml: line 3: …") its place.
func yamlError(path string, err error) *Error {
	var own *Error
	if errors.As(err, &own) {
		own.Source = path
		return own
	}
	e := &Error{Source: path, Msg: strings.TrimPrefix(err.Error(), "yaml: ")}
	var line int
	if n, _ := fmt.Sscanf(e.Msg, "line %d:", &line); n == 1 {
		e.Line, e.Column = line, 1
		_, e.Msg, _ = strings.Cut(e.Msg, ": ")
	}
	return e
}

// measure refuses what would be too much to walk: deep nesting, aliases that
// multiply, and merge keys, which would hide where a value is from.
func (l *loader) measure(n *yaml.Node, depth int) *Error {
	at := func(msg string, args ...any) *Error {
		return &Error{Source: l.path, Line: n.Line, Column: n.Column, Msg: fmt.Sprintf(msg, args...)}
	}
	if l.nodes++; l.nodes > maxNodes {
		return at("more than %d values, aliases written out", maxNodes)
	}
	if depth > maxDepth {
		return at("nested deeper than %d", maxDepth)
	}
	if n.Kind == yaml.AliasNode {
		return l.measure(n.Alias, depth+1)
	}
	for _, child := range n.Content {
		if child.ShortTag() == "!!merge" {
			return &Error{Source: l.path, Line: child.Line, Column: child.Column, Msg: "merge keys are not supported: write the members out"}
		}
		if err := l.measure(child, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// deref follows an alias to its node.
func deref(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// pairs calls each for the members of mapping n, in order. It tells what is no
// mapping, names that are no strings, and names that come twice. Members that
// are null count as absent.
func (l *loader) pairs(n *yaml.Node, path string, each func(name string, key, value *yaml.Node)) {
	n = deref(n)
	if n.Kind != yaml.MappingNode {
		l.fail(n, path, "must be a mapping of names to values")
		return
	}
	seen := make(map[string]int, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := deref(n.Content[i]), deref(n.Content[i+1])
		if key.Kind != yaml.ScalarNode {
			l.fail(key, path, "a name must be a string")
			continue
		}
		if line, twice := seen[key.Value]; twice {
			l.fail(n.Content[i], join(path, key.Value), "given twice, first in line %d", line)
			continue
		}
		seen[key.Value] = n.Content[i].Line
		if isNull(value) {
			value = nil
		}
		each(key.Value, n.Content[i], value)
	}
}

// items calls each for the items of sequence n.
func (l *loader) items(n *yaml.Node, path string, each func(path string, item *yaml.Node)) {
	n = deref(n)
	if n.Kind != yaml.SequenceNode {
		l.fail(n, path, "must be a list")
		return
	}
	for i, item := range n.Content {
		each(fmt.Sprintf("%s[%d]", path, i), deref(item))
	}
}

// scalar returns the text of n with its references resolved.
func (l *loader) scalar(n *yaml.Node, path string) (string, bool) {
	n = deref(n)
	if n.Kind != yaml.ScalarNode {
		l.fail(n, path, "must be a single value")
		return "", false
	}
	if n.ShortTag() != "!!str" {
		return n.Value, true
	}
	text, err := l.resolve(n.Value)
	if err != nil {
		l.fail(n, path, "%v", err)
		return "", false
	}
	return text, true
}

// refuse notes err about the value of n without showing what its references hold.
func (l *loader) refuse(n *yaml.Node, path, text string, err error) {
	msg := err.Error()
	if n = deref(n); n.Value != text && text != "" {
		msg = strings.ReplaceAll(msg, fmt.Sprintf("%q", text), fmt.Sprintf("%q", n.Value))
		if strings.Contains(msg, text) {
			msg = fmt.Sprintf("%s holds no valid value", n.Value)
		}
	}
	l.fail(n, path, "%s", msg)
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// root applies the top level of the file.
func (l *loader) root(n *yaml.Node) {
	l.pairs(n, "", func(name string, key, value *yaml.Node) {
		switch {
		case name == "providers":
			if value != nil {
				l.baseURLs(value)
			}
		case name == "accounts":
			if value != nil {
				l.items(value, name, l.account)
			}
		case name == "model_mappings":
			if value != nil {
				l.items(value, name, l.mapping)
			}
		case name == "quota_policies":
			if value != nil {
				l.items(value, name, l.policy)
			}
		default:
			l.section("", name, key, value)
		}
	})
}

// section applies the setting or group of settings called name below prefix.
func (l *loader) section(prefix, name string, key, value *yaml.Node) {
	path := join(prefix, name)
	group := false
	for _, row := range l.rows {
		if row.path == path {
			if value != nil {
				l.setting(row, value)
			}
			return
		}
		group = group || strings.HasPrefix(row.path, path+".")
	}
	if !group {
		l.fail(key, "", "unknown field %q%s", path, suggest(path, l.paths()))
		return
	}
	if value != nil {
		l.pairs(value, path, func(name string, key, value *yaml.Node) { l.section(path, name, key, value) })
	}
}

// paths returns the names that may be meant at the top: settings, their groups, and lists.
func (l *loader) paths() []string {
	names := []string{"accounts", "providers", "model_mappings", "quota_policies"}
	for _, row := range l.rows {
		names = append(names, row.path)
		if group, _, found := strings.Cut(row.path, "."); found {
			names = append(names, group)
		}
	}
	return names
}

func (l *loader) setting(row setting, n *yaml.Node) {
	var err error
	var text string
	if row.list() && n.Kind == yaml.SequenceNode {
		list := []string{}
		l.items(n, row.path, func(path string, item *yaml.Node) {
			if s, ok := l.scalar(item, path); ok {
				list = append(list, s)
				if err == nil {
					if err = row.assignList([]string{s}); err != nil {
						l.refuse(item, path, s, err)
					}
				}
			}
		})
		if err == nil {
			err = row.assignList(list)
		} else {
			return
		}
	} else {
		var ok bool
		if text, ok = l.scalar(n, row.path); !ok {
			return
		}
		err = row.assign(text)
	}
	if err != nil {
		l.refuse(n, row.path, text, err)
		return
	}
	l.c.origins[row.path] = source{store.OriginFile, l.at(n)}
}

// at returns the place of n for people.
func (l *loader) at(n *yaml.Node) string { return fmt.Sprintf("%s:%d:%d", l.path, n.Line, n.Column) }

// warnOpenFile warns of a file that holds keys and that every user can read.
func (l *loader) warnOpenFile(path string, data []byte) {
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm()&0o004 == 0 {
		return
	}
	for _, a := range l.c.Accounts {
		for _, s := range a.Secrets {
			if bytes.Contains(data, []byte(s.Plain.Reveal())) {
				l.c.Warnings = append(l.c.Warnings, fmt.Sprintf("%s holds provider keys and every user can read it: chmod 600 %s", path, path))
				return
			}
		}
	}
}
