package tui

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/your-org/ai-api-gateway/web/locales"
)

// TestTexts: every text that is asked for is there, and every one that is there is
// asked for, by its name or by the beginning of it.
func TestTexts(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	source := ""
	for _, f := range files {
		if !strings.HasSuffix(f, "_test.go") {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			source += string(b)
		}
	}
	en := locales.Load("en")
	var families []string
	for _, m := range regexp.MustCompile(`"(tui\.[a-z_0-9.]+)"`).FindAllStringSubmatch(source, -1) {
		if strings.HasSuffix(m[1], ".") {
			families = append(families, m[1])
		} else if !en.Has(m[1]) {
			t.Errorf("%q is asked for and nowhere", m[1])
		}
	}
	for _, m := range regexp.MustCompile(`a\.on\("[^"]*", "[^"]*", "([a-z_]+)"`).FindAllStringSubmatch(source, -1) {
		if !en.Has("tui.key." + m[1]) {
			t.Errorf("the key %q has no text", m[1])
		}
	}
	for _, k := range en.Keys() {
		used := strings.Contains(source, `"`+k+`"`) || !strings.HasPrefix(k, "tui.")
		for _, f := range families {
			used = used || strings.HasPrefix(k, f)
		}
		if !used {
			t.Errorf("%q is asked for by nothing", k)
		}
	}
}
