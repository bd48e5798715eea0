package admin

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/your-org/ai-api-gateway/server/api"
	"github.com/your-org/ai-api-gateway/store"
)

// use puts a usage row of a key into the store; seq is also the end of its request id.
func (h *harness) use(seq uint64, keyID string, at time.Time, change func(*store.UsageRow)) string {
	h.t.Helper()
	id := fmt.Sprintf("01KAJJ%020d", seq)
	r := &store.UsageRow{
		RequestID: id, Time: at, KeyID: keyID, KeyName: "name of " + keyID, Operation: "chat", Dialect: "chat", Model: "gpt-4", Provider: "openai", Account: "spare", UpstreamModel: "gpt-4-0613",
		Status: 200, EndReason: store.EndComplete, Tokens: store.Tokens{Input: 10, CacheRead: 5, CacheWrite5m: 1, CacheWrite1h: 2, Output: 4, Reasoning: 3},
		UsageSource: store.SourceProvider, CostNano: 1_500_000_001, Duration: 1500 * time.Millisecond, TTFT: 250 * time.Microsecond, Overhead: 90 * time.Microsecond, PriceSource: "catalogue",
		Attempts: []store.Attempt{
			{Provider: "openai", Account: "first", Model: "gpt-4", Status: 429, Outcome: "http_error", Duration: 12 * time.Millisecond, Error: "slow down"},
			{Provider: "openai", Account: "spare", Model: "gpt-4-0613", Status: 200, Outcome: "ok", Start: 20 * time.Millisecond, Duration: time.Second, CostNano: 1_500_000_001}},
	}
	if change != nil {
		change(r)
	}
	if err := h.store.Append(context.Background(), []store.Entry{{Boot: "01KAJJ0000000000000000B00T", Seq: seq, Kind: store.EntrySettle, Time: at, RequestID: id, Row: r}}); err != nil {
		h.t.Fatal(err)
	}
	return id
}

