package storetest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/your-org/ai-api-gateway/store"
)

// naive sums rows as Totals must, one by one.
func naive(rows []*store.UsageRow, q store.TotalsQuery) []store.Total {
	zone := q.Zone
	if zone == nil {
		zone = time.UTC
	}
	const quarter = 15 * time.Minute
	groups := map[string]*store.Total{}
	for _, r := range parts(rows) {
		at := r.Time.Truncate(quarter)
		if !q.Since.IsZero() && at.Before(q.Since.Truncate(quarter)) || !q.Until.IsZero() && !at.Before(q.Until) {
			continue
		}
		if q.KeyID != "" && q.KeyID != r.KeyID || q.Model != "" && q.Model != r.Model || q.Provider != "" && q.Provider != r.Provider || q.Account != "" && q.Account != r.Account {
			continue
		}
		of := map[string]string{
			"key": r.KeyID, "model": r.Model, "provider": r.Provider, "account": r.Account, "end_reason": r.EndReason, "group": r.Group,
			"day": r.Time.In(zone).Format("2006-01-02"), "hour": r.Time.In(zone).Format("2006-01-02T15:00:00Z07:00"),
			"quarter": at.In(zone).Format(time.RFC3339),
		}
		group, name := map[string]string{}, ""
		for _, by := range q.GroupBy {
			group[by] = of[by]
			name += of[by] + "\x00"
		}
		x := groups[name]
		if x == nil {
			x = &store.Total{Group: group}
			groups[name] = x
		}
		if _, byKey := group["key"]; byKey {
			x.KeyName = r.KeyName
		}
		if r.RequestID != "" {
			x.Requests++
			if r.Failed() {
				x.Errors++
			}
			if r.Uncertain() {
				x.Estimated++
			}
		}
		x.Tokens.Add(&r.Tokens)
		x.CostNano += r.CostNano
		x.Duration += r.Duration
	}
	out := []store.Total{}
	for _, x := range groups {
		out = append(out, *x)
	}
	slices.SortFunc(out, func(a, b store.Total) int {
		for _, by := range q.GroupBy {
			if c := cmp.Compare(a.Group[by], b.Group[by]); c != 0 {
				return c
			}
		}
		return 0
	})
	return out
}

// parts takes from each row what attempts before its last have spent, as a row of its
// own without an id that is where that went.
func parts(rows []*store.UsageRow) (out []*store.UsageRow) {
	for _, r := range rows {
		own := *r
		for _, a := range r.Attempts {
			if a.Spent == nil {
				continue
			}
			out = append(out, &store.UsageRow{Time: r.Time, KeyID: r.KeyID, KeyName: r.KeyName, Group: r.Group, Model: r.Model, EndReason: r.EndReason,
				Provider: a.Provider, Account: a.Account, CostNano: a.CostNano, Tokens: a.Spent.Tokens})
			own.CostNano -= a.CostNano
		}
		out = append(out, &own)
	}
	return out
}

func pick(rnd *rand.Rand, of ...string) string { return of[rnd.IntN(len(of))] }

