package storetest

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/your-org/ai-api-gateway/store"
)

func applied(t *testing.T, s store.Store) map[string]uint64 {
	t.Helper()
	got, err := s.Applied(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// expect asserts how many requests and how much cost the rows and the roll-ups show.
func expect(t *testing.T, s store.Store, requests int, cost int64) {
	t.Helper()
	rows := all(t, s, store.UsageQuery{Limit: 1000})
	var sum int64
	for _, r := range rows {
		sum += r.CostNano
	}
	if len(rows) != requests || sum != cost {
		t.Errorf("%d rows of %d nano-USD, want %d of %d", len(rows), sum, requests, cost)
	}
	var total store.Total
	for _, x := range totals(t, s, store.TotalsQuery{}) {
		total = x
	}
	if total.Requests != int64(requests) || total.CostNano != cost {
		t.Errorf("roll-ups say %d requests of %d nano-USD, want %d of %d", total.Requests, total.CostNano, requests, cost)
	}
}

func appendIdempotent(t *testing.T, s store.Store) {
	var entries []store.Entry
	for i := range 100 { // five hours: two days
		entries = append(entries, settle("A", uint64(i+1), time.Duration(i)*3*time.Minute))
	}
	appendAll(t, s)
	appendAll(t, s, entries[:40]...)
	appendAll(t, s, entries[:40]...)
	appendAll(t, s, entries[20:70]...)
	appendAll(t, s, entries[69:]...)
	appendAll(t, s, entries...)
	expect(t, s, 100, 100*1_000_000)
	if got := applied(t, s); !reflect.DeepEqual(got, map[string]uint64{"A": 100}) {
		t.Errorf("applied %v", got)
	}
}

func appendBoots(t *testing.T, s store.Store) {
	// Each boot's entries come in order; the boots overtake each other, repeat
	// themselves, and share times and sequence numbers.
	rnd := rand.New(rand.NewPCG(1, 2))
	const boots, each = 5, 60
	next := [boots]int{}
	for done := 0; done < boots; {
		var batch []store.Entry
		for range rnd.IntN(30) {
			b := rnd.IntN(boots)
			if next[b] == each {
				continue
			}
			back := min(rnd.IntN(3), next[b])
			for seq := next[b] - back; seq <= next[b]; seq++ {
				batch = append(batch, settle(fmt.Sprint("boot", b), uint64(seq+1), time.Duration(seq)*4*time.Minute))
			}
			if next[b]++; next[b] == each {
				done++
			}
		}
		appendAll(t, s, batch...)
	}
	expect(t, s, boots*each, boots*each*1_000_000)
	want := map[string]uint64{}
	for b := range boots {
		want[fmt.Sprint("boot", b)] = each
	}
	if got := applied(t, s); !reflect.DeepEqual(got, want) {
		t.Errorf("applied %v, want %v", got, want)
	}
}

func appendHoldsAndVoids(t *testing.T, s store.Store) {
	appendAll(t, s,
		store.Entry{Boot: "A", Seq: 1, Kind: store.EntryHold, Time: start, RequestID: "r1", Hold: &store.Hold{KeyID: "k", ReservedNano: 5}},
		store.Entry{Boot: "A", Seq: 2, Kind: store.EntryVoid, Time: start, RequestID: "r1"},
		store.Entry{Boot: "B", Seq: 7, Kind: store.EntryHold, Time: start, RequestID: "r2", Hold: &store.Hold{}})
	if got := applied(t, s); !reflect.DeepEqual(got, map[string]uint64{"A": 2, "B": 7}) {
		t.Errorf("applied %v", got)
	}
	expect(t, s, 0, 0)
}

// ulidAt makes an id as the gateway's are: a ULID of this time.
func ulidAt(at time.Time, n int) string {
	const digits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	b := make([]byte, 26)
	ms := at.UnixMilli()
	for i := 9; i >= 0; i-- {
		b[i] = digits[ms&31]
		ms >>= 5
	}
	for i := 25; i >= 10; i-- {
		b[i] = digits[n&31]
		n >>= 5
	}
	return string(b)
}

func appendAdjust(t *testing.T, s store.Store) {
	row := settle("A", 1, 0)
	other := settle("A", 2, 3*time.Hour, func(r *store.UsageRow) { // the next day, found by its ULID
		r.RequestID, r.Model = ulidAt(r.Time, 77), "other"
	})
	other.RequestID = other.Row.RequestID
	near := settle("A", 3, 2*time.Hour, func(r *store.UsageRow) { // midnight, with an id of the day before
		r.RequestID = ulidAt(r.Time.Add(-time.Millisecond), 78)
	})
	appendAll(t, s, row, other, near)
	adjust := func(seq uint64, id string, delta int64, day time.Time) store.Entry {
		return store.Entry{Boot: "A", Seq: seq, Kind: store.EntryAdjust, Time: start.Add(48 * time.Hour), RequestID: id, DeltaNano: delta, Day: day}
	}
	batch := []store.Entry{
		adjust(4, row.RequestID, -400_000, start.Truncate(24*time.Hour)),
		adjust(5, other.Row.RequestID, 5, time.Time{}),
		adjust(6, near.Row.RequestID, 7, time.Time{}),
		adjust(7, "unknown", 1000, start),
		adjust(8, "unknown", 1000, time.Time{}),
		adjust(9, "unknown", 1000, start.AddDate(-1, 0, 0)),
		settle("A", 10, time.Hour),
		adjust(11, requestID("A", 10), 9, time.Time{}), // of a row of the same batch
		adjust(12, row.RequestID, 1, start),
	}
	appendAll(t, s, batch...)
	appendAll(t, s, batch...)
	expect(t, s, 4, 4_000_000-400_000+5+7+9+1)
	p := page(t, s, store.UsageQuery{RequestID: row.RequestID})
	if len(p.Rows) != 1 || p.Rows[0].CostNano != 600_001 {
		t.Errorf("the corrected row is %+v", p.Rows)
	}
	// The roll-up of the request's own time and model changed, no other came to be.
	got := totals(t, s, store.TotalsQuery{GroupBy: []string{"model", "day"}})
	want := map[string]int64{"gpt-4o 2026-11-23": 600_001 + 1_000_009, "gpt-4o 2026-11-24": 1_000_007, "other 2026-11-24": 1_000_005}
	for _, x := range got {
		if name := x.Group["model"] + " " + x.Group["day"]; want[name] != x.CostNano {
			t.Errorf("%s: %d, want %d", name, x.CostNano, want[name])
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d totals, want %d", len(got), len(want))
	}
	if at := applied(t, s)["A"]; at != 12 {
		t.Errorf("applied %d", at)
	}
}

// A crash row is charged, unconfirmed, until an adjustment says what it cost; the
// markup is summed beside the cost.
func appendResolve(t *testing.T, s store.Store) {
	crashed := settle("A", 1, 0, func(r *store.UsageRow) {
		r.EndReason, r.UsageSource, r.Flags = store.EndCrash, store.SourceNone, store.FlagCrashRecovered
		r.CostNano, r.ReservedNano, r.UnconfirmedTokens = 0, 900, 70
	})
	marked := settle("A", 2, 0, func(r *store.UsageRow) { r.CostNano, r.MarkupNano = 1000, -200 })
	appendAll(t, s, crashed, marked)
	sum := func() store.Total {
		t.Helper()
		got := totals(t, s, store.TotalsQuery{})
		if len(got) != 1 {
			t.Fatalf("%d totals", len(got))
		}
		return got[0]
	}
	if x := sum(); x.CostNano != 1000 || x.MarkupNano != -200 || x.UnconfirmedNano != 900 || x.UnconfirmedTokens != 70 || x.Charged() != 1700 {
		t.Errorf("before: %+v, charged %d", x, x.Charged())
	}
	fix := store.Entry{Boot: "A", Seq: 3, Kind: store.EntryAdjust, RequestID: crashed.RequestID, Day: start, DeltaNano: 350, MarkupNano: 35,
		UnconfirmedNano: -900, UnconfirmedTokens: -70, PriceVersion: "v2", PriceSource: "resolved"}
	appendAll(t, s, fix)
	appendAll(t, s, fix)
	if x := sum(); x.CostNano != 1350 || x.MarkupNano != -165 || x.UnconfirmedNano != 0 || x.UnconfirmedTokens != 0 || x.Charged() != 1185 {
		t.Errorf("after: %+v, charged %d", x, x.Charged())
	}
	row := page(t, s, store.UsageQuery{RequestID: crashed.RequestID}).Rows[0]
	if row.CostNano != 350 || row.AdjustedNano != 350 || row.MarkupNano != 35 || row.Unconfirmed() != 0 || row.UnconfirmedTokens != 0 || row.Charged() != 385 ||
		row.Flags != store.FlagCrashRecovered|store.FlagResolved || row.PriceVersion != "v2" || row.PriceSource != "resolved" {
		t.Errorf("the resolved row is %+v", row)
	}
}

// appendSpent: what an attempt used that another followed counts where it went, and the
// request once; corrections of either part find their place.
func appendSpent(t *testing.T, s store.Store) {
	e := settle("A", 1, 0, func(r *store.UsageRow) {
		r.CostNano, r.MarkupNano = 1_000_000, 10_000
		r.Attempts = []store.Attempt{
			{Provider: "anthropic", Account: "first", Model: "claude", Outcome: "cut", CostNano: 300_000,
				Spent: &store.Spent{AccountID: "id1", Tokens: store.Tokens{Input: 25, Output: 1}, UsageSource: store.SourceProviderPartial, MarkupNano: 3_000, PriceVersion: "v1", PriceSource: "catalogue"}},
			{Provider: "openai", Account: "openai", Model: "gpt-4o-2024", Outcome: "timeout"},
			{Provider: "openai", Account: "openai", Model: "gpt-4o-2024", Outcome: "ok", CostNano: 700_000},
		}
	})
	want := *e.Row
	appendAll(t, s, e)
	appendAll(t, s, e)
	if got := page(t, s, store.UsageQuery{}).Rows; len(got) != 1 || !reflect.DeepEqual(got[0], want) {
		t.Errorf("got  %s\nwant %s", dump(got), dump(want))
	}
	expect(t, s, 1, 1_000_000)
	f := func(first, last, markup int64) {
		t.Helper()
		var got []string
		for _, x := range totals(t, s, store.TotalsQuery{GroupBy: []string{"provider", "account"}}) {
			got = append(got, fmt.Sprintf("%s %s %d %d %d %d %d %d", x.Group["provider"], x.Group["account"], x.Requests, x.Estimated, x.CostNano, x.MarkupNano, x.Tokens.Input, x.Tokens.Output))
		}
		want := []string{fmt.Sprintf("anthropic first 0 0 %d 3000 25 1", first), fmt.Sprintf("openai openai 1 0 %d %d 100 10", last, markup)}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got  %q\nwant %q", got, want)
		}
		verified(t, s)
	}
	f(300_000, 700_000, 7_000)
	if x := totals(t, s, store.TotalsQuery{Account: "first"}); len(x) != 1 || x[0].CostNano != 300_000 {
		t.Errorf("of the first account alone: %+v", x)
	}
	fixes := []store.Entry{
		{Boot: "A", Seq: 2, Kind: store.EntryAdjust, Time: start, RequestID: e.RequestID, Day: start, Attempt: 1, DeltaNano: 50_000, PriceVersion: "v2", PriceSource: "override"},
		{Boot: "A", Seq: 3, Kind: store.EntryAdjust, Time: start, RequestID: e.RequestID, Day: start, DeltaNano: -100_000, MarkupNano: -1_000},
	}
	appendAll(t, s, fixes...)
	appendAll(t, s, fixes...)
	expect(t, s, 1, 950_000)
	f(350_000, 600_000, 6_000)
	row := page(t, s, store.UsageQuery{}).Rows[0]
	if a := row.Attempts[0]; a.Cost() != 350_000 || a.Spent.PriceVersion != "v2" || a.Spent.PriceSource != "override" || row.PriceVersion != want.PriceVersion || row.AdjustedNano != -50_000 {
		t.Errorf("the corrected row is %+v", row)
	}
}

// verified asserts that a store that can prove its sums does.
func verified(t *testing.T, s store.Store) {
	t.Helper()
	if p, ok := s.(interface {
		Verify(context.Context) (store.Verification, error)
	}); ok {
		if v, err := p.Verify(context.Background()); err != nil || v.Fault != "" || v.Rows == 0 {
			t.Errorf("%v, %+v", err, v)
		}
	}
}

func appendBadText(t *testing.T, s store.Store) {
	// One row a text column would refuse must not take its batch with it.
	bad := settle("A", 1, 0, func(r *store.UsageRow) {
		r.EndUser, r.Error, r.Model, r.KeyName = "a\x00b", "\xff\xfe", strings.Repeat("m", 10_000), "n\x00"
		r.Metadata = map[string]string{"k\x00": "\xed\xa0\x80"}
		r.CostNano = math.MaxInt64 - 1_000_000
		r.Tokens.Input = math.MaxInt64
	})
	appendAll(t, s, bad, settle("A", 2, 0), settle("A", 3, time.Second))
	rows := all(t, s, store.UsageQuery{})
	if len(rows) != 3 {
		t.Fatalf("%d rows", len(rows))
	}
	for _, r := range rows {
		if r.EndUser != "" && r.EndUser != "a\uFFFDb" || len(r.Model) > store.MaxText {
			t.Errorf("kept: %q, model of %d bytes", r.EndUser, len(r.Model))
		}
	}
	if got := totals(t, s, store.TotalsQuery{}); len(got) != 1 || got[0].CostNano != math.MaxInt64 || got[0].Tokens.Input != math.MaxInt64 {
		t.Errorf("sums that do not fit are %+v", got)
	}
}
