package admin

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/valyala/fasthttp"
	"github.com/valyala/fasthttp/fasthttputil"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/server/api"
	"github.com/your-org/ai-api-gateway/server/limits"
	"github.com/your-org/ai-api-gateway/server/routing"
	"github.com/your-org/ai-api-gateway/store"
	"github.com/your-org/ai-api-gateway/store/bolt"
)

// vendorSecret is the provider key that must never be seen again.
const vendorSecret = "sk-vendor-0123456789abcdefghijklmnop"

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// speaker is a dialect that is only named.
type speaker struct {
	providers.Egress
	d providers.Dialect
}

func (s speaker) Dialect() providers.Dialect { return s.d }

type catalogue map[string]*providers.Model

func (c catalogue) Find(provider, model string) (*providers.Model, bool) {
	m, ok := c[provider+"/"+model]
	return m, ok
}
func (c catalogue) Providers(string) []string { return nil }
func (c catalogue) Known(provider string) (out []string) {
	for id, m := range c {
		if strings.HasPrefix(id, provider+"/") {
			out = append(out, m.ID)
		}
	}
	slices.Sort(out)
	return out
}
func (c catalogue) Dearest(provider string) providers.Price {
	if provider == "openai" {
		return providers.Price{Input: 60_000_000_000, Output: 120_000_000_000}
	}
	return providers.Price{}
}
func (c catalogue) Version() string { return "test-1" }

var facts = catalogue{
	"openai/gpt-4": {ID: "gpt-4", Provider: "openai", Op: providers.OpChat, Title: "GPT-4", Context: 8192, MaxOutput: 4096, Priced: true,
		Price: providers.Price{Input: 30_000_000_000, Output: 60_000_000_000, CacheRead: 1}, Source: "vendor", AsOf: "2026-11-01",
		Tiers: []providers.Tier{{Above: 100, Price: providers.Price{Input: 45_000_000_000}}}},
	"anthropic/claude-3-opus": {ID: "claude-3-opus", Provider: "anthropic", Op: providers.OpChat},
}

// harness is a gateway's admin API over a real store.
type harness struct {
	*Admin
	t                  *testing.T
	store              *bolt.Store
	table              atomic.Pointer[routing.Table]
	fixed              []*store.Account // of file and environment
	vends              []*providers.Provider
	clock              atomic.Int64
	http               *http.Client
	admin              string // a stored admin key
	logs               *safeBuffer
	synced             atomic.Int64
	reloadErr, syncErr error
	testSays           api.TestResult
	limiter            *limits.Limiter
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}
func (s *safeBuffer) String() string { s.mu.Lock(); defer s.mu.Unlock(); return s.b.String() }

