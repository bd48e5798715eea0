package cmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/your-org/ai-api-gateway/server/api"
	"github.com/your-org/ai-api-gateway/web/locales"
)

func (a *app) providersCommand() *cobra.Command {
	c := newGroup("providers", "Accounts at providers", "provider", "channel", "channels")
	c.AddCommand(a.providersList(), a.providersAdd(), a.providersEdit(), a.providersTest(), a.providersReset(), a.providersRemove(),
		a.providersSwitch("enable", "Use an account again", true), a.providersSwitch("disable", "Keep an account but do not use it", false))
	return c
}

func allAccounts(ctx context.Context, c *api.Client) ([]api.Account, error) {
	accounts := []api.Account{}
	page := api.Page{Limit: 500}
	for range maxPages {
		r, err := c.Accounts(ctx, page)
		if err != nil {
			return nil, err
		}
		accounts = append(accounts, r.Data...)
		if page.Cursor = r.NextCursor; page.Cursor == "" {
			break
		}
	}
	return accounts, nil
}

func (a *app) providersList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List accounts, those of file and environment included", Args: cobra.NoArgs, Aliases: []string{"ls"},
		RunE: func(*cobra.Command, []string) error {
			client, err := a.client()
			if err != nil {
				return err
			}
			accounts, err := allAccounts(a.ctx, client)
			if err != nil {
				return err
			}
			t := table{
				columns: []column{{head: "ACCOUNT", flex: true}, {head: "PROVIDER"}, {head: "STATE"}, {head: "API KEY", name: "key"}, {head: "MODELS", right: true}, {head: "WEIGHT", right: true}, {head: "PRIORITY", right: true}, {head: "ORIGIN"}, {head: "BASE URL", flex: true}},
				empty:   phrase("No accounts. Add one: ai-gateway providers add openai"),
			}
			for _, acc := range accounts {
				models := cell{text: "all", raw: ""}
				if n := int64(max(len(acc.Models), acc.Listed)); n > 0 {
					models = count(n)
				}
				t.rows = append(t.rows, []cell{str(acc.Name), str(acc.Provider), a.accountState(&acc), keyHints(&acc), models,
					count(int64(max(1, acc.Weight))), count(int64(acc.Priority)), str(acc.Origin), str(acc.BaseURL)})
			}
			return show(a, api.AccountsReply{Data: accounts}, accounts, t)
		},
	}
}

func keyHints(acc *api.Account) cell {
	var hints []string
	for _, k := range acc.Keys {
		hints = append(hints, k.Hint)
	}
	if len(hints) == 0 && acc.KeyHint != "" {
		hints = []string{acc.KeyHint}
	}
	if more := len(hints) - mostHints; more > 0 {
		hints = append(hints[:mostHints:mostHints], fmt.Sprintf("+%d", more))
	}
	return str(joinOr(hints, "–"))
}

// mostHints are the keys of a pool that are told apart in a table.
const mostHints = 3

// accountFlags are the members of an account that add and edit share.
type accountFlags struct {
	name, key, baseURL, proxy string
	keys, models              []string
	weight, priority          int
	headers, options          map[string]string
	timeouts                  map[string]string
}

func (f *accountFlags) add(c *cobra.Command) {
	fs := c.Flags()
	fs.StringVar(&f.name, "name", "", "the account's name")
	fs.StringVar(&f.key, "api-key", "", "the provider's key ('-' reads it from standard input)")
	fs.StringSliceVar(&f.keys, "api-keys", nil, "several keys, used in turn")
	fs.StringVar(&f.baseURL, "base-url", "", "address in place of the provider's own, as its SDK takes it")
	fs.StringSliceVar(&f.models, "models", nil, "models it serves: names, or name=upstream-name")
	fs.IntVar(&f.weight, "weight", 0, "share among accounts of the same priority; 0 = 1")
	fs.IntVar(&f.priority, "priority", 0, "lower is tried first")
	fs.StringToStringVar(&f.headers, "header", nil, "header to send with every call: name=value")
	fs.StringToStringVar(&f.options, "option", nil, "the provider's own option: name=value")
	fs.StringToStringVar(&f.timeouts, "upstream-timeout", nil, "timer of its calls: ttfb=120s, idle=60s, …")
	fs.StringVar(&f.proxy, "proxy", "", "proxy of its calls: http or socks5h URL, or 'direct'")
	c.MarkFlagsMutuallyExclusive("api-key", "api-keys")
}

func (f *accountFlags) accountModels() api.AccountModels {
	models := api.AccountModels{}
	for _, m := range f.models {
		name, upstream, _ := strings.Cut(m, "=")
		models = append(models, api.AccountModel{Name: strings.TrimSpace(name), Upstream: strings.TrimSpace(upstream)})
	}
	return models
}

func (f *accountFlags) accountKeys() []api.AccountKey {
	var keys []api.AccountKey
	for _, k := range f.keys {
		keys = append(keys, api.AccountKey{Key: k})
	}
	return keys
}

