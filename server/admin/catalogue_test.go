package admin

import (
	"context"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/your-org/ai-api-gateway/server/api"
	"github.com/your-org/ai-api-gateway/store"
	"github.com/your-org/ai-api-gateway/web/locales"
)

func TestProviders(t *testing.T) {
	h := newHarness(t)
	got := must[*api.ProvidersReply](t)(h.client(h.admin).Providers(context.Background()))
	if len(got.Data) != len(h.vends) {
		t.Fatalf("got %+v", got)
	}
	want := api.ProviderInfo{Name: "openai", Title: "OpenAI", Aliases: []string{}, BaseURL: "https://api.openai.com/v1", NeedsKey: true, Dialects: []string{"chat"},
		Operations: []string{"chat", "embeddings", "models"}, EnvKeys: []string{"OPENAI_API_KEY"}, Models: []string{"gpt-*"}, Options: []api.ProviderOption{}, Accounts: 1}
	if !reflect.DeepEqual(got.Data[0], want) {
		t.Errorf("got  %+v\nwant %+v", got.Data[0], want)
	}
	said, en := 0, locales.Load("en")
	for vendor, list := range options {
		for _, o := range list {
			if key := "web.option." + vendor + "." + o.Name; !en.Has(key) || en.T(key) != o.Description {
				t.Errorf("%q must be %q in web/locales/en.json, and translated in the others", key, o.Description)
			}
			said++
		}
	}
	for _, key := range en.Keys() {
		if strings.HasPrefix(key, "web.option.") {
			said--
		}
	}
	if said != 0 {
		t.Errorf("the catalogue has %d options too few", said)
	}
	if az := got.Data[3]; !az.NeedsBaseURL || len(az.Options) == 0 {
		t.Errorf("got %+v", az)
	}
}

func TestModels(t *testing.T) {
	h := newHarness(t)
	ctx, c := context.Background(), h.client(h.admin)
	for _, name := range []string{"boom", "bad"} {
		must[*api.Account](t)(c.CreateAccount(ctx, api.AccountCreate{Provider: "openai", Name: name, APIKey: vendorSecret}))
	}
	must[*api.Mapping](t)(c.CreateMapping(ctx, api.MappingCreate{Alias: "fast", Targets: []api.MappingTarget{{Account: "spare", Model: "gpt-4"}}}))
	got := must[*api.CatalogueReply](t)(c.CatalogueModels(ctx, false))
	if len(got.Refreshed) != 0 || got.Version != "test-1" {
		t.Errorf("got %+v", got)
	}
	find := func(id string) *api.CatalogueModel {
		t.Helper()
		i := slices.IndexFunc(got.Data, func(m api.CatalogueModel) bool { return m.ID == id })
		if i < 0 {
			t.Fatalf("%s is not listed: %+v", id, got.Data)
		}
		return &got.Data[i]
	}
	m := find("gpt-4")
	if m.Provider != "openai" || m.Price == nil || m.Price.Input != 30*api.Dollar || m.Price.CacheRead != 1 || m.Source != "vendor" || m.AsOf != "2026-11-01" ||
		len(m.Tiers) != 1 || m.Tiers[0].Price.Input != 45*api.Dollar || !slices.Contains(m.Accounts, "spare") {
		t.Errorf("got %+v", m)
	}
	if m := find("fast"); !m.Alias || m.Provider != "openai" || !reflect.DeepEqual(m.Accounts, []string{"spare"}) || !m.Priced {
		t.Errorf("got %+v", m)
	}
	got = must[*api.CatalogueReply](t)(c.CatalogueModels(ctx, true))
	slices.SortFunc(got.Refreshed, func(a, b api.Refreshed) int { return strings.Compare(a.Account, b.Account) })
	want := []api.Refreshed{{Account: "bad", Error: "refused [redacted]"}, {Account: "boom", Error: "internal error"}, {Account: "spare", Models: 2}}
	if !reflect.DeepEqual(got.Refreshed, want) {
		t.Errorf("got %+v", got.Refreshed)
	}
	if status, body := h.call(h.admin, "GET", "/v1/admin/models?refresh", ""); status != 200 || !strings.Contains(body, `"refreshed":[`) {
		t.Errorf("?refresh alone: %d %s", status, body)
	}
	viewer := h.mint(&store.Key{Name: "v", Scopes: []string{"viewer"}})
	h.refused(viewer, "GET", "/v1/admin/models?refresh=true", "", 403, "missing_scope", "")
	h.refused(h.admin, "GET", "/v1/admin/models?refresh=perhaps", "", 400, "invalid_value", "refresh")
}

