package importer

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"os"
	"strconv"
	"strings"
)

// maxRows bounds what is read of one table.
const maxRows = 500_000

// A database is the store of another gateway: a SQLite file, a dump of MySQL or a
// running Postgres.
type database interface {
	// rows returns all rows of a table; errNoTable if there is none of that name.
	rows(ctx context.Context, table string) ([]row, error)
	has(ctx context.Context, table string) bool
	close() error
}

var errNoTable = errors.New("no such table")

// A row is one row by the names of its columns. A column that this version of the
// other gateway does not have reads as its zero.
type row map[string]any

func (r row) text(column string) string {
	switch v := r[column].(type) {
	case string:
		return v
	case []byte:
		return string(v)
	case json.Number:
		return v.String()
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case bool:
		return strconv.FormatBool(v)
	case nil:
		return ""
	default:
		b, _ := json.Marshal(v)
		return string(b)
	}
}

func (r row) int(column string) int64 {
	n := r.num(column)
	if n == nil || !n.IsInt() || !n.Num().IsInt64() {
		return 0
	}
	return n.Num().Int64()
}

// num is nil where the column is NULL or missing.
func (r row) num(column string) *big.Rat { return number(r.text(column)) }

func (r row) flag(column string) bool {
	switch strings.ToLower(r.text(column)) {
	case "1", "true", "t", "\x01":
		return true
	}
	return false
}

// list reads an array, or the text of one.
func (r row) list(column string) []string {
	var out []string
	switch v := r[column].(type) {
	case []any:
		for _, e := range v {
			if s, ok := e.(string); ok {
				out = append(out, s)
			}
		}
	default:
		_ = json.Unmarshal([]byte(r.text(column)), &out) // what is no list is none
	}
	return out
}

// object reads a JSON object; nil if there is none.
func (r row) object(column string) map[string]json.RawMessage {
	var out map[string]json.RawMessage
	_ = json.Unmarshal([]byte(r.text(column)), &out)
	return out
}

// open opens the database at src: a postgres:// URL, a SQLite file, or a dump of
// MySQL, of which only the tables named are read.
func open(ctx context.Context, src string, tables ...string) (database, error) {
	scheme, _, isURL := strings.Cut(src, "://")
	switch {
	case isURL && (scheme == "postgres" || scheme == "postgresql"):
		return openPostgres(ctx, src)
	case isURL && scheme == "mysql":
		return nil, fmt.Errorf("a running MySQL is not read: make a dump with `mysqldump --no-tablespaces --single-transaction DATABASE %s > dump.sql` and import that file", strings.Join(tables, " "))
	case isURL:
		return nil, fmt.Errorf("cannot read from %s://: it is a SQLite file, a dump of MySQL or a postgres:// address", scheme)
	}
	f, err := os.Open(src)
	if err != nil {
		return nil, fmt.Errorf("cannot open the source: %w", err)
	}
	defer f.Close()
	head := make([]byte, 16)
	if _, err := io.ReadFull(f, head); err != nil {
		if info, e := f.Stat(); e == nil && info.IsDir() {
			return nil, fmt.Errorf("%s is a folder: name the file in it", src)
		}
		return nil, fmt.Errorf("cannot read %s: it is neither a SQLite file nor a dump of MySQL", src)
	}
	if string(head) == "SQLite format 3\x00" {
		return openSQLite(ctx, src)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", src, err)
	}
	text, err := plainText(f, head)
	var d dump
	if err == nil {
		d, err = readDump(text, tables)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read %s as a dump of MySQL: %w", src, err)
	}
	return d, nil
}

// notDumps are beginnings of files that people take for dumps of MySQL.
var notDumps = []struct{ head, why string }{
	{"\xff\xfe", "it is UTF-16, as PowerShell writes what is sent to a file with >: let mysqldump write it, with --result-file=dump.sql"},
	{"\xfe\xff", "it is UTF-16: let mysqldump write it, with --result-file=dump.sql"},
	{"PGDMP", "it is a dump of Postgres: import from the database, postgres://…"},
	{"PK\x03\x04", "it is a ZIP archive: unpack it first"},
	{"BZh", "it is packed by bzip2: unpack it first"},
	{"\xfd7zXZ", "it is packed by xz: unpack it first"},
	{"\x28\xb5\x2f\xfd", "it is packed by zstd: unpack it first"},
	{"PRAGMA foreign_ke", "it is a dump of SQLite: import the database file itself"},
}

// plainText returns the text of a dump, unpacked if gzip packed it. head is how f begins.
func plainText(f io.Reader, head []byte) (io.Reader, error) {
	for _, x := range notDumps {
		if strings.HasPrefix(string(head), x.head[:min(len(x.head), len(head))]) {
			return nil, errors.New(x.why)
		}
	}
	if !strings.HasPrefix(string(head), "\x1f\x8b") {
		return f, nil
	}
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, fmt.Errorf("cannot unpack it: %w", err)
	}
	return z, nil
}
