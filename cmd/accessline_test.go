package cmd

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"testing"
	"time"

	"github.com/your-org/ai-api-gateway/store"
)

func accessRow() *store.UsageRow {
	return &store.UsageRow{
		RequestID: "01KARQ5ZQ8GJ3W9Y8M2T6V4XNC", Time: time.Date(2026, 11, 23, 10, 0, 0, 123456789, time.UTC), KeyName: "bench",
		Operation: "chat", Model: "gpt-4o", Provider: "openai", Account: "openai-2", Status: 200, EndReason: store.EndComplete, CostNano: 4_250_000,
		Tokens: store.Tokens{Input: 1200, Output: 340}, Attempts: make([]store.Attempt, 1),
		TTFT: 200 * time.Millisecond, Duration: 1234567890, Overhead: 300 * time.Microsecond,
	}
}

// TestAccessLine: a line made by hand says what slog's own would, whatever its texts are.
func TestAccessLine(t *testing.T) {
	var line accessLines
	for i, name := range []string{"", "bench", `a "name"`, "日本", "eight ch", "long enough to be looked at in pieces \\", "tab\tend", "bad\xffbyte", "\x00", "\x7f", "<&>", "line\u2028", "line\u2028", "", "bench", "bench"} {
		r := accessRow()
		r.KeyName = name
		r.Operation, r.EndReason, r.Model, r.Provider, r.Account = "o"+name, "e"+name, "m"+name, "p"+name, "a"+name
		r.Time = r.Time.Add(time.Duration(i) * 333333300 * time.Nanosecond)
		r.Error, r.CostNano = name, int64(i)*100_000_007
		var slogs bytes.Buffer
		record := slog.NewRecord(r.Time.Add(r.Duration).UTC(), slog.LevelInfo, "request", 0)
		record.AddAttrs(accessAttrs(r)...)
		if err := slog.NewJSONHandler(&slogs, nil).Handle(context.Background(), record); err != nil {
			t.Fatal(err)
		}
		var got, want map[string]any
		made := line.append(nil, r)
		if err := json.Unmarshal(made, &got); err != nil {
			t.Fatalf("%s: %v", made, err)
		}
		if err := json.Unmarshal(slogs.Bytes(), &want); err != nil {
			t.Fatal(err)
		}
		if !maps.Equal(got, want) || made[len(made)-1] != '\n' {
			t.Errorf("got  %swant %s", made, slogs.Bytes())
		}
	}
}

// TestAccessTime: the second that is kept is not taken for another.
func TestAccessTime(t *testing.T) {
	var line accessLines
	for _, at := range []time.Time{
		time.Date(2026, 11, 23, 23, 59, 59, 999999999, time.UTC), time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC), time.Date(2026, 11, 24, 0, 0, 0, 100, time.UTC),
		time.Date(2026, 11, 23, 23, 59, 59, 10, time.FixedZone("", 3600)), time.Date(1969, 12, 31, 23, 59, 59, 500_000_000, time.UTC), time.Unix(0, 0), {},
	} {
		if got, want := string(line.appendTime(nil, at)), at.UTC().Format(time.RFC3339Nano); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func BenchmarkAccessLine(b *testing.B) {
	r := accessRow()
	var line accessLines
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = line.append(buf[:0], r)
	}
}