// accountOptions are the options as JSON: what reads as a number, true or false is one.
func (f *accountFlags) accountOptions() map[string]json.RawMessage {
	options := map[string]json.RawMessage{}
	for name, value := range f.options {
		raw := json.RawMessage(value)
		if !json.Valid(raw) || value == "null" {
			raw, _ = json.Marshal(value)
		}
		options[name] = raw
	}
	return options
}

func (a *app) providersAdd() *cobra.Command {
	var f accountFlags
	c := &cobra.Command{
		Use: "add PROVIDER", Short: "Add an account", Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeFirst(providerTypes),
		Example: "  ai-gateway providers add openai --api-key sk-...\n  ai-gateway providers add claude --api-key - < key.txt\n  ai-gateway providers add vllm --base-url http://127.0.0.1:8000/v1",
		RunE:    func(_ *cobra.Command, args []string) error { return a.addAccount(args[0], &f) },
	}
	f.add(c)
	return c
}

func (a *app) addAccount(provider string, f *accountFlags) error {
	client, err := a.client()
	if err != nil {
		return err
	}
	info, err := a.providerInfo(client, provider)
	if err != nil {
		return err
	}
	if f.key == "-" || f.key == "" && len(f.keys) == 0 && info.NeedsKey {
		if f.key == "" && !stdinTerminal(a.stdin) {
			return wrongUsage("ai-gateway providers add "+provider+" --api-key -", "%s needs a key: --api-key KEY, or '-' to read it from standard input", info.Title)
		}
		if f.key, err = a.readSecret(phrase("%s key", info.Title)); err != nil {
			return err
		}
	}
	create := api.AccountCreate{
		Provider: info.Name, Name: f.name, APIKey: f.key, APIKeys: f.accountKeys(), BaseURL: f.baseURL, Weight: f.weight, Priority: f.priority,
		Headers: f.headers, Proxy: f.proxy, Timeouts: f.timeouts,
	}
	if len(f.models) > 0 {
		create.Models = f.accountModels()
	}
	if len(f.options) > 0 {
		create.Options = f.accountOptions()
	}
	made, err := a.createNamed(client, create)
	if err != nil {
		return err
	}
	if a.output == "json" || a.output == "jsonl" {
		return a.writeJSON(made)
	}
	a.out("Added %s (%s), key %s\n", cleanText(made.Name), made.Provider, keyHints(made).text)
	if made.AddressNote != "" {
		a.line("Note: %s", cleanText(made.AddressNote))
	}
	a.line("Try it:\n  ai-gateway providers test %s", quoteArg(made.Name))
	return nil
}

// createNamed creates an account; without a name it takes the first free one of
// openai, openai-2, openai-3, ….
func (a *app) createNamed(client *api.Client, create api.AccountCreate) (*api.Account, error) {
	if create.Name != "" {
		return client.CreateAccount(a.ctx, create)
	}
	accounts, err := allAccounts(a.ctx, client)
	if err != nil {
		return nil, err
	}
	const tries = 20 // others may be adding accounts too
	for n, tried := 1, 0; ; n++ {
		create.Name = create.Provider
		if n > 1 {
			create.Name = fmt.Sprintf("%s-%d", create.Provider, n)
		}
		if slices.ContainsFunc(accounts, func(acc api.Account) bool { return acc.Name == create.Name }) {
			continue
		}
		made, err := client.CreateAccount(a.ctx, create)
		var refused *api.Error
		if tried++; err == nil || tried >= tries || !errors.As(err, &refused) || refused.Status != 409 {
			return made, err
		}
	}
}

// providerInfo returns the type of provider called name.
func (a *app) providerInfo(client *api.Client, name string) (*api.ProviderInfo, error) {
	all, err := client.Providers(a.ctx)
	if err != nil {
		return nil, err
	}
	var names []string
	for i, p := range all.Data {
		if p.Name == strings.ToLower(name) || slices.Contains(p.Aliases, strings.ToLower(name)) {
			return &all.Data[i], nil
		}
		names = append(names, p.Name)
	}
	return nil, &exitError{exitNotFound, &hintError{
		err:  errorf("no provider is called %q; there are %s", name, strings.Join(names, ", ")),
		next: "ai-gateway providers add custom --name " + quoteArg(name) + " --base-url https://…/v1 --api-key -",
	}}
}

// onAccount makes a command that acts on the account named by its argument.
func (a *app) onAccount(use, short string, do func(c *api.Client, name string) error) *cobra.Command {
	return &cobra.Command{
		Use: use + " ACCOUNT", Short: short, Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeFirst(accountNames),
		RunE: func(_ *cobra.Command, args []string) error {
			client, err := a.client()
			if err != nil {
				return err
			}
			return withNext(do(client, args[0]), exitNotFound, "ai-gateway providers list")
		},
	}
}

