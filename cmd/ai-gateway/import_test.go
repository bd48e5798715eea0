//go:build unix

package main_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/your-org/ai-api-gateway/store/postgres/postgrestest"
)

// importSQL is a database of another gateway as SQL, with up as its upstream.
func importSQL(t *testing.T, file string, up *upstream) string {
	t.Helper()
	b, err := os.ReadFile("testdata/import/" + file)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(b), "UPSTREAM", up.url)
}

// asSQLite, asDump and asPostgres make of SQL a source of each form.
func asSQLite(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "source.db")
	cmd := exec.Command(program(t, "python3"), "-c", "import sqlite3,sys; c=sqlite3.connect(sys.argv[1]); c.executescript(sys.stdin.read()); c.commit()", path)
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("sqlite: %v %s", err, out)
	}
	return path
}

func asDump(t *testing.T, text string) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("-- MySQL dump 10.13  Distrib 8.0.36\n/*!40101 SET NAMES utf8mb4 */;\nUSE `oneapi`;\n")
	for line := range strings.Lines(strings.ReplaceAll(text, "sk-pool-1\nsk-pool-2\nsk-pool-3", `sk-pool-1\nsk-pool-2\nsk-pool-3`)) {
		if strings.HasPrefix(line, "CREATE TABLE") {
			line = strings.NewReplacer(`"`, "`", ");\n", ",\n  KEY `idx_x` (`id`)\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COMMENT='a; b';\n").Replace(line)
		} else if head, values, ok := strings.Cut(line, " VALUES "); ok { // texts are escaped
			line = strings.ReplaceAll(head, `"`, "`") + " VALUES " + strings.NewReplacer(`"`, `\"`, "It''s", `It\'s`, ",true", ",1", ",false", ",0").Replace(values)
		}
		b.WriteString(line)
	}
	path := filepath.Join(t.TempDir(), "dump.sql")
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// asPostgres loads a database of a server of the test's own.
func asPostgres(t *testing.T, text string) string {
	t.Helper()
	url := postgrestest.Start(t).Database(t)
	load := exec.Command(program(t, "psql"), "-q", "-v", "ON_ERROR_STOP=1", url)
	load.Stdin = strings.NewReader(text)
	if out, err := load.CombinedOutput(); err != nil {
		t.Fatalf("psql: %v\n%s", err, out)
	}
	return url
}

// imported runs an import for a look, in earnest, and again, and returns what the look showed.
func (g *gateway) imported(args string, env ...string) string {
	g.t.Helper()
	run := func(flags string) string {
		out, err := g.run("ai-gateway import "+args+" "+flags, env...)
		if err != nil {
			g.t.Fatalf("import %s %s: %v\n%s", args, flags, err, out)
		}
		return out
	}
	dry := run("--dry-run")
	if again := run("--dry-run"); again != dry {
		g.t.Errorf("a dry run changed something:\n%s\n%s", dry, again)
	}
	if out := run("--yes"); !strings.Contains(out, " made.") {
		g.t.Errorf("nothing was made:\n%s", out)
	}
	if out := run("--yes"); strings.Contains(out, "\n+ ") || !strings.Contains(out, "Nothing is left to be made.") {
		g.t.Errorf("the second import makes something anew:\n%s", out)
	}
	return dry
}

func (g *gateway) has(text string, lines ...string) {
	g.t.Helper()
	for _, l := range lines {
		if !strings.Contains(text, l) {
			g.t.Errorf("%q is missing in\n%s", l, text)
		}
	}
}

// spends asks until the key is refused, and checks that this is for want of quota
// and that what was spent is within it: dollars, as the key itself sees it.
func (g *gateway) spends(key, model string, limit, each float64) {
	g.t.Helper()
	n := 0
	for ; n < 20; n++ {
		status, out := g.asks(key, model)
		if status == 429 && strings.Contains(out, "insufficient_quota") {
			break
		}
		if status != 200 {
			g.t.Fatalf("request %d: %d %s", n, status, out)
		}
	}
	var self struct {
		Limits []struct {
			Kind        string
			Limit, Used float64
		}
	}
	_, out, _ := g.call("GET", "/v1/key", key, "")
	if err := json.Unmarshal([]byte(out), &self); err != nil {
		g.t.Fatal(err, out)
	}
	for _, l := range self.Limits {
		if l.Kind == "cost_usd" && l.Limit > limit-1e-9 && l.Limit < limit+1e-9 {
			if n == 0 || l.Used > l.Limit || l.Used < float64(n)*each-1e-9 || l.Used > float64(n)*each+1e-9 {
				g.t.Errorf("%d requests used %v of %v, each should cost %v", n, l.Used, l.Limit, each)
			}
			return
		}
	}
	g.t.Errorf("no limit of %v USD: %s", limit, out)
}

