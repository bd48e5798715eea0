package admin

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/your-org/ai-api-gateway/server/api"
	"github.com/your-org/ai-api-gateway/store"
)

// near asserts that a percentile is what it should be, as near as buckets tell.
func near(t *testing.T, what string, got *float64, want float64) {
	t.Helper()
	if got == nil || math.Abs(*got-want) > want*0.13 {
		t.Errorf("%s: %v, want about %v", what, got, want)
	}
}

func TestOverview(t *testing.T) {
	h := newHarness(t)
	ctx, c := context.Background(), h.client(h.admin)
	for i := range uint64(40) { // two an hour, each hour a little slower
		h.use(i+1, "key-a", noon.Add(-time.Duration(i)*30*time.Minute-time.Minute), func(r *store.UsageRow) {
			r.Model = fmt.Sprintf("model-%d", i%10)
			r.CostNano = int64(1+i%10) * 1_000_000_000
			r.Duration, r.TTFT = 2*time.Second, 300*time.Millisecond
			if i == 3 {
				r.Status, r.EndReason = 502, store.EndStreamError
			}
		})
	}
	h.use(100, "key-b", noon.Add(-30*time.Hour), func(r *store.UsageRow) { r.Duration = 4 * time.Second })

	got := must[*api.OverviewReply](t)(c.Overview(ctx, api.OverviewAsk{}))
	if got.Step != "hour" || got.By != "model" || len(got.Times) != 24 || !got.Times[23].Equal(noon.Add(-time.Hour)) || !got.Since.Equal(noon.AddDate(0, 0, -1)) {
		t.Fatalf("%s by %s: %d steps, the last at %v, since %v", got.Step, got.By, len(got.Times), got.Times[len(got.Times)-1], got.Since)
	}
	if got.Total.Requests != 40 || got.Total.Errors != 1 || got.Previous.Requests != 1 {
		t.Errorf("%+v, before %+v", got.Total, got.Previous)
	}
	near(t, "p50", got.Total.Latency.P50, 2000)
	near(t, "first byte", got.Total.TTFT.P99, 300)
	near(t, "p95 before", got.Previous.Latency.P95, 4000)
	near(t, "p99 of the last hour", got.Series.LatencyP99[23], 2000)
	if got.Series.LatencyP50[0] != nil || got.Series.Requests[0] != 0 || got.Series.Requests[23] != 2 {
		t.Errorf("%+v", got.Series)
	}
	if len(got.Groups) != 8 || got.Groups[0].Name != "model-9" || got.Groups[7].Name != "other" || got.Groups[7].Total.Requests != 12 {
		t.Fatalf("%+v", got.Groups)
	}
	var requests, errors int64
	var cost, series api.USD
	for _, g := range got.Groups {
		near(t, g.Name, g.Total.Latency.P50, 2000)
		cost += g.Total.CostUSD
		for i := range g.Requests {
			requests, errors, series = requests+g.Requests[i], errors+g.Errors[i], series+g.CostUSD[i]
		}
	}
	if requests != 40 || errors != 1 || cost != got.Total.CostUSD || series != cost || cost != 220*api.Dollar {
		t.Errorf("the groups come to %d requests, %d errors, %v and %v USD", requests, errors, cost, series)
	}
	if i := slices.IndexFunc(got.Changes, func(c api.OverviewChange) bool { return c.Kind == api.ChangeNewError }); i < 0 || got.Changes[i].Object != store.EndStreamError {
		t.Errorf("changes: %+v", got.Changes)
	}

	hour := must[*api.OverviewReply](t)(c.Overview(ctx, api.OverviewAsk{Last: "1h", By: "account", Step: "15m"}))
	if len(hour.Times) != 4 || hour.Total.Requests != 2 || hour.Groups[0].Name != "spare" || !slices.Equal(hour.Groups[0].Requests, []int64{0, 1, 0, 1}) {
		t.Errorf("%+v", hour)
	}
	keys := must[*api.OverviewReply](t)(c.Overview(ctx, api.OverviewAsk{Last: "2d", By: "key", Step: "day"}))
	if len(keys.Groups) != 2 || keys.Groups[0].Label != "name of key-a" || len(keys.Times) != 2 {
		t.Errorf("%+v", keys)
	}
	one := must[*api.OverviewReply](t)(c.Overview(ctx, api.OverviewAsk{StartDate: "2026-11-19", EndDate: "2026-11-20", Key: "key-a", Zone: "Asia/Kathmandu"}))
	if one.Total.Requests == 0 || one.Total.Latency.P50 != nil || one.Times[0].Format(time.RFC3339) != "2026-11-18T18:15:00Z" {
		t.Errorf("%+v", one)
	}
	for query, param := range map[string]string{"by=colour": "by", "step=minute": "step", "last=90d&step=15m": "step", "tz=Mars": "tz", "last=1d&start_date=2026-11-01": "last"} {
		h.refused(h.admin, "GET", "/v1/admin/overview?"+query, "", 400, "invalid_value", param)
	}
}

