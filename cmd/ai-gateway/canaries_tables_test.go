//go:build unix

package main_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/your-org/ai-api-gateway/store/postgres/postgrestest"
)

// TestCanariesAreFoundInTables: a secret is found in whatever column and partition it lies.
func TestCanariesAreFoundInTables(t *testing.T) {
	t.Parallel()
	db := postgrestest.Start(t).Database(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, db)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	for _, sql := range []string{
		"CREATE TABLE a (x text); INSERT INTO a VALUES ('before secret-in-text behind')",
		"CREATE TABLE b (x bytea); INSERT INTO b VALUES ('secret-in-bytes'), (decode(repeat('00', 100000), 'hex'))",
		`CREATE TABLE c (x json) PARTITION BY LIST ((x->>'p')); CREATE TABLE c_1 PARTITION OF c FOR VALUES IN ('1'); INSERT INTO c VALUES ('{"p":"1","k":"secret-in-json"}')`,
	} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	var c canaries
	for _, secret := range []string{"secret-in-text", "secret-in-bytes", "secret-in-json", "secret-nowhere"} {
		c.learn(secret, secret, "")
	}
	j := &finder{TB: t}
	eachTable(db, func(table string, content []byte) { c.find(j, table, "", content) })
	if len(j.found) != 3 {
		t.Errorf("found: %q", j.found)
	}
}