func newHarness(t *testing.T) *harness {
	t.Helper()
	h := &harness{t: t, logs: &safeBuffer{}}
	h.clock.Store(noon.UnixNano())
	var err error
	if h.store, err = bolt.Open(context.Background(), t.TempDir(), bolt.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.store.Close() })
	sealer, err := store.NewSealer(bytes.Repeat([]byte{7}, store.MasterKeyLen))
	if err != nil {
		t.Fatal(err)
	}
	h.vends = []*providers.Provider{
		{Name: "openai", Title: "OpenAI", BaseURL: "https://api.openai.com/v1", Speaks: []providers.Egress{speaker{d: providers.Chat}},
			Ops: []providers.Op{providers.OpEmbeddings, providers.OpModels}, Models: []string{"gpt-*"}, EnvKeys: []string{"OPENAI_API_KEY"}},
		{Name: "anthropic", Title: "Anthropic", Aliases: []string{"claude"}, BaseURL: "https://api.anthropic.com", Speaks: []providers.Egress{speaker{d: providers.Messages}}, Models: []string{"claude-*"}},
		{Name: "ollama", Title: "Ollama", BaseURL: "http://127.0.0.1:11434/v1", Local: true, Speaks: []providers.Egress{speaker{d: providers.Chat}}},
		{Name: "azure", Title: "Azure", Speaks: []providers.Egress{speaker{d: providers.Chat}}},
	}
	h.fixed = []*store.Account{
		{ID: "env-ollama", Provider: "ollama", Name: "ollama", Enabled: true, Origin: store.OriginEnv},
		{ID: "file-spare", Provider: "openai", Name: "spare", Enabled: true, Origin: store.OriginFile, Secrets: []store.Secret{{Plain: store.NewSecret("file-secret-123456"), Hint: "…3456"}}},
	}
	ids := ulid.Monotonic(rand.Reader, 0)
	var idMu sync.Mutex
	h.limiter = limits.New(limits.Options{Now: h.now})
	h.Admin = New(Deps{
		Store: h.store, Keys: store.NewKeyIndex(nil), Sealer: sealer, Table: h.table.Load, Now: h.now, Zone: time.UTC,
		Reload: func(ctx context.Context) error {
			if h.reloadErr != nil {
				return h.reloadErr
			}
			return h.rebuild(ctx, sealer)
		},
		Sync: func(context.Context) error { h.synced.Add(1); return h.syncErr },
		Test: func(_ context.Context, acc *routing.Account, model string) api.TestResult {
			res := h.testSays
			res.Model = model
			if len(acc.Secrets) > 0 {
				res.Error += acc.Secrets[0].Reveal()
			}
			return res
		},
		RefreshModels: func(_ context.Context, acc *routing.Account) ([]string, error) {
			switch acc.Name {
			case "boom":
				panic("boom")
			case "bad":
				return nil, errors.New("refused " + acc.Secrets[0].Reveal())
			}
			return []string{"m1", "m2"}, nil
		},
		Mappings: func() []*store.Mapping {
			return []*store.Mapping{{ID: "file-m", Alias: "from-file", Targets: []store.MappingTarget{{Model: "gpt-4"}}, Origin: store.OriginFile}}
		},
		Limiter: h.limiter,
		Policies: func() []*store.Policy {
			return []*store.Policy{{ID: "file-p", Name: "from-file", Scope: store.PolicyScope{Global: true}, Limits: []store.PolicyLimit{{Kind: "requests", Limit: 60, Window: "minute"}}, Origin: store.OriginFile}}
		},
		Config: func() json.RawMessage { return json.RawMessage(`{"listen":":8080"}`) },
		NewID: func() string {
			idMu.Lock()
			defer idMu.Unlock()
			return ulid.MustNew(ulid.Timestamp(h.now()), ids).String()
		},
		Log: slog.New(slog.NewTextHandler(h.logs, nil)),
	})
	if err := h.d.Reload(context.Background()); err != nil {
		t.Fatal(err)
	}
	h.listen()
	h.admin = h.mint(&store.Key{Name: "root", Scopes: []string{"admin"}})
	return h
}

func (h *harness) now() time.Time { return time.Unix(0, h.clock.Load()).UTC() }

func (h *harness) rebuild(ctx context.Context, sealer *store.Sealer) error {
	snap, err := h.store.Load(ctx)
	if err != nil {
		return err
	}
	own, err := store.DecodePrices(snap.Meta[store.MetaPrices])
	if err != nil {
		return err
	}
	known := catalogue(maps.Clone(facts))
	for i := range own {
		m, err := routing.Model(&own[i])
		if err != nil {
			return err
		}
		known[m.Provider+"/"+m.ID] = &m
	}
	src := routing.Source{Providers: h.vends, Catalogue: known, Mappings: snap.Mappings}
	for _, a := range slices.Concat(snap.Accounts, h.fixed) {
		a, err := sealer.OpenAccount(a)
		if err != nil {
			return err
		}
		acc := &routing.Account{Account: a, Private: a.Hidden()}
		for _, p := range h.vends {
			if p.Name == a.Provider {
				acc.Provider = p
			}
		}
		for n, s := range a.Secrets {
			plain := s.Plain
			if len(s.Sealed) > 0 {
				if plain, err = sealer.Open(s.Sealed, store.SecretAAD(a.ID, n)); err != nil {
					return err
				}
			}
			acc.Secrets = append(acc.Secrets, plain)
		}
		src.Accounts = append(src.Accounts, acc)
	}
	t, err := routing.Build(src)
	if err == nil {
		err = h.limiter.Set(ctx, slices.Concat(snap.Policies, h.d.Policies()))
	}
	if err == nil {
		h.table.Store(t)
	}
	return err
}

// mint puts a key into the store and returns the key itself.
func (h *harness) mint(k *store.Key) string {
	h.t.Helper()
	full, id, hash, err := store.MintKey(rand.Reader)
	if err != nil {
		h.t.Fatal(err)
	}
	k.ID, k.Hash, k.Prefix = id, hash, "sk-gw-"+id
	if k.CreatedAt.IsZero() {
		k.CreatedAt = h.now()
	}
	if _, err := h.store.Apply(context.Background(), store.Change{Key: k, Create: true}); err != nil {
		h.t.Fatal(err)
	}
	h.d.Keys.Put(k)
	return full
}

