package config

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/your-org/ai-api-gateway/store"
)

const example = "../../config/gateway.example.yaml"

// TestExample holds the example file to its words: it loads as it is, names every
// setting, and gives each its default.
func TestExample(t *testing.T) {
	data, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	c := mustLoad(t, string(data))
	plain := mustLoad(t, "")
	for i, f := range c.Effective() {
		if want := plain.Effective()[i]; f.Value != want.Value || f.Path != want.Path {
			t.Errorf("%s is %q in the example, %q by default", f.Path, f.Value, want.Value)
		}
	}
	if len(c.Effective()) != len(plain.Effective()) || len(c.Warnings) > 0 {
		t.Errorf("the example sets more than settings, or warns: %q", c.Warnings)
	}
	var tree map[string]any
	if err := yaml.Unmarshal(data, &tree); err != nil {
		t.Fatal(err)
	}
	for _, row := range c.settings() {
		at := any(tree)
		for part := range strings.SplitSeq(row.path, ".") {
			group, _ := at.(map[string]any)
			var found bool
			if at, found = group[part]; !found {
				t.Errorf("%s is not in the example", row.path)
				break
			}
		}
	}
}

// TestExampleComments loads the example with its commented accounts and mappings in force.
func TestExampleComments(t *testing.T) {
	data, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, name := range []string{"anthropic-1", "anthropic-2", "service-account.json"} {
		if err := os.WriteFile(dir+"/"+name, []byte("sk-"+name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	head, body, _ := strings.Cut(string(data), "# Base URLs in place")
	body = strings.ReplaceAll(body, "\n#  ", "\n  ")
	body = strings.NewReplacer("accounts: []", "accounts:", "model_mappings: []", "model_mappings:", "quota_policies: []", "quota_policies:", "providers: {}", "providers:", "/run/secrets", dir).Replace(body)
	text := head + "#" + body
	c := mustLoad(t, text, "OPENAI_API_KEY=sk-x", "AZURE_OPENAI_API_KEY=az")
	if len(c.Accounts) != 6 || len(c.Mappings) != 1 || len(c.BaseURLs) != 1 || len(c.Policies) != 1 {
		t.Errorf("accounts:\n%s\nmappings: %v\nbase URLs: %v", list(c), c.Mappings, c.BaseURLs)
	}
}

// TestSchemaKnowsEveryField compares the schema with what the loader takes.
func TestSchemaKnowsEveryField(t *testing.T) {
	type schema struct {
		Properties map[string]*schema `json:"properties"`
		Items      *schema            `json:"items"`
		AnyOf      []*schema          `json:"anyOf"`
	}
	var root schema
	if err := json.Unmarshal(Schema(some()), &root); err != nil {
		t.Fatal(err)
	}
	for _, row := range (&Config{}).settings() {
		at := &root
		for part := range strings.SplitSeq(row.path, ".") {
			if at = at.Properties[part]; at == nil {
				t.Fatalf("%s is not in the schema", row.path)
			}
		}
	}
	same := func(what string, got map[string]*schema, members []member) {
		t.Helper()
		if len(got) != len(members) {
			t.Errorf("%s: the schema has %d members, the loader %d", what, len(got), len(members))
		}
		for _, m := range members {
			if got[m.name] == nil {
				t.Errorf("%s: %s is not in the schema", what, m.name)
			}
		}
	}
	l := &loader{}
	same("account", root.Properties["accounts"].Items.Properties, l.accountMembers(new(store.Account), nil))
	mapping := root.Properties["model_mappings"].Items.Properties
	same("mapping", mapping, l.mappingMembers(new(store.Mapping)))
	policy := root.Properties["quota_policies"].Items.Properties
	same("policy", policy, l.policyMembers(new(store.Policy)))
	same("target", mapping["targets"].Items.AnyOf[1].Properties, l.targetMembers(new(store.MappingTarget)))
}
