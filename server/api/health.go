package api

import (
	"context"
	"fmt"
	"io"
	"time"
)

// An AccountHealth is how an account fares, from real traffic.
type AccountHealth struct {
	// State is the worst of its targets': ok, failing, probing, cooling, open, parked.
	State         string         `json:"state"`
	Serving       bool           `json:"serving"`        // at least one target may be asked now
	CooldownUntil *time.Time     `json:"cooldown_until"` // when the first target held back may be asked again; null: none is
	LastError     string         `json:"last_error,omitempty"`
	LastErrorAt   *time.Time     `json:"last_error_at,omitempty"`
	Targets       []TargetHealth `json:"targets"` // asked lately: one a key and model
}

// A TargetHealth is how one key of an account fares with one model.
type TargetHealth struct {
	Model           string     `json:"model"`
	KeyHint         string     `json:"key_hint,omitempty"`
	State           string     `json:"state"`
	Until           *time.Time `json:"until"` // when it may be asked again; null: now
	InFlight        int64      `json:"in_flight"`
	Good            int64      `json:"good"`     // answers within the breaker's window
	Failures        int64      `json:"failures"` // failures within it
	LatencyMs       float64    `json:"latency_ms,omitempty"`
	StreamLatencyMs float64    `json:"stream_latency_ms,omitempty"` // to the first content
	LastFault       string     `json:"last_fault,omitempty"`
	LastError       string     `json:"last_error,omitempty"`
	LastFailedAt    *time.Time `json:"last_failed_at,omitempty"`
	// Allowed is what the provider said is left of its own limits for the key, as of
	// AllowedAt.
	Allowed   []Allowance `json:"allowed,omitempty"`
	AllowedAt *time.Time  `json:"allowed_at,omitempty"`
}

// An Allowance is what is left of one limit of a provider's.
type Allowance struct {
	Kind     string     `json:"kind"`            // requests, tokens, input_tokens, output_tokens
	Limit    int64      `json:"limit,omitempty"` // 0: not said
	Left     int64      `json:"left"`
	ResetsAt *time.Time `json:"resets_at"` // when all of it is there again; null: not said
}

// A ResetReply answers the reset of an account.
type ResetReply struct {
	ID      string  `json:"id"`
	Reset   bool    `json:"reset"` // something held it back
	Account Account `json:"account"`
}

// ResetAccount lifts the cooldowns, breakers and pauses of the account of that id or name.
func (c *Client) ResetAccount(ctx context.Context, id string) (*ResetReply, error) {
	return send[ResetReply](ctx, c, "POST", in(accountsPath, id)+"/reset", nil, nil)
}

const maxMetrics = 8 << 20

// Metrics returns the gateway's figures in Prometheus' text format.
func (c *Client) Metrics(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, adminTimeout)
	defer cancel()
	res, err := c.send(ctx, "GET", "/metrics", nil, nil)
	if err != nil {
		return "", err
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(io.LimitReader(res.Body, maxMetrics))
	if err != nil {
		return "", c.failed(ctx, fmt.Errorf("cannot read the metrics: %w", err))
	}
	return string(b), nil
}
