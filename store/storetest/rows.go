package storetest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/your-org/ai-api-gateway/store"
)

func rowsRoundTrip(t *testing.T, s store.Store) {
	want := store.UsageRow{
		RequestID: "r", ClientRequestID: "c", Time: start.Add(123456 * time.Microsecond), KeyID: "k", KeyName: "n", Group: "g", EndUser: "u",
		Operation: "chat", Dialect: "openai_chat", Model: "m", Provider: "p", Account: "a", AccountID: "aid", UpstreamModel: "um", UpstreamID: "uid",
		Status: 200, Stream: true, EndReason: store.EndComplete,
		Attempts: []store.Attempt{
			{Provider: "p0", Account: "a0", Model: "m0", Status: 500, Outcome: "http_error", Start: 1, Duration: 2, Error: "e", CostNano: 11},
			{Provider: "p", Account: "a", Model: "um", Status: 200, Outcome: "ok", Start: 4, Duration: 5},
		},
		Tokens:      store.Tokens{Input: 1, InputAudio: 2, InputImage: 3, CacheRead: 4, CacheWrite5m: 5, CacheWrite1h: 6, Output: 7, OutputAudio: 8, OutputImage: 9, Reasoning: 10, Images: 11, AudioMs: 12, Characters: 13, Searches: 14},
		UsageSource: store.SourceProvider, CostNano: 11, ReservedNano: 12, PriceVersion: "v", PriceSource: "catalogue", Flags: store.FlagClamped,
		TTFT: 13, Duration: 14, Overhead: 15, Error: "timeout: x", Metadata: map[string]string{"a": "1", "b": "2"},
	}
	row := want
	appendAll(t, s, store.Entry{Boot: "A", Seq: 1, Kind: store.EntrySettle, Time: start, RequestID: "r", Row: &row})
	got := page(t, s, store.UsageQuery{})
	if len(got.Rows) != 1 || got.Next != "" || got.Partial || !reflect.DeepEqual(got.Rows[0], want) {
		t.Errorf("got  %s\nwant %s", dump(got), dump(want))
	}
	x := totals(t, s, store.TotalsQuery{GroupBy: []string{"key"}})
	if len(x) != 1 || x[0].Tokens != want.Tokens || x[0].KeyName != "n" || x[0].Duration != 14 {
		t.Errorf("totals %+v", x)
	}
}

// ids returns the request ids of rows.
func ids(rows []store.UsageRow) []string {
	out := []string{}
	for _, r := range rows {
		out = append(out, r.RequestID)
	}
	return out
}

// newest returns the ids of the entries' rows that want selects, newest first.
func newest(entries []store.Entry, want func(*store.UsageRow) bool) []string {
	sorted := slices.Clone(entries)
	slices.SortStableFunc(sorted, func(a, b store.Entry) int { return b.Row.Time.Compare(a.Row.Time) })
	out := []string{}
	for _, e := range sorted {
		if want == nil || want(e.Row) {
			out = append(out, e.Row.RequestID)
		}
	}
	return out
}

// spread appends rows over three days in another order than their times'.
func spread(t *testing.T, s store.Store, n int) []store.Entry {
	t.Helper()
	var entries []store.Entry
	for i := range n {
		at := time.Duration((i*37)%n) * 50 * time.Hour / time.Duration(n)
		entries = append(entries, settle("A", uint64(i+1), at, func(r *store.UsageRow) {
			r.KeyID = fmt.Sprint("key", i%3)
			r.Model = fmt.Sprint("model", i%5)
			r.Provider = fmt.Sprint("provider", i%2)
			r.Account = fmt.Sprint("account", i%4)
			switch i % 7 {
			case 1:
				r.Status, r.EndReason = 429, store.EndRejected
			case 2:
				r.Status, r.EndReason = 503, store.EndError
			case 3:
				r.EndReason = store.EndStreamError
			case 4:
				r.Status, r.EndReason = 499, store.EndClientGone
			}
		}))
	}
	appendAll(t, s, entries[:n/3]...)
	appendAll(t, s, entries[n/3:]...)
	return entries
}

