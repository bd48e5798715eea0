package admin

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/your-org/ai-api-gateway/server/api"
	"github.com/your-org/ai-api-gateway/store"
)

const accounts = "/v1/admin/provider-accounts"

func TestCreateAccount(t *testing.T) {
	h := newHarness(t)
	status, body := h.call(h.admin, "POST", accounts, `{"provider": "openai", "account_name": "OpenAI Production", "api_key": "`+vendorSecret+`"}`)
	if status != 201 || !strings.Contains(body, `"api_key_hint":"…mnop"`) || !strings.Contains(body, `"models":[]`) || !strings.Contains(body, `"enabled":true`) {
		t.Fatalf("%d %s", status, body)
	}
	ctx, c := context.Background(), h.client(h.admin)
	got := must[*api.Account](t)(c.CreateAccount(ctx, api.AccountCreate{
		Provider: "claude", Name: "Claude Production", APIKeys: []api.AccountKey{{Key: vendorSecret + "1", Weight: 2}, {Key: vendorSecret + "2"}},
		BaseURL: "http://10.0.0.5:9000/", Models: api.AccountModels{{Name: "big", Upstream: "claude-3-opus"}}, Weight: 3, Priority: 1,
		Headers: map[string]string{"X-Team": "blue", "X-Access-Token": vendorSecret}, Options: map[string]json.RawMessage{"client_secret": json.RawMessage(`"` + vendorSecret + `"`), "region": json.RawMessage(`"eu"`)},
		Params: json.RawMessage(`{"set":{"temperature":0},"drop":["seed"],"rename":{"a":"b"}}`), Proxy: "http://user:" + vendorSecret + "@proxy:3128", Timeouts: map[string]string{"total": "2m"}}))
	want := api.Account{ID: got.ID, Provider: "anthropic", Name: "Claude Production", BaseURL: "http://10.0.0.5:9000", KeyHint: "…nop1",
		Keys: []api.KeyHint{{Hint: "…nop1", Weight: 2}, {Hint: "…nop2", Weight: 1}}, Models: api.AccountModels{{Name: "big", Upstream: "claude-3-opus"}}, Weight: 3, Priority: 1, Enabled: true,
		Headers: map[string]string{"X-Team": "blue", "X-Access-Token": "[redacted]"}, Options: map[string]json.RawMessage{"client_secret": json.RawMessage(`"[redacted]"`), "region": json.RawMessage(`"eu"`)},
		Params: got.Params, Proxy: "http://user:xxxxx@proxy:3128", Timeouts: map[string]string{"total": "2m0s"}, Origin: "db", CreatedAt: got.CreatedAt, AddressNote: "the address is not on the public internet"}
	if !reflect.DeepEqual(*got, want) {
		t.Errorf("got  %+v\nwant %+v", *got, want)
	}
	live, ok := h.table.Load().Account("Claude Production")
	if !ok || len(live.Secrets) != 2 || live.Secrets[1].Reveal() != vendorSecret+"2" {
		t.Error("the account is not in force, or its secrets do not open")
	}
	if strings.Contains(h.everything(), vendorSecret) {
		t.Error("the secret is shown, recorded or stored in the clear")
	}
	_, answers := h.call(h.admin, "GET", accounts, "")
	_, audit := h.call(h.admin, "GET", "/v1/admin/audit", "")
	if strings.Contains(answers+audit, vendorSecret) {
		t.Error("the secret is in an answer or in the audit trail")
	}
	h.refused(h.admin, "POST", accounts, `{"provider":"openai","account_name":"OpenAI Production","api_key":"sk-x"}`, 409, "account_exists", "account_name")
	// What was not shown stays when it is given back as it was shown.
	got.Headers["X-Team"] = "red"
	upd := must[*api.Account](t)(c.UpdateAccount(ctx, got.ID, api.AccountPatch{Headers: &got.Headers, Options: &got.Options, Proxy: &got.Proxy}))
	live, _ = h.table.Load().Account(got.ID)
	if upd.Headers["X-Team"] != "red" || live.Headers["X-Access-Token"] != vendorSecret || string(live.Options["client_secret"]) != `"`+vendorSecret+`"` || !strings.Contains(live.Proxy, vendorSecret) {
		t.Errorf("a round trip loses what is not shown: %+v", live.Account.Headers)
	}
}

