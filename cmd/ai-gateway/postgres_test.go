//go:build unix

package main_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/your-org/ai-api-gateway/store/postgres/postgrestest"
)

const fleetAdmin = "test-admin-key-of-more-than-32-characters"

// node starts a gateway of a fleet on the database. Its nodes share the master key.
func node(t testing.TB, database, dir string, args ...string) *gateway {
	t.Helper()
	g := serve(t, dir, []string{
		"AI_GATEWAY_DATABASE_URL=" + database, "AI_GATEWAY_ADMIN_KEY=" + fleetAdmin,
		"AI_GATEWAY_MASTER_KEY=" + strings.Repeat("ab", 32),
	}, args...)
	g.admin = fleetAdmin
	return g
}

// query returns what one statement answers as text.
func query(t testing.TB, database, sql string, args ...any) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	c, err := pgx.Connect(ctx, database)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(ctx)
	var out string
	if err := c.QueryRow(ctx, sql, args...).Scan(&out); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return out
}

const demoCall = `{"model":"demo-fast","messages":[{"role":"user","content":"count to five"}]}`

// TestPostgresServe keeps everything in a database: keys, accounts, usage, logs.
func TestPostgresServe(t *testing.T) {
	server := postgrestest.Start(t)
	db := server.Database(t)
	g := serve(t, "", []string{"AI_GATEWAY_DATABASE_URL=" + db})
	if g.admin == "" {
		t.Fatal("no first admin key was made")
	}
	up := startUpstream(t)
	status, body, _ := g.call("POST", "/v1/admin/provider-accounts", g.admin, fmt.Sprintf(`{"provider":"openai","account_name":"mine","api_key":"sk-upstream-secret","base_url":%q}`, up.url+"/v1"))
	if status != 201 {
		t.Fatalf("account: %d %s", status, body)
	}
	key := g.newKey(`{"name":"team"}`)
	for range 3 {
		if status, body, _ := g.call("POST", "/v1/chat/completions", key, `{"model":"gpt-4","messages":[{"role":"user","content":"hi"}]}`); status != 200 {
			t.Fatalf("chat: %d %s", status, body)
		}
	}
	status, body, _ = g.call("GET", "/v1/admin/usage?last=1d&group_by=model,key", g.admin, "")
	if status != 200 || !strings.Contains(body, `"prompt_tokens":33`) || !strings.Contains(body, `"team"`) {
		t.Errorf("usage: %d %s", status, body)
	}
	status, body, _ = g.call("GET", "/v1/admin/usage/logs", g.admin, "")
	if status != 200 || strings.Count(body, `"model":"gpt-4"`) < 3 {
		t.Errorf("logs: %d %s", status, body)
	}
	got := query(t, db, `SELECT count(*) || ' ' || sum(prompt_tokens) || ' ' || min(api_key_name) || ' ' || (sum(cost_usd) > 0) FROM usage_logs WHERE status = 200 AND model = 'gpt-4'`)
	if got != "3 33 team true" {
		t.Errorf("usage_logs say %q", got)
	}
	if dump := query(t, db, "SELECT string_agg(record::text, '') FROM provider_accounts"); strings.Contains(dump, "sk-upstream-secret") {
		t.Error("the database holds the provider's key in the clear")
	}
	out, err := g.run("ai-gateway ledger verify && ai-gateway usage --last 1d && ai-gateway logs --last 1h && ai-gateway migrate status && ai-gateway admin reset-key --name other")
	if err != nil || !strings.Contains(out, "clean") || !strings.Contains(out, "schema 7, up to date") {
		t.Errorf("%v\n%s", err, out)
	}
	if strings.Contains(g.log.String()+out, "sk-upstream-secret") {
		t.Error("a secret is in the output")
	}

	for _, verb := range []string{"rotate", "forget --yes"} {
		if out, err := g.run("ai-gateway secrets " + verb + " --data-dir " + g.dir); err == nil || !strings.Contains(out, "gateways run on this database (1)") {
			t.Errorf("secrets %s beside a running gateway: %v %s", verb, err, out)
		}
	}

	// All of it is there for another process.
	g.stop()
	if out, err := g.run("ai-gateway secrets rotate --data-dir " + g.dir); err != nil {
		t.Errorf("secrets rotate: %v %s", err, out)
	}
	again := serve(t, g.dir, []string{"AI_GATEWAY_DATABASE_URL=" + db})
	again.admin = g.admin
	if status, body, _ := again.call("POST", "/v1/chat/completions", key, `{"model":"gpt-4","messages":[{"role":"user","content":"hi"}]}`); status != 200 {
		t.Errorf("after a restart: %d %s", status, body)
	}
	if out, err := again.run("ai-gateway store backup x.tar"); err == nil || !strings.Contains(out, "pg_dump") {
		t.Errorf("backup: %v %s", err, out)
	}
}

