//go:build unix

package postgres

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/your-org/ai-api-gateway/store"
)

// TestPooler: PgBouncer in session mode, as its package leaves it, serves a gateway; one
// that lends servers to transactions is refused with what to do.
func TestPooler(t *testing.T) {
	db := shared.Database(t)
	url := shared.Pooler(t, "session", db)
	s := open(t, url, Options{})
	a := store.Change{Meta: &store.MetaValue{Name: "n", Value: []byte("v")}}
	revs := make(chan uint64, 10)
	go s.Watch(t.Context(), func(ctx context.Context) (uint64, error) {
		snap, err := s.Load(ctx)
		if err != nil {
			return 0, err
		}
		revs <- snap.Rev
		return snap.Rev, nil
	})
	<-revs
	if _, err := open(t, url, Options{}).Apply(context.Background(), a); err != nil {
		t.Fatal(err)
	}
	select {
	case <-revs:
	case <-time.After(pollEvery + answerWithin):
		t.Error("a change is not told")
	}
	var jit, timeout string
	if err := s.pool.QueryRow(context.Background(), "SELECT current_setting('jit'), current_setting('statement_timeout')").Scan(&jit, &timeout); err != nil || jit != "off" || timeout != "1min" {
		t.Errorf("jit %s, statement_timeout %s, %v", jit, timeout, err)
	}

	url = shared.Pooler(t, "transaction", db)
	for _, f := range map[string]func() error{
		"Open":      func() error { _, err := Open(context.Background(), url, Options{}); return err },
		"MigrateUp": func() error { return MigrateUp(context.Background(), url) },
	} {
		if err := f(); err == nil || !strings.Contains(err.Error(), "pool_mode = session") || errors.Is(err, store.ErrAway) {
			t.Errorf("a pooler of transactions: %v", err)
		}
	}
}

// TestSettings: what an address says of a session holds, before and after what the gateway sets.
func TestSettings(t *testing.T) {
	db := shared.Database(t)
	s := open(t, db, Options{})
	if _, err := s.pool.Exec(context.Background(), "CREATE SCHEMA apart"); err != nil {
		t.Fatal(err)
	}
	apart := open(t, db+"&search_path=apart&jit=on&application_name=mine", Options{})
	var schema, jit, name, zone string
	if err := apart.pool.QueryRow(context.Background(), "SELECT current_schema(), current_setting('jit'), current_setting('application_name'), current_setting('timezone')").Scan(&schema, &jit, &name, &zone); err != nil {
		t.Fatal(err)
	}
	if schema != "apart" || jit != "on" || name != "mine" || zone != "UTC" {
		t.Errorf("schema %s, jit %s, name %s, zone %s", schema, jit, name, zone)
	}
	var n int
	if err := s.pool.QueryRow(context.Background(), "SELECT count(*) FROM information_schema.tables WHERE table_name = 'usage_logs'").Scan(&n); err != nil || n != 2 {
		t.Errorf("%d stores in two schemas, %v", n, err)
	}
}
