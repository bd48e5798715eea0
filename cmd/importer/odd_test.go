package importer

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/your-org/ai-api-gateway/server/api"
)

var oddNow = time.Date(2026, 11, 26, 0, 0, 0, 0, time.UTC)

// oddPlan plans a database of new-api that has the rows given in its tables, whose
// columns are only those that are named.
func oddPlan(t *testing.T, sql string) (*Plan, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "dump.sql")
	if err := os.WriteFile(path, []byte(sql), 0o600); err != nil {
		t.Fatal(err)
	}
	known := []api.ProviderInfo{{Name: "openai", NeedsKey: true, BaseURL: "https://api.openai.com/v1"}, {Name: "azure", NeedsKey: true, NeedsBaseURL: true}, {Name: "vertex", NeedsKey: true}, {Name: "bedrock", NeedsKey: true}}
	return OneAPI(context.Background(), "new-api", path, known, oddNow)
}

const oddTables = "CREATE TABLE `channels` (`id` int, `type` int, `key` text, `status` int, `name` text, `models` text, `group` text, `priority` bigint, `weight` int, `model_mapping` text, `channel_info` text, `future` json);\n" +
	"CREATE TABLE `tokens` (`id` int, `user_id` int, `key` text, `status` int, `name` text, `expired_time` bigint, `remain_quota` bigint, `unlimited_quota` int, `model_limits_enabled` int, `model_limits` text, `group` text, `future` json);\n" +
	"CREATE TABLE `users` (`id` int, `username` text, `status` int, `quota` bigint, `group` text);\n" +
	"CREATE TABLE `options` (`key` text, `value` text);\n" +
	"INSERT INTO `users` VALUES (1,'root',1,500000,'default');\n"

func TestOddTokens(t *testing.T) {
	f := func(values, left string) {
		t.Helper()
		p, err := oddPlan(t, oddTables+"INSERT INTO `tokens` (`id`,`user_id`,`key`,`status`,`name`,`expired_time`,`remain_quota`,`unlimited_quota`,`model_limits_enabled`,`model_limits`,`group`) VALUES ("+values+");")
		if err != nil {
			t.Fatalf("%s: %v", values, err)
		}
		if left == "" && len(p.Keys) != 1 || left != "" && len(p.Keys) != 0 {
			t.Errorf("%s: %d keys; left %v", values, len(p.Keys), p.Left)
		}
		if left != "" && !slices.ContainsFunc(p.Left, func(l Left) bool { return strings.Contains(l.Why, left) }) {
			t.Errorf("%s: %v, want %q", values, p.Left, left)
		}
	}
	const key = "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa1'"
	f("1,1,"+key+",1,'for ever',-1,-1,1,0,'',''", "") // -1 is what unlimited ones have left
	f("1,1,"+key+",1,'less than nothing',-1,-1,0,0,'',''", "its quota is used up")
	f("1,1,"+key+",1,'ended at 0',0,10,0,0,'',''", "it has expired")
	f("1,1,"+key+",1,'ended at NULL',NULL,10,0,0,'',''", "it has expired")
	f("1,1,"+key+",1,'ended',1600000000,10,0,0,'',''", "it has expired")
	f("1,1,"+key+",NULL,'of no state',-1,10,0,0,'',''", "it is switched off")
	f("1,9,"+key+",1,'of nobody',-1,10,0,0,'',''", "its user is switched off or gone")
	f("1,1,NULL,1,'empty',-1,10,0,0,'',''", "it is empty")
	f("1,1,"+key+",1,'of no models',-1,10,0,1,'',''", "its list of models is empty")
	f("1,1,"+key+",1,NULL,-1,10,0,NULL,NULL,NULL", "")
	f("1,1,"+key+",1,'a number too long',-1,99999999999999999999,0,0,'',''", "its quota is used up")
}

