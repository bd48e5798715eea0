// Package server is the HTTP surface: listeners, the route table, who may call
// what, error shapes, and the lifecycle. What a request means is decided in relay
// and admin.
package server

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/server/admin"
	"github.com/your-org/ai-api-gateway/server/relay"
	"github.com/your-org/ai-api-gateway/server/replay"
	"github.com/your-org/ai-api-gateway/server/routing"
	"github.com/your-org/ai-api-gateway/server/telemetry"
	"github.com/your-org/ai-api-gateway/server/telemetry/otel"
	"github.com/your-org/ai-api-gateway/server/threads"
	"github.com/your-org/ai-api-gateway/store"
)

// A Surface is the caller's side of one relayed operation.
type Surface struct {
	In providers.Ingress
	// Frames reads answers of operations that are relayed only; nil for OpChat.
	Frames providers.Egress
}

// Surfaces are the dialects that callers may speak.
type Surfaces struct {
	Chat, Messages, Responses, Gemini Surface
	// GeminiArray is Gemini's dialect for streams that are one JSON array.
	GeminiArray providers.Ingress
	// GeminiEmbed reads the answers of its embeddings.
	GeminiEmbed providers.Egress
	// Relayed returns the surface of an operation that is passed on and never translated.
	Relayed func(op providers.Op) Surface
	// CountTokens estimates the tokens of a messages request; it never understates.
	CountTokens func(body []byte) int64
	// CountGemini does the same for a Gemini request.
	CountGemini func(body []byte) int64
	// InputTokens does the same for a Responses request.
	InputTokens func(body []byte) int64
}

// Options wire a Server.
type Options struct {
	Version  string
	Instance string // names this gateway in Via headers
	Surfaces Surfaces
	Relay    *relay.Relay
	Replay   *replay.Book // of answers by Idempotency-Key; nil: that header is ignored
	// Threads remembers answers that requests refer to; nil: none can be.
	Threads *threads.Store
	// Fetch does one exchange with an account outside the relay. nil: it cannot be done.
	Fetch   func(ctx context.Context, a *routing.Account, method string, call *providers.Call) (status int, body []byte, err error)
	Admin   *admin.Admin
	Keys    *store.KeyIndex
	Metrics *telemetry.Metrics
	Spans   *otel.Exporter // nil: nobody is told of traces
	Log     *slog.Logger
	Now     func() time.Time
	NewID   func(at time.Time) string // ULID
	MaxBody int                       // of a JSON request, in bytes
	// MaxUpload is the size of a form; 0: MaxBody.
	MaxUpload int
	// CORS are the origins whose pages may call the relay's routes; "*": all. Empty: none.
	CORS []string
	// PublicHosts are the names that browsers may call the gateway by, besides localhost and addresses.
	PublicHosts []string
	// MemoryLimit is what the collector keeps to, in bytes: near it load is shed. 0: none.
	MemoryLimit int64

	// Timeouts of callers; 0: the default in brackets.
	ReadHeader time.Duration // [10 s] request line, headers and a small body
	KeepAlive  time.Duration // [75 s] an idle connection
	Write      time.Duration // [30 s] one write to a caller: a reader slower than that is cut

	AdminKeyHash [32]byte // of AI_GATEWAY_ADMIN_KEY; zero: none
	LocalHash    [32]byte // of the local CLI's token
	// Where several gateways share a database: this one's name, the others as they were
	// seen last (nil: it is alone), and what they prove with that they are.
	Node      string
	Peers     func() []Peer
	PeerToken store.SecretString

	Trusted []netip.Prefix // proxies whose X-Forwarded-For counts
	// Ready returns what keeps the gateway from serving, nil when it is ready.
	Ready func() error
	// Degraded names what is away without which the gateway serves on. nil: nothing is.
	Degraded func() []string
	// MetricsOpen serves /metrics without a key to loopback peers.
	Web func(ctx *fasthttp.RequestCtx, path string) bool
}

