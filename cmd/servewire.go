package cmd

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/url"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
	_ "time/tzdata" // the zones of budgets and reports, on images that have none

	"github.com/oklog/ulid/v2"
	"golang.org/x/net/http/httpproxy"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/all"
	"github.com/your-org/ai-api-gateway/providers/anthropic"
	"github.com/your-org/ai-api-gateway/providers/catalog"
	"github.com/your-org/ai-api-gateway/providers/demo"
	"github.com/your-org/ai-api-gateway/providers/gemini"
	"github.com/your-org/ai-api-gateway/providers/openai"
	"github.com/your-org/ai-api-gateway/server"
	"github.com/your-org/ai-api-gateway/server/admin"
	"github.com/your-org/ai-api-gateway/server/api"
	"github.com/your-org/ai-api-gateway/server/capture"
	"github.com/your-org/ai-api-gateway/server/config"
	"github.com/your-org/ai-api-gateway/server/ledger"
	"github.com/your-org/ai-api-gateway/server/limits"
	"github.com/your-org/ai-api-gateway/server/media"
	"github.com/your-org/ai-api-gateway/server/notify"
	"github.com/your-org/ai-api-gateway/server/relay"
	"github.com/your-org/ai-api-gateway/server/replay"
	"github.com/your-org/ai-api-gateway/server/routing"
	"github.com/your-org/ai-api-gateway/server/telemetry"
	"github.com/your-org/ai-api-gateway/server/telemetry/otel"
	"github.com/your-org/ai-api-gateway/server/threads"
	"github.com/your-org/ai-api-gateway/server/upstream"
	"github.com/your-org/ai-api-gateway/server/vault"
	"github.com/your-org/ai-api-gateway/store"
	"github.com/your-org/ai-api-gateway/store/bolt"
	"github.com/your-org/ai-api-gateway/store/postgres"
)

// Exit codes of serve, from sysexits(3).
const (
	exitLedger = 74 // EX_IOERR: the ledger cannot be written
	exitConfig = 78 // EX_CONFIG: the configuration or a key is wrong
)

// A gateway is everything that serve runs, wired.
type gateway struct {
	cfg      *config.Config
	log      *slog.Logger
	lines    *telemetry.Lines
	jsonLog  bool
	store    books
	holder   postgres.Holder               // of leases, in a database
	peers    atomic.Pointer[[]server.Peer] // as they were seen last
	ledger   *ledger.Ledger
	client   *upstream.Client
	limits   *limits.Limiter
	notify   *notify.Notifier
	replay   *replay.Book
	relay    *relay.Relay
	runtime  *server.Runtime
	server   *server.Server
	metrics  *telemetry.Metrics
	otel     *otel.Exporter
	endOTel  context.CancelFunc
	telling  sync.WaitGroup // of the collector
	health   *routing.Health
	capture  *capture.Recorder
	captures *bolt.Captures
	memory   *vault.Disk
	vault    *bolt.Vault
	keys     *store.KeyIndex
	sealer   *store.Sealer
	demo     *demo.Server
	local    localCredential
	first    firstKey
	doors    doors
	level    *slog.LevelVar

	load      func() (*config.Config, error)
	reloading sync.Mutex
	inForce   atomic.Pointer[inForce] // for people
	cancel    context.CancelFunc      // ends what start began
	running   sync.WaitGroup
}

