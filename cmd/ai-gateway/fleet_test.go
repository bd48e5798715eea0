//go:build unix

package main_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/your-org/ai-api-gateway/store/postgres/postgrestest"
)

// A crowd calls gateways until it is stopped, and keeps what came of it.
type crowd struct {
	mu     sync.Mutex
	whole  []string // ids of answers seen whole
	named  bool     // calls bear a name, as x-request-id and as what is asked
	denied int
	failed []string // other answers
	took   []time.Duration
	stop   chan struct{}
	wg     sync.WaitGroup
}

// call has n callers of g with the key, each pausing between two calls.
func (c *crowd) call(g *gateway, key, body string, n int, pause time.Duration) {
	transport := &http.Transport{MaxIdleConnsPerHost: n}
	client := &http.Client{Transport: transport, Timeout: 20 * time.Second}
	url := g.url
	for range n {
		c.wg.Go(func() {
			for {
				select {
				case <-c.stop:
					return
				case <-time.After(pause):
				}
				ask, name := body, ""
				if c.named {
					name = fmt.Sprintf("call-%d", calls.Add(1))
					ask = strings.Replace(body, `"hi"`, `"`+name+`"`, 1)
				}
				req, _ := http.NewRequest("POST", url+"/v1/chat/completions", strings.NewReader(ask))
				req.Header.Set("Authorization", "Bearer "+key)
				req.Header.Set("Content-Type", "application/json")
				if name != "" {
					req.Header.Set("X-Request-Id", name)
				}
				start := time.Now()
				resp, err := client.Do(req)
				c.took1(start)
				if err != nil {
					c.fail(err.Error())
					continue
				}
				b, err := io.ReadAll(resp.Body)
				_ = resp.Body.Close()
				switch {
				case err == nil && resp.StatusCode == 200 && json.Valid(b):
					c.mu.Lock()
					c.whole = append(c.whole, resp.Header.Get("X-Request-Id"))
					c.mu.Unlock()
				case resp.StatusCode == 429:
					c.mu.Lock()
					c.denied++
					c.mu.Unlock()
				default:
					c.fail(fmt.Sprintf("%d %.200s %v", resp.StatusCode, b, err))
				}
			}
		})
	}
}

var calls atomic.Int64 // that bear a name

func (c *crowd) took1(start time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.took = append(c.took, time.Since(start))
}

func (c *crowd) fail(why string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failed = append(c.failed, why)
}

func (c *crowd) end() {
	close(c.stop)
	c.wg.Wait()
}

// count returns answers, denials and failures so far.
func (c *crowd) count() (whole, denied, failed int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.whole), c.denied, len(c.failed)
}

func quantileOf(all []time.Duration, q float64) time.Duration {
	if len(all) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(all))
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

// keyID finds the id of the key of that name.
func keyID(t *testing.T, g *gateway, name string) string {
	t.Helper()
	_, body, _ := g.call("GET", "/v1/admin/api-keys", fleetAdmin, "")
	var list struct{ Data []struct{ ID, Name string } }
	if err := json.Unmarshal([]byte(body), &list); err != nil {
		t.Fatal(err)
	}
	for _, k := range list.Data {
		if k.Name == name {
			return k.ID
		}
	}
	t.Fatalf("no key %q: %s", name, body)
	return ""
}

// budgeted makes a key with a budget and returns it.
func budgeted(t *testing.T, g *gateway, name, usd string) string {
	t.Helper()
	key := g.newKey(fmt.Sprintf(`{"name":%q}`, name))
	status, body, _ := g.call("POST", "/v1/admin/quota-policies", fleetAdmin, fmt.Sprintf(
		`{"name":%q,"scope":{"api_key":%q},"limits":[{"kind":"cost_usd","limit":%s,"window":"total"}]}`, name, keyID(t, g, name), usd))
	if status != 201 {
		t.Fatalf("policy: %d %s", status, body)
	}
	return key
}

const fleetCall = `{"model":"gpt-4","max_tokens":7,"messages":[{"role":"user","content":"hi"}]}`

