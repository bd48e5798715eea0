// Package cmd is the command line: serve, and the clients of a running gateway.
// Only the files that imports_test.go lists open stores and servers; all others
// speak to the gateway through server/api.
package cmd

import (
	"context"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/your-org/ai-api-gateway/web/locales"
)

// Main runs the command line args (without the program's name) and returns its exit code.
func Main(args []string, stdin io.Reader, stdout, stderr io.Writer, environ []string) int {
	a := &app{stdin: stdin, stdout: stdout, stderr: stderr, environ: environ, env: envMap(environ), now: time.Now}
	a.words = locales.Load(a.language(args))
	root := newRoot(a)
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteContextC(context.Background())
	if a.cancel != nil {
		a.cancel()
	}
	if err == nil {
		err = a.stray
	}
	if err == nil {
		return exitOK
	}
	if !a.running {
		err = usageOf(cmd, err)
	}
	return a.report(err)
}

// An app is one run of the command line: its streams, environment and global flags.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	environ        []string
	env            map[string]string
	now            func() time.Time

	url, key, profile string
	output            string
	json              bool
	lang, color       string
	noInput           bool
	timeout           time.Duration

	running bool   // a command has begun: errors are no longer about its usage
	command string // its path
	stray   error  // help was asked of a command that does not exist
	ctx     context.Context
	cancel  context.CancelFunc
	words   *locales.Catalogue
	keyFrom string // where the key in use is from, for errors of authentication
}

func envMap(environ []string) map[string]string {
	m := make(map[string]string, len(environ))
	for _, pair := range environ {
		if name, value, ok := strings.Cut(pair, "="); ok {
			m[name] = value
		}
	}
	return m
}

func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "ai-gateway",
		Short: "One endpoint for every AI provider, with keys, budgets and an exact ledger",
		Long: `ai-gateway serves one API in front of every AI provider, and keeps the books.

Start with:
  ai-gateway serve
  ai-gateway chat "Hello"`,
		SilenceErrors: true, SilenceUsage: true,
	}
	root.AddGroup(&cobra.Group{ID: "use", Title: a.t("cli.group.use")}, &cobra.Group{ID: "manage", Title: a.t("cli.group.manage")}, &cobra.Group{ID: "run", Title: a.t("cli.group.run")})
	f := root.PersistentFlags()
	f.StringVar(&a.url, "gateway-url", "", "the gateway's address, with or without /v1")
	f.StringVar(&a.key, "gateway-key", "", "API key to use ('-' reads it from standard input)")
	f.StringVar(&a.profile, "profile", "", "profile of cli.yaml to use")
	f.StringVarP(&a.output, "output", "o", "table", "form of the output: table, json, jsonl, csv")
	f.BoolVar(&a.json, "json", false, "the same as -o json")
	f.StringVar(&a.lang, "lang", "", "language of messages: en, zh")
	f.BoolVar(&a.noInput, "no-input", false, "never ask; fail instead")
	f.StringVar(&a.color, "color", "auto", "colour: auto, always, never")
	f.DurationVar(&a.timeout, "timeout", 0, "give up after this long; 0 = never")
	root.PersistentPreRunE = func(*cobra.Command, []string) error { return a.globals() }
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return err })

	group(root)
	add := func(id string, cmds ...*cobra.Command) {
		for _, c := range cmds {
			c.GroupID = id
			root.AddCommand(c)
		}
	}
	add("use", a.chatCommand(), a.tuiCommand(), a.usageCommand(), a.logsCommand(), a.modelsCommand(), a.whoamiCommand(), a.connectCommand(), a.launchCommand())
	add("manage", a.providersCommand(), a.apiKeyCommand(), a.quotaCommand(), a.routeCommand(), a.configCommand(), a.notificationsCommand(), a.importCommand())
	add("run", newServeCommand(a), a.initCommand(), a.healthCommand(), a.doctorCommand(), a.ledgerCommand(), a.storeCommand(), a.migrateCommand(), a.mockCommand(), a.benchCommand(), a.adminCommand(), a.secretsCommand())
	root.AddCommand(a.versionCommand(), exitCodesTopic())
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		if c.Name() == "completion" {
			group(c)
		}
	}
	root.AddCommand(a.docsCommand())
	a.completeGlobals(root)
	a.completeNames(root)
	a.translate(root)
	a.translateHelp(root)
	a.strictHelp(root)
	a.track(root)
	return root
}

// globals checks the global flags once a command is chosen.
func (a *app) globals() error {
	if a.json {
		a.output = "json"
	}
	for _, f := range []struct{ name, value, allowed string }{
		{"output", a.output, "table json jsonl csv"},
		{"lang", a.lang, "en zh"},
		{"color", a.color, "auto always never"},
	} {
		if allowed := strings.Fields(f.allowed); f.value != "" && !slices.Contains(allowed, f.value) {
			return errorf("--%s must be one of %s, not %q", f.name, strings.Join(allowed, ", "), f.value)
		}
	}
	if a.timeout < 0 {
		return errorf("--timeout must not be negative, not %v", a.timeout)
	}
	return nil
}

// track notes for every command when it begins, and bounds it by --timeout.
func (a *app) track(c *cobra.Command) {
	for _, sub := range c.Commands() {
		a.track(sub)
	}
	run := c.RunE
	if run == nil {
		return
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		a.running, a.command = true, c.CommandPath()
		a.ctx = c.Context()
		if a.timeout > 0 {
			a.ctx, a.cancel = context.WithTimeout(a.ctx, a.timeout)
		}
		return run(c, args)
	}
}