func TestAccountRefusals(t *testing.T) {
	h := newHarness(t)
	bad := func(members, code, param string) {
		t.Helper()
		body := `{"provider":"openai","account_name":"a","api_key":"` + vendorSecret + `",` + members + `}`
		if text := h.refused(h.admin, "POST", accounts, body, 400, code, param); strings.Contains(text, vendorSecret) {
			t.Errorf("%s: the refusal shows the secret: %s", members, text)
		}
	}
	for _, name := range []string{"id", "secrets", "origin", "created_at", "api_key_hint", "read_only", "role", "spent"} { // mass assignment
		bad(`"`+name+`":"x"`, "unknown_field", name)
	}
	bad(`"api_key":"y"`, "duplicate_field", "api_key")
	bad(`"API_KEY":"y"`, "unknown_field", "API_KEY")
	bad(`"weight":"5"`, "invalid_type", "weight")
	bad(`"weight":1.5`, "invalid_type", "weight")
	bad(`"weight":-1`, "invalid_value", "weight")
	bad(`"priority":9999999`, "invalid_value", "priority")
	bad(`"enabled":"yes"`, "invalid_type", "enabled")
	bad(`"models":"gpt-4"`, "invalid_value", "models")
	bad(`"models":["a","a"]`, "invalid_value", "models")
	bad(`"models":[""]`, "invalid_value", "models")
	bad(`"api_keys":[{"key":"k"}]`, "invalid_value", "api_key")
	for _, u := range []string{"ftp://h", "h:80", "//h", "https://", "https://u:p@h", "https://h/?a=b", "https://h/#f", "http://169.254.169.254/latest", "http://[fe80::1]/", "http://0.0.0.0/",
		"http://224.0.0.1/", "http://2852039166/", "http://0x7f.1/", "http://[::ffff:169.254.169.254]/", "http://metadata.google.internal/", "http://127.0.0.1:/v1", "http://h:0/v1", "http://100.100.100.200/", "https://h o/"} {
		bad(`"base_url":"`+u+`"`, "invalid_value", "base_url")
	}
	for _, name := range []string{"Authorization", "X-API-Key", "Host", "Connection", "Transfer-Encoding", "Cookie", "Proxy-Authorization", "X-Forwarded-For", "bad name", "a:b", ""} {
		bad(`"headers":{"`+name+`":"x"}`, "invalid_value", "headers")
	}
	bad(`"headers":{"x-a":"1\r\nx-b: 2"}`, "invalid_value", "headers")
	bad(`"headers":{"x-a":"1","X-A":"2"}`, "invalid_value", "headers")
	bad(`"params":{"add":{}}`, "unknown_field", "params.add")
	bad(`"params":{"set":{"model":"dear"}}`, "invalid_value", "params")
	bad(`"params":{"rename":{"x":"stream"}}`, "invalid_value", "params")
	bad(`"params":[]`, "invalid_json", "params")
	bad(`"proxy":"nonsense"`, "invalid_value", "proxy")
	bad(`"timeouts":{"total":"-1s"}`, "invalid_value", "timeouts.total")
	bad(`"timeouts":{"forever":"1s"}`, "invalid_value", "timeouts")

	whole := func(body, code, param string) {
		t.Helper()
		h.refused(h.admin, "POST", accounts, body, 400, code, param)
	}
	whole(`{"account_name":"a","api_key":"x"}`, "missing_field", "provider")
	whole(`{"provider":"nobody","account_name":"a","api_key":"x"}`, "unknown_provider", "provider")
	whole(`{"provider":"openai","api_key":"x"}`, "missing_field", "account_name")
	whole(`{"provider":"openai","account_name":"a"}`, "missing_field", "api_key")
	whole(`{"provider":"openai","account_name":"a/b","api_key":"x"}`, "invalid_value", "account_name")
	whole(`{"provider":"openai","account_name":"claude","api_key":"x"}`, "invalid_value", "account_name")
	whole(`{"provider":"azure","account_name":"a","api_key":"x"}`, "missing_field", "base_url")
	for _, key := range []string{"a b", "sk-gw-abc", "ключ", `a\nb`} {
		text := h.refused(h.admin, "POST", accounts, `{"provider":"openai","account_name":"a","api_key":"`+key+`"}`, 400, "invalid_value", "api_key")
		if strings.Contains(text, key) {
			t.Errorf("the refusal shows the key: %s", text)
		}
	}
	whole(`{"provider":"openai","account_name":"a","api_keys":[{"key":"k"},{"key":""}]}`, "invalid_value", "api_keys[1].key")
	whole(`{"provider":"openai","account_name":"a","api_keys":[{"key":"k"},{"key":"k"}]}`, "invalid_value", "api_keys[1].key")
	whole(`{"provider":"openai","account_name":"a","api_keys":[{"key":"k","weight":-1}]}`, "invalid_value", "api_keys[0].weight")
	whole(`{"provider":"openai","account_name":"a","api_keys":[{"secret":"k"}]}`, "unknown_field", "api_keys[0].secret")
	whole(`{"provider":"openai","account_name":"a","api_keys":["`+vendorSecret+`"]}`, "invalid_type", "api_keys[0]")
	if n := len(h.table.Load().Accounts()); n != len(h.fixed) {
		t.Errorf("%d accounts after refusals", n)
	}
	// A service account's JSON, as it is downloaded, is a key, alone and in a pool.
	const file = `{\n  \"type\": \"service_account\",\n  \"private_key\": \"-----BEGIN PRIVATE KEY-----\\nMII\\n\"\n}\n`
	for name, member := range map[string]string{"one": `"api_key":"` + file + `"`, "two": `"api_keys":[{"key":"` + file + `"},{"key":"` + strings.Replace(file, "MII", "MIJ", 1) + `"}]`} {
		if status, body := h.call(h.admin, "POST", accounts, `{"provider":"openai","account_name":"`+name+`",`+member+`}`); status != 201 || strings.Contains(body, "BEGIN") {
			t.Errorf("%s: %d %s", name, status, body)
		}
		a, _ := h.table.Load().Account(name)
		for _, s := range a.Secrets {
			if !strings.HasPrefix(s.Reveal(), `{"type":"service_account","private_key":"-----BEGIN PRIVATE KEY-----\nMI`) {
				t.Errorf("%s is kept as %q", name, s.Reveal())
			}
		}
	}
}

