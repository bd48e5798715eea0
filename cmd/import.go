package cmd

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/your-org/ai-api-gateway/cmd/importer"
	"github.com/your-org/ai-api-gateway/server/api"
)

// importCommand takes another gateway's accounts, names and keys over.
func (a *app) importCommand() *cobra.Command {
	c := newGroup("import", "Take over accounts, model names and keys of another gateway")
	c.Long = `Take over what another gateway holds: accounts with their keys, model names, prices,
and the keys of callers, which go on being valid, with what is left of their quota.
The source is only read, and may be in use. What is here already stays as it is, so
that an import can be run again. --dry-run shows what would be made, and what of the
source is not carried over and why.`
	databases := "A SQLite file, a dump of MySQL (mysqldump), or a postgres:// address."
	var dry, yes bool
	sub := func(use, short, long, example string, args cobra.PositionalArgs, plan func(args []string, known []api.ProviderInfo) (*importer.Plan, error)) {
		cc := &cobra.Command{Use: use, Short: short, Long: long, Example: example, Args: args,
			RunE: func(_ *cobra.Command, args []string) error { return a.runImport(args, dry, yes, plan) }}
		cc.Flags().BoolVar(&dry, "dry-run", false, "only show what would be made")
		asksFirst(cc, &yes)
		c.AddCommand(cc)
	}
	for _, from := range []string{"one-api", "new-api"} {
		sub(from+" SOURCE", "From "+from, "SOURCE: "+databases+`
Channels become accounts with their models, mappings, pools of keys, and prices made
of ratios; tokens become keys that stay valid, with what is left of their quota, their
end, models and networks; what is left to a user is a budget that the user's keys share.`,
			"  ai-gateway import "+from+" "+from+".db --dry-run\n  ai-gateway import "+from+" dump.sql",
			cobra.ExactArgs(1), func(args []string, known []api.ProviderInfo) (*importer.Plan, error) {
				return importer.OneAPI(a.ctx, from, args[0], known, a.now())
			})
	}
	sub("litellm SOURCE...", "From LiteLLM: its config.yaml, its database, or both", `SOURCE: a config.yaml, or the postgres:// address of the database.
Deployments become accounts and model mappings with their fallbacks; os.environ/NAME is
read from the environment of this command. Keys of the database stay valid, with their
budgets and rates; teams become groups of keys.`,
		"  ai-gateway import litellm config.yaml postgres://user:password@host/litellm --dry-run", cobra.MinimumNArgs(1),
		func(args []string, known []api.ProviderInfo) (*importer.Plan, error) {
			return importer.LiteLLM(a.ctx, args, known, func(name string) string { return a.env[name] }, a.now())
		})
	sub("gpt-load SOURCE", "From gpt-load", "SOURCE: "+databases+`
Groups become accounts with their pools of keys, proxy keys become keys that stay valid.`,
		"  ai-gateway import gpt-load data/gpt-load.db --dry-run", cobra.ExactArgs(1),
		func(args []string, known []api.ProviderInfo) (*importer.Plan, error) {
			return importer.GPTLoad(a.ctx, args[0], known)
		})
	return c
}

// importReport is what an import says in JSON.
type importReport struct {
	Steps []importer.Step `json:"steps"`
	Left  []importer.Left `json:"not_carried_over"`
	Notes []string        `json:"notes"`
}

func (a *app) runImport(args []string, dry, yes bool, plan func([]string, []api.ProviderInfo) (*importer.Plan, error)) error {
	client, err := a.client()
	if err != nil {
		return err
	}
	known, err := client.Providers(a.ctx)
	if err != nil {
		return err
	}
	p, err := plan(args, known.Data)
	if err != nil {
		return err
	}
	steps, err := importer.Steps(a.ctx, client, p)
	if err != nil {
		return err
	}
	fresh := 0
	for _, s := range steps {
		if s.State == importer.New {
			fresh++
		}
	}
	if dry || fresh == 0 {
		if err := a.showImport(steps, p); err != nil {
			return err
		}
		if dry && fresh > 0 {
			a.line("%d of %d are new. Nothing was made: leave --dry-run out to make them.", fresh, len(steps))
		} else {
			a.line("Nothing is left to be made.")
		}
		return nil
	}
	if !yes {
		if err := a.showImport(steps, p); err != nil {
			return err
		}
	}
	if err := a.confirm(yes, phrase("Make these %d?", fresh)); err != nil {
		return err
	}
	failed := importer.Apply(a.ctx, steps, func(s importer.Step) {
		if s.State == importer.Failed && !yes { // else it is shown with all others
			a.line("%s", cleanText(s.Line()))
		}
	})
	if yes || a.ctx.Err() != nil {
		if err := a.showImport(steps, p); err != nil {
			return err
		}
	}
	if failed > 0 {
		return &hintError{err: errorf("%d of %d could not be made", failed, fresh), hint: phrase("Run it again when that is mended: what was made stays as it is.")}
	}
	a.line("%d made.", fresh)
	return nil
}

// showImport writes the steps as a diff, and what is not carried over with the reason.
func (a *app) showImport(steps []importer.Step, p *importer.Plan) error {
	if a.output == "json" || a.output == "jsonl" {
		return a.writeJSON(importReport{steps, p.Left, p.Notes})
	}
	var b strings.Builder
	for _, s := range steps {
		b.WriteString(cleanText(s.Line()) + "\n")
	}
	if len(p.Left) > 0 {
		b.WriteString("\n" + a.say("Not carried over:") + "\n")
	}
	for _, l := range p.Left {
		b.WriteString(cleanText("- "+l.What+": "+l.Why) + "\n")
	}
	for _, n := range p.Notes {
		b.WriteString(cleanText(n) + "\n")
	}
	if _, err := fmt.Fprint(a.stdout, b.String()); err != nil {
		return errorf("cannot write the output: %w", err)
	}
	return nil
}
