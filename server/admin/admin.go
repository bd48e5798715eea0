// Package admin is the admin API: keys, provider accounts, model mappings, quota
// policies, usage, logs, explanations and the audit trail. Who may call what is checked by the
// server from Route.Scope; what a caller may hand on is checked here.
package admin

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"io"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/your-org/ai-api-gateway/server/api"
	"github.com/your-org/ai-api-gateway/server/capture"
	"github.com/your-org/ai-api-gateway/server/limits"
	"github.com/your-org/ai-api-gateway/server/routing"
	"github.com/your-org/ai-api-gateway/server/upstream"
	"github.com/your-org/ai-api-gateway/store"
)

// A Caller is who makes a call.
type Caller struct {
	Key    *store.Key // nil for the local CLI's credential and AI_GATEWAY_ADMIN_KEY
	Scopes []string
	Admin  bool
	Name   string // of the key; "local", "admin"
	IP     netip.Addr
	Peer   bool // another gateway on the same database, for one of its callers
}

// actor is how the audit trail names the caller.
func (w *Caller) actor() string {
	if w.Key != nil {
		return w.Key.ID
	}
	return w.Name
}

// implied are the scopes that come with a scope.
var implied = map[string][]string{
	"keys:write":      {"viewer"},
	"providers:write": {"viewer"},
	"config:write":    {"viewer"},
	"billing":         {"viewer"},
}

// May reports whether the caller holds the scope.
func (w *Caller) May(scope string) bool {
	return w.Admin || slices.Contains(w.Scopes, scope) ||
		slices.ContainsFunc(w.Scopes, func(s string) bool { return s == "admin" || slices.Contains(implied[s], scope) })
}

// A Call is one request to the admin API.
type Call struct {
	Ctx       *fasthttp.RequestCtx
	Who       *Caller
	Now       time.Time
	RequestID string
	Body      []byte            // whole
	Params    map[string]string // of the path
}

// A Route is one method and path of the admin API.
type Route struct {
	Method, Path string // Path may have {parameters}
	// Scope is what a caller must hold: "self" any key, else a scope, which "admin" includes.
	Scope  string
	Handle func(*Call) error
}

// Deps are what the admin API works on.
type Deps struct {
	Store  store.Store
	Keys   *store.KeyIndex
	Sealer *store.Sealer
	// Table returns the routing in force, with all accounts.
	Table func() *routing.Table
	// Mappings returns the mappings in force, those of the file included. nil: the store's.
	Mappings func() []*store.Mapping
	// Reload builds the routing anew from the store, and swaps it in.
	Reload func(ctx context.Context) error
	// Sync waits until the store has what the ledger had when it was called.
	Sync func(ctx context.Context) error
	// Adjust corrects a settled row, and returns when that is durable.
	Adjust func(e store.Entry) error
	// Verify recomputes the roll-ups from the rows. nil: the store cannot.
	Verify func(ctx context.Context) (store.Verification, error)
	// Backup writes the store as it is at one moment. nil: the store cannot.
	Backup func(ctx context.Context, w io.Writer, at time.Time) error
	// Test makes one call of one token to the account.
	Test func(ctx context.Context, acc *routing.Account, model string) api.TestResult
	// RefreshModels reads the upstream's own list of models.
	RefreshModels func(ctx context.Context, acc *routing.Account) ([]string, error)
	// Policies returns the quota policies in force, those of the file included. nil: the store's.
	Policies func() []*store.Policy
	// Limiter knows how far limits are used. nil: nobody does.
	Limiter *limits.Limiter
	// Config returns the configuration in force, with secrets redacted.
	Config func() json.RawMessage
	// Settings returns the settings in force with their origins. nil: none are known.
	Settings func() api.SettingsReply
	// Status tells how the gateway itself is. nil: it cannot.
	Status func() api.Status
	// Notifications tells whom the gateway tells of what. nil: nobody.
	Notifications func() api.Notifications
	// TestNotification sends a message now. nil: it cannot.
	TestNotification func(ctx context.Context) error
	// ReloadConfig reads file and environment anew and puts them into force, all or nothing.
	ReloadConfig func(ctx context.Context) (api.Reload, error)
	// CheckBaseURL refuses addresses that no account may have. nil: upstream.CheckBaseURL.
	CheckBaseURL func(string) error
	// Capture holds the bodies that are kept. nil: none are.
	Capture      *capture.Recorder
	UnknownPrice string         // the setting unknown_price
	Zone         *time.Location // of days and months; nil: UTC
	Now          func() time.Time
	NewID        func() string // ULID
	Rand         io.Reader     // where keys come from. nil: crypto/rand.Reader
	Log          *slog.Logger  // nil: failures are answered but not logged
}

