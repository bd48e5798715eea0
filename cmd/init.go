package cmd

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/your-org/ai-api-gateway/server/api"
	"github.com/your-org/ai-api-gateway/web/locales"
)

// initFlags are what `init` takes.
type initFlags struct {
	yes                              bool
	provider, keyEnv, baseURL, keyAs string
}

// firstKeyName is what the key of one's own programs is called unless asked otherwise.
const firstKeyName = "my-app"

func (a *app) initCommand() *cobra.Command {
	var f initFlags
	c := &cobra.Command{
		Use: "init", Short: "Set up a running gateway: a provider, a test call, an API key", Args: cobra.NoArgs,
		Long: `Set up a running gateway: add a provider's account, make a call of one token with it,
and make the API key that your programs use. On a terminal what is missing is asked
for; with --yes nothing is, and what is not given is left out. What is there already
is left as it is, so it may be repeated.

The API key alone goes to standard output, and is shown this once.`,
		Example: "  ai-gateway init\n  ai-gateway init --yes --provider openai --key-env OPENAI_API_KEY\n  key=$(ai-gateway init --yes --key-name ci)",
		RunE:    func(*cobra.Command, []string) error { return a.init(&f) },
	}
	fs := c.Flags()
	fs.BoolVarP(&f.yes, "yes", "y", false, "ask nothing")
	fs.StringVar(&f.provider, "provider", "", "provider to add an account of")
	fs.StringVar(&f.keyEnv, "key-env", "", "variable that holds the provider's key")
	fs.StringVar(&f.baseURL, "base-url", "", "address in place of the provider's own")
	fs.StringVar(&f.keyAs, "key-name", "", "name of the API key to make (default "+firstKeyName+")")
	return c
}

// initDone is the JSON of init.
type initDone struct {
	BaseURL  string          `json:"base_url"`
	Accounts []string        `json:"accounts"`
	Added    *api.Account    `json:"added"`
	Test     *api.TestResult `json:"test"`
	Key      *api.KeyCreated `json:"key"` // null: there was one of this name
}

func (a *app) init(f *initFlags) error {
	client, err := a.client()
	if err != nil {
		return err
	}
	base, _ := client.Base()
	h, err := client.Health(a.ctx)
	if err != nil {
		return err
	}
	a.step("gateway", "version %s at %s", h.Version, base)
	done := initDone{BaseURL: base, Accounts: []string{}}
	asking := !f.yes && !a.noInput && stdinTerminal(a.stdin)
	lines := bufio.NewReader(a.stdin)
	if err := a.initProvider(client, f, &done, asking, lines); err != nil {
		return err
	}
	if err := a.initKey(client, f, &done, asking, lines); err != nil {
		return err
	}
	if a.output != "table" {
		t := table{columns: []column{{head: "BASE URL"}, {head: "ACCOUNTS"}, {head: "KEY"}}}
		key := ""
		if done.Key != nil {
			key = done.Key.Secret
		}
		t.rows = [][]cell{{str(base), str(strings.Join(done.Accounts, " ")), str(key)}}
		return show(a, done, []initDone{done}, t)
	}
	if done.Key != nil {
		if _, err := fmt.Fprintln(a.stdout, done.Key.Secret); err != nil {
			return errorf("cannot write the output: %w", err)
		}
	}
	a.line("\nYour programs: base URL %s/v1 and the key. Ready-made settings, and more:\n  ai-gateway chat \"Hello\"\n  ai-gateway connect openai-sdk\n  ai-gateway doctor --online", base)
	return nil
}

// step tells of something that is in order.
func (a *app) step(what, format string, args ...any) {
	a.line("%s %s %s", a.paint(a.stderr, green, "✓"), padded(a.head(what), checkWidth), cleanText(a.say(format, args...)))
}

// question asks for one line; an empty answer is the proposal.
func (a *app) question(lines *bufio.Reader, what locales.Phrase, proposal string) (string, error) {
	shown := ""
	if proposal != "" {
		shown = " [" + proposal + "]"
	}
	fmt.Fprintf(a.stderr, "%s%s: ", a.say(what.Format, what.Args...), shown)
	line, err := answered(a, func() (string, error) { return readLine(lines) })
	switch {
	case interrupted(err):
		return "", err
	case err != nil && err != io.EOF:
		return "", errorf("cannot read the answer: %w", err)
	}
	return cmp.Or(strings.TrimSpace(line), proposal), nil
}

