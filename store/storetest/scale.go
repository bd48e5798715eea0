package storetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/your-org/ai-api-gateway/store"
)

// ScaleDays are the days that the rows of Fill lie on.
const ScaleDays = 8

// Within runs do, tells how long it took and fails if that was longer than bound.
func Within(t *testing.T, what string, bound time.Duration, do func() error) {
	t.Helper()
	start := time.Now()
	if err := do(); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	took := time.Since(start)
	t.Logf("%s: %v", what, took.Round(10*time.Microsecond))
	if took > bound {
		t.Errorf("%s took %v, %v is promised", what, took, bound)
	}
}

// Fill appends rows in batches as the ledger's applier does, spread evenly over the
// ScaleDays before end: what a busy gateway of 500 keys, 60 models and 12 accounts
// leaves.
func Fill(t testing.TB, s store.Store, rows int, end time.Time) {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	step := ScaleDays * 24 * time.Hour / time.Duration(rows)
	batch := make([]store.Entry, 0, 4096)
	for i := range rows {
		e := ScaleEntry(rng, uint64(i+1), end, end.Add(-time.Duration(rows-i)*step), i)
		if batch = append(batch, e); len(batch) == cap(batch) || i == rows-1 {
			if err := s.Append(context.Background(), batch); err != nil {
				t.Fatal(err)
			}
			batch = batch[:0]
		}
	}
}

// Queries measures what people wait for in a store that Fill has filled with so many
// rows. No bound is smaller than least.
func Queries(t *testing.T, s store.Store, end time.Time, rows int, least time.Duration) {
	t.Helper()
	ctx, since := context.Background(), end.AddDate(0, 0, -7)
	within := func(what string, bound time.Duration, do func() error) {
		t.Helper()
		Within(t, what, max(bound, least), do)
	}
	for _, by := range [][]string{{"model"}, {"account", "day"}, {"key"}} {
		within(fmt.Sprintf("usage of 7 days by %v", by), 100*time.Millisecond, func() error {
			got, err := s.Totals(ctx, store.TotalsQuery{Since: since, Until: end, GroupBy: by})
			if err == nil && len(got) < 12 {
				return fmt.Errorf("%d groups", len(got))
			}
			return err
		})
	}
	if kept, ok := s.(store.Latencies); ok {
		latencies(within, kept, end)
	}
	page := func(what string, q store.UsageQuery, want int) (next string) {
		t.Helper()
		bound := 100 * time.Millisecond
		if q.RequestID != "" { // of eight characters: any day may have it
			bound = 5 * time.Second
		}
		within(what, bound, func() error {
			p, err := s.Usage(ctx, q)
			if err == nil && len(p.Rows) != want {
				return fmt.Errorf("%d rows, %d wanted", len(p.Rows), want)
			}
			next = p.Next
			return err
		})
		return next
	}
	next := page("the first page of the log", store.UsageQuery{}, 100)
	page("the page after it", store.UsageQuery{Cursor: next}, 100)
	page("the first page of one key", store.UsageQuery{KeyID: "key-0007", Limit: 20}, 20)
	page("the first page of one model", store.UsageQuery{Model: "model-07"}, 100)
	page("one request by its whole id", store.UsageQuery{RequestID: ScaleID(end, rows/2)}, 1)
	page("one request by its last 8 characters", store.UsageQuery{RequestID: ScaleID(end, rows/2)[18:]}, 1)
}

func latencies(within func(string, time.Duration, func() error), s store.Latencies, end time.Time) {
	for _, q := range []struct {
		days, least int
		by          []string
	}{{1, 12, []string{"model"}}, {1, 12, []string{"account", "quarter"}}, {7, 168, []string{"hour"}}} {
		within(fmt.Sprintf("latencies of %d days by %v", q.days, q.by), 100*time.Millisecond, func() error {
			got, err := s.Latency(context.Background(), store.LatencyQuery{Since: end.AddDate(0, 0, -q.days), Until: end, GroupBy: q.by})
			if err == nil && len(got) < q.least {
				return fmt.Errorf("%d groups", len(got))
			}
			return err
		})
	}
}

// ScaleID is the request id of the row that Fill appends as the i-th.
func ScaleID(end time.Time, i int) string {
	var e [10]byte
	for k := range 8 {
		e[9-k] = byte(uint64(i) * 0x9e3779b97f4a7c15 >> (8 * k))
	}
	var u ulid.ULID
	_ = u.SetTime(uint64(end.UnixMilli())) // in range
	_ = u.SetEntropy(e[:])                 // ten bytes
	return u.String()
}

// ScaleEntry settles the i-th request, at a time that precedes end.
func ScaleEntry(rng *rand.Rand, seq uint64, end, at time.Time, i int) store.Entry {
	key, model := fmt.Sprintf("key-%04d", rng.IntN(500)), rng.IntN(60)
	row := &store.UsageRow{
		RequestID: ScaleID(end, i), Time: at, KeyID: key, KeyName: "name of " + key, Operation: "chat", Dialect: "chat",
		Model: fmt.Sprintf("model-%02d", model), Provider: fmt.Sprintf("vendor-%d", model%6), Account: fmt.Sprintf("account-%d", model%12), AccountID: "01JD0000000000000000000000",
		UpstreamModel: fmt.Sprintf("model-%02d-2026-08-06", model), UpstreamID: "req_0123456789abcdef", Status: 200, Stream: i%2 == 0,
		EndReason: store.EndComplete, UsageSource: store.SourceProvider, CostNano: int64(1_000_000 + rng.IntN(50_000_000)),
		Tokens:       store.Tokens{Input: int64(rng.IntN(8000)), CacheRead: int64(rng.IntN(4000)), Output: int64(rng.IntN(1500)), Reasoning: int64(rng.IntN(300))},
		ReservedNano: 60_000_000, PriceVersion: "2026-11-25", PriceSource: "catalogue",
		TTFT: time.Duration(rng.IntN(900)) * time.Millisecond, Duration: time.Duration(rng.IntN(9000)) * time.Millisecond, Overhead: 120 * time.Microsecond,
	}
	row.Attempts = []store.Attempt{{Provider: row.Provider, Account: row.Account, Model: row.UpstreamModel, Status: 200, Outcome: "ok", Start: 80 * time.Microsecond, Duration: row.Duration, CostNano: row.CostNano}}
	return store.Entry{Boot: "01JD0000000000000000000001", Seq: seq, Kind: store.EntrySettle, Time: at, RequestID: row.RequestID, Row: row}
}
