package cmd

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/your-org/ai-api-gateway/server/api"
)

// logsReplay makes a kept request anew.
func (a *app) logsReplay() *cobra.Command {
	return &cobra.Command{
		Use: "replay ID", Short: "Make a request anew whose body was kept (api-key update --log-bodies)", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			client, err := a.client()
			if err != nil {
				return err
			}
			b, err := client.Bodies(a.ctx, args[0])
			if err != nil {
				return withNext(err, exitNotFound, "ai-gateway logs")
			}
			if int64(len(b.Request)) < b.RequestSize {
				return errorf("only the first %d of %d bytes of this request were kept: it cannot be made anew", len(b.Request), b.RequestSize)
			}
			id, err := client.Replay(a.ctx, b, a.stdout)
			if err != nil {
				return err
			}
			fmt.Fprintln(a.stdout)
			a.line("Made anew as %s: ai-gateway logs show %s", id, tail(id))
			return nil
		},
	}
}

// showBodies prints what was asked and answered.
func (a *app) showBodies(b *api.Bodies) {
	part := func(what, text string, size int64) {
		cut := ""
		if int64(len(text)) < size {
			cut = a.say(", the first %d of them", len(text))
		}
		a.out("\n%s (%d bytes%s)\n%s\n", what, size, cut, cleanLines(text))
	}
	part("POST "+b.Path, b.Request, b.RequestSize)
	part(a.say("answer %d", b.Status), b.Answer, b.AnswerSize)
}