// TestFleetBudget has three gateways spend one budget while one of them is killed
// and comes back: together they keep to it, and each answer has its row.
func TestFleetBudget(t *testing.T) {
	server := postgrestest.Start(t)
	db := server.Database(t)
	up := startUpstream(t)
	nodes := []*gateway{node(t, db, ""), node(t, db, ""), node(t, db, "")}
	if status, body, _ := nodes[0].call("POST", "/v1/admin/provider-accounts", fleetAdmin, fmt.Sprintf(`{"provider":"openai","account_name":"mine","api_key":"sk-x-secret-1","base_url":%q}`, up.url+"/v1")); status != 201 {
		t.Fatalf("account: %d %s", status, body)
	}
	const limit = 600_000_000 // nano-USD: 800 calls at 0.00075
	key := budgeted(t, nodes[0], "team", "0.6")
	for _, n := range nodes {
		eventually(t, 5*time.Second, func() (bool, string) {
			status, body, _ := n.call("GET", "/v1/key", key, "")
			return status == 200 && strings.Contains(body, "0.6"), body
		})
	}
	spent := func() int64 {
		var n int64
		_, _ = fmt.Sscan(query(t, db, "SELECT coalesce(sum(cost_nano + markup_nano + unconfirmed_nano), 0)::text FROM usage_rollups WHERE level = 0"), &n)
		return n
	}
	c := &crowd{stop: make(chan struct{}), named: true}
	for _, n := range nodes {
		c.call(n, key, fleetCall, 6, 5*time.Millisecond)
	}
	eventually(t, 60*time.Second, func() (bool, string) {
		whole, denied, _ := c.count()
		return whole > 150 || denied > 0, fmt.Sprint(whole, " answers")
	})
	nodes[1].kill()
	eventually(t, 60*time.Second, func() (bool, string) {
		whole, denied, _ := c.count()
		return denied > 50, fmt.Sprint(whole, " answers, ", denied, " denied")
	})
	c.end()
	if s := spent(); s > limit {
		t.Errorf("while a gateway is dead %d of %d nano-USD are spent", s, limit)
	}

	// The killed one comes back: what its log has is brought in, its lease is given back.
	nodes[1] = node(t, db, nodes[1].dir)
	eventually(t, 20*time.Second, func() (bool, string) {
		left := query(t, db, "SELECT count(*)::text FROM limit_leases l WHERE NOT EXISTS (SELECT FROM gateways g WHERE g.boot = l.boot AND g.seen > now() - interval '6 seconds')")
		return left == "0", left + " leases of the dead"
	})
	more := &crowd{stop: make(chan struct{}), named: true}
	for _, n := range nodes {
		more.call(n, key, fleetCall, 2, 20*time.Millisecond)
	}
	eventually(t, 60*time.Second, func() (bool, string) {
		whole, denied, _ := more.count()
		return denied > 30, fmt.Sprint(whole, " answers, ", denied, " denied")
	})
	more.end()
	if len(more.failed) > 0 {
		t.Errorf("%d calls failed: %s", len(more.failed), more.failed[0])
	}
	for _, n := range nodes {
		n.stop()
	}
	if s := spent(); s > limit || s < limit*9/10 {
		t.Errorf("%d of %d nano-USD are spent in the end", s, limit)
	} else {
		t.Logf("%d of %d nano-USD spent, %d calls of the upstream", s, limit, up.count())
	}
	ids := slices.Concat(c.whole, more.whole)
	got := query(t, db, `SELECT count(*) || ' ' || count(DISTINCT request_id) || ' ' || coalesce(sum(cost_usd), 0)::float8 FROM usage_logs WHERE request_id = ANY($1)`, ids)
	if want := fmt.Sprintf("%d %d %v", len(ids), len(ids), float64(len(ids)*75)/100_000); got != want {
		t.Errorf("the rows of answers that were seen are %s, want %s", got, want)
	}
	sameAsUpstream(t, db, up, 6)
	if out, err := nodes[0].run("ai-gateway ledger verify --data-dir " + nodes[0].dir); err != nil || !strings.Contains(out, "clean") {
		t.Errorf("%v %s", err, out)
	}
}

