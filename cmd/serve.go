package cmd

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/valyala/fasthttp"
	"golang.org/x/term"

	aigateway "github.com/your-org/ai-api-gateway"
	"github.com/your-org/ai-api-gateway/providers/all"
	"github.com/your-org/ai-api-gateway/server"
	"github.com/your-org/ai-api-gateway/server/config"
	"github.com/your-org/ai-api-gateway/server/ledger"
	"github.com/your-org/ai-api-gateway/server/telemetry"
)

// newServeCommand is the verb that runs a gateway. Every setting has a flag.
func newServeCommand(a *app) *cobra.Command {
	var path string
	var check, noMigrate bool
	c := &cobra.Command{
		Use: "serve", Short: "Run the gateway", Args: cobra.NoArgs,
		Long: `Run the gateway until it is told to stop (Ctrl-C or SIGTERM).

Nothing has to be configured: it keeps its data in a directory of its own, makes
an admin key at the first start, takes provider accounts from the environment
(OPENAI_API_KEY, ANTHROPIC_API_KEY, …) and answers the model "demo" by itself.
Settings come from a file, then AI_GATEWAY_… variables, then flags.`,
	}
	c.Flags().StringVarP(&path, "config", "c", "", "configuration file (config/gateway.yaml, /etc/ai-gateway/gateway.yaml)")
	c.Flags().BoolVar(&check, "check", false, "check the configuration and exit")
	c.Flags().BoolVar(&noMigrate, "no-migrate", false, "leave the database's schema alone (--migrate never)")
	set := map[string]*string{}
	for _, f := range config.Flags() {
		set[f.Path] = c.Flags().String(f.Name, "", f.Doc)
		c.Flags().Lookup(f.Name).Annotations = map[string][]string{settingMark: {f.Path}}
	}
	c.RunE = func(c *cobra.Command, _ []string) error {
		flags := map[string]string{}
		for setting, value := range set {
			if c.Flags().Changed(config.Flag(setting)) {
				flags[setting] = *value
			}
		}
		if noMigrate {
			flags["migrate"] = "never"
		}
		load := func() (*config.Config, error) { return loadConfig(path, a.environ, flags) }
		cfg, err := load()
		if err != nil || check {
			return err
		}
		return a.runServe(cfg, load)
	}
	return c
}

// runServe is `ai-gateway serve`: it returns when the gateway has been told to
// stop and everything is settled. load reads the configuration anew for a reload.
func (a *app) runServe(cfg *config.Config, load func() (*config.Config, error)) error {
	ctx, terminal := a.ctx, isTerminal(a.stderr)
	out := newLog(cfg, a.stderr, terminal)
	defer out.lines.Close()
	for _, w := range cfg.Warnings {
		out.log.Warn(w)
	}
	tuneMemory(out.log)
	if cfg.Ledger.Durability == ledger.DurabilitySync {
		if err := calmMonitor(); err != nil {
			out.log.Debug("the runtime's monitor thread looks as often as it does", "error", err)
		}
	}
	doors, err := openDoors(cfg, out.log)
	if err != nil {
		return err
	}
	defer doors.close()
	g, err := openGateway(ctx, cfg, out, doors)
	if err != nil {
		return err
	}
	ended := false
	defer func() {
		if !ended {
			_ = g.close(context.Background())
		}
	}()
	g.load = load
	g.local.URL = doors.url()
	if err := g.local.publish(cfg.DataDir); err != nil {
		return err
	}
	defer g.local.withdraw(cfg.DataDir)
	failed := make(chan error, len(doors.open)+1)
	signals := make(chan os.Signal, 2) // heard before the first request is, or it would be cut off
	signal.Notify(signals, syscall.SIGTERM, os.Interrupt)
	defer signal.Stop(signals)
	for _, d := range doors.open {
		go accepting(failed, func() error { return g.server.Serve(d.ln, d.plane) })
	}
	if cfg.MetricsListen != "" {
		stop, err := serveMetrics(cfg.MetricsListen, g.server, failed)
		if err != nil {
			return err
		}
		defer stop()
	}
	g.start()
	g.greet(a, terminal)
	notifySystemd("READY=1")
	cause := g.wait(ctx, signals, failed)
	notifySystemd("STOPPING=1")
	ended = true
	return errors.Join(cause, g.shutdown(terminal))
}

