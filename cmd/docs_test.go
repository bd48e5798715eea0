package cmd

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/your-org/ai-api-gateway/web/locales"
)

func testRoot() *cobra.Command { return inEnglish() }

// TestReference keeps docs/cli.md what the commands are.
func TestReference(t *testing.T) {
	const page = "../docs/cli.md"
	want := reference(testRoot())
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(page, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("docs/cli.md is not what the commands are: go run ./cmd/ai-gateway docs md >docs/cli.md")
	}
}

// noJSON are the verbs whose output is no data, and why.
var noJSON = map[string]string{
	"serve": "runs", "mock": "runs", "tui": "a screen", "launch": "another program's output", "logs replay": "the answer as it comes",
	"config server check": "says that it is valid, or what is not", "config server schema": "is JSON",
	"docs man": "files", "docs md": "a page", "exit-codes": "help",
	"admin reset-key": "the key alone", "secrets rotate": "says that it is done", "secrets forget": "says that it is done",
	"logs export": "a file of its own format", "store compact": "says that it is done",
}

// TestEveryVerbHasAScript fails for a verb that no script of testdata/script runs,
// and for one whose JSON none asks for.
func TestEveryVerbHasAScript(t *testing.T) {
	root := testRoot()
	ran, asJSON := map[string]bool{}, map[string]bool{}
	files, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no scripts", err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(data)) {
			words := strings.Fields(strings.ReplaceAll(line, "'", " "))
			at := slices.Index(words, "ai-gateway")
			if at < 1 || !slices.ContainsFunc(words[:at], func(w string) bool { return w == "exec" || w == "code" || w == "takes" }) {
				continue
			}
			args := words[at+1:]
			c, _, err := root.Find(args)
			if err != nil {
				continue // a mistake on purpose
			}
			name := strings.TrimPrefix(c.CommandPath(), root.Name()+" ")
			ran[name] = true
			for i, word := range args {
				if word == "--json" || word == "-o" && i+1 < len(args) && strings.HasPrefix(args[i+1], "json") {
					asJSON[name] = true
				}
			}
		}
	}
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		name := strings.TrimPrefix(c.CommandPath(), root.Name()+" ")
		if c != root && c.Runnable() && !isGroup(c) && c.Name() != "help" {
			if !ran[name] {
				t.Errorf("no script runs %q", name)
			}
			if noJSON[name] == "" && !asJSON[name] && !strings.HasPrefix(name, "completion") {
				t.Errorf("no script asks %q for JSON", name)
			}
			if noJSON[name] != "" && asJSON[name] {
				t.Errorf("%q is excused from JSON, but a script asks it for some", name)
			}
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(root)
}

// TestNamesAreCompleted: a flag that takes the name of a model, an account, a provider
// or a key completes it, and so does a verb that acts on one.
func TestNamesAreCompleted(t *testing.T) {
	root := testRoot()
	names := []string{"model", "models", "key", "provider", "account", "profile"}
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		path := strings.TrimPrefix(c.CommandPath(), root.Name()+" ")
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if _, ok := c.GetFlagCompletionFunc(f.Name); !ok && slices.Contains(names, f.Name) {
				t.Errorf("%s --%s completes nothing", path, f.Name)
			}
		})
		use := strings.Fields(c.Use)
		if c != root && len(use) > 1 && slices.ContainsFunc(use[1:], func(w string) bool {
			return strings.Contains(w, "ACCOUNT") || strings.Contains(w, "MODEL") || strings.Contains(w, "NAME") || strings.Contains(w, "PROVIDER") || strings.Contains(w, "ALIAS")
		}) && c.ValidArgsFunction == nil && !strings.Contains(path, "create") {
			t.Errorf("%s completes no argument (%s)", path, c.Use)
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(root)
}

// TestWords: the catalogues name every command, in English as the code does.
func TestWords(t *testing.T) {
	en, used := locales.Load("en"), map[string]bool{}
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Name() == "help" || c.Name() == "completion" {
			return
		}
		if key := wordsKey(c); c.HasParent() {
			used[key] = true
			if !en.Has(key) || en.T(key) != c.Short {
				t.Errorf("%q must be %q in web/locales/en.json, and translated in the others", key, c.Short)
			}
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(testRoot())
	for _, key := range en.Keys() {
		if strings.HasPrefix(key, "cli.short.") && !used[key] {
			t.Errorf("%q is of no command", key)
		}
	}
}