// sameAsUpstream holds the ledger against the upstream's own log, call by call: each
// that was served has its row, of what it used, and no row has more; but for at most
// cut calls that were in flight when their gateway was killed, which have a row of the
// crash where their hold was on the disk.
func sameAsUpstream(t *testing.T, db string, up *upstream, cut int) {
	t.Helper()
	rows, crashed := map[string]string{}, 0
	for line := range strings.Lines(query(t, db, `SELECT string_agg(client_request_id || ' ' || end_reason || ' ' || prompt_tokens || ' ' || completion_tokens || ' ' || cost_usd::float8, E'\n') FROM usage_logs WHERE end_reason <> 'rejected'`)) {
		name, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if name == "" && strings.HasPrefix(rest, "crash_recovered ") { // a hold has no client's id
			crashed++
			continue
		}
		if rows[name] != "" {
			t.Errorf("%s has two rows: %s and %s", name, rows[name], rest)
		}
		rows[name] = rest
	}
	served := map[string]bool{}
	for _, got := range up.got {
		_, rest, _ := strings.Cut(got.body, `"call-`)
		digits, _, _ := strings.Cut(rest, `"`)
		served["call-"+digits] = true
	}
	if len(served) != len(up.got) {
		t.Errorf("the upstream was asked %d times, for %d calls", len(up.got), len(served))
	}
	lost := 0
	for name := range served {
		switch row := rows[name]; {
		case row == "":
			lost++
		case row != "complete 11 7 0.00075":
			t.Errorf("the upstream served %s; its row is %q", name, row)
		}
	}
	for name, row := range rows {
		if !served[name] && strings.HasPrefix(row, "complete ") {
			t.Errorf("%s has a row, %q, and was never served", name, row)
		}
	}
	if lost > cut || crashed > cut {
		t.Errorf("%d calls that were served have no row of their end, %d rows are of the crash; %d were in flight at most", lost, crashed, cut)
	}
	t.Logf("the upstream served %d calls: %d rows of 11 and 7 tokens, %d cut by the kill, of which %d left a hold on the disk", len(served), len(served)-lost, lost, crashed)
}

