package ledger

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"
	"go.uber.org/goleak"

	"github.com/your-org/ai-api-gateway/store"
)

func TestMain(m *testing.M) {
	if child() {
		return
	}
	goleak.VerifyTestMain(m)
}

// A memStore is a store of usage rows in memory that applies entries as the contract says.
type memStore struct {
	store.Store // the rest is not used
	mu          sync.Mutex
	applied     map[string]uint64
	rows        map[string][]store.UsageRow
	kinds       map[store.EntryKind]int
	down        error
	failAfter   int // Appends until down; 0: never
	largest     int
	appends     int
}

func newMemStore() *memStore {
	return &memStore{applied: map[string]uint64{}, rows: map[string][]store.UsageRow{}, kinds: map[store.EntryKind]int{}}
}

var errDown = errors.New("store is down")

func (s *memStore) setDown(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = err
}

func (s *memStore) Append(_ context.Context, entries []store.Entry) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down != nil {
		return s.down
	}
	if s.failAfter > 0 {
		if s.failAfter--; s.failAfter == 0 {
			return errDown
		}
	}
	if err := store.DecodeRows(entries); err != nil {
		return err
	}
	s.appends++
	s.largest = max(s.largest, len(entries))
	for _, e := range entries {
		if e.Seq <= s.applied[e.Boot] {
			continue
		}
		s.applied[e.Boot] = e.Seq
		s.kinds[e.Kind]++
		if e.Kind == store.EntrySettle {
			row := *e.Row
			row.Attempts = slices.Clone(row.Attempts)
			s.rows[row.RequestID] = append(s.rows[row.RequestID], row)
		}
	}
	return nil
}

func (s *memStore) Applied(context.Context) (map[string]uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down != nil {
		return nil, s.down
	}
	return maps.Clone(s.applied), nil
}

func (s *memStore) Usage(_ context.Context, q store.UsageQuery) (store.UsagePage, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return store.UsagePage{Rows: append([]store.UsageRow(nil), s.rows[q.RequestID]...)}, s.down
}

func (s *memStore) Close() error { return nil }

// row returns the one row of id.
func (s *memStore) row(t testing.TB, id string) store.UsageRow {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.rows[id]); n != 1 {
		t.Fatalf("request %s has %d rows, want 1", id, n)
	}
	return s.rows[id][0]
}

func (s *memStore) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.rows)
}

func options(dir string, s store.Store) Options {
	return Options{
		Dir: dir, Store: s, Now: time.Now, Boot: ulid.Make().String(), Log: slog.New(slog.DiscardHandler),
		duplicate: func(id string) { panic("BUG: request held or settled twice: " + id) },
		tick:      20 * time.Millisecond,
	}
}

func open(t testing.TB, o Options) *Ledger {
	t.Helper()
	l, err := Open(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func closeLedger(t testing.TB, l *Ledger) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := l.Close(ctx); err != nil {
		t.Fatal(err)
	}
}

func hold(reserved int64) *store.Hold {
	return &store.Hold{KeyID: "key_01JABCDEFGHJKMNPQRSTVWXYZ0", KeyName: "ci", Operation: "chat", Model: "gpt-4o",
		Provider: "openai", Account: "openai", AccountID: "acc_01JABCDEFGHJKMNPQRSTVWXYZ0", UpstreamModel: "gpt-4o-2024-08-06", Stream: true, ReservedNano: reserved, InputNano: reserved * 2,
		ReservedTokens: reserved * 30, InputTokens: reserved * 20}
}

func usageRow(id string, cost int64) *store.UsageRow {
	return &store.UsageRow{RequestID: id, Time: time.Now().UTC(), KeyID: "key_01JABCDEFGHJKMNPQRSTVWXYZ0", KeyName: "ci",
		Operation: "chat", Dialect: "openai-chat", Model: "gpt-4o", Provider: "openai", Account: "openai",
		AccountID: "acc_01JABCDEFGHJKMNPQRSTVWXYZ0", UpstreamModel: "gpt-4o-2024-08-06", UpstreamID: "chatcmpl-abcdefghijklmnop",
		Status: 200, Stream: true, EndReason: store.EndComplete, UsageSource: store.SourceProvider, CostNano: cost,
		Tokens: store.Tokens{Input: 1200, Output: 340}, PriceVersion: "2026-11-01", PriceSource: "catalogue",
		Attempts: []store.Attempt{{Provider: "openai", Account: "openai", Model: "gpt-4o-2024-08-06", Status: 200, Outcome: "ok", Duration: time.Second, CostNano: cost}},
		TTFT:     200 * time.Millisecond, Duration: time.Second, Overhead: 300 * time.Microsecond}
}

// spentAttempt is an attempt that told what it used and failed.
func spentAttempt() store.Attempt {
	return store.Attempt{Provider: "anthropic", Account: "first", Model: "claude", Outcome: "cut", CostNano: 12,
		Spent: &store.Spent{AccountID: "id", Tokens: store.Tokens{Input: 10}, UsageSource: store.SourceProviderPartial, MarkupNano: 2}}
}
