package cmd

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/your-org/ai-api-gateway/cmd/settings"
	"github.com/your-org/ai-api-gateway/server/api"
)

func (a *app) launchCommand() *cobra.Command {
	var models []string
	c := &cobra.Command{
		Use: "launch TOOL [-- ARGS]", Short: "Run a tool with this gateway, and leave its settings as they are", Args: cobra.MinimumNArgs(1),
		Long: `Run a tool with this gateway, by variables and flags of this run alone: its settings
files stay as they are. It gets an API key of its own that ends with it, unless the
key in use can only ask models. What stands behind -- goes to the tool, and its exit
code is the exit code here.

Tools: ` + strings.Join(toolNames(true), ", ") + ".",
		Example:           "  ai-gateway launch claude-code\n  ai-gateway launch codex --model gpt-5 -- exec \"Explain this folder\"",
		ValidArgsFunction: completeTools(true),
		RunE: func(_ *cobra.Command, args []string) error {
			t, err := a.toolNamed(args[0], true)
			if err != nil {
				return err
			}
			return a.launch(t, models, args[1:])
		},
	}
	c.Flags().StringSliceVarP(&models, "model", "m", nil, "models to offer, the first as the default")
	return c
}

// launchedKeyEnds bounds a key whose end a crash prevented.
const launchedKeyEnds = "30d"

func (a *app) launch(t *tool, models, args []string) error {
	program, err := exec.LookPath(t.program)
	if err != nil {
		return &exitError{exitNotFound, &hintError{err: errorf("%s is not installed: no %q is on your path", t.title, t.program), hint: phrase("Install it, or see the settings it takes:"), next: "ai-gateway connect " + t.name}}
	}
	client, err := a.client()
	if err != nil {
		return err
	}
	r, err := a.reachFor(client, t, models)
	if err != nil {
		return err
	}
	key, err := a.keyFor(client, t, "", launchedKeyEnds)
	if err != nil {
		return err
	}
	if key.id != "" {
		defer a.endKey(client, key)
	}
	r.key = key.secret
	var env [][2]string
	if t.runEnv != nil {
		if env, err = t.runEnv(a, r); err != nil {
			return err
		}
	} else {
		env = t.env(r)
	}
	if t.args != nil {
		args = append(t.args(r), args...)
	}
	return a.run(program, args, childEnv(a.environ, env, t.unset))
}

// endKey revokes the key of a tool that has ended.
func (a *app) endKey(client *api.Client, key toolKey) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if _, err := client.RevokeKey(ctx, key.id); err != nil {
		a.line("cannot end the key %q, which ends by itself in %s: %s", key.name, launchedKeyEnds, cleanText(err.Error()))
	}
}

// operatorsOwn are variables that are no tool's business.
var operatorsOwn = []string{"AI_GATEWAY_API_KEY", "AI_GATEWAY_ADMIN_KEY", "AI_GATEWAY_MASTER_KEY"}

// childEnv is environ with what is set and without what is unset.
func childEnv(environ []string, set [][2]string, unset []string) []string {
	drop := slices.Concat(unset, operatorsOwn)
	for _, v := range set {
		drop = append(drop, v[0])
	}
	var out []string
	for _, pair := range environ {
		if name, _, _ := strings.Cut(pair, "="); !slices.Contains(drop, name) {
			out = append(out, pair)
		}
	}
	for _, v := range set {
		out = append(out, v[0]+"="+v[1])
	}
	return out
}

// run runs a program on this terminal and ends with its exit code. Ctrl-C is the
// program's own: the terminal sends it to both. SIGTERM is handed on, so that what
// was made for the program can be taken back.
func (a *app) run(program string, args, env []string) error {
	ctx, stop := signal.NotifyContext(a.ctx, syscall.SIGTERM)
	defer stop()
	c := exec.CommandContext(ctx, program, args...)
	c.Cancel = func() error { return c.Process.Signal(syscall.SIGTERM) }
	c.WaitDelay = 5 * time.Second
	c.Env, c.Stdin, c.Stdout, c.Stderr = env, a.stdin, a.stdout, a.stderr
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt)
	defer signal.Stop(signals)
	err := c.Run()
	var ended *exec.ExitError
	if errors.As(err, &ended) {
		return &exitError{max(1, ended.ExitCode()), errorf("%s ended with %s", filepath.Base(program), ended.ProcessState)}
	}
	if err != nil {
		return errorf("cannot run %s: %w", program, err)
	}
	return nil
}

// geminiRunEnv also selects the way of signing in, which is a setting: where the
// user's differ, the program gets a home of its own with a copy of them.
func geminiRunEnv(a *app, r reach) ([][2]string, error) {
	env := geminiEnv(r)
	data, err := readSettings(a.under("", ".gemini", "settings.json"))
	if err != nil {
		return nil, err
	}
	signIn := set("gemini-api-key", "security", "auth", "selectedType")
	if now, _ := settings.Lookup(settings.JSON, data, signIn.Path); now == signIn.Value {
		return env, nil
	}
	if data, err = settings.Apply(settings.JSON, data, []settings.Edit{signIn}); err != nil {
		return nil, errorf("cannot use the settings of Gemini CLI: %w", err)
	}
	home := a.under("XDG_STATE_HOME", filepath.Join(".local", "state"), ourName, "gemini-cli")
	if err := os.MkdirAll(filepath.Join(home, ".gemini"), 0o700); err != nil {
		return nil, errorf("cannot make a home for Gemini CLI: %w", err)
	}
	if err := writePrivate(filepath.Join(home, ".gemini", "settings.json"), data); err != nil {
		return nil, err
	}
	return append(env, [2]string{"GEMINI_CLI_HOME", home}), nil
}

// opencodeRunEnv hands the settings over whole: opencode lays them over its own.
func opencodeRunEnv(_ *app, r reach) ([][2]string, error) {
	content, err := settings.Apply(settings.JSON, nil, opencodeEdits(r))
	if err != nil {
		return nil, err
	}
	return [][2]string{{"OPENCODE_CONFIG_CONTENT", string(content)}}, nil
}
