package cmd

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/your-org/ai-api-gateway/providers/all"
	"github.com/your-org/ai-api-gateway/server/api"
	"github.com/your-org/ai-api-gateway/server/config"
)

// newConfigServerCommand looks at the configuration a gateway would start with.
// It reads files and the environment, not a running gateway.
func newConfigServerCommand(a *app) *cobra.Command {
	c := newGroup("server", "The gateway's own configuration")
	var path string
	var origin bool
	show := &cobra.Command{
		Use: "show", Short: "Show the configuration that serve would use here, secrets masked", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			cfg, err := loadConfig(path, a.environ, nil)
			if err != nil {
				return wrongConfig(err, path)
			}
			return a.showServerConfig(cfg, origin)
		},
	}
	show.Flags().StringVarP(&path, "config", "c", "", "configuration file")
	show.Flags().BoolVar(&origin, "origin", false, "show where each value is from")
	check := &cobra.Command{
		Use: "check [FILE]", Short: "Look for mistakes in a configuration file", Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			path := strings.Join(args, "")
			cfg, err := loadConfig(path, a.environ, nil)
			if err != nil {
				return wrongConfig(err, path)
			}
			for _, w := range cfg.Warnings {
				a.line("%s %s", a.paint(a.stderr, yellow, a.say("warning:")), cleanText(w))
			}
			name := cfg.Path
			if name == "" {
				name = "no file, the environment"
			}
			_, err = a.out("%s: valid, %d accounts, %d aliases\n", name, len(cfg.Accounts), len(cfg.Mappings))
			return err
		},
	}
	schema := &cobra.Command{
		Use: "schema", Short: "Print the JSON Schema of the file, for editors", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := a.stdout.Write(config.Schema(all.All()))
			return err
		},
	}
	reload := &cobra.Command{
		Use: "reload", Short: "Have the running gateway read its file and environment anew", Args: cobra.NoArgs,
		Long: `Have the running gateway read its configuration file anew, as SIGHUP does. All of
it comes into force, or nothing: a mistake leaves the configuration before it.`,
		RunE: func(*cobra.Command, []string) error { return a.reloadServer() },
	}
	c.AddCommand(show, check, schema, reload)
	return c
}

// wrongConfig tells what is wrong with a configuration. A client verb ends with 1, not 78.
func wrongConfig(err error, path string) error {
	var own *exitError
	if errors.As(err, &own) {
		err = own.err
	}
	next := "ai-gateway config server schema"
	var mistakes config.Errors
	if errors.As(err, &mistakes) && path != "" {
		next = "ai-gateway config server check " + quoteArg(path)
	}
	return &hintError{err: err, next: next}
}

func (a *app) showServerConfig(cfg *config.Config, origin bool) error {
	t := table{columns: []column{{head: "FIELD"}, {head: "VALUE", flex: true}}}
	if origin {
		t.columns = append(t.columns, column{head: "ORIGIN"}, column{head: "WHERE", flex: true})
	}
	fields := cfg.Effective()
	for _, f := range fields {
		row := []cell{str(f.Path), str(f.Value)}
		if origin {
			row = append(row, str(f.Origin), str(f.Where))
		}
		t.rows = append(t.rows, row)
	}
	if err := show(a, fields, fields, t); err != nil {
		return err
	}
	for _, w := range cfg.Warnings {
		a.line("%s %s", a.paint(a.stderr, yellow, a.say("warning:")), cleanText(w))
	}
	return nil
}

func (a *app) reloadServer() error {
	c, err := a.client()
	if err != nil {
		return err
	}
	ctx, cancel := a.interruptible()
	defer cancel()
	done, err := c.ReloadConfig(ctx)
	if err != nil {
		return err
	}
	t := table{columns: []column{{head: "REVISION"}, {head: "RESTART NEEDED FOR", flex: true}}}
	t.rows = append(t.rows, []cell{str(fmt.Sprint(done.Revision)), str(strings.Join(done.RestartNeeded, ", "))})
	return show(a, done, []*api.Reload{done}, t)
}
