package api

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	keysPath     = "/v1/admin/api-keys"
	accountsPath = "/v1/admin/provider-accounts"
	mappingsPath = "/v1/admin/model-mappings"
	policiesPath = "/v1/admin/quota-policies"
)

// A Page selects one page of a list. The zero Page is the first, of the usual length.
type Page struct {
	Limit  int
	Cursor string
	Query  string // part of a name, in any case
}

func (p Page) values() url.Values { return query("limit", p.Limit, "cursor", p.Cursor, "q", p.Query) }

// query makes a query of pairs, leaving out zero values.
func query(pairs ...any) url.Values {
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		s := ""
		switch x := pairs[i+1].(type) {
		case string:
			s = x
		case int:
			if x != 0 {
				s = strconv.Itoa(x)
			}
		case time.Time:
			if !x.IsZero() {
				s = x.UTC().Format(time.RFC3339Nano)
			}
		case []string:
			s = strings.Join(x, ",")
		case bool:
			if x {
				s = "true"
			}
		}
		if s != "" {
			v.Set(pairs[i].(string), s)
		}
	}
	return v
}

func in(path, id string) string { return path + "/" + url.PathEscape(id) }

// get makes one GET and returns the answer as a T.
func get[T any](ctx context.Context, c *Client, path string, q url.Values) (*T, error) {
	return send[T](ctx, c, "GET", path, q, nil)
}

func send[T any](ctx context.Context, c *Client, method, path string, q url.Values, body any) (*T, error) {
	out := new(T)
	if err := c.call(ctx, method, path, q, body, out); err != nil {
		return nil, err
	}
	return out, nil
}

// CreateKey makes an API key; its answer alone holds the key itself.
func (c *Client) CreateKey(ctx context.Context, k KeyCreate) (*KeyCreated, error) {
	return send[KeyCreated](ctx, c, "POST", keysPath, nil, k)
}

// Keys returns one page of API keys, newest first.
func (c *Client) Keys(ctx context.Context, p Page) (*KeysReply, error) {
	return get[KeysReply](ctx, c, keysPath, p.values())
}

// KeyByID returns one API key.
func (c *Client) KeyByID(ctx context.Context, id string) (*Key, error) {
	return get[Key](ctx, c, in(keysPath, id), nil)
}

// UpdateKey changes an API key.
func (c *Client) UpdateKey(ctx context.Context, id string, p KeyPatch) (*Key, error) {
	return send[Key](ctx, c, "PATCH", in(keysPath, id), nil, p)
}

// RevokeKey ends an API key at once and for good, and keeps its record.
func (c *Client) RevokeKey(ctx context.Context, id string) (*Key, error) {
	yes := true
	return c.UpdateKey(ctx, id, KeyPatch{Revoked: &yes})
}

// DeleteKey ends an API key at once and forgets its record; its usage stays.
func (c *Client) DeleteKey(ctx context.Context, id string) error {
	return c.call(ctx, "DELETE", in(keysPath, id), nil, nil, nil)
}

// RotateKey gives an API key a new secret; the old one is accepted for grace more ("24h", "" = not at all).
func (c *Client) RotateKey(ctx context.Context, id, grace string) (*KeyCreated, error) {
	return send[KeyCreated](ctx, c, "POST", in(keysPath, id)+"/rotate", nil, KeyRotate{grace})
}

// CreateAccount adds a provider account.
func (c *Client) CreateAccount(ctx context.Context, a AccountCreate) (*Account, error) {
	return send[Account](ctx, c, "POST", accountsPath, nil, a)
}

// Accounts returns one page of provider accounts, those of file and environment included.
func (c *Client) Accounts(ctx context.Context, p Page) (*AccountsReply, error) {
	return get[AccountsReply](ctx, c, accountsPath, p.values())
}

// Account returns the account of that id or name.
func (c *Client) Account(ctx context.Context, id string) (*Account, error) {
	return get[Account](ctx, c, in(accountsPath, id), nil)
}

// UpdateAccount changes the account of that id or name.
func (c *Client) UpdateAccount(ctx context.Context, id string, p AccountPatch) (*Account, error) {
	return send[Account](ctx, c, "PATCH", in(accountsPath, id), nil, p)
}

// DeleteAccount removes the account of that id or name with its secrets; its usage stays.
func (c *Client) DeleteAccount(ctx context.Context, id string) error {
	return c.call(ctx, "DELETE", in(accountsPath, id), nil, nil, nil)
}