func TestManagedAccounts(t *testing.T) {
	h := newHarness(t)
	for _, id := range []string{"ollama", "env-ollama", "spare", "file-spare"} {
		h.refused(h.admin, "PATCH", accounts+"/"+id, `{"enabled":false}`, 409, "managed_by_file", "")
		h.refused(h.admin, "DELETE", accounts+"/"+id, "", 409, "managed_by_file", "")
	}
	p := must[*api.AccountsReply](t)(h.client(h.admin).Accounts(context.Background(), api.Page{}))
	if len(p.Data) != 2 || p.Data[0].Origin != "env" || !p.Data[0].ReadOnly || !p.Data[0].Local || p.Data[1].Origin != "file" || p.Data[1].KeyHint != "…3456" {
		t.Errorf("got %+v", p.Data)
	}
	h.refused(h.admin, "PATCH", accounts+"/nobody", `{}`, 404, "not_found", "")
	h.refused(h.admin, "GET", accounts+"/nobody", ``, 404, "not_found", "")
}

func TestUpdateAndDeleteAccount(t *testing.T) {
	h := newHarness(t)
	ctx, c := context.Background(), h.client(h.admin)
	acc := must[*api.Account](t)(c.CreateAccount(ctx, api.AccountCreate{Provider: "openai", Name: "a", APIKey: vendorSecret}))
	off, key := false, vendorSecret+"-new"
	got := must[*api.Account](t)(c.UpdateAccount(ctx, "a", api.AccountPatch{Enabled: &off}))
	live, _ := h.table.Load().Account("a")
	if got.Enabled || live.Enabled || live.Secrets[0].Reveal() != vendorSecret {
		t.Errorf("disabled: %+v", got)
	}
	must[*api.Account](t)(c.UpdateAccount(ctx, acc.ID, api.AccountPatch{APIKey: &key}))
	if live, _ = h.table.Load().Account("a"); len(live.Secrets) != 1 || live.Secrets[0].Reveal() != key {
		t.Error("the new secret is not in force")
	}
	h.refused(h.admin, "PATCH", accounts+"/a", `{"api_key":""}`, 400, "missing_field", "api_key")
	h.refused(h.admin, "PATCH", accounts+"/a", `{"provider":"anthropic"}`, 400, "unknown_field", "provider")
	must[*api.Mapping](t)(c.CreateMapping(ctx, api.MappingCreate{Alias: "fast", Targets: []api.MappingTarget{{Account: acc.ID, Model: "gpt-4"}}}))
	h.refused(h.admin, "DELETE", accounts+"/a", "", 409, "account_in_use", "")
	h.refused(h.admin, "PATCH", accounts+"/a", `{"account_name":"b"}`, 409, "account_in_use", "")
	if err := c.DeleteMapping(ctx, "fast"); err != nil {
		t.Fatal(err)
	}
	name := "spaced name"
	must[*api.Account](t)(c.UpdateAccount(ctx, "a", api.AccountPatch{Name: &name}))
	if err := c.DeleteAccount(ctx, name); err != nil {
		t.Fatal(err)
	}
	if _, ok := h.table.Load().Account(acc.ID); ok {
		t.Error("a deleted account is in force")
	}
	snap := must[*store.Snapshot](t)(h.store.Load(ctx))
	if len(snap.Accounts) != 0 {
		t.Error("a deleted account is stored")
	}
}

