package config

import (
	"go.yaml.in/yaml/v3"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/store"
)

// priceFactor is the name by which a price says what is paid of the list price.
const priceFactor = "factor"

// prices reads what an account pays instead of the list price: by model or pattern,
// rates in USD for a million units, or a factor.
func (l *loader) prices(a *store.Account, path string, n *yaml.Node) {
	a.Prices = map[string]map[string]int64{}
	l.pairs(n, path, func(model string, key, value *yaml.Node) {
		if value == nil {
			return
		}
		rates := map[string]int64{}
		l.pairs(value, join(path, model), func(name string, _, value *yaml.Node) {
			if value == nil {
				return
			}
			s, ok := l.scalar(value, join(join(path, model), name))
			if !ok {
				return
			}
			nano, err := store.ParseUSD(s)
			if err != nil {
				l.refuse(value, join(join(path, model), name), s, err)
				return
			}
			rates[name] = nano
		})
		_, scaled := rates[priceFactor]
		if _, err := providers.NewPrice(rates); err != nil && !(scaled && len(rates) == 1) {
			l.fail(key, join(path, model), "%v", err)
			return
		}
		if f := rates[priceFactor]; scaled && (f <= 0 || f > 100*store.NanoPerUSD || f%1000 != 0) {
			l.fail(key, join(path, model), "factor must be above 0, at most 100, with at most 6 decimals")
			return
		}
		a.Prices[model] = rates
	})
}