// A Server answers HTTP. Create it with New, serve listeners with Serve, end it with Drain.
type Server struct {
	o        Options
	http     *fasthttp.Server
	routes   *routes
	auth     *auth
	relay    *relay.Relay
	table    atomic.Pointer[routing.Table]
	via      []byte
	started  time.Time
	draining atomic.Bool
	detached atomic.Bool
	metrics  fasthttp.RequestHandler
	panics   panicLog
	conns    connSet
	gate     *gate
	sessions *sessions
	// oversized holds the path of a request between the refusal of its body by the
	// header and the answer, by its *fasthttp.RequestHeader.
	oversized sync.Map

	mu        sync.Mutex
	listeners []net.Listener // being served
}

// New builds the server and its route table.
func New(o Options) *Server {
	s := &Server{o: o, routes: newRoutes(), relay: o.Relay, gate: newGate(o.MemoryLimit), sessions: newSessions(), via: []byte("ai-gateway-" + o.Instance), started: o.Now()}
	s.auth = &auth{keys: o.Keys, adminKey: o.AdminKeyHash, local: o.LocalHash}
	if o.Peers != nil {
		s.auth.peers, s.auth.boot = store.HashKey(o.PeerToken.Reveal()), o.Instance
	}
	s.Trust(o.Trusted)
	s.metrics = metricsHandler(o.Metrics)
	s.register()
	for _, t := range [...]struct {
		p   *time.Duration
		def time.Duration
	}{{&s.o.ReadHeader, 10 * time.Second}, {&s.o.KeepAlive, 75 * time.Second}, {&s.o.Write, 30 * time.Second}} {
		if *t.p == 0 {
			*t.p = t.def
		}
	}
	s.http = &fasthttp.Server{
		Handler: s.handle, ErrorHandler: s.protocolError, HeaderReceived: s.headerReceived, ExpectHandler: s.expect,
		StreamRequestBody: true, DisablePreParseMultipartForm: true, NoDefaultServerHeader: true, NoDefaultDate: false,
		ReadBufferSize: readBuffer, WriteBufferSize: writeBuffer,
		MaxRequestBodySize: readAhead, Concurrency: 1 << 18, MaxRequestsPerConn: 10_000, SecureErrorLogMessage: true,
		CloseOnShutdown: true, NoDefaultContentType: true, LazyRequestTime: true, Logger: quiet{o.Log}, DisableHeaderNamesNormalizing: false,
		ConnState: noteIdle,
	}
	return s
}

// SetTable swaps the routing in.
func (s *Server) SetTable(t *routing.Table) { s.table.Store(t) }

// Trust says whose X-Forwarded-For counts from now on.
func (s *Server) Trust(proxies []netip.Prefix) { s.auth.trusted.Store(&proxies) }

// Table returns the routing in force.
func (s *Server) Table() *routing.Table { return s.table.Load() }

// A call is one request on its way through the handlers.
type call struct {
	ctx    *fasthttp.RequestCtx
	s      *Server
	route  *route
	params map[string]string
	refers threaded // of a Responses request
	// deployment is the model that an Azure path names; "": the body does.
	deployment string
	who        *admin.Caller
	caller     admin.Caller // what who mostly leads to
	id         string
	clientID   string
	start      time.Time
	fields     *fields
	// Of a plain request; all other requests have these in ctx. lines are where the header
	// of its answer is written to.
	head  *head
	body  []byte
	lines *[]byte

	own fields // of others
}

// plain reports whether the request is one: then ctx knows of its header no more than
// its target and the size of its body.
func (c *call) plain() bool { return c.head != nil }

// queryString is what stands behind the path.
func (c *call) queryString() []byte {
	if c.plain() {
		return nil // a target with a query is not listed
	}
	return c.ctx.URI().QueryString()
}

// header returns the value of a header, empty if there is none.
func (c *call) header(x field) []byte { return c.fields.get(x) }

// joined returns the value of a header that is a list, which may come in several lines.
func (c *call) joined(x field, name string) []byte {
	if c.fields.repeated(x) {
		return bytes.Join(c.ctx.Request.Header.PeekAll(name), []byte(","))
	}
	return c.header(x)
}

var calls = sync.Pool{New: func() any { return new(call) }}

