package bolt

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/your-org/ai-api-gateway/store"
)

var day0 = time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)

// traffic makes n rows, every step apart, of so many keys and ten models.
func traffic(n, keys int, from time.Time, step time.Duration) []store.Entry {
	rnd := rand.New(rand.NewPCG(1, uint64(from.UnixNano())))
	entries := make([]store.Entry, n)
	models := [...]string{"gpt-4o", "gpt-4o-mini", "claude-sonnet-4-5", "claude-haiku-4-5", "gemini-2.5-pro", "deepseek-chat", "qwen-max", "kimi-k2", "glm-4.6", "demo"}
	var tail [10]byte
	for i := range entries {
		at := from.Add(time.Duration(i) * step)
		for j := range tail {
			tail[j] = byte(rnd.Uint32())
		}
		var u ulid.ULID
		_ = u.SetTime(ulid.Timestamp(at))
		_ = u.SetEntropy(tail[:])
		k, m := rnd.IntN(keys), rnd.IntN(len(models))
		id := u.String()
		row := &store.UsageRow{
			RequestID: id, Time: at, KeyID: fmt.Sprintf("k%07d", k), KeyName: fmt.Sprint("key ", k), Operation: "chat", Dialect: "openai_chat",
			Model: models[m], Provider: "openai", Account: "openai", AccountID: "01KARQ5ZQ8GJ3W9Y8M2T6V4XNC", UpstreamModel: models[m], UpstreamID: "req_0123456789abcdef",
			Status: 200, Stream: true, EndReason: store.EndComplete, UsageSource: store.SourceProvider,
			Attempts: []store.Attempt{{Provider: "openai", Account: "openai", Model: models[m], Status: 200, Outcome: "ok", Duration: time.Second, CostNano: 4_250_000}},
			Tokens:   store.Tokens{Input: 1200, CacheRead: 800, Output: 321}, CostNano: 4_250_000, ReservedNano: 50_000_000, PriceVersion: "2026-11-20", PriceSource: "catalogue",
			TTFT: 300 * time.Millisecond, Duration: 2 * time.Second, Overhead: 120 * time.Microsecond,
		}
		entries[i] = store.Entry{Boot: "01KARQ5ZQ8GJ3W9Y8M2T6V4XNB", Seq: uint64(i + 1), Kind: store.EntrySettle, Time: at, RequestID: id, Row: row}
	}
	return entries
}

// week is a store with 100,000 rows of 20 keys and 10 models over seven days.
func week(b testing.TB) *Store {
	s := open(b, b.TempDir(), Options{})
	entries := traffic(100_000, 20, day0.AddDate(0, 0, -6), 6048*time.Millisecond)
	for at := 0; at < len(entries); at += 1000 {
		if err := s.Append(context.Background(), entries[at:at+1000]); err != nil {
			b.Fatal(err)
		}
	}
	return s
}

func BenchmarkQueries(b *testing.B) {
	s := week(b)
	ctx := context.Background()
	usage := func(name string, q store.UsageQuery, want int) {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if p, err := s.Usage(ctx, q); err != nil || len(p.Rows) < want {
					b.Fatal(len(p.Rows), err)
				}
			}
		})
	}
	first, err := s.Usage(ctx, store.UsageQuery{Until: day0.AddDate(0, 0, -3)})
	if err != nil {
		b.Fatal(err)
	}
	id := first.Rows[0].RequestID
	usage("NewestPage", store.UsageQuery{}, 100)
	usage("KeyPage", store.UsageQuery{KeyID: "k0000007"}, 100)
	usage("ModelPage", store.UsageQuery{Model: "demo"}, 100)
	usage("RequestID", store.UsageQuery{RequestID: id}, 1)
	usage("RequestTail", store.UsageQuery{RequestID: id[18:]}, 1)
	usage("ScanAllOfThem", store.UsageQuery{Account: "none"}, 0)
	for _, by := range []string{"model", "key", "day", "hour"} {
		b.Run("TotalsBy_"+by, func(b *testing.B) {
			for b.Loop() {
				if got, err := s.Totals(ctx, store.TotalsQuery{GroupBy: []string{by}, Since: day0.AddDate(0, 0, -6)}); err != nil || len(got) == 0 {
					b.Fatal(len(got), err)
				}
			}
		})
	}
}