// random makes n rows within the given time.
func random(rnd *rand.Rand, n int, from time.Time, within time.Duration) ([]store.Entry, []*store.UsageRow) {
	var entries []store.Entry
	var rows []*store.UsageRow
	for i := range n {
		k := rnd.IntN(4)
		r := &store.UsageRow{
			RequestID: requestID("R", uint64(i)), Time: from.Add(time.Duration(rnd.Int64N(int64(within)))), KeyID: fmt.Sprint("key", k), KeyName: fmt.Sprint("name of ", k),
			Model: pick(rnd, "gpt-4o", "claude", "gemini", "模型"), Provider: pick(rnd, "openai", "anthropic", ""), Account: pick(rnd, "a", "b"), Group: pick(rnd, "", "team"),
			EndReason:   pick(rnd, store.EndComplete, store.EndError, store.EndClientGone, store.EndStreamError, store.EndCrash),
			UsageSource: pick(rnd, store.SourceProvider, store.SourceProviderPartial, store.SourceEstimated, store.SourceNone),
			Status:      200 + rnd.IntN(3)*100, CostNano: rnd.Int64N(1e10), Duration: time.Duration(rnd.Int64N(int64(time.Minute))), Flags: uint32(rnd.IntN(32)),
			Tokens: store.Tokens{Input: rnd.Int64N(1e6), CacheRead: rnd.Int64N(1000), CacheWrite5m: rnd.Int64N(3), CacheWrite1h: rnd.Int64N(9), InputAudio: rnd.Int64N(2),
				InputImage: rnd.Int64N(2), Output: rnd.Int64N(5000), Reasoning: rnd.Int64N(700), OutputAudio: rnd.Int64N(2), OutputImage: rnd.Int64N(2)},
		}
		if i%5 == 0 {
			spend(rnd, r)
		}
		rows = append(rows, r)
		entries = append(entries, store.Entry{Boot: "R", Seq: uint64(i + 1), Kind: store.EntrySettle, Time: r.Time, RequestID: r.RequestID, Row: r})
	}
	return entries, rows
}

// spend gives r attempts before its last, some of which have used something.
func spend(rnd *rand.Rand, r *store.UsageRow) {
	last := r.CostNano
	for range 1 + rnd.IntN(2) {
		a := store.Attempt{Provider: pick(rnd, "openai", "anthropic", "third"), Account: pick(rnd, "a", "b", "c"), Model: "m", Outcome: "cut"}
		if rnd.IntN(3) > 0 {
			a.CostNano = rnd.Int64N(1e6)
			a.Spent = &store.Spent{AccountID: "id", Tokens: store.Tokens{Input: rnd.Int64N(1000), Output: rnd.Int64N(9)}, UsageSource: store.SourceProviderPartial, PriceVersion: "v", PriceSource: "catalogue"}
			r.CostNano += a.CostNano
		}
		r.Attempts = append(r.Attempts, a)
	}
	r.Attempts = append(r.Attempts, store.Attempt{Provider: r.Provider, Account: r.Account, Outcome: "ok", CostNano: last})
}

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Skipf("no time zone %s here: %v", name, err)
	}
	return z
}

func compare(t *testing.T, s store.Store, rows []*store.UsageRow, q store.TotalsQuery) {
	t.Helper()
	got, want := totals(t, s, q), naive(rows, q)
	if len(got) == 0 && len(want) == 0 {
		return
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("by %s in %v from %v to %v: %d groups, want %d\ngot  %.600s\nwant %.600s", strings.Join(q.GroupBy, ","), q.Zone, q.Since, q.Until, len(got), len(want), dump(got), dump(want))
	}
}