// openGateway opens the store and the ledger and wires all parts. On an error
// nothing stays open.
func openGateway(ctx context.Context, cfg *config.Config, out logOutput, doors doors) (_ *gateway, err error) {
	log := out.log
	g := &gateway{cfg: cfg, log: log, lines: out.lines, jsonLog: out.json, level: out.level, doors: doors}
	defer func() {
		if err != nil {
			_ = g.close(context.Background())
		}
	}()
	if err = makeDataDir(cfg.DataDir); err != nil {
		return nil, &exitError{exitConfig, err}
	}
	if g.store, err = openBooksFor(ctx, cfg, doors.inherited, log); err != nil {
		return nil, err
	}
	snap, err := g.store.Load(ctx)
	if err != nil {
		return nil, errorf("cannot load the configuration: %w", err)
	}
	if g.sealer, err = openSealer(ctx, cfg, g.store, snap, log); err != nil {
		return nil, &exitError{exitConfig, err}
	}
	if snap, err = g.store.Load(ctx); err != nil { // with what openSealer recorded
		return nil, errorf("cannot load the configuration: %w", err)
	}
	now := time.Now
	if g.replay, err = replay.Open(replay.Options{Dir: filepath.Join(cfg.DataDir, "replay"), Sealer: g.sealer, Now: now}); err != nil {
		return nil, err
	}
	boot := ulid.MustNew(ulid.Timestamp(now()), rand.Reader).String()
	if g.holder, err = holderOf(cfg.DataDir, boot); err != nil {
		return nil, errorf("cannot name the data folder: %w", err)
	}
	if cfg.DatabaseURL != "" {
		g.holder.Name, g.holder.URL = doors.reachedAt(cfg.DatabaseURL, cfg.AdvertiseURL)
	}
	if g.ledger, err = ledger.Open(ctx, ledger.Options{
		Dir: filepath.Join(cfg.DataDir, "wal"), Store: g.store, Now: now, Boot: boot, Log: log,
		Durability: cfg.Ledger.Durability, OnCrash: cfg.Ledger.OnCrash, Ballast: -1,
	}); err != nil {
		return nil, &exitError{exitLedger, errorf("cannot open the ledger: %w", err)}
	}
	g.keys = store.NewKeyIndex(snap.Keys)
	g.recallUse()
	newID := server.NewULID()
	if g.first, err = ensureAdmin(ctx, cfg, g.store, snap.Rev, g.keys, func() string { return newID(now()) }, now()); err != nil {
		return nil, err
	}
	if g.local, err = newLocalCredential(); err != nil {
		return nil, err
	}
	g.wire(boot, newID, now)
	if err = g.runtime.Reload(ctx); err != nil {
		return nil, &exitError{exitConfig, err}
	}
	return g, nil
}

