package admin

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"github.com/your-org/ai-api-gateway/store"
)

// deniedPerMinute bounds how many refusals the audit trail takes: who knocks in a
// loop must not fill it, nor make the store write.
const deniedPerMinute = 30

// refusals counts what the audit trail took in this minute.
type refusals struct {
	mu     sync.Mutex
	minute int64
	n      int
}

func (r *refusals) take(now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if m := now.Unix() / 60; m != r.minute {
		r.minute, r.n = m, 0
	}
	r.n++
	return r.n <= deniedPerMinute
}

// Denied enters a refused call of the admin API into the audit trail: who is empty
// where the caller could not be identified.
func (a *Admin) Denied(now time.Time, who *Caller, ip netip.Addr, method, path, code string) {
	if !a.refusals.take(now) {
		return
	}
	after, _ := recorded(struct {
		Code string `json:"code"`
	}{code})
	a.note(&store.AuditRow{Time: now.UTC(), Action: "denied", Object: method + " " + path, After: after}, who, ip)
}

// Did enters what a caller did into the audit trail, where no record changed.
func (a *Admin) Did(now time.Time, who *Caller, action, object string) {
	a.note(&store.AuditRow{Time: now.UTC(), Action: action, Object: object}, who, who.IP)
}

func (a *Admin) note(row *store.AuditRow, who *Caller, ip netip.Addr) {
	row.ID, row.Actor = a.d.NewID(), "unknown"
	if who != nil {
		row.Actor = who.actor()
	}
	if ip.IsValid() {
		row.IP = ip.String()
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if _, err := a.d.Store.Apply(ctx, store.Change{Audit: row}); err != nil {
		a.d.Log.Error("cannot write the audit trail", "action", row.Action, "error", err)
	}
}
