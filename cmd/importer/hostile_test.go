package importer

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/your-org/ai-api-gateway/server/api"
)

func (p *Plan) says(t *testing.T, parts ...string) {
	t.Helper()
	var b strings.Builder
	for _, l := range p.Left {
		fmt.Fprintf(&b, "%s: %s\n", l.What, l.Why)
	}
	text := b.String() + strings.Join(p.Notes, "\n")
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%q is missing in\n%s", part, text)
		}
	}
}

func (p *Plan) account(t *testing.T, name string) api.AccountCreate {
	t.Helper()
	i := slices.IndexFunc(p.Accounts, func(a api.AccountCreate) bool { return a.Name == name })
	if i < 0 {
		t.Fatalf("no account %q: %+v", name, p.Accounts)
	}
	return p.Accounts[i]
}

func (p *Plan) key(name string) *Key {
	i := slices.IndexFunc(p.Keys, func(k Key) bool { return k.Create.Name == name })
	if i < 0 {
		return nil
	}
	return &p.Keys[i]
}

const wideTables = "CREATE TABLE `channels` (`id` int, `type` int, `key` text, `status` int, `name` text, `models` text, `group` text, `base_url` text, `other` text, `setting` text, `settings` text, `param_override` text, `header_override` text, `channel_info` json, `openai_organization` text, `config` text, `auto_ban` int);\n" +
	"CREATE TABLE `tokens` (`id` int, `user_id` int, `key` text, `status` int, `name` text, `expired_time` bigint, `remain_quota` bigint, `unlimited_quota` int, `model_limits_enabled` int, `model_limits` text, `group` text, `allow_ips` text, `deleted_at` datetime);\n" +
	"CREATE TABLE `users` (`id` int, `username` text, `status` int, `quota` bigint, `group` text);\nCREATE TABLE `options` (`key` text, `value` text);\n" +
	"CREATE TABLE `user_subscriptions` (`id` int, `user_id` int, `status` text, `end_time` bigint);\nINSERT INTO `users` VALUES (1,'root',1,500000,'default'),(2,'张三',1,500000,'');\n"

