package admin

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/your-org/ai-api-gateway/server/api"
	"github.com/your-org/ai-api-gateway/store"
)

// latencyGroups are the groupings that latencies are kept by.
var latencyGroups = []string{"model", "provider", "account", "day", "hour", "quarter"}

// maxMeasured is the longest time whose latencies are told: histograms are much to read.
const maxMeasured = 92 * 24 * time.Hour

// latencies returns the histograms of a query of sums, by the values of its
// groupings; nil where the store has none for it.
func (a *Admin) latencies(ctx context.Context, q store.TotalsQuery) (map[string]store.Latency, error) {
	kept, ok := a.d.Store.(store.Latencies)
	if !ok || q.KeyID != "" || q.Until.Sub(q.Since) > maxMeasured || slices.ContainsFunc(q.GroupBy, func(by string) bool { return !slices.Contains(latencyGroups, by) }) {
		return nil, nil
	}
	list, err := kept.Latency(ctx, store.LatencyQuery{Since: q.Since, Until: q.Until, GroupBy: q.GroupBy, Zone: q.Zone,
		Model: q.Model, Provider: q.Provider, Account: q.Account})
	if errors.Is(err, store.ErrQuery) { // too many groups to measure each
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	out := make(map[string]store.Latency, len(list))
	for _, l := range list {
		out[groupKey(q.GroupBy, l.Group)] = l
	}
	return out, nil
}

// groupKey joins the values of a group.
func groupKey(by []string, group map[string]string) string {
	values := make([]string, len(by))
	for i, name := range by {
		values[i] = group[name]
	}
	return strings.Join(values, "\x00")
}

// merged sums histograms up.
func merged(all map[string]store.Latency) (sum store.Latency) {
	for _, l := range all {
		for i, n := range l.Duration {
			sum.Duration.Add(i, n)
		}
		for i, n := range l.TTFT {
			sum.TTFT.Add(i, n)
		}
	}
	return sum
}

// measure puts the percentiles of l into sums.
func measure(sums *api.UsageSums, l store.Latency) {
	sums.Latency, sums.TTFT = percentiles(l.Duration), percentiles(l.TTFT)
}

func percentiles(h store.Histogram) *api.Percentiles {
	return &api.Percentiles{P50: quantile(h, 0.5), P95: quantile(h, 0.95), P99: quantile(h, 0.99)}
}

// quantile returns a quantile in milliseconds, of which three digits count; nil: there is none.
func quantile(h store.Histogram, q float64) *float64 {
	if h.Count() == 0 {
		return nil
	}
	ms := float64(h.Quantile(q)) / float64(time.Millisecond)
	if ms > 0 {
		scale := math.Pow(10, 2-math.Floor(math.Log10(ms)))
		ms = math.Round(ms*scale) / scale
	}
	return &ms
}