func (c *call) in() providers.Ingress {
	if c.route != nil && c.route.in != nil {
		if in, ok := c.arrayOf(); ok {
			return in
		}
		return c.route.in
	}
	path := string(c.ctx.Path())
	if strings.HasPrefix(path, "/anthropic/") {
		return c.s.o.Surfaces.Messages.In
	}
	path, _ = meant(path)
	switch {
	case strings.HasPrefix(path, "/v1/messages"):
		return c.s.o.Surfaces.Messages.In
	case strings.HasPrefix(path, "/v1beta") && c.s.o.Surfaces.Gemini.In != nil:
		return c.s.o.Surfaces.Gemini.In
	}
	if strings.HasPrefix(path, "/v1/models") && c.fromGoogle() {
		return c.s.o.Surfaces.Gemini.In
	}
	if path == "/v1/models" && len(c.ctx.Request.Header.Peek("Anthropic-Version")) > 0 {
		return c.s.o.Surfaces.Messages.In
	}
	return c.s.o.Surfaces.Chat.In
}

// fail answers with e in the caller's dialect.
func (c *call) fail(e *providers.Error) {
	e.RequestID = c.id
	if c.lines != nil {
		*c.lines = (*c.lines)[:0]
	}
	c.ctx.Response.Header.Set("X-Request-Id", c.id)
	if e.Status == 401 || e.Kind == providers.KindAuthentication {
		c.ctx.Response.Header.Set("WWW-Authenticate", "Bearer")
	}
	relay.WriteError(c.ctx, c.in(), e)
}

// handle is the entry of the requests that fasthttp has read.
func (s *Server) handle(ctx *fasthttp.RequestCtx) {
	c := calls.Get().(*call)
	*c = call{} // in its place: with values it would be made elsewhere first
	c.ctx, c.fields = ctx, &c.own
	s.serve(c)
	if c.route != nil && c.route.meter == MeterLedger { // others may keep it
		calls.Put(c)
	}
}

// serve answers c, whose ctx is known. A panic in it costs that request only.
func (s *Server) serve(c *call) {
	ctx := c.ctx
	c.s, c.start = s, s.o.Now()
	c.id = s.o.NewID(c.start)
	defer func() {
		if v := recover(); v != nil {
			s.Panicked("handler", v)
			c.fail(&providers.Error{Kind: providers.KindInternal, Code: "internal_error", Message: "internal error"})
			ctx.SetConnectionClose()
		}
	}()
	if !c.plain() {
		if ctx.Request.Header.ContentLength() > s.o.MaxBody {
			s.oversized.Delete(&ctx.Request.Header) // its first byte was there: the refusal comes from here
		}
		if s.cross(ctx) {
			return
		}
	}
	if e := s.admit(c); e != nil {
		if bodyUnread(ctx) {
			lingering(ctx)
			ctx.SetConnectionClose()
		}
		c.refuse(providers.Peek{}, e)
		return
	}
	c.route.handle(c)
	if s.draining.Load() { // the next request is for the successor
		ctx.SetConnectionClose()
	}
}

