package config

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/your-org/ai-api-gateway/store"
)

// list writes the accounts in one line each.
func list(c *Config) string {
	var lines []string
	for _, a := range c.Accounts {
		var keys []string
		for _, s := range a.Secrets {
			keys = append(keys, fmt.Sprintf("%s*%d", s.Plain.Reveal(), s.Weight))
		}
		lines = append(lines, fmt.Sprintf("%s %s %s %s [%s]", a.Origin, a.ID, a.Provider, a.Name, strings.Join(keys, " ")))
	}
	return strings.Join(lines, "\n")
}

func TestAccounts(t *testing.T) {
	c := mustLoad(t, `
accounts:
  - provider: openai
    account_name: OpenAI Production
    api_key: sk-one
  - provider: claude
    name: pool
    api_keys: [sk-a, {key: "${B}", weight: 3}]
    base_url: https://proxy.example.com/
    models: {sonnet: claude-sonnet-4, "claude-*": null}
    weight: 2
    priority: 1
    enabled: false
    headers: {X-Team: research}
    params: {set: {top_k: 5, nested: {b: 1.50, a: [true, null, "${B}"]}}, drop: [user], rename: {a: b}}
    options: {region: eu, version: 2024-10-21}
    proxy: socks5h://127.0.0.1:1080
    timeouts: {ttfb: 2m}
  - provider: vllm
model_mappings:
  - alias: fast
    targets: [openai/gpt-4o-mini, gpt-4, qwen/qwen3, {account: pool, model: sonnet, weight: 2, priority: 1}, {provider: claude, model: x}]
`, "B=sk-b")
	want := `file file-` + recordID("", "OpenAI Production")[1:] + ` openai OpenAI Production [sk-one*0]
file file-pool anthropic pool [sk-a*0 sk-b*3]
file file-vllm vllm vllm []`
	if got := list(c); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	a := c.Accounts[1]
	if a.BaseURL != "https://proxy.example.com" || a.Enabled || a.Weight != 2 || a.Priority != 1 || a.Timeouts["ttfb"] != "2m0s" || a.Headers["X-Team"] != "research" {
		t.Errorf("account: %+v", a)
	}
	if got := fmt.Sprint(a.Models); got != "[{sonnet claude-sonnet-4} {claude-* }]" {
		t.Errorf("models: %s", got)
	}
	if got := string(a.Params); got != `{"set":{"top_k":5,"nested":{"b":1.50,"a":[true,null,"sk-b"]}},"drop":["user"],"rename":{"a":"b"}}` {
		t.Errorf("params: %s", got)
	}
	if got := string(a.Options["version"]); got != `"2024-10-21"` {
		t.Errorf("a date is text: %s", got)
	}
	if got := fmt.Sprint(c.Mappings[0].Targets); got != "[{openai  gpt-4o-mini 0 0} {  gpt-4 0 0} {  qwen/qwen3 0 0} { pool sonnet 2 1} {anthropic  x 0 0}]" {
		t.Errorf("targets: %s", got)
	}
	if a := c.Accounts[2]; !a.Enabled || a.Origin != store.OriginFile {
		t.Errorf("account: %+v", a)
	}
}

func TestAccountsRefused(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		if _, err := load(t, text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q:\n got %v\nwant %s", text, err, want)
		}
	}
	f("accounts: [{provider: opnai}]", `gw.yaml:1:23: accounts[0].provider: unknown provider "opnai", did you mean "openai"?`)
	f("accounts: [{provider: openai, apiKey: x}]", `unknown field "apiKey", did you mean "api_key"?`)
	f("accounts: [{api_key: x}]", "provider is missing")
	f("accounts: [{provider: openai}]", "api_key is missing")
	f("accounts: [{provider: openai, api_key: sk-gw-x}]", "is a key of this gateway")
	f("accounts: [{provider: openai, api_key: ''}]", "api_key: is empty")
	f("accounts: [{provider: openai, api_keys: [{weight: 1}]}]", "key is missing")
	f("accounts: [{provider: custom, api_key: x}]", "base_url is missing: custom has none")
	f("accounts: [{provider: openai, api_key: x}, {provider: openai, api_key: y}]", `account "openai" exists already`)
	f("accounts: [{provider: openai, api_key: x, name: a, account_name: b}]", "give one")
	f("accounts: [{provider: openai, api_key: x, name: a/b}]", "without '/'")
	f("accounts: [{provider: openai, api_key: x, weight: -1}]", "must be a whole number from 0")
	f("accounts: [{provider: openai, api_key: x, enabled: yes}]", "must be true or false")
	f("accounts: [{provider: openai, api_key: x, headers: {Host: h}}]", `header "Host" can not be set`)
	f("accounts: [{provider: openai, api_key: x, headers: {a: \"b\\r\\nc: d\"}}]", "control characters")
	f("accounts: [{provider: openai, api_key: x, http2: true}]", `accounts[0]: unknown field "http2"`)
	f("accounts: [{provider: openai, api_key: x, timeouts: {ttfb: soon}}]", "must be a duration")
	f("accounts: [{provider: openai, api_key: x, timeouts: {tfb: 1s}}]", `did you mean "ttfb"?`)
	f("accounts: [{provider: openai, api_key: x, params: {set: [1]}}]", "must be a mapping")
	f("accounts: [{provider: openai, api_key: x, options: {a: .nan}}]", "is no JSON value")
	f("accounts: [{provider: openai, api_key: x, models: ['']}]", "must be a model name")
	for _, base := range []string{"ftp://x", "x", "https://u:p@x", "https://x?y", "https://x#y", "http://169.254.169.254/v1", "http://[fe80::1%25eth0]", "http://0.0.0.0", "http://[::ffff:169.254.169.254]", "http://100.100.100.200", "http://224.0.0.1", "http://127.0.0.1:/v1", "http://h:0/v1", "http://h:65536", "http://2852039166/", "http://metadata.google.internal/v1", "https://h o/"} {
		f("accounts: [{provider: openai, api_key: x, base_url: '"+base+"'}]", "base_url: ")
	}
	f("model_mappings: [{targets: [a]}]", "alias is missing")
	f("model_mappings: [{alias: a}]", "targets are missing")
	f("model_mappings: [{alias: a, targets: [{provider: openai}]}]", "model is missing")
	f("model_mappings: [{alias: a, targets: [b]}, {alias: a, targets: [b]}]", `alias "a" exists already`)
}

