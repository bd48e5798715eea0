//go:build unix

package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/your-org/ai-api-gateway/store"
	"github.com/your-org/ai-api-gateway/store/postgres/postgrestest"
)

func settle(boot string, seq uint64, model string) store.Entry {
	at := time.Date(2026, 11, 23, 12, 0, 0, int(seq), time.UTC)
	row := &store.UsageRow{RequestID: fmt.Sprintf("%s-%08d", boot, seq), Time: at, KeyID: "k", KeyName: "n", Model: model, Status: 200, EndReason: store.EndComplete,
		UsageSource: store.SourceProvider, CostNano: 1000, Tokens: store.Tokens{Input: 3}}
	return store.Entry{Boot: boot, Seq: seq, Kind: store.EntrySettle, Time: at, RequestID: row.RequestID, Row: row}
}

// rows returns how many rows and quarantined entries there are.
func rows(t *testing.T, s *Store) (kept, aside int) {
	t.Helper()
	if err := s.pool.QueryRow(t.Context(), "SELECT (SELECT count(*) FROM usage_logs), (SELECT count(*) FROM ledger_quarantine)").Scan(&kept, &aside); err != nil {
		t.Fatal(err)
	}
	return kept, aside
}

// TestPoison has the database refuse some rows: they alone are put aside, once.
func TestPoison(t *testing.T) {
	s := open(t, shared.Database(t), Options{})
	for _, sql := range []string{
		"ALTER TABLE usage_logs ADD CONSTRAINT no_poison CHECK (model <> 'poison')",
		`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.model = 'venom' THEN RAISE EXCEPTION 'no venom'; END IF; RETURN NEW; END $$`,
		"CREATE TRIGGER refuse BEFORE INSERT ON usage_logs FOR EACH ROW EXECUTE FUNCTION refuse()",
	} {
		if _, err := s.pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	var entries []store.Entry
	for i := range uint64(1000) {
		model := "good"
		switch i {
		case 3, 500, 501, 999:
			model = "poison"
		case 0, 700:
			model = "venom"
		}
		entries = append(entries, settle("01JD0000000000000000000000", i+1, model))
	}
	for range 2 {
		if err := s.Append(t.Context(), entries); err != nil {
			t.Fatal(err)
		}
		if kept, aside := rows(t, s); kept != 994 || aside != 6 {
			t.Errorf("%d rows are kept and %d put aside", kept, aside)
		}
	}
	var entry []byte
	if err := s.pool.QueryRow(t.Context(), "SELECT entry FROM ledger_quarantine WHERE seq = 501").Scan(&entry); err != nil {
		t.Fatal(err)
	}
	var e store.Entry
	if err := store.DecodeEntry(entry, &e); err != nil || e.Row.Model != "poison" {
		t.Errorf("what is put aside is %+v, %v", e.Row, err)
	}
	if v, err := s.Verify(t.Context()); err != nil || v.Fault != "" || v.Rows != 994 {
		t.Errorf("%+v %v", v, err)
	}
}

// TestForgotten has the database lose what an Append remembers of it: a partition
// that retention of another gateway removed, and all it knew of series.
func TestForgotten(t *testing.T) {
	url := shared.Database(t)
	s := open(t, url, Options{})
	if err := s.Append(t.Context(), []store.Entry{settle("A", 1, "m")}); err != nil {
		t.Fatal(err)
	}
	other := open(t, url, Options{})
	if n, err := other.Retain(t.Context(), time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	if n, err := other.RetainTotals(t.Context(), time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	if _, err := s.pool.Exec(t.Context(), "TRUNCATE usage_series, usage_rollups"); err != nil {
		t.Fatal(err)
	}
	if err := s.Append(t.Context(), []store.Entry{settle("A", 2, "m")}); err != nil {
		t.Fatal(err)
	}
	if kept, aside := rows(t, s); kept != 1 || aside != 0 {
		t.Errorf("%d rows, %d put aside", kept, aside)
	}
}

// TestManyWriters has several gateways append at once, the same roll-ups among them.
func TestManyWriters(t *testing.T) {
	url := shared.Database(t)
	const writers, batches, each = 4, 15, 50
	var wg sync.WaitGroup
	for w := range writers {
		s := open(t, url, Options{})
		wg.Go(func() {
			boot := fmt.Sprintf("01JD000000000000000000000%d", w)
			for b := range batches {
				var entries []store.Entry
				for i := range each {
					entries = append(entries, settle(boot, uint64(b*each+i+1), fmt.Sprint("model", i%7)))
				}
				if err := s.Append(t.Context(), entries); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	s := open(t, url, Options{})
	if v, err := s.Verify(t.Context()); err != nil || v.Fault != "" || v.Rows != writers*batches*each {
		t.Errorf("%+v %v", v, err)
	}
}

// TestModelsBound sums models beyond the bound up as "other"; rows keep their names.
func TestModelsBound(t *testing.T) {
	s := open(t, shared.Database(t), Options{NewModelsPerDay: 3})
	var entries []store.Entry
	for i := range uint64(10) {
		entries = append(entries, settle("A", i+1, fmt.Sprint("m", i)))
	}
	if err := s.Append(t.Context(), entries[:5]); err != nil {
		t.Fatal(err)
	}
	if err := s.Append(t.Context(), append(entries[5:], store.Entry{Boot: "A", Seq: 11, Kind: store.EntryAdjust, RequestID: entries[9].RequestID, DeltaNano: 7})); err != nil {
		t.Fatal(err)
	}
	got, err := s.Totals(t.Context(), store.TotalsQuery{GroupBy: []string{"model"}})
	if err != nil || len(got) != 4 || got[3].Group["model"] != "other" || got[3].Requests != 7 || got[3].CostNano != 7007 {
		t.Errorf("%+v %v", got, err)
	}
	if v, err := s.Verify(t.Context()); err != nil || v.Fault != "" {
		t.Errorf("%+v %v", v, err)
	}
}

// TestVerifyFinds changes what is kept behind the store's back.
func TestVerifyFinds(t *testing.T) {
	for _, sql := range []string{
		"UPDATE usage_rollups SET cost_nano = cost_nano + 1 WHERE level = 2",
		"DELETE FROM usage_rollups WHERE level = 1",
		"UPDATE usage_spans SET cost_nano = cost_nano + 1 WHERE hours = 24 AND level = 2",
		"DELETE FROM usage_spans WHERE hours = 1 AND level = 1",
		"DELETE FROM usage_logs WHERE seq = 1",
		"UPDATE usage_logs SET request_id = 'other' WHERE seq = 1",
		"UPDATE usage_logs SET record = '\\x00' WHERE seq = 2",
	} {
		s := open(t, shared.Database(t), Options{})
		if err := s.Append(t.Context(), []store.Entry{settle("A", 1, "m"), settle("A", 2, "m")}); err != nil {
			t.Fatal(err)
		}
		if v, err := s.Verify(t.Context()); err != nil || v.Fault != "" || v.Rows != 2 {
			t.Fatalf("%+v %v", v, err)
		}
		if _, err := s.pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
		if v, err := s.Verify(t.Context()); err != nil || v.Fault == "" || v.FaultDay != "2026-11-23" {
			t.Errorf("%s: %+v %v", sql, v, err)
		}
	}
}

// TestMirror starts and loads without the database on the configuration seen last,
// and hears of changes when it is back.
func TestMirror(t *testing.T) {
	server := postgrestest.Start(t)
	url, mirror := server.Database(t), filepath.Join(t.TempDir(), "m.json")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	first := open(t, url, Options{Mirror: mirror})
	if _, err := first.Apply(ctx, store.Change{Key: &store.Key{ID: "k1", Name: "n", Hash: [32]byte{1}}}); err != nil {
		t.Fatal(err)
	}
	if _, err := first.Load(ctx); err != nil {
		t.Fatal(err)
	}
	if fi, err := os.Stat(mirror); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("the mirror is %v, %v", fi, err)
	}
	server.Kill()
	s := open(t, url, Options{Mirror: mirror})
	snap, err := s.Load(ctx)
	if err != nil || snap.Rev != 1 || len(snap.Keys) != 1 || snap.Keys[0].Hash != [32]byte{1} {
		t.Fatalf("%+v %v", snap, err)
	}
	if err := s.Append(ctx, []store.Entry{settle("A", 1, "m")}); !errors.Is(err, store.ErrAway) {
		t.Errorf("Append: %v, want ErrAway", err)
	}
	if _, err := Open(ctx, url, Options{Mirror: mirror + "x"}); !errors.Is(err, store.ErrAway) {
		t.Errorf("without a mirror: %v", err)
	}
	var heard atomic.Uint64
	older := atomic.Bool{} // once it is said that an older one is in force, which is then not left so
	go s.Watch(ctx, func(ctx context.Context) (uint64, error) {
		snap, err := s.Load(ctx)
		if err != nil {
			return 0, err
		}
		if snap.Rev == 2 && older.CompareAndSwap(false, true) {
			return 1, nil
		}
		heard.Store(snap.Rev)
		return snap.Rev, nil
	})
	if err := server.Run(); err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, url, Options{}).Apply(ctx, store.Change{Delete: &store.Ref{Kind: store.KindKey, ID: "k1"}}); err != nil {
		t.Fatal(err)
	}
	for until := time.Now().Add(10 * time.Second); heard.Load() != 2; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("revision %d is heard of, want 2", heard.Load())
		}
	}
}