// wire connects the parts; it does no I/O.
func (g *gateway) wire(boot string, newID func(time.Time) string, now func() time.Time) {
	cfg, log, started := g.cfg, g.log, now()
	g.inForce.Store(&inForce{cfg: cfg})
	vendors := all.All()
	g.demo = demo.New(demo.Options{Now: now})
	g.client = upstream.New(upstream.Options{
		Now: now, InstanceID: boot, Proxy: proxyFrom(cfg.Proxy),
		Dial: map[string]func() (net.Conn, error){"http://" + demo.Host: func() (net.Conn, error) { return g.demo.Dial(context.Background(), "", "") }},
	})
	g.metrics = telemetry.NewMetrics(Version)
	if tls := g.doors.tls; tls != nil {
		g.metrics.WatchCertificate(tls.ends)
	}
	g.notify = notify.New(notify.Options{Post: webhookPost(g.client), Gateway: boot[len(boot)-8:], Now: now, Log: log, Counted: g.metrics.Notified})
	g.notify.Configure(notificationsOf(cfg))
	g.metrics.WatchLedger(func() telemetry.LedgerStats { return ledgerStats(g.ledger) })
	g.otel = g.newExporter(boot, now)
	g.vault = bolt.NewVault(cfg.DataDir, log)
	g.memory = vault.NewDisk(vault.DiskOptions{Put: g.vault.Put, Get: g.vault.Get, Drop: g.vault.Drop, Now: now, Log: log})
	kept := vault.New(vault.Options{Sealer: g.sealer, Disk: g.memory, Space: "conversations", Now: now})
	refers := threads.New(kept, vault.Options{Sealer: g.sealer, Disk: g.memory, Now: now})
	g.health = routing.NewHealth(routing.HealthOptions{
		Window: cfg.Routing.Window, Open: cfg.Routing.Open, ProbeEvery: cfg.Routing.ProbeEvery, Park: cfg.Routing.Park, Changed: noticeHealth(g.notify, logHealth(log)),
	})
	g.captures = bolt.NewCaptures(cfg.DataDir, log)
	g.capture = capture.New(capture.Options{Sealer: g.sealer, Put: g.captures.Put, Get: g.captures.Get, Drop: g.captures.Drop, Keep: cfg.Retention.Bodies, Now: now, Log: log})
	g.metrics.WatchTargets(func() map[string]int { return accountStates(g.server.Table(), now()) })
	var panicked func(string, any)
	g.limits = limits.New(limits.Options{
		Lease: g.leases(), Rate: g.rates(), Slots: g.slots(), Sync: g.ledger.Sync, Now: now, Zone: cfg.Zone, Log: log,
		Totals: func(ctx context.Context, q store.TotalsQuery) ([]store.Total, error) {
			if err := g.ledger.Sync(ctx); err != nil {
				return nil, err
			}
			return g.store.Totals(ctx, q)
		},
		Upstream: func(model, account string) string { return g.server.Table().Upstream(model, account) },
		Account: func(ref string) string {
			if a, ok := g.server.Table().Account(ref); ok {
				return a.Name
			}
			return ref
		},
		Soft: func(e limits.Event) { g.metrics.SoftLimit(e.Limit.Kind); noticeBudget(g.notify, &e) },
	})
	g.relay = relay.New(relay.Options{
		Capture: g.capture, Limits: g.limits, Log: log, Upstream: g.client, Ledger: g.ledger, Metrics: g.metrics, Spans: g.otel, Now: now, UnknownPrice: cfg.UnknownPrice,
		ServeUnmetered: cfg.Ledger.OnFailure == "serve_unmetered", Timeouts: timeoutsOf(&cfg.Timeouts.Upstream), Heartbeat: cfg.Timeouts.Heartbeat,
		Vault: kept, Threads: refers,
		Media:    fetcherFor(cfg.MediaFetch),
		Finished: accessLine(log, g.lines, g.jsonLog), Panicked: func(where string, v any) { panicked(where, v) },
	})
	facts := catalog.New()
	g.runtime = &server.Runtime{
		Store: g.store, Sealer: g.sealer, Upstream: g.client, Providers: vendors, Catalogue: facts,
		Priced:   func(prices []providers.Model) routing.Catalogue { return facts.With(prices) },
		Accounts: accountsOf(cfg), Mappings: mappingPointers(cfg.Mappings), Policies: policyPointers(cfg.Policies), BaseURLs: cfg.BaseURLs, Limits: g.limits,
		Log: log, Now: now, Health: g.health,
	}
	adm := admin.New(admin.Deps{
		Store: g.store, Sync: g.ledger.Sync, Adjust: g.ledger.Adjust, Verify: g.store.Verify, Backup: g.backup(), Keys: g.keys, Sealer: g.sealer, Reload: g.runtime.Reload, Test: g.runtime.Test,
		Table: func() *routing.Table { return g.server.Table() }, Mappings: g.runtime.InForce, Policies: g.runtime.PoliciesInForce, Limiter: g.limits, RefreshModels: g.runtime.Refresh,
		Settings: func() api.SettingsReply { in := g.inForce.Load(); return settingsView(in.cfg, in.revision) }, Status: func() api.Status { return g.status(boot, started) },
		Config: func() json.RawMessage { return effectiveJSON(g.inForce.Load().cfg) }, ReloadConfig: g.reload, Notifications: g.notifications, TestNotification: g.notify.Test, UnknownPrice: cfg.UnknownPrice, Capture: g.capture, Zone: cfg.Zone, Now: now, NewID: func() string { return newID(now()) }, Log: log,
	})
	o := server.Options{
		Version: Version, Instance: boot, Node: g.holder.Name, Peers: g.peersOf(), PeerToken: g.sealer.PeerToken(), Relay: g.relay, Replay: g.replay, Threads: refers, Fetch: g.runtime.Fetch, Admin: adm, Keys: g.keys, Metrics: g.metrics, Spans: g.otel, Log: log, Now: now, NewID: newID,
		MaxBody: int(cfg.Limits.Body), MaxUpload: int(cfg.Limits.Upload), CORS: cfg.CORSOrigins, MemoryLimit: memoryLimit(), PublicHosts: hostsOf(cfg.PublicURLs), ReadHeader: cfg.Timeouts.ReadHeader, KeepAlive: cfg.Timeouts.KeepAlive, Write: cfg.Timeouts.Write,
		LocalHash: store.HashKey(g.local.Token), Trusted: cfg.TrustedProxies, Ready: g.ledger.Err, Degraded: g.degraded, Web: servePage(),
		Surfaces: surfaces(),
	}
	if !cfg.AdminKey.Empty() {
		o.AdminKeyHash = store.HashKey(cfg.AdminKey.Reveal())
	}
	g.server = server.New(o)
	g.server.CapConnections(cfg.Limits.PerAddress, cfg.TrustedProxies)
	panicked = g.server.Panicked
	g.runtime.Swap, g.runtime.Table = g.server.SetTable, g.server.Table
}

// surfaces are the formats that callers speak, and what frames their answers.
func surfaces() server.Surfaces {
	return server.Surfaces{
		Chat: server.Surface{In: openai.ChatIngress()},
		Relayed: func(op providers.Op) server.Surface {
			return server.Surface{In: openai.RelayIngress(op), Frames: openai.RelayEgress(op)}
		},
		Messages:    server.Surface{In: anthropic.MessagesIngress(), Frames: anthropic.MessagesEgress(providers.Quirks{})},
		Responses:   server.Surface{In: openai.ResponsesIngress(), Frames: openai.ResponsesEgress(providers.Quirks{})},
		CountTokens: anthropic.EstimateTokens, InputTokens: openai.EstimateResponses,
		Gemini:      server.Surface{In: gemini.GenerateIngress(), Frames: gemini.GenerateEgress(gemini.AIStudio)},
		GeminiArray: gemini.ArrayIngress(), GeminiEmbed: gemini.EmbedFrames(), CountGemini: gemini.EstimateTokens,
	}
}

