package cmd

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

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

// TestWords: the catalogues say what each command does and what each of its flags
// means, in English as the code does and in every other language in its own words; and
// they say it of nothing else.
func TestWords(t *testing.T) {
	en, used := locales.Load("en"), map[string]bool{}
	say := func(of, key, text string) {
		if text == "" {
			return
		}
		used[key] = true
		if !en.Has(key) || en.T(key) != text {
			t.Errorf("%s: %q must be %q in web/locales/en.json, and translated in the others", of, key, text)
		}
	}
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		if c.HasParent() {
			say(c.CommandPath(), wordsKey("short", c), c.Short)
		}
		say(c.CommandPath(), wordsKey("long", c), c.Long)
		flags := func(f *pflag.Flag) { say(c.CommandPath()+" --"+f.Name, flagKey(c, f), f.Usage) }
		c.Flags().VisitAll(flags)
		c.PersistentFlags().VisitAll(flags)
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(testRoot())
	for _, key := range en.Keys() {
		for _, kind := range []string{"cli.short.", "cli.long.", "cli.flag.", "web.setting."} {
			if strings.HasPrefix(key, kind) && !used[key] {
				t.Errorf("%q is of no command, flag or setting", key)
			}
		}
	}
}

// TestHelpInChinese: no help of any command has an English sentence.
func TestHelpInChinese(t *testing.T) {
	var out bytes.Buffer
	a := &app{env: map[string]string{}, now: time.Now, words: locales.Load("zh-CN"), stdout: &out, stderr: &out, stdin: strings.NewReader("")}
	root := newRoot(a)
	english := regexp.MustCompile(`\b(the|of|and|with|that|help for|default)\b [a-z]`)
	pages := 0
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		out.Reset()
		c.SetOut(&out)
		if err := c.Help(); err != nil {
			t.Fatal(err)
		}
		pages++
		text, _, _ := strings.Cut(out.String(), "示例：")
		_, flags, _ := strings.Cut(out.String(), "参数：")
		for line := range strings.Lines(text + flags) {
			if english.MatchString(line) {
				t.Errorf("%s: %s", c.CommandPath(), line)
			}
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(root)
	if pages < 80 {
		t.Errorf("only %d pages of help", pages)
	}
}
