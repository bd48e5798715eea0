package cmd

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/your-org/ai-api-gateway/server/api"
	"github.com/your-org/ai-api-gateway/web/locales"
)

// removal completes c, a verb that removes what its argument names: question looks it
// up and asks, remove does it, and list is the command that shows what there is.
func (a *app) removal(c *cobra.Command, list string, question func(*api.Client, string) (locales.Phrase, error), remove func(*api.Client, context.Context, string) error) *cobra.Command {
	var yes bool
	c.Args, c.Aliases = cobra.ExactArgs(1), []string{"rm", "delete"}
	c.RunE = func(_ *cobra.Command, args []string) error {
		client, err := a.client()
		if err != nil {
			return err
		}
		asked, err := question(client, args[0])
		if err != nil {
			return withNext(err, exitNotFound, list)
		}
		if err := a.confirm(yes, asked); err != nil {
			return err
		}
		if err := remove(client, a.ctx, args[0]); err != nil {
			return withNext(err, exitNotFound, list)
		}
		return a.removed(args[0])
	}
	asksFirst(c, &yes)
	return c
}

// asksFirst gives c the flag --yes, for those who need not be asked (confirm).
func asksFirst(c *cobra.Command, yes *bool) {
	c.Flags().BoolVarP(yes, "yes", "y", false, "do not ask")
}