func TestOverviewOfNothing(t *testing.T) {
	h := newHarness(t)
	_, body := h.call(h.admin, "GET", "/v1/admin/overview?last=7d", "")
	for _, want := range []string{`"groups":[]`, `"latency_ms":{"p50":null,"p95":null,"p99":null}`, `"end_reasons":[]`} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in %s", want, body)
		}
	}
}

func TestOverviewBudgets(t *testing.T) {
	h := newHarness(t)
	c := h.client(h.admin)
	must[*api.Policy](t)(c.CreatePolicy(t.Context(), api.PolicyCreate{Name: "team", Scope: api.PolicyScope{Global: true},
		Limits: []api.PolicyLimit{{Kind: "cost_usd", Limit: "100", Window: "day"}, {Kind: "requests", Limit: "5", Window: "day"}}}))
	got := must[*api.OverviewReply](t)(c.Overview(t.Context(), api.OverviewAsk{}))
	if len(got.Budgets) != 1 || got.Budgets[0].Policy != "team" || got.Budgets[0].Percent != 0 || got.Budgets[0].ProjectedPercent == nil {
		t.Errorf("%+v", got.Budgets)
	}
	if len(got.Changes) != 1 || got.Changes[0].Kind != api.ChangeEdit || !strings.Contains(got.Changes[0].Text, "policy.create by root") {
		t.Errorf("%+v", got.Changes)
	}
}

func TestUsageComparedAndMeasured(t *testing.T) {
	h := newHarness(t)
	c := h.client(h.admin)
	h.use(1, "key-a", noon.Add(-time.Hour), nil)
	h.use(2, "key-a", noon.Add(-25*time.Hour), nil)
	h.use(3, "key-a", noon.Add(-26*time.Hour), func(r *store.UsageRow) { r.Account = "first" })
	got := must[*api.UsageReply](t)(c.Usage(t.Context(), api.UsageAsk{Last: "24h", GroupBy: []string{"model"}, Compare: true}))
	if got.Total.Requests != 1 || got.Previous == nil || got.Previous.Total.Requests != 2 || len(got.Previous.Data) != 1 || !got.Previous.Until.Equal(got.Since) {
		t.Fatalf("%+v, %+v", got, got.Previous)
	}
	near(t, "of the model", got.Data[0].Latency.P50, 1500)
	near(t, "of all", got.Total.Latency.P95, 1500)
	if got := must[*api.UsageReply](t)(c.Usage(t.Context(), api.UsageAsk{Last: "7d", Account: "first"})); got.Total.Requests != 1 || got.Previous != nil {
		t.Errorf("%+v", got)
	}
	if got := must[*api.UsageReply](t)(c.Usage(t.Context(), api.UsageAsk{Last: "7d", Key: "key-a"})); got.Total.Latency != nil {
		t.Errorf("of one key: %+v", got)
	}
	h.refused(h.admin, "GET", "/v1/admin/usage?compare=maybe", "", 400, "invalid_value", "compare")
	h.refused(h.admin, "GET", "/v1/admin/usage?compare=true&group_by=owner", "", 400, "invalid_value", "compare")
}

