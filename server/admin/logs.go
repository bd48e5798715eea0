package admin

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/your-org/ai-api-gateway/server/api"
	"github.com/your-org/ai-api-gateway/store"
)

// logs answers one page of usage rows, newest first.
func (a *Admin) logs(c *Call) error {
	get, err := c.params("limit", "cursor", "key", "model", "provider", "account", "status", "end_reason", "since", "until", "last",
		"operation", "group", "end_user", "stream", "min_duration_ms", "q")
	if err != nil {
		return err
	}
	q := store.UsageQuery{KeyID: get("key"), Model: get("model"), Provider: get("provider"), Account: get("account"),
		Status: get("status"), EndReason: get("end_reason"), Cursor: get("cursor")}
	if q.Limit, err = limitOf(get("limit")); err != nil {
		return err
	}
	if q.Since, err = moment("since", get("since")); err != nil {
		return err
	}
	if q.Until, err = moment("until", get("until")); err != nil {
		return err
	}
	if last := get("last"); last != "" {
		d, ok := span(last)
		if !ok || !q.Since.IsZero() {
			return invalid("last", "must be a length of time such as 1h, and excludes since")
		}
		q.Since = c.Now.Add(-d).UTC()
	}
	if !q.Since.IsZero() && !q.Until.IsZero() && q.Since.After(q.Until) {
		return invalid("since", "is after until")
	}
	if !statusFilter(q.Status) {
		return invalid("status", "must be a status such as 200, a class such as 4xx, or error; not %q", clip(q.Status))
	}
	q.Operation, q.Group, q.EndUser, q.Text = get("operation"), get("group"), get("end_user"), get("q")
	if s := get("stream"); s != "" {
		stream, err := truth("stream", s)
		if err != nil {
			return err
		}
		q.Stream = &stream
	}
	if s := get("min_duration_ms"); s != "" {
		ms, err := strconv.ParseUint(s, 10, 32)
		if err != nil {
			return invalid("min_duration_ms", "must be a whole number of milliseconds, not %q", clip(s))
		}
		q.MinDuration = time.Duration(ms) * time.Millisecond
	}
	ctx, cancel := bounded()
	defer cancel()
	if err := a.d.Sync(ctx); err != nil {
		return err
	}
	page, err := a.d.Store.Usage(ctx, q)
	if err != nil {
		return err
	}
	reply := api.LogsReply{Data: make([]api.LogRow, 0, len(page.Rows)), NextCursor: page.Next, Partial: page.Partial}
	if page.Partial {
		reply.LookedTo = &page.LookedTo
	}
	for i := range page.Rows {
		reply.Data = append(reply.Data, LogView(&page.Rows[i]))
	}
	return c.answer(200, reply)
}

func statusFilter(s string) bool {
	if s == "" || s == "error" {
		return true
	}
	return len(s) == 3 && s[0] >= '1' && s[0] <= '5' && (s[1:] == "xx" || strings.Trim(s[1:], "0123456789") == "")
}

// showLog answers the row of one request: by its whole id or the last 8 characters.
func (a *Admin) showLog(c *Call) error {
	row, err := a.logRow(c)
	if err != nil {
		return err
	}
	reply := api.LogReply{LogRow: LogView(row), Trace: trace(row)}
	reply.CostLines, reply.CostNote = a.why(row)
	return c.answer(200, reply)
}

// logRow finds the row that the call names.
func (a *Admin) logRow(c *Call) (*store.UsageRow, error) {
	id := strings.ToUpper(c.Params["request_id"])
	const whole, tail = 26, 8 // of a ULID
	if len(id) != whole && len(id) != tail || strings.Trim(id, "0123456789ABCDEFGHJKMNPQRSTVWXYZ") != "" {
		return nil, &api.Error{Status: 400, Code: "invalid_value", Param: "request_id", Message: "a request id has 26 characters; its last 8 will do. `ai-gateway logs` lists requests"}
	}
	ctx, cancel := bounded()
	defer cancel()
	if err := a.d.Sync(ctx); err != nil {
		return nil, err
	}
	page, err := a.d.Store.Usage(ctx, store.UsageQuery{RequestID: id, Limit: 10})
	if err != nil {
		return nil, err
	}
	switch len(page.Rows) {
	case 0:
		return nil, notFound("request", id, "ai-gateway logs")
	case 1:
		return &page.Rows[0], nil
	}
	var ids []string
	for _, r := range page.Rows {
		ids = append(ids, r.RequestID)
	}
	return nil, conflict("ambiguous_id", "several requests end in %s: %s", id, strings.Join(ids, ", "))
}

var flagWords = []struct {
	flag uint32
	word string
}{
	{store.FlagClamped, "clamped"}, {store.FlagSaturated, "saturated"}, {store.FlagPossibleDuplicate, "possible_duplicate"},
	{store.FlagCrashRecovered, "crash_recovered"}, {store.FlagUnknownPrice, "unknown_price"},
	{store.FlagResolved, "resolved"},
}