// start begins what runs besides requests: the reading of what upstreams list, and
// the removal of old records. close ends it.
func (g *gateway) start() {
	ctx, cancel := context.WithCancel(context.Background())
	g.cancel = cancel
	g.startExporter()
	kept := retention{rows: g.cfg.Retention.Rows, totals: g.cfg.Retention.Rollups, store: g.store, now: time.Now, log: g.log}
	g.running.Go(func() { runGuarded(ctx, restartAfter, "model listing", g.server.Panicked, g.runtime.Watch) })
	g.running.Go(func() { watchdog(ctx) })
	g.running.Go(func() { runGuarded(ctx, restartAfter, "load watch", g.server.Panicked, g.server.Watch) })
	g.running.Go(func() { runGuarded(ctx, restartAfter, "memory", g.server.Panicked, g.memory.Run) })
	g.running.Go(func() { runGuarded(ctx, restartAfter, "captures", g.server.Panicked, g.capture.Run) })
	if files, ok := g.store.(*bolt.Store); ok {
		g.running.Go(func() {
			runGuarded(ctx, restartAfter, "pages", g.server.Panicked, func(ctx context.Context) { trim(ctx, files.Trim, g.log) })
		})
	}
	g.running.Go(func() { runGuarded(ctx, restartAfter, "notice", g.server.Panicked, g.notice) })
	g.running.Go(func() { runGuarded(ctx, restartAfter, "notifications", g.server.Panicked, g.notify.Run) })
	g.running.Go(func() { runGuarded(ctx, restartAfter, "use of keys", g.server.Panicked, g.keepUse) })
	g.running.Go(func() { runGuarded(ctx, restartAfter, "recount", g.server.Panicked, g.recount) })
	g.running.Go(func() { runGuarded(ctx, restartAfter, "retention", g.server.Panicked, kept.run) })
	g.running.Go(func() { runGuarded(ctx, restartAfter, "leases", g.server.Panicked, g.limits.Renew) })
	g.running.Go(func() { runGuarded(ctx, restartAfter, "sign of life", g.server.Panicked, g.beat) })
	g.running.Go(func() { runGuarded(ctx, restartAfter, "configuration of the database", g.server.Panicked, g.follow) })
}

// stopChores ends what start began.
func (g *gateway) stopChores() {
	if g.cancel != nil {
		g.cancel()
		g.running.Wait()
	}
}

// handOver lets the store go while requests are still in flight, so that a
// successor may open it; what they use goes to this process's log, which the
// successor takes over when this process has ended. Where nothing is in flight
// there is nothing to wait for, and the log is applied as usual.
func (g *gateway) handOver(ctx context.Context) {
	for until := time.Now().Add(handOverAfter); g.server.InFlight() > 0 && time.Now().Before(until) && ctx.Err() == nil; {
		time.Sleep(handOverAfter / 10)
	}
	if g.server.InFlight() == 0 || ctx.Err() != nil {
		return
	}
	if g.database() != nil { // others may use it at the same time: only the files beside it are handed over
		if err := g.closeSides(); err != nil {
			g.log.Error("cannot close the files beside the store", "error", err)
		}
		return
	}
	g.server.Detached()
	g.stopChores()
	if err := g.ledger.Detach(ctx); err != nil {
		g.log.Warn("the store stays open until all requests have ended", "error", err)
		return
	}
	if err := g.closeSides(); err != nil { // before the store, which the successor waits for
		g.log.Error("cannot close the files beside the store", "error", err)
	}
	if err := g.store.Close(); err != nil {
		g.log.Error("cannot close the store", "error", err)
	}
	g.store = nil
	g.log.Info("let the store go, requests in flight go on", "in_flight", g.server.InFlight())
}

// handOverAfter is how long requests have to end before the store is let go.
const handOverAfter = 200 * time.Millisecond

// closeSides closes the files beside the store. What is remembered of conversations
// is remembered by this process alone from then on.
func (g *gateway) closeSides() error {
	var errs []error
	if g.memory != nil {
		g.memory.Close()
		errs = append(errs, g.vault.Close())
	}
	if g.captures != nil {
		errs = append(errs, g.captures.Close())
	}
	return errors.Join(errs...)
}