// TestPostgresOutages takes the database away in the ways that happen, under load:
// no call fails or is slower than at a gateway beside it that has no database to
// lose, and no row is lost.
func TestPostgresOutages(t *testing.T) {
	t.Parallel()
	pause := 10 * time.Second // a database that hangs is found out after five
	if os.Getenv("AI_GATEWAY_LONG") != "" {
		pause = time.Minute
	}
	server := postgrestest.Start(t, "max_connections = 24", "superuser_reserved_connections = 0")
	db := server.Database(t)
	name := db[strings.LastIndex(db, "/")+1 : strings.Index(db, "?")]
	g := node(t, db, "")
	key := g.newKey(`{"name":"free"}`)
	const ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '%s' AND pid <> pg_backend_pid()"
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	// What slows the machine slows both: only what the database costs tells them apart.
	other := serve(t, "", nil)
	otherKey := other.newKey(`{"name":"free"}`)
	answered := 0
	f := func(what string, away, back func()) {
		t.Helper()
		c, beside := &crowd{stop: make(chan struct{})}, &crowd{stop: make(chan struct{})}
		c.call(g, key, demoCall, 4, 10*time.Millisecond)
		beside.call(other, otherKey, demoCall, 4, 10*time.Millisecond)
		time.Sleep(500 * time.Millisecond)
		away()
		start := time.Now()
		degraded, last := false, false
		for time.Since(start) < pause {
			_, body, _ := g.call("GET", "/readyz", "", "")
			last = strings.Contains(body, `"degraded":["postgres"]`)
			degraded = degraded || last
			time.Sleep(100 * time.Millisecond)
		}
		if what == "read-only" { // it answers reads, and takes no usage: it is said all the time
			degraded = last
		}
		if !degraded {
			t.Errorf("%s: /readyz does not say that the database is away", what)
		}
		if status, _, _ := g.call("GET", "/readyz", "", ""); status != 200 {
			t.Errorf("%s: /readyz answers %d", what, status)
		}
		back()
		time.Sleep(500 * time.Millisecond)
		c.end()
		beside.end()
		if failed := slices.Concat(c.failed, beside.failed); len(failed)+c.denied+beside.denied > 0 {
			t.Errorf("%s: %d calls failed, %d were denied: %.3q", what, len(failed), c.denied+beside.denied, failed)
		}
		answered += len(c.whole)
		for _, q := range []struct{ of, factor float64 }{{0.5, 1.5}, {0.99, 3}} {
			without, during := quantileOf(beside.took, q.of), quantileOf(c.took, q.of)
			if during > time.Duration(q.factor*float64(without))+20*time.Millisecond {
				t.Errorf("%s: quantile %v is %v while the database is away, %v where there is none", what, q.of, during, without)
			}
		}
		eventually(t, 30*time.Second, func() (bool, string) {
			_, ready, _ := g.call("GET", "/readyz", "", "")
			_, body, _ := g.call("GET", "/v1/admin/usage?last=1d", fleetAdmin, "")
			var sums struct{ Total struct{ Requests int } }
			_ = json.Unmarshal([]byte(body), &sums)
			return sums.Total.Requests == answered && !strings.Contains(ready, "degraded"), fmt.Sprintf("%s: %d rows of %d answers; %s", what, sums.Total.Requests, answered, ready)
		})
		at := func(c *crowd, q float64) time.Duration { return quantileOf(c.took, q).Round(10 * time.Microsecond) }
		t.Logf("%s for %v: %d answers, none failed, no row lost; p50 %v (beside %v), p99 %v (%v), longest %v (%v)", what, pause, len(c.whole), at(c, 0.5), at(beside, 0.5), at(c, 0.99), at(beside, 0.99), at(c, 1), at(beside, 1))
	}
	f("killed", server.Kill, func() { must(server.Run()) })
	f("hanging", server.Hang, server.Resume)
	f("read-only", func() {
		must(server.Exec("ALTER DATABASE "+name+" SET default_transaction_read_only = on", fmt.Sprintf(ended, name)))
	}, func() {
		must(server.Exec("ALTER DATABASE "+name+" SET default_transaction_read_only = off", fmt.Sprintf(ended, name)))
	})
	var taken []*pgx.Conn
	f("out of connections", func() {
		for end := time.Now().Add(pause / 2); time.Now().Before(end) && len(taken) < 24; {
			if len(taken) > 0 {
				_, _ = taken[0].Exec(context.Background(), fmt.Sprintf(ended, name))
			}
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			c, err := pgx.Connect(ctx, server.URL("postgres"))
			cancel()
			if err == nil {
				taken = append(taken, c)
			}
		}
		_, _ = taken[0].Exec(context.Background(), fmt.Sprintf(ended, name))
	}, func() {
		for _, c := range taken {
			_ = c.Close(context.Background())
		}
	})

	// A gateway starts while the database is away, on what it saw last; a change is
	// refused, calls are served, and what they used is brought in when it is back.
	g.stop()
	server.Kill()
	again := node(t, db, g.dir)
	if status, body, _ := again.call("POST", "/v1/chat/completions", key, demoCall); status != 200 {
		t.Errorf("a start without the database: %d %s", status, body)
	}
	if status, body, _ := again.call("POST", "/v1/admin/api-keys", fleetAdmin, `{"name":"x"}`); status != 503 || !strings.Contains(body, "store_unavailable") {
		t.Errorf("a change without the database: %d %s", status, body)
	}
	must(server.Run())
	g = again
	answered++
	eventually(t, 30*time.Second, func() (bool, string) {
		_, body, _ := g.call("GET", "/v1/admin/usage?last=1d", fleetAdmin, "")
		return strings.Contains(body, fmt.Sprintf(`"requests":%d`, answered)), body
	})
	if out, err := g.run("ai-gateway ledger verify"); err != nil || !strings.Contains(out, "clean") {
		t.Errorf("%v %s", err, out)
	}
}