// TestAccount makes one call of one token to the account of that id or name.
// A failed call is a result, not an error.
func (c *Client) TestAccount(ctx context.Context, id, model string) (*TestResult, error) {
	return send[TestResult](ctx, c, "POST", in(accountsPath, id)+"/test", nil, TestAsk{model})
}

// Providers returns the types of providers that accounts can be made for.
func (c *Client) Providers(ctx context.Context) (*ProvidersReply, error) {
	return get[ProvidersReply](ctx, c, "/v1/admin/providers", nil)
}

// CreateMapping adds a model mapping.
func (c *Client) CreateMapping(ctx context.Context, m MappingCreate) (*Mapping, error) {
	return send[Mapping](ctx, c, "POST", mappingsPath, nil, m)
}

// Mappings returns one page of model mappings.
func (c *Client) Mappings(ctx context.Context, p Page) (*MappingsReply, error) {
	return get[MappingsReply](ctx, c, mappingsPath, p.values())
}

// Mapping returns the mapping of that id or alias.
func (c *Client) Mapping(ctx context.Context, id string) (*Mapping, error) {
	return get[Mapping](ctx, c, in(mappingsPath, id), nil)
}

// UpdateMapping changes the mapping of that id or alias.
func (c *Client) UpdateMapping(ctx context.Context, id string, p MappingPatch) (*Mapping, error) {
	return send[Mapping](ctx, c, "PATCH", in(mappingsPath, id), nil, p)
}

// DeleteMapping removes the mapping of that id or alias.
func (c *Client) DeleteMapping(ctx context.Context, id string) error {
	return c.call(ctx, "DELETE", in(mappingsPath, id), nil, nil, nil)
}

// CreatePolicy adds a quota policy.
func (c *Client) CreatePolicy(ctx context.Context, p PolicyCreate) (*Policy, error) {
	return send[Policy](ctx, c, "POST", policiesPath, nil, p)
}

// Policies returns one page of quota policies, with how far each is used.
func (c *Client) Policies(ctx context.Context, a PoliciesAsk) (*PoliciesReply, error) {
	q := a.values()
	for name, values := range query("key", a.Key, "model", a.Model) {
		q[name] = values
	}
	return get[PoliciesReply](ctx, c, policiesPath, q)
}

// Policy returns the quota policy of that id or name.
func (c *Client) Policy(ctx context.Context, id string) (*Policy, error) {
	return get[Policy](ctx, c, in(policiesPath, id), nil)
}

// UpdatePolicy changes the quota policy of that id or name.
func (c *Client) UpdatePolicy(ctx context.Context, id string, p PolicyPatch) (*Policy, error) {
	return send[Policy](ctx, c, "PATCH", in(policiesPath, id), nil, p)
}

// DeletePolicy removes the quota policy of that id or name.
func (c *Client) DeletePolicy(ctx context.Context, id string) error {
	return c.call(ctx, "DELETE", in(policiesPath, id), nil, nil, nil)
}

// CatalogueModels returns the models in use with their facts and prices; refresh
// reads the upstreams' own lists first.
func (c *Client) CatalogueModels(ctx context.Context, refresh bool) (*CatalogueReply, error) {
	q := url.Values{}
	if refresh {
		q.Set("refresh", "true")
	}
	return get[CatalogueReply](ctx, c, "/v1/admin/models", q)
}

// Prices returns the prices that the operator has set.
func (c *Client) Prices(ctx context.Context) (*PricesReply, error) {
	return get[PricesReply](ctx, c, "/v1/admin/prices", nil)
}

// SetPrices sets and removes prices, all or none, or only tells what would change.
func (c *Client) SetPrices(ctx context.Context, p PricesSet) (*PricesDiff, error) {
	return send[PricesDiff](ctx, c, "POST", "/v1/admin/prices", nil, p)
}

// VerifyLedger recomputes every roll-up from the rows. It may take minutes.
func (c *Client) VerifyLedger(ctx context.Context) (*Verification, error) {
	out := new(Verification)
	return out, c.exchange(ctx, "POST", "/v1/admin/ledger/verify", nil, nil, out)
}

// ResolveLedger says what a request cost that a crash had left open.
func (c *Client) ResolveLedger(ctx context.Context, r LedgerResolve) (*LogRow, error) {
	return send[LogRow](ctx, c, "POST", "/v1/admin/ledger/resolve", nil, r)
}

// RerateUsage prices one page of rows anew; the answer's cursor leads on.
func (c *Client) RerateUsage(ctx context.Context, r Rerate) (*RerateReply, error) {
	return send[RerateReply](ctx, c, "POST", "/v1/admin/usage/rerate", nil, r)
}

