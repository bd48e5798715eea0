package cmd

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/your-org/ai-api-gateway/cmd/settings"
	"github.com/your-org/ai-api-gateway/server/api"
)

// connectFlags are what `connect` takes.
type connectFlags struct {
	models              []string
	write, undo, newKey bool
}

func (a *app) connectCommand() *cobra.Command {
	var f connectFlags
	c := &cobra.Command{
		Use: "connect TOOL", Short: "Show or write the settings with which a tool uses this gateway", Args: cobra.ExactArgs(1),
		Long: `Show the settings with which a tool uses this gateway, or write them into the
tool's own file. --write keeps a copy of the file beside it and everything else in
it, makes an API key for the tool if it has none, and may be repeated; --undo gives
the file back. Without --write nothing is changed and no key is shown.

Tools: ` + strings.Join(toolNames(false), ", ") + ".",
		Example:           "  ai-gateway connect codex --write\n  ai-gateway connect opencode --model gpt-5,claude-sonnet-4-5 --write\n  ai-gateway connect open-webui --new-key\n  ai-gateway connect codex --undo",
		ValidArgsFunction: completeTools(false),
		RunE: func(_ *cobra.Command, args []string) error {
			t, err := a.toolNamed(args[0], false)
			if err != nil {
				return err
			}
			switch {
			case f.undo:
				return a.disconnect(t)
			case f.write:
				return a.connectWrite(t, &f)
			}
			return a.connectShow(t, &f)
		},
	}
	fs := c.Flags()
	fs.StringSliceVarP(&f.models, "model", "m", nil, "models to offer, the first as the default")
	fs.BoolVar(&f.write, "write", false, "write the tool's settings file")
	fs.BoolVar(&f.undo, "undo", false, "give the settings file back as it was")
	fs.BoolVar(&f.newKey, "new-key", false, "make an API key for the tool and show it, this once")
	c.MarkFlagsMutuallyExclusive("write", "undo", "new-key")
	return c
}

func completeTools(launchable bool) completion {
	return func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return toolNames(launchable), cobra.ShellCompDirectiveNoFileComp
	}
}

func (a *app) toolNamed(name string, launchable bool) (*tool, error) {
	t, ok := findTool(name)
	if !ok {
		return nil, &exitError{exitNotFound, &hintError{err: errorf("no tool is called %q; there are %s", name, strings.Join(toolNames(launchable), ", ")), next: "ai-gateway connect openai-sdk"}}
	}
	if launchable && t.program == "" {
		return nil, wrongUsage("ai-gateway connect "+t.name, "%s cannot be launched from here", t.title)
	}
	return t, nil
}

// reachFor is how the tool will reach the gateway, but for its key.
func (a *app) reachFor(client *api.Client, t *tool, models []string) (reach, error) {
	base, err := client.Base()
	r := reach{base: base, models: models}
	if err == nil && len(models) == 0 && t.needsModel {
		var model string
		if model, err = a.chooseModel(client, ""); err == nil {
			r.models = []string{model}
		}
	}
	return r, err
}

// toolSettings is the JSON of connect.
type toolSettings struct {
	Tool    string            `json:"tool"`
	BaseURL string            `json:"base_url"`
	Models  []string          `json:"models"`
	KeyName string            `json:"key_name,omitempty"` // of a key that was made
	Files   []fileSettings    `json:"files"`
	Env     map[string]string `json:"env"`
	ByHand  []string          `json:"by_hand"`
}

type fileSettings struct {
	Path    string `json:"path"`
	Format  string `json:"format"`
	Content string `json:"content"` // what the file has to hold
	Changed *bool  `json:"changed,omitempty"`
	Backup  string `json:"backup,omitempty"`
}

// keyMark stands where a key would.
const keyMark = "sk-gw-…"

func (a *app) connectShow(t *tool, f *connectFlags) error {
	client, err := a.client()
	if err != nil {
		return err
	}
	r, err := a.reachFor(client, t, f.models)
	if err != nil {
		return err
	}
	r.key = keyMark
	out := toolSettings{Tool: t.name, BaseURL: r.base, Models: r.models, Files: []fileSettings{}, Env: map[string]string{}, ByHand: []string{}}
	if f.newKey {
		made, err := a.newToolKey(client, t.name, "")
		if err != nil {
			return err
		}
		r.key, out.KeyName = made.Secret, made.Name
	}
	if t.files != nil {
		for _, file := range t.files(a, r) {
			content, err := settings.Apply(file.format, nil, file.edits)
			if err != nil {
				return errorf("cannot write the settings of %s: %w", t.title, err)
			}
			out.Files = append(out.Files, fileSettings{Path: file.path, Format: string(file.format), Content: string(content)})
		}
	}
	if t.env != nil {
		out.Env = maps.Collect(pairs(t.env(r)))
	}
	if t.hand != nil {
		out.ByHand = t.hand(r)
	}
	if a.output != "table" {
		return show(a, out, []toolSettings{out}, settingsTable(out))
	}
	return a.explainSettings(t, out, r)
}

