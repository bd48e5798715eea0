package admin

import (
	"context"
	"strings"

	"github.com/your-org/ai-api-gateway/server/api"
	"github.com/your-org/ai-api-gateway/store"
)

// auditScan bounds the rows that one filtered call looks at.
const auditScan = 50_000

// audit answers one page of the audit trail, newest first.
func (a *Admin) audit(c *Call) error {
	get, err := c.params("limit", "cursor", "actor", "action", "object", "since", "until")
	if err != nil {
		return err
	}
	limit, err := limitOf(get("limit"))
	if err != nil {
		return err
	}
	since, err := moment("since", get("since"))
	if err != nil {
		return err
	}
	until, err := moment("until", get("until"))
	if err != nil {
		return err
	}
	wants := func(r *store.AuditRow) bool {
		return (get("actor") == "" || r.Actor == get("actor")) && strings.HasPrefix(r.Action, get("action")) &&
			(get("object") == "" || r.Object == get("object")) && (until.IsZero() || r.Time.Before(until))
	}
	before, err := placeIn("audit", get("cursor"))
	if err != nil {
		return err
	}
	ctx, cancel := bounded()
	defer cancel()
	reply := api.AuditReply{Data: []api.AuditRow{}}
	next, err := a.auditRows(ctx, before, limit, func(r *store.AuditRow) (full, past bool) {
		if r.Time.Before(since) {
			return false, true
		}
		if wants(r) {
			reply.Data = append(reply.Data, api.AuditRow{ID: r.ID, Time: r.Time, Actor: r.Actor, ActorName: a.actorName(r.Actor),
				Action: r.Action, Object: r.Object, Before: r.Before, After: r.After, IP: r.IP})
		}
		return len(reply.Data) == limit, false
	})
	if err != nil {
		return err
	}
	if next != "" {
		reply.NextCursor = cursorIn("audit", next)
	}
	return c.answer(200, reply)
}

// auditRows gives rows to each, newest first, until it says that it is full, that
// what follows is past, or auditScan are read; next leads on, "" where nothing follows.
func (a *Admin) auditRows(ctx context.Context, before string, limit int, each func(*store.AuditRow) (full, past bool)) (next string, err error) {
	for read := 0; read < auditScan; {
		rows, err := a.d.Store.Audit(ctx, limit, before)
		if err != nil {
			return "", err
		}
		for i := range rows {
			full, past := each(&rows[i])
			if past {
				return "", nil
			}
			if before = rows[i].ID; full {
				return before, nil
			}
		}
		if len(rows) < limit {
			return "", nil
		}
		read += len(rows)
		limit = 1000
	}
	return before, nil
}