func (a *app) initProvider(client *api.Client, f *initFlags, done *initDone, asking bool, lines *bufio.Reader) error {
	accounts, err := allAccounts(a.ctx, client)
	if err != nil {
		return err
	}
	there := false
	for _, acc := range accounts {
		if acc.Provider != demoModel && acc.Enabled {
			done.Accounts = append(done.Accounts, acc.Name)
			there = there || f.provider == "" || acc.Provider == f.provider
		}
	}
	if there {
		a.step("provider", "%s", strings.Join(done.Accounts, ", "))
		return nil
	}
	if f.provider == "" && asking {
		if f.provider, err = a.question(lines, phrase("Provider to add, such as openai, anthropic or ollama; empty for none"), ""); err != nil {
			return err
		}
	}
	if f.provider == "" {
		a.line("%s %s %s", a.paint(a.stderr, yellow, "▲"), padded(a.head("provider"), checkWidth), a.say("none: only the built-in model %q answers. Add one: ai-gateway providers add openai", demoModel))
		return nil
	}
	info, err := a.providerInfo(client, f.provider)
	if err != nil {
		return err
	}
	create := api.AccountCreate{Provider: info.Name, BaseURL: f.baseURL}
	if create.APIKey, err = a.initSecret(info, f, asking); err != nil {
		return err
	}
	if info.NeedsBaseURL && create.BaseURL == "" {
		if !asking {
			return wrongUsage("ai-gateway init --yes --provider "+info.Name+" --base-url https://…", "%s needs an address: --base-url", info.Title)
		}
		if create.BaseURL, err = a.question(lines, phrase("Its address"), info.BaseURL); err != nil {
			return err
		}
	}
	if done.Added, err = a.createNamed(client, create); err != nil {
		return err
	}
	done.Accounts = append(done.Accounts, done.Added.Name)
	a.step("provider", "%s added, key %s", done.Added.Name, keyHints(done.Added).text)
	if done.Test, err = client.TestAccount(a.ctx, done.Added.Name, ""); err != nil {
		return err
	}
	if !done.Test.OK {
		return &exitError{exitUpstream, &hintError{err: errorf("%s does not answer: %s", done.Added.Name, done.Test.Error), hint: phrase("The account is kept. See what is wrong:"), next: "ai-gateway doctor --online"}}
	}
	a.step("test", "%s answers in %s", done.Test.Model, millis(float64(done.Test.LatencyMs)).text)
	return nil
}

// initSecret is the provider's key: of the variable named, of one the provider is
// known by, or asked for.
func (a *app) initSecret(info *api.ProviderInfo, f *initFlags, asking bool) (string, error) {
	if f.keyEnv != "" {
		if a.env[f.keyEnv] == "" {
			return "", wrongUsage("export "+f.keyEnv+"=…", "the variable %s of --key-env is empty", f.keyEnv)
		}
		return a.env[f.keyEnv], nil
	}
	for _, name := range info.EnvKeys {
		if a.env[name] != "" {
			return a.env[name], nil
		}
	}
	if !info.NeedsKey {
		return "", nil
	}
	if !asking {
		return "", wrongUsage("ai-gateway init --yes --provider "+info.Name+" --key-env NAME", "%s needs a key: name the variable that holds it with --key-env", info.Title)
	}
	return a.readSecret(phrase("%s key", info.Title))
}

func (a *app) initKey(client *api.Client, f *initFlags, done *initDone, asking bool, lines *bufio.Reader) error {
	var err error
	if f.keyAs == "" && asking {
		if f.keyAs, err = a.question(lines, phrase("Name of the API key for your programs"), firstKeyName); err != nil {
			return err
		}
	}
	name := cmp.Or(f.keyAs, firstKeyName)
	keys, err := allKeys(a.ctx, client, name)
	if err != nil {
		return err
	}
	for _, k := range keys {
		if k.Name == name && k.Status == api.KeyActive {
			a.step("key", "%q is there already; a new secret: ai-gateway api-key rotate %s", name, quoteArg(name))
			return nil
		}
	}
	if done.Key, err = client.CreateKey(a.ctx, api.KeyCreate{Name: name}); err != nil {
		return err
	}
	a.step("key", "%q (%s) is shown this once: keep it", name, done.Key.ID)
	return nil
}