// An Admin serves the admin API. Its methods are safe for concurrent use.
type Admin struct {
	d Deps
	// mu lets one change at a time read, check and write.
	mu sync.Mutex
	// long lets one verification or backup run at a time.
	long     sync.Mutex
	refusals refusals
}

// New returns the admin API over d.
func New(d Deps) *Admin {
	if d.Zone == nil {
		d.Zone = time.UTC
	}
	if d.Rand == nil {
		d.Rand = rand.Reader
	}
	if d.CheckBaseURL == nil {
		d.CheckBaseURL = upstream.CheckBaseURL
	}
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	return &Admin{d: d}
}

// Routes returns all routes.
func (a *Admin) Routes() []Route {
	const (
		keys     = "/v1/admin/api-keys"
		accounts = "/v1/admin/provider-accounts"
		mappings = "/v1/admin/model-mappings"
		policies = "/v1/admin/quota-policies"
	)
	return []Route{
		{"GET", "/v1/key", "self", a.self},
		{"GET", "/v1/dashboard/billing/subscription", "self", a.subscription},
		{"GET", "/v1/dashboard/billing/usage", "self", a.spent},

		{"POST", keys, "keys:write", a.createKey},
		{"GET", keys, "viewer", a.listKeys},
		{"GET", keys + "/{id}", "viewer", a.showKey},
		{"PATCH", keys + "/{id}", "keys:write", a.updateKey},
		{"DELETE", keys + "/{id}", "keys:write", a.deleteKey},
		{"POST", keys + "/{id}/rotate", "keys:write", a.rotateKey},

		{"POST", accounts, "providers:write", a.createAccount},
		{"GET", accounts, "viewer", a.listAccounts},
		{"GET", accounts + "/{id}", "viewer", a.showAccount},
		{"PATCH", accounts + "/{id}", "providers:write", a.updateAccount},
		{"DELETE", accounts + "/{id}", "providers:write", a.deleteAccount},
		{"POST", accounts + "/{id}/test", "providers:write", a.testAccount},
		{"POST", accounts + "/{id}/reset", "providers:write", a.resetAccount},
		{"GET", "/v1/admin/providers", "viewer", a.listProviders},

		{"POST", mappings, "config:write", a.createMapping},
		{"GET", mappings, "viewer", a.listMappings},
		{"GET", mappings + "/{id}", "viewer", a.showMapping},
		{"PATCH", mappings + "/{id}", "config:write", a.updateMapping},
		{"DELETE", mappings + "/{id}", "config:write", a.deleteMapping},

		{"POST", policies, "config:write", a.createPolicy},
		{"GET", policies, "viewer", a.listPolicies},
		{"GET", policies + "/{id}", "viewer", a.showPolicy},
		{"PATCH", policies + "/{id}", "config:write", a.updatePolicy},
		{"DELETE", policies + "/{id}", "config:write", a.deletePolicy},

		{"GET", "/v1/admin/models", "viewer", a.listModels},
		{"GET", "/v1/admin/prices", "viewer", a.listPrices},
		{"POST", "/v1/admin/prices", "billing", a.changePrices},
		{"GET", "/v1/admin/explain", "viewer", a.explain},
		{"GET", "/v1/admin/overview", "viewer", a.overview},
		{"GET", "/v1/admin/usage", "self", a.usage},
		{"GET", "/v1/admin/usage/logs", "viewer", a.logs},
		{"GET", "/v1/admin/usage/logs/{request_id}", "viewer", a.showLog},
		{"GET", "/v1/admin/usage/logs/{request_id}/bodies", "admin", a.showBodies},
		{"POST", "/v1/admin/usage/rerate", "billing", a.rerate},
		{"POST", "/v1/admin/ledger/verify", "viewer", a.verifyLedger},
		{"POST", "/v1/admin/ledger/resolve", "billing", a.resolve},
		{"POST", "/v1/admin/store/backup", "admin", a.backup},
		{"GET", "/v1/admin/audit", "viewer", a.audit},
		{"GET", "/v1/admin/config", "viewer", a.config},
		{"GET", "/v1/admin/settings", "viewer", a.settings},
		{"GET", "/v1/admin/status", "viewer", a.status},
		{"GET", "/v1/admin/notifications", "viewer", a.notifications},
		{"POST", "/v1/admin/notifications/test", "config:write", a.testNotification},
		{"POST", "/v1/admin/config/reload", "config:write", a.reloadConfig},
	}
}

