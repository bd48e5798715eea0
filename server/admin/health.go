package admin

import (
	"time"

	"github.com/your-org/ai-api-gateway/server/api"
	"github.com/your-org/ai-api-gateway/server/routing"
	"github.com/your-org/ai-api-gateway/store"
)

// rank orders the states from the best to the worst.
var rank = map[string]int{
	routing.StateOK: 0, routing.StateFailing: 1, routing.StateProbing: 2, routing.StateCooling: 3, routing.StateOpen: 4, routing.StateParked: 5,
}

// lanes returns how the targets of each account fare, by the account's name.
func (a *Admin) lanes(now time.Time) map[string][]routing.LaneState {
	out := map[string][]routing.LaneState{}
	for _, l := range a.d.Table().Health().States(now) {
		out[l.Account] = append(out[l.Account], l)
	}
	return out
}

// healthOf sums up how an account's targets fare: its state is the worst that any
// of them has, and Serving tells whether others go on.
func healthOf(lanes []routing.LaneState) *api.AccountHealth {
	h := &api.AccountHealth{State: routing.StateOK, Serving: len(lanes) == 0, Targets: []api.TargetHealth{}}
	var worst time.Time
	for _, l := range lanes {
		t := api.TargetHealth{Model: l.Model, KeyHint: l.KeyHint, State: l.State, Until: timePtr(l.Until), InFlight: l.InFlight,
			Good: int64(l.Good), Failures: int64(l.Failures), LastError: l.LastError, LastFault: l.LastFault, LastFailedAt: timePtr(l.LastFailed)}
		t.LatencyMs, t.StreamLatencyMs = millis(l.Latency), millis(l.StreamLatency)
		for _, x := range l.Allowed {
			t.Allowed = append(t.Allowed, api.Allowance{Kind: x.Kind, Limit: x.Limit, Left: x.Left, ResetsAt: timePtr(x.ResetsAt)})
		}
		t.AllowedAt = timePtr(l.AllowedAt)
		h.Targets = append(h.Targets, t)
		if rank[l.State] > rank[h.State] {
			h.State = l.State
		}
		h.Serving = h.Serving || l.Until.IsZero()
		if !l.Until.IsZero() && (h.CooldownUntil == nil || l.Until.Before(*h.CooldownUntil)) {
			h.CooldownUntil = timePtr(l.Until)
		}
		if l.LastError != "" && (h.LastError == "" || l.LastFailed.After(worst)) {
			h.LastError, worst = l.LastError, l.LastFailed
			h.LastErrorAt = timePtr(l.LastFailed)
		}
	}
	return h
}

// withHealth adds how an account's targets fare to what is shown of it.
func (a *Admin) withHealth(v api.Account, now time.Time) api.Account {
	v.Health = healthOf(a.lanes(now)[v.Name])
	return v
}

// resetAccount lifts cooldowns, breakers and pauses of an account at once.
func (a *Admin) resetAccount(c *Call) error {
	acc, err := a.account(c)
	if err != nil {
		return err
	}
	before := a.withHealth(inForce(acc), c.Now).Health
	was := a.d.Table().Health().Reset(acc)
	ctx, cancel := bounded()
	defer cancel()
	if err := a.change(ctx, c, "account.reset", acc.ID, before, nil, store.Change{}); err != nil {
		return err
	}
	return c.answer(200, api.ResetReply{ID: acc.ID, Reset: was, Account: a.withHealth(inForce(acc), c.Now)})
}