func TestTestAccount(t *testing.T) {
	h := newHarness(t)
	ctx, c := context.Background(), h.client(h.admin)
	h.testSays = api.TestResult{Error: "401: wrong key "}
	got := must[*api.TestResult](t)(c.TestAccount(ctx, "spare", "gpt-4"))
	if got.OK || got.Model != "gpt-4" || got.Error != "401: wrong key [redacted]" {
		t.Errorf("got %+v", got)
	}
	h.testSays = api.TestResult{OK: true}
	if got := must[*api.TestResult](t)(c.TestAccount(ctx, "ollama", "")); !got.OK || got.Note == "" {
		t.Errorf("got %+v", got)
	}
	h.refused(h.admin, "POST", accounts+"/nobody/test", "", 404, "not_found", "")
	h.refused(h.admin, "POST", accounts+"/spare/test", `{"prompt":"x"}`, 400, "unknown_field", "prompt")
	viewer := h.mint(&store.Key{Name: "v", Scopes: []string{"viewer"}})
	if status, _ := h.call(viewer, "POST", accounts+"/spare/test", ""); status != 403 {
		t.Errorf("a viewer may spend money: %d", status)
	}
}

func TestFailuresAreNotShown(t *testing.T) {
	h := newHarness(t)
	h.reloadErr = errors.New("boom in /var/lib/secret")
	if text := h.refused(h.admin, "POST", accounts, `{"provider":"openai","account_name":"a","api_key":"x"}`, 500, "not_in_force", ""); strings.Contains(text, "boom") {
		t.Errorf("shown: %s", text)
	}
	h.reloadErr = nil
	h.syncErr = errors.New("disk /dev/secret is gone")
	if text := h.refused(h.admin, "GET", "/v1/admin/usage", "", 500, "internal_error", ""); strings.Contains(text, "secret") {
		t.Errorf("shown: %s", text)
	}
	h.syncErr = context.DeadlineExceeded
	h.refused(h.admin, "GET", "/v1/admin/usage", "", 503, "store_timeout", "")
	if logs := h.logs.String(); !strings.Contains(logs, "disk /dev/secret is gone") || !strings.Contains(logs, "boom") || !strings.Contains(logs, "01REQ") {
		t.Errorf("the log lacks the reasons: %s", logs)
	}
	_, err := h.client(h.admin).KeyByID(context.Background(), "nobody")
	var e *api.Error
	if !errors.As(err, &e) || e.RequestID != "01REQ" || e.Status != 404 || e.Type != "invalid_request_error" {
		t.Errorf("got %#v", err)
	}
}