func TestOddChannels(t *testing.T) {
	f := func(values string, keys int, left string) *Plan {
		t.Helper()
		p, err := oddPlan(t, oddTables+"INSERT INTO `channels` (`id`,`type`,`key`,`status`,`name`,`models`,`group`,`priority`,`weight`,`model_mapping`,`channel_info`) VALUES ("+values+");")
		if err != nil {
			t.Fatalf("%s: %v", values, err)
		}
		got := 0
		for _, a := range p.Accounts {
			if got += len(a.APIKeys); a.APIKey != "" {
				got++
			}
			if a.Priority < 0 || a.Priority > 1000 || a.Weight < 1 || a.Weight > 1000 {
				t.Errorf("%s: priority %d, weight %d", values, a.Priority, a.Weight)
			}
		}
		if got != keys || left != "" && !slices.ContainsFunc(p.Left, func(l Left) bool { return strings.Contains(l.Why, left) }) {
			t.Errorf("%s: %d keys, want %d; left %v, want %q", values, got, keys, p.Left, left)
		}
		return p
	}
	f("1,1,'sk-1',1,'one','gpt-4','default',0,0,'',NULL", 1, "")
	f(`1,1,'sk-1\nsk-2\r\nsk-3\n',1,'lines','gpt-4','default',0,0,'',NULL`, 3, "")
	f(`1,1,'sk-1\nsk-2',1,'one is off','gpt-4','default',0,0,'','{"is_multi_key":true,"multi_key_status_list":{"1":2}}'`, 1, "it is switched off there")
	f(`1,1,'sk-1\nsk-2',1,'all are off','gpt-4','default',0,0,'','{"is_multi_key":true,"multi_key_status_list":{"0":2,"1":3}}'`, 0, "all its keys are switched off")
	f("1,1,'sk-1',1,'bad info','gpt-4','default',0,0,'','{not json'", 1, "")
	f("1,1,'sk-1',1,'bad mapping','gpt-4','default',0,0,'{\"gpt-4\": 5','{}'", 1, "it is no JSON object of names")
	f("1,1,'sk-1',1,'a list','gpt-4','default',0,0,'[1]','[]'", 1, "it is no JSON object of names")
	f("1,1,NULL,1,'no key','gpt-4','default',0,0,'',NULL", 0, "it has no key")
	f("1,NULL,'sk-1',1,'no type','gpt-4','default',0,0,'',NULL", 0, "its type 0 is of no provider")
	f("1,3,'sk-1',1,'azure without an address','gpt-4','default',0,0,'',NULL", 0, "it has no address")
	f("1,33,'not of three parts',1,'aws','claude','default',0,0,'',NULL", 0, "ACCESS_KEY|SECRET|REGION")
	f("1,1,'sk-1',1,NULL,NULL,NULL,NULL,NULL,NULL,NULL", 0, "it serves no models")
	f("1,1,'sk-1',1,NULL,'gpt-4',NULL,NULL,NULL,NULL,NULL", 1, "")
	f("1,1,'sk-1',1,'low','gpt-4','default',-9223372036854775808,-5,'',NULL),(2,1,'sk-2',1,'high','gpt-4','default',9223372036854775807,99999999,'',NULL", 2, "")
	p := f(`1,1,'sk-1',1,'in a circle','a,b','default',0,0,'{"a":"b","b":"a"}',NULL`, 1, "")
	if m := p.Accounts[0].Models; len(m) != 2 {
		t.Errorf("models in a circle: %v", m)
	}
	if p := f("1,1,'sk-1',1,'same','gpt-4','default',0,0,'',NULL),(2,1,'sk-2',1,'same','gpt-4','default',0,0,'',NULL", 2, ""); p.Accounts[0].Name == p.Accounts[1].Name {
		t.Error("two accounts of one name")
	}
}

func TestOddSources(t *testing.T) {
	f := func(sql, want string) {
		t.Helper()
		p, err := oddPlan(t, sql)
		if want == "" && (err != nil || len(p.Accounts)+len(p.Keys)+len(p.Policies) != 0) {
			t.Errorf("%q: %+v, %v", clip(sql, 60), p, err)
		}
		if want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v, want %q", clip(sql, 60), err, want)
		}
	}
	f("", "neither a SQLite file nor a dump of MySQL")
	f("SQLite format 3\x00 and no more than that, which is no page", "cannot")
	f("\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10", "none of the tables")
	f("CREATE TABLE `channels` (`id` int);", `no table "users"`)
	f("CREATE TABLE public.channels (\n id bigint NOT NULL\n);\nCOPY public.channels (id) FROM stdin;\n1\n\\.\n", "dump of Postgres")
	f("CREATE TABLE `channels` (`id` int);CREATE TABLE `users` (`id` int);CREATE TABLE `tokens` (`id` int);", "")
	f("CREATE TABLE `channels` (`id` int);CREATE TABLE `users` (`id` int);CREATE TABLE `tokens` (`id` int);INSERT INTO `tokens` VALUES (1);INSERT INTO `channels` VALUES (NULL);INSERT INTO `users` VALUES (NULL);", "")
	f(oddTables+"INSERT INTO `options` VALUES ('ModelRatio','not json'),('GroupRatio','{\"default\": \"x\"}'),(NULL,NULL),('GroupGroupRatio','{\"vip\":{\"edit\":0.9}}');", "")
}
