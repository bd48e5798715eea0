package cmd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/your-org/ai-api-gateway/server/api"
	"github.com/your-org/ai-api-gateway/web/locales"
)

func (a *app) routeCommand() *cobra.Command {
	c := newGroup("route", "Model names of your own, and where requests go", "routes")
	c.AddCommand(a.routeList(), a.routeSet(), a.routeRemove(), a.routeExplain())
	return c
}

func allMappings(ctx context.Context, c *api.Client) ([]api.Mapping, error) {
	mappings := []api.Mapping{}
	page := api.Page{Limit: 500}
	for range maxPages {
		r, err := c.Mappings(ctx, page)
		if err != nil {
			return nil, err
		}
		mappings = append(mappings, r.Data...)
		if page.Cursor = r.NextCursor; page.Cursor == "" {
			break
		}
	}
	return mappings, nil
}

func (a *app) routeList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List aliases and their targets", Args: cobra.NoArgs, Aliases: []string{"ls"},
		RunE: func(*cobra.Command, []string) error {
			client, err := a.client()
			if err != nil {
				return err
			}
			mappings, err := allMappings(a.ctx, client)
			if err != nil {
				return err
			}
			t := table{columns: []column{{head: "ALIAS"}, {head: "TARGETS", flex: true}, {head: "STRATEGY"}, {head: "FALLBACKS", flex: true}, {head: "ORIGIN"}}, empty: phrase("No aliases. Make one: ai-gateway route set fast openai/gpt-4o-mini")}
			for _, m := range mappings {
				t.rows = append(t.rows, []cell{str(m.Alias), str(targetsText(m.Targets)), str(m.Strategy), str(fallbacksText(m.Fallbacks)), str(m.Origin)})
			}
			return show(a, api.MappingsReply{Data: mappings}, mappings, t)
		},
	}
}

// fallbacksText writes what serves when: "error: a, b; context_window: c".
func fallbacksText(f map[string][]string) string {
	var parts []string
	for _, cause := range sortedNames(f) {
		parts = append(parts, cause+": "+strings.Join(f[cause], ", "))
	}
	return strings.Join(parts, "; ")
}

// targetsText writes targets in the order they are tried: "a, then b 3 : c 1".
func targetsText(targets []api.MappingTarget) string {
	sorted := slices.Clone(targets)
	slices.SortStableFunc(sorted, func(x, y api.MappingTarget) int { return x.Priority - y.Priority })
	var b strings.Builder
	for i, t := range sorted {
		switch {
		case i == 0:
		case t.Priority == sorted[i-1].Priority:
			b.WriteString(" | ")
		default:
			b.WriteString(", then ")
		}
		switch {
		case t.Account != "":
			b.WriteString(t.Account + "/")
		case t.Provider != "":
			b.WriteString(t.Provider + "/")
		}
		b.WriteString(t.Model)
		if t.Weight > 1 {
			b.WriteString(" ×" + strconv.Itoa(t.Weight))
		}
	}
	return b.String()
}

func (a *app) routeSet() *cobra.Command {
	var f routeFlags
	c := &cobra.Command{
		Use: "set ALIAS TARGET...", Short: "Make an alias lead to targets, tried in the order given", Args: cobra.MinimumNArgs(2),
		Long: `Make or change an alias. A TARGET is MODEL, PROVIDER/MODEL or ACCOUNT/MODEL, with
",weight=N" and ",priority=N" behind it if need be. The first target serves, the
next ones take over when it fails; with --spread all share the load by weight, or
as --strategy says. The fallbacks serve when all targets have failed, when a
prompt does not fit, or when a content filter refuses.`,
		Example: "  ai-gateway route set fast openai/gpt-4o-mini anthropic/claude-3-5-haiku-latest\n  ai-gateway route set fast --spread openai/gpt-4o-mini,weight=3 openai-2/gpt-4o-mini\n  ai-gateway route set fast --strategy latency openai/gpt-4o-mini groq/llama-3.3-70b-versatile --on-error backup --on-context-window gemini-2.5-pro",
		RunE: func(c *cobra.Command, args []string) error {
			return a.setRoute(args[0], args[1:], &f, c.Flags().Changed)
		},
	}
	fs := c.Flags()
	fs.BoolVar(&f.spread, "spread", false, "share the load instead of trying in order")
	fs.StringVar(&f.strategy, "strategy", "", "how the load is shared: weighted, priority, latency, cost, least_busy; implies --spread")
	fs.StringSliceVar(&f.onError, "on-error", nil, "models that serve when all targets have failed")
	fs.StringSliceVar(&f.onContext, "on-context-window", nil, "models that serve when the prompt does not fit")
	fs.StringSliceVar(&f.onPolicy, "on-content-policy", nil, "models that serve when a content filter refuses")
	_ = c.RegisterFlagCompletionFunc("strategy", cobra.FixedCompletions([]string{"weighted", "priority", "latency", "cost", "least_busy"}, cobra.ShellCompDirectiveNoFileComp))
	c.ValidArgsFunction = func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) == 0 {
			return a.ask(mappingNames), cobra.ShellCompDirectiveNoFileComp
		}
		return a.ask(modelNames), cobra.ShellCompDirectiveNoFileComp
	}
	return c
}

