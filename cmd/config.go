package cmd

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/your-org/ai-api-gateway/server/api"
)

// configCommand edits the client's own file; config server looks at the gateway's.
func (a *app) configCommand() *cobra.Command {
	c := newGroup("config", "The command line's own settings, and the server's")
	c.Long = `Settings of the command line, kept in cli.yaml ("ai-gateway config path"):

  api_key    key to use
  base_url   address of the gateway, with or without /v1
  model      model that chat uses
  lang       language: en, zh

--profile NAME reads and writes a set of its own. Order: flags, then
AI_GATEWAY_BASE_URL and AI_GATEWAY_API_KEY, then the profile, then what a gateway
on this machine left for its owner. A profile named by flag precedes the variables.`
	set := &cobra.Command{
		Use: "set KEY VALUE", Short: "Set a value; \"\" removes it", Args: cobra.ExactArgs(2), ValidArgsFunction: completeProfileKeys,
		Example: "  ai-gateway config set base_url http://localhost:8080\n  ai-gateway config set api_key -",
		RunE:    func(_ *cobra.Command, args []string) error { return a.configSet(args[0], args[1]) },
	}
	get := &cobra.Command{
		Use: "get KEY", Short: "Print a value", Args: cobra.ExactArgs(1), ValidArgsFunction: completeProfileKeys,
		RunE: func(_ *cobra.Command, args []string) error { return a.configGet(args[0]) },
	}
	list := &cobra.Command{
		Use: "list", Short: "Print all values, the key masked", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return a.configList() },
	}
	path := &cobra.Command{
		Use: "path", Short: "Print where cli.yaml is", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			path, err := a.clientFile()
			if err != nil {
				return err
			}
			return a.value("path", path)
		},
	}
	c.AddCommand(set, get, list, path, newConfigServerCommand(a))
	return c
}

// profileKey returns the key meant: "api-key" is api_key.
func profileKey(name string) (string, error) {
	key := strings.ReplaceAll(strings.ToLower(name), "-", "_")
	if !slices.Contains(profileKeys, key) {
		return "", wrongUsage("ai-gateway config --help", "unknown setting %q: it is one of %s", name, strings.Join(profileKeys, ", "))
	}
	return key, nil
}

func (a *app) configSet(name, value string) error {
	key, err := profileKey(name)
	if err != nil {
		return err
	}
	if value == "-" && key == "api_key" {
		if value, err = a.readSecret(phrase("API key")); err != nil {
			return err
		}
	}
	value = strings.TrimSpace(value)
	if err := checkProfileValue(key, value); err != nil {
		return err
	}
	if err := a.setProfile(key, value); err != nil || a.output == "table" {
		return err
	}
	return a.configList()
}

func checkProfileValue(key, value string) error {
	switch {
	case value == "":
		return nil
	case key == "base_url":
		if _, err := (&api.Client{BaseURL: value}).Base(); err != nil {
			return wrongUsage("ai-gateway config set base_url "+defaultURL, "%v", err)
		}
	case key == "api_key" && strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r >= 0x7f }):
		return wrongUsage("", "a key is printable ASCII without white space")
	case key == "lang" && value != "en" && value != "zh":
		return wrongUsage("ai-gateway config set lang en", "lang must be en or zh, not %q", value)
	}
	return nil
}

func (a *app) configGet(name string) error {
	key, err := profileKey(name)
	if err != nil {
		return err
	}
	p, err := a.loadProfile()
	if err != nil {
		return err
	}
	value := p.get(key)
	if value == "" {
		return &exitError{exitNotFound, &hintError{err: errorf("%s is not set", key), next: "ai-gateway config set " + key + " <value>"}}
	}
	return a.value(key, value)
}

// value writes one value: as it is, or as a member of that name.
func (a *app) value(name, value string) error {
	if a.output == "json" || a.output == "jsonl" {
		return a.writeJSON(map[string]string{name: value})
	}
	_, err := fmt.Fprintln(a.stdout, value)
	return err
}

func (p profile) get(key string) string {
	switch key {
	case "base_url":
		return p.BaseURL
	case "api_key":
		return p.APIKey
	case "model":
		return p.Model
	}
	return p.Lang
}

func (a *app) configList() error {
	p, err := a.loadProfile()
	if err != nil {
		return err
	}
	t := table{columns: []column{{head: "SETTING", name: "key"}, {head: "VALUE", flex: true}}, empty: phrase("Nothing is set. Start with: ai-gateway config set base_url %s", defaultURL)}
	values := map[string]string{}
	for _, key := range profileKeys {
		value := p.get(key)
		if value == "" {
			continue
		}
		if key == "api_key" {
			value = maskKey(value)
		}
		values[key] = value
		t.rows = append(t.rows, []cell{str(key), str(value)})
	}
	return show(a, values, []map[string]string{values}, t)
}

// maskKey shows enough of a key to know it again.
func maskKey(key string) string {
	if len(key) < 20 {
		return "…"
	}
	return key[:10] + "…" + key[len(key)-4:]
}