// close ends what openGateway opened, the ledger before the store it feeds.
func (g *gateway) close(ctx context.Context) error {
	var errs []error
	g.stopChores()
	g.stopExporter() // while what metrics are read from is open
	if g.relay != nil {
		g.relay.Close()
	}
	if g.client != nil {
		g.client.Close()
	}
	if g.demo != nil {
		errs = append(errs, g.demo.Shutdown(ctx))
	}
	if g.ledger != nil {
		err := g.ledger.Close(ctx)
		if db := g.database(); db != nil && err == nil { // all that this gateway used is in the database
			_ = db.Leave(ctx, g.holder) // else its leases end by themselves
		}
		errs = append(errs, err)
	}
	errs = append(errs, g.closeSides())
	if g.store != nil {
		errs = append(errs, g.store.Close())
	}
	return errors.Join(errs...)
}

// fetcherFor returns what fetches callers' images and documents; nil: nothing does.
func fetcherFor(setting string) *media.Fetcher {
	if setting == "never" {
		return nil
	}
	return media.New(nil)
}

// hostsOf returns the host names of URLs.
func hostsOf(urls []string) []string {
	var out []string
	for _, s := range urls {
		if u, err := url.Parse(s); err == nil { // checked by config
			out = append(out, u.Hostname())
		}
	}
	return out
}

// accountsOf returns the accounts of file and environment, and the built-in one.
func accountsOf(cfg *config.Config) []*store.Account {
	return append(pointers(cfg.Accounts), demoAccount())
}

// demoAccount is the built-in provider's one account.
func demoAccount() *store.Account {
	return &store.Account{ID: "builtin:demo", Provider: "demo", Name: "demo", Enabled: true, Origin: "builtin"}
}

func pointers(in []store.Account) []*store.Account {
	out := make([]*store.Account, len(in))
	for i := range in {
		out[i] = &in[i]
	}
	return out
}

func mappingPointers(in []store.Mapping) []*store.Mapping {
	out := make([]*store.Mapping, len(in))
	for i := range in {
		out[i] = &in[i]
	}
	return out
}

func policyPointers(in []store.Policy) []*store.Policy {
	out := make([]*store.Policy, len(in))
	for i := range in {
		out[i] = &in[i]
	}
	return out
}

// proxyFrom returns the proxy of upstream calls: the configured one, else what
// HTTPS_PROXY, HTTP_PROXY and NO_PROXY say.
func proxyFrom(configured string) func(*url.URL) (*url.URL, error) {
	switch configured {
	case "":
		return httpproxy.FromEnvironment().ProxyFunc()
	case "direct":
		return nil
	}
	c := httpproxy.Config{HTTPProxy: configured, HTTPSProxy: configured, NoProxy: httpproxy.FromEnvironment().NoProxy}
	return c.ProxyFunc()
}

func timeoutsOf(u *config.Upstream) func(stream bool) upstream.Timeouts {
	whole := upstream.Timeouts{Dial: u.Dial, TLS: u.TLS, Header: u.TTFB, FirstEvent: u.FirstEvent, Idle: u.Idle, Total: u.Total}.Or(upstream.Defaults)
	stream := upstream.Timeouts{Dial: u.Dial, TLS: u.TLS, Header: u.TTFBStream, FirstEvent: u.FirstEvent, Idle: u.Idle, Total: u.TotalStream}.Or(upstream.StreamDefaults)
	return func(s bool) upstream.Timeouts {
		if s {
			return stream
		}
		return whole
	}
}

func ledgerStats(l *ledger.Ledger) telemetry.LedgerStats {
	s := l.Stats()
	out := telemetry.LedgerStats{
		Queue: int64(s.QueueLength), Lag: int64(s.ApplierLag), OpenHolds: int64(s.OpenHolds), Entries: s.Entries, Commits: s.Commits,
		Failures: s.Failures, SyncSeconds: s.SyncSeconds, ReservedUSD: float64(s.ReservedNano) / 1e9, Up: l.Err() == nil, SyncBuckets: map[float64]uint64{},
	}
	var sum uint64
	for i, bound := range ledger.SyncBounds {
		sum += s.SyncBuckets[i]
		out.SyncBuckets[bound] = sum
	}
	return out
}

// inForce is the configuration in force, with the number that rises with every reload.
type inForce struct {
	cfg      *config.Config
	revision int
}

func effectiveJSON(cfg *config.Config) json.RawMessage {
	b, err := json.Marshal(cfg.Effective())
	if err != nil {
		panic("BUG: cannot encode the configuration: " + err.Error())
	}
	return b
}