// LogView is a row as the API shows it.
func LogView(r *store.UsageRow) api.LogRow {
	v := api.LogRow{
		RequestID: r.RequestID, ClientRequestID: r.ClientRequestID, Time: r.Time.UTC(), KeyID: r.KeyID, KeyName: r.KeyName, Group: r.Group,
		EndUser: r.EndUser, Operation: r.Operation, Dialect: r.Dialect, Model: r.Model, Provider: r.Provider, Account: r.Account,
		UpstreamModel: r.UpstreamModel, UpstreamRequestID: r.UpstreamID, Status: r.Status, Stream: r.Stream, EndReason: r.EndReason,
		Attempts: make([]api.Attempt, 0, len(r.Attempts)), PromptTokens: r.Tokens.Prompt(), CompletionTokens: r.Tokens.Completion(),
		CacheReadTokens: r.Tokens.CacheRead, CacheWriteTokens: r.Tokens.CacheWrite5m + r.Tokens.CacheWrite1h, ReasoningTokens: r.Tokens.Reasoning, Units: unitsOf(&r.Tokens),
		UsageSource: r.UsageSource, CostUSD: api.USD(r.CostNano), ChargedUSD: api.USD(store.AddNano(r.CostNano, r.MarkupNano)),
		UnconfirmedUSD: api.USD(r.Unconfirmed()), UnconfirmedTokens: r.UnconfirmedTokens, AdjustedUSD: api.USD(r.AdjustedNano), ReservedUSD: api.USD(r.ReservedNano), PriceVersion: r.PriceVersion,
		PriceSource: r.PriceSource, DurationMs: millis(r.Duration), OverheadUs: r.Overhead.Microseconds(), Error: r.Error, Metadata: r.Metadata, Node: r.Node,
	}
	if r.TTFT > 0 {
		ms := millis(r.TTFT)
		v.TTFTMs = &ms
	}
	for _, t := range r.Attempts {
		v.Attempts = append(v.Attempts, api.Attempt{Provider: t.Provider, Account: t.Account, Model: t.Model, Status: t.Status, Outcome: t.Outcome,
			StartMs: millis(t.Start), DurationMs: millis(t.Duration), Error: t.Error})
	}
	r.Shares(func(s store.Share) {
		n := s.Attempt
		if n == 0 { // the row is of its last attempt
			n = len(v.Attempts)
		}
		if n == 0 || s.Attempt == 0 && (r.Attempts[n-1].Spent != nil || s.UsageSource == store.SourceNone && s.Sum.CostNano == 0) {
			return // no attempt was made there
		}
		at, t := &v.Attempts[n-1], &s.Sum.Tokens
		at.CostUSD, at.UsageSource, at.PriceVersion, at.PriceSource = api.USD(s.Sum.CostNano), s.UsageSource, s.PriceVersion, s.PriceSource
		at.PromptTokens, at.CompletionTokens, at.CacheReadTokens, at.CacheWriteTokens, at.ReasoningTokens = t.Prompt(), t.Completion(), t.CacheRead, t.CacheWrite5m+t.CacheWrite1h, t.Reasoning
	})
	for _, f := range flagWords {
		if r.Flags&f.flag != 0 {
			v.Flags = append(v.Flags, f.word)
		}
	}
	return v
}

// millis returns d in milliseconds, to the microsecond.
func millis(d time.Duration) float64 { return math.Round(float64(d)/float64(time.Microsecond)) / 1000 }

// trace tells in words what happened on the way of a request.
func trace(r *store.UsageRow) []string {
	asked := fmt.Sprintf("asked for %s of model %q by key %q", r.Operation, r.Model, r.KeyName)
	if r.Model == "" { // refused before it was read
		asked = fmt.Sprintf("asked for %s by key %q", r.Operation, r.KeyName)
	}
	out := append([]string{asked}, r.Trace...)
	for i, t := range r.Attempts {
		line := fmt.Sprintf("attempt %d at %.1f ms: %s, account %q, model %q: %s", i+1, millis(t.Start), t.Provider, t.Account, t.Model, t.Outcome)
		if t.Status != 0 {
			line += fmt.Sprintf(" (HTTP %d)", t.Status)
		}
		line += fmt.Sprintf(" after %.1f ms", millis(t.Duration))
		if t.Error != "" {
			line += ": " + t.Error
		}
		if s := t.Spent; s != nil {
			line += fmt.Sprintf("; it told of %d tokens in, %d out (%s), %s USD", s.Tokens.Prompt(), s.Tokens.Completion(), s.UsageSource, api.USD(t.Cost()))
		}
		out = append(out, line)
	}
	end := fmt.Sprintf("answered HTTP %d after %.1f ms: %s; %d tokens in, %d out (%s), %s USD", r.Status, millis(r.Duration), r.EndReason,
		r.Tokens.Prompt(), r.Tokens.Completion(), r.UsageSource, api.USD(r.CostNano))
	if r.Error != "" {
		end += ": " + r.Error
	}
	return append(out, end)
}
