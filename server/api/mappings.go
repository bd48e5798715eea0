package api

import "time"

// A Mapping is an alias for models, with the targets it leads to.
type Mapping struct {
	ID        string              `json:"id"`
	Alias     string              `json:"alias"` // may be a pattern with '*'
	Targets   []MappingTarget     `json:"targets"`
	Strategy  string              `json:"strategy,omitempty"`
	Fallbacks map[string][]string `json:"fallbacks,omitempty"` // error, context_window, content_policy → aliases
	Origin    string              `json:"origin"`
	ReadOnly  bool                `json:"read_only"`
	CreatedAt *time.Time          `json:"created_at,omitempty"`
}

// A MappingTarget is one place an alias leads to. Account wins over Provider;
// with neither the place is found by Model.
type MappingTarget struct {
	Provider string `json:"provider,omitempty"`
	Account  string `json:"account,omitempty"`
	Model    string `json:"model"`
	Weight   int    `json:"weight,omitempty"`
	Priority int    `json:"priority,omitempty"`
}

// A MappingCreate is the body of POST /v1/admin/model-mappings.
type MappingCreate struct {
	Alias     string              `json:"alias"`
	Targets   []MappingTarget     `json:"targets"`
	Strategy  string              `json:"strategy,omitempty"`
	Fallbacks map[string][]string `json:"fallbacks,omitempty"`
}

// A MappingPatch is the body of PATCH /v1/admin/model-mappings/{id}. Nil members stay as they are.
type MappingPatch struct {
	Alias     *string              `json:"alias,omitempty"`
	Targets   *[]MappingTarget     `json:"targets,omitempty"`
	Strategy  *string              `json:"strategy,omitempty"`
	Fallbacks *map[string][]string `json:"fallbacks,omitempty"`
}

// MappingsReply is one page of mappings.
type MappingsReply struct {
	Data       []Mapping `json:"data"`
	NextCursor string    `json:"next_cursor"`
}

// An ExplainAsk asks where a request would go.
type ExplainAsk struct {
	Model     string
	Key       string // id of the key whose allow list counts; empty: none
	Operation string // "chat" (default), "embeddings", …
	Provider  string // as the request member
}

// ExplainReply is the plan for a request that is not made.
type ExplainReply struct {
	Model        string          `json:"model"`
	Operation    string          `json:"operation"`
	Key          string          `json:"key,omitempty"`
	Rule         string          `json:"rule,omitempty"` // which rule of the search found the targets
	Aliased      bool            `json:"aliased"`
	Strategy     string          `json:"strategy,omitempty"` // among targets of equal rank
	Targets      []ExplainTarget `json:"targets"`
	PriceVersion string          `json:"price_version,omitempty"`
	// Error is what a caller would be told when no target is eligible.
	Error *ErrorDetail `json:"error,omitempty"`
}

// An ExplainTarget is one target looked at. Order counts from 1; 0: not eligible.
type ExplainTarget struct {
	Provider string `json:"provider"`
	Account  string `json:"account"`
	Model    string `json:"model"` // the upstream's name
	Eligible bool   `json:"eligible"`
	Reason   string `json:"reason"`
	Order    int    `json:"order"`
	Priority int    `json:"priority"`
	Weight   int    `json:"weight"`
	Dialect  string `json:"dialect,omitempty"` // what will be spoken to it
	// EstimatedCostUSD is what 1,000 tokens in and 1,000 out cost; null: the price is not known.
	EstimatedCostUSD *USD   `json:"estimated_cost_usd"`
	PriceSource      string `json:"price_source,omitempty"`
	// State is how it fares: ok, failing, probing, cooling, open, parked.
	State         string     `json:"state,omitempty"`
	CooldownUntil *time.Time `json:"cooldown_until,omitempty"`
	LastError     string     `json:"last_error,omitempty"`
}

// A CatalogueModel is a model in use with what is known of it.
type CatalogueModel struct {
	ID        string   `json:"id"` // the name callers use
	Alias     bool     `json:"alias,omitempty"`
	Provider  string   `json:"provider"`
	Accounts  []string `json:"accounts"` // that serve it
	Title     string   `json:"title,omitempty"`
	Operation string   `json:"operation,omitempty"`
	Context   int64    `json:"context_window,omitempty"` // tokens; 0: not known
	MaxOutput int64    `json:"max_output_tokens,omitempty"`
	Priced    bool     `json:"priced"`
	Price     *Price   `json:"price,omitempty"`
	Tiers     []Tier   `json:"tiers,omitempty"`
	Source    string   `json:"source,omitempty"` // where the facts are from
	AsOf      string   `json:"as_of,omitempty"`  // their date, YYYY-MM-DD
	// Used is what was asked of it in the last 24 hours, where a list is asked for that.
	Used *UsageSums `json:"used_24h,omitempty"`
}

// A Price is in US dollars per million tokens; zero members are free or not charged apart.
type Price struct {
	Input        USD `json:"input"`
	Output       USD `json:"output"`
	CacheRead    USD `json:"cache_read"`
	CacheWrite5m USD `json:"cache_write_5m"`
	CacheWrite1h USD `json:"cache_write_1h"`
	Reasoning    USD `json:"reasoning"`
	InputAudio   USD `json:"input_audio,omitempty"`
	InputImage   USD `json:"input_image,omitempty"`
	OutputAudio  USD `json:"output_audio,omitempty"`
	OutputImage  USD `json:"output_image,omitempty"`
	Image        USD `json:"image,omitempty"`       // per million pictures
	AudioMs      USD `json:"audio_ms,omitempty"`    // per million milliseconds of sound
	Character    USD `json:"character,omitempty"`   // per million characters spoken
	Search       USD `json:"search_unit,omitempty"` // per million rerank search units
	Request      USD `json:"request,omitempty"`     // per million requests, on top
}

// A Tier replaces the price for prompts of more than Above tokens.
type Tier struct {
	Above int64 `json:"above"`
	Price Price `json:"price"`
}

// CatalogueReply lists the models in use.
type CatalogueReply struct {
	Data    []CatalogueModel `json:"data"`
	Version string           `json:"version"` // of the catalogue
	// Refreshed tells how reading each account's own list went, when it was asked for.
	Refreshed []Refreshed `json:"refreshed,omitempty"`
}

// A Refreshed tells how reading one account's list of models went.
type Refreshed struct {
	Account string `json:"account"`
	Models  int    `json:"models"`
	Error   string `json:"error,omitempty"`
}
