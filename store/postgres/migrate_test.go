//go:build unix

package postgres

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/your-org/ai-api-gateway/store"
	"github.com/your-org/ai-api-gateway/store/storetest"
)

// TestOldSchemas takes a database with rows back to each earlier schema and up again:
// rows and sums are the same, and what comes afterwards adds up with them.
func TestOldSchemas(t *testing.T) {
	ctx, url := context.Background(), shared.Database(t)
	_, current, err := Inspect(ctx, url)
	if err != nil || current < 5 {
		t.Fatal(current, err)
	}
	end := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	all := store.TotalsQuery{GroupBy: []string{"key", "model"}}
	s, err := Open(ctx, url, Options{})
	if err != nil {
		t.Fatal(err)
	}
	storetest.Fill(t, s, 3000, end)
	before, err := s.Totals(ctx, all)
	if err != nil || len(before) == 0 {
		t.Fatal(len(before), err)
	}
	s.Close()
	for to := current - 1; to >= 1; to-- {
		for at := current; at > to; at-- {
			if err := MigrateDown(ctx, url); err != nil {
				t.Fatal(err)
			}
		}
		if found, _, err := Inspect(ctx, url); found != to || err != nil {
			t.Fatalf("schema %d, %v; want %d", found, err, to)
		}
		if _, err := Open(ctx, url, Options{NoMigrate: true}); err == nil || !strings.Contains(err.Error(), "ai-gateway migrate up") {
			t.Errorf("schema %d without migrating: %v", to, err)
		}
		s, err := Open(ctx, url, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if after, err := s.Totals(ctx, all); err != nil || !reflect.DeepEqual(after, before) {
			t.Errorf("from schema %d: %d sums, were %d, %v", to, len(after), len(before), err)
		}
		if page, err := s.Usage(ctx, store.UsageQuery{Limit: 10}); err != nil || len(page.Rows) != 10 || page.Rows[0].RequestID != storetest.ScaleID(end, 2999) {
			t.Errorf("from schema %d: %d rows, %v", to, len(page.Rows), err)
		}
		if v, err := s.Verify(ctx); err != nil || v.Fault != "" || v.Rows != 3000 {
			t.Errorf("from schema %d: %+v, %v", to, v, err)
		}
		s.Close()
	}
}

// TestOldGateway has a gateway of the schema before, which goes on while the database
// is migrated, write rows without histograms: the ledger adds up all the same, and
// rows of others have theirs.
func TestOldGateway(t *testing.T) {
	ctx, url := context.Background(), shared.Database(t)
	s := open(t, url, Options{})
	if _, err := s.pool.Exec(ctx, "INSERT INTO ledger_boots (boot) VALUES ('old')"); err != nil { // as schema 2 did
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	for i, boot := range []string{"old", "old", "new"} {
		row := &store.UsageRow{RequestID: strings.Repeat("a", 10+i), Time: at, Model: "m", Status: 200, EndReason: store.EndComplete, Duration: time.Second}
		if err := s.Append(ctx, []store.Entry{{Boot: boot, Seq: uint64(i + 1), Kind: store.EntrySettle, Time: at, RequestID: row.RequestID, Row: row}}); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := s.Latency(ctx, store.LatencyQuery{}); err != nil || len(got) != 1 || got[0].Duration.Count() != 1 {
		t.Errorf("%+v, %v: want the one row of the new gateway", got, err)
	}
	if v, err := s.Verify(ctx); err != nil || v.Fault != "" || v.Rows != 3 {
		t.Errorf("%+v, %v", v, err)
	}
	for _, sql := range []string{ // as schema 5 did: a roll-up that is changed, and one that is new with what would be its row
		"UPDATE usage_rollups SET cost_nano = cost_nano + 5 WHERE level > 0",
		"INSERT INTO usage_rollups SELECT level, slot + 1, series, 0, 0, 0, 7, " + strings.Repeat("0, ", len(numbers)-5) + "0 FROM usage_rollups WHERE level > 0",
	} {
		if _, err := s.pool.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	for _, hours := range []int{1, 24} {
		var a, b, n, m int64
		if err := s.pool.QueryRow(ctx, `SELECT r.cost, r.requests, x.cost, x.requests FROM
			(SELECT sum(cost_nano)::bigint AS cost, sum(requests)::bigint AS requests FROM usage_rollups WHERE level > 0) r,
			(SELECT sum(cost_nano)::bigint AS cost, sum(requests)::bigint AS requests FROM usage_spans WHERE hours = $1) x`, hours).Scan(&a, &n, &b, &m); err != nil || a != 2*12 || n != 2*3 || a != b || n != m {
			t.Errorf("roll-ups of %d nano and %d requests, spans of %d h of %d and %d, %v", a, n, hours, b, m, err)
		}
	}
	if _, err := s.pool.Exec(ctx, "DELETE FROM usage_rollups WHERE cost_nano = 7; DELETE FROM usage_spans WHERE cost_nano = 7; UPDATE usage_rollups SET cost_nano = 0; UPDATE usage_spans SET cost_nano = 0"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.pool.Exec(ctx, "UPDATE usage_timings SET timing = $1", new(store.Timing).Append(nil)); err != nil {
		t.Fatal(err)
	}
	if v, err := s.Verify(ctx); err != nil || !strings.Contains(v.Fault, "its histogram counts 0 requests") {
		t.Errorf("a histogram that lost its counts: %+v, %v", v, err)
	}
}

// TestNewerSchema has the schema of a later version refused, without touching it.
func TestNewerSchema(t *testing.T) {
	ctx, url := context.Background(), shared.Database(t)
	open(t, url, Options{})
	c, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(ctx)
	if _, err := c.Exec(ctx, "INSERT INTO schema_versions (version_id, is_applied) VALUES (1000, true)"); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(ctx, url, Options{}); !errors.Is(err, store.ErrNewer) || !strings.Contains(err.Error(), "its schema is 1000, this program knows") {
		t.Errorf("%v, want ErrNewer", err)
	}
	if found, _, err := Inspect(ctx, url); found != 1000 || err != nil {
		t.Errorf("schema %d, %v", found, err)
	}
}
