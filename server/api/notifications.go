package api

import (
	"context"
	"time"
)

// Notifications tell whom the gateway tells of what somebody should look at, and what became of it.
type Notifications struct {
	Webhook   string    `json:"webhook"` // without what is secret of it; "": nobody is told
	Template  string    `json:"template"`
	Events    []string  `json:"events"`
	Repeat    string    `json:"repeat"` // for how long the same matter is not told again
	Sent      int       `json:"sent"`
	Failed    int       `json:"failed"`
	Dropped   int       `json:"dropped"`
	Waiting   int       `json:"waiting"`
	LastSent  time.Time `json:"last_sent,omitzero"`
	LastError string    `json:"last_error,omitempty"` // of the last message, if it failed
}

// A Notified is the outcome of a test message.
type Notified struct {
	OK    bool   `json:"ok"`
	Error string `json:"error,omitempty"`
}

// Notifications returns whom the gateway tells.
func (c *Client) Notifications(ctx context.Context) (*Notifications, error) {
	return get[Notifications](ctx, c, "/v1/admin/notifications", nil)
}

// TestNotification sends a test message.
func (c *Client) TestNotification(ctx context.Context) (*Notified, error) {
	return send[Notified](ctx, c, "POST", "/v1/admin/notifications/test", nil, nil)
}