// listen serves the routes as the server does: caller by key, scope, then the handler.
func (h *harness) listen() {
	ln := fasthttputil.NewInmemoryListener()
	srv := &fasthttp.Server{Handler: h.handle}
	go func() { _ = srv.Serve(ln) }()
	h.t.Cleanup(func() { _ = srv.Shutdown(); _ = ln.Close() })
	h.http = &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return ln.Dial() }, DisableKeepAlives: true}}
}

func (h *harness) handle(ctx *fasthttp.RequestCtx) {
	token := strings.TrimPrefix(string(ctx.Request.Header.Peek("Authorization")), "Bearer ")
	who := &Caller{Name: "local", Admin: true, Scopes: []string{"admin"}, IP: netip.MustParseAddr("127.0.0.1")}
	if token != "local" {
		k, ok := h.d.Keys.Lookup(store.HashKey(token), h.now())
		if !ok || !k.RevokedAt.IsZero() || expired(k, h.now()) {
			ctx.SetStatusCode(401)
			return
		}
		who = &Caller{Key: k, Name: k.Name, Scopes: k.Scopes, Admin: slices.Contains(k.Scopes, "admin"), IP: netip.MustParseAddr("10.1.2.3")}
	}
	for _, r := range h.Routes() {
		params, ok := match(r.Path, string(ctx.Path()))
		if !ok || r.Method != string(ctx.Method()) {
			continue
		}
		if r.Scope != "self" && !who.May(r.Scope) {
			ctx.SetStatusCode(403)
			ctx.SetBodyString(`{"error":{"message":"needs ` + r.Scope + `","code":"missing_scope"}}`)
			return
		}
		h.Serve(r, &Call{Ctx: ctx, Who: who, Now: h.now(), RequestID: "01REQ", Body: bytes.Clone(ctx.Request.Body()), Params: params})
		h.asDescribed(r, ctx)
		return
	}
	ctx.SetStatusCode(405)
}

func match(pattern, path string) (map[string]string, bool) {
	p, s := strings.Split(pattern, "/"), strings.Split(path, "/")
	if len(p) != len(s) {
		return nil, false
	}
	params := map[string]string{}
	for i := range p {
		if strings.HasPrefix(p[i], "{") {
			params[strings.Trim(p[i], "{}")] = s[i]
		} else if p[i] != s[i] {
			return nil, false
		}
	}
	return params, true
}

func (h *harness) client(key string) *api.Client {
	return &api.Client{BaseURL: "http://gateway", Key: key, HTTP: h.http}
}

// call makes a raw call and returns status and body.
func (h *harness) call(key, method, path, body string) (int, string) {
	h.t.Helper()
	req, err := http.NewRequest(method, "http://gateway"+path, strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	res, err := h.http.Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

// refused asserts that a call is refused with this status and code, and names param ("" = none).
func (h *harness) refused(key, method, path, body string, status int, code, param string) string {
	h.t.Helper()
	got, text := h.call(key, method, path, body)
	var e api.ErrorBody
	if err := json.Unmarshal([]byte(text), &e); err != nil {
		h.t.Errorf("%s %s %s: %d %q is no error body", method, path, body, got, text)
		return text
	}
	word := func(p *string) string {
		if p == nil {
			return ""
		}
		return *p
	}
	if got != status || word(e.Error.Code) != code || word(e.Error.Param) != param || e.Error.Message == "" {
		h.t.Errorf("%s %s %s\ngot  %d %s\nwant %d %s at %q", method, path, body, got, text, status, code, param)
	}
	return e.Error.Message
}

// must fails the test on an error.
func must[T any](t *testing.T) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// everything returns all that the API answers and all that is stored, as text.
func (h *harness) everything() string {
	h.t.Helper()
	var all strings.Builder
	for _, r := range h.Routes() {
		if r.Method == "GET" && !strings.Contains(r.Path, "{") && r.Path != "/v1/admin/explain" {
			status, body := h.call(h.admin, "GET", r.Path, "")
			if status != 200 {
				h.t.Errorf("GET %s: %d %s", r.Path, status, body)
			}
			all.WriteString(body)
		}
	}
	snap, err := h.store.Load(context.Background())
	if err != nil {
		h.t.Fatal(err)
	}
	b, err := json.Marshal(snap)
	if err != nil {
		h.t.Fatal(err)
	}
	fmt.Fprintf(&all, "%s%+v%s", b, snap, h.logs)
	return all.String()
}