// Backup writes an archive of the gateway's store to w. What came is whole only if
// no error is returned and the archive ends in its manifest, which restore checks.
func (c *Client) Backup(ctx context.Context, w io.Writer) error {
	res, err := c.send(ctx, "POST", "/v1/admin/store/backup", nil, nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if _, err := io.Copy(w, res.Body); err != nil {
		return c.failed(ctx, fmt.Errorf("the backup was cut short: %w", err))
	}
	return nil
}

// Usage returns sums of usage: of all keys, or of the caller's own where it may see no others.
func (c *Client) Usage(ctx context.Context, a UsageAsk) (*UsageReply, error) {
	return get[UsageReply](ctx, c, "/v1/admin/usage", query("start_date", a.StartDate, "end_date", a.EndDate, "last", a.Last,
		"group_by", a.GroupBy, "tz", a.Zone, "key", a.Key, "model", a.Model, "provider", a.Provider, "account", a.Account, "compare", a.Compare))
}

// Logs returns one page of usage rows, newest first.
func (c *Client) Logs(ctx context.Context, a LogsAsk) (*LogsReply, error) {
	return get[LogsReply](ctx, c, "/v1/admin/usage/logs", query("limit", a.Limit, "cursor", a.Cursor, "key", a.Key, "model", a.Model,
		"provider", a.Provider, "account", a.Account, "status", a.Status, "end_reason", a.EndReason, "since", a.Since, "until", a.Until, "last", a.Last,
		"operation", a.Operation, "group", a.Group, "end_user", a.EndUser, "stream", a.Stream, "min_duration_ms", a.MinDurationMs, "q", a.Query))
}

// Log returns the usage row of a request: by its whole id or the last 8 characters.
// Several matches are an *Error with status 409 that lists them.
func (c *Client) Log(ctx context.Context, requestID string) (*LogReply, error) {
	return get[LogReply](ctx, c, in("/v1/admin/usage/logs", requestID), nil)
}

// Explain returns where a request would go, and why.
func (c *Client) Explain(ctx context.Context, a ExplainAsk) (*ExplainReply, error) {
	return get[ExplainReply](ctx, c, "/v1/admin/explain", query("model", a.Model, "key", a.Key, "operation", a.Operation, "provider", a.Provider))
}

// Audit returns one page of audit rows, newest first.
func (c *Client) Audit(ctx context.Context, a AuditAsk) (*AuditReply, error) {
	return get[AuditReply](ctx, c, "/v1/admin/audit", query("limit", a.Limit, "cursor", a.Cursor, "actor", a.Actor, "action", a.Action,
		"object", a.Object, "since", a.Since, "until", a.Until))
}

// ReloadConfig has the gateway read its file and environment anew.
func (c *Client) ReloadConfig(ctx context.Context) (*Reload, error) {
	return send[Reload](ctx, c, "POST", "/v1/admin/config/reload", nil, nil)
}

// Config returns the configuration in force, with secrets redacted.
func (c *Client) Config(ctx context.Context) (json.RawMessage, error) {
	out, err := get[json.RawMessage](ctx, c, "/v1/admin/config", nil)
	if err != nil {
		return nil, err
	}
	return *out, nil
}

// Self returns what the gateway knows of the caller's own key.
func (c *Client) Self(ctx context.Context) (*KeySelf, error) {
	return get[KeySelf](ctx, c, "/v1/key", nil)
}

// Models returns the models the caller's key may ask for.
func (c *Client) Models(ctx context.Context) (*ModelsReply, error) {
	return get[ModelsReply](ctx, c, "/v1/models", nil)
}

// Health returns the gateway's state. A gateway that answers that it cannot
// serve is an *Error with status 503.
func (c *Client) Health(ctx context.Context) (*Health, error) {
	return get[Health](ctx, c, "/health", nil)
}

// ModelsReply is the list of GET /v1/models.
type ModelsReply struct {
	Object string  `json:"object"`
	Data   []Model `json:"data"`
}

// A Model is one entry of GET /v1/models.
type Model struct {
	ID        string `json:"id"`
	Object    string `json:"object"`
	Created   int64  `json:"created"` // Unix seconds
	OwnedBy   string `json:"owned_by"`
	Context   int64  `json:"context_window,omitempty"` // tokens; 0: not known
	MaxOutput int64  `json:"max_output_tokens,omitempty"`
}

// Health answers GET /health.
type Health struct {
	Status  string `json:"status"` // "ok"
	Version string `json:"version"`
	Uptime  int64  `json:"uptime_seconds"`
	Reason  string `json:"reason,omitempty"` // why it cannot serve
}
