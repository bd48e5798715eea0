package routing

import (
	"fmt"
	"slices"
	"strings"

	"github.com/your-org/ai-api-gateway/providers"
)

func denied(model string) *providers.Error {
	return &providers.Error{Kind: providers.KindPermission, Code: "model_not_allowed", Param: "model", NoRetry: true,
		Message: fmt.Sprintf("this API key may not use model %q: `ai-gateway whoami` lists what it may, `ai-gateway api-key update KEY --models …,%s` adds it", clip(model), shellSafe(clip(model)))}
}

// notFound says that no target serves the model, and what to type to learn why.
func (t *Table) notFound(a Ask, p *Plan) *providers.Error {
	why := ""
	for _, e := range p.Excluded {
		if e.Reason != "does not serve this model" {
			if why = " (" + e.Reason + ")"; e.Account != "" {
				why = fmt.Sprintf(" (account %q: %s)", e.Account, e.Reason)
			}
			break
		}
	}
	return &providers.Error{Kind: providers.KindModelNotFound, Code: "model_not_found", Param: "model", NoRetry: true,
		Message: fmt.Sprintf("no account serves model %q%s: `ai-gateway route explain '%s'` shows why, `ai-gateway models list` what is served", clip(a.Model), why, shellSafe(clip(a.Model)))}
}

func (t *Table) unknownProvider(name string) *providers.Error {
	known := make([]string, 0, len(t.accounts)+4)
	for _, a := range t.accounts {
		if !slices.Contains(known, a.Name) {
			known = append(known, a.Name)
		}
		if !slices.Contains(known, a.Provider.Name) {
			known = append(known, a.Provider.Name)
		}
	}
	slices.Sort(known)
	return &providers.Error{Kind: providers.KindInvalidRequest, Code: "unknown_provider", Param: "provider", NoRetry: true,
		Message: fmt.Sprintf("unknown provider %q; known here: %s", clip(name), strings.Join(known, ", "))}
}

// SetPrice is the command that gives a model of a provider a price, in back quotes.
func SetPrice(provider, model string) string {
	return fmt.Sprintf("`ai-gateway models price set '%s' --provider %s --input USD --output USD`", shellSafe(clip(model)), provider)
}

// clip shortens what a caller sent before it is shown back.
func clip(s string) string {
	const most = 200
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

func shellSafe(s string) string { return strings.ReplaceAll(s, "'", "") }