// callTimeout bounds what one call may wait for the store.
const callTimeout = 30 * time.Second

// bounded returns the context of work for one call. It does not come from the
// request, whose own ends only with the server.
func bounded() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), callTimeout)
}

// Serve runs a route and answers its error, if it has one.
func (a *Admin) Serve(r Route, c *Call) {
	if c.Now.IsZero() {
		c.Now = a.d.Now()
	}
	h := &c.Ctx.Response.Header
	h.Set("X-Request-Id", c.RequestID)
	h.Set("Cache-Control", "no-store") // answers hold keys and what only their caller may see
	if err := r.Handle(c); err != nil {
		a.fail(c, r, err)
	}
}

// answer writes v as JSON.
func (c *Call) answer(status int, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	c.Ctx.SetStatusCode(status)
	c.Ctx.Response.Header.SetContentType("application/json")
	c.Ctx.Response.SetBody(append(b, '\n'))
	return nil
}

// change writes changes in one transaction with an audit row in the first of them.
func (a *Admin) change(ctx context.Context, c *Call, action, object string, before, after any, changes ...store.Change) error {
	row := &store.AuditRow{ID: a.d.NewID(), Time: c.Now.UTC(), Actor: c.Who.actor(), Action: action, Object: object}
	if c.Who.IP.IsValid() {
		row.IP = c.Who.IP.String()
	}
	var err error
	if row.Before, err = recorded(before); err != nil {
		return err
	}
	if row.After, err = recorded(after); err != nil {
		return err
	}
	changes[0].Audit = row
	_, err = a.d.Store.Apply(ctx, changes...)
	return err
}

// recorded writes what an audit row keeps of a record: what the API shows of it,
// which holds no secret.
func recorded(v any) (json.RawMessage, error) {
	if v == nil {
		return nil, nil
	}
	return json.Marshal(v)
}

// reload puts a change of accounts or mappings into force.
func (a *Admin) reload(ctx context.Context) error {
	if err := a.d.Reload(ctx); err != nil {
		a.d.Log.Error("configuration is stored but cannot be put into force", "error", err)
		return &api.Error{Status: 500, Code: "not_in_force",
			Message: "the change is stored but could not be put into force; the configuration before it stays. The gateway's log says why"}
	}
	return nil
}

// config answers the configuration in force.
func (a *Admin) config(c *Call) error {
	if _, err := c.params(); err != nil {
		return err
	}
	raw := json.RawMessage("{}")
	if a.d.Config != nil {
		raw = a.d.Config()
	}
	return c.answer(200, raw)
}

// settings answers the settings in force with their origins.
func (a *Admin) settings(c *Call) error {
	if _, err := c.params(); err != nil {
		return err
	}
	reply := api.SettingsReply{Data: []api.Setting{}}
	if a.d.Settings != nil {
		reply = a.d.Settings()
	}
	return c.answer(200, reply)
}

// status answers how the gateway itself is.
func (a *Admin) status(c *Call) error {
	if _, err := c.params(); err != nil {
		return err
	}
	var reply api.Status
	if a.d.Status != nil {
		reply = a.d.Status()
	}
	return c.answer(200, reply)
}

// reloadConfig puts what file and environment say now into force.
func (a *Admin) reloadConfig(c *Call) error {
	ctx, cancel := bounded()
	defer cancel()
	if a.d.ReloadConfig == nil {
		return &api.Error{Status: 404, Code: "unknown_path", Message: "this gateway has no configuration to reload"}
	}
	done, err := a.d.ReloadConfig(ctx)
	if err != nil {
		return &api.Error{Status: 422, Code: "invalid_configuration", Message: "the configuration before it stays in force: " + err.Error()}
	}
	if err := a.change(ctx, c, "config.reload", "config", nil, done, store.Change{}); err != nil {
		return err
	}
	return c.answer(200, done)
}
