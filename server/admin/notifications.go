package admin

import (
	"context"
	"time"

	"github.com/your-org/ai-api-gateway/server/api"
	"github.com/your-org/ai-api-gateway/store"
)

// notifications answers whom the gateway tells of what.
func (a *Admin) notifications(c *Call) error {
	if _, err := c.params(); err != nil {
		return err
	}
	reply := api.Notifications{Events: []string{}}
	if a.d.Notifications != nil {
		reply = a.d.Notifications()
	}
	return c.answer(200, reply)
}

// testTime bounds the wait for a webhook.
const testTime = 15 * time.Second

// testNotification sends a message of no import to the webhook, now.
func (a *Admin) testNotification(c *Call) error {
	if a.d.TestNotification == nil {
		return &api.Error{Status: 404, Code: "unknown_path", Message: "this gateway has no notifications"}
	}
	ctx, cancel := context.WithTimeout(context.Background(), testTime)
	defer cancel()
	reply := api.Notified{OK: true}
	if err := a.d.TestNotification(ctx); err != nil {
		reply = api.Notified{Error: err.Error()}
	}
	if err := a.change(ctx, c, "notifications.test", "webhook", nil, reply, store.Change{}); err != nil {
		return err
	}
	return c.answer(200, reply)
}
