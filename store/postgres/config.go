package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/your-org/ai-api-gateway/store"
)

// channel is where changes of the configuration are told to all gateways.
const channel = "ai_gateway_config"

// keyRecord writes the hashes of a key as base64 instead of lists of numbers.
type keyRecord struct {
	*store.Key
	Hash     []byte `json:"hash"`
	PrevHash []byte `json:"prev_hash,omitempty"`
}

func recordOf(k *store.Key) keyRecord {
	r := keyRecord{Key: k, Hash: k.Hash[:]}
	if k.PrevHash != ([32]byte{}) {
		r.PrevHash = k.PrevHash[:]
	}
	return r
}

func (r *keyRecord) key() (*store.Key, error) {
	if r.Key == nil || copy(r.Key.Hash[:], r.Hash) != 32 || len(r.PrevHash) != 0 && len(r.PrevHash) != 32 {
		return nil, fmt.Errorf("key without a whole hash: %w", store.ErrCorrupt)
	}
	copy(r.Key.PrevHash[:], r.PrevHash)
	return r.Key, nil
}

// Load returns all configuration; while the database is away, the one seen last, if
// there is one.
func (s *Store) Load(ctx context.Context) (*store.Snapshot, error) {
	snap, err := s.Current(ctx)
	if errors.Is(err, store.ErrAway) {
		if last := s.last.Load(); last != nil {
			return last, nil
		}
	}
	return snap, err
}

// Current returns all configuration as the database has it now, or store.ErrAway.
func (s *Store) Current(ctx context.Context) (*store.Snapshot, error) {
	snap, err := s.load(ctx)
	if err != nil {
		return nil, fmt.Errorf("cannot load configuration: %w", err)
	}
	s.remember(snap)
	return snap, nil
}

func (s *Store) load(ctx context.Context) (*store.Snapshot, error) {
	snap := &store.Snapshot{Meta: map[string][]byte{}}
	err := s.view(ctx, s.opts.wait, func(ctx context.Context, tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, "SELECT rev FROM store_state").Scan(&snap.Rev); err != nil {
			return err
		}
		err := records(ctx, tx, "api_keys", func(b []byte) error {
			r := keyRecord{Key: &store.Key{}}
			if err := json.Unmarshal(b, &r); err != nil {
				return err
			}
			k, err := r.key()
			snap.Keys = append(snap.Keys, k)
			return err
		})
		if err != nil {
			return err
		}
		if snap.Accounts, err = named[store.Account](ctx, tx, "provider_accounts"); err != nil {
			return err
		}
		if snap.Mappings, err = named[store.Mapping](ctx, tx, "model_mappings"); err != nil {
			return err
		}
		if snap.Policies, err = named[store.Policy](ctx, tx, "quota_policies"); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, "SELECT name, value FROM settings")
		if err != nil {
			return err
		}
		var name string
		var value []byte
		_, err = pgx.ForEachRow(rows, []any{&name, &value}, func() error {
			snap.Meta[name] = append([]byte{}, value...)
			return nil
		})
		return err
	})
	return snap, err
}

// records gives f the records of a table in the order of their ids.
func records(ctx context.Context, tx pgx.Tx, table string, f func([]byte) error) error {
	rows, err := tx.Query(ctx, "SELECT id, record FROM "+table+" ORDER BY id")
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		raw := rows.RawValues()
		if err := f(raw[1]); err != nil {
			return fmt.Errorf("%s %q: %w: %w", table, raw[0], err, store.ErrCorrupt)
		}
	}
	return rows.Err()
}

func named[T any](ctx context.Context, tx pgx.Tx, table string) (out []*T, err error) {
	err = records(ctx, tx, table, func(b []byte) error {
		v := new(T)
		out = append(out, v)
		return json.Unmarshal(b, v)
	})
	return out, err
}

// Apply writes all changes and their audit rows in one transaction, or none, and
// tells all gateways of it. The revision grows by one; without any change it stays.
func (s *Store) Apply(ctx context.Context, changes ...store.Change) (rev uint64, err error) {
	err = s.tx(ctx, changeTimeout, pgx.TxOptions{}, func(ctx context.Context, tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, "SELECT rev FROM store_state FOR UPDATE").Scan(&rev); err != nil {
			return err
		}
		for i := range changes {
			if want := changes[i].IfRev; want != 0 && want != rev {
				return fmt.Errorf("cannot apply change to revision %d: the store has %d: %w", want, rev, store.ErrStale)
			}
			if err := applyOne(ctx, tx, &changes[i]); err != nil {
				return err
			}
		}
		if len(changes) == 0 {
			return nil
		}
		rev++
		if _, err := tx.Exec(ctx, "UPDATE store_state SET rev = $1", rev); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "SELECT pg_notify($1, $2)", channel, strconv.FormatUint(rev, 10))
		return err
	})
	if err != nil {
		return 0, err
	}
	return rev, nil
}

