package importer

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/your-org/ai-api-gateway/server/api"
)

var liteKnown = []api.ProviderInfo{
	{Name: "openai", NeedsKey: true, BaseURL: "https://api.openai.com/v1", EnvKeys: []string{"OPENAI_API_KEY"}}, {Name: "anthropic", NeedsKey: true, EnvKeys: []string{"ANTHROPIC_API_KEY"}},
	{Name: "azure", NeedsKey: true, NeedsBaseURL: true, Options: []api.ProviderOption{{Name: "api_version"}}}, {Name: "groq", NeedsKey: true, EnvKeys: []string{"GROQ_API_KEY"}}, {Name: "custom", NeedsBaseURL: true},
}

func litePlan(t *testing.T, env map[string]string, files map[string]string) (*Plan, error) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return LiteLLM(context.Background(), []string{filepath.Join(dir, "config.yaml")}, liteKnown, func(n string) string { return env[n] }, oddNow)
}

func TestLiteConfig(t *testing.T) {
	p, err := litePlan(t, map[string]string{"GROQ_API_KEY": "gsk-1"}, map[string]string{"more.yaml": "model_list:\n- {model_name: included, litellm_params: {model: openai/gpt-4o-mini, api_key: sk-inc}}\n", "config.yaml": `
include: [more.yaml]
environment_variables: {MINE: sk-of-the-file, THERE: os.environ/NOT_SET}
credential_list: [{credential_name: c, credential_values: {api_key: sk-cred, api_base: "http://127.0.0.1:9/v1"}}]
x-anchor: &a {api_key: os.environ/MINE}
model_list:
- {model_name: gpt-4o, litellm_params: {<<: *a, model: openai/gpt-4o, max_budget: 5, rpm: 10}, model_info: {access_groups: [beta]}}
- {model_name: gpt-4o, litellm_params: {<<: *a, model: openai/gpt-4o, rpm: 20}}
- {model_name: cred, litellm_params: {model: openai/x, litellm_credential_name: c}}
- {model_name: nocred, litellm_params: {model: openai/x, api_key: k, litellm_credential_name: nosuch}}
- {model_name: usual, litellm_params: {model: groq/llama}}
- {model_name: unset, litellm_params: {model: openai/gpt-4, api_key: os.environ/THERE}}
- {model_name: without, litellm_params: {model: anthropic/claude}}
- {model_name: version, litellm_params: {model: azure/d, api_key: k, api_base: "https://r.openai.azure.com", api_version: os.environ/NOT_SET}}
- {model_name: "openai/*", litellm_params: {model: "openai/*", api_key: sk-all, rpm: 7}}
- {model_name: "*", litellm_params: {model: "*"}}
- {model_name: "my-*", litellm_params: {model: "openai/gpt-*", api_key: k}}
- {model_name: headers, litellm_params: {model: openai/gpt-4, api_key: k3, organization: org-1, extra_headers: {Authorization: "Bearer hunter2", X-A: os.environ/MINE}}}
- {model_name: nothing, litellm_params: }
litellm_settings: {drop_params: true, max_budget: 9, fallbacks: [{gpt-4o: [alias, nosuch, {model: cred}]}, {"*": [cred]}]}
router_settings: {routing_strategy: usage-based-routing-v2, model_group_alias: {alias: cred, hidden: {model: gpt-4o, hidden: true}, lost: nosuch, cred: gpt-4o}, num_retries: 2}
general_settings: {master_key: sk-1234, alerting: [slack]}
guardrails: [{guardrail_name: g}]
`})
	if err != nil {
		t.Fatal(err)
	}
	byAlias := map[string]api.MappingCreate{}
	for _, m := range p.Mappings {
		byAlias[m.Alias] = m
	}
	if len(byAlias) != 8 || len(p.Mappings) != 8 {
		t.Errorf("mappings %v", slices.Sorted(func(yield func(string) bool) {
			for a := range byAlias {
				if !yield(a) {
					return
				}
			}
		}))
	}
	for _, alias := range []string{"gpt-4o", "hidden"} {
		if m := byAlias[alias]; len(m.Targets) != 2 || !slices.Equal(m.Fallbacks["error"], []string{"alias"}) {
			t.Errorf("%s: %+v", alias, m)
		}
	}
	if a := p.account(t, byAlias["cred"].Targets[0].Account); a.APIKey != "sk-cred" || a.Provider != "custom" {
		t.Errorf("a credential by name: %+v", a)
	}
	if a := p.account(t, byAlias["usual"].Targets[0].Account); a.APIKey != "gsk-1" {
		t.Errorf("a key of the usual variable: %+v", a)
	}
	if a := p.account(t, byAlias["gpt-4o"].Targets[0].Account); a.APIKey != "sk-of-the-file" {
		t.Errorf("a variable of the file: %+v", a)
	}
	if a := p.account(t, byAlias["headers"].Targets[0].Account); len(a.Headers) != 2 || a.Headers["X-A"] != "sk-of-the-file" || a.Headers["OpenAI-Organization"] != "org-1" {
		t.Errorf("headers: %+v", a.Headers)
	}
	i := slices.IndexFunc(p.Accounts, func(a api.AccountCreate) bool { return a.APIKey == "sk-all" })
	if i < 0 || len(p.Accounts[i].Models) != 1 || p.Accounts[i].Models[0].Name != "*" {
		t.Errorf("an account for all models: %+v", p.Accounts)
	}
	for _, q := range p.Policies {
		if q.Scope.Model == "*" {
			t.Errorf("a limit of the model *: %+v", q)
		}
	}
	p.says(t, "max_budget of model_list[0]", "the rates of model_list[1]", `the credential "nosuch"`, `model_list[5] "unset": THERE is not set here`, `model_list[6] "without": it has no key, and ANTHROPIC_API_KEY is not set here`,
		`model_list[7] "version": NOT_SET is not set here`, `model_list[9] "*"`, `model_list[10] "my-*"`, "the header authorization of model_list[11]", `model_list[12] "nothing": it names no model`, `the alias "lost"`, `the alias "cred"`,
		`the fallback (error) of "gpt-4o" to "nosuch"`, `the fallback (error) of "gpt-4o" to "cred"`, `the fallback (error) of "*"`, "litellm_settings.drop_params", "litellm_settings.max_budget", "router_settings.num_retries",
		"router_settings.routing_strategy usage-based-routing-v2", "general_settings.master_key", "general_settings.alerting", "the part guardrails")
	if text := fmt.Sprint(p.Left, p.Notes); strings.Contains(text, "hunter") || strings.Contains(text, "sk-1234") || strings.Contains(text, "x-anchor") {
		t.Errorf("%s", text)
	}
	bad := func(want string, files map[string]string) {
		t.Helper()
		if _, err := litePlan(t, nil, files); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", files, err, want)
		}
	}
	bad("holds nothing", map[string]string{"config.yaml": ""})
	bad("no model_list", map[string]string{"config.yaml": "general_settings: {}"})
	bad("cannot read the file", map[string]string{"config.yaml": "include: [nowhere.yaml]"})
	bad("put that file beside it", map[string]string{"config.yaml": "include: ['s3://b/k']"})
	bad("cannot unmarshal", map[string]string{"config.yaml": "model_list: 5"})
}

