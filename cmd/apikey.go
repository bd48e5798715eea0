package cmd

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/your-org/ai-api-gateway/server/api"
	"github.com/your-org/ai-api-gateway/web/locales"
)

func (a *app) apiKeyCommand() *cobra.Command {
	c := newGroup("api-key", "API keys of callers", "api-keys", "token")
	c.AddCommand(a.keyCreate(), a.keyList(), a.keyShow(), a.keyUpdate(), a.keyRotate(), a.keyPause("pause", "Refuse a key until it is resumed", true), a.keyPause("resume", "Accept a paused key again", false), a.keyRevoke())
	return c
}

// keyFlags are the members of a key that create and update share.
type keyFlags struct {
	name, expires, group, onDisconnect, logBodies, markup string
	scopes, models, ips                                   []string
	metadata                                              map[string]string
}

func (k *keyFlags) add(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&k.name, "name", "", "the key's name")
	f.StringSliceVar(&k.scopes, "scopes", nil, "rights: chat, embeddings, …, admin; without it every relay route")
	f.StringSliceVar(&k.models, "models", nil, "models it may use, patterns with '*'; without it all")
	f.StringSliceVar(&k.ips, "ip", nil, "addresses or networks it may be used from; without it any")
	f.StringVar(&k.expires, "expires", "", "when it ends: 90d, 12h, or a time in RFC 3339")
	f.StringVar(&k.group, "group", "", "group of keys it belongs to")
	f.StringVar(&k.markup, "markup", "", "factor on the cost that it is charged, such as 1.2")
	f.StringToStringVar(&k.metadata, "metadata", nil, "facts to keep with it: name=value,…")
	f.StringVar(&k.onDisconnect, "on-disconnect", "", "what happens when its caller leaves: cancel, drain")
	f.StringVar(&k.logBodies, "log-bodies", "", "what is kept of requests and answers, sealed: off, errors, all")
}

func (a *app) keyCreate() *cobra.Command {
	var k keyFlags
	c := &cobra.Command{
		Use: "create [NAME]", Short: "Make a key and print it, this once", Args: cobra.MaximumNArgs(1), Aliases: []string{"add"},
		Example: "  ai-gateway api-key create ci --models 'gpt-5*' --expires 90d\n  ai-gateway api-key create --name admin --scopes admin",
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 1 && k.name != "" && k.name != args[0] {
				return wrongUsage("", "two names are given: %q and %q", args[0], k.name)
			}
			if len(args) == 1 {
				k.name = args[0]
			}
			if strings.TrimSpace(k.name) == "" {
				return wrongUsage("ai-gateway api-key create my-app", "a key needs a name")
			}
			client, err := a.client()
			if err != nil {
				return err
			}
			made, err := client.CreateKey(a.ctx, api.KeyCreate{
				Name: k.name, Scopes: k.scopes, Models: k.models, IPAllow: k.ips, ExpiresAt: k.expires, Group: k.group, Metadata: k.metadata, OnDisconnect: k.onDisconnect, LogBodies: k.logBodies, Markup: k.markup,
			})
			if err != nil {
				return err
			}
			return a.showSecret(made, phrase("is shown this once: keep it"))
		},
	}
	k.add(c)
	return c
}

// showSecret prints a key alone on standard output, so that scripts can take it.
func (a *app) showSecret(k *api.KeyCreated, note locales.Phrase) error {
	if a.output == "json" || a.output == "jsonl" {
		return a.writeJSON(k)
	}
	if _, err := fmt.Fprintln(a.stdout, k.Secret); err != nil {
		return errorf("cannot write the output: %w", err)
	}
	a.line("The key %q (%s) %s. Rights: %s.", cleanText(k.Name), k.ID, note, orAll(k.Scopes, phrase("every relay route")))
	return nil
}

