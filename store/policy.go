package store

import (
	"strings"
	"time"
)

// What a limit counts.
const (
	LimitRequests    = "requests"
	LimitTokens      = "tokens"
	LimitCost        = "cost_usd"
	LimitConcurrency = "concurrency"
)

// Windows of a limit. A minute is a sliding one; the others are periods of the
// calendar in the policy's time zone, weeks from Monday (ISO 8601).
const (
	WindowMinute = "minute"
	WindowHour   = "hour"
	WindowDay    = "day"
	WindowWeek   = "week"
	WindowMonth  = "month"
	WindowTotal  = "total"
)

// Modes of a policy: what is reserved for a request whose output is not bounded.
const (
	ModeNormal = "normal" // a usual amount; an answer longer than that can overspend
	ModeStrict = "strict" // an upper bound, which the upstream is told to keep to
)

// DefaultMaxTokens is the output that is reserved for a request that bounds it
// not, unless its policy says otherwise.
const DefaultMaxTokens = 4096

// A Policy is a set of limits on what a scope may use. All of them hold at once.
type Policy struct {
	ID     string        `json:"id"`
	Name   string        `json:"name"` // unique
	Scope  PolicyScope   `json:"scope"`
	Limits []PolicyLimit `json:"limits"`
	Mode   string        `json:"mode,omitempty"` // "" = ModeNormal
	// DefaultMaxTokens is the output reserved for a request that does not bound it; 0 = [DefaultMaxTokens].
	DefaultMaxTokens int64     `json:"default_max_tokens,omitempty"`
	OnStoreOutage    string    `json:"on_store_outage,omitempty"` // "" = "deny", "allow"
	TimeZone         string    `json:"time_zone,omitempty"`       // "" = the server's
	SoftPercent      int       `json:"soft_percent,omitempty"`    // of a limit, at which it is told; 0: never
	Origin           string    `json:"origin"`
	CreatedAt        time.Time `json:"created_at,omitzero"`
}

// A PolicyScope says whose use a policy counts: exactly one of APIKey, Group,
// Account and Global, or Model alone, which is Global for that model.
type PolicyScope struct {
	APIKey  string `json:"api_key,omitempty"` // id
	Group   string `json:"group,omitempty"`   // of keys
	Account string `json:"account,omitempty"` // name or id of a provider account
	Global  bool   `json:"global,omitempty"`
	// Model narrows the scope to one model, by the name asked for or the
	// upstream's; '*' stands for any characters.
	Model string `json:"model,omitempty"`
}

// String writes the scope for people: "key ab12cd34, model gpt-*".
func (s PolicyScope) String() string {
	var parts []string
	switch {
	case s.APIKey != "":
		parts = append(parts, "key "+s.APIKey)
	case s.Group != "":
		parts = append(parts, "group "+s.Group)
	case s.Account != "":
		parts = append(parts, "account "+s.Account)
	case s.Global:
		parts = append(parts, "global")
	}
	if s.Model != "" {
		parts = append(parts, "model "+s.Model)
	}
	return strings.Join(parts, ", ")
}

// A PolicyLimit is one limit. Limit is in requests, tokens or nano-USD, as Kind says.
type PolicyLimit struct {
	Kind   string `json:"kind"`
	Limit  int64  `json:"limit"`
	Window string `json:"window,omitempty"` // none for concurrency
	// Burst is what may be used at once of a minute's limit; 0: a tenth of the
	// requests, at least one, and all of the tokens.
	Burst int64 `json:"burst,omitempty"`
}