// wait returns when the gateway is to stop: nil when it was asked to.
func (g *gateway) wait(ctx context.Context, signals <-chan os.Signal, failed <-chan error) error {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	begun := time.After(startedAfter)
	for {
		select {
		case <-begun:
			forgetStart()
		case <-ctx.Done():
			return nil
		case <-hangup:
			notifySystemd("RELOADING=1")
			_, _ = g.reload(ctx) // logged there
			notifySystemd("READY=1")
		case s := <-signals:
			g.log.Info("stopping", "signal", s.String(), "in_flight", g.server.InFlight())
			return nil
		case err := <-failed:
			return errorf("a listener failed: %w", err)
		case <-g.ledger.Failed():
			g.noticeLedger()
			return &exitError{exitLedger, errorf("the ledger has failed: %w", g.ledger.Err())}
		}
	}
}

// shutdown drains, settles and closes. A second signal cuts the draining short.
func (g *gateway) shutdown(terminal bool) error {
	delay := g.cfg.DrainDelay
	if terminal && g.cfg.Origin("drain_delay") == config.OriginDefault {
		delay = 0
	}
	ctx, cancel := context.WithTimeout(context.Background(), delay+g.cfg.DrainTimeout)
	defer cancel()
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, os.Interrupt)
	defer stop()
	g.server.Leave(ctx, delay, g.doors.inherited)
	g.handOver(ctx)
	if err := g.server.Drain(ctx, min(delay, idleGrace)); err != nil {
		g.log.Warn("cutting requests that did not end in time", "in_flight", g.server.InFlight())
		cutting, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		if err := g.server.Cut(cutting); err != nil {
			g.log.Warn("some requests did not end: their rows follow at the next start", "in_flight", g.server.InFlight())
		}
		cancel()
	}
	closing, done := context.WithTimeout(context.Background(), 30*time.Second)
	defer done()
	if err := g.close(closing); err != nil {
		return errorf("cannot close everything: %w", err)
	}
	g.log.Info("stopped")
	return nil
}

// idleGrace bounds how long a drain leaves an idle connection open.
const idleGrace = time.Second

// greet tells where the gateway is and what to type next.
func (g *gateway) greet(told *app, terminal bool) {
	accounts := 0
	for _, a := range g.server.Table().Accounts() {
		if a.Origin != "builtin" {
			accounts++
		}
	}
	g.log.Info("ai-gateway is serving", "version", Version, "url", g.local.URL, "data", g.cfg.DataDir, "accounts", accounts)
	if g.first.key != "" {
		if terminal {
			told.line("\nAdmin key (shown once, also in %s until you delete it):\n\n    %s\n", g.first.file, g.first.key)
		} else {
			g.log.Info("the first admin key is in a file: read it, keep it, delete the file", "file", g.first.file)
		}
	}
	if terminal {
		told.line("Try it in another terminal:\n    ai-gateway chat \"Hello\"\n    ai-gateway tui\n    ai-gateway providers add openai --api-key sk-...\nIn a browser, with the admin key: %s/admin/\n", g.local.URL)
	}
}

// loadConfig reads what serve runs on; its error ends the process with 78.
func loadConfig(path string, environ []string, flags map[string]string) (*config.Config, error) {
	cfg, err := config.Load(config.Options{Path: path, Environ: environ, Flags: flags, Providers: all.All()})
	if err != nil {
		return nil, &exitError{exitConfig, err}
	}
	return cfg, nil
}

// A logOutput is where the process logs: plain lines at once on a terminal, JSON
// lines gathered elsewhere.
type logOutput struct {
	log   *slog.Logger
	level *slog.LevelVar
	lines *telemetry.Lines
	json  bool
}

func levelOf(cfg *config.Config) slog.Level {
	var level slog.Level
	_ = level.UnmarshalText([]byte(cfg.Log.Level)) // checked by config
	return level
}

func newLog(cfg *config.Config, w io.Writer, terminal bool) logOutput {
	out := logOutput{lines: telemetry.NewLines(w), level: &slog.LevelVar{}}
	out.level.Set(levelOf(cfg))
	o := &slog.HandlerOptions{Level: out.level}
	if cfg.Log.Format == "text" || cfg.Log.Format == "auto" && terminal {
		out.log = slog.New(slog.NewTextHandler(w, o))
		return out
	}
	out.json = true
	out.log = slog.New(slog.NewJSONHandler(out.lines, o))
	return out
}

// servePage answers from the embedded page, held in memory.
func servePage() func(ctx *fasthttp.RequestCtx, path string) bool {
	return server.Assets(aigateway.Web())
}

// isTerminal reports whether w is one.
func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