func sqlText(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`, "\n", `\n`).Replace(s) + "'"
}

func insert(table string, row map[string]string) string {
	var names, values []string
	for n, v := range sorted(row) {
		names, values = append(names, "`"+n+"`"), append(values, sqlText(v))
	}
	return fmt.Sprintf("INSERT INTO `%s` (%s) VALUES (%s);\n", table, strings.Join(names, ","), strings.Join(values, ","))
}

func channel(id, typ int, name, key, models, group string, more map[string]string) string {
	row := map[string]string{"id": fmt.Sprint(id), "type": fmt.Sprint(typ), "name": name, "key": key, "models": models, "group": group, "status": "1"}
	for n, v := range more {
		row[n] = v
	}
	return insert("channels", row)
}

func tokenRow(id int, name string, more map[string]string) string {
	row := map[string]string{"id": fmt.Sprint(id), "user_id": "1", "key": fmt.Sprintf("%048d", id), "status": "1", "name": name, "expired_time": "-1", "remain_quota": "1000", "unlimited_quota": "0"}
	for n, v := range more {
		row[n] = v
	}
	return insert("tokens", row)
}

// TestHostileChannels: pools, names, addresses and settings that this gateway would
// refuse, or would serve more by than the source did.
func TestHostileChannels(t *testing.T) {
	var pool []string
	for i := range 250 {
		pool = append(pool, fmt.Sprintf("sk-%03d", i))
	}
	up := map[string]string{"base_url": "http://127.0.0.1:9"}
	p, err := oddPlan(t, wideTables+
		channel(1, 1, "azure", "sk-1", "gpt-4", "default", up)+
		channel(2, 1, "a/b\u202e\n名", "sk-2", "gpt-4o", "default,vip", map[string]string{"header_override": `{"Authorization":"Bearer x","X-A":"1","X-B":"{api_key}"}`, "param_override": `{"top_p":1,"model":"dear","stream":true}`, "openai_organization": "org-1", "setting": `{"proxy":"socks5://127.0.0.1:1","force_stream":true,"system_prompt_override":true}`})+
		channel(3, 1, "big", strings.Join(pool, "\n"), "gpt-4", "vip", map[string]string{"channel_info": `{"is_multi_key":true,"multi_key_status_list":{"1":2}}`})+
		channel(4, 41, "vertex", `[{"type":"service_account","project_id":"p","private_key":"-----BEGIN PRIVATE KEY-----"},{"type":"service_account"}]`, "gemini-2.5-pro", "default", map[string]string{"channel_info": `{"is_multi_key":true}`, "other": `{"default":"us-central1","gemini-2.5-pro":"eu"}`})+
		channel(5, 3, "az", "k1\n\nk2", "gpt-4o", "default", map[string]string{"base_url": "https://r.openai.azure.com", "settings": `{"azure_responses_version":"preview","disable_store":false}`, "channel_info": `{"is_multi_key":true,"multi_key_status_list":{"2":3}}`})+
		channel(6, 33, "aws", "A|S|us-east-1\nB|T|us-east-1\nC|U|eu-west-1\nno", "claude-x", "default", nil)+
		channel(7, 33, "aws key", "ABSK|us-east-1", "claude-x", "default", map[string]string{"settings": `{"aws_key_type":"api_key"}`})+
		channel(8, 1, "password", "sk-3", "gpt-4", "default", map[string]string{"base_url": "https://u:hunter2@h/?key=hunter3"})+
		channel(9, 1, "none", "sk-4", "", "default", nil)+
		channel(10, 57, "codex", "{}", "gpt-5-codex", "coders", nil)+
		channel(11, 1, "vip", "sk-5", "only-vip", "vip", up)+
		insert("options", map[string]string{"key": "QuotaPerUnit", "value": "1000000"})+insert("options", map[string]string{"key": "ModelPrice", "value": `{"only-vip":0.01}`})+
		insert("options", map[string]string{"key": "ImageRatio", "value": `{"gpt-image-1":2}`})+insert("options", map[string]string{"key": "ModelRequestRateLimitEnabled", "value": "true"})+
		"INSERT INTO `user_subscriptions` VALUES (1,2,'active',4102444800),(2,2,'expired',1);\n")
	if err != nil {
		t.Fatal(err)
	}
	p.account(t, "azure-2") // "azure" is the name of a provider
	if a := p.account(t, "a-b 名"); a.Headers["X-A"] != "1" || len(a.Headers) != 2 || a.Headers["OpenAI-Organization"] != "org-1" || string(a.Params) != `{"set":{"top_p":1}}` || a.Proxy != "socks5h://127.0.0.1:1" {
		t.Errorf("%+v", a)
	}
	keys := 0
	for i, name := range []string{"big", "big-2", "big-3"} {
		a := p.account(t, name)
		if keys += len(a.APIKeys); i < 2 && len(a.APIKeys) != api.MaxAccountKeys || a.APIKeys[0].Key == "sk-001" {
			t.Errorf("%s: %d keys", name, len(a.APIKeys))
		}
	}
	if keys != 249 {
		t.Errorf("%d keys of a pool of 250 with one switched off", keys)
	}
	if a := p.account(t, "vertex"); len(a.APIKeys) != 2 || !json.Valid([]byte(a.APIKeys[0].Key)) || string(a.Options["project"]) != `"p"` || string(a.Options["region"]) != `"us-central1"` {
		t.Errorf("%+v", a)
	}
	if a := p.account(t, "az"); a.APIKey != "k1" { // the second is switched off by its place
		t.Errorf("%+v", a)
	}
	if a := p.account(t, "aws"); len(a.APIKeys) != 2 || a.APIKeys[1].Key != "B:T" || string(a.Options["region"]) != `"us-east-1"` {
		t.Errorf("%+v", a)
	}
	if a := p.account(t, "aws key"); a.APIKey != "ABSK" {
		t.Errorf("%+v", a)
	}
	if r := p.account(t, "vip").Prices["only-vip"]["request"]; r != 20_000_000_000_000 { // 0.02 USD a request, a million of them
		t.Errorf("a price by request is %v", r)
	}
	p.says(t, "the header override X-B", "the header authorization of channel 2", "the parameter override model", "force_stream of channel 2", "key 2 of channel 3", "The 249 keys of channel 3", "the regions of single models of channel 4",
		"key 3 of channel 5", "azure_responses_version", "key 3 of channel 6: it is of another region", "key 4 of channel 6", `channel 8 "password": its address holds`, `channel 9 "none": it serves no models`, `channel 10 "codex": its type 57`,
		"the groups of channel 3", "the option ImageRatio", "the option ModelRequestRateLimitEnabled", "QuotaPerUnit is 1000000", `the subscription 1 of the user "张三"`)
	text := fmt.Sprint(p.Left, p.Notes)
	for _, secret := range []string{"hunter", "BEGIN PRIVATE", "sk-2"} {
		if strings.Contains(text, secret) {
			t.Errorf("%q is shown: %s", secret, text)
		}
	}
	if s := accountDetail(api.AccountCreate{BaseURL: "https://u:hunter2@h/p?key=hunter3"}); strings.Contains(s, "hunter") {
		t.Errorf("an address is shown whole: %s", s)
	}
}

// TestHostileTokens: no key may more here than there.
func TestHostileTokens(t *testing.T) {
	var many []string
	for i := range 600 {
		many = append(many, fmt.Sprintf("m%03d", i))
	}
	p, err := oddPlan(t, wideTables+channel(1, 1, "one", "sk-1", "gpt-4,gpt-4o", "default", nil)+channel(2, 1, "two", "sk-2", "only-vip,gpt-4,o1-*", "vip", nil)+channel(3, 1, "three", "sk-3", strings.Join(many, ","), "huge", nil)+
		tokenRow(1, "usual", nil)+tokenRow(2, "vip", map[string]string{"group": "vip"})+tokenRow(3, "auto", map[string]string{"group": "auto"})+tokenRow(4, "no such group", map[string]string{"group": "gone"})+
		tokenRow(5, "out of its group", map[string]string{"model_limits_enabled": "1", "model_limits": "only-vip"})+tokenRow(6, "partly", map[string]string{"model_limits_enabled": "1", "model_limits": "only-vip,gpt-4"})+
		tokenRow(7, "pattern", map[string]string{"group": "vip", "model_limits_enabled": "1", "model_limits": "o1-mini,gpt-4o"})+tokenRow(8, "huge", map[string]string{"group": "huge"})+
		tokenRow(9, "networks", map[string]string{"allow_ips": "10.0.0.0/8\n192.168.1.1,\nnone"})+tokenRow(10, "no network", map[string]string{"allow_ips": "none"})+tokenRow(11, "far", map[string]string{"expired_time": "99999999999999"})+
		tokenRow(12, "of a user of no group", map[string]string{"user_id": "2"})+tokenRow(13, "deleted", map[string]string{"deleted_at": "2025-01-01 00:00:00"})+tokenRow(14, "rebate", map[string]string{"group": "bad"})+channel(4, 1, "four", "sk-4", "gpt-4", "bad", nil)+
		insert("options", map[string]string{"key": "GroupRatio", "value": `{"bad":-1,"vip":0}`}))
	if err != nil {
		t.Fatal(err)
	}
	f := func(name string, models ...string) {
		t.Helper()
		k := p.key(name)
		if k == nil || !slices.Equal(k.Create.Models, models) {
			t.Errorf("%s: %+v, want models %v", name, k, models)
		}
	}
	f("usual", "gpt-4", "gpt-4o")
	f("vip", "gpt-4", "o1-*", "only-vip")
	f("auto", "gpt-4", "gpt-4o")
	f("partly", "gpt-4")
	f("pattern", "o1-mini")
	f("of a user of no group", "gpt-4", "gpt-4o")
	f("far", "gpt-4", "gpt-4o")
	if k := p.key("networks"); !slices.Equal(k.Create.IPAllow, []string{"10.0.0.0/8", "192.168.1.1"}) {
		t.Errorf("networks %v", k.Create.IPAllow)
	}
	if k := p.key("far"); k.Create.ExpiresAt != "" {
		t.Errorf("it ends %s", k.Create.ExpiresAt)
	}
	if k := p.key("vip"); k.Create.Markup != "0" {
		t.Errorf("markup %q of the ratio 0", k.Create.Markup)
	}
	for _, name := range []string{"no such group", "out of its group", "huge", "no network", "deleted", "rebate"} {
		if p.key(name) != nil {
			t.Errorf("the key %q is carried over", name)
		}
	}
	p.says(t, `its group "gone" leads to no channel`, `its group "default" leads to none of its models`, "it may ask for 600 models", `the group auto of key 3`, `the network "none" of key 9`, "none of the networks", "is no markup")
	if p.key("usual").Origin == "new-api token 1" {
		t.Error("tokens of two databases have one origin")
	}
}

func TestPackedSources(t *testing.T) {
	dir := t.TempDir()
	f := func(content []byte, want string) {
		t.Helper()
		path := filepath.Join(dir, "dump")
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		p, err := OneAPI(context.Background(), "new-api", path, []api.ProviderInfo{{Name: "openai", NeedsKey: true}}, oddNow)
		if want == "" && (err != nil || len(p.Keys) != 1) || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q…: %v, want %q", clip(string(content), 10), err, want)
		}
	}
	text := []byte(wideTables + tokenRow(1, "one", nil))
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write(text)
	_ = z.Close()
	f(packed.Bytes(), "")
	f(append([]byte("\xef\xbb\xbf"), text...), "")
	f(packed.Bytes()[:packed.Len()/2], "unexpected EOF")
	f([]byte("\xff\xfe-\x00-\x00 \x00M\x00y\x00S\x00Q\x00L\x00"), "--result-file")
	f([]byte("PGDMP\x01\x0e\x00\x04\x08\x01\x01\x01\x00\x00\x00\x00"), "dump of Postgres")
	f([]byte("PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n"), "the database file itself")
	f([]byte("PK\x03\x04 and what follows it"), "unpack it first")
	if _, err := OneAPI(context.Background(), "new-api", dir, nil, oddNow); err == nil || !strings.Contains(err.Error(), "is a folder") {
		t.Errorf("a folder: %v", err)
	}
	if _, err := OneAPI(context.Background(), "new-api", "postgres://u:hun@ter2@127.0.0.1:1/d", nil, oddNow); err == nil || strings.Contains(err.Error(), "ter2") || !strings.Contains(err.Error(), "%40") {
		t.Errorf("a password with @: %v", err)
	}
}

// TestApplyCutShort: what was not tried is told apart from what was made.
func TestApplyCutShort(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	steps := []Step{{Name: "one", State: New, do: func(context.Context) error { return nil }}, {Name: "two", State: New, do: func(ctx context.Context) error { cancel(); return ctx.Err() }},
		{Name: "three", State: Present}, {Name: "four", State: New, do: func(context.Context) error { t.Error("it goes on"); return nil }}}
	if n := Apply(ctx, steps, func(Step) {}); n != 2 {
		t.Errorf("%d were not made", n)
	}
	for i, want := range []string{Made, Failed, Present, Untried} {
		if steps[i].State != want {
			t.Errorf("%s is %s", steps[i].Name, steps[i].State)
		}
	}
	if line := steps[3].Line(); !strings.HasPrefix(line, "·") || !strings.Contains(line, "not tried") {
		t.Errorf("%q", line)
	}
	s := Step{Name: "p", State: Present}
	s.compare(&standing{limits: map[string][]api.PolicyLimit{"p": {{Kind: "cost_usd", Limit: "5", Window: "total"}}}}, "p", []api.PolicyLimit{{Kind: "cost_usd", Limit: "3", Window: "total"}})
	if !strings.Contains(s.Line(), "with 5 USD left: left as it is") {
		t.Errorf("%q", s.Line())
	}
}

func TestHostileGroups(t *testing.T) {
	db := func(groups ...row) (*Plan, error) {
		return gptLoad(context.Background(), dump{"groups": groups, "api_keys": {{"key_value": "sk-1", "group_id": "1", "status": "active"}, {"key_value": "sk-2", "group_id": "1", "status": "invalid"}}}, []api.ProviderInfo{{Name: "openai", NeedsKey: true, BaseURL: "https://api.openai.com/v1"}})
	}
	p, err := db(row{"id": "1", "name": "g", "channel_type": "openai", "upstreams": `[{"url":"https://api.openai.com","weight":0},{"url":"http://127.0.0.1:9","weight":2}]`, "proxy_keys": "short1,short2",
		"model_redirect_rules": `{"a":"b"}`, "model_redirect_rules_v2": `{"a":{"targets":[{"model":"x"}]},"c":{"targets":[{"model":"d"},{"model":"e"}]}}`, "model_redirect_strict": "1", "param_overrides": `{"stream":false,"top_p":1}`,
		"config": `{"max_retries":3,"proxy_url":"socks5://h:1"}`, "header_rules": `[{"key":"Host","value":"x","action":"set"},{"key":"x-a","value":"1","action":"set"}]`})
	if err != nil {
		t.Fatal(err)
	}
	a := p.account(t, "g-2")
	if len(p.Accounts) != 1 || len(a.Models) != 2 || a.Models[0].Upstream != "b" || a.Models[1].Upstream != "d" || string(a.Params) != `{"set":{"top_p":1}}` || a.Proxy != "socks5h://h:1" || len(a.Headers) != 1 {
		t.Errorf("%+v", p.Accounts)
	}
	if len(p.Keys) != 2 || p.Keys[0].Origin == p.Keys[1].Origin || strings.Contains(fmt.Sprint(p.Keys[0].Origin, p.Keys[1].Origin), "short") {
		t.Errorf("%+v", p.Keys)
	}
	p.says(t, "1 keys of group", "the upstream https://api.openai.com of group", `all but the first target of "c"`, "the setting max_retries", "the header host", "the parameter override stream")
	if _, err := db(row{"id": "1", "name": "g", "channel_id": "openai"}); err == nil || !strings.Contains(err.Error(), "gpt-load 2") {
		t.Errorf("a database of version 2: %v", err)
	}
}
