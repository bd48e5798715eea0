package relay

import (
	"math"
	"strconv"
	"strings"

	"github.com/valyala/fasthttp"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/server/routing"
)

// Names of the gateway's own headers, in the form fasthttp writes them.
var (
	hRequestID = []byte("X-Request-Id")
	hProvider  = []byte("X-Gateway-Provider")
	hModel     = []byte("X-Gateway-Model")
	hAttempts  = []byte("X-Gateway-Attempts")
	hAccount   = []byte("X-Gateway-Account")
	hDropped   = []byte("X-Gateway-Dropped-Params")
	hUpstream  = []byte("X-Upstream-Request-Id")
	hCost      = []byte("X-Gateway-Cost-Usd")
	hOverhead  = []byte("X-Gateway-Overhead-Us")
	one        = []byte("1")
)

// unified is the family of Anthropic's headers that its own clients read.
const unified = "anthropic-ratelimit-unified-"

// passesBack reports whether callers get that header of the upstream's.
func passesBack(name string, same bool) bool {
	switch len(name) {
	case len("openai-processing-ms"):
		return strings.EqualFold(name, "openai-processing-ms")
	case len("openai-version"):
		return strings.EqualFold(name, "openai-version")
	case len("anthropic-organization-id"):
		return strings.EqualFold(name, "anthropic-organization-id")
	}
	return same && len(name) > len(unified) && strings.EqualFold(name[:len(unified)], unified)
}

// rankOfID tells the headers in which upstreams say what they call a request, 1 the best;
// 0: it is another.
func rankOfID(name string) int {
	rank, id := 0, ""
	switch len(name) {
	case len("x-request-id"):
		rank, id = 1, "x-request-id"
	case len("request-id"):
		rank, id = 2, "request-id"
	case len("x-amzn-requestid"):
		rank, id = 3, "x-amzn-requestid"
	case len("apim-request-id"):
		rank, id = 4, "apim-request-id"
	}
	if rank > 0 && !strings.EqualFold(name, id) {
		return 0
	}
	return rank
}

// A heading is what the gateway looks at of an answer's header: all is read in one pass.
type heading struct {
	kind   string // Content-Type
	id     string // what the upstream calls the request
	rank   int    // of id
	limits bool   // there may be something for Route.Allowed
	passes bool   // there is something that passes back
}

// line takes a line in; a name is never empty.
func (h *heading) line(name, value string, same bool) {
	switch name[0] | 0x20 { // most begin like none of those below
	case 'c':
		if h.kind == "" && len(name) == len("content-type") && (name == "Content-Type" || strings.EqualFold(name, "content-type")) {
			h.kind = value
		}
	case 'x', 'r', 'a', 'o':
		if rank := rankOfID(name); rank == 0 {
			h.limits = h.limits || routing.TellsAllowance(name)
			h.passes = h.passes || passesBack(name, same)
		} else if value != "" && (h.rank == 0 || rank < h.rank) {
			h.id, h.rank = value, rank
		}
	}
}

// A header is where that of an answer is made.
type header struct {
	*fasthttp.ResponseHeader
	lines *[]byte // instead, as they are sent; nil: in ResponseHeader
}

// say adds a line. The value is of printable characters.
func (h header) say(name, value []byte) {
	if h.lines == nil {
		h.SetCanonical(name, value)
		return
	}
	*h.lines = append(append(append(append(*h.lines, name...), ": "...), value...), "\r\n"...)
}

