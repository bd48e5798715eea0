package importer

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	_ "modernc.org/sqlite" // the driver "sqlite"
)

type sqlite struct{ db *sql.DB }

func openSQLite(ctx context.Context, path string) (database, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("cannot open %s: %w", path, err)
	}
	u := url.URL{Scheme: "file", Path: filepath.ToSlash(abs), RawQuery: "mode=ro"}
	db, err := sql.Open("sqlite", u.String())
	if err == nil {
		err = db.PingContext(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot open %s: %w", path, err)
	}
	return sqlite{db}, nil
}

func (s sqlite) close() error { return s.db.Close() }

func (s sqlite) rows(ctx context.Context, table string) ([]row, error) {
	var n int
	if err := s.db.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_master WHERE type IN ('table','view') AND name = ?`, table).Scan(&n); err != nil {
		return nil, fmt.Errorf("cannot read the database: %w", err)
	}
	if n == 0 {
		return nil, errNoTable
	}
	rows, err := s.db.QueryContext(ctx, `SELECT * FROM `+quoted(table))
	if err != nil {
		return nil, fmt.Errorf("cannot read the table %s: %w", table, err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return nil, fmt.Errorf("cannot read the table %s: %w", table, err)
	}
	var out []row
	for rows.Next() {
		values, into := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			return nil, fmt.Errorf("cannot read the table %s: %w", table, err)
		}
		r := row{}
		for i, c := range columns {
			r[c] = values[i]
		}
		if out = append(out, r); len(out) > maxRows {
			return nil, tooMany(table)
		}
	}
	return out, rows.Err()
}

func tooMany(table string) error {
	return fmt.Errorf("the table %s has more than %d rows", table, maxRows)
}

func quoted(table string) string { return `"` + strings.ReplaceAll(table, `"`, `""`) + `"` }

type postgres struct{ conn *pgx.Conn }

func openPostgres(ctx context.Context, dsn string) (database, error) {
	conf, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, errors.New("cannot read the address of the database: it is postgres://USER:PASSWORD@HOST:PORT/NAME") // the error shows the address
	}
	if conf.RuntimeParams == nil {
		conf.RuntimeParams = map[string]string{}
	}
	conf.RuntimeParams["default_transaction_read_only"] = "on"
	conf.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol // poolers in between know no prepared statements
	conn, err := pgx.ConnectConfig(ctx, conf)
	if err != nil {
		return nil, fmt.Errorf("cannot connect to the database at %s:%d: %w", conf.Host, conf.Port, err)
	}
	return postgres{conn}, nil
}

func (p postgres) close() error { return p.conn.Close(context.Background()) }

// rows asks for each row as JSON, so that columns of any type and version are read.
func (p postgres) rows(ctx context.Context, table string) ([]row, error) {
	rows, err := p.conn.Query(ctx, `SELECT to_jsonb(t)::text FROM `+quoted(table)+` t`)
	if err != nil {
		return nil, tableError(table, err)
	}
	defer rows.Close()
	var out []row
	for rows.Next() {
		var text []byte
		if err := rows.Scan(&text); err != nil {
			return nil, tableError(table, err)
		}
		d := json.NewDecoder(bytes.NewReader(text))
		d.UseNumber()
		r := row{}
		if err := d.Decode(&r); err != nil {
			return nil, tableError(table, err)
		}
		if out = append(out, r); len(out) > maxRows {
			return nil, tooMany(table)
		}
	}
	if err := rows.Err(); err != nil {
		return nil, tableError(table, err)
	}
	return out, nil
}

func tableError(table string, err error) error {
	var pe *pgconn.PgError
	if errors.As(err, &pe) && pe.Code == "42P01" {
		return errNoTable
	}
	return fmt.Errorf("cannot read the table %s: %w", table, err)
}
