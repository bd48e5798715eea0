//go:build unix

package postgres

import (
	"fmt"
	"testing"
	"time"

	"github.com/your-org/ai-api-gateway/store"
)

// BenchmarkAppend measures the ingest of batches as the ledger brings them: rows of
// 200 keys and 20 models over an hour. It tells rows a second.
func BenchmarkAppend(b *testing.B) {
	const each = 4096
	s := open(b, shared.Database(b), Options{})
	start := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	seq := uint64(0)
	for b.Loop() {
		entries := make([]store.Entry, each)
		for i := range entries {
			seq++
			at := start.Add(time.Duration(seq) * 97 * time.Microsecond)
			row := &store.UsageRow{
				RequestID: fmt.Sprintf("01JD%022d", seq*7919), Time: at, KeyID: fmt.Sprint("key", seq%200), KeyName: "a key", Operation: "chat", Dialect: "openai_chat",
				Model: fmt.Sprint("model-", seq%20), Provider: "openai", Account: "main", AccountID: "01JDACCOUNT", UpstreamModel: "gpt-4o-2024-11-20", Status: 200, Stream: true,
				EndReason: store.EndComplete, UsageSource: store.SourceProvider, CostNano: 1_234_567, PriceVersion: "2026-11-01", Tokens: store.Tokens{Input: 1200, Output: 300, CacheRead: 800},
				TTFT: 300 * time.Millisecond, Duration: 3 * time.Second, Overhead: 200 * time.Microsecond,
				Attempts: []store.Attempt{{Provider: "openai", Account: "main", Model: "gpt-4o-2024-11-20", Status: 200, Outcome: "ok", Duration: 3 * time.Second, CostNano: 1_234_567}},
			}
			entries[i] = store.Entry{Boot: "01JD0000000000000000000000", Seq: seq, Kind: store.EntrySettle, Time: at, RequestID: row.RequestID, Row: row}
		}
		if err := s.Append(b.Context(), entries); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(seq)/b.Elapsed().Seconds(), "rows/s")
}