func rowsPages(t *testing.T, s store.Store) {
	if p := page(t, s, store.UsageQuery{}); p.Rows == nil || len(p.Rows) != 0 || p.Next != "" || p.Partial {
		t.Errorf("an empty store gives %+v", p)
	}
	entries := spread(t, s, 250)
	want := newest(entries, nil)
	for _, limit := range []int{1, 7, 50, 125, 249, 250, 251, 1000} {
		if got := ids(all(t, s, store.UsageQuery{Limit: limit})); !slices.Equal(got, want) {
			t.Errorf("pages of %d: %d rows, in order %v", limit, len(got), slices.Equal(got, want))
		}
	}
	if p := page(t, s, store.UsageQuery{}); len(p.Rows) != 100 || p.Next == "" {
		t.Errorf("the usual page has %d rows, next %q", len(p.Rows), p.Next)
	}
	if p := page(t, s, store.UsageQuery{Limit: 250}); p.Next != "" {
		t.Errorf("a cursor follows the last row")
	}
	for _, cursor := range []string{"x", "AAAA", "\x00", "////"} {
		if _, err := s.Usage(context.Background(), store.UsageQuery{Cursor: cursor}); !errors.Is(err, store.ErrQuery) {
			t.Errorf("cursor %q: %v, want ErrQuery", cursor, err)
		}
	}
}

func rowsFilters(t *testing.T, s store.Store) {
	entries := spread(t, s, 250)
	f := func(q store.UsageQuery, want func(*store.UsageRow) bool) {
		t.Helper()
		expected := newest(entries, want)
		for _, limit := range []int{3, 1000} {
			q.Limit = limit
			if got := ids(all(t, s, q)); !slices.Equal(got, expected) {
				t.Errorf("%+v: %d rows, want %d", q, len(got), len(expected))
			}
		}
	}
	type row = *store.UsageRow
	f(store.UsageQuery{KeyID: "key1"}, func(r row) bool { return r.KeyID == "key1" })
	f(store.UsageQuery{KeyID: "key"}, func(r row) bool { return false })
	f(store.UsageQuery{KeyID: "key1", Model: "model2"}, func(r row) bool { return r.KeyID == "key1" && r.Model == "model2" })
	f(store.UsageQuery{Model: "model2"}, func(r row) bool { return r.Model == "model2" })
	f(store.UsageQuery{Provider: "provider1", Account: "account3"}, func(r row) bool { return r.Provider == "provider1" && r.Account == "account3" })
	f(store.UsageQuery{Status: "200"}, func(r row) bool { return r.Status == 200 })
	f(store.UsageQuery{Status: "4xx"}, func(r row) bool { return r.Status/100 == 4 })
	f(store.UsageQuery{Status: "error"}, func(r row) bool {
		return r.EndReason == store.EndRejected || r.EndReason == store.EndError || r.EndReason == store.EndStreamError
	})
	f(store.UsageQuery{Status: "nonsense"}, func(r row) bool { return false })
	since, until := entries[100].Row.Time, entries[20].Row.Time
	if until.Before(since) {
		since, until = until, since
	}
	within := func(r row) bool { return !r.Time.Before(since) && r.Time.Before(until) }
	f(store.UsageQuery{Since: since, Until: until}, within)
	f(store.UsageQuery{Since: since, Until: until, KeyID: "key2"}, func(r row) bool { return within(r) && r.KeyID == "key2" })
	f(store.UsageQuery{Since: start.AddDate(1, 0, 0)}, func(r row) bool { return false })
	f(store.UsageQuery{Until: start.AddDate(-1, 0, 0)}, func(r row) bool { return false })
	f(store.UsageQuery{Until: start}, func(r row) bool { return false })
	yes := true
	f(store.UsageQuery{Stream: &yes}, func(r row) bool { return r.Stream })
	f(store.UsageQuery{Operation: "none"}, func(r row) bool { return false })
	f(store.UsageQuery{Group: "none"}, func(r row) bool { return false })
	f(store.UsageQuery{EndUser: "none"}, func(r row) bool { return false })
	f(store.UsageQuery{MinDuration: entries[3].Row.Duration + 1}, func(r row) bool { return r.Duration > entries[3].Row.Duration })
	f(store.UsageQuery{Text: "ODEL2"}, func(r row) bool { return r.Model == "model2" })
	f(store.UsageQuery{Text: strings.ToLower(entries[9].Row.RequestID[10:])}, func(r row) bool { return r.RequestID == entries[9].Row.RequestID })

	// A row is found by each place that an attempt went to, and by nothing that only looks so.
	via := func(provider, account string) func(row) {
		return func(r row) {
			r.Attempts = []store.Attempt{{Provider: provider, Account: account, Outcome: "cut"}, {Provider: r.Provider, Account: r.Account, Outcome: "ok"}}
		}
	}
	tried := []store.Entry{settle("B", 1, time.Hour, via("azure", "eu")), settle("B", 2, 26*time.Hour, via("azure", "us")),
		settle("B", 3, 2*time.Hour, via("openai", "first"), func(r row) { r.Metadata = map[string]string{"azure": "eu"} }),
		settle("B", 4, 27*time.Hour, func(r row) {
			r.EndReason, r.Attempts = store.EndCrash, []store.Attempt{{Provider: "azure", Account: "eu", Outcome: "cut"}}
		})}
	appendAll(t, s, tried...)
	went := func(provider, account string, want ...int) {
		t.Helper()
		var expected []string
		for _, i := range want {
			expected = append(expected, tried[i].Row.RequestID)
		}
		for _, limit := range []int{1, 1000} {
			if got := ids(all(t, s, store.UsageQuery{Provider: provider, Account: account, Limit: limit})); !slices.Equal(got, expected) {
				t.Errorf("provider %q, account %q: %q, want %q", provider, account, got, expected)
			}
		}
	}
	went("", "eu", 3, 0)
	went("azure", "", 3, 1, 0)
	went("azure", "us", 1)
	went("openai", "eu")
	went("openai", "first", 2)
}

