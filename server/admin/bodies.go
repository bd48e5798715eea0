package admin

import (
	"errors"

	"github.com/your-org/ai-api-gateway/server/api"
	"github.com/your-org/ai-api-gateway/server/capture"
	"github.com/your-org/ai-api-gateway/store"
)

// showBodies answers what is kept of a request's bodies. That somebody read them
// is entered in the audit trail first.
func (a *Admin) showBodies(c *Call) error {
	row, err := a.logRow(c)
	if err != nil {
		return err
	}
	none := &api.Error{Status: 404, Code: "no_bodies", Message: "nothing is kept of the bodies of this request: `ai-gateway api-key update " + row.KeyID + " --log-bodies all` keeps those of later ones (errors: of failed ones)"}
	if a.d.Capture == nil {
		return none
	}
	ctx, cancel := bounded()
	defer cancel()
	if err := a.change(ctx, c, "bodies.read", row.RequestID, nil, nil, store.Change{}); err != nil {
		return err
	}
	rec, err := a.d.Capture.Read(ctx, row.RequestID)
	if errors.Is(err, capture.ErrNone) {
		return none
	}
	if err != nil {
		return err
	}
	return c.answer(200, api.Bodies{
		RequestID: rec.RequestID, KeyID: rec.KeyID, Time: rec.Time, Path: rec.Path, Status: rec.Status,
		Request: string(rec.Request), RequestSize: rec.RequestSize, Answer: string(rec.Answer), AnswerSize: rec.AnswerSize,
	})
}