// TestPostgresMigrate goes up and down, tells a newer schema from its own, and
// keeps a gateway with --no-migrate from a schema that is not there.
func TestPostgresMigrate(t *testing.T) {
	t.Parallel()
	server := postgrestest.Start(t)
	db := server.Database(t)
	g := &gateway{t: t, home: t.TempDir(), env: append(os.Environ(), "PATH="+binary(t)+":"+os.Getenv("PATH"), "AI_GATEWAY_DATABASE_URL="+db)}
	f := func(script, want string, ok bool) {
		t.Helper()
		out, err := g.run(script)
		if (err == nil) != ok || !strings.Contains(out, want) {
			t.Errorf("%s: %v\n%s", script, err, out)
		}
	}
	f("ai-gateway migrate status", "no store yet", true)
	f("ai-gateway serve --no-migrate --listen 127.0.0.1:0 --data-dir d || { code=$?; echo exit $code; exit $code; }", "exit 78", false)
	f("for i in 1 2 3; do ai-gateway migrate up & done; wait; ai-gateway migrate status", "schema 7, up to date", true)
	f("ai-gateway migrate up", "nothing to do", true)
	f("ai-gateway migrate down", "--yes", false)
	f("ai-gateway migrate down --yes && ai-gateway migrate up", "to 7", true)
	running := serve(t, "", []string{"AI_GATEWAY_DATABASE_URL=" + db})
	eventually(t, 10*time.Second, func() (bool, string) { // it tells the database that it lives
		n := query(t, db, "SELECT count(*)::text FROM gateways")
		return n == "1", n + " gateways are known"
	})
	f("ai-gateway migrate down --yes", "stop all of them first", false)
	f("ai-gateway migrate status", "schema 7, up to date", true)
	running.stop()
	query(t, db, "INSERT INTO schema_versions (version_id, is_applied) VALUES (99, true) RETURNING 'x'")
	f("ai-gateway migrate status", "newer version", true)
	f("ai-gateway serve --listen 127.0.0.1:0 --data-dir d || { code=$?; echo exit $code; exit $code; }", "exit 78", false)
	f("ai-gateway serve --listen 127.0.0.1:0 --data-dir d --database-url mysql://x", "postgres://", false)
	f("AI_GATEWAY_DATABASE_URL=postgres://u:very-secret@127.0.0.1:1/x ai-gateway config server show | grep database_url", "127.0.0.1:1/x", true)
	if out, _ := g.run("AI_GATEWAY_DATABASE_URL=postgres://u:very-secret@127.0.0.1:1/x ai-gateway config server show; AI_GATEWAY_DATABASE_URL=postgres://u:very-secret@127.0.0.1:1/x ai-gateway migrate status; AI_GATEWAY_DATABASE_URL=postgres://u:very-secret@127.0.0.1:1/x ai-gateway serve --listen 127.0.0.1:0 --data-dir d"); strings.Contains(out, "very-secret") {
		t.Errorf("the password is shown:\n%s", out)
	}
}

// TestPostgresNodes has three gateways on one database: what one changes holds at
// all within five seconds.
func TestPostgresNodes(t *testing.T) {
	server := postgrestest.Start(t)
	db := server.Database(t)
	nodes := []*gateway{node(t, db, ""), node(t, db, ""), node(t, db, "")}
	key := nodes[0].newKey(`{"name":"team"}`)
	var id string
	{
		_, body, _ := nodes[0].call("GET", "/v1/admin/api-keys", fleetAdmin, "")
		var list struct{ Data []struct{ ID, Name string } }
		if err := json.Unmarshal([]byte(body), &list); err != nil {
			t.Fatal(err)
		}
		for _, k := range list.Data {
			if k.Name == "team" {
				id = k.ID
			}
		}
	}
	everywhere := func(what string, within time.Duration, want int) {
		t.Helper()
		start := time.Now()
		eventually(t, within, func() (bool, string) {
			for i, n := range nodes {
				if status, body, _ := n.call("POST", "/v1/chat/completions", key, demoCall); status != want {
					return false, fmt.Sprintf("%s: node %d answers %d %.200s", what, i, status, body)
				}
			}
			return true, ""
		})
		t.Logf("%s: everywhere after %v", what, time.Since(start).Round(time.Millisecond))
	}
	everywhere("a new key", 5*time.Second, 200)
	if status, body, _ := nodes[1].call("DELETE", "/v1/admin/api-keys/"+id, fleetAdmin, ""); status >= 300 {
		t.Fatalf("revoke: %d %s", status, body)
	}
	everywhere("a revoked key", 5*time.Second, 401)
	key = nodes[2].newKey(`{"name":"again"}`)
	everywhere("another key", 5*time.Second, 200)
	eventually(t, 5*time.Second, func() (bool, string) { // each node's rows are seen at each
		_, body, _ := nodes[0].call("GET", "/v1/admin/usage?last=1d&group_by=key", fleetAdmin, "")
		return strings.Contains(body, `"again"`) && strings.Contains(body, `"team"`), body
	})

	// A gateway with another master key is told so.
	dir := t.TempDir()
	out, err := nodes[0].run("AI_GATEWAY_MASTER_KEY=" + strings.Repeat("cd", 32) + " ai-gateway serve --listen 127.0.0.1:0 --data-dir " + dir + " || { code=$?; echo exit $code; exit $code; }")
	if err == nil || !strings.Contains(out, "exit 78") || !strings.Contains(out, "is not the one of this store") {
		t.Errorf("%v\n%s", err, out)
	}
	if _, err := os.Stat(filepath.Join(dir, "master.key")); err == nil {
		t.Error("it made a master key of its own")
	}
}

