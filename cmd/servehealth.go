package cmd

import (
	"log/slog"
	"time"

	"github.com/your-org/ai-api-gateway/server/routing"
)

// logHealth logs each change of a target's state once. A key that is refused is
// what an operator must mend, so it is an error; what recovers by itself warns.
func logHealth(log *slog.Logger) func(routing.Change) {
	return func(c routing.Change) {
		attrs := []any{"account", c.Account, "model", c.Model, "key", c.KeyHint, "state", c.To, "was", c.From, "reason", c.Why}
		if !c.Until.IsZero() {
			attrs = append(attrs, "until", c.Until.UTC().Format(time.RFC3339))
		}
		switch c.To {
		case routing.StateParked:
			log.Error("a provider refuses an account: mend it, then `ai-gateway providers reset`", attrs...)
		case routing.StateOK:
			log.Info("a target has recovered", attrs...)
		case routing.StateCooling:
			log.Info("a target cools down", attrs...)
		default:
			log.Warn("a target is failing and gets no more requests for now", attrs...)
		}
	}
}

// accountStates says of every enabled account how it fares: 0 all of it serves,
// 1 a part, 2 none of what was asked of it.
func accountStates(t *routing.Table, now time.Time) map[string]int {
	states := map[string]int{}
	for _, a := range t.Accounts() {
		if a.Enabled {
			states[a.Name] = 0
		}
	}
	held := map[string]int{}
	lanes := map[string]int{}
	for _, l := range t.Health().States(now) {
		lanes[l.Account]++
		if !l.Until.IsZero() {
			held[l.Account]++
		}
	}
	for name, n := range held {
		if _, enabled := states[name]; !enabled {
			continue
		}
		states[name] = 1
		if n == lanes[name] {
			states[name] = 2
		}
	}
	return states
}
