package main_test

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// onDatabase are the gateways whose secrets a database will be looked through for.
var onDatabase struct {
	sync.Mutex
	gateways map[string][]*gateway // by the database's address
}

// lookAtDatabaseInTheEnd has the database that g keeps its store in looked through when
// the test ends, once for all its gateways: they have ended then, and the server has not.
func (g *gateway) lookAtDatabaseInTheEnd() {
	database := ""
	for _, e := range g.env {
		if v, ok := strings.CutPrefix(e, "AI_GATEWAY_DATABASE_URL="); ok {
			database = v
		}
	}
	if database == "" {
		return
	}
	onDatabase.Lock()
	defer onDatabase.Unlock()
	if onDatabase.gateways == nil {
		onDatabase.gateways = map[string][]*gateway{}
	}
	if onDatabase.gateways[database] = append(onDatabase.gateways[database], g); len(onDatabase.gateways[database]) > 1 {
		return
	}
	g.t.Cleanup(func() {
		onDatabase.Lock()
		all := onDatabase.gateways[database]
		delete(onDatabase.gateways, database)
		onDatabase.Unlock()
		eachTable(database, func(table string, content []byte) {
			looked.tables.Add(1)
			for _, g := range all {
				g.secrets.find(g.t, "the table "+table, "", content)
			}
		})
	})
}

// eachTable hands on what each table of a database holds, as it is stored, as far as
// the database still answers: tests take it away.
func eachTable(database string, f func(table string, content []byte)) {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	cfg, err := pgx.ParseConfig(database)
	if err != nil {
		return
	}
	cfg.ConnectTimeout = 5 * time.Second
	c, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return
	}
	defer c.Close(ctx)
	rows, err := c.Query(ctx, "SELECT oid::regclass::text FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition AND relnamespace::regnamespace::text NOT IN ('pg_catalog', 'information_schema', 'pg_toast') ORDER BY 1")
	if err != nil {
		return
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return
	}
	for _, table := range tables {
		var b bytes.Buffer
		if _, err := c.PgConn().CopyTo(ctx, &b, "COPY (SELECT * FROM "+table+") TO STDOUT (FORMAT binary)"); err != nil {
			return
		}
		f(table, b.Bytes())
	}
}