func (a *app) keyList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List keys", Args: cobra.NoArgs, Aliases: []string{"ls"},
		RunE: func(*cobra.Command, []string) error {
			client, err := a.client()
			if err != nil {
				return err
			}
			keys, err := allKeys(a.ctx, client, "")
			if err != nil {
				return err
			}
			t := table{
				columns: []column{{head: "NAME", flex: true}, {head: "ID"}, {head: "PREFIX"}, {head: "STATE"}, {head: "SCOPES"}, {head: "MODELS", flex: true}, {head: "EXPIRES"}, {head: "LAST USED"}},
				empty:   phrase("No keys. Make one: ai-gateway api-key create my-app"),
			}
			for _, k := range keys {
				t.rows = append(t.rows, []cell{
					str(k.Name), str(k.ID), str(k.Prefix), a.keyState(k.Status), str(joinOr(k.Scopes, a.word("relay"))), str(joinOr(k.Models, a.word("all"))),
					{text: a.orNever(k.ExpiresAt), raw: momentOf(k.ExpiresAt).raw}, a.ago(k.LastUsedAt, a.now()),
				})
			}
			return show(a, api.KeysReply{Data: keys}, keys, t)
		},
	}
}

func (a *app) keyState(s string) cell {
	switch s {
	case api.KeyActive:
		return cell{text: "● " + a.head(s), raw: s, sgr: green}
	case api.KeyPaused:
		return cell{text: "‖ " + a.head(s), raw: s, sgr: yellow}
	case api.KeyExpired:
		return cell{text: "▲ " + a.head(s), raw: s, sgr: yellow}
	}
	return cell{text: "✗ " + cleanText(a.head(s)), raw: s, sgr: red}
}

// maxPages bounds what one listing reads.
const maxPages = 200

// allKeys returns the keys whose name holds query.
func allKeys(ctx context.Context, c *api.Client, query string) ([]api.Key, error) {
	keys := []api.Key{}
	page := api.Page{Limit: 500, Query: query}
	for range maxPages {
		r, err := c.Keys(ctx, page)
		if err != nil {
			return nil, err
		}
		keys = append(keys, r.Data...)
		if page.Cursor = r.NextCursor; page.Cursor == "" {
			break
		}
	}
	return keys, nil
}

// findKey returns the key of that id or name. Revoked keys give way to others of their name.
func findKey(ctx context.Context, c *api.Client, ref string) (*api.Key, error) {
	keys, err := allKeys(ctx, c, ref)
	if err != nil {
		return nil, err
	}
	var named, live []api.Key
	for _, k := range keys {
		if k.Name == ref || k.Prefix == ref {
			named = append(named, k)
			if k.Status != api.KeyRevoked {
				live = append(live, k)
			}
		}
	}
	if len(live) > 0 {
		named = live
	}
	switch len(named) {
	case 1:
		return &named[0], nil
	case 0:
		k, err := c.KeyByID(ctx, ref)
		if err != nil && exitCode(err) == exitNotFound {
			return nil, &exitError{exitNotFound, &hintError{err: errorf("no API key is called %q", ref), next: "ai-gateway api-key list"}}
		}
		return k, err
	}
	var ids []string
	for _, k := range named {
		ids = append(ids, k.ID)
	}
	return nil, wrongUsage("ai-gateway api-key list", "%d keys are called %q: give the id, one of %s", len(named), ref, strings.Join(ids, ", "))
}

// onKey makes a command that acts on the key named by its argument.
func (a *app) onKey(use, short string, do func(c *api.Client, k *api.Key) error) *cobra.Command {
	return &cobra.Command{
		Use: use + " NAME|ID", Short: short, Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeFirst(keyNames),
		RunE: func(_ *cobra.Command, args []string) error {
			client, err := a.client()
			if err != nil {
				return err
			}
			k, err := findKey(a.ctx, client, args[0])
			if err != nil {
				return err
			}
			return do(client, k)
		},
	}
}

func (a *app) keyShow() *cobra.Command {
	return a.onKey("show", "Show a key", func(_ *api.Client, k *api.Key) error { return a.showKey(k) })
}

