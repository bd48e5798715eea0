package api

import "time"

// A Key is an API key of a caller as the admin API shows it: never the key itself.
type Key struct {
	ID           string            `json:"id"`
	Name         string            `json:"name"`
	Prefix       string            `json:"prefix"` // its first characters, for people
	Scopes       []string          `json:"scopes"` // empty: every relay route
	Models       []string          `json:"models"` // empty: all; names and patterns with '*'
	IPAllow      []string          `json:"ip_allow"`
	Group        string            `json:"group,omitempty"`
	Metadata     map[string]string `json:"metadata,omitempty"`
	OnDisconnect string            `json:"on_disconnect,omitempty"` // "cancel" or "drain"
	LogBodies    string            `json:"log_bodies,omitempty"`    // "errors", "all"; empty: off
	Markup       string            `json:"markup,omitempty"`        // decimal factor on cost; empty: 1
	Status       string            `json:"status"`                  // KeyActive, KeyPaused, KeyExpired, KeyRevoked
	CreatedAt    time.Time         `json:"created_at"`
	CreatedBy    string            `json:"created_by,omitempty"` // id of the key that made it
	ExpiresAt    *time.Time        `json:"expires_at"`           // null: never
	RevokedAt    *time.Time        `json:"revoked_at,omitempty"`
	PausedAt     *time.Time        `json:"paused_at,omitempty"`
	LastUsedAt   *time.Time        `json:"last_used_at,omitempty"`
	// PreviousUntil is until when the key from before a rotation is accepted.
	PreviousUntil *time.Time `json:"previous_until,omitempty"`
	Weak          bool       `json:"weak,omitempty"` // imported, of less than 128 bits
	// Limits that hold for the key, and what it used in the last 24 hours, where a list
	// is asked for them.
	Limits *[]Limit   `json:"limits,omitempty"`
	Used   *UsageSums `json:"used_24h,omitempty"`
}

// States of a key.
const (
	KeyActive  = "active"
	KeyPaused  = "paused" // refused with 403 until it is resumed
	KeyExpired = "expired"
	KeyRevoked = "revoked"
)

// A KeyCreate is the body of POST /v1/admin/api-keys.
type KeyCreate struct {
	Name         string            `json:"name"`
	Scopes       []string          `json:"scopes,omitempty"`
	Models       []string          `json:"models,omitempty"`
	IPAllow      []string          `json:"ip_allow,omitempty"`   // CIDRs or addresses
	ExpiresAt    string            `json:"expires_at,omitempty"` // RFC 3339, or from now: "90d", "12h"
	Group        string            `json:"group,omitempty"`
	Metadata     map[string]string `json:"metadata,omitempty"`
	OnDisconnect string            `json:"on_disconnect,omitempty"`
	LogBodies    string            `json:"log_bodies,omitempty"`
	Markup       string            `json:"markup,omitempty"`
	Import       *KeyImport        `json:"import,omitempty"` // nil: a new key is made
}

// A KeyImport is a key that callers have already, of another gateway: it goes on
// being valid here. The key itself is not sent.
type KeyImport struct {
	SHA256 string `json:"sha256"`         // of the whole key as callers send it, in hex
	Hint   string `json:"hint"`           // what may be shown of it, such as "sk-ab…wxyz"
	Weak   bool   `json:"weak,omitempty"` // it has less than 128 bits
}

// A KeyPatch is the body of PATCH /v1/admin/api-keys/{id}. Nil members stay as they are.
type KeyPatch struct {
	Name         *string            `json:"name,omitempty"`
	Scopes       *[]string          `json:"scopes,omitempty"`
	Models       *[]string          `json:"models,omitempty"`
	IPAllow      *[]string          `json:"ip_allow,omitempty"`
	ExpiresAt    *string            `json:"expires_at,omitempty"` // also "never"
	Group        *string            `json:"group,omitempty"`
	Metadata     *map[string]string `json:"metadata,omitempty"`
	OnDisconnect *string            `json:"on_disconnect,omitempty"`
	LogBodies    *string            `json:"log_bodies,omitempty"`
	Markup       *string            `json:"markup,omitempty"`
	Paused       *bool              `json:"paused,omitempty"`
	Revoked      *bool              `json:"revoked,omitempty"` // true only: a revoked key stays revoked
}

// A KeyCreated is a new or rotated key. Key is shown this once.
type KeyCreated struct {
	Key
	Secret string `json:"key,omitempty"` // empty if it was imported
}

// A KeyRotate is the body of POST /v1/admin/api-keys/{id}/rotate.
type KeyRotate struct {
	// Grace is how long the old key is still accepted ("24h", "7d"); empty: not at all.
	Grace string `json:"grace,omitempty"`
}

// KeysReply is one page of keys.
type KeysReply struct {
	Data       []Key  `json:"data"`
	NextCursor string `json:"next_cursor"`
}

// Deleted answers a DELETE.
type Deleted struct {
	ID      string `json:"id"`
	Deleted bool   `json:"deleted"`
}

// A KeySelf is what GET /v1/key tells a caller of its own key.
type KeySelf struct {
	ID        string     `json:"id,omitempty"` // empty: a credential that is no stored key
	Name      string     `json:"name"`
	Prefix    string     `json:"prefix,omitempty"`
	Scopes    []string   `json:"scopes"`
	Models    []string   `json:"models"`
	Group     string     `json:"group,omitempty"`
	Admin     bool       `json:"admin"`
	ExpiresAt *time.Time `json:"expires_at"`
	Limits    []Limit    `json:"limits"`
	// Used is what the key has used since UsedSince, the start of this month.
	Used      *UsageSums `json:"used,omitempty"`
	UsedSince *time.Time `json:"used_since,omitempty"`
}