func TestWhyThisCost(t *testing.T) {
	h := newHarness(t)
	c := h.client(h.admin)
	// 18 tokens in, 7 out: 10 × 30 + 5 × 0.000000001 + 4 × 60 USD a million; writes to
	// caches and reasoning have no rate in the harness's catalogue.
	exact := h.use(1, "key-a", noon, func(r *store.UsageRow) { r.CostNano, r.MarkupNano = 540_000, 1000 })
	got := must[*api.LogReply](t)(c.Log(t.Context(), exact))
	kinds := map[string]api.CostLine{}
	for _, l := range got.CostLines {
		kinds[l.Kind] = l
	}
	if l := kinds["input"]; l.Units != 10 || *l.USDPerMillion != 30*api.Dollar || l.CostUSD != 300_000 || kinds["output"].CostUSD != 240_000 || kinds["markup"].CostUSD != 1000 || got.CostNote != "" {
		t.Errorf("%+v, %q", got.CostLines, got.CostNote)
	}
	long := h.use(2, "key-a", noon, func(r *store.UsageRow) { r.Tokens = store.Tokens{Input: 1000}; r.PriceVersion = "old" })
	got = must[*api.LogReply](t)(c.Log(t.Context(), long))
	if len(got.CostLines) != 1 || *got.CostLines[0].USDPerMillion != 45*api.Dollar || !strings.Contains(got.CostLines[0].Note, "above 100 tokens") || !strings.Contains(got.CostNote, "whose rates are not kept") {
		t.Errorf("%+v, %q", got.CostLines, got.CostNote)
	}
	told := h.use(3, "key-a", noon, func(r *store.UsageRow) { r.PriceSource, r.AdjustedNano = "provider", 500_000_000 })
	got = must[*api.LogReply](t)(c.Log(t.Context(), told))
	if len(got.CostLines) != 2 || got.CostLines[0].CostUSD != 1_000_000_001 || got.CostLines[1].Kind != "adjust" {
		t.Errorf("%+v", got.CostLines)
	}
	gone := h.use(4, "key-a", noon, func(r *store.UsageRow) { r.Provider, r.Account = "vanished", "vanished" })
	if got = must[*api.LogReply](t)(c.Log(t.Context(), gone)); len(got.CostLines) != 0 || !strings.Contains(got.CostNote, "gone") {
		t.Errorf("%+v, %q", got.CostLines, got.CostNote)
	}
}

func TestKeysWithLimits(t *testing.T) {
	h := newHarness(t)
	c := h.client(h.admin)
	k := &store.Key{Name: "team member", Group: "team"}
	h.mint(k)
	h.use(1, k.ID, noon.Add(-time.Hour), nil)
	for name, scope := range map[string]api.PolicyScope{"own": {APIKey: k.ID}, "group": {Group: "team"}, "account": {Account: "spare"}, "others": {Group: "else"}} {
		must[*api.Policy](t)(c.CreatePolicy(t.Context(), api.PolicyCreate{Name: name, Scope: scope, Limits: []api.PolicyLimit{{Kind: "cost_usd", Limit: "1", Window: "month"}}}))
	}
	_, body := h.call(h.admin, "GET", "/v1/admin/api-keys?limits=true&q=member", "")
	for _, name := range []string{"own", "group", "from-file"} {
		if !strings.Contains(body, `"policy":"`+name+`"`) {
			t.Errorf("no %s in %s", name, body)
		}
	}
	if strings.Contains(body, `"account"`) && strings.Contains(body, `"policy":"account"`) || strings.Contains(body, "others") || !strings.Contains(body, `"used_24h":{"requests":1`) {
		t.Error(body)
	}
	if _, body := h.call(h.admin, "GET", "/v1/admin/api-keys", ""); strings.Contains(body, `"limits"`) {
		t.Error(body)
	}
	if _, body := h.call(h.admin, "GET", "/v1/admin/models?usage=true&q=gpt-4", ""); !strings.Contains(body, `"used_24h":{"requests":1`) || !strings.Contains(body, `"latency_ms":{"p50":1`) {
		t.Error(body)
	}
}

func TestAuditFilters(t *testing.T) {
	h := newHarness(t)
	c := h.client(h.admin)
	for i := range 30 {
		h.clock.Store(noon.Add(time.Duration(i) * time.Minute).UnixNano())
		must[*api.KeyCreated](t)(c.CreateKey(t.Context(), api.KeyCreate{Name: fmt.Sprint("k", i)}))
		if i%10 == 0 {
			must[*api.Policy](t)(c.CreatePolicy(t.Context(), api.PolicyCreate{Name: fmt.Sprint("p", i), Scope: api.PolicyScope{Global: true}, Limits: []api.PolicyLimit{{Kind: "requests", Limit: "1", Window: "day"}}}))
		}
	}
	f := func(want int, a api.AuditAsk) {
		t.Helper()
		n := 0
		for a.Limit = 2; ; {
			page := must[*api.AuditReply](t)(c.Audit(t.Context(), a))
			for _, r := range page.Data {
				if r.ActorName != "root" {
					t.Errorf("%+v", r)
				}
			}
			n += len(page.Data)
			if a.Cursor = page.NextCursor; a.Cursor == "" {
				break
			}
		}
		if n != want {
			t.Errorf("%+v: %d rows, want %d", a, n, want)
		}
	}
	f(33, api.AuditAsk{})
	f(3, api.AuditAsk{Action: "policy."})
	f(0, api.AuditAsk{Actor: "nobody"})
	f(5, api.AuditAsk{Since: noon.Add(25 * time.Minute), Until: noon.Add(30 * time.Minute), Action: "api_key.create"})
}
