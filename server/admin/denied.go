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
	row := &store.AuditRow{ID: a.d.NewID(), Time: now.UTC(), Actor: "unknown", Action: "denied", Object: method + " " + path}
	if who != nil {
		row.Actor = who.actor()
	}
	if ip.IsValid() {
		row.IP = ip.String()
	}
	var err error
	if row.After, err = recorded(struct {
		Code string `json:"code"`
	}{code}); err == nil {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		_, err = a.d.Store.Apply(ctx, store.Change{Audit: row})
	}
	if err != nil {
		a.d.Log.Error("cannot enter a refusal into the audit trail", "error", err)
	}
}
