package cmd

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/spf13/cobra"

	"github.com/your-org/ai-api-gateway/providers/demo"
)

// mockCommand serves the demo engine as an upstream of its own, for tests and trials.
func (a *app) mockCommand() *cobra.Command {
	var o demo.Options
	var addr string
	var ttft time.Duration
	var tps float64
	c := &cobra.Command{
		Use: "mock", Short: "Serve an offline upstream in OpenAI's and Anthropic's formats", Args: cobra.NoArgs,
		Example: "  ai-gateway mock --listen 127.0.0.1:9999 --ttft 80ms --tps 60 --error-rate 0.02\n  ai-gateway providers add custom --name mock --base-url http://127.0.0.1:9999/v1 --api-key any",
		RunE: func(*cobra.Command, []string) error {
			if o.ErrorRate < 0 || o.ErrorRate > 1 || ttft < 0 || o.Latency < 0 || tps < 0 {
				return wrongUsage("ai-gateway mock --help", "--error-rate is from 0 to 1, and times and --tps are not negative")
			}
			if o.TTFT, o.TPS = ttft, tps; ttft == 0 {
				o.TTFT = -1 // none; its zero means the usual
			}
			if tps == 0 {
				o.TPS = -1
			}
			return a.mock(addr, o)
		},
	}
	f := c.Flags()
	f.StringVar(&addr, "listen", "127.0.0.1:9999", "address to serve")
	f.DurationVar(&o.Latency, "latency", 0, "wait before every answer")
	f.DurationVar(&ttft, "ttft", 150*time.Millisecond, "wait before the first token")
	f.Float64Var(&tps, "tps", 60, "tokens a second; 0 = at once")
	f.Float64Var(&o.ErrorRate, "error-rate", 0, "share of requests answered with 500, from 0 to 1")
	return c
}

func (a *app) mock(addr string, o demo.Options) error {
	ctx, stop := a.interruptible()
	defer stop()
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return errorf("cannot serve the mock: %w", err)
	}
	stopped := context.AfterFunc(ctx, func() { _ = ln.Close() })
	defer stopped()
	a.line("Serving http://%s/v1 (model demo); Ctrl-C ends it.", ln.Addr())
	if err := demo.Serve(ln, o); err != nil && !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}