func totalsAgainstRows(t *testing.T, s store.Store) {
	rnd := rand.New(rand.NewPCG(3, 4))
	entries, rows := random(rnd, 800, start.AddDate(0, 0, -2), 4*24*time.Hour)
	for len(entries) > 0 {
		n := min(len(entries), 1+rnd.IntN(200))
		appendAll(t, s, entries[:n]...)
		entries = entries[n:]
	}
	for _, name := range []string{"UTC", "Asia/Shanghai", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"} {
		z := zone(t, name)
		for _, by := range [][]string{nil, {"model"}, {"key"}, {"provider", "account"}, {"end_reason"}, {"group"}, {"day"}, {"hour"}, {"day", "model"}, {"key", "hour", "day"}, {"quarter", "model"}, {"hour", "quarter"}} {
			compare(t, s, rows, store.TotalsQuery{GroupBy: by, Zone: z})
			since := start.Add(time.Duration(rnd.Int64N(int64(24 * time.Hour))))
			compare(t, s, rows, store.TotalsQuery{GroupBy: by, Zone: z, Since: since, Until: since.Add(time.Duration(rnd.Int64N(int64(24 * time.Hour))))})
		}
	}
	verified(t, s)
	compare(t, s, rows, store.TotalsQuery{GroupBy: []string{"model"}, KeyID: "key1"})
	compare(t, s, rows, store.TotalsQuery{GroupBy: []string{"key"}, Model: "模型", Provider: "openai"})
	compare(t, s, rows, store.TotalsQuery{KeyID: "nobody"})
	apart(t, s, rows)
	compare(t, s, rows, store.TotalsQuery{GroupBy: []string{"key"}, Account: "b"})
	compare(t, s, rows, store.TotalsQuery{GroupBy: []string{"day"}, Account: "a", KeyID: "key2"})
	for _, by := range [][]string{nil, {"day"}, {"model", "day"}, {"key", "hour"}} { // over whole days and hours and parts of them
		since, until := start.Add(-31*time.Hour+7*time.Minute), start.Add(33*time.Hour+50*time.Minute)
		compare(t, s, rows, store.TotalsQuery{GroupBy: by, Since: since, Until: until})
		compare(t, s, rows, store.TotalsQuery{GroupBy: by, Since: since, Until: until, KeyID: "key2"})
		compare(t, s, rows, store.TotalsQuery{GroupBy: by, Since: since, Until: until, Model: "模型", Provider: "openai"})
		compare(t, s, rows, store.TotalsQuery{GroupBy: by, Since: since})
		compare(t, s, rows, store.TotalsQuery{GroupBy: by, Until: until, Account: "b"})
	}
	for _, by := range [][]string{{"key"}, {"model", "hour"}, {"day"}} {
		all, err := s.Totals(context.Background(), store.TotalsQuery{GroupBy: by})
		if err != nil || len(all) < 2 {
			t.Fatalf("by %q: %d groups, %v", by, len(all), err)
		}
		if got, err := s.Totals(context.Background(), store.TotalsQuery{GroupBy: by, Most: len(all)}); err != nil || !reflect.DeepEqual(got, all) {
			t.Errorf("by %q, as many as there are: %d groups of %d, %v", by, len(got), len(all), err)
		}
		if _, err := s.Totals(context.Background(), store.TotalsQuery{GroupBy: by, Most: len(all) - 1}); !errors.Is(err, store.ErrQuery) {
			t.Errorf("by %q, more than are wanted: %v, want ErrQuery", by, err)
		}
	}
	for _, by := range [][]string{{"colour"}, {"model", "model"}, {""}} {
		if _, err := s.Totals(context.Background(), store.TotalsQuery{GroupBy: by}); !errors.Is(err, store.ErrQuery) {
			t.Errorf("grouping by %q: %v, want ErrQuery", by, err)
		}
	}
}

// apart: what is not told apart is summed up.
func apart(t *testing.T, s store.Store, rows []*store.UsageRow) {
	t.Helper()
	for _, by := range [][]string{{"key"}, {"hour", "key"}, {"key", "model"}} {
		for _, some := range [][]string{{}, {"key1"}, {"key0", "key3", "nobody"}} {
			as := make([]*store.UsageRow, len(rows))
			for i, r := range rows {
				one := *r
				if !slices.Contains(some, r.KeyID) {
					one.KeyID, one.KeyName = store.OtherKey, ""
				}
				as[i] = &one
			}
			got, want := totals(t, s, store.TotalsQuery{GroupBy: by, Apart: some}), naive(as, store.TotalsQuery{GroupBy: by})
			if !reflect.DeepEqual(got, want) {
				t.Errorf("by %v, apart %v: %d groups, want %d\ngot  %.600s\nwant %.600s", by, some, len(got), len(want), dump(got), dump(want))
			}
		}
	}
}

func totalsDaylightSaving(t *testing.T, s store.Store) {
	ny, lh := zone(t, "America/New_York"), zone(t, "Australia/Lord_Howe")
	rnd := rand.New(rand.NewPCG(5, 6))
	autumn, rows := random(rnd, 300, time.Date(2026, 11, 1, 3, 0, 0, 0, time.UTC), 8*time.Hour)
	appendAll(t, s, autumn...)
	q := store.TotalsQuery{GroupBy: []string{"hour"}, Zone: ny}
	compare(t, s, rows, q)
	// The clock shows 01:00 to 02:00 twice; the two hours stay apart.
	seen := map[string]bool{}
	for _, x := range totals(t, s, q) {
		seen[x.Group["hour"]] = true
	}
	if !seen["2026-11-01T01:00:00-04:00"] || !seen["2026-11-01T01:00:00-05:00"] {
		t.Errorf("hours: %v", seen)
	}
	compare(t, s, rows, store.TotalsQuery{GroupBy: []string{"day"}, Zone: ny})
	compare(t, s, rows, store.TotalsQuery{GroupBy: []string{"hour", "day"}, Zone: lh}) // shifts by half an hour
}

