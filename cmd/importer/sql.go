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
	"time"

	"github.com/jackc/pgx/v5"
	_ "modernc.org/sqlite" // the driver "sqlite"
)

// A sqlite reads all tables as they stand at one moment; the program that they belong
// to may go on writing meanwhile.
type sqlite struct {
	db *sql.DB
	tx *sql.Tx
}

// busyMillis is how long a lock of the program that writes is waited for.
const busyMillis = 10_000

func openSQLite(ctx context.Context, path string) (database, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("cannot open %s: %w", path, err)
	}
	u := url.URL{Scheme: "file", Path: filepath.ToSlash(abs), RawQuery: fmt.Sprintf("mode=ro&_pragma=busy_timeout(%d)", busyMillis)}
	db, err := sql.Open("sqlite", u.String())
	var tx *sql.Tx
	if err == nil {
		tx, err = db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	}
	if err == nil {
		_, err = tx.ExecContext(ctx, "SELECT count(*) FROM sqlite_master")
	}
	if err != nil {
		if db != nil {
			err = errors.Join(err, db.Close())
		}
		return nil, fmt.Errorf("cannot open %s: %w", path, err)
	}
	return sqlite{db, tx}, nil
}

func (s sqlite) close() error { return errors.Join(s.tx.Rollback(), s.db.Close()) }

func (s sqlite) has(ctx context.Context, table string) bool {
	var n int
	return s.tx.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_master WHERE type IN ('table','view') AND name = ?`, table).Scan(&n) == nil && n > 0
}

func (s sqlite) rows(ctx context.Context, table string) ([]row, error) {
	if !s.has(ctx, table) {
		return nil, errNoTable
	}
	rows, err := s.tx.QueryContext(ctx, `SELECT * FROM `+quoted(table))
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

// A postgres reads all tables as they stand at one moment.
type postgres struct {
	conn *pgx.Conn
	tx   pgx.Tx
}

// connectWithin bounds the way to a server that does not answer.
const connectWithin = 10 * time.Second

func openPostgres(ctx context.Context, dsn string) (database, error) {
	_, rest, _ := strings.Cut(dsn, "://")
	authority, _, _ := strings.Cut(rest, "/")
	conf, err := pgx.ParseConfig(dsn)
	if err != nil || strings.Count(authority, "@") > 1 { // a part of the password would be taken for the host, and be shown
		return nil, errors.New("cannot read the address of the database: it is postgres://USER:PASSWORD@HOST:PORT/NAME, with @ : / ? # % in a password written %40 %3A %2F %3F %23 %25") // the error shows the address
	}
	if conf.ConnectTimeout == 0 {
		conf.ConnectTimeout = connectWithin
	}
	conf.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol // poolers in between know no prepared statements, nor settings of a session
	conn, err := pgx.ConnectConfig(ctx, conf)
	if err != nil {
		return nil, fmt.Errorf("cannot connect to the database at %s:%d: %w", conf.Host, conf.Port, err)
	}
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("cannot read the database: %w", err), conn.Close(context.Background()))
	}
	return postgres{conn, tx}, nil
}

func (p postgres) close() error {
	return errors.Join(p.tx.Rollback(context.Background()), p.conn.Close(context.Background()))
}

func (p postgres) has(ctx context.Context, table string) (there bool) {
	return p.tx.QueryRow(ctx, "SELECT to_regclass($1) IS NOT NULL", quoted(table)).Scan(&there) == nil && there
}

// rows asks for each row as JSON, so that columns of any type and version are read.
func (p postgres) rows(ctx context.Context, table string) ([]row, error) {
	if !p.has(ctx, table) {
		return nil, errNoTable
	}
	rows, err := p.tx.Query(ctx, `SELECT to_jsonb(t)::text FROM `+quoted(table)+` t`)
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
	return fmt.Errorf("cannot read the table %s: %w", table, err)
}
