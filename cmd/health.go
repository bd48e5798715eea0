package cmd

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/your-org/ai-api-gateway/server/api"
)

// healthTimeout is how long health waits unless --timeout says: a container's
// check must end before the next begins.
const healthTimeout = 5 * time.Second

func (a *app) healthCommand() *cobra.Command {
	return &cobra.Command{
		Use: "health", Short: "Ask whether the gateway serves; the exit code says it", Args: cobra.NoArgs, Aliases: []string{"status"},
		RunE: func(*cobra.Command, []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			ctx := a.ctx
			if a.timeout == 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, healthTimeout)
				defer cancel()
			}
			h, err := c.Health(ctx)
			if err != nil {
				return err
			}
			if a.output == "json" || a.output == "jsonl" {
				return a.writeJSON(h)
			}
			_, err = a.out("%s, version %s, up %s\n", cleanText(h.Status), cleanText(h.Version), time.Duration(h.Uptime)*time.Second)
			return err
		},
	}
}

func (a *app) whoamiCommand() *cobra.Command {
	return &cobra.Command{
		Use: "whoami", Short: "Show the key in use, its rights, limits and usage", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			self, err := c.Self(a.ctx)
			if err != nil {
				return err
			}
			if a.output == "json" || a.output == "jsonl" {
				return a.writeJSON(self)
			}
			return a.showSelf(c, self)
		},
	}
}

func (a *app) showSelf(c *api.Client, self *api.KeySelf) error {
	base, _ := c.Base() // client has checked it
	rows := [][2]string{
		{"gateway", base}, {"key from", a.keyFrom}, {"name", self.Name}, {"id", self.ID}, {"prefix", self.Prefix},
		{"scopes", joinOr(self.Scopes, a.word("every relay route"))}, {"models", joinOr(self.Models, a.word("all"))}, {"group", self.Group}, {"expires", a.orNever(self.ExpiresAt)},
	}
	if self.Used != nil {
		since := a.head("used")
		if self.UsedSince != nil {
			since = a.word("used since %s", self.UsedSince.Local().Format(time.DateOnly))
		}
		rows = append(rows, [2]string{since, a.word("%s requests, %s tokens in, %s out, %s", thousands(self.Used.Requests), short(self.Used.PromptTokens), short(self.Used.CompletionTokens), dollars(self.Used.CostUSD))})
	}
	if err := a.facts(rows); err != nil {
		return err
	}
	if len(self.Limits) == 0 {
		return nil
	}
	fmt.Fprintln(a.stdout)
	return a.writeTable(limitsTable(self.Limits))
}