func TestUsage(t *testing.T) {
	h := newHarness(t)
	mine, other := &store.Key{Name: "mine"}, &store.Key{Name: "other"}
	key := h.mint(mine)
	h.mint(other)
	h.use(1, mine.ID, noon.Add(-time.Hour), nil)
	h.use(2, mine.ID, noon.Add(-20*time.Hour), func(r *store.UsageRow) { r.Model = "claude"; r.CostNano = 1 }) // 2026-11-19 16:00 UTC
	h.use(3, other.ID, noon.Add(-time.Minute), func(r *store.UsageRow) {
		r.Status, r.EndReason, r.UsageSource = 502, store.EndError, store.SourceEstimated
	})
	ctx, c := context.Background(), h.client(h.admin)

	got := must[*api.UsageReply](t)(c.Usage(ctx, api.UsageAsk{Last: "7d", GroupBy: []string{"key"}}))
	one := api.UsageSums{Requests: 1, Errors: 1, Estimated: 1, PromptTokens: 18, CompletionTokens: 7, CacheReadTokens: 5, CacheWriteTokens: 3, ReasoningTokens: 3, CostUSD: 1_500_000_001, ChargedUSD: 1_500_000_001, DurationMs: 1500}
	two := api.UsageSums{Requests: 2, PromptTokens: 36, CompletionTokens: 14, CacheReadTokens: 10, CacheWriteTokens: 6, ReasoningTokens: 6, CostUSD: 1_500_000_002, ChargedUSD: 1_500_000_002, DurationMs: 3000}
	want := []api.UsageGroup{{Group: map[string]string{"key": mine.ID}, KeyName: "name of " + mine.ID, UsageSums: two}, {Group: map[string]string{"key": other.ID}, KeyName: "name of " + other.ID, UsageSums: one}}
	if !reflect.DeepEqual(got.Data, want) || got.Total.Requests != 3 || got.Total.CostUSD != 3_000_000_003 {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if _, body := h.call(h.admin, "GET", "/v1/admin/usage?last=7d", ""); !strings.Contains(body, `"cost_usd":3.000000003,`) || !strings.Contains(body, `"data":[]`) {
		t.Errorf("money is not exact: %s", body)
	}
	if h.synced.Load() == 0 {
		t.Error("usage was read without waiting for the ledger")
	}
	requests := func(want int64, a api.UsageAsk) {
		t.Helper()
		if got := must[*api.UsageReply](t)(c.Usage(ctx, a)); got.Total.Requests != want {
			t.Errorf("%+v: %d requests from %s to %s, want %d", a, got.Total.Requests, got.Since, got.Until, want)
		}
	}
	requests(3, api.UsageAsk{})
	requests(3, api.UsageAsk{StartDate: "2025-11-01"})
	requests(3, api.UsageAsk{StartDate: "2000-01-01"})
	requests(2, api.UsageAsk{StartDate: "2026-11-20"})
	requests(1, api.UsageAsk{StartDate: "2026-11-19", EndDate: "2026-11-19"})
	requests(3, api.UsageAsk{StartDate: "2026-11-20", EndDate: "2026-11-20", Zone: "Asia/Shanghai"}) // there 16:00 UTC was midnight
	requests(0, api.UsageAsk{StartDate: "2026-12-24"})
	requests(1, api.UsageAsk{Key: other.ID})
	requests(1, api.UsageAsk{Model: "claude"})
	requests(2, api.UsageAsk{Last: "2h"})
	days := must[*api.UsageReply](t)(c.Usage(ctx, api.UsageAsk{GroupBy: []string{"day", "model"}}))
	if len(days.Data) != 2 || days.Data[0].Group["day"] != "2026-11-19" || days.Data[1].Group["model"] != "gpt-4" {
		t.Errorf("got %+v", days.Data)
	}

	own := must[*api.UsageReply](t)(h.client(key).Usage(ctx, api.UsageAsk{GroupBy: []string{"key"}}))
	if own.Key != mine.ID || len(own.Data) != 1 || own.Total.Requests != 2 {
		t.Errorf("a plain key sees %+v", own)
	}
	h.refused(key, "GET", "/v1/admin/usage?key="+other.ID, "", 403, "missing_scope", "")
	if self := must[*api.KeySelf](t)(h.client(key).Self(ctx)); self.Used.Requests != 2 {
		t.Errorf("GET /v1/key: %+v", self.Used)
	}
	if err := c.DeleteKey(ctx, mine.ID); err != nil { // its usage stays
		t.Fatal(err)
	}
	requests(2, api.UsageAsk{Key: mine.ID})

	bad := func(query, param string) {
		t.Helper()
		h.refused(h.admin, "GET", "/v1/admin/usage?"+query, "", 400, "invalid_value", param)
	}
	bad("start_date=yesterday", "start_date")
	bad("start_date=2026-02-30", "start_date")
	bad("end_date=20261101", "end_date")
	bad("start_date=2026-11-02&end_date=2026-11-01", "start_date")
	bad("start_date=2010-01-01&end_date=2026-11-01", "start_date")
	bad("last=soon", "last")
	bad("last=0d", "last")
	bad("last=7d&start_date=2026-11-01", "last")
	bad("group_by=model,colour", "group_by")
	bad("group_by=hour&last=90d", "group_by")
	bad("tz=Mars/Olympus", "tz")
	bad("tz=Local", "tz")
	bad("tz=../../etc/passwd", "tz")
}

func TestLogs(t *testing.T) {
	h := newHarness(t)
	h.use(1, "k1", noon.Add(-2*time.Hour), nil)
	h.use(100000001, "k1", noon.Add(-time.Hour), func(r *store.UsageRow) { r.TTFT, r.Flags = 0, store.FlagClamped|store.FlagUnknownPrice })
	id := h.use(100000002, "k2", noon.Add(-time.Minute), func(r *store.UsageRow) { r.Status, r.EndReason, r.Error = 502, store.EndError, "upstream_error: gone" })
	ctx, c := context.Background(), h.client(h.admin)
	count := func(want int, a api.LogsAsk) {
		t.Helper()
		if got := must[*api.LogsReply](t)(c.Logs(ctx, a)); len(got.Data) != want {
			t.Errorf("%+v: %d rows, want %d", a, len(got.Data), want)
		}
	}
	count(3, api.LogsAsk{})
	count(2, api.LogsAsk{Key: "k1"})
	count(1, api.LogsAsk{Status: "5xx"})
	count(1, api.LogsAsk{Status: "error"})
	count(2, api.LogsAsk{Last: "90m"})
	count(1, api.LogsAsk{Since: noon.Add(-3 * time.Hour), Until: noon.Add(-90 * time.Minute)})
	first := must[*api.LogsReply](t)(c.Logs(ctx, api.LogsAsk{Limit: 2}))
	rest := must[*api.LogsReply](t)(c.Logs(ctx, api.LogsAsk{Limit: 2, Cursor: first.NextCursor}))
	if first.Data[0].RequestID != id || len(rest.Data) != 1 || rest.NextCursor != "" {
		t.Errorf("pages: %+v, %+v", first, rest)
	}
	if r := first.Data[1]; r.TTFTMs != nil || !reflect.DeepEqual(r.Flags, []string{"clamped", "unknown_price"}) {
		t.Errorf("got %+v", r)
	}
	if r := rest.Data[0]; r.TTFTMs == nil || *r.TTFTMs != 0.25 || r.DurationMs != 1500 || r.OverheadUs != 90 || r.PromptTokens != 18 || r.CostUSD != 1_500_000_001 || len(r.Attempts) != 2 || r.Attempts[1].StartMs != 20 {
		t.Errorf("got %+v", r)
	}
	one := must[*api.LogReply](t)(c.Log(ctx, strings.ToLower(id)))
	if one.RequestID != id || len(one.Trace) != 4 || !strings.Contains(one.Trace[1], "HTTP 429") || !strings.Contains(one.Trace[3], "upstream_error: gone") {
		t.Errorf("got %+v", one)
	}
	if one = must[*api.LogReply](t)(c.Log(ctx, "00000002")); one.RequestID != id {
		t.Errorf("by its tail: %+v", one)
	}
	const logs = "/v1/admin/usage/logs"
	if text := h.refused(h.admin, "GET", logs+"/00000001", "", 409, "ambiguous_id", ""); !strings.Contains(text, "01KAJJ00000000000000000001") && strings.Count(text, "01KAJJ") != 2 {
		t.Errorf("the matches are not listed: %s", text)
	}
	h.refused(h.admin, "GET", logs+"/99999999", "", 404, "not_found", "")
	h.refused(h.admin, "GET", logs+"/x", "", 400, "invalid_value", "request_id")
	h.refused(h.admin, "GET", logs+"?status=ok", "", 400, "invalid_value", "status")
	h.refused(h.admin, "GET", logs+"?since=today", "", 400, "invalid_value", "since")
	h.refused(h.admin, "GET", logs+"?cursor=!!!", "", 400, "invalid_query", "")
	plain := h.mint(&store.Key{Name: "plain"})
	for _, path := range []string{logs, logs + "/" + id, "/v1/admin/audit", "/v1/admin/api-keys", "/v1/admin/config", "/v1/admin/explain?model=x"} {
		if status, body := h.call(plain, "GET", path, ""); status != 403 {
			t.Errorf("a plain key gets %s: %d %s", path, status, body)
		}
	}
}

func TestAudit(t *testing.T) {
	h := newHarness(t)
	ctx, c := context.Background(), h.client(h.admin)
	k := must[*api.KeyCreated](t)(c.CreateKey(ctx, api.KeyCreate{Name: "a"}))
	must[*api.KeyCreated](t)(c.RotateKey(ctx, k.ID, "1h"))
	must[*api.Key](t)(c.RevokeKey(ctx, k.ID))
	if err := h.client("local").DeleteKey(ctx, k.ID); err != nil {
		t.Fatal(err)
	}
	got := must[*api.AuditReply](t)(c.Audit(ctx, api.AuditAsk{Page: api.Page{Limit: 3}}))
	var actions []string
	for _, r := range got.Data {
		actions = append(actions, r.Action)
		if r.Object != k.ID || r.IP == "" || strings.Contains(string(r.Before)+string(r.After), "hash") || strings.Contains(string(r.Before)+string(r.After), k.Secret) {
			t.Errorf("got %+v: %s → %s", r, r.Before, r.After)
		}
	}
	if !reflect.DeepEqual(actions, []string{"api_key.delete", "api_key.revoke", "api_key.rotate"}) || got.Data[0].Actor != "local" || got.Data[1].Actor != h.d.Keys.ByName("root")[0].ID || got.Data[0].After != nil {
		t.Errorf("got %v, %+v", actions, got.Data)
	}
	rest := must[*api.AuditReply](t)(c.Audit(ctx, api.AuditAsk{Page: api.Page{Cursor: got.NextCursor}}))
	if len(rest.Data) != 1 || rest.Data[0].Action != "api_key.create" || rest.Data[0].Before != nil || rest.NextCursor != "" {
		t.Errorf("got %+v", rest)
	}
}

// Groups that callers make up come from rows, bounded.
// TestTooManyGroups: what would be too much says what to ask for instead.
func TestTooManyGroups(t *testing.T) {
	h := newHarness(t)
	var entries []store.Entry
	for i := range 101 {
		for j := range 100 {
			r := &store.UsageRow{RequestID: fmt.Sprint(i, "-", j), Time: noon.Add(-time.Minute), KeyID: fmt.Sprint("key", i), Model: fmt.Sprint("model", j), Status: 200, EndReason: store.EndComplete}
			entries = append(entries, store.Entry{Boot: "B", Seq: uint64(len(entries) + 1), Kind: store.EntrySettle, Time: r.Time, RequestID: r.RequestID, Row: r})
		}
	}
	if err := h.store.Append(context.Background(), entries); err != nil {
		t.Fatal(err)
	}
	if text := h.refused(h.admin, "GET", "/v1/admin/usage?last=7d&group_by=key,model", "", 400, "too_many_groups", "group_by"); !strings.Contains(text, "name one key") {
		t.Errorf("got %s", text)
	}
	got := must[*api.UsageReply](t)(h.client(h.admin).Usage(context.Background(), api.UsageAsk{Last: "7d", GroupBy: []string{"key", "model"}, Key: "key7"}))
	if len(got.Data) != 100 || got.Total.Requests != 100 {
		t.Errorf("one key's: %d groups of %d requests", len(got.Data), got.Total.Requests)
	}
}

func TestUsageByRows(t *testing.T) {
	h := newHarness(t)
	for i := range 230 {
		h.use(uint64(i+1), "key", noon.Add(-time.Duration(i+1)*time.Minute), func(r *store.UsageRow) {
			r.EndUser, r.CostNano = fmt.Sprintf("user-%03d", i%120), int64(1000+i%120)
			r.Metadata = map[string]string{"owner": fmt.Sprintf("team-%d", i%2), "project": "x"}
		})
	}
	ctx, c := context.Background(), h.client(h.admin)
	got := must[*api.UsageReply](t)(c.Usage(ctx, api.UsageAsk{Last: "7d", GroupBy: []string{"owner", "metadata.project"}}))
	if len(got.Data) != 2 || got.Data[0].Requests != 115 || got.Data[0].Group["owner"] != "team-1" || got.Data[0].Group["metadata.project"] != "x" || got.Total.Requests != 230 || got.Partial {
		t.Errorf("by owner: %+v", got)
	}
	whole := must[*api.UsageReply](t)(c.Usage(ctx, api.UsageAsk{Last: "7d"}))
	whole.Total.Latency, whole.Total.TTFT = nil, nil // rows are not measured
	got = must[*api.UsageReply](t)(c.Usage(ctx, api.UsageAsk{Last: "7d", GroupBy: []string{"end_user"}}))
	if len(got.Data) != 101 || got.Total != whole.Total {
		t.Errorf("by user: %d groups, total %+v instead of %+v", len(got.Data), got.Total, whole.Total)
	}
	if !slices.ContainsFunc(got.Data, func(g api.UsageGroup) bool { return g.Group["end_user"] == "other" && g.Requests == 30 }) {
		t.Errorf("no group of the others: %+v", got.Data[95:])
	}
	h.refused(h.admin, "GET", "/v1/admin/usage?group_by=metadata.", "", 400, "invalid_value", "group_by")
}
