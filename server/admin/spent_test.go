package admin

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/your-org/ai-api-gateway/server/api"
	"github.com/your-org/ai-api-gateway/store"
)

// TestSpent shows, sums up and prices anew a request whose first attempt was charged
// though another followed it: each attempt's money stays where it went.
func TestSpent(t *testing.T) {
	h := newHarness(t)
	seq := uint64(100)
	h.d.Adjust = func(e store.Entry) error {
		seq++
		e.Boot, e.Seq, e.Kind, e.Time = "01KAJJ0000000000000000B00T", seq, store.EntryAdjust, h.now()
		return h.store.Append(context.Background(), []store.Entry{e})
	}
	id := h.use(1, "k1", noon.Add(-time.Hour), func(r *store.UsageRow) {
		r.EndUser, r.Account, r.AccountID, r.UpstreamModel, r.Tokens, r.PriceVersion = "mia", "last", "gone", "gpt-4", store.Tokens{Input: 100}, "v1"
		r.CostNano, r.MarkupNano = 3_750_000, 375_000
		r.Attempts = []store.Attempt{
			{Provider: "openai", Account: "spare", Model: "gpt-4", Status: 200, Outcome: "cut", CostNano: 750_000, Error: "it ended",
				Spent: &store.Spent{AccountID: "file-spare", Tokens: store.Tokens{Input: 25}, UsageSource: store.SourceProviderPartial, MarkupNano: 75_000, PriceVersion: "v1", PriceSource: "catalogue"}},
			{Provider: "openai", Account: "last", Model: "gpt-4", Status: 500, Outcome: "http_error"},
			{Provider: "openai", Account: "last", Model: "gpt-4", Status: 200, Outcome: "ok", CostNano: 3_000_000},
		}
	})
	ctx, c := context.Background(), h.client(h.admin)
	f := func(first, last, markup int64) {
		t.Helper()
		r := must[*api.LogReply](t)(c.Log(ctx, id))
		if r.CostUSD != api.USD(first+last) || r.ChargedUSD != api.USD(first+last+markup) || r.PromptTokens != 100 {
			t.Errorf("row %+v", r.LogRow)
		}
		want := [3]string{fmt.Sprintf("%d 25 provider_partial", first), "0 0 ", fmt.Sprintf("%d 100 provider", last)}
		for i, a := range r.Attempts {
			if got := fmt.Sprintf("%d %d %s", a.CostUSD, a.PromptTokens, a.UsageSource); got != want[i] {
				t.Errorf("attempt %d: %q, want %q", i+1, got, want[i])
			}
		}
		var lines [2]int64
		for _, l := range r.CostLines {
			if l.Kind != "markup" {
				lines[l.Attempt] += int64(l.CostUSD)
			}
		}
		if lines != [2]int64{last, first} && !strings.Contains(r.CostNote, "by the prices of now") {
			t.Errorf("the lines come to %v: %+v", lines, r.CostLines)
		}
		if !strings.Contains(strings.Join(r.Trace, "\n"), "told of 25 tokens in, 0 out (provider_partial), "+store.FormatUSD(first)+" USD") {
			t.Errorf("trace %q", r.Trace)
		}
		sums := func(a api.UsageAsk, want string) {
			t.Helper()
			a.Last = "7d"
			var got []string
			for _, g := range must[*api.UsageReply](t)(c.Usage(ctx, a)).Data {
				got = append(got, fmt.Sprintf("%s%s %d %d %d", g.Group["account"], g.Group["end_user"], g.Requests, g.CostUSD, g.PromptTokens))
			}
			if strings.Join(got, ", ") != want {
				t.Errorf("%+v: %q, want %q", a, got, want)
			}
		}
		both := fmt.Sprintf("last 1 %d 100, spare 0 %d 25", last, first)
		sums(api.UsageAsk{GroupBy: []string{"account"}}, both)
		sums(api.UsageAsk{GroupBy: []string{"account"}, Account: "spare"}, fmt.Sprintf("spare 0 %d 25", first))
		sums(api.UsageAsk{GroupBy: []string{"end_user"}}, fmt.Sprintf("mia 1 %d 125", first+last))
		sums(api.UsageAsk{GroupBy: []string{"end_user"}, Account: "spare"}, fmt.Sprintf("mia 0 %d 25", first))
		if v, err := h.store.Verify(ctx); err != nil || v.Fault != "" {
			t.Errorf("%v, %+v", err, v)
		}
	}
	f(750_000, 3_000_000, 375_000)
	must[*api.PricesDiff](t)(c.SetPrices(ctx, api.PricesSet{Prices: []api.PriceRow{{Provider: "openai", Model: "gpt-4", Rates: api.Rates{"input": 20 * api.Dollar, "output": 40 * api.Dollar}}}}))
	rerate := func(account string, changed int) {
		t.Helper()
		if r := must[*api.RerateReply](t)(c.RerateUsage(ctx, api.Rerate{Since: noon.Add(-24 * time.Hour), Account: account})); r.Changed != changed || r.Rows != 1 {
			t.Errorf("%+v", r)
		}
	}
	rerate("spare", 1)
	f(500_000, 3_000_000, 350_000)
	rerate("spare", 0)
	rerate("", 1)
	f(500_000, 2_000_000, 250_000)
	rerate("", 0)
}