// admit finds the route and the caller, and refuses what may not pass.
func (s *Server) admit(c *call) *providers.Error {
	ctx := c.ctx
	var listed []*route
	if c.plain() {
		listed = c.head.listed
	} else {
		listed = s.routes.listed(ctx.Request.Header.RequestURI())
		if e := checkShape(ctx, c.fields, listed != nil); e != nil {
			ctx.SetConnectionClose()
			return e
		}
	}
	c.clientID = clientRequestID(c.header(fieldRequestID))
	if !c.plain() {
		if e := checkHost(ctx.Request.Header.Host(), ctx.Request.Header.IsHTTP11()); e != nil {
			ctx.SetConnectionClose()
			return e
		}
	}
	r, path, methods := s.routeOf(c, listed)
	plane := planeOf(ctx)
	if !plane.serves(path) {
		return &providers.Error{Kind: providers.KindNotFound, Code: "unknown_path", NoRetry: true, Message: "no such path on this address: " + clip(path, 100) + ". The admin API, the page and the metrics have an address of their own here (admin_listen), and calls of models the other"}
	}
	if r == nil {
		if len(methods) > 0 {
			ctx.Response.Header.Set("Allow", strings.Join(methods, ", "))
			return refuse(405, "method_not_allowed", "this path knows "+strings.Join(methods, ", ")+" only")
		}
		return &providers.Error{Kind: providers.KindNotFound, Code: "unknown_path", NoRetry: true, Message: "no such path: " + clip(path, 100) + ". Chat is POST /v1/chat/completions, /v1/messages or /v1beta/models/{model}:generateContent, models are GET /v1/models; a base URL ends in /v1 for OpenAI clients and has no path for Anthropic and Gemini ones"}
	}
	c.route = r
	if r.meter == MeterLedger && !s.gate.admits(ctx.Request.Header.ContentLength()) {
		s.o.Metrics.Shed.Inc()
		return overloaded(ctx)
	}
	if r.scope == scopePublic {
		return nil
	}
	who, e := s.who(c)
	if e != nil {
		s.denied(c, nil, e)
		return e
	}
	if plane == PlaneLocal && who.Key != nil {
		return unauthorized("this address is for the command line of this machine only")
	}
	c.who = who
	if e := allowed(who, r.scope, r.meter == MeterLedger || r.op != ""); e != nil {
		s.denied(c, who, e)
		return e
	}
	return c.checkBody(s.bodyLimit(&ctx.Request.Header))
}

// routeOf finds the route of c, whose target is listed or is not, and its path, or the
// methods that the path has.
func (s *Server) routeOf(c *call, listed []*route) (r *route, path string, methods []string) {
	method := methodOf(c.ctx)
	if listed != nil {
		r, methods = of(listed, method)
		return r, listed[0].path, methods
	}
	path = string(c.ctx.Path())
	if r, c.params, methods = s.routes.find(method, path); r != nil || len(methods) > 0 {
		return r, path, methods
	}
	var to string
	if to, c.deployment = meant(path); to != path {
		if r, c.params, methods = s.routes.find(method, to); r != nil {
			path = to
		}
	}
	return r, path, methods
}

// denied tells the audit trail of a refused call of the admin API.
func (s *Server) denied(c *call, who *admin.Caller, e *providers.Error) {
	if s.o.Admin != nil && !s.detached.Load() && strings.HasPrefix(c.route.path, "/v1/admin/") {
		s.o.Admin.Denied(c.start, who, s.auth.clientIP(c), c.route.method, clip(string(c.ctx.Path()), 200), e.Code)
	}
}

// who identifies the caller: by the key that the request carries, else by the cookie
// of a web session.
func (s *Server) who(c *call) (*admin.Caller, *providers.Error) {
	if c.fields.has(fieldCookie) {
		if id := cookieOf(c.ctx); len(id) > 0 {
			if key, e := c.credential(); e == nil && len(key) == 0 {
				return s.fromSession(c, id)
			}
		}
	}
	return s.auth.who(c)
}

func bodyUnread(ctx *fasthttp.RequestCtx) bool { return ctx.Request.IsBodyStream() }

// Panicked reports a contained panic: a bug, but not the end of the process.
func (s *Server) Panicked(where string, v any) {
	s.o.Metrics.Panics.Inc()
	s.panics.report(s.o.Log, where, v)
}

// contain keeps a panic of what fasthttp calls outside the handler from ending the
// process: there fasthttp has nothing that would.
func (s *Server) contain(where string) {
	if v := recover(); v != nil {
		s.Panicked(where, v)
	}
}

// clientRequestID returns the caller's own id if it is fit to be recorded.
func clientRequestID(v []byte) string {
	if len(v) > 128 || !wordBytes.hold(v) {
		return ""
	}
	return string(v)
}

func itoa(n int) string { return strconv.Itoa(n) }

func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// asError returns err as an error for the caller.
func asError(err error) *providers.Error {
	var e *providers.Error
	if errors.As(err, &e) {
		return e
	}
	return &providers.Error{Kind: providers.KindInvalidRequest, Message: err.Error()}
}
