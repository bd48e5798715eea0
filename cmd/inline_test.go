package cmd

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/your-org/ai-api-gateway/web/locales"
)

// TestCommandsThatAreNamed: each command that a page or a message names within a
// sentence is one, with flags that it has.
func TestCommandsThatAreNamed(t *testing.T) {
	pages, err := filepath.Glob("../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	named := 0
	look := func(where, text string) {
		for _, m := range regexp.MustCompile("`(?:\\./)?ai-gateway ([^`]+)`").FindAllStringSubmatch(text, -1) {
			named++
			if why := misnamed(m[1]); why != "" {
				t.Errorf("%s: `ai-gateway %s`: %s", where, m[1], why)
			}
		}
	}
	for _, page := range append(pages, "../README.md", "../README.zh-CN.md", "../SECURITY.md", "../CONTRIBUTING.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		look(page, regexp.MustCompile("(?ms)^```.*?^```").ReplaceAllString(string(text), ""))
	}
	for _, lang := range locales.Languages {
		c := locales.Load(lang)
		for _, key := range c.Keys() {
			look(lang+" "+key, c.T(key))
			if _, command, ok := strings.Cut(c.T(key), ": ai-gateway "); ok {
				look(lang+" "+key, "`ai-gateway "+command+"`")
			}
		}
	}
	if named < 150 {
		t.Errorf("only %d commands are named", named)
	}
}

// misnamed says what is wrong with the words behind ai-gateway; "" if nothing is.
func misnamed(text string) string {
	rest := strings.Fields(regexp.MustCompile(`[|…].*`).ReplaceAllString(text, ""))
	at := inEnglish()
	for len(rest) > 0 {
		i := slices.IndexFunc(at.Commands(), func(c *cobra.Command) bool { return c.Name() == rest[0] || c.HasAlias(rest[0]) })
		if i < 0 {
			break
		}
		at, rest = at.Commands()[i], rest[1:]
	}
	if isGroup(at) && len(rest) > 0 && !strings.HasPrefix(rest[0], "-") && rest[0] == strings.ToLower(rest[0]) {
		return "no command " + rest[0] + " of " + at.CommandPath()
	}
	for _, w := range rest {
		if w == "--" {
			break // what follows is another program's
		}
		name, _, _ := strings.Cut(strings.TrimPrefix(w, "--"), "=")
		if strings.HasPrefix(w, "--") && name != "help" && at.Flag(name) == nil {
			return "no flag --" + name
		}
	}
	return ""
}
