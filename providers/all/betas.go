package all

import (
	_ "embed"
	"slices"
	"strings"

	"github.com/your-org/ai-api-gateway/providers"
)

//go:embed betas.txt
var betasText string

// setBetas gives every provider that speaks Anthropic's format, but for Anthropic,
// the flags it takes.
func setBetas(list []*providers.Provider) {
	rows := map[string][]string{}
	for line := range strings.Lines(betasText) {
		if f := strings.Fields(line); len(f) > 0 && f[0] != "#" {
			rows[f[0]] = f[1:]
		}
	}
	for _, p := range list {
		speaks := slices.ContainsFunc(p.Speaks, func(e providers.Egress) bool { return e.Dialect() == providers.Messages })
		switch row, ok := rows[p.Name]; {
		case !speaks || p.Name == "anthropic" || p.Name == "demo":
		case ok:
			p.Betas = row
		default:
			p.Betas = rows["other"]
		}
	}
}
