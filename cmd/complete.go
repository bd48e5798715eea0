package cmd

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/your-org/ai-api-gateway/server/api"
)

// completeWithin is how long completion may wait for the gateway: a shell that
// hangs at Tab is worse than one that offers nothing.
const completeWithin = 300 * time.Millisecond

// A lister returns names to complete.
type lister func(ctx context.Context, c *api.Client) ([]string, error)

func modelNames(ctx context.Context, c *api.Client) ([]string, error) {
	r, err := c.Models(ctx)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, m := range r.Data {
		names = append(names, m.ID)
	}
	return names, nil
}

func accountNames(ctx context.Context, c *api.Client) ([]string, error) {
	accounts, err := allAccounts(ctx, c)
	var names []string
	for _, a := range accounts {
		names = append(names, a.Name+"\t"+a.Provider)
	}
	return names, err
}

func providerTypes(ctx context.Context, c *api.Client) ([]string, error) {
	r, err := c.Providers(ctx)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, p := range r.Data {
		names = append(names, p.Name+"\t"+p.Title)
	}
	return names, nil
}

func keyNames(ctx context.Context, c *api.Client) ([]string, error) {
	keys, err := allKeys(ctx, c, "")
	var names []string
	for _, k := range keys {
		if k.Status != api.KeyRevoked {
			names = append(names, k.Name+"\t"+k.Prefix)
		}
	}
	return names, err
}

func mappingNames(ctx context.Context, c *api.Client) ([]string, error) {
	mappings, err := allMappings(ctx, c)
	var names []string
	for _, m := range mappings {
		names = append(names, m.Alias)
	}
	return names, err
}

// ask returns what list gives, nothing if the gateway does not answer in time.
func (a *app) ask(list lister) []string {
	client, err := a.client()
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), completeWithin)
	defer cancel()
	names, err := list(ctx, client)
	if err != nil {
		return nil
	}
	for i, n := range names {
		name, about, _ := strings.Cut(n, "\t")
		if names[i] = cleanText(name); about != "" {
			names[i] += "\t" + cleanText(about)
		}
	}
	return names
}

type completion = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective)

// complete completes a flag's value with what list gives.
func (a *app) complete(list lister) completion {
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return a.ask(list), cobra.ShellCompDirectiveNoFileComp
	}
}

// completeFirst completes the first argument with what list gives.
func (a *app) completeFirst(list lister) completion {
	return func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return a.ask(list), cobra.ShellCompDirectiveNoFileComp
	}
}

func completeProfileKeys(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return profileKeys, cobra.ShellCompDirectiveNoFileComp
}

// completeNames completes every flag that takes the name of something the gateway
// knows, unless its command has said how.
func (a *app) completeNames(c *cobra.Command) {
	for flag, list := range map[string]lister{"model": modelNames, "models": modelNames, "key": keyNames, "provider": providerTypes, "account": accountNames} {
		if _, own := c.GetFlagCompletionFunc(flag); !own && c.LocalFlags().Lookup(flag) != nil {
			_ = c.RegisterFlagCompletionFunc(flag, a.complete(list))
		}
	}
	for _, sub := range c.Commands() {
		a.completeNames(sub)
	}
}

// completeProfiles completes the names of cli.yaml's profiles.
func (a *app) completeProfiles(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	_, top, err := a.readClientFile()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return profileNames(child(top, "profiles")), cobra.ShellCompDirectiveNoFileComp
}

func (a *app) completeGlobals(root *cobra.Command) {
	_ = root.RegisterFlagCompletionFunc("profile", a.completeProfiles)
	for flag, words := range map[string][]string{"output": {"table", "json", "jsonl", "csv"}, "lang": {"en", "zh"}, "color": {"auto", "always", "never"}} {
		_ = root.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
	}
}

// completeFiles leaves completion to the shell, which knows files.
func completeFiles(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveDefault
}
