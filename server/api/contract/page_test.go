package contract

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"go.yaml.in/yaml/v3"

	"github.com/your-org/ai-api-gateway/server/api"
)

var update = flag.Bool("update", false, "write docs/03-api-specification.md anew")

// TestPage keeps docs/03-api-specification.md equal to what server/api/openapi.yaml
// says: `go test ./server/api/contract -run Page -update`.
func TestPage(t *testing.T) {
	file := filepath.Join("..", "..", "..", "docs", "03-api-specification.md")
	want := page(t)
	if got, err := os.ReadFile(file); err == nil && bytes.Equal(got, want) {
		return
	}
	if !*update {
		t.Fatalf("%s is stale: run go test ./server/api/contract -run Page -update", file)
	}
	if err := os.WriteFile(file, want, 0o644); err != nil {
		t.Fatal(err)
	}
}

// order returns the names of a mapping in openapi.yaml, in their order there.
func order(t *testing.T, path ...string) (names []string) {
	t.Helper()
	var doc yaml.Node
	if err := yaml.Unmarshal(api.OpenAPI, &doc); err != nil {
		t.Fatal(err)
	}
	at := doc.Content[0]
	for _, name := range path {
		for i := 0; i+1 < len(at.Content); i += 2 {
			if at.Content[i].Value == name {
				at = at.Content[i+1]
				break
			}
		}
	}
	for i := 0; i+1 < len(at.Content); i += 2 {
		names = append(names, at.Content[i].Value)
	}
	return names
}

// again begins the description of what is the same under another address.
const again = "The same under another"

func page(t *testing.T) []byte {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(api.OpenAPIJSON())
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "# The API\n\n<!-- Made from server/api/openapi.yaml by server/api/contract/page_test.go. Do not edit. -->\n\n%s\n\n", doc.Info.Description)
	b.WriteString("The same for programs: [server/api/openapi.yaml](../server/api/openapi.yaml), served at `/v1/admin/openapi.json` and `/v1/admin/openapi.yaml`.\n")
	paths := order(t, "paths")
	for _, tag := range doc.Tags {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n| call | scope | what |\n|---|---|---|\n", tag.Name, tag.Description)
		var told, roots []string
		for _, path := range paths {
			for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPatch, http.MethodDelete} {
				op := doc.Paths.Value(path).GetOperation(method)
				if op == nil || !slices.Contains(op.Tags, tag.Name) {
					continue
				}
				if strings.HasPrefix(op.Description, again) {
					root, _, _ := strings.Cut(path, "{model}")
					if line := "- `" + root + "…`"; !slices.Contains(roots, line) {
						roots = append(roots, line)
					}
					continue
				}
				fmt.Fprintf(&b, "| `%s %s` | %v | %s |\n", method, path, op.Extensions["x-scope"], op.Summary)
				if s := details(op); s != "" {
					told = append(told, fmt.Sprintf("### `%s %s`\n\n%s", method, path, s))
				}
			}
		}
		if len(roots) > 0 {
			fmt.Fprintf(&b, "\nGoogle's calls are taken under the other addresses of its clients, too:\n\n%s\n", strings.Join(roots, "\n"))
		}
		for _, s := range told {
			b.WriteString("\n" + s)
		}
	}
	b.WriteString("\n## Objects\n\nA `?` marks members that may be missing.\n")
	for _, name := range order(t, "components", "schemas") {
		s := doc.Components.Schemas[name].Value
		fmt.Fprintf(&b, "\n### %s\n\n", name)
		if s.Description != "" {
			b.WriteString(sentence(s.Description) + "\n\n")
		}
		objectTable(&b, t, s, name)
	}
	return b.Bytes()
}

// details tells of an operation's parameters, body and answer; "": there is nothing to tell.
func details(op *openapi3.Operation) string {
	var b strings.Builder
	var list []string
	for _, p := range op.Parameters {
		if p.Value.In == openapi3.ParameterInQuery {
			list = append(list, fmt.Sprintf("- `%s` (%s): %s", p.Value.Name, kind(p.Value.Schema), p.Value.Description))
		}
	}
	relayed := slices.Contains(op.Tags, "Relay")
	if op.Description != "" {
		b.WriteString(op.Description + "\n\n")
	}
	if len(list) > 0 {
		b.WriteString(strings.Join(list, "\n") + "\n\n")
	}
	if relayed {
		return b.String()
	}
	var parts []string
	if op.RequestBody != nil {
		parts = append(parts, "Body: "+kind(op.RequestBody.Value.Content["application/json"].Schema)+".")
	}
	for _, status := range []string{"200", "201", "204"} {
		if res := op.Responses.Value(status); res != nil {
			for media, m := range res.Value.Content {
				what := kind(m.Schema)
				if media != "application/json" {
					what = "`" + media + "`: " + *res.Value.Description
				}
				parts = append(parts, fmt.Sprintf("Answer %s: %s.", status, what))
			}
		}
	}
	if len(parts) > 0 {
		b.WriteString(strings.Join(parts, " ") + "\n")
	}
	return b.String()
}

// kind names the type of a schema.
func kind(ref *openapi3.SchemaRef) string {
	if ref == nil {
		return "anything"
	}
	if name, ok := strings.CutPrefix(ref.Ref, "#/components/schemas/"); ok {
		return fmt.Sprintf("[%s](#%s)", name, strings.ToLower(name))
	}
	s := ref.Value
	switch {
	case len(s.AnyOf) > 0:
		var parts []string
		for _, p := range s.AnyOf {
			parts = append(parts, kind(p))
		}
		return strings.Join(parts, " or ")
	case len(s.Enum) > 0:
		b, _ := json.Marshal(s.Enum)
		return "one of " + strings.Trim(strings.NewReplacer(`"`, "`", ",", ", ").Replace(string(b)), "[]")
	case s.Items != nil:
		return "list of " + kind(s.Items)
	case s.AdditionalProperties.Schema != nil && len(s.Properties) == 0:
		return "map of " + kind(s.AdditionalProperties.Schema)
	case s.Type == nil:
		return "anything"
	case s.Format != "" && s.Type.Includes("null"):
		return s.Format + " or null"
	case s.Format != "":
		return s.Format
	}
	return strings.Join(s.Type.Slice(), " or ")
}

// objectTable writes the table of an object's members, nested objects behind.
func objectTable(b *bytes.Buffer, t *testing.T, s *openapi3.Schema, name string) {
	if len(s.Properties) == 0 {
		fmt.Fprintf(b, "A %s.\n", kind(&openapi3.SchemaRef{Value: s}))
		return
	}
	b.WriteString("| member | type | |\n|---|---|---|\n")
	tableRows(b, s, order(t, "components", "schemas", name, "properties"), "")
}

func tableRows(b *bytes.Buffer, s *openapi3.Schema, names []string, prefix string) {
	for _, name := range names {
		p := s.Properties[name]
		mark := ""
		if !slices.Contains(s.Required, name) {
			mark = "?"
		}
		fmt.Fprintf(b, "| `%s%s`%s | %s | %s |\n", prefix, name, mark, kind(p), strings.ReplaceAll(p.Value.Description, "|", "\\|"))
		if p.Ref == "" && len(p.Value.Properties) > 0 {
			inner := make([]string, 0, len(p.Value.Properties))
			for n := range p.Value.Properties {
				inner = append(inner, n)
			}
			slices.Sort(inner)
			tableRows(b, p.Value, inner, prefix+name+".")
		}
	}
}

func sentence(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
