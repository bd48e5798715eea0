package cmd

import (
	"cmp"
	"context"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/your-org/ai-api-gateway/server/api"
	"github.com/your-org/ai-api-gateway/tui"
	"github.com/your-org/ai-api-gateway/web/locales"
)

// tuiFlags are what `tui` takes.
type tuiFlags struct {
	page, theme string
	noMouse     bool
}

func (a *app) tuiCommand() *cobra.Command {
	var f tuiFlags
	c := &cobra.Command{
		Use: "tui", Short: "Everything on one screen: requests as they run, usage, providers, keys, chat", Args: cobra.NoArgs,
		Long: `Opens the terminal interface of a gateway, here or elsewhere (--gateway-url,
--gateway-key, --profile). Keys are shown at the bottom; '?' shows all of them.
It needs a terminal of 80×24 or more, and no right that the CLI does not need.`,
		Example: "  ai-gateway tui\n  ai-gateway tui --page usage --theme mono\n  ai-gateway --profile production tui",
		RunE:    func(*cobra.Command, []string) error { return a.tui(f, "", "") },
	}
	c.Flags().StringVar(&f.page, "page", "live", "page to begin with: "+strings.Join(tui.Pages, ", "))
	c.Flags().StringVar(&f.theme, "theme", "", "look: "+strings.Join(tui.Themes, ", ")+" (default auto; AI_GATEWAY_THEME)")
	c.Flags().BoolVar(&f.noMouse, "no-mouse", false, "leave the mouse to the terminal")
	_ = c.RegisterFlagCompletionFunc("page", cobra.FixedCompletions(tui.Pages, cobra.ShellCompDirectiveNoFileComp))
	_ = c.RegisterFlagCompletionFunc("theme", cobra.FixedCompletions(tui.Themes, cobra.ShellCompDirectiveNoFileComp))
	return c
}

// tui runs the terminal interface. model is what Chat asks (empty: the profile's, or
// demo), system the instructions that stand before a conversation.
func (a *app) tui(f tuiFlags, model, system string) error {
	f.theme = cmp.Or(f.theme, a.env["AI_GATEWAY_THEME"], tui.Themes[0])
	if !slices.Contains(tui.Pages, f.page) {
		return wrongUsage("ai-gateway tui --page live", "--page must be one of %s, not %q", strings.Join(tui.Pages, ", "), f.page)
	}
	if !slices.Contains(tui.Themes, f.theme) {
		return wrongUsage("ai-gateway tui --theme auto", "--theme must be one of %s, not %q", strings.Join(tui.Themes, ", "), f.theme)
	}
	if !a.fullScreen() {
		return wrongUsage("ai-gateway logs -f", "the terminal interface needs a terminal; each of its pages is a verb too")
	}
	client, err := a.client()
	if err != nil {
		return err
	}
	prof, err := a.loadProfile()
	if err != nil {
		return err
	}
	ctx, stop := a.interruptible()
	defer stop()
	return tui.Run(ctx, tui.Options{
		Client: client, Page: f.page, Theme: f.theme, NoMouse: f.noMouse, Model: cmp.Or(model, prof.Model), System: system,
		Lang:    locales.Pick(a.lang, prof.Lang, a.env["LC_ALL"], a.env["LC_MESSAGES"], a.env["LANG"]),
		NoColor: a.color == "never" || a.env["NO_COLOR"] != "", ColorFGBG: a.env["COLORFGBG"],
		StateDir: a.chatDir(), Editor: cmp.Or(a.env["VISUAL"], a.env["EDITOR"]), Zone: a.zone(), Now: a.now,
		Doctor: func(ctx context.Context) ([]tui.Finding, error) { return a.findings(ctx, client), nil },
	}, a.stdin, a.stdout)
}

// findings are what the doctor says, without a word on the screen.
func (a *app) findings(ctx context.Context, client *api.Client) []tui.Finding {
	quiet := *a
	quiet.ctx, quiet.output, quiet.stdout, quiet.stderr = ctx, "json", io.Discard, io.Discard
	p := &patient{app: &quiet, client: client}
	p.examine()
	words := map[string]string{stateOK: "ok", stateWarning: "warn", stateProblem: "bad", stateSkipped: "skipped"}
	var out []tui.Finding
	for _, f := range p.d.Data {
		out = append(out, tui.Finding{Name: f.Check, State: words[f.State], Detail: f.Message, Next: f.Next})
	}
	return out
}

// fullScreen reports whether standard input and output are a terminal that a
// screen can be drawn on, and the user did not ask for lines.
func (a *app) fullScreen() bool {
	return stdinTerminal(a.stdin) && isTerminal(a.stdout) && a.env["TERM"] != "dumb" && a.env["AI_GATEWAY_ACCESSIBLE"] == ""
}

// chatDir is where conversations are kept; "" if no home is known.
func (a *app) chatDir() string {
	if dir := a.env["XDG_STATE_HOME"]; filepath.IsAbs(dir) {
		return filepath.Join(dir, "ai-gateway", "chats")
	}
	if home := cmp.Or(a.env["LOCALAPPDATA"], a.env["HOME"]); home != "" {
		return filepath.Join(home, ".local", "state", "ai-gateway", "chats")
	}
	return ""
}
