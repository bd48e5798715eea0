package api

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"time"
)

// Bodies are what is kept of a request and its answer (log_bodies of its key).
type Bodies struct {
	RequestID   string    `json:"request_id"`
	KeyID       string    `json:"api_key_id"`
	Time        time.Time `json:"time"`
	Path        string    `json:"path"`
	Status      int       `json:"status"`
	Request     string    `json:"request"` // its beginning, if RequestSize is larger
	RequestSize int64     `json:"request_size"`
	Answer      string    `json:"answer"` // its beginning, if AnswerSize is larger
	AnswerSize  int64     `json:"answer_size"`
}

// Bodies returns what is kept of the bodies of a request; reading them is audited.
func (c *Client) Bodies(ctx context.Context, requestID string) (*Bodies, error) {
	return get[Bodies](ctx, c, in("/v1/admin/usage/logs", requestID)+"/bodies", nil)
}

// Replay makes a kept request anew with the client's own key and writes the answer
// to w. It returns the new request's id.
func (c *Client) Replay(ctx context.Context, b *Bodies, w io.Writer) (requestID string, err error) {
	res, err := c.send(ctx, http.MethodPost, b.Path, nil, json.RawMessage(b.Request))
	if err != nil {
		return "", err
	}
	defer func() { _ = res.Body.Close() }()
	_, err = io.Copy(w, io.LimitReader(res.Body, maxAnswer))
	return res.Header.Get("X-Request-Id"), err
}
