package cmd

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/your-org/ai-api-gateway/server/api"
	"github.com/your-org/ai-api-gateway/web/locales"
)

// saying is where the functions that put sentences into the language of messages
// take them: the places of their arguments.
var saying = map[string][]int{
	"errorf": {0}, "phrase": {0}, "say": {0}, "word": {0}, "line": {0}, "out": {0}, "progress": {0},
	"Errorf": {0}, "wrongUsage": {1}, "plural": {1, 2}, "tell": {3}, "step": {1},
}

// naming is the same for names of checks, steps and facts.
var naming = map[string]int{"head": 0, "tell": 0, "step": 0}

// states are said by variables.
var states = []string{api.KeyActive, api.KeyPaused, api.KeyExpired, api.KeyRevoked, "degraded", "cooldown", "open", "half_open", "parked"}

// wordy is a literal that people would read: two words.
var wordy = regexp.MustCompile(`[A-Za-z]{2,}[:,]? [a-z]{2,}`)

// A spoken is all sentences and names in the code of this package.
type spoken struct {
	sentences, names []string
	untold           []string // where people are told something by another way
}

func readSpoken(t *testing.T) *spoken {
	t.Helper()
	s := &spoken{names: slices.Clone(states)}
	files, err := filepath.Glob("*.go")
	if more, e := filepath.Glob("../tui/*.go"); e == nil { // its errors; all else it says by keys
		files = append(files, more...)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") || name == "docs.go" { // the reference is English
			continue
		}
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				s.call(set, n)
			case *ast.KeyValueExpr:
				if id, ok := n.Key.(*ast.Ident); ok && id.Name == "head" {
					s.name(literal(n.Value))
				}
			case *ast.CompositeLit:
				s.facts(n)
			}
			return true
		})
	}
	return s
}

func (s *spoken) name(text string) {
	if locales.SayKey(text) != "" {
		s.names = append(s.names, text)
	}
}

func (s *spoken) call(set *token.FileSet, c *ast.CallExpr) {
	name, on := "", ""
	switch f := c.Fun.(type) {
	case *ast.Ident:
		name = f.Name
	case *ast.SelectorExpr:
		name = f.Sel.Name
		if id, ok := f.X.(*ast.Ident); ok {
			on = id.Name
		}
	}
	if at, ok := naming[name]; ok && at < len(c.Args) {
		s.name(literal(c.Args[at]))
	}
	for _, at := range saying[name] {
		if on == "fmt" || on == "slog" || at >= len(c.Args) {
			continue
		}
		if text := literal(c.Args[at]); locales.SayKey(text) != "" {
			s.sentences = append(s.sentences, text)
		}
	}
	for _, arg := range c.Args {
		if on == "fmt" && (name == "Errorf" || strings.HasPrefix(name, "Fprint")) || on == "errors" && name == "New" {
			if text := literal(arg); wordy.MatchString(text) {
				s.untold = append(s.untold, set.Position(c.Pos()).String()+": "+text)
			}
		}
	}
}

// facts takes the names out of [][2]string{{"name", value}, …}, which are facts
// where the value is no literal.
func (s *spoken) facts(c *ast.CompositeLit) {
	if len(c.Elts) != 2 {
		return
	}
	if _, ok := c.Type.(*ast.ArrayType); c.Type != nil && !ok {
		return
	}
	first := literal(c.Elts[0])
	if first == "" || first != strings.ToLower(first) || literal(c.Elts[1]) != "" {
		return
	}
	if _, keyed := c.Elts[0].(*ast.KeyValueExpr); !keyed {
		s.name(first)
	}
}

// literal is the value of a string literal, or of several added up; else "".
func literal(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		if e.Kind == token.STRING {
			text, _ := strconv.Unquote(e.Value)
			return text
		}
	case *ast.BinaryExpr:
		if a, b := literal(e.X), literal(e.Y); a != "" && b != "" {
			return a + b
		}
	}
	return ""
}

// TestSentences: what people are told stands in the catalogue of every language, as
// the code has it, with what is put into it; and the catalogue has nothing else.
func TestSentences(t *testing.T) {
	s := readSpoken(t)
	if len(s.sentences) < 300 || len(s.names) < 80 {
		t.Fatalf("only %d sentences and %d names are found", len(s.sentences), len(s.names))
	}
	for _, c := range cobraSays {
		s.sentences = append(s.sentences, c.form)
	}
	english, used := locales.Load("en"), map[string]bool{}
	for _, text := range s.sentences {
		key := locales.SayKey(text)
		used[key] = true
		switch {
		case !english.Has(key):
			t.Errorf("not in the catalogue: %q: %q", key, text)
		case english.T(key) != text:
			t.Errorf("%s is %q in the catalogue, and %q in the code", key, english.T(key), text)
		}
	}
	for _, name := range s.names {
		key := headKey(name)
		used[key] = true
		if !english.Has(key) {
			t.Errorf("not in the catalogue: %q: %q", key, name)
		}
	}
	for _, key := range english.Keys() {
		if (strings.HasPrefix(key, "cli.say.") || strings.HasPrefix(key, "cli.head.")) && !used[key] {
			t.Errorf("%s is in the catalogue, and nobody says it", key)
		}
	}
	for _, lang := range locales.Languages[1:] {
		other := locales.Load(lang)
		for key := range used {
			if got, want := places(other.T(key)), places(english.T(key)); !slices.Equal(got, want) {
				t.Errorf("%s: %s has %v in its places, and en %v", lang, key, got, want)
			}
		}
	}
	for _, where := range s.untold {
		t.Errorf("not said in the language of messages: %s", where)
	}
}

var numbered = regexp.MustCompile(`^%([-+# 0]*)\[(\d+)\](.*)$`)

// places are the verbs of a format, by the argument they show.
func places(format string) []string {
	out := make([]string, 0, 4)
	for i, verb := range locales.Verbs(format) {
		at, shown := i+1, strings.ReplaceAll(verb, "%w", "%v")
		if m := numbered.FindStringSubmatch(verb); m != nil {
			at, _ = strconv.Atoi(m[2])
			shown = "%" + m[1] + m[3]
		}
		out = append(out, strconv.Itoa(at)+shown)
	}
	slices.Sort(out)
	return out
}

// TestToldInChinese: an error is told with what it wraps, and its code stays.
func TestToldInChinese(t *testing.T) {
	zh := locales.Load("zh-CN")
	inner := errorf("no home folder is known: set HOME")
	err := &exitError{exitNotFound, &hintError{err: errorf("cannot change %s: %w", "/x", inner)}}
	if got, want := zh.Tell(err), "无法修改 /x：找不到主目录：请设置 HOME"; got != want {
		t.Errorf("told %q, want %q", got, want)
	}
	if got, want := err.Error(), "cannot change /x: no home folder is known: set HOME"; got != want {
		t.Errorf("the English is %q, want %q", got, want)
	}
	if got, want := zh.Say("%s, %s", plural(1, "1 problem", "%d problems"), plural(2, "1 warning", "%d warnings")), "1 个问题, 2 个警告"; got != want {
		t.Errorf("said %q, want %q", got, want)
	}
}
