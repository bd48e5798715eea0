package postgres

import (
	"context"
	"math/big"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/your-org/ai-api-gateway/store"
)

// rowColumns are the columns of usage_logs in the order that copyRows fills them.
var rowColumns = []string{
	"time", "ns", "boot", "seq", "request_id", "client_request_id", "api_key_id", "api_key_name", "key_group", "end_user", "operation", "dialect",
	"model", "provider", "account", "upstream_model", "status", "stream", "end_reason", "failed", "attempts",
	"prompt_tokens", "completion_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens", "usage_source", "cost_usd", "price_version",
	"ttft_ms", "duration_ms", "overhead_us", "error", "summed_as", "record",
}

// copyRows writes the rows of the batch and counts them.
func (b *batch) copyRows(ctx context.Context, tx pgx.Tx) error {
	values := make([]any, len(rowColumns))
	_, err := tx.CopyFrom(ctx, pgx.Identifier{"usage_logs"}, rowColumns, pgx.CopyFromSlice(len(b.rows), func(i int) ([]any, error) {
		b.values(values, b.rows[i])
		return values, nil
	}))
	return err
}

// values fills dst with the columns of the row of e and counts it.
func (b *batch) values(dst []any, e *store.Entry) {
	r, t := e.Row, e.RowTime()
	if !t.Equal(r.Time) {
		copied := *r
		copied.Time = t
		r = &copied
	}
	sum := b.seriesOf(r)
	of := b.dict.textsOf(sum)
	key, model, provider, account, ended, group := of[0], of[1], of[2], of[3], of[4], of[5]
	asked := text(r.Model)
	var as *string
	if model != asked {
		as = &model
	}
	r.Shares(func(x store.Share) { b.add(slotOf(t), b.dict.at(sum, x.Provider, x.Account), &x.Sum) })
	if b.s.known.boots[e.Boot].timed {
		b.observe(slotOf(t), sum, r)
	}
	named := text(r.KeyName)
	if key != "" {
		b.names[key] = named
	}
	micro := t.Truncate(time.Microsecond)
	n := 0
	put := func(vs ...any) { n += copy(dst[n:], vs) }
	put(micro, int16(t.Sub(micro)), b.s.known.boots[e.Boot].num, int64(e.Seq), text(r.RequestID), text(r.ClientRequestID), key, named, group,
		text(r.EndUser), text(r.Operation), text(r.Dialect), asked, provider, account, text(r.UpstreamModel))
	put(int32(r.Status), r.Stream, ended, r.Failed(), int16(min(len(r.Attempts), store.MaxAttempts)))
	u := &r.Tokens
	put(u.Prompt(), u.Completion(), u.CacheRead, u.CacheWrite5m+u.CacheWrite1h, u.Reasoning, text(r.UsageSource), usd(r.CostNano), text(r.PriceVersion))
	put(float64(r.TTFT)/1e6, float64(r.Duration)/1e6, r.Overhead.Microseconds(), text(r.Error), as, store.AppendRow(nil, r))
	if n != len(rowColumns) {
		panic("BUG: a row has another number of columns than its table")
	}
}

// usd is nano-USD as a number of dollars with nine decimals.
func usd(nano int64) pgtype.Numeric {
	return pgtype.Numeric{Int: big.NewInt(nano), Exp: -9, Valid: true}
}