func applyOne(ctx context.Context, tx pgx.Tx, c *store.Change) error {
	var err error
	set := 0
	if k := c.Key; k != nil {
		set++
		err = put(ctx, tx, record{store.KindKey, "api_keys", "hash", k.ID, k.Hash[:], c.Create}, recordOf(k))
	}
	if a := c.Account; a != nil {
		set++
		err = put(ctx, tx, record{store.KindAccount, "provider_accounts", "name", a.ID, a.Name, c.Create}, a)
	}
	if m := c.Mapping; m != nil {
		set++
		err = put(ctx, tx, record{store.KindMapping, "model_mappings", "name", m.ID, m.Alias, c.Create}, m)
	}
	if p := c.Policy; p != nil {
		set++
		err = put(ctx, tx, record{store.KindPolicy, "quota_policies", "name", p.ID, p.Name, c.Create}, p)
	}
	if c.Meta != nil {
		set++
		err = putValue(ctx, tx, c.Meta, c.Create)
	}
	if c.Delete != nil {
		set++
		err = remove(ctx, tx, *c.Delete)
	}
	if set != 1 && !(set == 0 && c.Audit != nil) {
		return errors.New("cannot apply change: exactly one of its parts must be set")
	}
	if err == nil && c.Audit != nil {
		err = putAudit(ctx, tx, c.Audit)
	}
	return err
}

// A record is one row of a table of configuration. Besides its id it is single by
// one more column: a key by its hash, others by their name.
type record struct {
	kind, table, column, id string
	single                  any
	create                  bool
}

func put(ctx context.Context, tx pgx.Tx, r record, v any) error {
	if r.id == "" || r.single == "" {
		return fmt.Errorf("cannot put %s: id %q and name %q must be set", r.kind, r.id, r.single)
	}
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("cannot encode %s %q: %w", r.kind, r.id, err)
	}
	sql := "INSERT INTO " + r.table + " (id, " + r.column + ", record) VALUES ($1, $2, $3)"
	if !r.create {
		sql += " ON CONFLICT (id) DO UPDATE SET " + r.column + " = excluded." + r.column + ", record = excluded.record"
	}
	if _, err := tx.Exec(ctx, sql, r.id, r.single, b); err != nil {
		return fmt.Errorf("cannot put %s %q: %w", r.kind, r.id, conflict(err))
	}
	return nil
}

// conflict turns the violation of a unique column into store.ErrConflict.
func conflict(err error) error {
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == "23505" {
		return fmt.Errorf("%s: %w", pg.ConstraintName, store.ErrConflict)
	}
	return err
}

func putValue(ctx context.Context, tx pgx.Tx, v *store.MetaValue, create bool) error {
	sql := "INSERT INTO settings (name, value) VALUES ($1, $2)"
	if !create {
		sql += " ON CONFLICT (name) DO UPDATE SET value = excluded.value"
	}
	if _, err := tx.Exec(ctx, sql, v.Name, append([]byte{}, v.Value...)); err != nil {
		return fmt.Errorf("cannot put value %q: %w", v.Name, conflict(err))
	}
	return nil
}

var tables = map[string]string{
	store.KindKey: "api_keys", store.KindAccount: "provider_accounts", store.KindMapping: "model_mappings", store.KindPolicy: "quota_policies",
}

func remove(ctx context.Context, tx pgx.Tx, ref store.Ref) error {
	table, known := tables[ref.Kind]
	if !known {
		return fmt.Errorf("cannot delete %q: unknown kind", ref.Kind)
	}
	tag, err := tx.Exec(ctx, "DELETE FROM "+table+" WHERE id = $1", ref.ID)
	if err == nil && tag.RowsAffected() == 0 {
		err = store.ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("cannot delete %s %q: %w", ref.Kind, ref.ID, err)
	}
	return nil
}

// putAudit appends an audit row; what is written once stays.
func putAudit(ctx context.Context, tx pgx.Tx, row *store.AuditRow) error {
	if row.ID == "" {
		return errors.New("cannot write audit row: it has no id")
	}
	b, err := json.Marshal(row)
	if err != nil {
		return fmt.Errorf("cannot encode audit row: %w", err)
	}
	text := func(s string) string { return store.CleanText(s, store.MaxText) }
	_, err = tx.Exec(ctx, "INSERT INTO audit_log (id, time, actor, action, object, ip, record) VALUES ($1, $2, $3, $4, $5, $6, $7)",
		row.ID, row.Time, text(row.Actor), text(row.Action), text(row.Object), text(row.IP), b)
	if err != nil {
		return fmt.Errorf("cannot write audit row %q: %w", row.ID, conflict(err))
	}
	return nil
}

// Audit returns audit rows, newest first: at most limit (0 = 100, at most 1,000)
// of those whose id is below before ("" = all).
func (s *Store) Audit(ctx context.Context, limit int, before string) ([]store.AuditRow, error) {
	out := []store.AuditRow{}
	err := s.view(ctx, readTimeout, func(ctx context.Context, tx pgx.Tx) error {
		rows, err := tx.Query(ctx, "SELECT record FROM audit_log WHERE $1 = '' OR id < $1 ORDER BY id DESC LIMIT $2", store.CleanText(before, store.MaxText), pageSize(limit))
		if err != nil {
			return err
		}
		var b []byte
		_, err = pgx.ForEachRow(rows, []any{&b}, func() error {
			var row store.AuditRow
			err := json.Unmarshal(b, &row)
			out = append(out, row)
			return err
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("cannot read audit: %w", err)
	}
	return out, nil
}

// pageSize is the number of rows a page has that was asked to have n.
func pageSize(n int) int {
	if n <= 0 {
		return 100
	}
	return min(n, 1000)
}