// fakeTables is a database of LiteLLM as rows.
type fakeTables = dump

func TestLiteTables(t *testing.T) {
	sum := func(n int) string { return fmt.Sprintf("%064x", n) }
	key := func(n int, alias string, more row) row {
		r := row{"token": sum(n), "key_alias": alias, "key_name": "sk-...abcd"}
		for c, v := range more {
			r[c] = v
		}
		return r
	}
	l := &lite{now: oddNow, plan: &Plan{}, access: map[string][]string{"beta": {"gpt-4o", "o1"}}}
	err := l.tables(context.Background(), fakeTables{
		"LiteLLM_VerificationToken": {
			key(1, "narrow team", row{"team_id": "t1", "models": `["gpt-4o","dear"]`}), key(2, "nothing in common", row{"team_id": "t1", "models": `["dear"]`}), key(3, "all of team", row{"team_id": "t1", "models": `["all-team-models"]`}),
			key(4, "of a user", row{"user_id": "u1"}), key(5, "of a user without models", row{"user_id": "u2"}), key(6, "group", row{"models": `["beta"]`}), key(7, "pattern", row{"team_id": "t2", "models": `["openai/gpt-4o","groq/x"]`}),
			key(8, "embeds", row{"allowed_routes": `["/v1/embeddings"]`}), key(9, "manages", row{"allowed_routes": `["management_routes"]`}), key(10, "calls", row{"allowed_routes": `["llm_api_routes"]`}),
			key(11, "zero", row{"max_budget": "0", "budget_duration": "1d"}), key(12, "quarter", row{"max_budget": "9", "spend": "4", "budget_duration": "90d"}), key(13, "quarter used up", row{"max_budget": "9", "spend": "9", "budget_duration": "90d"}),
			key(14, "two budgets", row{"rpm_limit": "10", "budget_id": "b1", "spend": "1"}), key(15, "odd", row{"aliases": `{"a":"b"}`, "model_max_budget": `{"gpt-4o":{"budget_limit":1}}`, "permissions": `{}`}),
			key(16, "of a team without money", row{"team_id": "t3"}), key(17, "same name", row{"team_id": "t4"}), key(18, "page", row{"team_id": "litellm-dashboard"}),
		},
		"LiteLLM_TeamTable":         {{"team_id": "t1", "team_alias": "one", "models": `["gpt-4o","o1"]`, "organization_id": "o1"}, {"team_id": "t2", "team_alias": "two", "models": `["openai/*"]`}, {"team_id": "t3", "team_alias": "three", "max_budget": "0"}, {"team_id": "t4", "team_alias": "one"}},
		"LiteLLM_UserTable":         {{"user_id": "u1", "models": `["gpt-4o"]`}, {"user_id": "u2", "models": `["no-default-models"]`}},
		"LiteLLM_BudgetTable":       {{"budget_id": "b1", "max_budget": "5", "rpm_limit": "3"}, {"budget_id": "b2", "max_budget": "7"}},
		"LiteLLM_OrganizationTable": {{"organization_id": "o1", "organization_alias": "acme", "budget_id": "b2"}, {"organization_id": "o2", "organization_alias": "free", "budget_id": "b9"}},
		"LiteLLM_EndUserTable":      {{"user_id": "e1", "budget_id": "b1"}, {"user_id": "e2", "blocked": "true"}, {"user_id": "e3"}},
		"LiteLLM_TeamMembership":    {{"user_id": "u1", "team_id": "t1", "budget_id": "b1"}},
		"LiteLLM_Config":            {{"param_name": "router_settings"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	f := func(name string, models ...string) {
		t.Helper()
		k := l.plan.key(name)
		if k == nil || !slices.Equal(k.Create.Models, models) {
			t.Errorf("%s: %+v, want models %v", name, k, models)
		}
	}
	f("narrow team", "gpt-4o")
	f("all of team", "gpt-4o", "o1")
	f("of a user", "gpt-4o")
	f("group", "gpt-4o", "o1")
	f("pattern", "openai/gpt-4o")
	f("calls")
	if k := l.plan.key("embeds"); k == nil || !slices.Equal(k.Create.Scopes, []string{"embeddings"}) {
		t.Errorf("a key of one route: %+v", k)
	}
	if k := l.plan.key("quarter"); k == nil || len(k.Limits) != 1 || k.Limits[0].Limit != "5" || k.Limits[0].Window != "total" {
		t.Errorf("a budget of 90 days: %+v", k)
	}
	if k := l.plan.key("two budgets"); k == nil || len(k.Limits) != 2 || k.Limits[0].Limit != "3" || k.Limits[1].Limit != "4" {
		t.Errorf("limits of a key and its budget: %+v", k)
	}
	if a, b := l.plan.key("all of team"), l.plan.key("same name"); b == nil || a.Create.Group == b.Create.Group {
		t.Error("two teams of one name share a group")
	}
	for _, name := range []string{"nothing in common", "of a user without models", "manages", "zero", "quarter used up", "of a team without money", "page"} {
		if l.plan.key(name) != nil {
			t.Errorf("the key %q is carried over", name)
		}
	}
	l.plan.says(t, "no model in common", "the routes that it may use", `key "zero": its budget is used up`, `the period "90d" of the budget of key "quarter"`, `aliases of key "odd"`, `model_max_budget of key "odd"`,
		`the limits of the organization "acme"`, "the limits of 2 rows of LiteLLM_EndUserTable", "the limits of 1 rows of LiteLLM_TeamMembership", "router_settings of LiteLLM_Config", `budget of its team "three" is used up`)
	if text := fmt.Sprint(l.plan.Left); strings.Contains(text, `"free"`) || strings.Contains(text, "permissions") {
		t.Errorf("%s", text)
	}
}
