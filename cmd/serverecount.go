package cmd

import (
	"context"
	"time"
)

// recountEvery is how often it is looked whether another process's log was taken over.
const recountEvery = time.Second

// recount has budgets count what a predecessor settled while this process ran
// already: its log is brought in when it has ended. It returns when there is none
// left.
func (g *gateway) recount(ctx context.Context) {
	tick := time.NewTicker(recountEvery)
	defer tick.Stop()
	for left := g.ledger.Stats().ForeignBoots; left > 0; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := g.ledger.Stats().ForeignBoots
		if now == left {
			continue
		}
		if err := g.limits.Recount(ctx); err != nil {
			g.log.Error("budgets do not count what the process before settled, trying on", "error", err)
			continue
		}
		left = now
	}
}
