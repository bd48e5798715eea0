package server

import (
	"crypto/sha256"
	"errors"

	"github.com/your-org/ai-api-gateway/server/relay"
	"github.com/your-org/ai-api-gateway/server/replay"
)

// replays answers a request whose Idempotency-Key was seen before, with the answer
// kept for it or with why there is none, and reports true. Else it returns the ticket
// that will keep the answer; nil where the request has no such key.
func (s *Server) replays(c *call, keyID string, body []byte, up *relay.Upload) (*replay.Ticket, bool) {
	key := c.header(fieldIdempotencyKey)
	if len(key) == 0 || s.o.Replay == nil || c.route.op.Counts() {
		return nil, false
	}
	fail := func(status int, code, msg string) (*replay.Ticket, bool) {
		if up != nil { // the form has not been read
			c.ctx.SetConnectionClose()
		}
		e := refuse(status, code, msg)
		e.NoRetry = status != 409 || code == "not_replayable"
		c.fail(e)
		return nil, true
	}
	if len(key) > replay.MaxKey {
		return fail(400, "invalid_idempotency_key", "an Idempotency-Key has at most 255 characters")
	}
	for _, b := range key {
		if b < 0x20 || b > 0x7e {
			return fail(400, "invalid_idempotency_key", "an Idempotency-Key is of printable ASCII characters")
		}
	}
	var request [32]byte
	if up == nil { // a form has other bytes each time it is made: its key alone tells it
		request = sha256.Sum256(body)
	}
	ticket, answer, err := s.o.Replay.Begin(keyID, string(c.ctx.Path()), string(key), request)
	switch {
	case errors.Is(err, replay.ErrInFlight):
		c.ctx.Response.Header.Set("Retry-After", "1")
		return fail(409, "idempotency_in_flight", "a request with this Idempotency-Key is being served: ask again when it has ended")
	case errors.Is(err, replay.ErrMismatch):
		return fail(422, "idempotency_mismatch", "this Idempotency-Key was used for a request with another body: use a new one")
	case errors.Is(err, replay.ErrNotReplayable):
		return fail(409, "not_replayable", "the answer to this Idempotency-Key was larger than 1 MiB and is not kept; the request was served and charged")
	case answer == nil:
		return ticket, false
	}
	h := &c.ctx.Response.Header
	h.Set("X-Request-Id", c.id)
	h.Set("Idempotent-Replayed", "true")
	h.Set("X-Gateway-Replay-Of", answer.RequestID)
	h.SetContentType(answer.ContentType)
	if up != nil {
		c.ctx.SetConnectionClose()
	}
	c.ctx.SetStatusCode(answer.Status)
	c.ctx.SetBody(answer.Body)
	return nil, true
}
