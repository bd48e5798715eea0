package all

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/providertest"
)

// TestProvidersPage keeps docs/providers.md equal to what the providers' rows say:
// `go test ./providers/all -run ProvidersPage -update`.
func TestProvidersPage(t *testing.T) {
	file := filepath.Join("..", "..", "docs", "providers.md")
	want := providersPage()
	if got, err := os.ReadFile(file); err == nil && bytes.Equal(got, want) {
		return
	}
	if !*providertest.Update {
		t.Fatalf("%s is stale: run go test ./providers/all -run ProvidersPage -update", file)
	}
	if err := os.WriteFile(file, want, 0o644); err != nil {
		t.Fatal(err)
	}
}

const providersHead = `# Providers

<!-- Made by providers/all/providerspage_test.go from the providers' rows. Do not edit. -->

An account at a provider is made in one of four ways, which may stand side by side:

- the vendor's own variable in the environment of ` + "`serve`" + ` (named below): an account of the provider's name, read-only;
- ` + "`accounts:`" + ` in the [configuration file](configuration.md#accounts), read-only elsewhere;
- ` + "`ai-gateway providers add NAME --api-key -`" + ` reads the key from standard input; the store keeps it sealed;
- the admin page, or ` + "`POST /v1/admin/provider-accounts`" + `.

` + "`ai-gateway providers test NAME`" + ` makes a call of one token, ` + "`ai-gateway providers list`" + ` tells how each fares. A model of it is
asked for by its name, or as ` + "`provider/model`" + `. What each takes and refuses of a request is in
[compatibility.md](compatibility.md#providers). A server that speaks OpenAI's format and is not listed is
` + "`ai-gateway providers add custom --base-url https://host/v1`" + `.

| provider | variables | address |
|---|---|---|
`

// notes are what a row cannot say.
var notes = map[string]string{
	"azure": "`base_url` is the resource: `https://NAME.openai.azure.com`. `models` may map names to deployments: `{\"gpt-4o\": \"my-deployment\"}`. " +
		"`--option api_version=…` chooses the version of its API. Without a key, Entra ID is asked: environment, managed identity or the Azure CLI.",
	"bedrock": "`--option region=eu-central-1` is needed. The key is a Bedrock API key; without one, AWS's own credential chain is asked (environment, profile, role). Calls are made in the Converse form.",
	"vertex":  "`--option project=… --option region=…` are needed. The key may be a service account's JSON; without one, Google's application default credentials are asked. Gemini and Claude models are served.",
	"ollama":  "It runs on your machines: no key, priced 0. Addresses of private networks are allowed for accounts.",
	"custom":  "Any server that speaks OpenAI's format. Its prices are those of the vendor its address belongs to, where that is known.",
	"demo":    "Built in and offline: it answers the model `demo` without any key, so that the first command works. `ai-gateway mock` serves the same engine as a stand-alone upstream.",
}

func providersPage() []byte {
	var b bytes.Buffer
	b.WriteString(providersHead)
	all := slices.SortedFunc(slices.Values(All()), func(x, y *providers.Provider) int { return strings.Compare(x.Name, y.Name) })
	for _, p := range all {
		address := "yours"
		if p.BaseURL != "" {
			address = "`" + p.BaseURL + "`"
		}
		fmt.Fprintf(&b, "| [%s](#%s) | %s | %s |\n", p.Title, p.Name, listOf(p.EnvKeys, "none"), address)
	}
	for _, p := range all {
		fmt.Fprintf(&b, "\n## %s\n\n%s", p.Name, p.Title)
		if len(p.Aliases) > 0 {
			fmt.Fprintf(&b, ", also called %s", listOf(p.Aliases, ""))
		}
		b.WriteString(".\n\n")
		if note := notes[p.Name]; note != "" {
			b.WriteString(note + "\n\n")
		}
		var speaks, ops []string
		for _, e := range p.Speaks {
			speaks = append(speaks, string(e.Dialect()))
		}
		for _, op := range p.Ops {
			ops = append(ops, string(op))
		}
		fmt.Fprintf(&b, "- formats, the best first: %s\n- besides chat: %s\n- models known by name: %s\n", listOf(speaks, "none"), listOf(ops, "nothing"), listOf(p.Models, "those of the catalogue and of its own list"))
		add := "ai-gateway providers add " + p.Name
		if p.BaseURL == "" {
			add += " --base-url https://…"
		}
		for _, option := range map[string][]string{"bedrock": {"region=eu-central-1"}, "vertex": {"project=my-project", "region=europe-west4"}}[p.Name] {
			add += " --option " + option
		}
		if p.NeedsKey() {
			add += " --api-key -"
		}
		if p.Name != "demo" {
			fmt.Fprintf(&b, "\n```text\n%s\n```\n", add)
		}
	}
	return b.Bytes()
}

func listOf(words []string, none string) string {
	if len(words) == 0 {
		return none
	}
	return "`" + strings.Join(words, "`, `") + "`"
}

// TestProvidersPageNotes: each note is about a provider that there is.
func TestProvidersPageNotes(t *testing.T) {
	for name := range notes {
		if !slices.ContainsFunc(All(), func(p *providers.Provider) bool { return p.Name == name }) {
			t.Errorf("there is no provider %q", name)
		}
	}
}
