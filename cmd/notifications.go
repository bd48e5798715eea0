package cmd

import (
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/your-org/ai-api-gateway/server/api"
)

func (a *app) notificationsCommand() *cobra.Command {
	c := newGroup("notifications", "Whom the gateway tells when something needs a look", "notification")
	show := &cobra.Command{
		Use: "show", Short: "Show the webhook, what it is told of, and what became of it", Args: cobra.NoArgs, Aliases: []string{"list", "ls"},
		RunE: func(*cobra.Command, []string) error {
			client, err := a.client()
			if err != nil {
				return err
			}
			n, err := client.Notifications(a.ctx)
			if err != nil {
				return err
			}
			return a.showNotifications(n)
		},
	}
	test := &cobra.Command{
		Use: "test", Short: "Send a test message now", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			client, err := a.client()
			if err != nil {
				return err
			}
			r, err := client.TestNotification(a.ctx)
			if err != nil {
				return err
			}
			return a.showNotified(r)
		},
	}
	c.AddCommand(show, test)
	return c
}

func (a *app) showNotifications(n *api.Notifications) error {
	if a.output == "json" || a.output == "jsonl" {
		return a.writeJSON(n)
	}
	if n.Webhook == "" {
		a.line("Nobody is told: no webhook is set. Set notifications.webhook in gateway.yaml, then:\n  ai-gateway config server reload")
		if a.output == "table" {
			return nil
		}
	}
	last := a.orNever(nil)
	if !n.LastSent.IsZero() {
		last = n.LastSent.Local().Format(time.DateTime)
	}
	return a.facts([][2]string{
		{"webhook", n.Webhook}, {"template", n.Template}, {"events", strings.Join(n.Events, ", ")}, {"not again for", n.Repeat},
		{"sent", thousands(int64(n.Sent))}, {"failed", thousands(int64(n.Failed))}, {"dropped", thousands(int64(n.Dropped))}, {"waiting", thousands(int64(n.Waiting))},
		{"last sent", last}, {"last error", n.LastError},
	})
}

// showNotified tells how a test message fared; that it failed is an upstream's failure.
func (a *app) showNotified(r *api.Notified) error {
	if a.output == "json" || a.output == "jsonl" {
		if err := a.writeJSON(r); err != nil {
			return err
		}
	}
	if !r.OK {
		return &exitError{exitUpstream, &hintError{err: errorf("the test message was not taken: %s", r.Error), next: "ai-gateway notifications show"}}
	}
	if a.output == "table" {
		a.line("%s The webhook has taken the test message.", a.paint(a.stderr, green, "✓"))
	}
	return nil
}
