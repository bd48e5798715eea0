package api

import "time"

// A Verification is what a proof of the ledger found.
type Verification struct {
	Clean       bool    `json:"clean"`
	Days        int64   `json:"days"`
	Rows        int64   `json:"rows"`
	Corrections int64   `json:"corrections"`
	RollUps     int64   `json:"roll_ups"`           // compared with their rows
	Unproven    int64   `json:"unproven,omitempty"` // roll-ups whose rows retention has removed
	ChargedUSD  USD     `json:"charged_usd"`        // the sum of all rows
	Fault       string  `json:"fault,omitempty"`    // the first difference
	FaultDay    string  `json:"fault_day,omitempty"`
	FaultAt     string  `json:"fault_at,omitempty"` // the request, the roll-up or the file
	TookMs      float64 `json:"took_ms"`
}

// A LedgerResolve is the body of POST /v1/admin/ledger/resolve: what a request cost
// that a crash had left open, as an amount or in a word.
type LedgerResolve struct {
	RequestID string `json:"request_id"`
	CostUSD   *USD   `json:"cost_usd,omitempty"`
	Charge    string `json:"charge,omitempty"` // "reserved" or "nothing"
	Note      string `json:"note,omitempty"`
}

// A Rerate is the body of POST /v1/admin/usage/rerate.
type Rerate struct {
	Since    time.Time `json:"since"`          // inclusive
	Until    time.Time `json:"until,omitzero"` // exclusive
	Key      string    `json:"key,omitempty"`  // the key's id
	Model    string    `json:"model,omitempty"`
	Provider string    `json:"provider,omitempty"`
	Account  string    `json:"account,omitempty"`
	DryRun   bool      `json:"dry_run,omitempty"`
	Cursor   string    `json:"cursor,omitempty"`
}

// A RerateReply tells what one page of rows costs by the prices of now.
type RerateReply struct {
	Data       []Rerated `json:"data"`
	Rows       int       `json:"rows"`    // looked at
	Changed    int       `json:"changed"` // whose cost differs
	Version    string    `json:"price_version"`
	NextCursor string    `json:"next_cursor"`
	Applied    bool      `json:"applied"`
}

// Rerated sums the rows of one model.
type Rerated struct {
	Provider     string `json:"provider"`
	Model        string `json:"model"` // the upstream's
	Rows         int    `json:"rows"`
	Changed      int    `json:"changed"`
	OldUSD       USD    `json:"old_usd"`
	NewUSD       USD    `json:"new_usd"`
	PriceVersion string `json:"price_version"`
	PriceSource  string `json:"price_source"`
}