func totalsBorders(t *testing.T, s store.Store) {
	if got := totals(t, s, store.TotalsQuery{}); len(got) != 0 {
		t.Errorf("an empty store has totals %+v", got)
	}
	appendAll(t, s, settle("A", 1, -time.Nanosecond), settle("A", 2, 0), settle("A", 3, 15*time.Minute-1), settle("A", 4, 15*time.Minute))
	f := func(since, until time.Duration, want int64) {
		t.Helper()
		var got int64
		for _, x := range totals(t, s, store.TotalsQuery{Since: start.Add(since), Until: start.Add(until)}) {
			got += x.Requests
		}
		if got != want {
			t.Errorf("from %v to %v: %d requests, want %d", since, until, got, want)
		}
	}
	f(0, 15*time.Minute, 2)
	f(14*time.Minute, 15*time.Minute, 2) // widened to the border before
	f(0, 1, 2)                           // and after
	f(0, 15*time.Minute+1, 3)
	f(-1, 0, 1)
	f(-time.Hour, time.Hour, 4)
	f(15*time.Minute, 16*time.Minute, 1)
	f(time.Hour, 2*time.Hour, 0)
}

func concurrency(t *testing.T, s store.Store) {
	const each = 40
	var wg sync.WaitGroup
	fail := make(chan error, 1000)
	run := func(f func(i int) error) {
		wg.Go(func() {
			for i := range each {
				if err := f(i); err != nil {
					fail <- err
					return
				}
			}
		})
	}
	ctx := context.Background()
	for _, boot := range []string{"A", "B"} {
		run(func(i int) error {
			var batch []store.Entry
			for n := range 5 {
				batch = append(batch, settle(boot, uint64(i*5+n+1), time.Duration(i)*12*time.Minute))
			}
			return s.Append(ctx, batch)
		})
	}
	run(func(i int) error {
		_, err := s.Apply(ctx, store.Change{Key: &store.Key{ID: fmt.Sprint("k", i), Hash: [32]byte{byte(i)}}, Create: true})
		return err
	})
	run(func(int) error {
		p, err := s.Usage(ctx, store.UsageQuery{KeyID: "key1", Limit: 50})
		if err == nil && !slices.IsSortedFunc(p.Rows, func(a, b store.UsageRow) int { return b.Time.Compare(a.Time) }) {
			err = errors.New("rows are not in order")
		}
		return err
	})
	run(func(int) error {
		_, err := s.Totals(ctx, store.TotalsQuery{GroupBy: []string{"day"}})
		return err
	})
	run(func(int) error {
		_, err := s.Load(ctx)
		return err
	})
	wg.Wait()
	close(fail)
	for err := range fail {
		t.Error(err)
	}
	expect(t, s, 2*5*each, 2*5*each*1_000_000)
	if snap := load(t, s); len(snap.Keys) != each || snap.Rev != each {
		t.Errorf("%d keys at revision %d", len(snap.Keys), snap.Rev)
	}
}

func cancelled(t *testing.T, s store.Store) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Append(ctx, []store.Entry{settle("A", 1, 0)}); !errors.Is(err, context.Canceled) {
		t.Errorf("Append: %v", err)
	}
	if _, err := s.Apply(ctx, store.Change{Key: key("k1")}); !errors.Is(err, context.Canceled) {
		t.Errorf("Apply: %v", err)
	}
	expect(t, s, 0, 0)
	if snap := load(t, s); snap.Rev != 0 {
		t.Errorf("revision %d", snap.Rev)
	}
}