func TestImportOneAPI(t *testing.T) {
	forms := map[string]func(*testing.T, string) string{"sqlite": asSQLite, "mysqldump": asDump, "postgres": asPostgres}
	for form, source := range forms {
		t.Run(form, func(t *testing.T) {
			up := startUpstream(t)
			src := source(t, importSQL(t, "one-api.sql", up))
			g := serve(t, "", nil)
			g.has(g.imported("one-api '"+src+"'"),
				"+ account OpenAI main  (openai, keys: 1, models: 3, at "+up.url+"/v1, prices: 2)",
				"+ account It's Claude; (backup)  (anthropic, keys: 1, models: 1, at "+up.url+")",
				"+ account switched off  (openai, keys: 1, models: 1, prices: 1, switched off)",
				"+ key     little left  (sk-aa…aaa2, 0.003 USD left)",
				"+ policy  one-api user 张三  (0.002 USD left)",
				`- channel 4 "Spark": its type 18 is of no provider of this gateway`,
				`- system_prompt of channel 2 "It's Claude; (backup)": prompts are the callers'`,
				`- key 4 "used up": its quota is used up`, `- key 5 "expired": it has expired`, `- key 6 "of nobody": its user is switched off or gone`,
				"- the price of gpt-3.5-turbo: its completion_ratio is not in the database")
			key := func(n int) string { return fmt.Sprintf("sk-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa%d", n) }
			if status, out := g.asks(key(1), "cheap"); status != 200 || !strings.Contains(up.last().body, `"gpt-3.5-turbo"`) || up.last().header.Get("Authorization") != "Bearer sk-up-one" {
				t.Errorf("the mapped model: %d %s; upstream got %v", status, out, up.last())
			}
			if status, out := g.asks(key(1), "claude-3-opus-20240229"); status != 403 { // its group does not reach that channel
				t.Errorf("a model of another group: %d %s", status, out)
			}
			if status, out := g.asks(key(3), "claude-3-opus-20240229"); status != 200 {
				t.Errorf("a model of the key's group: %d %s", status, out)
			}
			for n, want := range map[int]int{4: 401, 5: 401, 6: 401, 7: 403} {
				if status, out := g.asks(key(n), "gpt-4"); status != want {
					t.Errorf("key %d: %d %s, want %d", n, status, out, want)
				}
			}
			if status, _ := g.asks(key(2), "gpt-3.5-turbo"); status != 403 {
				t.Errorf("a model that the key's list does not hold: %d", status)
			}
			g.spends(key(2), "gpt-4", 0.003, 11*30e-6+7*60e-6)
			// 1,500 points of the token are for 2 requests; 1,000 of the user 张三, at half the price, for more.
			if out, err := g.run("ai-gateway usage --by group"); err != nil || !strings.Contains(out, "张三") {
				t.Errorf("%v %s", err, out)
			}
		})
	}
}

func TestImportNewAPI(t *testing.T) {
	for form, source := range map[string]func(*testing.T, string) string{"sqlite": asSQLite, "mysqldump": asDump} {
		t.Run(form, func(t *testing.T) {
			up := startUpstream(t)
			src := source(t, importSQL(t, "new-api.sql", up))
			g := serve(t, "", nil)
			g.has(g.imported("new-api '"+src+"'"),
				"+ account pool  (openai, keys: 2, models: 2, at "+up.url+"/v1, prices: 2)", "+ account bedrock  (bedrock, keys: 1, models: 1, switched off)",
				"+ account azure  (azure, keys: 1, models: 1, at https://res.openai.azure.com, switched off)",
				"- key 2 of channel 1: it is switched off there", `- force_format of channel 1 "pool"`, `- the parameter overrides of channel 3 "azure": they are rules`, `- channel 4 "video"`)
			const key = "sk-bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb1"
			if status, out := g.asks(key, "alias"); status != 200 || !strings.Contains(out, `"alias"`) || !strings.Contains(up.last().body, `"gpt-4-turbo"`) || !strings.Contains(up.last().body, `"top_p":0.5`) || up.last().header.Get("X-Team") != "research" {
				t.Errorf("%d %s; upstream got %v", status, out, up.last())
			}
			if status, _ := g.asks("sk-bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb2", "gpt-4"); status != 401 {
				t.Errorf("a deleted key: %d", status)
			}
			_, out, _ := g.call("GET", "/v1/admin/usage/logs?limit=1", g.admin, "")
			g.has(out, `"cost_usd":0.0005`, `"charged_usd":0.00075`) // a price by request, and the group's ratio of 1.5
		})
	}
}