func rowsByRequest(t *testing.T, s store.Store) {
	entries := spread(t, s, 60)
	same := entries[30].Row.RequestID[len(entries[30].Row.RequestID)-8:]
	appendAll(t, s, settle("B", 1, 49*time.Hour, func(r *store.UsageRow) { r.RequestID = "another" + same }),
		settle("B", 2, time.Hour, func(r *store.UsageRow) { r.RequestID = "short" }),
		settle("B", 3, 26*time.Hour, func(r *store.UsageRow) { r.RequestID = ulidAt(r.Time, 12345) }))
	f := func(id string, want ...string) {
		t.Helper()
		if got := ids(all(t, s, store.UsageQuery{RequestID: id})); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", id, got, want)
		}
	}
	f(entries[7].Row.RequestID, entries[7].Row.RequestID)
	f(same, "another"+same, entries[30].Row.RequestID)
	f("another"+same, "another"+same)
	f("short", "short")
	f("ort")
	f("request-none-00000001")
	f("none0001")
	id := ulidAt(start.Add(26*time.Hour), 12345)
	f(id, id)
	f(id[18:], id)
	if got := page(t, s, store.UsageQuery{RequestID: same, Limit: 1}); len(got.Rows) != 1 || got.Next == "" {
		t.Errorf("one of two: %d rows, next %q", len(got.Rows), got.Next)
	}
	if got := all(t, s, store.UsageQuery{RequestID: same, Limit: 1}); len(got) != 2 {
		t.Errorf("page by page: %d rows", len(got))
	}
	if got := page(t, s, store.UsageQuery{RequestID: same, KeyID: "nobody"}); len(got.Rows) != 0 {
		t.Error("the other filters do not hold for a request id")
	}
}

func rowsStableCursor(t *testing.T, s store.Store) {
	entries := spread(t, s, 90)
	want := newest(entries, nil)
	first := page(t, s, store.UsageQuery{Limit: 30})
	appendAll(t, s, settle("B", 1, 60*time.Hour)) // newer than all: not on a later page
	rest := all(t, s, store.UsageQuery{Limit: 30, Cursor: first.Next})
	if got := append(ids(first.Rows), ids(rest)...); !slices.Equal(got, want) {
		t.Errorf("rows shifted between pages: %d rows", len(got))
	}
}
