package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/server/api"
	"github.com/your-org/ai-api-gateway/server/config"
	"github.com/your-org/ai-api-gateway/server/limits"
	"github.com/your-org/ai-api-gateway/server/notify"
	"github.com/your-org/ai-api-gateway/server/routing"
	"github.com/your-org/ai-api-gateway/server/upstream"
)

func notificationsOf(cfg *config.Config) notify.Settings {
	return notify.Settings{URL: cfg.Notifications.Webhook, Template: cfg.Notifications.Template, Events: cfg.Notifications.Events, Repeat: cfg.Notifications.Repeat}
}

const maxWebhookAnswer = 4 << 10

// webhookPost sends messages the way upstreams are called: the same address guard at
// the dialler, the same proxy, and no redirect is followed.
func webhookPost(client *upstream.Client) func(context.Context, string, []byte) (int, []byte, error) {
	return func(ctx context.Context, url string, body []byte) (int, []byte, error) {
		until, ok := ctx.Deadline()
		if !ok {
			panic("BUG: a message without a deadline")
		}
		x, err := client.Start(&upstream.Request{Method: "POST", URL: url, Body: body,
			Header: []providers.Header{{Name: "Content-Type", Value: "application/json"}, {Name: "User-Agent", Value: "ai-gateway/" + Version}}})
		if err != nil {
			return 0, nil, err
		}
		defer x.Close()
		if err := x.Header(until); err != nil {
			return 0, nil, late(err)
		}
		answer := make([]byte, 0, maxWebhookAnswer)
		for len(answer) < cap(answer) && !x.AtEnd() {
			n, err := x.Read(answer[len(answer):cap(answer)], until)
			answer = answer[:len(answer)+n]
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return 0, nil, late(err)
			}
		}
		return x.Status(), answer, nil
	}
}

func late(err error) error {
	if errors.Is(err, upstream.ErrTick) {
		return errorf("the webhook did not answer in time")
	}
	return err
}

// noticeHealth tells of targets that fail, besides what tell does.
func noticeHealth(n *notify.Notifier, tell func(routing.Change)) func(routing.Change) {
	return func(c routing.Change) {
		tell(c)
		what := "account " + c.Account
		if c.Model != "" {
			what += ", model " + c.Model
		}
		switch c.To {
		case routing.StateParked:
			n.Tell(notify.Account, c.Account+c.KeyHint, fmt.Sprintf("A provider refuses %s (key %s): %s. Mend it, then: ai-gateway providers reset %s", what, c.KeyHint, c.Why, c.Account))
		case routing.StateOpen:
			n.Tell(notify.Breaker, c.Account+"/"+c.Model, fmt.Sprintf("Requests fail at %s, it gets none for now: %s", what, c.Why))
		}
	}
}

// noticeBudget tells of a limit that is used to its policy's soft percent.
func noticeBudget(n *notify.Notifier, e *limits.Event) {
	until := ""
	if !e.Resets.IsZero() {
		until = ", resets " + e.Resets.UTC().Format(time.RFC3339)
	}
	n.Tell(notify.Budget, fmt.Sprint(e.Policy, e.Scope, e.Limit.Kind, e.Since.Unix()),
		fmt.Sprintf("The limit %s of the policy %s is used to %d percent%s. See: ai-gateway quota list", e.Limit.Kind, e.Policy, e.Percent, until))
}

// Bounds of what is looked at.
const (
	noticeEvery  = 15 * time.Second
	keyEndsSoon  = 7 * 24 * time.Hour
	roomIsShort  = 10 // percent free
	roomIsTight  = 5
	minuteOfLook = 4 // looks
)

// notice looks at what nobody tells of by itself, until ctx ends.
func (g *gateway) notice(ctx context.Context) {
	tick := time.NewTicker(noticeEvery)
	defer tick.Stop()
	for i := 0; ; i++ {
		g.noticeLedger()
		if i%minuteOfLook == 0 {
			g.noticeRoom()
			g.noticeKeys(time.Now())
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (g *gateway) noticeLedger() {
	s := g.ledger.Stats()
	switch err := g.ledger.Err(); {
	case s.NoSpace:
		g.notify.Tell(notify.Disk, "full", "The disk is full: usage cannot be written, requests are refused until there is room")
	case err != nil:
		g.notify.Tell(notify.Ledger, "log", fmt.Sprintf("Usage cannot be written: %v", err))
	case s.ApplyError != "":
		g.notify.Tell(notify.Ledger, "store", "The store takes no usage, it gathers in the log: "+s.ApplyError)
	}
}

func (g *gateway) noticeRoom() {
	free, total, err := roomOf(g.cfg.DataDir)
	if err != nil || total == 0 {
		return
	}
	for _, most := range []uint64{roomIsTight, roomIsShort} {
		if free*100 < total*most {
			g.notify.Tell(notify.Disk, fmt.Sprint(most), fmt.Sprintf("Less than %d percent of the disk of %s is free: %d MB", most, g.cfg.DataDir, free>>20))
			return
		}
	}
}

func (g *gateway) noticeKeys(now time.Time) {
	for _, k := range g.keys.All() {
		if left := k.ExpiresAt.Sub(now); !k.ExpiresAt.IsZero() && k.RevokedAt.IsZero() && left > 0 && left < keyEndsSoon {
			g.notify.Tell(notify.KeyExpiry, k.ID, fmt.Sprintf("The API key %s (%s) ends at %s", k.Name, k.ID, k.ExpiresAt.UTC().Format(time.RFC3339)))
		}
	}
}

// notifications tells whom is told of what, and what became of it.
func (g *gateway) notifications() api.Notifications {
	set, s := g.notify.Settings(), g.notify.State()
	return api.Notifications{Webhook: notify.Shown(set.URL), Template: set.Template, Events: set.Events, Repeat: set.Repeat.String(),
		Sent: s.Sent, Failed: s.Failed, Dropped: s.Dropped, Waiting: s.Waiting, LastSent: s.LastSent, LastError: s.LastError}
}