func TestImportLiteLLM(t *testing.T) {
	up := startUpstream(t)
	g := serve(t, "", nil)
	conf := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(conf, []byte(importSQL(t, "litellm.yaml", up)), 0o600); err != nil {
		t.Fatal(err)
	}
	src := asPostgres(t, importSQL(t, "litellm.sql", up))
	g.has(g.imported("litellm "+conf+" "+src, "LITE_OPENAI_KEY=sk-lite-up"),
		"+ account litellm-custom  (custom, keys: 1, models: 2, at "+up.url+"/v1, prices: 1)", "+ account litellm-bedrock  (bedrock, keys: 1, models: 1)",
		"+ mapping fast  (2 targets)", "+ mapping gpt-4-fast  (2 targets)", "+ policy  litellm team research  (600 requests a minute, 50 USD a month)",
		"+ key     one  (sk-...mnop, 1000 requests a minute, 100000 tokens a minute, 4 concurrency, 0.003 USD left)", "+ key     two  (sk-...mnop, 2.5 USD a month)",
		`- model_list[2] "smart": LITE_MISSING_KEY is not set here`, `- model_list[4] "odd": this gateway has no provider for replicate/llama`, `- timeout of model_list[0] "fast"`,
		"- general_settings.master_key", `- key "three": it is blocked`, `- key "four": the budget of its user "carl" is used up`, "+ policy  litellm user dora  (0.003 USD left)",
		`- the model "secret-model" (m-1): its settings are encrypted`, "- the 1.2500 USD that team research used of its present period",
		`The budget of key "two" is of 14d there; here it is of a month`)
	if status, out := g.asks("sk-lite-two-abcdefghijklmnop", "fast"); status != 200 || up.last().header.Get("Authorization") != "Bearer sk-lite-up" {
		t.Errorf("%d %s", status, out)
	}
	if status, _ := g.asks("sk-lite-two-abcdefghijklmnop", "big"); status != 403 {
		t.Errorf("a model that the team's list does not hold: %d", status)
	}
	if status, _ := g.asks("sk-lite-three-abcdefghijklmn", "fast"); status != 401 {
		t.Errorf("a blocked key: %d", status)
	}
	g.spends("sk-lite-five-abcdefghijklmn", "fast", 0.003, 11*30e-6+7*60e-6) // of dora's own budget
	g.spends("sk-lite-one-abcdefghijklmnop", "fast", 0.003, 11*30e-6+7*60e-6)
}

func TestImportGPTLoad(t *testing.T) {
	up := startUpstream(t)
	src := asSQLite(t, importSQL(t, "gpt-load.sql", up))
	g := serve(t, "", nil)
	g.has(g.imported("gpt-load "+src), "+ account openai  (openai, keys: 2, models: 2, at "+up.url+"/v1)", `- group "all": it joins other groups`, `- group "empty": it has no active key`, `- the rule for the header x-b of group "openai"`)
	for _, key := range []string{"sk-load-abcdefghijklmnopqrstuvwx", "sk-load-second-key-of-the-team", "sk-global-abcdefghijklmnopqrstuv"} {
		for model, sent := range map[string]string{"nice": `"gpt-4"`, "gpt-3.5-turbo": `"gpt-3.5-turbo"`} {
			if status, out := g.asks(key, model); status != 200 || !strings.Contains(up.last().body, sent) || up.last().header.Get("X-Team") != "a" {
				t.Errorf("%s: %d %s; upstream got %v", model, status, out, up.last())
			}
		}
	}
}

func TestImportRefusals(t *testing.T) {
	g := serve(t, "", nil)
	f := func(args, want string) {
		t.Helper()
		if out, err := g.run("ai-gateway import " + args); err == nil || !strings.Contains(out, want) {
			t.Errorf("import %s: %v, %q is missing in %s", args, err, want, out)
		}
	}
	f("one-api /nowhere.db", "cannot open the source")
	f("one-api mysql://root@h/db", "mysqldump --no-tablespaces")
	f("one-api "+asSQLite(t, "CREATE TABLE x (y);"), `no table "users": is it the database of one-api?`)
	f("one-api "+asSQLite(t, importSQL(t, "new-api.sql", startUpstream(t))), "ai-gateway import new-api SOURCE")
	f("litellm /nowhere.yaml", "cannot read /nowhere.yaml as a configuration of LiteLLM")
	f("new-api postgres://u:hunter2@127.0.0.1:1/db", "cannot connect to the database at 127.0.0.1:1")
	if out, _ := g.run("ai-gateway import new-api postgres://u:hunter2@127.0.0.1:1/db"); strings.Contains(out, "hunter2") {
		t.Errorf("the password is shown: %s", out)
	}
}
