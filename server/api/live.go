package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"time"
)

// Types of live events.
const (
	LiveStarted    = "started"
	LiveFirstToken = "first_token"
	LiveFinished   = "finished"
	LiveDropped    = "dropped" // the reader was too slow, or Node is gone: Dropped events are missing
)

// A LiveEvent is a step of a request, as it happens.
type LiveEvent struct {
	Type      string    `json:"type"`
	Time      time.Time `json:"time"`
	RequestID string    `json:"request_id,omitempty"`
	KeyID     string    `json:"api_key_id,omitempty"`
	KeyName   string    `json:"api_key_name,omitempty"`
	Operation string    `json:"operation,omitempty"`
	Dialect   string    `json:"dialect,omitempty"`
	Model     string    `json:"model,omitempty"` // as asked
	Stream    bool      `json:"stream,omitempty"`
	Accepted  time.Time `json:"accepted_at,omitzero"`
	// From the first attempt on.
	Provider      string   `json:"provider,omitempty"`
	Account       string   `json:"account,omitempty"`
	UpstreamModel string   `json:"upstream_model,omitempty"`
	TTFTMs        *float64 `json:"ttft_ms,omitempty"`
	Row           *LogRow  `json:"row,omitempty"` // of finished
	Dropped       int64    `json:"dropped,omitempty"`
	Node          string   `json:"node,omitempty"` // where it runs, of several gateways on one database
}

// InFlightReply lists the requests in flight, the newest first.
type InFlightReply struct {
	Data             []LiveEvent       `json:"data"`
	UnreachableNodes []string          `json:"unreachable_nodes,omitempty"` // gateways whose requests are missing
	Unreachable      []UnreachableNode `json:"unreachable,omitempty"`       // the same with what is known of it
}

// An UnreachableNode is a gateway on the database that does not answer the others.
type UnreachableNode struct {
	Node  string `json:"node"`
	URL   string `json:"url"` // where it was asked; empty: it tells no address
	Error string `json:"error"`
}

// InFlight returns the requests in flight.
func (c *Client) InFlight(ctx context.Context) (*InFlightReply, error) {
	return get[InFlightReply](ctx, c, "/v1/admin/requests", nil)
}

// CancelRequest ends a request in flight.
func (c *Client) CancelRequest(ctx context.Context, id string) error {
	_, err := send[struct{}](ctx, c, "POST", "/v1/admin/requests/"+url.PathEscape(id)+"/cancel", nil, nil)
	return err
}

// liveSilence is how long a live feed may say nothing at all. A gateway that has
// nothing to tell sends a comment every 15 s: one that hangs does not, and its
// connection lives on.
const liveSilence = 40 * time.Second

var errSilent = fmt.Errorf("it has sent nothing for %v", liveSilence)

// Live gives each live event to each until ctx ends, the connection breaks or falls
// silent, or each returns an error, which is returned. What is in flight at the start
// comes first.
func (c *Client) Live(ctx context.Context, each func(LiveEvent) error) error {
	return c.live(ctx, liveSilence, each)
}

func (c *Client) live(ctx context.Context, silence time.Duration, each func(LiveEvent) error) error {
	ctx, cut := context.WithCancelCause(ctx)
	defer cut(nil)
	alarm := time.AfterFunc(silence, func() { cut(errSilent) })
	defer alarm.Stop()
	res, err := c.send(ctx, "GET", "/v1/admin/requests/live", nil, nil)
	if err != nil {
		return c.silent(ctx, err)
	}
	defer res.Body.Close()
	err = readEvents(&heard{res.Body, alarm, silence}, func(data []byte) error {
		var e LiveEvent
		if err := json.Unmarshal(data, &e); err != nil {
			return fmt.Errorf("cannot read a live event: %w", err)
		}
		return each(e)
	})
	if err == nil {
		err = errors.New("the gateway ended the live feed")
	}
	return c.silent(ctx, err)
}

// silent explains err where the silence of the gateway was its cause.
func (c *Client) silent(ctx context.Context, err error) error {
	if context.Cause(ctx) != errSilent {
		return err
	}
	base, _ := c.Base()
	return &Unreachable{URL: base, Err: errSilent}
}

// heard puts an alarm off whenever something comes.
type heard struct {
	r     io.Reader
	alarm *time.Timer
	after time.Duration
}

func (h *heard) Read(p []byte) (int, error) {
	n, err := h.r.Read(p)
	if n > 0 {
		h.alarm.Reset(h.after)
	}
	return n, err
}
