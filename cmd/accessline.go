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

// accessLines makes lines one after the other; it keeps how the second of the last is
// written, and what most lines share with the one before.
type accessLines struct {
	second                                          int64
	written                                         []byte // "2006-01-02T15:04:05"
	op, end, key, model, provider, account, problem writtenText
}

// append appends the line in the shape of slog's JSON lines; durations are nanoseconds.
func (a *accessLines) append(dst []byte, r *store.UsageRow) []byte {
	dst = append(dst, `{"time":"`...)
	dst = a.appendTime(dst, r.Time.Add(r.Duration))
	dst = wire.AppendString(append(dst, `","level":"INFO","msg":"request","id":`...), r.RequestID)
	dst = a.op.append(dst, `,"op":`, r.Operation)
	dst = appendNumber(dst, `,"status":`, int64(r.Status))
	dst = a.end.append(dst, `,"end":`, r.EndReason)
	dst = a.key.append(dst, `,"key":`, r.KeyName)
	dst = a.model.append(dst, `,"model":`, r.Model)
	dst = a.provider.append(dst, `,"provider":`, r.Provider)
	dst = a.account.append(dst, `,"account":`, r.Account)
	dst = appendNumber(dst, `,"attempts":`, int64(len(r.Attempts)))
	dst = appendNumber(dst, `,"in":`, r.Tokens.Prompt())
	dst = appendNumber(dst, `,"out":`, r.Tokens.Completion())
	dst = store.AppendUSD(append(dst, `,"cost_usd":"`...), r.CostNano)
	dst = appendNumber(dst, `","ttft":`, int64(r.TTFT))
	dst = appendNumber(dst, `,"took":`, int64(r.Duration))
	dst = appendNumber(dst, `,"overhead":`, int64(r.Overhead))
	dst = a.problem.append(dst, `,"error":`, r.Error)
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

// A writtenText is a member of a line and how it is written.
type writtenText struct {
	text string
	made []byte
}

func (w *writtenText) append(dst []byte, before, v string) []byte {
	if v != w.text || w.made == nil {
		w.text, w.made = v, wire.AppendString(append(w.made[:0], before...), v)
	}
	return append(dst, w.made...)
}

func appendNumber(dst []byte, before string, v int64) []byte {
	return strconv.AppendInt(append(dst, before...), v, 10)
}
