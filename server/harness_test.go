package server

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/anthropic"
	"github.com/your-org/ai-api-gateway/providers/openai"
	"github.com/your-org/ai-api-gateway/server/admin"
	"github.com/your-org/ai-api-gateway/server/limits"
	"github.com/your-org/ai-api-gateway/server/relay"
	"github.com/your-org/ai-api-gateway/server/routing"
	"github.com/your-org/ai-api-gateway/server/telemetry"
	"github.com/your-org/ai-api-gateway/server/telemetry/otel"
	"github.com/your-org/ai-api-gateway/server/upstream"
	"github.com/your-org/ai-api-gateway/store"
	"github.com/your-org/ai-api-gateway/store/bolt"
)

// rows is a ledger in memory.
type rows struct {
	mu   sync.Mutex
	list []store.UsageRow
}

func (r *rows) Hold(string, *store.Hold, time.Time) error { return nil }
func (r *rows) Attempt(string, *store.Attempt)            {}
func (r *rows) Void(string)                               {}
func (r *rows) Settle(row *store.UsageRow) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := *row
	c.Attempts = append([]store.Attempt(nil), row.Attempts...)
	r.list = append(r.list, c)
	return nil
}

func (r *rows) all() []store.UsageRow {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]store.UsageRow(nil), r.list...)
}

// served returns the rows of requests that were not refused before any target.
func (r *rows) served() (out []store.UsageRow) {
	for _, row := range r.all() {
		if row.EndReason != store.EndRejected || row.CostNano != 0 || len(row.Attempts) != 0 {
			out = append(out, row)
		}
	}
	return out
}

// log is what the gateway logged.
type log struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// noFacts is a catalogue that knows nothing.
type noFacts struct{}

func (noFacts) Find(string, string) (*providers.Model, bool) { return nil, false }
func (noFacts) Providers(string) []string                    { return nil }
func (noFacts) Known(string) []string                        { return nil }
func (noFacts) Dearest(string) providers.Price               { return providers.Price{} }
func (noFacts) Version() string                              { return "test" }

const (
	adminEnv   = "an-admin-key-from-the-environment-0123"
	localToken = "local-0123456789"
	instance   = "01TESTINSTANCE"
)

// bench is a whole server on loopback, over a real store, with one scripted
// upstream: account "main" of provider "openai" serves gpt-x and team/gpt-y,
// account "ant" of provider "anthropic" serves claude-x.
type bench struct {
	quota *limits.Limiter
	t     *testing.T
	s     *Server
	url   string
	rows  *rows
	log   *log
	keys  *store.KeyIndex
	calls func() int // that reached the upstream
	// upstream answers in place of scripted, where it is set.
	upstream http.HandlerFunc
}

func newBench(t *testing.T, prepare ...func(*Options)) *bench {
	t.Helper()
	b := &bench{t: t, rows: &rows{}, log: &log{}, keys: store.NewKeyIndex(nil)}
	var mu sync.Mutex
	calls := 0
	b.calls = func() int { mu.Lock(); defer mu.Unlock(); return calls }
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		calls++
		mu.Unlock()
		if b.upstream != nil {
			b.upstream(w, r)
			return
		}
		scripted(w, r)
	}))
	t.Cleanup(up.Close)
	st, err := bolt.Open(context.Background(), t.TempDir(), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	sealer, err := store.NewSealer(bytes.Repeat([]byte{7}, store.MasterKeyLen))
	if err != nil {
		t.Fatal(err)
	}
	table := benchTable(t, up.URL)
	client := upstream.New(upstream.Options{InstanceID: instance})
	metrics := telemetry.NewMetrics("test")
	log := slog.New(slog.NewTextHandler(b.log, nil))
	b.quota = limits.New(limits.Options{Now: time.Now})
	rl := relay.New(relay.Options{
		Upstream: client, Ledger: b.rows, Metrics: metrics, Spans: spansOf(prepare), Now: time.Now, Limits: b.quota,
		Timeouts: func(bool) upstream.Timeouts { return upstream.StreamDefaults },
		Panicked: func(where string, v any) { b.s.Panicked(where, v) },
	})
	newID := NewULID()
	o := Options{
		Version: "test", Instance: instance, Relay: rl, Keys: b.keys, Metrics: metrics, Log: log, Now: time.Now, NewID: newID, MaxBody: 1 << 20,
		AdminKeyHash: store.HashKey(adminEnv), LocalHash: store.HashKey(localToken),
		Admin: admin.New(admin.Deps{Store: st, Keys: b.keys, Sealer: sealer, Table: func() *routing.Table { return table }, Now: time.Now, NewID: func() string { return newID(time.Now()) },
			Sync: func(context.Context) error { return nil }, Reload: func(context.Context) error { return nil }}),
		Surfaces: allSurfaces(),
	}
	for _, p := range prepare {
		p(&o)
	}
	b.s = New(o)
	b.s.SetTable(table)
	b.listen(rl, client)
	return b
}

// spansOf returns the exporter that prepare gives the server: the relay has the same.
func spansOf(prepare []func(*Options)) *otel.Exporter {
	var o Options
	for _, p := range prepare {
		p(&o)
	}
	return o.Spans
}