// settingsTable lists every setting by where it stands.
func settingsTable(s toolSettings) table {
	t := table{columns: []column{{head: "WHERE"}, {head: "SETTING"}}}
	for _, f := range s.Files {
		t.rows = append(t.rows, []cell{str(f.Path), str(f.Content)})
	}
	for _, name := range sortedNames(s.Env) {
		t.rows = append(t.rows, []cell{str("environment"), str(name + "=" + s.Env[name])})
	}
	for _, line := range s.ByHand {
		t.rows = append(t.rows, []cell{str("by hand"), str(line)})
	}
	return t
}

func pairs(list [][2]string) func(func(string, string) bool) {
	return func(yield func(string, string) bool) {
		for _, p := range list {
			if !yield(p[0], p[1]) {
				return
			}
		}
	}
}

// explainSettings writes the settings for people: what is to be copied on standard
// output, all else on standard error.
func (a *app) explainSettings(t *tool, s toolSettings, r reach) error {
	var b bytes.Buffer
	for _, f := range s.Files {
		fmt.Fprintf(&b, "# %s\n%s\n", f.Path, strings.TrimRight(f.Content, "\n"))
	}
	if len(s.Files) == 0 && t.env != nil {
		for _, v := range t.env(r) {
			fmt.Fprintf(&b, "export %s=%s\n", v[0], quoteArg(v[1]))
		}
	}
	for _, line := range s.ByHand {
		fmt.Fprintln(&b, line)
	}
	if _, err := a.stdout.Write(b.Bytes()); err != nil {
		return errorf("cannot write the output: %w", err)
	}
	switch {
	case s.KeyName != "":
		a.line("The key %q is shown this once. End it with: ai-gateway api-key revoke %s", s.KeyName, quoteArg(s.KeyName))
	case len(s.Files) > 0:
		a.line("Write this, with a key of its own:\n  ai-gateway connect %s --write", t.name)
	default:
		a.line("Make a key for it and show it in its place:\n  ai-gateway connect %s --new-key", t.name)
	}
	return nil
}

func (a *app) connectWrite(t *tool, f *connectFlags) error {
	if t.files == nil {
		return wrongUsage("ai-gateway connect "+t.name+" --new-key", "%s has no settings file that can be written here", t.title)
	}
	if a.home() == "" {
		return wrongUsage("", "no home folder is known: set HOME")
	}
	client, err := a.client()
	if err != nil {
		return err
	}
	r, err := a.reachFor(client, t, f.models)
	if err != nil {
		return err
	}
	// What is there now decides before a key is made.
	has := ""
	for _, file := range t.files(a, r) {
		data, err := readSettings(file.path)
		if err != nil {
			return err
		}
		if _, err := settings.Apply(file.format, data, file.edits); err != nil {
			return &hintError{err: errorf("cannot change %s: %w", file.path, err), hint: phrase("It was left as it is. See what has to stand in it:"), next: "ai-gateway connect " + t.name}
		}
		if v, ok := settings.Lookup(file.format, data, file.secret); ok && file.secret != nil {
			has, _ = v.(string)
		}
	}
	key, err := a.keyFor(client, t, has, "")
	if err != nil {
		return err
	}
	r.key = key.secret
	done, err := a.writeTool(t, t.files(a, r), key)
	if err != nil {
		return err
	}
	if a.output != "table" {
		out := toolSettings{Tool: t.name, BaseURL: r.base, Models: r.models, Files: done, Env: map[string]string{}, ByHand: []string{}}
		if key.id != "" {
			out.KeyName = key.name
		}
		return show(a, out, []toolSettings{out}, settingsTable(out))
	}
	changed := slices.ContainsFunc(done, func(f fileSettings) bool { return *f.Changed })
	for _, f := range done {
		switch {
		case !*f.Changed:
			a.out("%s is as it should be\n", f.Path)
		case f.Backup != "":
			a.out("%s is changed; as it was: %s\n", f.Path, f.Backup)
		default:
			a.out("%s is made\n", f.Path)
		}
	}
	if changed {
		who := "the key in use"
		if key.id != "" {
			who = fmt.Sprintf("the new key %q", key.name)
		} else if has == key.secret {
			who = "the key it had"
		}
		a.line("%s asks %s with %s. Take it back with: ai-gateway connect %s --undo", t.title, r.base, who, t.name)
	}
	return nil
}

// maxSettings bounds what is read of a settings file.
const maxSettings = 8 << 20

// readSettings reads a settings file; one that is not there is empty.
func readSettings(path string) ([]byte, error) {
	data, err := readFile(path, maxSettings)
	if isMissing(err) {
		return nil, nil
	}
	if err != nil {
		return nil, errorf("cannot read %s: %w", path, err)
	}
	return data, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
