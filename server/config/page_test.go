package config

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var updatePage = flag.Bool("update", false, "write docs/configuration.md anew")

// TestPage keeps docs/configuration.md equal to what the rows of the settings and the
// schema say: `go test ./server/config -run TestPage -update`.
func TestPage(t *testing.T) {
	file := filepath.Join("..", "..", "docs", "configuration.md")
	want := configurationPage()
	if got, err := os.ReadFile(file); err == nil && bytes.Equal(got, want) {
		return
	}
	if !*updatePage {
		t.Fatalf("%s is stale: run go test ./server/config -run TestPage -update", file)
	}
	if err := os.WriteFile(file, want, 0o644); err != nil {
		t.Fatal(err)
	}
}

const pageHead = `# Configuration

[中文](configuration.zh-CN.md)

<!-- Made from the rows of server/config by its page_test.go. Do not edit. -->

Nothing has to be configured. What is set comes from four places; the later wins:

1. the defaults below;
2. a YAML file: ` + "`--config FILE`, `AI_GATEWAY_CONFIG`, else the first of `config/gateway.yaml` and `/etc/ai-gateway/gateway.yaml`" + ` that exists;
3. the environment;
4. flags of ` + "`ai-gateway serve`" + `.

Accounts, model mappings and quota policies may also be made over the admin API, the CLI
or the admin page. Those of the store go before those of the file of the same name; what
comes from file or environment is read-only there.

- In the file, ` + "`${NAME}`, `${NAME:-default}` and `${file:/run/secrets/x}`" + ` stand for what they name.
- A field that is not known is refused with its line and the nearest name.
- ` + "`ai-gateway config server check FILE`" + ` says what is wrong with a file, ` + "`ai-gateway config server show --origin`" + ` what is in
  force and where it came from, ` + "`ai-gateway config server schema`" + ` prints a JSON Schema for editors.
- ` + "`SIGHUP` or `ai-gateway config server reload`" + ` reads file and environment anew, and names the settings that only a
  restart puts into force.
- Keys of vendors are taken from their usual variables (` + "`OPENAI_API_KEY`, `ANTHROPIC_API_KEY`, `GEMINI_API_KEY`" + `, …;
  [providers.md](providers.md) names all); ` + "`AI_GATEWAY_PROVIDER_<NAME>_BASE_URL`" + ` sets a vendor's address.
- ` + "`AI_GATEWAY_MASTER_KEY`" + ` holds the key that seals secrets, ` + "`AI_GATEWAY_ADMIN_KEY`" + ` (32 characters or more) an admin key
  that is valid while it is set.

Lengths of time are ` + "`90d`, `12h`, `30s`, `250ms`" + ` or seconds; sizes ` + "`32MiB`" + ` or bytes; lists are YAML lists, or joined by
commas in variables and flags.
`

func configurationPage() []byte {
	var b bytes.Buffer
	b.WriteString(pageHead)
	b.WriteString("\n## Settings\n\n| setting | variable | flag | default | meaning |\n|---|---|---|---|---|\n")
	for _, r := range Rows() {
		def := "none"
		if r.Default != "" {
			def = "`" + r.Default + "`"
		}
		doc := r.Doc
		if len(r.Words) > 0 {
			doc += "; one of `" + strings.Join(r.Words, "`, `") + "`"
		}
		fmt.Fprintf(&b, "| `%s` | `%s` | `--%s` | %s | %s (%s) |\n", r.Path, r.Env, r.Flag, def, strings.ReplaceAll(doc, "|", "\\|"), r.Type)
	}
	for _, part := range pageParts() {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n| member | meaning |\n|---|---|\n", part.title, part.text)
		nodeRows(&b, part.schema, "", memberDoc)
	}
	b.WriteString("\n## providers\n\nA map of provider to `base_url`, in place of the provider's own:\n\n```yaml\nproviders:\n  openai: {base_url: https://eu.api.openai.com/v1}\n```\n\nEvery setting stands with its default in [config/gateway.example.yaml](../config/gateway.example.yaml).\n")
	return b.Bytes()
}

// A pagePart is a list of the file whose members the page tells.
type pagePart struct {
	title, text string
	schema      *node
}

func pageParts() []pagePart {
	return []pagePart{
		{"accounts", "A list of accounts at providers.", accountSchema(nil)},
		{"model_mappings", "A list of model names of your own. `ai-gateway route explain NAME` says where a name leads.", mappingSchema(nil)},
		{"quota_policies", "A list of limits. `ai-gateway quota explain` says what holds for whom.", policySchema()},
	}
}

// memberDoc returns the meaning of a member as its schema has it.
func memberDoc(_ string, p *node, required bool) string {
	doc := p.Description
	if len(p.Enum) > 0 {
		doc = strings.TrimPrefix(doc+"; one of "+enumWords(p, ", "), "; ")
	}
	if required {
		doc = strings.TrimPrefix(doc+" (required)", " ")
	}
	return doc
}

// enumWords returns the words that a member may be.
func enumWords(p *node, between string) string {
	words, _ := json.Marshal(p.Enum)
	return strings.NewReplacer(`"`, "`", ",", between, "[", "", "]", "").Replace(string(words))
}

// nodeRows writes the members of a schema, those of objects within behind them, with
// the meaning that doc has for each.
func nodeRows(b *bytes.Buffer, n *node, prefix string, doc func(path string, p *node, required bool) string) {
	for _, name := range slices.Sorted(maps.Keys(n.Properties)) {
		p := n.Properties[name]
		fmt.Fprintf(b, "| `%s%s` | %s |\n", prefix, name, strings.ReplaceAll(doc(prefix+name, p, slices.Contains(n.Required, name)), "|", "\\|"))
		for _, in := range append([]*node{p, p.Items}, p.AnyOf...) {
			if in == nil {
				continue
			}
			nodeRows(b, in, prefix+name+".", doc)
			if in.Items != nil && in != p {
				nodeRows(b, in.Items, prefix+name+".", doc)
			}
			for _, alt := range in.AnyOf {
				if in == p.Items {
					nodeRows(b, alt, prefix+name+"[].", doc)
				}
			}
		}
	}
}
