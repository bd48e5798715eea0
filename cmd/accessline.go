package cmd

import (
	"context"
	"log/slog"
	"strconv"
	"time"

	"github.com/your-org/ai-api-gateway/providers/wire"
	"github.com/your-org/ai-api-gateway/server/telemetry"
	"github.com/your-org/ai-api-gateway/store"
)

// accessLine returns what writes one line for each settled request: no prompt, no
// secret. In JSON it is made by hand, for it costs each request.
func accessLine(log *slog.Logger, lines *telemetry.Lines, asJSON bool) func(*store.UsageRow) {
	return func(r *store.UsageRow) {
		if !log.Enabled(context.Background(), slog.LevelInfo) {
			return
		}
		if asJSON {
			lines.Add(func(dst []byte) []byte { return appendAccess(dst, r) })
			return
		}
		log.LogAttrs(context.Background(), slog.LevelInfo, "request", slog.String("id", r.RequestID), slog.String("op", r.Operation),
			slog.Int("status", r.Status), slog.String("end", r.EndReason), slog.String("key", r.KeyName), slog.String("model", r.Model),
			slog.String("provider", r.Provider), slog.String("account", r.Account), slog.Int("attempts", len(r.Attempts)),
			slog.Int64("in", r.Tokens.Prompt()), slog.Int64("out", r.Tokens.Completion()), slog.String("cost_usd", store.FormatUSD(r.CostNano)),
			slog.Duration("ttft", r.TTFT), slog.Duration("took", r.Duration), slog.Duration("overhead", r.Overhead), slog.String("error", r.Error))
	}
}

// appendAccess appends the line in the shape of slog's JSON lines; durations are nanoseconds.
func appendAccess(dst []byte, r *store.UsageRow) []byte {
	text := func(name, v string) {
		dst = append(append(append(dst, `,"`...), name...), `":`...)
		dst = wire.AppendString(dst, v)
	}
	number := func(name string, v int64) {
		dst = append(append(append(dst, `,"`...), name...), `":`...)
		dst = strconv.AppendInt(dst, v, 10)
	}
	dst = append(dst, `{"time":"`...)
	dst = r.Time.Add(r.Duration).UTC().AppendFormat(dst, time.RFC3339Nano)
	dst = append(dst, `","level":"INFO","msg":"request"`...)
	text("id", r.RequestID)
	text("op", r.Operation)
	number("status", int64(r.Status))
	text("end", r.EndReason)
	text("key", r.KeyName)
	text("model", r.Model)
	text("provider", r.Provider)
	text("account", r.Account)
	number("attempts", int64(len(r.Attempts)))
	number("in", r.Tokens.Prompt())
	number("out", r.Tokens.Completion())
	dst = append(dst, `,"cost_usd":"`...)
	dst = store.AppendUSD(dst, r.CostNano)
	dst = append(dst, '"')
	number("ttft", int64(r.TTFT))
	number("took", int64(r.Duration))
	number("overhead", int64(r.Overhead))
	text("error", r.Error)
	return append(dst, "}\n"...)
}