// routeFlags are what `route set` takes.
type routeFlags struct {
	spread                       bool
	strategy                     string
	onError, onContext, onPolicy []string
}

// fallbacks are the fallbacks that are given; nil: none is.
func (f *routeFlags) fallbacks() map[string][]string {
	out := map[string][]string{}
	for cause, names := range map[string][]string{"error": f.onError, "context_window": f.onContext, "content_policy": f.onPolicy} {
		if len(names) > 0 {
			out[cause] = names
		}
	}
	return out
}

func (a *app) setRoute(alias string, texts []string, f *routeFlags, changed func(string) bool) error {
	client, err := a.client()
	if err != nil {
		return err
	}
	places, err := a.places(client)
	if err != nil {
		return err
	}
	var targets []api.MappingTarget
	for i, text := range texts {
		t, err := parseTarget(text, places)
		if err != nil {
			return err
		}
		if !f.spread && f.strategy == "" && t.Priority < 0 {
			t.Priority = i
		}
		t.Priority = max(0, t.Priority)
		targets = append(targets, t)
	}
	p := api.MappingPatch{Targets: &targets}
	if changed("strategy") {
		p.Strategy = &f.strategy
	}
	fallbacks := f.fallbacks()
	if changed("on-error") || changed("on-context-window") || changed("on-content-policy") {
		p.Fallbacks = &fallbacks
	}
	m, err := client.UpdateMapping(a.ctx, alias, p)
	var refused *api.Error
	if errors.As(err, &refused) && refused.Status == 404 {
		m, err = client.CreateMapping(a.ctx, api.MappingCreate{Alias: alias, Targets: targets, Strategy: f.strategy, Fallbacks: fallbacks})
	}
	if err != nil {
		return err
	}
	if a.output == "json" || a.output == "jsonl" {
		return a.writeJSON(m)
	}
	fmt.Fprintf(a.stdout, "%s → %s\n", cleanText(m.Alias), cleanText(targetsText(m.Targets)))
	a.line("See where a request goes:\n  ai-gateway route explain %s", quoteArg(m.Alias))
	return nil
}

// places tells what a name before the slash of a target is: "account" or "provider".
func (a *app) places(client *api.Client) (map[string]string, error) {
	places := map[string]string{}
	types, err := client.Providers(a.ctx)
	if err != nil {
		return nil, err
	}
	for _, p := range types.Data {
		for _, name := range append(p.Aliases, p.Name) {
			places[name] = "provider"
		}
	}
	accounts, err := allAccounts(a.ctx, client)
	if err != nil {
		return nil, err
	}
	for _, acc := range accounts {
		if places[acc.Name] == "" { // an account called as its provider is one among the provider's
			places[acc.Name] = "account"
		}
	}
	return places, nil
}