func (a *app) showKey(k *api.Key) error {
	if a.output == "json" || a.output == "jsonl" {
		return a.writeJSON(k)
	}
	rows := [][2]string{
		{"name", k.Name}, {"id", k.ID}, {"prefix", k.Prefix}, {"state", a.keyState(k.Status).text}, {"scopes", joinOr(k.Scopes, a.word("every relay route"))},
		{"models", joinOr(k.Models, a.word("all"))}, {"addresses", joinOr(k.IPAllow, a.word("any"))}, {"group", k.Group}, {"on disconnect", k.OnDisconnect}, {"bodies kept", k.LogBodies}, {"markup", k.Markup},
		{"expires", a.orNever(k.ExpiresAt)}, {"created", a.orNever(&k.CreatedAt)}, {"last used", a.ago(k.LastUsedAt, a.now()).text},
	}
	if k.PreviousUntil != nil {
		rows = append(rows, [2]string{"old key until", a.orNever(k.PreviousUntil)})
	}
	for _, name := range sortedNames(k.Metadata) {
		rows = append(rows, [2]string{name, k.Metadata[name]})
	}
	return a.facts(rows)
}

func (a *app) keyUpdate() *cobra.Command {
	var f keyFlags
	var c *cobra.Command
	c = a.onKey("update", "Change a key; flags not given stay as they are", func(client *api.Client, k *api.Key) error {
		var p api.KeyPatch
		given := 0
		take := func(flag string, set func()) {
			if c.Flags().Changed(flag) {
				given++
				set()
			}
		}
		take("name", func() { p.Name = &f.name })
		take("scopes", func() { p.Scopes = &f.scopes })
		take("models", func() { p.Models = &f.models })
		take("ip", func() { p.IPAllow = &f.ips })
		take("expires", func() { p.ExpiresAt = &f.expires })
		take("group", func() { p.Group = &f.group })
		take("markup", func() { p.Markup = &f.markup })
		take("metadata", func() { p.Metadata = &f.metadata })
		take("on-disconnect", func() { p.OnDisconnect = &f.onDisconnect })
		take("log-bodies", func() { p.LogBodies = &f.logBodies })
		if given == 0 {
			return wrongUsage("ai-gateway api-key update --help", "nothing to change is given")
		}
		changed, err := client.UpdateKey(a.ctx, k.ID, p)
		if err != nil {
			return err
		}
		return a.showKey(changed)
	})
	c.Aliases = []string{"edit"}
	f.add(c)
	return c
}

func (a *app) keyRotate() *cobra.Command {
	var grace string
	c := a.onKey("rotate", "Give a key a new secret and print it, this once", func(client *api.Client, k *api.Key) error {
		made, err := client.RotateKey(a.ctx, k.ID, grace)
		if err != nil {
			return err
		}
		note := phrase("is new and shown this once; the old one has ended")
		if grace != "" {
			note = phrase("is new and shown this once; the old one is accepted for %s more", grace)
		}
		return a.showSecret(made, note)
	})
	c.Flags().StringVar(&grace, "grace", "", "how long the old key is still accepted: 24h, 7d")
	return c
}

// keyPause refuses a key's requests from now on, or no more; what runs ends as it would.
func (a *app) keyPause(use, short string, on bool) *cobra.Command {
	return a.onKey(use, short, func(client *api.Client, k *api.Key) error {
		k, err := client.UpdateKey(a.ctx, k.ID, api.KeyPatch{Paused: &on})
		if err != nil {
			return err
		}
		if a.output != "table" {
			return a.showKey(k)
		}
		if on {
			a.line("Paused %q (%s): its requests are refused with 403. Go on with:\n  ai-gateway api-key resume %s", cleanText(k.Name), k.ID, quoteArg(k.Name))
		} else {
			a.line("%q (%s) is accepted again.", cleanText(k.Name), k.ID)
		}
		return nil
	})
}

func (a *app) keyRevoke() *cobra.Command {
	var yes bool
	c := a.onKey("revoke", "End a key at once and for good", func(client *api.Client, k *api.Key) error {
		if err := a.confirm(yes, phrase("Revoke the key %q (%s)? Its callers are refused from now on.", cleanText(k.Name), k.Prefix)); err != nil {
			return err
		}
		k, err := client.RevokeKey(a.ctx, k.ID)
		if err != nil {
			return err
		}
		if a.output != "table" {
			return a.showKey(k)
		}
		a.line("Revoked %q (%s).", cleanText(k.Name), k.ID)
		return nil
	})
	c.Aliases = []string{"remove", "delete"}
	asksFirst(c, &yes)
	return c
}
