package store

import (
	"encoding/json"
	"fmt"
	"time"
)

// MetaPrices is the name of the value that holds the operator's own prices.
const MetaPrices = "prices"

// A PriceRow is a price the operator has set for a provider's model; it goes
// before the catalogue's. Rates are nano-USD per million units, by the names of
// providers.RateNames.
type PriceRow struct {
	Provider  string           `json:"provider"`
	Model     string           `json:"model"`               // may be a pattern with '*'
	Operation string           `json:"operation,omitempty"` // "" = as the catalogue says, else chat
	Context   int64            `json:"context,omitempty"`   // tokens; 0 = as the catalogue says
	MaxOutput int64            `json:"max_output,omitempty"`
	Rates     map[string]int64 `json:"rates"`
	Tiers     []PriceTier      `json:"tiers,omitempty"` // ascending
	Source    string           `json:"source"`
	SetAt     time.Time        `json:"set_at"`
	SetBy     string           `json:"set_by,omitempty"` // key id
}

// A PriceTier replaces the rates for prompts of more than Above tokens.
type PriceTier struct {
	Above int64            `json:"above"`
	Rates map[string]int64 `json:"rates"`
}

const pricesVersion = 1

// EncodePrices returns the stored form of a list of prices.
func EncodePrices(rows []PriceRow) ([]byte, error) {
	b, err := json.Marshal(rows)
	if err != nil {
		return nil, fmt.Errorf("cannot encode prices: %w", err)
	}
	return append([]byte{pricesVersion}, b...), nil
}

// DecodePrices reads what EncodePrices wrote; nothing gives no prices.
func DecodePrices(b []byte) (rows []PriceRow, err error) {
	if len(b) == 0 {
		return nil, nil
	}
	if b[0] != pricesVersion {
		return nil, fmt.Errorf("cannot decode prices of version %d: %w", b[0], ErrNewer)
	}
	if err := json.Unmarshal(b[1:], &rows); err != nil {
		return nil, fmt.Errorf("cannot decode prices: %w: %w", err, ErrCorrupt)
	}
	return rows, nil
}
