package server

import (
	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/server/relay"
)

// refuse answers a request that is turned away before any target is asked. One of
// a known key that would have reached an upstream gets a row, so that `logs show`
// explains it.
func (c *call) refuse(peek providers.Peek, e *providers.Error) {
	if c.who != nil && c.route != nil && c.route.meter == MeterLedger && c.route.op != "" {
		f := relay.Refusal{ID: c.id, ClientID: c.clientID, Op: c.route.op, Dialect: c.in().Dialect(), Model: peek.Model, Stream: peek.Stream,
			KeyID: c.who.Name, KeyName: c.who.Name, At: c.start, Trace: c.trace()}
		if k := c.who.Key; k != nil {
			f.KeyID, f.KeyName, f.Group = k.ID, k.Name, k.Group
		}
		c.s.relay.Refused(&f, e)
	}
	c.fail(e)
}
