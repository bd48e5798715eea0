//go:build unix

package postgres

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/your-org/ai-api-gateway/store/postgres/postgrestest"
	"github.com/your-org/ai-api-gateway/store/storetest"
)

// TestScale fills a database with many rows and measures what people wait for, as
// bolt's does. The long form has ten million on a server that syncs its log, as
// servers do; its bounds are those that are promised.
func TestScale(t *testing.T) {
	rows, most := 20_000, 10*time.Second // the short form only shows that it works
	server := shared
	if os.Getenv("AI_GATEWAY_LONG") != "" {
		rows, most = 10_000_000, 0
		server = postgrestest.Start(t, "fsync = on", "full_page_writes = on", "wal_compression = lz4", "shared_buffers = 1GB", "max_wal_size = 8GB")
	}
	s := open(t, server.Database(t), Options{})
	ctx, end := context.Background(), time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	start := time.Now()
	storetest.Fill(t, s, rows, end)
	took := time.Since(start)
	rate, size := float64(rows)/took.Seconds(), s.Size().Bytes
	t.Logf("%d rows in %v: %.0f rows a second, %.1f MB, %.0f bytes a row", rows, took.Round(time.Millisecond), rate, float64(size)/1e6, float64(size)/float64(rows))
	if most == 0 && rate < 20_000 {
		t.Errorf("%.0f rows a second, 20,000 are promised", rate)
	}
	storetest.Queries(t, s, end, rows, most)
	storetest.Within(t, "retention of a day", max(time.Second, most), func() error {
		n, err := s.Retain(ctx, time.Date(2026, 11, 19, 0, 0, 0, 0, time.UTC))
		if err == nil && n == 0 {
			t.Error("no day was removed")
		}
		return err
	})
	storetest.Within(t, "the proof of the ledger", max(15*time.Minute, most), func() error {
		v, err := s.Verify(ctx)
		if err == nil && v.Fault != "" {
			t.Errorf("%+v", v)
		}
		return err
	})
}
