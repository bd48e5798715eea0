package admin

import (
	"context"
	"maps"
	"strings"
	"testing"

	"github.com/your-org/ai-api-gateway/server/api"
)

func TestPrices(t *testing.T) {
	h := newHarness(t)
	ctx, c := context.Background(), h.client(h.admin)
	set := api.PricesSet{DryRun: true, Prices: []api.PriceRow{
		{Provider: "openai", Model: "gpt-4", Rates: api.Rates{"input": 20 * api.Dollar, "output": 40 * api.Dollar}, Source: "contract 7"},
		{Provider: "openai", Model: "gpt-next", Rates: api.Rates{"input": 1}, Tiers: []api.RatesTier{{Above: 200_000, Rates: api.Rates{"input": 2}}}},
	}}
	diff := must[*api.PricesDiff](t)(c.SetPrices(ctx, set))
	if diff.Applied || len(diff.Changes) != 2 || diff.Changes[0].Old["input"] != 30*api.Dollar || diff.Changes[0].OldFrom != "catalogue" ||
		diff.Changes[0].New["cache_read"] != 20*api.Dollar || diff.Changes[1].Old != nil || diff.Changes[1].NewTiers[0].Above != 200_000 {
		t.Errorf("diff %+v", diff)
	}
	if got := must[*api.PricesReply](t)(c.Prices(ctx)); len(got.Data) != 0 {
		t.Errorf("a dry run set %+v", got)
	}
	set.DryRun = false
	if diff = must[*api.PricesDiff](t)(c.SetPrices(ctx, set)); !diff.Applied {
		t.Errorf("diff %+v", diff)
	}
	got := must[*api.PricesReply](t)(c.Prices(ctx))
	if len(got.Data) != 2 || got.Data[0].Model != "gpt-4" || got.Data[0].Source != "contract 7" || got.Data[0].SetAt == nil || !maps.Equal(got.Data[0].Rates, set.Prices[0].Rates) {
		t.Errorf("kept %+v", got)
	}
	if diff = must[*api.PricesDiff](t)(c.SetPrices(ctx, set)); diff.Applied || diff.Unchanged != 2 {
		t.Errorf("the same again is %+v", diff)
	}
	diff = must[*api.PricesDiff](t)(c.SetPrices(ctx, api.PricesSet{Remove: []api.PriceRef{{Provider: "openai", Model: "gpt-4"}}}))
	if !diff.Applied || diff.Changes[0].OldFrom != "override" {
		t.Errorf("removal is %+v", diff)
	}
	if !strings.Contains(h.everything(), "prices.change") {
		t.Error("the audit trail is silent")
	}
}

// A price list with any fault is refused whole, and the one before holds.
func TestPricesRefused(t *testing.T) {
	h := newHarness(t)
	f := func(body, param, says string) {
		t.Helper()
		if msg := h.refused(h.admin, "POST", "/v1/admin/prices", body, 400, "invalid_value", param); !strings.Contains(msg, says) {
			t.Errorf("%s: %s", body, msg)
		}
	}
	one := func(rest string) string {
		return `{"prices":[{"provider":"openai","model":"gpt-4","rates":{"input":1}},{"provider":"openai",` + rest + `}]}`
	}
	f(one(`"model":"a","rates":{"input":-1}`), "rates", "must not be negative")
	f(one(`"model":"a","rates":{"input":1000001}`), "rates", "beyond what any vendor asks")
	f(one(`"model":"a","rates":{"inptu":1}`), "rates", "is no rate")
	f(one(`"model":"a","rates":{"input":1},"tiers":[{"above":5,"rates":{}},{"above":5,"rates":{}}]`), "rates", "ascend")
	f(one(`"model":"gpt-4","rates":{"input":1}`), "prices", "twice")
	f(one(`"model":"","rates":{"input":1}`), "model", "must be")
	for _, bad := range []string{`NaN`, `1e999`, `"x"`, `0.0000000001`, `99999999999`} {
		if status, body := h.call(h.admin, "POST", "/v1/admin/prices", one(`"model":"a","rates":{"input":`+bad+`}`)); status != 400 {
			t.Errorf("%s: %d %s", bad, status, body)
		}
	}
	if got := must[*api.PricesReply](t)(h.client(h.admin).Prices(context.Background())); len(got.Data) != 0 {
		t.Errorf("kept %+v", got)
	}
}

func TestAccountPrices(t *testing.T) {
	h := newHarness(t)
	ctx, c := context.Background(), h.client(h.admin)
	acc := must[*api.Account](t)(c.CreateAccount(ctx, api.AccountCreate{Provider: "openai", Name: "cheap", APIKey: vendorSecret,
		Prices: map[string]api.Rates{"gpt-4": {"input": 10 * api.Dollar}, "*": {"factor": api.Dollar / 2}}}))
	if acc.Prices["*"]["factor"] != api.Dollar/2 {
		t.Errorf("got %+v", acc)
	}
	routed, _ := h.table.Load().Account("cheap")
	if e := h.table.Load().Entry(routed, "gpt-4"); e.Price.Input != 10_000_000_000 || e.Price.Output != 0 || e.PriceFrom != "account" {
		t.Errorf("entry %+v", e)
	}
	bad := `{"provider":"openai","account_name":"x","api_key":"` + vendorSecret + `","prices":{"gpt-4":{"factor":0.5,"input":1}}}`
	h.refused(h.admin, "POST", "/v1/admin/provider-accounts", bad, 400, "invalid_value", "prices")
}