// parseTarget reads "place/model,weight=N,priority=N". Priority is -1 if not given.
func parseTarget(text string, places map[string]string) (api.MappingTarget, error) {
	parts := strings.Split(text, ",")
	t := api.MappingTarget{Model: parts[0], Priority: -1}
	if place, model, found := strings.Cut(parts[0], "/"); found && model != "" {
		switch places[place] {
		case "account":
			t.Account, t.Model = place, model
		case "provider":
			t.Provider, t.Model = place, model
		}
	}
	for _, part := range parts[1:] {
		name, value, _ := strings.Cut(part, "=")
		n, err := strconv.Atoi(value)
		if err != nil || n < 0 || name != "weight" && name != "priority" {
			return t, wrongUsage("ai-gateway route set --help", "%q of target %q is not weight=N or priority=N", part, text)
		}
		if name == "weight" {
			t.Weight = n
		} else {
			t.Priority = n
		}
	}
	if t.Model == "" {
		return t, wrongUsage("ai-gateway route set --help", "target %q names no model", text)
	}
	return t, nil
}

func (a *app) routeRemove() *cobra.Command {
	return a.removal(&cobra.Command{Use: "remove ALIAS", Short: "Remove an alias", ValidArgsFunction: a.completeFirst(mappingNames)}, "ai-gateway route list",
		func(client *api.Client, alias string) (q locales.Phrase, err error) {
			m, err := client.Mapping(a.ctx, alias)
			if err != nil {
				return q, err
			}
			return phrase("Remove the alias %q (%s)?", cleanText(m.Alias), cleanText(targetsText(m.Targets))), nil
		}, (*api.Client).DeleteMapping)
}

func (a *app) routeExplain() *cobra.Command {
	var ask api.ExplainAsk
	c := &cobra.Command{
		Use: "explain [MODEL]", Short: "Show where a request would go, and why, without making it", Args: cobra.MaximumNArgs(1), ValidArgsFunction: a.completeFirst(modelNames),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 1 {
				ask.Model = args[0]
			}
			if ask.Model == "" {
				return wrongUsage("ai-gateway models list", "which model? ai-gateway route explain MODEL")
			}
			return a.explain(ask)
		},
	}
	f := c.Flags()
	f.StringVarP(&ask.Model, "model", "m", "", "the model asked for")
	f.StringVar(&ask.Key, "key", "", "name or id of the key that asks")
	f.StringVar(&ask.Provider, "provider", "", "the request's provider member")
	f.StringVar(&ask.Operation, "operation", "", "chat (the default), embeddings, …")
	return c
}

func (a *app) explain(ask api.ExplainAsk) error {
	client, err := a.client()
	if err != nil {
		return err
	}
	if ask.Key != "" {
		k, err := findKey(a.ctx, client, ask.Key)
		if err != nil {
			return err
		}
		ask.Key = k.ID
	}
	r, err := client.Explain(a.ctx, ask)
	if err != nil {
		return err
	}
	t := table{columns: []column{{head: "ORDER", right: true}, {head: "ACCOUNT"}, {head: "PROVIDER"}, {head: "MODEL", flex: true}, {head: "COST/2K", name: "estimated_cost_usd", right: true}, {head: "WHY", flex: true}}}
	for _, target := range r.Targets {
		order, cost := cell{text: "✗", raw: "0", sgr: red}, cell{text: "–"}
		if target.Eligible {
			order = count(int64(target.Order))
		}
		if target.EstimatedCostUSD != nil {
			cost = money(*target.EstimatedCostUSD)
		}
		t.rows = append(t.rows, []cell{order, str(target.Account), str(target.Provider), str(target.Model), cost, str(target.Reason)})
	}
	if a.output != "table" || len(t.rows) > 0 {
		if err := show(a, r, r.Targets, t); err != nil {
			return err
		}
	}
	if r.Error != nil {
		said := errors.New(refusalText(r.Error))
		if !strings.Contains(said.Error(), "`ai-gateway ") { // else it names what mends it
			said = &hintError{err: said, next: "ai-gateway models list"}
		}
		return &exitError{exitNotFound, said}
	}
	if r.Rule != "" {
		a.line("%s: found by %s", cleanText(r.Model), cleanText(r.Rule))
	}
	return nil
}

// refusalText writes what a caller would be told, its machine word first.
func refusalText(e *api.ErrorDetail) string {
	if e.Code == nil {
		return e.Message
	}
	return *e.Code + ": " + e.Message
}
