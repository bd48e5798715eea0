package api

import "time"

// Rates are prices by kind, in USD per million units: "input", "output",
// "cache_read", "cache_write_5m", "cache_write_1h", "reasoning", "input_audio",
// "input_image", "output_audio", "output_image" (tokens), "image" (pictures made),
// "audio_ms" (milliseconds of sound), "character" (spoken), "search_unit" (rerank),
// "request". What is not given costs what it is a part of.
type Rates map[string]USD

// A PriceRow is a price the operator set for a provider's model; it goes before the catalogue's.
type PriceRow struct {
	Provider  string      `json:"provider"`
	Model     string      `json:"model"`               // may be a pattern with '*'
	Operation string      `json:"operation,omitempty"` // empty: as the catalogue says, else "chat"
	Context   int64       `json:"context_window,omitempty"`
	MaxOutput int64       `json:"max_output_tokens,omitempty"`
	Rates     Rates       `json:"rates"`
	Tiers     []RatesTier `json:"tiers,omitempty"`
	Source    string      `json:"source,omitempty"`
	SetAt     *time.Time  `json:"set_at,omitempty"` // answers only
	SetBy     string      `json:"set_by,omitempty"` // answers only
}

// A RatesTier replaces the rates for prompts of more than Above tokens.
type RatesTier struct {
	Above int64 `json:"above"`
	Rates Rates `json:"rates"`
}

// PricesReply answers GET /v1/admin/prices.
type PricesReply struct {
	Data    []PriceRow `json:"data"`
	Version string     `json:"version"` // of the catalogue
}

// A PricesSet is the body of POST /v1/admin/prices: prices to add or replace, and
// to remove. DryRun only tells what would change.
type PricesSet struct {
	Prices []PriceRow `json:"prices,omitempty"`
	Remove []PriceRef `json:"remove,omitempty"`
	DryRun bool       `json:"dry_run,omitempty"`
}

// A PriceRef names a price that was set.
type PriceRef struct {
	Provider string `json:"provider"`
	Model    string `json:"model"`
}

// A PriceChange is what a PricesSet does to one model. Old is nil where no price
// was known, New where none is known any more.
type PriceChange struct {
	Provider string      `json:"provider"`
	Model    string      `json:"model"`
	Old      Rates       `json:"old,omitempty"`
	OldTiers []RatesTier `json:"old_tiers,omitempty"`
	OldFrom  string      `json:"old_from,omitempty"` // "catalogue", "override"
	New      Rates       `json:"new,omitempty"`
	NewTiers []RatesTier `json:"new_tiers,omitempty"`
}

// PricesDiff answers POST /v1/admin/prices.
type PricesDiff struct {
	Changes   []PriceChange `json:"changes"`
	Unchanged int           `json:"unchanged"` // rows given whose rates hold already
	Applied   bool          `json:"applied"`
}
