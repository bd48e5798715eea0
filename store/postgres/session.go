package postgres

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/your-org/ai-api-gateway/store"
)

// errPooler: there is a pooler in between that lends a server for one transaction.
var errPooler = errors.New("what is at this address is a pooler that gives no session of its own (pool_mode = transaction), and gateways listen, lock and prepare statements in sessions: set pool_mode = session for this database, or name the database itself")

// startup are the settings that poolers, too, take in the first packet of a connection.
var startup = []string{"application_name", "client_encoding", "datestyle", "options", "standard_conforming_strings", "timezone"}

// parse reads a connection string and sets what makes a lost server or a lost
// gateway harm nobody: bounded connecting, and a server that ends transactions
// whose gateway has stopped, for they hold locks.
func parse(url string) (*pgxpool.Config, error) {
	if err := store.CheckDatabaseURL(url); err != nil {
		return nil, fmt.Errorf("cannot read the database's address: it %w", err)
	}
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("cannot read the database's address: %w", redacted(err))
	}
	c := cfg.ConnConfig
	if c.ConnectTimeout == 0 || c.ConnectTimeout > connectTimeout {
		c.ConnectTimeout = connectTimeout
	}
	settings := map[string]string{
		"application_name":                    "ai-gateway",
		"statement_timeout":                   strconv.FormatInt(appendTimeout.Milliseconds(), 10),
		"idle_in_transaction_session_timeout": strconv.FormatInt((appendTimeout / 2).Milliseconds(), 10),
		"timezone":                            "UTC",
		"jit":                                 "off",   // compiling a sum takes longer than the sum
		"parallel_setup_cost":                 "20000", // and so does starting workers for a small one
	}
	maps.Copy(settings, c.RuntimeParams)
	c.RuntimeParams = map[string]string{}
	for _, name := range startup {
		if v, ok := settings[name]; ok {
			c.RuntimeParams[name] = v
			delete(settings, name)
		}
	}
	var looked atomic.Bool // for a pooler
	cfg.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		server, err := begin(ctx, conn, settings)
		if err != nil || server == conn.PgConn().PID() || !looked.CompareAndSwap(false, true) {
			return err
		}
		if lent(ctx, conn, c) {
			looked.Store(false) // it may be another one tomorrow
			return errPooler
		}
		return nil
	}
	return cfg, nil
}

// redacted keeps the password of an address out of an error about it.
func redacted(err error) error {
	var parse *pgconn.ParseConfigError
	if !errors.As(err, &parse) {
		return err
	}
	why := ""
	if inner := errors.Unwrap(parse); inner != nil {
		why = ": " + inner.Error()
	} else if i := strings.LastIndex(parse.Error(), "`: "); i >= 0 { // what stands before is the address
		why = ": " + parse.Error()[i+len("`: "):]
	}
	return errors.New("it is no postgres:// URL" + why)
}

// begin sets what a session of a gateway has, and returns the process that serves it.
// It is not said in the first packet, in which poolers refuse names they do not know.
func begin(ctx context.Context, conn *pgx.Conn, settings map[string]string) (server uint32, err error) {
	ask, args := "SELECT pg_backend_pid()", []any{pgx.QueryExecModeSimpleProtocol}
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		args = append(args, name, settings[name])
		ask += fmt.Sprintf(", set_config($%d, $%d, false)", len(args)-2, len(args)-1)
	}
	into := make([]any, 1+len(settings))
	for i := range into {
		into[i] = new(string)
	}
	into[0] = &server
	return server, conn.QueryRow(ctx, ask, args...).Scan(into...)
}

// lent reports whether a second connection is served by the process that has just
// served conn, which is open: so a pooler does that lends servers to transactions.
func lent(ctx context.Context, conn *pgx.Conn, cfg *pgx.ConnConfig) bool {
	second := cfg.Copy()
	other, err := pgx.ConnectConfig(ctx, second)
	if err != nil {
		return false // it has room for one session: it is no such pooler, or busy
	}
	defer func() { _ = other.Close(context.WithoutCancel(ctx)) }()
	const pid = "SELECT pg_backend_pid()"
	for range 3 {
		var a, b uint32
		if conn.QueryRow(ctx, pid, pgx.QueryExecModeSimpleProtocol).Scan(&a) != nil || other.QueryRow(ctx, pid, pgx.QueryExecModeSimpleProtocol).Scan(&b) != nil {
			return false
		}
		if a == b {
			return true
		}
	}
	return false
}
