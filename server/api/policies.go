package api

import (
	"bytes"
	"errors"
	"strings"
	"time"
)

// A Decimal is a number as it was written, so that no amount loses a digit.
type Decimal string

// MarshalJSON writes the number; an empty one is 0.
func (d Decimal) MarshalJSON() ([]byte, error) {
	if d == "" {
		return []byte("0"), nil
	}
	return []byte(d), nil
}

// UnmarshalJSON takes a JSON number.
func (d *Decimal) UnmarshalJSON(b []byte) error {
	b = bytes.TrimSpace(b)
	if len(b) == 0 || len(b) > 64 || strings.Trim(string(b), "0123456789.+-eE") != "" {
		return errors.New("not a number")
	}
	*d = Decimal(b)
	return nil
}

// A Policy is a quota policy: limits on what a scope may use.
type Policy struct {
	ID               string        `json:"id"`
	Name             string        `json:"name"`
	Scope            PolicyScope   `json:"scope"`
	Limits           []PolicyLimit `json:"limits"`
	Mode             string        `json:"mode"` // "normal", "strict"
	DefaultMaxTokens int64         `json:"default_max_tokens"`
	OnStoreOutage    string        `json:"on_store_outage"` // "deny", "allow"
	TimeZone         string        `json:"time_zone"`       // empty: the server's
	SoftPercent      int           `json:"soft_percent"`    // 0: none
	Origin           string        `json:"origin"`
	ReadOnly         bool          `json:"read_only"`
	CreatedAt        *time.Time    `json:"created_at,omitempty"`
	// Usage tells how far each limit is used, in the order of Limits.
	Usage []Limit `json:"usage"`
}

// A PolicyScope says whose use a policy counts: one of APIKey (an id), Group,
// Account and Global, each also for one Model; or Model alone, for all who use it.
type PolicyScope struct {
	APIKey  string `json:"api_key,omitempty"`
	Group   string `json:"group,omitempty"`
	Account string `json:"account,omitempty"`
	Global  bool   `json:"global,omitempty"`
	Model   string `json:"model,omitempty"` // may be a pattern with '*'
}

// A PolicyLimit is one limit: so many requests, tokens or US dollars a window, or
// requests at a time.
type PolicyLimit struct {
	Kind   string  `json:"kind"` // requests, tokens, cost_usd, concurrency
	Limit  Decimal `json:"limit"`
	Window string  `json:"window,omitempty"` // minute, hour, day, week, month, total
	Burst  int64   `json:"burst,omitempty"`  // of a minute: how much at once; 0: the usual
}

// A PolicyCreate is the body of POST /v1/admin/quota-policies.
type PolicyCreate struct {
	Name             string        `json:"name"`
	Scope            PolicyScope   `json:"scope"`
	Limits           []PolicyLimit `json:"limits"`
	Mode             string        `json:"mode,omitempty"`
	DefaultMaxTokens int64         `json:"default_max_tokens,omitempty"`
	OnStoreOutage    string        `json:"on_store_outage,omitempty"`
	TimeZone         string        `json:"time_zone,omitempty"`
	SoftPercent      int           `json:"soft_percent,omitempty"`
}

// A PolicyPatch is the body of PATCH /v1/admin/quota-policies/{id}. Nil members stay as they are.
type PolicyPatch struct {
	Name             *string        `json:"name,omitempty"`
	Scope            *PolicyScope   `json:"scope,omitempty"`
	Limits           *[]PolicyLimit `json:"limits,omitempty"`
	Mode             *string        `json:"mode,omitempty"`
	DefaultMaxTokens *int64         `json:"default_max_tokens,omitempty"`
	OnStoreOutage    *string        `json:"on_store_outage,omitempty"`
	TimeZone         *string        `json:"time_zone,omitempty"`
	SoftPercent      *int           `json:"soft_percent,omitempty"`
}

// PoliciesReply is one page of quota policies.
type PoliciesReply struct {
	Data       []Policy `json:"data"`
	NextCursor string   `json:"next_cursor"`
}

// A PoliciesAsk selects quota policies: of all, those that hold for a key (an id,
// with its group) or for a model, or by what their names hold.
type PoliciesAsk struct {
	Page
	Key, Model string
}

// A Limit is one limit that holds for a key, and how far it is used. Amounts are
// decimal numbers: of requests, tokens or US dollars, as Kind says.
type Limit struct {
	Policy    string     `json:"policy"`
	PolicyID  string     `json:"policy_id,omitempty"`
	Scope     string     `json:"scope,omitempty"`  // for people
	Kind      string     `json:"kind"`             // requests, tokens, cost_usd, concurrency
	Window    string     `json:"window,omitempty"` // minute, hour, day, week, month, total
	Limit     Decimal    `json:"limit"`
	Used      Decimal    `json:"used"`
	Reserved  Decimal    `json:"reserved"` // for requests that run
	Remaining Decimal    `json:"remaining"`
	InFlight  int64      `json:"in_flight"` // requests that hold a reservation
	ResetsAt  *time.Time `json:"resets_at"` // null: never, or nothing is used
	// Overspend says by how much a budget can be passed at most.
	Overspend string `json:"overspend_bound,omitempty"`
}
