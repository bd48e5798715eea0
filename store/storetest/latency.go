package storetest

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/your-org/ai-api-gateway/store"
)

// latencyAgainstRows compares the histograms of a store that keeps them with what
// the rows come to, one by one.
func latencyAgainstRows(t *testing.T, s store.Store) {
	kept, ok := s.(store.Latencies)
	if !ok {
		t.Skip("the store keeps no histograms")
	}
	rnd := rand.New(rand.NewPCG(7, 8))
	entries, rows := random(rnd, 600, start.AddDate(0, 0, -1), 2*24*time.Hour)
	for i, r := range rows {
		if r.TTFT = 0; i%3 > 0 {
			r.TTFT = r.Duration / 7
		}
	}
	for len(entries) > 0 {
		n := min(len(entries), 1+rnd.IntN(150))
		appendAll(t, s, entries[:n]...)
		entries = entries[n:]
	}
	for _, by := range [][]string{nil, {"model"}, {"provider", "account"}, {"day"}, {"quarter", "model"}, {"hour"}} {
		for _, q := range []store.LatencyQuery{
			{}, {Model: "模型"}, {Provider: "openai", Account: "b"}, {Since: start.Add(-3 * time.Hour), Until: start.Add(5 * time.Hour)}, {Model: "nobody"},
		} {
			q.GroupBy, q.Zone = by, zone(t, "Asia/Kathmandu")
			compareLatency(t, kept, rows, q)
		}
	}
	for _, by := range [][]string{{"key"}, {"end_reason"}, {"model", "model"}} {
		if _, err := kept.Latency(context.Background(), store.LatencyQuery{GroupBy: by}); !errors.Is(err, store.ErrQuery) {
			t.Errorf("grouping by %q: %v, want ErrQuery", by, err)
		}
	}
}

func compareLatency(t *testing.T, s store.Latencies, rows []*store.UsageRow, q store.LatencyQuery) {
	t.Helper()
	want := map[string]*store.Latency{}
	for _, r := range rows {
		at := r.Time.Truncate(15 * time.Minute)
		if !r.Timed() || !q.Since.IsZero() && at.Before(q.Since) || !q.Until.IsZero() && !at.Before(q.Until) ||
			q.Model != "" && q.Model != r.Model || q.Provider != "" && q.Provider != r.Provider || q.Account != "" && q.Account != r.Account {
			continue
		}
		of := map[string]string{"model": r.Model, "provider": r.Provider, "account": r.Account, "day": r.Time.In(q.Zone).Format("2006-01-02"),
			"hour": r.Time.In(q.Zone).Format("2006-01-02T15:00:00Z07:00"), "quarter": at.In(q.Zone).Format(time.RFC3339)}
		var values []string
		group := map[string]string{}
		for _, name := range q.GroupBy {
			values = append(values, of[name])
			group[name] = of[name]
		}
		name := strings.Join(values, "\x00")
		if want[name] == nil {
			want[name] = &store.Latency{Group: group}
		}
		want[name].Duration.Add(store.BucketOf(r.Duration), 1)
		if r.TTFT > 0 {
			want[name].TTFT.Add(store.BucketOf(r.TTFT), 1)
		}
	}
	got, err := s.Latency(context.Background(), q)
	if err != nil || len(got) != len(want) {
		t.Fatalf("by %q: %d groups, want %d; %v", q.GroupBy, len(got), len(want), err)
	}
	for i, name := range slices.Sorted(maps.Keys(want)) {
		w := want[name]
		if !maps.Equal(got[i].Group, w.Group) || !slices.Equal(got[i].Duration, w.Duration) || !slices.Equal(got[i].TTFT, w.TTFT) {
			t.Errorf("by %q, %v: %d and %d counted, want %d and %d of %v", q.GroupBy, got[i].Group, got[i].Duration.Count(), got[i].TTFT.Count(), w.Duration.Count(), w.TTFT.Count(), w.Group)
		}
	}
}
