// Package store says what is kept: the records, the contract of the stores that
// keep them, key minting, the sealing of secrets, and integer money. It imports
// nothing of the project; bolt and postgres implement it.
package store

import (
	"encoding/json"
	"time"
)

// A Key is an API key of a caller. The key itself is never stored, only its hash.
type Key struct {
	ID        string            `json:"id"`
	Name      string            `json:"name"`
	Hash      [32]byte          `json:"hash"`               // SHA-256 of the whole key
	Prefix    string            `json:"prefix"`             // "sk-gw-ab12cd34", for people
	Scopes    []string          `json:"scopes,omitempty"`   // empty: every relay route
	Models    []string          `json:"models,omitempty"`   // empty: all; names and patterns with '*'
	IPAllow   []string          `json:"ip_allow,omitempty"` // CIDRs; empty: any
	Group     string            `json:"group,omitempty"`
	Metadata  map[string]string `json:"metadata,omitempty"`
	CreatedAt time.Time         `json:"created_at"`
	CreatedBy string            `json:"created_by,omitempty"` // id of the key that made it
	ExpiresAt time.Time         `json:"expires_at,omitzero"`  // zero: never
	RevokedAt time.Time         `json:"revoked_at,omitzero"`  // zero: not revoked
	// PrevHash keeps the key from before a rotation valid until PrevUntil.
	PrevHash     [32]byte  `json:"prev_hash,omitzero"`
	PrevUntil    time.Time `json:"prev_until,omitzero"`
	OnDisconnect string    `json:"on_disconnect,omitempty"` // "" = cancel, "drain"
	LogBodies    string    `json:"log_bodies,omitempty"`    // "" = off, "errors", "all"
	Markup       string    `json:"markup,omitempty"`        // decimal factor on cost; "" = 1
	Weak         bool      `json:"weak,omitempty"`          // imported, under 128 bits
}

// Origins of a record.
const (
	OriginDB   = "db"
	OriginFile = "file"
	OriginEnv  = "env"
)

// An Account is one account at a provider.
type Account struct {
	ID       string `json:"id"`
	Provider string `json:"provider"`
	Name     string `json:"name"` // "account_name" on the wire; unique
	BaseURL  string `json:"base_url,omitempty"`
	// Secrets are the account's keys, sealed (see Sealer) when stored.
	Secrets  []Secret                   `json:"secrets,omitempty"`
	Models   []AccountModel             `json:"models,omitempty"`   // empty: whatever the provider's catalogue says
	Weight   int                        `json:"weight,omitempty"`   // 0 = 1
	Priority int                        `json:"priority,omitempty"` // lower first
	Enabled  bool                       `json:"enabled"`
	Headers  map[string]string          `json:"headers,omitempty"`
	Params   json.RawMessage            `json:"params,omitempty"`
	Options  map[string]json.RawMessage `json:"options,omitempty"`
	Proxy    string                     `json:"proxy,omitempty"`
	// Private holds Headers, Options and Proxy sealed, when stored; see SealAccount.
	Private  []byte            `json:"private,omitempty"`
	HTTP2    bool              `json:"http2,omitempty"`
	Timeouts map[string]string `json:"timeouts,omitempty"`
	// Prices are what the account pays instead of the list price: by model or
	// pattern, rates in nano-USD per million units, or {"factor": nano} of the list.
	Prices    map[string]map[string]int64 `json:"prices,omitempty"`
	Origin    string                      `json:"origin"` // OriginDB, OriginFile, OriginEnv
	CreatedAt time.Time                   `json:"created_at,omitzero"`
}

// A Secret is one key of an account. Exactly one of Sealed and Plain is set:
// stored ones are sealed; those from environment and file live in memory only.
type Secret struct {
	Sealed []byte       `json:"sealed,omitempty"`
	Plain  SecretString `json:"-"`
	Hint   string       `json:"hint"`             // "…" and the last four characters
	Weight int          `json:"weight,omitempty"` // 0 = 1
}

// An AccountModel is a model an account serves: the name callers use and the upstream's.
type AccountModel struct {
	Name     string `json:"name"`               // may be a pattern; "*" = any
	Upstream string `json:"upstream,omitempty"` // "" = Name
}

// A Mapping is an alias with its targets.
type Mapping struct {
	ID        string              `json:"id"`
	Alias     string              `json:"alias"` // may be a pattern with '*'
	Targets   []MappingTarget     `json:"targets"`
	Strategy  string              `json:"strategy,omitempty"`
	Fallbacks map[string][]string `json:"fallbacks,omitempty"` // error, context_window, content_policy → aliases
	Origin    string              `json:"origin"`
	CreatedAt time.Time           `json:"created_at,omitzero"`
}

// A MappingTarget is one place an alias leads to. Account wins over Provider; neither: found by Model.
type MappingTarget struct {
	Provider string `json:"provider,omitempty"`
	Account  string `json:"account,omitempty"`
	Model    string `json:"model"`
	Weight   int    `json:"weight,omitempty"`
	Priority int    `json:"priority,omitempty"`
}

// A Capture is what is kept of one request's bodies, sealed.
type Capture struct {
	RequestID string
	Time      time.Time
	Sealed    []byte
}

// A Kept is an entry of server/vault, sealed. Its id is unique within its space.
type Kept struct {
	Space   string
	ID      []byte
	Expires time.Time // kept to the millisecond
	Sealed  []byte
}

// An AuditRow tells who changed what, with secrets redacted.
type AuditRow struct {
	ID     string          `json:"id"` // ULID
	Time   time.Time       `json:"time"`
	Actor  string          `json:"actor"`  // key id, "local", "cli"
	Action string          `json:"action"` // "api_key.create", …
	Object string          `json:"object"`
	Before json.RawMessage `json:"before,omitempty"`
	After  json.RawMessage `json:"after,omitempty"`
	IP     string          `json:"ip,omitempty"`
}