// withNext gives err, if it has the code, a next command.
func withNext(err error, code int, next string) error {
	var h *hintError
	if err == nil || exitCode(err) != code || errors.As(err, &h) {
		return err
	}
	return &hintError{err: err, next: next}
}

func (a *app) providersEdit() *cobra.Command {
	var f accountFlags
	var c *cobra.Command
	c = a.onAccount("edit", "Change an account; flags not given stay as they are", func(client *api.Client, name string) error {
		var p api.AccountPatch
		given := 0
		take := func(flag string, set func()) {
			if c.Flags().Changed(flag) {
				given++
				set()
			}
		}
		if f.key == "-" {
			var err error
			if f.key, err = a.readSecret(phrase("Provider key")); err != nil {
				return err
			}
		}
		take("name", func() { p.Name = &f.name })
		take("api-key", func() { p.APIKey = &f.key })
		take("api-keys", func() { keys := f.accountKeys(); p.APIKeys = &keys })
		take("base-url", func() { p.BaseURL = &f.baseURL })
		take("models", func() { models := f.accountModels(); p.Models = &models })
		take("weight", func() { p.Weight = &f.weight })
		take("priority", func() { p.Priority = &f.priority })
		take("header", func() { p.Headers = &f.headers })
		take("option", func() { options := f.accountOptions(); p.Options = &options })
		take("upstream-timeout", func() { p.Timeouts = &f.timeouts })
		take("proxy", func() { p.Proxy = &f.proxy })
		if given == 0 {
			return wrongUsage("ai-gateway providers edit --help", "nothing to change is given")
		}
		acc, err := client.UpdateAccount(a.ctx, name, p)
		if err != nil {
			return err
		}
		return a.changedAccount(acc, phrase("Changed"))
	})
	f.add(c)
	return c
}

func (a *app) changedAccount(acc *api.Account, what locales.Phrase) error {
	if a.output == "json" || a.output == "jsonl" {
		return a.writeJSON(acc)
	}
	_, err := a.out("%s %s (%s)\n", what, cleanText(acc.Name), acc.Provider)
	return err
}

func (a *app) providersSwitch(use, short string, on bool) *cobra.Command {
	return a.onAccount(use, short, func(client *api.Client, name string) error {
		acc, err := client.UpdateAccount(a.ctx, name, api.AccountPatch{Enabled: &on})
		if err != nil {
			return err
		}
		return a.changedAccount(acc, map[bool]locales.Phrase{true: phrase("Enabled"), false: phrase("Disabled")}[on])
	})
}

func (a *app) providersRemove() *cobra.Command {
	return a.removal(&cobra.Command{Use: "remove ACCOUNT", Short: "Remove an account and its keys; its usage stays", ValidArgsFunction: a.completeFirst(accountNames)}, "ai-gateway providers list",
		func(client *api.Client, name string) (q locales.Phrase, err error) {
			acc, err := client.Account(a.ctx, name)
			if err != nil {
				return q, err
			}
			return phrase("Remove the account %q?", cleanText(acc.Name)), nil
		}, (*api.Client).DeleteAccount)
}

func (a *app) providersTest() *cobra.Command {
	var model string
	c := a.onAccount("test", "Make one call of one token to an account", func(client *api.Client, name string) error {
		r, err := client.TestAccount(a.ctx, name, model)
		if err != nil {
			return err
		}
		if a.output == "json" || a.output == "jsonl" {
			if err := a.writeJSON(r); err != nil || r.OK {
				return err
			}
		} else if r.OK {
			_, err := a.out("%s %s answers: %s in %s, %s\n", a.paint(a.stdout, green, "✓"), cleanText(name), cleanText(r.Model), millis(float64(r.LatencyMs)).text, dollars(r.CostUSD))
			if r.Note != "" {
				a.line("Note: %s", cleanText(r.Note))
			}
			return err
		}
		if r.Note != "" {
			a.line("Note: %s", cleanText(r.Note))
		}
		return &exitError{exitUpstream, &hintError{err: errorf("%s does not answer: %s", name, r.Error), next: afterTest(name, r.Status)}}
	})
	c.Flags().StringVarP(&model, "model", "m", "", "model to ask; without it one the account serves")
	return c
}

// quoteArg quotes s for a shell if it must be.
func quoteArg(s string) string {
	plain := s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:@%+,", r))
	})
	if plain {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

func sortedNames[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// afterTest is what to type when a test call of an account failed with that status of
// the upstream's; 0: it was not reached.
func afterTest(name string, status int) string {
	switch {
	case status == 404: // the address answers, and does not know the model
		return "ai-gateway providers test " + quoteArg(name) + " --model NAME"
	case status == 400 || status == 413 || status == 422: // the answer says what it is
		return "ai-gateway doctor --online"
	case status == 429:
		return "ai-gateway providers list"
	case status >= 400 && status < 500:
		return "ai-gateway providers edit " + quoteArg(name) + " --api-key -"
	}
	return "ai-gateway providers edit " + quoteArg(name) + " --base-url https://…"
}