// TestStoreMigrate moves a store with rows, a correction and a crash into a database,
// cut short at first, and goes on with it.
func TestStoreMigrate(t *testing.T) {
	server := postgrestest.Start(t)
	db := server.Database(t)
	g := serve(t, "", nil)
	up := startUpstream(t)
	if status, body, _ := g.call("POST", "/v1/admin/provider-accounts", g.admin, fmt.Sprintf(`{"provider":"openai","account_name":"mine","api_key":"sk-upstream-secret","base_url":%q}`, up.url+"/v1")); status != 201 {
		t.Fatalf("account: %d %s", status, body)
	}
	key := g.newKey(`{"name":"team"}`)
	for range 40 {
		if status, body, _ := g.call("POST", "/v1/chat/completions", key, `{"model":"gpt-4","messages":[{"role":"user","content":"hi"}]}`); status != 200 {
			t.Fatalf("chat: %d %s", status, body)
		}
	}
	if out, err := g.run("ai-gateway models price set gpt-4 --provider openai --input 10 --output 20 --yes && ai-gateway usage rerate --since 2020-01-01 --yes"); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	usage := func(g *gateway) string {
		_, body, _ := g.call("GET", "/v1/admin/usage?last=1d&group_by=key,model", g.admin, "")
		sums, _, _ := strings.Cut(body, `"since"`) // which is another at each call
		return sums
	}
	before := usage(g)
	if out, err := g.run("ai-gateway store migrate --data-dir " + g.dir + " --to '" + db + "'"); err == nil || !strings.Contains(out, "in use") {
		t.Errorf("under a running gateway: %v %s", err, out)
	}
	g.stop()

	// Cut short by a database that is not as it should be, it goes on afterwards.
	script := "ai-gateway store migrate --data-dir " + g.dir + " --to '" + db + "'"
	if out, err := g.run("ai-gateway migrate up --database-url '" + db + "'"); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	exec := func(sql string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		c, err := pgx.Connect(ctx, db)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close(ctx)
		if _, err := c.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	exec("ALTER TABLE audit_log RENAME TO audit_gone")
	if out, err := g.run(script); err == nil {
		t.Errorf("a move into a broken database: %s", out)
	}
	exec("ALTER TABLE audit_gone RENAME TO audit_log")
	for range 2 { // again is no harm
		out, err := g.run(script)
		if err != nil || !strings.Contains(out, "proven: 4") || !strings.Contains(out, "copied and compared (1 of") {
			t.Fatalf("%v %s", err, out)
		}
	}
	if out, err := g.run(script + " --json 2>/dev/null"); err != nil || !strings.Contains(out, `"rows":4`) && !strings.Contains(out, `"rows": 4`) {
		t.Errorf("as JSON: %v %s", err, out)
	}
	other := serve(t, "", nil)
	other.stop()
	if out, err := other.run("ai-gateway store migrate --data-dir " + other.dir + " --to '" + db + "'"); err == nil || !strings.Contains(out, "another store") {
		t.Errorf("another store into the same database: %v %s", err, out)
	}

	moved := serve(t, g.dir, []string{"AI_GATEWAY_DATABASE_URL=" + db})
	moved.admin = g.admin
	if after := usage(moved); after != before || !strings.Contains(after, `"cost_usd":0.01,`) {
		t.Errorf("usage was %s, is %s", before, after)
	}
	if status, body, _ := moved.call("POST", "/v1/chat/completions", key, `{"model":"gpt-4","messages":[{"role":"user","content":"hi"}]}`); status != 200 {
		t.Errorf("with the key of before: %d %s", status, body)
	}
	if out, err := moved.run("ai-gateway ledger verify"); err != nil || !strings.Contains(out, "clean") || strings.Contains(out, " 0 corrections") {
		t.Errorf("%v %s", err, out)
	}
}
