package all

import (
	"strings"
	"testing"

	"github.com/your-org/ai-api-gateway/providers"
)

// TestBetas: the file's rows are of providers that are known, and every provider of
// Anthropic's format has a list, but for those who take all.
func TestBetas(t *testing.T) {
	known := map[string]*providers.Provider{"other": {}}
	for _, p := range All() {
		known[p.Name] = p
		for _, e := range p.Speaks {
			if e.Dialect() == providers.Messages && (p.Betas == nil) != (p.Name == "anthropic" || p.Name == "demo") {
				t.Errorf("%s takes the flags %q", p.Name, p.Betas)
			}
		}
	}
	rows := 0
	for line := range strings.Lines(betasText) {
		f := strings.Fields(line)
		if len(f) == 0 || f[0] == "#" {
			continue
		}
		if rows++; len(f) < 2 {
			t.Errorf("row %q takes nothing", f[0])
		}
		if known[f[0]] == nil && f[0] != "vertex" {
			t.Errorf("row %q is of no provider", f[0])
		}
	}
	if rows < 3 {
		t.Errorf("only %d rows", rows)
	}
}
