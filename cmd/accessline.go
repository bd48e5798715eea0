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
	var made accessLines
	return func(r *store.UsageRow) {
		if !log.Enabled(context.Background(), slog.LevelInfo) {
			return
		}
		if asJSON {
			lines.Add(func(dst []byte) []byte { return made.append(dst, r) })
			return
		}
		log.LogAttrs(context.Background(), slog.LevelInfo, "request", accessAttrs(r)...)
	}
}

func accessAttrs(r *store.UsageRow) []slog.Attr {
	return []slog.Attr{
		slog.String("id", r.RequestID), slog.String("op", r.Operation),
		slog.Int("status", r.Status), slog.String("end", r.EndReason), slog.String("key", r.KeyName), slog.String("model", r.Model),
		slog.String("provider", r.Provider), slog.String("account", r.Account), slog.Int("attempts", len(r.Attempts)),
		slog.Int64("in", r.Tokens.Prompt()), slog.Int64("out", r.Tokens.Completion()), slog.String("cost_usd", store.FormatUSD(r.CostNano)),
		slog.Duration("ttft", r.TTFT), slog.Duration("took", r.Duration), slog.Duration("overhead", r.Overhead), slog.String("error", r.Error),
	}
}

// accessLines makes lines one after the other; it keeps how the second of the last is written.
type accessLines struct {
	second  int64
	written []byte // "2006-01-02T15:04:05"
}

// append appends the line in the shape of slog's JSON lines; durations are nanoseconds.
func (a *accessLines) append(dst []byte, r *store.UsageRow) []byte {
	dst = append(dst, `{"time":"`...)
	dst = a.appendTime(dst, r.Time.Add(r.Duration))
	dst = appendText(dst, `","level":"INFO","msg":"request","id":`, r.RequestID)
	dst = appendText(dst, `,"op":`, r.Operation)
	dst = appendNumber(dst, `,"status":`, int64(r.Status))
	dst = appendText(dst, `,"end":`, r.EndReason)
	dst = appendText(dst, `,"key":`, r.KeyName)
	dst = appendText(dst, `,"model":`, r.Model)
	dst = appendText(dst, `,"provider":`, r.Provider)
	dst = appendText(dst, `,"account":`, r.Account)
	dst = appendNumber(dst, `,"attempts":`, int64(len(r.Attempts)))
	dst = appendNumber(dst, `,"in":`, r.Tokens.Prompt())
	dst = appendNumber(dst, `,"out":`, r.Tokens.Completion())
	dst = store.AppendUSD(append(dst, `,"cost_usd":"`...), r.CostNano)
	dst = appendNumber(dst, `","ttft":`, int64(r.TTFT))
	dst = appendNumber(dst, `,"took":`, int64(r.Duration))
	dst = appendNumber(dst, `,"overhead":`, int64(r.Overhead))
	dst = appendText(dst, `,"error":`, r.Error)
	return append(dst, "}\n"...)
}

// appendTime appends t in the form of time.RFC3339Nano, UTC.
func (a *accessLines) appendTime(dst []byte, t time.Time) []byte {
	if second := t.Unix(); second != a.second || a.written == nil {
		a.second = second
		a.written = t.UTC().AppendFormat(a.written[:0], "2006-01-02T15:04:05")
	}
	dst = append(dst, a.written...)
	if rest := t.Nanosecond(); rest > 0 {
		dst = append(dst, '.')
		for ; rest > 0; rest = rest % 1e8 * 10 {
			dst = append(dst, '0'+byte(rest/1e8))
		}
	}
	return append(dst, 'Z')
}

func appendText(dst []byte, before, v string) []byte {
	return wire.AppendString(append(dst, before...), v)
}

func appendNumber(dst []byte, before string, v int64) []byte {
	return strconv.AppendInt(append(dst, before...), v, 10)
}