func TestEnvironmentAccounts(t *testing.T) {
	f := func(text, want, warning string, environ ...string) {
		t.Helper()
		c := mustLoad(t, text, environ...)
		if got := list(c); got != want {
			t.Errorf("%q:\n got %s\nwant %s", environ, got, want)
		}
		if got := strings.Join(c.Warnings, "\n"); warning == "" && got != "" || !strings.Contains(got, warning) {
			t.Errorf("%q: warnings %q, want %q", environ, got, warning)
		}
	}
	f("", "env env-openai openai openai [sk-a*0]\nenv env-openai-us-east openai openai-us-east [sk-b*0]", "", "OPENAI_US_EAST_API_KEY=sk-b", "OPENAI_API_KEY= sk-a\n")
	f("", "", "OPENAI_API_KEY was ignored: it is a key of this gateway", "OPENAI_API_KEY=sk-gw-x")
	f("", "", "", "OPENAI_API_KEY=")
	f("", "env env-gemini gemini gemini [g*0]", "GOOGLE_API_KEY was ignored: GEMINI_API_KEY is set too", "GEMINI_API_KEY=g", "GOOGLE_API_KEY=h")
	f("", "env env-gemini gemini gemini [g*0]", "", "GEMINI_API_KEY=g", "GOOGLE_API_KEY=g")
	f("", "", "AZURE_OPENAI_API_KEY was ignored: set AI_GATEWAY_PROVIDER_AZURE_BASE_URL", "AZURE_OPENAI_API_KEY=x")
	f("", "env env-azure azure azure [x*0]\nenv env-azure-eu azure azure-eu [y*0]", "", "AZURE_OPENAI_API_KEY=x", "AZURE_OPENAI_EU_API_KEY=y", "AI_GATEWAY_PROVIDER_AZURE_BASE_URL=https://r.openai.azure.com")
	// The file's account wins over the environment's of the same name, and over one with the same key.
	f("accounts: [{provider: openai, api_key: sk-f}]", "file file-openai openai openai [sk-f*0]", "", "OPENAI_API_KEY=sk-e")
	f("accounts: [{provider: openai, name: prod, api_key: '${OPENAI_API_KEY}'}]", "file file-prod openai prod [sk-e*0]", "", "OPENAI_API_KEY=sk-e")
	// The client's own variables are no provider keys, and a client's address is not the upstream's.
	f("", "", "", "AI_GATEWAY_API_KEY=x", "AI_GATEWAY_BASE_URL=http://h")
	f("", "env env-openai openai openai [k*0]", "OPENAI_BASE_URL is for clients", "OPENAI_API_KEY=k", "OPENAI_BASE_URL=http://127.0.0.1:8080/v1")
	f("", "", `AI_GATEWAY_LSTEN is no setting of the gateway and was ignored, did you mean "AI_GATEWAY_LISTEN"?`, "AI_GATEWAY_LSTEN=:1")
}

func TestBaseURLs(t *testing.T) {
	c := mustLoad(t, "providers: {openai: {base_url: 'https://file.example.com/v1/'}, llama.cpp: {base_url: 'http://10.0.0.1:1/v1'}, custom: {base_url: 'http://h/v1'}}\naccounts: [{provider: custom, api_key: k}]",
		"AI_GATEWAY_PROVIDER_OPENAI_BASE_URL=https://env.example.com/v1")
	if got := fmt.Sprint(c.BaseURLs); got != "map[custom:http://h/v1 llamacpp:http://10.0.0.1:1/v1 openai:https://env.example.com/v1]" {
		t.Error(got)
	}
	c = mustLoad(t, "", "AI_GATEWAY_PROVIDER_LLAMA_CPP_BASE_URL=http://localhost:1/v1")
	if got := fmt.Sprint(c.BaseURLs); got != "map[llamacpp:http://localhost:1/v1]" {
		t.Error(got)
	}
}

func TestWarnOfOpenFile(t *testing.T) {
	path := t.TempDir() + "/gw.yaml"
	f := func(mode os.FileMode, text string, want int) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		c, err := Load(Options{Path: path, Environ: []string{"HOME=/h", "K=sk-env"}, Providers: some()})
		if err != nil || len(c.Warnings) != want {
			t.Errorf("%v %q: %v, %v", mode, text, c, err)
		}
	}
	f(0o600, "accounts: [{provider: openai, api_key: sk-literal}]", 0)
	f(0o644, "accounts: [{provider: openai, api_key: sk-literal}]", 1)
	f(0o644, "accounts: [{provider: openai, api_key: '${K}'}]", 0)
}