func TestExplain(t *testing.T) {
	h := newHarness(t)
	ctx, c := context.Background(), h.client(h.admin)
	limited := &store.Key{Name: "limited", Models: []string{"claude-*"}}
	h.mint(limited)
	got := must[*api.ExplainReply](t)(c.Explain(ctx, api.ExplainAsk{Model: "gpt-4"}))
	if len(got.Targets) != 1 || got.Error != nil || got.Rule != "catalogue" {
		t.Fatalf("got %+v", got)
	}
	want := api.ExplainTarget{Provider: "openai", Account: "spare", Model: "gpt-4", Eligible: true, Reason: ruleWords["catalogue"], Order: 1, Weight: 1, Dialect: "chat", State: "ok",
		EstimatedCostUSD: got.Targets[0].EstimatedCostUSD, PriceSource: "catalogue"}
	// The prompt of 1,000 tokens is in the tier of 45 USD a million, output 0 there.
	if !reflect.DeepEqual(got.Targets[0], want) || got.Targets[0].EstimatedCostUSD == nil || *got.Targets[0].EstimatedCostUSD != 45_000_000 {
		t.Errorf("got  %+v\nwant %+v", got.Targets[0], want)
	}
	got = must[*api.ExplainReply](t)(c.Explain(ctx, api.ExplainAsk{Model: "gpt-tomorrow"}))
	if got.Rule != "pattern" || got.Targets[0].PriceSource != "fallback" || *got.Targets[0].EstimatedCostUSD != 180_000_000 {
		t.Errorf("got %+v", got)
	}
	got = must[*api.ExplainReply](t)(c.Explain(ctx, api.ExplainAsk{Model: "gpt-4", Key: limited.ID}))
	if got.Error == nil || *got.Error.Code != "model_not_allowed" || got.Key != limited.ID {
		t.Errorf("got %+v", got)
	}
	got = must[*api.ExplainReply](t)(c.Explain(ctx, api.ExplainAsk{Model: "nonsense"}))
	if got.Error == nil || *got.Error.Code != "model_not_found" || len(got.Targets) != 2 || got.Targets[0].Eligible || got.Targets[0].Reason == "" {
		t.Errorf("got %+v", got)
	}
	got = must[*api.ExplainReply](t)(c.Explain(ctx, api.ExplainAsk{Model: "llama", Provider: "ollama"}))
	if len(got.Targets) != 1 || got.Targets[0].PriceSource != "local" || *got.Targets[0].EstimatedCostUSD != 0 {
		t.Errorf("got %+v", got)
	}
	got = must[*api.ExplainReply](t)(c.Explain(ctx, api.ExplainAsk{Model: "gpt-4", Operation: "images"}))
	if len(got.Targets) == 0 || got.Targets[0].Eligible {
		t.Errorf("got %+v", got)
	}
	const path = "/v1/admin/explain"
	h.refused(h.admin, "GET", path, "", 400, "missing_field", "model")
	h.refused(h.admin, "GET", path+"?model=x&operation=dance", "", 400, "invalid_value", "operation")
	h.refused(h.admin, "GET", path+"?model=x&dialect=klingon", "", 400, "invalid_value", "dialect")
	h.refused(h.admin, "GET", path+"?model=x&key=nobody", "", 404, "not_found", "")
	raw := must[string](t)(func() (string, error) { b, err := c.Config(ctx); return string(b), err }())
	if raw != `{"listen":":8080"}` {
		t.Errorf("config: %s", raw)
	}
}