// allSurfaces are all dialects that callers may speak.
func allSurfaces() Surfaces {
	return Surfaces{
		Chat: Surface{In: openai.ChatIngress()},
		Relayed: func(op providers.Op) Surface {
			return Surface{In: openai.RelayIngress(op), Frames: openai.RelayEgress(op)}
		},
		Messages:    Surface{In: anthropic.MessagesIngress(), Frames: anthropic.MessagesEgress(providers.Quirks{})},
		Responses:   Surface{In: openai.ResponsesIngress(), Frames: openai.ResponsesEgress(providers.Quirks{})},
		CountTokens: anthropic.EstimateTokens, InputTokens: openai.EstimateResponses,
	}
}

func (b *bench) listen(rl *relay.Relay, client *upstream.Client) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.t.Fatal(err)
	}
	b.url = "http://" + ln.Addr().String()
	done := make(chan error, 1)
	go func() { done <- b.s.Serve(ln, PlaneAll) }()
	b.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		b.s.Leave(ctx, 0, false)
		_ = b.s.Drain(ctx, 0)
		<-done
		rl.Close()
		client.Close()
	})
}

func benchTable(t testing.TB, up string) *routing.Table {
	t.Helper()
	oai := &providers.Provider{Name: "openai", Ops: []providers.Op{providers.OpEmbeddings, providers.OpCompletions, providers.OpImages, providers.OpAudio, providers.OpModerations, providers.OpRerank, providers.OpFIM}, Speaks: []providers.Egress{openai.ChatEgress(providers.Quirks{})}}
	ant := &providers.Provider{Name: "anthropic", Aliases: []string{"claude"}, Speaks: []providers.Egress{anthropic.MessagesEgress(providers.Quirks{})}, URL: anthropic.URL, Sign: anthropic.Sign}
	models := func(names ...string) (out []store.AccountModel) {
		for _, n := range names {
			out = append(out, store.AccountModel{Name: n})
		}
		return out
	}
	table, err := routing.Build(routing.Source{
		Providers: []*providers.Provider{oai, ant}, Catalogue: noFacts{}, Health: routing.NewHealth(routing.HealthOptions{Window: time.Microsecond}), // faults are scripted one after the other
		Accounts: []*routing.Account{
			{Account: &store.Account{ID: "a1", Name: "main", Enabled: true, BaseURL: up + "/v1", Models: models("gpt-x", "team/gpt-y")}, Provider: oai, Secrets: []store.SecretString{store.NewSecret("sk-vendor-secret-1")}},
			{Account: &store.Account{ID: "a2", Name: "ant", Enabled: true, BaseURL: up, Models: models("claude-x")}, Provider: ant, Secrets: []store.SecretString{store.NewSecret("sk-vendor-secret-2")}},
		},
		Mappings: []*store.Mapping{{ID: "m1", Alias: "fast", Targets: []store.MappingTarget{{Provider: "openai", Model: "gpt-x"}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// scripted is the upstream: it answers each path of either vendor.
func scripted(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	w.Header().Set("Content-Type", "application/json")
	switch {
	case strings.HasSuffix(r.URL.Path, "/messages"):
		_, _ = io.WriteString(w, `{"id":"msg_1","type":"message","role":"assistant","model":"claude-x","content":[{"type":"text","text":"Hi."}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":9,"output_tokens":5}}`)
	case strings.HasSuffix(r.URL.Path, "/embeddings"):
		_, _ = io.WriteString(w, `{"object":"list","model":"gpt-x","data":[{"object":"embedding","index":0,"embedding":[1]}],"usage":{"prompt_tokens":3,"total_tokens":3}}`)
	default:
		_, _ = io.WriteString(w, `{"id":"c1","object":"chat.completion","created":1,"model":"gpt-x","choices":[{"index":0,"message":{"role":"assistant","content":"Hi."},"finish_reason":"stop"}],"usage":{"prompt_tokens":10,"completion_tokens":4,"total_tokens":14}}`)
	}
}

// key makes a key with those scopes, changed by each of change.
func (b *bench) key(scopes []string, change ...func(*store.Key)) string {
	b.t.Helper()
	full, id, hash, err := store.MintKey(rand.Reader)
	if err != nil {
		b.t.Fatal(err)
	}
	k := &store.Key{ID: id, Name: "k" + id, Hash: hash, Prefix: "sk-gw-" + id, Scopes: scopes, CreatedAt: time.Now()}
	for _, c := range change {
		c(k)
	}
	b.keys.Put(k)
	return full
}

// An answer is what came back.
type answer struct {
	status int
	body   string
	head   http.Header
}

// errorOf reads an error body of either surface.
func (a answer) errorOf() (e struct {
	Type      string
	RequestID string `json:"request_id"`
	Error     struct {
		Message, Type, Code string
		Param               *string
	}
}) {
	_ = json.Unmarshal([]byte(a.body), &e)
	return e
}

func (a answer) String() string { return fmt.Sprintf("%d %.300s", a.status, a.body) }

// call does one request; key goes into Authorization, header are name and value in turn.
func (b *bench) call(method, path, key, body string, header ...string) answer {
	b.t.Helper()
	req, err := http.NewRequest(method, b.url+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
		if header[i] == "Host" {
			req.Host = header[i+1]
		}
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		b.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer func() { _ = resp.Body.Close() }()
	out, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatalf("%s %s: %v", method, path, err)
	}
	got := answer{resp.StatusCode, string(out), resp.Header}
	b.asDescribed(method, path, body, got)
	return got
}

const (
	chatAsk     = `{"model":"gpt-x","messages":[{"role":"user","content":"hi"}]}`
	messagesAsk = `{"model":"claude-x","max_tokens":50,"messages":[{"role":"user","content":"hi"}]}`
)