// writeHead sets the headers every answer has. known: the target that answers is
// settled (not so for a stream whose 200 goes out before any content).
func (x *exchange) writeHead(h header, known bool) {
	var buf [64]byte
	h.say(hRequestID, append(buf[:0], x.job.ID...))
	if l := x.r.o.Limits; l != nil && l.Any() {
		if !x.settled || x.now.IsZero() {
			x.now = x.r.o.Now()
		}
		x.r.writeRates(h, x.job.who(), x.now)
	}
	if !known || x.target == nil {
		return
	}
	h.say(hProvider, append(buf[:0], x.target.Account.Provider.Name...))
	h.say(hModel, append(buf[:0], clean(x.target.Model)...))
	if x.tries > 1 {
		h.say(hAttempts, strconv.AppendInt(buf[:0], int64(x.tries), 10))
	} else {
		h.say(hAttempts, one)
	}
	if x.job.ShowAccount {
		h.say(hAccount, append(buf[:0], clean(x.target.Account.Name)...))
	}
	if len(x.dropped) > 0 {
		h.say(hDropped, []byte(clean(strings.Join(x.dropped, ", "))))
		x.countDropped()
	}
	if x.row.UpstreamID != "" {
		h.say(hUpstream, append(buf[:0], clean(x.row.UpstreamID)...))
	}
	if x.up == nil || !x.head.passes {
		return
	}
	x.up.EachHeader(func(name, value string) {
		if passesBack(name, x.same) {
			h.Set(name, clean(value))
		}
	})
}

// countDropped tells the metrics how many members were left out, and between which formats.
func (x *exchange) countDropped() {
	from, to := string(x.job.Op), string(x.job.Op)
	if x.job.In != nil {
		from = string(x.job.In.Dialect())
		to = from
	}
	if !x.same && x.target.Egress != nil {
		to = string(x.target.Egress.Dialect())
	}
	x.r.o.Metrics.Dropped.WithLabelValues(from, to).Add(float64(len(x.dropped)))
}

// answerError writes x.fail in the caller's dialect. It must be settled already.
func (x *exchange) answerError(ctx *fasthttp.RequestCtx) {
	e := x.fail
	if e == nil {
		e = &providers.Error{Kind: providers.KindInternal, Status: 499, Code: "client_closed", Message: "the caller left before the answer"}
	}
	e.RequestID, e.Attempts = x.job.ID, x.tries
	if !x.same || !x.readable(e.Raw) || x.target != nil && x.target.Account.Leaks(string(e.Raw)) { // not the caller's format, or not for his eyes
		e.Raw = nil
	}
	if x.job.Lines != nil {
		*x.job.Lines = (*x.job.Lines)[:0] // of an answer that was not to be
	}
	x.writeHead(header{&ctx.Response.Header, nil}, x.target != nil)
	WriteError(ctx, x.job.In, e)
	x.recordAnswer(ctx)
}

// WriteError answers with e in the dialect of in.
func WriteError(ctx *fasthttp.RequestCtx, in providers.Ingress, e *providers.Error) {
	h := &ctx.Response.Header
	ctx.Response.ResetBody()
	ctx.Response.SetStatusCode(e.HTTPStatus())
	h.SetContentType("application/json")
	if e.RetryAfter > 0 {
		h.Set("Retry-After", strconv.FormatInt(int64(math.Ceil(e.RetryAfter.Seconds())), 10))
		h.Set("Retry-After-Ms", strconv.FormatInt(e.RetryAfter.Milliseconds(), 10))
	}
	if e.NoRetry {
		h.Set("X-Should-Retry", "false")
	}
	if e.Raw != nil {
		ctx.Response.SetBody(e.Raw)
		return
	}
	ctx.Response.SetBody(in.AppendError(nil, e))
}

// clean makes a header value of s: one line of printable ASCII, bounded.
func clean(s string) string {
	ok := len(s) <= 512
	for i := 0; ok && i < len(s); i++ {
		ok = s[i] >= 0x20 && s[i] < 0x7f
	}
	if ok {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s) && i < 512; i++ {
		if s[i] >= 0x20 && s[i] < 0x7f {
			b.WriteByte(s[i])
		} else {
			b.WriteByte('?')
		}
	}
	return b.String()
}
func isJSON(contentType string) bool { return strings.Contains(contentType, "json") }
