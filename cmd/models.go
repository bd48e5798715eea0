package cmd

import (
	"cmp"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/your-org/ai-api-gateway/server/api"
)

func (a *app) modelsCommand() *cobra.Command {
	c := newGroup("models", "Models that can be asked for", "model")
	var provider string
	list := &cobra.Command{
		Use: "list", Short: "List models with their prices", Args: cobra.NoArgs, Aliases: []string{"ls"},
		RunE: func(*cobra.Command, []string) error { return a.listModels(provider, false) },
	}
	list.Flags().StringVar(&provider, "provider", "", "only those of this provider")
	refresh := &cobra.Command{
		Use: "refresh", Short: "Read the upstreams' own lists now", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return a.listModels("", true) },
	}
	c.AddCommand(list, refresh, a.priceCommand())
	return c
}

func (a *app) listModels(provider string, refresh bool) error {
	client, err := a.client()
	if err != nil {
		return err
	}
	r, err := client.CatalogueModels(a.ctx, refresh)
	var refused *api.Error
	if errors.As(err, &refused) && refused.Status == 403 && !refresh && provider == "" {
		return a.listOwnModels(client)
	}
	if err != nil {
		return err
	}
	models := r.Data[:0:0]
	for _, m := range r.Data {
		if provider == "" || m.Provider == provider {
			models = append(models, m)
		}
	}
	t := table{
		columns: []column{{head: "MODEL", flex: true}, {head: "PROVIDER"}, {head: "ACCOUNTS", flex: true}, {head: "CONTEXT", right: true}, {head: "MAX OUT", right: true}, {head: "IN $/1M", name: "input_usd_per_1m", right: true}, {head: "OUT $/1M", name: "output_usd_per_1m", right: true}, {head: "FOR", name: "operation"}},
		empty:   phrase("No models. Add a provider: ai-gateway providers add openai"),
	}
	for _, m := range models {
		in, out := cell{text: "–"}, cell{text: "–"}
		if m.Priced && m.Price != nil {
			in, out = money(m.Price.Input), money(m.Price.Output)
		}
		t.rows = append(t.rows, []cell{str(m.ID), str(m.Provider), str(strings.Join(m.Accounts, ", ")), known(m.Context), known(m.MaxOutput), in, out, str(cmp.Or(m.Operation, "chat"))})
	}
	r.Data = models
	if err := show(a, r, models, t); err != nil {
		return err
	}
	for _, f := range r.Refreshed {
		if f.Error != "" {
			a.line("%s: %s", cleanText(f.Account), cleanText(f.Error))
		} else {
			a.line("%s: %d models", cleanText(f.Account), f.Models)
		}
	}
	return nil
}

func known(n int64) cell {
	if n == 0 {
		return cell{text: "–"}
	}
	return tokens(n)
}

// listOwnModels lists what a key without further rights may ask for.
func (a *app) listOwnModels(client *api.Client) error {
	r, err := client.Models(a.ctx)
	if err != nil {
		return err
	}
	t := table{
		columns: []column{{head: "MODEL", flex: true}, {head: "OWNED BY"}, {head: "CONTEXT", right: true}, {head: "MAX OUT", right: true}},
		empty:   phrase("No models are open to this key."),
	}
	for _, m := range r.Data {
		t.rows = append(t.rows, []cell{str(m.ID), str(m.OwnedBy), known(m.Context), known(m.MaxOutput)})
	}
	return show(a, r, r.Data, t)
}
