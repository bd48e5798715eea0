package routing

import (
	"testing"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/store"
)

// priced is a catalogue of one price; what it does not know costs the dearest.
type priced struct {
	facts
	model providers.Model
}

func (p priced) Find(provider, model string) (*providers.Model, bool) {
	if provider == p.model.Provider && model == p.model.ID {
		return &p.model, true
	}
	return nil, false
}

func (p priced) Dearest(string) providers.Price {
	return providers.Price{Input: 100_000_000, Output: 200_000_000, Image: 40_000_000_000_000}
}

func TestCharge(t *testing.T) {
	vendor := &providers.Provider{Name: "v", BaseURL: "https://v"}
	local := &providers.Provider{Name: "l", BaseURL: "http://l", Local: true}
	known := priced{model: providers.Model{ID: "m", Provider: "v", Priced: true,
		Price: providers.Price{Input: 1_000_000, Output: 2_000_000}, Tiers: []providers.Tier{{Above: 100, Price: providers.Price{Input: 4_000_000}}}}}
	f := func(p *providers.Provider, prices map[string]map[string]int64, model, unknown string, u providers.Usage, nano int64, source string) {
		t.Helper()
		acc := &Account{Account: &store.Account{ID: "id", Name: "acc", Provider: p.Name, Prices: prices}, Provider: p}
		table, err := Build(Source{Providers: []*providers.Provider{p}, Catalogue: known, Accounts: []*Account{acc}})
		if err != nil {
			t.Fatal(err)
		}
		tg := Target{Account: acc, Model: model, Entry: table.Entry(acc, model), Catalogue: known}
		if c := tg.Charge(&u, unknown); c.Nano != nano || c.Source != source || c.Version == "" {
			t.Errorf("%s %v: got %+v, want %d from %s", model, u, c, nano, source)
		}
	}
	ten := providers.Usage{Input: 10, Output: 10}
	f(vendor, nil, "m", "dearest", ten, 30, "catalogue")
	f(vendor, nil, "m", "dearest", providers.Usage{Input: 101}, 404, "catalogue")
	f(vendor, nil, "m", "dearest", providers.Usage{Input: 10, CostNano: 7, HasCost: true}, 7, "provider")
	f(vendor, nil, "x", "dearest", ten, 3000, "fallback")
	f(vendor, nil, "x", "deny", ten, 3000, "fallback")
	f(vendor, nil, "x", "zero", ten, 0, "zero")
	f(vendor, nil, "x", "zero", providers.Usage{Input: 10, CostNano: 7, HasCost: true}, 7, "provider")
	// The model has no rate for pictures: never silently nothing.
	f(vendor, nil, "m", "dearest", providers.Usage{Images: 1}, 40_000_000, "fallback")
	f(vendor, nil, "m", "zero", providers.Usage{Images: 1}, 0, "zero")
	f(vendor, nil, "m", "dearest", providers.Usage{}, 0, "catalogue")
	f(local, nil, "m", "dearest", ten, 0, "local")
	f(local, nil, "m", "dearest", providers.Usage{Input: 10, CostNano: 7, HasCost: true}, 0, "local")
	f(local, map[string]map[string]int64{"*": {"input": 5_000_000}}, "m", "dearest", ten, 50, "account")
	f(vendor, map[string]map[string]int64{"*": {"factor": 500_000_000}}, "m", "dearest", ten, 15, "account")
	f(vendor, map[string]map[string]int64{"*": {"factor": 500_000_000}}, "m", "dearest", providers.Usage{Input: 101}, 202, "account")
	f(vendor, map[string]map[string]int64{"*": {"factor": 500_000_000}}, "x", "dearest", ten, 3000, "fallback")
	f(vendor, map[string]map[string]int64{"*": {"input": 1}, "x": {"input": 3_000_000}}, "x", "dearest", ten, 30, "account")
	f(vendor, map[string]map[string]int64{"m": {"input": 3_000_000}}, "m", "dearest", providers.Usage{Input: 10, CostNano: 7, HasCost: true}, 30, "account")
}

func TestAccountPricesRefused(t *testing.T) {
	f := func(rates map[string]int64) {
		t.Helper()
		if err := CheckPrices(map[string]map[string]int64{"m": rates}); err == nil {
			t.Errorf("%v is taken", rates)
		}
	}
	f(nil)
	f(map[string]int64{"input": -1})
	f(map[string]int64{"speed": 1})
	f(map[string]int64{"factor": 0})
	f(map[string]int64{"factor": -500_000_000})
	f(map[string]int64{"factor": 500_000_001})
	f(map[string]int64{"factor": 500_000_000, "input": 1})
}
